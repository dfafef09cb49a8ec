//! How a connection ends, and what is said when the server ends it.
//!
//! In: why the pump stopped. Out: a last reply where one is due, and a socket closed so that the client can read it.
//! Guarantees: lingers at most [`LINGER_MS`] and [`LINGER_OCTETS`]. Does not: wait for QUIT.
//!
//! RFC 5321 §3.8 (closing).

use super::transport::ConnectionError;
use super::watch::{Activity, Interrupt};
use super::{Commons, Connection};
use crate::log::Level;
use crate::smtp::reply::{self, Replies, Reply, ReplyCode};

impl Connection {
    /// Whether a client in the middle of its session was sent away, over a limit or as none of SMTP.
    fn has_ended_it(&self) -> bool {
        let is_unwelcome = self.replies.last_code() == Some(ReplyCode::SERVICE_NOT_AVAILABLE);
        is_unwelcome && 0 < self.session.counters().commands_count
    }

    /// Says what is left to say and closes.
    pub(super) async fn part(&mut self, outcome: Result<(), ConnectionError>) {
        self.abandon_transfer();
        let (reason, reply) = match &outcome {
            Ok(()) if self.has_ended_it() => ("ended", None),
            Ok(()) => ("closed", None),
            Err(ConnectionError::ClientLeft) => ("client_left", None),
            Err(ConnectionError::EarlyTalker) => ("early_talker", Some(reply::early_talker())),
            Err(ConnectionError::EarlyCommand) => ("early_talker", Some(reply::early_command())),
            Err(ConnectionError::Interrupted(Interrupt::TimedOut)) => {
                ("timeout", Some(reply::timed_out()))
            }
            Err(ConnectionError::Interrupted(Interrupt::Stopping)) => {
                ("stopping", Some(reply::shutting_down()))
            }
            Err(ConnectionError::NotAdmitted(excess)) => {
                ("refused", Some(reply::not_admitted(excess.reason())))
            }
            Err(ConnectionError::ProxyHeader(_)) => ("proxy_header", None),
            Err(ConnectionError::TooSlow) => ("too_slow", Some(reply::too_slow())),
            Err(ConnectionError::Tls(_)) => ("tls_failed", None),
            Err(ConnectionError::System(_)) => ("error", None),
        };
        match reply {
            Some(reply) => {
                self.replies.push(&reply);
                self.transport.send_last(self.replies.as_octets());
            }
            None => self.transport.send_last(&[]),
        }
        self.note_refused(&outcome);
        self.note_end(&outcome, reason);
        if !matches!(
            outcome,
            Err(ConnectionError::ClientLeft
                | ConnectionError::ProxyHeader(_)
                | ConnectionError::System(_))
        ) {
            self.linger().await;
        }
    }

    /// Logs the end of a connection, whatever its reason.
    fn note_end(&self, outcome: &Result<(), ConnectionError>, reason: &'static str) {
        let level = match outcome {
            Err(ConnectionError::Interrupted(Interrupt::TimedOut) | ConnectionError::TooSlow) => {
                self.commons.counters.timeouts.increment();
                Level::Message
            }
            Err(ConnectionError::Tls(_)) => Level::Message,
            Ok(()) if self.has_ended_it() => Level::Message,
            Err(ConnectionError::System(_)) => Level::Warning,
            _ => Level::Connection,
        };
        let Some(line) = self.line(level, "disconnect") else {
            return;
        };
        let counters = self.session.counters();
        let line = line
            .word("reason", reason)
            .word("commands", counters.commands_count)
            .word("messages", counters.messages_count)
            .word("errors", counters.errors_count);
        drop(match outcome {
            Ok(()) if self.has_ended_it() => {
                let code = self.replies.last_code().map_or(0, ReplyCode::number);
                line.word("code", code)
            }
            Err(ConnectionError::System(error)) => {
                line.octets("error", error.to_string().as_bytes())
            }
            Err(ConnectionError::Tls(error)) => line.octets("error", error.to_string().as_bytes()),
            _ => line,
        });
    }

    /// Counts and logs a connection that ends before its session has begun.
    fn note_refused(&self, outcome: &Result<(), ConnectionError>) {
        let Commons {
            counters, rations, ..
        } = &*self.commons;
        let (counter, ration, event, reason) = match outcome {
            Err(ConnectionError::NotAdmitted(excess)) => (
                &counters.connections_refused,
                &rations.connections_refused,
                "connection_refused",
                excess.reason(),
            ),
            Err(ConnectionError::ProxyHeader(reason)) => (
                &counters.proxy_headers_refused,
                &rations.proxy_headers_refused,
                "proxy_header_refused",
                *reason,
            ),
            _ => return,
        };
        counter.increment();
        if let Some(held_back) = self.commons.ration(ration)
            && let Some(line) = self.line(Level::Warning, event)
        {
            drop(
                line.octets("reason", reason.as_bytes())
                    .word("held_back", held_back),
            );
        }
    }

    /// Reads what the client still sends, for a moment: closing a socket with unread octets resets the connection, and
    /// a reset can overtake the last reply. Nothing unread is the ordinary case and costs one `recv`.
    async fn linger(&mut self) {
        self.discard_received();
        match self
            .transport
            .socket()
            .try_receive(&mut self.receive_buffer)
        {
            Ok(true) => {}
            // Nothing is unread: closing is safe, for what may come later the reply is well ahead of the reset.
            Ok(false) | Err(_) => return,
        }
        self.transport.end_sending();
        let due_ms = self.due_ms(LINGER_MS);
        let mut octets = 0;
        while octets < LINGER_OCTETS {
            octets += self.receive_buffer.octets().len();
            self.discard_received();
            let received = self
                .transport
                .socket()
                .receive(&mut self.receive_buffer, Activity::Receiving, due_ms)
                .await;
            if received.is_err() {
                return;
            }
        }
    }

    fn discard_received(&mut self) {
        let count = self.receive_buffer.octets().len();
        self.receive_buffer.consume(count);
    }
}

/// The reply, in octets, for a connection that a limit keeps out. It is sent before anything else, then the socket is
/// closed; the banner is never sent.
#[must_use]
pub fn refusal(reason: &'static str) -> Vec<u8> {
    octets_of(&reply::not_admitted(reason))
}

/// The same for a process that is short of resources.
#[must_use]
pub fn refusal_for_shortage() -> Vec<u8> {
    octets_of(&reply::short_of_resources())
}

fn octets_of(reply: &Reply<'_>) -> Vec<u8> {
    let mut replies = Replies::new();
    replies.push(reply);
    replies.into_octets()
}

/// How long a client that still sends is listened to after the last reply, in milliseconds.
const LINGER_MS: u64 = 2_000;

/// How many octets of such a client are read.
const LINGER_OCTETS: usize = 1_048_576;
