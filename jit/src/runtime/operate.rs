//! Every operator of the language on values, except assignment and the short-circuit ones.
//!
//! In: borrowed operands. Out: a new value, or the script error that the operator does not work on these kinds. The
//! `_assign` forms change their left operand in place where nobody else sees it, and cost no copy then.
//!
//! HSL manual, chapter "Operators".

use std::collections::HashSet;

use super::compare::{self, ELEMENTS_MAX};
use super::convert::{self, DEPTH_MAX, Text};
use super::format;
use super::heap;
use super::key::Key;
use super::kind::Kind;
use super::number::{to_count, to_int32};
use super::slice::Bounds;
use super::string;
use super::value::Value;
use crate::error::ErrorKind;

/// Octets that a repeated string grows by at a time.
const REPEAT_BLOCK_OCTETS: usize = 4096;

fn mismatch(operator: &'static str, left: &Value, right: &Value) -> ErrorKind {
    ErrorKind::Operator {
        operator,
        left: left.kind(),
        right: right.kind(),
    }
}

fn arithmetic(
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

/// A string of `times` copies.
///
/// # Errors
///
/// If the result exceeds the limit of strings or of the heap.
pub fn repeat_string(octets: &[u8], times: usize) -> Result<Value, ErrorKind> {
    let length = octets.len().saturating_mul(times);
    let mut builder = string::StringBuilder::new(length)?;
    if octets.is_empty() {
        return Ok(builder.finish());
    }
    // Whole blocks at a time: octet by octet is slow.
    let in_block = (REPEAT_BLOCK_OCTETS / octets.len()).clamp(1, times.max(1));
    let block = octets.repeat(in_block);
    for _ in 0..times / in_block {
        builder.push(&block)?;
    }
    builder.push(&block[..times % in_block * octets.len()])?;
    Ok(builder.finish())
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
        _ => arithmetic("%", left, right, |left, right| left % right),
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

/// `.`: the text of both, one after the other.
///
/// # Errors
///
/// If one of them is none, or a limit is exceeded.
pub fn concat(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    if left.is_none() || right.is_none() {
        return Err(mismatch(".", left, right));
    }
    let (before, after) = (convert::text(left)?, convert::text(right)?);
    string::concat(&[before.octets(), after.octets()])
}

/// `.=`. A string nobody else sees grows in place.
///
/// # Errors
///
/// As for [`concat()`]; the left operand is unchanged then.
pub fn concat_assign(left: &mut Value, right: &Value) -> Result<(), ErrorKind> {
    if left.is_none() || right.is_none() {
        return Err(mismatch(".", left, right));
    }
    if left.kind() == Kind::String {
        // A string that is its own right operand is shared, and so copied before it grows.
        let held = right.clone();
        let text: Text<'_> = convert::text(&held)?;
        return string::append(left, text.octets());
    }
    *left = concat(left, right)?;
    Ok(())
}

fn bits(
    operator: &'static str,
    left: &Value,
    right: &Value,
    compute: impl FnOnce(i32, i32) -> i32,
) -> Result<Value, ErrorKind> {
    match (left.as_arithmetic(), right.as_arithmetic()) {
        (Some(left), Some(right)) => Ok(Value::number(f64::from(compute(
            to_int32(left),
            to_int32(right),
        )))),
        _ => Err(mismatch(operator, left, right)),
    }
}

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

/// `base[key]`, read. A missing element is none, and so is any element of none.
///
/// # Errors
///
/// If the base is a number, a boolean or a function, or the key cannot be one.
pub fn subscript(base: &Value, key: &Value) -> Result<Value, ErrorKind> {
    match base.kind() {
        Kind::Boolean | Kind::Number | Kind::Function => {
            Err(ErrorKind::NotSubscriptable { got: base.kind() })
        }
        Kind::None => Ok(Value::NONE),
        Kind::String | Kind::Array | Kind::Object => {
            Ok(element(base, Key::cast(key)?)?.unwrap_or_default())
        }
    }
}

/// The element, for `isset` and `??`: nothing is wrong with a base that has none.
///
/// # Errors
///
/// If the key cannot be one, or the heap exceeds its limit.
pub fn subscript_if_set(base: &Value, key: &Value) -> Result<Option<Value>, ErrorKind> {
    match base.kind() {
        // What has no elements is not asked for one, so that any key will do.
        Kind::None | Kind::Boolean | Kind::Number | Kind::Function => Ok(None),
        Kind::String | Kind::Array | Kind::Object => element(base, Key::cast(key)?),
    }
}

fn element(base: &Value, key: Key<'_>) -> Result<Option<Value>, ErrorKind> {
    if let Some(array) = base.as_array() {
        return Ok(array.get(key).cloned());
    }
    if let Some(object) = base.as_object() {
        return Ok(object.get(key));
    }
    let (Some(octets), Key::Integer(index)) = (base.as_octets(), key) else {
        return Ok(None);
    };
    let octet = usize::try_from(index)
        .ok()
        .and_then(|index| octets.get(index));
    octet
        .map(|octet| Value::string(std::slice::from_ref(octet)))
        .transpose()
}

/// `base[first:last:step]`, read, of a string or an array. `None` is an index that was left out.
///
/// # Errors
///
/// If the base is neither, an index is not a number, the step is 0 or a limit is exceeded.
pub fn slice(
    base: &Value,
    first: Option<&Value>,
    last: Option<&Value>,
    step: Option<&Value>,
) -> Result<Value, ErrorKind> {
    if let Some(array) = base.as_array() {
        return array.slice(&Bounds::new(array.len(), first, last, step)?);
    }
    let Some(octets) = base.as_octets() else {
        return Err(ErrorKind::NotSubscriptable { got: base.kind() });
    };
    let bounds = Bounds::new(octets.len(), first, last, step)?;
    if let Some((start, end)) = bounds.contiguous() {
        return string::slice(base, start, end);
    }
    let mut builder = string::StringBuilder::new(bounds.count)?;
    for index in bounds.indexes() {
        builder.push(&octets[index..=index])?;
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};

    fn text(octets: &str) -> Value {
        Value::string(octets.as_bytes()).expect("fits")
    }

    fn list(values: impl IntoIterator<Item = Value>) -> Value {
        Value::array_of(values).expect("fits")
    }

    fn map(elements: impl IntoIterator<Item = (&'static str, f64)>) -> Value {
        let mut value = list([]);
        let array = value.array_mut().expect("array");
        for (key, number) in elements {
            array
                .set(Key::of(key.as_bytes()), Value::number(number))
                .expect("fits");
        }
        value
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
        assert_eq!(
            odd.as_array().map(super::super::HslArray::len),
            Some(count as usize / 2)
        );
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
}
