//! Tells clients that speak another protocol, so that the connection is closed before they are
//! answered line by line.
//!
//! In: the first octets or the first line of a connection. Out: [`ForeignProtocol`].
//! Guarantees: no SMTP command is taken for something else: none starts with an octet 22, none ends
//! with an HTTP version.
//! Does not: look at later lines; the session asks for the first one only.
//!
//! RFC 8446 §5.1 (TLS record header), RFC 9112 §3 (HTTP request line).

/// What a client speaks instead of SMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeignProtocol {
    /// An HTTP request line: a browser was sent here, perhaps with mail commands in the body.
    Http,
    /// A TLS record: the client expects implicit TLS.
    Tls,
}

impl ForeignProtocol {
    /// What the first octets of a connection that expects plain SMTP give away. They need not be a
    /// line: a client that starts TLS may never send one. Asked before the first line is looked
    /// for; one octet is enough.
    #[must_use]
    pub fn of_first_octets(octets: &[u8]) -> Option<Self> {
        match octets {
            [TLS_HANDSHAKE_RECORD, ..] => Some(Self::Tls),
            _ => None,
        }
    }

    /// Whether a line, without CRLF, is an HTTP request line.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Self> {
        let (target, version) =
            line.split_at_checked(line.len().checked_sub(HTTP_VERSION_OCTETS)?)?;
        let [
            b' ',
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'0'..=b'9',
            b'.',
            b'0'..=b'9',
        ] = version
        else {
            return None;
        };
        target.contains(&b' ').then_some(Self::Http)
    }
}

/// `ContentType` 22, the first octet of a ClientHello.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// ` HTTP/1.1`.
const HTTP_VERSION_OCTETS: usize = 9;

#[cfg(test)]
mod tests {
    use super::ForeignProtocol;

    #[test]
    fn an_http_request_line_has_method_target_and_version() {
        let right: [&[u8]; 3] = [b"GET / HTTP/1.1", b"X  HTTP/1.0", b"OPTIONS * HTTP/2.0"];
        let wrong: [&[u8]; 7] = [
            b"",
            b"HTTP/1.1",
            b"GET HTTP/1.1",
            b"GET /",
            b"GET / HTTP/1",
            b"GET / HTTP/1.1 x",
            b"NOOP http/1.1",
        ];
        assert!(
            right
                .iter()
                .all(|line| ForeignProtocol::of_line(line).is_some())
        );
        assert!(
            wrong
                .iter()
                .all(|line| ForeignProtocol::of_line(line).is_none())
        );
    }

    #[test]
    fn one_octet_tells_tls() {
        assert_eq!(
            ForeignProtocol::of_first_octets(b"\x16"),
            Some(ForeignProtocol::Tls)
        );
        assert_eq!(
            ForeignProtocol::of_first_octets(b"\x16\x03\x01"),
            Some(ForeignProtocol::Tls)
        );
        assert_eq!(ForeignProtocol::of_first_octets(b""), None);
        assert_eq!(ForeignProtocol::of_first_octets(b"EHLO"), None);
    }
}
