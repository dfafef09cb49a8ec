//! Data files: `import $name from "file" with [...]`.
//!
//! In: the text of a file, its format, the options. Out: its content, or why it has none.
//! The same functions decode it that scripts call: `json_decode` (comments allowed), `csv_decode`; a text is itself, or its
//! lines. Works on a heap of its own, so it does not matter which is entered. HSL manual: structures, "data".

use crate::builtins::{self, StillWorld, Unwind};
use crate::error::ErrorKind;
use crate::resolve::DataFormat;
use crate::runtime::portable::PortableKey;
use crate::runtime::{Heap, Key, Portable, Value};

/// Bytes that one data file may take while it is decoded.
const DATA_BYTES_MAX: usize = 256 << 20;

/// The content of a data file. The options are an array; a format passes by those it does not know.
pub(crate) fn decode(
    format: DataFormat,
    text: &[u8],
    options: &Portable,
) -> Result<Portable, String> {
    let heap = Heap::new(DATA_BYTES_MAX);
    let _entered = heap.enter();
    let words = |error: ErrorKind| error.to_string();
    let value = match format {
        DataFormat::Json => {
            let key = PortableKey::String((*b"allow_comments").into());
            let allowed = Portable::Array(vec![(key, Portable::Boolean(true))]);
            call("json_decode", text, &allowed)?
        }
        DataFormat::Csv => call("csv_decode", text, options)?,
        DataFormat::Text => lines(text, &options.to_value().map_err(words)?).map_err(words)?,
    };
    Portable::copy(&value).map_err(words)
}

/// A text as itself or, with the option `array`, as its lines.
fn lines(text: &[u8], options: &Value) -> Result<Value, ErrorKind> {
    let wanted = options
        .as_array()
        .and_then(|options| options.get(Key::of(b"array")));
    if !wanted.is_some_and(Value::truthy) {
        return Value::string(text);
    }
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    if body.is_empty() {
        return Value::array();
    }
    let lines = body
        .split(|octet| *octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Value::array_of(lines.map(Value::string).collect::<Result<Vec<_>, _>>()?)
}

fn call(function: &str, text: &[u8], options: &Portable) -> Result<Value, String> {
    let words = |error: ErrorKind| error.to_string();
    let builtin = builtins::builtin(function).ok_or("its decoder is missing")?;
    let text = Value::string(text).map_err(words)?;
    let options = options.to_value().map_err(words)?;
    match builtin.invoke(&[text, options], &mut Decoding) {
        Ok(value) if value.is_none() => Err(format!("{function}() makes nothing of it")),
        Ok(value) => Ok(value),
        Err(Unwind::Error(error)) => Err(error.to_string()),
        Err(Unwind::Ended) => Err("it was given up".to_owned()),
    }
}

/// What decoders may ask: nothing but time to work.
struct Decoding;

impl StillWorld for Decoding {
    fn call_back(&mut self, function: &Value, _: &[Value]) -> Result<Value, Unwind> {
        Err(Unwind::Error(ErrorKind::NotCallable {
            got: function.kind(),
        }))
    }

    fn pay(&mut self, _: u64) -> Result<(), Unwind> {
        Ok(())
    }

    fn random_octet(&mut self) -> u8 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: DataFormat, text: &[u8], options: &[(&str, Portable)]) -> String {
        let options = options.iter().map(|(name, value)| {
            let name = PortableKey::String(name.as_bytes().into());
            (name, value.clone())
        });
        match decode(format, text, &Portable::Array(options.collect())) {
            Ok(content) => {
                let heap = Heap::new(1 << 20);
                let _entered = heap.enter();
                let value = content.to_value().expect("small");
                let text = crate::runtime::convert::text(&value).expect("small");
                String::from_utf8_lossy(text.octets()).into_owned()
            }
            Err(fault) => fault,
        }
    }

    #[test]
    fn a_text_is_itself_or_its_lines() {
        let lines = [("array", Portable::Boolean(true))];
        assert_eq!(shown(DataFormat::Text, b"a\r\nb\n", &[]), "a\r\nb\n");
        let cases: [(&[u8], &str); 5] = [
            (b"a\r\nb\n", r#"[0=>"a",1=>"b"]"#),
            (b"a\n\nb", r#"[0=>"a",1=>"",2=>"b"]"#),
            (b"\n\n", r#"[0=>"",1=>""]"#),
            (b"\n", "[]"),
            (b"", "[]"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(DataFormat::Text, text, &lines), expected, "{text:?}");
        }
    }

    #[test]
    fn decoders_get_their_options_and_say_what_fails() {
        let json = br#"{"a": /* one */ 1}"#;
        assert_eq!(shown(DataFormat::Json, json, &[]), r#"["a"=>1]"#);
        let fault = shown(DataFormat::Json, b"{", &[]);
        assert_eq!(fault, "json_decode() makes nothing of it");
        let semicolon = [
            ("delimiter", Portable::string(";")),
            ("header", Portable::Boolean(false)),
        ];
        let rows = shown(DataFormat::Csv, b"a;b\n", &semicolon);
        assert_eq!(rows, r#"[0=>[0=>"a",1=>"b"]]"#);
        assert_eq!(shown(DataFormat::Csv, b"n\nx\n", &[]), r#"[0=>["n"=>"x"]]"#);
    }
}
