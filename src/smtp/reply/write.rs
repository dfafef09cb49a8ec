//! Writes replies as octets, gathered until the pump sends them in one go.
//!
//! In: [`Reply`]. Out: lines that end with CRLF, appended to one buffer.
//!
//! Guarantees: each reply is well-formed whatever its text: every line has the code, all but the
//! last a hyphen; LF in a text starts a further line, CR is dropped, HT stays, other control octets become
//! a space, octets over 127 become `?` unless the client asked for them; no line exceeds 512 octets,
//! no reply the bounds of `crate::limits`. Allocates only while the buffer grows to the size that a
//! session needs.
//!
//! RFC 5321 §4.2 and §4.2.1 (form), §4.5.3.1.5 (512 octets); RFC 2034 §4 (enhanced code on every
//! line).

use memchr::memrchr;

use super::{Piece, Reply, ReplyClass, ReplyCode, ReplyText};
use crate::limits;
use crate::smtp::extension::{Extensions, Parameter};

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
    last_code: Option<ReplyCode>,
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
        self.last_code = Some(reply.code);
        let mut prefix = Prefix::new(reply);
        let text = match reply.text {
            ReplyText::Fixed(text) => Some(text.as_bytes()),
            ReplyText::Octets(text) => Some(text),
            ReplyText::Pieces(_) | ReplyText::Offer { .. } | ReplyText::Lines(_) => None,
        };
        match text.filter(|text| text.len() <= LINE_TEXT_OCTETS && is_plain(text)) {
            Some(text) => self.push_line(&mut prefix, text),
            None => self.push_lines(prefix, reply),
        }
    }

    /// Appends a reply of one line, as almost all are.
    fn push_line(&mut self, prefix: &mut Prefix, text: &[u8]) {
        prefix.octets[CODE_OCTETS] = b' ';
        let start = self.octets.len();
        self.octets
            .reserve(PREFIX_OCTETS_MAX + text.len() + CRLF.len());
        // The whole array, whose size the compiler knows, is copied in a few instructions.
        self.octets.extend_from_slice(&prefix.octets);
        self.octets.truncate(start + prefix.octets_count);
        self.octets.extend_from_slice(text);
        self.octets.extend_from_slice(CRLF);
    }

    fn push_lines(&mut self, prefix: Prefix, reply: &Reply<'_>) {
        let mut writer = ReplyWriter::new(&mut self.octets, prefix, self.eight_bit_text);
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

    /// The code of the reply pushed last, sent or not.
    #[must_use]
    pub fn last_code(&self) -> Option<ReplyCode> {
        self.last_code
    }

    /// Forgets what has been sent and keeps the memory, unless that has become much.
    pub fn clear(&mut self) {
        if self.octets.capacity() > limits::REPLY_BUFFER_BYTES_KEPT {
            self.octets = Vec::new();
        }
        self.octets.clear();
    }

    /// Whether it holds memory.
    #[must_use]
    pub fn holds_memory(&self) -> bool {
        self.octets.capacity() != 0
    }

    /// Has the next replies written to `memory`, whose content is lost. Nothing may wait to be sent.
    pub fn use_memory(&mut self, mut memory: Vec<u8>) {
        debug_assert!(self.is_empty(), "replies must not be lost");
        memory.clear();
        self.octets = memory;
    }

    /// Gives its memory away, empty, unless something waits to be sent.
    pub fn give_memory(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.holds_memory()).then(|| std::mem::take(&mut self.octets))
    }

    /// Takes what is to be sent out of a value that is not needed any more.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
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
    fn new(octets: &'octets mut Vec<u8>, prefix: Prefix, eight_bit_text: EightBitText) -> Self {
        let line_start = octets.len();
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
            self.parameter(extensions.parameter(extension));
        }
    }

    fn parameter(&mut self, parameter: Parameter) {
        match parameter {
            Parameter::Nothing => {}
            Parameter::Number(number) => {
                self.push(b' ');
                self.number(number);
            }
            Parameter::Words(words) => {
                self.push(b' ');
                self.text(words.as_bytes());
            }
            Parameter::Mechanisms(mechanisms) => {
                for mechanism in mechanisms.iter() {
                    self.push(b' ');
                    self.text(mechanism.name().as_bytes());
                }
            }
            Parameter::Limits {
                messages_max,
                recipients_max,
            } => {
                self.text(b" MAILMAX=");
                self.number(messages_max.into());
                self.text(b" RCPTMAX=");
                self.number(recipients_max.into());
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
        // What is plain and fits the line is almost all there is, so it goes in at once.
        let line_octets = self.octets.len() - self.line_start + text.len();
        if line_octets <= limits::REPLY_LINE_OCTETS_MAX - CRLF.len()
            && self.text_octets + text.len() <= limits::REPLY_TEXT_OCTETS_MAX
            && self.lines_count <= limits::REPLY_LINES_MAX
            && is_plain(text)
        {
            self.text_octets += text.len();
            self.octets.extend_from_slice(text);
            return;
        }
        for &octet in text {
            match octet {
                b'\n' => self.start_line(),
                b'\r' => {}
                b'\t' | b' '..=b'~' => self.push(octet),
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
        let [hundreds, tens, ones] = digits(reply.code.number());
        let mut octets = [0; PREFIX_OCTETS_MAX];
        octets[..4].copy_from_slice(&[hundreds, tens, ones, b'-']);
        let mut prefix = Self {
            octets,
            octets_count: CODE_OCTETS + 1,
        };
        let Some(enhanced) = reply.enhanced else {
            return prefix;
        };
        if reply.code.class() == ReplyClass::Intermediate {
            return prefix;
        }
        let (subject, detail) = (enhanced.subject(), enhanced.detail());
        if subject < 10 && detail < 10 {
            // As almost all are: no place has to be found for each part.
            let [subject, detail] = [subject, detail].map(digit);
            prefix.octets[4..10].copy_from_slice(&[hundreds, b'.', subject, b'.', detail, b' ']);
            prefix.octets_count = 10;
            return prefix;
        }
        prefix.extend(&[hundreds, b'.']);
        prefix.number(subject);
        prefix.extend(b".");
        prefix.number(detail);
        prefix.extend(b" ");
        prefix
    }

    /// A number of at most three digits.
    fn number(&mut self, number: u16) {
        if number < 10 {
            return self.extend(&[digit(number)]);
        }
        let digits = digits(number);
        self.extend(if number < 100 { &digits[1..] } else { &digits });
    }

    fn extend(&mut self, octets: &[u8]) {
        let end = self.octets_count + octets.len();
        if let Some(place) = self.octets.get_mut(self.octets_count..end) {
            place.copy_from_slice(octets);
            self.octets_count = end;
        }
    }

    fn as_octets(&self) -> &[u8] {
        self.octets.get(..self.octets_count).unwrap_or_default()
    }
}

/// The last three digits of a number.
fn digits(number: u16) -> [u8; 3] {
    [number / 100, number / 10, number].map(digit)
}

/// The last digit of a number.
fn digit(number: u16) -> u8 {
    b'0' + (number % 10).to_le_bytes()[0]
}

/// Whether a text has nothing but printable ASCII, all of which is looked at: that is faster than to stop early.
fn is_plain(text: &[u8]) -> bool {
    text.iter()
        .fold(true, |plain, octet| plain & (b' '..=b'~').contains(octet))
}

const CRLF: &[u8] = b"\r\n";

/// Digits of a reply code.
const CODE_OCTETS: usize = 3;

/// `550-5.999.999 `.
const PREFIX_OCTETS_MAX: usize = CODE_OCTETS + 1 + 9 + 1;

/// Text that fits one line whatever its prefix.
const LINE_TEXT_OCTETS: usize = limits::REPLY_LINE_OCTETS_MAX - PREFIX_OCTETS_MAX - CRLF.len();

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{EightBitText, Replies};
    use crate::limits;
    use crate::smtp::extension::{Extension, Extensions};
    use crate::smtp::reply::{EnhancedCode, Piece, Reply, ReplyCode, ReplyText, ehlo, ok};

    fn written(reply: &Reply<'_>) -> String {
        let mut replies = Replies::new();
        replies.push(reply);
        String::from_utf8_lossy(replies.as_octets()).into_owned()
    }

    fn refusal(text: ReplyText<'_>) -> Reply<'_> {
        Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, EnhancedCode::of(7, 1), text)
    }

    #[test]
    fn line_feeds_make_lines_and_nothing_else_does() {
        let cases: [(&[u8], &str); 8] = [
            (b"no", "550 5.7.1 no\r\n"),
            (b"", "550 5.7.1 \r\n"),
            (b"one\ntwo", "550-5.7.1 one\r\n550 5.7.1 two\r\n"),
            (
                b"one\r\n250 Ok\r\n",
                "550-5.7.1 one\r\n550-5.7.1 250 Ok\r\n550 5.7.1 \r\n",
            ),
            (b"a\rb", "550 5.7.1 ab\r\n"),
            (b"a\0b\tc\x7fd", "550 5.7.1 a b\tc d\r\n"),
            (b"\xc3\xa9", "550 5.7.1 ??\r\n"),
            (b"\n", "550-5.7.1 \r\n550 5.7.1 \r\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(&refusal(ReplyText::Octets(text))), expected);
        }
        let lines: [&[u8]; 2] = [b"one", b"two\nthree"];
        assert_eq!(
            written(&refusal(ReplyText::Lines(&lines))),
            "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n"
        );
    }

    #[test]
    fn eight_bit_text_goes_to_those_who_asked() {
        let mut replies = Replies::new();
        replies.set_eight_bit_text(EightBitText::Allowed);
        replies.push(&refusal(ReplyText::Octets(b"\xc3\xa9\x01")));
        assert_eq!(replies.as_octets(), b"550 5.7.1 \xc3\xa9 \r\n");
    }

    #[test]
    fn intermediate_replies_have_no_enhanced_code() {
        let reply = Reply::new(
            ReplyCode::START_MAIL_INPUT,
            EnhancedCode::of(0, 0),
            ReplyText::Fixed("Go on"),
        );
        assert_eq!(written(&reply), "354 Go on\r\n");
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 99, 100, 1_000, u64::MAX] {
            let pieces = [
                Piece::Words("<"),
                Piece::Number(number),
                Piece::Words(">"),
                Piece::Nothing,
            ];
            let reply = refusal(ReplyText::Pieces(pieces));
            assert_eq!(written(&reply), format!("550 5.7.1 <{number}>\r\n"));
        }
        let reply = Reply::new(
            ReplyCode::OK,
            EnhancedCode::of(10, 999),
            ReplyText::Fixed("x"),
        );
        assert_eq!(written(&reply), "250 2.10.999 x\r\n");
    }

    #[test]
    fn only_what_is_offered_is_announced() {
        let domain = b"client.example";
        let offered = Extensions::unconditional(5, 7, 100).without(Extension::Pipelining);
        assert_eq!(
            written(&ehlo("mx.example.org", domain, offered)),
            "250-mx.example.org greets client.example\r\n\
             250-SIZE 5\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-BINARYMIME\r\n\
             250-SMTPUTF8\r\n250-DSN\r\n250 LIMITS MAILMAX=7 RCPTMAX=100\r\n"
        );
        assert_eq!(
            written(&ehlo("mx.example.org", domain, Extensions::none())),
            "250 mx.example.org greets client.example\r\n"
        );
    }

    #[test]
    fn long_text_goes_on_in_a_further_line_at_a_space() {
        let text = "word ".repeat(110);
        let reply = written(&refusal(ReplyText::Octets(text.as_bytes())));
        let lines: Vec<&str> = reply.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines
                .iter()
                .all(|line| line.ends_with("word") || line.ends_with("word "))
        );
        let unbroken = written(&refusal(ReplyText::Octets(&[b'x'; 1_005])));
        let lengths: Vec<usize> = unbroken.split_terminator("\r\n").map(str::len).collect();
        assert_eq!(lengths, [510, 510, 15]);
    }

    #[test]
    fn the_memory_of_the_buffer_serves_again() {
        let mut replies = Replies::new();
        replies.push(&ok());
        assert_eq!(replies.as_octets(), b"250 2.0.0 Ok\r\n");
        let memory = replies.as_octets().as_ptr();
        replies.clear();
        assert!(replies.is_empty());
        replies.push(&ok());
        assert_eq!(replies.as_octets().as_ptr(), memory);
        assert_eq!(replies.last_code(), Some(ReplyCode::OK));
    }

    #[test]
    fn an_idle_client_holds_little_memory() {
        let mut replies = Replies::new();
        for batch_replies_count in [100, 1_000, 5] {
            for _ in 0..batch_replies_count {
                replies.push(&ok());
            }
            replies.clear();
            assert!(replies.is_empty());
            assert!(replies.octets.capacity() <= limits::REPLY_BUFFER_BYTES_KEPT);
        }
        assert!(0 < replies.octets.capacity(), "a little is kept");
    }

    /// Texts of ordinary words, line ends, and octets of every kind.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r\n250 Ok\r\n".to_vec()),
            Just(b"some words of text ".to_vec()),
            vec(b'a'..=b'z', 0..700),
            vec(any::<u8>(), 0..20),
        ];
        vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 1_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn whatever_the_text_it_is_one_reply(text in text(), number in 200_u16..600) {
            let code = ReplyCode::new(number).unwrap_or(ReplyCode::OK);
            let reply = Reply::new(code, EnhancedCode::of(7, 1), ReplyText::Octets(&text));
            let mut replies = Replies::new();
            replies.push(&ok());
            let start = replies.as_octets().len();
            replies.push(&reply);
            let octets = replies.as_octets().get(start..).unwrap_or_default();
            let octets_max = limits::REPLY_TEXT_OCTETS_MAX + limits::REPLY_LINES_MAX * 32;
            prop_assert!(octets.len() <= octets_max);
            let reply = String::from_utf8(octets.to_vec());
            prop_assert!(reply.is_ok(), "replies are ASCII");
            let reply = reply.unwrap_or_default();
            prop_assert!(reply.ends_with("\r\n"));
            let lines: Vec<&str> = reply.split_terminator("\r\n").collect();
            prop_assert!(lines.len() <= limits::REPLY_LINES_MAX);
            let enhanced = match number / 100 {
                3 => String::new(),
                class => format!("{class}.7.1 "),
            };
            for (index, line) in lines.iter().enumerate() {
                let separator = if index + 1 == lines.len() { ' ' } else { '-' };
                prop_assert!(line.starts_with(&format!("{number}{separator}{enhanced}")), "{line}");
                prop_assert!(line.len() + 2 <= limits::REPLY_LINE_OCTETS_MAX);
                prop_assert!(line.bytes().all(|octet| matches!(octet, b'\t' | b' '..=b'~')));
            }
        }
    }
}
