//! Which addresses a network has: `in_network()`.
//!
//! In: texts of addresses, and of networks: an address, a subnet or a range. Out: whether one is in the other. Texts are read
//! once and remembered (see `memo.rs`): the same tables of networks serve every session, and a client's address is looked
//! up in many of them. What was read of short texts also lies in [`Seen`] tables, by the stamps of the strings, where
//! generated code finds it: a stamp stands for one text for as long as the thread runs, so that what lies beside it is
//! always right.
//!
//! Does not: cost fuel for texts that are short.

use std::cell::Cell;
use std::mem::offset_of;
use std::net::IpAddr;

use super::memo::{Memo, PLACES};
use super::{Call, Unwind};
use crate::runtime::{HslString, Value};

/// The texts of an address and of a network that generated code compares are no longer than this. Every usual form of them
/// fits, and both together cost no fuel.
const ADDRESS_OCTETS_MAX: usize = 39;
const NETWORK_OCTETS_MAX: usize = 24;

/// Going through as many octets costs a unit of fuel.
const PAID_OCTETS: usize = 64;

const _: () = assert!(ADDRESS_OCTETS_MAX + NETWORK_OCTETS_MAX < PAID_OCTETS);

/// The address in a text, if it is one.
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(octets).ok()?.parse().ok()
}

/// The addresses from one to another, both included, of one family.
#[derive(Clone, Copy)]
struct Range {
    /// How many bits the addresses of the family have.
    width: u32,
    first: u128,
    last: u128,
}

impl Range {
    /// Whether an address, which is a range of one, is in it.
    #[inline]
    fn includes(&self, ip: &Self) -> bool {
        self.width == ip.width && self.first <= ip.first && ip.first <= self.last
    }
}

/// What was read of the text with a stamp, as generated code finds it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Seen {
    /// That of the text. In a place without a text it is one that no string has.
    stamp: Cell<u32>,
    /// How many bits the addresses of the family have; 0 of a text that is no network.
    width: Cell<u32>,
    /// The address, or the first one of the network; the upper half first.
    base: [Cell<u64>; 2],
    /// The bits that the addresses of a network share.
    mask: [Cell<u64>; 2],
}

impl Seen {
    pub(crate) const STAMP_OFFSET: usize = offset_of!(Self, stamp);
    pub(crate) const WIDTH_OFFSET: usize = offset_of!(Self, width);
    pub(crate) const BASE_OFFSET: usize = offset_of!(Self, base);
    pub(crate) const MASK_OFFSET: usize = offset_of!(Self, mask);

    fn nothing() -> Self {
        Self {
            stamp: Cell::new(u32::MAX),
            width: Cell::new(0),
            base: [const { Cell::new(0) }; 2],
            mask: [const { Cell::new(0) }; 2],
        }
    }

    /// Notes what was read of a text that has a stamp, if a base and a mask can say it.
    fn note(places: &[Self; PLACES], text: &HslString, range: Option<Range>) {
        let (width, base, hosts) = match range {
            Some(range) => (range.width, range.first, range.first ^ range.last),
            None => (0, 0, 0),
        };
        let is_prefix = hosts & hosts.wrapping_add(1) == 0 && base & hosts == 0;
        if text.stamp() == 0 || !is_prefix {
            return;
        }
        let place = &places[text.stamp() as usize % PLACES];
        place.stamp.set(text.stamp());
        place.width.set(width);
        for (half, (base, mask)) in halves(base).into_iter().zip(halves(!hosts)).enumerate() {
            place.base[half].set(base);
            place.mask[half].set(mask);
        }
    }

    /// What is noted of a text.
    #[inline]
    fn find<'a>(places: &'a [Self; PLACES], text: &HslString) -> Option<&'a Self> {
        let place = &places[text.stamp() as usize % PLACES];
        (place.stamp.get() == text.stamp()).then_some(place)
    }

    /// Whether an address is in the network.
    #[inline]
    fn includes(&self, ip: &Self) -> bool {
        let differs =
            |half: usize| (self.base[half].get() ^ ip.base[half].get()) & self.mask[half].get();
        self.width == ip.width && differs(0) | differs(1) == 0
    }
}

/// The upper and the lower half.
fn halves(number: u128) -> [u64; 2] {
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
    [half(number >> 64), half(number)]
}

/// What was read of addresses and of networks, by the stamps of their texts.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SeenTables {
    addresses: [Seen; PLACES],
    networks: [Seen; PLACES],
}

impl SeenTables {
    /// How many places each table has; a stamp's lower bits are the number of its place.
    pub(crate) const PLACES: usize = PLACES;
    pub(crate) const ADDRESSES_OFFSET: usize = offset_of!(Self, addresses);
    pub(crate) const NETWORKS_OFFSET: usize = offset_of!(Self, networks);
}

thread_local! {
    /// What texts are as addresses, and as networks.
    static ADDRESSES: &'static Memo<Option<Range>> = Memo::leaked();
    static NETWORKS: &'static Memo<Option<Range>> = Memo::leaked();
    static SEEN: &'static SeenTables = Box::leak(Box::new(SeenTables {
        addresses: std::array::from_fn(|_| Seen::nothing()),
        networks: std::array::from_fn(|_| Seen::nothing()),
    }));
}

/// The tables of this thread, for generated code. They stay as long as the thread.
#[must_use]
pub(crate) fn seen_tables() -> *const SeenTables {
    SEEN.with(|tables| std::ptr::from_ref(*tables))
}

/// [`inet_includes`] of an address and a network that were both met before.
pub(super) fn known_includes(arguments: &[Value]) -> Option<Value> {
    let [ip, network] = arguments else {
        return None;
    };
    let (ip, network) = (ip.as_string()?, network.as_string()?);
    SEEN.with(|tables| {
        let ip = Seen::find(&tables.addresses, ip)?;
        let network = Seen::find(&tables.networks, network)?;
        Some(Value::boolean(network.includes(ip)))
    })
}

pub(super) fn inet_includes(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (Some(ip), Some(network)) = (call.value(0).as_string(), call.value(1).as_string()) else {
        return Ok(Value::FALSE);
    };
    call.charge_octets(ip.len() + network.len())?;
    let Some(address) = ADDRESSES.with(|memo| memo.of(ip, single, |range| *range)) else {
        return Ok(Value::FALSE);
    };
    let range = NETWORKS.with(|memo| memo.of(network, network_range, |range| *range));
    SEEN.with(|tables| {
        if ip.len() <= ADDRESS_OCTETS_MAX {
            Seen::note(&tables.addresses, ip, Some(address));
        }
        if network.len() <= NETWORK_OCTETS_MAX {
            Seen::note(&tables.networks, network, range);
        }
    });
    Ok(Value::boolean(
        range.is_some_and(|range| range.includes(&address)),
    ))
}

/// An address as a number, and how many bits its family has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The range of one address, if the text is one.
fn single(text: &[u8]) -> Option<Range> {
    let (first, width) = bits(address(text)?);
    Some(Range {
        width,
        first,
        last: first,
    })
}

/// The addresses of a network: an address, a subnet (`a/n`) or a range (`a-b`). `None` if the text is none of them, or has
/// no address in it.
fn network_range(text: &[u8]) -> Option<Range> {
    if let Some(slash) = memchr::memchr(b'/', text) {
        let (base, width) = bits(address(&text[..slash])?);
        let length = prefix_length(&text[slash + 1..]).filter(|length| *length <= width)?;
        // A shift by all bits is none that the hardware knows; what is left of the number is nothing.
        let all = u128::MAX.checked_shr(128 - width).unwrap_or(0);
        let hosts = all.checked_shr(length).unwrap_or(0);
        return Some(Range {
            width,
            first: base & !hosts,
            last: base | hosts,
        });
    }
    if let Some(dash) = memchr::memchr(b'-', text) {
        let (first, width) = bits(address(text[..dash].trim_ascii())?);
        let (last, last_width) = bits(address(text[dash + 1..].trim_ascii())?);
        return (width == last_width).then_some(Range { width, first, last });
    }
    single(text)
}

fn prefix_length(octets: &[u8]) -> Option<u32> {
    if octets.is_empty() || octets.len() > 3 || !octets.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = octets.iter().map(|digit| u32::from(digit - b'0'));
    Some(digits.fold(0, |length, digit| length * 10 + digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{on_heap, run, text};

    #[test]
    fn networks_include_addresses() {
        on_heap(|| {
            let table = [
                ("127.0.0.1", "127.0.0.1/8", "true"),
                ("127.0.0.1", "127.0.0.0-127.255.255.255", "true"),
                ("127.0.0.1", "127.0.0.1", "true"),
                ("2001:4860:4860::8888", "2001:4860:4860::/48", "true"),
                ("2001:4860:4861::8888", "2001:4860:4860::/48", "false"),
                ("10.0.0.1", "127.0.0.0/8", "false"),
                ("::1", "0.0.0.0/0", "false"),
                ("1.2.3.4", "0.0.0.0/0", "true"),
                ("::1", "::/0", "true"),
                ("::1", "::1/128", "true"),
                ("1.2.3.4", "::/0", "false"),
                ("10.0.0.1", "10.0.0.1/33", "false"),
                ("10.0.0.1", "10.0.0.1/", "false"),
                ("10.0.0.1", "10.0.0.1/+8", "false"),
                ("10.0.0.5", "10.0.0.1 - 10.0.0.9", "true"),
                ("10.0.0.10", "10.0.0.1-10.0.0.9", "false"),
                ("10.0.0.1", "garbage", "false"),
                ("garbage", "10.0.0.1", "false"),
                ("010.0.0.1", "10.0.0.0/8", "false"),
            ];
            for (ip, network, expected) in table {
                for function in ["inet_includes", "in_network"] {
                    let found = run(function, &[text(ip), text(network)]);
                    assert_eq!(found, expected, "{ip} in {network}");
                    // What is known of them then is the same.
                    let known = crate::builtins::builtin(function).expect("there");
                    let arguments = [text(ip), text(network)];
                    for round in 0..3 {
                        let at_once = known.at_once(&arguments);
                        let is_kept = !network.contains('-') && single(ip.as_bytes()).is_some();
                        assert_eq!(at_once.is_some(), is_kept && 0 < round, "{ip} in {network}");
                        if let Some(known) = at_once {
                            assert_eq!(known.truthy().to_string(), expected, "{ip} in {network}");
                        }
                        assert_eq!(run(function, &arguments), expected, "{ip} in {network}");
                    }
                }
            }
        });
    }

    #[test]
    fn what_was_seen_is_forgotten_with_the_octets() {
        on_heap(|| {
            let network = text("10.0.0.0/8");
            let mut ip = text("10.0.0.1");
            let ask = |ip: &Value| run("in_network", &[ip.clone(), network.clone()]);
            assert_eq!(ask(&ip), "true");
            assert!(known_includes(&[ip.clone(), network.clone()]).is_some());
            crate::runtime::string::append(&mut ip, b"00").expect("fits");
            assert!(known_includes(&[ip.clone(), network.clone()]).is_none());
            assert_eq!(ask(&ip), "true");
            crate::runtime::string::append(&mut ip, b"00").expect("fits");
            assert_eq!(ask(&ip), "false", "10.0.0.10000 is no address");
            let long = text(format!("{:>40}", "10.0.0.1"));
            assert_eq!(run("in_network", &[long.clone(), network.clone()]), "false");
            assert!(known_includes(&[long, network.clone()]).is_none());
        });
    }

    #[test]
    fn one_string_may_be_address_and_network() {
        on_heap(|| {
            let both = text("192.0.2.1");
            for _ in 0..3 {
                let arguments = [both.clone(), both.clone()];
                assert_eq!(run("in_network", &arguments), "true");
                assert_eq!(
                    run("in_network", &[both.clone(), text("192.0.2.2")]),
                    "false"
                );
                let other = [text("192.0.2.2"), both.clone()];
                assert_eq!(run("in_network", &other), "false");
                for arguments in [&arguments, &other] {
                    if let Some(known) = known_includes(arguments) {
                        assert_eq!(known.truthy(), arguments[0].as_octets() == both.as_octets());
                    }
                }
            }
        });
    }
}
