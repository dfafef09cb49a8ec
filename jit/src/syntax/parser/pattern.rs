//! Places: what stands left of `=`, after `as`, and in `isset` and `unset`.
//!
//! In: expressions that were read before it was known that they are places, and tokens of destructuring patterns. Out:
//! [`Target`]s. HSL manual: operators, "Assignment", "Destructuring assignment", "Slice assignment".

use super::foreign::hint_for_place;
use super::{Parsed, Parser, Reported};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{DestructureItem, Expression, ExpressionKind, Target, TargetKind};
use crate::syntax::token::{Symbol, TokenKind};

impl Parser<'_> {
    /// Turns an expression into the place it names, or says that `verb` needs a place.
    pub(super) fn place(&mut self, expression: Expression, verb: &str) -> Parsed<Target> {
        let span = expression.span;
        let kind = match target(expression.kind) {
            Ok(kind) => kind,
            Err(ExpressionKind::Error) => return Err(Reported),
            Err(other) => {
                let message = format!("can't {verb} {}", describe(&other));
                let mut diagnostic = Diagnostic::error(span, message)
                    .with_expected("a variable, an element or a property");
                if let Some(hint) = hint_for_place(&other, verb) {
                    diagnostic = diagnostic.with_hint(hint);
                }
                return Err(self.report(diagnostic));
            }
        };
        Ok(Target { kind, span })
    }

    /// At a `[`: whether its closing bracket is followed by `=`.
    pub(super) fn is_destructuring(&self) -> bool {
        self.closers[self.at].is_some_and(|closer| {
            matches!(
                self.tokens.get(closer + 1).map(|token| &token.kind),
                Some(TokenKind::Symbol(Symbol::Assign))
            )
        })
    }

    /// `[$a, , $b = default, ...$rest]` or `["k" => $a = default]`
    pub(super) fn destructuring(&mut self) -> Parsed<Target> {
        let start = self.span();
        let items = self.between(Symbol::LeftBracket, |parser| {
            let mut items = Vec::new();
            while !parser.is(Symbol::RightBracket) {
                if parser.is(Symbol::Comma) {
                    items.push(item(None, None));
                } else {
                    items.push(parser.destructure_item()?);
                }
                if !parser.eat(Symbol::Comma) {
                    break;
                }
            }
            Ok(items)
        })?;
        let span = self.since(start);
        let items = items.ok_or(Reported)?;
        let keyed = items.iter().filter(|item| item.key.is_some()).count();
        let problem = if keyed != 0 && keyed != items.len() {
            Some("items with and without keys can't be mixed here")
        } else if items.iter().rev().skip(1).any(|item| item.rest) {
            Some("only the last item can take the rest")
        } else if items.iter().all(|item| item.target.is_none()) {
            Some("this assigns to nothing")
        } else {
            None
        };
        match problem {
            Some(message) => Err(self.report(Diagnostic::error(span, message))),
            None => Ok(Target {
                kind: TargetKind::Destructure(items),
                span,
            }),
        }
    }

    fn destructure_item(&mut self) -> Parsed<DestructureItem> {
        if self.eat(Symbol::Ellipsis) {
            let base = self.nested(Self::postfix)?;
            let target = self.place(base, "assign to")?;
            return Ok(DestructureItem {
                rest: true,
                ..item(Some(target), None)
            });
        }
        if self.is_inner_pattern() {
            return Ok(item(Some(self.nested(Self::destructuring)?), None));
        }
        let first = self.expression()?;
        if !self.eat(Symbol::Pair) {
            return self.target_with_default(first);
        }
        let value = match self.is_inner_pattern() {
            true => item(Some(self.nested(Self::destructuring)?), None),
            false => {
                let value = self.expression()?;
                self.target_with_default(value)?
            }
        };
        Ok(DestructureItem {
            key: Some(first),
            ..value
        })
    }

    /// A pattern within a pattern, without a default. With one, it reads like an assignment.
    fn is_inner_pattern(&self) -> bool {
        let after = match (self.peek(), self.closers[self.at]) {
            (TokenKind::Symbol(Symbol::LeftBracket), Some(closer)) => self.tokens.get(closer + 1),
            _ => None,
        };
        matches!(
            after.map(|token| &token.kind),
            Some(TokenKind::Symbol(Symbol::Comma | Symbol::RightBracket))
        )
    }

    /// `$a = default` was read as an assignment.
    fn target_with_default(&mut self, expression: Expression) -> Parsed<DestructureItem> {
        match expression.kind {
            ExpressionKind::Assign(target, default) => Ok(item(Some(*target), Some(*default))),
            _ => Ok(item(Some(self.place(expression, "assign to")?), None)),
        }
    }
}

const fn item(target: Option<Target>, default: Option<Expression>) -> DestructureItem {
    DestructureItem {
        key: None,
        target,
        default,
        rest: false,
    }
}

/// What an expression is as a place; the expression again where it is none.
fn target(expression: ExpressionKind) -> Result<TargetKind, ExpressionKind> {
    Ok(match expression {
        ExpressionKind::Variable(name) => TargetKind::Variable(name),
        ExpressionKind::Subscript(base, index) => {
            TargetKind::Subscript(Box::new(base_target(*base)), index)
        }
        ExpressionKind::Slice(base, slice) => {
            TargetKind::Slice(Box::new(base_target(*base)), slice)
        }
        ExpressionKind::Property(base, name) => {
            TargetKind::Property(Box::new(base_target(*base)), name)
        }
        ExpressionKind::StaticVariable(class, name) => TargetKind::StaticVariable(class, name),
        other => return Err(other),
    })
}

/// The base of a chain such as `$a` in `$a[1]->b`. What is no place itself is a value that holds one.
fn base_target(expression: Expression) -> Target {
    let span = expression.span;
    let found = match expression.kind {
        ExpressionKind::Variable(name) if &*name == "this" => Err(ExpressionKind::Variable(name)),
        kind => target(kind),
    };
    let kind = found.unwrap_or_else(|kind| TargetKind::Value(Box::new(Expression { kind, span })));
    Target { kind, span }
}

/// Whether a place has an `[]` without an index in it.
pub(super) fn appends(target: &Target) -> bool {
    let mut target = target;
    loop {
        target = match &target.kind {
            TargetKind::Subscript(_, None) => return true,
            TargetKind::Subscript(base, Some(_))
            | TargetKind::Slice(base, _)
            | TargetKind::Property(base, _) => base,
            TargetKind::Variable(_)
            | TargetKind::StaticVariable(..)
            | TargetKind::Value(_)
            | TargetKind::Destructure(_) => return false,
        };
    }
}

fn describe(kind: &ExpressionKind) -> &'static str {
    match kind {
        ExpressionKind::None => "none",
        ExpressionKind::Boolean(_) => "a boolean",
        ExpressionKind::Number(_) => "a number",
        ExpressionKind::String(_) | ExpressionKind::Interpolation(_) => "a string",
        ExpressionKind::Array(_) => "an array",
        ExpressionKind::Call(..) | ExpressionKind::Cache { .. } => "the result of a call",
        ExpressionKind::FunctionName { .. }
        | ExpressionKind::StaticFunction(..)
        | ExpressionKind::Function(_) => "a function",
        ExpressionKind::Assign(..) | ExpressionKind::AugmentedAssign(..) => "an assignment",
        _ => "the result of an operator",
    }
}
