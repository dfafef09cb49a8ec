//! Variables that nobody sets, and variables that nobody reads.
//!
//! In: the uses of every variable, once all functions are walked. Out: an error for a variable that is read and set
//! nowhere, only a warning where the function also asks with `isset` or `??` whether it has a value; a warning for one that
//! is set and read nowhere. Whether a variable is set on every path is a later stage's
//! question. HSL manual: introduction, "Variables".

use super::{FunctionId, FunctionKind, Resolved, Resolver, Use};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl Resolver<'_> {
    pub(super) fn check_variables(&mut self) {
        self.each_variable(|resolver, id, name, used| match used.read {
            Some(span) if used.written.is_none() => {
                Some(resolver.never_set(id, name, span, used.asked))
            }
            _ => None,
        });
        // What nobody reads may be read once the errors are cured.
        if self.diagnostics.has_errors() {
            return;
        }
        self.each_variable(|resolver, id, name, used| match used.written {
            // Scripts that are not being compiled now may import it.
            _ if resolver.is_exported(id) => None,
            Some(span) if used.read.is_none() && !used.tested && !name.starts_with('_') => Some(
                Diagnostic::warning(span, format!("`${name}` is set and never read")),
            ),
            _ => None,
        });
    }

    /// Asks about every variable that lives in one function only.
    fn each_variable(
        &mut self,
        judge: impl Fn(&Self, FunctionId, &str, &Use) -> Option<Diagnostic>,
    ) {
        for index in 0..self.table.functions.len() {
            let id = FunctionId::new(index);
            for variable in 0..self.uses[index].len() {
                if self.diagnostics.is_full() {
                    return;
                }
                let used = &self.uses[index][variable];
                let name = &self.table.functions[index].variables[variable].name;
                if used.linked || self.lost.has(name) {
                    continue;
                }
                if let Some(diagnostic) = judge(self, id, name, used) {
                    self.diagnostics.report(diagnostic);
                }
            }
        }
    }

    /// Whether the variables of a function are those of a module.
    fn is_exported(&self, id: FunctionId) -> bool {
        id != Resolved::MAIN && self.table.function(id).kind == FunctionKind::Main
    }

    fn never_set(&self, id: FunctionId, name: &str, span: Span, asked: bool) -> Diagnostic {
        let function = self.table.function(id);
        let message = format!("`${name}` is read and set nowhere");
        let diagnostic = if asked || self.environment.tolerates_undefined {
            Diagnostic::warning(span, message)
        } else {
            Diagnostic::error(span, message)
        };
        let main = self.table.modules[function.module.index()].main;
        let in_main = self.is_set_in(main, name) || self.environment.variable(name).is_some();
        if function.kind == FunctionKind::Anonymous
            && function
                .parent
                .is_some_and(|parent| self.is_set_in(parent, name))
        {
            return diagnostic.with_hint(format!("capture it: `closure (${name})`"));
        }
        if function.kind != FunctionKind::Main && in_main {
            return diagnostic.with_hint(format!("declare it in the function: `global ${name};`"));
        }
        let known = function.variables.iter().zip(&self.uses[id.index()]);
        let known = known.filter(|(_, used)| used.linked || used.written.is_some());
        let known = known.map(|(variable, _)| &*variable.name);
        let predefined = self
            .environment
            .variables
            .iter()
            .map(|variable| variable.name.as_str());
        let predefined = predefined.filter(|_| function.kind == FunctionKind::Main);
        let near = self.near(name, known.chain(predefined));
        diagnostic.with_near_name(near.map(|near| format!("${near}")))
    }

    fn is_set_in(&self, id: FunctionId, name: &str) -> bool {
        self.table.variable(id, name).is_some_and(|variable| {
            let used = &self.uses[id.index()][variable.index()];
            used.linked || used.written.is_some()
        })
    }
}
