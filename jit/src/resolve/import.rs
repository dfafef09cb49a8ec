//! Imports: names of one module made known in another.
//!
//! In: the import statements of a top level, whose modules were walked before. Out: declarations and shared variables.
//! HSL manual: structures, "import".

use std::rc::Rc;

use super::load::Imported;
use super::{
    DataImport, Declared, FunctionId, ImportedVariable, Link, ModuleId, Resolver, VariableId,
};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{Identifier, Import, ImportKind, ImportSymbol, Statement, StatementKind};

impl Resolver<'_> {
    /// Declares what the imports of a top level bring, those of included files too.
    pub(super) fn imports_of(&mut self, statements: &[Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Import(import) => self.import(import),
                StatementKind::Block(included) => self.imports_of(included),
                _ => {}
            }
        }
    }

    fn import(&mut self, import: &Rc<Import>) {
        // An import without an entry was reported by the linker.
        let imported = self.imports.get(&Rc::as_ptr(import)).copied();
        match (&import.what, imported) {
            (ImportKind::Named(symbols), Some(Imported::Module(index))) => {
                let module = self.imported_module(import, index);
                symbols
                    .iter()
                    .for_each(|symbol| self.import_symbol(module, symbol));
            }
            (ImportKind::Wildcard(name), Some(Imported::Module(index))) => {
                let module = self.imported_module(import, index);
                self.declare(name, Declared::Module(module));
            }
            (ImportKind::Data(name, options), Some(Imported::Data(source, format))) => {
                if let Some(options) = options {
                    self.constant(options, "an import option");
                }
                if self.is_taken(name) {
                    return;
                }
                let variable = self.variable(&name.name, name.span);
                let current = self.current;
                self.use_of(current, variable).written = Some(name.span);
                let import = DataImport {
                    syntax: Rc::clone(import),
                    variable,
                    source,
                    format,
                };
                self.current_module().data.push(import);
            }
            // What fails to load is lost, so that its uses aren't reported too.
            (ImportKind::Named(symbols), _) => {
                self.lost
                    .names
                    .extend(symbols.iter().map(|symbol| Rc::clone(&symbol.alias.name)));
            }
            (ImportKind::Wildcard(name) | ImportKind::Data(name, _), _) => {
                self.lost.names.insert(Rc::clone(&name.name));
            }
        }
    }

    fn imported_module(&mut self, import: &Rc<Import>, index: usize) -> ModuleId {
        let module = ModuleId::new(index);
        self.table.import_ids.insert(Rc::as_ptr(import), module);
        module
    }

    fn current_module(&mut self) -> &mut super::ModuleInfo {
        let module = self.info().module;
        &mut self.table.modules[module.index()]
    }

    fn import_symbol(&mut self, module: ModuleId, symbol: &ImportSymbol) {
        let main = self.table.modules[module.index()].main;
        if symbol.variable {
            return self.import_variable(module, main, symbol);
        }
        match self
            .table
            .function(main)
            .declared
            .get(&symbol.name.name)
            .copied()
        {
            Some(declared) => self.declare(&symbol.alias, declared),
            None => {
                let known = self.table.function(main).declared.keys();
                let near = self.near(&symbol.name.name, known.map(|known| &**known));
                let diagnostic = unknown_symbol(&symbol.name, "function or class", near);
                self.lost.names.insert(Rc::clone(&symbol.alias.name));
                self.report(diagnostic);
            }
        }
    }

    fn import_variable(&mut self, module: ModuleId, main: FunctionId, symbol: &ImportSymbol) {
        let Some(outer) = self.table.function(main).variable(&symbol.name.name) else {
            let known = self.table.function(main).names.keys();
            let near = self.near(&symbol.name.name, known.map(|known| &**known));
            let diagnostic = unknown_symbol(&symbol.name, "variable", near);
            self.lost.names.insert(Rc::clone(&symbol.alias.name));
            return self.report(diagnostic);
        };
        if self.is_imported(&symbol.alias, module, outer) || self.is_taken(&symbol.alias) {
            return;
        }
        let link = self.link(
            &Rc::clone(&symbol.alias.name),
            symbol.alias.span,
            main,
            outer,
        );
        if let Some(Link { inner, outer }) = link {
            self.current_module().variables.push(ImportedVariable {
                inner,
                module,
                outer,
            });
        }
    }

    /// Whether a name here means that very variable of a module already.
    fn is_imported(&self, name: &Identifier, module: ModuleId, outer: VariableId) -> bool {
        let known = self.info().variable(&name.name);
        let importing = self.info().module;
        let mut imported = self.table.modules[importing.index()].variables.iter();
        imported.any(|one| known == Some(one.inner) && one.module == module && one.outer == outer)
    }

    /// Reports an import over a variable that exists: an earlier import, or a predefined variable.
    fn is_taken(&mut self, name: &Identifier) -> bool {
        let taken = self.info().variable(&name.name).is_some()
            || self.environment.variable(&name.name).is_some();
        if taken {
            let message = format!("`${}` exists already", name.name);
            let diagnostic = Diagnostic::error(name.span, message)
                .with_hint("import it under another name: `$name as $other`");
            self.report(diagnostic);
        }
        taken
    }
}

fn unknown_symbol(name: &Identifier, what: &str, near: Option<String>) -> Diagnostic {
    let message = format!("the module has no {what} `{}`", name.name);
    Diagnostic::error(name.span, message).with_near_name(near)
}
