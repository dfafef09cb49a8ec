//! Expressions: every name in them, and comparisons whose result is plain to see.
//!
//! In: expressions of one function. Out: their names resolved. HSL manual: operators, literals.

use super::{FunctionKind, Resolver};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{
    Argument, ArrayItem, BinaryOperator, Expression, ExpressionKind, Function, Piece, Slice,
};
use std::rc::Rc;

impl Resolver<'_> {
    #[expect(
        clippy::too_many_lines,
        reason = "one arm per kind, each a line or two"
    )]
    pub(super) fn expression(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::None
            | ExpressionKind::Boolean(_)
            | ExpressionKind::Number(_)
            | ExpressionKind::String(_)
            | ExpressionKind::Error => {}
            ExpressionKind::Interpolation(pieces) => {
                for piece in pieces {
                    if let Piece::Variable(variable) = piece {
                        self.read(&variable.name, variable.span);
                    }
                }
            }
            ExpressionKind::Variable(name) => self.read(name, expression.span),
            ExpressionKind::Array(items) => items.iter().for_each(|item| self.array_item(item)),
            ExpressionKind::Subscript(base, index) => {
                self.expression(base);
                match index {
                    Some(index) => self.expression(index),
                    None => {
                        let diagnostic = Diagnostic::error(
                            expression.span,
                            "`[]` without an index can only be assigned to",
                        )
                        .with_expected("an index");
                        self.report(diagnostic);
                    }
                }
            }
            ExpressionKind::Slice(base, slice) => {
                self.expression(base);
                self.slice(slice);
            }
            ExpressionKind::Property(base, _) => self.expression(base),
            ExpressionKind::StaticVariable(class, name) => self.static_variable(class, name),
            ExpressionKind::StaticFunction(class, name) => {
                self.static_callee(class, name);
            }
            ExpressionKind::FunctionName { name, builtin } => {
                self.callee(name, *builtin);
            }
            ExpressionKind::Call(callee, arguments) => {
                self.call(callee, arguments, expression.span);
            }
            ExpressionKind::Function(function) => self.anonymous(function),
            ExpressionKind::Cache { options, call } => {
                self.expression(options);
                self.expression(call);
            }
            ExpressionKind::Unary(_, operand) => self.expression(operand),
            ExpressionKind::Binary(operator, left, right) => {
                self.expression(left);
                if *operator == BinaryOperator::Concatenate {
                    self.note_dot(left, right);
                }
                self.expression(right);
                self.warn_chain(*operator, left, right, expression.span);
                self.warn_comparison(*operator, left, right, expression.span);
            }
            ExpressionKind::And(left, right) | ExpressionKind::Or(left, right) => {
                self.expression(left);
                self.expression(right);
            }
            ExpressionKind::Coalesce(left, right) => {
                self.tested_expression(left);
                self.expression(right);
            }
            ExpressionKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                self.expression(condition);
                self.warn_condition(condition);
                then.iter().for_each(|then| self.expression(then));
                self.expression(otherwise);
            }
            ExpressionKind::Assign(target, value) => {
                // The value first: `$x = $x + 1` reads before it sets.
                self.expression(value);
                self.assigned(target);
                self.set_to(target, value);
            }
            ExpressionKind::AugmentedAssign(_, target, value) => {
                self.expression(value);
                self.changed(target);
            }
            ExpressionKind::Step { target, .. } => self.changed(target),
            ExpressionKind::Isset(target) => self.tested(target),
            ExpressionKind::Unset(target) => self.removed(target),
        }
    }

    /// Notes `$a.b` and `$a.b()`, which in other languages is a part of `$a`.
    fn note_dot(&mut self, left: &Expression, right: &Expression) {
        let name = match &right.kind {
            ExpressionKind::Call(callee, _) => callee.span,
            _ => right.span,
        };
        let adjacent = left.span.source == name.source && left.span.end + 1 == name.start;
        if adjacent {
            self.dotted = Some((left.span, name));
        }
    }

    pub(super) fn slice(&mut self, slice: &Slice) {
        let parts = [&slice.first, &slice.last, &slice.step];
        parts
            .into_iter()
            .flatten()
            .for_each(|part| self.expression(part));
    }

    pub(super) fn arguments(&mut self, arguments: &[Argument]) {
        arguments
            .iter()
            .for_each(|argument| self.expression(&argument.value));
    }

    fn array_item(&mut self, item: &ArrayItem) {
        match item {
            ArrayItem::Value(value) | ArrayItem::Spread(value) => self.expression(value),
            ArrayItem::Pair(key, value) => {
                self.expression(key);
                self.expression(value);
            }
        }
    }

    pub(super) fn anonymous(&mut self, function: &Rc<Function>) {
        let class = self.current_class();
        let id = self.new_function(function, FunctionKind::Anonymous, "function".into(), class);
        self.function(id, function);
    }

    /// The left side of `??`: the variable at its root may be undefined.
    fn tested_expression(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Variable(name) => self.test(name, expression.span),
            ExpressionKind::Subscript(base, Some(index)) => {
                self.tested_expression(base);
                self.expression(index);
            }
            ExpressionKind::Slice(base, slice) => {
                self.tested_expression(base);
                self.slice(slice);
            }
            ExpressionKind::Property(base, _) => self.tested_expression(base),
            _ => self.expression(expression),
        }
    }
}
