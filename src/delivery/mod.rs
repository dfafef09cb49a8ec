//! Destinations: where an accepted message goes, and when it is safe there.
//!
//! In: the content of a message while it arrives, from connections. Out: a message on stable storage or at the next hop,
//! or the reason why not. Guarantees: [`IncomingMessage::commit`] succeeds only after the file and its directory are
//! synced, or the next hop has acknowledged the message; a shard never touches the disk itself, threads of `writer.rs`
//! do; memory per message is bounded by [`SPILL_OCTETS`] and what one read of the socket adds. Does not: queue for later.
//!
//! Reading order: `message.rs` (what a connection holds), `tickets.rs` (how it waits), `writer.rs` (group commit),
//! `maildir.rs` (names), `files.rs` (calls), `next_hop/` (other servers).

mod files;
mod maildir;
mod message;
mod next_hop;
mod tickets;
mod writer;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::fs::{Gid, Uid};

use crate::connection::Watch;
use crate::mailbox::{Mailbox, MailboxSender, mailbox};
use crate::profile::{DestinationAddress, Profile};
use crate::shard::clock::Clock;
use crate::smtp::session::TransactionId;

pub use files::{Files, SystemFiles};
pub use message::{CommitError, Head, IncomingMessage, SPILL_OCTETS};
pub use next_hop::{Failure, NextHopParts, Refusal, Transfer};
pub use tickets::Tickets;
pub use writer::{Answer, StoreError};

use maildir::Maildir;
use next_hop::{NextHop, Resolver};
use writer::{JobSender, Writers};

/// Every destination of a configuration, opened, before the shards take theirs.
#[derive(Debug)]
pub struct Destinations {
    /// One per profile, in their order; profiles with the same directory share its writers.
    by_profile: Vec<Opened>,
    answers: Vec<Option<Mailbox<Answer>>>,
    threads: Vec<JoinHandle<()>>,
    resolver: Option<Resolver>,
}

/// The destination of one profile.
#[derive(Debug)]
enum Opened {
    Discard,
    Maildir(Arc<Writers>),
    NextHop(Box<NextHopParts>),
}

/// The threads of all destinations, to wait for at the end.
#[derive(Debug)]
pub struct WriterThreads {
    writers: Vec<Arc<Writers>>,
    threads: Vec<JoinHandle<()>>,
    resolver: Option<Resolver>,
}

/// What one shard needs to deliver: moved to its thread.
#[derive(Debug)]
pub struct ShardDelivery {
    /// One per profile, in their order.
    pub destinations: Vec<ShardDestination>,
    /// Where the writers answer this shard.
    pub answers: Mailbox<Answer>,
}

/// The destination of one profile, as seen by one shard.
#[derive(Debug)]
pub enum ShardDestination {
    /// Nothing is kept.
    Discard,
    /// A Maildir and the writers it has.
    Maildir(JobSender),
    /// Another server.
    NextHop(Box<NextHopParts>),
}

/// A destination with what the connections of a shard share to use it.
#[derive(Debug)]
pub struct Destination {
    kind: Kind,
    tickets: Rc<Tickets>,
}

/// The same as [`ShardDestination`], to be held by many messages at once.
#[derive(Debug)]
enum Kind {
    Discard,
    Maildir(Rc<JobSender>),
    NextHop(Rc<NextHop>),
}

/// What the destinations of a shard share with its connections.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// How they wait for writers.
    pub tickets: Rc<Tickets>,
    /// The time.
    pub clock: Rc<Clock>,
    /// The deadlines.
    pub watch: Rc<Watch>,
}

impl Destination {
    /// A destination as the connections of a shard use it.
    #[must_use]
    pub fn new(kind: ShardDestination, surroundings: Surroundings) -> Self {
        let Surroundings {
            tickets,
            clock,
            watch,
        } = surroundings;
        let kind = match kind {
            ShardDestination::Discard => Kind::Discard,
            ShardDestination::Maildir(writers) => Kind::Maildir(Rc::new(writers)),
            ShardDestination::NextHop(parts) => Kind::NextHop(NextHop::new(*parts, clock, watch)),
        };
        Self { kind, tickets }
    }

    /// Whether the destination is another server.
    #[must_use]
    pub fn is_next_hop(&self) -> bool {
        matches!(self.kind, Kind::NextHop(_))
    }

    /// The transfer of a transaction, if the destination is another server, which is to be asked about it from its first
    /// recipient on. No wait for that server is longer than until `due_ms`, but the one for what becomes of the message.
    #[must_use]
    pub fn transfer(&self, id: TransactionId, due_ms: u64) -> Option<Transfer> {
        match &self.kind {
            Kind::Discard | Kind::Maildir(_) => None,
            Kind::NextHop(hop) => Some(Transfer::new(hop, id, due_ms)),
        }
    }
}

impl Destinations {
    /// Makes the directories that destinations need and that do not exist, for `owner` if it is another than this
    /// process; what exists stays as it is.
    ///
    /// # Errors
    ///
    /// The directory that cannot be made, and why.
    pub fn make_directories(
        profiles: &[Arc<Profile>],
        owner: Option<(Uid, Gid)>,
    ) -> Result<(), OpenError> {
        for profile in profiles {
            if let DestinationAddress::Maildir(path) = &profile.destination {
                maildir::make(path, owner).map_err(|error| OpenError {
                    path: path.clone(),
                    error,
                })?;
            }
        }
        Ok(())
    }

    /// Opens every destination and starts its threads; makes directories that do not exist and removes what a killed
    /// process left unfinished.
    ///
    /// # Errors
    ///
    /// The directory that cannot be used, and why.
    pub fn open(
        profiles: &[Arc<Profile>],
        shards_count: usize,
        hostname: &str,
        files: &Arc<dyn Files>,
    ) -> Result<Self, OpenError> {
        let other = |error| OpenError {
            path: PathBuf::new(),
            error,
        };
        let mut senders: Vec<MailboxSender<Answer>> = Vec::new();
        let mut answers = Vec::new();
        for _ in 0..shards_count {
            let (sender, receiver) = mailbox(tickets::JOBS_PER_SHARD_MAX * 2).map_err(other)?;
            senders.push(sender);
            answers.push(Some(receiver));
        }
        let mut opened: HashMap<PathBuf, Arc<Writers>> = HashMap::new();
        let mut by_profile = Vec::new();
        let mut threads = Vec::new();
        for profile in profiles {
            let path = match &profile.destination {
                DestinationAddress::Discard => {
                    by_profile.push(Opened::Discard);
                    continue;
                }
                DestinationAddress::NextHop(address) => {
                    by_profile.push(Opened::NextHop(Box::new(NextHopParts {
                        address: (**address).clone(),
                        addresses: next_hop::addresses(&address.host),
                        hostname: hostname.into(),
                    })));
                    continue;
                }
                DestinationAddress::Maildir(path) => path,
            };
            let failed = |error| OpenError {
                path: path.clone(),
                error,
            };
            let maildir = Maildir::open(path, hostname, Arc::clone(files)).map_err(failed)?;
            let canonical = path.canonicalize().map_err(failed)?;
            if let Some(writers) = opened.get(&canonical) {
                by_profile.push(Opened::Maildir(Arc::clone(writers)));
                continue;
            }
            let (writers, started) =
                writer::start(maildir, shards_count, &senders).map_err(failed)?;
            let writers = Arc::new(writers);
            threads.extend(started);
            opened.insert(canonical, Arc::clone(&writers));
            by_profile.push(Opened::Maildir(writers));
        }
        let addresses = by_profile.iter().filter_map(|opened| match opened {
            Opened::NextHop(parts) => Some(&parts.addresses),
            Opened::Discard | Opened::Maildir(_) => None,
        });
        let resolver = next_hop::start(addresses).map_err(other)?;
        Ok(Self {
            by_profile,
            answers,
            threads,
            resolver,
        })
    }

    /// What shard `shard` takes to its thread; may be asked for once per shard.
    ///
    /// # Panics
    ///
    /// When it is asked for twice.
    #[must_use]
    pub fn for_shard(&mut self, shard: usize) -> ShardDelivery {
        let destinations = self.by_profile.iter().map(|opened| match opened {
            Opened::Discard => ShardDestination::Discard,
            Opened::Maildir(writers) => ShardDestination::Maildir(writers.for_shard(shard)),
            Opened::NextHop(parts) => ShardDestination::NextHop(parts.clone()),
        });
        ShardDelivery {
            destinations: destinations.collect(),
            answers: self.answers[shard].take().expect("each shard asks once"),
        }
    }

    /// What is left to do once every shard has taken its part: to end the threads.
    #[must_use]
    pub fn into_threads(self) -> WriterThreads {
        let writers = self
            .by_profile
            .into_iter()
            .filter_map(|opened| match opened {
                Opened::Maildir(writers) => Some(writers),
                Opened::Discard | Opened::NextHop(_) => None,
            });
        WriterThreads {
            writers: writers.collect(),
            threads: self.threads,
            resolver: self.resolver,
        }
    }
}

impl WriterThreads {
    /// Waits until everything handed over is on disk; called when the shards have ended.
    pub fn join(self) {
        for writers in &self.writers {
            writers.end();
        }
        // Not waited for: it may be at a lookup that takes its time, and it has nothing that could be lost.
        drop(self.resolver.map(Resolver::into_thread));
        for thread in self.threads {
            // A writer that panicked has said so; its messages were not acknowledged.
            let _ = thread.join();
        }
    }
}

/// A destination that cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    error: io::Error,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "destination {} cannot be used: {}; make it a directory this user may write",
            self.path.display(),
            self.error
        )
    }
}
