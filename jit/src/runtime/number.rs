//! Numbers as text, text as numbers, and numbers as the 32-bit integers of the bit operators.
//!
//! Out: the shortest decimal that reads back to the same double, without an exponent below 1e21 (`1e+21` from there on);
//! `-0` is `0`; `nan`, `inf`, `-inf`. In: blanks around, a sign, then decimals (with a fraction or exponent) or `0x` and hex
//! digits; anything else is not a number.
//!
//! HSL manual, chapters "Data types and literals" (Number) and "Standard library" (number).

use std::fmt::{self, Write};

use smallvec::SmallVec;

/// Room for the text of nearly every number without an allocation.
pub type NumberText = SmallVec<[u8; 32]>;

/// From here on, text has an exponent.
const EXPONENT_MIN: f64 = 1e21;

/// Below this every integral double is exactly an i64.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

struct Sink<'a>(&'a mut NumberText);

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The text of a number.
///
/// # Panics
///
/// Never: writing to memory does not fail.
#[must_use]
pub fn text(number: f64) -> NumberText {
    if let Some(integer) = as_integer(number) {
        return integer_text(integer);
    }
    let mut text = NumberText::new();
    let mut sink = Sink(&mut text);
    if number.is_nan() {
        sink.write_str("nan")
    } else if number.is_infinite() {
        sink.write_str(if number > 0.0 { "inf" } else { "-inf" })
    } else if number.abs() >= EXPONENT_MIN {
        exponent_text(&mut sink, number)
    } else {
        write!(sink, "{number}")
    }
    .expect("writing to memory does not fail");
    text
}

fn integer_text(integer: i64) -> NumberText {
    let mut room = [0; INTEGER_OCTETS_MAX];
    NumberText::from_slice(write_integer(integer, &mut room))
}

/// The integer that a number is, if the text of the number is that of the integer.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
#[expect(
    clippy::cast_precision_loss,
    reason = "compared with what it came from"
)]
pub(super) fn as_integer(number: f64) -> Option<i64> {
    let integer = number as i64;
    (number.abs() < INTEGER_MAX && integer as f64 == number).then_some(integer)
}

/// The text of a number that is an octet: its digits, and behind them how many they are.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "compared with what it came from"
)]
#[expect(clippy::cast_sign_loss, reason = "compared with what it came from")]
pub(super) fn octet_text(number: f64) -> Option<[u8; 4]> {
    let octet = number as u8;
    (f64::from(octet) == number).then(|| OCTETS[usize::from(octet)])
}

/// The digits of each octet, and how many they are.
static OCTETS: [[u8; 4]; 256] = {
    let mut octets = [[0; 4]; 256];
    let mut octet = 0_u8;
    loop {
        let digits = [
            octet / 100 + b'0',
            octet / 10 % 10 + b'0',
            octet % 10 + b'0',
        ];
        octets[octet as usize] = match octet {
            0..10 => [digits[2], 0, 0, 1],
            10..100 => [digits[1], digits[2], 0, 2],
            100.. => [digits[0], digits[1], digits[2], 3],
        };
        if octet == u8::MAX {
            break octets;
        }
        octet += 1;
    }
};

/// The text of an integer, in the room given. The digits come from the last to the first.
#[inline]
pub(super) fn write_integer(integer: i64, digits: &mut [u8; INTEGER_OCTETS_MAX]) -> &[u8] {
    let mut start = digits.len();
    if let Ok(small @ 0..1000) = u16::try_from(integer) {
        let values = [small / 100, small / 10 % 10, small % 10];
        for (digit, value) in digits[start - 3..].iter_mut().zip(values) {
            *digit = b'0' + value.to_le_bytes()[0];
        }
        start -= 1 + usize::from(9 < small) + usize::from(99 < small);
        return &digits[start..];
    }
    let mut rest = integer.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if integer < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    &digits[start..]
}

/// The digits of the greatest 64-bit integer, and a sign.
pub(super) const INTEGER_OCTETS_MAX: usize = 21;

fn exponent_text(sink: &mut Sink<'_>, number: f64) -> fmt::Result {
    let mut plain = NumberText::new();
    write!(Sink(&mut plain), "{number:e}")?;
    let text = std::str::from_utf8(&plain).unwrap_or_default();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    write!(sink, "{mantissa}e+{exponent}")
}

/// The number a text is, if it is one.
#[must_use]
pub fn parse(octets: &[u8]) -> Option<f64> {
    let text = octets.trim_ascii();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = match digits {
        [b'0', b'x' | b'X', hex @ ..] => hexadecimal(hex)?,
        // The standard parser also knows `inf` and `nan`, which scripts do not.
        [b'0'..=b'9' | b'.', ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn hexadecimal(digits: &[u8]) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0.0, |number, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(number * 16.0 + f64::from(value))
    })
}

/// The remainder of a division, with the sign of the dividend. Small whole numbers are divided as such, which is several
/// times as quick.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "compared with what they came from"
)]
pub fn remainder(dividend: f64, divisor: f64) -> f64 {
    let (left, right) = (dividend as u32, divisor.abs() as u32);
    let are_whole = f64::from(left) == dividend && f64::from(right) == divisor.abs();
    if are_whole && right != 0 && dividend.is_sign_positive() {
        return f64::from(left % right);
    }
    dividend % divisor
}

/// The 32-bit signed integer the bit operators see: the fraction cut off, modulo 2^32; nan and infinities are 0.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "reduced modulo 2^32 first")]
#[inline]
pub fn to_int32(number: f64) -> i32 {
    if number.abs() < INTEGER_MAX {
        return (number as i64) as i32;
    }
    far_to_int32(number)
}

#[expect(clippy::cast_possible_truncation, reason = "reduced modulo 2^32 first")]
fn far_to_int32(number: f64) -> i32 {
    if !number.is_finite() {
        return 0;
    }
    let reduced = number.trunc() % 4_294_967_296.0;
    (reduced as i64) as i32
}

/// A count from a number: the fraction cut off, negative numbers and nan 0, saturating.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts from doubles saturate"
)]
#[inline]
pub fn to_count(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(number: f64) -> String {
        String::from_utf8(text(number).to_vec()).expect("ascii")
    }

    #[test]
    fn numbers_print_as_the_manual_says() {
        let table = [
            (1.0, "1"),
            (1.5, "1.5"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1_234_567_890_123.0, "1234567890123"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.25e30, "-1.25e+30"),
            (1e-7, "0.0000001"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, expected) in table {
            assert_eq!(string(number), expected);
        }
    }

    #[test]
    fn text_that_is_a_number() {
        let table: [(&[u8], Option<f64>); 18] = [
            (b"5", Some(5.0)),
            (b"1.5", Some(1.5)),
            (b"0x1f", Some(31.0)),
            (b"0X1F", Some(31.0)),
            (b"-3", Some(-3.0)),
            (b"+3", Some(3.0)),
            (b" 7\t", Some(7.0)),
            (b".5", Some(0.5)),
            (b"1e3", Some(1000.0)),
            (b"12abc", None),
            (b"abc", None),
            (b"", None),
            (b"0x", None),
            (b"inf", None),
            (b"nan", None),
            (b"1_000", None),
            (b"--1", None),
            (b"\xff1", None),
        ];
        for (octets, expected) in table {
            assert_eq!(parse(octets), expected, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn bit_operators_see_32_bits() {
        let table = [
            (5.9, 5),
            (-5.9, -5),
            (4_294_967_295.0, -1),
            (4_294_967_296.0, 0),
            (2_147_483_648.0, i32::MIN),
            (-2_147_483_649.0, i32::MAX),
            (1e300, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
        ];
        for (number, expected) in table {
            assert_eq!(to_int32(number), expected, "{number}");
        }
    }

    #[test]
    fn remainders_are_those_of_the_processor() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.5,
            3.0,
            -3.0,
            7.0,
            -7.0,
            4_294_967_295.0,
            4_294_967_296.0,
            1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for dividend in numbers {
            for divisor in numbers {
                let (found, expected) = (remainder(dividend, divisor), dividend % divisor);
                let same =
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
                assert!(same, "{dividend} % {divisor} is {found}");
            }
        }
    }

    proptest! {
        #[test]
        fn text_reads_back_to_the_same_number(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let printed = text(number);
            prop_assert_eq!(parse(&printed), Some(number));
        }

        #[test]
        fn parsing_takes_anything(octets: Vec<u8>) {
            let _ = parse(&octets);
        }
    }
}
