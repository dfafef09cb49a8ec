//! Constant expressions: those that need nothing but themselves.
//!
//! In: the expression of a default argument or a member. Out: the first part that makes it not constant. Their value is
//! found by a later stage. HSL manual: structures, "Default argument", "Static".

use crate::source::Span;
use crate::syntax::ast::{ArrayItem, Expression, ExpressionKind};

/// The first part of an expression that isn't constant; `None` when all of it is.
pub(super) fn not_constant(expression: &Expression) -> Option<Span> {
    match &expression.kind {
        ExpressionKind::None
        | ExpressionKind::Boolean(_)
        | ExpressionKind::Number(_)
        | ExpressionKind::String(_)
        | ExpressionKind::Error => None,
        ExpressionKind::Array(items) => items.iter().find_map(|item| match item {
            ArrayItem::Value(value) | ArrayItem::Spread(value) => not_constant(value),
            ArrayItem::Pair(key, value) => not_constant(key).or_else(|| not_constant(value)),
        }),
        ExpressionKind::Unary(_, operand) => not_constant(operand),
        ExpressionKind::Binary(_, left, right)
        | ExpressionKind::And(left, right)
        | ExpressionKind::Or(left, right)
        | ExpressionKind::Coalesce(left, right) => {
            not_constant(left).or_else(|| not_constant(right))
        }
        ExpressionKind::Conditional {
            condition,
            then,
            otherwise,
        } => not_constant(condition)
            .or_else(|| then.as_ref().and_then(|then| not_constant(then)))
            .or_else(|| not_constant(otherwise)),
        ExpressionKind::Subscript(base, Some(index)) => {
            not_constant(base).or_else(|| not_constant(index))
        }
        ExpressionKind::Slice(base, slice) => not_constant(base).or_else(|| {
            let parts = [&slice.first, &slice.last, &slice.step];
            parts
                .into_iter()
                .flatten()
                .find_map(|part| not_constant(part))
        }),
        _ => Some(expression.span),
    }
}
