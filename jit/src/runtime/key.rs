//! Keys of array elements.
//!
//! In: any value. Out: the key it stands for, or a script error. A key is borrowed: looking up costs no copy and no count.
//!
//! HSL manual, chapter "Operators", "Subscript" (key casting); the range is that of exact integers, not 32 bits.

use std::hash::{BuildHasher, RandomState};

use super::string::{self, HslString};
use super::value::Value;
use crate::error::ErrorKind;

/// The greatest absolute value of an integer key: every integer up to it is exactly a double.
pub const KEY_MAX: i64 = (1 << 53) - 1;

/// The key of an element, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// `none`.
    None,
    /// An integer of absolute value at most [`KEY_MAX`].
    Integer(i64),
    /// The octets of a string that does not look like an integer.
    Octets(&'a [u8]),
    /// A string value that does not look like an integer; storing it shares it.
    String(&'a Value),
}

impl<'a> Key<'a> {
    /// The key a value stands for: booleans are 0 and 1, numbers are cut toward zero, strings that look like integers are
    /// integers, none is itself.
    ///
    /// # Errors
    ///
    /// If the value is an array, a function or an object, or a number outside the range of keys.
    #[inline]
    pub fn cast(value: &'a Value) -> Result<Self, ErrorKind> {
        if let Some(octets) = value.as_octets() {
            return Ok(integer_like(octets).map_or(Key::String(value), Key::Integer));
        }
        Self::cast_other(value)
    }

    /// The string that a value is, if it is one that surely does not look like an integer.
    #[inline]
    pub(super) fn text(value: &'a Value) -> Option<&'a HslString> {
        let string = value.as_string()?;
        match string.octets().first() {
            Some(b'-' | b'0'..=b'9') => None,
            Some(_) | None => Some(string),
        }
    }

    /// The key of what is not a string.
    #[inline]
    fn cast_other(value: &'a Value) -> Result<Self, ErrorKind> {
        if let Some(number) = value.as_arithmetic() {
            return Self::from_number(number);
        }
        if value.is_none() {
            return Ok(Key::None);
        }
        Err(ErrorKind::KeyKind { got: value.kind() })
    }

    /// The key octets stand for.
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Self {
        integer_like(octets).map_or(Key::Octets(octets), Key::Integer)
    }

    /// The key a position stands for.
    #[must_use]
    #[inline]
    pub fn at(position: usize) -> Self {
        Key::Integer(i64::try_from(position).unwrap_or(KEY_MAX))
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
    #[expect(clippy::cast_precision_loss, reason = "KEY_MAX is exactly a double")]
    #[inline]
    fn from_number(number: f64) -> Result<Self, ErrorKind> {
        let integer = number as i64;
        if integer.unsigned_abs() <= KEY_MAX.unsigned_abs() && integer as f64 == number {
            return Ok(Key::Integer(integer));
        }
        if number.trunc().abs() <= KEY_MAX as f64 {
            Ok(Key::Integer(number as i64))
        } else {
            Err(ErrorKind::KeyRange)
        }
    }

    /// The key as scripts see it.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        reason = "integer keys are exactly doubles"
    )]
    pub fn to_value(self) -> Result<Value, ErrorKind> {
        match self {
            Key::None => Ok(Value::NONE),
            Key::Integer(integer) => Ok(Value::number(integer as f64)),
            Key::Octets(octets) => Value::string(octets),
            Key::String(value) => Ok(value.clone()),
        }
    }

    /// The octets, if it is a string.
    #[must_use]
    #[inline]
    pub fn octets(self) -> Option<&'a [u8]> {
        match self {
            Key::None | Key::Integer(_) => None,
            Key::Octets(octets) => Some(octets),
            Key::String(value) => value.as_octets(),
        }
    }

    /// Whether both are the same key.
    #[must_use]
    #[inline]
    pub fn equals(self, other: Key<'_>) -> bool {
        match (self, other) {
            (Key::None, Key::None) => true,
            (Key::Integer(left), Key::Integer(right)) => left == right,
            (Key::String(left), Key::String(right)) if left.is_same(right) => true,
            _ => match (self.octets(), other.octets()) {
                (Some(left), Some(right)) => string::same_octets(left, right),
                _ => false,
            },
        }
    }

    #[inline]
    pub(super) fn hash(self) -> u32 {
        match self {
            Key::None => 1,
            Key::Integer(integer) => hash_integer(integer),
            Key::Octets(octets) => string::hash_octets(octets),
            Key::String(value) => value.as_string().map_or(0, HslString::hash),
        }
    }

    /// The position this is the key of in a packed array.
    #[inline]
    pub(super) fn position(self) -> Option<usize> {
        match self {
            Key::Integer(integer) => usize::try_from(integer).ok(),
            Key::None | Key::Octets(_) | Key::String(_) => None,
        }
    }
}

/// A hash of an integer, the same within this thread and not to be foretold: who sends the keys must not choose where they
/// collide. One multiplication whose halves are folded, which every bit of both operands reaches.
#[inline]
fn hash_integer(integer: i64) -> u32 {
    thread_local! {
        static SEEDS: [u64; 2] = {
            let random = RandomState::new();
            [random.hash_one(1), random.hash_one(2) | 1]
        };
    }
    SEEDS.with(|[mask, factor]| {
        let product = u128::from(integer.cast_unsigned() ^ mask) * u128::from(*factor);
        let folded = (product ^ (product >> 64)) & u128::from(u64::MAX);
        let folded = (folded ^ (folded >> 32)) & u128::from(u32::MAX);
        u32::try_from(folded).unwrap_or(0)
    })
}

/// The integer that octets look like: a minus sign at most, no leading zero, within the range of keys.
#[inline]
fn integer_like(octets: &[u8]) -> Option<i64> {
    match octets.first() {
        Some(b'-' | b'0'..=b'9') => integer_of(octets),
        Some(_) | None => None,
    }
}

#[inline(never)]
fn integer_of(octets: &[u8]) -> Option<i64> {
    let digits = octets.strip_prefix(b"-").unwrap_or(octets);
    let canonical = match digits {
        [b'0'] => octets.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 16 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    let magnitude = digits
        .iter()
        .fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
    let integer = if digits.len() < octets.len() {
        -magnitude
    } else {
        magnitude
    };
    (magnitude <= KEY_MAX).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::Heap;
    use crate::runtime::tests::text;

    #[test]
    fn keys_are_cast_as_the_manual_says() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let shown = |value: Value| match Key::cast(&value) {
            Ok(Key::Integer(integer)) => integer.to_string(),
            Ok(Key::None) => "none".to_owned(),
            Ok(key) => format!("\"{}\"", key.octets().unwrap_or_default().escape_ascii()),
            Err(error) => error.to_string(),
        };
        let range = "array key is outside -9007199254740991..9007199254740991";
        let table = [
            (text("1"), "1"),
            (text("-3"), "-3"),
            (text("0"), "0"),
            (text("-0"), "\"-0\""),
            (text("01"), "\"01\""),
            (text("+1"), "\"+1\""),
            (text("1.9"), "\"1.9\""),
            (text(""), "\"\""),
            (text("-"), "\"-\""),
            (text("9007199254740991"), "9007199254740991"),
            (text("9007199254740992"), "\"9007199254740992\""),
            (text("99999999999999999999"), "\"99999999999999999999\""),
            (Value::number(1.9), "1"),
            (Value::number(-1.9), "-1"),
            (Value::number(1e300), range),
            (Value::number(f64::NAN), range),
            (Value::TRUE, "1"),
            (Value::FALSE, "0"),
            (Value::NONE, "none"),
            (
                Value::array().expect("fits"),
                "array cannot be an array key",
            ),
        ];
        for (value, expected) in table {
            assert_eq!(shown(value), expected);
        }
    }
}
