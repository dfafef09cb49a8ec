//! Code that is allowed and seldom meant.
//!
//! In: conditions, chains of comparisons and the labels of a switch. Out: warnings. HSL manual: operators, "Assignment",
//! "Comparison"; structures, "switch".

use super::{Resolver, constant};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, Expression, ExpressionKind, SwitchArm};
use crate::syntax::print::binary_text;

/// A value that two labels can have in common.
#[derive(Clone, Debug, PartialEq)]
enum Label {
    None,
    Boolean(bool),
    Number(u64),
    String(std::rc::Rc<[u8]>),
}

impl Resolver<'_> {
    /// `if ($x = 5)`: the condition is the value, whatever `$x` was.
    pub(super) fn warn_condition(&mut self, condition: &Expression) {
        if let ExpressionKind::Assign(_, value) = &condition.kind
            && constant::not_constant(value).is_none()
        {
            let diagnostic = Diagnostic::warning(
                condition.span,
                "this assigns, so the condition is always the same",
            )
            .with_hint("values are compared by `==`");
            self.report(diagnostic);
        }
    }

    /// `1 < $x < 3` compares the boolean of the first comparison.
    pub(super) fn warn_chain(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) {
        let ExpressionKind::Binary(inner, first, _) = &left.kind else {
            return;
        };
        // A span grows by parentheses, and who writes them means it.
        if !compares(operator) || !compares(*inner) || left.span.start != first.span.start {
            return;
        }
        if let ExpressionKind::Boolean(_) = right.kind {
            return;
        }
        let message = format!(
            "this compares the boolean that `{}` gives",
            binary_text(*inner)
        );
        let diagnostic = Diagnostic::warning(span, message)
            .with_hint("comparisons are joined by `and`, or put in parentheses");
        self.report(diagnostic);
    }

    /// A comparison as a statement does nothing.
    pub(super) fn warn_unused_comparison(&mut self, expression: &Expression) {
        if let ExpressionKind::Binary(operator, ..) = &expression.kind
            && compares(*operator)
        {
            let diagnostic =
                Diagnostic::warning(expression.span, "nothing is done with this comparison")
                    .with_hint("`=` assigns");
            self.report(diagnostic);
        }
    }

    /// Labels that an earlier label leaves nothing to.
    pub(super) fn warn_labels(&mut self, arms: &[SwitchArm]) {
        let mut seen: Vec<(Label, Span)> = Vec::new();
        for test in arms.iter().filter_map(|arm| arm.test.as_ref()) {
            let Some(label) = label(test) else {
                continue;
            };
            match seen.iter().find(|(known, _)| *known == label) {
                Some((_, first)) => {
                    let diagnostic =
                        Diagnostic::warning(test.span, "an earlier `case` has this value already")
                            .with_label(*first, "the first one");
                    self.report(diagnostic);
                }
                None if seen.len() < LABELS_COUNT_MAX => seen.push((label, test.span)),
                None => return,
            }
        }
    }
}

/// Labels of one switch that are compared with each other.
const LABELS_COUNT_MAX: usize = 1_000;

fn label(test: &Expression) -> Option<Label> {
    match &test.kind {
        ExpressionKind::None => Some(Label::None),
        ExpressionKind::Boolean(truth) => Some(Label::Boolean(*truth)),
        ExpressionKind::Number(number) => Some(Label::Number((number + 0.0).to_bits())),
        ExpressionKind::String(octets) => Some(Label::String(octets.clone())),
        _ => None,
    }
}

const fn compares(operator: BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Identical
            | BinaryOperator::NotIdentical
            | BinaryOperator::Less
            | BinaryOperator::Greater
            | BinaryOperator::LessOrEqual
            | BinaryOperator::GreaterOrEqual
            | BinaryOperator::Match
            | BinaryOperator::NotMatch
    )
}
