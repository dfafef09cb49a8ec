//! Whether evaluating an expression may write a variable of the function it stands in.

use crate::syntax::ast::{Argument, ArrayItem, Expression, ExpressionKind, Slice};

/// Whether the expression contains an assignment of any form. Functions called can't write local variables, so calls count
/// only for their arguments.
pub(super) fn writes(expression: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::Assign(..)
        | ExpressionKind::AugmentedAssign(..)
        | ExpressionKind::Step { .. }
        | ExpressionKind::Unset(_) => true,
        ExpressionKind::None
        | ExpressionKind::Boolean(_)
        | ExpressionKind::Number(_)
        | ExpressionKind::String(_)
        | ExpressionKind::Interpolation(_)
        | ExpressionKind::Variable(_)
        | ExpressionKind::StaticVariable(..)
        | ExpressionKind::StaticFunction(..)
        | ExpressionKind::FunctionName { .. }
        | ExpressionKind::Function(_)
        | ExpressionKind::Isset(_)
        | ExpressionKind::Error => false,
        ExpressionKind::Array(items) => items.iter().any(item_writes),
        ExpressionKind::Subscript(base, key) => writes(base) || key.as_deref().is_some_and(writes),
        ExpressionKind::Slice(base, Slice { first, last, step }) => {
            writes(base)
                || [first, last, step]
                    .into_iter()
                    .any(|bound| bound.as_deref().is_some_and(writes))
        }
        ExpressionKind::Property(base, _) => writes(base),
        ExpressionKind::Call(callee, arguments) => {
            writes(callee) || arguments.iter().any(argument_writes)
        }
        ExpressionKind::Cache { options, call } => writes(options) || writes(call),
        ExpressionKind::Unary(_, operand) => writes(operand),
        ExpressionKind::Binary(_, left, right)
        | ExpressionKind::And(left, right)
        | ExpressionKind::Or(left, right)
        | ExpressionKind::Coalesce(left, right) => writes(left) || writes(right),
        ExpressionKind::Conditional {
            condition,
            then,
            otherwise,
        } => writes(condition) || then.as_deref().is_some_and(writes) || writes(otherwise),
    }
}

fn item_writes(item: &ArrayItem) -> bool {
    match item {
        ArrayItem::Value(value) | ArrayItem::Spread(value) => writes(value),
        ArrayItem::Pair(key, value) => writes(key) || writes(value),
    }
}

fn argument_writes(argument: &Argument) -> bool {
    writes(&argument.value)
}
