//! Calls: of builtins, host functions and function values; making function values.

use std::sync::Arc;

use crate::boundary::enter::enter;
use crate::builtins::{self, Builtin, Unwind};
use crate::error::ErrorKind;
use crate::execution::running::Running;
use crate::execution::{Ending, HostRequest};
use crate::ir::FunctionId;
use crate::runtime::{FunctionTarget, Key, Portable, Value};
use crate::script::{ClassData, FunctionSignature};

#[inline]
pub(crate) fn call_builtin(
    running: &mut Running,
    builtin: u32,
    arguments: &[Value],
) -> Result<Value, Unwind> {
    let builtin = &builtins::registry()[builtin as usize];
    match builtin.at_once(arguments) {
        Some(value) => Ok(value),
        None => builtin.invoke_here(&Value::NONE, arguments, running),
    }
}

/// Calls a builtin function of an object.
fn call_builtin_on(
    running: &mut Running,
    builtin: &'static Builtin,
    object: &Value,
    arguments: &[Value],
) -> Result<Value, Unwind> {
    running.nested(|running| builtin.invoke_on(object, arguments, running))
}

pub(crate) fn call_host(
    running: &mut Running,
    function: u32,
    arguments: &[Value],
) -> Result<Value, Unwind> {
    let function = function as usize;
    let arguments = arguments
        .iter()
        .map(Portable::copy)
        .collect::<Result<Vec<_>, _>>()
        .map_err(Unwind::Error)?;
    let terminating = running
        .script
        .terminating
        .get(function)
        .copied()
        .unwrap_or(false);
    if terminating && running.ending.is_none() {
        running.ending = Some(Ending::Action {
            function,
            arguments,
            span: None,
        });
        return Err(Unwind::Ended);
    }
    running.ask(HostRequest {
        function,
        arguments,
    })
}

pub(crate) fn call_value(
    running: &mut Running,
    callee: &Value,
    arguments: &Value,
) -> Result<Value, Unwind> {
    invoke(running, callee, &values_of(arguments))
}

/// The elements of an array of arguments.
pub(super) fn values_of(arguments: &Value) -> Vec<Value> {
    let values = arguments.as_array().map(|array| array.values().cloned());
    values.map(Iterator::collect).unwrap_or_default()
}

pub(crate) fn call_method(
    running: &mut Running,
    object: &Value,
    name: &Value,
    accessor: u32,
    arguments: &Value,
) -> Result<Value, Unwind> {
    if let Some(method) = object
        .as_object()
        .zip(name.as_octets())
        .and_then(|(object, name)| builtins::method_of(object, name))
    {
        return call_builtin_on(running, method, object, &values_of(arguments));
    }
    let function = super::member::property(running, object, name, accessor)?;
    if function.is_none() && object.as_object().is_some() {
        let name = String::from_utf8_lossy(name.as_octets().unwrap_or_default()).into();
        return Err(Unwind::Error(ErrorKind::NoSuchMember { name }));
    }
    call_value(running, &function, arguments)
}

/// Calls a function value.
pub(crate) fn invoke(
    running: &mut Running,
    callee: &Value,
    arguments: &[Value],
) -> Result<Value, Unwind> {
    let Some(function) = callee.as_function() else {
        return Err(Unwind::Error(ErrorKind::NotCallable { got: callee.kind() }));
    };
    match function.target() {
        FunctionTarget::Builtin(index) => {
            let builtin = &builtins::registry()[index as usize];
            call_builtin_on(running, builtin, function.bound(), arguments)
        }
        FunctionTarget::Host(index) => {
            let (minimum, maximum) = running.script.host_arity(index as usize);
            check_count(arguments.len(), minimum, maximum)?;
            call_host(running, index, arguments)
        }
        FunctionTarget::User(index) => {
            // A bound function finds its object where a closure finds its captures.
            let environment = if function.bound().is_none() {
                callee
            } else {
                function.bound()
            };
            call_user(running, index, environment, arguments)
        }
        FunctionTarget::Class(index) => make_object(running, index, arguments),
    }
}

/// A new object of a class, constructed.
fn make_object(running: &mut Running, index: u32, arguments: &[Value]) -> Result<Value, Unwind> {
    let script = Arc::clone(&running.script);
    let Some(class) = script.classes.get(index as usize) else {
        return Err(Unwind::Error(ErrorKind::NotCallable {
            got: crate::runtime::Kind::Function,
        }));
    };
    let object = new_object(class, index).map_err(Unwind::Error)?;
    match class.constructor {
        Some(constructor) => drop(call_user(running, constructor, &object, arguments)?),
        None => check_count(arguments.len(), 0, Some(0))?,
    }
    Ok(object)
}

fn new_object(class: &ClassData, index: u32) -> Result<Value, ErrorKind> {
    let mut variables = Value::array_with_capacity(class.variables.len())?;
    for (name, initial) in &class.variables {
        variables
            .array_mut()?
            .set(Key::of(name), initial.to_value()?)?;
    }
    Value::object(index, variables)
}

fn check_count(got: usize, minimum: usize, maximum: Option<usize>) -> Result<(), Unwind> {
    if got < minimum || maximum.is_some_and(|maximum| maximum < got) {
        return Err(Unwind::Error(ErrorKind::ArgumentCount {
            function: "",
            minimum,
            maximum,
            got,
        }));
    }
    Ok(())
}

/// Calls a function of the script with the arguments its parameters ask for.
fn call_user(
    running: &mut Running,
    index: u32,
    environment: &Value,
    given: &[Value],
) -> Result<Value, Unwind> {
    let script = &running.script;
    let function = script.functions.get(index as usize);
    let (Some(function), Some(entry)) = (function, script.code.entry(FunctionId(index))) else {
        return Err(Unwind::Error(ErrorKind::NotCallable {
            got: environment.kind(),
        }));
    };
    if given.len() == function.required && function.is_plain() {
        // What most functions are called with needs no memory.
        match given {
            [one] => return enter(running, entry, environment, &mut [one.clone()]),
            [one, other] => {
                let arguments = &mut [one.clone(), other.clone()];
                return enter(running, entry, environment, arguments);
            }
            _ => {}
        }
    }
    let mut arguments = complete(function, given)?;
    enter(running, entry, environment, &mut arguments)
}

/// The arguments that a function asks for, where it may be given fewer or more than its parameters.
fn complete(function: &FunctionSignature, given: &[Value]) -> Result<Vec<Value>, Unwind> {
    let fixed = function.required + function.defaults.len();
    check_count(
        given.len(),
        function.required,
        (!function.variadic).then_some(fixed),
    )?;
    let mut arguments: Vec<Value> = given.iter().take(fixed).cloned().collect();
    let given_defaults = arguments.len().saturating_sub(function.required);
    for default in function.defaults.iter().skip(given_defaults) {
        arguments.push(default.to_value().map_err(Unwind::Error)?);
    }
    if function.variadic {
        arguments.push(Value::array_of(given.iter().skip(fixed).cloned()).map_err(Unwind::Error)?);
    }
    Ok(arguments)
}

pub(crate) fn function_value(_: &mut Running, kind: u32, function: u32) -> Result<Value, Unwind> {
    let target = match kind {
        0 => FunctionTarget::User(function),
        1 => FunctionTarget::Builtin(function),
        2 => FunctionTarget::Host(function),
        _ => FunctionTarget::Class(function),
    };
    Value::function(target, Value::NONE, std::iter::empty()).map_err(Unwind::Error)
}

pub(crate) fn closure(_: &mut Running, function: u32, cells: &[Value]) -> Result<Value, Unwind> {
    Value::function(
        FunctionTarget::User(function),
        Value::NONE,
        cells.iter().cloned(),
    )
    .map_err(Unwind::Error)
}

pub(crate) fn run_module(running: &mut Running, function: u32) -> Result<(), Unwind> {
    if !running.modules_run.set(function as usize) {
        call_user(running, function, &Value::NONE, &[])?;
    }
    Ok(())
}

pub(crate) fn enter_function(running: &mut Running, function: u32) -> Result<(), Unwind> {
    if running.active.set(function as usize) {
        return Err(Unwind::Error(ErrorKind::Recursion));
    }
    Ok(())
}

pub(crate) fn leave_function(running: &mut Running, function: u32) {
    running.active.unset(function as usize);
}
