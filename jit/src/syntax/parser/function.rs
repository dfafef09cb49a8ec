//! Functions: declarations, anonymous ones, parameters and capture lists.
//!
//! In: tokens from `function` on. Out: [`Function`]s. The rules of parameters (only the last variadic, defaults last) are
//! the resolver's. HSL manual: structures, "function".

use std::rc::Rc;

use super::{Parsed, Parser, Reported};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{
    Expression, ExpressionKind, Function, Identifier, Parameter, Statement, StatementKind,
};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

impl Parser<'_> {
    /// At `function`: whether no name follows.
    pub(super) fn is_anonymous_function(&self) -> bool {
        matches!(
            self.peek_after(1),
            TokenKind::Symbol(Symbol::LeftParenthesis)
        )
    }

    pub(super) fn function_declaration(&mut self) -> Parsed<StatementKind> {
        Ok(StatementKind::Function(self.named_function()?))
    }

    /// `function name(...) { ... }`
    pub(super) fn named_function(&mut self) -> Parsed<Rc<Function>> {
        let start = self.span();
        self.expect_keyword(Keyword::Function)?;
        let name = self.expect_name("a function")?;
        self.function_rest(start, Some(name))
    }

    /// `function (...) closure (...) { ... }`
    pub(super) fn anonymous_function(&mut self) -> Parsed<Expression> {
        let start = self.span();
        self.expect_keyword(Keyword::Function)?;
        let named = match self.peek() {
            TokenKind::Name(_) => true,
            TokenKind::Keyword(_) => {
                matches!(
                    self.peek_after(1),
                    TokenKind::Symbol(Symbol::LeftParenthesis)
                )
            }
            _ => false,
        };
        if named {
            let name = self.peek().describe();
            let message = format!("a function within an expression has no name, here {name}");
            let diagnostic = Diagnostic::error(self.span(), message)
                .with_hint("leave the name out, or declare the function as a statement");
            self.report(diagnostic);
            self.advance();
        }
        let function = self.function_rest(start, None)?;
        Ok(self.node(start, ExpressionKind::Function(function)))
    }

    /// From the parameters on.
    pub(super) fn function_rest(
        &mut self,
        start: Span,
        name: Option<Identifier>,
    ) -> Parsed<Rc<Function>> {
        let parameters = self.between(Symbol::LeftParenthesis, |parser| {
            parser.comma_separated(Symbol::RightParenthesis, Self::parameter)
        })?;
        let captures = match self.eat_keyword(Keyword::Closure) {
            true => self.between(Symbol::LeftParenthesis, |parser| {
                parser.comma_separated(Symbol::RightParenthesis, Self::expect_variable)
            })?,
            false => Some(Vec::new()),
        };
        self.skip_return_type();
        let body = self.function_body()?;
        // The body was read for its mistakes; a function with a broken head is no use to later stages.
        let parameters = parameters.ok_or(Reported)?;
        let captures = captures.ok_or(Reported)?;
        Ok(Rc::new(Function {
            name,
            parameters,
            captures,
            body,
            span: self.since(start),
        }))
    }

    fn function_body(&mut self) -> Parsed<Vec<Statement>> {
        if !self.is(Symbol::LeftBrace) {
            return Err(self.unexpected("`{`, the body of the function"));
        }
        self.nested(Self::block)
    }

    fn parameter(&mut self) -> Parsed<Parameter> {
        self.skip_parameter_type();
        let variadic = self.eat(Symbol::Ellipsis);
        let variable = self.expect_variable()?;
        let default = match self.eat(Symbol::Assign) {
            true => Some(self.expression()?),
            false => None,
        };
        Ok(Parameter {
            variable,
            default,
            variadic,
        })
    }
}
