//! The class `MIME`: messages and their parts, put together. The manual's chapter "MIME".
//!
//! In: header fields, a body, parts. Out: `toString()`, the text of all. Nothing is written before that, so a part may be
//! changed after it was appended.
//! Guarantees: a field stays one field and a value in it stays a value, whatever text it is given; a part is never inside of
//! itself; the text is charged to the script's memory and fuel.
//! Does not: sign, send, or read messages. Adds no field but the two that say how a part is encoded.
//!
//! RFC 2045 §5, §6 (Content-Type, Content-Transfer-Encoding), RFC 2046 §5.1 (multipart, boundaries). `field` writes header
//! fields, `writer` everything else.

mod field;
mod writer;

use super::class::Class;
use super::{Builtin, Call, Unwind, option, optional, required};
use crate::error::ErrorKind;
use crate::runtime::{HslObject, Key, Kinds, Value};

const STRING: Kinds = Kinds::STRING;
const OBJECT: Kinds = Kinds::OBJECT;

/// The index of the class in the registry of classes.
pub(super) const INDEX: u32 = 1;

pub(super) const CLASS: Class = Class {
    name: "MIME",
    summary: "a message or a part of one, put together",
    functions: FUNCTIONS,
    methods: METHODS,
    absent: &[
        (
            "MIME->send",
            "no hook here has a queue to put a message into; `toString()` gives its text",
        ),
        ("MIME->signDKIM", "the next hop has to sign"),
    ],
};

pub(super) const FUNCTIONS: &[Builtin] = &[Builtin::impure("MIME", &[], OBJECT, constructor)
    .says("a part without fields, body and parts")
    .shown(&[("MIME()", "[object]")])];

pub(super) const METHODS: &[Builtin] = &[
    Builtin::impure(
        "MIME->addHeader",
        &[
            required("name", STRING),
            required("value", STRING),
            optional("options", Kinds::ARRAY),
        ],
        OBJECT,
        add_header,
    )
    .says("adds a header field, folded, and encoded where it has to be")
    .takes(&[option("encode", "false to take the value as it is given; without it true")])
    .shown(&[
        (
            "MIME()->addHeader(\"Subject\", \"Hello\")->toString()[0:16]",
            "Subject: Hello\r\n",
        ),
        (
            "MIME()->addHeader(\"Subject\", \"J\\xc3\\xb6rg\")->toString()[9:29]",
            "=?UTF-8?B?SsO2cmc=?=",
        ),
    ]),
    Builtin::impure("MIME->appendPart", &[required("part", OBJECT)], OBJECT, append_part)
        .says("adds a part at the end of a multipart type")
        .shown(&[("is_object(MIME()->appendPart(MIME()))", "true")]),
    Builtin::impure("MIME->setBody", &[required("body", STRING)], OBJECT, set_body)
        .says("sets the body, sent in base64 unless there is a field Content-Transfer-Encoding; of a multipart type the text before its parts")
        .shown(&[("MIME()->setBody(\"Hi\")->toString()[-6:]", "SGk=\r\n")]),
    Builtin::impure("MIME->setBoundary", &[required("boundary", STRING)], OBJECT, set_boundary)
        .says("sets what stands between parts, a random id otherwise")
        .shown(&[(
            "MIME()->setType(\"multipart/mixed\")->setBoundary(\"b\")->toString()[-7:]",
            "--b--\r\n",
        )]),
    Builtin::impure("MIME->setType", &[required("type", STRING)], OBJECT, set_type)
        .says("sets the type, text/plain otherwise; the charset is UTF-8")
        .shown(&[(
            "MIME()->setType(\"text/html\")->toString()[0:40]",
            "Content-Type: text/html; charset=utf-8\r\n",
        )]),
    Builtin::impure("MIME->toString", &[], STRING, writer::to_string)
        .says("the text of the message or part")
        .shown(&[(
            "length(MIME()->setBody(\"Hello World\")->toString())",
            "96",
        )]),
];

/// Where the state has its parts.
const FIELDS: Key<'static> = Key::Integer(0);
const TYPE: Key<'static> = Key::Integer(1);
const BODY: Key<'static> = Key::Integer(2);
const BOUNDARY: Key<'static> = Key::Integer(3);
const PARTS: Key<'static> = Key::Integer(4);

/// The value of a header field. Lists of addresses are long, but not as long as this.
const VALUE_OCTETS_MAX: usize = 1 << 20;

fn constructor(_: &mut Call<'_>) -> Result<Value, Unwind> {
    let [fields, parts] = [Value::array()?, Value::array()?];
    let state = [fields, Value::NONE, Value::NONE, Value::NONE, parts];
    let state = Value::array_of(state)?;
    Ok(Value::library_object(INDEX, state)?)
}

/// One part of the state.
fn part_of_state(object: &HslObject, key: Key<'_>) -> Value {
    let state = object.properties();
    let found = state.as_array().and_then(|state| state.get(key));
    found.cloned().unwrap_or_default()
}

fn set(object: &HslObject, key: Key<'_>, value: Value) -> Result<(), ErrorKind> {
    object.update(|state| state.array_mut()?.set(key, value))
}

/// Adds a value at the end of an array of the state.
fn append(object: &HslObject, key: Key<'_>, value: Value) -> Result<(), ErrorKind> {
    object.update(|state| state.array_mut()?.slot(key)?.array_mut()?.append(value))
}

/// Sets one part of the state to the argument, and gives the object.
fn set_argument(call: &Call<'_>, key: Key<'_>) -> Result<Value, Unwind> {
    set(call.object_of(INDEX)?, key, call.value(0).clone())?;
    Ok(call.object.clone())
}

fn add_header(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let object = call.object_of(INDEX)?;
    let (name, value) = (call.octets(0), call.octets(1));
    // Encoding goes through the value octet by octet.
    call.charge(value.len() / 16)?;
    if VALUE_OCTETS_MAX < value.len() {
        return Err(call.refuse(1, "at most 1048576 octets"));
    }
    if !field::is_name(name) {
        return Err(call.refuse(0, "1 to 75 octets of ASCII without blanks and colons"));
    }
    let text = if call.flag(2, "encode", true) {
        field::encoded(name, value)
    } else if field::is_folded(value) {
        field::verbatim(name, value)
    } else {
        return Err(call.refuse(
            1,
            "without NUL and without line ends but CRLF before a blank, when it is not encoded",
        ));
    };
    append(object, FIELDS, Value::string(&text)?)?;
    Ok(call.object.clone())
}

fn append_part(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let object = call.object_of(INDEX)?;
    let part = call.value(0);
    let fitting = part.as_object().and_then(HslObject::library_class) == Some(INDEX);
    if !fitting {
        return Err(call.refuse(0, "a MIME object"));
    }
    if contains(call, part, call.object)? {
        return Err(call.refuse(0, "a part that does not contain the one it is appended to"));
    }
    append(object, PARTS, part.clone())?;
    Ok(call.object.clone())
}

/// Whether an object is a part, or a part of a part, of another, or the other itself.
fn contains(call: &mut Call<'_>, whole: &Value, wanted: &Value) -> Result<bool, Unwind> {
    let mut left = vec![whole.clone()];
    while let Some(one) = left.pop() {
        if one.is_same(wanted) {
            return Ok(true);
        }
        let parts = one.as_object().map(|object| part_of_state(object, PARTS));
        if let Some(parts) = parts.as_ref().and_then(Value::as_array) {
            // One part may be appended many times over, so that there can be far more to visit than parts.
            call.charge(parts.len())?;
            left.extend(parts.values().cloned());
        }
    }
    Ok(false)
}

fn set_body(call: &mut Call<'_>) -> Result<Value, Unwind> {
    set_argument(call, BODY)
}

fn set_boundary(call: &mut Call<'_>) -> Result<Value, Unwind> {
    // RFC 2046 §5.1.1.
    let is_fitting = |octet: &u8| octet.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(octet);
    let boundary = call.octets(0);
    let length = 1..=70;
    if !length.contains(&boundary.len())
        || !boundary.iter().all(is_fitting)
        || boundary.ends_with(b" ")
    {
        return Err(call.refuse(
            0,
            "1 to 70 letters, digits and '()+_,-./:=? and blanks, the last of them no blank",
        ));
    }
    set_argument(call, BOUNDARY)
}

fn set_type(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut halves = call.octets(0).split(|octet| *octet == b'/');
    let (kind, subtype, rest) = (halves.next(), halves.next(), halves.next());
    let is_fitting = |half: Option<&[u8]>| half.is_some_and(is_token);
    if !is_fitting(kind) || !is_fitting(subtype) || rest.is_some() {
        return Err(call.refuse(
            0,
            "a type such as text/plain; parameters need a field Content-Type of its own",
        ));
    }
    set_argument(call, TYPE)
}

/// RFC 2045 §5.1. The length is that of names in a registry of types (RFC 6838 §4.2).
fn is_token(octets: &[u8]) -> bool {
    let is_fitting = |octet: &u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(octet);
    (1..=127).contains(&octets.len()) && octets.iter().all(is_fitting)
}
