//! Values as JSON.
//!
//! In: a value. Out: octets, ASCII if so wanted, or that it has no such form: functions, objects, numbers that are not finite,
//! strings that are not UTF-8, nesting deeper than is followed.
//! Guarantees: takes no stack in proportion to the depth.

use crate::builtins::fault::Fault;
use crate::runtime::convert::DEPTH_MAX;
use crate::runtime::{HslArray, Key, Kind, StringBuilder, Value, number, string};

/// Writes one value.
pub(super) struct Writer {
    /// What is written so far.
    pub(super) builder: StringBuilder,
    /// Whether what is not ASCII is escaped.
    pub(super) ascii: bool,
    /// Whether elements stand on lines of their own, indented.
    pub(super) pretty: bool,
}

/// An array whose elements are being written.
struct Level {
    array: Value,
    position: usize,
    sequential: bool,
    /// How many arrays it is inside of, itself included.
    depth: usize,
}

impl Writer {
    /// One value. Arrays that are begun wait on a list, not on the stack.
    pub(super) fn document(&mut self, value: &Value) -> Result<(), Fault> {
        let mut open = Vec::new();
        self.begin(value.clone(), &mut open)?;
        while let Some(level) = open.last_mut() {
            let depth = level.depth;
            let array = level.array.as_array().ok_or(Fault::Unfit)?;
            let Some((position, key, element)) = array.next(level.position) else {
                if !array.is_empty() {
                    self.line(depth - 1)?;
                }
                self.builder
                    .push(if level.sequential { b"]" } else { b"}" })?;
                open.pop();
                continue;
            };
            if level.position > 0 {
                self.builder.push(b",")?;
            }
            self.line(depth)?;
            if !level.sequential {
                self.key(key)?;
            }
            let element = element.clone();
            level.position = position;
            self.begin(element, &mut open)?;
        }
        Ok(())
    }

    /// All of a value that is no array; the beginning of one that is.
    fn begin(&mut self, value: Value, open: &mut Vec<Level>) -> Result<(), Fault> {
        match value.kind() {
            Kind::None => self.builder.push(b"null")?,
            Kind::Boolean if value.truthy() => self.builder.push(b"true")?,
            Kind::Boolean => self.builder.push(b"false")?,
            Kind::Number => self.number(value.as_number().unwrap_or_default())?,
            Kind::String => self.string(value.as_octets().unwrap_or_default())?,
            Kind::Function | Kind::Object => return Err(Fault::Unfit),
            Kind::Array if open.len() >= DEPTH_MAX => return Err(Fault::Unfit),
            Kind::Array => {
                let sequential = value.as_array().is_some_and(HslArray::is_sequential);
                self.builder.push(if sequential { b"[" } else { b"{" })?;
                open.push(Level {
                    array: value,
                    position: 0,
                    sequential,
                    depth: open.len() + 1,
                });
            }
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), Fault> {
        if !number.is_finite() {
            return Err(Fault::Unfit);
        }
        Ok(self.builder.push(&number::text(number))?)
    }

    fn key(&mut self, key: Key<'_>) -> Result<(), Fault> {
        match key {
            Key::None => self.string(b"none")?,
            #[expect(
                clippy::cast_precision_loss,
                reason = "integer keys are exactly doubles"
            )]
            Key::Integer(integer) => self.string(&number::text(integer as f64))?,
            Key::Octets(_) | Key::String(_) => self.string(key.octets().unwrap_or_default())?,
        }
        Ok(self.builder.push(if self.pretty { b": " } else { b":" })?)
    }

    /// A new line, indented, when printing prettily.
    fn line(&mut self, depth: usize) -> Result<(), Fault> {
        if self.pretty {
            self.builder.push(b"\n")?;
            for _ in 0..depth {
                self.builder.push(b"    ")?;
            }
        }
        Ok(())
    }

    fn string(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let text = std::str::from_utf8(octets).map_err(|_| Fault::Unfit)?;
        self.builder.push(b"\"")?;
        let mut plain = 0;
        for (position, character) in text.char_indices() {
            let escape: &[u8] = match character {
                '"' => b"\\\"",
                '\\' => b"\\\\",
                '\u{8}' => b"\\b",
                '\u{c}' => b"\\f",
                '\n' => b"\\n",
                '\r' => b"\\r",
                '\t' => b"\\t",
                '\0'..' ' => b"",
                _ if self.ascii && !character.is_ascii() => b"",
                _ => continue,
            };
            self.builder.push(&octets[plain..position])?;
            if escape.is_empty() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.unit(*unit)?;
                }
            } else {
                self.builder.push(escape)?;
            }
            plain = position + character.len_utf8();
        }
        self.builder.push(&octets[plain..])?;
        Ok(self.builder.push(b"\"")?)
    }

    fn unit(&mut self, unit: u16) -> Result<(), Fault> {
        let digit = |shift: u16| string::HEX_LOWER[usize::from(unit >> shift & 15)];
        let escape = [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)];
        Ok(self.builder.push(&escape)?)
    }
}
