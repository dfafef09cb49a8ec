//! Paths: what MAIL and RCPT name, in angle brackets.
//!
//! In: octets that start with `<`. Out: the path and the octets after `>`.
//! Guarantees: a source route is checked and dropped, so that nobody later can act on it.
//! Does not: accept a path without brackets from a client, or one of more than 256 octets.
//!
//! RFC 5321 §4.1.2 (Reverse-path, Forward-path, A-d-l), §4.1.1.3 (`<Postmaster>`; source routes are
//! ignored), §4.5.3.1.3 (256 octets).

use super::mailbox::{local_part, mailbox_of};
use super::{Charset, LocalPart, Mailbox, PathError, domain, mailbox};
use crate::limits;

/// The argument of MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReversePath<'line> {
    /// `<>`: nobody is to be told (RFC 5321 §4.5.5).
    Null,
    /// Who is to be told if the message cannot be delivered.
    Mailbox(Mailbox<'line>),
}

impl<'text> ReversePath<'text> {
    /// The path of an address that stands without angle brackets, as scripts write it; empty is `<>`. None if it is no
    /// address.
    #[must_use]
    pub fn of_address(address: &'text [u8], charset: Charset) -> Option<Self> {
        if address.is_empty() {
            return Some(Self::Null);
        }
        whole_mailbox(address, charset).map(Self::Mailbox)
    }
}

/// The argument of RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardPath<'line> {
    /// `<postmaster>` without a domain, in any case, as sent.
    Postmaster(LocalPart<'line>),
    /// A recipient.
    Mailbox(Mailbox<'line>),
}

impl<'text> ForwardPath<'text> {
    /// The path of an address that stands without angle brackets, as scripts write it. None if it is no address.
    #[must_use]
    pub fn of_address(address: &'text [u8], charset: Charset) -> Option<Self> {
        match local_part(address) {
            Ok((local_part, [])) if local_part.is_postmaster() => {
                Some(Self::Postmaster(local_part))
            }
            _ => whole_mailbox(address, charset).map(Self::Mailbox),
        }
    }
}

/// A mailbox that a path could hold, and nothing behind it.
fn whole_mailbox(address: &[u8], charset: Charset) -> Option<Mailbox<'_>> {
    let is_text = match charset {
        Charset::Ascii => address.is_ascii(),
        Charset::Utf8 => std::str::from_utf8(address).is_ok(),
    };
    if !is_text || limits::PATH_OCTETS_MAX < address.len() + BRACKETS_OCTETS {
        return None;
    }
    match mailbox(address) {
        Ok((mailbox, [])) => Some(mailbox),
        _ => None,
    }
}

/// `Reverse-path = Path / "<>"`.
///
/// # Errors
///
/// The octets do not start with a reverse-path.
pub fn reverse_path(octets: &[u8]) -> Result<(ReversePath<'_>, &[u8]), PathError> {
    if let [b'<', b'>', rest @ ..] = octets {
        return Ok((ReversePath::Null, rest));
    }
    let (mailbox, rest) = mailbox(opened(octets)?)?;
    Ok((ReversePath::Mailbox(mailbox), closed(octets, rest)?))
}

/// `"<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path`.
///
/// # Errors
///
/// The octets do not start with a forward-path.
pub fn forward_path(octets: &[u8]) -> Result<(ForwardPath<'_>, &[u8]), PathError> {
    if let [b'<', b'>', ..] = octets {
        return Err(PathError::Empty);
    }
    let content = opened(octets)?;
    let (local_part, rest) = local_part(content)?;
    if let [b'>', ..] = rest
        && local_part.is_postmaster()
    {
        return Ok((ForwardPath::Postmaster(local_part), closed(octets, rest)?));
    }
    let (mailbox, rest) = mailbox_of(local_part, content, rest)?;
    Ok((ForwardPath::Mailbox(mailbox), closed(octets, rest)?))
}

/// What follows `"<" [ A-d-l ":" ]`.
fn opened(octets: &[u8]) -> Result<&[u8], PathError> {
    let [b'<', content @ ..] = octets else {
        return Err(PathError::OpeningBracketMissing);
    };
    match content {
        [b'@', ..] => source_route(content),
        _ => Ok(content),
    }
}

/// `A-d-l = At-domain *( "," At-domain )` and its colon; what follows them.
fn source_route(octets: &[u8]) -> Result<&[u8], PathError> {
    let mut rest = octets;
    loop {
        let [b'@', at_domain @ ..] = rest else {
            return Err(PathError::SourceRoute);
        };
        rest = match domain(at_domain)? {
            (_, [b':', mailbox @ ..]) => return Ok(mailbox),
            (_, [b',', next @ ..]) => next,
            _ => return Err(PathError::SourceRoute),
        };
    }
}

/// What follows `">"`, when the path that starts `octets` and ends before `rest` is no longer than
/// allowed, and text.
fn closed<'line>(octets: &[u8], rest: &'line [u8]) -> Result<&'line [u8], PathError> {
    let [b'>', after @ ..] = rest else {
        return Err(PathError::ClosingBracketMissing);
    };
    let length = octets.len() - after.len();
    if length > limits::PATH_OCTETS_MAX {
        return Err(PathError::TooLong);
    }
    let path = octets.get(..length).unwrap_or_default();
    if !path.is_ascii() && std::str::from_utf8(path).is_err() {
        return Err(PathError::NotUtf8);
    }
    Ok(after)
}

/// What stands around a path.
const BRACKETS_OCTETS: usize = 2;

#[cfg(test)]
mod tests {
    use super::{Charset, ForwardPath, ReversePath};

    #[test]
    fn addresses_without_brackets_are_whole() {
        for right in ["a@b", "\"a b\"@c.example", "a@[192.0.2.1]"] {
            assert!(
                ReversePath::of_address(right.as_bytes(), Charset::Ascii).is_some(),
                "{right}"
            );
            assert!(
                ForwardPath::of_address(right.as_bytes(), Charset::Ascii).is_some(),
                "{right}"
            );
        }
        for wrong in [
            "a", "@b", "a@", "a b@c", "<a@b>", "@r:a@b", "a@b ", "a@b>", "a@b\r\nX", "a@\u{e9}",
        ] {
            assert_eq!(
                ReversePath::of_address(wrong.as_bytes(), Charset::Ascii),
                None,
                "{wrong}"
            );
            assert_eq!(
                ForwardPath::of_address(wrong.as_bytes(), Charset::Ascii),
                None,
                "{wrong}"
            );
        }
        let accented = "a@\u{e9}".as_bytes();
        assert!(ReversePath::of_address(accented, Charset::Utf8).is_some());
        assert_eq!(ReversePath::of_address(b"\xff@b", Charset::Utf8), None);
        assert_eq!(
            ReversePath::of_address(b"", Charset::Ascii),
            Some(ReversePath::Null)
        );
        assert_eq!(ForwardPath::of_address(b"", Charset::Ascii), None);
        assert_eq!(ReversePath::of_address(b"postmaster", Charset::Ascii), None);
        assert!(matches!(
            ForwardPath::of_address(b"Postmaster", Charset::Ascii),
            Some(ForwardPath::Postmaster(_))
        ));
        let labels = "d".repeat(63) + "." + &"d".repeat(63) + "." + &"d".repeat(62);
        let longest = "a".repeat(61) + "@" + &labels;
        assert_eq!(longest.len(), 252);
        let longest = longest + ".d";
        assert!(ReversePath::of_address(longest.as_bytes(), Charset::Ascii).is_some());
        assert!(
            ReversePath::of_address(("a".to_owned() + &longest).as_bytes(), Charset::Ascii)
                .is_none()
        );
    }
}
