//! Operators of one operand: `-`, `+`, `~`, `!`, `++` and `--`.
//!
//! In: an operand. Out: a number; of `!` a boolean. Does not: assign, which `++` and `--` leave to the caller.

use crate::error::ErrorKind;
use crate::runtime::number::to_int32;
use crate::runtime::value::Value;

/// Unary `-`, of a number or boolean.
///
/// # Errors
///
/// If it does not work on this kind.
pub fn negate(operand: &Value) -> Result<Value, ErrorKind> {
    unary("-", operand, |number| -number)
}

/// Unary `+`, of a number or boolean.
///
/// # Errors
///
/// If it does not work on this kind.
pub fn plus(operand: &Value) -> Result<Value, ErrorKind> {
    unary("+", operand, |number| number)
}

/// `~`, of a 32-bit integer.
///
/// # Errors
///
/// If it does not work on this kind.
pub fn bit_not(operand: &Value) -> Result<Value, ErrorKind> {
    unary("~", operand, |number| f64::from(!to_int32(number)))
}

/// `++`: one more, of a number or boolean.
///
/// # Errors
///
/// If it does not work on this kind.
pub fn increment(operand: &Value) -> Result<Value, ErrorKind> {
    unary("++", operand, |number| number + 1.0)
}

/// `--`: one less, of a number or boolean.
///
/// # Errors
///
/// If it does not work on this kind.
pub fn decrement(operand: &Value) -> Result<Value, ErrorKind> {
    unary("--", operand, |number| number - 1.0)
}

/// `!`.
#[must_use]
pub fn not(operand: &Value) -> Value {
    Value::boolean(!operand.truthy())
}

fn unary(
    operator: &'static str,
    operand: &Value,
    compute: impl FnOnce(f64) -> f64,
) -> Result<Value, ErrorKind> {
    match operand.as_arithmetic() {
        Some(number) => Ok(Value::number(compute(number))),
        None => Err(ErrorKind::UnaryOperator {
            operator,
            operand: operand.kind(),
        }),
    }
}
