//! The messages that are sent: each can be recomputed from its id, so each can be proved unharmed.
//!
//! In: run, number, seed and size. Out: the content, and a [`Template`] that turns into the mail
//! data of any message of the run by writing a few digits into place.
//! The id stands in two header fields, on the first and the last line of the body and on a line
//! every [`STAMP_OCTETS`], so two messages cannot be mixed up unnoticed. Some lines begin with
//! dots. Does not know the envelope.
//!
//! RFC 5322 §3.6 (header fields), RFC 5321 §4.5.2 (transparency).

use std::fmt;
use std::str::FromStr;

use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use memchr::memmem;

use crate::transparency;

/// Names one message and determines every octet of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageId {
    /// The run: 32 bits of seconds since 1970, 16 bits that tell runs of one second apart.
    pub(crate) run: u64,
    /// The number within the run, from 0; at most 40 bits.
    pub(crate) number: u64,
    /// Which of the filler texts.
    pub(crate) seed: u8,
    /// Octets of the content, every line ending in CRLF.
    pub(crate) size_octets: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run,
            number,
            seed,
            size_octets,
        } = self;
        write!(
            formatter,
            "{run:012x}.{number:010x}.{seed:02x}.{size_octets:08x}"
        )
    }
}

/// A text is not a message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut parts = text.split('.');
        let mut digits = |count: usize| {
            let part = parts
                .next()
                .filter(|part| part.len() == count)
                .ok_or(NotAnId)?;
            let lower_hex = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
            if !part.bytes().all(lower_hex) {
                return Err(NotAnId);
            }
            u64::from_str_radix(part, 16).map_err(|_| NotAnId)
        };
        let id = Self {
            run: digits(12)?,
            number: digits(NUMBER_DIGITS)?,
            seed: u8::try_from(digits(2)?).map_err(|_| NotAnId)?,
            size_octets: u32::try_from(digits(8)?).map_err(|_| NotAnId)?,
        };
        // A foreign id must not make anyone build gigabytes.
        if parts.next().is_some() || SIZE_OCTETS_MAX < id.size_octets {
            return Err(NotAnId);
        }
        Ok(id)
    }
}

impl MessageId {
    /// The content of the message, before transparency. Allocates `size_octets`.
    pub(crate) fn content(&self) -> Vec<u8> {
        let size = self.size_octets as usize;
        let mut content = self.header();
        content.extend_from_slice(format!("id {self}\r\n").as_bytes());
        let last = format!("end {self}\r\n");
        let mut filler = Filler::new(self.seed);
        let mut stamped_at = content.len();
        // The first filler line begins with a dot, whatever the seed.
        let mut dotted = true;
        while content.len() + last.len() < size {
            let room = size - content.len() - last.len();
            if STAMP_OCTETS <= content.len() - stamped_at && last.len() < room {
                stamped_at = content.len();
                content.extend_from_slice(format!("id {self}\r\n").as_bytes());
            } else {
                filler.line(room, dotted, &mut content);
                dotted = false;
            }
        }
        content.extend_from_slice(last.as_bytes());
        content
    }

    /// The smallest size that holds header, first and last line and one empty line.
    pub(crate) fn size_octets_min() -> usize {
        let id = Self {
            run: 0,
            number: 0,
            seed: 0,
            size_octets: 0,
        };
        id.header().len() + format!("id {id}\r\n").len() + format!("end {id}\r\n").len() + 2
    }

    fn header(&self) -> Vec<u8> {
        format!(
            "Message-ID: <{self}@loadgen.invalid>\r\n\
             {ID_FIELD} {self}\r\n\
             Date: {}\r\n\
             From: <sender@loadgen.invalid>\r\n\
             To: <recipients@loadgen.invalid>\r\n\
             Subject: postern-loadgen\r\n\
             \r\n",
            self.date()
        )
        .into_bytes()
    }

    /// The beginning of the run as a date; always of the same length.
    fn date(&self) -> String {
        let seconds = i64::try_from(self.run >> 16).unwrap_or_default();
        let instant = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let zoned: Zoned = instant.to_zoned(TimeZone::UTC);
        let mut date = rfc2822::to_string(&zoned).unwrap_or_default();
        // A day of one digit would make the header shorter: RFC 5322 §3.3 allows both forms.
        if date.as_bytes().get(6) == Some(&b' ') {
            date.insert(5, '0');
        }
        date
    }
}

/// Deterministic lines of letters and digits.
#[derive(Debug)]
struct Filler(u64);

impl Filler {
    fn new(seed: u8) -> Self {
        Self(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// xorshift64*: any fixed sequence without short periods would do.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Appends one line that leaves nothing or at least one empty line of `room` (at least 2).
    fn line(&mut self, room: usize, dotted: bool, content: &mut Vec<u8>) {
        let choice = self.next();
        let wanted = usize::from((choice & 0x3f) as u8) + 2 + usize::from(dotted) * 4;
        let length = if room < wanted + 2 { room } else { wanted };
        let dots = match (choice >> 8) & 0xf {
            0 | 1 => 1,
            2 => 2,
            _ => usize::from(dotted),
        };
        let start = content.len();
        for place in 0..length - 2 {
            let octet = if place < dots {
                b'.'
            } else {
                ALPHABET[usize::from((self.next() >> 58) as u8)]
            };
            content.push(octet);
        }
        content.extend_from_slice(b"\r\n");
        debug_assert_eq!(
            content.len() - start,
            length,
            "the line has the length chosen"
        );
    }
}

/// Mail data of one run, seed and size, in which only the number changes.
#[derive(Debug)]
pub(crate) struct Template {
    /// Stuffed, with the end of mail data.
    wire: Vec<u8>,
    /// Where the digits of the number stand.
    places: Vec<usize>,
    /// The number that stands there now.
    number: u64,
}

impl Template {
    /// Builds the mail data of message 0.
    pub(crate) fn new(run: u64, seed: u8, size_octets: u32) -> Self {
        let first = MessageId {
            run,
            number: 0,
            seed,
            size_octets,
        };
        let mut wire = Vec::new();
        transparency::stuff(&first.content(), &mut wire);
        let text = first.to_string();
        let places = memmem::find_iter(&wire, text.as_bytes())
            .map(|place| place + NUMBER_OFFSET)
            .collect();
        Self {
            wire,
            places,
            number: 0,
        }
    }

    /// The mail data of message `number`, with the end of mail data.
    pub(crate) fn mail_data(&mut self, number: u64) -> &[u8] {
        if number != self.number {
            self.number = number;
            let digits = hex(number);
            for place in &self.places {
                if let Some(field) = self.wire.get_mut(*place..*place + NUMBER_DIGITS) {
                    field.copy_from_slice(&digits);
                }
            }
        }
        &self.wire
    }

    /// Octets of the mail data of any of its messages.
    pub(crate) const fn octets(&self) -> usize {
        self.wire.len()
    }
}

/// The number as it stands in an id.
fn hex(number: u64) -> [u8; NUMBER_DIGITS] {
    let mut digits = [b'0'; NUMBER_DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::from((rest & 0xf) as u8)];
        rest >>= 4;
    }
    digits
}

/// The header field that carries the bare id.
pub(crate) const ID_FIELD: &str = "X-Postern-Id:";

/// Largest content that is built: bounds the memory of generator and verifier.
pub(crate) const SIZE_OCTETS_MAX: u32 = 256 * 1024 * 1024;

/// Largest number of a message; its digits in an id bound it.
pub(crate) const NUMBER_MAX: u64 = (1 << (4 * NUMBER_DIGITS)) - 1;

/// Distance of the lines that repeat the id.
const STAMP_OCTETS: usize = 1024;

const NUMBER_DIGITS: usize = 10;

/// Where the number stands in the text of an id.
const NUMBER_OFFSET: usize = 13;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transparency::MailDataReader;

    const RUN: u64 = 0x6920_0000_beef;

    #[test]
    fn every_size_is_met_exactly() {
        let minimum = u32::try_from(MessageId::size_octets_min()).expect("small");
        for size_octets in minimum..minimum + 3_000 {
            let id = MessageId {
                run: RUN,
                number: 7,
                seed: 3,
                size_octets,
            };
            let content = id.content();
            assert_eq!(content.len(), size_octets as usize);
            assert!(content.ends_with(b"\r\n"));
            let lines = content.split(|octet| *octet == b'\n');
            assert!(
                lines.clone().all(|line| line.len() < 100
                    && !line[..line.len().saturating_sub(1)].contains(&b'\r'))
            );
        }
    }

    #[test]
    fn mail_data_of_a_template_is_the_content_of_its_id() {
        for size_octets in [400, 1_024, 10_240, 102_400] {
            for seed in 0..16 {
                let mut template = Template::new(RUN, seed, size_octets);
                for number in [0, 1, 0xab_cdef, NUMBER_MAX, 5] {
                    let id = MessageId {
                        run: RUN,
                        number,
                        seed,
                        size_octets,
                    };
                    let wire = template.mail_data(number);
                    let mut content = Vec::new();
                    let end = MailDataReader::default()
                        .read(wire, |piece| content.extend_from_slice(piece));
                    assert_eq!(end, Some(wire.len()));
                    assert!(content == id.content(), "seed {seed}, size {size_octets}");
                    assert!(
                        memmem::find(&content, b"\r\n.").is_some(),
                        "a line begins with a dot"
                    );
                    assert!(memmem::find(wire, b"\r\n..").is_some(), "and is stuffed");
                }
            }
        }
    }

    #[test]
    fn ids_are_read_back_and_nothing_else_is() {
        let id = MessageId {
            run: RUN,
            number: 1_234_567,
            seed: 15,
            size_octets: 1_024,
        };
        let text = id.to_string();
        assert_eq!(text, "69200000beef.000012d687.0f.00000400");
        assert_eq!(text.parse(), Ok(id));
        for wrong in [
            "",
            "a.b.c.d",
            "69200000beef.000012d687.0f.ffffffff",
            "69200000BEEF.000012d687.0f.00000400",
        ] {
            assert_eq!(wrong.parse::<MessageId>(), Err(NotAnId), "{wrong}");
        }
        assert_eq!(format!("{text}.0").parse::<MessageId>(), Err(NotAnId));
    }

    #[test]
    fn ids_stand_throughout_the_content() {
        let id = MessageId {
            run: RUN,
            number: 9,
            seed: 1,
            size_octets: 10_240,
        };
        let count = memmem::find_iter(&id.content(), id.to_string().as_bytes()).count();
        assert!((10..=13).contains(&count), "{count} times");
    }
}
