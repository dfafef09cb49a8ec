//! XCLIENT: a trusted client speaks for another one.
//!
//! In: the attributes. Out: [`Forwarded`], and a session as it was right after connecting, but for what it has counted.
//! Guarantees: all attributes take effect or none does; an attribute that is unknown, stands twice or has a value that is
//! none is an error; several XCLIENT in a row add up until one names another address: that is another client, of which
//! what was told of the former says nothing. HELO makes the session a greeted one, PROTO says by which verb; both give way
//! to the client's own HELO or EHLO, which is needed where somebody decides about it. LOGIN lets the client send to any domain, as one that has authenticated.
//! Does not: decide who may use it; the address of the connection does, whatever a script or XCLIENT makes of it.
//!
//! Postfix, XCLIENT_README; RFC 3461 §4 (xtext).

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::helo::Helo;
use super::{HeloVerb, Phase, Session, State, Step};
use crate::limits;
use crate::smtp::command::HeloDomain;
use crate::smtp::extension::Extensions;
use crate::smtp::reply::{self, Replies};

/// Whether a client may use XCLIENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum XClientUse {
    /// It may.
    Allowed,
    /// It may not.
    #[default]
    Denied,
}

/// What a trusted client has said about the one it speaks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The name of its address: letters, digits and `-._` only.
    pub name: Option<Box<[u8]>>,
    /// Its address, canonical; 0.0.0.0 if it is unavailable.
    pub address: Option<IpAddr>,
    /// Its port; 0 if it is unavailable.
    pub port: Option<u16>,
    /// As whom it has authenticated: no control characters.
    pub login: Option<Box<[u8]>>,
    /// What it connected to.
    pub server_address: Option<IpAddr>,
    /// The port it connected to.
    pub server_port: Option<u16>,
}

impl Session {
    pub(super) fn xclient(&mut self, argument: &[u8], replies: &mut Replies) -> Step {
        if self.client.xclient == XClientUse::Denied {
            return self.answer(&reply::xclient_denied(), replies);
        }
        let Some(mut attributes) = Attributes::parse(argument) else {
            return self.answer(&reply::xclient_malformed(), replies);
        };
        self.clear_transaction();
        // Whoever had authenticated was the client before.
        self.forget_authentication();
        self.transaction_id = None;
        self.helo = None;
        self.state = State::Connected;
        attributes.add_to(self.forwarded.get_or_insert_default());
        // Where somebody decides about HELO the client has to say it itself, for there to be somebody to ask about.
        if let Told::Value(domain) = attributes.helo.0
            && !self.options.asks.has(Phase::Helo)
        {
            let verb = match attributes.proto.0 {
                Told::Value(verb) => verb,
                Told::Nothing | Told::Unavailable => HeloVerb::Ehlo,
            };
            self.helo = Some(Helo {
                verb,
                domain: domain.into_vec(),
                extensions: match verb {
                    HeloVerb::Helo => Extensions::none(),
                    HeloVerb::Ehlo => self.offered(),
                },
            });
            self.state = State::Greeted;
        }
        Step::GreetAnew
    }

    /// What XCLIENT has said about the client; none before.
    #[must_use]
    pub fn forwarded(&self) -> Option<&Forwarded> {
        self.forwarded.as_deref()
    }

    /// As whom the client has authenticated, here or, as XCLIENT said, with whom it speaks for; none before.
    #[must_use]
    pub fn user_name(&self) -> Option<&[u8]> {
        let here = self.authenticated().map(|known| known.user_name());
        here.or_else(|| self.forwarded()?.login.as_deref())
    }
}

/// What one attribute says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told<Value> {
    Nothing,
    Unavailable,
    Value(Value),
}

/// An attribute that may stand once.
#[derive(Debug)]
struct Once<Value>(Told<Value>);

#[derive(Debug, Default)]
struct Attributes {
    name: Once<Box<[u8]>>,
    addr: Once<IpAddr>,
    port: Once<u16>,
    proto: Once<HeloVerb>,
    helo: Once<Box<[u8]>>,
    login: Once<Box<[u8]>>,
    dest_addr: Once<IpAddr>,
    dest_port: Once<u16>,
}

impl Attributes {
    /// `1*( SP attribute "=" xtext )`; none if it is not.
    fn parse(argument: &[u8]) -> Option<Self> {
        let mut attributes = Self::default();
        let words = argument.split(|octet| matches!(octet, b' ' | b'\t'));
        for word in words.filter(|word| !word.is_empty()) {
            let mut parts = word.splitn(2, |octet| *octet == b'=');
            let (keyword, value) = (parts.next()?, xtext(parts.next()?)?);
            attributes.take(&keyword.to_ascii_uppercase(), &value)?;
        }
        Some(attributes)
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Option<()> {
        match keyword {
            b"NAME" => self.name.take(value, host_name),
            b"ADDR" => self.addr.take(value, address),
            b"PORT" => self.port.take(value, port),
            b"PROTO" => self.proto.take(value, protocol),
            b"HELO" => self.helo.take(value, helo_domain),
            b"LOGIN" => self.login.take(value, login),
            b"DESTADDR" => self.dest_addr.take(value, address),
            b"DESTPORT" => self.dest_port.take(value, port),
            _ => None,
        }
    }

    fn add_to(&mut self, forwarded: &mut Forwarded) {
        if !matches!(self.addr.0, Told::Nothing) {
            *forwarded = Forwarded::default();
        }
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        set(&mut forwarded.name, self.name.told(), None);
        set(&mut forwarded.address, self.addr.told(), Some(unknown));
        set(&mut forwarded.port, self.port.told(), Some(0));
        set(&mut forwarded.login, self.login.told(), None);
        set(&mut forwarded.server_address, self.dest_addr.told(), None);
        set(&mut forwarded.server_port, self.dest_port.told(), None);
    }
}

fn set<Value>(place: &mut Option<Value>, told: Told<Value>, unavailable: Option<Value>) {
    match told {
        Told::Nothing => {}
        Told::Unavailable => *place = unavailable,
        Told::Value(value) => *place = Some(value),
    }
}

impl<Value> Default for Once<Value> {
    fn default() -> Self {
        Self(Told::Nothing)
    }
}

impl<Value> Once<Value> {
    /// What it says, once.
    fn told(&mut self) -> Told<Value> {
        std::mem::replace(&mut self.0, Told::Nothing)
    }

    fn take(&mut self, value: &[u8], read: impl FnOnce(&[u8]) -> Option<Value>) -> Option<()> {
        let is_unavailable = [&b"[UNAVAILABLE]"[..], b"[TEMPUNAVAIL]"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word));
        let told = if is_unavailable {
            Told::Unavailable
        } else {
            Told::Value(read(value)?)
        };
        match std::mem::replace(&mut self.0, told) {
            Told::Nothing => Some(()),
            Told::Unavailable | Told::Value(_) => None,
        }
    }
}

/// `xtext` decoded: `+` and two hexadecimal digits in upper case stand for an octet (RFC 3461 §4).
fn xtext(octets: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    };
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets.iter();
    while let Some(&octet) = rest.next() {
        decoded.push(match octet {
            b'+' => {
                let (high, low) = (digit(*rest.next()?)?, digit(*rest.next()?)?);
                high << 4 | low
            }
            b'=' => return None,
            33..=126 => octet,
            _ => return None,
        });
    }
    Some(decoded)
}

fn text<Value: FromStr>(octets: &[u8]) -> Option<Value> {
    std::str::from_utf8(octets).ok()?.parse().ok()
}

fn host_name(value: &[u8]) -> Option<Box<[u8]>> {
    let is_right = (1..=limits::DOMAIN_OCTETS_MAX).contains(&value.len())
        && value
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'));
    is_right.then(|| value.into())
}

/// An IPv4 address, or `IPV6:` and an IPv6 address.
fn address(value: &[u8]) -> Option<IpAddr> {
    match value.split_at_checked(IPV6.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(IPV6) => {
            let address = text(rest).map(IpAddr::V6)?;
            Some(address.to_canonical())
        }
        _ => text(value).map(IpAddr::V4),
    }
}

fn port(value: &[u8]) -> Option<u16> {
    let is_number = value.iter().all(u8::is_ascii_digit);
    is_number.then(|| text(value))?
}

fn protocol(value: &[u8]) -> Option<HeloVerb> {
    if value.eq_ignore_ascii_case(b"ESMTP") {
        Some(HeloVerb::Ehlo)
    } else if value.eq_ignore_ascii_case(b"SMTP") {
        Some(HeloVerb::Helo)
    } else {
        None
    }
}

fn helo_domain(value: &[u8]) -> Option<Box<[u8]>> {
    HeloDomain::new(value).map(|domain| domain.as_octets().into())
}

fn login(value: &[u8]) -> Option<Box<[u8]>> {
    let is_right = !value.is_empty() && !value.iter().any(u8::is_ascii_control);
    is_right.then(|| value.into())
}

/// In front of an IPv6 address.
const IPV6: &[u8] = b"IPV6:";

#[cfg(test)]
mod tests {
    use super::{Attributes, Forwarded};

    fn forwarded(before: &Forwarded, argument: &str) -> Option<Forwarded> {
        let mut forwarded = before.clone();
        Attributes::parse(argument.as_bytes())?.add_to(&mut forwarded);
        Some(forwarded)
    }

    fn told(argument: &str) -> Option<Forwarded> {
        forwarded(&Forwarded::default(), argument)
    }

    #[test]
    fn attributes_are_read_in_any_order_and_case() {
        let expected = Forwarded {
            name: Some(b"spike.example"[..].into()),
            address: "203.0.113.9".parse().ok(),
            port: Some(40_000),
            login: Some(b"a b+c=d"[..].into()),
            server_address: "2001:db8::1".parse().ok(),
            server_port: Some(25),
        };
        for argument in [
            "NAME=spike.example ADDR=203.0.113.9 PORT=40000 LOGIN=a+20b+2Bc+3Dd DESTADDR=IPV6:2001:db8::1 DESTPORT=25",
            "destport=25  DestAddr=ipv6:2001:DB8:0::1 login=a+20b+2Bc+3Dd port=40000\taddr=203.0.113.9 name=spike.example",
        ] {
            assert_eq!(told(argument).as_ref(), Some(&expected), "{argument}");
        }
        let address = |argument: &str| told(argument).and_then(|forwarded| forwarded.address);
        assert_eq!(
            address("ADDR=IPV6:::ffff:192.0.2.1"),
            "192.0.2.1".parse().ok()
        );
        assert_eq!(address("ADDR=[UNAVAILABLE]"), "0.0.0.0".parse().ok());
        assert_eq!(address("NAME=[TEMPUNAVAIL]"), None);
    }

    #[test]
    fn what_is_told_adds_up_for_one_client() {
        let first = told("ADDR=192.0.2.1 NAME=a.example").unwrap_or_default();
        let both = forwarded(&first, "LOGIN=anna PORT=7").unwrap_or_default();
        assert_eq!(both.name.as_deref(), Some(&b"a.example"[..]));
        assert_eq!(both.port, Some(7));
        assert_eq!(both.address, first.address);
        assert_eq!(both.login.as_deref(), Some(&b"anna"[..]));
        let without = forwarded(&both, "LOGIN=[unavailable]").unwrap_or_default();
        assert_eq!(without.login, None);
        let another = forwarded(&both, "ADDR=192.0.2.2").unwrap_or_default();
        assert_eq!(another, told("ADDR=192.0.2.2").unwrap_or_default());
        let unknown = forwarded(&both, "ADDR=[UNAVAILABLE]").unwrap_or_default();
        assert_eq!(unknown.login, None, "nobody knows who that is");
    }

    #[test]
    fn what_is_no_attribute_is_refused_as_a_whole() {
        let long = format!("NAME={}", "a".repeat(256));
        for argument in [
            "FOO=bar",
            "ADDR",
            "ADDR=",
            "=x",
            "ADDR=notanip",
            "ADDR=2001:db8::9",
            "ADDR=IPV6:192.0.2.1",
            "ADDR=IPV6:fe80::1%1",
            "ADDR=192.0.2.1:25",
            "ADDR=192.0.2.1 ADDR=192.0.2.1",
            "ADDR=192.0.2.1 PORT=65536",
            "PORT=+1",
            "PORT=",
            "PROTO=LMTP",
            "HELO=a+0D+0A",
            "HELO=a+20b",
            "NAME=a+20b",
            "NAME=a=b",
            "NAME=a+2",
            "NAME=a+2d",
            "NAME=\u{e9}",
            "LOGIN=a+00",
            "LOGIN=a+0D+0Ab",
            "LOGIN=",
            "DESTADDR=x",
            "DESTPORT=x",
            long.as_str(),
        ] {
            assert_eq!(told(argument), None, "{argument}");
        }
    }
}
