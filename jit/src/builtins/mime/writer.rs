//! The text of a message or a part: fields, body, parts.
//!
//! In: a MIME object. Out: its text, every line end that comes from here a CRLF, and one at its end. Parts are walked with a
//! list, not by recursion. Guarantees: no body and no boundary inside of a multipart can be taken for its boundary.
//!
//! RFC 2045 §5 (Content-Type), §6.8 (base64), RFC 2046 §5.1.1 (multipart).

use data_encoding::BASE64;

use super::{BODY, BOUNDARY, FIELDS, INDEX, PARTS, TYPE, part_of_state, set};
use crate::builtins::{Call, Unwind, misc};
use crate::error::ErrorKind;
use crate::runtime::convert::DEPTH_MAX;
use crate::runtime::{HslArray, HslObject, Key, StringBuilder, Value};

/// `toString()`.
pub(super) fn to_string(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let object = call.object_of(INDEX)?;
    let mut writer = Writer {
        call,
        text: StringBuilder::new(0)?,
        open: Vec::new(),
    };
    writer.begin(object)?;
    while let Some(innermost) = writer.open.last_mut() {
        match innermost.next_part().as_ref().and_then(Value::as_object) {
            Some(part) => {
                writer.delimiter(b"\r\n")?;
                writer.begin(part)?;
            }
            None => {
                writer.delimiter(b"--")?;
                writer.open.pop();
            }
        }
    }
    if !writer.text.octets().ends_with(b"\r\n") {
        writer.push(b"\r\n")?;
    }
    Ok(writer.text.finish())
}

/// A multipart whose parts are being written.
struct Multipart {
    boundary: Value,
    parts: Value,
    next: usize,
    /// The line end that belongs to the next delimiter: none while nothing stands behind the fields.
    line_end: &'static [u8],
}

impl Multipart {
    fn boundary(&self) -> &[u8] {
        self.boundary.as_octets().unwrap_or_default()
    }

    fn next_part(&mut self) -> Option<Value> {
        let index = Key::Integer(i64::try_from(self.next).ok()?);
        self.next += 1;
        self.parts.as_array()?.get(index).cloned()
    }
}

struct Writer<'w, 'c> {
    call: &'w mut Call<'c>,
    text: StringBuilder,
    /// From the outside in.
    open: Vec<Multipart>,
}

impl Writer<'_, '_> {
    fn push(&mut self, octets: &[u8]) -> Result<(), Unwind> {
        self.call.charge_octets(octets.len())?;
        Ok(self.text.push(octets)?)
    }

    /// Fields and body of a part. The parts of a multipart follow.
    fn begin(&mut self, object: &HslObject) -> Result<(), Unwind> {
        let fields = part_of_state(object, FIELDS);
        let fields_count = fields.as_array().map_or(0, HslArray::len);
        self.call.charge(PART_FUEL + fields_count)?;
        let (mut has_type, mut has_encoding) = (false, false);
        for field in fields.as_array().iter().flat_map(|fields| fields.values()) {
            let field = field.as_octets().unwrap_or_default();
            has_type |= is_named(field, b"Content-Type");
            has_encoding |= is_named(field, b"Content-Transfer-Encoding");
            self.push(field)?;
        }
        let media_type = part_of_state(object, TYPE);
        let media_type = media_type.as_octets().unwrap_or(b"text/plain");
        let parts = part_of_state(object, PARTS);
        let has_parts = parts.as_array().is_some_and(|parts| !parts.is_empty());
        let is_multipart = has_parts || (!has_type && is_multipart(media_type));
        let body = part_of_state(object, BODY);
        let body = body.as_octets().unwrap_or_default();
        if is_multipart {
            let boundary = self.boundary(object)?;
            if !has_type {
                let boundary = boundary.as_octets().unwrap_or_default();
                self.content_type(media_type, b"; boundary=\"", boundary, b"\"\r\n")?;
            }
            self.push(b"\r\n")?;
            return self.open(boundary, parts, body);
        }
        if !has_type {
            self.content_type(media_type, b"; charset=utf-8\r\n", b"", b"")?;
        }
        if has_encoding {
            self.push(b"\r\n")?;
            return self.raw(body);
        }
        self.push(b"Content-Transfer-Encoding: base64\r\n\r\n")?;
        self.base64(body)
    }

    fn content_type(
        &mut self,
        media_type: &[u8],
        parameter: &[u8],
        value: &[u8],
        end: &[u8],
    ) -> Result<(), Unwind> {
        self.push(b"Content-Type: ")?;
        self.push(media_type)?;
        self.push(parameter)?;
        self.push(value)?;
        self.push(end)
    }

    /// Begins a multipart with the text before its parts.
    fn open(&mut self, boundary: Value, parts: Value, before: &[u8]) -> Result<(), Unwind> {
        if self.open.len() == DEPTH_MAX {
            let limit = DEPTH_MAX;
            return Err(ErrorKind::NestingDepth { limit }.into());
        }
        let octets = boundary.as_octets().unwrap_or_default();
        // What begins with a boundary is taken for it, too.
        if self
            .open
            .iter()
            .any(|outer| octets.starts_with(outer.boundary()))
        {
            return Err(ErrorKind::Boundary.into());
        }
        self.open.push(Multipart {
            boundary,
            parts,
            next: 0,
            line_end: if before.is_empty() { b"" } else { b"\r\n" },
        });
        self.raw(before)
    }

    /// The boundary of a multipart, made now if it has none: from then on it stays.
    fn boundary(&mut self, object: &HslObject) -> Result<Value, Unwind> {
        let boundary = part_of_state(object, BOUNDARY);
        if !boundary.is_none() {
            return Ok(boundary);
        }
        let boundary = misc::random_id(self.call)?;
        set(object, BOUNDARY, boundary.clone())?;
        Ok(boundary)
    }

    /// The line between parts, or behind the last of them. The line end before it is its own.
    fn delimiter(&mut self, end: &[u8]) -> Result<(), Unwind> {
        let Some(innermost) = self.open.last_mut() else {
            return Ok(());
        };
        let boundary = innermost.boundary.clone();
        let line_end = std::mem::replace(&mut innermost.line_end, b"\r\n");
        self.push(line_end)?;
        self.push(b"--")?;
        self.push(boundary.as_octets().unwrap_or_default())?;
        self.push(end)
    }

    /// Octets as they are.
    fn raw(&mut self, octets: &[u8]) -> Result<(), Unwind> {
        for multipart in &self.open {
            self.call.charge_octets(octets.len())?;
            if has_boundary(octets, multipart.boundary()) {
                return Err(ErrorKind::Boundary.into());
            }
        }
        self.push(octets)
    }

    /// Octets in base64, in lines of 76.
    fn base64(&mut self, octets: &[u8]) -> Result<(), Unwind> {
        self.call.charge_octets(octets.len())?;
        let mut line = [0; LINE_OCTETS + 2];
        for (index, part) in octets.chunks(LINE_OCTETS / 4 * 3).enumerate() {
            let symbols = 2 + BASE64.encode_len(part.len());
            line[..2].copy_from_slice(b"\r\n");
            BASE64.encode_mut(part, &mut line[2..symbols]);
            // The line end comes before each line but the first.
            let begin = if index == 0 { 2 } else { 0 };
            self.push(&line[begin..symbols])?;
        }
        Ok(())
    }
}

/// Fuel for a part besides that for its text, of which short pieces cost nothing, and for each of its fields.
const PART_FUEL: usize = 4;

/// Symbols of base64 on one line. RFC 2045 §6.8.
const LINE_OCTETS: usize = 76;

/// Whether a field has this name.
fn is_named(field: &[u8], name: &[u8]) -> bool {
    let begin = field.get(..name.len());
    field.get(name.len()) == Some(&b':')
        && begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name))
}

fn is_multipart(media_type: &[u8]) -> bool {
    let begin = media_type.get(..MULTIPART.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(MULTIPART))
}

const MULTIPART: &[u8] = b"multipart/";

/// Whether a line of a text begins as the delimiter with this boundary does.
fn has_boundary(text: &[u8], boundary: &[u8]) -> bool {
    let delimiter = [b"--", boundary].concat();
    memchr::memmem::find_iter(text, &delimiter).any(|start| match text[..start].last() {
        Some(octet) => matches!(octet, b'\r' | b'\n'),
        None => true,
    })
}
