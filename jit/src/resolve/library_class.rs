//! Calls of functions of the library's classes, where the class of the object can be seen.
//!
//! In: calls `object->name(...)`, and what variables are set to. Out: reports of unknown functions, wrong argument counts and
//! arguments of the wrong kind. The class of an object is seen where it is made in the same expression, or where each
//! assignment to its variable makes one of this class. What cannot be seen is a script error when it happens.

use std::rc::Rc;

use super::comparison::{Type, type_of};
use super::{Arity, Callee, FunctionId, Resolver, VariableId};
use crate::builtins::{Builtin, Class};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{
    Argument, Expression, ExpressionKind, Identifier, Name, Target, TargetKind,
};

/// Calls in a row through which a class is followed, so that a long row is not walked again for each of its calls.
const ROW_CALLS_MAX: usize = 32;

/// What is seen of the arguments of a call.
#[derive(Debug)]
pub(super) struct Given {
    count: usize,
    has_spread: bool,
    /// Those before the first that is spread, as far as their types show.
    types: Vec<(Option<Type>, Span)>,
}

impl Given {
    pub(super) fn of(arguments: &[Argument]) -> Self {
        let plain = arguments.iter().take_while(|argument| !argument.spread);
        Self {
            count: arguments.iter().filter(|one| !one.spread).count(),
            has_spread: arguments.iter().any(|argument| argument.spread),
            types: plain
                .map(|argument| (type_of(&argument.value), argument.value.span))
                .collect(),
        }
    }
}

/// A call on a variable, kept until all assignments to the variable are known.
#[derive(Debug)]
pub(super) struct VariableCall {
    function: FunctionId,
    variable: VariableId,
    call: MethodCall,
}

/// A call of a function of an object.
#[derive(Debug)]
struct MethodCall {
    /// The functions called before, each on what the one before it gave.
    row: Vec<Name>,
    name: Identifier,
    given: Given,
    span: Span,
}

/// Where a row of calls begins.
enum Root {
    Class(&'static Class),
    Variable(VariableId),
}

/// What is known of the objects a variable is set to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Objects {
    class: Option<&'static Class>,
    /// Assignments of an object of this class.
    count: usize,
    is_mixed: bool,
}

impl Resolver<'_> {
    /// `object->name(...)`, after its parts were walked.
    pub(super) fn method_call(
        &mut self,
        object: &Expression,
        name: &Identifier,
        arguments: &[Argument],
        span: Span,
    ) {
        let Some((root, row)) = self.root_of(object) else {
            return;
        };
        let call = MethodCall {
            row,
            name: name.clone(),
            given: Given::of(arguments),
            span,
        };
        match root {
            Root::Class(class) => self.check_method_call(class, &call),
            Root::Variable(variable) => self.variable_calls.push(VariableCall {
                function: self.current,
                variable,
                call,
            }),
        }
    }

    /// Notes what a variable is set to. The assignment itself was noted before.
    pub(super) fn set_to(&mut self, target: &Target, value: &Expression) {
        let TargetKind::Variable(name) = &target.kind else {
            return;
        };
        let Some(class) = self.class_of(value) else {
            return;
        };
        let Some(variable) = self.info().variable(name) else {
            return;
        };
        let current = self.current;
        let objects = &mut self.use_of(current, variable).objects;
        objects.count += 1;
        objects.is_mixed |= objects.class.is_some_and(|known| known.name != class.name);
        objects.class = Some(class);
    }

    /// Checks the calls on variables, now that all assignments are known.
    pub(super) fn check_variable_calls(&mut self) {
        for VariableCall {
            function,
            variable,
            call,
        } in std::mem::take(&mut self.variable_calls)
        {
            let used = self.use_of(function, variable);
            let objects = used.objects;
            if used.linked || objects.is_mixed || objects.count != used.writes_count {
                continue;
            }
            if let Some(class) = objects.class {
                self.check_method_call(class, &call);
            }
        }
    }

    /// The class of the object that an expression surely gives.
    fn class_of(&self, expression: &Expression) -> Option<&'static Class> {
        match self.root_of(expression)? {
            (Root::Class(class), row) => row
                .iter()
                .all(|name| gives_object(class, name))
                .then_some(class),
            (Root::Variable(_), _) => None,
        }
    }

    /// Where an expression of calls on objects begins, and the functions that are called on the way.
    fn root_of(&self, expression: &Expression) -> Option<(Root, Vec<Name>)> {
        let mut row = Vec::new();
        let mut expression = expression;
        let root = loop {
            let callee = match &expression.kind {
                ExpressionKind::Variable(name) => {
                    break Root::Variable(self.info().variable(name)?);
                }
                ExpressionKind::Call(callee, _) => callee,
                _ => return None,
            };
            match &callee.kind {
                ExpressionKind::Property(object, name) if row.len() < ROW_CALLS_MAX => {
                    row.push(Rc::clone(&name.name));
                    expression = object;
                }
                _ => break Root::Class(self.made_by(callee)?),
            }
        };
        row.reverse();
        Some((root, row))
    }

    /// The class of the object that a constructor or another function of a class makes.
    fn made_by(&self, callee: &Expression) -> Option<&'static Class> {
        let (reached, name) = match &callee.kind {
            ExpressionKind::FunctionName { name, builtin } => {
                let reached = self.table.callee(self.current, &name.name, *builtin);
                (reached?, Rc::clone(&name.name))
            }
            ExpressionKind::StaticFunction(class, name) => {
                let reached = self
                    .table
                    .static_callee(self.current, &class.name, &name.name);
                (reached?, format!("{}::{}", class.name, name.name).into())
            }
            _ => return None,
        };
        let Callee::Builtin(_) = reached else {
            return None;
        };
        let (class, function) = self.class_function(&name)?;
        function.gives_object().then_some(class)
    }

    /// A builtin that belongs to a class.
    pub(super) fn class_function(&self, name: &str) -> Option<(&'static Class, &'static Builtin)> {
        let mut classes = self.library.classes().iter();
        classes.find_map(|class| Some((class, class.function(name)?)))
    }

    /// The class of the library with this name.
    pub(super) fn library_class(&self, name: &str) -> Option<&'static Class> {
        let mut classes = self.library.classes().iter();
        classes.find(|class| class.name == name)
    }

    fn check_method_call(&mut self, class: &'static Class, call: &MethodCall) {
        if !call.row.iter().all(|name| gives_object(class, name)) {
            return;
        }
        let name = &call.name;
        if let Some(method) = class.method(&name.name) {
            self.check_given(method, &call.given, call.span);
            return;
        }
        let full_name = format!("{}->{}", class.name, name.name);
        if let Some(instead) = class.instead_of(&full_name) {
            return self.report(not_available(name, instead));
        }
        let known = class.methods.iter().map(Builtin::short_name);
        let near = self.near(&name.name, known);
        let message = format!("`{}` objects have no function `{}`", class.name, name.name);
        self.report(Diagnostic::error(name.span, message).with_near_name(near));
    }

    /// Reports a wrong number of arguments, or one that is plainly of a kind the function does not take.
    fn check_given(&mut self, function: &'static Builtin, given: &Given, span: Span) {
        let arity = Arity::of(function);
        let count = u32::try_from(given.count).unwrap_or(u32::MAX);
        let too_few = count < arity.min && !given.has_spread;
        let too_many = arity.max.is_some_and(|max| max < count);
        if too_few || too_many {
            let (name, takes) = (function.name, arity.describe());
            self.error(span, format!("`{name}` takes {takes}, {count} given"));
            return;
        }
        self.check_kinds(function, given);
    }

    /// Reports an argument that is plainly of a kind the function does not take.
    pub(super) fn check_kinds(&mut self, function: &'static Builtin, given: &Given) {
        for (position, (found, span)) in given.types.iter().enumerate() {
            let (Some(found), Some(parameter)) = (found, function.parameter(position)) else {
                continue;
            };
            if !parameter.kinds.contains(found.kind()) {
                let (name, kinds, found) = (function.name, parameter.kinds, found.describe());
                let message = format!(
                    "argument \"{}\" of `{name}` is {found}, it must be {kinds}",
                    parameter.name
                );
                self.error(*span, message);
            }
        }
    }
}

/// That a function of the manual does not exist here.
pub(super) fn not_available(name: &Identifier, instead: &str) -> Diagnostic {
    let message = format!("`{}` is not available here", name.name);
    Diagnostic::error(name.span, message).with_hint(instead)
}

/// Whether a function of an object gives an object, which is one of the same class.
fn gives_object(class: &Class, name: &str) -> bool {
    class.method(name).is_some_and(Builtin::gives_object)
}
