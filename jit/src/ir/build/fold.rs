//! Operators on constants, computed when compiling.
//!
//! Only where the result surely equals what running would give: numbers and truth values. What would fail is left to run.

use crate::ir::Operand;
use crate::runtime::number::to_int32;
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// The operator applied to two constants, if that is a constant.
pub(super) fn binary(operator: BinaryOperator, left: Operand, right: Operand) -> Option<Operand> {
    let (Operand::Number(left), Operand::Number(right)) = (left, right) else {
        return None;
    };
    let number = |number: f64| Some(Operand::Number(canonical(number)));
    let truth = |truth: bool| Some(Operand::Boolean(truth));
    let bits = |integer: i32| Some(Operand::Number(f64::from(integer)));
    #[expect(
        clippy::cast_sign_loss,
        reason = "only the low five bits of the count matter"
    )]
    let count = to_int32(right) as u32;
    match operator {
        BinaryOperator::Power => number(left.powf(right)),
        BinaryOperator::Multiply => number(left * right),
        BinaryOperator::Divide => number(left / right),
        BinaryOperator::Modulus => number(left % right),
        BinaryOperator::Add => number(left + right),
        BinaryOperator::Subtract => number(left - right),
        BinaryOperator::ShiftLeft => bits(to_int32(left).wrapping_shl(count)),
        BinaryOperator::ShiftRight => bits(to_int32(left).wrapping_shr(count)),
        BinaryOperator::BitAnd => bits(to_int32(left) & to_int32(right)),
        BinaryOperator::BitXor => bits(to_int32(left) ^ to_int32(right)),
        BinaryOperator::BitOr => bits(to_int32(left) | to_int32(right)),
        BinaryOperator::Less => truth(left < right),
        BinaryOperator::Greater => truth(left > right),
        BinaryOperator::LessOrEqual => truth(left <= right),
        BinaryOperator::GreaterOrEqual => truth(left >= right),
        BinaryOperator::Concatenate
        | BinaryOperator::Equal
        | BinaryOperator::NotEqual
        | BinaryOperator::Identical
        | BinaryOperator::NotIdentical
        | BinaryOperator::Match
        | BinaryOperator::NotMatch => None,
    }
}

/// The operator applied to a constant, if that is a constant.
pub(super) fn unary(operator: UnaryOperator, operand: Operand) -> Option<Operand> {
    match (operator, operand) {
        (UnaryOperator::Minus, Operand::Number(number)) => {
            Some(Operand::Number(canonical(-number)))
        }
        (UnaryOperator::Plus, Operand::Number(_)) => Some(operand),
        (UnaryOperator::BitNot, Operand::Number(number)) => {
            Some(Operand::Number(f64::from(!to_int32(number))))
        }
        (UnaryOperator::Not, Operand::Number(number)) => Some(Operand::Boolean(number == 0.0)),
        (UnaryOperator::Not, Operand::Boolean(truth)) => Some(Operand::Boolean(!truth)),
        (UnaryOperator::Not, Operand::None) => Some(Operand::Boolean(true)),
        _ => None,
    }
}

/// The one NaN that values may hold.
fn canonical(number: f64) -> f64 {
    if number.is_nan() { f64::NAN } else { number }
}
