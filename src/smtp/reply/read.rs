//! Reads the replies of a next hop.
//!
//! In: octets as received, any fragmentation. Out: one [`ReceivedReply`] at a time, its lines joined by LF, enhanced codes
//! taken off.
//!
//! Guarantees: memory is bounded whatever the next hop sends; all lines of a reply have the same code; what comes out does
//! not depend on fragmentation; after an error the connection is of no use, because nobody knows where the next reply
//! begins. Lines may end with a bare LF and be longer than 512 octets, as some servers send them.
//! Does not: judge whether a code fits the command, see `client`; or clean the text, [`super::Replies`] does when it is
//! written again.
//!
//! RFC 5321 §4.2 and §4.2.1 (form), §4.5.3.1.5 (length); RFC 2034 §4 (enhanced codes).

use memchr::memchr;

use super::{EnhancedCode, Reply, ReplyCode, ReplyText, default_enhanced_code};
use crate::limits;

/// A reply that a next hop gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedReply {
    code: ReplyCode,
    enhanced: Option<EnhancedCode>,
    text: Vec<u8>,
}

impl ReceivedReply {
    /// The reply code.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced code of the first line, if it has one of the code's class.
    #[must_use]
    pub const fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// What the lines say behind codes, without CRLF; may hold any octet but LF, and may be empty. Never no line.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|octet| *octet == b'\n')
    }

    /// The same, for a client of ours. A 421 becomes a 451: that the next hop closes its connection must not close
    /// the client's.
    #[must_use]
    pub fn as_reply(&self) -> Reply<'_> {
        let code = if self.code == ReplyCode::SERVICE_NOT_AVAILABLE {
            ReplyCode::LOCAL_ERROR
        } else {
            self.code
        };
        let enhanced = self.enhanced.or(default_enhanced_code(self.code));
        let text = (!self.text.is_empty()).then_some(ReplyText::Octets(&self.text));
        Reply::scripted(code, enhanced, text)
    }
}

/// Why what a next hop sends is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyError {
    /// A line does not begin with a code from 200 to 599 and a space or hyphen.
    Malformed,
    /// Two lines of one reply have different codes.
    CodesDiffer,
    /// A line, or the reply, is longer than anybody writes.
    TooLong,
}

/// Finds replies in what a next hop sends.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// The line that has not ended.
    line: Vec<u8>,
    /// The reply that has not ended; invariant: without code it has no text.
    code: Option<ReplyCode>,
    enhanced: Option<EnhancedCode>,
    text: Vec<u8>,
    lines_count: usize,
}

impl ReplyReader {
    /// A reader at the beginning of a reply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing of a reply has been read since the last one ended.
    #[must_use]
    pub fn is_between_replies(&self) -> bool {
        self.line.is_empty() && self.code.is_none()
    }

    /// Reads up to the end of a reply: how many of `octets` are done with, and the reply if it has ended.
    ///
    /// # Errors
    ///
    /// What comes is no reply. The reader is of no use any more.
    pub fn read(&mut self, octets: &[u8]) -> Result<(usize, Option<ReceivedReply>), ReplyError> {
        let mut consumed = 0;
        while let Some(rest) = octets.get(consumed..)
            && !rest.is_empty()
        {
            let end = memchr(b'\n', rest);
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if limits::NEXT_HOP_REPLY_LINE_OCTETS_MAX < self.line.len() + part.len() {
                return Err(ReplyError::TooLong);
            }
            consumed += part.len();
            self.line.extend_from_slice(part);
            if end.is_none() {
                break;
            }
            consumed += 1;
            if let Some(reply) = self.line_ended()? {
                return Ok((consumed, Some(reply)));
            }
        }
        Ok((consumed, None))
    }

    /// Adds the line to the reply, which it may end.
    fn line_ended(&mut self) -> Result<Option<ReceivedReply>, ReplyError> {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let (code, is_last, text) = split(line).ok_or(ReplyError::Malformed)?;
        let is_first = self.code.is_none();
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::CodesDiffer);
        }
        let (enhanced, text) = match enhanced_code(code, text) {
            Some((enhanced, text)) => (Some(enhanced), text),
            None => (None, text),
        };
        self.lines_count += 1;
        if limits::NEXT_HOP_REPLY_LINES_MAX < self.lines_count
            || limits::NEXT_HOP_REPLY_OCTETS_MAX < self.text.len() + text.len()
        {
            return Err(ReplyError::TooLong);
        }
        if is_first {
            self.code = Some(code);
            self.enhanced = enhanced;
        } else {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(text);
        self.line.clear();
        if !is_last {
            return Ok(None);
        }
        self.code = None;
        self.lines_count = 0;
        Ok(Some(ReceivedReply {
            code,
            enhanced: self.enhanced.take(),
            text: std::mem::take(&mut self.text),
        }))
    }
}

/// `Reply-code [ SP textstring ]` or `Reply-code "-" [ textstring ]`: the code, whether it is the last line, the text.
fn split(line: &[u8]) -> Option<(ReplyCode, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let number = decimal(digits)?;
    let code = ReplyCode::new(number)?;
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

/// `class "." subject "." detail` in front of a text, if the class is that of the code.
fn enhanced_code(code: ReplyCode, text: &[u8]) -> Option<(EnhancedCode, &[u8])> {
    let (word, rest) = match memchr(b' ', text) {
        Some(space) => (text.get(..space)?, text.get(space + 1..)?),
        None => (text, &[] as &[u8]),
    };
    let mut numbers = word.split(|octet| *octet == b'.');
    let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
    if numbers.next().is_some() || class != [b'0' + code.class().digit()] {
        return None;
    }
    let enhanced = EnhancedCode::new(decimal(subject)?, decimal(detail)?)?;
    Some((enhanced, rest))
}

/// A number of one to three digits.
fn decimal(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || 3 < digits.len() {
        return None;
    }
    digits.iter().try_fold(0_u16, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + u16::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test says what it expects")]
mod tests {
    use super::{ReceivedReply, ReplyError, ReplyReader};
    use crate::limits;
    use crate::smtp::reply::Replies;

    /// Every reply in `octets`, read in pieces that end at `cuts`.
    fn read(octets: &[u8], cuts: &[usize]) -> Result<Vec<ReceivedReply>, ReplyError> {
        let mut reader = ReplyReader::new();
        let mut replies = Vec::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([octets.len()]) {
            let mut piece = octets.get(start..end).unwrap_or_default();
            start = end;
            while !piece.is_empty() {
                let (consumed, reply) = reader.read(piece)?;
                replies.extend(reply);
                piece = piece.get(consumed..).unwrap_or_default();
            }
        }
        assert!(reader.is_between_replies(), "nothing is left over");
        Ok(replies)
    }

    fn passed_on(reply: &ReceivedReply) -> String {
        let mut replies = Replies::new();
        replies.push(&reply.as_reply());
        String::from_utf8_lossy(replies.as_octets()).into_owned()
    }

    /// What comes, and what a client of ours is told.
    const REPLIES: [(&str, &str); 12] = [
        ("250 Ok\r\n", "250 2.0.0 Ok\r\n"),
        ("250 2.1.5 Ok\r\n", "250 2.1.5 Ok\r\n"),
        ("250\r\n", "250 2.0.0 Ok\r\n"),
        ("550 5.1.1\r\n", "550 5.1.1 Refused\r\n"),
        (
            "550-5.1.1 no\r\n550 5.1.1 such user\r\n",
            "550-5.1.1 no\r\n550 5.1.1 such user\r\n",
        ),
        (
            "550-no\r\n550-\r\n550 user\r\n",
            "550-5.7.1 no\r\n550-5.7.1 \r\n550 5.7.1 user\r\n",
        ),
        (
            "550 4.1.1 class of another code\r\n",
            "550 5.7.1 4.1.1 class of another code\r\n",
        ),
        ("550 5.1.1000 no code\r\n", "550 5.7.1 5.1.1000 no code\r\n"),
        ("550 5.1. no code\r\n", "550 5.7.1 5.1. no code\r\n"),
        ("450 4.2.0 bare line feed\n", "450 4.2.0 bare line feed\r\n"),
        ("354 Go\r\n", "354 Go\r\n"),
        ("421 4.3.2 closing\r\n", "451 4.3.2 closing\r\n"),
    ];

    #[test]
    fn replies_are_read_wherever_they_are_cut() {
        let together: String = REPLIES.iter().map(|(sent, _)| *sent).collect();
        let octets = together.as_bytes();
        let whole = read(octets, &[]).expect("they are replies");
        let told: Vec<String> = whole.iter().map(passed_on).collect();
        let expected: Vec<&str> = REPLIES.iter().map(|(_, told)| *told).collect();
        assert_eq!(told, expected);
        for cut in 1..octets.len() {
            assert_eq!(read(octets, &[cut]).as_ref(), Ok(&whole), "cut at {cut}");
        }
        let everywhere: Vec<usize> = (1..octets.len()).collect();
        assert_eq!(read(octets, &everywhere), Ok(whole));
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let cases: [(&[u8], ReplyError); 11] = [
            (b"\r\n", ReplyError::Malformed),
            (b"25\r\n", ReplyError::Malformed),
            (b"hello\r\n", ReplyError::Malformed),
            (b"250x\r\n", ReplyError::Malformed),
            (b"2500 x\r\n", ReplyError::Malformed),
            (b"150 x\r\n", ReplyError::Malformed),
            (b"600 x\r\n", ReplyError::Malformed),
            (b"+50 x\r\n", ReplyError::Malformed),
            (b" 250 x\r\n", ReplyError::Malformed),
            (b"250-x\r\n251 x\r\n", ReplyError::CodesDiffer),
            (b"250-x\r\nx\r\n", ReplyError::Malformed),
        ];
        for (octets, error) in cases {
            for cut in 0..octets.len() {
                let shown = octets.escape_ascii();
                assert_eq!(read(octets, &[cut]), Err(error), "{shown} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_reply_without_end_is_given_up() {
        let mut reader = ReplyReader::new();
        let endless = [b'2'; 1_024];
        let mut octets = 0;
        while reader.read(&endless).is_ok() {
            octets += endless.len();
            assert!(octets <= limits::NEXT_HOP_REPLY_LINE_OCTETS_MAX);
        }
        for line in [
            "250-\r\n".to_owned(),
            format!("250-{}\r\n", "x".repeat(1_000)),
        ] {
            let mut reader = ReplyReader::new();
            let mut lines_count = 0;
            while reader.read(line.as_bytes()).is_ok() {
                lines_count += 1;
                assert!(lines_count <= limits::NEXT_HOP_REPLY_LINES_MAX);
                assert!(reader.text.len() <= limits::NEXT_HOP_REPLY_OCTETS_MAX + lines_count);
            }
        }
    }

    #[test]
    fn a_text_cannot_smuggle_a_reply() {
        let replies = read(b"550 no\r250 Ok\0\x1b\r\n", &[]).expect("a reply");
        let told: Vec<String> = replies.iter().map(passed_on).collect();
        assert_eq!(told, ["550 5.7.1 no250 Ok  \r\n"]);
    }
}
