//! Names to meanings, and every mistake that can be seen without running the script.
//!
//! In: a [`Linked`] program (see [`load`]), the [`Environment`] of its hook and the [`Library`]. Out: [`Resolved`], tables
//! that say for each function what its variables are and where they live, and for each call by name what it reaches.
//! The tree isn't changed. All mistakes of all files are reported in one go. When [`Diagnostics::has_errors`] afterwards,
//! the tables are incomplete and must not be compiled.
//!
//! ```text
//! walk (statement, expression, place, callee)   one pass over the tree, outer functions before inner ones
//!   declare                                     hoisting, parameters, captures, classes, imports
//! check                                         variables nobody sets, variables nobody reads
//! recursion                                     the graph of calls by name has no cycle
//! ```
//!
//! What values do, types included, is a later stage's question, but for comparisons of literals.
//! HSL manual: structures, "function", "class", "import"; introduction, "Variables".

mod callee;
mod check;
mod class;
mod comparison;
mod constant;
mod declare;
mod earlier;
mod environment;
mod expression;
mod foreign;
mod import;
mod library_class;
mod load;
mod place;
mod recursion;
mod statement;
mod suspicious;
mod table;

use std::collections::HashMap;
use std::rc::Rc;

pub use environment::{Arity, Environment, HostFunction, Library, PredefinedVariable};
pub use load::{
    FILES_COUNT_MAX, FILES_DEPTH_MAX, Linked, LoadError, LoadedFile, Loader, NoFiles,
    PROGRAM_OCTETS_MAX, load,
};
pub(crate) use load::{Imported, load_input};
pub use recursion::CALL_DEPTH_MAX;
pub use table::{
    Callee, ClassId, ClassInfo, DataFormat, DataImport, Declared, FunctionId, FunctionInfo,
    FunctionKind, ImportedVariable, Link, MemberFunction, ModuleId, ModuleInfo, Resolved, StaticId,
    StaticInfo, StaticPlace, Storage, VariableId, VariableInfo,
};

use crate::diagnostic::{Diagnostic, Diagnostics, near_name};
use crate::source::Span;
use crate::syntax::ast::{Import, Name};
use crate::syntax::parser::Lost;

/// Gives every name of a program its meaning.
pub fn resolve(
    linked: Linked,
    environment: &Environment,
    library: &dyn Library,
    diagnostics: &mut Diagnostics,
) -> Resolved {
    let mut resolver = Resolver {
        imports: linked.imports,
        lost: linked.lost,
        uses: Vec::new(),
        calls: Vec::new(),
        current: Resolved::MAIN,
        loops: Vec::new(),
        dotted: None,
        variable_calls: Vec::new(),
        conditional_count: 0,
        table: Resolved::default(),
        environment,
        library,
        diagnostics,
    };
    for (index, function) in environment.functions.iter().enumerate() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        resolver
            .table
            .host
            .insert(function.name.as_str().into(), index);
    }
    // Function 0 and module 0 are the main program, although the modules it imports are walked before it.
    for (source, program) in &linked.programs {
        resolver.declare_module(*source, program);
    }
    for index in (1..linked.programs.len()).chain([0]) {
        resolver.module(ModuleId::new(index));
    }
    resolver.check_variable_calls();
    if let Some(known) = &linked.known {
        resolver.table.open = true;
        resolver.keep_variables(known);
    }
    resolver.check_variables();
    resolver.check_recursion();
    resolver.table
}

/// How a variable is used in its function.
#[derive(Clone, Debug, Default)]
struct Use {
    /// Where it is first read, tests with `isset` and `??` aside.
    read: Option<Span>,
    /// Where it is first assigned to.
    written: Option<Span>,
    /// How often the text assigns to it.
    writes_count: usize,
    /// The objects of the library's classes among what is assigned.
    objects: library_class::Objects,
    /// Whether a test names it.
    tested: bool,
    /// Whether `isset` or `??` asks if it has a value: then to read it may be right even if it never has one.
    asked: bool,
    /// Whether something outside of the function, or a loop or parameter, may set or read it.
    linked: bool,
}

/// A loop or switch being walked.
#[derive(Clone, Copy, Debug, Default)]
struct Loop {
    is_switch: bool,
    /// Whether a `break` leaves it.
    breaks: bool,
    /// Whether something before the current statement may go on with the next round.
    continues: bool,
    /// The conditions around it.
    conditional_count: u32,
}

struct Resolver<'r> {
    imports: HashMap<*const Import, Imported>,
    /// That one of these isn't declared follows from a mistake reported already.
    lost: Lost,
    /// Parallel to the functions of the table and their variables.
    uses: Vec<Vec<Use>>,
    /// Parallel to the functions of the table: calls by name, with their places.
    calls: Vec<Vec<(FunctionId, Span)>>,
    current: FunctionId,
    /// Those of the current function.
    loops: Vec<Loop>,
    /// What stands on both sides of a dot without blanks, as in `$a.b`.
    dotted: Option<(Span, Span)>,
    /// Calls on variables whose objects are not known yet.
    variable_calls: Vec<library_class::VariableCall>,
    /// Conditions around the current statement, within the current function.
    conditional_count: u32,
    table: Resolved,
    environment: &'r Environment,
    library: &'r dyn Library,
    diagnostics: &'r mut Diagnostics,
}

impl Resolver<'_> {
    /// Moves the variables of the main program into cells, which a session keeps: those that it sets, and those that
    /// `known` says have a value already.
    fn keep_variables(&mut self, known: &[Name]) {
        let main = Resolved::MAIN;
        let span = self.table.function(main).span;
        for name in known {
            let variable = self.variable_in(main, name, span);
            self.share(main, variable);
        }
        for index in 0..self.uses[main.index()].len() {
            let used = &self.uses[main.index()][index];
            if used.written.is_some() || used.linked {
                self.share(main, VariableId::new(index));
            }
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.report(diagnostic);
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(span, message));
    }

    /// The near name of [`near_name`]; not looked for when nothing will be shown any more.
    fn near<'n>(&self, name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
        match self.diagnostics.is_full() {
            true => None,
            false => near_name(name, known).map(str::to_owned),
        }
    }

    fn info(&self) -> &FunctionInfo {
        self.table.function(self.current)
    }

    fn info_mut(&mut self) -> &mut FunctionInfo {
        &mut self.table.functions[self.current.index()]
    }

    /// The variable of a name in a function, made when it has none yet.
    fn variable_in(&mut self, function: FunctionId, name: &Name, span: Span) -> VariableId {
        let predefined = self.environment.variable(name);
        let info = &mut self.table.functions[function.index()];
        if let Some(id) = info.names.get(name) {
            return *id;
        }
        let id = VariableId::new(info.variables.len());
        let storage = match predefined {
            Some(index) if info.kind == FunctionKind::Main => Storage::Predefined(index),
            _ => Storage::Local,
        };
        info.names.insert(Rc::clone(name), id);
        info.variables.push(VariableInfo {
            name: Rc::clone(name),
            storage,
            span,
        });
        let linked = storage != Storage::Local;
        self.uses[function.index()].push(Use {
            linked,
            ..Use::default()
        });
        id
    }

    fn variable(&mut self, name: &Name, span: Span) -> VariableId {
        self.variable_in(self.current, name, span)
    }

    fn use_of(&mut self, function: FunctionId, variable: VariableId) -> &mut Use {
        &mut self.uses[function.index()][variable.index()]
    }

    /// Moves a variable into a cell, unless it is the environment's.
    fn share(&mut self, function: FunctionId, variable: VariableId) -> Storage {
        self.use_of(function, variable).linked = true;
        let storage =
            &mut self.table.functions[function.index()].variables[variable.index()].storage;
        if *storage == Storage::Local {
            *storage = Storage::Shared;
        }
        *storage
    }

    /// A new variable of the current function that names the same cell as one of another. Nothing is linked when the
    /// environment holds the variable: both then name that.
    fn link(
        &mut self,
        inner_name: &Name,
        span: Span,
        outer_function: FunctionId,
        outer: VariableId,
    ) -> Option<Link> {
        let storage = self.share(outer_function, outer);
        let inner = self.variable(inner_name, span);
        let function = self.current;
        self.use_of(function, inner).linked = true;
        self.info_mut().variables[inner.index()].storage = storage;
        (storage == Storage::Shared).then_some(Link { inner, outer })
    }
}

#[cfg(test)]
mod tests;
