//! `base[key]` and `base[first:last:step]`, read.
//!
//! In: a base, and a key or bounds. Out: an element or a part; a missing element is none. Does not: write elements, which is
//! `place`'s.

use crate::error::ErrorKind;
use crate::runtime::key::Key;
use crate::runtime::kind::Kind;
use crate::runtime::slice::Bounds;
use crate::runtime::string;
use crate::runtime::value::Value;

/// `base[key]`, read. A missing element is none, and so is any element of none.
///
/// # Errors
///
/// If the base is a number, a boolean or a function, or the key cannot be one.
#[inline]
pub fn subscript(base: &Value, key: &Value) -> Result<Value, ErrorKind> {
    if let Some(array) = base.as_array() {
        return Ok(array.get(Key::cast(key)?).cloned().unwrap_or_default());
    }
    match base.kind() {
        Kind::Boolean | Kind::Number | Kind::Function => {
            Err(ErrorKind::NotSubscriptable { got: base.kind() })
        }
        Kind::None => Ok(Value::NONE),
        Kind::String | Kind::Array | Kind::Object => {
            Ok(element(base, Key::cast(key)?)?.unwrap_or_default())
        }
    }
}

/// The element, for `isset` and `??`: nothing is wrong with a base that has none.
///
/// # Errors
///
/// If the key cannot be one, or the heap exceeds its limit.
#[inline]
pub fn subscript_if_set(base: &Value, key: &Value) -> Result<Option<Value>, ErrorKind> {
    if let Some(array) = base.as_array() {
        return Ok(array.get(Key::cast(key)?).cloned());
    }
    match base.kind() {
        // What has no elements is not asked for one, so that any key will do.
        Kind::None | Kind::Boolean | Kind::Number | Kind::Function => Ok(None),
        Kind::String | Kind::Array | Kind::Object => element(base, Key::cast(key)?),
    }
}

fn element(base: &Value, key: Key<'_>) -> Result<Option<Value>, ErrorKind> {
    if let Some(array) = base.as_array() {
        return Ok(array.get(key).cloned());
    }
    if let Some(object) = base.as_object() {
        return Ok(object.get(key));
    }
    let (Some(octets), Key::Integer(index)) = (base.as_octets(), key) else {
        return Ok(None);
    };
    let octet = usize::try_from(index)
        .ok()
        .and_then(|index| octets.get(index));
    Ok(octet.map(|octet| string::of_octet(*octet)))
}

/// `base[first:last:step]`, read, of a string or an array. `None` is an index that was left out.
///
/// # Errors
///
/// If the base is neither, an index is not a number, the step is 0 or a limit is exceeded.
pub fn slice(
    base: &Value,
    first: Option<&Value>,
    last: Option<&Value>,
    step: Option<&Value>,
) -> Result<Value, ErrorKind> {
    if let Some(array) = base.as_array() {
        return array.slice(&Bounds::new(array.len(), first, last, step)?);
    }
    let Some(octets) = base.as_octets() else {
        return Err(ErrorKind::NotSubscriptable { got: base.kind() });
    };
    if step.is_none() {
        let (start, end) = Bounds::part(octets.len(), first, last)?;
        return string::slice(base, start, end);
    }
    let bounds = Bounds::new(octets.len(), first, last, step)?;
    if let Some((start, end)) = bounds.contiguous() {
        return string::slice(base, start, end);
    }
    let mut builder = string::StringBuilder::new(bounds.count)?;
    for index in bounds.indexes() {
        builder.push(&octets[index..=index])?;
    }
    Ok(builder.finish())
}
