//! Expressions by their precedence.
//!
//! In: tokens. Out: [`Expression`]s. HSL manual: operators.
//!
//! From loose to tight: assignment; `?:`; `??`; `or`; `and`; `|`; `^`; `&`; equality and `=~`; order; shifts; `.`;
//! `+ -`; `* / %`; unary; `**`; postfix. The binary levels are one loop over a table ([`infix`]).
//!
//! An assignable operand directly before an assignment operator takes the assignment to itself, whatever stands before
//! it: `!$x = f()` is `!($x = f())`. Anything else there would be a mistake, so nothing is lost, and scripts rely on it.

use super::{Parsed, Parser};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{
    Argument, BinaryOperator, Expression, ExpressionKind, Slice, TargetKind, UnaryOperator,
};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

impl Parser<'_> {
    /// A whole expression, assignments included.
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.nested(Self::conditional)
    }

    /// A node from `start` to the last token read.
    pub(super) fn node(&self, start: Span, kind: ExpressionKind) -> Expression {
        Expression {
            kind,
            span: self.since(start),
        }
    }

    /// `condition ? then : otherwise` and `condition ?: otherwise`
    fn conditional(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let condition = self.binary(Level::COALESCE)?;
        if !self.is(Symbol::Question) {
            return Ok(condition);
        }
        self.conditional_rest(start, condition)
    }

    fn conditional_rest(&mut self, start: Span, condition: Expression) -> Parsed<Expression> {
        self.advance();
        self.higher()?;
        let then = match self.is(Symbol::Colon) {
            true => None,
            false => Some(Box::new(self.expression()?)),
        };
        self.expect(Symbol::Colon)?;
        let otherwise = Box::new(self.expression()?);
        let condition = Box::new(condition);
        Ok(self.node(
            start,
            ExpressionKind::Conditional {
                condition,
                then,
                otherwise,
            },
        ))
    }

    /// Operands joined by operators of a level or a tighter one.
    fn binary(&mut self, loosest: u8) -> Parsed<Expression> {
        let start = self.span();
        let mut left = self.unary()?;
        while let Some((infix, level)) = infix(self.peek()) {
            if level < loosest {
                break;
            }
            self.advance();
            self.higher()?;
            // `??` associates to the right: its right side may hold its own level.
            let right_level = if level == Level::COALESCE {
                level
            } else {
                level + 1
            };
            let right = Box::new(self.nested(|parser| parser.binary(right_level))?);
            left = self.node(start, joined(infix, Box::new(left), right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let operator = match self.peek() {
            TokenKind::Symbol(Symbol::Subtract) => UnaryOperator::Minus,
            TokenKind::Symbol(Symbol::Add) => UnaryOperator::Plus,
            TokenKind::Symbol(Symbol::Not) | TokenKind::Keyword(Keyword::Not) => UnaryOperator::Not,
            TokenKind::Symbol(Symbol::BitNot) => UnaryOperator::BitNot,
            _ => return self.power(),
        };
        self.advance();
        let operand = Box::new(self.nested(Self::unary)?);
        Ok(self.node(start, ExpressionKind::Unary(operator, operand)))
    }

    /// `a ** b`, where `b` may have a sign: `2 ** -1`. Also assignments, see the head of this file.
    fn power(&mut self) -> Parsed<Expression> {
        if self.is(Symbol::LeftBracket) && self.is_destructuring() {
            return self.destructuring_assignment();
        }
        let start = self.span();
        let base = self.operand()?;
        if let Some(operator) = assignment(self.peek()) {
            return self.assign(start, base, operator);
        }
        if self.is(Symbol::Power) {
            return self.raised(start, base);
        }
        Ok(base)
    }

    fn raised(&mut self, start: Span, base: Expression) -> Parsed<Expression> {
        self.advance();
        self.higher()?;
        let exponent = Box::new(self.nested(Self::unary)?);
        let kind = ExpressionKind::Binary(BinaryOperator::Power, Box::new(base), exponent);
        Ok(self.node(start, kind))
    }

    fn destructuring_assignment(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let target = Box::new(self.nested(Self::destructuring)?);
        self.expect(Symbol::Assign)?;
        let value = Box::new(self.expression()?);
        Ok(self.node(start, ExpressionKind::Assign(target, value)))
    }

    /// At an assignment operator; `None` is the plain one.
    fn assign(
        &mut self,
        start: Span,
        place: Expression,
        operator: Option<BinaryOperator>,
    ) -> Parsed<Expression> {
        let target = self.place(place, "assign to");
        if let Ok(target) = &target {
            self.check_assigned_slice(&target.kind, target.span);
        }
        self.advance();
        self.higher()?;
        let value = Box::new(self.expression()?);
        let target = Box::new(target?);
        Ok(self.node(
            start,
            match operator {
                None => ExpressionKind::Assign(target, value),
                Some(operator) => ExpressionKind::AugmentedAssign(operator, target, value),
            },
        ))
    }

    fn check_assigned_slice(&mut self, kind: &TargetKind, span: Span) {
        if let TargetKind::Slice(_, Slice { step: Some(_), .. }) = kind {
            self.report(
                Diagnostic::error(span, "a slice with a step can't be assigned to")
                    .with_expected("`[first:last]`"),
            );
        }
    }

    /// `++$x`, or a postfix expression.
    fn operand(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let increment = match self.peek() {
            TokenKind::Symbol(Symbol::Increment) => true,
            TokenKind::Symbol(Symbol::Decrement) => false,
            _ => return self.postfix(),
        };
        self.advance();
        let base = self.nested(Self::postfix)?;
        let target = Box::new(self.place(base, step_verb(increment))?);
        Ok(self.node(
            start,
            ExpressionKind::Step {
                increment,
                prefix: true,
                target,
            },
        ))
    }

    /// A primary expression and everything that binds to it from the right.
    pub(super) fn postfix(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let mut base = self.primary()?;
        while let TokenKind::Symbol(symbol) = self.peek() {
            let parse: fn(&mut Self, Expression) -> Parsed<ExpressionKind> = match symbol {
                Symbol::LeftParenthesis => Self::call,
                Symbol::LeftBracket => Self::subscript,
                Symbol::Arrow => Self::property,
                Symbol::Increment | Symbol::Decrement => Self::postfix_step,
                _ => break,
            };
            let kind = parse(self, base)?;
            self.higher()?;
            base = self.node(start, kind);
        }
        Ok(base)
    }

    fn call(&mut self, callee: Expression) -> Parsed<ExpressionKind> {
        let arguments = self.arguments()?;
        Ok(ExpressionKind::Call(Box::new(callee), arguments))
    }

    fn postfix_step(&mut self, place: Expression) -> Parsed<ExpressionKind> {
        let increment = self.is(Symbol::Increment);
        let target = Box::new(self.place(place, step_verb(increment))?);
        self.advance();
        Ok(ExpressionKind::Step {
            increment,
            prefix: false,
            target,
        })
    }

    fn property(&mut self, base: Expression) -> Parsed<ExpressionKind> {
        self.advance();
        if let Some(name) = self.member_name() {
            return Ok(ExpressionKind::Property(Box::new(base), name));
        }
        let mut diagnostic = self.unexpected_here("the name of a property or function");
        if matches!(self.peek(), TokenKind::Variable(_)) {
            diagnostic = diagnostic.with_hint("a computed name is written `$object[$name]`");
        }
        Err(self.report(diagnostic))
    }

    /// `(a, ...b)`
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Argument>> {
        let arguments = self.between(Symbol::LeftParenthesis, |parser| {
            parser.comma_separated(Symbol::RightParenthesis, |parser| {
                let spread = parser.eat(Symbol::Ellipsis);
                let value = parser.expression()?;
                Ok(Argument { value, spread })
            })
        })?;
        Ok(arguments.unwrap_or_default())
    }

    /// `[index]`, `[]` and `[first:last:step]`
    fn subscript(&mut self, base: Expression) -> Parsed<ExpressionKind> {
        let base = Box::new(base);
        let start = self.span();
        let inside = self.between(Symbol::LeftBracket, Self::subscript_parts)?;
        Ok(match inside {
            Some(Parts::Empty) => ExpressionKind::Subscript(base, None),
            Some(Parts::Index(index)) => ExpressionKind::Subscript(base, Some(index)),
            Some(Parts::Slice(slice)) => ExpressionKind::Slice(base, slice),
            None => ExpressionKind::Subscript(base, Some(Box::new(self.error_since(start)))),
        })
    }

    /// Two colons in a row are one token; here they are two colons.
    fn subscript_parts(&mut self) -> Parsed<Parts> {
        if self.is(Symbol::RightBracket) {
            return Ok(Parts::Empty);
        }
        let first = self.opt_slice_part()?;
        let mut slice = Slice {
            first,
            last: None,
            step: None,
        };
        if self.eat(Symbol::Scope) {
            slice.step = self.opt_slice_part()?;
        } else if self.eat(Symbol::Colon) {
            slice.last = self.opt_slice_part()?;
            if self.eat(Symbol::Colon) {
                slice.step = self.opt_slice_part()?;
            }
        } else if let Some(index) = slice.first {
            return Ok(Parts::Index(index));
        }
        Ok(Parts::Slice(slice))
    }

    fn opt_slice_part(&mut self) -> Parsed<Option<Box<Expression>>> {
        match self.peek() {
            TokenKind::Symbol(Symbol::Colon | Symbol::Scope | Symbol::RightBracket) => Ok(None),
            _ => Ok(Some(Box::new(self.expression()?))),
        }
    }
}

enum Parts {
    Empty,
    Index(Box<Expression>),
    Slice(Slice),
}

const fn step_verb(increment: bool) -> &'static str {
    if increment { "increment" } else { "decrement" }
}

enum Infix {
    Operator(BinaryOperator),
    And,
    Or,
    Coalesce,
}

fn joined(infix: Infix, left: Box<Expression>, right: Box<Expression>) -> ExpressionKind {
    match infix {
        Infix::Operator(operator) => ExpressionKind::Binary(operator, left, right),
        Infix::And => ExpressionKind::And(left, right),
        Infix::Or => ExpressionKind::Or(left, right),
        Infix::Coalesce => ExpressionKind::Coalesce(left, right),
    }
}

/// Precedence levels of the infix operators; a larger number binds tighter.
struct Level;

impl Level {
    const COALESCE: u8 = 1;
}

/// The infix operator that a token is, and its level.
fn infix(token: &TokenKind) -> Option<(Infix, u8)> {
    use BinaryOperator as B;
    let symbol = match token {
        TokenKind::Keyword(Keyword::And) => return Some((Infix::And, 3)),
        TokenKind::Keyword(Keyword::Or) => return Some((Infix::Or, 2)),
        TokenKind::Symbol(Symbol::Coalesce) => return Some((Infix::Coalesce, Level::COALESCE)),
        TokenKind::Symbol(symbol) => symbol,
        _ => return None,
    };
    let (operator, level) = match symbol {
        Symbol::BitOr => (B::BitOr, 4),
        Symbol::BitXor => (B::BitXor, 5),
        Symbol::BitAnd => (B::BitAnd, 6),
        Symbol::Equal => (B::Equal, 7),
        Symbol::NotEqual => (B::NotEqual, 7),
        Symbol::Identical => (B::Identical, 7),
        Symbol::NotIdentical => (B::NotIdentical, 7),
        Symbol::Match => (B::Match, 7),
        Symbol::NotMatch => (B::NotMatch, 7),
        Symbol::Less => (B::Less, 8),
        Symbol::Greater => (B::Greater, 8),
        Symbol::LessOrEqual => (B::LessOrEqual, 8),
        Symbol::GreaterOrEqual => (B::GreaterOrEqual, 8),
        Symbol::ShiftLeft => (B::ShiftLeft, 9),
        Symbol::ShiftRight => (B::ShiftRight, 9),
        Symbol::Concatenate => (B::Concatenate, 10),
        Symbol::Add => (B::Add, 11),
        Symbol::Subtract => (B::Subtract, 11),
        Symbol::Multiply => (B::Multiply, 12),
        Symbol::Divide => (B::Divide, 12),
        Symbol::Modulus => (B::Modulus, 12),
        _ => return None,
    };
    Some((Infix::Operator(operator), level))
}

/// The assignment operator that a token is: plain, or with the operator it applies.
#[expect(
    clippy::option_option,
    reason = "not an assignment, a plain one, an augmented one"
)]
const fn assignment(token: &TokenKind) -> Option<Option<BinaryOperator>> {
    let TokenKind::Symbol(symbol) = token else {
        return None;
    };
    Some(match symbol {
        Symbol::Assign => None,
        Symbol::AddAssign => Some(BinaryOperator::Add),
        Symbol::SubtractAssign => Some(BinaryOperator::Subtract),
        Symbol::MultiplyAssign => Some(BinaryOperator::Multiply),
        Symbol::DivideAssign => Some(BinaryOperator::Divide),
        Symbol::ModulusAssign => Some(BinaryOperator::Modulus),
        Symbol::PowerAssign => Some(BinaryOperator::Power),
        Symbol::ConcatenateAssign => Some(BinaryOperator::Concatenate),
        _ => return None,
    })
}
