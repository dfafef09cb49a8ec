//! The functions of the chapter "Misc" that need no network: addresses as text and octets, names of this host, unique ids.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::{address, inet_includes, known_includes};
use super::{Builtin, Call, Unwind, optional, required};
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
