//! One TCP connection: octets in, octets out.
//!
//! In: an accepted socket, the profile it belongs to. Out: a session run to its end, and a socket closed cleanly.
//! Guarantees: every wait has a deadline; memory per connection is bounded (an idle one holds no receive buffer);
//! before the socket is closed all replies are sent and what the client still sends is read for a moment, so that a
//! reset does not take the last reply away. Does not: accept connections or count them; `shard` does.
//!
//! Reading order: `pump.rs`, `proxy_header.rs`, `handshake.rs`, `early.rs`, `script.rs`, `forwarded.rs`, `decision.rs`,
//! `auth.rs`, `mail_data.rs`, `chunks.rs`, `farewell.rs`, `transport.rs`, `tls_layer.rs`, `receive_buffer.rs`, `spare_replies.rs`,
//! `watch.rs`.
//! RFC 5321 §3.1 (greeting), §3.8 (loss of connection), §4.5.3.2 (time-outs).

mod auth;
mod chunks;
mod decision;
mod early;
mod farewell;
mod forwarded;
mod handshake;
mod mail_data;
mod next_hop;
mod proxy_header;
mod pump;
mod receive_buffer;
mod script;
mod spare_replies;
mod tls_layer;
mod transport;
mod watch;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use crate::credentials::Attempts;
use crate::delivery::{Destination, Transfer};
use crate::hook::{Hooks, StoredContext};
use crate::limits;
use crate::log::{Level, Line, Ration, ShardLog};
use crate::metrics::Counters;
use crate::profile::Profile;
use crate::shard::clock::Clock;
use crate::shard::{Exchange, Permit, Shortage, ShortageCell};
use crate::smtp::line::LineScanner;
use crate::smtp::reply::{Replies, ReplyCode};
use crate::smtp::session::{
    self, Capacity, ClientFacts, Relay, Session, State, TransactionId, XClientUse,
};
use crate::tls::TlsAcceptor;

pub use farewell::{refusal, refusal_for_shortage};
pub use receive_buffer::SpareBuffers;
pub use spare_replies::SpareReplies;
pub use watch::Watch;
pub(crate) use watch::{Activity, Interrupt, NEVER_MS, Watched};

use chunks::ChunkedMessage;
use forwarded::FormerEnds;
use receive_buffer::ReceiveBuffer;
use transport::{ConnectionError, PlainTransport, Transport};

/// What the connections of one shard have in common.
#[derive(Debug)]
pub struct Commons {
    /// Which shard it is.
    pub shard: usize,
    /// The time.
    pub clock: Rc<Clock>,
    /// The deadlines.
    pub watch: Rc<Watch>,
    /// The log.
    pub log: ShardLog,
    /// The counters.
    pub counters: Counters,
    /// How many lines of the log there may be about what clients can cause as often as they like.
    pub rations: Rations,
    /// Receive buffers nobody uses.
    pub spare_buffers: Rc<SpareBuffers>,
    /// The same for TLS records.
    pub spare_record_buffers: Rc<SpareBuffers>,
    /// Memory for replies that nobody uses.
    pub spare_replies: SpareReplies,
    /// The profiles and where their messages go.
    pub served: Vec<Served>,
    /// What scripts of all shards share.
    pub exchange: Rc<Exchange>,
    /// Attempts of clients to log in.
    pub attempts: Rc<Attempts>,
    /// Connections so far, to number them.
    pub sessions_count: Cell<u64>,
}

/// Lines of the log by kind.
#[derive(Debug, Default)]
pub struct Rations {
    /// About connections that a limit keeps out.
    pub connections_refused: Ration,
    /// About connections without a right PROXY header.
    pub proxy_headers_refused: Ration,
    /// About recipients that their message has no room for.
    pub recipients_refused: Ration,
    /// About clients that do not wait.
    pub early_talkers: Ration,
}

/// One profile on one shard.
#[derive(Debug)]
pub struct Served {
    /// What the operator decided.
    pub profile: Arc<Profile>,
    /// Where messages go.
    pub destination: Rc<Destination>,
    /// The scripts that decide.
    pub hooks: Hooks,
    /// What the process is too short of resources for.
    pub shortage: Arc<ShortageCell>,
    /// What answers handshakes that begin now; another one after certificates were read again.
    pub tls: RefCell<Option<Arc<TlsAcceptor>>>,
}

impl Commons {
    /// Begins a line of the log, if its level is logged.
    pub fn line(&self, level: Level, event: &'static str) -> Option<Line<'_>> {
        self.log.line(level, &self.clock.log_date(), event)
    }

    /// Whether no connection has a place for a receive buffer any more: so it is once the last has ended.
    #[must_use]
    pub fn are_buffers_back(&self) -> bool {
        let spares = [&self.spare_buffers, &self.spare_record_buffers];
        spares.iter().all(|spare| Rc::strong_count(spare) == 1)
    }

    /// Whether one more line of a kind may be written now, see [`Ration::take`].
    pub fn ration(&self, ration: &Ration) -> Option<u64> {
        ration.take(self.clock.now_ms() / 1_000)
    }
}

/// A connection and the session on it.
#[derive(Debug)]
struct Connection {
    commons: Rc<Commons>,
    served: usize,
    /// Counts the connections of the shard; with its number the id in the log.
    number: u64,
    /// The client's address, or the one a PROXY header or a script gave it, and its port.
    client: SocketAddr,
    /// What the client connected to, if a PROXY header has said so.
    server: Option<SocketAddr>,
    /// Both as they were before XCLIENT.
    former_ends: Option<Box<FormerEnds>>,
    /// Its place in the counts of connections.
    permit: Permit,
    transport: Transport,
    receive_buffer: ReceiveBuffer,
    scanner: LineScanner,
    session: Session,
    replies: Replies,
    /// By when the next line must be complete, and how many had been answered when that was set.
    command_due_ms: u64,
    commands_count: u64,
    /// By when the transaction must be complete.
    transaction_due_ms: u64,
    /// Commands that scripts have refused.
    refusals_count: u32,
    /// What a next hop has been told of the transaction.
    transfer: Option<Box<Transfer>>,
    /// What the last script of the connection left for the next.
    context: Option<Box<StoredContext>>,
    /// The message whose chunks are coming.
    chunks: Option<Box<ChunkedMessage>>,
    /// Whether the proxy script wants the next line, though it be none that scripts see.
    script_wants_next: bool,
}

/// Runs the session of an accepted connection of profile number `served` and closes it. Called on the shard's executor.
///
/// Never dropped before it ends, except when the shard itself ends. No `async fn`, whose future would hold what the
/// connection is made of besides the connection.
pub fn serve(
    commons: Rc<Commons>,
    served: usize,
    socket: OwnedFd,
    client: SocketAddr,
    permit: Permit,
) -> impl Future<Output = ()> {
    let mut connection = Connection::begin(commons, served, socket, client, permit);
    async move {
        let Some(connection) = &mut connection else {
            return;
        };
        let outcome = pump::run(connection).await;
        connection.abandon_chunks().await;
        // Boxed: an idle connection must not have room for it.
        Box::pin(connection.part(outcome)).await;
    }
}

impl Connection {
    /// A connection over an accepted socket; none, and a line of the log, if the system cannot have it.
    fn begin(
        commons: Rc<Commons>,
        served: usize,
        socket: OwnedFd,
        client: SocketAddr,
        permit: Permit,
    ) -> Option<Self> {
        commons.counters.connections.increment();
        let transport = match PlainTransport::new(socket, Rc::clone(&commons)) {
            Ok(socket) => Transport::new(socket),
            Err(error) => {
                let line = commons.line(Level::Warning, "connection_failed");
                drop(line.map(|line| line.octets("error", format!("{error:?}").as_bytes())));
                return None;
            }
        };
        let connection = Self::new(commons, served, transport, client, permit);
        drop(connection.line(Level::Connection, "connect"));
        Some(connection)
    }

    fn new(
        commons: Rc<Commons>,
        served: usize,
        transport: Transport,
        client: SocketAddr,
        permit: Permit,
    ) -> Self {
        let profile = &commons.served[served].profile;
        let session = Session::new(
            Arc::clone(&profile.session),
            client_facts(profile, client.ip()),
        );
        let number = commons.sessions_count.get();
        commons.sessions_count.set(number + 1);
        Self {
            served,
            number,
            client,
            server: None,
            former_ends: None,
            permit,
            transport,
            receive_buffer: ReceiveBuffer::new(Rc::clone(&commons.spare_buffers)),
            scanner: LineScanner::new(),
            session,
            replies: Replies::new(),
            command_due_ms: NEVER_MS,
            commands_count: u64::MAX,
            transaction_due_ms: NEVER_MS,
            refusals_count: 0,
            transfer: None,
            context: None,
            chunks: None,
            script_wants_next: false,
            commons,
        }
    }

    fn profile(&self) -> &Profile {
        &self.commons.served[self.served].profile
    }

    /// Tells the session whether new mail can be taken now.
    fn note_capacity(&mut self) {
        let shortage = self.commons.served[self.served].shortage.shortage();
        self.session.set_capacity(match shortage {
            Shortage::Nothing => Capacity::Enough,
            Shortage::Mail | Shortage::Connections => Capacity::Short,
        });
    }

    /// Begins a line of the log about this connection.
    fn line(&self, level: Level, event: &'static str) -> Option<Line<'_>> {
        self.commons.line(level, event).map(|line| {
            line.word(
                "session",
                format_args!("{}-{}", self.commons.shard, self.number),
            )
            .word("client", self.client)
            .octets("profile", self.profile().id.as_bytes())
        })
    }

    /// Logs a line that was answered with an error; `before` it the session had counted this. There are no more such
    /// lines than a session may have errors, so that no client can fill a disk with them; recipients that a message has
    /// no room for are no errors, and have a ration.
    fn note_refusal(&self, before: session::Counters, line: &[u8]) {
        let now = self.session.counters();
        if before.recipients_refused_count != now.recipients_refused_count {
            self.note_recipient_refused();
        }
        if before.errors_count == now.errors_count {
            return;
        }
        let Some(log) = self.line(Level::Message, "command_refused") else {
            return;
        };
        let code = self.replies.last_code().map_or(0, ReplyCode::number);
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let line = if self.session.last_line_may_hold_secret() || is_auth(line) {
            b"(hidden)"
        } else {
            line
        };
        drop(log.word("code", code).octets("command", line));
    }

    fn note_recipient_refused(&self) {
        self.commons.counters.recipients_refused.increment();
        let ration = &self.commons.rations.recipients_refused;
        if let Some(held_back) = self.commons.ration(ration)
            && let Some(line) = self.line(Level::Message, "recipient_refused")
        {
            let limits = self.session.options().limits;
            let line = line.word("limit", limits.recipients_per_message_max);
            drop(line.word("held_back", held_back));
        }
    }

    /// Greets the client, with `text` behind the host name if a script has one, unless it has already talked and the
    /// profile minds.
    async fn greet(&mut self, text: Option<&[u8]>) -> Result<(), ConnectionError> {
        self.judge_before_greeting()?;
        self.session.greeting(text, &mut self.replies);
        self.send_replies().await
    }

    /// Sends what has been gathered, if anything.
    async fn send_replies(&mut self) -> Result<(), ConnectionError> {
        if self.replies.is_empty() {
            return Ok(());
        }
        let due_ms = self.due_ms(self.profile().limits.write_timeout_ms);
        let sent = self.transport.send(self.replies.as_octets(), due_ms).await;
        // After a failure too: part of them may have been sent, and nothing may be sent twice.
        self.replies.clear();
        sent
    }

    /// Waits for octets of the next command.
    async fn receive_command(&mut self) -> Result<(), ConnectionError> {
        let commands_count = self.session.counters().commands_count;
        if self.commands_count != commands_count {
            self.commands_count = commands_count;
            self.command_due_ms = self.due_ms(self.profile().limits.command_timeout_ms);
        }
        if self.session.state() != State::InChunks {
            self.abandon_chunks().await;
        }
        let mut activity = Activity::Idle;
        if self.session.transaction().is_some() {
            activity = Activity::Receiving;
            self.begin_transaction();
        } else {
            self.end_transaction();
            if self.commons.watch.is_stopping() {
                return Err(ConnectionError::Interrupted(Interrupt::Stopping));
            }
        }
        let due_ms = self.command_due_ms.min(self.transaction_due_ms);
        let due_ms = due_ms.min(self.chunks_due_ms()?);
        self.commons.spare_replies.keep(&mut self.replies);
        let begin_ms = self.commons.clock.now_ms();
        self.transport
            .receive(&mut self.receive_buffer, activity, due_ms)
            .await?;
        self.note_wait_between_chunks(begin_ms);
        Ok(())
    }

    /// Forgets the deadline and the next hop of a transaction that is over. Cheap: called after each command.
    fn end_transaction_if_over(&mut self) {
        if self.transaction_due_ms != NEVER_MS && self.session.transaction().is_none() {
            self.end_transaction();
        }
    }

    fn end_transaction(&mut self) {
        self.transaction_due_ms = NEVER_MS;
        self.abandon_transfer();
    }

    /// Notes the beginning of a transaction when it is first seen.
    fn begin_transaction(&mut self) {
        if self.transaction_due_ms == NEVER_MS {
            self.transaction_due_ms = self.due_ms(self.profile().limits.transaction_timeout_ms);
        }
    }

    /// The id of the transaction, current or to come; a UUID.
    fn transaction_id(&mut self) -> TransactionId {
        self.session.transaction_id_or_insert_with(|| {
            let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
            let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
            TransactionId::new(text).expect("a UUID in text has letters, digits and hyphens only")
        })
    }

    /// What the client connected to, as far as is known.
    fn server_address(&self) -> Option<SocketAddr> {
        self.server.or_else(|| self.transport.local_address())
    }

    fn due_ms(&self, wait_ms: u64) -> u64 {
        self.commons.clock.now_ms().saturating_add(wait_ms)
    }
}

/// Whether a line may be AUTH with a password in it, well-formed or not.
fn is_auth(line: &[u8]) -> bool {
    const VERB: &[u8] = b"AUTH";
    let word = line.trim_ascii_start().get(..VERB.len());
    word.is_some_and(|word| word.eq_ignore_ascii_case(VERB))
}

/// What the session must know of a client with this address.
fn client_facts(profile: &Profile, address: IpAddr) -> ClientFacts {
    let address = address.to_canonical();
    let mut networks = profile.relay_from.iter();
    let relay = if networks.any(|network| network.contains(address)) {
        Relay::Allowed
    } else {
        Relay::Denied
    };
    let mut networks = profile.xclient_from.iter();
    let xclient = if networks.any(|network| network.contains(address)) {
        XClientUse::Allowed
    } else {
        XClientUse::Denied
    };
    ClientFacts {
        address,
        relay,
        xclient,
    }
}

const _: () = {
    assert!(
        limits::COMMAND_LINE_OCTETS_MAX < limits::RECEIVE_BUFFER_BYTES / 2
            && limits::AUTH_LINE_OCTETS_MAX < limits::RECEIVE_BUFFER_BYTES,
        "an ordinary line must fit behind what is left of another before the buffer is compacted, every line after that"
    );
    assert!(
        size_of::<Connection>() <= 720,
        "fifty thousand idle sessions are a design number"
    );
};

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::os::fd::OwnedFd;
    use std::rc::Rc;

    use super::{Commons, Served, SpareBuffers, SpareReplies, Watch, serve};
    use crate::credentials::{Attempts, JobSender, Verifiers};
    use crate::log::{self, Level, LogThread, ShardLog};
    use crate::metrics::Counters;
    use crate::shard::clock::Clock;
    use crate::shard::{Exchange, Permit};

    /// What the connections of a shard without profiles have in common.
    pub(super) fn commons() -> (Rc<Commons>, LogThread) {
        let mut verifiers = Verifiers::start(1, false).expect("a descriptor");
        commons_of(Vec::new(), verifiers.for_shard(0).jobs)
    }

    /// What the connections of a shard have in common.
    pub(super) fn commons_of(served: Vec<Served>, jobs: JobSender) -> (Rc<Commons>, LogThread) {
        let (sender, thread) = log::start(Level::Off).expect("a thread");
        let commons = Rc::new(Commons {
            shard: 0,
            clock: Rc::new(Clock::new()),
            watch: Rc::new(Watch::new()),
            log: ShardLog::new(0, sender),
            counters: Counters::default(),
            rations: super::Rations::default(),
            spare_buffers: Rc::new(SpareBuffers::default()),
            spare_record_buffers: Rc::new(SpareBuffers::default()),
            spare_replies: SpareReplies::default(),
            served,
            exchange: Rc::new(Exchange::new(0, Vec::new())),
            attempts: Rc::new(Attempts::new(jobs)),
            sessions_count: std::cell::Cell::new(0),
        });
        (commons, thread)
    }

    /// Fifty thousand idle sessions cost fifty thousand of it, and 700 bytes each for the executor's poll and the watch.
    #[test]
    fn a_connection_is_small() {
        let bytes = bytes_of_future(serve);
        assert!(
            bytes <= 1_216,
            "the future of a connection takes {bytes} bytes"
        );
    }

    /// The size of what `begin` returns; it is not called.
    fn bytes_of_future<Future>(
        _begin: impl Fn(Rc<Commons>, usize, OwnedFd, SocketAddr, Permit) -> Future,
    ) -> usize {
        size_of::<Future>()
    }
}
