//! Cuts a text into tokens.
//!
//! In: any octets. Out: [`Tokens`], whose last token is always [`TokenKind::End`]. What isn't HSL is reported and left
//! out, or stands for what it was probably meant to be (`&&` for `and`), so that the parser can go on.
//! Linear in the text for each diagnostic, and diagnostics are bounded. Knows nothing of statements.
//!
//! HSL manual: literals; introduction, "Comments"; structures, "Named functions" (names and reserved words).

mod number;
mod string;

use crate::diagnostic::{Diagnostic, Diagnostics, escape};
use crate::source::{SourceId, Span};
use crate::syntax::ast::Name;
use crate::syntax::token::{Keyword, RESERVED_FOR_LATER, Symbol, Token, TokenKind};

/// The tokens of one text.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// In order; the last is the end.
    pub(crate) list: Vec<Token>,
    /// Where a literal without an end made the text unreadable: what follows this octet deserves no complaint.
    pub(crate) unreadable_from: Option<u32>,
}

/// Cuts `text` into tokens and reports what isn't one.
pub(crate) fn tokenize(text: &[u8], source: SourceId, diagnostics: &mut Diagnostics) -> Tokens {
    let mut lexer = Lexer {
        text,
        source,
        at: 0,
        list: Vec::new(),
        first_long_string: None,
        unreadable_from: None,
        no_here_document: false,
        broken: false,
        diagnostics,
    };
    while !lexer.diagnostics.is_full() && lexer.skip_blank() {
        lexer.token();
    }
    let end = lexer.span(lexer.text.len(), lexer.text.len());
    lexer.push(TokenKind::End, end);
    Tokens {
        list: lexer.list,
        unreadable_from: lexer.unreadable_from,
    }
}

struct Lexer<'t> {
    text: &'t [u8],
    source: SourceId,
    at: usize,
    list: Vec<Token>,
    /// The first double-quoted string that spans lines: where a forgotten quote probably is.
    first_long_string: Option<Span>,
    unreadable_from: Option<u32>,
    /// Whether a `<<<` was met that begins none: the text is searched for an end only once.
    no_here_document: bool,
    /// Whether a mistake was reported since the last token.
    broken: bool,
    diagnostics: &'t mut Diagnostics,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            source: self.source,
            start: offset(start),
            end: offset(end),
        }
    }

    fn push(&mut self, kind: TokenKind, span: Span) {
        let broken = std::mem::take(&mut self.broken);
        self.list.push(Token { kind, span, broken });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.broken = true;
        self.diagnostics.report(diagnostic);
    }

    /// Skips white space and comments. False at the end of the text.
    fn skip_blank(&mut self) -> bool {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return false,
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                // A no-break space, as text copied from the manual has it.
                (Some(0xc2), Some(0xa0)) => self.at += 2,
                (Some(b'/'), Some(b'/')) => self.skip_line(),
                (Some(b'/'), Some(b'*')) => self.skip_block_comment(),
                // A byte order mark is no part of the text.
                (Some(0xef), _) if self.at == 0 && self.rest().starts_with(b"\xef\xbb\xbf") => {
                    self.at = 3;
                }
                _ => return true,
            }
        }
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', self.rest()).map_or(self.text.len(), |end| self.at + end);
    }

    fn skip_block_comment(&mut self) {
        let start = self.at;
        match memchr::memmem::find(&self.rest()[2..], b"*/") {
            Some(end) => self.at += 2 + end + 2,
            None => {
                self.at = self.text.len();
                self.unreadable_from = Some(self.span(start, start).start);
                let span = self.span(start, start + 2);
                self.report(
                    Diagnostic::error(span, "this comment has no end").with_expected("`*/`"),
                );
            }
        }
    }

    /// Reads one token; there is at least one octet.
    fn token(&mut self) {
        let start = self.at;
        match self.text[start] {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'"' => self.double_quoted(),
            b'\'' => self.single_quote(),
            b'$' => self.variable(),
            b'#' => self.hash(),
            b'`' => self.backtick(),
            _ => self.symbol(),
        }
    }

    fn symbol(&mut self) {
        if self.foreign_operator() || self.here_document() {
            return;
        }
        let start = self.at;
        let Some(symbol) = Symbol::longest(self.rest()) else {
            return self.unknown_octets();
        };
        self.at += symbol.text().len();
        let span = self.span(start, self.at);
        self.push(TokenKind::Symbol(symbol), span);
    }

    /// The length of the name at the beginning of a text; 0 when there is none.
    fn name_length(text: &[u8]) -> usize {
        match text.first() {
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => text
                .iter()
                .take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'_')
                .count(),
            _ => 0,
        }
    }

    fn word(&mut self) {
        let start = self.at;
        self.at += Self::name_length(self.rest());
        let span = self.span(start, self.at);
        let word = &self.text[start..self.at];
        let after_arrow = matches!(
            self.list.last().map(|token| &token.kind),
            Some(TokenKind::Symbol(Symbol::Arrow | Symbol::Scope))
        );
        if let Some(keyword) = Keyword::from_text(word) {
            self.push(TokenKind::Keyword(keyword), span);
        } else if word == b"elseif" {
            self.report(
                Diagnostic::error(span, "`elseif` isn't HSL")
                    .with_hint("write it as two words: `else if`"),
            );
            self.push(TokenKind::Keyword(Keyword::Else), span);
            self.push(TokenKind::Keyword(Keyword::If), span);
        } else {
            let name = name_of(word);
            if !after_arrow && RESERVED_FOR_LATER.contains(&&*name) {
                self.report(
                    Diagnostic::error(span, format!("`{name}` is reserved for a later HSL"))
                        .with_hint(later_hint(&name)),
                );
            }
            self.push(TokenKind::Name(name), span);
        }
    }

    fn variable(&mut self) {
        let start = self.at;
        let length = Self::name_length(&self.rest()[1..]);
        self.at += 1 + length;
        let span = self.span(start, self.at);
        if length == 0 {
            self.report(Diagnostic::error(span, "`$` without a name").with_expected(
                "a name of letters, digits and `_` that doesn't begin with a digit",
            ));
        }
        // Even a nameless variable keeps its place, so that the parser finds an operand there.
        let name = name_of(&self.text[start + 1..self.at]);
        self.push(TokenKind::Variable(name), span);
    }

    fn hash(&mut self) {
        let start = self.at;
        let regex = self.peek(1) == Some(b'/');
        self.skip_line();
        let span = self.span(start, start + 1);
        self.report(if regex {
            Diagnostic::error(
                span,
                "regular expression literals are reserved for a later HSL",
            )
            .with_hint("write the pattern as a raw string: ''...''")
        } else {
            Diagnostic::error(span, "`#` doesn't begin a comment")
                .with_hint("comments are written `// ...` and `/* ... */`")
        });
    }

    /// Operators of other languages, each taken for the nearest one of HSL. False when there is none here.
    fn foreign_operator(&mut self) -> bool {
        let Some((spelling, meant, message, hint)) = FOREIGN
            .iter()
            .find(|(spelling, ..)| self.rest().starts_with(spelling.as_bytes()))
        else {
            return false;
        };
        let span = self.span(self.at, self.at + spelling.len());
        self.at += spelling.len();
        self.report(Diagnostic::error(span, *message).with_hint(*hint));
        self.push(meant(), span);
        true
    }

    /// Reports a run of octets that begin no token as one mistake.
    fn unknown_octets(&mut self) {
        let start = self.at;
        let known = |octet: u8| {
            octet.is_ascii_alphanumeric()
                || octet.is_ascii_whitespace()
                || b"_\"'$#".contains(&octet)
                || Symbol::from_text(&[octet]).is_some()
        };
        self.at += self
            .rest()
            .iter()
            .take_while(|octet| !known(**octet))
            .count()
            .max(1);
        let span = self.span(start, self.at);
        let shown = &self.text[start..self.at.min(start + 16)];
        let message = format!("`{}` has no meaning here", escape(shown));
        self.report(Diagnostic::error(span, message));
    }
}

/// What to do instead of what a later HSL has a word for.
fn later_hint(name: &str) -> &'static str {
    match name {
        "catch" | "throw" | "try" => "there are no exceptions: test what a function returns",
        "match" => "use `switch`, or choose another name",
        "readonly" => "leave it out, or choose another name",
        _ => "choose another name",
    }
}

/// Spelling, what it stands for, message, hint.
type Foreign = (&'static str, fn() -> TokenKind, &'static str, &'static str);

/// Longer spellings first.
static FOREIGN: [Foreign; 14] = [
    (
        "<=>",
        || TokenKind::Symbol(Symbol::Less),
        "`<=>` isn't HSL",
        "compare with `<`, `==` and `>`",
    ),
    (
        "~=",
        || TokenKind::Symbol(Symbol::Match),
        "`~=` isn't HSL",
        "write `=~`, or `!=` where inequality is meant",
    ),
    (
        ":=",
        || TokenKind::Symbol(Symbol::Assign),
        "`:=` isn't HSL",
        "write `=`",
    ),
    (
        "?->",
        || TokenKind::Symbol(Symbol::Arrow),
        "`?->` isn't HSL",
        "write `isset($object->name)` or `$object->name ?? value`",
    ),
    (
        "??=",
        || TokenKind::Symbol(Symbol::Assign),
        "`??=` isn't HSL",
        "write `$x = $x ?? value`",
    ),
    (
        "<<=",
        || TokenKind::Symbol(Symbol::Assign),
        "`<<=` isn't HSL",
        "write `$x = $x << value`",
    ),
    (
        ">>=",
        || TokenKind::Symbol(Symbol::Assign),
        "`>>=` isn't HSL",
        "write `$x = $x >> value`",
    ),
    (
        ">>>",
        || TokenKind::Symbol(Symbol::ShiftRight),
        "`>>>` is reserved for a later HSL",
        "`>>` shifts right and keeps the sign",
    ),
    (
        "&&",
        || TokenKind::Keyword(Keyword::And),
        "`&&` isn't HSL",
        "write `and`",
    ),
    (
        "||",
        || TokenKind::Keyword(Keyword::Or),
        "`||` isn't HSL",
        "write `or`",
    ),
    (
        "<>",
        || TokenKind::Symbol(Symbol::NotEqual),
        "`<>` isn't HSL",
        "write `!=`",
    ),
    (
        "&=",
        || TokenKind::Symbol(Symbol::Assign),
        "`&=` isn't HSL",
        "write `$x = $x & value`",
    ),
    (
        "|=",
        || TokenKind::Symbol(Symbol::Assign),
        "`|=` isn't HSL",
        "write `$x = $x | value`",
    ),
    (
        "^=",
        || TokenKind::Symbol(Symbol::Assign),
        "`^=` isn't HSL",
        "write `$x = $x ^ value`",
    ),
];

/// A name from octets that were seen to be ASCII.
fn name_of(octets: &[u8]) -> Name {
    String::from_utf8_lossy(octets).as_ref().into()
}

#[cfg(test)]
mod tests;
