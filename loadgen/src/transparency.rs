//! Mail data on the wire: doubles the dots at line beginnings, and takes them away again.
//!
//! In: message content. Out: its octets as sent, and back, with the end of mail data found.
//! The reader works on any fragmentation, copies nothing and ends a line at CRLF only.
//! Does not look at what the content means.
//!
//! RFC 5321 §4.5.2 (transparency), §4.1.1.4 (end of mail data).

use memchr::memchr;

/// Appends `content` (whole lines, each ending in CRLF) as mail data, with the final dot line.
pub(crate) fn stuff(content: &[u8], wire: &mut Vec<u8>) {
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
}

/// Finds content and end in mail data as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MailDataReader {
    /// At the beginning of a line.
    #[default]
    LineStart,
    /// After the dot that begins a line.
    Dot,
    /// After the dot that begins a line and a CR.
    DotCr,
    /// Within a line.
    Text,
    /// Within a line, after a CR.
    Cr,
}

impl MailDataReader {
    /// Hands the content in `octets` to `take`, piece by piece. Returns how many octets belong to
    /// the mail data once its end is found; `None` when all of them do and more must come.
    pub(crate) fn read(&mut self, octets: &[u8], mut take: impl FnMut(&[u8])) -> Option<usize> {
        // Where the content begins that has not been handed out.
        let mut from = 0;
        let mut at = 0;
        while let Some(octet) = octets.get(at) {
            match (*self, octet) {
                (Self::LineStart, b'.') => {
                    take(octets.get(from..at).unwrap_or_default());
                    from = at + 1;
                    *self = Self::Dot;
                }
                (Self::Dot, b'\r') => {
                    from = at + 1;
                    *self = Self::DotCr;
                }
                (Self::DotCr, b'\n') => {
                    *self = Self::LineStart;
                    return Some(at + 1);
                }
                (Self::DotCr, _) => {
                    // The CR that was held back is content after all.
                    take(b"\r");
                    *self = Self::Cr;
                    continue;
                }
                (Self::Cr, b'\n') => *self = Self::LineStart,
                (_, b'\r') => *self = Self::Cr,
                (_, _) => {
                    *self = Self::Text;
                    let rest = octets.get(at..).unwrap_or_default();
                    at += memchr(b'\r', rest).unwrap_or(rest.len());
                    continue;
                }
            }
            at += 1;
        }
        take(octets.get(from..).unwrap_or_default());
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads mail data cut at `cut`; returns the content and how many octets were left over.
    fn read(wire: &[u8], cut: usize) -> Option<(Vec<u8>, usize)> {
        let mut reader = MailDataReader::default();
        let mut content = Vec::new();
        let (first, second) = wire.split_at(cut);
        if let Some(taken) = reader.read(first, |piece| content.extend_from_slice(piece)) {
            return Some((content, wire.len() - taken));
        }
        let taken = reader.read(second, |piece| content.extend_from_slice(piece))?;
        Some((content, second.len() - taken))
    }

    /// The obvious reference: by lines, on the whole text.
    fn reference(wire: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut content = Vec::new();
        let mut rest = wire;
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n")? + 2;
            let (line, after) = rest.split_at(end);
            if line == b".\r\n" {
                return Some((content, after.len()));
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = after;
        }
    }

    #[test]
    fn agrees_with_the_reference_on_every_short_text() {
        let alphabet = [b'\r', b'\n', b'.', b'a'];
        for length in 0..=6_u32 {
            for index in 0..4_usize.pow(length) {
                let text: Vec<u8> = (0..length)
                    .map(|place| alphabet[(index >> (2 * place)) & 3])
                    .collect();
                for tail in [b"".as_slice(), b"\r\n.\r\nRSET\r\n"] {
                    let wire = [text.as_slice(), tail].concat();
                    let expected = reference(&wire);
                    for cut in 0..=wire.len() {
                        let name = wire.escape_ascii();
                        assert_eq!(read(&wire, cut), expected, "{name} cut at {cut}");
                    }
                }
            }
        }
    }

    #[test]
    fn stuffed_content_comes_back() {
        let content = b".\r\n..\r\n\r\na.\r\n.a\r\n";
        let mut wire = Vec::new();
        stuff(content, &mut wire);
        assert_eq!(wire, b"..\r\n...\r\n\r\na.\r\n..a\r\n.\r\n");
        assert_eq!(read(&wire, 0), Some((content.to_vec(), 0)));
    }
}
