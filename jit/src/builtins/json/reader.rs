//! Values from JSON.
//!
//! In: octets, valid UTF-8. Out: the value they stand for, or that they are not JSON or nested deeper than is followed.
//! Guarantees: takes no stack in proportion to the depth.
//!
//! RFC 8259.

use crate::builtins::fault::Fault;
use crate::error::ErrorKind;
use crate::runtime::convert::DEPTH_MAX;
use crate::runtime::{Key, StringBuilder, Value, number};

/// Reads one value.
pub(super) struct Reader<'a> {
    /// What is not read yet. The whole was valid UTF-8.
    pub(super) rest: &'a [u8],
    /// Whether comments count as blanks.
    pub(super) comments: bool,
}

/// An array or object that is not closed yet.
struct Open {
    container: Value,
    /// The name of the next member; arrays have none.
    name: Option<Value>,
}

enum Opened {
    Empty(Value),
    Waiting(Open),
}

impl Open {
    fn add(&mut self, value: Value) -> Result<(), ErrorKind> {
        let array = self.container.array_mut()?;
        match &self.name {
            Some(name) => array.set(Key::cast(name)?, value),
            None => array.append(value),
        }
    }
}

impl Reader<'_> {
    /// One value and nothing behind it. Open arrays and objects wait on a list, not on the stack.
    pub(super) fn document(&mut self) -> Result<Value, Fault> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.blanks()?;
            let mut value = match self.rest.first() {
                Some(b'{' | b'[') if open.len() >= DEPTH_MAX => return Err(Fault::Unfit),
                Some(b'{' | b'[') => match self.open()? {
                    Opened::Empty(value) => value,
                    Opened::Waiting(container) => {
                        open.push(container);
                        continue;
                    }
                },
                _ => self.scalar()?,
            };
            loop {
                self.blanks()?;
                let Some(container) = open.last_mut() else {
                    return if self.rest.is_empty() {
                        Ok(value)
                    } else {
                        Err(Fault::Unfit)
                    };
                };
                container.add(value)?;
                if self.take(b",") {
                    if container.name.is_some() {
                        container.name = Some(self.name()?);
                    }
                    break;
                }
                self.expect(if container.name.is_some() { b"}" } else { b"]" })?;
                value = open.pop().map_or(Value::NONE, |closed| closed.container);
            }
        }
    }

    /// The beginning of an array or object, with the first name of the latter.
    fn open(&mut self) -> Result<Opened, Fault> {
        let is_object = self.take(b"{");
        if !is_object {
            self.expect(b"[")?;
        }
        self.blanks()?;
        let container = Value::array()?;
        if self.take(if is_object { b"}" } else { b"]" }) {
            return Ok(Opened::Empty(container));
        }
        let name = if is_object { Some(self.name()?) } else { None };
        Ok(Opened::Waiting(Open { container, name }))
    }

    /// The name of a member and its colon.
    fn name(&mut self) -> Result<Value, Fault> {
        self.blanks()?;
        let name = self.string()?;
        self.blanks()?;
        self.expect(b":")?;
        Ok(name)
    }

    fn blanks(&mut self) -> Result<(), Fault> {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] => self.rest = rest,
                [b'/', b'/', rest @ ..] if self.comments => {
                    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    self.rest = &rest[end..];
                }
                [b'/', b'*', rest @ ..] if self.comments => {
                    let end = memchr::memmem::find(rest, b"*/").ok_or(Fault::Unfit)?;
                    self.rest = &rest[end + 2..];
                }
                _ => return Ok(()),
            }
        }
    }

    /// Takes a token if it is next.
    fn take(&mut self, token: &[u8]) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &[u8]) -> Result<(), Fault> {
        if self.take(token) {
            Ok(())
        } else {
            Err(Fault::Unfit)
        }
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        match self.rest.first() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take(b"true") => Ok(Value::TRUE),
            _ if self.take(b"false") => Ok(Value::FALSE),
            _ if self.take(b"null") => Ok(Value::NONE),
            _ => Err(Fault::Unfit),
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let digits = |octets: &[u8]| {
            octets
                .iter()
                .take_while(|octet| octet.is_ascii_digit())
                .count()
        };
        let octets = self.rest;
        let mut length = usize::from(octets.first() == Some(&b'-'));
        let integer = digits(&octets[length..]);
        if integer == 0 || (integer > 1 && octets[length] == b'0') {
            return Err(Fault::Unfit);
        }
        length += integer;
        if octets.get(length) == Some(&b'.') {
            let fraction = digits(&octets[length + 1..]);
            length += 1 + fraction;
            if fraction == 0 {
                return Err(Fault::Unfit);
            }
        }
        if let Some(b'e' | b'E') = octets.get(length) {
            length += 1 + usize::from(matches!(octets.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(&octets[length..]);
            length += exponent;
            if exponent == 0 {
                return Err(Fault::Unfit);
            }
        }
        self.rest = &octets[length..];
        let number = number::parse(&octets[..length]).filter(|number| number.is_finite());
        number.map(Value::number).ok_or(Fault::Unfit)
    }

    fn string(&mut self) -> Result<Value, Fault> {
        self.expect(b"\"")?;
        let mut builder = StringBuilder::new(0)?;
        loop {
            let special = |octet: &u8| matches!(octet, b'"' | b'\\' | 0..0x20);
            let length = self.rest.iter().position(special).ok_or(Fault::Unfit)?;
            builder.push(&self.rest[..length])?;
            self.rest = &self.rest[length..];
            if self.take(b"\"") {
                return Ok(builder.finish());
            }
            self.expect(b"\\")?; // Anything else here is a control character.
            self.escape(&mut builder)?;
        }
    }

    fn escape(&mut self, builder: &mut StringBuilder) -> Result<(), Fault> {
        let (letter, rest) = self.rest.split_first().ok_or(Fault::Unfit)?;
        self.rest = rest;
        let octet = match letter {
            b'"' | b'\\' | b'/' => *letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode()?;
                return Ok(builder.push(character.encode_utf8(&mut [0; 4]).as_bytes())?);
            }
            _ => return Err(Fault::Unfit),
        };
        Ok(builder.push(&[octet])?)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.unit()?;
        let units = match first {
            0xD800..=0xDBFF => {
                self.expect(b"\\u")?;
                [first, self.unit()?]
            }
            _ => [first, 0],
        };
        let count = if (0xD800..=0xDBFF).contains(&first) {
            2
        } else {
            1
        };
        char::decode_utf16(units.into_iter().take(count))
            .next()
            .and_then(Result::ok)
            .ok_or(Fault::Unfit)
    }

    fn unit(&mut self) -> Result<u16, Fault> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Fault::Unfit)?;
        self.rest = rest;
        digits.iter().try_fold(0, |unit: u16, digit| {
            let value = char::from(*digit).to_digit(16).ok_or(Fault::Unfit)?;
            Ok(unit << 4 | u16::try_from(value).unwrap_or(0))
        })
    }
}
