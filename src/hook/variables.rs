//! The values of predefined variables: from RFC names to HSL names, here only.
//!
//! In: [`Facts`] about a connection and its session, in the engine's types. Out: the inputs of one execution, and the
//! updates after `SetSenderIP`. Guarantees: a variable the script does not read is not made; addresses are canonical text
//! (an IPv4-mapped IPv6 address is IPv4); what is not known yet is none, a boolean false, an array element absent.
//! Does not: find anything out; who calls knows, or asks [`HookInstance::reads_any`] whether it must.
//!
//! `$context` is bound to the connection. Functions and objects in it mean something only to the script that made them:
//! Deviation: another script of the connection that reads such a `$context` fails when it starts.
//!
//! HSL manual: "Connect", "Proxy", "HELO", "MAIL FROM", "RCPT TO", "var_transaction"; RFC 5321 §2.3.11 (local-part and domain).

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::str;

use postern_jit::error::ErrorKind;
use postern_jit::execution::{HostAnswer, Input};
use postern_jit::runtime::portable::{PortableKey, Snapshot};
use postern_jit::runtime::{Kind, Portable};
use smallvec::SmallVec;

use super::{Hook, HookInstance, Variable, helo, tls};
use crate::smtp::session::{Address, HeloVerb, Session, Transaction, TransactionId};

/// What is known when a script starts.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'c> {
    /// The client: the address it goes by, its port.
    pub client: SocketAddr,
    /// This end of the connection. Asked for by `$serverip`, `$serverport`, `$arguments` and `$connection` only.
    pub server: Option<SocketAddr>,
    /// The profile's name.
    pub server_id: &'c str,
    /// The session as it stands.
    pub session: &'c Session,
    /// The id of the transaction, current or to come. Asked for by `$messageid` and `$transaction` only.
    pub transaction_id: Option<TransactionId>,
    /// The command line, for [`Hook::Proxy`].
    pub command: &'c [u8],
    /// What an earlier script of the connection left.
    pub context: Option<&'c StoredContext>,
}

/// `$context` between two scripts of one connection.
#[derive(Debug)]
pub struct StoredContext {
    /// Which script left it.
    pub hook: Hook,
    /// The value.
    pub value: Snapshot,
}

/// The inputs of one execution, by index.
pub(super) struct Inputs<'c>(SmallVec<[Prepared<'c>; 20]>);

/// One input, with the memory that it needs.
enum Prepared<'c> {
    Input(Input<'c>),
    Address(AddressText),
    Data(Portable),
}

impl<'c> Inputs<'c> {
    /// What `instance` reads.
    pub(super) fn new(instance: &HookInstance, facts: &Facts<'c>) -> Result<Self, ErrorKind> {
        let variables = instance.hook.variables().iter().enumerate();
        let values = variables.map(|(index, variable)| {
            if instance.instance.reads(index) {
                prepare(instance.hook, *variable, facts)
            } else {
                Ok(Prepared::Input(Input::None))
            }
        });
        values.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn input(&self, index: usize) -> Input<'_> {
        match self.0.get(index) {
            Some(Prepared::Input(input)) => *input,
            Some(Prepared::Address(text)) => Input::String(text.as_octets()),
            Some(Prepared::Data(portable)) => Input::Portable(portable),
            None => Input::None,
        }
    }
}

impl HookInstance {
    /// The answer to `SetSenderIP`: `address` is what the script gave, `facts` already have it.
    #[must_use]
    pub fn sender_ip_answer(&self, address: Option<IpAddr>, facts: &Facts<'_>) -> HostAnswer {
        let Some(address) = address else {
            return HostAnswer {
                value: Portable::None,
                updates: Vec::new(),
            };
        };
        let changed = [
            (Variable::SenderIp, address_value(address)),
            (Variable::Connection, connection(facts)),
            (Variable::Arguments, arguments(self.hook, facts)),
        ];
        let updates = changed.into_iter().filter_map(|(variable, value)| {
            let index = self.hook.index(variable)?;
            self.instance.reads(index).then_some((index, value))
        });
        HostAnswer {
            value: address_value(address),
            updates: updates.collect(),
        }
    }
}

/// An address in text, canonical; none when the text is none.
pub(super) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

fn prepare<'c>(
    hook: Hook,
    variable: Variable,
    facts: &Facts<'c>,
) -> Result<Prepared<'c>, ErrorKind> {
    let Facts { client, server, .. } = *facts;
    let text = |address: IpAddr| Prepared::Address(AddressText::of(address));
    let port = |address: SocketAddr| Input::Number(f64::from(address.port()));
    Ok(Prepared::Input(match variable {
        Variable::Arguments => return Ok(Prepared::Data(arguments(hook, facts))),
        Variable::Connection => return Ok(Prepared::Data(connection(facts))),
        Variable::Transaction => return Ok(Prepared::Data(transaction(hook, facts))),
        Variable::SenderIp => return Ok(text(client.ip())),
        Variable::ServerIp => match server {
            Some(server) => return Ok(text(server.ip())),
            None => Input::None,
        },
        Variable::MessageId => match facts.transaction_id {
            Some(id) => return Ok(Prepared::Data(Portable::string(id.as_octets()))),
            None => Input::None,
        },
        Variable::SenderPort => port(client),
        Variable::ServerPort => server.map_or(Input::None, port),
        Variable::ServerId => Input::String(facts.server_id.as_bytes()),
        Variable::SenderHelo => match facts.session.helo() {
            Some((_, domain)) => Input::String(domain),
            None => Input::None,
        },
        Variable::SenderHeloType => match facts.session.helo() {
            Some((verb, _)) => Input::String(verb_name(verb).as_bytes()),
            None => Input::None,
        },
        Variable::Sender | Variable::Recipient => match decided(hook, facts) {
            Some(address) => return Ok(Prepared::Data(lowered(address))),
            None => Input::None,
        },
        Variable::SenderLocalPart | Variable::RecipientLocalPart => match decided(hook, facts) {
            Some(address) => Input::String(address.local_part()),
            None => Input::None,
        },
        Variable::SenderDomain | Variable::RecipientDomain => match decided(hook, facts) {
            Some(address) => Input::String(address.domain().unwrap_or_default()),
            None => Input::None,
        },
        Variable::SenderParams | Variable::RecipientParams => match decided(hook, facts) {
            Some(address) => return Ok(Prepared::Data(parameters(address))),
            None => Input::None,
        },
        Variable::TransportId => match decided(hook, facts).map(|address| address.transport()) {
            Some(transport) if !transport.is_empty() => Input::String(transport),
            Some(_) | None => Input::None,
        },
        Variable::TlsStarted => Input::Boolean(facts.session.tls().is_some()),
        Variable::SaslAuthed => Input::Boolean(facts.session.user_name().is_some()),
        Variable::SaslUsername => match facts.session.user_name() {
            Some(name) => Input::String(name),
            None => Input::None,
        },
        Variable::Command => Input::String(facts.command),
        Variable::Context => match facts.context {
            None => Input::None,
            Some(context) if context.hook == hook => Input::Snapshot(&context.value),
            Some(context) => match context.value.data() {
                Some(data) => Input::Portable(data),
                None => {
                    return Err(ErrorKind::NotPortable {
                        got: Kind::Function,
                    });
                }
            },
        },
    }))
}

fn arguments(hook: Hook, facts: &Facts<'_>) -> Portable {
    match hook {
        Hook::Connect => Portable::Array(ends(facts)),
        Hook::Proxy => Portable::Array(vec![field("command", Portable::string(facts.command))]),
        Hook::Helo => {
            let mut fields = client_name(facts);
            let offered = facts.session.offered();
            fields.push(field("extensions", helo::extension_list(offered)));
            Portable::Array(fields)
        }
        Hook::MailFrom | Hook::RcptTo => {
            let whole = match hook {
                Hook::MailFrom => "sender",
                _ => "recipient",
            };
            let Some(address) = decided(hook, facts) else {
                return Portable::Array(Vec::new());
            };
            let mut fields = vec![
                field(whole, lowered(address)),
                field("address", parts(address)),
                field("params", parameters(address)),
            ];
            fields.extend(transport(address));
            Portable::Array(fields)
        }
    }
}

/// The address that the command of a hook names.
fn decided<'c>(hook: Hook, facts: &Facts<'c>) -> Option<Address<'c>> {
    let transaction = facts.session.transaction()?;
    match hook {
        Hook::MailFrom => Some(transaction.reverse_path()),
        Hook::RcptTo => transaction.last_recipient(),
        Hook::Connect | Hook::Proxy | Hook::Helo => None,
    }
}

/// What the client called itself, and how.
fn client_name(facts: &Facts<'_>) -> Vec<(PortableKey, Portable)> {
    let Some((verb, domain)) = facts.session.helo() else {
        return Vec::new();
    };
    vec![
        field("verb", Portable::string(verb_name(verb))),
        field("host", Portable::string(domain)),
    ]
}

const fn verb_name(verb: HeloVerb) -> &'static str {
    match verb {
        HeloVerb::Helo => "HELO",
        HeloVerb::Ehlo => "EHLO",
    }
}

fn connection(facts: &Facts<'_>) -> Portable {
    let mut fields = ends(facts);
    let helo = client_name(facts);
    if !helo.is_empty() {
        fields.push(field("helo", Portable::Array(helo)));
    }
    if let Some(name) = facts.session.user_name() {
        let mut auth = vec![field("username", Portable::string(name))];
        // With whom XCLIENT speaks for a client, nobody knows how.
        if let Some(known) = facts.session.authenticated() {
            let mechanism = Portable::string(known.mechanism().name());
            auth.insert(0, field("mechanism", mechanism));
        }
        fields.push(field("auth", Portable::Array(auth)));
    }
    if let Some(tls) = facts.session.tls() {
        fields.push(field("tls", tls::connection_fields(tls)));
    }
    Portable::Array(fields)
}

/// Both ends of the connection.
fn ends(facts: &Facts<'_>) -> Vec<(PortableKey, Portable)> {
    let mut fields = vec![
        field("remoteip", address_value(facts.client.ip())),
        field("remoteport", number(facts.client.port())),
    ];
    if let Some(server) = facts.server {
        fields.push(field("localip", address_value(server.ip())));
        fields.push(field("localport", number(server.port())));
    }
    fields.push(field("serverid", Portable::string(facts.server_id)));
    fields
}

fn transaction(hook: Hook, facts: &Facts<'_>) -> Portable {
    let mut fields = Vec::new();
    if let Some(id) = facts.transaction_id {
        fields.push(field("id", Portable::string(id.as_octets())));
    }
    if let Some(transaction) = facts.session.transaction() {
        let recipients_count = transaction.recipients_count();
        // What is being decided about is no part of it yet.
        let recipients_count = match hook {
            Hook::Connect | Hook::Proxy => recipients_count,
            Hook::RcptTo => recipients_count.saturating_sub(1),
            Hook::Helo | Hook::MailFrom => return Portable::Array(fields),
        };
        envelope(transaction, recipients_count, &mut fields);
    }
    Portable::Array(fields)
}

/// Reverse-path and recipients, with the names of both editions of the manual.
fn envelope(
    transaction: &Transaction,
    recipients_count: usize,
    fields: &mut Vec<(PortableKey, Portable)>,
) {
    let sender = transaction.reverse_path();
    let names = ["sender", "senderlocalpart", "senderdomain", "senderparams"];
    fields.extend(address_fields(names, sender));
    fields.push(field("senderaddress", parts(sender)));
    let names = [
        "recipient",
        "recipientlocalpart",
        "recipientdomain",
        "recipientparams",
    ];
    let recipients = transaction.recipients().take(recipients_count).enumerate();
    let recipients = recipients.map(|(index, recipient)| {
        let key = PortableKey::Integer(i64::try_from(index).unwrap_or(i64::MAX));
        let mut fields = Vec::from(address_fields(names, recipient));
        fields.push(field("address", parts(recipient)));
        fields.push(field("params", parameters(recipient)));
        fields.extend(transport(recipient));
        (key, Portable::Array(fields))
    });
    fields.push(field("recipients", Portable::Array(recipients.collect())));
}

/// An address in lower case, its parts as sent, its parameters.
fn address_fields(names: [&str; 4], address: Address<'_>) -> [(PortableKey, Portable); 4] {
    let [whole, local_part, domain, params] = names;
    let (local_part_value, domain_value) = part_values(address);
    [
        field(whole, lowered(address)),
        field(local_part, local_part_value),
        field(domain, domain_value),
        field(params, parameters(address)),
    ]
}

fn lowered(address: Address<'_>) -> Portable {
    Portable::string(address.as_octets().to_ascii_lowercase())
}

fn part_values(address: Address<'_>) -> (Portable, Portable) {
    let domain = address.domain().unwrap_or_default();
    (
        Portable::string(address.local_part()),
        Portable::string(domain),
    )
}

/// Local part and domain as sent.
fn parts(address: Address<'_>) -> Portable {
    let (local_part, domain) = part_values(address);
    Portable::Array(vec![
        field("localpart", local_part),
        field("domain", domain),
    ])
}

/// Keywords in upper case, values as sent; one without a value has an empty string.
fn parameters(address: Address<'_>) -> Portable {
    let parameters = address.parameters().map(|(keyword, value)| {
        let value = Portable::string(value.unwrap_or_default());
        (PortableKey::String(keyword.into()), value)
    });
    Portable::Array(parameters.collect())
}

/// Its transport, if a script has named one.
fn transport(address: Address<'_>) -> Option<(PortableKey, Portable)> {
    let transport = address.transport();
    (!transport.is_empty()).then(|| field("transportid", Portable::string(transport)))
}

pub(super) fn field(name: &str, value: Portable) -> (PortableKey, Portable) {
    (PortableKey::String(name.as_bytes().into()), value)
}

pub(super) fn number(number: u16) -> Portable {
    Portable::Number(f64::from(number))
}

fn address_value(address: IpAddr) -> Portable {
    Portable::string(AddressText::of(address).as_octets())
}

impl Hook {
    /// Variables that are the same for every client of a server: its id, and its address and port where all that it
    /// listens on agree and say which. They become constants of the compiled code.
    #[must_use]
    pub fn fixed(self, server_id: &str, listen: &[SocketAddr]) -> Vec<(usize, Portable)> {
        let ip = listen.first().map(SocketAddr::ip);
        let ip = ip.filter(|ip| !ip.is_unspecified() && listen.iter().all(|one| one.ip() == *ip));
        let port = listen.first().map(SocketAddr::port);
        let port = port.filter(|port| *port != 0 && listen.iter().all(|one| one.port() == *port));
        let id = Some((Variable::ServerId, Portable::string(server_id)));
        let ip = ip.map(|ip| {
            (
                Variable::ServerIp,
                Portable::string(AddressText::of(ip).as_octets()),
            )
        });
        let port = port.map(|port| (Variable::ServerPort, Portable::Number(f64::from(port))));
        let known = [id, ip, port].into_iter().flatten();
        known
            .filter_map(|(variable, value)| Some((self.index(variable)?, value)))
            .collect()
    }
}

/// The canonical text of an address.
struct AddressText {
    octets: [u8; ADDRESS_OCTETS_MAX],
    octets_count: usize,
}

impl AddressText {
    fn of(address: IpAddr) -> Self {
        let mut text = Self {
            octets: [0; ADDRESS_OCTETS_MAX],
            octets_count: 0,
        };
        let written = write!(text, "{}", address.to_canonical());
        debug_assert!(written.is_ok(), "every address fits");
        text
    }

    fn as_octets(&self) -> &[u8] {
        &self.octets[..self.octets_count]
    }
}

impl fmt::Write for AddressText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.octets_count + part.len();
        let place = self.octets.get_mut(self.octets_count..end);
        place.ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.octets_count = end;
        Ok(())
    }
}

/// `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const ADDRESS_OCTETS_MAX: usize = 45;

#[cfg(test)]
mod tests {
    use super::{AddressText, parse_address};

    #[test]
    fn addresses_are_canonical() {
        let cases = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("2001:DB8:0:0:0:0:0:1", Some("2001:db8::1")),
            ("64:ff9b::c0a8:10b", Some("64:ff9b::c0a8:10b")),
            (
                "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
                Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ),
            ("192.0.2.256", None),
            ("192.0.2.1 ", None),
            ("fe80::1%lo", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let shown = parse_address(text.as_bytes()).map(AddressText::of);
            let shown = shown.as_ref().map(AddressText::as_octets);
            assert_eq!(shown, expected.map(str::as_bytes), "{text}");
        }
        assert_eq!(parse_address(b"\xff"), None);
    }
}
