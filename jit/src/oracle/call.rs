//! Calls: of the script's functions, of classes, of context functions and of builtins.
//!
//! A name means, in this order: a function or class of the script that can be seen from here, a context function, a builtin;
//! with `builtin` before it only the last two. `name::` means a class or a module, otherwise a class of builtins. The callee is evaluated before the arguments; of `base->name(...)` only the
//! base. Whether it can be called with them is found out after them.
//!
//! HSL manual: structures, "function"; operators, "Call".

use super::definition::{Declared, Definition};
use super::frame::Frame;
use super::module::MAIN;
use super::statement::Flow;
use super::stop::{At, Evaluated, Stop, fail, refuse};
use super::walker::Walker;
use crate::builtins;
use crate::error::ErrorKind;
use crate::runtime::{FunctionTarget, Portable, Value};
use crate::source::Span;
use crate::syntax::ast::{Argument, Expression, ExpressionKind, Name};

/// How many calls by value may go on inside each other, constructors and imported modules among them.
const ENTRIES_MAX: usize = 64;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By its own name, with arguments that can be counted.
    Name,
    /// In any other way.
    Value,
}

impl Walker<'_> {
    /// A bare name as a value.
    pub(super) fn function_name(
        &mut self,
        name: &str,
        builtin: bool,
        span: Span,
    ) -> Evaluated<Value> {
        let declared = match builtin {
            true => None,
            false => self.frame().scope.find(name),
        };
        let target = match declared {
            Some(Declared::Function(number)) => FunctionTarget::User(number),
            Some(Declared::Class(number)) => FunctionTarget::Class(number),
            // No module is called, so its name hides nothing.
            Some(Declared::Module(_)) | None if self.host.function(name).is_some() => {
                self.host_target(name)
            }
            Some(Declared::Module(_)) | None => match builtin_target(name) {
                Some(target) => target,
                None => return refuse("no function of this name", span),
            },
        };
        Value::function(target, Value::NONE, [].into_iter()).at(span)
    }

    fn host_target(&mut self, name: &str) -> FunctionTarget {
        let known = self.host_functions.iter().position(|known| known == name);
        let number = known.unwrap_or_else(|| {
            self.host_functions.push(name.to_owned());
            self.host_functions.len() - 1
        });
        FunctionTarget::Host(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(super) fn call_expression(
        &mut self,
        callee: &Expression,
        arguments: &[Argument],
        span: Span,
    ) -> Evaluated<Value> {
        let ExpressionKind::Property(object, name) = &callee.kind else {
            let by = match callee.kind {
                ExpressionKind::FunctionName { .. } | ExpressionKind::StaticFunction(..)
                    if !arguments.iter().any(|argument| argument.spread) =>
                {
                    By::Name
                }
                _ => By::Value,
            };
            let function = self.expression(callee)?;
            let arguments = self.arguments(arguments)?;
            return self.call_by(by, &function, arguments, span);
        };
        let object = self.expression(object)?;
        let arguments = self.arguments(arguments)?;
        let function = self.named(&object, &name.name, span)?;
        if function.is_none() && object.as_object().is_some() {
            let name = name.name.as_ref().into();
            return fail(ErrorKind::NoSuchMember { name }, span);
        }
        self.call(&function, arguments, span)
    }

    pub(super) fn arguments(&mut self, arguments: &[Argument]) -> Evaluated<Vec<Value>> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.expression(&argument.value)?;
            if !argument.spread {
                values.push(value);
                continue;
            }
            let Some(array) = value.as_array() else {
                let got = value.kind();
                return fail(ErrorKind::NotIterable { got }, argument.value.span);
            };
            values.extend(array.values().cloned());
        }
        Ok(values)
    }

    /// Calls a function value.
    pub(super) fn call(
        &mut self,
        function: &Value,
        arguments: Vec<Value>,
        span: Span,
    ) -> Evaluated<Value> {
        self.call_by(By::Value, function, arguments, span)
    }

    fn call_by(
        &mut self,
        by: By,
        function: &Value,
        arguments: Vec<Value>,
        span: Span,
    ) -> Evaluated<Value> {
        let Some(called) = function.as_function() else {
            let got = function.kind();
            return fail(ErrorKind::NotCallable { got }, span);
        };
        match called.target() {
            FunctionTarget::User(number) => {
                let cells = called.cells().to_vec();
                let bound = called.bound().clone();
                self.call_user(by, number, &cells, bound, arguments, span)
            }
            FunctionTarget::Class(number) => self.construct(number, arguments, span),
            FunctionTarget::Host(number) => self.call_host(number, &arguments, span),
            FunctionTarget::Builtin(number) => {
                let limit = crate::codegen::ENTRIES_MAX;
                if self.builtin_calls.len() > limit {
                    return fail(ErrorKind::CallDepth { limit }, span);
                }
                self.call_builtin(number, called.bound(), &arguments, span)
            }
        }
    }

    /// Calls a function of the script with the variables it captured and the object it is bound to, or none.
    pub(super) fn call_user(
        &mut self,
        by: By,
        number: u32,
        cells: &[Value],
        bound: Value,
        arguments: Vec<Value>,
        span: Span,
    ) -> Evaluated<Value> {
        let Some(definition) = self.definitions.function(number) else {
            return refuse("no function of this number", span);
        };
        let parameters = &definition.function.parameters;
        let required = parameters
            .iter()
            .filter(|one| !one.variadic && one.default.is_none());
        let (minimum, got) = (required.count(), arguments.len());
        let variadic = parameters.iter().any(|parameter| parameter.variadic);
        let maximum = (!variadic).then_some(parameters.len());
        if got < minimum || maximum.is_some_and(|maximum| got > maximum) {
            return fail(wrong_count(minimum, maximum, got), span);
        }
        if by == By::Value {
            self.enter(span)?;
        }
        if self.running.contains(&number) {
            return fail(ErrorKind::Recursion, span);
        }
        self.charge(1, definition.function.span)?;
        let scope = self.definitions.body_scope(&definition);
        let mut frame = Frame::new(scope, definition.class);
        if !bound.is_none() {
            frame.write(&Name::from("this"), bound).at(span)?;
        }
        for (capture, cell) in definition.function.captures.iter().zip(cells) {
            frame.share(&capture.name, cell.clone());
        }
        self.push_frame(frame);
        self.running.push(number);
        let result = self.body(&definition, arguments, span);
        self.running.pop();
        self.pop_frame();
        if by == By::Value {
            self.leave();
        }
        result
    }

    /// Goes into something that is not called by its name; whoever calls it calls [`Self::leave`] afterwards.
    pub(super) fn enter(&mut self, span: Span) -> Evaluated<()> {
        if self.entries == ENTRIES_MAX {
            let limit = ENTRIES_MAX;
            return fail(ErrorKind::CallDepth { limit }, span);
        }
        self.entries += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.entries -= 1;
    }

    fn body(
        &mut self,
        definition: &Definition,
        arguments: Vec<Value>,
        span: Span,
    ) -> Evaluated<Value> {
        let mut arguments = arguments.into_iter();
        for parameter in &definition.function.parameters {
            let value = if parameter.variadic {
                Value::array_of(arguments.by_ref()).at(span)?
            } else {
                match (arguments.next(), &parameter.default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => self.expression(default)?,
                    (None, None) => Value::NONE,
                }
            };
            self.frame()
                .write(&parameter.variable.name, value)
                .at(span)?;
        }
        match self.statements(&definition.function.body)? {
            Flow::Return(value) => Ok(value),
            Flow::Next | Flow::Break | Flow::Continue => Ok(Value::NONE),
        }
    }

    fn call_host(&mut self, number: u32, arguments: &[Value], span: Span) -> Evaluated<Value> {
        let Some(name) = self.host_functions.get(number as usize).cloned() else {
            return refuse("no context function of this number", span);
        };
        let Some(function) = self.host.function(&name) else {
            return refuse("no context function of this name", span);
        };
        let (minimum, maximum, got) = (function.minimum, function.maximum, arguments.len());
        if got < minimum || maximum.is_some_and(|maximum| got > maximum) {
            return fail(wrong_count(minimum, maximum, got), span);
        }
        let mut copies = Vec::with_capacity(arguments.len());
        for argument in arguments {
            copies.push(Portable::copy(argument).at(span)?);
        }
        if function.terminating {
            let arguments = copies;
            return Err(Box::new(Stop::Action {
                name,
                arguments,
                span,
            }));
        }
        let answer = self.host.call(&name, copies).at(span)?;
        for (variable, value) in answer.updates {
            let value = value.to_value().at(span)?;
            let name = Name::from(variable.as_str());
            self.module_frame_of(MAIN).write(&name, value).at(span)?;
        }
        answer.value.to_value().at(span)
    }

    /// The class whose text is running.
    pub(super) fn class_running(&self) -> Option<u32> {
        self.frame_running().class
    }
}

/// The builtin of this name; that of a class is named `Class::function`.
pub(super) fn builtin_target(name: &str) -> Option<FunctionTarget> {
    let index = builtins::find(name)?;
    u32::try_from(index).ok().map(FunctionTarget::Builtin)
}

/// Too few or too many arguments for anything but a builtin.
pub(super) fn wrong_count(minimum: usize, maximum: Option<usize>, got: usize) -> ErrorKind {
    ErrorKind::ArgumentCount {
        function: "",
        minimum,
        maximum,
        got,
    }
}
