//! `&`, `|`, `^`, `<<` and `>>`: of 32-bit integers with a sign.
//!
//! In: two numbers or booleans, of which the lowest 32 bits count. Out: a number.

use super::arithmetic::arithmetic;
use crate::error::ErrorKind;
use crate::runtime::number::to_int32;
use crate::runtime::value::Value;

/// `&`, of 32-bit integers.
///
/// # Errors
///
/// If an operand is neither number nor boolean.
pub fn bit_and(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    bits("&", left, right, |left, right| left & right)
}

/// `|`, of 32-bit integers.
///
/// # Errors
///
/// If an operand is neither number nor boolean.
pub fn bit_or(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    bits("|", left, right, |left, right| left | right)
}

/// `^`, of 32-bit integers.
///
/// # Errors
///
/// If an operand is neither number nor boolean.
pub fn bit_xor(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    bits("^", left, right, |left, right| left ^ right)
}

/// `<<`, of 32-bit integers; the count is taken modulo 32.
///
/// # Errors
///
/// If an operand is neither number nor boolean.
pub fn shift_left(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    bits("<<", left, right, |left, right| {
        left.wrapping_shl(right.cast_unsigned())
    })
}

/// `>>`, of 32-bit integers, keeping the sign; the count is taken modulo 32.
///
/// # Errors
///
/// If an operand is neither number nor boolean.
pub fn shift_right(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    bits(">>", left, right, |left, right| {
        left.wrapping_shr(right.cast_unsigned())
    })
}

fn bits(
    operator: &'static str,
    left: &Value,
    right: &Value,
    compute: impl FnOnce(i32, i32) -> i32,
) -> Result<Value, ErrorKind> {
    arithmetic(operator, left, right, |left, right| {
        f64::from(compute(to_int32(left), to_int32(right)))
    })
}
