//! Reads mail data: undoes transparency, finds the end, judges the octets on the way.
//!
//! In: slices of the receive buffer, any fragmentation. Out: content in runs as long as the input allows, borrowed;
//! at the end a verdict. The states:
//!
//! ```text
//!              other                    CR             LF
//!   LineStart --------> InLine ------------> AfterCr --------> LineStart
//!       |                 ^  ^-- not CR        | not LF: bare CR, InLine
//!       | "." (dropped)   |
//!       v                 | not CR             LF
//!   AfterDot -------------+---> AfterDotCr --------> Ended
//!                           CR       | not LF: a CR of content after all, AfterCr
//! ```
//!
//! Guarantees: only CRLF.CRLF ends mail data (the first CRLF may be the one of the DATA command); the end, the content
//! and the verdict do not depend on fragmentation; after an error no more content is handed out, and the rest is
//! consumed without memory.
//! Does not: store, or change anything but transparency dots. Lines of any length are content (RFC 5321 §4.5.3.1.6
//! asks to take what one can).
//!
//! RFC 5321 §4.1.1.4 (end), §4.5.2 (transparency), §2.3.8 (bare CR and LF), §6.3 (loops); RFC 1870 §6.3 (size).
//! Deviation: a message with NUL is refused; RFC 5322 §4 has it as obsolete, and programs in C cut such messages short.

use memchr::memchr3;

use super::received_count::ReceivedCount;

/// Reads the mail data of one message.
#[derive(Debug)]
pub struct MailDataReader {
    state: State,
    message_octets_max: u64,
    message_octets: u64,
    received_headers_max: u32,
    received: ReceivedCount,
    framing_error: Option<MailDataError>,
}

/// What one call found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read<'octets> {
    /// Content to append to the message; may be empty.
    pub content: &'octets [u8],
    /// Octets of the input that are done with. Call again with the rest, if any; empty input is never needed.
    pub consumed: usize,
    /// Set once mail data has ended, after `content`: the size of the message in octets, or why it is refused. What
    /// follows `consumed` in the input are commands.
    pub end: Option<Result<u64, MailDataError>>,
}

/// Why a message is refused. If more than one applies, the first in this order is told, CR, LF and NUL by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailDataError {
    /// A CR that no LF follows.
    BareCarriageReturn,
    /// An LF that no CR precedes.
    BareLineFeed,
    /// An octet 0.
    Nul,
    /// More octets than the limit.
    TooLarge,
    /// More `Received:` fields than the limit.
    TooManyReceivedHeaders,
}

impl MailDataReader {
    /// A reader at the first octet after the CRLF of DATA.
    #[must_use]
    pub fn new(message_octets_max: u64, received_headers_max: u32) -> Self {
        Self {
            state: State::LineStart,
            message_octets_max,
            message_octets: 0,
            received_headers_max,
            received: ReceivedCount::default(),
            framing_error: None,
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
            (State::AfterDotCr, [_, ..]) => self.return_carriage_return(),
            (State::LineStart | State::InLine | State::AfterCr | State::AfterDot, _) => {
                let run_octets = self.run(octets);
                let (run, rest) = octets.split_at_checked(run_octets).unwrap_or((octets, b""));
                match rest {
                    [b'.', rest @ ..] => {
                        self.state = State::AfterDot;
                        let run = self.content(run);
                        self.after_dot(run, rest, run_octets + 1)
                    }
                    _ => Read {
                        content: self.content(run),
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
                    self.refuse(MailDataError::BareCarriageReturn);
                    self.state = State::InLine;
                    rest
                }
                _ => self.line(rest),
            };
        }
    }

    /// What follows the octets of a line up to its CRLF, or up to a CR, LF or NUL that must not be there.
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
                self.refuse(MailDataError::BareLineFeed);
                rest
            }
            [_, rest @ ..] => {
                self.refuse(MailDataError::Nul);
                rest
            }
        }
    }

    /// After a dot at the start of a line: whether CRLF follows in the same input, as it mostly does.
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

    /// The CR after a dot did not end the mail data, so it is content, and the next octet shows that it is bare.
    fn return_carriage_return<'octets>(&mut self) -> Read<'octets> {
        self.state = State::AfterCr;
        Read {
            content: self.content(b"\r"),
            consumed: 0,
            end: None,
        }
    }

    fn ended<'octets>(&mut self, content: &'octets [u8], consumed: usize) -> Read<'octets> {
        self.state = State::Ended;
        let verdict = match self.error() {
            Some(error) => Err(error),
            None => Ok(self.message_octets),
        };
        Read {
            content,
            consumed,
            end: Some(verdict),
        }
    }

    /// Counts content and hands it out, unless the message is refused already.
    fn content<'octets>(&mut self, run: &'octets [u8]) -> &'octets [u8] {
        self.message_octets = self.message_octets.saturating_add(run.len() as u64);
        self.received.count(run);
        if self.error().is_none() { run } else { b"" }
    }

    fn refuse(&mut self, error: MailDataError) {
        self.framing_error.get_or_insert(error);
    }

    /// Why the message is refused, as far as it has been read. Never changes back to none.
    #[must_use]
    pub fn error(&self) -> Option<MailDataError> {
        if self.framing_error.is_some() {
            self.framing_error
        } else if self.message_octets > self.message_octets_max {
            Some(MailDataError::TooLarge)
        } else if self.received.fields_count() > self.received_headers_max {
            Some(MailDataError::TooManyReceivedHeaders)
        } else {
            None
        }
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
