//! Source texts and positions in them.
//!
//! In: file names and their octets. Out: [`Span`]s that fit in eight bytes and can be turned into file, line and column.
//! A [`SourceMap`] only grows; a [`SourceId`] is valid for the map that gave it.
//! Does no I/O: reading files is the caller's business.

use std::sync::Arc;

/// One source text of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u16);

/// A range of octets in one source text. `start <= end`; both count from the beginning of that text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// First octet.
    pub start: u32,
    /// One past the last octet.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both. They must be of one source; otherwise `self` is returned.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.source != other.source {
            return self;
        }
        Self {
            source: self.source,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A position as people count: line and column from 1, the column in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in octets, from 1.
    pub column: u32,
}

/// One source text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name shown in diagnostics: the path as the operator wrote it.
    pub name: Arc<str>,
    /// The text. HSL strings are octets, so the text need not be UTF-8.
    pub text: Arc<[u8]>,
}

/// Every text that took part in one compilation.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text. Returns `None` when the text is 4 GiB or longer, or when the map holds 65,535 texts.
    pub fn add(&mut self, name: &str, text: &[u8]) -> Option<SourceId> {
        u32::try_from(text.len()).ok()?;
        let id = u16::try_from(self.sources.len())
            .ok()
            .filter(|id| *id < u16::MAX)?;
        self.sources.push(Source {
            name: name.into(),
            text: text.into(),
        });
        Some(SourceId(id))
    }

    /// Every text, in the order they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, Source> {
        self.sources.iter()
    }

    /// The text behind an id of this map.
    ///
    /// # Panics
    ///
    /// When the id came from another map with more texts: a mistake of ours.
    #[must_use]
    pub fn source(&self, id: SourceId) -> &Source {
        &self.sources[usize::from(id.0)]
    }

    /// Line and column of the first octet of a span. O(size of the text): for diagnostics, not for the hot path.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        let text = &self.source(span.source).text;
        let before = &text[..text.len().min(span.start as usize)];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let lines = memchr::memchr_iter(b'\n', before).count();
        Position {
            line: u32::try_from(lines + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before.len() - line_start + 1).unwrap_or(u32::MAX),
        }
    }

    /// The whole line that a position is in, without its line end.
    #[must_use]
    pub fn line_text(&self, span: Span) -> &[u8] {
        let text = &self.source(span.source).text;
        let at = text.len().min(span.start as usize);
        let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |found| found + 1);
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |found| at + found);
        text[start..end]
            .strip_suffix(b"\r")
            .unwrap_or(&text[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one() {
        let mut map = SourceMap::new();
        let id = map.add("a.hsl", b"one\r\ntwo\nthree").unwrap();
        let at = |start| {
            map.position(Span {
                source: id,
                start,
                end: start,
            })
        };
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(5), Position { line: 2, column: 1 });
        assert_eq!(at(13), Position { line: 3, column: 5 });
        assert_eq!(
            map.line_text(Span {
                source: id,
                start: 1,
                end: 1
            }),
            b"one"
        );
        assert_eq!(
            map.line_text(Span {
                source: id,
                start: 6,
                end: 6
            }),
            b"two"
        );
        assert_eq!(
            map.line_text(Span {
                source: id,
                start: 14,
                end: 14
            }),
            b"three"
        );
    }
}
