//! What the sessions of one worker share: where units come from, and where their ends are noted.
//!
//! In: requests for work, outcomes. Out: units, counts, the file of acknowledged ids.
//! Every unit taken is noted as ended exactly once, by the session that holds it.
//! Does not know sockets or commands.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::histogram::Stage;
use crate::message::MessageId;
use crate::pacing::{Pacing, Take, Unit};
use crate::plan::Plan;
use crate::tally::{ErrorKind, Tally};

/// The books of one worker.
#[derive(Debug)]
pub(crate) struct Ledger<'run> {
    /// What to do.
    pub(crate) plan: &'run Plan,
    /// Where units come from.
    pub(crate) pacing: Pacing<'run>,
    /// What happened.
    pub(crate) tally: Tally,
    /// Notes the ids of acknowledged messages.
    pub(crate) sent: Option<SentFile<'run>>,
    /// The first failure to note an id; the run is worthless after it.
    pub(crate) sent_error: Option<io::Error>,
    /// When the run began, once it has.
    pub(crate) started: Option<Instant>,
    /// When the last unit ended.
    pub(crate) ended: Option<Instant>,
    /// Units ended, of all workers, for the progress line.
    pub(crate) progress: &'run AtomicU64,
}

impl Ledger<'_> {
    /// The next unit, if one is due; it is counted as begun.
    pub(crate) fn take(&mut self, now: Instant) -> Take {
        let take = self.pacing.take(now);
        if matches!(take, Take::Now(_)) {
            self.tally.begun += 1;
        }
        take
    }

    /// From where the latency of a unit counts that was begun at `begun`.
    pub(crate) fn counts_from(&self, unit: Unit, begun: Instant) -> Instant {
        if self.pacing.is_open() {
            unit.due
        } else {
            begun
        }
    }

    /// Notes a unit whose deciding reply was `code`. `from`: where its latency counts from.
    pub(crate) fn decide(&mut self, code: u16, from: Instant, now: Instant) {
        if code == self.plan.expect {
            self.tally.as_expected += 1;
        } else {
            self.tally.unexpected += 1;
        }
        self.tally
            .transaction
            .record(now.saturating_duration_since(from));
        self.end(now);
    }

    /// Notes that the message of a unit was acknowledged.
    pub(crate) fn acknowledge(&mut self, unit: Unit) {
        self.tally.acknowledged += 1;
        self.tally.acknowledged_octets += u64::from(self.plan.size_octets);
        if let Some(sent) = &mut self.sent
            && let Err(error) = sent.note(self.plan.message_id(unit.number))
        {
            self.sent_error.get_or_insert(error);
        }
    }

    /// Notes a unit that got no deciding reply.
    pub(crate) fn lose(&mut self, now: Instant) {
        self.tally.without_reply += 1;
        self.end(now);
    }

    /// Notes an error at a stage.
    pub(crate) fn error(&mut self, stage: Stage, kind: ErrorKind, text: &str) {
        self.tally.error(stage, kind, || text.to_owned());
    }

    fn end(&mut self, now: Instant) {
        self.ended = Some(now);
        self.progress.fetch_add(1, Ordering::Relaxed);
        if let Some(started) = self.started {
            self.tally.done(now.saturating_duration_since(started));
        }
    }
}

/// The file of acknowledged ids, one a line; whole lines are appended, so workers can share it.
#[derive(Debug)]
pub(crate) struct SentFile<'run> {
    file: &'run Mutex<File>,
    lines: Vec<u8>,
}

impl<'run> SentFile<'run> {
    /// Appends to `file`.
    pub(crate) fn new(file: &'run Mutex<File>) -> Self {
        Self {
            file,
            lines: Vec::with_capacity(SENT_BYTES + 64),
        }
    }

    fn note(&mut self, id: MessageId) -> io::Result<()> {
        writeln!(self.lines, "{id}")?;
        if self.lines.len() < SENT_BYTES {
            return Ok(());
        }
        self.flush()
    }

    /// Writes what is still held.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let result = file.write_all(&self.lines);
        self.lines.clear();
        result
    }
}

/// Lines held back per worker.
const SENT_BYTES: usize = 64 * 1024;
