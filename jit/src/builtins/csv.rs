//! CSV, from the chapter "Encodings and JSON".
//!
//! RFC 4180: records end with CRLF or LF, fields may be quoted, a quote inside quotes is doubled. Deviation: a quote
//! inside an unquoted field stands for itself, and a missing closing quote is supplied, since the manual knows no errors.

use super::{Builtin, Call, Unwind, option, optional, required};
use crate::error::ErrorKind;
use crate::runtime::number;
use crate::runtime::{HslArray, Key, Kinds, StringBuilder, Value, string};

const STRING: Kinds = Kinds::STRING;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure(
        "csv_decode",
        &[
            required("string", STRING),
            optional("options", Kinds::ARRAY),
        ],
        Kinds::ARRAY,
        csv_decode,
    )
    .says("the records, keyed by the names in the first unless the option header is false")
    .takes(&[
        option("delimiter", "the octet between fields; without it a comma"),
        option("header", "whether the first record has the names of the fields; without it true"),
        option(
            "schema",
            "an array: name of a field => an array with \"type\" (\"string\", \"number\" or \"boolean\"), \
             \"nullable\" (true for an empty field, or a list of texts that are none) and, for booleans, the \
             lists \"true\" and \"false\"",
        ),
    ])
    .fails(&[
        "if the delimiter is not one octet, or is a quote or an end of line",
        "if \"true\" or \"false\" of a schema is not an array",
    ])
    .shown(&[
        (
            "csv_decode(\"a,b\\n1,2\")",
            "[0=>[\"a\"=>\"1\",\"b\"=>\"2\"]]",
        ),
        (
            "csv_decode(\"a;b\", [\"header\" => false, \"delimiter\" => \";\"])",
            "[0=>[0=>\"a\",1=>\"b\"]]",
        ),
        (
            "csv_decode(\"n\\n1\", [\"schema\" => [\"n\" => [\"type\" => \"number\"]]])",
            "[0=>[\"n\"=>1]]",
        ),
    ]),
    Builtin::pure(
        "csv_explode",
        &[required("string", STRING)],
        Kinds::ARRAY,
        csv_explode,
    )
    .says("the fields of one record")
    .shown(&[("csv_explode(\"a,\\\"b,c\\\"\")", "[0=>\"a\",1=>\"b,c\"]")]),
];

struct Reader<'a> {
    whole: &'a Value,
    octets: &'a [u8],
    position: usize,
    delimiter: u8,
}

impl Reader<'_> {
    fn is_at_end(&self) -> bool {
        self.position >= self.octets.len()
    }

    /// The fields of the next record.
    fn record(&mut self) -> Result<Value, ErrorKind> {
        let mut result = Value::array()?;
        let fields = result.array_mut()?;
        loop {
            fields.append(self.field()?)?;
            match self.octets.get(self.position) {
                Some(octet) if *octet == self.delimiter => self.position += 1,
                _ => break,
            }
        }
        if self.octets[self.position..].starts_with(b"\r\n") {
            self.position += 2;
        } else if !self.is_at_end() {
            self.position += 1;
        }
        Ok(result)
    }

    fn field(&mut self) -> Result<Value, ErrorKind> {
        if self.octets.get(self.position) == Some(&b'"') {
            return self.quoted();
        }
        let start = self.position;
        self.unquoted();
        string::slice(self.whole, start, self.position)
    }

    fn quoted(&mut self) -> Result<Value, ErrorKind> {
        let mut builder = StringBuilder::new(0)?;
        self.position += 1;
        loop {
            let rest = &self.octets[self.position..];
            let Some(quote) = memchr::memchr(b'"', rest) else {
                builder.push(rest)?;
                self.position = self.octets.len();
                break;
            };
            builder.push(&rest[..quote])?;
            self.position += quote + 1;
            if self.octets.get(self.position) != Some(&b'"') {
                break;
            }
            builder.push(b"\"")?;
            self.position += 1;
        }
        // What stands between the closing quote and the delimiter belongs to the field too.
        let behind = self.unquoted();
        builder.push(behind)?;
        Ok(builder.finish())
    }

    /// What stands before the next delimiter or end of line.
    fn unquoted(&mut self) -> &[u8] {
        let start = self.position;
        let rest = &self.octets[start..];
        let length = rest
            .iter()
            .position(|octet| *octet == self.delimiter || *octet == b'\n')
            .unwrap_or(rest.len());
        let cut = usize::from(rest.get(length) == Some(&b'\n') && rest[..length].ends_with(b"\r"));
        self.position = start + length - cut;
        &self.octets[start..self.position]
    }
}

fn csv_explode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    call.charge(octets.len() / 8)?;
    let mut reader = Reader {
        whole: call.value(0),
        octets,
        position: 0,
        delimiter: b',',
    };
    Ok(reader.record()?)
}

fn csv_decode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    call.charge(octets.len() / 8)?;
    let delimiter = match call.option(1, "delimiter").map(Value::as_octets) {
        None => b',',
        Some(Some([delimiter])) if !b"\"\r\n".contains(delimiter) => *delimiter,
        Some(_) => return Err(call.refuse(1, "options with a delimiter of one character")),
    };
    let schema = call.option(1, "schema").and_then(Value::as_array);
    let has_header = call.flag(1, "header", true);
    let mut reader = Reader {
        whole: call.value(0),
        octets,
        position: 0,
        delimiter,
    };
    let mut header = None;
    let mut result = Value::array()?;
    while !reader.is_at_end() {
        let record = reader.record()?;
        let records = result.array_mut()?;
        match &header {
            None if has_header => header = Some(record),
            None => records.append(record)?,
            Some(names) => {
                let (names, fields) = (names.as_array(), record.as_array());
                let named = names
                    .zip(fields)
                    .map(|(names, fields)| name(names, fields, schema));
                records.append(named.transpose()?.unwrap_or_default())?;
            }
        }
    }
    Ok(result)
}

/// A record keyed by the names of the header. Fields without a name are left out, and so are names without a field.
fn name(
    names: &HslArray,
    fields: &HslArray,
    schema: Option<&HslArray>,
) -> Result<Value, ErrorKind> {
    let mut result = Value::array()?;
    let record = result.array_mut()?;
    for (name, field) in names.values().zip(fields.values()) {
        let key = Key::cast(name)?;
        let column = schema.and_then(|schema| schema.get(key)?.as_array());
        let value = match column {
            Some(column) => converted(field, column)?,
            None => field.clone(),
        };
        record.set(key, value)?;
    }
    Ok(result)
}

/// A field as its column in the schema says. What fits neither list of a boolean, or is no number, is none.
fn converted(field: &Value, column: &HslArray) -> Result<Value, ErrorKind> {
    let property = |name: &'static str| column.get(Key::Octets(name.as_bytes()));
    let octets = field.as_octets().unwrap_or_default();
    let is_null = match property("nullable") {
        Some(list) if list.as_array().is_some() => listed(Some(list), octets, b"")?,
        Some(nullable) => nullable.truthy() && octets.is_empty(),
        None => false,
    };
    if is_null {
        return Ok(Value::NONE);
    }
    Ok(match property("type").and_then(Value::as_octets) {
        Some(b"number") => number::parse(octets).map_or(Value::NONE, Value::number),
        Some(b"boolean") if listed(property("true"), octets, b"true")? => Value::TRUE,
        Some(b"boolean") if listed(property("false"), octets, b"false")? => Value::FALSE,
        Some(b"boolean") => Value::NONE,
        _ => field.clone(),
    })
}

/// Whether a list of strings has these octets; without a list, whether they are the usual ones.
fn listed(list: Option<&Value>, octets: &[u8], usual: &[u8]) -> Result<bool, ErrorKind> {
    let Some(list) = list else {
        return Ok(octets == usual);
    };
    let Some(array) = list.as_array() else {
        return Err(ErrorKind::NotIterable { got: list.kind() });
    };
    let found = array
        .values()
        .any(|value| value.as_octets() == Some(octets));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{list, map, on_heap, run, text};

    fn decoded<const N: usize>(csv: &str, options: [(&str, Value); N]) -> String {
        run("csv_decode", &[text(csv), map(options)])
    }

    #[test]
    fn records_are_read_as_rfc_4180_says() {
        on_heap(|| {
            let plain = |csv: &str| decoded(csv, [("header", Value::FALSE)]);
            assert_eq!(
                plain("a,b\r\nc,d\r\n"),
                "[0=>[0=>\"a\",1=>\"b\"],1=>[0=>\"c\",1=>\"d\"]]"
            );
            assert_eq!(
                plain("\"a,\"\"b\"\"\nc\",d"),
                "[0=>[0=>\"a,\\\"b\\\"\\nc\",1=>\"d\"]]"
            );
            assert_eq!(plain(",\n"), "[0=>[0=>\"\",1=>\"\"]]");
            assert_eq!(plain("\"open"), "[0=>[0=>\"open\"]]");
            assert_eq!(plain("\"a\"b,c"), "[0=>[0=>\"ab\",1=>\"c\"]]");
            assert_eq!(plain("a\rb"), "[0=>[0=>\"a\\rb\"]]");
            assert_eq!(plain(""), "[]");
            let semicolon = [("delimiter", text(";")), ("header", Value::FALSE)];
            assert_eq!(decoded("a;b\n", semicolon), "[0=>[0=>\"a\",1=>\"b\"]]");
            assert!(decoded("a", [("delimiter", text(""))]).contains("one character"));
            assert_eq!(
                run("csv_explode", &[text("a,\"b,c\"\nd")]),
                "[0=>\"a\",1=>\"b,c\"]"
            );
        });
    }

    #[test]
    fn headers_and_schemas_name_and_convert_fields() {
        on_heap(|| {
            assert_eq!(
                run("csv_decode", &[text("n,v\nx,1\n")]),
                "[0=>[\"n\"=>\"x\",\"v\"=>\"1\"]]"
            );
            assert_eq!(
                decoded("a,b\n1\n1,2,3\n", []),
                "[0=>[\"a\"=>\"1\"],1=>[\"a\"=>\"1\",\"b\"=>\"2\"]]"
            );
            let yes_no = map([
                ("type", text("boolean")),
                ("true", list([text("yes")])),
                ("false", list([text("no")])),
            ]);
            let schema = map([("enabled", yes_no)]);
            assert_eq!(
                decoded("enabled\nyes\nno", [("schema", schema)]),
                "[0=>[\"enabled\"=>true],1=>[\"enabled\"=>false]]"
            );
            let schema = map([
                (
                    "n",
                    map([("type", text("number")), ("nullable", Value::TRUE)]),
                ),
                ("s", map([("nullable", list([text("NULL")]))])),
                ("b", map([("type", text("boolean"))])),
            ]);
            assert_eq!(
                decoded("n,s,b\n1.5,NULL,true\n,,other\n", [("schema", schema)]),
                "[0=>[\"n\"=>1.5,\"s\"=>none,\"b\"=>true],1=>[\"n\"=>none,\"s\"=>\"\",\"b\"=>none]]"
            );
        });
    }
}
