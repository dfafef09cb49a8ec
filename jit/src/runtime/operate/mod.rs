//! Every operator of the language on values, except assignment and the short-circuit ones.
//!
//! In: borrowed operands. Out: a new value, or the script error that the operator does not work on these kinds. The
//! `_assign` forms change their left operand in place where nobody else sees it, and cost no copy then.
//! Does not: know the operators of the syntax by name.
//!
//! HSL manual, chapter "Operators".

mod arithmetic;
mod bits;
mod element;
mod text;
mod unary;

pub use arithmetic::{add, add_assign, divide, modulo, multiply, power, subtract};
pub use bits::{bit_and, bit_or, bit_xor, shift_left, shift_right};
pub use element::{slice, subscript, subscript_if_set};
pub use text::{concat, concat_assign, repeat_string};
pub use unary::{bit_not, decrement, increment, negate, not, plus};

use super::value::Value;
use crate::error::ErrorKind;

fn mismatch(operator: &'static str, left: &Value, right: &Value) -> ErrorKind {
    ErrorKind::Operator {
        operator,
        left: left.kind(),
        right: right.kind(),
    }
}

#[cfg(test)]
mod tests;
