//! Version 2 of the PROXY protocol: a binary header.
//!
//! In: octets that begin like [`SIGNATURE`]. Out: as `parse` of the module above. Guarantees: every octet of the fixed
//! part is judged as soon as it is there; the announced length must hold the addresses of its family and whole TLVs.
//! Does not: read TLVs, or take datagrams, which cannot carry SMTP. UNIX sockets have no address that could be a client's:
//! they count as unspecified, for which the ends of the TCP connection stand.
//!
//! HAProxy's "The PROXY protocol", §2.2:
//!
//! ```text
//!  octets  content
//!    12    signature
//!     1    version 2 in the high four bits, command in the low: 0 LOCAL, 1 PROXY
//!     1    family in the high four bits: 0 none, 1 IPv4, 2 IPv6, 3 UNIX; protocol in the low: 0 none, 1 stream, 2 datagram
//!     2    octets that follow, big-endian
//!     n    client address, server address, client port, server port; then TLVs: type, two octets of length, value
//! ```

use std::net::IpAddr;

use super::{Header, HeaderError, proxied};
use crate::limits::PROXY_BINARY_HEADER_OCTETS_MAX;

/// What every header begins with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the header is about.
#[derive(Clone, Copy)]
enum Family {
    Ignored,
    Unspecified,
    V4,
    V6,
    Unix,
}

/// Reads the header.
pub(super) fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    let Some(&command) = octets.get(SIGNATURE.len()) else {
        return Ok(None);
    };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(HeaderError::Malformed),
    };
    let Some(&family) = octets.get(SIGNATURE.len() + 1) else {
        return Ok(None);
    };
    let family = match family {
        _ if is_local => Family::Ignored,
        0x00 => Family::Unspecified,
        0x11 => Family::V4,
        0x21 => Family::V6,
        0x31 => Family::Unix,
        _ => return Err(HeaderError::Malformed),
    };
    let fixed = octets.split_first_chunk::<FIXED_OCTETS>();
    let Some(([.., high, low], rest)) = fixed else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if PROXY_BINARY_HEADER_OCTETS_MAX < FIXED_OCTETS + length {
        return Err(HeaderError::TooLong);
    }
    if length < family.addresses_octets() {
        return Err(HeaderError::Malformed);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    let (addresses, tlvs) = block.split_at(family.addresses_octets());
    let header = match family {
        Family::Ignored | Family::Unspecified => Header::Direct,
        Family::V4 | Family::V6 | Family::Unix if !is_whole(tlvs) => {
            return Err(HeaderError::Malformed);
        }
        Family::Unix => Header::Direct,
        Family::V4 => ends::<4>(addresses).ok_or(HeaderError::Malformed)?,
        Family::V6 => ends::<16>(addresses).ok_or(HeaderError::Malformed)?,
    };
    Ok(Some((header, FIXED_OCTETS + length)))
}

impl Family {
    const fn addresses_octets(self) -> usize {
        match self {
            Self::Ignored | Self::Unspecified => 0,
            Self::V4 => 12,
            Self::V6 => 36,
            Self::Unix => 216,
        }
    }
}

/// Whether TLVs end where the header does.
fn is_whole(mut tlvs: &[u8]) -> bool {
    while let Some(([_, high, low], rest)) = tlvs.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match rest.get(length..) {
            Some(rest) => tlvs = rest,
            None => return false,
        }
    }
    tlvs.is_empty()
}

fn ends<const OCTETS: usize>(octets: &[u8]) -> Option<Header>
where
    [u8; OCTETS]: Into<IpAddr>,
{
    let (client, rest) = octets.split_first_chunk::<OCTETS>()?;
    let (server, rest) = rest.split_first_chunk::<OCTETS>()?;
    let (client_port, rest) = rest.split_first_chunk()?;
    let (server_port, _) = rest.split_first_chunk()?;
    Some(proxied(
        ((*client).into(), u16::from_be_bytes(*client_port)),
        ((*server).into(), u16::from_be_bytes(*server_port)),
    ))
}

/// Octets in front of the addresses.
const FIXED_OCTETS: usize = SIGNATURE.len() + 4;
