//! `import $name from "file" with [...]`: data files become constants when the script is compiled.
//!
//! In: the import as resolved. Out: a constant and a store, or a report of why the file can't be had. HSL manual:
//! structures, "data".

use super::{FunctionBuilder, Operand, Span};
use crate::data;
use crate::diagnostic::Diagnostic;
use crate::ir::Constant;
use crate::resolve::DataImport;
use crate::runtime::Portable;
use crate::runtime::portable::PortableKey;
use crate::syntax::ast::{ArrayItem, Expression, ExpressionKind, Import, ImportKind};

impl FunctionBuilder<'_, '_> {
    /// Assigns the content of a data file to its variable.
    pub(super) fn import_data(&mut self, import: &Import, span: Span) {
        let resolved = self.shared.resolved;
        let module = &resolved.modules[self.info.module.index()];
        let data = module
            .data
            .iter()
            .find(|data| std::ptr::eq(&*data.syntax, import));
        let Some(data) = data else {
            self.refuse(span, "this import was not resolved");
            return;
        };
        match self.decode(data) {
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
    fn data_operand(&mut self, content: Portable) -> Operand {
        match content {
            Portable::None => Operand::None,
            Portable::Boolean(truth) => Operand::Boolean(truth),
            Portable::Number(number) => Operand::Number(number),
            Portable::String(_) | Portable::Array(_) | Portable::Shared(_) => {
                Operand::Constant(self.add_constant(Constant::Data(content)))
            }
        }
    }

    fn decode(&self, import: &DataImport) -> Result<Portable, String> {
        let text = &self.shared.surroundings.sources.source(import.source).text;
        data::decode(import.format, text, &options(&import.syntax)?)
    }
}

/// The options of an import: an array of constants.
fn options(import: &Import) -> Result<Portable, String> {
    let ImportKind::Data(
        _,
        Some(Expression {
            kind: ExpressionKind::Array(items),
            ..
        }),
    ) = &import.what
    else {
        return Ok(Portable::Array(Vec::new()));
    };
    let mut options = Vec::with_capacity(items.len());
    for item in items {
        let ArrayItem::Pair(
            Expression {
                kind: ExpressionKind::String(name),
                ..
            },
            value,
        ) = item
        else {
            return Err("its options are names and constants".to_owned());
        };
        let value = match &value.kind {
            ExpressionKind::Boolean(truth) => Portable::Boolean(*truth),
            ExpressionKind::Number(number) => Portable::Number(*number),
            ExpressionKind::String(octets) => Portable::string(octets),
            _ => return Err("its options are names and constants".to_owned()),
        };
        options.push((PortableKey::String((**name).into()), value));
    }
    Ok(Portable::Array(options))
}
