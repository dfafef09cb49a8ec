//! Classes and their members.
//!
//! In: tokens from `class` on. Out: [`Class`]es. Whether names conflict is the resolver's question.
//! HSL manual: structures, "class".

use std::rc::Rc;

use super::{Parsed, Parser, Reported};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{Class, Function, Identifier, Member, MemberKind, StatementKind};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

impl Parser<'_> {
    /// `class Name { ... }`
    pub(super) fn class(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        self.advance();
        let name = self.expect_name("a class")?;
        let opening = self.span();
        self.expect(Symbol::LeftBrace)?;
        let mut members = Vec::new();
        let mut constructor = None;
        while !self.at_end() && !self.is(Symbol::RightBrace) {
            let at = self.at;
            let read = self.nested(|parser| parser.member(&mut constructor, &mut members));
            if let Err(Reported) = read {
                self.synchronize_member();
                if self.at == at {
                    self.advance();
                }
                self.lose_since(at);
            }
        }
        if !self.eat(Symbol::RightBrace) {
            let diagnostic = Diagnostic::error(self.span(), "missing `}`")
                .with_label(opening, "this class is never closed");
            return Err(self.report(diagnostic));
        }
        let span = self.since(start);
        Ok(StatementKind::Class(Rc::new(Class {
            name,
            constructor,
            members,
            span,
        })))
    }

    /// Skips to where a member may begin.
    fn synchronize_member(&mut self) {
        loop {
            match self.peek() {
                TokenKind::Keyword(Keyword::Function | Keyword::Private | Keyword::Constructor) => {
                    return;
                }
                TokenKind::Symbol(Symbol::Semicolon) => return self.advance(),
                TokenKind::Symbol(Symbol::LeftBrace) => return self.skip_brackets(),
                TokenKind::Symbol(Symbol::RightBrace) | TokenKind::End => return,
                TokenKind::Symbol(Symbol::LeftParenthesis | Symbol::LeftBracket) => {
                    self.skip_brackets();
                }
                _ => self.advance(),
            }
        }
    }

    fn member(
        &mut self,
        constructor: &mut Option<Rc<Function>>,
        members: &mut Vec<Member>,
    ) -> Parsed<()> {
        let start = self.span();
        if self.eat(Symbol::Semicolon) {
            return Ok(());
        }
        if self.is_keyword(Keyword::Constructor) {
            return self.constructor(constructor);
        }
        let (private, is_static) = self.modifiers();
        let kind = match self.peek() {
            TokenKind::Variable(_) => self.member_variable()?,
            TokenKind::Keyword(Keyword::Function) => MemberKind::Function(self.member_function()?),
            _ => {
                let expected = "`constructor`, `function`, `private`, `static` or a variable";
                let mut diagnostic = self.unexpected_here(expected);
                if let Some(hint) = self.hint_for_member() {
                    diagnostic = diagnostic.with_hint(hint);
                }
                return Err(self.report(diagnostic));
            }
        };
        members.push(Member {
            private,
            is_static,
            kind,
            span: self.since(start),
        });
        Ok(())
    }

    /// `private` and `static` in any order. `static` isn't reserved, so it comes as a name.
    fn modifiers(&mut self) -> (bool, bool) {
        let (mut private, mut is_static) = (false, false);
        loop {
            let word_is_static =
                matches!(self.peek(), TokenKind::Name(name) if &**name == "static");
            if word_is_static && !is_static {
                is_static = true;
            } else if self.is_keyword(Keyword::Private) && !private {
                private = true;
            } else {
                return (private, is_static);
            }
            self.advance();
        }
    }

    fn constructor(&mut self, constructor: &mut Option<Rc<Function>>) -> Parsed<()> {
        let start = self.span();
        self.advance();
        let function = self.function_rest(
            start,
            Some(Identifier {
                name: "constructor".into(),
                span: start,
            }),
        )?;
        if let Some(first) = constructor {
            let first_span = first.name.as_ref().map_or(first.span, |name| name.span);
            let diagnostic = Diagnostic::error(start, "a class has only one constructor")
                .with_label(first_span, "the first one");
            return Err(self.report(diagnostic));
        }
        *constructor = Some(function);
        Ok(())
    }

    fn member_variable(&mut self) -> Parsed<MemberKind> {
        let variable = self.expect_variable()?;
        let value = match self.eat(Symbol::Assign) {
            true => Some(self.expression()?),
            false => None,
        };
        self.semicolon()?;
        Ok(MemberKind::Variable(variable, value))
    }

    /// Reserved words may name members, because `->` and `::` accept them too.
    fn member_function(&mut self) -> Parsed<Rc<Function>> {
        let start = self.span();
        self.advance();
        let Some(name) = self.member_name() else {
            return Err(self.unexpected("the name of a function"));
        };
        self.function_rest(start, Some(name))
    }
}
