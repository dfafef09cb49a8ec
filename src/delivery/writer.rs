//! The threads that write messages to disk, many at a time.
//!
//! In: jobs of shards, through one bounded queue per thread. Out: one answer per job, in the shard's mailbox.
//!
//! Guarantees: group commit: whatever waits in the queue is written, then each file is synced, then all are renamed,
//! then the directory is synced once, then all are answered and each shard is woken once. An answer is `Ok` only after
//! that. A failed message leaves no file behind. Does not: retry; the client does.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rustix::io::Errno;

use super::maildir::Maildir;
use super::tickets::JOBS_PER_SHARD_MAX;
use crate::mailbox::MailboxSender;

/// One thing to do for one message.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shard: usize,
    pub(super) ticket: usize,
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    pub(super) action: Action,
}

/// What travels in a writer's queue.
#[derive(Debug)]
pub(super) enum Order {
    /// Do this.
    Job(Job),
    /// Finish what was ordered before, then end.
    End,
}

/// What to do with the content of a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// Add it to the file, more will come.
    Append,
    /// Add it to the file, then make the message durable.
    Commit,
    /// Forget the message.
    Abandon,
}

/// What became of a job.
#[derive(Debug)]
pub struct Answer {
    pub(super) ticket: usize,
    /// The content's memory, to be used again.
    pub(super) buffer: Vec<u8>,
    pub(super) result: Result<(), StoreError>,
}

/// Why a message is not on stable storage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreError {
    /// The disk, the quota or the inodes are used up.
    NoSpace,
    /// Anything else the system said, by its number.
    System(i32),
    /// The writer has ended.
    Gone,
}

impl From<Errno> for StoreError {
    fn from(error: Errno) -> Self {
        match error {
            // The last is the limit of file sizes of the process, which stands for a full disk.
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::NoSpace,
            other => Self::System(other.raw_os_error()),
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no-space"),
            Self::System(number) => write!(f, "errno-{number}"),
            Self::Gone => f.write_str("writer-gone"),
        }
    }
}

/// The writers of one Maildir.
#[derive(Debug)]
pub(super) struct Writers {
    queues: Vec<SyncSender<Order>>,
    host: String,
}

/// The writers of one Maildir, as seen by one shard.
#[derive(Debug)]
pub struct JobSender {
    pub(super) shard: usize,
    pub(super) host: String,
    queues: Vec<SyncSender<Order>>,
}

impl Writers {
    /// Has the threads end after what they have been given so far.
    pub(super) fn end(&self) {
        for queue in &self.queues {
            // A thread that is gone has ended already.
            let _ = queue.send(Order::End);
        }
    }

    pub(super) fn for_shard(&self, shard: usize) -> JobSender {
        JobSender {
            shard,
            host: self.host.clone(),
            queues: self.queues.clone(),
        }
    }
}

impl JobSender {
    /// Hands a job to the writer that has its file, without waiting: [`super::Tickets`] keeps the queue from filling.
    /// All jobs of one file carry the same `file` number.
    pub(super) fn submit(&self, file: u64, job: Job) -> Result<(), StoreError> {
        let index = usize::try_from(file % self.queues.len() as u64).unwrap_or(0);
        self.queues[index]
            .try_send(Order::Job(job))
            .map_err(|_| StoreError::Gone)
    }
}

/// Starts the threads of a Maildir; they end when [`Writers::end`] says so. They cannot wait for the last sender to
/// go: the executor of a shard keeps the tasks it did not finish, and the senders in them, for ever.
pub(super) fn start(
    maildir: Maildir,
    shards_count: usize,
    shards: &[MailboxSender<Answer>],
) -> io::Result<(Writers, Vec<JoinHandle<()>>)> {
    let host = maildir.host().to_owned();
    let mut queues = Vec::new();
    let mut threads = Vec::new();
    for index in 0..WRITERS_PER_MAILDIR {
        let (sender, receiver) = sync_channel(JOBS_PER_SHARD_MAX * shards_count + 1);
        let mut writer = Writer {
            maildir: maildir.again()?,
            open: HashMap::new(),
            shards: shards.to_vec(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("postern-disk-{index}"))
            .spawn(move || writer.run(&receiver))?;
        queues.push(sender);
        threads.push(thread);
    }
    Ok((Writers { queues, host }, threads))
}

struct Writer {
    maildir: Maildir,
    /// Files of messages too large for one job.
    open: HashMap<String, OwnedFd>,
    shards: Vec<MailboxSender<Answer>>,
}

/// A job that is being committed.
struct Committed {
    job: Job,
    file: Option<OwnedFd>,
    result: Result<(), StoreError>,
}

impl Writer {
    fn run(&mut self, orders: &Receiver<Order>) {
        let mut batch = Vec::with_capacity(BATCH_JOBS_MAX);
        let mut goes_on = true;
        while goes_on && let Ok(first) = orders.recv() {
            for order in std::iter::once(first)
                .chain(orders.try_iter())
                .take(BATCH_JOBS_MAX)
            {
                match order {
                    Order::Job(job) => batch.push(job),
                    Order::End => goes_on = false,
                }
            }
            self.store(&mut batch);
        }
    }

    fn store(&mut self, batch: &mut Vec<Job>) {
        let mut commits: Vec<Committed> = Vec::with_capacity(batch.len());
        let mut woken = vec![false; self.shards.len()];
        for job in batch.drain(..) {
            match job.action {
                Action::Append => {
                    let result = self.append(&job);
                    self.answer(job, result, &mut woken);
                }
                Action::Abandon => {
                    self.open.remove(&job.name);
                    self.maildir.abandon(&job.name);
                    self.answer(job, Ok(()), &mut woken);
                }
                Action::Commit => {
                    let written = self.write_last(&job);
                    let (file, result) = match written {
                        Ok(file) => (Some(file), Ok(())),
                        Err(error) => (None, Err(error)),
                    };
                    commits.push(Committed { job, file, result });
                }
            }
        }
        self.commit(&mut commits);
        for committed in commits {
            self.answer(committed.job, committed.result, &mut woken);
        }
        for (shard, _) in woken.iter().enumerate().filter(|(_, woken)| **woken) {
            self.shards[shard].wake();
        }
    }

    /// Syncs and publishes what has been written, with one sync of the directory for all.
    fn commit(&self, commits: &mut [Committed]) {
        for committed in commits.iter_mut() {
            let Some(file) = committed.file.take() else {
                continue;
            };
            let name = &committed.job.name;
            committed.result = match self.maildir.sync(file.as_fd()) {
                Ok(()) => self.maildir.publish(name).map_err(StoreError::from),
                Err(error) => {
                    self.maildir.abandon(name);
                    Err(error.into())
                }
            };
        }
        if commits.iter().all(|committed| committed.result.is_err()) {
            return;
        }
        if let Err(error) = self.maildir.sync_new() {
            for committed in commits
                .iter_mut()
                .filter(|committed| committed.result.is_ok())
            {
                self.maildir.withdraw(&committed.job.name);
                committed.result = Err(error.into());
            }
        }
    }

    /// Writes a part of a message; a failure removes the file at once.
    fn append(&mut self, job: &Job) -> Result<(), StoreError> {
        let file = self.write_last(job)?;
        self.open.insert(job.name.clone(), file);
        Ok(())
    }

    /// Writes the content of a job behind what its file already has.
    fn write_last(&mut self, job: &Job) -> Result<OwnedFd, StoreError> {
        let file = match self.open.remove(&job.name) {
            Some(file) => file,
            None => self.maildir.create(&job.name)?,
        };
        match self.maildir.write(file.as_fd(), &job.content) {
            Ok(()) => Ok(file),
            Err(error) => {
                self.maildir.abandon(&job.name);
                Err(error.into())
            }
        }
    }

    fn answer(&self, job: Job, result: Result<(), StoreError>, woken: &mut [bool]) {
        let Job {
            shard,
            ticket,
            content: buffer,
            ..
        } = job;
        // A shard that is gone has no client left to tell.
        self.shards[shard].put(Answer {
            ticket,
            buffer,
            result,
        });
        woken[shard] = true;
    }
}

/// Threads per Maildir: their syncs overlap in the file system's journal, and one slow sync does not hold all.
const WRITERS_PER_MAILDIR: usize = 4;

/// Jobs that share one sync of the directory; more would let the first client wait for the last.
const BATCH_JOBS_MAX: usize = 64;
