//! Numbers: decimal with an optional fraction, `0x`, `0o`, `0b`.
//!
//! In: the lexer at a digit. Out: a number token. A number that runs into letters (`1abc`, `0xzz`, `1e5`, `1_000`) is one
//! mistake and one token. HSL manual: literals, "Number".

use super::{Lexer, escape};
use crate::diagnostic::Diagnostic;
use crate::syntax::token::TokenKind;

impl Lexer<'_> {
    pub(super) fn number(&mut self) {
        let start = self.at;
        let radix = match (self.peek(0), self.peek(1)) {
            (Some(b'0'), Some(b'x')) => 16,
            (Some(b'0'), Some(b'o')) => 8,
            (Some(b'0'), Some(b'b')) => 2,
            _ => 10,
        };
        let value = if radix == 10 {
            self.decimal()
        } else {
            self.at += 2;
            self.digits_of(radix)
        };
        let digits_end = self.at;
        self.at += self
            .rest()
            .iter()
            .take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'_')
            .count();
        let span = self.span(start, self.at);
        let broken = digits_end != self.at || (radix != 10 && digits_end == start + 2);
        if broken {
            let diagnostic = Self::broken_number(&self.text[start..self.at], span);
            self.report(diagnostic);
        }
        self.push(TokenKind::Number(value), span);
    }

    fn decimal(&mut self) -> f64 {
        let start = self.at;
        self.skip_digits();
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|octet| octet.is_ascii_digit()) {
            self.at += 1;
            self.skip_digits();
        }
        // Digits and at most one point always parse; a number too large is infinite.
        std::str::from_utf8(&self.text[start..self.at])
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0)
    }

    fn skip_digits(&mut self) {
        self.at += self
            .rest()
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count();
    }

    fn digits_of(&mut self, radix: u32) -> f64 {
        let mut value = 0.0;
        while let Some(digit) = self
            .peek(0)
            .and_then(|octet| char::from(octet).to_digit(radix))
        {
            value = value * f64::from(radix) + f64::from(digit);
            self.at += 1;
        }
        value
    }

    fn broken_number(text: &[u8], span: crate::source::Span) -> Diagnostic {
        let shown = escape(&text[..text.len().min(40)]);
        let separated = text.contains(&b'_')
            && text
                .iter()
                .all(|octet| octet.is_ascii_hexdigit() || b"_xob.".contains(octet));
        if separated {
            return Diagnostic::error(span, "`_` in numbers is reserved for a later HSL")
                .with_hint("write the digits without it");
        }
        let exponent = text
            .iter()
            .position(|octet| b"eE".contains(octet))
            .is_some_and(|at| {
                0 < at
                    && text[..at]
                        .iter()
                        .all(|octet| octet.is_ascii_digit() || *octet == b'.')
                    && text[at + 1..].iter().all(u8::is_ascii_digit)
            });
        let diagnostic = Diagnostic::error(span, format!("`{shown}` isn't a number"));
        if exponent {
            return diagnostic.with_hint("there is no exponent form; write `5 * 10 ** 3`");
        }
        diagnostic.with_expected(
            "decimal digits, `0x` and hexadecimal, `0o` and octal, or `0b` and binary digits",
        )
    }
}
