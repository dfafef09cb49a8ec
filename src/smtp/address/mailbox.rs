//! Mailboxes: `local-part@domain`.
//!
//! In: octets that start with a local-part. Out: [`Mailbox`] and the octets after it.
//! Guarantees: the local-part is kept as sent; quoted pairs stay raw and are undone on demand,
//! without memory.
//! Does not: compare mailboxes: only the host that owns one knows which local-parts are equal
//! (RFC 5321 §2.3.11).
//!
//! RFC 5321 §4.1.2 (Mailbox, Local-part, Dot-string, Quoted-string), RFC 5322 §3.2.3 (atext).

use super::{Domain, PathError, address_literal, domain};
use crate::limits;

/// A mailbox, borrowed from the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mailbox<'line> {
    octets: &'line [u8],
    local_part: LocalPart<'line>,
    domain: Domain<'line>,
}

impl<'line> Mailbox<'line> {
    /// As sent: `local-part@domain`, without angle brackets.
    #[must_use]
    pub fn as_octets(&self) -> &'line [u8] {
        self.octets
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> LocalPart<'line> {
        self.local_part
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> Domain<'line> {
        self.domain
    }
}

/// A local-part, borrowed from the command line. Not empty as sent, though `""` means the empty
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalPart<'line> {
    /// A Dot-string: means what it looks like.
    DotString(&'line [u8]),
    /// A Quoted-string, with its quotes and quoted pairs.
    QuotedString(&'line [u8]),
}

impl<'line> LocalPart<'line> {
    /// As sent, with quotes and quoted pairs.
    #[must_use]
    pub fn as_octets(&self) -> &'line [u8] {
        match self {
            Self::DotString(octets) | Self::QuotedString(octets) => octets,
        }
    }

    /// What it means: the octets without quotes and quoted pairs.
    pub fn unquoted(&self) -> impl Iterator<Item = u8> + use<'line> {
        let (octets, quoted) = match *self {
            Self::DotString(octets) => (octets, false),
            Self::QuotedString([b'"', content @ .., b'"']) => (content, true),
            Self::QuotedString(octets) => (octets, true),
        };
        let mut escaped = false;
        octets.iter().copied().filter(move |&octet| {
            escaped = quoted && octet == b'\\' && !escaped;
            !escaped
        })
    }

    /// Whether it means `postmaster`, in any case and quoted or not (RFC 5321 §4.5.1).
    #[must_use]
    pub fn is_postmaster(&self) -> bool {
        self.unquoted()
            .map(|octet| octet.to_ascii_lowercase())
            .eq(POSTMASTER.iter().copied())
    }
}

/// `Mailbox = Local-part "@" ( Domain / address-literal )`.
///
/// # Errors
///
/// The octets do not start with a mailbox, or with one that is too long.
pub fn mailbox(octets: &[u8]) -> Result<(Mailbox<'_>, &[u8]), PathError> {
    let (local_part, rest) = local_part(octets)?;
    mailbox_of(local_part, octets, rest)
}

/// The mailbox that starts `octets` and whose local-part ends before `at_domain`.
pub(super) fn mailbox_of<'line>(
    local_part: LocalPart<'line>,
    octets: &'line [u8],
    at_domain: &'line [u8],
) -> Result<(Mailbox<'line>, &'line [u8]), PathError> {
    let [b'@', at_domain @ ..] = at_domain else {
        return Err(missing_at_sign(at_domain));
    };
    let (domain, rest) = match at_domain {
        [b'[', ..] => {
            let (address, literal, rest) = address_literal(at_domain)?;
            (
                Domain::Literal {
                    octets: literal,
                    address,
                },
                rest,
            )
        }
        _ => {
            let (name, rest) = domain(at_domain)?;
            (Domain::Name(name), rest)
        }
    };
    let (octets, rest) = octets.split_at(octets.len() - rest.len());
    Ok((
        Mailbox {
            octets,
            local_part,
            domain,
        },
        rest,
    ))
}

/// `Local-part = Dot-string / Quoted-string`.
pub(super) fn local_part(octets: &[u8]) -> Result<(LocalPart<'_>, &[u8]), PathError> {
    let (local_part, rest) = match octets {
        [b'"', ..] => {
            let (quoted_string, rest) = quoted_string(octets)?;
            (LocalPart::QuotedString(quoted_string), rest)
        }
        _ => {
            let (dot_string, rest) = dot_string(octets)?;
            (LocalPart::DotString(dot_string), rest)
        }
    };
    if local_part.as_octets().len() > limits::LOCAL_PART_OCTETS_MAX {
        return Err(PathError::LocalPartTooLong);
    }
    Ok((local_part, rest))
}

/// `Dot-string = Atom *("."  Atom)`.
fn dot_string(octets: &[u8]) -> Result<(&[u8], &[u8]), PathError> {
    let mut rest = atom(octets)?;
    while let [b'.', after_dot @ ..] = rest {
        rest = atom(after_dot)?;
    }
    Ok(octets.split_at(octets.len() - rest.len()))
}

/// `Atom = 1*atext`; what follows it.
fn atom(octets: &[u8]) -> Result<&[u8], PathError> {
    let is_other = |octet: &u8| ATEXT.get(usize::from(*octet)) != Some(&true);
    let length = octets.iter().position(is_other).unwrap_or(octets.len());
    match octets.split_at(length) {
        ([], _) => Err(PathError::LocalPart),
        (_, rest) => Ok(rest),
    }
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`, of `qtextSMTP` and `quoted-pairSMTP`.
fn quoted_string(octets: &[u8]) -> Result<(&[u8], &[u8]), PathError> {
    let [b'"', rest @ ..] = octets else {
        return Err(PathError::LocalPart);
    };
    let mut rest = rest;
    loop {
        rest = match rest {
            [b'"', after_quote @ ..] => {
                return Ok(octets.split_at(octets.len() - after_quote.len()));
            }
            [b'\\', b' '..=b'~', after_pair @ ..] => after_pair,
            // UTF-8 is checked where the path ends; quoting what is not ASCII is for nobody (RFC 6531 §3.3).
            [b' '..=b'[' | b']'..=b'~' | 0x80..=0xff, after_octet @ ..] => after_octet,
            _ => return Err(PathError::LocalPart),
        };
    }
}

/// `atext` of RFC 5322 §3.2.3, and what may be UTF-8 (RFC 6531 §3.3).
const fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || !octet.is_ascii()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
}

/// What is wrong with a local-part that no `@` follows: the end of the path, or an octet that it
/// cannot have.
fn missing_at_sign(rest: &[u8]) -> PathError {
    match rest {
        [] | [b'>', ..] => PathError::AtSignMissing,
        _ => PathError::LocalPart,
    }
}

const POSTMASTER: &[u8] = b"postmaster";

/// [`is_atext`] of every octet: mailboxes are most of what is parsed.
const ATEXT: [bool; 256] = {
    let mut atext = [false; 256];
    let mut octet = 0_u8;
    let mut rest: &mut [bool] = &mut atext;
    while let [place, after @ ..] = rest {
        *place = is_atext(octet);
        octet = octet.wrapping_add(1);
        rest = after;
    }
    atext
};

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{LocalPart, mailbox};
    use crate::smtp::address::{Domain, forward_path, reverse_path};

    #[test]
    fn parts_are_kept_as_sent_and_unquoted_on_demand() {
        let cases: [[&[u8]; 4]; 6] = [
            [b"a@b", b"a", b"a", b"b"],
            [b"A.b+c@Example.ORG", b"A.b+c", b"A.b+c", b"Example.ORG"],
            [b"\"a b\"@c", b"\"a b\"", b"a b", b"c"],
            [
                b"\"a\\\"b\\\\c\\d\"@e",
                b"\"a\\\"b\\\\c\\d\"",
                b"a\"b\\cd",
                b"e",
            ],
            [b"\"\"@b", b"\"\"", b"", b"b"],
            [b"\"@\"@[192.0.2.1]", b"\"@\"", b"@", b"[192.0.2.1]"],
        ];
        for [text, local_part, unquoted, domain] in cases {
            let Ok((mailbox, [])) = mailbox(text) else {
                return assert_eq!(text.escape_ascii().to_string(), "a mailbox");
            };
            assert_eq!(mailbox.as_octets(), text);
            assert_eq!(mailbox.local_part().as_octets(), local_part);
            assert_eq!(
                mailbox.local_part().unquoted().collect::<Vec<u8>>(),
                unquoted
            );
            assert_eq!(mailbox.domain().as_octets(), domain);
        }
    }

    #[test]
    fn postmaster_is_known_in_every_form() {
        assert!(LocalPart::DotString(b"postmaster").is_postmaster());
        assert!(LocalPart::DotString(b"PostMaster").is_postmaster());
        assert!(LocalPart::QuotedString(b"\"post\\master\"").is_postmaster());
        assert!(!LocalPart::DotString(b"postmaste").is_postmaster());
        assert!(!LocalPart::DotString(b"postmasters").is_postmaster());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        /// What is taken for a mailbox is one, alone and in a path, and holds nothing a header must
        /// not.
        #[test]
        fn a_mailbox_found_in_noise_is_one(
            octets in vec(prop::sample::select(b"aZ0.@\"\\ <>[]:,-_I4Pv6\xc3\xa9".to_vec()), 0..24)
        ) {
            if let Ok((found, rest)) = mailbox(&octets) {
                prop_assert_eq!(&[found.as_octets(), rest].concat(), &octets);
                prop_assert_eq!(mailbox(found.as_octets()), Ok((found, &b""[..])));
                prop_assert!(found.as_octets().iter().all(|octet| matches!(octet, b' '..=b'~' | 0x80..)));
                if let Domain::Name(name) = found.domain() {
                    prop_assert!(!name.is_empty() && !name.contains(&b' '));
                }
                let path = [b"<", found.as_octets(), b">"].concat();
                let is_text = std::str::from_utf8(&path).is_ok();
                prop_assert_eq!(reverse_path(&path).is_ok(), is_text);
                prop_assert_eq!(forward_path(&path).is_ok(), is_text);
            }
            let path = [&b"<"[..], &octets, b">"].concat();
            if let Ok((_, rest)) = reverse_path(&path) {
                prop_assert!(path.ends_with(rest));
            }
        }
    }
}
