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

use super::key::Key;
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

#[inline]
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
#[inline]
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
            if matches!(step, Step::Append) {
                // The variables of an object have names, and none of them is the next.
                return Err(ErrorKind::NotAnArray { got: place.kind() });
            }
            let holder = place.clone();
            let object = holder
                .as_object()
                .ok_or(ErrorKind::NotAnObject { got: holder.kind() })?;
            if let Step::Key(key) = step {
                Key::cast(key)?;
            }
            object.check_has_variables()?;
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
    let properties = match base.as_object() {
        Some(object) => {
            object.check_has_variables()?;
            Some(object.properties_ptr())
        }
        None => None,
    };
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
        if object.library_class().is_some() {
            return Ok(false);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::convert;
    use crate::runtime::heap::{Heap, live_objects};
    use crate::runtime::tests::text;

    fn shown(value: &Value) -> String {
        let octets = convert::text(value).expect("shallow").octets().to_vec();
        String::from_utf8(octets).expect("ascii")
    }

    fn set(base: &mut Value, path: &[Step<'_>], value: Value) -> Result<(), ErrorKind> {
        with_place(base, path, |place| {
            *place = value;
            Ok(())
        })
    }

    #[test]
    fn writing_creates_the_path() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let mut value = Value::UNDEFINED;
        let (a, b) = (text("a"), text("b"));
        set(
            &mut value,
            &[Step::Key(&a), Step::Key(&b)],
            Value::number(1.0),
        )
        .expect("fits");
        set(&mut value, &[Step::Key(&b), Step::Append], Value::TRUE).expect("fits");
        set(&mut value, &[Step::Key(&b), Step::Append], Value::NONE).expect("fits");
        assert_eq!(
            shown(&value),
            "[\"a\"=>[\"b\"=>1],\"b\"=>[0=>true,1=>none]]"
        );
        let mut word = text("word");
        let error = set(&mut word, &[Step::Key(&a)], Value::TRUE).expect_err("a string");
        assert_eq!(error.to_string(), "cannot write an element of string");
        drop((value, word, a, b));
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn nested_writing_copies_only_what_is_shared() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let (k, zero) = (text("k"), Value::number(0.0));
        let mut value = Value::NONE;
        set(
            &mut value,
            &[Step::Key(&k), Step::Key(&zero)],
            Value::number(1.0),
        )
        .expect("fits");
        let copy = value.clone();
        set(
            &mut value,
            &[Step::Key(&k), Step::Key(&zero)],
            Value::number(2.0),
        )
        .expect("fits");
        assert_eq!(shown(&copy), "[\"k\"=>[0=>1]]");
        assert_eq!(shown(&value), "[\"k\"=>[0=>2]]");
        let outer = value.bits();
        let inner = |value: &Value| {
            let array = value.as_array().expect("array");
            array.get(Key::of(b"k")).expect("set").bits()
        };
        let before = inner(&value);
        set(
            &mut value,
            &[Step::Key(&k), Step::Key(&zero)],
            Value::number(3.0),
        )
        .expect("fits");
        assert_eq!(
            (value.bits(), inner(&value)),
            (outer, before),
            "nobody shares it: no copy"
        );
    }

    #[test]
    fn paths_lead_through_objects() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let object = Value::object(0, Value::array().expect("fits")).expect("fits");
        let (o, h) = (text("o"), text("h"));
        let mut this = object.clone();
        set(&mut this, &[Step::Key(&o), Step::Key(&h)], text("d")).expect("fits");
        let mut holder = Value::array_of([object.clone()]).expect("fits");
        let zero = Value::number(0.0);
        let path = [Step::Key(&zero), Step::Key(&o), Step::Append];
        set(&mut holder, &path, Value::number(1.0)).expect("fits");
        let properties = object.as_object().expect("object").properties();
        assert_eq!(shown(&properties), "[\"o\"=>[\"h\"=>\"d\",0=>1]]");
        // SAFETY: `this` is used by nobody during the call, and the place only before anything else is written.
        let place = unsafe { element_pointer(&raw mut this, Step::Key(&h)) }.expect("fits");
        // SAFETY: as above.
        unsafe { *place = Value::TRUE };
        let read = object.as_object().expect("object").get(Key::of(b"h"));
        assert_eq!(read.and_then(|value| value.as_boolean()), Some(true));
        assert!(unset_element(&mut this, &h).expect("fits"));
        assert!(!unset_element(&mut this, &h).expect("fits"));
    }

    #[test]
    fn slices_are_assigned_and_unset() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let number = Value::number;
        let list =
            |numbers: &[f64]| Value::array_of(numbers.iter().copied().map(number)).expect("fits");
        let mut value = list(&[1.0, 2.0, 7.0, 5.0]);
        let (two, three) = (number(2.0), number(3.0));
        assign_slice(
            &mut value,
            Some(&two),
            Some(&three),
            None,
            &list(&[3.0, 4.0]),
        )
        .expect("fits");
        assert_eq!(shown(&value), "[0=>1,1=>2,2=>3,3=>4,4=>5]");
        let one = number(1.0);
        assign_slice(&mut value, Some(&one), Some(&one), None, &text("x")).expect("fits");
        assert_eq!(shown(&value), "[0=>1,1=>\"x\",2=>2,3=>3,4=>4,5=>5]");
        assert!(unset_slice(&mut value, Some(&one), Some(&three), None).expect("fits"));
        assert_eq!(shown(&value), "[0=>1,3=>3,4=>4,5=>5]");
        assert!(!unset_slice(&mut value, Some(&three), Some(&one), None).expect("fits"));
        let minus = number(-1.0);
        assert_eq!(
            assign_slice(&mut value, None, None, Some(&minus), &one),
            Err(ErrorKind::SliceStep)
        );
    }
}
