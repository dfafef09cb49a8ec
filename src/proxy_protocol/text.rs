//! Version 1 of the PROXY protocol: one line of text.
//!
//! In: octets that begin like [`PREFIX`]. Out: as `parse` of the module above. Guarantees: single spaces, ports without
//! sign or leading zeros, addresses as the family says; only CRLF ends the line, and nothing after UNKNOWN is looked at
//! but that. Does not: tolerate lower case.
//!
//! HAProxy's "The PROXY protocol", §2.1: 107 octets hold the longest line, CRLF included.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{Header, HeaderError, proxied};
use crate::limits::PROXY_TEXT_HEADER_OCTETS_MAX;

/// What every line begins with.
pub(super) const PREFIX: &[u8] = b"PROXY ";

/// The family of a connection the balancer knows nothing about; what stands behind it "must be ignored".
const UNKNOWN: &[u8] = b"UNKNOWN";

/// Reads the line.
pub(super) fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    let longest = &octets[..octets.len().min(PROXY_TEXT_HEADER_OCTETS_MAX)];
    let Some(end) = memchr::memchr(b'\n', longest) else {
        return match longest.len() {
            PROXY_TEXT_HEADER_OCTETS_MAX => Err(HeaderError::TooLong),
            _ => Ok(None),
        };
    };
    let line = longest[..end].strip_suffix(b"\r");
    let line = line.and_then(|line| line.strip_prefix(PREFIX));
    let header = line.and_then(header).ok_or(HeaderError::Malformed)?;
    Ok(Some((header, end + 1)))
}

/// What stands between the prefix and CRLF.
fn header(line: &[u8]) -> Option<Header> {
    if line.contains(&b'\r') {
        return None;
    }
    if line == UNKNOWN || line.starts_with(UNKNOWN) && line.get(UNKNOWN.len()) == Some(&b' ') {
        return Some(Header::Direct);
    }
    let (family, rest) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    match family {
        "TCP4" => addresses::<Ipv4Addr>(rest),
        "TCP6" => addresses::<Ipv6Addr>(rest),
        _ => None,
    }
}

fn addresses<Address: FromStr + Into<IpAddr>>(fields: &str) -> Option<Header> {
    let mut fields = fields.split(' ');
    let client: Address = fields.next()?.parse().ok()?;
    let server: Address = fields.next()?.parse().ok()?;
    let client_port = port(fields.next()?)?;
    let server_port = port(fields.next()?)?;
    match fields.next() {
        None => Some(proxied(
            (client.into(), client_port),
            (server.into(), server_port),
        )),
        Some(_) => None,
    }
}

fn port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    (is_number && !has_leading_zero).then(|| digits.parse().ok())?
}
