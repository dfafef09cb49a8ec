//! Primary expressions: literals, names, parentheses, and the words that act like functions.
//!
//! In: tokens. Out: [`Expression`]s without anything bound to their right. HSL manual: literals; structures, "cache",
//! "builtin"; operators, "Scope resolution".

use super::pattern::appends;
use super::{Parsed, Parser};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{ArrayItem, Expression, ExpressionKind, Target};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Expression> {
        let parse = match self.peek() {
            TokenKind::Number(_)
            | TokenKind::String(_)
            | TokenKind::Interpolation(_)
            | TokenKind::Variable(_)
            | TokenKind::Keyword(Keyword::True | Keyword::False | Keyword::None) => Self::leaf,
            TokenKind::Keyword(Keyword::Array) => Self::array_function,
            TokenKind::Keyword(Keyword::Builtin) => Self::builtin,
            TokenKind::Keyword(Keyword::Cache) => Self::cache,
            TokenKind::Keyword(Keyword::Function) => Self::anonymous_function,
            TokenKind::Keyword(Keyword::Isset) => Self::isset,
            TokenKind::Keyword(Keyword::Unset) => Self::unset,
            TokenKind::Name(_) => Self::name,
            TokenKind::Symbol(Symbol::LeftParenthesis) => Self::parenthesized,
            TokenKind::Symbol(Symbol::LeftBracket) => Self::array_literal,
            TokenKind::Keyword(_) | TokenKind::Symbol(_) | TokenKind::End => Self::no_expression,
        };
        parse(self)
    }

    /// An expression of one token.
    fn leaf(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let kind = match self.peek() {
            TokenKind::Number(number) => ExpressionKind::Number(*number),
            TokenKind::String(octets) => ExpressionKind::String(octets.clone()),
            TokenKind::Interpolation(pieces) => ExpressionKind::Interpolation(pieces.clone()),
            TokenKind::Variable(name) => ExpressionKind::Variable(name.clone()),
            TokenKind::Keyword(Keyword::True) => ExpressionKind::Boolean(true),
            TokenKind::Keyword(Keyword::False) => ExpressionKind::Boolean(false),
            TokenKind::Keyword(Keyword::None) => ExpressionKind::None,
            _ => return self.no_expression(),
        };
        self.advance();
        Ok(self.node(start, kind))
    }

    fn array_literal(&mut self) -> Parsed<Expression> {
        self.array(Symbol::LeftBracket)
    }

    /// `array(...)`
    fn array_function(&mut self) -> Parsed<Expression> {
        let start = self.span();
        self.advance();
        if !self.is(Symbol::LeftParenthesis) {
            return Err(self.unexpected("`(` and the items of the array"));
        }
        let array = self.array(Symbol::LeftParenthesis)?;
        Ok(self.node(start, array.kind))
    }

    fn isset(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let place = self.place_in_parentheses("test")?;
        Ok(self.node(start, ExpressionKind::Isset(place)))
    }

    fn unset(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let place = self.place_in_parentheses("unset")?;
        Ok(self.node(start, ExpressionKind::Unset(place)))
    }

    fn no_expression(&mut self) -> Parsed<Expression> {
        let mut diagnostic = self.unexpected_here("an expression");
        if let TokenKind::Keyword(keyword) = self.peek() {
            diagnostic.message = format!("`{}` is a reserved word", keyword.text());
        }
        Err(self.report(diagnostic))
    }

    /// `function`, `Class::function`, `Class::$variable`
    fn name(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let identifier = self.expect_name("a function")?;
        if &*identifier.name == "new"
            && let TokenKind::Name(class) = self.peek()
        {
            let hint = format!("call the class: `{class}(...)`");
            let diagnostic = Diagnostic::error(start, "there is no `new`").with_hint(hint);
            return Err(self.report(diagnostic));
        }
        let scoped = matches!(
            self.peek_after(1),
            TokenKind::Name(_) | TokenKind::Keyword(_) | TokenKind::Variable(_)
        );
        if !self.is(Symbol::Scope) || !scoped {
            let kind = ExpressionKind::FunctionName {
                name: identifier,
                builtin: false,
            };
            return Ok(self.node(start, kind));
        }
        self.advance();
        let kind = match self.member_name() {
            Some(member) => ExpressionKind::StaticFunction(identifier, member),
            None => ExpressionKind::StaticVariable(identifier, self.expect_variable()?),
        };
        Ok(self.node(start, kind))
    }

    fn parenthesized(&mut self) -> Parsed<Expression> {
        let start = self.span();
        match self.between(Symbol::LeftParenthesis, Self::expression)? {
            // The span grows by the parentheses, so that a caret under an outer expression has both ends.
            Some(inner) => Ok(self.node(start, inner.kind)),
            None => Ok(self.error_since(start)),
        }
    }

    /// `[...]`, or the parenthesized part of `array(...)`
    pub(super) fn array(&mut self, opener: Symbol) -> Parsed<Expression> {
        let start = self.span();
        let closer = opener.closer().unwrap_or(opener);
        let items = self.between(opener, |parser| {
            parser.comma_separated(closer, Self::array_item)
        })?;
        Ok(match items {
            Some(items) => self.node(start, ExpressionKind::Array(items)),
            None => self.error_since(start),
        })
    }

    fn array_item(&mut self) -> Parsed<ArrayItem> {
        if self.eat(Symbol::Ellipsis) {
            return Ok(ArrayItem::Spread(self.expression()?));
        }
        let first = self.expression()?;
        if self.eat(Symbol::Pair) {
            return Ok(ArrayItem::Pair(first, self.expression()?));
        }
        Ok(ArrayItem::Value(first))
    }

    /// `builtin name`
    fn builtin(&mut self) -> Parsed<Expression> {
        let start = self.span();
        self.advance();
        let name = self.expect_name("a builtin function")?;
        Ok(self.node(
            start,
            ExpressionKind::FunctionName {
                name,
                builtin: true,
            },
        ))
    }

    /// `cache [options] function(arguments)`: exactly the call; what follows it belongs to the cached result.
    fn cache(&mut self) -> Parsed<Expression> {
        let cache_start = self.span();
        self.advance();
        if !self.is(Symbol::LeftBracket) {
            return Err(self.unexpected("`[`, the options of the cache (`[]` for none)"));
        }
        let options = Box::new(self.array(Symbol::LeftBracket)?);
        let start = self.span();
        let callee = self.nested(Self::primary)?;
        let by_name = matches!(
            callee.kind,
            ExpressionKind::FunctionName { .. } | ExpressionKind::StaticFunction(..)
        );
        if !by_name || !self.is(Symbol::LeftParenthesis) {
            let diagnostic =
                Diagnostic::error(self.since(start), "only a call by name can be cached")
                    .with_expected("a function name and its arguments");
            return Err(self.report(diagnostic));
        }
        self.higher()?;
        let arguments = self.arguments()?;
        let call = Box::new(self.node(start, ExpressionKind::Call(Box::new(callee), arguments)));
        Ok(self.node(cache_start, ExpressionKind::Cache { options, call }))
    }

    /// The `($place)` of `isset` and `unset`.
    fn place_in_parentheses(&mut self, verb: &str) -> Parsed<Box<Target>> {
        self.advance();
        let start = self.span();
        let place = self.between(Symbol::LeftParenthesis, |parser| {
            let place = parser.expression()?;
            if parser.is(Symbol::Comma) {
                let (message, hint) = match verb {
                    "unset" => ("`unset` takes one place", "write one `unset` for each"),
                    _ => ("`isset` takes one place", "write `isset($a) and isset($b)`"),
                };
                let diagnostic = Diagnostic::error(parser.span(), message).with_hint(hint);
                return Err(parser.report(diagnostic));
            }
            Ok(place)
        })?;
        let place = place.unwrap_or_else(|| self.error_since(start));
        let span = place.span;
        let target = self.place(place, verb)?;
        if appends(&target) {
            let message =
                format!("`[]` without an index is no element, so there is nothing to {verb}");
            return Err(self.report(Diagnostic::error(span, message)));
        }
        Ok(Box::new(target))
    }
}
