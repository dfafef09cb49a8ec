//! A destination that is another server: it is asked about each recipient, and has each message before the client hears
//! of it.
//!
//! In: recipients and content of a transaction, while they come. Out: the next hop's replies, or the reason why there
//! are none. Content streams through: no file, and no more memory per message than
//! [`limits::NEXT_HOP_SEND_BUFFER_BYTES`] and one read of the client.
//!
//! ```text
//!   client      RCPT           RCPT        DATA          content          .
//!     |          |              |            |              |             |
//!   next hop  MAIL, RCPT       RCPT        DATA          content          .       -> back to the pool
//! ```
//!
//! Guarantees: 2yz is passed on only if the next hop said it; whatever goes wrong before is 4yz; a message that is not
//! complete never gets its final dot; every wait has a deadline; connections are bounded, reused, and never shared by two
//! messages at a time.
//! Does not: queue, or try again later: the client does, who still has the message.
//!
//! Reading order: `transfer.rs` (one message), `pool.rs`, `link.rs` (one connection), `turns.rs`,
//! `held.rs` (who may lose one), `resolve.rs`.
//! RFC 5321 §3.6, §4.2.5 (when responsibility passes), §4.5.3.2 (time-outs).

mod held;
mod link;
mod pool;
mod resolve;
mod transfer;
mod turns;

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::connection::Watch;
use crate::shard::clock::Clock;
use crate::smtp::client::{ClientError, ClientOptions, ClientTls};
use crate::smtp::command::Unsendable;
use crate::smtp::reply::{self, ReceivedReply, Reply};
use crate::tls::{TlsConnector, TlsError};

pub(super) use resolve::{Addresses, Resolver, addresses, start};
pub use transfer::{Refusal, Transfer};

use crate::profile::{NextHopAddress, NextHopLimits};
use pool::Pool;

/// The next hop of one profile, as shard threads receive it.
#[derive(Clone, Debug)]
pub struct NextHopParts {
    pub(super) address: NextHopAddress,
    pub(super) addresses: Addresses,
    pub(super) hostname: Box<str>,
}

/// The next hop of one profile, on one shard.
#[derive(Debug)]
pub(super) struct NextHop {
    limits: NextHopLimits,
    options: Rc<ClientOptions>,
    /// The same without TLS.
    plain_options: Rc<ClientOptions>,
    connector: Option<TlsConnector>,
    addresses: Addresses,
    pool: Pool,
    clock: Rc<Clock>,
    watch: Rc<Watch>,
}

impl NextHop {
    /// A next hop nobody has talked to.
    pub(super) fn new(parts: NextHopParts, clock: Rc<Clock>, watch: Rc<Watch>) -> Rc<Self> {
        let NextHopAddress {
            protocol,
            tls,
            connector,
            limits,
            ..
        } = parts.address;
        let options = |tls| {
            Rc::new(ClientOptions {
                hostname: parts.hostname.clone(),
                protocol,
                tls,
            })
        };
        Rc::new(Self {
            limits,
            options: options(tls),
            plain_options: options(ClientTls::Off),
            connector,
            addresses: parts.addresses,
            pool: Pool::new(limits),
            clock,
            watch,
        })
    }

    /// The time that is so many milliseconds away.
    fn due_ms(&self, wait_ms: u64) -> u64 {
        self.clock.refresh();
        self.clock.now_ms().saturating_add(wait_ms)
    }
}

/// Why a next hop gave no reply that could be passed on.
#[derive(Debug)]
pub enum Failure {
    /// Its name has no address.
    Unresolved,
    /// No address accepts a connection; why the last one did not.
    Unreachable(io::Error),
    /// It does not want to talk, and says so.
    Unwilling(ReceivedReply),
    /// TLS is required and not to be had.
    NotSecure,
    /// The handshake of TLS, or what came over it, failed.
    Tls(TlsError),
    /// All connections are in use.
    Busy,
    /// The client was slow, and others had the connection instead.
    Displaced,
    /// It has closed the connection.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// It has not answered, or not taken content, in time.
    TimedOut,
    /// The process is stopping.
    Stopping,
    /// It has said what makes no sense.
    Confused(ClientError),
    /// It does not offer what the message needs.
    Unsendable(Unsendable),
    /// The content has a bare CR or LF and must go in lines.
    BareLineEnd,
}

impl Failure {
    /// What the client is told.
    #[must_use]
    pub fn reply(&self) -> Reply<'static> {
        match self {
            Self::Unresolved | Self::Unreachable(_) | Self::Unwilling(_) => reply::next_hop_away(),
            Self::NotSecure | Self::Tls(_) => reply::next_hop_not_secure(),
            Self::Busy | Self::Displaced => reply::next_hop_busy(),
            Self::Closed
            | Self::Broken(_)
            | Self::TimedOut
            | Self::Stopping
            | Self::Confused(_) => reply::next_hop_lost(),
            Self::Unsendable(reason) => reply::unsendable(*reason),
            Self::BareLineEnd => reply::bare_line_end(),
        }
    }

    /// Whether a connection that was good a while ago may have been closed since.
    fn may_be_stale(&self) -> bool {
        matches!(self, Self::Closed | Self::Broken(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => write!(f, "its name has no address"),
            Self::Unreachable(error) => write!(f, "it cannot be reached: {error}"),
            Self::Unwilling(reply) => write!(f, "it says {}", reply.code().number()),
            Self::NotSecure => write!(f, "TLS is required and not to be had"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Busy => write!(f, "all its connections are in use"),
            Self::Displaced => {
                write!(
                    f,
                    "the client was slow and others waited for its connection"
                )
            }
            Self::Closed => write!(f, "it has closed the connection"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::TimedOut => write!(f, "it has not answered in time"),
            Self::Stopping => write!(f, "postern is stopping"),
            Self::Confused(error) => write!(f, "it makes no sense: {error:?}"),
            Self::Unsendable(reason) => write!(f, "it does not take such a message: {reason:?}"),
            Self::BareLineEnd => write!(f, "the message has a bare CR or LF"),
        }
    }
}
