//! Declarations: what exists before the first statement runs.
//!
//! In: the syntax of modules and functions. Out: their entries in the table, with hoisted functions and classes,
//! parameters and captures; then their bodies are walked.
//!
//! HSL manual: structures, "Function scope", "Default argument", "Variadic function", "Closure functions".

use std::collections::HashMap;
use std::rc::Rc;

use super::constant::not_constant;
use super::{
    Arity, ClassId, ClassInfo, Declared, FunctionId, FunctionInfo, FunctionKind, ModuleId,
    ModuleInfo, Resolver,
};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};
use crate::syntax::ast::{
    Class, Expression, Function, Identifier, Name, Program, Statement, StatementKind,
};

impl Resolver<'_> {
    /// Enters a module and its top level into the table; nothing in it is looked at yet.
    pub(super) fn declare_module(&mut self, source: SourceId, program: &Rc<Program>) {
        let module = ModuleId::new(self.table.modules.len());
        let span = Span {
            source,
            start: 0,
            end: 0,
        };
        let main = self.add_function(FunctionInfo::new(
            "main".into(),
            FunctionKind::Main,
            span,
            module,
            Arity::exactly(0),
        ));
        let program = Rc::clone(program);
        self.table.modules.push(ModuleInfo {
            program,
            main,
            variables: Vec::new(),
            data: Vec::new(),
        });
    }

    fn add_function(&mut self, info: FunctionInfo) -> FunctionId {
        let id = FunctionId::new(self.table.functions.len());
        self.table.functions.push(info);
        self.uses.push(Vec::new());
        self.calls.push(Vec::new());
        id
    }

    /// Walks a module.
    pub(super) fn module(&mut self, module: ModuleId) {
        let info = &self.table.modules[module.index()];
        let program = Rc::clone(&info.program);
        self.current = info.main;
        self.hoist(&program.statements);
        self.imports_of(&program.statements);
        self.statements(&program.statements);
    }

    /// Declares the functions and classes of a scope, wherever in it they stand.
    fn hoist(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.hoist_statement(statement);
        }
    }

    fn hoist_statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Function(function) => self.declare_function(function),
            StatementKind::Class(class) => self.declare_class(class),
            StatementKind::Block(body) => self.hoist(body),
            StatementKind::If {
                then, otherwise, ..
            } => {
                self.hoist_statement(then);
                if let Some(otherwise) = otherwise {
                    self.hoist_statement(otherwise);
                }
            }
            StatementKind::While { body, .. }
            | StatementKind::For { body, .. }
            | StatementKind::Foreach { body, .. }
            | StatementKind::Forever(body)
            | StatementKind::Barrier { body, .. } => self.hoist_statement(body),
            StatementKind::Switch { arms, .. } => arms.iter().for_each(|arm| self.hoist(&arm.body)),
            _ => {}
        }
    }

    fn declare_function(&mut self, function: &Rc<Function>) {
        let Some(name) = &function.name else {
            return;
        };
        let id = self.new_function(
            function,
            FunctionKind::Named,
            Rc::clone(&name.name),
            self.current_class(),
        );
        self.declare(name, Declared::Function(id));
    }

    fn declare_class(&mut self, class: &Rc<Class>) {
        let id = ClassId::new(self.table.classes.len());
        self.table.class_ids.insert(Rc::as_ptr(class), id);
        self.table.classes.push(ClassInfo {
            syntax: Rc::clone(class),
            scope: self.current,
            constructor: None,
            functions: HashMap::new(),
            statics: HashMap::new(),
        });
        self.declare(&class.name, Declared::Class(id));
        self.members(id, class);
    }

    /// Gives a name of the current scope its meaning; a name has only one.
    pub(super) fn declare(&mut self, name: &Identifier, declared: Declared) {
        if let Some(earlier) = self.info().declared.get(&name.name).copied() {
            // What is imported a second time under the same name is nothing new.
            if earlier == declared {
                return;
            }
            let message = format!("`{}` is declared twice", name.name);
            let mut diagnostic = Diagnostic::error(name.span, message);
            if let Some(span) = self.declaration_span(earlier) {
                diagnostic = diagnostic.with_label(span, "first here");
            }
            return self.report(diagnostic);
        }
        let name = Rc::clone(&name.name);
        self.info_mut().declared.insert(name, declared);
    }

    fn declaration_span(&self, declared: Declared) -> Option<Span> {
        match declared {
            Declared::Function(id) => {
                let syntax = self.table.function(id).syntax.as_ref()?;
                Some(syntax.name.as_ref()?.span)
            }
            Declared::Class(id) => Some(self.table.class(id).syntax.name.span),
            Declared::Module(_) => None,
        }
    }

    pub(super) fn current_class(&self) -> Option<ClassId> {
        self.info().class
    }

    /// Enters a function that stands in the current one into the table.
    pub(super) fn new_function(
        &mut self,
        function: &Rc<Function>,
        kind: FunctionKind,
        name: Name,
        class: Option<ClassId>,
    ) -> FunctionId {
        let parameters = &function.parameters;
        let required = parameters
            .iter()
            .filter(|one| one.default.is_none() && !one.variadic)
            .count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let variadic = parameters.iter().any(|parameter| parameter.variadic);
        let arity = Arity {
            min: count(required),
            max: (!variadic).then_some(count(parameters.len())),
        };
        let module = self.info().module;
        let id = self.add_function(FunctionInfo {
            syntax: Some(Rc::clone(function)),
            parent: Some(self.current),
            class,
            ..FunctionInfo::new(name, kind, function.span, module, arity)
        });
        self.table.function_ids.insert(Rc::as_ptr(function), id);
        id
    }

    /// Walks the body of a function of the table.
    pub(super) fn function(&mut self, id: FunctionId, function: &Function) {
        let outer = self.current;
        let outer_loops = std::mem::take(&mut self.loops);
        let outer_conditional = std::mem::take(&mut self.conditional_count);
        self.current = id;
        if matches!(
            self.info().kind,
            FunctionKind::Member | FunctionKind::Constructor
        ) {
            let this: Name = "this".into();
            let variable = self.variable(&this, function.span);
            self.use_of(id, variable).linked = true;
            self.info_mut().this = Some(variable);
        }
        self.parameters(function);
        self.captures(function, outer);
        self.hoist(&function.body);
        self.statements(&function.body);
        self.current = outer;
        self.loops = outer_loops;
        self.conditional_count = outer_conditional;
    }

    fn parameters(&mut self, function: &Function) {
        let last = function.parameters.len().saturating_sub(1);
        let mut first_default: Option<Span> = None;
        for (index, parameter) in function.parameters.iter().enumerate() {
            let Identifier { name, span } = &parameter.variable;
            if &**name == "this" {
                self.error(*span, "a parameter can't be named `$this`");
            } else if self.info().variable(name).is_some() {
                self.error(*span, format!("`${name}` is a parameter already"));
            }
            if parameter.variadic && index != last {
                self.error(
                    *span,
                    format!("`...${name}` takes all the rest, so it must be the last parameter"),
                );
            }
            match &parameter.default {
                Some(default) => {
                    first_default = first_default.or(Some(*span));
                    if parameter.variadic {
                        self.error(
                            default.span,
                            "a variadic parameter has no default, it is an empty array",
                        );
                    } else {
                        self.constant(default, "a default argument");
                    }
                }
                None if parameter.variadic => {}
                None => {
                    if let Some(earlier) = first_default {
                        let message = format!(
                            "`${name}` needs a default, because a parameter before it has one"
                        );
                        let diagnostic = Diagnostic::error(*span, message)
                            .with_label(earlier, "optional from here on");
                        self.report(diagnostic);
                    }
                }
            }
            let variable = self.variable(name, *span);
            let current = self.current;
            self.use_of(current, variable).linked = true;
            self.info_mut().parameters.push(variable);
        }
    }

    /// Reports an expression that can't be evaluated when the script is compiled.
    pub(super) fn constant(&mut self, expression: &Expression, what: &str) {
        if let Some(span) = not_constant(expression) {
            let diagnostic =
                Diagnostic::error(span, format!("{what} must be a constant expression"))
                    .with_expected("literals, arrays of them, and operators between them");
            self.report(diagnostic);
        }
    }

    fn captures(&mut self, function: &Function, outer: FunctionId) {
        let named = self.info().kind != FunctionKind::Anonymous;
        for Identifier { name, span } in &function.captures {
            if named {
                let diagnostic =
                    Diagnostic::error(*span, "only an anonymous function can capture variables")
                        .with_hint("use `global` for variables of the main program");
                return self.report(diagnostic);
            }
            if self.info().variable(name).is_some() {
                self.error(
                    *span,
                    format!("`${name}` is a parameter or captured already"),
                );
                continue;
            }
            if &**name == "this" && self.table.function(outer).variable("this").is_none() {
                self.error(
                    *span,
                    "`$this` can only be captured in a function of an object",
                );
                continue;
            }
            let captured = self.variable_in(outer, name, *span);
            if let Some(link) = self.link(name, *span, outer, captured) {
                self.info_mut().captures.push(link);
            }
        }
    }
}
