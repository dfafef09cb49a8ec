//! Finds command lines in the octets a client sent.
//!
//! In: the octets received and not yet consumed, any fragmentation. Out: one line at a time,
//! without CRLF, borrowed from the input. Never copies, allocates or panics. Knows nothing of
//! verbs.
//!
//! Guarantees: only CRLF ends a line; a line that is handed out holds no CR, LF or NUL; a line over
//! the limit is dropped as it streams in and reported once, when its CRLF has come; the work
//! is linear in the octets, however they come.
//! Does not: limit the time or the octets that an endless line takes. The pump's command timeout
//! does, which runs from the line's first octet.
//!
//! RFC 5321 §2.3.8 (lines), §4.5.3.1.4 (512 octets, extended per extension).
//! Deviation: a bare CR or LF is refused, not tolerated; see ATTACKS.md, "smuggling".

use memchr::{memchr, memchr3};

use super::command::SyntaxError;

/// The scanner of one connection: what it must remember between two calls.
///
/// Invariant: the caller passes octets that start where the last scan's `consumed` ended, and what
/// it passed before and did not consume is passed again, unchanged, with more behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineScanner {
    state: State,
}

/// What one scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<'octets> {
    /// No line ends in these octets. The first `consumed` of them (not 0 only while a line over the
    /// limit is dropped) are done with; read more.
    Incomplete {
        /// Octets the caller may forget.
        consumed: usize,
    },
    /// A line, or why it is none.
    Line {
        /// The line without CRLF, or the reason to answer it with an error. May be empty.
        line: Result<&'octets [u8], SyntaxError>,
        /// Octets the caller may forget once it is done with the line, CRLF included.
        consumed: usize,
    },
}

impl LineScanner {
    /// A scanner at the start of a line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for the first line in `octets`; `line_octets_max` includes the CRLF. A line is measured by the limit that
    /// was given when it was found to exceed one.
    pub fn next_line<'octets>(
        &mut self,
        octets: &'octets [u8],
        line_octets_max: usize,
    ) -> Scan<'octets> {
        match self.state {
            State::InLine { scanned_octets } => {
                self.find_line(octets, scanned_octets, line_octets_max)
            }
            State::Dropping {
                line_octets_max,
                after_cr,
            } => self.drop_line(octets, line_octets_max, after_cr),
        }
    }

    /// The ordinary case: `scanned_octets` at the front are known to hold no CRLF.
    fn find_line<'octets>(
        &mut self,
        octets: &'octets [u8],
        scanned_octets: usize,
        line_octets_max: usize,
    ) -> Scan<'octets> {
        // Almost every line comes whole and clean: then one search finds its end and shows that
        // there is nothing to refuse before it.
        if scanned_octets == 0
            && let Some(length) = memchr3(b'\r', b'\n', 0, octets)
            && let Some((line, [b'\r', b'\n', ..])) = octets.split_at_checked(length)
            && length + CRLF.len() <= line_octets_max
        {
            return Scan::Line {
                line: Ok(line),
                consumed: length + CRLF.len(),
            };
        }
        match find_crlf(octets, scanned_octets) {
            Some(consumed) if consumed <= line_octets_max => {
                self.state = State::default();
                let line = octets
                    .get(..consumed.saturating_sub(CRLF.len()))
                    .unwrap_or_default();
                Scan::Line {
                    line: check(line),
                    consumed,
                }
            }
            Some(consumed) => {
                self.state = State::default();
                Scan::Line {
                    line: Err(SyntaxError::LineTooLong(line_octets_max)),
                    consumed,
                }
            }
            None if octets.len() < line_octets_max => {
                self.state = State::InLine {
                    scanned_octets: octets.len(),
                };
                Scan::Incomplete { consumed: 0 }
            }
            // No CRLF can end a line within the limit any more.
            None => {
                self.state = State::dropping_after(octets, line_octets_max);
                Scan::Incomplete {
                    consumed: octets.len(),
                }
            }
        }
    }

    /// The rest of a line over the limit that it began with.
    fn drop_line<'octets>(
        &mut self,
        octets: &'octets [u8],
        line_octets_max: usize,
        after_cr: bool,
    ) -> Scan<'octets> {
        let end = match octets {
            [b'\n', ..] if after_cr => Some(1),
            _ => find_crlf(octets, 0),
        };
        match end {
            Some(consumed) => {
                self.state = State::default();
                Scan::Line {
                    line: Err(SyntaxError::LineTooLong(line_octets_max)),
                    consumed,
                }
            }
            None if octets.is_empty() => Scan::Incomplete { consumed: 0 },
            None => {
                self.state = State::dropping_after(octets, line_octets_max);
                Scan::Incomplete {
                    consumed: octets.len(),
                }
            }
        }
    }
}

/// Where the scanner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a line within the limit, so far.
    InLine {
        /// Octets of it already looked at in vain.
        scanned_octets: usize,
    },
    /// In a line over the limit.
    Dropping {
        /// The limit.
        line_octets_max: usize,
        /// Whether the last octet dropped was CR.
        after_cr: bool,
    },
}

impl State {
    fn dropping_after(octets: &[u8], line_octets_max: usize) -> Self {
        Self::Dropping {
            line_octets_max,
            after_cr: octets.last() == Some(&b'\r'),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::InLine { scanned_octets: 0 }
    }
}

/// The octets up to and including the first CRLF, when its LF is not among the first
/// `scanned_octets`.
fn find_crlf(octets: &[u8], scanned_octets: usize) -> Option<usize> {
    let mut start = scanned_octets;
    loop {
        let line_feed = start + memchr(b'\n', octets.get(start..)?)?;
        if line_feed > 0 && octets.get(line_feed - 1) == Some(&b'\r') {
            return Some(line_feed + 1);
        }
        start = line_feed + 1;
    }
}

/// Refuses what no command line may hold; the first such octet names the error.
fn check(line: &[u8]) -> Result<&[u8], SyntaxError> {
    let Some(index) = memchr3(b'\r', b'\n', 0, line) else {
        return Ok(line);
    };
    Err(match line.get(index) {
        Some(b'\r') => SyntaxError::BareCarriageReturn,
        Some(b'\n') => SyntaxError::BareLineFeed,
        _ => SyntaxError::Nul,
    })
}

const CRLF: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::{LineScanner, Scan, SyntaxError};

    type Lines = Vec<Result<Vec<u8>, SyntaxError>>;

    /// A client that sends `segments` and a pump with one buffer.
    fn lines<'octets>(segments: impl Iterator<Item = &'octets [u8]>, octets_max: usize) -> Lines {
        let mut scanner = LineScanner::new();
        let mut buffer = Vec::new();
        let mut lines = Lines::new();
        for segment in segments {
            buffer.extend_from_slice(segment);
            loop {
                match scanner.next_line(&buffer, octets_max) {
                    Scan::Incomplete { consumed } => {
                        buffer.drain(..consumed);
                        break;
                    }
                    Scan::Line { line, consumed } => {
                        lines.push(line.map(<[u8]>::to_vec));
                        buffer.drain(..consumed);
                    }
                }
            }
            assert!(
                buffer.len() < octets_max,
                "what is kept is bounded by the limit"
            );
        }
        lines
    }

    /// The same, slowly: cut at every CRLF, then look at each line.
    fn reference(octets: &[u8], octets_max: usize) -> Lines {
        let mut lines = Lines::new();
        let mut line = Vec::new();
        for &octet in octets {
            line.push(octet);
            if line.ends_with(b"\r\n") {
                let content = line.strip_suffix(b"\r\n").unwrap_or_default();
                lines.push(if line.len() > octets_max {
                    Err(SyntaxError::LineTooLong(octets_max))
                } else {
                    match content
                        .iter()
                        .find(|octet| matches!(octet, b'\r' | b'\n' | 0))
                    {
                        None => Ok(content.to_vec()),
                        Some(b'\r') => Err(SyntaxError::BareCarriageReturn),
                        Some(b'\n') => Err(SyntaxError::BareLineFeed),
                        Some(_) => Err(SyntaxError::Nul),
                    }
                });
                line.clear();
            }
        }
        lines
    }

    #[test]
    fn short_strings_agree_with_the_reference_at_every_split() {
        const ALPHABET: [u8; 4] = [b'\r', b'\n', 0, b'a'];
        for length in 0..=7_u32 {
            for number in 0..4_usize.pow(length) {
                let octets: Vec<u8> = (0..length)
                    .filter_map(|place| ALPHABET.get(number / 4_usize.pow(place) % 4).copied())
                    .collect();
                for octets_max in [3, 4, 100] {
                    let expected = reference(&octets, octets_max);
                    let single = lines(octets.chunks(1), octets_max);
                    assert_eq!(single, expected, "{} one by one", octets.escape_ascii());
                    for split in 0..=octets.len() {
                        let (first, second) = octets.split_at(split);
                        let found = lines([first, second].into_iter(), octets_max);
                        assert_eq!(found, expected, "{} at {split}", octets.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_is_dropped_and_reported_once() {
        let mut scanner = LineScanner::new();
        let endless = [b'x'; 1_000];
        for _ in 0..1_000 {
            let dropped = scanner.next_line(&endless, 512);
            assert_eq!(
                dropped,
                Scan::Incomplete {
                    consumed: endless.len()
                }
            );
        }
        let end = scanner.next_line(b"\r\nNOOP\r\n", 512);
        assert_eq!(
            end,
            Scan::Line {
                line: Err(SyntaxError::LineTooLong(512)),
                consumed: 2
            }
        );
        let next = scanner.next_line(b"NOOP\r\n", 512);
        assert_eq!(
            next,
            Scan::Line {
                line: Ok(b"NOOP"),
                consumed: 6
            }
        );
    }

    #[test]
    fn the_limit_includes_the_line_end() {
        let longest = [b"NOOP ".as_slice(), &[b'x'; 505], b"\r\n"].concat();
        assert_eq!(longest.len(), 512);
        assert!(matches!(
            LineScanner::new().next_line(&longest, 512),
            Scan::Line {
                line: Ok(_),
                consumed: 512
            }
        ));
        assert!(matches!(
            LineScanner::new().next_line(&longest, 511),
            Scan::Line {
                line: Err(SyntaxError::LineTooLong(511)),
                consumed: 512
            }
        ));
    }
}
