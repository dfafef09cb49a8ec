//! `+`, `-`, `*`, `/`, `%` and `**`: of numbers and booleans, and what the first three do to arrays and strings.
//!
//! In: two operands. Out: a number, a merged, reduced or repeated array, or a string. Guarantees: the work of removing many
//! values from many is bounded. Does not: convert strings to numbers.

use std::collections::HashSet;

use super::mismatch;
use super::text::{concat_assign, repeat_string};
use crate::error::ErrorKind;
use crate::runtime::compare::{self, ELEMENTS_MAX};
use crate::runtime::convert::DEPTH_MAX;
use crate::runtime::kind::Kind;
use crate::runtime::number::{remainder, to_count};
use crate::runtime::value::Value;
use crate::runtime::{format, heap};

/// `+`: adds numbers and booleans, merges arrays, appends to and prepends before an array, joins a string and a number or
/// string.
///
/// # Errors
///
/// If it does not work on these kinds, or a limit is exceeded.
pub fn add(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    if let (Some(left), Some(right)) = (left.as_arithmetic(), right.as_arithmetic()) {
        return Ok(Value::number(left + right));
    }
    let mut result = left.clone();
    add_other(&mut result, right)?;
    Ok(result)
}

/// `+=`.
///
/// # Errors
///
/// As for [`add`]; the left operand is unchanged then, unless the heap is at its limit.
pub fn add_assign(left: &mut Value, right: &Value) -> Result<(), ErrorKind> {
    if let (Some(augend), Some(addend)) = (left.as_arithmetic(), right.as_arithmetic()) {
        *left = Value::number(augend + addend);
        return Ok(());
    }
    add_other(left, right)
}

fn add_other(left: &mut Value, right: &Value) -> Result<(), ErrorKind> {
    match (left.kind(), right.kind()) {
        (Kind::Array, Kind::Array) => {
            // Held here so that `$a += $a` adds what was there before.
            let addend = right.clone();
            let elements = addend
                .as_array()
                .ok_or_else(|| mismatch("+", left, right))?;
            left.array_mut()?.extend(elements)
        }
        (Kind::Array, _) => left.array_mut()?.append(right.clone()),
        (_, Kind::Array) => {
            let elements = right.as_array().ok_or_else(|| mismatch("+", left, right))?;
            let mut result = Value::array_with_capacity(elements.len() + 1)?;
            let array = result.array_mut()?;
            array.append(left.clone())?;
            array.extend(elements)?;
            *left = result;
            Ok(())
        }
        (Kind::String, Kind::String | Kind::Number) | (Kind::Number, Kind::String) => {
            concat_assign(left, right)
        }
        _ => Err(mismatch("+", left, right)),
    }
}

/// `-`: subtracts numbers and booleans; removes from an array every value strictly equal to the right operand, or to one
/// of its values if that is an array. Keys stay.
///
/// # Errors
///
/// If it does not work on these kinds, or a limit is exceeded.
pub fn subtract(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    let Some(array) = left.as_array() else {
        return arithmetic("-", left, right, |left, right| left - right);
    };
    heap::record_elements(array.len());
    let mut removed = Removed::default();
    match right.as_array() {
        Some(values) => values.values().for_each(|value| removed.add(value)),
        None => removed.add(right),
    }
    let mut result = Value::array()?;
    let kept = result.array_mut()?;
    let mut elements = ELEMENTS_MAX;
    for (key, value) in array {
        if !removed.holds(value, &mut elements)? {
            kept.set(key, value.clone())?;
        }
    }
    Ok(result)
}

/// Values to remove, so arranged that most are found at once and the rest by comparing a bounded number of times.
#[derive(Default)]
struct Removed<'a> {
    plain: HashSet<Plain<'a>>,
    others: Vec<&'a Value>,
}

/// A value whose strict equality is that of its bits or octets.
#[derive(PartialEq, Eq, Hash)]
enum Plain<'a> {
    Bits(u64),
    Octets(&'a [u8]),
}

fn plain(value: &Value) -> Option<Plain<'_>> {
    match value.kind() {
        Kind::None | Kind::Boolean => Some(Plain::Bits(value.bits())),
        // Adding zero turns -0 into 0; nan, which equals nothing, compares the slow way.
        Kind::Number => value
            .as_number()
            .filter(|number| !number.is_nan())
            .map(|number| Plain::Bits((number + 0.0).to_bits())),
        Kind::String => value.as_octets().map(Plain::Octets),
        Kind::Array | Kind::Function | Kind::Object => None,
    }
}

impl<'a> Removed<'a> {
    fn add(&mut self, value: &'a Value) {
        heap::record_elements(1);
        heap::record_octets(value.as_octets().map_or(0, <[u8]>::len));
        match plain(value) {
            Some(plain) => {
                self.plain.insert(plain);
            }
            None => self.others.push(value),
        }
    }

    fn holds(&self, value: &Value, elements: &mut usize) -> Result<bool, ErrorKind> {
        heap::record_octets(value.as_octets().map_or(0, <[u8]>::len));
        if let Some(plain) = plain(value) {
            return Ok(self.plain.contains(&plain));
        }
        let Some(rest) = elements.checked_sub(self.others.len()) else {
            return Err(ErrorKind::ValueSize {
                limit: ELEMENTS_MAX,
            });
        };
        *elements = rest;
        heap::record_elements(self.others.len());
        for other in &self.others {
            if compare::strict(other, value, DEPTH_MAX, elements)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `*`: multiplies numbers and booleans; repeats a string or an array, whichever side it is on.
///
/// # Errors
///
/// If it does not work on these kinds, or a limit is exceeded.
pub fn multiply(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    let (repeated, times) = match (left.as_arithmetic(), right.as_arithmetic()) {
        (Some(left), Some(right)) => return Ok(Value::number(left * right)),
        (Some(times), None) => (right, times),
        (None, Some(times)) => (left, times),
        (None, None) => return Err(mismatch("*", left, right)),
    };
    let times = to_count(times);
    if let Some(octets) = repeated.as_octets() {
        return repeat_string(octets, times);
    }
    let Some(array) = repeated.as_array() else {
        return Err(mismatch("*", left, right));
    };
    let mut result = Value::array()?;
    if !array.is_empty() {
        let elements = result.array_mut()?;
        for _ in 0..times {
            let before = elements.len();
            elements.extend(array)?;
            if elements.len() == before {
                break; // Only string keys: further rounds overwrite the same elements with the same values.
            }
        }
    }
    Ok(result)
}

/// `/`, of numbers and booleans. By zero it is an infinity or nan.
///
/// # Errors
///
/// If it does not work on these kinds.
pub fn divide(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    arithmetic("/", left, right, |left, right| left / right)
}

/// `%`: the remainder with the sign of the left operand, of numbers and booleans; a template filled in, of a string and an
/// array.
///
/// # Errors
///
/// If it does not work on these kinds, the template is wrong or a limit is exceeded.
pub fn modulo(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    match (left.as_octets(), right.as_array()) {
        (Some(template), Some(values)) => format::fill(template, values),
        _ => arithmetic("%", left, right, remainder),
    }
}

/// `**`, of numbers and booleans.
///
/// # Errors
///
/// If it does not work on these kinds.
pub fn power(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    arithmetic("**", left, right, f64::powf)
}

/// What `compute` makes of two numbers or booleans.
pub(super) fn arithmetic(
    operator: &'static str,
    left: &Value,
    right: &Value,
    compute: impl FnOnce(f64, f64) -> f64,
) -> Result<Value, ErrorKind> {
    match (left.as_arithmetic(), right.as_arithmetic()) {
        (Some(left), Some(right)) => Ok(Value::number(compute(left, right))),
        _ => Err(mismatch(operator, left, right)),
    }
}
