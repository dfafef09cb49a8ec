//! The target that reads headers of the PROXY protocol.
//!
//! In: any octets as the first of a connection. Out: nothing, or a panic. What holds: what is said of the front of them
//! stays said when more come; what follows a header changes nothing; no more is consumed than was announced and than the
//! bound allows, whatever the lengths say; what was understood can be said again in both versions.

use std::net::{IpAddr, SocketAddr};

use postern::limits;
use postern::proxy_protocol::{Header, parse};

/// The first octets of a connection behind a balancer.
pub(super) fn header(octets: &[u8]) {
    let whole = parse(octets);
    // A header is shorter than its bound; what lies behind cannot matter.
    let front = octets.len().min(limits::PROXY_BINARY_HEADER_OCTETS_MAX + 1);
    for end in 0..front {
        let part = parse(&octets[..end]);
        assert!(
            part == Ok(None) || part == whole,
            "{part:?} after {end} octets, then {whole:?}"
        );
    }
    match whole {
        Ok(Some((header, consumed))) => check(octets, header, consumed),
        Ok(None) => assert!(
            octets.len() < limits::PROXY_BINARY_HEADER_OCTETS_MAX,
            "nobody is waited for beyond the bound"
        ),
        Err(_) => {
            let longer = [octets, b"\r\nEHLO a\r\n"].concat();
            assert_eq!(parse(&longer), whole, "a refusal is final");
        }
    }
}

fn check(octets: &[u8], header: Header, consumed: usize) {
    let announced = match octets {
        [b'P', ..] => {
            assert!(consumed <= limits::PROXY_TEXT_HEADER_OCTETS_MAX);
            let line_end = octets.windows(2).position(|pair| pair == b"\r\n");
            line_end.map(|end| end + 2)
        }
        [..] => {
            assert!(consumed <= limits::PROXY_BINARY_HEADER_OCTETS_MAX);
            let length = [octets[14], octets[15]];
            Some(16 + usize::from(u16::from_be_bytes(length)))
        }
    };
    assert_eq!(announced, Some(consumed));
    for rest in [&b""[..], b"EHLO a\r\n", b"PROXY UNKNOWN\r\n", b"\0\0\0\xff"] {
        let followed = [&octets[..consumed], rest].concat();
        assert_eq!(parse(&followed), Ok(Some((header, consumed))));
    }
    if let Header::Proxied { client, server } = header {
        for again in [text(client, server), binary(client, server)] {
            assert_eq!(parse(&again), Ok(Some((header, again.len()))));
        }
    }
}

/// Both ends in version 1; as IPv6 if they are not both IPv4.
fn text(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let (client_port, server_port) = (client.port(), server.port());
    let line = match (client.ip(), server.ip()) {
        (IpAddr::V4(client), IpAddr::V4(server)) => {
            format!("PROXY TCP4 {client} {server} {client_port} {server_port}\r\n")
        }
        (client, server) => {
            let (client, server) = (mapped(client), mapped(server));
            format!("PROXY TCP6 {client} {server} {client_port} {server_port}\r\n")
        }
    };
    line.into_bytes()
}

/// The same in version 2, always as IPv6.
fn binary(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
    for end in [client, server] {
        octets.extend_from_slice(&mapped(end.ip()).octets());
    }
    for end in [client, server] {
        octets.extend_from_slice(&end.port().to_be_bytes());
    }
    octets
}

fn mapped(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
