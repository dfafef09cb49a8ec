//! The format operator: `"Hello %s!" % ["World"]`.
//!
//! ```text
//! %[argument][[fill]align][width][.precision][type]
//! ```
//!
//! `argument` is `[n]`, from 0; the next implicit one is then n + 1. `fill` may be quoted, `'0`. `align` is `<`, `>`, `^` or
//! `=` (behind the sign). `type` is `s`, `f`, `x`, `c` or `b`; without one it is `s`. `%%` is a percent sign. A number
//! without a precision is as short as it can be. Options that mean nothing for a type are ignored.
//!
//! HSL manual, chapter "Operators", "Format".

use super::array::HslArray;
use super::convert;
use super::key::Key;
use super::number::{self, NumberText};
use super::string::{HEX_LOWER, STRING_LENGTH_MAX, StringBuilder};
use super::value::Value;
use crate::error::ErrorKind;

/// The greatest number of decimals; a double has no more that differ from zero.
const PRECISION_MAX: usize = 1100;

/// The template filled in with the values.
///
/// # Errors
///
/// If a conversion is not one, a value is missing, or a limit is exceeded.
pub fn fill(template: &[u8], values: &HslArray) -> Result<Value, ErrorKind> {
    let mut builder = StringBuilder::new(template.len())?;
    let mut rest = template;
    let mut next = 0;
    while let Some(percent) = memchr::memchr(b'%', rest) {
        builder.push(&rest[..percent])?;
        rest = &rest[percent + 1..];
        if let [b'%', behind @ ..] = rest {
            builder.push(b"%")?;
            rest = behind;
            continue;
        }
        let (conversion, behind) = Conversion::parse(rest)?;
        rest = behind;
        let argument = conversion.argument.unwrap_or(next);
        next = argument.saturating_add(1);
        let value = values.get(Key::at(argument)).ok_or(ErrorKind::Template {
            fault: "there is no value for a conversion",
        })?;
        conversion.write(value, &mut builder)?;
    }
    builder.push(rest)?;
    Ok(builder.finish())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Center,
    BehindSign,
}

#[derive(Clone, Copy, Debug)]
struct Conversion {
    argument: Option<usize>,
    fill: u8,
    align: Option<Align>,
    width: usize,
    precision: Option<usize>,
    letter: u8,
}

fn alignment(octet: u8) -> Option<Align> {
    match octet {
        b'<' => Some(Align::Left),
        b'>' => Some(Align::Right),
        b'^' => Some(Align::Center),
        b'=' => Some(Align::BehindSign),
        _ => None,
    }
}

/// A decimal at the beginning, and what is behind it. Saturates far above every limit.
fn integer(octets: &[u8]) -> (Option<usize>, &[u8]) {
    let digits = octets
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let number = octets[..digits].iter().fold(0_usize, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    ((digits > 0).then_some(number), &octets[digits..])
}

impl Conversion {
    /// The conversion behind a percent sign, and what is behind that.
    fn parse(octets: &[u8]) -> Result<(Self, &[u8]), ErrorKind> {
        let mut rest = octets;
        let mut argument = None;
        if let [b'[', behind @ ..] = rest {
            let (number, behind) = integer(behind);
            let (Some(number), [b']', behind @ ..]) = (number, behind) else {
                return Err(ErrorKind::Template {
                    fault: "an argument is written [n]",
                });
            };
            argument = Some(number);
            rest = behind;
        }
        let (fill, align, behind) = match rest {
            [b'\'', fill, align, behind @ ..] if alignment(*align).is_some() => {
                (*fill, alignment(*align), behind)
            }
            [fill, align, behind @ ..] if *fill != b'%' && alignment(*align).is_some() => {
                (*fill, alignment(*align), behind)
            }
            [align, behind @ ..] if alignment(*align).is_some() => {
                (b' ', alignment(*align), behind)
            }
            _ => (b' ', None, rest),
        };
        let (width, behind) = integer(behind);
        let (precision, behind) = match behind {
            [b'.', decimals @ ..] => integer(decimals),
            _ => (None, behind),
        };
        let (letter, behind) = match behind {
            [letter @ (b's' | b'f' | b'x' | b'c' | b'b'), behind @ ..] => (*letter, behind),
            [other, ..] if other.is_ascii_alphabetic() => {
                return Err(ErrorKind::Template {
                    fault: "a conversion ends with s, f, x, c or b",
                });
            }
            _ => (b's', behind),
        };
        let conversion = Self {
            argument,
            fill,
            align,
            width: width.unwrap_or(0),
            precision,
            letter,
        };
        Ok((conversion, behind))
    }

    fn write(&self, value: &Value, builder: &mut StringBuilder) -> Result<(), ErrorKind> {
        if self.letter == b's' {
            let text = convert::text(value)?;
            let octets = text.octets();
            let cut = octets.len().min(self.precision.unwrap_or(usize::MAX));
            return self.pad(&octets[..cut], Align::Left, builder);
        }
        let number = convert::to_number(value);
        let text = match self.letter {
            b'f' => self.decimals(number),
            b'c' => {
                let octet = number::to_int32(number).to_le_bytes()[0];
                return self.pad(&[octet], Align::Left, builder);
            }
            b'x' => in_base(number, 4),
            _ => in_base(number, 1),
        };
        self.pad(&text, Align::Right, builder)
    }

    fn decimals(&self, number: f64) -> NumberText {
        match self.precision {
            Some(precision) if number.is_finite() => {
                let precision = precision.min(PRECISION_MAX);
                NumberText::from_slice(format!("{number:.precision$}").as_bytes())
            }
            _ => number::text(number),
        }
    }

    fn pad(&self, text: &[u8], usual: Align, builder: &mut StringBuilder) -> Result<(), ErrorKind> {
        let padding = self.width.saturating_sub(text.len());
        if padding > STRING_LENGTH_MAX {
            return Err(ErrorKind::StringLength {
                limit: STRING_LENGTH_MAX,
            });
        }
        let sign = match text {
            [b'-' | b'+', ..] => 1,
            _ => 0,
        };
        let (before, text, after) = match self.align.unwrap_or(usual) {
            Align::Left => (0, text, padding),
            Align::Right => (padding, text, 0),
            Align::Center => (padding / 2, text, padding - padding / 2),
            Align::BehindSign => {
                builder.push(&text[..sign])?;
                (padding, &text[sign..], 0)
            }
        };
        self.repeat_fill(before, builder)?;
        builder.push(text)?;
        self.repeat_fill(after, builder)
    }

    fn repeat_fill(&self, count: usize, builder: &mut StringBuilder) -> Result<(), ErrorKind> {
        let chunk = [self.fill; 64];
        let mut left = count;
        while left > 0 {
            let part = left.min(chunk.len());
            builder.push(&chunk[..part])?;
            left -= part;
        }
        Ok(())
    }
}

/// The integer part of a number in base 2 (`shift` 1) or 16 (`shift` 4), with a sign if it is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts from doubles saturate"
)]
fn in_base(number: f64, shift: u32) -> NumberText {
    let mut left = number.abs() as u64;
    let mut digits = NumberText::new();
    while left > 0 || digits.is_empty() {
        let digit = left & ((1 << shift) - 1);
        digits.push(HEX_LOWER[digit as usize]);
        left >>= shift;
    }
    if number <= -1.0 {
        digits.push(b'-');
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};
    use crate::runtime::tests::text;

    fn filled(template: &str, values: Vec<Value>) -> Result<String, ErrorKind> {
        let array = Value::array_of(values)?;
        let text = fill(template.as_bytes(), array.as_array().expect("array"))?;
        Ok(String::from_utf8(text.as_octets().expect("string").to_vec()).expect("ascii"))
    }

    #[test]
    fn templates_are_filled_as_the_manual_says() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let number = Value::number;
        let table = [
            ("Hello %s!", vec![text("World")], "Hello World!"),
            ("%s-%s", vec![text("a"), number(5.0)], "a-5"),
            ("100%%", vec![], "100%"),
            ("%[1]s %[0]s", vec![text("a"), text("b")], "b a"),
            ("%[1]s %s", vec![text("a"), text("b"), text("c")], "b c"),
            ("%'0>6s", vec![number(42.0)], "000042"),
            ("%0>6s", vec![number(42.0)], "000042"),
            ("[%'*^7s]", vec![text("ab")], "[**ab***]"),
            ("%'0=6.1f", vec![number(-1.5)], "-001.5"),
            ("%8.2f|", vec![number(2.567)], "    2.57|"),
            ("%f", vec![number(1.5)], "1.5"),
            ("%-5s", vec![], ""),
            ("%.3s", vec![text("abcdef")], "abc"),
            ("%<5s|", vec![text("ab")], "ab   |"),
            ("%x %b", vec![number(255.0), number(5.0)], "ff 101"),
            ("%x", vec![number(-31.0)], "-1f"),
            ("%c%c", vec![number(72.0), number(105.0)], "Hi"),
            ("%5x|", vec![number(10.0)], "    a|"),
        ];
        for (template, values, expected) in table {
            match filled(template, values) {
                Ok(found) => assert_eq!(found, expected, "{template}"),
                Err(error) => assert_eq!(expected, "", "{template}: {error}"),
            }
        }
        assert!(filled("%d", vec![number(1.0)]).is_err());
        assert!(filled("%s", vec![]).is_err());
        assert!(filled("%[x]s", vec![number(1.0)]).is_err());
        assert!(filled("%99999999999999999999999s", vec![number(1.0)]).is_err());
        assert_eq!(live_objects(), 0);
    }
}
