//! Domains.
//!
//! In: octets that start with a domain. Out: [`Domain`] and the octets after it.
//! Guarantees: labels of letters, digits, inner hyphens and octets over 127, 63 octets each, 255 in all; no dot at
//! either end.
//! Does not: resolve, or accept underscores, which no host name of the mail system may have.
//!
//! RFC 5321 §4.1.2 (Domain, sub-domain, Let-dig, Ldh-str), RFC 1035 §2.3.4 (sizes).

use std::borrow::Cow;

use super::{AddressLiteral, PathError};
use crate::limits;

/// What follows the `@` of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain<'line> {
    /// A name, as sent: ASCII, not empty, case as the client wrote it.
    Name(&'line [u8]),
    /// An address literal, as sent (with brackets), and what it means.
    Literal {
        /// The octets from `[` to `]`.
        octets: &'line [u8],
        /// The address.
        address: AddressLiteral,
    },
}

impl<'line> Domain<'line> {
    /// As sent, an address literal with its brackets.
    #[must_use]
    pub fn as_octets(&self) -> &'line [u8] {
        match self {
            Self::Name(octets) | Self::Literal { octets, .. } => octets,
        }
    }
}

/// The name in the form that DNS and configuration know, if it is one (RFC 5890 §2.3.2.1, A-labels).
#[must_use]
pub fn domain_in_ascii(name: &[u8]) -> Option<Cow<'_, [u8]>> {
    if name.is_ascii() {
        return Some(Cow::Borrowed(name));
    }
    let ascii = idna::domain_to_ascii_cow(name, idna::AsciiDenyList::STD3).ok()?;
    Some(Cow::Owned(ascii.into_owned().into_bytes()))
}

/// `Domain = sub-domain *("." sub-domain)`.
///
/// # Errors
///
/// The octets do not start with a domain, or with one that is too long.
pub fn domain(octets: &[u8]) -> Result<(&[u8], &[u8]), PathError> {
    let (_, mut rest) = sub_domain(octets)?;
    while let [b'.', after_dot @ ..] = rest {
        (_, rest) = sub_domain(after_dot)?;
    }
    let (name, rest) = octets.split_at(octets.len() - rest.len());
    if name.len() > limits::DOMAIN_OCTETS_MAX {
        return Err(PathError::DomainTooLong);
    }
    Ok((name, rest))
}

/// `sub-domain = Let-dig [Ldh-str]`, where `Ldh-str` ends with a letter or digit.
fn sub_domain(octets: &[u8]) -> Result<(&[u8], &[u8]), PathError> {
    let length = octets
        .iter()
        .position(|octet| !octet.is_ascii_alphanumeric() && *octet != b'-' && octet.is_ascii())
        .unwrap_or(octets.len());
    let (label, rest) = octets.split_at(length);
    match (label, rest) {
        ([] | [b'-', ..] | [.., b'-'], _) => Err(PathError::Domain),
        _ if label.len() > limits::DOMAIN_LABEL_OCTETS_MAX => Err(PathError::DomainTooLong),
        _ => Ok((label, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::{PathError, domain};

    #[test]
    fn sizes_are_exact() {
        let labels = |last: usize| {
            let label = "d".repeat(63);
            [&label, &label, &label, "d".repeat(last).as_str()].join(".")
        };
        assert_eq!(labels(63).len(), 255);
        assert_eq!(
            domain(labels(63).as_bytes()).map(|(name, _)| name.len()),
            Ok(255)
        );
        assert_eq!(domain(labels(64).as_bytes()), Err(PathError::DomainTooLong));
        let five = [labels(1).as_str(), "d".repeat(62).as_str()].join(".");
        assert_eq!(five.len(), 256);
        assert_eq!(domain(five.as_bytes()), Err(PathError::DomainTooLong));
    }

    #[test]
    fn what_follows_is_left() {
        let cases: [[&[u8]; 3]; 4] = [
            [b"a.b>", b"a.b", b">"],
            [b"a-b.1,@c", b"a-b.1", b",@c"],
            [b"a b", b"a", b" b"],
            [b"xn--a", b"xn--a", b""],
        ];
        for [octets, name, rest] in cases {
            assert_eq!(
                domain(octets),
                Ok((name, rest)),
                "{}",
                octets.escape_ascii()
            );
        }
    }
}
