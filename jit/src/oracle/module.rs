//! Modules and data files: what `import` brings.
//!
//! In: the programs that the loader found. Out: their top levels, linked with each other before the first statement; then
//! each import statement as it is met: the first one of a module runs it, one of data sets its variable.
//! A module has functions, classes and variables of its own, but the predefined variables are the same in all. An imported
//! variable is that of the module under another name. An imported name can be imported again from where it was imported to.
//!
//! HSL manual: structures, "import".

use std::collections::HashMap;
use std::rc::Rc;

use super::definition::Declared;
use super::frame::Frame;
use super::statement::Flow;
use super::stop::{At, Evaluated, refuse};
use super::walker::Walker;
use crate::data;
use crate::resolve::{DataFormat, Imported};
use crate::runtime::{Portable, Value};
use crate::source::{SourceId, Span};
use crate::syntax::ast::{
    Expression, Identifier, Import, ImportKind, ImportSymbol, Name, Statement, StatementKind,
};

/// The index of the main program.
pub(super) const MAIN: usize = 0;

/// The top level of a program.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) frame: Frame,
    /// Whether an import of it was met.
    has_run: bool,
}

impl Walker<'_> {
    /// Gives every module its names and its variables. Modules come after those they import, the main program comes last.
    pub(super) fn link(&mut self, predefined: &[(Name, Value)]) -> Evaluated<()> {
        let programs: Vec<_> = self.linked.programs().map(Rc::clone).collect();
        for module in (MAIN + 1..programs.len()).chain([MAIN]) {
            let mut imports = Vec::new();
            collect(&programs[module].statements, &mut imports);
            let mut names = HashMap::new();
            let mut cells = predefined.to_vec();
            for import in imports {
                let Some(Imported::Module(from)) = self.linked.imported(import) else {
                    continue;
                };
                match &import.what {
                    ImportKind::Named(symbols) => {
                        for symbol in symbols {
                            self.import_symbol(from, symbol, &mut names, &mut cells)?;
                        }
                    }
                    ImportKind::Wildcard(name) => {
                        names.insert(name.name.clone(), Declared::Module(from));
                    }
                    ImportKind::Data(..) => {}
                }
            }
            let statements = &programs[module].statements;
            let scope = self.definitions.module_scope(statements, module, names);
            let mut frame = Frame::new(scope, None);
            for (name, cell) in cells {
                frame.share(&name, cell);
            }
            self.modules[module].frame = frame;
        }
        Ok(())
    }

    fn import_symbol(
        &mut self,
        from: usize,
        symbol: &ImportSymbol,
        names: &mut HashMap<Name, Declared>,
        cells: &mut Vec<(Name, Value)>,
    ) -> Evaluated<()> {
        let Identifier { name, span } = &symbol.name;
        let alias = symbol.alias.name.clone();
        let frame = self.module_frame_of(from);
        if symbol.variable {
            cells.push((alias, frame.cell(name).at(*span)?));
            return Ok(());
        }
        let Some(declared) = frame.scope.find_own(name) else {
            return refuse("no function or class of this name in the module", *span);
        };
        names.insert(alias, declared);
        Ok(())
    }

    /// An import statement.
    pub(super) fn import(&mut self, import: &Rc<Import>, span: Span) -> Evaluated<Flow> {
        match (&import.what, self.linked.imported(import)) {
            (ImportKind::Data(name, options), Some(Imported::Data(source, format))) => {
                let content = self.data(import, options.as_ref(), source, format)?;
                let value = content.to_value().at(span)?;
                self.frame().write(&name.name, value).at(span)?;
            }
            (ImportKind::Named(_) | ImportKind::Wildcard(_), Some(Imported::Module(module))) => {
                self.run_module(module, span)?;
            }
            _ => return refuse("a file that was not loaded", span),
        }
        Ok(Flow::Next)
    }

    /// Runs a module unless that was done before. A `return` ends only the module.
    fn run_module(&mut self, module: usize, span: Span) -> Evaluated<()> {
        if std::mem::replace(&mut self.modules[module].has_run, true) {
            return Ok(());
        }
        let Some(program) = self.linked.programs().nth(module).map(Rc::clone) else {
            return Ok(());
        };
        self.enter(span)?;
        self.push_module(module);
        let flow = self.statements(&program.statements);
        self.pop_frame();
        self.leave();
        flow.map(drop)
    }

    fn data(
        &mut self,
        import: &Import,
        options: Option<&Expression>,
        source: SourceId,
        format: DataFormat,
    ) -> Evaluated<Portable> {
        let options = match options {
            Some(options) => {
                let value = self.expression(options)?;
                Portable::copy(&value).at(options.span)?
            }
            None => Portable::Array(Vec::new()),
        };
        let text = &self.sources.source(source).text;
        match data::decode(format, text, &options) {
            Ok(content) => Ok(content),
            Err(_) => refuse("a data file that can't be decoded", import.file_span),
        }
    }
}

/// The imports of a top level, those of included files too.
fn collect<'s>(statements: &'s [Statement], imports: &mut Vec<&'s Rc<Import>>) {
    for statement in statements {
        match &statement.kind {
            StatementKind::Import(import) => imports.push(import),
            StatementKind::Block(included) => collect(included, imports),
            _ => {}
        }
    }
}
