//! Writes mail data for a next hop: transparency and the end of mail data.
//!
//! In: content in pieces, as `MailDataReader` hands it out. Out: the octets to send after 354, appended to a buffer.
//!
//! Guarantees: a dot at the beginning of a line is doubled, wherever the pieces were cut; content with a bare CR or LF
//! is refused, because a next hop might take it for the end of mail data and what follows for commands; content that
//! does not end with CRLF gets one. Copies long runs, not lines. Does not: send.
//!
//! RFC 5321 §4.1.1.4 (end), §4.5.2 (transparency), §2.3.8 (bare CR and LF).

use memchr::memchr2;

/// Writes the mail data of one message.
#[derive(Debug, Default)]
pub struct MailDataWriter {
    place: Place,
}

/// The content has a CR or LF that is not part of a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BareLineEnd;

/// Where the last piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    LineStart,
    InLine,
    AfterCr,
}

impl MailDataWriter {
    /// A writer at the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a piece of the content to `out`.
    ///
    /// # Errors
    ///
    /// A line end is none. What was appended must not be sent.
    pub fn write(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        let mut copied = 0;
        let mut at = 0;
        if self.place == Place::AfterCr {
            match content.first() {
                None => return Ok(()),
                Some(b'\n') => at = 1,
                Some(_) => return Err(BareLineEnd),
            }
            self.place = Place::LineStart;
        }
        loop {
            let rest = content.get(at..).unwrap_or_default();
            if self.place == Place::LineStart
                && let Some(first) = rest.first()
            {
                if *first == b'.' {
                    out.extend_from_slice(content.get(copied..at).unwrap_or_default());
                    out.push(b'.');
                    copied = at;
                }
                self.place = Place::InLine;
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                break;
            };
            match rest.get(end..) {
                Some([b'\r', b'\n', ..]) => self.place = Place::LineStart,
                Some([b'\r']) => {
                    self.place = Place::AfterCr;
                    break;
                }
                _ => return Err(BareLineEnd),
            }
            at += end + 2;
        }
        out.extend_from_slice(content.get(copied..).unwrap_or_default());
        Ok(())
    }

    /// Appends the end of mail data.
    ///
    /// # Errors
    ///
    /// The content ends with a bare CR.
    pub fn end(self, out: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        match self.place {
            Place::LineStart => {}
            Place::InLine => out.extend_from_slice(b"\r\n"),
            Place::AfterCr => return Err(BareLineEnd),
        }
        out.extend_from_slice(b".\r\n");
        Ok(())
    }
}

#[cfg(test)]
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects"
)]
mod tests {
    use super::{BareLineEnd, MailDataWriter};
    use crate::smtp::mail_data::MailDataReader;

    fn written(pieces: &[&[u8]]) -> Result<Vec<u8>, BareLineEnd> {
        let mut writer = MailDataWriter::new();
        let mut out = Vec::new();
        for piece in pieces {
            writer.write(piece, &mut out)?;
        }
        writer.end(&mut out)?;
        Ok(out)
    }

    /// Line by line, as RFC 5321 §4.5.2 tells it.
    fn obvious(content: &[u8]) -> Result<Vec<u8>, BareLineEnd> {
        let text = String::from_utf8_lossy(content).into_owned();
        if text.replace("\r\n", "").contains(['\r', '\n']) {
            return Err(BareLineEnd);
        }
        let mut out = String::new();
        for line in text.split_inclusive("\r\n") {
            if line.starts_with('.') {
                out.push('.');
            }
            out.push_str(line);
        }
        if !out.is_empty() && !out.ends_with("\r\n") {
            out.push_str("\r\n");
        }
        out.push_str(".\r\n");
        Ok(out.into_bytes())
    }

    /// Every content of up to seven octets of CR, LF, dot and another, cut at every place.
    #[test]
    fn every_short_content_is_written_as_the_rule_says() {
        for octets_count in 0..=7_u32 {
            for number in 0..4_usize.pow(octets_count) {
                let content: Vec<u8> = (0..octets_count)
                    .map(|place| b"\r\n.a"[number / 4_usize.pow(place) % 4])
                    .collect();
                let expected = obvious(&content);
                for cut in 0..=content.len() {
                    let (front, back) = content.split_at(cut);
                    let shown = content.escape_ascii();
                    assert_eq!(written(&[front, back]), expected, "{shown} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn a_server_reads_what_was_written() {
        let content = b".\r\n..\r\n.a\r\n\r\n\x80\xff.\r\n.";
        let sent = written(&[content]).expect("its lines end as they must");
        let mut reader = MailDataReader::new(1_000, 100);
        let mut received = Vec::new();
        let mut rest = sent.as_slice();
        let end = loop {
            let read = reader.read(rest);
            received.extend_from_slice(read.content);
            rest = rest.get(read.consumed..).unwrap_or_default();
            if let Some(end) = read.end {
                break end;
            }
        };
        assert_eq!(end, Ok(received.len() as u64));
        assert!(rest.is_empty());
        assert_eq!(received, [content.as_slice(), b"\r\n"].concat());
    }
}
