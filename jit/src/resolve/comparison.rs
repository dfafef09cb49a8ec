//! Comparisons whose result is plain from the literals in them.
//!
//! In: a comparison. Out: a warning when the types of both sides are known and settle the result for any values.
//! HSL manual: operators, "Loose equality table", "Comparison".

use super::Resolver;
use crate::diagnostic::Diagnostic;
use crate::runtime::Kind;
use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, Expression, ExpressionKind};
use crate::syntax::print::binary_text;

/// The types that an expression can be seen to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    None,
    Boolean,
    Number,
    String,
    Array,
    Function,
}

impl Type {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Boolean => Kind::Boolean,
            Self::Number => Kind::Number,
            Self::String => Kind::String,
            Self::Array => Kind::Array,
            Self::Function => Kind::Function,
        }
    }

    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Function => "a function",
        }
    }
}

impl Resolver<'_> {
    /// `span` is where the warning points.
    pub(super) fn warn_comparison(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) {
        let (Some(left), Some(right)) = (type_of(left), type_of(right)) else {
            return;
        };
        if let Some(result) = settled(operator, left, right) {
            let message = format!(
                "this is always {result}: {} {} {}",
                left.describe(),
                binary_text(operator),
                right.describe()
            );
            self.report(Diagnostic::warning(span, message));
        }
    }
}

/// The result of a comparison for any values of two types, when there is only one.
fn settled(operator: BinaryOperator, left: Type, right: Type) -> Option<bool> {
    let same = left == right;
    match operator {
        BinaryOperator::Identical if !same => Some(false),
        BinaryOperator::NotIdentical if !same => Some(true),
        BinaryOperator::Equal if never_equal(left, right) => Some(false),
        BinaryOperator::NotEqual if never_equal(left, right) => Some(true),
        BinaryOperator::Less
        | BinaryOperator::Greater
        | BinaryOperator::LessOrEqual
        | BinaryOperator::GreaterOrEqual => {
            let numeric = |one| matches!(one, Type::Number | Type::Boolean);
            let ordered = (numeric(left) && numeric(right)) || (same && left == Type::String);
            (!ordered).then_some(false)
        }
        _ => None,
    }
}

/// The cells of the loose equality table that are `false` for all values.
fn never_equal(left: Type, right: Type) -> bool {
    let converts = |one| matches!(one, Type::Boolean | Type::Number);
    if left == right {
        return false;
    }
    if left == Type::None || right == Type::None {
        return true;
    }
    !converts(left) && !converts(right)
}

/// The type of an expression, where it shows.
pub(super) fn type_of(expression: &Expression) -> Option<Type> {
    Some(match &expression.kind {
        ExpressionKind::None => Type::None,
        ExpressionKind::Boolean(_)
        | ExpressionKind::And(..)
        | ExpressionKind::Or(..)
        | ExpressionKind::Isset(_)
        | ExpressionKind::Unset(_) => Type::Boolean,
        ExpressionKind::Number(_) => Type::Number,
        ExpressionKind::String(_) | ExpressionKind::Interpolation(_) => Type::String,
        ExpressionKind::Array(_) => Type::Array,
        ExpressionKind::Function(_) => Type::Function,
        ExpressionKind::Unary(operator, operand) => match operator {
            crate::syntax::ast::UnaryOperator::Not => Type::Boolean,
            _ if type_of(operand) == Some(Type::Number) => Type::Number,
            _ => return None,
        },
        ExpressionKind::Binary(operator, ..) => match operator {
            BinaryOperator::Concatenate => Type::String,
            BinaryOperator::Less
            | BinaryOperator::Greater
            | BinaryOperator::LessOrEqual
            | BinaryOperator::GreaterOrEqual
            | BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Identical
            | BinaryOperator::NotIdentical
            | BinaryOperator::Match
            | BinaryOperator::NotMatch => Type::Boolean,
            _ => return None,
        },
        _ => return None,
    })
}
