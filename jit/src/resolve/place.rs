//! Variables and the places made of them: who reads, who sets.
//!
//! In: targets and variable names of one function. Out: the function's variables with their uses; assignments to what
//! can't be assigned are reported. HSL manual: operators, "Assignment"; introduction, "Variables".

use super::{FunctionKind, Resolver, StaticPlace, Storage};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Identifier, Name, Target, TargetKind};

/// What is done to the variable at the root of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    Change,
    Test,
    Remove,
}

impl Resolver<'_> {
    pub(super) fn read(&mut self, name: &Name, span: Span) {
        if self.refuse_this(name, span) {
            return;
        }
        let variable = self.variable(name, span);
        let current = self.current;
        let use_of = self.use_of(current, variable);
        use_of.read = use_of.read.or(Some(span));
    }

    pub(super) fn test(&mut self, name: &Name, span: Span) {
        let variable = self.variable(name, span);
        let current = self.current;
        let use_of = self.use_of(current, variable);
        use_of.tested = true;
        use_of.asked = true;
    }

    pub(super) fn write(&mut self, name: &Name, span: Span) {
        if &**name == "this" {
            return self.error(span, "`$this` can't be assigned to");
        }
        let variable = self.variable(name, span);
        let current = self.current;
        let use_of = self.use_of(current, variable);
        use_of.written = use_of.written.or(Some(span));
        use_of.writes_count += 1;
        if let Storage::Predefined(index) = self.info().variables[variable.index()].storage
            && !self.environment.variables[index as usize].writable
        {
            let diagnostic = Diagnostic::error(span, format!("`${name}` is read-only"))
                .with_hint("copy it to a variable of another name");
            self.report(diagnostic);
        }
    }

    /// `$this` where no object is. True when it was reported.
    fn refuse_this(&mut self, name: &Name, span: Span) -> bool {
        if &**name != "this" || self.info().variable("this").is_some() {
            return false;
        }
        let mut diagnostic =
            Diagnostic::error(span, "`$this` exists only in functions of an object");
        let around = self.info().parent.map(|parent| self.table.function(parent));
        if self.info().kind == FunctionKind::Anonymous
            && around.is_some_and(|around| around.variable("this").is_some())
        {
            diagnostic = diagnostic.with_hint("capture it: `closure ($this)`");
        }
        self.report(diagnostic);
        true
    }

    /// The left side of `=`, or a variable of `foreach`.
    pub(super) fn assigned(&mut self, target: &Target) {
        self.place(target, Access::Write);
    }

    /// The left side of `+=` and its like, and of `++`.
    pub(super) fn changed(&mut self, target: &Target) {
        if let TargetKind::Subscript(_, None) = target.kind {
            self.error(target.span, "`[]` without an index has no value to change");
        }
        self.place(target, Access::Change);
    }

    /// In `isset`.
    pub(super) fn tested(&mut self, target: &Target) {
        self.place(target, Access::Test);
    }

    /// In `unset`.
    pub(super) fn removed(&mut self, target: &Target) {
        self.place(target, Access::Remove);
    }

    fn place(&mut self, target: &Target, access: Access) {
        match &target.kind {
            TargetKind::Variable(name) => self.root(name, target.span, access, true),
            TargetKind::StaticVariable(class, name) => {
                self.static_root(class, name, target.span, access, true);
            }
            _ => self.element(target, access),
        }
    }

    /// A place with something before its last part; the root decides who must exist.
    fn element(&mut self, target: &Target, access: Access) {
        if access != Access::Test {
            self.refuse_within_slice(target);
        }
        match &target.kind {
            TargetKind::Variable(name) => self.root(name, target.span, access, false),
            TargetKind::Subscript(base, index) => {
                self.element(base, access);
                index.iter().for_each(|index| self.expression(index));
            }
            TargetKind::Slice(base, slice) => {
                self.element(base, access);
                self.slice(slice);
            }
            TargetKind::Property(base, _) => {
                // An object is changed, not the variable that holds it: the variable must have one.
                let access = match access {
                    Access::Test => Access::Test,
                    _ => Access::Read,
                };
                self.element(base, access);
            }
            TargetKind::StaticVariable(class, name) => {
                self.static_root(class, name, target.span, access, false);
            }
            TargetKind::Value(value) => self.expression(value),
            TargetKind::Destructure(items) => {
                for item in items {
                    item.key.iter().for_each(|key| self.expression(key));
                    item.default
                        .iter()
                        .for_each(|default| self.expression(default));
                    item.target
                        .iter()
                        .for_each(|target| self.place(target, access));
                }
            }
        }
    }

    /// A slice is a copy: what is written to a part of it would be lost.
    fn refuse_within_slice(&mut self, target: &Target) {
        let (TargetKind::Subscript(base, _)
        | TargetKind::Slice(base, _)
        | TargetKind::Property(base, _)) = &target.kind
        else {
            return;
        };
        if let TargetKind::Slice(..) = base.kind {
            let diagnostic = Diagnostic::error(base.span, "a slice can only be changed as a whole")
                .with_hint("put it into a variable, change that and assign it to the slice");
            self.report(diagnostic);
        }
    }

    fn root(&mut self, name: &Name, span: Span, access: Access, whole: bool) {
        match access {
            Access::Read => self.read(name, span),
            Access::Write => self.write(name, span),
            Access::Change => {
                self.write(name, span);
                self.read(name, span);
            }
            Access::Test => self.test(name, span),
            Access::Remove => self.remove(name, span, whole),
        }
    }

    /// A place that begins with `class::$name` or `module::$name`.
    fn static_root(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
        access: Access,
        whole: bool,
    ) {
        self.static_variable(class, name);
        let shown = format!("{}::${}", class.name, name.name);
        let place = self
            .table
            .static_place(self.current, &class.name, &name.name);
        let predefined = match place {
            Some(StaticPlace::Module(module, variable)) => {
                let main = self.table.modules[module.index()].main;
                match self.table.function(main).variables[variable.index()].storage {
                    Storage::Predefined(index) => index,
                    Storage::Local | Storage::Shared => return,
                }
            }
            Some(StaticPlace::Class(_)) if access == Access::Remove && whole => {
                let message = format!("`{shown}` is static and can't be unset");
                let diagnostic =
                    Diagnostic::error(span, message).with_hint(format!("write `{shown} = none`"));
                return self.report(diagnostic);
            }
            Some(StaticPlace::Class(_)) | None => return,
        };
        let changes = matches!(access, Access::Write | Access::Change | Access::Remove);
        if changes && !self.environment.variables[predefined as usize].writable {
            self.error(span, format!("`{shown}` is read-only"));
        } else if access == Access::Remove && whole {
            self.refuse_unset(&shown, span);
        }
    }

    /// Reports an `unset` of all of a predefined variable.
    fn refuse_unset(&mut self, shown: &str, span: Span) {
        let message = format!("`{shown}` is predefined and can't be unset");
        let diagnostic =
            Diagnostic::error(span, message).with_hint(format!("write `{shown} = none`"));
        self.report(diagnostic);
    }

    fn remove(&mut self, name: &Name, span: Span, whole: bool) {
        if &**name == "this" {
            return self.error(span, "`$this` can't be unset");
        }
        let variable = self.variable(name, span);
        let current = self.current;
        self.use_of(current, variable).tested = true;
        let Storage::Predefined(index) = self.info().variables[variable.index()].storage else {
            return;
        };
        if !self.environment.variables[index as usize].writable {
            self.error(span, format!("`${name}` is read-only"));
        } else if whole {
            self.refuse_unset(&format!("${name}"), span);
        }
    }
}
