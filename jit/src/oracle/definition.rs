//! What names of functions and classes mean: one scope per function body or module, found anew by reading its statements.
//!
//! In: statements. Out: [`Scope`]s that know the functions and classes declared anywhere in them, whatever the control flow,
//! but not inside further functions. A name that is not found is looked for in the enclosing scopes. What a module imports is
//! found out in `module`.
//!
//! HSL manual: structures, "Function scope".

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::syntax::ast::{Class, Function, MemberKind, Name, Statement, StatementKind};

/// A function of the script.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) function: Rc<Function>,
    /// The class whose text it stands in, which `static` means and whose private members it may use.
    pub(super) class: Option<u32>,
    /// Where it stands.
    outer: Rc<Scope>,
    inner: OnceCell<Rc<Scope>>,
}

/// A class of the script.
#[derive(Debug)]
pub(super) struct ClassDefinition {
    pub(super) class: Rc<Class>,
    /// Numbers of its functions, static or not, by name.
    pub(super) functions: HashMap<Name, u32>,
    pub(super) constructor: Option<u32>,
}

/// What a name of a function or class stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Declared {
    Function(u32),
    Class(u32),
    /// A module that was imported whole.
    Module(usize),
}

/// The names declared in one function body, or at the top level of a module.
#[derive(Debug, Default)]
pub(super) struct Scope {
    names: HashMap<Name, Declared>,
    outer: Option<Rc<Self>>,
    /// The module whose text it is.
    pub(super) module: usize,
}

impl Scope {
    /// What a name means here.
    pub(super) fn find(&self, name: &str) -> Option<Declared> {
        let outer = || self.outer.as_ref()?.find(name);
        self.find_own(name).or_else(outer)
    }

    /// What a name means by a declaration in this very scope, imports included.
    pub(super) fn find_own(&self, name: &str) -> Option<Declared> {
        self.names.get(name).copied()
    }
}

/// Every function and class met so far, by number.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    functions: Vec<Rc<Definition>>,
    classes: Vec<Rc<ClassDefinition>>,
    /// Numbers of anonymous functions, by the address of their node, which the program keeps alive.
    anonymous: HashMap<*const Function, u32>,
}

impl Definitions {
    pub(super) fn function(&self, number: u32) -> Option<Rc<Definition>> {
        self.functions.get(number as usize).cloned()
    }

    pub(super) fn class(&self, number: u32) -> Option<Rc<ClassDefinition>> {
        self.classes.get(number as usize).cloned()
    }

    /// The scope of the top level of a module, which imports some of its names.
    pub(super) fn module_scope(
        &mut self,
        statements: &[Statement],
        module: usize,
        imported: HashMap<Name, Declared>,
    ) -> Rc<Scope> {
        let scope = Scope {
            names: imported,
            outer: None,
            module,
        };
        self.scope(scope, statements, None)
    }

    /// The scope with what its statements declare; `class` is the class they stand in.
    fn scope(
        &mut self,
        mut scope: Scope,
        statements: &[Statement],
        class: Option<u32>,
    ) -> Rc<Scope> {
        let mut declarations = Vec::new();
        for statement in statements {
            collect(statement, &mut declarations);
        }
        // Numbers come first, because a function needs the finished scope it stands in.
        let (mut functions, mut classes) = (next(&self.functions), next(&self.classes));
        for declaration in &declarations {
            let (name, declared) = match declaration {
                Declaration::Function(function) => {
                    functions += 1;
                    (function.name.as_ref(), Declared::Function(functions - 1))
                }
                Declaration::Class(class) => {
                    classes += 1;
                    (Some(&class.name), Declared::Class(classes - 1))
                }
            };
            if let Some(name) = name {
                scope.names.insert(name.name.clone(), declared);
            }
        }
        let scope = Rc::new(scope);
        for declaration in &declarations {
            if let Declaration::Function(function) = declaration {
                self.define(function, &scope, class);
            }
        }
        for declaration in declarations {
            if let Declaration::Class(class) = declaration {
                self.define_class(class, &scope);
            }
        }
        scope
    }

    /// The scope of a function's body.
    pub(super) fn body_scope(&mut self, definition: &Definition) -> Rc<Scope> {
        if let Some(scope) = definition.inner.get() {
            return Rc::clone(scope);
        }
        let scope = Scope {
            names: HashMap::new(),
            outer: Some(Rc::clone(&definition.outer)),
            module: definition.outer.module,
        };
        let scope = self.scope(scope, &definition.function.body, definition.class);
        Rc::clone(definition.inner.get_or_init(|| scope))
    }

    /// The number of an anonymous function that stands in `scope`.
    pub(super) fn anonymous(
        &mut self,
        function: &Rc<Function>,
        scope: &Rc<Scope>,
        class: Option<u32>,
    ) -> u32 {
        let node = Rc::as_ptr(function);
        if let Some(number) = self.anonymous.get(&node) {
            return *number;
        }
        let number = self.define(function, scope, class);
        self.anonymous.insert(node, number);
        number
    }

    fn define(&mut self, function: &Rc<Function>, outer: &Rc<Scope>, class: Option<u32>) -> u32 {
        let number = next(&self.functions);
        self.functions.push(Rc::new(Definition {
            function: Rc::clone(function),
            class,
            outer: Rc::clone(outer),
            inner: OnceCell::new(),
        }));
        number
    }

    fn define_class(&mut self, class: Rc<Class>, outer: &Rc<Scope>) {
        let number = Some(next(&self.classes));
        let mut functions = HashMap::new();
        for member in &class.members {
            if let MemberKind::Function(function) = &member.kind
                && let Some(name) = &function.name
            {
                functions.insert(name.name.clone(), self.define(function, outer, number));
            }
        }
        let constructor = class.constructor.as_ref();
        let constructor = constructor.map(|function| self.define(function, outer, number));
        self.classes.push(Rc::new(ClassDefinition {
            class,
            functions,
            constructor,
        }));
    }
}

/// The number of the next one in a list.
fn next<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).expect("a source text has fewer functions than octets")
}

enum Declaration {
    Function(Rc<Function>),
    Class(Rc<Class>),
}

fn collect(statement: &Statement, declarations: &mut Vec<Declaration>) {
    match &statement.kind {
        StatementKind::Function(function) => {
            declarations.push(Declaration::Function(Rc::clone(function)));
        }
        StatementKind::Class(class) => declarations.push(Declaration::Class(Rc::clone(class))),
        StatementKind::Block(statements) => {
            statements
                .iter()
                .for_each(|inner| collect(inner, declarations));
        }
        StatementKind::If {
            then, otherwise, ..
        } => {
            collect(then, declarations);
            if let Some(otherwise) = otherwise {
                collect(otherwise, declarations);
            }
        }
        StatementKind::While { body, .. }
        | StatementKind::For { body, .. }
        | StatementKind::Foreach { body, .. }
        | StatementKind::Forever(body)
        | StatementKind::Barrier { body, .. } => collect(body, declarations),
        StatementKind::Switch { arms, .. } => {
            let bodies = arms.iter().flat_map(|arm| &arm.body);
            bodies.for_each(|inner| collect(inner, declarations));
        }
        StatementKind::Expression(_)
        | StatementKind::Echo(_)
        | StatementKind::Empty
        | StatementKind::Break
        | StatementKind::Continue
        | StatementKind::Return(_)
        | StatementKind::Global(_)
        | StatementKind::Include { .. }
        | StatementKind::Import(_) => {}
    }
}
