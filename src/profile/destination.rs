//! Where the messages of a server go: `destination` and `[server.next_hop]`.
//!
//! In: the keys as written. Out: a [`DestinationAddress`]; where a key was wrong a default stands in and the report has
//! an error. Does not: look up names or open anything.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;

use super::server::Surroundings;
use super::source::{Report, Section, Spanned};
use crate::limits;
use crate::smtp::client::{ClientProtocol, ClientTls};
use crate::tls::{ConnectorError, TlsConnector};

/// Where accepted messages go.
#[derive(Clone, Debug)]
pub enum DestinationAddress {
    /// Messages are thrown away after they were received: for load tests.
    Discard,
    /// One file per message under `DIR/new`.
    Maildir(PathBuf),
    /// Another server, which is asked about each recipient and has each message before the client hears of it.
    NextHop(Box<NextHopAddress>),
}

/// The server that messages are passed to, and how.
#[derive(Clone, Debug)]
pub struct NextHopAddress {
    /// What it speaks.
    pub protocol: ClientProtocol,
    /// Where it listens.
    pub host: NextHopHost,
    /// Whether TLS is used.
    pub tls: ClientTls,
    /// How, if it may be.
    pub connector: Option<TlsConnector>,
    /// Its limits.
    pub limits: NextHopLimits,
}

/// Where a next hop listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NextHopHost {
    /// At an address.
    Address(SocketAddr),
    /// At the addresses of a name; looked up when postern starts and from time to time.
    Name {
        /// The name.
        name: String,
        /// The port.
        port: u16,
    },
    /// On a socket of this machine.
    Socket(PathBuf),
}

/// What bounds the traffic with a next hop. Times are milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NextHopLimits {
    /// Connections of one shard.
    pub connections_max: u32,
    /// Messages sent on one connection.
    pub messages_per_connection_max: u32,
    /// Wait for a connection to one address.
    pub connect_timeout_ms: u64,
    /// Wait for the greeting and the reply to a command.
    pub command_timeout_ms: u64,
    /// Wait for the next hop to take more mail data.
    pub mail_data_timeout_ms: u64,
    /// Wait for the reply to the end of mail data.
    pub final_reply_timeout_ms: u64,
    /// How long a connection without a message is kept.
    pub idle_timeout_ms: u64,
}

impl Default for NextHopLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::NEXT_HOP_CONNECTIONS_COUNT_DEFAULT,
            messages_per_connection_max: limits::NEXT_HOP_MESSAGES_PER_CONNECTION_COUNT_DEFAULT,
            connect_timeout_ms: limits::NEXT_HOP_CONNECT_TIMEOUT_MS_DEFAULT,
            command_timeout_ms: limits::NEXT_HOP_COMMAND_TIMEOUT_MS_DEFAULT,
            mail_data_timeout_ms: limits::NEXT_HOP_MAIL_DATA_TIMEOUT_MS_DEFAULT,
            final_reply_timeout_ms: limits::NEXT_HOP_FINAL_REPLY_TIMEOUT_MS_DEFAULT,
            idle_timeout_ms: limits::NEXT_HOP_IDLE_TIMEOUT_MS_DEFAULT,
        }
    }
}

/// Reads `destination` and `[server.next_hop]`.
pub(super) fn destination(
    section: &mut Section<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report<'_>,
) -> DestinationAddress {
    let text = section.string("destination", report);
    let table = section.table("next_hop", report);
    let table_span = table.as_ref().map(Section::span);
    let (tls, limits) = next_hop_table(table, report);
    let default = DestinationAddress::Maildir(surroundings.data_dir.join("mail"));
    let Some(text) = text else { return default };
    match address(&text, surroundings, (&tls, limits)) {
        Ok(DestinationAddress::NextHop(mut next_hop)) => {
            next_hop.connector = connector(&next_hop.host, &tls, (surroundings, &text), report);
            DestinationAddress::NextHop(next_hop)
        }
        Ok(other) => {
            if let Some(span) = table_span {
                let message = format!("`{}` has no use for [server.next_hop]", text.value);
                report.error(
                    span,
                    message,
                    "only \"smtp:\" and \"lmtp:\" destinations have",
                );
            }
            other
        }
        Err(AddressError { message, help }) => {
            report.error(text.span, message, help);
            default
        }
    }
}

/// What is wrong with a destination, and how it is right.
struct AddressError {
    message: String,
    help: &'static str,
}

fn address(
    text: &Spanned<String>,
    surroundings: &Surroundings<'_>,
    (tls, limits): (&TlsKeys, NextHopLimits),
) -> Result<DestinationAddress, AddressError> {
    let whole = text.value.as_str();
    let wrong = |message: String, help| Err(AddressError { message, help });
    let next_hop = |protocol, host| {
        Ok(DestinationAddress::NextHop(Box::new(NextHopAddress {
            protocol,
            host,
            tls: tls.tls,
            connector: None,
            limits,
        })))
    };
    match whole.split_once(':').unwrap_or((whole, "")) {
        ("discard", "") => Ok(DestinationAddress::Discard),
        ("maildir", "") => wrong(
            "`maildir` needs a directory".into(),
            "as in \"maildir:mail\"",
        ),
        ("maildir", path) => Ok(DestinationAddress::Maildir(
            surroundings.directory.join(path),
        )),
        ("lmtp", rest) if rest.starts_with("unix:") => match &rest["unix:".len()..] {
            "" => wrong("`lmtp:unix:` needs a path".into(), LMTP_HELP),
            path => {
                let path = surroundings.directory.join(path);
                if SOCKET_PATH_OCTETS_MAX < path.as_os_str().len() {
                    let message =
                        format!("the path of a socket has up to {SOCKET_PATH_OCTETS_MAX} octets");
                    return wrong(message, "use a shorter path, or a symbolic link");
                }
                next_hop(ClientProtocol::Lmtp, NextHopHost::Socket(path))
            }
        },
        ("smtp", rest) => match rest.strip_prefix("//").map(host) {
            Some(Some(host)) => next_hop(ClientProtocol::Smtp, host),
            _ => wrong(format!("`{whole}` names no host and port"), SMTP_HELP),
        },
        ("lmtp", rest) => match rest.strip_prefix("//").map(host) {
            Some(Some(host)) => next_hop(ClientProtocol::Lmtp, host),
            _ => wrong(format!("`{whole}` names no host and port"), LMTP_HELP),
        },
        ("journal" | "spool", _) => wrong(
            format!("destination `{whole}` is not supported yet"),
            DESTINATIONS,
        ),
        _ => wrong(format!("`{whole}` is no destination"), DESTINATIONS),
    }
}

/// `host:port`, where the host is a name, an IPv4 address, or an IPv6 address in brackets.
fn host(text: &str) -> Option<NextHopHost> {
    let (name, port) = text.rsplit_once(':')?;
    let port = port
        .bytes()
        .all(|octet| octet.is_ascii_digit())
        .then_some(port)?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    if let Some(literal) = name.strip_prefix('[') {
        let address: Ipv6Addr = literal.strip_suffix(']')?.parse().ok()?;
        return Some(NextHopHost::Address((address, port).into()));
    }
    if let Ok(address @ IpAddr::V4(_)) = name.parse() {
        return Some(NextHopHost::Address((address, port).into()));
    }
    let is_letter =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let is_name = !name.is_empty()
        && name.len() <= limits::DOMAIN_OCTETS_MAX
        && name.bytes().all(is_letter)
        // What looks like an address and is none is a slip of the pen, not a name.
        && !name.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    is_name.then(|| NextHopHost::Name {
        name: name.to_owned(),
        port,
    })
}

/// The keys about TLS as written.
struct TlsKeys {
    tls: ClientTls,
    /// The file of the certificates that are trusted.
    trusted: Option<Spanned<String>>,
    /// The name the next hop's certificate must have, if not the host's.
    name: Option<Spanned<String>>,
}

/// How the next hop's TLS is spoken to; none if it is not.
fn connector(
    host: &NextHopHost,
    tls: &TlsKeys,
    (surroundings, destination): (&Surroundings<'_>, &Spanned<String>),
    report: &mut Report<'_>,
) -> Option<TlsConnector> {
    if tls.tls == ClientTls::Off {
        return None;
    }
    let host_name = match host {
        NextHopHost::Address(address) => address.ip().to_string(),
        NextHopHost::Name { name, .. } => name.clone(),
        NextHopHost::Socket(_) => "localhost".into(),
    };
    let name = tls
        .name
        .as_ref()
        .map_or(host_name.as_str(), |name| &name.value);
    let mut wrong_name = || {
        let span = tls.name.as_ref().unwrap_or(destination).span.clone();
        let message = format!("`{name}` cannot be the name of a certificate");
        report.error(span, message, "set `tls_name` to a name, or tls = \"off\"");
    };
    let Some(trusted) = &tls.trusted else {
        return TlsConnector::without_trust(name)
            .map_err(|_| wrong_name())
            .ok();
    };
    let path = surroundings.directory.join(&trusted.value);
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let connector = read.and_then(|pem| match TlsConnector::with_trust(name, &pem) {
        Err(ConnectorError::BadName) => {
            wrong_name();
            Ok(None)
        }
        Err(_) => Err("it has no certificates to trust".into()),
        Ok(connector) => Ok(Some(connector)),
    });
    connector.unwrap_or_else(|error| {
        let message = format!("{} cannot be used: {error}", path.display());
        report.error(trusted.span.clone(), message, "a PEM file of certificates");
        None
    })
}

/// `[server.next_hop]`.
fn next_hop_table(table: Option<Section<'_>>, report: &mut Report<'_>) -> (TlsKeys, NextHopLimits) {
    let defaults = NextHopLimits::default();
    let mut tls = TlsKeys {
        tls: ClientTls::Opportunistic,
        trusted: None,
        name: None,
    };
    let Some(mut table) = table else {
        return (tls, defaults);
    };
    if let Some(written) = table.string("tls", report) {
        tls.tls = match written.value.as_str() {
            "off" => ClientTls::Off,
            "may" => ClientTls::Opportunistic,
            "required" => ClientTls::Required,
            other => {
                let message = format!("`{other}` is no value of `tls`");
                report.error(written.span, message, "\"off\", \"may\" or \"required\"");
                ClientTls::Opportunistic
            }
        };
    }
    tls.trusted = table.string("tls_trusted", report);
    tls.name = table.string("tls_name", report);
    if let Some(trusted) = &tls.trusted
        && tls.tls != ClientTls::Required
    {
        // Whoever is between could take STARTTLS out of the offer, and the check with it.
        let message = "`tls_trusted` proves nothing unless tls = \"required\"";
        report.error(trusted.span.clone(), message, "add tls = \"required\"");
    }
    let mut ms = |key, default| table.number(key, default, MS_RANGE, report);
    let mut limits = NextHopLimits {
        connect_timeout_ms: ms("connect_timeout_ms", defaults.connect_timeout_ms),
        command_timeout_ms: ms("command_timeout_ms", defaults.command_timeout_ms),
        mail_data_timeout_ms: ms("mail_data_timeout_ms", defaults.mail_data_timeout_ms),
        final_reply_timeout_ms: ms("final_reply_timeout_ms", defaults.final_reply_timeout_ms),
        idle_timeout_ms: ms("idle_timeout_ms", defaults.idle_timeout_ms),
        ..defaults
    };
    let mut count = |key, default: u32| {
        let number = table.number(key, default.into(), COUNT_RANGE, report);
        u32::try_from(number).unwrap_or(default)
    };
    limits.connections_max = count("connections_max", defaults.connections_max);
    limits.messages_per_connection_max = count(
        "messages_per_connection_max",
        defaults.messages_per_connection_max,
    );
    table.finish(report);
    (tls, limits)
}

/// Octets of the path of a socket; the kernel's address has 108 with a zero at the end.
const SOCKET_PATH_OCTETS_MAX: usize = 107;

const MS_RANGE: Range<u64> = 100..86_400_001;

const COUNT_RANGE: Range<u64> = 1..1_000_001;

const SMTP_HELP: &str =
    "as in \"smtp://192.0.2.1:25\", \"smtp://[2001:db8::1]:25\" or \"smtp://mail.example.com:25\"";

const LMTP_HELP: &str = "as in \"lmtp://127.0.0.1:24\" or \"lmtp:unix:/run/lmtp\"";

const DESTINATIONS: &str = "\"maildir:DIR\", \"smtp://HOST:PORT\", \"lmtp://HOST:PORT\", \"lmtp:unix:PATH\" or \"discard\"";

#[cfg(test)]
mod tests {
    use super::{NextHopHost, host};

    #[test]
    fn hosts_have_a_port() {
        let address = |text: &str| Some(NextHopHost::Address(text.parse().expect("an address")));
        let name = |name: &str, port| {
            let name = name.to_owned();
            Some(NextHopHost::Name { name, port })
        };
        for (text, expected) in [
            ("192.0.2.1:25", address("192.0.2.1:25")),
            ("[2001:db8::1]:2525", address("[2001:db8::1]:2525")),
            ("mail.example.com:25", name("mail.example.com", 25)),
            ("localhost:65535", name("localhost", 65_535)),
            ("mail.example.com", None),
            ("mail.example.com:", None),
            ("mail.example.com:0", None),
            ("mail.example.com:65536", None),
            ("mail.example.com:+25", None),
            (":25", None),
            ("2001:db8::1:25", None),
            ("[192.0.2.1]:25", None),
            ("192.0.2.256:25", None),
            ("user@mail.example.com:25", None),
            ("mail.example.com:25/x", None),
        ] {
            assert_eq!(host(text), expected, "{text}");
        }
    }
}
