//! Equality and order.
//!
//! Strict equality (`===`) needs the same kind; of arrays, the same keys, strictly equal values and the same order. Loose
//! equality (`==`) converts as the manual's table says, once: the elements of arrays are always compared strictly.
//! Comparing follows nested arrays to a depth and a number of elements that are bounded, so that hostile values cost a
//! script error, not the stack or the shard.
//!
//! HSL manual, chapter "Operators", "Comparison".

use super::array::HslArray;
use super::convert::{self, DEPTH_MAX};
use super::kind::Kind;
use super::value::Value;
use crate::error::ErrorKind;

/// How many elements one comparison or copy follows, counting shared ones each time.
pub const ELEMENTS_MAX: usize = 1 << 20;

/// `===`.
///
/// # Errors
///
/// If the values are arrays nested deeper than [`DEPTH_MAX`], or have more than [`ELEMENTS_MAX`] elements in all.
pub fn strict_equal(left: &Value, right: &Value) -> Result<bool, ErrorKind> {
    let mut elements = ELEMENTS_MAX;
    strict(left, right, DEPTH_MAX, &mut elements)
}

fn strict(
    left: &Value,
    right: &Value,
    depth: usize,
    elements: &mut usize,
) -> Result<bool, ErrorKind> {
    if let (Some(left), Some(right)) = (left.as_number(), right.as_number()) {
        return Ok(left == right);
    }
    if left.is_same(right) && left.as_array().is_none() {
        return Ok(true);
    }
    if let (Some(left), Some(right)) = (left.as_octets(), right.as_octets()) {
        return Ok(left == right);
    }
    if let (Some(left), Some(right)) = (left.as_function(), right.as_function()) {
        return Ok(left.equals(right));
    }
    match (left.as_array(), right.as_array()) {
        (Some(left), Some(right)) => arrays(left, right, depth, elements),
        _ => Ok(false),
    }
}

fn arrays(
    left: &HslArray,
    right: &HslArray,
    depth: usize,
    elements: &mut usize,
) -> Result<bool, ErrorKind> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(ErrorKind::NestingDepth { limit: DEPTH_MAX });
    };
    let Some(rest) = elements.checked_sub(left.len()) else {
        return Err(ErrorKind::ValueSize {
            limit: ELEMENTS_MAX,
        });
    };
    *elements = rest;
    for ((left_key, left), (right_key, right)) in left.iter().zip(right) {
        if !left_key.equals(right_key) || !strict(left, right, depth, elements)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `==`.
///
/// # Errors
///
/// As for [`strict_equal`].
pub fn loose_equal(left: &Value, right: &Value) -> Result<bool, ErrorKind> {
    let (left_kind, right_kind) = (left.kind(), right.kind());
    if left_kind == right_kind {
        return strict_equal(left, right);
    }
    Ok(match (left_kind, right_kind) {
        (Kind::None, _) | (_, Kind::None) => false,
        (Kind::Number, _) => number_equals(left, right),
        (_, Kind::Number) => number_equals(right, left),
        (Kind::Boolean, _) | (_, Kind::Boolean) => left.truthy() == right.truthy(),
        _ => false,
    })
}

/// A number against a value of another kind: strings and booleans by their number, everything else by its truth.
fn number_equals(number: &Value, other: &Value) -> bool {
    let converted = match other.kind() {
        Kind::Boolean | Kind::String => convert::to_number(other),
        _ => f64::from(u8::from(other.truthy())),
    };
    number.as_number() == Some(converted)
}

/// `<`. Numbers and booleans by value, two strings by octets; any other mix is false.
#[must_use]
pub fn less(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (left.as_arithmetic(), right.as_arithmetic()) {
        return left < right;
    }
    match (left.as_octets(), right.as_octets()) {
        (Some(left), Some(right)) => left < right,
        _ => false,
    }
}

/// `<=`, on the same kinds as [`less`].
#[must_use]
pub fn less_or_equal(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (left.as_arithmetic(), right.as_arithmetic()) {
        return left <= right;
    }
    match (left.as_octets(), right.as_octets()) {
        (Some(left), Some(right)) => left <= right,
        _ => false,
    }
}
