//! Cells, globals, predefined and static variables; fuel.

use crate::builtins::Unwind;
use crate::error::ErrorKind;
use crate::execution::running::Running;
use crate::runtime::Value;

pub(crate) fn undefined(running: &mut Running, name: u32) -> Result<(), Unwind> {
    let name = running.script.code.tables.name_text(name).into();
    Err(Unwind::Error(ErrorKind::UndefinedVariable { name }))
}

pub(crate) fn cell_new(_: &mut Running) -> Result<Value, Unwind> {
    Value::cell(Value::UNDEFINED).map_err(Unwind::Error)
}

pub(crate) fn cell_global(running: &mut Running, global: u32) -> Result<Value, Unwind> {
    let index = global as usize;
    while running.globals.len() <= index {
        running
            .globals
            .push(Value::cell(Value::UNDEFINED).map_err(Unwind::Error)?);
    }
    Ok(running.globals[index].clone())
}

pub(crate) fn cell_get(_: &mut Running, cell: &Value) -> Result<Value, Unwind> {
    Ok(cell.as_cell().map_or(
        Value::UNDEFINED,
        crate::runtime::function::VariableCell::get,
    ))
}

pub(crate) fn cell_set(_: &mut Running, cell: &Value, content: Value) {
    if let Some(cell) = cell.as_cell() {
        cell.set(content);
    }
}

pub(crate) fn cell_captured(
    _: &mut Running,
    closure: &Value,
    capture: u32,
) -> Result<Value, Unwind> {
    let cell = closure
        .as_function()
        .and_then(|function| function.cells().get(capture as usize))
        .cloned();
    match cell {
        Some(cell) => Ok(cell),
        None => Value::cell(Value::UNDEFINED).map_err(Unwind::Error),
    }
}

pub(crate) fn store_predefined(running: &mut Running, variable: u32, content: Value) {
    let index = variable as usize;
    running.written.set(index);
    // A predefined variable always has a value; a barrier may have none for it.
    running.predefined[index] = match content.is_undefined() {
        true => Value::NONE,
        false => content,
    };
}

pub(crate) fn load_static(running: &mut Running, variable: u32) -> Result<Value, Unwind> {
    Ok(running
        .statics
        .get(variable as usize)
        .cloned()
        .unwrap_or_default())
}

pub(crate) fn store_static(running: &mut Running, variable: u32, content: Value) {
    if let Some(place) = running.statics.get_mut(variable as usize) {
        *place = content;
    }
}

pub(crate) fn out_of_fuel(running: &mut Running) -> Result<(), Unwind> {
    running.refuel()
}
