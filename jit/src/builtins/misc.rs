//! The functions of the chapter "Misc" that need no network: addresses as text and octets, names of this host, unique ids.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use super::memo::Memo;
use super::{Builtin, Call, Unwind, optional, required};
use crate::runtime::string::same_octets;
use crate::runtime::{Kinds, StringBuilder, Value};

const STRING: Kinds = Kinds::STRING;
const STRING_OR_NONE: Kinds = Kinds::STRING.or(Kinds::NONE);
const NETWORK: &[super::Parameter] = &[required("ip", STRING), required("network", STRING)];
const IP: &[super::Parameter] = &[required("ip", STRING)];

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::impure("gethostname", &[], STRING, |call| {
        Ok(Value::string(call.machine.hostname().as_bytes())?)
    })
    .says("the name of this host")
    .shown(&[("is_string(gethostname())", "true")]),
    Builtin::impure("uuid", &[], STRING, uuid)
        .says("a random unique id (version 4)")
        .shown(&[("length(uuid())", "36")]),
    Builtin::pure("inet_includes", NETWORK, Kinds::BOOLEAN, inet_includes)
        .knows(known_includes)
        .says("whether an address is in an address, subnet (a/n) or range (a-b)")
        .shown(&[
            ("inet_includes(\"127.0.0.1\", \"127.0.0.1/8\")", "true"),
            ("inet_includes(\"127.0.0.1\", \"127.0.0.0-127.255.255.255\")", "true"),
            ("inet_includes(\"2001:4860:4860::8888\", \"2001:4860:4860::/48\")", "true"),
        ]),
    Builtin::pure("in_network", NETWORK, Kinds::BOOLEAN, inet_includes)
        .knows(known_includes)
        .says("inet_includes()")
        .shown(&[("in_network(\"10.0.0.1\", \"127.0.0.0/8\")", "false")]),
    Builtin::pure("inet_ntop", IP, STRING_OR_NONE, inet_ntop)
        .says("the text of an address of 4 or 16 octets; none for any other length")
        .shown(&[("inet_ntop(\"\\x0a\\x00\\x00\\x01\")", "10.0.0.1")]),
    Builtin::pure("inet_pton", IP, STRING_OR_NONE, inet_pton)
        .says("the 4 or 16 octets of an address; none if it is not one")
        .shown(&[("length(inet_pton(\"::1\"))", "16")]),
    Builtin::pure(
        "inet_reverse",
        &[required("ip", STRING), optional("zone", STRING)],
        STRING_OR_NONE,
        inet_reverse,
    )
    .says("the name to look an address up by, in a zone or the usual one; none if it is not an address")
    .shown(&[
        ("inet_reverse(\"8.8.8.8\")", "8.8.8.8.in-addr.arpa"),
        ("inet_reverse(\"12.34.56.78\", \"example.com\")", "78.56.34.12.example.com"),
    ]),
];

fn uuid(call: &mut Call<'_>) -> Result<Value, Unwind> {
    random_id(call)
}

/// A unique id that nobody can foretell.
pub(super) fn random_id(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut octets = [0; 16];
    call.machine.fill_random(&mut octets);
    let id = uuid::Builder::from_random_bytes(octets).into_uuid();
    let mut buffer = uuid::Uuid::encode_buffer();
    Ok(Value::string(
        id.hyphenated().encode_lower(&mut buffer).as_bytes(),
    )?)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
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

/// The address that was read last, as text and as a range of one. A client's address is looked up in many networks, one
/// after the other.
struct LastAddress {
    octets: SmallVec<[u8; 48]>,
    ip: Range,
}

thread_local! {
    static LAST_ADDRESS: &'static RefCell<LastAddress> = Box::leak(Box::new(RefCell::new(LastAddress {
        octets: SmallVec::new(),
        ip: Range { width: 0, first: 0, last: 0 },
    })));
    /// What texts are as networks. The same tables of networks serve every session.
    static NETWORKS: &'static Memo<Option<Range>> = Memo::leaked();
}

/// The address, if the text is that of the address read last.
#[inline]
fn known_address(text: &[u8]) -> Option<Range> {
    let last = LAST_ADDRESS.with(|last| last.borrow());
    (same_octets(&last.octets, text) && !text.is_empty()).then_some(last.ip)
}

/// The address in a text, if it is one.
fn read_address(text: &[u8]) -> Option<Range> {
    if let Some(known) = known_address(text) {
        return Some(known);
    }
    let ip = single(text)?;
    let octets = SmallVec::from_slice(text);
    LAST_ADDRESS.with(|last| last.replace(LastAddress { octets, ip }));
    Some(ip)
}

/// [`inet_includes`] of an address and a network that were both met before.
fn known_includes(arguments: &[Value]) -> Option<Value> {
    let [ip, network] = arguments else {
        return None;
    };
    let (ip, network) = (ip.as_string()?, network.as_string()?);
    if 64 <= ip.len() + network.len() {
        return None; // Costs fuel.
    }
    let ip = known_address(ip.octets())?;
    NETWORKS.with(|networks| {
        networks.known(network, |network| {
            Value::boolean(
                network
                    .as_ref()
                    .is_some_and(|network| network.includes(&ip)),
            )
        })
    })
}

/// An address as a number, and how many bits its family has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn inet_includes(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (Some(ip), Some(network)) = (call.value(0).as_string(), call.value(1).as_string()) else {
        return Ok(Value::FALSE);
    };
    call.charge_octets(ip.len() + network.len())?;
    let Some(ip) = read_address(ip.octets()) else {
        return Ok(Value::FALSE);
    };
    let included = NETWORKS.with(|networks| {
        networks.of(network, network_range, |network| {
            network
                .as_ref()
                .is_some_and(|network| network.includes(&ip))
        })
    });
    Ok(Value::boolean(included))
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

fn inet_ntop(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    let text = if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        Ipv4Addr::from(octets).to_string()
    } else if let Ok(octets) = <[u8; 16]>::try_from(octets) {
        Ipv6Addr::from(octets).to_string()
    } else {
        return Ok(Value::NONE);
    };
    Ok(Value::string(text.as_bytes())?)
}

fn inet_pton(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(match address(call.octets(0)) {
        Some(IpAddr::V4(address)) => Value::string(&address.octets())?,
        Some(IpAddr::V6(address)) => Value::string(&address.octets())?,
        None => Value::NONE,
    })
}

fn inet_reverse(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut name = String::with_capacity(80);
    let usual: &[u8] = match address(call.octets(0)) {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            // Writing to a String does not fail.
            let _ = write!(name, "{d}.{c}.{b}.{a}.");
            b"in-addr.arpa"
        }
        Some(IpAddr::V6(address)) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
            b"ip6.arpa"
        }
        None => return Ok(Value::NONE),
    };
    let zone = call.opt_octets(1).unwrap_or(usual);
    let mut builder = StringBuilder::new(name.len() + zone.len())?;
    builder.push(name.as_bytes())?;
    builder.push(zone)?;
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
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
                    for _ in 0..2 {
                        if let Some(known) = known.at_once(&arguments) {
                            assert_eq!(known.truthy().to_string(), expected, "{ip} in {network}");
                        }
                        assert_eq!(run(function, &arguments), expected, "{ip} in {network}");
                    }
                }
            }
        });
    }

    #[test]
    fn addresses_change_their_form() {
        on_heap(|| {
            assert_eq!(run("inet_ntop", &[text([10, 0, 0, 1])]), "10.0.0.1");
            let mut loopback = [0; 16];
            loopback[15] = 1;
            assert_eq!(run("inet_ntop", &[text(loopback)]), "::1");
            assert_eq!(run("inet_ntop", &[text("abc")]), "none");
            assert_eq!(run("inet_pton", &[text("72.97.108.111")]), "Halo");
            assert_eq!(run("inet_pton", &[text("300.1.1.1")]), "none");
            let reverse = |ip: &str| run("inet_reverse", &[text(ip)]);
            assert_eq!(reverse("8.8.8.8"), "8.8.8.8.in-addr.arpa");
            assert_eq!(
                reverse("2001:db8::567:89ab"),
                "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
            );
            assert_eq!(reverse("x"), "none");
            let listed = run("inet_reverse", &[text("12.34.56.78"), text("example.com")]);
            assert_eq!(listed, "78.56.34.12.example.com");
        });
    }

    #[test]
    fn this_host_and_unique_ids() {
        on_heap(|| {
            assert_eq!(run("gethostname", &[]), "mx.example.org");
            let id = run("uuid", &[]);
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4", "version 4");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "variant");
        });
    }
}
