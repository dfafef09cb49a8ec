//! JSON, from the chapter "Encodings and JSON".
//!
//! RFC 8259. Decoding is strict: one value, valid UTF-8, no lone surrogates; the option `allow_comments` also takes `//` and
//! `/* */`. Of equal names the last counts. What is wrong or nested too deeply gives none, in both directions.
//! An array whose keys are 0, 1, 2, ... is a JSON array, any other an object.

mod reader;
mod writer;

use self::reader::Reader;
use self::writer::Writer;
use super::fault::value_or_none;
use super::{Builtin, Call, Unwind, option, optional, required};
use crate::runtime::{Kinds, StringBuilder, Value};

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
    .takes(&[
        option(
            "ensure_ascii",
            "escapes everything but US-ASCII; without it true",
        ),
        option(
            "pretty_print",
            "spreads the text over indented lines; without it false",
        ),
    ])
    .shown(&[
        ("json_encode([1, 2, \"x\"])", "[1,2,\"x\"]"),
        ("json_encode(\"caf\\xc3\\xa9\")", "\"caf\\u00e9\""),
        (
            "length(json_encode(\"caf\\xc3\\xa9\", [\"ensure_ascii\" => false]))",
            "7",
        ),
    ]),
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
    .takes(&[option(
        "allow_comments",
        "takes `//` and `/* */` for blanks; without it false",
    )])
    .shown(&[
        ("json_decode(\"[1,true]\")", "[0=>1,1=>true]"),
        (
            "json_decode(\"[1] // one\", [\"allow_comments\" => true])",
            "[0=>1]",
        ),
    ]),
];

fn json_encode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut writer = Writer {
        builder: StringBuilder::new(64)?,
        ascii: call.flag(1, "ensure_ascii", true),
        pretty: call.flag(1, "pretty_print", false),
    };
    let written = writer.document(call.value(0));
    call.charge_octets(writer.builder.octets().len())?;
    value_or_none(written.map(|()| writer.builder.finish()))
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
    value_or_none(reader.document())
}

#[cfg(test)]
mod tests;
