//! What is wrong with a configuration, and where.
//!
//! In: a byte span of the file and a sentence. Out: the sentence with file, line, column and a caret, as an operator
//! reads it. Guarantees: every span, also one past the end or inside a character, yields a printable position; what
//! proves a user is not shown.
//! Does not: decide what is an error; `load.rs` does.

use std::fmt;
use std::ops::Range;

use postern_jit::diagnostic as script;
use postern_jit::source::SourceMap;

use super::secrecy;

/// The text of one configuration file and the name it is reported under.
#[derive(Debug)]
pub struct SourceText {
    /// The file as named on the command line.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// One error or warning of a configuration or a script, ready to print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Whether postern can start all the same.
    pub severity: Severity,
    /// What is wrong: lower case, no final stop, names the thing and the limit.
    pub message: String,
    /// What to do about it, printed behind the caret; may be empty.
    pub help: String,
    /// Where; `None` for errors of the machine or of the command line.
    pub place: Option<Place>,
    /// All of it in the compiler's own layout, which shows further places; only scripts have one.
    pub rendered: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// Nothing starts.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A position in a file with the line it stands in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Name of the file.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters (octets in a script), counted from 1.
    pub column: usize,
    /// Characters (octets in a script) to underline, at least 1.
    pub width: usize,
    /// The line, without its end; secrets are masked.
    pub text: String,
}

impl Diagnostic {
    /// An error without a place in a file.
    #[must_use]
    pub fn without_place(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            help: help.into(),
            place: None,
            rendered: None,
        }
    }

    /// What the compiler says about a script.
    #[must_use]
    pub fn of_script(found: &script::Diagnostic, sources: &SourceMap) -> Self {
        let position = sources.position(found.span);
        let line = sources.line_text(found.span);
        let width = found.span.end.saturating_sub(found.span.start).max(1);
        let help = [&found.expected, &found.hint].into_iter().flatten();
        Self {
            severity: match found.severity {
                script::Severity::Error => Severity::Error,
                script::Severity::Warning => Severity::Warning,
            },
            message: found.message.clone(),
            help: help.cloned().collect::<Vec<_>>().join("; "),
            place: Some(Place {
                file: sources.source(found.span.source).name.to_string(),
                line: position.line as usize,
                column: position.column as usize,
                width: width as usize,
                text: String::from_utf8_lossy(line).into_owned(),
            }),
            rendered: Some(found.render(sources).trim_end().to_owned()),
        }
    }
}

impl SourceText {
    /// An error at a byte span of this text.
    #[must_use]
    pub fn diagnostic(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            help: help.into(),
            place: Some(self.place(span)),
            rendered: None,
        }
    }

    /// The position of a byte span of this text.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let start = self
            .text
            .floor_char_boundary(span.start.min(self.text.len()));
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        let end = self
            .text
            .floor_char_boundary(span.end.clamp(start, line_end));
        Place {
            file: self.name.clone(),
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            width: self.text[start..end].chars().count().max(1),
            text: secrecy::shown(
                &self.text,
                line_start,
                self.text[line_start..line_end].trim_end_matches('\r'),
            ),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rendered) = &self.rendered {
            return f.write_str(rendered);
        }
        write!(f, "{}: {}", self.severity.word(), self.message)?;
        let Some(place) = &self.place else {
            if !self.help.is_empty() {
                write!(f, "\n  = {}", self.help)?;
            }
            return Ok(());
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs are printed as one space, so that the caret stands under its character.
        let text = place.text.replace('\t', " ");
        write!(
            f,
            "\n{margin}--> {}:{}:{}",
            place.file, place.line, place.column
        )?;
        write!(f, "\n{margin} |\n{number} | {text}\n{margin} | ")?;
        write!(
            f,
            "{}{}",
            " ".repeat(place.column - 1),
            "^".repeat(place.width)
        )?;
        if !self.help.is_empty() {
            write!(f, " {}", self.help)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SourceText;

    fn source(text: &str) -> SourceText {
        SourceText {
            name: "a.toml".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_caret_stands_under_the_span() {
        let shown = source("one\ntwo = 3\n")
            .diagnostic(4..7, "wrong", "help")
            .to_string();
        assert_eq!(
            shown,
            "error: wrong\n --> a.toml:2:1\n  |\n2 | two = 3\n  | ^^^ help"
        );
    }

    #[test]
    fn every_span_has_a_place() {
        let text = "a = \"\u{e4}\"\r\n\tb\n";
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 3 {
                let place = source(text).place(start..end);
                assert!(0 < place.line && place.line <= 3);
                assert!(0 < place.width && place.width <= 8);
            }
        }
    }
}
