//! Reads mail data: undoes transparency, finds the end, judges the octets on the way.
//!
//! In: slices of the receive buffer, any fragmentation. Out: content in runs as long as the input
//! allows, borrowed; at the end a verdict. The states:
//!
//! ```text
//!              other                    CR             LF
//!   LineStart --------> InLine ------------> AfterCr --------> LineStart
//!       |                 ^  ^-- not CR        | not LF: bare CR, InLine
//!       | "." (dropped)   |
//!       v                 | not CR             LF
//!   AfterDot -------------+---> AfterDotCr --------> Ended
//!                           CR       | not LF: bare CR, InLine
//! ```
//!
//! Guarantees: only CRLF.CRLF ends mail data (the first CRLF may be the one of the DATA command);
//! the end, the content and the verdict do not depend on fragmentation; after an error no more
//! content is handed out, and the rest is consumed without memory.
//! Does not: store, or change anything but transparency dots. Lines of any length are content
//! (RFC 5321 §4.5.3.1.6 asks to take what one can).
//!
//! RFC 5321 §4.1.1.4 (end), §4.5.2 (transparency), §2.3.8 (bare CR and LF), §6.3 (loops);
//! RFC 1870 §6.3 (size).
//! Deviation: a message with NUL is refused; RFC 5322 §4.1 has it as obsolete, and programs in C
//! cut such messages short.

use memchr::memchr3;

use super::MailDataError;
use super::judgement::Judgement;

/// Reads the mail data of one message.
#[derive(Debug)]
pub struct MailDataReader {
    state: State,
    judgement: Judgement,
}

/// What one call found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read<'octets> {
    /// Content to append to the message; may be empty.
    pub content: &'octets [u8],
    /// Octets of the input that are done with. Call again with the rest, if any; empty input is
    /// never needed.
    pub consumed: usize,
    /// Set once mail data has ended, after `content`: the size of the message in octets, or why it
    /// is refused. What follows `consumed` in the input are commands.
    pub end: Option<Result<u64, MailDataError>>,
}

impl MailDataReader {
    /// A reader at the first octet after the CRLF of DATA.
    #[must_use]
    pub fn new(message_octets_max: u64, received_headers_max: u32) -> Self {
        Self {
            state: State::LineStart,
            judgement: Judgement::new(message_octets_max, received_headers_max),
        }
    }

    /// Takes octets from the front of `octets`; not the rest after the end.
    ///
    /// Each call consumes something or ends, so that a loop over a buffer is bounded by its length.
    pub fn read<'octets>(&mut self, octets: &'octets [u8]) -> Read<'octets> {
        match (self.state, octets) {
            (State::Ended, _) => self.ended(b"", 0),
            (_, []) => Read {
                content: b"",
                consumed: 0,
                end: None,
            },
            (State::AfterDot, [b'\r', ..]) => self.after_dot(b"", octets, 0),
            (State::AfterDotCr, [b'\n', ..]) => self.ended(b"", 1),
            (State::AfterDotCr, [_, ..]) => {
                self.judgement.refuse(MailDataError::BareCarriageReturn);
                self.state = State::InLine;
                self.read(octets)
            }
            (State::LineStart | State::InLine | State::AfterCr | State::AfterDot, _) => {
                let run_octets = self.run(octets);
                let (run, rest) = octets.split_at_checked(run_octets).unwrap_or((octets, b""));
                match rest {
                    [b'.', rest @ ..] => {
                        self.state = State::AfterDot;
                        let run = self.judgement.content(run);
                        self.after_dot(run, rest, run_octets + 1)
                    }
                    _ => Read {
                        content: self.judgement.content(run),
                        consumed: run_octets,
                        end: None,
                    },
                }
            }
        }
    }

    /// Octets of content at the front: up to a dot that starts a line, or all of them.
    fn run(&mut self, octets: &[u8]) -> usize {
        let mut rest = octets;
        loop {
            rest = match (self.state, rest) {
                (_, []) => return octets.len(),
                (State::LineStart, [b'.', ..]) => return octets.len() - rest.len(),
                (State::AfterCr, [b'\n', next_line @ ..]) => {
                    self.state = State::LineStart;
                    next_line
                }
                (State::AfterCr, _) => {
                    self.judgement.refuse(MailDataError::BareCarriageReturn);
                    self.state = State::InLine;
                    rest
                }
                _ => self.line(rest),
            };
        }
    }

    /// What follows the octets of a line up to its CRLF, or up to a CR, LF or NUL that must not be
    /// there.
    fn line<'octets>(&mut self, octets: &'octets [u8]) -> &'octets [u8] {
        self.state = State::InLine;
        let special = memchr3(b'\r', b'\n', 0, octets);
        match special
            .and_then(|index| octets.get(index..))
            .unwrap_or_default()
        {
            [] => b"",
            [b'\r', b'\n', next_line @ ..] => {
                self.state = State::LineStart;
                next_line
            }
            [b'\r', rest @ ..] => {
                self.state = State::AfterCr;
                rest
            }
            [b'\n', rest @ ..] => {
                self.judgement.refuse(MailDataError::BareLineFeed);
                rest
            }
            [_, rest @ ..] => {
                self.judgement.refuse(MailDataError::Nul);
                rest
            }
        }
    }

    /// After a dot at the start of a line: whether CRLF follows in the same input, as it mostly
    /// does.
    fn after_dot<'octets>(
        &mut self,
        content: &'octets [u8],
        rest: &[u8],
        consumed: usize,
    ) -> Read<'octets> {
        match rest {
            [b'\r', b'\n', ..] => self.ended(content, consumed + 2),
            [b'\r', ..] => {
                self.state = State::AfterDotCr;
                Read {
                    content,
                    consumed: consumed + 1,
                    end: None,
                }
            }
            _ => Read {
                content,
                consumed,
                end: None,
            },
        }
    }

    fn ended<'octets>(&mut self, content: &'octets [u8], consumed: usize) -> Read<'octets> {
        self.state = State::Ended;
        Read {
            content,
            consumed,
            end: Some(self.judgement.verdict()),
        }
    }

    /// Why the message is refused, as far as it has been read. Never changes back to none.
    #[must_use]
    pub fn error(&self) -> Option<MailDataError> {
        self.judgement.error()
    }
}

/// Where the reader stands; see the diagram above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// After CRLF, or at the very beginning.
    LineStart,
    /// After an octet of content that is not CR.
    InLine,
    /// After a CR that is content.
    AfterCr,
    /// After a dot at the start of a line, which is not content.
    AfterDot,
    /// After such a dot and CR, which is not content yet.
    AfterDotCr,
    /// After the end.
    Ended,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{MailDataError, MailDataReader};

    /// What a reader made of some octets.
    #[derive(Debug, PartialEq, Eq)]
    struct Outcome {
        /// All the content, empty if the message is refused.
        content: Vec<u8>,
        /// Octets up to and including the end, and the verdict.
        end: Option<(usize, Result<u64, MailDataError>)>,
        error: Option<MailDataError>,
    }

    fn read<'octets>(segments: impl Iterator<Item = &'octets [u8]>, octets_max: u64) -> Outcome {
        let mut reader = MailDataReader::new(octets_max, 100);
        let mut outcome = Outcome {
            content: Vec::new(),
            end: None,
            error: None,
        };
        let mut consumed = 0;
        for segment in segments {
            let mut rest = segment;
            while !rest.is_empty() && outcome.end.is_none() {
                let read = reader.read(rest);
                assert!(
                    read.consumed > 0 || !read.content.is_empty() || read.end.is_some(),
                    "every call makes progress"
                );
                outcome.content.extend_from_slice(read.content);
                consumed += read.consumed;
                rest = rest.get(read.consumed..).unwrap_or_default();
                outcome.end = read.end.map(|verdict| (consumed, verdict));
            }
        }
        outcome.error = reader.error();
        if outcome.error.is_some() {
            outcome.content.clear();
        }
        outcome
    }

    /// The same, slowly: one octet after the other, looking back at all that came.
    fn reference(octets: &[u8], octets_max: u64) -> Outcome {
        let mut content = Vec::new();
        let mut end = None;
        let mut line = Vec::new();
        for (index, &octet) in octets.iter().enumerate() {
            line.push(octet);
            if line == b".\r\n" {
                end = Some(index + 1);
                line.clear();
                break;
            }
            if line.ends_with(b"\r\n") {
                content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                line.clear();
            }
        }
        // What may still become the end is not content yet.
        if line != b".\r" {
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let before_end = octets
            .get(..end.unwrap_or(octets.len()))
            .unwrap_or_default();
        let framing_error = (0..before_end.len()).find_map(|index| {
            let octet = before_end.get(index)?;
            let previous = index
                .checked_sub(1)
                .and_then(|previous| before_end.get(previous));
            match (octet, before_end.get(index + 1)) {
                (b'\r', Some(b'\n') | None) => None,
                (b'\r', Some(_)) => Some(MailDataError::BareCarriageReturn),
                (b'\n', _) if previous != Some(&b'\r') => Some(MailDataError::BareLineFeed),
                (0, _) => Some(MailDataError::Nul),
                _ => None,
            }
        });
        let size = content.len() as u64;
        let error = framing_error.or((size > octets_max).then_some(MailDataError::TooLarge));
        if error.is_some() {
            content.clear();
        }
        let end = end.map(|end| (end, error.map_or(Ok(size), Err)));
        Outcome {
            content,
            end,
            error,
        }
    }

    fn agrees(octets: &[u8], octets_max: u64) {
        let expected = reference(octets, octets_max);
        let whole = read([octets].into_iter(), octets_max);
        assert_eq!(whole, expected, "{} whole", octets.escape_ascii());
        let single = read(octets.chunks(1), octets_max);
        assert_eq!(single, expected, "{} one by one", octets.escape_ascii());
        for split in 1..octets.len() {
            let (first, second) = octets.split_at(split);
            let found = read([first, second].into_iter(), octets_max);
            assert_eq!(found, expected, "{} at {split}", octets.escape_ascii());
        }
    }

    #[test]
    fn short_strings_agree_with_the_reference_at_every_split() {
        const ALPHABET: [u8; 4] = [b'\r', b'\n', b'.', b'a'];
        for length in 0..=9_u32 {
            for number in 0..4_usize.pow(length) {
                let octets: Vec<u8> = (0..length)
                    .filter_map(|place| ALPHABET.get(number / 4_usize.pow(place) % 4).copied())
                    .collect();
                agrees(&octets, u64::MAX);
            }
        }
    }

    #[test]
    fn the_size_limit_agrees_with_the_reference_at_every_split() {
        for octets_max in 0..12 {
            agrees(b"..a\r\n.b\r\n.\r\nNOOP\r\n", octets_max);
            agrees(b"a\r\nb\r.\r\n.\r\n", octets_max);
        }
    }

    #[test]
    fn after_the_end_nothing_is_taken() {
        let mut reader = MailDataReader::new(10, 100);
        let first = reader.read(b"a\r\n.\r\nNOOP\r\n");
        assert_eq!(
            (first.content, first.consumed, first.end),
            (&b"a\r\n"[..], 6, Some(Ok(3)))
        );
        let second = reader.read(b"NOOP\r\n");
        assert_eq!(
            (second.content, second.consumed, second.end),
            (&b""[..], 0, Some(Ok(3)))
        );
    }

    #[test]
    fn content_without_dots_is_one_run() {
        let line = [&[b'x'; 70][..], b"\r\n"].concat().repeat(1_000);
        let read = MailDataReader::new(u64::MAX, 100).read(&line);
        assert_eq!((read.content.len(), read.consumed), (72_000, 72_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn long_strings_agree_with_the_reference(
            pieces in vec(prop::sample::select(vec![
                &b"\r\n"[..], b"\r", b"\n", b".", b"\r\n.", b"\r\n..", b"\0", b"a", b"some text",
                b"\r\n.\r\n", b".\r\n", b"\xff",
            ]), 0..40),
            cuts in vec(any::<prop::sample::Index>(), 0..6),
            octets_max in prop::sample::select(vec![0, 10, 50, u64::MAX]),
        ) {
            let octets = pieces.concat();
            let mut places: Vec<usize> =
                cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            places.extend([0, octets.len()]);
            places.sort_unstable();
            let segments = places.windows(2).filter_map(|pair| match pair {
                [start, end] => octets.get(*start..*end),
                _ => None,
            });
            prop_assert_eq!(read(segments, octets_max), reference(&octets, octets_max));
        }
    }
}
