//! The PROXY protocol: a load balancer says whose connection it passes on.
//!
//! In: the first octets of a connection, however many have come. Out: the [`Header`] and its length, the wish for more
//! octets, or the reason why there is none.
//! Guarantees: pure; never allocates; the verdict on a header does not depend on how it was cut; an octet that no header
//! can have at its place is refused at once, and so is a length that is announced and cannot be right. What follows the
//! header is not looked at.
//! Does not: decide who may send a header, or wait. Skips TLVs, whose lengths must add up; CRC32C is not checked.
//!
//! HAProxy's "The PROXY protocol", §2.1 (version 1), §2.2 (version 2). The crate `ppp` is not used: it gives a header of
//! version 1 up that was cut in front of its last port, takes ports such as `+25`, and refuses LOCAL without addresses.

mod binary;
mod text;

use std::net::{IpAddr, SocketAddr};

use crate::limits;

/// What a balancer says about the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Header {
    /// The balancer speaks for itself, or does not know for whom: the ends of the TCP connection count.
    Direct,
    /// The connection of a client to a server. An IPv4-mapped IPv6 address is given as IPv4.
    Proxied {
        /// Who connected.
        client: SocketAddr,
        /// What it connected to.
        server: SocketAddr,
    },
}

/// Why the first octets of a connection are no header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderError {
    /// They begin neither like version 1 nor like version 2.
    Missing,
    /// They begin like a header and do not go on like one.
    Malformed,
    /// The header is longer than [`limits::PROXY_TEXT_HEADER_OCTETS_MAX`] or
    /// [`limits::PROXY_BINARY_HEADER_OCTETS_MAX`].
    TooLong,
}

impl HeaderError {
    /// The reason for the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "PROXY header missing",
            Self::Malformed => "PROXY header malformed",
            Self::TooLong => "PROXY header too long",
        }
    }
}

/// Looks for a header at the front of `octets`: the header and how many octets it has, or none while more are needed.
///
/// # Errors
///
/// What came is not, and will not become, a header.
pub fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    if begins_like(octets, binary::SIGNATURE) {
        binary::parse(octets)
    } else if begins_like(octets, text::PREFIX) {
        text::parse(octets)
    } else {
        Err(HeaderError::Missing)
    }
}

/// Whether `octets` begin with `start`, as far as they have come.
fn begins_like(octets: &[u8], start: &[u8]) -> bool {
    octets.iter().zip(start).all(|(one, other)| one == other)
}

/// Both ends, canonical.
fn proxied(client: (IpAddr, u16), server: (IpAddr, u16)) -> Header {
    let canonical = |(address, port): (IpAddr, u16)| SocketAddr::new(address.to_canonical(), port);
    Header::Proxied {
        client: canonical(client),
        server: canonical(server),
    }
}

const _: () = assert!(
    limits::PROXY_TEXT_HEADER_OCTETS_MAX <= limits::PROXY_BINARY_HEADER_OCTETS_MAX
        && limits::PROXY_BINARY_HEADER_OCTETS_MAX < limits::RECEIVE_BUFFER_BYTES / 2,
    "a header must fit the receive buffer, with room for what follows it"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Header, HeaderError, parse};

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    fn binary(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
        let mut octets = SIGNATURE.to_vec();
        octets.extend_from_slice(&[command, family]);
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(rest);
        octets
    }

    fn proxied(client: &str, server: &str) -> Header {
        Header::Proxied {
            client: client.parse().expect("an address with a port"),
            server: server.parse().expect("an address with a port"),
        }
    }

    const V4: &[u8] = &[203, 0, 113, 7, 198, 51, 100, 2, 0x9c, 0x40, 0, 25];

    fn v6() -> Vec<u8> {
        let address = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        [&address(9)[..], &address(1), &[0x9c, 0x40, 0, 25]].concat()
    }

    /// Headers that are right, with what they say.
    fn right() -> Vec<(Vec<u8>, Header)> {
        let four = proxied("203.0.113.7:40000", "198.51.100.2:25");
        let six = proxied("[2001:db8::9]:40000", "[2001:db8::1]:25");
        let mapped = [[0; 10].as_slice(), &[0xff, 0xff, 192, 0, 2, 1]].concat();
        let mapped = [&mapped[..], &mapped, &[0, 1, 0, 2]].concat();
        let tlvs: &[u8] = &[4, 0, 3, 1, 2, 3, 0xea, 0, 0];
        let text = |line: &str| format!("PROXY {line}\r\n").into_bytes();
        vec![
            (text("UNKNOWN"), Header::Direct),
            (text("UNKNOWN whatever it is"), Header::Direct),
            (b"PROXY UNKNOWN \xff\0\t\r\n".to_vec(), Header::Direct),
            (text("TCP4 203.0.113.7 198.51.100.2 40000 25"), four),
            (text("TCP6 2001:db8::9 2001:db8::1 40000 25"), six),
            (
                text("TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 0 65535"),
                proxied("192.0.2.1:0", "192.0.2.2:65535"),
            ),
            (binary(0x21, 0x11, 12, V4), four),
            (binary(0x21, 0x21, 36, &v6()), six),
            (
                binary(0x21, 0x21, 36, &mapped),
                proxied("192.0.2.1:1", "192.0.2.1:2"),
            ),
            (binary(0x21, 0x11, 21, &[V4, tlvs].concat()), four),
            (binary(0x20, 0x00, 0, b""), Header::Direct),
            (binary(0x20, 0x11, 0, b""), Header::Direct),
            (binary(0x20, 0x11, 12, V4), Header::Direct),
            (binary(0x20, 0xff, 3, b"abc"), Header::Direct),
            (binary(0x21, 0x00, 0, b""), Header::Direct),
            (binary(0x21, 0x31, 216, &[0; 216]), Header::Direct),
        ]
    }

    #[test]
    fn a_header_is_read_however_it_is_cut() {
        for (octets, header) in right() {
            for end in 0..octets.len() {
                assert_eq!(
                    parse(&octets[..end]),
                    Ok(None),
                    "{} of {}",
                    end,
                    octets.escape_ascii()
                );
            }
            for rest in [&b""[..], b"EHLO client.example\r\n", b"\x16\x03\x01"] {
                let all = [&octets, rest].concat();
                assert_eq!(parse(&all), Ok(Some((header, octets.len()))));
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for octets in [
            &b"EHLO client.example\r\n"[..],
            b"\x16\x03\x01\x02\x00",
            b"\r\n",
            b"\r\n\r\n\0\r\nQUIT\r\n",
            b"proxy TCP4 1.1.1.1 2.2.2.2 1 25\r\n",
            b" PROXY UNKNOWN\r\n",
        ] {
            let mut parsed = (1..=octets.len()).map(|end| parse(&octets[..end]));
            let first = parsed.find(|parsed| *parsed != Ok(None));
            let wanted = if octets == b"\r\n" {
                None
            } else {
                Some(Err(HeaderError::Missing))
            };
            assert_eq!(first, wanted, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        for line in [
            "TCP5 1.1.1.1 2.2.2.2 1 2",
            "TCP4 ::1 2.2.2.2 1 2",
            "TCP6 1.1.1.1 2.2.2.2 1 2",
            "TCP6 fe80::1%1 ::1 1 2",
            "TCP4 1.1.1.1 2.2.2.2 99999 25",
            "TCP4 1.1.1.1 2.2.2.2 65536 25",
            "TCP4 1.1.1.1 2.2.2.2 +1 25",
            "TCP4 1.1.1.1 2.2.2.2 01 25",
            "TCP4 1.1.1.1 2.2.2.2 -1 25",
            "TCP4 1.1.1.1 2.2.2.2 1 ",
            "TCP4 1.1.1.1 2.2.2.2 1",
            "TCP4 1.1.1.1 2.2.2.2",
            "TCP4 1.1.1.1 2.2.2.2 1 2 3",
            "TCP4  1.1.1.1 2.2.2.2 1 2",
            "TCP4\t1.1.1.1\t2.2.2.2\t1\t2",
            "TCP4 01.1.1.1 2.2.2.2 1 2",
            "TCP4 1.1.1 2.2.2.2 1 2",
            "TCP4 256.1.1.1 2.2.2.2 1 2",
            "TCP4 1.1.1.1 2.2.2.2 1 2\r",
            "TCP4",
            "",
            "UNKNOWNS",
            "UNKNOWN\0",
            "UNKNOWN a\rb",
            "unknown",
        ] {
            let octets = format!("PROXY {line}\r\n");
            assert_eq!(
                parse(octets.as_bytes()),
                Err(HeaderError::Malformed),
                "{line}"
            );
        }
        for octets in ["PROXY UNKNOWN\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"] {
            assert_eq!(parse(octets.as_bytes()), Err(HeaderError::Malformed));
        }
    }

    #[test]
    fn a_line_has_107_octets_at_most() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
        assert_eq!(parse(longest.as_bytes()), Ok(Some((Header::Direct, 107))));
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(108 - 16));
        assert_eq!(parse(longer.as_bytes()), Err(HeaderError::TooLong));
        assert_eq!(parse(&longer.as_bytes()[..106]), Ok(None));
        assert_eq!(
            parse(&longer.as_bytes()[..107]),
            Err(HeaderError::TooLong),
            "no more is waited for"
        );
    }

    #[test]
    fn binary_headers_that_lie_are_refused_as_soon_as_they_do() {
        use HeaderError::{Malformed, TooLong};
        for (octets, error) in [
            (binary(0x11, 0x11, 12, b""), Malformed),
            (binary(0x22, 0x11, 12, b""), Malformed),
            (binary(0x21, 0x12, 12, b""), Malformed),
            (binary(0x21, 0x41, 12, b""), Malformed),
            (binary(0x21, 0x13, 12, b""), Malformed),
            (binary(0x21, 0x11, 11, b""), Malformed),
            (binary(0x21, 0x21, 12, b""), Malformed),
            (binary(0x21, 0x31, 215, b""), Malformed),
            (binary(0x21, 0x11, u16::MAX, b""), TooLong),
            (binary(0x20, 0x00, 4_081, b""), TooLong),
        ] {
            assert_eq!(parse(&octets), Err(error), "{}", octets.escape_ascii());
        }
        for tlvs in [
            &[4][..],
            &[4, 0],
            &[4, 0, 1],
            &[4, 0, 2, 1],
            &[4, 255, 255, 0, 0],
        ] {
            let length = u16::try_from(12 + tlvs.len()).expect("it is short");
            let octets = binary(0x21, 0x11, length, &[V4, tlvs].concat());
            assert_eq!(parse(&octets), Err(Malformed), "{tlvs:?}");
        }
        let most = binary(0x20, 0x00, 4_080, &[0; 4_080]);
        assert_eq!(parse(&most), Ok(Some((Header::Direct, 4_096))));
    }

    /// Octets that get past the first one.
    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let (texts, binaries): (Vec<_>, Vec<_>) = right()
            .into_iter()
            .map(|(octets, _)| octets)
            .partition(|octets| octets.starts_with(b"PROXY"));
        let headers = prop_oneof![
            prop::sample::select(texts),
            prop::sample::select(binaries),
            prop::collection::vec(any::<u8>(), 0..40),
        ];
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
        (headers, changes).prop_map(|(mut octets, changes)| {
            for (index, octet) in changes {
                if !octets.is_empty() {
                    let index = index.index(octets.len());
                    octets[index] = octet;
                }
            }
            octets
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        /// Whatever is said of the front of some octets stays said when more of them come.
        #[test]
        fn verdicts_stand(octets in octets()) {
            let whole = parse(&octets);
            for end in 0..octets.len() {
                let part = parse(&octets[..end]);
                prop_assert!(part == Ok(None) || part == whole, "{part:?} then {whole:?}");
            }
            if let Ok(Some((_, header_octets))) = whole {
                prop_assert!(0 < header_octets && header_octets <= octets.len());
            }
        }
    }
}
