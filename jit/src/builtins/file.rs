//! The class `File`, as far as it needs no disk: a string that is read like a file. The manual's chapter "File and HTTP".
//!
//! In: a string, which is kept and never copied. Out: parts of it, from a position that moves on. What the manual calls an
//! error (a closed file, a position outside of the data, an unknown whence) gives none and changes nothing.
//! Does not: open files. What a script reads from a disk it imports when it is compiled.

use super::class::Class;
use super::{Builtin, Call, Unwind, optional, required};
use crate::error::ErrorKind;
use crate::runtime::{HslObject, Key, Kinds, Value, string};

const NUMBER: Kinds = Kinds::NUMBER;
const STRING: Kinds = Kinds::STRING;
const NUMBER_OR_NONE: Kinds = NUMBER.or(Kinds::NONE);
const STRING_OR_NONE: Kinds = STRING.or(Kinds::NONE);

/// The index of the class in the registry of classes.
pub(super) const INDEX: u32 = 0;

pub(super) const CLASS: Class = Class {
    name: "File",
    summary: "a string that is read like a file",
    functions: FUNCTIONS,
    methods: METHODS,
    absent: &[(
        "File",
        "scripts open no files: `File::String($data)` reads a string, `import $data from \"file.txt\"` takes a file in",
    )],
};

pub(super) const FUNCTIONS: &[Builtin] = &[Builtin::impure(
    "File::String",
    &[required("data", STRING)],
    Kinds::OBJECT,
    from_string,
)
.says("a file that holds the string, at its beginning")
.shown(&[
    ("File::String(\"Hello\")", "[object]"),
    ("File::String(\"Hello\\nWorld\")->readline()", "Hello"),
])];

pub(super) const METHODS: &[Builtin] = &[
    Builtin::impure("File->close", &[], Kinds::NONE, close)
        .says("gives the data up; every function gives none from then on")
        .shown(&[("File::String(\"Hello\")->close()", "none")]),
    Builtin::impure("File->getPath", &[], STRING_OR_NONE, |call| {
        call.object_of(INDEX).map(|_| Value::NONE)
    })
    .says("the path of the file: none, a string has no path")
    .shown(&[("File::String(\"Hello\")->getPath()", "none")]),
    Builtin::impure("File->read", &[optional("length", NUMBER)], STRING_OR_NONE, read)
        .says("so many octets at most, without a length all that remain; an empty string at the end")
        .shown(&[
            ("File::String(\"Hello\")->read(2)", "He"),
            ("File::String(\"Hello\")->read()", "Hello"),
        ]),
    Builtin::impure("File->readline", &[], STRING_OR_NONE, readline)
        .says("the next line without its end, which is CRLF or LF; none at the end of the file")
        .shown(&[
            ("File::String(\"a\\r\\nb\")->readline()", "a"),
            ("File::String(\"\")->readline()", "none"),
        ]),
    Builtin::impure(
        "File->seek",
        &[required("offset", NUMBER), optional("whence", STRING)],
        NUMBER_OR_NONE,
        seek,
    )
    .says("goes to an offset from the beginning, with SEEK_CUR from here, with SEEK_END from the end; the new position")
    .shown(&[
        ("File::String(\"Hello\")->seek(2)", "2"),
        ("File::String(\"Hello\")->seek(-2, \"SEEK_END\")", "3"),
        ("File::String(\"Hello\")->seek(6)", "none"),
    ]),
    Builtin::impure("File->tell", &[], NUMBER_OR_NONE, tell)
        .says("the position, in octets from the beginning")
        .shown(&[("File::String(\"Hello\")->tell()", "0")]),
];

/// Where the state has its parts. A closed file has none of them.
const DATA: Key<'static> = Key::Integer(0);
const POSITION: Key<'static> = Key::Integer(1);

fn from_string(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let state = Value::array_of([call.value(0).clone(), Value::count(0)])?;
    Ok(Value::library_object(INDEX, state)?)
}

/// A file that is open.
struct Open<'a> {
    object: &'a HslObject,
    data: Value,
    position: usize,
}

impl Open<'_> {
    fn octets(&self) -> &[u8] {
        self.data.as_octets().unwrap_or_default()
    }

    fn rest(&self) -> &[u8] {
        self.octets().get(self.position..).unwrap_or_default()
    }

    fn move_to(&self, position: usize) -> Result<(), ErrorKind> {
        let position = Value::count(position);
        self.object
            .update(|state| state.array_mut()?.set(POSITION, position))
    }

    /// So many of the octets that remain; the position is behind them then.
    fn take(&self, length: usize, advance: usize) -> Result<Value, Unwind> {
        let taken = string::slice(&self.data, self.position, self.position + length)?;
        self.move_to(self.position + advance)?;
        Ok(taken)
    }
}

/// The file a function is called on, unless it is closed.
fn open<'a>(call: &Call<'a>) -> Result<Option<Open<'a>>, Unwind> {
    let object = call.object_of(INDEX)?;
    let state = object.properties();
    let part = |key| state.as_array().and_then(|state| state.get(key));
    let (Some(data), Some(position)) = (part(DATA), part(POSITION).and_then(whole)) else {
        return Ok(None);
    };
    Ok(usize::try_from(position).ok().map(|position| Open {
        object,
        data: data.clone(),
        position,
    }))
}

/// A number cut to an integer, unless it is too large for any file.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn whole(number: &Value) -> Option<i64> {
    let number = number.as_number()?;
    (number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

fn close(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let closed = Value::array()?;
    call.object_of(INDEX)?.update(|state| *state = closed);
    Ok(Value::NONE)
}

fn read(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(file) = open(call)? else {
        return Ok(Value::NONE);
    };
    let remaining = file.rest().len();
    let length = match call.given(0) {
        None => remaining,
        Some(length) => match whole(length).and_then(|length| usize::try_from(length).ok()) {
            Some(length) => length.min(remaining),
            None => return Ok(Value::NONE),
        },
    };
    call.charge_octets(length)?;
    file.take(length, length)
}

fn readline(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(file) = open(call)?.filter(|file| !file.rest().is_empty()) else {
        return Ok(Value::NONE);
    };
    let rest = file.rest();
    let (length, advance) = match memchr::memchr(b'\n', rest) {
        Some(end) if rest[..end].ends_with(b"\r") => (end - 1, end + 1),
        Some(end) => (end, end + 1),
        None => (rest.len(), rest.len()),
    };
    call.charge_octets(advance)?;
    file.take(length, advance)
}

fn seek(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(file) = open(call)? else {
        return Ok(Value::NONE);
    };
    let origin = match call.opt_octets(1) {
        None | Some(b"SEEK_SET") => 0,
        Some(b"SEEK_CUR") => file.position,
        Some(b"SEEK_END") => file.octets().len(),
        Some(_) => return Ok(Value::NONE),
    };
    let position = i64::try_from(origin)
        .ok()
        .zip(whole(call.value(0)))
        .and_then(|(origin, offset)| usize::try_from(origin + offset).ok())
        .filter(|position| *position <= file.octets().len());
    match position {
        Some(position) => {
            file.move_to(position)?;
            Ok(Value::count(position))
        }
        None => Ok(Value::NONE),
    }
}

fn tell(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let file = open(call)?;
    Ok(file.map_or(Value::NONE, |file| Value::count(file.position)))
}
