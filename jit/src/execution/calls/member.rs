//! Elements and members: `base[key]`, `base->name`, who may use which member of an object.

use crate::builtins::{Unwind, bound_method};
use crate::codegen::{PlaceShape, ShapeStep};
use crate::error::ErrorKind;
use crate::execution::running::Running;
use crate::runtime::{FunctionTarget, Value, operate};
use crate::script::ScriptInner;

#[inline(always)] // In two places.
pub(crate) fn index(
    running: &mut Running,
    base: &Value,
    key: &Value,
    accessor: u32,
) -> Result<Value, Unwind> {
    if let Some(found) = base.as_array().and_then(|array| array.get_by_text(key)) {
        return Ok(found.cloned().unwrap_or_default());
    }
    index_other(running, base, key, accessor)
}

#[inline(never)]
fn index_other(
    running: &Running,
    base: &Value,
    key: &Value,
    accessor: u32,
) -> Result<Value, Unwind> {
    if base.as_object().is_some() {
        return member(&running.script, base, key, accessor).map_err(Unwind::Error);
    }
    operate::subscript(base, key).map_err(Unwind::Error)
}

pub(crate) fn property(
    running: &mut Running,
    base: &Value,
    name: &Value,
    accessor: u32,
) -> Result<Value, Unwind> {
    if base.as_object().is_none() && base.as_array().is_none() && !base.is_none() {
        return Err(Unwind::Error(ErrorKind::NotAnObject { got: base.kind() }));
    }
    index(running, base, name, accessor)
}

/// A member of an object: a variable, or a function bound to the object; none when it has neither.
fn member(
    script: &ScriptInner,
    object: &Value,
    name: &Value,
    accessor: u32,
) -> Result<Value, ErrorKind> {
    check_access(script, object, name, accessor)?;
    element_if_set(script, object, name).map(Option::unwrap_or_default)
}

/// An element of an array or string, or a member of an object that is used as [`check_access`] allows; `None` when it is
/// missing.
pub(super) fn element_if_set(
    script: &ScriptInner,
    base: &Value,
    key: &Value,
) -> Result<Option<Value>, ErrorKind> {
    if let Some(found) = operate::subscript_if_set(base, key)? {
        return Ok(Some(found));
    }
    if let Some(function) = function_of(script, base, key) {
        let target = FunctionTarget::User(function);
        return Value::function(target, base.clone(), std::iter::empty()).map(Some);
    }
    bound_method(base, key.as_octets().unwrap_or_default())
}

fn function_of(script: &ScriptInner, object: &Value, name: &Value) -> Option<u32> {
    let class = script.classes.get(object.as_object()?.class() as usize)?;
    class.functions.get(name.as_octets()?).copied()
}

/// Fails when a private member is used from outside of its class.
fn check_access(
    script: &ScriptInner,
    object: &Value,
    name: &Value,
    accessor: u32,
) -> Result<(), ErrorKind> {
    let (Some(instance), Some(octets)) = (object.as_object(), name.as_octets()) else {
        return Ok(());
    };
    let Some(class) = script.classes.get(instance.class() as usize) else {
        return Ok(());
    };
    if accessor != instance.class() + 1 && class.private.contains(octets) {
        return Err(ErrorKind::PrivateMember {
            name: String::from_utf8_lossy(octets).into(),
        });
    }
    Ok(())
}

/// Fails when a place leads through a private member that its function may not use.
pub(super) fn check_way(
    script: &ScriptInner,
    shape: &PlaceShape,
    root: &Value,
    operands: &[Value],
) -> Result<(), ErrorKind> {
    if script.classes.iter().all(|class| class.private.is_empty()) {
        return Ok(());
    }
    let mut place = root.clone();
    let mut operands = operands.iter();
    for step in &shape.steps {
        let key = match step {
            ShapeStep::Key | ShapeStep::Property => operands.next(),
            ShapeStep::Append | ShapeStep::Slice => None,
        };
        let Some(key) = key else { return Ok(()) };
        check_access(script, &place, key, shape.accessor)?;
        // What is wrong with the way itself is told by whoever goes it.
        let Ok(Some(next)) = operate::subscript_if_set(&place, key) else {
            return Ok(());
        };
        place = next;
    }
    Ok(())
}
