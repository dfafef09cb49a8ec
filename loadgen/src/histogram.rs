//! Latencies by stage of a session.
//!
//! In: one duration per reply. Out: percentiles. Three significant digits from 1 microsecond to
//! one hour; longer values count as one hour. Recording neither allocates nor fails.
//! Does not decide from when a duration is counted; that is the pacing's and the session's.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The steps of a session that are timed and counted, in the order of RFC 5321 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// From the start of the connect to the established connection.
    Connect,
    /// From the start of the connect to the greeting.
    Greeting,
    /// To the reply to EHLO.
    Ehlo,
    /// To the reply to STARTTLS.
    StartTls,
    /// From the established connection, or the reply to STARTTLS, to the end of the TLS handshake.
    Handshake,
    /// To the reply to MAIL.
    Mail,
    /// To the reply to RCPT.
    Rcpt,
    /// To the reply to DATA.
    Data,
    /// From the sending of the mail data to the reply to its end.
    EndOfData,
    /// To the reply to RSET.
    Rset,
    /// To the reply to QUIT.
    Quit,
    /// Between transactions, where no reply is awaited.
    Idle,
}

impl Stage {
    /// Every stage, in order.
    pub(crate) const ALL: [Self; 12] = [
        Self::Connect,
        Self::Greeting,
        Self::Ehlo,
        Self::StartTls,
        Self::Handshake,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::EndOfData,
        Self::Rset,
        Self::Quit,
        Self::Idle,
    ];

    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::Handshake => "handshake",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::EndOfData => "end_of_data",
            Self::Rset => "rset",
            Self::Quit => "quit",
            Self::Idle => "idle",
        }
    }

    /// The index in tables of [`Stage::ALL`]'s length.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Latencies of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// An empty record; allocates all it will ever need.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, 3);
        Self(histogram.expect("the bounds are constants that fit each other"))
    }

    /// Adds one.
    pub(crate) fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(HIGHEST_NS);
        self.0.saturating_record(nanoseconds.min(HIGHEST_NS));
    }

    /// Adds those of another record.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("all records have the same bounds");
    }

    /// What a report shows; `None` when nothing was recorded.
    pub(crate) fn summary(&self) -> Option<Summary> {
        if self.0.is_empty() {
            return None;
        }
        let maximum = self.0.max();
        // A bucket's upper end may lie above the greatest value in it.
        let quantile = |quantile| self.0.value_at_quantile(quantile).min(maximum);
        Some(Summary {
            count: self.0.len(),
            mean_ns: self.0.mean(),
            p50_ns: quantile(0.5),
            p90_ns: quantile(0.9),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: maximum,
        })
    }
}

/// Percentiles of one kind of latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    /// How many values.
    pub(crate) count: u64,
    /// Their mean.
    pub(crate) mean_ns: f64,
    /// Half are not above it.
    pub(crate) p50_ns: u64,
    /// 90 of 100 are not above it.
    pub(crate) p90_ns: u64,
    /// 99 of 100 are not above it.
    pub(crate) p99_ns: u64,
    /// 999 of 1,000 are not above it.
    pub(crate) p999_ns: u64,
    /// The greatest.
    pub(crate) max_ns: u64,
}

const LOWEST_NS: u64 = 1;
const HIGHEST_NS: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_three_digits() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.summary(), None);
        for microseconds in 1..=1_000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let summary = latencies.summary().expect("recorded");
        assert_eq!(summary.count, 1_000);
        for (found, expected) in [
            (summary.p50_ns, 500_000_u64),
            (summary.p90_ns, 900_000),
            (summary.p99_ns, 990_000),
            (summary.p999_ns, 999_000),
            (summary.max_ns, 1_000_000),
        ] {
            assert!(
                found.abs_diff(expected) <= expected / 500,
                "{found} for {expected}"
            );
        }
    }

    #[test]
    fn records_are_merged_and_saturate() {
        let mut one = Latencies::new();
        let mut other = Latencies::new();
        one.record(Duration::from_millis(1));
        other.record(Duration::MAX);
        one.merge(&other);
        let summary = one.summary().expect("recorded");
        assert_eq!(summary.count, 2);
        assert!(HIGHEST_NS <= summary.max_ns + HIGHEST_NS / 500);
    }

    #[test]
    fn stages_stand_at_their_index() {
        for (index, stage) in Stage::ALL.iter().enumerate() {
            assert_eq!(stage.index(), index);
        }
    }
}
