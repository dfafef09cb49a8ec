//! What happened: counts of outcomes, replies and errors of one worker, or of all.
//!
//! In: facts, as the clients meet them. Out: numbers for the report. Counting neither allocates
//! nor fails, except that the first few unexpected replies are kept as text.
//! Does not decide what is expected.

use std::time::Duration;

use crate::histogram::{Latencies, Stage};

/// Everything one worker counts.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Units of work (a transaction; in `conn` mode a session) that were begun.
    pub(crate) begun: u64,
    /// Units whose deciding reply was the expected one.
    pub(crate) as_expected: u64,
    /// Units whose deciding reply was another.
    pub(crate) unexpected: u64,
    /// Units that ended without a deciding reply; each is in `errors` too.
    pub(crate) without_reply: u64,
    /// Messages whose end of mail data was answered by 250.
    pub(crate) acknowledged: u64,
    /// Octets of the content of those messages.
    pub(crate) acknowledged_octets: u64,
    /// Connections established.
    pub(crate) connections: u64,
    /// Connections the server closed between transactions, which is its right.
    pub(crate) closed_idle: u64,
    /// Connections opened before the run that failed, and whose place other ones took.
    pub(crate) refused_in_advance: u64,
    /// Transactions begun again on a new connection because the server ended a session that had
    /// carried messages with 421, or had not answered the transaction when it ended.
    pub(crate) begun_again: u64,
    /// Connections on which a pipelined mode fell back to one command per round trip.
    pub(crate) without_pipelining: u64,
    /// Recipients refused.
    pub(crate) recipients_refused: u64,
    /// From the beginning of a transaction (or its scheduled time) to its deciding reply.
    pub(crate) transaction: Latencies,
    /// From the connect (or the scheduled time) to the reply to QUIT, in modes of one message.
    pub(crate) session: Latencies,
    /// Units done in each second of the run.
    pub(crate) per_second: Vec<u64>,
    /// Texts of the first unexpected replies.
    pub(crate) samples: Vec<String>,
    stages: Vec<Latencies>,
    replies: Vec<u64>,
    errors: [[u64; ErrorKind::ALL.len()]; Stage::ALL.len()],
}

/// What can go wrong besides an unexpected reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The server closed the connection while a reply was awaited.
    Closed,
    /// The network reported an error: refused, reset, no free port.
    Network,
    /// The server's octets are not a reply.
    Malformed,
    /// TLS could not be agreed on, or the server broke it.
    Tls,
    /// No reply, or no progress, within the time-out.
    TimedOut,
    /// A reply nobody asked for.
    Unsolicited,
}

impl ErrorKind {
    /// Every kind, in the order of their index.
    pub(crate) const ALL: [Self; 6] = [
        Self::Closed,
        Self::Network,
        Self::Malformed,
        Self::Tls,
        Self::TimedOut,
        Self::Unsolicited,
    ];

    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed by the server",
            Self::Network => "network error",
            Self::Malformed => "malformed reply",
            Self::Tls => "TLS error",
            Self::TimedOut => "timed out",
            Self::Unsolicited => "unsolicited reply",
        }
    }
}

impl Tally {
    /// Nothing counted; allocates all tables.
    pub(crate) fn new() -> Self {
        Self {
            begun: 0,
            as_expected: 0,
            unexpected: 0,
            without_reply: 0,
            acknowledged: 0,
            acknowledged_octets: 0,
            connections: 0,
            closed_idle: 0,
            refused_in_advance: 0,
            begun_again: 0,
            without_pipelining: 0,
            recipients_refused: 0,
            transaction: Latencies::new(),
            session: Latencies::new(),
            per_second: Vec::with_capacity(64),
            samples: Vec::new(),
            stages: vec![Latencies::new(); Stage::ALL.len()],
            replies: vec![0; Stage::ALL.len() * CODES],
            errors: [[0; ErrorKind::ALL.len()]; Stage::ALL.len()],
        }
    }

    /// Counts a reply and its latency.
    pub(crate) fn reply(&mut self, stage: Stage, code: u16, latency: Duration) {
        let index = stage.index() * CODES + usize::from(code.saturating_sub(CODE_MIN));
        if let Some(count) = self.replies.get_mut(index) {
            *count += 1;
        }
        self.latency(stage, latency);
    }

    /// Records the latency of a stage that has no reply.
    pub(crate) fn latency(&mut self, stage: Stage, latency: Duration) {
        if let Some(latencies) = self.stages.get_mut(stage.index()) {
            latencies.record(latency);
        }
    }

    /// Counts an error; `explain` is asked for a text while few have been kept.
    pub(crate) fn error(
        &mut self,
        stage: Stage,
        kind: ErrorKind,
        explain: impl FnOnce() -> String,
    ) {
        self.errors[stage.index()][kind as usize] += 1;
        self.sample(|| format!("{} at {}: {}", kind.name(), stage.name(), explain()));
    }

    /// Keeps a text while few have been kept.
    pub(crate) fn sample(&mut self, explain: impl FnOnce() -> String) {
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(explain());
        }
    }

    /// Counts a unit done at this time of the run.
    pub(crate) fn done(&mut self, elapsed: Duration) {
        let Ok(second) = usize::try_from(elapsed.as_secs()) else {
            return;
        };
        if self.per_second.len() <= second {
            self.per_second.resize(second.min(SECONDS_MAX - 1) + 1, 0);
        }
        if let Some(count) = self.per_second.get_mut(second) {
            *count += 1;
        }
    }

    /// Adds the counts of another worker.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.as_expected += other.as_expected;
        self.unexpected += other.unexpected;
        self.without_reply += other.without_reply;
        self.acknowledged += other.acknowledged;
        self.acknowledged_octets += other.acknowledged_octets;
        self.connections += other.connections;
        self.closed_idle += other.closed_idle;
        self.refused_in_advance += other.refused_in_advance;
        self.begun_again += other.begun_again;
        self.without_pipelining += other.without_pipelining;
        self.recipients_refused += other.recipients_refused;
        self.transaction.merge(&other.transaction);
        self.session.merge(&other.session);
        let seconds = self.per_second.len().max(other.per_second.len());
        self.per_second.resize(seconds, 0);
        add_each(&mut self.per_second, &other.per_second);
        add_each(&mut self.replies, &other.replies);
        for (mine, theirs) in self.errors.iter_mut().zip(&other.errors) {
            add_each(mine, theirs);
        }
        for (mine, theirs) in self.stages.iter_mut().zip(&other.stages) {
            mine.merge(theirs);
        }
        for sample in &other.samples {
            self.sample(|| sample.clone());
        }
    }

    /// The latencies of a stage.
    pub(crate) fn stage(&self, stage: Stage) -> Option<&Latencies> {
        self.stages.get(stage.index())
    }

    /// The replies seen at a stage: code and count, by code.
    pub(crate) fn replies(&self, stage: Stage) -> impl Iterator<Item = (u16, u64)> {
        let codes = self
            .replies
            .chunks(CODES)
            .nth(stage.index())
            .unwrap_or_default();
        (CODE_MIN..)
            .zip(codes.iter().copied())
            .filter(|(_, count)| 0 < *count)
    }

    /// The errors that occurred: stage, kind and count.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (Stage, ErrorKind, u64)> {
        Stage::ALL
            .into_iter()
            .flat_map(|stage| ErrorKind::ALL.into_iter().map(move |kind| (stage, kind)))
            .map(|(stage, kind)| (stage, kind, self.errors[stage.index()][kind as usize]))
            .filter(|(_, _, count)| 0 < *count)
    }

    /// Whether every unit ended as expected and nothing else went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.unexpected == 0
            && self.without_reply == 0
            && self.refused_in_advance == 0
            && self.errors().next().is_none()
    }
}

fn add_each(mine: &mut [u64], theirs: &[u64]) {
    for (sum, count) in mine.iter_mut().zip(theirs) {
        *sum += count;
    }
}

/// Codes 200 to 559, the range of the reply syntax.
const CODE_MIN: u16 = 200;
const CODES: usize = 360;

/// Texts kept per worker.
const SAMPLES_MAX: usize = 8;

/// A week; later seconds of a run are counted in the totals only.
const SECONDS_MAX: usize = 604_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_and_add_up() {
        let mut one = Tally::new();
        let mut other = Tally::new();
        one.reply(Stage::Mail, 250, Duration::from_micros(5));
        other.reply(Stage::Mail, 250, Duration::from_micros(7));
        other.reply(Stage::Mail, 200, Duration::ZERO);
        other.reply(Stage::Idle, 559, Duration::ZERO);
        other.done(Duration::from_secs(2));
        assert!(other.is_clean());
        other.error(Stage::Data, ErrorKind::TimedOut, || "after 30 s".to_owned());
        assert!(!other.is_clean());
        one.merge(&other);
        assert_eq!(
            one.replies(Stage::Mail).collect::<Vec<_>>(),
            [(200, 1), (250, 2)]
        );
        assert_eq!(one.replies(Stage::Idle).collect::<Vec<_>>(), [(559, 1)]);
        assert_eq!(one.replies(Stage::Rcpt).count(), 0);
        let errors: Vec<_> = one.errors().collect();
        assert_eq!(errors, [(Stage::Data, ErrorKind::TimedOut, 1)]);
        assert_eq!(one.per_second, [0, 0, 1]);
        assert_eq!(one.samples, ["timed out at data: after 30 s"]);
        assert_eq!(
            one.stage(Stage::Mail)
                .and_then(Latencies::summary)
                .map(|s| s.count),
            Some(3)
        );
    }

    #[test]
    fn error_kinds_stand_at_their_index() {
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }
}
