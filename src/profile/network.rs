//! Networks in CIDR notation, as lists of them decide what a client may do.
//!
//! In: `10.0.0.0/8`, `2001:db8::/32`, or a bare address (one host). Out: whether an address lies within.
//! Guarantees: an IPv4-mapped IPv6 client matches as the IPv4 address it is. Host bits that are set are an error, since
//! `10.1.2.3/8` is more often a slip than a wish.
//!
//! RFC 4632 §3.1 (prefix notation), RFC 4291 §2.3.

use std::net::IpAddr;

/// One network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    base: u128,
    mask: u128,
    is_v4: bool,
}

impl Network {
    /// Reads a network.
    ///
    /// # Errors
    ///
    /// A sentence naming what is wrong, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("`{address}` is not an IPv4 or IPv6 address"))?;
        let bits_count: u32 = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits_count,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|bits| *bits <= bits_count)
                .ok_or_else(|| format!("prefix length `{digits}` is not in 0-{bits_count}"))?,
        };
        let mask = mask(bits_count, prefix_bits);
        let base = number(address);
        if base & !mask != 0 {
            return Err(format!("`{text}` has bits set behind its prefix length"));
        }
        Ok(Self {
            base,
            mask,
            is_v4: address.is_ipv4(),
        })
    }

    /// Whether `address` lies in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.is_v4 && number(address) & self.mask == self.base
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A mask of `bits_count` bits whose first `prefix_bits` are set; bits above an IPv4 address are always zero.
fn mask(bits_count: u32, prefix_bits: u32) -> u128 {
    let all = if bits_count == 128 {
        u128::MAX
    } else {
        (1 << bits_count) - 1
    };
    let host = u128::MAX
        .checked_shr(128 - bits_count + prefix_bits)
        .unwrap_or(0);
    all & !host
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn within(network: &str, address: &str) -> bool {
        let network = Network::parse(network).expect("a network");
        network.contains(address.parse().expect("an address"))
    }

    #[test]
    fn addresses_match_by_their_prefix() {
        assert!(within("10.0.0.0/8", "10.255.1.2"));
        assert!(!within("10.0.0.0/8", "11.0.0.0"));
        assert!(within("0.0.0.0/0", "255.255.255.255"));
        assert!(!within("0.0.0.0/0", "::1"));
        assert!(within("127.0.0.1", "127.0.0.1"));
        assert!(!within("127.0.0.1", "127.0.0.2"));
        assert!(within("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!within("2001:db8::/32", "2001:db9::1"));
        assert!(within("::/0", "fe80::1"));
        assert!(within("192.0.2.0/24", "::ffff:192.0.2.77"));
    }

    #[test]
    fn slips_are_errors() {
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "10.1.2.3/8",
            "::1/64",
            "example.com",
        ] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }
}
