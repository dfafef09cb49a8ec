//! Parameters of MAIL and RCPT: `KEYWORD` or `KEYWORD=value`.
//!
//! In: what follows the path, checked once. Out: [`Parameter`]s, taken from the line as they are
//! asked for.
//! Guarantees: every keyword and value matches the grammar. A list costs no memory and has no bound
//! but the line's.
//! Does not: know which keywords exist, or refuse one that stands twice; the session does both.
//!
//! RFC 5321 §4.1.2 (Mail-parameters, esmtp-param, esmtp-keyword, esmtp-value); RFC 6531 §3.3 (UTF-8 in an esmtp-value).

/// One parameter, borrowed from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameter<'line> {
    /// As sent, not empty; compare without regard to case.
    pub keyword: &'line [u8],
    /// What follows the `=`, not empty; none if there is no `=`.
    pub value: Option<&'line [u8]>,
}

/// The parameters of one command, in the order sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters<'line>(&'line [u8]);

impl<'line> Parameters<'line> {
    /// `*( SP esmtp-param )`, with any number of spaces or tabs between and after the parameters;
    /// none if it is not.
    pub(super) fn parse(octets: &'line [u8]) -> Option<Self> {
        let parameters = Self(octets);
        let separated = matches!(octets, [] | [b' ' | b'\t', ..]);
        (separated && parameters.iter().all(is_esmtp_param)).then_some(parameters)
    }

    /// No parameters.
    #[must_use]
    pub const fn none() -> Self {
        Self(&[])
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Parameter<'line>> + use<'line> {
        self.words().map(split)
    }

    /// As sent, with the white space before, between and after them.
    #[must_use]
    pub const fn as_octets(&self) -> &'line [u8] {
        self.0
    }

    fn words(&self) -> impl Iterator<Item = &'line [u8]> + use<'line> {
        self.0
            .split(|octet| matches!(octet, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
    }
}

/// A word as keyword and value, whatever they are.
fn split(word: &[u8]) -> Parameter<'_> {
    let Some(place) = word.iter().position(|octet| *octet == b'=') else {
        return Parameter {
            keyword: word,
            value: None,
        };
    };
    let (keyword, rest) = word.split_at(place);
    Parameter {
        keyword,
        value: rest.get(1..),
    }
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`.
fn is_esmtp_param(parameter: Parameter<'_>) -> bool {
    esmtp_keyword(parameter.keyword) && parameter.value.is_none_or(esmtp_value)
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`.
fn esmtp_keyword(octets: &[u8]) -> bool {
    matches!(octets, [first, rest @ ..] if first.is_ascii_alphanumeric()
        && rest.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-'))
}

/// `esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)`. Which parameter may be UTF-8, and when, the session knows.
fn esmtp_value(octets: &[u8]) -> bool {
    let is_value_octet = |octet: &u8| matches!(octet, 33..=60 | 62..=126 | 128..);
    !octets.is_empty()
        && octets.iter().all(is_value_octet)
        && (octets.is_ascii() || std::str::from_utf8(octets).is_ok())
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    /// The parameters as text, one per word; none if they are no list.
    fn found(octets: &[u8]) -> Option<String> {
        let words: Vec<String> = Parameters::parse(octets)?
            .iter()
            .map(|parameter| {
                let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
                match parameter.value {
                    Some(value) => format!("{}:{}", text(parameter.keyword), text(value)),
                    None => text(parameter.keyword),
                }
            })
            .collect();
        Some(words.join(" "))
    }

    #[test]
    fn lists_follow_the_grammar() {
        let right: [(&[u8], &str); 7] = [
            (b"", ""),
            (b"  \t", ""),
            (b" SIZE=1", "SIZE:1"),
            (b"  size=1\t8BIT-x  Z ", "size:1 8BIT-x Z"),
            (b" A=!\"<~ A=b", "A:!\"<~ A:b"),
            (b" ENVID=+3D+2B", "ENVID:+3D+2B"),
            (b" ORCPT=utf-8;\xc3\xa9@b", "ORCPT:utf-8;\u{e9}@b"),
        ];
        for (octets, expected) in right {
            assert_eq!(
                found(octets).as_deref(),
                Some(expected),
                "{}",
                octets.escape_ascii()
            );
        }
        let wrong: [&[u8]; 9] = [
            b"SIZE=1", b" =1", b" A=", b" A=b=c", b" -A", b" A_B", b" A=\xff", b" A=\x7f", b" \xff",
        ];
        for octets in wrong {
            assert_eq!(found(octets), None, "{}", octets.escape_ascii());
        }
    }
}
