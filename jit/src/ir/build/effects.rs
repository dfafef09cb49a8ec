//! Whether evaluating an expression may write a variable of the function it stands in.

use crate::syntax::ast::{
    Argument, ArrayItem, Expression, ExpressionKind, Slice, Target, TargetKind,
};

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
        | ExpressionKind::Error => false,
        ExpressionKind::Isset(target) => target_writes(target),
        ExpressionKind::Array(items) => items.iter().any(item_writes),
        ExpressionKind::Subscript(base, key) => writes(base) || key.as_deref().is_some_and(writes),
        ExpressionKind::Slice(base, slice) => writes(base) || slice_writes(slice),
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

/// Whether finding the place writes anything: its keys are expressions like any other.
fn target_writes(target: &Target) -> bool {
    match &target.kind {
        TargetKind::Variable(_) | TargetKind::StaticVariable(..) => false,
        TargetKind::Subscript(base, key) => {
            target_writes(base) || key.as_deref().is_some_and(writes)
        }
        TargetKind::Slice(base, slice) => target_writes(base) || slice_writes(slice),
        TargetKind::Property(base, _) => target_writes(base),
        TargetKind::Value(value) => writes(value),
        TargetKind::Destructure(_) => true,
    }
}

fn slice_writes(Slice { first, last, step }: &Slice) -> bool {
    [first, last, step]
        .into_iter()
        .any(|bound| bound.as_deref().is_some_and(writes))
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
