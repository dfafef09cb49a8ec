//! The threads that compare what clients send with what is known of users.
//!
//! In: jobs of shards, through one bounded queue per thread. Out: one answer per job, in the shard's mailbox.
//!
//! Guarantees: whatever a comparison does, also when it panics, its job is answered; a queue that is full says so at
//! once. There are few threads on purpose: clients that guess passwords shall not take the processors from the shards.
//! The threads hold nothing that must not be lost: nobody waits for them when the process ends, and they end by
//! themselves when nobody can give them a job any more.
//! Does not: count failures.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::Users;
use crate::limits;
use crate::mailbox::{Mailbox, MailboxSender, mailbox};
use crate::smtp::session::{AuthOutcome, Credentials};

/// One attempt to log in.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shard: usize,
    pub(super) ticket: usize,
    pub(super) users: Arc<Users>,
    pub(super) credentials: Credentials,
}

/// What became of an attempt.
#[derive(Debug)]
pub struct Answer {
    pub(super) ticket: usize,
    pub(super) outcome: AuthOutcome,
}

/// How credentials are compared; always [`Users::verify`] but in tests.
type Compare = Arc<dyn Fn(&Users, &Credentials) -> AuthOutcome + Send + Sync>;

/// The threads, before the shards take their ways to them.
#[derive(Debug)]
pub struct Verifiers {
    queues: Vec<SyncSender<Job>>,
    answers: Vec<Option<Mailbox<Answer>>>,
}

/// The way of one shard to the threads, and back; moved to its thread.
#[derive(Debug)]
pub struct ShardVerifier {
    /// Takes jobs.
    pub jobs: JobSender,
    /// Where the threads answer this shard.
    pub answers: Mailbox<Answer>,
}

/// Takes the jobs of one shard.
#[derive(Debug)]
pub struct JobSender {
    pub(super) shard: usize,
    queues: Vec<SyncSender<Job>>,
}

impl Verifiers {
    /// Starts the threads, unless `is_needed` says that no profile has users.
    ///
    /// # Errors
    ///
    /// No thread can be started, or no descriptor is left.
    pub fn start(shards_count: usize, is_needed: bool) -> io::Result<Self> {
        let threads_count = if is_needed { VERIFIER_THREADS_COUNT } else { 0 };
        Self::start_with(shards_count, threads_count, Arc::new(Users::verify))
    }

    /// The same with another way to compare.
    pub(crate) fn start_with(
        shards_count: usize,
        threads_count: usize,
        compare: Compare,
    ) -> io::Result<Self> {
        let mailboxes = (0..shards_count).map(|_| mailbox(limits::ATTEMPTS_PER_SHARD_COUNT));
        let mailboxes = mailboxes.collect::<io::Result<Vec<_>>>()?;
        let (shards, answers): (Vec<MailboxSender<Answer>>, Vec<_>) = mailboxes.into_iter().unzip();
        let mut queues = Vec::new();
        for index in 0..threads_count {
            let (sender, jobs) = sync_channel(limits::ATTEMPTS_PER_VERIFIER_COUNT);
            let (shards, compare) = (shards.clone(), Arc::clone(&compare));
            std::thread::Builder::new()
                .name(format!("postern-auth-{index}"))
                .spawn(move || run(&jobs, &shards, &compare))?;
            queues.push(sender);
        }
        Ok(Self {
            queues,
            answers: answers.into_iter().map(Some).collect(),
        })
    }

    /// What shard `shard` takes to its thread; may be asked for once per shard.
    ///
    /// # Panics
    ///
    /// When it is asked for twice.
    #[must_use]
    pub fn for_shard(&mut self, shard: usize) -> ShardVerifier {
        ShardVerifier {
            jobs: JobSender {
                shard,
                queues: self.queues.clone(),
            },
            answers: self.answers[shard].take().expect("each shard asks once"),
        }
    }
}

impl JobSender {
    /// Hands a job to the first thread with room in its queue, from the one with number `first` on, without waiting.
    /// Whether there was room.
    pub(super) fn submit(&self, first: usize, mut job: Job) -> bool {
        let count = self.queues.len();
        for turn in 0..count {
            match self.queues[(first + turn) % count].try_send(job) {
                Ok(()) => return true,
                Err(refused) => {
                    job = match refused {
                        std::sync::mpsc::TrySendError::Full(job)
                        | std::sync::mpsc::TrySendError::Disconnected(job) => job,
                    };
                }
            }
        }
        false
    }
}

fn run(jobs: &Receiver<Job>, shards: &[MailboxSender<Answer>], compare: &Compare) {
    while let Ok(job) = jobs.recv() {
        let Job {
            shard,
            ticket,
            users,
            credentials,
        } = job;
        // Nothing is changed by a comparison, so that nothing can be seen half-changed.
        let outcome = catch_unwind(AssertUnwindSafe(|| compare(&users, &credentials)));
        let outcome = outcome.unwrap_or(AuthOutcome::Unavailable);
        drop(credentials);
        shards[shard].send(Answer { ticket, outcome });
    }
}

/// Threads of one process. Two, so that a login with a costly hash does not hold the cheap ones up, and no more than two
/// processors can be kept busy by clients that guess.
const VERIFIER_THREADS_COUNT: usize = 2;

const _: () = assert!(
    limits::CONNECTIONS_PER_CLIENT_COUNT_DEFAULT as usize
        <= VERIFIER_THREADS_COUNT * limits::ATTEMPTS_PER_VERIFIER_COUNT,
    "one client with all its connections must not fill the queues"
);
