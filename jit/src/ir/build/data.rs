//! `import $name from "file" with [...]`: data files become constants when the script is compiled.
//!
//! In: the import as resolved. Out: a constant and a store, or a report of why the file can't be had. HSL manual:
//! structures, "data".

use super::evaluate::evaluate;
use super::{FunctionBuilder, Operand, Span};
use crate::data;
use crate::diagnostic::Diagnostic;
use crate::ir::Constant;
use crate::resolve::DataFormat;
use crate::runtime::Portable;
use crate::runtime::portable::PortableKey;
use crate::syntax::ast::{Import, ImportKind};

impl FunctionBuilder<'_, '_> {
    /// Assigns the content of a data file to its variable.
    pub(super) fn import_data(&mut self, import: &Import, span: Span) {
        let resolved = self.shared.resolved;
        let module = &resolved.modules[self.info.module.index()];
        let mut imports = module.data.iter();
        let Some(data) = imports.find(|data| std::ptr::eq(&*data.syntax, import)) else {
            self.refuse(span, "this import was not resolved");
            return;
        };
        let Some(options) = self.options(import, data.format) else {
            return;
        };
        let text = &self.shared.surroundings.sources.source(data.source).text;
        match data::decode(data.format, text, &options) {
            Ok(content) => {
                let operand = self.data_operand(content);
                let from = self.copy(operand, span);
                let name = self.info.variables[data.variable.index()].name.clone();
                self.store_variable(&name, from, span);
            }
            Err(fault) => {
                let message = format!("this file can't be imported: {fault}");
                self.shared
                    .diagnostics
                    .report(Diagnostic::error(import.file_span, message));
            }
        }
    }

    /// The content as an operand: a constant refers to the heap, so what does not is an operand of its own kind.
    pub(super) fn data_operand(&mut self, content: Portable) -> Operand {
        match content {
            Portable::None => Operand::None,
            Portable::Boolean(truth) => Operand::Boolean(truth),
            Portable::Number(number) => Operand::Number(number),
            Portable::String(_) | Portable::Array(_) | Portable::Shared(_) => {
                Operand::Constant(self.add_constant(Constant::Data(content)))
            }
        }
    }

    /// The options of an import, an empty array without them; nothing when what is wrong with them was reported.
    fn options(&mut self, import: &Import, format: DataFormat) -> Option<Portable> {
        let ImportKind::Data(_, Some(options)) = &import.what else {
            return Some(Portable::Array(Vec::new()));
        };
        let evaluated = match evaluate(options) {
            Ok(evaluated) => evaluated,
            Err(fault) => {
                self.report_constant(fault);
                return None;
            }
        };
        if let Portable::Array(elements) = &evaluated {
            let known = known_options(format);
            for (key, _) in elements {
                if !known.iter().any(|name| is_named(key, name)) {
                    self.warn_option(options.span, key, known);
                }
            }
        }
        Some(evaluated)
    }

    fn warn_option(&mut self, span: Span, key: &PortableKey, known: &[&str]) {
        let shown = match key {
            PortableKey::None => "none".to_owned(),
            PortableKey::Integer(number) => number.to_string(),
            PortableKey::String(octets) => octets.escape_ascii().to_string(),
        };
        let message = format!("data of this format has no option `{shown}`");
        let diagnostic = Diagnostic::warning(span, message).with_expected(match known {
            [] => "no options".to_owned(),
            known => format!("one of `{}`", known.join("`, `")),
        });
        self.shared.diagnostics.report(diagnostic);
    }
}

/// What `with` may say about a format.
const fn known_options(format: DataFormat) -> &'static [&'static str] {
    match format {
        DataFormat::Json => &[],
        DataFormat::Csv => &["delimiter", "header", "schema"],
        DataFormat::Text => &["array"],
    }
}

fn is_named(key: &PortableKey, name: &str) -> bool {
    matches!(key, PortableKey::String(octets) if **octets == *name.as_bytes())
}
