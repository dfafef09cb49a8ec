//! Statements, and how the parser goes on after a mistake in one.
//!
//! In: tokens. Out: [`Statement`]s. HSL manual: structures.
//!
//! Deviation: `return $x }` without a semicolon before the brace is accepted, as the manual's own examples have it;
//! everywhere else a missing semicolon is an error.

use super::{Parsed, Parser, Reported};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Expression, Statement, StatementKind, SwitchArm, Target};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

impl Parser<'_> {
    /// The whole text.
    pub(super) fn program(&mut self) -> Vec<Statement> {
        let mut statements = Vec::new();
        while !self.at_end() {
            statements.append(&mut self.statements());
            if self.is(Symbol::RightBrace) {
                let diagnostic = Diagnostic::error(self.span(), "unexpected `}`")
                    .with_hint("no block is open here");
                self.report(diagnostic);
                self.advance();
            }
        }
        statements
    }

    /// Statements up to a `}`, an arm of a switch, or the end, none of which is read.
    fn statements(&mut self) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            let at = self.at;
            match self.peek() {
                TokenKind::End | TokenKind::Symbol(Symbol::RightBrace) => return statements,
                TokenKind::Keyword(Keyword::Case | Keyword::Default) if self.in_switch => {
                    return statements;
                }
                _ => {}
            }
            match self.nested(Self::statement) {
                Ok(statement) => statements.push(statement),
                Err(Reported) => {
                    self.synchronize();
                    if self.at == at {
                        self.advance();
                    }
                    self.lose_since(at);
                }
            }
        }
    }

    /// One call through a pointer instead of one per arm: an unoptimized build would reserve stack for the result of
    /// each, and this function is on the stack once per level of nesting. The same holds wherever a pointer is chosen.
    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.span();
        let parse = match self.peek() {
            TokenKind::Keyword(keyword) => self.keyword_statement(*keyword),
            TokenKind::Symbol(Symbol::LeftBrace) => Self::block_statement,
            TokenKind::Symbol(Symbol::Semicolon) => Self::empty_statement,
            TokenKind::Name(_) if self.begins_foreign() => Self::foreign_statement,
            _ => Self::expression_statement,
        };
        let kind = parse(self)?;
        Ok(Statement {
            kind,
            span: self.since(start),
        })
    }

    fn keyword_statement(&self, keyword: Keyword) -> fn(&mut Self) -> Parsed<StatementKind> {
        match keyword {
            Keyword::Barrier => Self::barrier,
            Keyword::Break => Self::break_statement,
            Keyword::Case | Keyword::Default => Self::stray_label,
            Keyword::Class => Self::class,
            Keyword::Continue => Self::continue_statement,
            Keyword::Echo => Self::echo,
            Keyword::Else => Self::stray_else,
            Keyword::For => Self::for_loop,
            Keyword::Foreach => Self::foreach_loop,
            Keyword::Forever => Self::forever_loop,
            Keyword::Function if !self.is_anonymous_function() => Self::function_declaration,
            Keyword::Global => Self::global,
            Keyword::If => Self::if_statement,
            Keyword::Import => Self::import,
            Keyword::Include | Keyword::IncludeOnce => Self::include,
            Keyword::Return => Self::return_statement,
            Keyword::Switch => Self::switch,
            Keyword::While => Self::while_loop,
            _ => Self::expression_statement,
        }
    }

    pub(super) fn block_statement(&mut self) -> Parsed<StatementKind> {
        self.block().map(StatementKind::Block)
    }

    fn empty_statement(&mut self) -> Parsed<StatementKind> {
        self.advance();
        Ok(StatementKind::Empty)
    }

    fn break_statement(&mut self) -> Parsed<StatementKind> {
        self.advance();
        self.semicolon()?;
        Ok(StatementKind::Break)
    }

    fn continue_statement(&mut self) -> Parsed<StatementKind> {
        self.advance();
        self.semicolon()?;
        Ok(StatementKind::Continue)
    }

    fn stray_label(&mut self) -> Parsed<StatementKind> {
        let message = format!("{} outside of a switch", self.peek().describe());
        self.report(Diagnostic::error(self.span(), message));
        self.advance();
        if !self.is(Symbol::Colon) {
            self.expression()?;
        }
        self.expect(Symbol::Colon)?;
        Ok(StatementKind::Empty)
    }

    fn stray_else(&mut self) -> Parsed<StatementKind> {
        let diagnostic = Diagnostic::error(self.span(), "`else` without an `if`")
            .with_hint("more than one statement between `if` and `else` stands in braces");
        Err(self.report(diagnostic))
    }

    fn forever_loop(&mut self) -> Parsed<StatementKind> {
        self.advance();
        Ok(StatementKind::Forever(self.body()?))
    }

    fn while_loop(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let condition = self.condition()?;
        Ok(StatementKind::While {
            condition,
            body: self.body()?,
        })
    }

    pub(super) fn expression_statement(&mut self) -> Parsed<StatementKind> {
        let expression = self.expression()?;
        self.semicolon()?;
        Ok(StatementKind::Expression(expression))
    }

    fn echo(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let expression = self.expression()?;
        if self.is(Symbol::Comma) {
            let diagnostic = Diagnostic::error(self.span(), "`echo` takes one expression")
                .with_hint("join strings with `.`");
            return Err(self.report(diagnostic));
        }
        self.semicolon()?;
        Ok(StatementKind::Echo(expression))
    }

    fn return_statement(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let value = match self.peek() {
            TokenKind::Symbol(Symbol::Semicolon | Symbol::RightBrace) => None,
            _ => Some(self.expression()?),
        };
        if !self.is(Symbol::RightBrace) {
            self.semicolon()?;
        }
        Ok(StatementKind::Return(value))
    }

    /// The end of a statement. When only the semicolon is missing, what follows is read as if it were there.
    pub(super) fn semicolon(&mut self) -> Parsed<()> {
        if self.eat(Symbol::Semicolon) {
            return Ok(());
        }
        let before = self.tokens[self.at.saturating_sub(1)].span;
        let missing = Span {
            start: before.end,
            ..before
        };
        let next = self.peek().describe();
        let mut diagnostic = Diagnostic::error(missing, "missing `;`")
            .with_expected(format!("`;` or an operator before {next}"));
        if let Some(hint) = self.hint_for_end() {
            diagnostic = diagnostic.with_hint(hint);
        }
        self.report(diagnostic);
        let resumes = match self.peek() {
            TokenKind::Symbol(Symbol::RightBrace) | TokenKind::End => true,
            TokenKind::Keyword(keyword) if keyword.begins_statement() => true,
            TokenKind::Name(_) | TokenKind::Variable(_) | TokenKind::Keyword(_) => {
                self.line_begins_at(self.at)
            }
            _ => false,
        };
        if resumes { Ok(()) } else { Err(Reported) }
    }

    /// Whether a line end stands between a token and the one before.
    pub(super) fn line_begins_at(&self, index: usize) -> bool {
        let before = self.tokens[index.saturating_sub(1)].span.end as usize;
        let here = self.tokens[index].span.start as usize;
        self.text
            .get(before..here)
            .is_some_and(|between| between.contains(&b'\n'))
    }

    /// `{ ... }`
    pub(super) fn block(&mut self) -> Parsed<Vec<Statement>> {
        let was_in_switch = std::mem::replace(&mut self.in_switch, false);
        let opening = self.span();
        let opened = self.expect(Symbol::LeftBrace);
        let statements = opened.map(|()| self.statements());
        self.in_switch = was_in_switch;
        let statements = statements?;
        self.close_block(opening)?;
        Ok(statements)
    }

    fn close_block(&mut self, opening: Span) -> Parsed<()> {
        if self.eat(Symbol::RightBrace) {
            return Ok(());
        }
        let diagnostic = Diagnostic::error(self.span(), "missing `}`")
            .with_label(opening, "this block is never closed");
        Err(self.report(diagnostic))
    }

    fn body(&mut self) -> Parsed<Box<Statement>> {
        let was_in_switch = std::mem::replace(&mut self.in_switch, false);
        let body = self.nested(Self::statement);
        self.in_switch = was_in_switch;
        Ok(Box::new(body?))
    }

    /// A chain of `else if` is read in a loop, so that only its height is bounded, not the parser's own depth.
    fn if_statement(&mut self) -> Parsed<StatementKind> {
        let mut branches = Vec::new();
        let otherwise = loop {
            let start = self.span();
            self.advance();
            let condition = self.condition()?;
            branches.push((start, condition, self.body()?));
            self.higher()?;
            if self.eat_foreign_else_if() {
                continue;
            }
            if !self.eat_keyword(Keyword::Else) {
                break None;
            }
            if !self.is_keyword(Keyword::If) {
                break Some(self.body()?);
            }
        };
        let end = self.since(self.span());
        let chain = branches
            .into_iter()
            .rev()
            .fold(otherwise, |otherwise, branch| {
                let (start, condition, then) = branch;
                Some(Box::new(Statement {
                    kind: StatementKind::If {
                        condition,
                        then,
                        otherwise,
                    },
                    span: Span {
                        end: end.end,
                        ..start
                    },
                }))
            });
        Ok(chain.map_or(StatementKind::Empty, |first| first.kind))
    }

    fn for_loop(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let head = self.between(Symbol::LeftParenthesis, |parser| {
            let initial = parser.opt_expression_before(Symbol::Semicolon)?;
            parser.expect(Symbol::Semicolon)?;
            let condition = parser.opt_expression_before(Symbol::Semicolon)?;
            parser.expect(Symbol::Semicolon)?;
            let next = parser.opt_expression_before(Symbol::RightParenthesis)?;
            Ok((initial, condition, next))
        })?;
        let (initial, condition, next) = head.unwrap_or_default();
        Ok(StatementKind::For {
            initial,
            condition,
            next,
            body: self.body()?,
        })
    }

    fn opt_expression_before(&mut self, symbol: Symbol) -> Parsed<Option<Expression>> {
        if self.is(symbol) {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    fn foreach_loop(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let head = self.between(Symbol::LeftParenthesis, |parser| {
            let subject = parser.expression()?;
            parser.expect_keyword(Keyword::As)?;
            let first = parser.foreach_target()?;
            if parser.eat(Symbol::Pair) {
                return Ok((subject, Some(first), parser.foreach_target()?));
            }
            Ok((subject, None, first))
        })?;
        let body = self.body()?;
        let (subject, key, value) = head.ok_or(Reported)?;
        Ok(StatementKind::Foreach {
            subject,
            key,
            value,
            body,
        })
    }

    fn foreach_target(&mut self) -> Parsed<Target> {
        if self.is(Symbol::LeftBracket) {
            return self.nested(Self::destructuring);
        }
        let base = self.nested(Self::postfix)?;
        self.place(base, "assign to")
    }

    fn switch(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let subject = self.condition()?;
        let opening = self.span();
        self.expect(Symbol::LeftBrace)?;
        let was_in_switch = std::mem::replace(&mut self.in_switch, true);
        let arms = self.arms();
        self.in_switch = was_in_switch;
        self.close_block(opening)?;
        Ok(StatementKind::Switch { subject, arms })
    }

    fn arms(&mut self) -> Vec<SwitchArm> {
        let mut arms = Vec::new();
        while !self.at_end() && !self.is(Symbol::RightBrace) {
            let start = self.span();
            let test = match self.label() {
                Ok(Some(test)) => test,
                Ok(None) => {
                    let diagnostic =
                        Diagnostic::error(start, "a statement before the first `case`")
                            .with_expected("`case`, `default` or `}`");
                    self.report(diagnostic);
                    self.statements();
                    continue;
                }
                Err(Reported) => {
                    // The statements of a broken label are read for their mistakes.
                    while !self.at_end()
                        && !self.is(Symbol::Colon)
                        && !self.is(Symbol::Semicolon)
                        && !self.is(Symbol::RightBrace)
                    {
                        self.advance();
                    }
                    if !self.is(Symbol::RightBrace) {
                        self.advance();
                    }
                    Some(self.error_since(start))
                }
            };
            let span = self.since(start);
            arms.push(SwitchArm {
                test,
                body: self.statements(),
                span,
            });
        }
        arms
    }

    /// `case expression:` or `default:`; the outer `None` is neither, the inner one the default.
    #[expect(
        clippy::option_option,
        reason = "absent, default and tested are three different things here"
    )]
    fn label(&mut self) -> Parsed<Option<Option<Expression>>> {
        let test = if self.eat_keyword(Keyword::Default) {
            None
        } else if self.eat_keyword(Keyword::Case) {
            Some(self.expression()?)
        } else {
            return Ok(None);
        };
        self.expect(Symbol::Colon)?;
        Ok(Some(test))
    }

    fn global(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let mut names = vec![self.expect_variable()?];
        while self.eat(Symbol::Comma) {
            names.push(self.expect_variable()?);
        }
        self.semicolon()?;
        Ok(StatementKind::Global(names))
    }

    fn barrier(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let name = self.expression()?;
        let shared = match self.eat(Symbol::Pair) {
            true => Some(self.expect_variable()?),
            false => None,
        };
        if !self.is(Symbol::LeftBrace) {
            return Err(self.unexpected("`{`, or `=>` and a variable"));
        }
        Ok(StatementKind::Barrier {
            name,
            shared,
            body: self.body()?,
        })
    }
}
