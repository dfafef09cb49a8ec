//! One core: its executor, its listeners, its connections.
//!
//! In: profiles, listening sockets, destinations. Out: connections served until told to stop.
//!
//! Guarantees: a shard is one thread pinned to one processor, and all it owns stays on it; it never blocks, never reads
//! files, and sleeps while nothing happens, but for two short wakes a second (see `beat`). A shard that panics ends, and
//! the process ends with it and with the reason: a core lost in silence would be worse, and what supervises the process
//! restarts it whole. No acknowledged message is lost by that. Does not: load profiles or open destinations; `main`
//! does, before any shard exists.
//!
//! Reading order: this file, `listener.rs`, `mesh.rs`, `clock.rs`, `placement.rs`.

pub mod clock;
mod exchange;
mod listener;
mod mesh;
pub mod placement;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use glommio::io::PollableFd;
use glommio::{Latency, LocalExecutorBuilder, Placement, Shares, TaskQueueHandle};

use crate::connection::{Commons, Rations, Served, SpareBuffers, SpareReplies, Watch};
use crate::credentials::{self, Attempts, ShardVerifier};
use crate::delivery::{Answer, Destination, ShardDelivery, Surroundings, Tickets};
use crate::hook::Hooks;
use crate::limits;
use crate::log::{Level, LogSender, ShardLog};
use crate::mailbox::{Mailbox, MailboxSender};
use crate::metrics::Counters;
use crate::profile::Profile;
use crate::tls::TlsAcceptor;

pub use exchange::{Exchange, Held};
pub use listener::{Listener, bind};
pub use mesh::{
    Admission, Busy, Excess, Notice, Permit, Place, ShardMessage, Shortage, ShortageCell,
};

use clock::Clock;
use listener::Acceptor;

/// Everything a shard takes to its thread.
pub struct ShardParts {
    /// Its number, from 0.
    pub number: usize,
    /// The processor to run on.
    pub cpu: usize,
    /// The profiles of the configuration.
    pub profiles: Vec<Arc<Profile>>,
    /// One per profile, the same for every shard.
    pub admissions: Vec<Arc<Admission>>,
    /// One per profile, the same for every shard: what it is short of.
    pub shortages: Vec<Arc<ShortageCell>>,
    /// Its listening sockets.
    pub listeners: Vec<Listener>,
    /// Its way to the destinations.
    pub delivery: ShardDelivery,
    /// Its way to the threads that verify credentials.
    pub verifier: ShardVerifier,
    /// Where the process tells it things.
    pub messages: Mailbox<ShardMessage>,
    /// Where the other shards tell it things.
    pub notices: Mailbox<Notice>,
    /// The ways to all shards, by number.
    pub peers: Vec<MailboxSender<Notice>>,
    /// Held by every shard that has, or may get, connections: one without waits for those with, which may ask it.
    pub busy: Busy,
    /// The log.
    pub log: LogSender,
    /// How it reports, from its own thread.
    pub report: Reporter,
}

/// Takes the reports of a shard.
pub type Reporter = Arc<dyn Fn(ShardEvent) + Send + Sync>;

impl std::fmt::Debug for ShardParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            number,
            cpu,
            listeners,
            ..
        } = self;
        f.debug_struct("ShardParts")
            .field("number", number)
            .field("cpu", cpu)
            .field("listeners", listeners)
            .finish_non_exhaustive()
    }
}

/// What a shard reports to the process.
#[derive(Debug)]
pub enum ShardEvent {
    /// It accepts connections on every listener.
    Accepting,
    /// It answers [`ShardMessage::AreYouThere`], with its number.
    Here(usize),
    /// It has ended: as told, or with the reason why it could not go on.
    Ended(Result<(), String>),
}

/// Starts a shard on a thread of its own.
///
/// # Errors
///
/// No thread can be started.
pub fn start(parts: ShardParts) -> std::io::Result<JoinHandle<()>> {
    let name = format!("postern-shard-{}", parts.number);
    std::thread::Builder::new().name(name).spawn(move || {
        let report = Arc::clone(&parts.report);
        // The shard's values are not looked at again after a panic, so that none can be seen half-changed.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(parts)));
        let outcome = outcome.unwrap_or_else(|panic| Err(panic_text(&*panic)));
        report(ShardEvent::Ended(outcome));
    })
}

fn run(parts: ShardParts) -> Result<(), String> {
    let executor = LocalExecutorBuilder::new(Placement::Fixed(parts.cpu))
        .io_memory(IO_MEMORY_BYTES)
        .preempt_timer(PREEMPT_AT_START_AFTER)
        .make()
        .map_err(|error| {
            format!(
                "cannot start an executor on processor {}: {error}",
                parts.cpu
            )
        })?;
    executor.run(async {
        glommio::spawn_local(beat()).detach();
        // So that it has begun before anything else has.
        glommio::executor().yield_now().await;
        Shard::new(parts)?.run().await
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("no reason given"))
}

/// A shard on its thread.
struct Shard {
    commons: Rc<Commons>,
    tickets: Rc<Tickets>,
    acceptors: Vec<Rc<Acceptor>>,
    answers: Mailbox<Answer>,
    verified: Mailbox<credentials::Answer>,
    messages: Mailbox<ShardMessage>,
    notices: Mailbox<Notice>,
    busy: Busy,
    report: Reporter,
}

impl Shard {
    fn new(parts: ShardParts) -> Result<Self, String> {
        let surroundings = Surroundings {
            tickets: Rc::new(Tickets::default()),
            clock: Rc::new(Clock::new()),
            watch: Rc::new(Watch::new()),
        };
        let served = parts.profiles.into_iter().zip(parts.delivery.destinations);
        let served = served.zip(parts.shortages);
        let served = served.map(|((profile, kind), shortage)| {
            let hooks = Hooks::new(&profile.scripts);
            let failed = |error| format!("cannot set up scripts of `{}`: {error}", profile.id);
            Ok(Served {
                hooks: hooks.map_err(failed)?,
                shortage,
                tls: RefCell::new(profile.tls.as_ref().map(|tls| Arc::clone(&tls.acceptor))),
                profile,
                destination: Rc::new(Destination::new(kind, surroundings.clone())),
            })
        });
        let served = served.collect::<Result<_, String>>()?;
        let commons = Rc::new(Commons {
            shard: parts.number,
            clock: Rc::clone(&surroundings.clock),
            watch: surroundings.watch,
            log: ShardLog::new(parts.number, parts.log),
            counters: Counters::default(),
            rations: Rations::default(),
            spare_buffers: Rc::new(SpareBuffers::default()),
            spare_record_buffers: Rc::new(SpareBuffers::new(limits::TLS_RECORD_BUFFER_BYTES)),
            spare_replies: SpareReplies::default(),
            served,
            exchange: Rc::new(Exchange::new(parts.number, parts.peers)),
            attempts: Rc::new(Attempts::new(parts.verifier.jobs)),
            sessions_count: Cell::new(0),
        });
        let acceptors = parts.listeners.into_iter().map(|listener| {
            let admission = Arc::clone(&parts.admissions[listener.served]);
            Rc::new(Acceptor::new(listener, admission, Rc::clone(&commons)))
        });
        Ok(Self {
            acceptors: acceptors.collect(),
            tickets: surroundings.tickets,
            answers: parts.delivery.answers,
            verified: parts.verifier.answers,
            messages: parts.messages,
            notices: parts.notices,
            busy: parts.busy,
            report: parts.report,
            commons,
        })
    }

    async fn run(self) -> Result<(), String> {
        // Messages of other threads are seen within a millisecond or two, however busy the connections are.
        let urgent = glommio::executor().create_task_queue(
            Shares::default(),
            Latency::Matters(Duration::from_millis(1)),
            "messages",
        );
        let (tickets, exchange) = (Rc::clone(&self.tickets), Rc::clone(&self.commons.exchange));
        let answers = hear(self.answers, Rc::clone(&self.commons), move |answer| {
            tickets.arrived(answer);
        });
        let notices = hear(self.notices, Rc::clone(&self.commons), move |notice| {
            exchange.take(notice);
        });
        let attempts = Rc::clone(&self.commons.attempts);
        let verified = hear(self.verified, Rc::clone(&self.commons), move |answer| {
            attempts.arrived(answer);
        });
        spawn(answers?, urgent)?;
        spawn(verified?, urgent)?;
        spawn(notices?, urgent)?;
        let ordinary = glommio::executor().create_task_queue(
            Shares::default(),
            Latency::Matters(PREEMPT_AFTER),
            "connections",
        );
        spawn(tick(Rc::clone(&self.commons)), ordinary)?;
        spawn(flush_log(Rc::clone(&self.commons)), ordinary)?;
        let tickets = Rc::clone(&self.tickets);
        spawn(free_unneeded(Rc::clone(&self.commons), tickets), ordinary)?;
        for acceptor in &self.acceptors {
            let acceptor = Rc::clone(acceptor);
            // What an acceptor spawns runs in its queue.
            spawn(async move { acceptor.run().await }, ordinary)?;
        }
        (self.report)(ShardEvent::Accepting);
        let commons = Rc::clone(&self.commons);
        let stop = wait_for_stop(commons, self.messages, Arc::clone(&self.report));
        let stop = glommio::spawn_local_into(stop, urgent);
        stop.map_err(|error| format!("cannot start the task for messages: {error}"))?
            .await?;
        for acceptor in &self.acceptors {
            acceptor.stop();
        }
        drain(&self.commons).await;
        debug_assert!(
            0 < self.commons.watch.connections_count() || self.commons.are_buffers_back(),
            "who has ended has given its buffers back"
        );
        outlast(self.busy).await;
        let line = self.commons.line(Level::Message, "stopped");
        drop(line.map(|line| {
            self.commons
                .counters
                .totals()
                .fold(line, |line, (name, total)| line.word(name, total))
        }));
        self.commons.log.flush();
        Ok(())
    }
}

/// Starts a task that runs for as long as the shard does.
fn spawn(task: impl Future<Output = ()> + 'static, queue: TaskQueueHandle) -> Result<(), String> {
    let spawned = glommio::spawn_local_into(task, queue);
    let spawned = spawned.map_err(|error| format!("cannot start a task: {error}"));
    spawned.map(|task| drop(task.detach()))
}

/// Passes the messages of other threads on as they come.
pub(crate) fn hear<T>(
    mailbox: Mailbox<T>,
    commons: Rc<Commons>,
    mut take: impl FnMut(T),
) -> Result<impl Future<Output = ()>, String> {
    let mailbox = PollableFd::new(mailbox);
    let mailbox = mailbox.map_err(|error| format!("cannot wait for messages: {error}"))?;
    Ok(async move {
        let mut is_deaf = false;
        loop {
            if let Err(error) = mailbox.readable().await {
                // What is queued can be had without the descriptor, only later.
                if !std::mem::replace(&mut is_deaf, true) {
                    let line = commons.line(Level::Error, "messages_delayed");
                    drop(line.map(|line| line.octets("error", error.to_string().as_bytes())));
                }
                glommio::timer::sleep(HEAR_AGAIN_AFTER).await;
            }
            mailbox.get_ref().rest();
            while let Some(message) = mailbox.get_ref().next() {
                take(message);
            }
        }
    })
}

/// Answers the process; returns when the shard is told to stop.
async fn wait_for_stop(
    commons: Rc<Commons>,
    messages: Mailbox<ShardMessage>,
    report: Reporter,
) -> Result<(), String> {
    let failed = |error| format!("cannot wait for messages: {error}");
    let messages = PollableFd::new(messages).map_err(failed)?;
    loop {
        messages.readable().await.map_err(failed)?;
        messages.get_ref().rest();
        while let Some(message) = messages.get_ref().next() {
            match message {
                ShardMessage::AreYouThere => report(ShardEvent::Here(commons.shard)),
                ShardMessage::Handshakes(acceptors) => renew(&commons, acceptors),
                ShardMessage::Stop => return Ok(()),
            }
        }
    }
}

/// Has the handshakes that begin from now on answered in another way.
fn renew(commons: &Commons, acceptors: Vec<Option<Arc<TlsAcceptor>>>) {
    for (served, acceptor) in commons.served.iter().zip(acceptors) {
        served.tls.replace(acceptor);
    }
    // An idle shard has not looked at the time for long.
    commons.clock.refresh();
    drop(commons.line(Level::Message, "certificates_renewed"));
}

/// Wakes the executor now and then, and does nothing. When the preemption timer fires before the first task of a turn
/// has begun, because the system had taken the processor away, the executor takes the turn for an idle one and sleeps
/// with tasks that could run, until anything else wakes it; without this that might be never.
async fn beat() {
    loop {
        glommio::timer::sleep(BEAT).await;
    }
}

/// Looks after deadlines as long as there are connections.
async fn tick(commons: Rc<Commons>) {
    loop {
        commons.watch.wait_for_connections().await;
        glommio::timer::sleep(TICK).await;
        commons.clock.refresh();
        let now_ms = commons.clock.now_ms();
        in_parts(|from| commons.watch.expire(now_ms, from)).await;
    }
}

/// Does the parts of something long, from the one at 0 to the last, which names no next; others have their turn between.
async fn in_parts(mut part: impl FnMut(usize) -> Option<usize>) {
    let mut next = part(0);
    while let Some(from) = next {
        glommio::executor().yield_now().await;
        next = part(from);
    }
}

/// Hands log lines to the log's thread a moment after the first of them was written.
async fn flush_log(commons: Rc<Commons>) {
    loop {
        commons.log.wait_for_lines().await;
        glommio::timer::sleep(LOG_DELAY).await;
        commons.log.flush();
    }
}

/// Frees memory that connections have had and that was not needed lately.
async fn free_unneeded(commons: Rc<Commons>, tickets: Rc<Tickets>) {
    loop {
        glommio::timer::sleep(SPARE_KEPT_FOR).await;
        commons.spare_buffers.free_unneeded();
        glommio::executor().yield_if_needed().await;
        commons.spare_record_buffers.free_unneeded();
        glommio::executor().yield_if_needed().await;
        commons.spare_replies.free_unneeded();
        tickets.free_unneeded();
    }
}

/// Lets transactions finish; what has not by [`limits::DRAIN_TIMEOUT_MS`] is ended.
async fn drain(commons: &Commons) {
    commons.clock.refresh();
    let begin_ms = commons.clock.now_ms();
    let mut ends_all = false;
    in_parts(|from| commons.watch.stop_idle(from)).await;
    while 0 < commons.watch.connections_count() {
        glommio::timer::sleep(DRAIN_STEP).await;
        commons.clock.refresh();
        let waited_ms = commons.clock.now_ms() - begin_ms;
        if limits::DRAIN_TIMEOUT_MS + LAST_WORDS_MS <= waited_ms {
            let count = commons.watch.connections_count();
            let line = commons.line(Level::Error, "connections_left");
            drop(line.map(|line| line.word("count", count)));
            return;
        }
        if limits::DRAIN_TIMEOUT_MS <= waited_ms && !ends_all {
            ends_all = true;
            in_parts(|from| commons.watch.stop_all(from)).await;
        }
    }
}

/// Stays for the scripts of other shards, which may ask about names that are owned here.
async fn outlast(busy: Busy) {
    let others_are_busy = busy.end();
    let mut waited = Duration::ZERO;
    let wait_max = Duration::from_millis(limits::DRAIN_TIMEOUT_MS + LAST_WORDS_MS);
    while others_are_busy() && waited < wait_max {
        glommio::timer::sleep(DRAIN_STEP).await;
        waited += DRAIN_STEP;
    }
}

/// How often messages are looked for when the system does not tell.
const HEAR_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How exactly deadlines are kept.
const TICK: Duration = Duration::from_millis(250);

/// How long a log line may wait for others, so that they are written together.
const LOG_DELAY: Duration = Duration::from_millis(50);

/// How long memory that nobody needs is kept at least, and twice that at most.
const SPARE_KEPT_FOR: Duration = Duration::from_secs(2);

/// How often a stopping shard looks whether its connections have ended.
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// Time for the last replies of connections that were ended.
const LAST_WORDS_MS: u64 = 3_000;

/// Registered buffers of one executor; none is used for sockets, so the least it takes.
const IO_MEMORY_BYTES: usize = 65_536;

/// How long tasks that could run may be slept over, see [`beat`]. Two wakes per second are no measurable load.
const BEAT: Duration = Duration::from_millis(500);

/// The same as [`PREEMPT_AFTER`] before the first [`beat`]: so long that no system takes the processor away for it.
const PREEMPT_AT_START_AFTER: Duration = Duration::from_secs(2);

/// How long tasks run before the executor looks for new events: the longest a client waits because others are busy.
const PREEMPT_AFTER: Duration = Duration::from_millis(2);
