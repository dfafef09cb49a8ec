//! `import $name from "file" with [...]`: data files become constants when the script is compiled.
//!
//! The same functions decode them that scripts call: `json_decode` (comments allowed), `csv_decode`; a text is itself, or
//! its lines. HSL manual: structures, "data".

use super::{FunctionBuilder, Operand, Span};
use crate::builtins::{self, Machine, Unwind};
use crate::diagnostic::Diagnostic;
use crate::error::ErrorKind;
use crate::ir::Constant;
use crate::resolve::{DataFormat, DataImport};
use crate::runtime::{Heap, Key, Portable, Value};
use crate::syntax::ast::{ArrayItem, Expression, ExpressionKind, Import, ImportKind};

/// Bytes that one data file may take while it is decoded.
const DATA_BYTES_MAX: usize = 256 << 20;

impl FunctionBuilder<'_, '_> {
    /// Assigns the content of a data file to its variable.
    pub(super) fn import_data(&mut self, import: &Import, span: Span) {
        let resolved = self.shared.resolved;
        let module = &resolved.modules[self.info.module.index()];
        let data = module
            .data
            .iter()
            .find(|data| std::ptr::eq(&*data.syntax, import));
        let Some(data) = data else {
            self.refuse(span, "this import was not resolved");
            return;
        };
        match self.decode(data) {
            Ok(content) => {
                let constant = Operand::Constant(self.add_constant(Constant::Data(content)));
                let from = self.copy(constant, span);
                let name = self.info.variables[data.variable.index()].name.clone();
                self.store_variable(&name, from, span);
            }
            Err(fault) => {
                let message = format!("this file can't be imported: {fault}");
                self.shared
                    .diagnostics
                    .report(Diagnostic::error(import.file_span, message));
            }
        }
    }

    fn decode(&mut self, data: &DataImport) -> Result<Portable, String> {
        let text = self
            .shared
            .surroundings
            .sources
            .source(data.source)
            .text
            .clone();
        let heap = Heap::new(DATA_BYTES_MAX);
        let _entered = heap.enter();
        let options = self.options(&data.syntax)?;
        let words = |error: ErrorKind| error.to_string();
        let value = match data.format {
            DataFormat::Json => {
                let mut allowed = Value::array().map_err(words)?;
                let set = allowed
                    .array_mut()
                    .and_then(|array| array.set(Key::of(b"allow_comments"), Value::TRUE));
                set.map_err(words)?;
                decoded("json_decode", &text, allowed)?
            }
            DataFormat::Csv => decoded("csv_decode", &text, options)?,
            DataFormat::Text => lines(&text, &options).map_err(words)?,
        };
        Portable::copy(&value).map_err(words)
    }

    /// The options of an import: an array of constants.
    fn options(&mut self, import: &Import) -> Result<Value, String> {
        let mut options = Value::array().map_err(|error| error.to_string())?;
        let ImportKind::Data(
            _,
            Some(Expression {
                kind: ExpressionKind::Array(items),
                ..
            }),
        ) = &import.what
        else {
            return Ok(options);
        };
        for item in items {
            let ArrayItem::Pair(
                Expression {
                    kind: ExpressionKind::String(name),
                    ..
                },
                value,
            ) = item
            else {
                return Err("its options are names and constants".to_owned());
            };
            let value = match &value.kind {
                ExpressionKind::Boolean(truth) => Value::boolean(*truth),
                ExpressionKind::Number(number) => Value::number(*number),
                ExpressionKind::String(octets) => {
                    Value::string(octets).map_err(|error| error.to_string())?
                }
                _ => return Err("its options are names and constants".to_owned()),
            };
            let set = options
                .array_mut()
                .and_then(|array| array.set(Key::of(name), value));
            set.map_err(|error| error.to_string())?;
        }
        Ok(options)
    }
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

fn decoded(function: &str, text: &[u8], options: Value) -> Result<Value, String> {
    let builtin = builtins::builtin(function).ok_or("its decoder is missing")?;
    let text = Value::string(text).map_err(|error| error.to_string())?;
    match builtin.invoke(&[text, options], &mut Decoding) {
        Ok(value) if value.is_none() => Err(format!("{function}() makes nothing of it")),
        Ok(value) => Ok(value),
        Err(Unwind::Error(error)) => Err(error.to_string()),
        Err(Unwind::Ended) => Err("it was given up".to_owned()),
    }
}

/// What decoders may ask while a script is compiled: nothing but time to work.
struct Decoding;

impl Machine for Decoding {
    fn invoke(&mut self, function: &Value, _: &[Value]) -> Result<Value, Unwind> {
        Err(Unwind::Error(ErrorKind::NotCallable {
            got: function.kind(),
        }))
    }

    fn charge(&mut self, _: u64) -> Result<(), Unwind> {
        Ok(())
    }

    fn time(&mut self) -> f64 {
        0.0
    }

    fn utc_offset(&mut self, _: f64) -> f64 {
        0.0
    }

    fn uptime(&mut self) -> f64 {
        0.0
    }

    fn execution_time(&mut self) -> f64 {
        0.0
    }

    fn fill_random(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }

    fn hostname(&mut self) -> &str {
        ""
    }
}
