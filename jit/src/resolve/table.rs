//! What the resolver found out, as tables.
//!
//! In: filled by the resolver. Out: read by the IR builder and the plain evaluator, which walk the same tree and ask here
//! by scope and name. Ids are dense and count from zero; they are valid for the [`Resolved`] that gave them.

use std::collections::HashMap;
use std::rc::Rc;

use super::environment::Arity;
use crate::source::{SourceId, Span};
use crate::syntax::ast::{Class, Function, Import, Name, Program};

/// Declares an index into one of the tables.
macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident,)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// Its index in its table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

ids! {
    /// A function of any kind; 0 is the main program.
    FunctionId,
    /// A variable of one function.
    VariableId,
    /// A class.
    ClassId,
    /// A static variable of a class.
    StaticId,
    /// A source text with a global scope of its own; 0 is the main program.
    ModuleId,
}

/// Where a variable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In the frame of its function: nobody else sees it.
    Local,
    /// In a cell that outlives the frame: captured, global, imported, or itself a link to such a cell.
    Shared,
    /// The environment's variable of that index, in whatever function it is named.
    Predefined(u32),
}

/// A variable of one function.
#[derive(Clone, Debug)]
pub struct VariableInfo {
    /// Without `$`.
    pub name: Name,
    /// Where it lives.
    pub storage: Storage,
    /// Where it is first named.
    pub span: Span,
}

/// Two names for one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// In the function that has the link.
    pub inner: VariableId,
    /// In the function linked to.
    pub outer: VariableId,
}

/// What a call by name reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// A function of the script.
    User(FunctionId),
    /// A builtin, by its index in [`Resolved::builtins`].
    Builtin(u32),
    /// A function of the hook, by its index in [`Environment::functions`](super::Environment::functions).
    Host(u32),
    /// A class: makes an object.
    Class(ClassId),
}

/// What `Name::$variable` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticPlace {
    /// A static variable of a class.
    Class(StaticId),
    /// A global variable of a module imported as `* as name`.
    Module(ModuleId, VariableId),
}

/// The kinds of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// The top level of a module.
    Main,
    /// `function name() {}`
    Named,
    /// `function () {}`
    Anonymous,
    /// A function of an object.
    Member,
    /// A static function of a class.
    Static,
    /// `constructor() {}`
    Constructor,
}

/// What a name declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// A function.
    Function(FunctionId),
    /// A class.
    Class(ClassId),
    /// `import * as name`
    Module(ModuleId),
}

/// A function and its variables.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    /// For messages: `main`, `f`, `Class::f`, `function at line:column` is the caller's to make from the span.
    pub name: Name,
    /// What it is.
    pub kind: FunctionKind,
    /// Its syntax; `None` for the top level of a module.
    pub syntax: Option<Rc<Function>>,
    /// Its declaration.
    pub span: Span,
    /// The function it stands in; `None` for the top level of a module.
    pub parent: Option<FunctionId>,
    /// The module whose globals `global` reaches.
    pub module: ModuleId,
    /// The class whose `static::` and private members it may use.
    pub class: Option<ClassId>,
    /// Its arguments.
    pub arity: Arity,
    /// Variables of the parameters in order; the last may be variadic, see the syntax.
    pub parameters: Vec<VariableId>,
    /// The object, in members and constructors.
    pub this: Option<VariableId>,
    /// Variables captured from the parent.
    pub captures: Vec<Link>,
    /// Variables of `global` statements, linked to the top level of the module.
    pub globals: Vec<Link>,
    /// All its variables.
    pub variables: Vec<VariableInfo>,
    pub(super) names: HashMap<Name, VariableId>,
    pub(super) declared: HashMap<Name, Declared>,
}

impl FunctionInfo {
    /// A function without variables, outside of functions and classes.
    pub(super) fn new(
        name: Name,
        kind: FunctionKind,
        span: Span,
        module: ModuleId,
        arity: Arity,
    ) -> Self {
        Self {
            name,
            kind,
            syntax: None,
            span,
            parent: None,
            module,
            class: None,
            arity,
            parameters: Vec::new(),
            this: None,
            captures: Vec::new(),
            globals: Vec::new(),
            variables: Vec::new(),
            names: HashMap::new(),
            declared: HashMap::new(),
        }
    }

    /// Names of the functions, classes and modules declared in it, but those that no text can spell any more.
    pub(crate) fn declared_names(&self) -> impl Iterator<Item = &str> {
        let names = self.declared.keys().map(|name| &**name);
        names.filter(|name| !name.contains(' '))
    }

    /// The variable of a name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<VariableId> {
        self.names.get(name).copied()
    }
}

/// A member function of a class.
#[derive(Clone, Copy, Debug)]
pub struct MemberFunction {
    /// The function.
    pub function: FunctionId,
    /// Whether it belongs to the class and not to its objects.
    pub is_static: bool,
    /// Whether only the class may use it.
    pub private: bool,
}

/// A class.
#[derive(Clone, Debug)]
pub struct ClassInfo {
    /// Its syntax.
    pub syntax: Rc<Class>,
    /// The function it is declared in.
    pub scope: FunctionId,
    /// Its constructor.
    pub constructor: Option<FunctionId>,
    /// Its functions by name.
    pub functions: HashMap<Name, MemberFunction>,
    /// Its static variables by name.
    pub statics: HashMap<Name, StaticId>,
}

/// A static variable.
#[derive(Clone, Debug)]
pub struct StaticInfo {
    /// Its class.
    pub class: ClassId,
    /// Its index in the members of the class, where its initial value stands.
    pub member: usize,
    /// Whether only the class may use it.
    pub private: bool,
}

/// A variable imported from a module.
#[derive(Clone, Copy, Debug)]
pub struct ImportedVariable {
    /// The variable at the importing top level.
    pub inner: VariableId,
    /// The module.
    pub module: ModuleId,
    /// The variable at the top level of that module.
    pub outer: VariableId,
}

/// How a data file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFormat {
    /// `.json`, comments allowed
    Json,
    /// `.csv`
    Csv,
    /// `.txt`
    Text,
}

/// `import $variable from "file" with [...]`
#[derive(Clone, Debug)]
pub struct DataImport {
    /// The statement, with its options.
    pub syntax: Rc<Import>,
    /// The variable at the importing top level.
    pub variable: VariableId,
    /// The content.
    pub source: SourceId,
    /// How to read it.
    pub format: DataFormat,
}

/// A source text with its own global scope.
#[derive(Clone, Debug)]
pub struct ModuleInfo {
    /// Its statements, includes spliced in.
    pub program: Rc<Program>,
    /// Its top level as a function.
    pub main: FunctionId,
    /// Variables imported from other modules.
    pub variables: Vec<ImportedVariable>,
    /// Variables imported from data files.
    pub data: Vec<DataImport>,
}

/// A program whose names all have a meaning.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// Module 0 is the main program.
    pub modules: Vec<ModuleInfo>,
    /// Function 0 is the main program.
    pub functions: Vec<FunctionInfo>,
    /// All classes.
    pub classes: Vec<ClassInfo>,
    /// All static variables.
    pub statics: Vec<StaticInfo>,
    /// The builtins that the program names.
    pub builtins: Vec<Name>,
    /// The longest chain of calls by name, the main program counted: calls through function values come on top.
    pub call_depth: u32,
    /// Whether it is an input of a session: functions and variables may have values from before.
    pub open: bool,
    pub(super) host: HashMap<Name, u32>,
    pub(super) builtin_indices: HashMap<Name, u32>,
    pub(super) function_ids: HashMap<*const Function, FunctionId>,
    pub(super) class_ids: HashMap<*const Class, ClassId>,
    pub(super) import_ids: HashMap<*const Import, ModuleId>,
}

impl Resolved {
    /// The main program.
    pub const MAIN: FunctionId = FunctionId(0);

    /// A function by its id.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> &FunctionInfo {
        &self.functions[id.index()]
    }

    /// A class by its id.
    #[must_use]
    pub fn class(&self, id: ClassId) -> &ClassInfo {
        &self.classes[id.index()]
    }

    /// The id of a function of the tree.
    #[must_use]
    pub fn function_of(&self, syntax: &Rc<Function>) -> Option<FunctionId> {
        self.function_ids.get(&Rc::as_ptr(syntax)).copied()
    }

    /// The id of a class of the tree.
    #[must_use]
    pub fn class_of(&self, syntax: &Rc<Class>) -> Option<ClassId> {
        self.class_ids.get(&Rc::as_ptr(syntax)).copied()
    }

    /// The module that an import statement runs; `None` for data.
    #[must_use]
    pub fn module_of(&self, syntax: &Rc<Import>) -> Option<ModuleId> {
        self.import_ids.get(&Rc::as_ptr(syntax)).copied()
    }

    /// The variable of a name in a function.
    #[must_use]
    pub fn variable(&self, scope: FunctionId, name: &str) -> Option<VariableId> {
        self.function(scope).variable(name)
    }

    /// What a name declares as seen from a function: its own declarations first, then those around it.
    #[must_use]
    pub fn declared(&self, scope: FunctionId, name: &str) -> Option<Declared> {
        let mut scope = Some(scope);
        while let Some(id) = scope {
            let function = self.function(id);
            if let Some(found) = function.declared.get(name) {
                return Some(*found);
            }
            scope = function.parent;
        }
        None
    }

    /// What a call of `name` reaches; `builtin` passes by the functions of the script.
    #[must_use]
    pub fn callee(&self, scope: FunctionId, name: &str, builtin: bool) -> Option<Callee> {
        let own = match builtin {
            true => None,
            false => self.declared(scope, name),
        };
        match own {
            Some(Declared::Function(function)) => return Some(Callee::User(function)),
            Some(Declared::Class(class)) => return Some(Callee::Class(class)),
            Some(Declared::Module(_)) | None => {}
        }
        let host = self.host.get(name).copied().map(Callee::Host);
        host.or_else(|| self.builtin_indices.get(name).copied().map(Callee::Builtin))
    }

    /// The class that `Class::` or `static::` means in a function.
    #[must_use]
    pub fn class_named(&self, scope: FunctionId, name: &str) -> Option<ClassId> {
        if name == "static" {
            return self.function(scope).class;
        }
        match self.declared(scope, name) {
            Some(Declared::Class(class)) => Some(class),
            _ => None,
        }
    }

    /// What `class::function` reaches: a static function, a function of a module, or a builtin named so.
    #[must_use]
    pub fn static_callee(&self, scope: FunctionId, class: &str, name: &str) -> Option<Callee> {
        if let Some(id) = self.class_named(scope, class) {
            let member = self.class(id).functions.get(name)?;
            return member.is_static.then_some(Callee::User(member.function));
        }
        if let Some(Declared::Module(module)) = self.declared(scope, class) {
            let main = self.modules[module.index()].main;
            return match self.function(main).declared.get(name)? {
                Declared::Function(function) => Some(Callee::User(*function)),
                Declared::Class(class) => Some(Callee::Class(*class)),
                Declared::Module(_) => None,
            };
        }
        let full = format!("{class}::{name}");
        self.builtin_indices
            .get(&*full)
            .copied()
            .map(Callee::Builtin)
    }

    /// What `class::$name` reaches.
    #[must_use]
    pub fn static_place(&self, scope: FunctionId, class: &str, name: &str) -> Option<StaticPlace> {
        if let Some(id) = self.class_named(scope, class) {
            return self
                .class(id)
                .statics
                .get(name)
                .copied()
                .map(StaticPlace::Class);
        }
        let Some(Declared::Module(module)) = self.declared(scope, class) else {
            return None;
        };
        let main = self.modules[module.index()].main;
        let variable = self.function(main).variable(name)?;
        Some(StaticPlace::Module(module, variable))
    }
}
