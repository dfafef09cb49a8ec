//! Header fields: a name and a value as lines of a message.
//!
//! In: octets of any kind. Out: one field with its CRLF, folded. Guarantees: no line is longer than 998 octets, and none that
//! was folded here longer than 76 where blanks or encoded words allow it; what is not ASCII, and controls, are in encoded words;
//! line ends in a value become blanks, so that a value cannot begin a field.
//! Does not: understand what a field says, but that in lists of addresses a quoted name is one name.
//!
//! RFC 5322 §2.1.1 (length of lines), §2.2.3 (folding), RFC 2047 §2, §4.1, §5 (encoded words).

use data_encoding::BASE64;

/// A name, so short that an encoded word behind it fits on a line of its own.
const NAME_OCTETS_MAX: usize = 75;

/// A line that is folded. RFC 2047 §2 asks for it where there are encoded words, RFC 5322 §2.1.1 would have two more.
const LINE_OCTETS_MAX: usize = 76;

/// A word without blanks. Longer ones are encoded, so that no line exceeds the 998 octets of RFC 5322 §2.1.1.
const WORD_OCTETS_MAX: usize = 800;

/// Blanks between two words; more are left out.
const GAP_OCTETS_MAX: usize = 32;

/// Octets in one encoded word: with its charset and base64 it then has 72 octets of the 75 it may have.
const ENCODED_OCTETS_MAX: usize = 45;

/// Whether this can be the name of a field.
pub(super) fn is_name(name: &[u8]) -> bool {
    (1..=NAME_OCTETS_MAX).contains(&name.len())
        && name
            .iter()
            .all(|octet| octet.is_ascii_graphic() && *octet != b':')
}

/// Whether a value is one value as it stands: each line end is a CRLF and followed by a blank.
pub(super) fn is_folded(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(index) = memchr::memchr3(b'\r', b'\n', 0, rest) {
        match &rest[index..] {
            [b'\r', b'\n', b' ' | b'\t', ..] => rest = &rest[index + 3..],
            _ => return false,
        }
    }
    true
}

/// A field with its value as it is given.
pub(super) fn verbatim(name: &[u8], value: &[u8]) -> Vec<u8> {
    [name, b": ", value, b"\r\n"].concat()
}

/// A field with its value folded and encoded.
pub(super) fn encoded(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut words = Words {
        rest: value,
        has_addresses: ADDRESS_FIELDS
            .iter()
            .any(|field| name.eq_ignore_ascii_case(field)),
    };
    let mut lines = Lines {
        text: [name, b":"].concat(),
        line_octets: name.len() + 1,
        last: Last::Name,
    };
    // Words to be encoded that follow each other are encoded together, because blanks between encoded words do not count.
    let (mut run, mut run_gap) = (Vec::new(), Vec::new());
    while let Some((gap, word)) = words.next_word() {
        match word {
            Word::Plain(word) => {
                lines.encode(&run_gap, &run);
                run.clear();
                lines.put(&gap, word);
            }
            Word::Encode(word) => {
                if run.is_empty() {
                    run_gap = gap;
                } else {
                    run.extend(gap);
                }
                run.extend(word);
            }
        }
    }
    lines.encode(&run_gap, &run);
    lines.text.extend(b"\r\n");
    lines.text
}

/// Fields in which a quoted string is a name before an address. RFC 5322 §3.6.2, §3.6.3, §3.6.6.
const ADDRESS_FIELDS: [&[u8]; 11] = [
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Bcc",
    b"Resent-From",
    b"Resent-Sender",
    b"Resent-To",
    b"Resent-Cc",
    b"Resent-Bcc",
];

enum Word<'v> {
    Plain(&'v [u8]),
    Encode(Vec<u8>),
}

/// Walks through a value, word by word.
struct Words<'v> {
    rest: &'v [u8],
    has_addresses: bool,
}

impl<'v> Words<'v> {
    /// The next word, and the blanks before it: none where it follows a quoted string at once.
    fn next_word(&mut self) -> Option<(Vec<u8>, Word<'v>)> {
        let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
        let start = self.rest.iter().position(|octet| !is_blank(octet))?;
        let (blanks, rest) = self.rest.split_at(start);
        let kept = blanks
            .iter()
            .copied()
            .filter(|octet| matches!(octet, b' ' | b'\t'));
        let mut gap: Vec<u8> = kept.take(GAP_OCTETS_MAX).collect();
        if gap.is_empty() && !blanks.is_empty() {
            gap.push(b' ');
        }
        if self.has_addresses
            && let Some((name, length)) = quoted_name(rest)
        {
            let (quoted, rest) = rest.split_at(length);
            self.rest = rest;
            return Some((gap, word(quoted, name)));
        }
        let length = rest.iter().position(is_blank).unwrap_or(rest.len());
        let (octets, rest) = rest.split_at(length);
        self.rest = rest;
        Some((gap, word(octets, octets.to_vec())))
    }
}

/// A word as it is written, or what it stands for if it can't be written.
fn word(written: &[u8], meaning: Vec<u8>) -> Word<'_> {
    let is_plain = |octet: &u8| matches!(octet, b' ' | b'\t') || octet.is_ascii_graphic();
    match written.len() <= WORD_OCTETS_MAX && written.iter().all(is_plain) {
        true => Word::Plain(written),
        false => Word::Encode(meaning),
    }
}

/// What a quoted string at the beginning stands for, and its length with the quotes. An encoded word cannot be inside of
/// quotes (RFC 2047 §5), and half a quoted string must not be left outside of one.
fn quoted_name(octets: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    let mut inside = octets.strip_prefix(b"\"")?.iter();
    loop {
        match inside.next()? {
            b'"' => return Some((name, octets.len() - inside.len())),
            b'\\' => name.push(*inside.next()?),
            octet => name.push(*octet),
        }
    }
}

/// The lines of a field.
struct Lines {
    text: Vec<u8>,
    line_octets: usize,
    last: Last,
}

/// What a line ends with so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Name,
    Plain,
    Encoded,
}

impl Lines {
    /// A word as it is, and the blanks before it.
    fn put(&mut self, gap: &[u8], word: &[u8]) {
        // Blanks at the beginning of a value mean nothing, and an encoded word ends only at one.
        let gap = if self.last == Last::Name || (self.last == Last::Encoded && gap.is_empty()) {
            b" "
        } else {
            gap
        };
        let octets = self.line_octets + gap.len() + word.len();
        let must_fold = WORD_OCTETS_MAX + LINE_OCTETS_MAX + GAP_OCTETS_MAX < octets;
        let may_fold = self.last != Last::Name && !gap.is_empty();
        if must_fold || (may_fold && LINE_OCTETS_MAX < octets) {
            self.fold();
        }
        let gap = if must_fold && gap.is_empty() {
            b" "
        } else {
            gap
        };
        self.write(gap, word, Last::Plain);
    }

    /// Octets as encoded words. None for no octets.
    fn encode(&mut self, gap: &[u8], octets: &[u8]) {
        let mut gap = if self.last == Last::Name || gap.is_empty() {
            b" "
        } else {
            gap
        };
        let mut rest = octets;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(character_boundary(rest));
            let word = format!("=?UTF-8?B?{}?=", BASE64.encode(part));
            if LINE_OCTETS_MAX < self.line_octets + gap.len() + word.len() {
                self.fold();
                // A line of an encoded word has no room for many blanks.
                gap = &gap[..1];
            }
            self.write(gap, word.as_bytes(), Last::Encoded);
            (rest, gap) = (after, b" ");
        }
    }

    fn fold(&mut self) {
        self.text.extend(b"\r\n");
        self.line_octets = 0;
    }

    fn write(&mut self, gap: &[u8], word: &[u8], last: Last) {
        self.text.extend(gap);
        self.text.extend(word);
        self.line_octets += gap.len() + word.len();
        self.last = last;
    }
}

/// Where a text is cut so that the first part fits into an encoded word and no character is in two.
fn character_boundary(text: &[u8]) -> usize {
    if text.len() <= ENCODED_OCTETS_MAX {
        return text.len();
    }
    let is_inside = |index: &usize| text[*index] & 0xC0 == 0x80;
    let candidates = (ENCODED_OCTETS_MAX - 3..=ENCODED_OCTETS_MAX).rev();
    let mut ends = candidates.skip_while(is_inside);
    // Four octets inside of a character are no UTF-8: any place will do.
    ends.next().unwrap_or(ENCODED_OCTETS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(name: &str, value: &str) -> String {
        let field = encoded(name.as_bytes(), value.as_bytes());
        String::from_utf8(field).expect("fields are ASCII")
    }

    #[test]
    fn values_are_encoded_where_they_must_be() {
        let rows = [
            ("Subject", "Hello", "Subject: Hello\r\n"),
            ("Subject", "", "Subject:\r\n"),
            ("Subject", "  a  b ", "Subject: a  b\r\n"),
            (
                "Subject",
                "a J\u{f6}rg J\u{e4}n b",
                "Subject: a =?UTF-8?B?SsO2cmcgSsOkbg==?= b\r\n",
            ),
            ("Subject", "a\r\nBcc: b@c", "Subject: a Bcc: b@c\r\n"),
            ("Subject", "a\0b", "Subject: =?UTF-8?B?YQBi?=\r\n"),
            (
                "Subject",
                "\"\u{f6} b\"",
                "Subject: =?UTF-8?B?IsO2?= b\"\r\n",
            ),
            (
                "From",
                "\"J\u{f6}rg <e@f>\" <a@b>",
                "From: =?UTF-8?B?SsO2cmcgPGVAZj4=?= <a@b>\r\n",
            ),
            (
                "To",
                "\"J\u{f6} \\\"x\"<a@b>, \"c\"@d",
                "To: =?UTF-8?B?SsO2ICJ4?= <a@b>, \"c\"@d\r\n",
            ),
            ("to", "\"a \" <a@b>", "to: \"a \" <a@b>\r\n"),
        ];
        for (name, value, field) in rows {
            assert_eq!(shown(name, value), field, "{name}: {value}");
        }
    }

    #[test]
    fn names_and_raw_values_are_one_line() {
        for name in ["", "a b", "a:", "a\r\nb", "\u{f6}", &"x".repeat(76)] {
            assert!(!is_name(name.as_bytes()), "{name}");
        }
        assert!(is_name(b"X-Spam_Score!"));
        for value in ["", "a", "a\r\n b", "a\r\n\tb"] {
            assert!(is_folded(value.as_bytes()), "{value}");
        }
        for value in ["a\r\nb", "a\n b", "a\r b", "a\r\n", "a\r\n\r\n b", "\0"] {
            assert!(!is_folded(value.as_bytes()), "{value}");
        }
    }

    /// The text of a field whose encoded words are decoded and whose lines are one.
    fn meaning(field: &str) -> String {
        let line = field.trim_end_matches("\r\n").replace("\r\n", "");
        let joined = line.replace("?= =?UTF-8?B?", "|");
        let mut text = Vec::new();
        for (index, part) in joined.split("=?UTF-8?B?").enumerate() {
            let (encoded, plain) = match index {
                0 => ("", part),
                _ => part.split_once("?=").expect("an encoded word ends"),
            };
            for word in encoded.split('|') {
                text.extend(BASE64.decode(word.as_bytes()).expect("base64"));
            }
            text.extend(plain.bytes());
        }
        String::from_utf8(text).expect("no character is in two words")
    }

    proptest! {
        #[test]
        fn lines_are_short_and_say_the_same(value in "[a-z\u{e4}\u{20ac}\u{1f600} ]{0,400}") {
            let field = shown("Subject", &value);
            for line in field.split("\r\n") {
                prop_assert!(line.len() <= 76 || !line.contains("=?"), "{line}");
                prop_assert!(line.is_ascii());
            }
            let blanks_kept = value.split(' ').filter(|word| !word.is_empty());
            let (words, said) = (blanks_kept.collect::<Vec<_>>().join(" "), meaning(&field));
            let said: Vec<&str> = said["Subject:".len()..].split(' ').collect();
            let said: Vec<&str> = said.into_iter().filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(said.join(" "), words);
        }

        #[test]
        fn a_field_stays_one_field(
            name in "(Subject|To)",
            value in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'"')], 0..3000),
        ) {
            let field = encoded(name.as_bytes(), &value);
            let lines = field.strip_suffix(b"\r\n").expect("a line end");
            prop_assert!(is_folded(lines));
            let text = String::from_utf8(field).expect("ASCII");
            for line in text.split("\r\n") {
                prop_assert!(line.len() <= 998);
                prop_assert!(line.is_empty() || !line.trim().is_empty(), "a blank line");
            }
        }
    }
}
