//! Counts the `Received:` fields of a message, to stop loops.
//!
//! In: content in runs, any fragmentation. Out: a number.
//! Guarantees: looks at the header section only; what comes after the first empty line costs
//! nothing.
//! Does not: parse fields; a folded line starts with white space and so is none.
//!
//! RFC 5321 §6.3, RFC 5322 §2.2 (header fields).

use memchr::memchr;

/// The count so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ReceivedCount {
    fields_count: u32,
    place: Place,
}

/// Where in the message the last octet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the first octets of a line, which are those of the name so far.
    Name { matched_octets: usize },
    /// In a line that is decided.
    Line,
    /// After the header section.
    Body,
}

impl Default for Place {
    fn default() -> Self {
        Self::Name { matched_octets: 0 }
    }
}

impl ReceivedCount {
    /// Fields seen.
    pub(super) fn fields_count(&self) -> u32 {
        self.fields_count
    }

    /// Takes the next content of the message.
    pub(super) fn count(&mut self, content: &[u8]) {
        let mut rest = content;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Body => return,
                Place::Line => match memchr(b'\n', rest) {
                    Some(index) => {
                        self.place = Place::default();
                        rest.get(index + 1..).unwrap_or_default()
                    }
                    None => return,
                },
                Place::Name { matched_octets } => self.name(matched_octets, rest),
            };
        }
    }

    /// Compares one octet with the name.
    fn name<'content>(&mut self, matched_octets: usize, rest: &'content [u8]) -> &'content [u8] {
        let (Some(wanted), [octet, next @ ..]) = (NAME.get(matched_octets), rest) else {
            self.place = Place::Line;
            return rest;
        };
        if matched_octets == 0 && *octet == b'\r' {
            self.place = Place::Body;
        } else if !octet.eq_ignore_ascii_case(wanted) {
            self.place = Place::Line;
            return rest;
        } else if matched_octets + 1 < NAME.len() {
            self.place = Place::Name {
                matched_octets: matched_octets + 1,
            };
        } else {
            self.fields_count = self.fields_count.saturating_add(1);
            self.place = Place::Line;
        }
        next
    }
}

const NAME: &[u8] = b"Received:";

#[cfg(test)]
mod tests {
    use super::ReceivedCount;

    #[test]
    fn counts_fields_of_the_header_section_at_every_split() {
        let cases: [(&[u8], u32); 9] = [
            (b"", 0),
            (b"Received: a\r\n", 1),
            (b"received:a\r\nRECEIVED:\r\n\r\n", 2),
            (
                b"Received: a\r\n Received: folded\r\nSubject: Received:\r\n",
                1,
            ),
            (
                b"Received-SPF: a\r\nXReceived: b\r\nReceive: c\r\nReceived\r\n: d\r\n",
                0,
            ),
            (b"\r\nReceived: a\r\n", 0),
            (b"Re\r\nReceived: a\r\n", 1),
            (b"Subject: x\r\n\r\nReceived: a\r\n\r\nReceived: b\r\n", 0),
            (b"ReceivReceived: a\r\nRReceived: b\r\n", 0),
        ];
        for (content, expected) in cases {
            for split in 0..=content.len() {
                let (first, second) = content.split_at(split);
                let mut count = ReceivedCount::default();
                count.count(first);
                count.count(second);
                assert_eq!(
                    count.fields_count(),
                    expected,
                    "{} at {split}",
                    content.escape_ascii()
                );
            }
        }
    }
}
