//! `pack` and `unpack`, from the chapter "Encodings and JSON".
//!
//! A format is a row of letters, each with an optional repeater: a number, or `*` for all that is left. For `a`, `Z` and
//! `H` the repeater is a length (octets; hex digits for `H`), for the others a count of values. Blanks between letters are
//! ignored. Whatever does not fit (a letter, a kind, a missing argument, too little data) gives none.

use super::fault::{Fault, value_or_none};
use super::{Builtin, Call, Unwind, optional, required, variadic};
use crate::runtime::number::{to_count, to_int32};
use crate::runtime::string::HEX_LOWER;
use crate::runtime::{HslArray, Kinds, StringBuilder, Value};

const STRING: Kinds = Kinds::STRING;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure(
        "pack",
        &[required("format", STRING), variadic("args", Kinds::ANY)],
        STRING.or(Kinds::NONE),
        pack,
    )
    .says("the arguments as octets, laid out as the format says; none if they do not fit it")
    .shown(&[("pack(\"C*\", ...[72, 97, 108, 111, 110])", "Halon")]),
    Builtin::pure(
        "unpack",
        &[
            required("format", STRING),
            required("data", STRING),
            optional("offset", Kinds::NUMBER),
        ],
        Kinds::ARRAY.or(Kinds::NONE),
        unpack,
    )
    .says("the values in the data, laid out as the format says; none if it does not fit")
    .shown(&[("unpack(\"H*\", \"Hi\")", "[0=>\"4869\"]")]),
];

#[derive(Clone, Copy)]
enum Repeat {
    Count(usize),
    All,
}

/// The next letter of a format, its repeater if it has one, and the rest.
#[inline]
fn directive(format: &[u8]) -> Option<(u8, Option<Repeat>, &[u8])> {
    let (letter, rest) = format.trim_ascii_start().split_first()?;
    if let [next, ..] = rest
        && next.is_ascii_alphabetic()
    {
        return Some((*letter, None, rest));
    }
    if let Some(rest) = rest.strip_prefix(b"*") {
        return Some((*letter, Some(Repeat::All), rest));
    }
    let digits = rest
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let count = rest[..digits].iter().fold(0_usize, |count, digit| {
        count
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    let repeat = (digits > 0).then_some(Repeat::Count(count));
    Some((*letter, repeat, &rest[digits..]))
}

/// Octets of one number with this letter.
fn width(letter: u8) -> Option<usize> {
    match letter {
        b'c' | b'C' => Some(1),
        b'n' | b'v' => Some(2),
        b'N' | b'V' => Some(4),
        b'e' | b'E' => Some(8),
        _ => None,
    }
}

fn pack(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let format = call.octets(0);
    call.charge(format.len() + call.arguments.len())?;
    let given: usize = call
        .arguments
        .iter()
        .filter_map(Value::as_octets)
        .map(<[u8]>::len)
        .sum();
    call.charge_octets(given)?;
    value_or_none(pack_all(format, &call.arguments[1..]))
}

fn pack_all(format: &[u8], arguments: &[Value]) -> Result<Value, Fault> {
    if let ([b'H', count @ b'1'..=b'9'], [digits]) = (format, arguments)
        && let Some(octets) = digits.as_octets()
    {
        let digits = octets
            .get(..usize::from(count - b'0'))
            .ok_or(Fault::Unfit)?;
        let mut packed = [0; HEX_OCTETS];
        return Ok(Value::string(hex_octets(digits, &mut packed)?)?);
    }
    let mut builder = StringBuilder::new(PACKED_ROOM)?;
    let (mut rest, mut arguments) = (format, arguments.iter());
    while let Some((letter, repeat, behind)) = directive(rest) {
        rest = behind;
        match letter {
            b'a' | b'Z' | b'H' => {
                let argument = arguments.next().and_then(Value::as_octets);
                let octets = argument.ok_or(Fault::Unfit)?;
                match letter {
                    b'H' => pack_hex(octets, repeat, &mut builder)?,
                    _ => pack_string(octets, letter, repeat, &mut builder)?,
                }
            }
            b'x' => match repeat {
                Some(Repeat::All) => return Err(Fault::Unfit),
                Some(Repeat::Count(count)) => zeros(count, &mut builder)?,
                None => zeros(1, &mut builder)?,
            },
            b'c' => return Err(Fault::Unfit), // Only unpacked, by the manual's tables.
            _ => {
                let width = width(letter).ok_or(Fault::Unfit)?;
                let count = match repeat {
                    Some(Repeat::All) => arguments.len(),
                    Some(Repeat::Count(count)) => count,
                    None => 1,
                };
                for _ in 0..count {
                    let argument = arguments.next().and_then(Value::as_arithmetic);
                    pack_number(argument.ok_or(Fault::Unfit)?, letter, width, &mut builder)?;
                }
            }
        }
    }
    Ok(builder.finish())
}

/// The room most packed strings need: addresses and a few numbers.
const PACKED_ROOM: usize = 16;

fn zeros(count: usize, builder: &mut StringBuilder) -> Result<(), Fault> {
    let mut left = count;
    while left > 0 {
        let part = left.min(64);
        builder.push(&[0; 64][..part])?;
        left -= part;
    }
    Ok(())
}

fn pack_string(
    octets: &[u8],
    letter: u8,
    repeat: Option<Repeat>,
    builder: &mut StringBuilder,
) -> Result<(), Fault> {
    let terminator = usize::from(letter == b'Z');
    let length = match repeat {
        Some(Repeat::All) => octets.len() + terminator,
        Some(Repeat::Count(length)) => length,
        None => 1,
    };
    let kept = octets.len().min(length.saturating_sub(terminator));
    builder.push(&octets[..kept])?;
    zeros(length - kept, builder)
}

fn pack_hex(
    digits: &[u8],
    repeat: Option<Repeat>,
    builder: &mut StringBuilder,
) -> Result<(), Fault> {
    let length = match repeat {
        Some(Repeat::All) => digits.len(),
        Some(Repeat::Count(length)) => length,
        None => 1,
    };
    let digits = digits.get(..length).ok_or(Fault::Unfit)?;
    let mut octets = [0; HEX_OCTETS];
    for chunk in digits.chunks(octets.len() * 2) {
        builder.push(hex_octets(chunk, &mut octets)?)?;
    }
    Ok(())
}

/// So many octets are made of hex digits at a time.
const HEX_OCTETS: usize = 32;

/// The octets that hex digits are, as many as there is room for. Where the last one misses its second digit, that is 0.
#[inline]
fn hex_octets<'o>(digits: &[u8], octets: &'o mut [u8; HEX_OCTETS]) -> Result<&'o [u8], Fault> {
    let mut wrong = 0;
    let (pairs, last) = digits.as_chunks::<2>();
    let last = last.first().map(|digit| [*digit, b'0']);
    for (octet, pair) in octets.iter_mut().zip(pairs.iter().chain(&last)) {
        let [high, low] = pair.map(|digit| NIBBLES[usize::from(digit)]);
        wrong |= high | low;
        *octet = high << 4 | low & 15;
    }
    if wrong & NO_NIBBLE != 0 {
        return Err(Fault::Unfit);
    }
    Ok(&octets[..digits.len().div_ceil(2).min(HEX_OCTETS)])
}

/// What stands for an octet that is no hex digit.
const NO_NIBBLE: u8 = 0x80;

/// The values of hex digits.
static NIBBLES: [u8; 256] = {
    let mut nibbles = [NO_NIBBLE; 256];
    let mut value = 0;
    while value < 16 {
        let digit = HEX_LOWER[value as usize];
        nibbles[digit as usize] = value;
        nibbles[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    nibbles
};

fn pack_number(
    number: f64,
    letter: u8,
    width: usize,
    builder: &mut StringBuilder,
) -> Result<(), Fault> {
    let mut octets = match letter {
        b'e' | b'E' => number.to_le_bytes(),
        _ => u64::from(to_int32(number).cast_unsigned()).to_le_bytes(),
    };
    let octets = &mut octets[..width];
    if matches!(letter, b'E' | b'n' | b'N') {
        octets.reverse();
    }
    Ok(builder.push(octets)?)
}

fn unpack(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (format, data) = (call.octets(0), call.octets(1));
    call.charge(format.len())?;
    call.charge(data.len() / 8)?;
    let Some(data) = data.get(to_count(call.number(2))..) else {
        return Ok(Value::NONE);
    };
    value_or_none(unpack_all(format, data))
}

fn unpack_all(format: &[u8], data: &[u8]) -> Result<Value, Fault> {
    let mut result = Value::array_with_capacity(format.len().min(VALUES_ROOM))?;
    let values = result.array_mut()?;
    let (mut rest, mut data) = (format, data);
    // Octets one by one, up to the last: that may have a repeater.
    while let [b'C', behind @ ..] = rest
        && matches!(behind, [] | [b'C', ..])
    {
        let (octet, left) = data.split_first().ok_or(Fault::Unfit)?;
        values.append(Value::number(f64::from(*octet)))?;
        (rest, data) = (behind, left);
    }
    while let Some((letter, repeat, behind)) = directive(rest) {
        rest = behind;
        data = match letter {
            b'a' | b'Z' => unpack_string(letter, repeat, data, values)?,
            b'H' => unpack_hex(repeat, data, values)?,
            b'x' => match repeat {
                Some(Repeat::All) => return Err(Fault::Unfit),
                Some(Repeat::Count(count)) => data.get(count..).ok_or(Fault::Unfit)?,
                None => data.get(1..).ok_or(Fault::Unfit)?,
            },
            _ => {
                let width = width(letter).ok_or(Fault::Unfit)?;
                let count = match repeat {
                    Some(Repeat::All) => data.len() / width,
                    Some(Repeat::Count(count)) => count,
                    None => 1,
                };
                let length = count.checked_mul(width).ok_or(Fault::Unfit)?;
                let (numbers, behind) = data.split_at_checked(length).ok_or(Fault::Unfit)?;
                for octets in numbers.chunks_exact(width) {
                    values.append(Value::number(unpack_number(letter, octets)))?;
                }
                behind
            }
        };
    }
    Ok(result)
}

/// The values that room is set aside for at first.
const VALUES_ROOM: usize = 8;

fn unpack_string<'d>(
    letter: u8,
    repeat: Option<Repeat>,
    data: &'d [u8],
    values: &mut HslArray,
) -> Result<&'d [u8], Fault> {
    let end = memchr::memchr(0, data);
    let (field, behind) = match repeat {
        Some(Repeat::All) if letter == b'Z' => match end {
            Some(end) => (&data[..end], &data[end + 1..]),
            None => (data, &data[data.len()..]),
        },
        Some(Repeat::All) => (data, &data[data.len()..]),
        Some(Repeat::Count(length)) => data.split_at_checked(length).ok_or(Fault::Unfit)?,
        None => data.split_at_checked(1).ok_or(Fault::Unfit)?,
    };
    let kept = match end {
        Some(end) if letter == b'Z' => &field[..end.min(field.len())],
        _ => field,
    };
    values.append(Value::string(kept)?)?;
    Ok(behind)
}

fn unpack_hex<'d>(
    repeat: Option<Repeat>,
    data: &'d [u8],
    values: &mut HslArray,
) -> Result<&'d [u8], Fault> {
    let digits = match repeat {
        Some(Repeat::All) => data.len() * 2,
        Some(Repeat::Count(digits)) => digits,
        None => 1,
    };
    let (field, behind) = data
        .split_at_checked(digits.div_ceil(2))
        .ok_or(Fault::Unfit)?;
    let mut builder = StringBuilder::new(digits)?;
    for (index, octet) in field.iter().enumerate() {
        let pair = [octet >> 4, octet & 15].map(|digit| HEX_LOWER[usize::from(digit)]);
        builder.push(&pair[..(digits - index * 2).min(2)])?;
    }
    values.append(builder.finish())?;
    Ok(behind)
}

fn unpack_number(letter: u8, octets: &[u8]) -> f64 {
    let mut whole = [0; 8];
    whole[..octets.len()].copy_from_slice(octets);
    if matches!(letter, b'E' | b'n' | b'N') {
        whole[..octets.len()].reverse();
    }
    match letter {
        b'e' | b'E' => f64::from_le_bytes(whole),
        b'c' => f64::from(whole[0].cast_signed()),
        _ => f64::from(u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{on_heap, run, text};
    use proptest::prelude::*;

    fn packed(format: &str, arguments: impl IntoIterator<Item = Value>) -> Vec<u8> {
        let mut all = vec![text(format)];
        all.extend(arguments);
        let builtin = crate::builtins::builtin("pack").expect("there");
        let result = builtin.invoke(&all, &mut crate::builtins::call::tests::bench());
        let value = result.expect("within limits");
        value
            .as_octets()
            .map_or_else(|| b"(none)".to_vec(), <[u8]>::to_vec)
    }

    fn unpacked(format: &str, data: impl AsRef<[u8]>) -> String {
        run("unpack", &[text(format), text(data)])
    }

    fn n(number: f64) -> Value {
        Value::number(number)
    }

    #[test]
    fn packing_follows_the_manual() {
        on_heap(|| {
            let halon = [72.0, 97.0, 108.0, 111.0, 110.0].map(n);
            assert_eq!(packed("C*", halon), b"Halon");
            assert_eq!(packed("n2", [n(1.0), n(2.0)]), b"\0\x01\0\x02");
            assert_eq!(
                packed("vV N", [n(1.0), n(2.0), n(4_294_967_295.0)]),
                b"\x01\0\x02\0\0\0\xff\xff\xff\xff"
            );
            assert_eq!(packed("a*a*", [text("x"), text("yz")]), b"xyz");
            assert_eq!(packed("a5", [text("abc")]), b"abc\0\0");
            assert_eq!(packed("a2", [text("abc")]), b"ab");
            assert_eq!(packed("aZ*", [text("abc"), text("d")]), b"ad\0");
            assert_eq!(packed("Z3", [text("abc")]), b"ab\0");
            assert_eq!(packed("x3x", []), b"\0\0\0\0");
            assert_eq!(packed("H*", [text("48616")]), b"Ha\x60");
            assert_eq!(packed("E", [n(1.0)]), b"\x3f\xf0\0\0\0\0\0\0");
            assert_eq!(packed("e", [n(1.0)]), b"\0\0\0\0\0\0\xf0\x3f");
            assert_eq!(packed("C*", []), b"");
            for (format, arguments) in [
                ("C", vec![]),
                ("a", vec![n(1.0)]),
                ("C", vec![text("1")]),
                ("H*", vec![text("xy")]),
                ("?", vec![n(1.0)]),
                ("x*", vec![]),
                ("C9", vec![n(1.0)]),
            ] {
                assert_eq!(packed(format, arguments), b"(none)", "{format}");
            }
        });
    }

    #[test]
    fn unpacking_follows_the_manual() {
        on_heap(|| {
            assert_eq!(
                unpacked("CZ*n", b"\x01ab\0\x01\x02"),
                "[0=>1,1=>\"ab\",2=>258]"
            );
            assert_eq!(unpacked("N", b"\xff\xff\xff\xff"), "[0=>4294967295]");
            assert_eq!(unpacked("c", b"\xff"), "[0=>-1]");
            assert_eq!(unpacked("C*", "Hi"), "[0=>72,1=>105]");
            assert_eq!(unpacked("H2", "A"), "[0=>\"41\"]");
            assert_eq!(unpacked("H3", "AB"), "[0=>\"414\"]");
            assert_eq!(unpacked("H*", b"\0\x01\0\x02"), "[0=>\"00010002\"]");
            assert_eq!(unpacked("a2xa1", "abXc"), "[0=>\"ab\",1=>\"c\"]");
            assert_eq!(unpacked("Z4C", b"ab\0cd"), "[0=>\"ab\",1=>100]");
            assert_eq!(unpacked("v", b"\x01\x02"), "[0=>513]");
            assert_eq!(unpacked("E", b"\x3f\xf0\0\0\0\0\0\0"), "[0=>1]");
            assert_eq!(unpacked("E", [0xff; 8]), "[0=>nan]");
            assert_eq!(
                run("unpack", &[text("n"), text(b"zz\0\x05"), n(2.0)]),
                "[0=>5]"
            );
            for (format, data) in [
                ("N", "ab"),
                ("a9", "ab"),
                ("H5", "ab"),
                ("x3", "ab"),
                ("?", "ab"),
            ] {
                assert_eq!(unpacked(format, data), "none", "{format}");
            }
            assert_eq!(run("unpack", &[text("C"), text("a"), n(2.0)]), "none");
            assert_eq!(unpacked("C99999999999999999999999", "a"), "none");
        });
    }

    proptest! {
        #[test]
        fn numbers_come_back(number: u32, letters in "[NV]{1,8}") {
            on_heap(|| {
                let count = letters.len();
                let data = packed(&letters, (0..count).map(|_| n(f64::from(number))));
                let expected: Vec<String> = (0..count).map(|index| format!("{index}=>{number}")).collect();
                assert_eq!(unpacked(&letters, data), format!("[{}]", expected.join(",")));
            });
        }

        #[test]
        fn any_format_and_data_are_taken(format in "[aCceEHnNvVxZ*0-9 ?]{0,12}", data: Vec<u8>) {
            on_heap(|| {
                let _ = unpacked(&format, &data);
                let _ = packed(&format, [text(&data), n(1.0), n(2.0)]);
            });
        }
    }
}
