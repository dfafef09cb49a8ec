//! What the messages of SASL mechanisms say.
//!
//! In: messages of clients, decoded. Out: their parts. Guarantees: a user name or password that holds NUL is none.
//! Does not: know base64 or the order of messages.
//!
//! RFC 4616 §2 (PLAIN), RFC 2195 §2 (CRAM-MD5). LOGIN has no RFC: two challenges, answered by name and password.

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlainMessage<'message> {
    /// Whom the client wants to act for; empty for itself.
    pub(super) authorization: &'message [u8],
    /// Who the client is; not empty.
    pub(super) name: &'message [u8],
    /// What proves it; not empty.
    pub(super) password: &'message [u8],
}

impl<'message> PlainMessage<'message> {
    /// The parts of a message; none if it has other than three, or no name or password.
    pub(super) fn parse(message: &'message [u8]) -> Option<Self> {
        let mut parts = message.split(|octet| *octet == 0);
        let (authorization, name, password) = (parts.next()?, parts.next()?, parts.next()?);
        let is_whole = parts.next().is_none() && !name.is_empty() && !password.is_empty();
        is_whole.then_some(Self {
            authorization,
            name,
            password,
        })
    }
}

/// Whether a name or password of LOGIN can be one: in PLAIN, too, NUL could not be part of it.
pub(super) fn is_login_word(message: &[u8]) -> bool {
    !message.is_empty() && !message.contains(&0)
}

/// `name SP digest` (RFC 2195 §2); the digest in hexadecimal. Names may hold spaces.
pub(super) fn cram_md5_message(message: &[u8]) -> Option<(&[u8], [u8; 16])> {
    let space = message.iter().rposition(|octet| *octet == b' ')?;
    let (name, rest) = message.split_at_checked(space)?;
    let digits = rest.get(1..)?;
    if name.is_empty() || name.contains(&0) {
        return None;
    }
    let mut digest = [0; 16];
    let length = data_encoding::HEXLOWER_PERMISSIVE
        .decode_len(digits.len())
        .ok()?;
    if length != digest.len() {
        return None;
    }
    data_encoding::HEXLOWER_PERMISSIVE
        .decode_mut(digits, &mut digest)
        .ok()?;
    Some((name, digest))
}

#[cfg(test)]
mod tests {
    use super::{PlainMessage, cram_md5_message};

    #[test]
    fn plain_has_three_parts() {
        let parts = |message: &'static [u8]| {
            PlainMessage::parse(message)
                .map(|parts| (parts.authorization, parts.name, parts.password))
        };
        assert_eq!(parts(b"\0a\0b"), Some((&b""[..], &b"a"[..], &b"b"[..])));
        assert_eq!(
            parts(b"a\0a\0b c"),
            Some((&b"a"[..], &b"a"[..], &b"b c"[..]))
        );
        for wrong in [
            &b""[..],
            b"a",
            b"\0a",
            b"\0\0",
            b"\0a\0",
            b"\0\0b",
            b"\0a\0b\0",
            b"\0a\0\0b",
        ] {
            assert_eq!(PlainMessage::parse(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn cram_md5_has_a_name_and_a_digest() {
        // The example of RFC 2195 §2.
        let example = cram_md5_message(b"tim b913a602c7eda7a495b4e6e7334d3890");
        let example = example.map(|(name, digest)| (name, digest[0], digest[15]));
        assert_eq!(example, Some((&b"tim"[..], 0xb9, 0x90)));
        let spaced = cram_md5_message(b"a b B913A602c7eda7a495b4e6e7334d3890");
        assert_eq!(spaced.map(|(name, _)| name), Some(&b"a b"[..]));
        for wrong in [
            &b"tim"[..],
            b" b913a602c7eda7a495b4e6e7334d3890",
            b"tim b913a602c7eda7a495b4e6e7334d389",
            b"tim b913a602c7eda7a495b4e6e7334d38900",
            b"tim b913a602c7eda7a495b4e6e7334d389000",
            b"tim g913a602c7eda7a495b4e6e7334d3890",
            b"t\0m b913a602c7eda7a495b4e6e7334d3890",
        ] {
            assert_eq!(cram_md5_message(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
