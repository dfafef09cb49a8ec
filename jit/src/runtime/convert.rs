//! Values as text, numbers and booleans.
//!
//! Text is what `echo`, `.` and `string()` give. A string is itself; an array is a literal that reads back,
//! `["k"=>"v",0=>1]`, with the escapes of double-quoted strings. Deeply nested arrays are refused, not followed.
//!
//! HSL manual, chapter "Standard library", "Data types".

use super::array::HslArray;
use super::heap;
use super::key::Key;
use super::kind::Kind;
use super::number::{self, NumberText};
use super::string::{self, HslString, StringBuilder};
use super::value::Value;
use crate::error::ErrorKind;

/// How deep arrays may be nested for text, comparison, copies and JSON. A level costs up to 1.5 KiB of stack without
/// optimisation, so all of them fit a script's stack of 256 KiB with room to spare.
pub const DEPTH_MAX: usize = 100;

/// Where text goes.
pub trait TextSink {
    /// Adds octets.
    ///
    /// # Errors
    ///
    /// If the sink is at its limit.
    fn push(&mut self, octets: &[u8]) -> Result<(), ErrorKind>;
}

impl TextSink for StringBuilder {
    fn push(&mut self, octets: &[u8]) -> Result<(), ErrorKind> {
        Self::push(self, octets)
    }
}

impl TextSink for Vec<u8> {
    fn push(&mut self, octets: &[u8]) -> Result<(), ErrorKind> {
        self.extend_from_slice(octets);
        Ok(())
    }
}

/// The text of a value, borrowed where it is a string already.
#[derive(Debug)]
pub enum Text<'a> {
    /// The value's own octets, or a word.
    Borrowed(&'a [u8]),
    /// A number's.
    Number(NumberText),
    /// An array's, as a string on the heap.
    Built(Value),
}

impl Text<'_> {
    /// The octets.
    #[must_use]
    #[inline]
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Borrowed(octets) => octets,
            Self::Number(text) => text,
            Self::Built(value) => value.as_octets().unwrap_or_default(),
        }
    }
}

/// The text of a value, as `echo` prints it.
///
/// # Errors
///
/// If an array is nested deeper than [`DEPTH_MAX`], or its text exceeds the limits of strings or of the heap.
#[inline]
pub fn text(value: &Value) -> Result<Text<'_>, ErrorKind> {
    match value.as_octets() {
        Some(octets) => Ok(Text::Borrowed(octets)),
        None => made_text(value),
    }
}

/// The text of what is not a string.
fn made_text(value: &Value) -> Result<Text<'_>, ErrorKind> {
    Ok(match value.kind() {
        Kind::Number => Text::Number(number::text(value.as_number().unwrap_or_default())),
        Kind::String => Text::Borrowed(value.as_octets().unwrap_or_default()),
        Kind::Array => {
            let mut builder = StringBuilder::new(64)?;
            write_literal(value, &mut builder, DEPTH_MAX)?;
            Text::Built(builder.finish())
        }
        Kind::None | Kind::Boolean | Kind::Function | Kind::Object => Text::Borrowed(word(value)),
    })
}

/// Writes the text of a value, as `echo` prints it.
///
/// # Errors
///
/// If an array is nested deeper than [`DEPTH_MAX`], or the sink is at its limit.
pub fn write_text(value: &Value, sink: &mut dyn TextSink) -> Result<(), ErrorKind> {
    match value.as_octets() {
        Some(octets) => sink.push(octets),
        None => write_literal(value, sink, DEPTH_MAX),
    }
}

/// The text of a value, as a string value; a string is itself.
///
/// # Errors
///
/// As for [`text`].
pub fn to_string(value: &Value) -> Result<Value, ErrorKind> {
    match text(value)? {
        Text::Borrowed(_) if value.kind() == Kind::String => Ok(value.clone()),
        Text::Borrowed(octets) => Value::string(octets),
        Text::Number(text) => Value::string(&text),
        Text::Built(built) => Ok(built),
    }
}

/// The number a value stands for: booleans are 0 and 1, strings are read, everything else is 0.
#[must_use]
pub fn to_number(value: &Value) -> f64 {
    if let Some(octets) = value.as_octets() {
        heap::record_octets(octets.len());
    }
    match value.as_arithmetic() {
        Some(number) => number,
        None => value
            .as_octets()
            .and_then(number::parse)
            .unwrap_or_default(),
    }
}

/// The values of an array joined by a separator, each as text.
///
/// # Errors
///
/// As for [`text`].
pub fn join(array: &HslArray, separator: &[u8]) -> Result<Value, ErrorKind> {
    if let Some(joined) = join_short(array, separator) {
        return joined;
    }
    let separators = array.len().saturating_mul(separator.len());
    let room = separators.saturating_add(room_for(array.values()));
    let mut builder = StringBuilder::new(room.min(ROOM_MAX))?;
    for (position, value) in array.values().enumerate() {
        if position > 0 {
            builder.push(separator)?;
        }
        push_text(value, &mut builder)?;
    }
    Ok(builder.finish())
}

/// [`join`] of strings and integers that are not long together, put in order on the stack.
fn join_short(array: &HslArray, separator: &[u8]) -> Option<Result<Value, ErrorKind>> {
    let mut joined = Joined {
        octets: [0; JOINED_SHORT],
        length: 0,
    };
    for (position, value) in array.values().enumerate() {
        if position > 0 {
            joined.put(separator)?;
        }
        if let Some(octets) = value.as_octets() {
            joined.put(octets)?;
            continue;
        }
        let number = value.as_number()?;
        match number::octet_text(number) {
            Some(text) => joined.put_octet(text)?,
            None => {
                let mut room = [0; number::INTEGER_OCTETS_MAX];
                let integer = number::as_integer(number)?;
                joined.put(number::write_integer(integer, &mut room))?;
            }
        }
    }
    Some(Value::string(&joined.octets[..joined.length]))
}

/// A text that is put together on the stack.
struct Joined {
    octets: [u8; JOINED_SHORT],
    length: usize,
}

impl Joined {
    /// Adds octets; `None` if there is no room for them.
    #[inline(always)] // In a loop, a few instructions for what is short.
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        let room = self
            .octets
            .get_mut(self.length..self.length + octets.len())?;
        match (room, octets) {
            ([one], [octet]) => *one = *octet,
            (room, octets) => room.copy_from_slice(octets),
        }
        self.length += octets.len();
        Some(())
    }

    /// Adds the text of an octet with its length behind it, all of it in one word, of which the end is written over.
    #[inline(always)] // A few instructions.
    fn put_octet(&mut self, text: [u8; 4]) -> Option<()> {
        let room = self.octets.get_mut(self.length..self.length + text.len())?;
        room.copy_from_slice(&text);
        self.length += usize::from(text[3]);
        Some(())
    }
}

/// The longest text that is put together on the stack.
const JOINED_SHORT: usize = 128;

/// Several values as one string, each as text: a string with variables in it.
///
/// # Errors
///
/// As for [`text`].
pub fn interpolate(values: &[Value]) -> Result<Value, ErrorKind> {
    let mut builder = StringBuilder::new(room_for(values.iter()).min(ROOM_MAX))?;
    for value in values {
        push_text(value, &mut builder)?;
    }
    Ok(builder.finish())
}

/// The octets that the texts of values will take: exactly, of strings; a guess, of everything else.
fn room_for<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
    values.fold(0, |sum: usize, value| {
        let octets = value.as_string().map_or(NUMBER_ROOM, HslString::len);
        sum.saturating_add(octets)
    })
}

/// The room set aside for what is not a string.
const NUMBER_ROOM: usize = 4;

/// What is set aside before there is anything to put there. Longer texts grow as they come.
const ROOM_MAX: usize = 64 * 1024;

/// As [`write_text`], for the kinds that are joined most.
#[inline]
fn push_text(value: &Value, builder: &mut StringBuilder) -> Result<(), ErrorKind> {
    if let Some(octets) = value.as_octets() {
        return builder.push(octets);
    }
    match value.as_number() {
        Some(number) => builder.push(&number::text(number)),
        None => write_text(value, builder),
    }
}

fn word(value: &Value) -> &'static [u8] {
    match value.kind() {
        Kind::Boolean if value.truthy() => b"true",
        Kind::Boolean => b"false",
        Kind::Function => b"[function]",
        Kind::Object => b"[object]",
        _ => b"none",
    }
}

/// The text of a value inside an array: strings are quoted.
pub(crate) fn write_literal(
    value: &Value,
    sink: &mut dyn TextSink,
    depth: usize,
) -> Result<(), ErrorKind> {
    if let Some(octets) = value.as_octets() {
        return write_quoted(octets, sink);
    }
    if let Some(number) = value.as_number() {
        return sink.push(&number::text(number));
    }
    let Some(array) = value.as_array() else {
        return sink.push(word(value));
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(ErrorKind::NestingDepth { limit: DEPTH_MAX });
    };
    heap::record_elements(array.len());
    sink.push(b"[")?;
    for (position, (key, element)) in array.iter().enumerate() {
        if position > 0 {
            sink.push(b",")?;
        }
        write_key(key, sink)?;
        sink.push(b"=>")?;
        write_literal(element, sink, depth)?;
    }
    sink.push(b"]")
}

#[inline(never)] // Keeps its buffer out of the recursive function's frame.
fn write_key(key: Key<'_>, sink: &mut dyn TextSink) -> Result<(), ErrorKind> {
    match key {
        Key::None => sink.push(b"none"),
        #[expect(
            clippy::cast_precision_loss,
            reason = "integer keys are exactly doubles"
        )]
        Key::Integer(integer) => sink.push(&number::text(integer as f64)),
        Key::Octets(octets) => write_quoted(octets, sink),
        Key::String(value) => write_quoted(value.as_octets().unwrap_or_default(), sink),
    }
}

fn write_quoted(octets: &[u8], sink: &mut dyn TextSink) -> Result<(), ErrorKind> {
    sink.push(b"\"")?;
    let mut plain = 0;
    for (position, octet) in octets.iter().enumerate() {
        let hex;
        let escape: &[u8] = match octet {
            b'\\' => b"\\\\",
            b'"' => b"\\\"",
            b'$' => b"\\$",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x00..0x20 | 0x7F => {
                hex = hex_escape(*octet);
                &hex
            }
            _ => continue,
        };
        sink.push(&octets[plain..position])?;
        sink.push(escape)?;
        plain = position + 1;
    }
    sink.push(&octets[plain..])?;
    sink.push(b"\"")
}

fn hex_escape(octet: u8) -> [u8; 4] {
    let digits = string::HEX_LOWER;
    [
        b'\\',
        b'x',
        digits[usize::from(octet >> 4)],
        digits[usize::from(octet & 15)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};

    fn shown(value: &Value) -> String {
        let mut sink = Vec::new();
        write_text(value, &mut sink).expect("not too deep");
        String::from_utf8(sink).expect("text")
    }

    #[test]
    fn arrays_print_as_literals_that_read_back() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let mut value = Value::array().expect("fits");
        let array = value.array_mut().expect("array");
        array
            .set(Key::of(b"k"), Value::string(b"v").expect("fits"))
            .expect("fits");
        array.append(Value::number(1.0)).expect("fits");
        array.append(Value::TRUE).expect("fits");
        array.append(Value::NONE).expect("fits");
        assert_eq!(shown(&value), "[\"k\"=>\"v\",0=>1,1=>true,2=>none]");
        let odd =
            Value::array_of([Value::string(b"\\\"$\n\r\t\x01\x7f/").expect("fits")]).expect("fits");
        assert_eq!(shown(&odd), r#"[0=>"\\\"\$\n\r\t\x01\x7f/"]"#);
        assert_eq!(shown(&Value::array().expect("fits")), "[]");
        drop((value, odd));
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn deep_arrays_are_refused_and_dropped_without_stack() {
        let heap = Heap::new(64 << 20);
        let _entered = heap.enter();
        let mut value = Value::NONE;
        for depth in 0..50_000 {
            if depth == DEPTH_MAX {
                assert!(to_string(&value).is_ok());
            }
            value = Value::array_of([value]).expect("fits");
        }
        let limit = ErrorKind::NestingDepth { limit: DEPTH_MAX };
        assert_eq!(to_string(&value).expect_err("too deep"), limit);
        drop(value);
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn conversions_follow_the_manual() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let text = |octets: &[u8]| Value::string(octets).expect("fits");
        assert_eq!(shown(&Value::TRUE), "true");
        assert_eq!(shown(&Value::NONE), "none");
        assert_eq!(to_number(&Value::TRUE).to_bits(), 1.0_f64.to_bits());
        assert_eq!(to_number(&text(b"0x1f")).to_bits(), 31.0_f64.to_bits());
        assert_eq!(to_number(&text(b"12abc")).to_bits(), 0.0_f64.to_bits());
        assert_eq!(to_number(&Value::NONE).to_bits(), 0.0_f64.to_bits());
        let parts = Value::array_of([text(b"a"), text(b"b"), Value::number(3.0)]).expect("fits");
        let joined = join(parts.as_array().expect("array"), b"-").expect("fits");
        assert_eq!(joined.as_octets(), Some(&b"a-b-3"[..]));
    }
}
