//! Classes, their objects and members.
//!
//! A member of an object is first of all its variable of that name, otherwise the function its class has under it, bound
//! to the object. Private members may be used by functions that stand in the text of the same class.
//!
//! HSL manual: structures, "class"; operators, "Property" and "Scope resolution".

use super::call::By;
use super::definition::{ClassDefinition, Declared};
use super::stop::{At, Evaluated, fail, refuse};
use super::walker::Walker;
use crate::builtins::bound_method;
use crate::error::ErrorKind;
use crate::runtime::{FunctionTarget, Key, Kind, Value};
use crate::source::Span;
use crate::syntax::ast::{Expression, Identifier, Member, MemberKind, Name};

impl Walker<'_> {
    /// `base->name`, read.
    pub(super) fn property(
        &mut self,
        base: &Expression,
        name: &Identifier,
        span: Span,
    ) -> Evaluated<Value> {
        let base = self.expression(base)?;
        self.named(&base, &name.name, span)
    }

    /// `->name` of a value: of an array or none it is what `["name"]` is.
    pub(super) fn named(&self, base: &Value, name: &str, span: Span) -> Evaluated<Value> {
        if !matches!(base.kind(), Kind::None | Kind::Array | Kind::Object) {
            return fail(ErrorKind::NotAnObject { got: base.kind() }, span);
        }
        Ok(self.named_if_set(base, name, span)?.unwrap_or_default())
    }

    /// The same, if there is something of that name.
    pub(super) fn named_if_set(
        &self,
        base: &Value,
        name: &str,
        span: Span,
    ) -> Evaluated<Option<Value>> {
        let name = Value::string(name.as_bytes()).at(span)?;
        self.element_if_set(base, &name, span)
    }

    /// A member of an object, if it has one of this name.
    pub(super) fn member(&self, base: &Value, name: Key<'_>) -> Result<Option<Value>, ErrorKind> {
        let Some(object) = base.as_object() else {
            return Ok(None);
        };
        self.check_private(object.class(), name)?;
        if let Some(value) = object.get(name) {
            return Ok(Some(value));
        }
        if object.library_class().is_some() {
            return bound_method(base, name.octets().unwrap_or_default());
        }
        let Some(definition) = self.definitions.class(object.class()) else {
            return Ok(None);
        };
        let Some(name) = name
            .octets()
            .and_then(|name| std::str::from_utf8(name).ok())
        else {
            return Ok(None);
        };
        let is_static = find_member(&definition, name).is_none_or(|member| member.is_static);
        match definition.functions.get(name) {
            Some(number) if !is_static => {
                let target = FunctionTarget::User(*number);
                Value::function(target, base.clone(), [].into_iter()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Fails when the running function may not use the member of an object of this class.
    pub(super) fn check_private(&self, class: u32, name: Key<'_>) -> Result<(), ErrorKind> {
        let name = name
            .octets()
            .and_then(|name| std::str::from_utf8(name).ok());
        let (Some(name), Some(definition)) = (name, self.definitions.class(class)) else {
            return Ok(());
        };
        match find_member(&definition, name) {
            Some(member) if member.private && self.class_running() != Some(class) => {
                Err(ErrorKind::PrivateMember { name: name.into() })
            }
            _ => Ok(()),
        }
    }

    /// The class that `name::` means.
    fn class_named(&mut self, name: &Identifier, span: Span) -> Evaluated<u32> {
        if &*name.name == "static" {
            return match self.class_running() {
                Some(class) => Ok(class),
                None => refuse("static:: outside of a class", span),
            };
        }
        match self.frame().scope.find(&name.name) {
            Some(Declared::Class(class)) => Ok(class),
            Some(Declared::Function(_) | Declared::Module(_)) | None => {
                refuse("no class of this name", span)
            }
        }
    }

    fn static_member(
        &mut self,
        class: &Identifier,
        name: &Name,
        span: Span,
    ) -> Evaluated<(u32, Member)> {
        let number = self.class_named(class, span)?;
        let definition = self.definitions.class(number);
        let member = definition
            .as_deref()
            .and_then(|class| find_member(class, name));
        let Some(member) = member.filter(|member| member.is_static) else {
            return refuse("no static member of this name", span);
        };
        if member.private && self.class_running() != Some(number) {
            let name = name.as_ref().into();
            return fail(ErrorKind::PrivateMember { name }, span);
        }
        Ok((number, member.clone()))
    }

    /// `Class::$name`, read.
    pub(super) fn static_variable(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
    ) -> Evaluated<Value> {
        let cell = self.static_cell(class, name, span)?;
        match cell
            .as_cell()
            .map(crate::runtime::function::VariableCell::get)
        {
            Some(value) if !value.is_undefined() => Ok(value),
            _ => {
                let name = name.name.as_ref().into();
                fail(ErrorKind::UndefinedVariable { name }, span)
            }
        }
    }

    /// The cell of a static variable, or of a variable of a module.
    pub(super) fn static_cell(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
    ) -> Evaluated<Value> {
        if let Some(Declared::Module(module)) = self.frame().scope.find(&class.name) {
            return self.module_frame_of(module).cell(&name.name).at(span);
        }
        let (number, member) = self.static_member(class, &name.name, span)?;
        let MemberKind::Variable(_, initial) = &member.kind else {
            return refuse("a function is no variable", span);
        };
        let key = (number, name.name.clone());
        if let Some(cell) = self.statics.get(&key) {
            return Ok(cell.clone());
        }
        let value = initial
            .as_ref()
            .map_or(Ok(Value::NONE), |value| self.expression(value))?;
        let cell = Value::cell(value).at(span)?;
        self.statics.insert(key, cell.clone());
        Ok(cell)
    }

    /// `Class::name` as a value; of a module, its function or class.
    pub(super) fn static_function(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
    ) -> Evaluated<Value> {
        let target = match self.frame().scope.find(&class.name) {
            Some(Declared::Module(module)) => {
                match self.module_frame_of(module).scope.find_own(&name.name) {
                    Some(Declared::Function(number)) => FunctionTarget::User(number),
                    Some(Declared::Class(number)) => FunctionTarget::Class(number),
                    Some(Declared::Module(_)) | None => {
                        return refuse("no function of this name in the module", span);
                    }
                }
            }
            Some(Declared::Function(_)) | None if &*class.name != "static" => {
                let full_name = format!("{}::{}", class.name, name.name);
                match super::call::builtin_target(&full_name) {
                    Some(target) => target,
                    None => return refuse("no class of this name", span),
                }
            }
            _ => {
                let (number, _) = self.static_member(class, &name.name, span)?;
                let definition = self.definitions.class(number);
                let functions = definition.as_ref().map(|class| &class.functions);
                match functions.and_then(|functions| functions.get(&name.name)) {
                    Some(function) => FunctionTarget::User(*function),
                    None => return refuse("a variable is no function", span),
                }
            }
        };
        Value::function(target, Value::NONE, [].into_iter()).at(span)
    }

    /// Makes an object and calls the constructor.
    pub(super) fn construct(
        &mut self,
        class: u32,
        arguments: Vec<Value>,
        span: Span,
    ) -> Evaluated<Value> {
        let Some(definition) = self.definitions.class(class) else {
            return refuse("no class of this number", span);
        };
        let variables = Value::array().at(span)?;
        let object = Value::object(class, variables).at(span)?;
        for member in &definition.class.members {
            if let (MemberKind::Variable(name, initial), false) = (&member.kind, member.is_static) {
                let value = initial
                    .as_ref()
                    .map_or(Ok(Value::NONE), |value| self.expression(value))?;
                if let Some(object) = object.as_object() {
                    object.set(Key::of(name.name.as_bytes()), value).at(span)?;
                }
            }
        }
        if let Some(constructor) = definition.constructor {
            self.call_user(By::Value, constructor, &[], object.clone(), arguments, span)?;
        } else if !arguments.is_empty() {
            let got = arguments.len();
            return fail(super::call::wrong_count(0, Some(0), got), span);
        }
        Ok(object)
    }
}

fn find_member<'c>(definition: &'c ClassDefinition, name: &str) -> Option<&'c Member> {
    definition
        .class
        .members
        .iter()
        .find(|member| match &member.kind {
            MemberKind::Variable(variable, _) => &*variable.name == name,
            MemberKind::Function(function) => function
                .name
                .as_ref()
                .is_some_and(|function| &*function.name == name),
        })
}
