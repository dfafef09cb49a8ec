//! STARTTLS, and what a session knows of TLS.
//!
//! In: the command, then what a handshake agreed on. Out: 220 and [`Step::StartTls`], then a session that has forgotten
//! everything the client said in plain text.
//! Guarantees: nothing but the facts of the connection and the counts against its limits lives on; STARTTLS is offered
//! and accepted once, in plain text, after EHLO. Not behind XCLIENT: what that has said would have to be forgotten too, and
//! the trusted client be judged in the place of the one it speaks for.
//! Does not: handshakes, or discard what was received meanwhile; the connection does both.
//!
//! RFC 3207 §4, §4.2 (what is forgotten); RFC 8314 §3 (TLS from the start).

use std::borrow::Cow;

use super::{Channel, Session, State, Step};
use crate::smtp::extension::Extension;
use crate::smtp::reply::{self, Replies};

/// Whether a profile offers STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StartTls {
    /// It does not.
    #[default]
    Absent,
    /// It does, on connections that are not over TLS already.
    Offered,
}

/// What the handshake agreed on. Text, for logs, scripts and trace headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.3` or `TLSv1.2`.
    pub protocol: &'static str,
    /// The cipher suite as OpenSSL calls it.
    pub cipher: &'static str,
    /// Bits of the cipher's key.
    pub key_bits: u16,
    /// The name the client asked for.
    pub server_name: Option<Box<str>>,
    /// What the client's certificate says. The client has its key; nothing else about it was checked.
    pub client_certificate: Option<ClientCertificate>,
}

/// What a client's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whom it is about: types of attributes in short, such as `CN`, and their values, in order.
    pub subject: Box<[(Cow<'static, str>, Box<str>)]>,
    /// Who issued it, in the same form.
    pub issuer: Box<[(Cow<'static, str>, Box<str>)]>,
    /// Its alternative names.
    pub names: Box<[AlternativeName]>,
    /// Its version as encoded: 2 is version 3.
    pub version: u32,
    /// Its serial number in lower-case hexadecimal digits.
    pub serial_number: Box<str>,
    /// Valid from this second since 1970 on.
    pub not_before: i64,
    /// Valid up to this second since 1970.
    pub not_after: i64,
    /// The certificate itself, in DER: what fingerprints are made of. At most what a handshake may be.
    pub der: Box<[u8]>,
}

/// One alternative name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlternativeName {
    /// A DNS name in lower case.
    Dns(Box<str>),
    /// An address or a mailbox.
    Other(Box<str>),
}

impl AlternativeName {
    /// The name in text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dns(text) | Self::Other(text) => text,
        }
    }
}

impl ClientCertificate {
    /// The DNS names it is for.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            AlternativeName::Dns(name) => Some(&**name),
            AlternativeName::Other(_) => None,
        })
    }
}

impl Session {
    /// STARTTLS. What the client was offered counts: after HELO that is nothing.
    pub(super) fn start_tls(&mut self, replies: &mut Replies) -> Step {
        match (self.channel, self.options.start_tls) {
            (Channel::Tls, _) => self.answer(&reply::tls_begun(), replies),
            (Channel::Plain, StartTls::Absent) => {
                self.not_offered(crate::smtp::command::Verb::StartTls, replies)
            }
            (Channel::Plain, StartTls::Offered) => {
                if self.forwarded.is_some() {
                    return self.answer(&reply::tls_behind_xclient(), replies);
                }
                if !self.extensions().offers(Extension::StartTls) {
                    return self.answer(&reply::ehlo_missing(), replies);
                }
                replies.push(&reply::ready_for_tls());
                Step::StartTls
            }
        }
    }

    /// Takes note that the connection is over TLS now: a new session begins (RFC 3207 §4.2).
    pub fn tls_established(&mut self, tls: Box<Tls>) {
        self.clear_transaction();
        self.helo = None;
        self.deciding = None;
        self.former = None;
        self.coming_chunk = None;
        self.forget_authentication();
        self.state = State::Connected;
        self.channel = Channel::Tls;
        self.tls = Some(tls);
    }

    /// What the handshake agreed on; none in plain text.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }
}
