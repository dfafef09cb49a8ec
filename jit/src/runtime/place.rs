//! Writing inside values: `$a["x"]["y"] = v`, `$a[] = v`, `$a[1:2] = v`, `unset`.
//!
//! In: a variable and the steps from it. Out: the place to write to. On the way undefined and none become arrays, missing
//! elements are created as none, and arrays somebody else sees are copied; an array nobody else sees is never copied.
//! Writing an element of a string, number, boolean or function is a script error.
//!
//! HSL manual, chapter "Operators", "Subscript", "Slice assignment" and "Removing".
#![expect(
    unsafe_code,
    reason = "hands out places in shared objects to generated code"
)]

use super::array::Key;
use super::slice::Bounds;
use super::value::Value;
use crate::error::ErrorKind;

/// One step from a value to a place inside it.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// `[key]`, or `->key` of an object.
    Key(&'a Value),
    /// `[]`: a new element at the end.
    Append,
}

fn become_array(base: &mut Value) -> Result<(), ErrorKind> {
    if base.is_none() || base.is_undefined() {
        *base = Value::array()?;
    }
    Ok(())
}

/// The place of an element of an array, created if it is missing.
///
/// # Errors
///
/// If the base is not an array, undefined or none, the key cannot be one, or a limit is exceeded.
pub fn element_for_write<'v>(base: &'v mut Value, key: &Value) -> Result<&'v mut Value, ErrorKind> {
    let key = Key::cast(key)?;
    become_array(base)?;
    base.array_mut()?.slot(key)
}

/// The place of a new element at the end of an array.
///
/// # Errors
///
/// If the base is not an array, undefined or none, or a limit is exceeded.
///
/// # Panics
///
/// Never: the element was just added.
pub fn element_for_append(base: &mut Value) -> Result<&mut Value, ErrorKind> {
    become_array(base)?;
    let array = base.array_mut()?;
    array.append(Value::NONE)?;
    Ok(array.last_mut().expect("just appended"))
}

/// The place of an element of an array, if it is there. Nothing is created; a shared array is still copied.
///
/// # Errors
///
/// If the key cannot be one, or a limit is exceeded.
pub fn element_if_present<'v>(
    base: &'v mut Value,
    key: &Value,
) -> Result<Option<&'v mut Value>, ErrorKind> {
    let key = Key::cast(key)?;
    if base.as_array().is_none_or(|array| array.get(key).is_none()) {
        return Ok(None);
    }
    base.array_mut()?.slot(key).map(Some)
}

fn step_into<'v>(base: &'v mut Value, step: Step<'_>) -> Result<&'v mut Value, ErrorKind> {
    match step {
        Step::Key(key) => element_for_write(base, key),
        Step::Append => element_for_append(base),
    }
}

/// Changes the place at the end of a path, through arrays and objects alike. `change` must not run script code.
///
/// # Errors
///
/// Those of [`element_for_write`] on the way, and those of `change`.
pub fn with_place<R>(
    base: &mut Value,
    path: &[Step<'_>],
    change: impl FnOnce(&mut Value) -> Result<R, ErrorKind>,
) -> Result<R, ErrorKind> {
    let mut place = base;
    for (position, step) in path.iter().enumerate() {
        if place.as_object().is_some() {
            let holder = place.clone();
            let object = holder
                .as_object()
                .ok_or(ErrorKind::NotAnObject { got: holder.kind() })?;
            let rest = &path[position + 1..];
            return object
                .update(|properties| with_place_dyn(step_into(properties, *step)?, rest, change));
        }
        place = step_into(place, *step)?;
    }
    change(place)
}

/// [`with_place`] behind an indirection, so that the type of `change` does not grow with the path.
fn with_place_dyn<R>(
    base: &mut Value,
    path: &[Step<'_>],
    change: impl FnOnce(&mut Value) -> Result<R, ErrorKind>,
) -> Result<R, ErrorKind> {
    with_place(base, path, change)
}

/// The place of an element of an array or a variable of an object, created if it is missing. For generated code, which
/// goes from step to step.
///
/// # Safety
///
/// 1. `base` points to a value nobody else uses during the call.
/// 2. The result is used only until any array or object on the way to it is written to or released.
///
/// # Errors
///
/// Those of [`element_for_write`].
pub unsafe fn element_pointer(base: *mut Value, step: Step<'_>) -> Result<*mut Value, ErrorKind> {
    // SAFETY: 1.
    let base = unsafe { &mut *base };
    let properties = base
        .as_object()
        .map(super::object::HslObject::properties_ptr);
    let container = match properties {
        // SAFETY: the object is alive while `base` holds it, and by 1 and 2 nobody uses its variables now.
        Some(properties) => unsafe { &mut *properties },
        None => base,
    };
    step_into(container, step).map(std::ptr::from_mut)
}

/// `unset($base[key])`: whether something was removed.
///
/// # Errors
///
/// If the base cannot have elements, the key cannot be one, or a limit is exceeded.
pub fn unset_element(base: &mut Value, key: &Value) -> Result<bool, ErrorKind> {
    let key = Key::cast(key)?;
    if let Some(object) = base.as_object() {
        let removed = object.update(|properties| properties.array_mut()?.remove(key))?;
        return Ok(removed.is_some());
    }
    if base.is_none() || base.is_undefined() {
        return Ok(false);
    }
    let missing = base
        .as_array()
        .is_some_and(|array| array.get(key).is_none());
    if missing {
        return Ok(false);
    }
    base.array_mut()?
        .remove(key)
        .map(|removed| removed.is_some())
}

/// `$base[first:last] = items`: the selected elements are replaced by those of `items`. Integer keys are numbered anew.
///
/// # Errors
///
/// If the base is not an array, undefined or none, an index is not a number, the step is not 1, or a limit is exceeded.
pub fn assign_slice(
    base: &mut Value,
    first: Option<&Value>,
    last: Option<&Value>,
    step: Option<&Value>,
    items: &Value,
) -> Result<(), ErrorKind> {
    become_array(base)?;
    let Some(array) = base.as_array() else {
        return Err(ErrorKind::NotAnArray { got: base.kind() });
    };
    let bounds = Bounds::new(array.len(), first, last, step)?;
    let (start, end) = bounds.contiguous().ok_or(ErrorKind::SliceStep)?;
    *base = array.with_slice(start, end, items)?;
    Ok(())
}

/// `unset($base[first:last:step])`: removes the selected elements. Keys stay. Whether something was removed.
///
/// # Errors
///
/// If the base is not an array, undefined or none, an index is not a number, the step is 0, or a limit is exceeded.
pub fn unset_slice(
    base: &mut Value,
    first: Option<&Value>,
    last: Option<&Value>,
    step: Option<&Value>,
) -> Result<bool, ErrorKind> {
    if base.is_none() || base.is_undefined() {
        return Ok(false);
    }
    let Some(array) = base.as_array() else {
        return Err(ErrorKind::NotAnArray { got: base.kind() });
    };
    let bounds = Bounds::new(array.len(), first, last, step)?;
    if bounds.count == 0 {
        return Ok(false);
    }
    *base = array.without_slice(&bounds)?;
    Ok(true)
}
