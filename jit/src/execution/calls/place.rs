//! Places deeper than a variable: stores, updates, tests, removals and quiet reads along a path.
//!
//! The path is taken from the outside in. Writing makes what is missing; testing and quiet reading make nothing and fail
//! on nothing that is missing.

use super::member::{check_way, element_if_set};
use super::operate::{apply_in_place, bound, next};
use crate::builtins::Unwind;
use crate::codegen::{PlaceShape, ShapeAction, ShapeRoot, ShapeStep};
use crate::error::ErrorKind;
use crate::execution::running::Running;
use crate::runtime::place::{
    Step, assign_slice, element_for_write, unset_element, unset_slice, with_place,
};
use crate::runtime::{Key, Value, operate};
use crate::script::ScriptInner;

pub(crate) fn place(
    running: &mut Running,
    shape: u32,
    root: &mut Value,
    operands: &[Value],
) -> Result<Value, Unwind> {
    let script = &*running.script;
    let Some(shape) = script.code.tables.place_shape(shape) else {
        return Ok(Value::NONE);
    };
    let result = match shape.root {
        ShapeRoot::Variable => act(script, shape, root, operands),
        // An array is copied before it changes, and the copy must not take the place of what the caller releases.
        ShapeRoot::Borrowed => act(script, shape, &mut root.clone(), operands),
        ShapeRoot::Cell => match root.as_cell() {
            Some(cell) => cell.update(|content| act(script, shape, content, operands)),
            None => Ok(Value::NONE),
        },
    };
    result.map_err(Unwind::Error)
}

pub(crate) fn place_predefined(
    running: &mut Running,
    shape: u32,
    variable: u32,
    operands: &[Value],
) -> Result<Value, Unwind> {
    let Running {
        script,
        predefined,
        written,
        ..
    } = running;
    let index = variable as usize;
    let Some(shape) = script.code.tables.place_shape(shape) else {
        return Ok(Value::NONE);
    };
    if !matches!(shape.action, ShapeAction::Isset | ShapeAction::ReadQuiet) {
        written.set(index);
    }
    act(script, shape, &mut predefined[index], operands).map_err(Unwind::Error)
}

pub(crate) fn place_static(
    running: &mut Running,
    shape: u32,
    variable: u32,
    operands: &[Value],
) -> Result<Value, Unwind> {
    let Running {
        script, statics, ..
    } = running;
    let shape = script.code.tables.place_shape(shape);
    let (Some(shape), Some(root)) = (shape, statics.get_mut(variable as usize)) else {
        return Ok(Value::NONE);
    };
    act(script, shape, root, operands).map_err(Unwind::Error)
}

/// Does to a place what its shape says.
#[inline]
fn act(
    script: &ScriptInner,
    shape: &PlaceShape,
    root: &mut Value,
    operands: &[Value],
) -> Result<Value, ErrorKind> {
    if let [ShapeStep::Key | ShapeStep::Property] = shape.steps[..]
        && let [key, rest @ ..] = operands
        && root.as_array().is_some()
    {
        return act_on_element(shape.action, root, key, rest);
    }
    act_along_path(script, shape, root, operands)
}

/// What [`act_along_path`] does where the path is one step into an array, which has no private members.
#[inline]
fn act_on_element(
    action: ShapeAction,
    root: &mut Value,
    key: &Value,
    operands: &[Value],
) -> Result<Value, ErrorKind> {
    match action {
        ShapeAction::ReadQuiet => operate::subscript(root, key),
        ShapeAction::Isset => {
            let key = Key::cast(key)?;
            let found = root.as_array().and_then(|array| array.get(key));
            Ok(Value::boolean(found.is_some()))
        }
        ShapeAction::Unset => unset_element(root, key).map(Value::boolean),
        ShapeAction::Store => {
            *element_for_write(root, key)? = operands.first().cloned().unwrap_or_default();
            Ok(Value::NONE)
        }
        ShapeAction::Update { .. } | ShapeAction::Step { .. } => {
            change_element(action, element_for_write(root, key)?, operands)
        }
    }
}

#[inline(never)]
fn act_along_path(
    script: &ScriptInner,
    shape: &PlaceShape,
    root: &mut Value,
    operands: &[Value],
) -> Result<Value, ErrorKind> {
    check_way(script, shape, root, operands)?;
    match shape.action {
        ShapeAction::Isset => {
            let (last, way) = shape.steps.split_last().ok_or(ErrorKind::KeyRange)?;
            let mut operands = operands.iter();
            let Some(base) = walk_quietly(script, root, way, &mut operands)? else {
                return Ok(Value::FALSE);
            };
            look(script, &base, *last, &mut operands).map(|found| Value::boolean(found.is_some()))
        }
        ShapeAction::ReadQuiet => {
            let found = walk_quietly(script, root, &shape.steps, &mut operands.iter())?;
            Ok(found.unwrap_or_default())
        }
        ShapeAction::Unset => remove(script, shape, root, operands),
        ShapeAction::Store | ShapeAction::Update { .. } | ShapeAction::Step { .. } => {
            write(script, shape, root, operands)
        }
    }
}

/// One element for a quiet reader; `None` when it is missing or the base has no elements.
fn look(
    script: &ScriptInner,
    base: &Value,
    step: ShapeStep,
    operands: &mut std::slice::Iter<'_, Value>,
) -> Result<Option<Value>, ErrorKind> {
    let mut operand = || operands.next().cloned().unwrap_or_default();
    match step {
        ShapeStep::Key | ShapeStep::Property => element_if_set(script, base, &operand()),
        ShapeStep::Append => Ok(None),
        ShapeStep::Slice => {
            let (first, last, by) = (operand(), operand(), operand());
            if base.as_array().is_none() && base.as_string().is_none() {
                return Ok(None);
            }
            operate::slice(base, bound(&first), bound(&last), bound(&by)).map(Some)
        }
    }
}

fn walk_quietly(
    script: &ScriptInner,
    root: &Value,
    steps: &[ShapeStep],
    operands: &mut std::slice::Iter<'_, Value>,
) -> Result<Option<Value>, ErrorKind> {
    let mut place = root.clone();
    for step in steps {
        match look(script, &place, *step, operands)? {
            Some(found) => place = found,
            None => return Ok(None),
        }
    }
    Ok(Some(place))
}

/// The steps before the last as the runtime takes them, and the operands that remain.
fn way<'v>(steps: &[ShapeStep], operands: &'v [Value]) -> (Vec<Step<'v>>, &'v [Value]) {
    let mut rest = operands;
    let mut path = Vec::with_capacity(steps.len());
    for step in steps {
        match (step, rest) {
            (ShapeStep::Key | ShapeStep::Property, [key, tail @ ..]) => {
                path.push(Step::Key(key));
                rest = tail;
            }
            _ => path.push(Step::Append),
        }
    }
    (path, rest)
}

/// Changes the place at the end of a path. What leads to the last object on it is only read, since objects are references;
/// so no object is being changed while another is, even where an object leads to itself.
fn change<R>(
    script: &ScriptInner,
    root: &mut Value,
    path: &[Step<'_>],
    change: impl FnOnce(&mut Value) -> Result<R, ErrorKind>,
) -> Result<R, ErrorKind> {
    if script.classes.is_empty() {
        return with_place(root, path, change);
    }
    match last_object(root, path) {
        Some((mut object, rest)) => with_place(&mut object, rest, change),
        None => with_place(root, path, change),
    }
}

/// The last object on a path, and the path from it.
fn last_object<'p, 'v>(root: &Value, path: &'p [Step<'v>]) -> Option<(Value, &'p [Step<'v>])> {
    let mut place = root.clone();
    let mut found = None;
    for (index, step) in path.iter().enumerate() {
        if place.as_object().is_some() {
            found = Some((place.clone(), &path[index..]));
        }
        let Step::Key(key) = step else { break };
        // What is wrong with the way itself is told by whoever goes it.
        match operate::subscript_if_set(&place, key) {
            Ok(Some(next)) => place = next,
            Ok(None) | Err(_) => break,
        }
    }
    found
}

fn remove(
    script: &ScriptInner,
    shape: &PlaceShape,
    root: &mut Value,
    operands: &[Value],
) -> Result<Value, ErrorKind> {
    let (last, before) = shape.steps.split_last().ok_or(ErrorKind::KeyRange)?;
    // What is not there can't be removed; looking first makes sure that nothing is made on the way.
    if walk_quietly(script, root, before, &mut operands.iter())?.is_none_or(|base| base.is_none()) {
        return Ok(Value::FALSE);
    }
    let (path, rest) = way(before, operands);
    let removed = change(script, root, &path, |base| match (last, rest) {
        (ShapeStep::Key | ShapeStep::Property, [key, ..]) => unset_element(base, key),
        (ShapeStep::Slice, [first, last, by, ..]) => {
            unset_slice(base, bound(first), bound(last), bound(by))
        }
        _ => Ok(false),
    })?;
    Ok(Value::boolean(removed))
}

fn write(
    script: &ScriptInner,
    shape: &PlaceShape,
    root: &mut Value,
    operands: &[Value],
) -> Result<Value, ErrorKind> {
    if let Some((ShapeStep::Slice, before)) = shape.steps.split_last() {
        let (path, rest) = way(before, operands);
        let [first, last, by, items] = rest else {
            return Ok(Value::NONE);
        };
        change(script, root, &path, |base| {
            assign_slice(base, bound(first), bound(last), bound(by), items)
        })?;
        return Ok(Value::NONE);
    }
    let (path, rest) = way(&shape.steps, operands);
    change(script, root, &path, |element| {
        change_element(shape.action, element, rest)
    })
}

/// Changes what the path has led to.
#[inline]
fn change_element(
    action: ShapeAction,
    element: &mut Value,
    operands: &[Value],
) -> Result<Value, ErrorKind> {
    let none = Value::NONE;
    let operand = operands.first().unwrap_or(&none);
    match action {
        ShapeAction::Update { operator } => {
            apply_in_place(operator, element, operand)?;
            Ok(element.clone())
        }
        ShapeAction::Step {
            increment,
            yield_old,
        } => {
            let new = next(increment, element)?;
            let old = std::mem::replace(element, new.clone());
            Ok(if yield_old { old } else { new })
        }
        ShapeAction::Store | ShapeAction::Isset | ShapeAction::Unset | ShapeAction::ReadQuiet => {
            *element = operand.clone();
            Ok(Value::NONE)
        }
    }
}
