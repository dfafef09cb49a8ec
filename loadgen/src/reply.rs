//! Reads the replies of a server, strictly.
//!
//! In: octets as received, any fragmentation. Out: one [`ReplyLine`] at a time, borrowed.
//! A reply line is whole, ends in CRLF, has a code of three digits and belongs to the reply it
//! stands in; everything else is a [`Malformed`]. Copies only what a read cut in two, into one
//! buffer that is kept; never panics. Does not know which command a reply answers.
//!
//! RFC 5321 §4.2 (syntax), §4.2.1 (codes), §4.5.3.1.5 (512 octets).

use std::fmt;

use memchr::memchr;

/// Finds reply lines in the octets of one connection.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    /// The beginning of a line whose end has not arrived; at most [`LINE_OCTETS_MAX`].
    partial: Vec<u8>,
    /// Set when `partial` holds a line already handed out.
    partial_is_spent: bool,
    /// The code of the reply whose last line has not been seen.
    open_code: Option<u16>,
    /// Lines of that reply so far.
    lines_count: usize,
}

/// One line of a reply, without its CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplyLine<'octets> {
    /// The reply code, 200 to 559.
    pub(crate) code: u16,
    /// Whether the reply ends with this line.
    pub(crate) last: bool,
    /// The whole line: code, separator and text.
    pub(crate) line: &'octets [u8],
}

impl ReplyLine<'_> {
    /// The text after code and separator; may be empty.
    pub(crate) fn text(&self) -> &[u8] {
        self.line.get(4..).unwrap_or_default()
    }
}

/// Why octets are not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// A line of a reply carries another code than the lines before it.
    CodeChanged,
    /// The line does not begin with a reply code and a separator.
    Code,
    /// The text holds an octet other than HT and printable ASCII.
    Octet,
    /// The line ends in LF without CR.
    BareLineFeed,
    /// The line is longer than [`LINE_OCTETS_MAX`].
    LineTooLong,
    /// The reply has more than [`LINES_COUNT_MAX`] lines.
    TooManyLines,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeChanged => formatter.write_str("reply code changes within a reply"),
            Self::Code => formatter.write_str("reply line without code and separator"),
            Self::Octet => formatter.write_str("reply line with a control or 8-bit octet"),
            Self::BareLineFeed => formatter.write_str("reply line ends in LF without CR"),
            Self::LineTooLong => write!(formatter, "reply line exceeds {LINE_OCTETS_MAX} octets"),
            Self::TooManyLines => write!(formatter, "reply exceeds {LINES_COUNT_MAX} lines"),
        }
    }
}

impl ReplyReader {
    /// Forgets everything, for a new connection; keeps its buffer.
    pub(crate) fn restart(&mut self) {
        self.partial.clear();
        self.partial_is_spent = false;
        self.open_code = None;
        self.lines_count = 0;
    }

    /// Takes the next reply line from `octets` and advances it; `None` when the line is not whole
    /// yet, in which case all of `octets` has been taken over.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; the connection is of no use after it.
    pub(crate) fn next<'line, 'octets: 'line>(
        &'line mut self,
        octets: &mut &'octets [u8],
    ) -> Result<Option<ReplyLine<'line>>, Malformed> {
        if self.partial_is_spent {
            self.partial.clear();
            self.partial_is_spent = false;
        }
        let end = memchr(b'\n', octets).map(|index| index + 1);
        let taken = end.unwrap_or(octets.len());
        if LINE_OCTETS_MAX < self.partial.len() + taken {
            return Err(Malformed::LineTooLong);
        }
        let (piece, rest) = octets.split_at(taken);
        *octets = rest;
        if end.is_none() {
            self.partial.extend_from_slice(piece);
            return Ok(None);
        }
        let whole = if self.partial.is_empty() {
            piece
        } else {
            self.partial.extend_from_slice(piece);
            self.partial_is_spent = true;
            &self.partial
        };
        let line = whole.strip_suffix(b"\r\n").ok_or(Malformed::BareLineFeed)?;
        let (code, last) = code_and_separator(line)?;
        if self.open_code.is_some_and(|open| open != code) {
            return Err(Malformed::CodeChanged);
        }
        self.lines_count += 1;
        if LINES_COUNT_MAX < self.lines_count {
            return Err(Malformed::TooManyLines);
        }
        if last {
            self.open_code = None;
            self.lines_count = 0;
        } else {
            self.open_code = Some(code);
        }
        Ok(Some(ReplyLine { code, last, line }))
    }
}

/// Reads `Reply-code ( SP / "-" / end )` and checks the text behind it.
fn code_and_separator(line: &[u8]) -> Result<(u16, bool), Malformed> {
    let [first, second, third, rest @ ..] = line else {
        return Err(Malformed::Code);
    };
    // RFC 5321 §4.2: Reply-code = %x32-35 %x30-35 %x30-39.
    if !(b'2'..=b'5').contains(first) || !(b'0'..=b'5').contains(second) || !third.is_ascii_digit()
    {
        return Err(Malformed::Code);
    }
    let code = [first, second, third]
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    let last = match rest.first() {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return Err(Malformed::Code),
    };
    if rest
        .iter()
        .any(|octet| *octet != b'\t' && !(b' '..=b'~').contains(octet))
    {
        return Err(Malformed::Octet);
    }
    Ok((code, last))
}

/// RFC 5321 §4.5.3.1.5: a reply line with its CRLF.
const LINE_OCTETS_MAX: usize = 512;

/// No reply anyone sends is longer; a server that never ends its reply is cut off here.
const LINES_COUNT_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all of the pieces and returns (code, last, text) of every line.
    fn read(pieces: &[&[u8]]) -> Result<Vec<(u16, bool, String)>, Malformed> {
        let mut reader = ReplyReader::default();
        let mut lines = Vec::new();
        for piece in pieces {
            let mut octets = *piece;
            while let Some(line) = reader.next(&mut octets)? {
                let text = String::from_utf8_lossy(line.text()).into_owned();
                lines.push((line.code, line.last, text));
            }
            assert!(octets.is_empty(), "an unfinished line is taken over whole");
        }
        Ok(lines)
    }

    #[test]
    fn splits_change_nothing() {
        let octets: &[u8] =
            b"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 SIZE 10\r\n354 go\r\n250\r\n";
        let whole = read(&[octets]).expect("well formed");
        assert_eq!(whole.len(), 6);
        assert_eq!(whole.get(2), Some(&(250, false, "PIPELINING".to_owned())));
        assert_eq!(whole.get(5), Some(&(250, true, String::new())));
        for first in 0..=octets.len() {
            for second in first..=octets.len() {
                let pieces = [&octets[..first], &octets[first..second], &octets[second..]];
                assert_eq!(
                    read(&pieces).as_ref(),
                    Ok(&whole),
                    "split at {first} and {second}"
                );
            }
        }
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        assert_eq!(read(&single), Ok(whole));
    }

    #[test]
    fn refuses_what_is_not_a_reply() {
        let cases: [(&[u8], Malformed); 12] = [
            (b"250 ok\n", Malformed::BareLineFeed),
            (b"\r\n", Malformed::Code),
            (b"25\r\n", Malformed::Code),
            (b"150 no\r\n", Malformed::Code),
            (b"260 no\r\n", Malformed::Code),
            (b"25x no\r\n", Malformed::Code),
            (b"250ok\r\n", Malformed::Code),
            (b"2500 ok\r\n", Malformed::Code),
            (b"250 \x01\r\n", Malformed::Octet),
            (b"250 \xc3\xa9\r\n", Malformed::Octet),
            (b"250 a\rb\r\n", Malformed::Octet),
            (b"250-one\r\n251 two\r\n", Malformed::CodeChanged),
        ];
        for (octets, malformed) in cases {
            assert_eq!(read(&[octets]), Err(malformed), "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn bounds_hold_however_the_octets_arrive() {
        let mut longest = b"250 ".to_vec();
        longest.resize(LINE_OCTETS_MAX - 2, b'x');
        longest.extend_from_slice(b"\r\n");
        assert_eq!(read(&[&longest]).map(|lines| lines.len()), Ok(1));
        longest.insert(4, b'x');
        assert_eq!(read(&[&longest]), Err(Malformed::LineTooLong));
        let single: Vec<&[u8]> = longest.chunks(1).collect();
        assert_eq!(read(&single), Err(Malformed::LineTooLong));
        let endless = b"250-more\r\n".repeat(LINES_COUNT_MAX + 1);
        assert_eq!(read(&[&endless]), Err(Malformed::TooManyLines));
    }
}
