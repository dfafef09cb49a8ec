//! Infix operators, by the names the syntax has for them.
//!
//! In: an operator and its two operands, whatever their kinds. Out: what the operator gives, or the script error that it does
//! not work on them. Guarantees: every operator of the syntax is here, so that whoever runs a script has the same table.
//! Does not: assign, or decide whether the right operand is needed (`and`, `or`, `??`).
//!
//! HSL manual, chapter "Operators".

use super::regex;
use crate::error::ErrorKind;
use crate::runtime::{Value, compare, operate};
use crate::syntax::ast::BinaryOperator;

/// `left operator right` on any values.
pub(crate) fn apply(
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
) -> Result<Value, ErrorKind> {
    match operator {
        BinaryOperator::Power => operate::power(left, right),
        BinaryOperator::Multiply => operate::multiply(left, right),
        BinaryOperator::Divide => operate::divide(left, right),
        BinaryOperator::Modulus => operate::modulo(left, right),
        BinaryOperator::Add => operate::add(left, right),
        BinaryOperator::Subtract => operate::subtract(left, right),
        BinaryOperator::Concatenate => operate::concat(left, right),
        BinaryOperator::ShiftLeft => operate::shift_left(left, right),
        BinaryOperator::ShiftRight => operate::shift_right(left, right),
        BinaryOperator::Less => Ok(Value::boolean(compare::less(left, right))),
        BinaryOperator::Greater => Ok(Value::boolean(compare::less(right, left))),
        BinaryOperator::LessOrEqual => Ok(Value::boolean(compare::less_or_equal(left, right))),
        BinaryOperator::GreaterOrEqual => Ok(Value::boolean(compare::less_or_equal(right, left))),
        BinaryOperator::Equal => compare::loose_equal(left, right).map(Value::boolean),
        BinaryOperator::NotEqual => {
            compare::loose_equal(left, right).map(|equal| Value::boolean(!equal))
        }
        BinaryOperator::Identical => compare::strict_equal(left, right).map(Value::boolean),
        BinaryOperator::NotIdentical => {
            compare::strict_equal(left, right).map(|equal| Value::boolean(!equal))
        }
        BinaryOperator::BitAnd => operate::bit_and(left, right),
        BinaryOperator::BitXor => operate::bit_xor(left, right),
        BinaryOperator::BitOr => operate::bit_or(left, right),
        BinaryOperator::Match => regex::matches("=~", left, right).map(Value::boolean),
        BinaryOperator::NotMatch => {
            regex::matches("!~", left, right).map(|found| Value::boolean(!found))
        }
    }
}
