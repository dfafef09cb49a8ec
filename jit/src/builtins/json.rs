//! JSON, from the chapter "Encodings and JSON".
//!
//! RFC 8259. Decoding is strict: one value, valid UTF-8, no lone surrogates; the option `allow_comments` also takes `//` and
//! `/* */`. Of equal names the last counts. What is wrong or nested too deeply gives none, in both directions.
//! An array whose keys are 0, 1, 2, ... is a JSON array, any other an object.

use super::{Builtin, Call, Unwind, optional, required};
use crate::error::ErrorKind;
use crate::runtime::convert::DEPTH_MAX;
use crate::runtime::{HslArray, Key, Kind, Kinds, StringBuilder, Value, number, string};

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure(
        "json_encode",
        &[
            required("value", Kinds::ANY),
            optional("options", Kinds::ARRAY),
        ],
        Kinds::STRING.or(Kinds::NONE),
        json_encode,
    )
    .says("the value as JSON; none if it has no such form")
    .shown(&[("json_encode([1, 2, \"x\"])", "[1,2,\"x\"]")]),
    Builtin::pure(
        "json_decode",
        &[
            required("string", Kinds::STRING),
            optional("options", Kinds::ARRAY),
        ],
        Kinds::ANY,
        json_decode,
    )
    .says("the value that JSON stands for; none if it is not JSON")
    .shown(&[("json_decode(\"[1,true]\")", "[0=>1,1=>true]")]),
];

/// Why there is no result: not JSON, or a limit is exceeded.
enum Fault {
    NotJson,
    Error(ErrorKind),
}

impl From<ErrorKind> for Fault {
    fn from(error: ErrorKind) -> Self {
        Self::Error(error)
    }
}

fn finish(result: Result<Value, Fault>) -> Result<Value, Unwind> {
    match result {
        Ok(value) => Ok(value),
        Err(Fault::NotJson) => Ok(Value::NONE),
        Err(Fault::Error(error)) => Err(error.into()),
    }
}

fn json_encode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut writer = Writer {
        builder: StringBuilder::new(64)?,
        ascii: call.flag(1, "ensure_ascii", true),
        pretty: call.flag(1, "pretty_print", false),
    };
    let written = writer.document(call.value(0));
    call.charge_octets(writer.builder.octets().len())?;
    finish(written.map(|()| writer.builder.finish()))
}

/// An array whose elements are being written.
struct Level {
    array: Value,
    position: usize,
    sequential: bool,
    /// How many arrays it is inside of, itself included.
    depth: usize,
}

struct Writer {
    builder: StringBuilder,
    ascii: bool,
    pretty: bool,
}

impl Writer {
    /// One value. Arrays that are begun wait on a list, not on the stack.
    fn document(&mut self, value: &Value) -> Result<(), Fault> {
        let mut open = Vec::new();
        self.begin(value.clone(), &mut open)?;
        while let Some(level) = open.last_mut() {
            let depth = level.depth;
            let array = level.array.as_array().ok_or(Fault::NotJson)?;
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
            Kind::Function | Kind::Object => return Err(Fault::NotJson),
            Kind::Array if open.len() >= DEPTH_MAX => return Err(Fault::NotJson),
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
            return Err(Fault::NotJson);
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
        let text = std::str::from_utf8(octets).map_err(|_| Fault::NotJson)?;
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

fn json_decode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    call.charge(octets.len() / 8)?;
    if std::str::from_utf8(octets).is_err() {
        return Ok(Value::NONE);
    }
    let mut reader = Reader {
        rest: octets,
        comments: call.flag(1, "allow_comments", false),
    };
    finish(reader.document())
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

struct Reader<'a> {
    /// What is not read yet. The whole was valid UTF-8.
    rest: &'a [u8],
    comments: bool,
}

impl Reader<'_> {
    /// One value and nothing behind it. Open arrays and objects wait on a list, not on the stack.
    fn document(&mut self) -> Result<Value, Fault> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.blanks()?;
            let mut value = match self.rest.first() {
                Some(b'{' | b'[') if open.len() >= DEPTH_MAX => return Err(Fault::NotJson),
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
                        Err(Fault::NotJson)
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
                    let end = memchr::memmem::find(rest, b"*/").ok_or(Fault::NotJson)?;
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
            Err(Fault::NotJson)
        }
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        match self.rest.first() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take(b"true") => Ok(Value::TRUE),
            _ if self.take(b"false") => Ok(Value::FALSE),
            _ if self.take(b"null") => Ok(Value::NONE),
            _ => Err(Fault::NotJson),
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
            return Err(Fault::NotJson);
        }
        length += integer;
        if octets.get(length) == Some(&b'.') {
            let fraction = digits(&octets[length + 1..]);
            length += 1 + fraction;
            if fraction == 0 {
                return Err(Fault::NotJson);
            }
        }
        if let Some(b'e' | b'E') = octets.get(length) {
            length += 1 + usize::from(matches!(octets.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(&octets[length..]);
            length += exponent;
            if exponent == 0 {
                return Err(Fault::NotJson);
            }
        }
        self.rest = &octets[length..];
        let number = number::parse(&octets[..length]).filter(|number| number.is_finite());
        number.map(Value::number).ok_or(Fault::NotJson)
    }

    fn string(&mut self) -> Result<Value, Fault> {
        self.expect(b"\"")?;
        let mut builder = StringBuilder::new(0)?;
        loop {
            let special = |octet: &u8| matches!(octet, b'"' | b'\\' | 0..0x20);
            let length = self.rest.iter().position(special).ok_or(Fault::NotJson)?;
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
        let (letter, rest) = self.rest.split_first().ok_or(Fault::NotJson)?;
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
            _ => return Err(Fault::NotJson),
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
            .ok_or(Fault::NotJson)
    }

    fn unit(&mut self) -> Result<u16, Fault> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Fault::NotJson)?;
        self.rest = rest;
        digits.iter().try_fold(0, |unit: u16, digit| {
            let value = char::from(*digit).to_digit(16).ok_or(Fault::NotJson)?;
            Ok(unit << 4 | u16::try_from(value).unwrap_or(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{list, map, on_heap, run, text};
    use crate::runtime::FunctionTarget;
    use proptest::prelude::*;

    fn encoded<const N: usize>(value: Value, options: [(&str, Value); N]) -> String {
        run("json_encode", &[value, map(options)])
    }

    fn decoded(json: &str) -> String {
        run("json_decode", &[text(json)])
    }

    #[test]
    fn values_become_json() {
        on_heap(|| {
            let n = Value::number;
            assert_eq!(
                encoded(list([n(1.0), n(2.0), text("x")]), []),
                "[1,2,\"x\"]"
            );
            assert_eq!(
                encoded(map([("a", list([Value::TRUE, Value::NONE]))]), []),
                "{\"a\":[true,null]}"
            );
            assert_eq!(encoded(map([("5", text("a"))]), []), "{\"5\":\"a\"}");
            assert_eq!(encoded(list([]), []), "[]");
            assert_eq!(
                encoded(text("\u{e5}\u{1F600}"), []),
                "\"\\u00e5\\ud83d\\ude00\""
            );
            assert_eq!(
                encoded(text("\u{e5}"), [("ensure_ascii", Value::FALSE)]),
                "\"\u{e5}\""
            );
            assert_eq!(
                encoded(text("\"\\/\n\r\t\u{8}\u{c}\u{1}"), []),
                "\"\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\""
            );
            assert_eq!(encoded(text(b"\xff"), []), "none");
            assert_eq!(encoded(n(f64::NAN), []), "none");
            assert_eq!(encoded(n(-1.5e300), []), "-1.5e+300");
            let function = Value::function(FunctionTarget::User(0), Value::NONE, [].into_iter());
            assert_eq!(encoded(function.expect("fits"), []), "none");
            let pretty = [("pretty_print", Value::TRUE)];
            let value = map([("a", list([n(1.0)])), ("b", list([]))]);
            assert_eq!(
                encoded(value, pretty),
                "{\n    \"a\": [\n        1\n    ],\n    \"b\": []\n}"
            );
        });
    }

    #[test]
    fn json_becomes_values() {
        on_heap(|| {
            assert_eq!(
                decoded(
                    "{\"o\": {\"k\": 1.5}, \"l\": [1, \"s\"], \"t\": true, \"n\": null, \"f\": false}"
                ),
                "[\"o\"=>[\"k\"=>1.5],\"l\"=>[0=>1,1=>\"s\"],\"t\"=>true,\"n\"=>none,\"f\"=>false]"
            );
            assert_eq!(
                decoded("\"\\u00e5\\ud83d\\ude00\\/\\b\""),
                "\u{e5}\u{1F600}/\u{8}"
            );
            assert_eq!(decoded("{\"5\": \"a\", \"5\": \"b\"}"), "[5=>\"b\"]");
            assert_eq!(decoded(" [ ] "), "[]");
            assert_eq!(decoded("-0.5e+2"), "-50");
            for wrong in [
                "",
                "{bad",
                "[1,]",
                "{\"a\":1,}",
                "[1 2]",
                "01",
                "1.",
                ".5",
                "1e",
                "+1",
                "nan",
                "tru",
                "1 2",
                "\"a",
                "\"\n\"",
                "\"\\x\"",
                "\"\\ud800\"",
                "\"\\ud800\\u0041\"",
                "\"\\udc00\"",
                "\"\\u12\"",
                "{1:2}",
                "[1 /* c */]",
                "1e999",
            ] {
                assert_eq!(decoded(wrong), "none", "{wrong}");
            }
            assert_eq!(run("json_decode", &[text(b"\"\xff\"")]), "none");
            let options = map([("allow_comments", Value::TRUE)]);
            let json = "{\"a\": 1 /* c */, // x\n\"b\": 2}//";
            assert_eq!(
                run("json_decode", &[text(json), options]),
                "[\"a\"=>1,\"b\"=>2]"
            );
            assert_eq!(decoded(&"[".repeat(100_000)), "none");
            let deep = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
            assert_eq!(decoded(&deep).len(), 2 + (DEPTH_MAX - 1) * 5);
        });
    }

    #[test]
    fn deep_json_needs_little_stack() {
        let walk = || {
            on_heap(|| {
                let json = format!(
                    "{}{}",
                    "{\"a\":[".repeat(DEPTH_MAX / 2),
                    "]}".repeat(DEPTH_MAX / 2)
                );
                let decode = crate::builtins::builtin("json_decode").expect("there");
                let mut bench = crate::builtins::call::tests::bench();
                let value = decode.invoke(&[text(&json)], &mut bench).expect("fits");
                assert_eq!(encoded(value, []), json);
            });
        };
        let thread = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(walk);
        thread
            .expect("a thread")
            .join()
            .expect("the stack is large enough");
    }

    proptest! {
        #[test]
        fn strings_come_back(original: String, ascii: bool) {
            on_heap(|| {
                let json = encoded(text(&original), [("ensure_ascii", Value::boolean(ascii))]);
                assert_eq!(decoded(&json), original);
                let reference: String = serde_json::from_str(&json).expect("valid for others too");
                assert_eq!(reference, original);
            });
        }

        #[test]
        fn what_is_json_is_agreed(json in "[\\[\\]{}:,\" 01.e\\-a]{0,12}") {
            on_heap(|| {
                let expected = serde_json::from_str::<serde_json::Value>(&json);
                let found = decoded(&json);
                let is_null = matches!(expected, Ok(serde_json::Value::Null));
                assert_eq!(found != "none", expected.is_ok() && !is_null, "{json}");
            });
        }
    }
}
