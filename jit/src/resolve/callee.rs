//! What a name before `(` reaches, and whether the arguments fit.
//!
//! In: calls and function names. Out: builtins named in the program, edges of the call graph, and reports of unknown
//! names and wrong argument counts. HSL manual: structures, "Function calling", "builtin"; operators, "Scope resolution".

use std::rc::Rc;

use super::library_class::{Given, not_available};
use super::{Arity, Callee, Declared, FunctionKind, Resolver, foreign};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Argument, Expression, ExpressionKind, Identifier, Name};

impl Resolver<'_> {
    pub(super) fn call(&mut self, callee: &Expression, arguments: &[Argument], span: Span) {
        let reached = match &callee.kind {
            ExpressionKind::FunctionName { name, builtin } => self
                .callee(name, *builtin)
                .map(|reached| (reached, Rc::clone(&name.name))),
            ExpressionKind::StaticFunction(class, name) => self
                .static_callee(class, name)
                .map(|reached| (reached, format!("{}::{}", class.name, name.name).into())),
            ExpressionKind::Function(function) => {
                self.anonymous(function);
                let id = self.table.function_of(function);
                id.map(|id| (Callee::User(id), "function".into()))
            }
            _ => {
                self.expression(callee);
                None
            }
        };
        self.arguments(arguments);
        if let ExpressionKind::Property(object, name) = &callee.kind {
            self.method_call(object, name, arguments, span);
        }
        if let Some((reached, name)) = reached {
            self.check_arguments(reached, &name, arguments, span);
            self.note_call(reached, span);
        }
    }

    /// An edge of the call graph.
    fn note_call(&mut self, callee: Callee, span: Span) {
        let function = match callee {
            Callee::User(function) => Some(function),
            Callee::Class(class) => self.table.class(class).constructor,
            Callee::Builtin(_) | Callee::Host(_) => None,
        };
        if let Some(function) = function {
            self.calls[self.current.index()].push((function, span));
        }
    }

    fn check_arguments(&mut self, callee: Callee, name: &str, arguments: &[Argument], span: Span) {
        let (arity, declaration) = match callee {
            Callee::User(id) => {
                let function = self.table.function(id);
                let declared = function
                    .syntax
                    .as_ref()
                    .and_then(|syntax| syntax.name.as_ref());
                (function.arity, declared.map(|name| name.span))
            }
            Callee::Class(id) => match self.table.class(id).constructor {
                Some(constructor) => {
                    let function = self.table.function(constructor);
                    let declared = function
                        .syntax
                        .as_ref()
                        .and_then(|syntax| syntax.name.as_ref());
                    (function.arity, declared.map(|name| name.span))
                }
                None => (
                    Arity::exactly(0),
                    Some(self.table.class(id).syntax.name.span),
                ),
            },
            Callee::Host(index) => (self.environment.functions[index as usize].arity, None),
            Callee::Builtin(index) => {
                let builtin = &self.table.builtins[index as usize];
                let Some(arity) = self.library.builtin(builtin) else {
                    return;
                };
                (arity, None)
            }
        };
        let given =
            u32::try_from(arguments.iter().filter(|one| !one.spread).count()).unwrap_or(u32::MAX);
        let spread = arguments.iter().any(|one| one.spread);
        let too_few = given < arity.min && !spread;
        let too_many = arity.max.is_some_and(|max| max < given);
        if !too_few && !too_many {
            if let (Callee::Builtin(_), Some((_, function))) = (callee, self.class_function(name)) {
                self.check_kinds(function, &Given::of(arguments));
            }
            return;
        }
        let name = match callee {
            Callee::User(id) if self.table.function(id).kind == FunctionKind::Anonymous => {
                "this function".to_owned()
            }
            _ => format!("`{name}`"),
        };
        let message = format!("{name} takes {}, {given} given", arity.describe());
        let mut diagnostic = Diagnostic::error(span, message);
        if let Some(declaration) = declaration {
            diagnostic = diagnostic.with_label(declaration, "declared here");
        }
        self.report(diagnostic);
    }

    /// What a function name reaches; an unknown one is reported.
    pub(super) fn callee(&mut self, name: &Identifier, builtin: bool) -> Option<Callee> {
        if let Some(callee) = self.table.callee(self.current, &name.name, builtin) {
            return Some(callee);
        }
        if let Some(index) = self.builtin_index(&name.name) {
            return Some(Callee::Builtin(index));
        }
        if !self.lost.has(&name.name) && !self.diagnostics.is_full() {
            let diagnostic = self.unknown_function(name, builtin);
            self.report(diagnostic);
        }
        None
    }

    /// The index of a builtin of the library, given at its first use.
    fn builtin_index(&mut self, name: &Name) -> Option<u32> {
        if let Some(index) = self.table.builtin_indices.get(name) {
            return Some(*index);
        }
        self.library.builtin(name)?;
        let index = u32::try_from(self.table.builtins.len()).ok()?;
        self.table.builtins.push(Rc::clone(name));
        self.table.builtin_indices.insert(Rc::clone(name), index);
        Some(index)
    }

    fn unknown_function(&self, name: &Identifier, builtin: bool) -> Diagnostic {
        let text = &*name.name;
        let what = if builtin {
            "builtin function"
        } else {
            "function"
        };
        let diagnostic = Diagnostic::error(name.span, format!("unknown {what} `{text}`"));
        if let Some((_, hooks)) = self
            .environment
            .elsewhere
            .iter()
            .find(|(other, _)| other == text)
        {
            return diagnostic.with_hint(format!("`{text}` exists in {hooks}, not in this script"));
        }
        if let Some(instead) = self
            .library_class(text)
            .and_then(|class| class.instead_of(text))
        {
            return not_available(name, instead);
        }
        if let Some((left, _)) = self.dotted.filter(|(_, right)| *right == name.span) {
            return diagnostic
                .with_label(left, "`.` joins strings")
                .with_hint(format!(
                    "a property is written `->{text}`, an element `[\"{text}\"]`"
                ));
        }
        if let Some(hint) = foreign::hint(text) {
            return diagnostic.with_hint(hint);
        }
        if matches!(
            self.table.declared(self.current, text),
            Some(Declared::Module(_))
        ) {
            return diagnostic.with_hint(format!("`{text}` is a module: write `{text}::function`"));
        }
        let mut own = Vec::new();
        let mut scope = Some(self.current).filter(|_| !builtin);
        while let Some(id) = scope {
            let function = self.table.function(id);
            own.extend(function.declared.keys().map(|declared| &**declared));
            scope = function.parent;
        }
        let hook = self
            .environment
            .functions
            .iter()
            .map(|function| function.name.as_str());
        let known = own.into_iter().chain(hook).chain(self.library.names());
        if let near @ Some(_) = self.near(text, known) {
            return diagnostic.with_near_name(near);
        }
        if !builtin && self.info().variable(text).is_some() {
            return diagnostic.with_hint(format!("did you mean `${text}`?"));
        }
        match self.out_of_sight(text).filter(|_| !builtin) {
            Some((span, why)) => diagnostic.with_label(span, why),
            None => diagnostic,
        }
    }

    /// A function of that name that isn't visible from here, and why.
    fn out_of_sight(&self, name: &str) -> Option<(Span, &'static str)> {
        let found = self
            .table
            .functions
            .iter()
            .rev()
            .find(|function| function.kind == FunctionKind::Named && &*function.name == name)?;
        let span = found.syntax.as_ref()?.name.as_ref()?.span;
        match found.module == self.info().module {
            true => Some((span, "this one is only known in the function around it")),
            false => Some((span, "this one has to be imported")),
        }
    }

    /// What `class::name` reaches; an unknown one is reported.
    pub(super) fn static_callee(
        &mut self,
        class: &Identifier,
        name: &Identifier,
    ) -> Option<Callee> {
        if let Some(id) = self.table.class_named(self.current, &class.name) {
            if let Some(member) = self.table.class(id).functions.get(&name.name).copied() {
                self.check_private(id, member.private, name);
                if !member.is_static {
                    let diagnostic = Diagnostic::error(
                        name.span,
                        format!("`{}` belongs to objects, not to the class", name.name),
                    )
                    .with_hint(format!("call it on an object: `$object->{}()`", name.name));
                    self.report(diagnostic);
                    return None;
                }
                return Some(Callee::User(member.function));
            }
            let functions = self.table.class(id).functions.iter();
            let known = functions
                .filter(|(_, member)| member.is_static)
                .map(|(name, _)| &**name);
            let near = self.near(&name.name, known);
            self.unknown_member(class, name, "static function", near);
            return None;
        }
        if let Some(callee) = self
            .table
            .static_callee(self.current, &class.name, &name.name)
        {
            return Some(callee);
        }
        if let Some(Declared::Module(_)) = self.table.declared(self.current, &class.name) {
            self.unknown_member(class, name, "function", None);
            return None;
        }
        let full: Name = format!("{}::{}", class.name, name.name).into();
        if let Some(index) = self.builtin_index(&full) {
            return Some(Callee::Builtin(index));
        }
        match self.library_class(&class.name) {
            Some(known) => {
                let functions = known.functions.iter();
                let known = functions.filter_map(|function| function.name.split_once("::"));
                let near = self.near(&name.name, known.map(|(_, name)| name));
                self.unknown_member(class, name, "static function", near);
            }
            None => self.unknown_class(class),
        }
        None
    }

    /// `class::$name`; an unknown one is reported.
    pub(super) fn static_variable(&mut self, class: &Identifier, name: &Identifier) {
        if let Some(id) = self.table.class_named(self.current, &class.name) {
            if let Some(variable) = self.table.class(id).statics.get(&name.name).copied() {
                let private = self.table.statics[variable.index()].private;
                return self.check_private(id, private, name);
            }
            let known = self.table.class(id).statics.keys().map(|known| &**known);
            let near = self.near(&name.name, known);
            return self.unknown_member(class, name, "static variable", near);
        }
        let Some(Declared::Module(module)) = self.table.declared(self.current, &class.name) else {
            return self.unknown_class(class);
        };
        let main = self.table.modules[module.index()].main;
        match self.table.function(main).variable(&name.name) {
            Some(variable) => {
                self.share(main, variable);
            }
            None => self.unknown_member(class, name, "variable", None),
        }
    }

    fn unknown_member(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        what: &str,
        near: Option<String>,
    ) {
        if !self.lost.has(&name.name) {
            let message = format!("`{}` has no {what} `{}`", class.name, name.name);
            self.report(Diagnostic::error(name.span, message).with_near_name(near));
        }
    }

    fn unknown_class(&mut self, class: &Identifier) {
        if self.lost.has(&class.name) {
            return;
        }
        let message = match &*class.name {
            "static" => "`static` means a class only in its functions".to_owned(),
            name => format!("unknown class `{name}`"),
        };
        let known = self
            .table
            .classes
            .iter()
            .map(|known| &*known.syntax.name.name);
        let library = self.library.classes().iter().map(|known| known.name);
        let near = self.near(&class.name, known.chain(library));
        let mut diagnostic = Diagnostic::error(class.span, message).with_near_name(near);
        if let Some(hint) = foreign::hint(&class.name)
            && diagnostic.hint.is_none()
        {
            diagnostic = diagnostic.with_hint(hint);
        }
        self.report(diagnostic);
        // A class that is not there is told of once.
        self.lost.names.insert(Rc::clone(&class.name));
    }
}
