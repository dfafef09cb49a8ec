//! Address literals: `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
//!
//! In: octets that start with `[`. Out: the address and the octets after `]`.
//! Guarantees: the address is one; an IPv4 number has no leading zero, which some would read as
//! octal.
//! Does not: accept a General-address-literal: no tag but `IPv6` is registered.
//!
//! RFC 5321 §4.1.3.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

use memchr::memchr;

use super::PathError;

/// The address in an address literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressLiteral {
    /// `[192.0.2.1]`.
    Ipv4(Ipv4Addr),
    /// `[IPv6:2001:db8::1]`.
    Ipv6(Ipv6Addr),
}

impl AddressLiteral {
    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::Ipv4(address) => IpAddr::V4(address),
            Self::Ipv6(address) => IpAddr::V6(address),
        }
    }
}

/// `address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"`.
///
/// The first of the two slices has the brackets, the second follows them.
///
/// # Errors
///
/// There is no closing bracket, or no address between the two.
pub fn address_literal(octets: &[u8]) -> Result<(AddressLiteral, &[u8], &[u8]), PathError> {
    let length = memchr(b']', octets).ok_or(PathError::AddressLiteral)? + 1;
    let (literal, rest) = octets.split_at(length);
    let [b'[', content @ .., b']'] = literal else {
        return Err(PathError::AddressLiteral);
    };
    let address = match content.split_at_checked(IPV6_TAG.len()) {
        Some((tag, address)) if tag.eq_ignore_ascii_case(IPV6_TAG) => {
            AddressLiteral::Ipv6(parse(address)?)
        }
        _ => AddressLiteral::Ipv4(parse(content)?),
    };
    Ok((address, literal, rest))
}

fn parse<Address: str::FromStr>(octets: &[u8]) -> Result<Address, PathError> {
    str::from_utf8(octets)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(PathError::AddressLiteral)
}

const IPV6_TAG: &[u8] = b"IPv6:";
