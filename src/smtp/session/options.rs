//! What a session is told before it starts: by the operator, and about its client.
//!
//! In: the profile's decisions, the connection's facts. Out: plain values, immutable while a
//! session runs.
//! Guarantees: none beyond the types; `profile` has checked what an operator wrote.
//! Does not: know files, networks or scripts.

use std::net::IpAddr;

use super::{AcceptDomains, AuthOptions, Phases, StartTls, XClientUse};
use crate::limits;
use crate::smtp::extension::Extensions;

/// What an operator decides about every session of a profile.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The name of this host in the greeting, the EHLO reply and trace headers: a domain.
    pub hostname: Box<str>,
    /// The domains that mail is accepted for from everybody.
    pub accept_domains: AcceptDomains,
    /// The points at which somebody else decides.
    pub asks: Phases,
    /// How clients prove who they are.
    pub auth: AuthOptions,
    /// Whether EHLO offers STARTTLS.
    pub start_tls: StartTls,
    /// Sizes and counts.
    pub limits: SessionLimits,
}

impl SessionOptions {
    /// What a profile gets that says nothing: mail is accepted for nobody.
    #[must_use]
    pub fn new(hostname: &str) -> Self {
        Self {
            hostname: hostname.into(),
            accept_domains: AcceptDomains::default(),
            asks: Phases::default(),
            auth: AuthOptions::default(),
            start_tls: StartTls::Absent,
            limits: SessionLimits::default(),
        }
    }

    /// The extensions that EHLO offers to every client.
    #[must_use]
    pub fn extensions(&self) -> Extensions {
        let SessionLimits {
            message_octets_max,
            messages_per_connection_max,
            recipients_per_message_max,
            ..
        } = self.limits;
        Extensions::unconditional(
            message_octets_max,
            messages_per_connection_max,
            recipients_per_message_max,
        )
    }
}

/// The sizes and counts of one session; [`Default`] is what a profile gets when it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Largest message in octets, without transparency dots and trace headers. Not 0, which the
    /// SIZE announced in EHLO would turn into no limit (RFC 1870 §3); `profile` sees to that.
    pub message_octets_max: u64,
    /// Recipients of one message.
    pub recipients_per_message_max: u32,
    /// Messages accepted in one session.
    pub messages_per_connection_max: u32,
    /// Errors answered in one session; the next one is answered 421.
    pub errors_per_connection_max: u32,
    /// Commands that bring no message nearer, between two messages; the next one is answered 421.
    pub idle_commands_max: u32,
    /// `Received:` fields of one message.
    pub received_headers_max: u32,
    /// Attempts to authenticate that may fail; the last of them is answered 421. Not 0.
    pub auth_failures_max: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            message_octets_max: limits::MESSAGE_OCTETS_MAX_DEFAULT,
            recipients_per_message_max: limits::RECIPIENTS_PER_MESSAGE_COUNT_DEFAULT,
            messages_per_connection_max: limits::MESSAGES_PER_CONNECTION_COUNT_DEFAULT,
            errors_per_connection_max: limits::ERRORS_PER_CONNECTION_COUNT_DEFAULT,
            idle_commands_max: limits::IDLE_COMMANDS_COUNT_DEFAULT,
            received_headers_max: limits::RECEIVED_HEADERS_COUNT_DEFAULT,
            auth_failures_max: limits::AUTH_FAILURES_COUNT_DEFAULT,
        }
    }
}

/// What the connection knows about its client. Changes when a script or a proxy header names
/// another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientFacts {
    /// The address of the client.
    pub address: IpAddr,
    /// Whether it may send to any domain.
    pub relay: Relay,
    /// Whether it may speak for other clients. Follows from the address it has connected with, not from one that
    /// it, or a script, has named since.
    pub xclient: XClientUse,
}

impl ClientFacts {
    /// A client of which nothing but its address is known.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            relay: Relay::Denied,
            xclient: XClientUse::Denied,
        }
    }
}

/// Whether there are resources for new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Capacity {
    /// There are.
    #[default]
    Enough,
    /// There are not, for now.
    Short,
}

/// How the octets of a connection travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Channel {
    /// As they are.
    #[default]
    Plain,
    /// Over TLS.
    Tls,
}

/// Whether a client may send to domains the profile is not responsible for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Relay {
    /// It may.
    Allowed,
    /// It may not.
    #[default]
    Denied,
}
