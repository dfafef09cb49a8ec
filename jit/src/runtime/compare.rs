//! Equality and order.
//!
//! Strict equality (`===`) needs the same kind; of arrays, the same keys, strictly equal values and the same order. Loose
//! equality (`==`) converts as the manual's table says, once: the elements of arrays are always compared strictly.
//! Comparing follows nested arrays to a depth and a number of elements that are bounded, so that hostile values cost a
//! script error, not the stack or the shard.
//!
//! HSL manual, chapter "Operators", "Comparison".

use std::cmp::Ordering;

use super::array::HslArray;
use super::convert::{self, DEPTH_MAX};
use super::heap;
use super::kind::Kind;
use super::string;
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

/// Strict equality with a depth and a number of elements still to be followed.
pub(super) fn strict(
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
        return Ok(same_octets(left, right));
    }
    if let (Some(left), Some(right)) = (left.as_function(), right.as_function()) {
        return Ok(left.equals(right));
    }
    match (left.as_array(), right.as_array()) {
        (Some(left), Some(right)) => arrays(left, right, depth, elements),
        _ => Ok(false),
    }
}

fn same_octets(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    heap::record_octets(left.len());
    string::same_octets(left, right)
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
    heap::record_elements(left.len());
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

fn order_octets(left: &[u8], right: &[u8]) -> Ordering {
    heap::record_octets(left.len().min(right.len()));
    left.cmp(right)
}

/// `<`. Numbers and booleans by value, two strings by octets; any other mix is false.
#[must_use]
pub fn less(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (left.as_arithmetic(), right.as_arithmetic()) {
        return left < right;
    }
    match (left.as_octets(), right.as_octets()) {
        (Some(left), Some(right)) => order_octets(left, right).is_lt(),
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
        (Some(left), Some(right)) => order_octets(left, right).is_le(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::function::FunctionTarget;
    use crate::runtime::heap::{Heap, live_objects};
    use crate::runtime::key::Key;
    use crate::runtime::tests::{list, text};

    /// Values of every kind, several where conversion makes a difference.
    fn samples() -> Vec<Value> {
        let function = |target| Value::function(target, Value::NONE, [].into_iter()).expect("fits");
        vec![
            Value::NONE,
            Value::TRUE,
            Value::FALSE,
            Value::number(0.0),
            Value::number(1.0),
            Value::number(5.0),
            Value::number(16.0),
            Value::number(f64::NAN),
            text(""),
            text("0"),
            text("1"),
            text("5.0"),
            text("0x10"),
            text("abc"),
            list([]),
            list([Value::number(7.0)]),
            function(FunctionTarget::Builtin(1)),
            function(FunctionTarget::User(1)),
            Value::object(1, list([])).expect("fits"),
        ]
    }

    /// The manual's table, cell by cell, in the manual's words.
    fn table(left: &Value, right: &Value) -> bool {
        let same = |left: &Value, right: &Value| strict_equal(left, right).expect("shallow");
        let boolean = |value: &Value| Value::boolean(value.truthy());
        let number = |value: &Value| Value::number(convert::to_number(value));
        match (left.kind(), right.kind()) {
            (Kind::None, Kind::None) => true,
            (Kind::None, _) | (_, Kind::None) => false,
            (Kind::Boolean, Kind::Boolean) => same(left, right),
            (Kind::Boolean, Kind::Number) => same(&number(left), right),
            (Kind::Boolean, _) => same(left, &boolean(right)),
            (Kind::Number, Kind::Boolean) => same(left, &number(right)),
            (Kind::Number, Kind::Number) => same(left, right),
            (Kind::Number, Kind::String) => same(left, &number(right)),
            (Kind::Number, _) => table(left, &boolean(right)),
            (_, Kind::Boolean) => same(&boolean(left), right),
            (Kind::String, Kind::Number) => same(&number(left), right),
            (_, Kind::Number) => table(&boolean(left), right),
            (left_kind, right_kind) if left_kind == right_kind => same(left, right),
            _ => false,
        }
    }

    #[test]
    fn loose_equality_is_the_manuals_table() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let samples = samples();
        for left in &samples {
            for right in &samples {
                let found = loose_equal(left, right).expect("shallow");
                assert_eq!(found, table(left, right), "{left:?} == {right:?}");
                assert_eq!(
                    loose_equal(right, left).expect("shallow"),
                    found,
                    "symmetric"
                );
            }
        }
        let yes = [
            (Value::number(5.0), text("5.0")),
            (Value::number(16.0), text("0x10")),
            (Value::number(0.0), text("")),
            (Value::number(0.0), text("abc")),
            (text("0"), Value::TRUE),
            (text(""), Value::FALSE),
            (Value::number(1.0), list([Value::number(7.0)])),
            (Value::number(0.0), list([])),
        ];
        for (left, right) in yes {
            assert!(
                loose_equal(&left, &right).expect("shallow"),
                "{left:?} == {right:?}"
            );
        }
        let no = [
            (Value::number(5.0), Value::TRUE),
            (Value::number(5.0), list([Value::number(7.0)])),
            (text("5"), text("5.0")),
            (Value::NONE, Value::FALSE),
            (Value::NONE, list([])),
            (text("a"), text("A")),
        ];
        for (left, right) in no {
            assert!(
                !loose_equal(&left, &right).expect("shallow"),
                "{left:?} != {right:?}"
            );
        }
        drop(samples);
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn strict_equality_needs_the_same_kind() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let samples = samples();
        for (row, left) in samples.iter().enumerate() {
            for (column, right) in samples.iter().enumerate() {
                let is_nan = left.as_number().is_some_and(f64::is_nan);
                let found = strict_equal(left, right).expect("shallow");
                assert_eq!(found, row == column && !is_nan, "{left:?} === {right:?}");
            }
        }
        assert!(strict_equal(&Value::number(0.0), &Value::number(-0.0)).expect("numbers"));
    }

    #[test]
    fn arrays_are_equal_by_keys_values_and_order() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let map = |names: [&str; 2]| {
            let mut value = list([]);
            let array = value.array_mut().expect("array");
            for name in names {
                array
                    .set(Key::of(name.as_bytes()), text(name))
                    .expect("fits");
            }
            value
        };
        assert!(strict_equal(&map(["a", "b"]), &map(["a", "b"])).expect("shallow"));
        assert!(!strict_equal(&map(["a", "b"]), &map(["b", "a"])).expect("shallow"));
        let (one, text_one) = (list([Value::number(1.0)]), list([text("1")]));
        assert!(
            !loose_equal(&one, &text_one).expect("shallow"),
            "elements compare strictly"
        );
        // Packed and mapped forms of the same array.
        let mut mapped = list([]);
        let array = mapped.array_mut().expect("array");
        array.set(Key::of(b"x"), Value::NONE).expect("fits");
        array
            .set(Key::Integer(0), Value::number(1.0))
            .expect("fits");
        array.remove(Key::of(b"x")).expect("fits");
        assert!(strict_equal(&mapped, &one).expect("shallow"));
    }

    #[test]
    fn order_of_numbers_and_strings() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let number = Value::number;
        assert!(less(&number(1.0), &number(2.0)) && !less(&number(2.0), &number(2.0)));
        assert!(less(&Value::FALSE, &number(0.5)) && less_or_equal(&Value::TRUE, &number(1.0)));
        assert!(less(&text("a"), &text("ab")) && less(&text("Z"), &text("a")));
        assert!(less_or_equal(&text("a"), &text("a")));
        let nan = number(f64::NAN);
        assert!(!less(&nan, &nan) && !less_or_equal(&nan, &nan));
        for (left, right) in [
            (text("1"), number(2.0)),
            (Value::NONE, number(1.0)),
            (list([]), list([])),
        ] {
            assert!(!less(&left, &right) && !less_or_equal(&left, &right));
            assert!(!less(&right, &left) && !less_or_equal(&right, &left));
        }
    }

    #[test]
    fn values_that_explode_when_compared_are_refused() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let tower = || (0..40).fold(Value::NONE, |value, _| list([value.clone(), value]));
        let limit = ErrorKind::ValueSize {
            limit: ELEMENTS_MAX,
        };
        assert_eq!(strict_equal(&tower(), &tower()), Err(limit));
        let deep = || (0..300).fold(Value::NONE, |value, _| list([value]));
        let limit = ErrorKind::NestingDepth { limit: DEPTH_MAX };
        assert_eq!(loose_equal(&deep(), &deep()), Err(limit));
    }
}
