//! Writes replies as octets, gathered until the pump sends them in one go.
//!
//! In: [`Reply`]. Out: lines that end with CRLF, appended to one buffer.
//!
//! Guarantees: each reply is well-formed whatever its text: every line has the code, all but the
//! last a hyphen; LF in a text starts a further line, CR is dropped, other control octets become a
//! space, octets over 127 become `?` unless the client asked for them; no line exceeds 512 octets,
//! no reply the bounds of `crate::limits`. Allocates only while the buffer grows to the size that a
//! session needs.
//!
//! RFC 5321 §4.2 and §4.2.1 (form), §4.5.3.1.5 (512 octets); RFC 2034 §4 (enhanced code on every
//! line).

use memchr::memrchr;

use super::{Piece, Reply, ReplyClass, ReplyText};
use crate::limits;
use crate::smtp::extension::Extensions;

/// Whether a client may be sent octets over 127 in the text of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EightBitText {
    /// As they are.
    Allowed,
    /// As `?`, one per octet.
    #[default]
    Replaced,
}

/// Replies to send, in order.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
    count: u64,
    eight_bit_text: EightBitText,
}

impl Replies {
    /// No replies yet, no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one reply.
    pub fn push(&mut self, reply: &Reply<'_>) {
        let mut writer = ReplyWriter::new(&mut self.octets, reply, self.eight_bit_text);
        match reply.text {
            ReplyText::Fixed(text) => writer.text(text.as_bytes()),
            ReplyText::Pieces(pieces) => pieces.iter().for_each(|piece| writer.piece(piece)),
            ReplyText::Offer {
                hostname,
                client,
                extensions,
            } => {
                writer.offer(hostname, client, extensions);
            }
            ReplyText::Lines(lines) => writer.lines(lines),
            ReplyText::Octets(text) => writer.text(text),
        }
        writer.finish();
        self.count = self.count.saturating_add(1);
    }

    /// What is to be sent.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Whether replies must be sent before another command is answered: the bound of
    /// [`limits::REPLY_BUFFER_BYTES_MAX`] holds as long as the pump asks.
    #[must_use]
    pub fn must_be_sent(&self) -> bool {
        self.octets.len() > limits::REPLY_BUFFER_BYTES_MAX / 2
    }

    /// Replies pushed since the value was made; sending does not lower it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Forgets what has been sent and keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
    }

    /// Takes the buffer out, for an executor that must own what it sends; see
    /// [`Replies::give_back`].
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.octets)
    }

    /// Puts the buffer back, emptied, so that its memory serves again.
    pub fn give_back(&mut self, mut octets: Vec<u8>) {
        if self.octets.is_empty() && octets.capacity() <= limits::REPLY_BUFFER_BYTES_MAX {
            octets.clear();
            self.octets = octets;
        }
    }

    /// Sets whether octets over 127 may be sent from now on.
    pub fn set_eight_bit_text(&mut self, eight_bit_text: EightBitText) {
        self.eight_bit_text = eight_bit_text;
    }
}

/// One reply being written. Invariant: `octets` ends within a line of the reply, its prefix written
/// with a hyphen.
struct ReplyWriter<'octets> {
    octets: &'octets mut Vec<u8>,
    prefix: Prefix,
    line_start: usize,
    lines_count: usize,
    text_octets: usize,
    eight_bit_text: EightBitText,
}

impl<'octets> ReplyWriter<'octets> {
    fn new(octets: &'octets mut Vec<u8>, reply: &Reply<'_>, eight_bit_text: EightBitText) -> Self {
        let line_start = octets.len();
        let prefix = Prefix::new(reply);
        octets.extend_from_slice(prefix.as_octets());
        Self {
            octets,
            prefix,
            line_start,
            lines_count: 1,
            text_octets: 0,
            eight_bit_text,
        }
    }

    fn lines(&mut self, lines: &[&[u8]]) {
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.start_line();
            }
            self.text(line);
        }
    }

    fn piece(&mut self, piece: &Piece<'_>) {
        match *piece {
            Piece::Nothing => {}
            Piece::Words(words) => self.text(words.as_bytes()),
            Piece::Octets(octets) => self.text(octets),
            Piece::Number(number) => self.number(number),
        }
    }

    fn offer(&mut self, hostname: &[u8], client: &[u8], extensions: Extensions) {
        self.text(hostname);
        self.text(b" greets ");
        self.text(client);
        for extension in extensions.iter() {
            self.start_line();
            self.text(extension.keyword().as_bytes());
            if let Some(number) = extensions.parameter(extension) {
                self.push(b' ');
                self.number(number);
            }
        }
    }

    fn number(&mut self, number: u64) {
        let mut divisor = 1;
        while number / divisor >= 10 {
            divisor *= 10;
        }
        while divisor > 0 {
            self.push(b'0' + u8::try_from(number / divisor % 10).unwrap_or(0));
            divisor /= 10;
        }
    }

    fn text(&mut self, text: &[u8]) {
        for &octet in text {
            match octet {
                b'\n' => self.start_line(),
                b'\r' => {}
                b' '..=b'~' => self.push(octet),
                0x80.. if self.eight_bit_text == EightBitText::Allowed => self.push(octet),
                0x80.. => self.push(b'?'),
                _ => self.push(b' '),
            }
        }
    }

    fn push(&mut self, octet: u8) {
        if self.octets.len() - self.line_start >= limits::REPLY_LINE_OCTETS_MAX - CRLF.len() {
            self.wrap_line();
        }
        if self.text_octets >= limits::REPLY_TEXT_OCTETS_MAX
            || self.lines_count > limits::REPLY_LINES_MAX
        {
            return;
        }
        self.text_octets += 1;
        self.octets.push(octet);
    }

    /// A text that asks for more lines than a reply may have ends with its last allowed line.
    fn start_line(&mut self) {
        self.lines_count += 1;
        if self.lines_count > limits::REPLY_LINES_MAX {
            return;
        }
        self.octets.extend_from_slice(CRLF);
        self.line_start = self.octets.len();
        self.octets.extend_from_slice(self.prefix.as_octets());
    }

    /// Starts a further line for a text that fills this one, at the last space if there is one.
    fn wrap_line(&mut self) {
        let text_start = self.line_start + self.prefix.as_octets().len();
        let text = self.octets.get(text_start..).unwrap_or_default();
        let mut word = [0; limits::REPLY_LINE_OCTETS_MAX];
        let mut word_octets = 0;
        if let Some(space) = memrchr(b' ', text)
            && let Some(last_word) = text.get(space + 1..)
            && let Some(kept) = word.get_mut(..last_word.len())
            && space > 0
        {
            kept.copy_from_slice(last_word);
            word_octets = last_word.len();
            self.octets.truncate(text_start + space);
        }
        self.start_line();
        self.octets
            .extend_from_slice(word.get(..word_octets).unwrap_or_default());
    }

    fn finish(self) {
        if let Some(separator) = self.octets.get_mut(self.line_start + CODE_OCTETS) {
            *separator = b' ';
        }
        self.octets.extend_from_slice(CRLF);
    }
}

/// What every line of a reply starts with: `250-` or `250-2.1.0 `.
struct Prefix {
    octets: [u8; PREFIX_OCTETS_MAX],
    octets_count: usize,
}

impl Prefix {
    fn new(reply: &Reply<'_>) -> Self {
        let mut prefix = Self {
            octets: [0; PREFIX_OCTETS_MAX],
            octets_count: 0,
        };
        prefix.number(reply.code.number());
        prefix.push(b'-');
        if let Some(enhanced) = reply.enhanced
            && reply.code.class() != ReplyClass::Intermediate
        {
            prefix.push(b'0' + reply.code.class().digit());
            prefix.push(b'.');
            prefix.number(enhanced.subject());
            prefix.push(b'.');
            prefix.number(enhanced.detail());
            prefix.push(b' ');
        }
        prefix
    }

    /// A number of at most three digits.
    fn number(&mut self, number: u16) {
        for (divisor, least) in [(100, 100), (10, 10), (1, 0)] {
            if number >= least {
                self.push(b'0' + u8::try_from(number / divisor % 10).unwrap_or(0));
            }
        }
    }

    fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.octets_count) {
            *place = octet;
            self.octets_count += 1;
        }
    }

    fn as_octets(&self) -> &[u8] {
        self.octets.get(..self.octets_count).unwrap_or_default()
    }
}

const CRLF: &[u8] = b"\r\n";

/// Digits of a reply code.
const CODE_OCTETS: usize = 3;

/// `550-5.999.999 `.
const PREFIX_OCTETS_MAX: usize = CODE_OCTETS + 1 + 9 + 1;
