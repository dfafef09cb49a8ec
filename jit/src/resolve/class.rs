//! Classes: their members and who may use them.
//!
//! In: the syntax of a class. Out: its entry in the table; later its functions are walked like any other.
//! HSL manual: structures, "class".

use std::collections::HashMap;
use std::rc::Rc;

use super::{ClassId, FunctionKind, MemberFunction, Resolver, StaticId, StaticInfo};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Class, Function, Identifier, Member, MemberKind, Name};

impl Resolver<'_> {
    /// Enters the members of a class into the table.
    pub(super) fn members(&mut self, id: ClassId, class: &Rc<Class>) {
        if let Some(constructor) = &class.constructor {
            let name = format!("{}::constructor", class.name.name);
            let function = self.new_function(
                constructor,
                FunctionKind::Constructor,
                name.into(),
                Some(id),
            );
            self.table.classes[id.index()].constructor = Some(function);
        }
        let mut names: HashMap<Name, (Span, bool)> = HashMap::new();
        for (index, member) in class.members.iter().enumerate() {
            let (name, is_function) = match &member.kind {
                MemberKind::Variable(name, _) => (Some(name), false),
                MemberKind::Function(function) => (function.name.as_ref(), true),
            };
            let Some(name) = name else {
                continue;
            };
            if let Some((first, first_is_function)) = names.get(&name.name) {
                let message = match is_function == *first_is_function {
                    true => format!("`{}` has a member `{}` already", class.name.name, name.name),
                    false => format!("`{}` can't be both a variable and a function", name.name),
                };
                let diagnostic =
                    Diagnostic::error(name.span, message).with_label(*first, "first here");
                self.report(diagnostic);
                continue;
            }
            names.insert(Rc::clone(&name.name), (name.span, is_function));
            self.member(id, class, index, member, name);
        }
    }

    fn member(
        &mut self,
        id: ClassId,
        class: &Class,
        index: usize,
        member: &Member,
        name: &Identifier,
    ) {
        match &member.kind {
            MemberKind::Variable(..) if member.is_static => {
                let variable = StaticId::new(self.table.statics.len());
                self.table.statics.push(StaticInfo {
                    class: id,
                    member: index,
                    private: member.private,
                });
                self.table.classes[id.index()]
                    .statics
                    .insert(Rc::clone(&name.name), variable);
            }
            MemberKind::Variable(..) => {}
            MemberKind::Function(function) => {
                let kind = match member.is_static {
                    true => FunctionKind::Static,
                    false => FunctionKind::Member,
                };
                let full = format!("{}::{}", class.name.name, name.name);
                let function = self.new_function(function, kind, full.into(), Some(id));
                let entry = MemberFunction {
                    function,
                    is_static: member.is_static,
                    private: member.private,
                };
                self.table.classes[id.index()]
                    .functions
                    .insert(Rc::clone(&name.name), entry);
            }
        }
    }

    /// Walks the functions of a class and checks its initial values.
    pub(super) fn class(&mut self, class: &Rc<Class>) {
        if let Some(constructor) = &class.constructor {
            self.known_function(constructor);
        }
        for member in &class.members {
            match &member.kind {
                MemberKind::Variable(name, value) => {
                    if &*name.name == "this" {
                        self.error(name.span, "a member can't be named `$this`");
                    }
                    if let Some(value) = value {
                        self.constant(value, "the initial value of a member");
                    }
                }
                MemberKind::Function(function) => self.known_function(function),
            }
        }
    }

    /// Walks a function that is in the table. One left out, because its name was taken, is left out here too.
    pub(super) fn known_function(&mut self, function: &Rc<Function>) {
        if let Some(id) = self.table.function_of(function) {
            self.function(id, function);
        }
    }

    /// Reports the use of a private member from outside of its class.
    pub(super) fn check_private(&mut self, class: ClassId, private: bool, name: &Identifier) {
        if private && self.current_class() != Some(class) {
            let message = format!("`{}` is private", name.name);
            let owner = Rc::clone(&self.table.class(class).syntax.name.name);
            let diagnostic = Diagnostic::error(name.span, message)
                .with_hint(format!("only functions of `{owner}` can use it"));
            self.report(diagnostic);
        }
    }
}
