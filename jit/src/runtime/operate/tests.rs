//! Operators on every pair of kinds the manual speaks of, as texts of results or errors.

use super::*;
use crate::error::ErrorKind;
use crate::runtime::heap::{Heap, live_objects};
use crate::runtime::tests::{self, list, text};
use crate::runtime::value::Value;
use crate::runtime::{HslArray, convert};

fn map<const N: usize>(elements: [(&str, f64); N]) -> Value {
    tests::map(elements.map(|(key, number)| (key, Value::number(number))))
}

/// The text of a result, or of its error.
fn shown(result: Result<Value, ErrorKind>) -> String {
    match result {
        Ok(value) => {
            let octets = convert::text(&value).expect("shallow").octets().to_vec();
            String::from_utf8(octets).expect("ascii")
        }
        Err(error) => error.to_string(),
    }
}

fn n(number: f64) -> Value {
    Value::number(number)
}

#[test]
fn arithmetic_follows_the_manual() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let table = [
        (add(&n(2.0), &n(3.0)), "5"),
        (add(&Value::TRUE, &Value::TRUE), "2"),
        (add(&text("a"), &n(1.0)), "a1"),
        (add(&n(1.0), &text("a")), "1a"),
        (add(&text("a"), &text("b")), "ab"),
        (
            add(&text("a"), &Value::TRUE),
            "operator + does not work on string and boolean",
        ),
        (
            add(&Value::NONE, &n(1.0)),
            "operator + does not work on none and number",
        ),
        (subtract(&n(2.0), &Value::TRUE), "1"),
        (
            subtract(&text("2"), &n(1.0)),
            "operator - does not work on string and number",
        ),
        (multiply(&n(5.0), &Value::FALSE), "0"),
        (multiply(&text("x"), &n(8.0)), "xxxxxxxx"),
        (multiply(&n(2.9), &text("ab")), "abab"),
        (multiply(&text("ab"), &n(-1.0)), ""),
        (multiply(&text("ab"), &n(f64::NAN)), ""),
        (
            multiply(&text("a"), &text("b")),
            "operator * does not work on string and string",
        ),
        (
            multiply(&text("ab"), &n(1e300)),
            "string exceeds 268435456 octets",
        ),
        (divide(&n(1.0), &n(4.0)), "0.25"),
        (divide(&n(1.0), &n(0.0)), "inf"),
        (modulo(&n(5.5), &n(2.0)), "1.5"),
        (modulo(&n(-7.0), &n(3.0)), "-1"),
        (modulo(&n(1.0), &n(0.0)), "nan"),
        (modulo(&text("%s!"), &list([text("a")])), "a!"),
        (power(&n(2.0), &n(-1.0)), "0.5"),
        (concat(&n(1.0), &n(2.5)), "12.5"),
        (concat(&Value::TRUE, &list([])), "true[]"),
        (
            concat(&text("a"), &Value::NONE),
            "operator . does not work on string and none",
        ),
        (negate(&Value::TRUE), "-1"),
        (negate(&text("1")), "operator - does not work on string"),
        (increment(&n(1.5)), "2.5"),
        (decrement(&Value::FALSE), "-1"),
    ];
    for (found, expected) in table {
        assert_eq!(shown(found), expected);
    }
    assert_eq!(live_objects(), 0);
}

#[test]
fn bits_are_those_of_32_bit_integers() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let table = [
        (bit_and(&n(5.0), &n(3.0)), "1"),
        (bit_or(&n(5.9), &n(3.0)), "7"),
        (bit_xor(&n(5.0), &n(3.0)), "6"),
        (bit_not(&n(5.0)), "-6"),
        (shift_left(&n(1.0), &n(4.0)), "16"),
        (shift_left(&n(1.0), &n(31.0)), "-2147483648"),
        (shift_left(&n(1.0), &n(33.0)), "2"),
        (shift_right(&n(256.0), &n(4.0)), "16"),
        (shift_right(&n(-16.0), &n(2.0)), "-4"),
        (bit_and(&n(4_294_967_295.0), &n(-1.0)), "-1"),
        (
            bit_and(&text("5"), &n(1.0)),
            "operator & does not work on string and number",
        ),
    ];
    for (found, expected) in table {
        assert_eq!(shown(found), expected);
    }
}

#[test]
fn arrays_merge_shrink_and_repeat() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let table = [
        (
            add(
                &map([("a", 1.0), ("b", 2.0)]),
                &map([("a", 9.0), ("c", 3.0)]),
            ),
            "[\"a\"=>9,\"b\"=>2,\"c\"=>3]",
        ),
        (add(&map([("5", 1.0)]), &map([("5", 2.0)])), "[5=>1,6=>2]"),
        (add(&list([n(1.0)]), &Value::NONE), "[0=>1,1=>none]"),
        (
            add(&text("x"), &list([n(1.0), n(2.0)])),
            "[0=>\"x\",1=>1,2=>2]",
        ),
        (
            add(&n(0.0), &map([("k", 1.0), ("7", 2.0)])),
            "[0=>0,\"k\"=>1,1=>2]",
        ),
        (
            subtract(&list([text("foo"), n(5.0)]), &n(5.0)),
            "[0=>\"foo\"]",
        ),
        (
            subtract(&list([text("foo"), text("foo"), n(5.0)]), &text("foo")),
            "[2=>5]",
        ),
        (
            subtract(&list([text("foo"), n(5.0)]), &list([text("foo"), n(5.0)])),
            "[]",
        ),
        (subtract(&list([n(1.0), Value::TRUE]), &n(1.0)), "[1=>true]"),
        (
            multiply(&list([text("x"), text("y")]), &n(2.0)),
            "[0=>\"x\",1=>\"y\",2=>\"x\",3=>\"y\"]",
        ),
        (multiply(&n(1e300), &map([("k", 1.0)])), "[\"k\"=>1]"),
        (multiply(&n(1e300), &list([])), "[]"),
    ];
    for (found, expected) in table {
        assert_eq!(shown(found), expected);
    }
    assert_eq!(live_objects(), 0);
}

#[test]
fn much_is_removed_from_much() {
    let heap = Heap::new(64 << 20);
    let _entered = heap.enter();
    let count = if cfg!(miri) { 100_u32 } else { 50_000 };
    let numbers = |step: u32| list((0..count).map(|number| n(f64::from(number * step))));
    let odd = subtract(&numbers(1), &numbers(2)).expect("fits");
    assert_eq!(odd.as_array().map(HslArray::len), Some(count as usize / 2));
    let zeros = list([n(-0.0), n(f64::NAN), list([n(1.0)]), text("0")]);
    let rest = subtract(&zeros, &list([n(0.0), n(f64::NAN), list([n(1.0)])]));
    assert_eq!(shown(rest), "[1=>nan,3=>\"0\"]");
    if !cfg!(miri) {
        let arrays = |first: f64| list((0..2000).map(|_| list([n(first)])));
        let error = subtract(&arrays(1.0), &arrays(2.0));
        assert_eq!(shown(error), "value exceeds 1048576 elements in all");
    }
}

#[test]
fn assigning_forms_work_in_place_and_on_themselves() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let mut value = text("ab");
    let copy = value.clone();
    let own = value.clone();
    concat_assign(&mut value, &own).expect("fits");
    assert_eq!(shown(Ok(value)), "abab");
    assert_eq!(shown(Ok(copy)), "ab");
    let mut array = list([n(1.0)]);
    let own = array.clone();
    add_assign(&mut array, &own).expect("fits");
    assert_eq!(shown(Ok(array)), "[0=>1,1=>1]");
    let mut number = n(1.0);
    add_assign(&mut number, &Value::TRUE).expect("numbers");
    concat_assign(&mut number, &text("x")).expect("fits");
    assert_eq!(shown(Ok(number)), "2x");
}

#[test]
fn elements_and_slices_read_as_the_manual_says() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let halon = text("Halon");
    let part = |first: Option<f64>, last: Option<f64>, step: Option<f64>| {
        let values = [first, last, step].map(|index| index.map(Value::number));
        slice(
            &halon,
            values[0].as_ref(),
            values[1].as_ref(),
            values[2].as_ref(),
        )
    };
    let table = [
        (part(None, None, None), "Halon"),
        (part(Some(1.0), Some(4.0), None), "alo"),
        (part(Some(-1.0), None, None), "n"),
        (part(Some(-3.0), None, None), "lon"),
        (part(Some(-5.0), Some(-2.0), None), "Hal"),
        (part(None, None, Some(-1.0)), "nolaH"),
        (part(None, None, Some(2.0)), "Hln"),
        (part(Some(5.0), Some(9.0), None), ""),
        (part(Some(2.0), Some(1.0), None), ""),
        (part(Some(1.0), Some(99.0), None), "alon"),
        (subscript(&halon, &n(1.0)), "a"),
        (subscript(&halon, &text("0")), "H"),
        (subscript(&halon, &n(5.0)), "none"),
        (subscript(&halon, &n(-1.0)), "none"),
        (subscript(&halon, &text("x")), "none"),
        (subscript(&Value::NONE, &text("x")), "none"),
        (subscript(&list([n(7.0)]), &text("0")), "7"),
        (subscript(&list([n(7.0)]), &n(1.0)), "none"),
        (subscript(&map([("k", 1.0)]), &text("k")), "1"),
        (subscript(&n(5.0), &n(0.0)), "number has no elements"),
        (subscript(&halon, &list([])), "array cannot be an array key"),
    ];
    for (found, expected) in table {
        assert_eq!(shown(found), expected);
    }
}
