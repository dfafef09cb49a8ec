//! Reads mail data that comes in chunks of announced size.
//!
//! In: the sizes that BDAT announced, and the octets behind each. Out: content in runs, borrowed; at the end a verdict.
//! Guarantees: exactly the announced octets are consumed, also of a message that is refused; nothing is allocated for
//! what is announced; the verdict does not depend on fragmentation, of the network or into chunks.
//! Does not: undo transparency, which chunks do not have, or store.
//!
//! RFC 3030 §2 (BDAT), §3 (BINARYMIME); RFC 5321 §2.3.8 (bare CR and LF).
//! Deviation: a NUL is content: a chunk needs no mark in its octets, and RFC 3030 leaves them to the client. Bare CR and
//! LF in what is not BINARYMIME are refused, because another server would be given them in lines.

use memchr::memchr2;

use super::judgement::Judgement;
use super::{MailDataError, Read};

/// Whether the content of a message has lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// It has, and each ends with CRLF.
    Lines,
    /// Its octets are the client's affair (BODY=BINARYMIME).
    Binary,
}

/// Reads the chunks of one message.
#[derive(Debug)]
pub struct ChunkReader {
    judgement: Judgement,
    kind: ContentKind,
    /// Octets of the chunk that have not been read.
    left_octets: u64,
    /// Whether the last octet was a CR.
    is_after_cr: bool,
}

impl ChunkReader {
    /// A reader of a message that has not begun.
    #[must_use]
    pub fn new(message_octets_max: u64, received_headers_max: u32, kind: ContentKind) -> Self {
        Self {
            judgement: Judgement::new(message_octets_max, received_headers_max),
            kind,
            left_octets: 0,
            is_after_cr: false,
        }
    }

    /// Begins a chunk of so many octets; the one before has been read to its end.
    pub fn begin(&mut self, octets: u64) {
        self.left_octets = octets;
    }

    /// Takes octets of the chunk from the front of `octets`. `end` is set once the chunk has been read: to the size of
    /// the message so far, or to why it is refused. A chunk of no octets ends with the first call.
    pub fn read<'octets>(&mut self, octets: &'octets [u8]) -> Read<'octets> {
        let consumed = usize::try_from(self.left_octets).unwrap_or(usize::MAX);
        let consumed = consumed.min(octets.len());
        let (run, _) = octets.split_at_checked(consumed).unwrap_or((octets, b""));
        self.left_octets = self.left_octets.saturating_sub(run.len() as u64);
        if self.kind == ContentKind::Lines {
            self.check_line_ends(run);
        }
        let content = self.judgement.content(run);
        Read {
            content,
            consumed,
            end: (self.left_octets == 0).then(|| self.judgement.verdict()),
        }
    }

    /// The verdict on the whole message, once its last chunk has been read.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn finish(&mut self) -> Result<u64, MailDataError> {
        if std::mem::take(&mut self.is_after_cr) && self.kind == ContentKind::Lines {
            self.judgement.refuse(MailDataError::BareCarriageReturn);
        }
        self.judgement.verdict()
    }

    fn check_line_ends(&mut self, run: &[u8]) {
        let mut rest = run;
        if self.is_after_cr && !rest.is_empty() {
            self.is_after_cr = false;
            match rest {
                [b'\n', after @ ..] => rest = after,
                _ => self.judgement.refuse(MailDataError::BareCarriageReturn),
            }
        }
        while let Some(index) = memchr2(b'\r', b'\n', rest) {
            rest = match rest.get(index..).unwrap_or_default() {
                [b'\r', b'\n', after @ ..] => after,
                [b'\r'] => {
                    self.is_after_cr = true;
                    b""
                }
                [b'\r', after @ ..] => {
                    self.judgement.refuse(MailDataError::BareCarriageReturn);
                    after
                }
                [_, after @ ..] => {
                    self.judgement.refuse(MailDataError::BareLineFeed);
                    after
                }
                [] => b"",
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{ChunkReader, ContentKind};
    use crate::smtp::mail_data::MailDataError;

    /// What becomes of `message` in chunks that end at `ends`, read in pieces of `piece` octets.
    fn read(
        message: &[u8],
        kind: ContentKind,
        ends: &[usize],
        piece: usize,
    ) -> (Vec<u8>, Result<u64, MailDataError>) {
        let mut reader = ChunkReader::new(1_000, 100, kind);
        let mut content = Vec::new();
        let mut start = 0;
        for end in ends.iter().copied().chain([message.len()]) {
            let chunk = message.get(start..end).unwrap_or_default();
            reader.begin(chunk.len() as u64);
            // What follows the chunk is not its reader's.
            let mut octets = [chunk, b"NOOP\r\n"].concat();
            loop {
                let read = reader.read(octets.get(..piece).unwrap_or(&octets));
                content.extend_from_slice(read.content);
                let is_end = read.end.is_some();
                let consumed = read.consumed;
                octets.drain(..consumed);
                if is_end {
                    break;
                }
            }
            assert_eq!(octets, b"NOOP\r\n");
            start = end;
        }
        (content, reader.finish())
    }

    #[test]
    fn content_is_taken_as_it_is() {
        let message = b"a\r\n.\r\n..b\r\n\0 no line end";
        let (content, verdict) = read(message, ContentKind::Lines, &[1, 2, 7], 3);
        assert_eq!(content, message);
        assert_eq!(verdict, Ok(message.len() as u64));
        let (content, verdict) = read(b"\0\n\r\xff.", ContentKind::Binary, &[3], 1);
        assert_eq!((content.as_slice(), verdict), (&b"\0\n\r\xff."[..], Ok(5)));
    }

    #[test]
    fn bare_line_ends_are_refused_at_every_split() {
        let cases: [(&[u8], MailDataError); 5] = [
            (b"a\nb\r\n", MailDataError::BareLineFeed),
            (b"a\rb\r\n", MailDataError::BareCarriageReturn),
            (b"a\r\r\n", MailDataError::BareCarriageReturn),
            (b"a\r\n\r", MailDataError::BareCarriageReturn),
            (b"\n", MailDataError::BareLineFeed),
        ];
        for (message, error) in cases {
            for end in 0..=message.len() {
                for piece in 1..=message.len() {
                    let (_, verdict) = read(message, ContentKind::Lines, &[end], piece);
                    assert_eq!(verdict, Err(error), "{} at {end}", message.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_claim_costs_nothing() {
        let mut reader = ChunkReader::new(10, 100, ContentKind::Lines);
        reader.begin(u64::MAX);
        let octets = [b'x'; 64];
        assert_eq!(reader.read(&octets[..10]).content.len(), 10);
        let read = reader.read(&octets);
        assert_eq!((read.content.len(), read.consumed, read.end), (0, 64, None));
    }

    proptest! {
        #[test]
        fn fragmentation_changes_nothing(
            message in vec(prop::sample::select(b"\r\nx.\0".to_vec()), 0..12),
            cut in 0_usize..12,
            piece in 1_usize..5,
        ) {
            let whole = read(&message, ContentKind::Lines, &[], 100);
            let cut = cut.min(message.len());
            let parts = read(&message, ContentKind::Lines, &[cut], piece);
            prop_assert_eq!(whole.1, parts.1);
        }
    }
}
