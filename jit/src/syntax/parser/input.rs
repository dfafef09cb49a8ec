//! What somebody typed: whether it is complete, and the tree of it.
//!
//! In: a text that grows by lines. Out: [`Judgement`], the parser's own: a text is incomplete exactly when a literal or a
//! comment has no end, a bracket is open, or its first mistake is that it ends. A text that is one expression without a
//! semicolon stands for `return expression;`, so that whoever runs it can show the value.

use super::{Parser, SOURCE_OCTETS_MAX, Text, parse_text};
use crate::diagnostic::Diagnostics;
use crate::source::{SourceId, SourceMap};
use crate::syntax::ast::{Program, Statement, StatementKind};
use crate::syntax::lexer::tokenize;
use crate::syntax::token::{Keyword, Symbol, Token, TokenKind};

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// One expression, without a semicolon.
    Expression,
    /// More must follow before it can be anything else.
    Incomplete,
    /// Nothing but blanks and comments.
    Nothing,
    /// Statements; or something wrong that more text does not mend.
    Statements,
}

/// What a text is, by itself.
#[must_use]
pub fn judge(text: &[u8]) -> Judgement {
    let mut sources = SourceMap::new();
    let is_long = SOURCE_OCTETS_MAX < text.len();
    let Some(id) = sources.add("input", text).filter(|_| !is_long) else {
        return Judgement::Statements;
    };
    let mut diagnostics = Diagnostics::new();
    let tokens = tokenize(text, id, &mut diagnostics);
    if tokens.unreadable_from.is_some() {
        return Judgement::Incomplete;
    }
    let (end, list) = match tokens.list.split_last() {
        Some((_, [])) | None => return Judgement::Nothing,
        Some((_, list)) => (list.last().map_or(0, |last| last.span.end), list),
    };
    if is_open(list) {
        return Judgement::Incomplete;
    }
    if opt_expression(text, id).is_some() {
        return Judgement::Expression;
    }
    let mut diagnostics = Diagnostics::new();
    parse_text(&sources, id, 0, &mut diagnostics);
    let first = diagnostics.iter().map(|one| one.span.start).min();
    match first.is_some_and(|first| end <= first) {
        true => Judgement::Incomplete,
        false => Judgement::Statements,
    }
}

/// Parses one text of `sources` that somebody typed.
pub(crate) fn parse_input(
    sources: &SourceMap,
    id: SourceId,
    diagnostics: &mut Diagnostics,
) -> Text {
    let text = &sources.source(id).text;
    match opt_expression(text, id) {
        Some(text) => text,
        None => parse_text(sources, id, 0, diagnostics),
    }
}

/// Whether a text may declare functions or classes, or reads files that may.
pub(crate) fn declares(text: &[u8]) -> bool {
    let mut sources = SourceMap::new();
    let Some(id) = sources.add("input", text) else {
        return false;
    };
    let tokens = tokenize(text, id, &mut Diagnostics::new());
    tokens.list.iter().any(|token| {
        matches!(
            token.kind,
            TokenKind::Keyword(
                Keyword::Class
                    | Keyword::Function
                    | Keyword::Import
                    | Keyword::Include
                    | Keyword::IncludeOnce
            )
        )
    })
}

/// The text as `return expression;`, if it is an expression and nothing is wrong with it.
fn opt_expression(text: &[u8], id: SourceId) -> Option<Text> {
    if SOURCE_OCTETS_MAX < text.len() {
        return None;
    }
    let mut diagnostics = Diagnostics::new();
    let tokens = tokenize(text, id, &mut diagnostics);
    let mut parser = Parser::new(text, tokens, 0, &mut diagnostics);
    let start = parser.span();
    let expression = parser.nested(Parser::expression).ok()?;
    if !parser.at_end() {
        return None;
    }
    let statement = Statement {
        span: parser.since(start),
        kind: StatementKind::Return(Some(expression)),
    };
    let lost = std::mem::take(&mut parser.lost);
    if diagnostics.has_errors() {
        return None;
    }
    let program = Program {
        statements: vec![statement],
    };
    Some(Text { program, lost })
}

/// Whether a bracket waits for its closing one. One that closes another is a mistake for the parser to tell.
fn is_open(tokens: &[Token]) -> bool {
    let mut open: Vec<Symbol> = Vec::new();
    for token in tokens {
        let TokenKind::Symbol(symbol) = token.kind else {
            continue;
        };
        let is_closer = matches!(
            symbol,
            Symbol::RightBrace | Symbol::RightBracket | Symbol::RightParenthesis
        );
        if let Some(closer) = symbol.closer() {
            open.push(closer);
        } else if is_closer && open.pop() != Some(symbol) {
            return false;
        }
    }
    !open.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Judgement, judge};

    #[test]
    fn texts_are_complete_when_the_parser_needs_no_more() {
        let cases: [(Judgement, &[&str]); 4] = [
            (Judgement::Nothing, &["", "  \n", "// word", "/* a */"]),
            (
                Judgement::Statements,
                &[
                    "echo 1;",
                    "function f() { return 1; }",
                    "if (true) echo 1;",
                    "echo 1; echo 2;",
                    ";",
                    "echo 1 2;",
                    "foo(];",
                    "}",
                    "1 2",
                    "return 1;",
                    "echo $;",
                ],
            ),
            (
                Judgement::Expression,
                &[
                    "1",
                    "1 + 1 // two",
                    "$x = 5",
                    "f(1)",
                    "[1, 2]",
                    "function () {}",
                    "\"a\nb\"",
                ],
            ),
            (
                Judgement::Incomplete,
                &[
                    "echo",
                    "echo 1",
                    "1 +",
                    "$x =",
                    "$x = 1; $x",
                    "function f() {",
                    "function f()",
                    "if (true)",
                    "if (true) {",
                    "f(1,",
                    "[1",
                    "\"abc",
                    "''abc",
                    "/* never ended",
                    "class A",
                    "$a->",
                    "switch (1) { case 1:",
                ],
            ),
        ];
        for (expected, texts) in cases {
            for text in texts {
                assert_eq!(judge(text.as_bytes()), expected, "{text:?}");
            }
        }
    }
}
