//! Variables that nobody sets, and variables that nobody reads.
//!
//! In: the uses of every variable, once all functions are walked. Out: an error for a variable that is read and set
//! nowhere, a warning for one that is set and read nowhere. Whether a variable is set on every path is a later stage's
//! question. HSL manual: introduction, "Variables".

use super::{FunctionId, FunctionKind, Resolver, Use};
use crate::diagnostic::{Diagnostic, near_name};
use crate::source::Span;

impl Resolver<'_> {
    pub(super) fn check_variables(&mut self) {
        for index in 0..self.table.functions.len() {
            let id = FunctionId::new(index);
            for variable in 0..self.uses[index].len() {
                let name = self.table.functions[index].variables[variable]
                    .name
                    .to_string();
                if self.lost.has(&name) {
                    continue;
                }
                let diagnostic = match &self.uses[index][variable] {
                    Use { linked: true, .. } => None,
                    Use {
                        read: Some(span),
                        written: None,
                        ..
                    } => Some(self.never_set(id, &name, *span)),
                    Use {
                        read: None,
                        written: Some(span),
                        tested: false,
                        ..
                    } if !name.starts_with('_') => {
                        let message = format!("`${name}` is set and never read");
                        Some(Diagnostic::warning(*span, message))
                    }
                    _ => None,
                };
                if let Some(diagnostic) = diagnostic {
                    self.report(diagnostic);
                }
            }
        }
    }

    fn never_set(&self, id: FunctionId, name: &str, span: Span) -> Diagnostic {
        let function = self.table.function(id);
        let diagnostic = Diagnostic::error(span, format!("`${name}` is read and set nowhere"));
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
        let near = near_name(name, known.chain(predefined));
        diagnostic.with_near_name(near.map(|near| format!("${near}")))
    }

    fn is_set_in(&self, id: FunctionId, name: &str) -> bool {
        self.table.variable(id, name).is_some_and(|variable| {
            let used = &self.uses[id.index()][variable.index()];
            used.linked || used.written.is_some()
        })
    }
}
