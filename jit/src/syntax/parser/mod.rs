//! Builds the syntax tree.
//!
//! In: the tokens of one text. Out: a [`Program`] and a diagnostic for each mistake. A statement with a mistake is left
//! out or holds [`ExpressionKind::Error`]; the parser goes on after it, so one run shows every mistake of a text, and
//! what follows from a mistake isn't reported as another.
//! Any text gives a tree that is at most [`TREE_HEIGHT_MAX`] high, so that every later pass and the tree's own drop may
//! recurse. Knows no names: whether a variable or function exists is the resolver's question.
//!
//! HSL manual: structures, operators, literals.
//!
//! Invariant: each function that may fail has reported the mistake before it returns `Reported`.

mod class;
mod expression;
mod foreign;
mod function;
mod import;
mod input;
mod literal;
mod pattern;
mod statement;

use std::collections::HashSet;
use std::rc::Rc;

pub use input::{Judgement, judge};
pub(crate) use input::{declares, parse_input};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{SourceId, SourceMap, Span};
use crate::syntax::ast::{Expression, ExpressionKind, Identifier, Name, Piece, Program};
use crate::syntax::lexer::{Tokens, tokenize};
use crate::syntax::token::{Keyword, Symbol, Token, TokenKind};

/// Brackets, blocks, functions and prefix operators inside each other.
pub const NESTING_COUNT_MAX: u32 = 128;
/// Nodes from the root of a tree to its deepest leaf. Larger than the nesting, because `a . b . c` is one level of
/// nesting and two nodes high. Later passes recurse over the tree, so this also bounds their stack.
pub const TREE_HEIGHT_MAX: u32 = 500;
/// Octets of one source text.
pub const SOURCE_OCTETS_MAX: usize = 1 << 20;

/// A text as far as it could be read.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// Its statements.
    pub program: Program,
    /// What stood in the parts that could not be read.
    pub lost: Lost,
}

/// Names in the unreadable parts of a text: that one of them isn't declared may follow from a mistake reported already.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// Functions, classes and variables (without `$`).
    pub names: HashSet<Name>,
    /// Whether reading ended early, so that any name may be lost.
    pub all: bool,
}

impl Lost {
    /// Whether a name may have been declared in an unreadable part.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }

    /// Adds what another text lost.
    pub fn merge(&mut self, other: Self) {
        self.names.extend(other.names);
        self.all |= other.all;
    }
}

/// Parses one text of `sources`.
pub fn parse(sources: &SourceMap, id: SourceId, diagnostics: &mut Diagnostics) -> Program {
    parse_text(sources, id, 0, diagnostics).program
}

/// Parses a text that will stand inside another, `depth` statements deep: the bounds count from there.
pub fn parse_text(
    sources: &SourceMap,
    id: SourceId,
    depth: u32,
    diagnostics: &mut Diagnostics,
) -> Text {
    let text = &sources.source(id).text;
    if SOURCE_OCTETS_MAX < text.len() {
        let start = Span {
            source: id,
            start: 0,
            end: 0,
        };
        let message = format!("this file exceeds {SOURCE_OCTETS_MAX} octets");
        diagnostics.report(Diagnostic::error(start, message).with_hint("move data to an import"));
        return Text {
            lost: Lost {
                all: true,
                ..Lost::default()
            },
            ..Text::default()
        };
    }
    let tokens = tokenize(text, id, diagnostics);
    let mut parser = Parser::new(text, tokens, depth, diagnostics);
    let program = Program {
        statements: parser.program(),
    };
    Text {
        program,
        lost: parser.lost,
    }
}

/// A mistake was reported; the caller finds a place to go on.
#[derive(Clone, Copy, Debug)]
struct Reported;

type Parsed<T> = Result<T, Reported>;

struct Parser<'p> {
    text: &'p [u8],
    tokens: Vec<Token>,
    /// For each opening bracket, the index of the token that closes it.
    closers: Vec<Option<usize>>,
    at: usize,
    /// How deep the function calls of the parser are.
    depth: u32,
    /// How high the parts are that the current node has so far.
    height: u32,
    /// Whether `case` and `default` end the statements being read.
    in_switch: bool,
    /// Mistakes from this octet on follow from one that was reported.
    silent_from: u32,
    /// The token at which the last mistake was reported.
    reported_at: Option<usize>,
    lost: Lost,
    diagnostics: &'p mut Diagnostics,
}

impl<'p> Parser<'p> {
    fn new(text: &'p [u8], tokens: Tokens, depth: u32, diagnostics: &'p mut Diagnostics) -> Self {
        Self {
            text,
            closers: match_brackets(&tokens.list),
            tokens: tokens.list,
            at: 0,
            depth,
            height: 0,
            in_switch: false,
            silent_from: tokens.unreadable_from.unwrap_or(u32::MAX),
            reported_at: None,
            // A `$` without a name is a variable without one.
            lost: Lost {
                names: HashSet::from(["".into()]),
                all: tokens.unreadable_from.is_some(),
            },
            diagnostics,
        }
    }
}

impl Parser<'_> {
    // The cursor. The last token is the end, and the cursor never passes it.

    fn peek(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    fn peek_after(&self, ahead: usize) -> &TokenKind {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].kind
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// From the beginning of `start` to the end of the token read last.
    fn since(&self, start: Span) -> Span {
        let end = self.tokens[self.at.saturating_sub(1)].span.end;
        Span {
            end: end.max(start.start),
            ..start
        }
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn at_end(&self) -> bool {
        self.at + 1 == self.tokens.len()
    }

    fn is(&self, symbol: Symbol) -> bool {
        matches!(self.peek(), TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_keyword(&self, keyword: Keyword) -> bool {
        matches!(self.peek(), TokenKind::Keyword(found) if *found == keyword)
    }

    fn eat(&mut self, symbol: Symbol) -> bool {
        let found = self.is(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, symbol: Symbol) -> Parsed<()> {
        if self.eat(symbol) {
            return Ok(());
        }
        Err(self.unexpected(format!("`{}`", symbol.text())))
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> Parsed<()> {
        if self.eat_keyword(keyword) {
            return Ok(());
        }
        Err(self.unexpected(format!("`{}`", keyword.text())))
    }

    /// A name for something new: a function, a class, a symbol of a module.
    fn expect_name(&mut self, what: &str) -> Parsed<Identifier> {
        let span = self.span();
        match self.peek() {
            TokenKind::Name(name) => {
                let name = name.clone();
                self.advance();
                Ok(Identifier { name, span })
            }
            TokenKind::Keyword(keyword) => {
                let message = format!(
                    "`{}` is a reserved word and can't name {what}",
                    keyword.text()
                );
                let name = keyword.text().into();
                self.report(Diagnostic::error(span, message).with_hint("choose another name"));
                self.advance();
                Ok(Identifier { name, span })
            }
            _ => Err(self.unexpected(format!("the name of {what}"))),
        }
    }

    /// A name after `->` or `::`, where reserved words are names too.
    fn member_name(&mut self) -> Option<Identifier> {
        let span = self.span();
        let name = match self.peek() {
            TokenKind::Name(name) => name.clone(),
            TokenKind::Keyword(keyword) => keyword.text().into(),
            _ => return None,
        };
        self.advance();
        Some(Identifier { name, span })
    }

    fn expect_variable(&mut self) -> Parsed<Identifier> {
        let span = self.span();
        let TokenKind::Variable(name) = self.peek() else {
            return Err(self.unexpected("a variable"));
        };
        let name = name.clone();
        self.advance();
        Ok(Identifier { name, span })
    }

    // Mistakes.

    /// Reports, unless it follows from a mistake already reported.
    fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        let follows = self.reported_at == Some(self.at)
            || self.tokens[self.at].broken
            || self.tokens[self.at.saturating_sub(1)].broken
            || self.silent_from <= diagnostic.span.start;
        if !follows {
            self.diagnostics.report(diagnostic);
            self.reported_at = Some(self.at);
            if self.diagnostics.is_full() {
                self.give_up();
            }
        }
        Reported
    }

    fn unexpected(&mut self, expected: impl Into<String>) -> Reported {
        let diagnostic = self.unexpected_here(expected);
        self.report(diagnostic)
    }

    fn unexpected_here(&self, expected: impl Into<String>) -> Diagnostic {
        let expected = expected.into();
        let message = format!("unexpected {}", self.peek().describe());
        let hint = self.hint_for(&expected);
        let diagnostic = Diagnostic::error(self.span(), message).with_expected(expected);
        match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }

    /// Reads nothing more and says nothing more.
    fn give_up(&mut self) {
        self.lost.all = true;
        self.silent_from = 0;
        self.at = self.tokens.len() - 1;
    }

    /// Notes the names in the tokens from `start` to here, which make no part of the tree.
    fn lose_since(&mut self, start: usize) {
        let end = (self.at + 1).min(self.tokens.len());
        for token in self.tokens.get(start..end).into_iter().flatten() {
            match &token.kind {
                TokenKind::Name(name) | TokenKind::Variable(name) => {
                    self.lost.names.insert(Rc::clone(name));
                }
                TokenKind::Interpolation(pieces) => {
                    let names = pieces.iter().filter_map(|piece| match piece {
                        Piece::Variable(variable) => Some(Rc::clone(&variable.name)),
                        Piece::Literal(_) => None,
                    });
                    self.lost.names.extend(names);
                }
                _ => {}
            }
        }
    }

    /// Skips to where a statement may begin: after a `;` or a block, or before a `}` or a word that begins a statement.
    fn synchronize(&mut self) {
        loop {
            match self.peek() {
                TokenKind::End | TokenKind::Symbol(Symbol::RightBrace) => return,
                TokenKind::Symbol(Symbol::Semicolon) => return self.advance(),
                TokenKind::Symbol(Symbol::LeftBrace) => return self.skip_brackets(),
                TokenKind::Symbol(Symbol::LeftParenthesis | Symbol::LeftBracket) => {
                    self.skip_brackets();
                }
                // A reserved word used as a name is the mistake itself and begins nothing.
                TokenKind::Keyword(keyword)
                    if keyword.begins_statement()
                        && (self.reported_at != Some(self.at) || self.line_begins_at(self.at)) =>
                {
                    return;
                }
                _ => self.advance(),
            }
        }
    }

    /// At an opening bracket: goes behind its closing one, or over it alone when it has none.
    fn skip_brackets(&mut self) {
        self.at = self.closers[self.at].unwrap_or(self.at);
        self.advance();
    }

    // Depth.

    /// Parses a part of the current node, one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if NESTING_COUNT_MAX <= self.depth {
            let message = format!("nested more than {NESTING_COUNT_MAX} levels deep");
            return Err(self.too_deep(message));
        }
        let outer = std::mem::replace(&mut self.height, 0);
        self.depth += 1;
        let part = parse(self);
        self.depth -= 1;
        self.height = outer.max(self.height + 1);
        self.check_height()?;
        part
    }

    /// Notes that the current node has been put under a new one, as each operator of `a . b . c` does.
    fn higher(&mut self) -> Parsed<()> {
        self.height += 1;
        self.check_height()
    }

    fn check_height(&mut self) -> Parsed<()> {
        if self.depth + self.height <= TREE_HEIGHT_MAX {
            return Ok(());
        }
        let message =
            format!("more than {TREE_HEIGHT_MAX} operators or branches depend on each other here");
        Err(self.too_deep(message))
    }

    fn too_deep(&mut self, message: String) -> Reported {
        let diagnostic = Diagnostic::error(self.span(), message)
            .with_hint("split it: use a variable for a part, or a function");
        self.report(diagnostic);
        self.give_up();
        Reported
    }

    // Brackets.

    /// Parses what stands between two brackets. A mistake inside is left behind at the closing bracket: then the value is
    /// `None`, and the parser goes on after it.
    fn between<T>(
        &mut self,
        opener: Symbol,
        parse: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<Option<T>> {
        let closer = opener.closer().unwrap_or(opener);
        let opening = self.span();
        let opening_at = self.at;
        let closer_at = self.closers[self.at];
        self.expect(opener)?;
        let inside = parse(self);
        if inside.is_ok() && self.eat(closer) {
            return inside.map(Some);
        }
        if inside.is_ok() {
            let diagnostic = self
                .unexpected_here(format!("`{}`", closer.text()))
                .with_label(opening, format!("to close this `{}`", opener.text()));
            self.report(diagnostic);
        }
        match closer_at {
            Some(closer_at) if self.at <= closer_at => {
                self.at = closer_at;
                self.advance();
                self.lose_since(opening_at);
                Ok(None)
            }
            _ => Err(Reported),
        }
    }

    /// `(expression)` as statements have it.
    fn condition(&mut self) -> Parsed<Expression> {
        let start = self.span();
        let condition = self.between(Symbol::LeftParenthesis, Self::expression)?;
        Ok(condition.unwrap_or_else(|| self.error_since(start)))
    }

    /// Stands for an expression with a mistake in it.
    fn error_since(&self, start: Span) -> Expression {
        Expression {
            kind: ExpressionKind::Error,
            span: self.since(start),
        }
    }

    /// Items between the current place and a closing bracket, separated by commas; a last comma is allowed.
    fn comma_separated<T>(
        &mut self,
        closer: Symbol,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        while !self.is(closer) {
            items.push(item(self)?);
            if !self.eat(Symbol::Comma) {
                break;
            }
        }
        Ok(items)
    }
}

/// For each opening bracket the token that closes it. A `}` closes whatever was left open inside its block; a `)` or `]`
/// reaches out of no block. Linear: each bracket is opened and dropped once.
fn match_brackets(tokens: &[Token]) -> Vec<Option<usize>> {
    let mut closers = vec![None; tokens.len()];
    let mut blocks = vec![Open::default()];
    for (index, token) in tokens.iter().enumerate() {
        let TokenKind::Symbol(symbol) = token.kind else {
            continue;
        };
        let Some(block) = blocks.last_mut() else {
            break;
        };
        match symbol {
            Symbol::LeftBrace => blocks.push(Open {
                brace: Some(index),
                ..Open::default()
            }),
            Symbol::RightBrace => {
                if let Some(brace) = block.brace {
                    closers[brace] = Some(index);
                    blocks.pop();
                }
            }
            Symbol::LeftParenthesis | Symbol::LeftBracket => {
                block.counts[usize::from(symbol == Symbol::LeftBracket)] += 1;
                block.brackets.push((index, symbol));
            }
            Symbol::RightParenthesis => block.close(index, Symbol::LeftParenthesis, &mut closers),
            Symbol::RightBracket => block.close(index, Symbol::LeftBracket, &mut closers),
            _ => {}
        }
    }
    closers
}

/// The brackets open in one block.
#[derive(Default)]
struct Open {
    /// `None` outside of all blocks.
    brace: Option<usize>,
    brackets: Vec<(usize, Symbol)>,
    /// How many of them are parentheses and how many are square.
    counts: [usize; 2],
}

impl Open {
    /// Drops what was left open inside, unless nothing of the kind is open.
    fn close(&mut self, closer: usize, opener: Symbol, closers: &mut [Option<usize>]) {
        if self.counts[usize::from(opener == Symbol::LeftBracket)] == 0 {
            return;
        }
        while let Some((index, symbol)) = self.brackets.pop() {
            self.counts[usize::from(symbol == Symbol::LeftBracket)] -= 1;
            if symbol == opener {
                closers[index] = Some(closer);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
