//! What the compiler tells the author of a script, with the place shown.
//!
//! In: spans and sentences. Out: a [`Diagnostics`] list, and each [`Diagnostic`] as text with file, line, column, the
//! source line and a caret. Any octets may stand in the source: what a terminal could misread is shown escaped, and a
//! very long line is cut around the caret. The list is bounded, so a hostile text can't fill the memory with complaints.
//! Machine-readable forms are the caller's business; every part is readable through a field.

use std::fmt::Write as _;

use crate::source::{SourceMap, Span};

/// Errors kept per compilation; the compiler stops reading when it has met as many.
pub const ERRORS_COUNT_MAX: usize = 100;
/// Warnings kept per compilation; further ones are only counted.
pub const WARNINGS_COUNT_MAX: usize = 100;

/// Whether a script can still be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The script is refused.
    Error,
    /// The script runs, but probably not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`, as shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A second place that explains the first.
#[derive(Clone, Debug)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be seen there.
    pub message: String,
}

/// One error or warning.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The place; may be empty (a missing token).
    pub span: Span,
    /// Lower case, no final stop.
    pub message: String,
    /// Other places, in order of telling.
    pub labels: Vec<Label>,
    /// What would have been right here.
    pub expected: Option<String>,
    /// What the author probably wants.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span, message.into())
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span, message.into())
    }

    const fn new(severity: Severity, span: Span, message: String) -> Self {
        Self {
            severity,
            span,
            message,
            labels: Vec::new(),
            expected: None,
            hint: None,
        }
    }

    /// Adds a second place.
    #[must_use]
    pub fn with_label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            message: message.into(),
        });
        self
    }

    /// Says what would have been right.
    #[must_use]
    pub fn with_expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what the author probably wants.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// "did you mean" when a near name was found, otherwise nothing.
    #[must_use]
    pub fn with_near_name(self, near: Option<String>) -> Self {
        match near {
            Some(name) => self.with_hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// The diagnostic as lines of text, each ended by a line feed. ASCII but for letters that stand in the source.
    #[must_use]
    pub fn render(&self, sources: &SourceMap) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}: {}: {}",
            place(self.span, sources),
            self.severity.word(),
            self.message
        );
        excerpt(self.span, '^', "", sources, &mut text);
        for label in &self.labels {
            let _ = writeln!(text, "  {}: {}", place(label.span, sources), label.message);
            excerpt(label.span, '-', "", sources, &mut text);
        }
        if let Some(expected) = &self.expected {
            let _ = writeln!(text, "  = expected: {expected}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  = hint: {hint}");
        }
        text
    }
}

/// `file:line:column` of the beginning of a span.
fn place(span: Span, sources: &SourceMap) -> String {
    let position = sources.position(span);
    let name = escape(sources.source(span.source).name.as_bytes());
    format!("{name}:{}:{}", position.line, position.column)
}

/// Writes the source line of a span and a line of marks under the span.
fn excerpt(span: Span, mark: char, note: &str, sources: &SourceMap, text: &mut String) {
    let position = sources.position(span);
    let line = sources.line_text(span);
    let column = (position.column as usize - 1).min(line.len());
    let width = (span.end.saturating_sub(span.start) as usize).min(line.len() - column);
    let from = column.saturating_sub(EXCERPT_OCTETS_BEFORE);
    let to = line.len().min(column + EXCERPT_OCTETS_AFTER);
    let before = escape(&line[from..column]);
    let marked = escape(&line[column..to.min(column + width)]);
    let after = escape(&line[to.min(column + width)..to]);
    let lead = if from == 0 { "" } else { "..." };
    let trail = if to == line.len() { "" } else { "..." };
    let number = position.line.to_string();
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(lead.len() + before.chars().count());
    let marks = mark.to_string().repeat(marked.chars().count().max(1));
    let _ = writeln!(text, "  {gutter} |");
    let _ = writeln!(text, "  {number} | {lead}{before}{marked}{after}{trail}");
    let _ = writeln!(text, "  {gutter} | {indent}{marks}{note}");
}

const EXCERPT_OCTETS_BEFORE: usize = 60;
const EXCERPT_OCTETS_AFTER: usize = 80;

/// Octets as text that is safe to print: a tab is four spaces, letters and digits of UTF-8 stay, anything else that is
/// not printable ASCII is `\xhh`.
#[must_use]
pub fn escape(octets: &[u8]) -> String {
    let mut shown = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => shown.push_str("    "),
                ' '..='~' => shown.push(character),
                _ if !character.is_ascii() && character.is_alphanumeric() => shown.push(character),
                _ => {
                    let mut units = [0; 4];
                    escape_octets(character.encode_utf8(&mut units).as_bytes(), &mut shown);
                }
            }
        }
        escape_octets(chunk.invalid(), &mut shown);
    }
    shown
}

fn escape_octets(octets: &[u8], shown: &mut String) {
    for octet in octets {
        let _ = write!(shown, "\\x{octet:02x}");
    }
}

/// Every diagnostic of one compilation, in the order they were met.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    errors_count: usize,
    warnings_count: usize,
}

impl Diagnostics {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, unless the bound for its severity is reached; it is counted anyway.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        let (count, max) = match diagnostic.severity {
            Severity::Error => (&mut self.errors_count, ERRORS_COUNT_MAX),
            Severity::Warning => (&mut self.warnings_count, WARNINGS_COUNT_MAX),
        };
        *count += 1;
        if *count <= max {
            self.kept.push(diagnostic);
        }
    }

    /// Whether so many errors were met that reading on is of no use.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        ERRORS_COUNT_MAX <= self.errors_count
    }

    /// Whether the script is refused.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        0 < self.errors_count
    }

    /// The errors met, kept or not.
    #[must_use]
    pub const fn errors_count(&self) -> usize {
        self.errors_count
    }

    /// The warnings met, kept or not.
    #[must_use]
    pub const fn warnings_count(&self) -> usize {
        self.warnings_count
    }

    /// Those kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.kept.iter()
    }

    /// Puts them in the order of the texts: by source, then by place. Stable.
    pub fn sort(&mut self) {
        self.kept
            .sort_by_key(|one| (one.span.source, one.span.start));
    }

    /// All of them as text, an empty line between two, and a last line when some were not kept.
    #[must_use]
    pub fn render(&self, sources: &SourceMap) -> String {
        let shown: Vec<String> = self.kept.iter().map(|one| one.render(sources)).collect();
        let mut text = shown.join("\n");
        let dropped = self.errors_count + self.warnings_count - self.kept.len();
        if 0 < dropped {
            let _ = writeln!(
                text,
                "\n{dropped} more not shown, at most {ERRORS_COUNT_MAX} errors and {WARNINGS_COUNT_MAX} warnings are"
            );
        }
        text
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = std::slice::Iter<'d, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The candidate that `name` was probably meant to be: the same in another case, or a few keystrokes away. On a tie the
/// alphabetically first wins, so the order of the candidates doesn't matter.
pub fn near_name<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = match name.len() {
        0..=2 => return None,
        3..=5 => 1,
        6..=9 => 2,
        10..=NEAR_NAME_OCTETS_MAX => 3,
        _ => return None,
    };
    let mut best = None;
    for candidate in candidates {
        if candidate == name || candidate.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let distance = if candidate.eq_ignore_ascii_case(name) {
            0
        } else {
            edit_distance(name.as_bytes(), candidate.as_bytes())
        };
        if distance <= allowed && best.is_none_or(|best| (distance, candidate) < best) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

const NEAR_NAME_OCTETS_MAX: usize = 64;

/// Insertions, removals, replacements and swaps of neighbours that lead from `a` to `b`.
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut two_ago = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let replaced = previous[j] + usize::from(left != right);
            let mut least = replaced.min(previous[j + 1] + 1).min(row[j] + 1);
            let swapped = 0 < i && 0 < j && *left == b[j - 1] && a[i - 1] == *right;
            if swapped {
                least = least.min(two_ago[j - 1] + 1);
            }
            row.push(least);
        }
        two_ago = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(map: &mut SourceMap, text: &[u8], start: u32, end: u32) -> Span {
        Span {
            source: map.add("a.hsl", text).unwrap(),
            start,
            end,
        }
    }

    #[test]
    fn renders_place_line_and_caret() {
        let mut map = SourceMap::new();
        let at = span(&mut map, b"echo 1;\n\techo strlenn(2);\n", 14, 21);
        let shown = Diagnostic::error(at, "unknown function `strlenn`")
            .with_hint("did you mean `strlen`?")
            .render(&map);
        assert_eq!(
            shown,
            "a.hsl:2:7: error: unknown function `strlenn`\n    |\n  2 |     echo strlenn(2);\n    |          ^^^^^^^\n  \
             = hint: did you mean `strlen`?\n"
        );
    }

    #[test]
    fn hostile_lines_are_shortened_and_escaped() {
        let mut map = SourceMap::new();
        let mut text = vec![b'x'; 100_000];
        text[50_000] = 0x1b;
        let at = span(&mut map, &text, 50_000, 99_999);
        let shown = Diagnostic::warning(at, "odd").render(&map);
        assert!(shown.contains("\\x1b") && !shown.contains('\u{1b}'));
        assert!(shown.len() < 600, "{}", shown.len());
    }

    #[test]
    fn spans_at_and_past_the_end_are_safe() {
        let mut map = SourceMap::new();
        let at = span(&mut map, b"a", 1, 1);
        assert!(Diagnostic::error(at, "m").render(&map).contains("1:2"));
        let past = Span {
            start: 9,
            end: 99,
            ..at
        };
        assert!(Diagnostic::error(past, "m").render(&map).contains('^'));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut map = SourceMap::new();
        let at = span(&mut map, b"a", 0, 1);
        let mut list = Diagnostics::new();
        for _ in 0..ERRORS_COUNT_MAX + 7 {
            list.report(Diagnostic::error(at, "m"));
        }
        assert!(list.is_full());
        assert_eq!(list.iter().count(), ERRORS_COUNT_MAX);
        assert!(list.render(&map).contains("7 more not shown"));
    }

    #[test]
    fn near_names() {
        let known = ["length", "str_lower", "array_keys"];
        assert_eq!(near_name("LENGTH", known), Some("length"));
        assert_eq!(near_name("lenght", known), Some("length"));
        assert_eq!(near_name("array_key", known), Some("array_keys"));
        assert_eq!(near_name("zzzzzz", known), None);
        assert_eq!(near_name("", known), None);
    }
}
