//! Constants: literals, what is computed from them when compiling, and the arrays that are made of them.

use std::rc::Rc;

use super::evaluate::{Fault, evaluate};
use super::{FunctionBuilder, count};
use crate::diagnostic::Diagnostic;
use crate::ir::{Constant, ConstantId, Operand};
use crate::runtime::Portable;
use crate::syntax::ast::{self, Expression, ExpressionKind};

/// From so many elements on a literal array is a constant.
const KNOWN_ARRAY_MIN: usize = 4;

/// Numbers within are keys for sure.
const KEY_MAX: f64 = 9_007_199_254_740_991.0;

impl FunctionBuilder<'_, '_> {
    /// The value of a predefined variable that is known when compiling.
    pub(super) fn fixed_value(&mut self, index: u32) -> Option<Operand> {
        let fixed = self.shared.surroundings.fixed;
        let (_, value) = fixed.iter().find(|(known, _)| *known == index as usize)?;
        match value {
            Portable::None => Some(Operand::None),
            Portable::Boolean(truth) => Some(Operand::Boolean(*truth)),
            Portable::Number(number) => Some(Operand::Number(*number)),
            Portable::String(octets) => Some(self.string_constant(&octets.as_ref().into())),
            Portable::Array(_) | Portable::Shared(_) => None,
        }
    }

    pub(super) fn string_constant(&mut self, octets: &Rc<[u8]>) -> Operand {
        if let Some(known) = self.shared.strings.get(octets) {
            return Operand::Constant(*known);
        }
        let id = self.add_constant(Constant::String(octets.clone()));
        self.shared.strings.insert(octets.clone(), id);
        Operand::Constant(id)
    }

    pub(super) fn string_id(&mut self, octets: &[u8]) -> ConstantId {
        match self.string_constant(&octets.into()) {
            Operand::Constant(id) => id,
            _ => ConstantId(0),
        }
    }

    pub(super) fn add_constant(&mut self, constant: Constant) -> ConstantId {
        self.shared.program.constants.push(constant);
        ConstantId(count(self.shared.program.constants.len() - 1))
    }

    /// A constant expression: a default, an initial value of a member.
    pub(super) fn constant(&mut self, expression: &Expression) -> Operand {
        match &expression.kind {
            ExpressionKind::None => Operand::None,
            ExpressionKind::Boolean(truth) => Operand::Boolean(*truth),
            ExpressionKind::Number(number) => Operand::Number(*number),
            ExpressionKind::String(octets) => self.string_constant(octets),
            ExpressionKind::Array(items) => match self.constant_array(items) {
                Some(array) => array,
                None => self.computed(expression),
            },
            _ => self.computed(expression),
        }
    }

    /// The value of a constant expression that has to be computed.
    fn computed(&mut self, expression: &Expression) -> Operand {
        match evaluate(expression) {
            Ok(Portable::String(octets)) => self.string_constant(&(*octets).into()),
            Ok(value) => self.data_operand(value),
            Err(fault) => {
                self.report_constant(fault);
                Operand::None
            }
        }
    }

    /// Reports a constant without a value, once however often it is needed.
    pub(super) fn report_constant(&mut self, fault: Fault) {
        let diagnostics = &mut self.shared.diagnostics;
        if diagnostics.iter().all(|known| known.span != fault.span) {
            diagnostics.report(Diagnostic::error(fault.span, fault.message));
        }
    }

    /// An array whose keys are plain to see, with elements that are constants themselves.
    fn constant_array(&mut self, items: &[ast::ArrayItem]) -> Option<Operand> {
        let mut elements = Vec::with_capacity(items.len());
        for item in items {
            elements.push(match item {
                ast::ArrayItem::Value(value) => (None, self.constant(value)),
                ast::ArrayItem::Pair(key, value) => {
                    (Some(self.known_key(key)?), self.constant(value))
                }
                ast::ArrayItem::Spread(_) => return None,
            });
        }
        Some(Operand::Constant(
            self.add_constant(Constant::Array(elements)),
        ))
    }

    /// An array literal whose elements are all known, as a constant: it is made once, not element by element at each run.
    pub(super) fn known_array(&mut self, items: &[ast::ArrayItem]) -> Option<Operand> {
        let mut elements = Vec::with_capacity(items.len());
        for item in items {
            elements.push(match item {
                ast::ArrayItem::Value(value) => (None, self.known(value)?),
                ast::ArrayItem::Pair(key, value) => {
                    (Some(self.known_key(key)?), self.known(value)?)
                }
                ast::ArrayItem::Spread(_) => return None,
            });
        }
        // A short one costs less made than copied where it is going to be changed.
        (KNOWN_ARRAY_MIN <= elements.len())
            .then(|| Operand::Constant(self.add_constant(Constant::Array(elements))))
    }

    /// A key that is a literal and surely one.
    fn known_key(&mut self, key: &Expression) -> Option<Operand> {
        match &key.kind {
            ExpressionKind::String(octets) => Some(self.string_constant(octets)),
            ExpressionKind::Number(number) if number.abs() < KEY_MAX => {
                Some(Operand::Number(*number))
            }
            _ => None,
        }
    }

    /// The value of a literal.
    fn known(&mut self, expression: &Expression) -> Option<Operand> {
        match &expression.kind {
            ExpressionKind::None => Some(Operand::None),
            ExpressionKind::Boolean(truth) => Some(Operand::Boolean(*truth)),
            ExpressionKind::Number(number) => Some(Operand::Number(*number)),
            ExpressionKind::String(octets) => Some(self.string_constant(octets)),
            ExpressionKind::Array(items) => self.known_array(items),
            _ => None,
        }
    }
}
