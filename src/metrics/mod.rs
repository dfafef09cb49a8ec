//! What a shard counts.
//!
//! In: events of connections. Out: totals, written to the log when the shard stops. Guarantees: counting costs one
//! addition on the shard's own memory. Does not: know what the numbers are for.

use std::cell::Cell;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.set(self.0.get().saturating_add(count));
    }

    /// The total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.get()
    }
}

/// The counters of one shard.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections taken.
    pub connections: Counter,
    /// Connections refused by a limit, or because no descriptor was left.
    pub connections_refused: Counter,
    /// Commands that a script has refused, for now or for good.
    pub commands_refused: Counter,
    /// Connections closed for want of a PROXY header: of peers that are no balancers, or with a wrong one.
    pub proxy_headers_refused: Counter,
    /// Recipients refused because their message had as many as it may.
    pub recipients_refused: Counter,
    /// Connections closed because the client took too long.
    pub timeouts: Counter,
    /// TLS handshakes completed.
    pub tls_handshakes: Counter,
    /// TLS handshakes that failed, or that their client gave up.
    pub tls_failures: Counter,
    /// Messages acknowledged.
    pub messages: Counter,
    /// Octets of these messages.
    pub message_octets: Counter,
    /// Messages refused at the end of mail data, for now or for good.
    pub messages_refused: Counter,
    /// Clients that have proven who they are.
    pub auth_succeeded: Counter,
    /// Attempts to do so that have failed.
    pub auth_failed: Counter,
    /// Attempts that nobody could decide about.
    pub auth_unavailable: Counter,
}

impl Counters {
    /// Name and value of each, in the order above.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("connections", &self.connections),
            ("connections_refused", &self.connections_refused),
            ("commands_refused", &self.commands_refused),
            ("proxy_headers_refused", &self.proxy_headers_refused),
            ("recipients_refused", &self.recipients_refused),
            ("timeouts", &self.timeouts),
            ("tls_handshakes", &self.tls_handshakes),
            ("tls_failures", &self.tls_failures),
            ("messages", &self.messages),
            ("message_octets", &self.message_octets),
            ("messages_refused", &self.messages_refused),
            ("auth_succeeded", &self.auth_succeeded),
            ("auth_failed", &self.auth_failed),
            ("auth_unavailable", &self.auth_unavailable),
        ]
        .into_iter()
        .map(|(name, counter)| (name, counter.total()))
    }
}
