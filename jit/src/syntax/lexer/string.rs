//! Strings: double-quoted with escapes and interpolation, and raw.
//!
//! In: the lexer at a quote. Out: a string or an interpolation token with the octets decoded. Any octet may stand in a
//! string, line ends included. HSL manual: literals, "String".
//!
//! A string without an end makes the rest of the text unreadable, because nobody can tell which quotes open and which
//! close; the parser is told from where, so that the author gets one message and not a page.

use super::{Lexer, escape, name_of};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{Identifier, Piece};
use crate::syntax::token::TokenKind;

impl Lexer<'_> {
    pub(super) fn double_quoted(&mut self) {
        let start = self.at;
        self.at += 1;
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        loop {
            let run = memchr::memchr3(b'"', b'\\', b'$', self.rest()).unwrap_or(self.rest().len());
            literal.extend_from_slice(&self.rest()[..run]);
            self.at += run;
            match self.peek(0) {
                None => return self.double_quoted_without_end(start),
                Some(b'\\') => self.escape_sequence(&mut literal),
                Some(b'$') => self.interpolated(&mut literal, &mut pieces),
                Some(_) => break,
            }
        }
        self.at += 1;
        let span = self.span(start, self.at);
        if self.first_long_string.is_none() && self.text[start..self.at].contains(&b'\n') {
            self.first_long_string = Some(span);
        }
        if pieces.is_empty() {
            return self.push(TokenKind::String(literal.into()), span);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        self.push(TokenKind::Interpolation(pieces), span);
    }

    fn double_quoted_without_end(&mut self, start: usize) {
        let span = self.span(start, start + 1);
        let mut diagnostic =
            Diagnostic::error(span, "this string has no end").with_expected("a closing `\"`");
        self.unreadable_from = Some(span.start);
        if let Some(long) = self.first_long_string {
            let opening = self.span(long.start as usize, long.start as usize + 1);
            diagnostic = diagnostic.with_label(
                opening,
                "this string spans lines; the missing quote may belong to it",
            );
            self.unreadable_from = Some(long.start);
        }
        self.report(diagnostic);
        let whole = self.span(start, self.at);
        self.push(TokenKind::String([].into()), whole);
    }

    /// At a backslash.
    fn escape_sequence(&mut self, literal: &mut Vec<u8>) {
        let start = self.at;
        let meaning = match self.peek(1) {
            // A backslash before the end: the string has no end, which is reported there.
            None => {
                self.at += 1;
                return;
            }
            Some(same @ (b'\\' | b'"' | b'$')) => Some(same),
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            Some(b'x') => return self.hexadecimal_escape(literal),
            Some(_) => None,
        };
        self.at += 2;
        if let Some(octet) = meaning {
            literal.push(octet);
            return;
        }
        let span = self.span(start, self.at);
        let shown = escape(&self.text[start..self.at]);
        self.report(
            Diagnostic::error(span, format!("`{shown}` isn't an escape sequence"))
                .with_expected(r#"one of \\ \" \$ \n \r \t \xhh"#)
                .with_hint(r"write `\\` for a backslash, or use a raw string: ''...''"),
        );
    }

    fn hexadecimal_escape(&mut self, literal: &mut Vec<u8>) {
        let start = self.at;
        let digit = |at: usize| {
            let octet = self.peek(at)?;
            u8::try_from(char::from(octet).to_digit(16)?).ok()
        };
        match (digit(2), digit(3)) {
            (Some(high), Some(low)) => {
                literal.push(high * 16 + low);
                self.at += 4;
            }
            (first, _) => {
                self.at += 2 + usize::from(first.is_some());
                let span = self.span(start, self.at);
                self.report(
                    Diagnostic::error(span, r"`\x` without its two digits")
                        .with_expected(r"two hexadecimal digits, as in `\x0a`"),
                );
            }
        }
    }

    /// At a `$`: `$name`, `${name}`, or a dollar sign.
    fn interpolated(&mut self, literal: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
        let start = self.at;
        let rest = &self.rest()[1..];
        let braced = rest.first() == Some(&b'{');
        let length = Self::name_length(&rest[usize::from(braced)..]);
        let closed = !braced || rest.get(1 + length) == Some(&b'}');
        if length == 0 || !closed {
            literal.push(b'$');
            self.at += 1;
            return;
        }
        let name_start = start + 1 + usize::from(braced);
        self.at = name_start + length + usize::from(braced);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(literal).into()));
        }
        pieces.push(Piece::Variable(Identifier {
            name: name_of(&self.text[name_start..name_start + length]),
            span: self.span(start, self.at),
        }));
    }

    /// At a single quote: `'DELIMITER'...'DELIMITER'`, the delimiter possibly empty.
    pub(super) fn single_quote(&mut self) {
        let start = self.at;
        let delimiter_length = self.rest()[1..]
            .iter()
            .take_while(|octet| matches!(octet, 0x21..=0x26 | 0x28..=0x7e))
            .count();
        let quote_at = start + 1 + delimiter_length;
        if self.text.get(quote_at) != Some(&b'\'') {
            return self.single_quoted_mistake(start);
        }
        let marker = &self.text[start..=quote_at];
        let content_at = quote_at + 1;
        match memchr::memmem::find(&self.text[content_at..], marker) {
            Some(length) => {
                self.at = content_at + length + marker.len();
                let content = &self.text[content_at..content_at + length];
                let span = self.span(start, self.at);
                self.push(TokenKind::String(content.into()), span);
            }
            None => self.raw_without_end(start, content_at),
        }
    }

    /// `'abc def'`: one mistake, up to the next quote of the line.
    fn single_quoted_mistake(&mut self, start: usize) {
        let rest = &self.text[start + 1..];
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let quoted = memchr::memchr(b'\'', &rest[..line]).map_or(0, |at| at + 1);
        self.at = start + 1 + quoted;
        let span = self.span(start, self.at);
        self.report(
            Diagnostic::error(span, "a string isn't written in single quotes")
                .with_expected("\"...\", or a raw string ''...'' with two quotes on each side"),
        );
        self.push(TokenKind::String([].into()), span);
    }

    /// At a backtick: one mistake, up to the next of the line.
    pub(super) fn backtick(&mut self) {
        let start = self.at;
        let rest = &self.text[start + 1..];
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let quoted = memchr::memchr(b'`', &rest[..line]).map_or(0, |at| at + 1);
        self.at = start + 1 + quoted;
        let span = self.span(start, self.at);
        self.report(
            Diagnostic::error(span, "a string isn't written in backticks")
                .with_expected("\"...\", or a raw string ''...'' with two quotes on each side"),
        );
        self.push(TokenKind::String([].into()), span);
    }

    /// At `<<<NAME`: one mistake, up to the line that begins with the name. False when there is no such line.
    pub(super) fn here_document(&mut self) -> bool {
        let start = self.at;
        if self.no_here_document || !self.rest().starts_with(b"<<<") {
            return false;
        }
        let rest = &self.text[start + 3..];
        let name_at = rest
            .iter()
            .take_while(|octet| b" \"'-".contains(octet))
            .count();
        let name = &rest[name_at..name_at + Self::name_length(&rest[name_at..])];
        let mut at = start;
        while !name.is_empty()
            && let Some(line_end) = memchr::memchr(b'\n', &self.text[at..])
        {
            at += line_end + 1;
            let line = &self.text[at..];
            let blank = line
                .iter()
                .take_while(|octet| b" \t".contains(octet))
                .count();
            if line[blank..].starts_with(name) {
                self.at = at + blank + name.len();
                let span = self.span(start, start + 3 + name_at + name.len());
                self.report(
                    Diagnostic::error(span, "there are no here-documents")
                        .with_hint("a string may go over several lines: \"...\""),
                );
                self.push(TokenKind::String([].into()), span);
                return true;
            }
        }
        self.no_here_document = true;
        false
    }

    fn raw_without_end(&mut self, start: usize, content_at: usize) {
        let opening = self.span(start, content_at);
        let marker = escape(&self.text[start..content_at]);
        let diagnostic = Diagnostic::error(opening, "this raw string has no end")
            .with_expected(format!("{marker} once more, after the text"));
        if content_at - start == 2 {
            self.unreadable_from = Some(opening.start);
            self.at = self.text.len();
            self.report(diagnostic);
        } else {
            // Far more often 'text' was meant as a string than as a delimiter.
            self.at = content_at;
            let word = escape(&self.text[start + 1..content_at - 1]);
            self.report(diagnostic.with_hint(format!(
                "between single quotes stands a delimiter; a string is written \"{word}\" or ''{word}''"
            )));
        }
        let span = self.span(start, self.at);
        self.push(TokenKind::String([].into()), span);
    }
}
