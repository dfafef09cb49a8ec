//! Decides when each unit of work begins.
//!
//! In: a rate or none, a limit, the time. Out: numbered units with the time from which their
//! latency counts. Open loop (a rate): unit n is due at a time that depends on n alone, so a
//! server that stalls cannot push later units back and hide. Closed loop (no rate): a unit is due
//! when it is taken. No number is given out twice, whichever worker asks.
//! Does not open connections and does not sleep.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::message::NUMBER_MAX;

/// A transaction to carry out; in `conn` mode a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// From 0, without gaps.
    pub(crate) number: u64,
    /// From here its latency counts.
    pub(crate) due: Instant,
}

/// The answer to a request for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Begin this one.
    Now(Unit),
    /// Ask again at that time.
    At(Instant),
    /// There will be no more.
    Exhausted,
}

/// When units are due, counted from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    /// Units per second in open loop.
    pub(crate) rate_per_second: Option<f64>,
    /// The rate rises from zero in this time, linearly.
    pub(crate) ramp: Duration,
    /// No unit begins after this time.
    pub(crate) duration: Option<Duration>,
    /// How many units there are.
    pub(crate) units_max: u64,
}

impl Schedule {
    /// When unit `number` is due at `rate` units per second.
    fn due(&self, number: u64, rate: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers have 40 bits, f64 holds 52"
        )]
        let number = number as f64;
        let ramp = self.ramp.as_secs_f64();
        let in_ramp = rate * ramp / 2.0;
        let seconds = if number < in_ramp {
            (2.0 * number * ramp / rate).sqrt()
        } else {
            ramp + (number - in_ramp) / rate
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// How many units are due before the duration ends; `None` without rate or duration.
    pub(crate) fn units_due(&self) -> Option<u64> {
        let rate = self.rate_per_second?;
        let duration = self.duration?;
        let (mut low, mut high) = (0, self.units_max.min(NUMBER_MAX));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.due(middle, rate) < duration {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}

/// What all workers of a run share.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    next: AtomicU64,
    start: OnceLock<Instant>,
    stop: Arc<AtomicBool>,
}

impl Counter {
    /// Begins the run; only the first call counts.
    pub(crate) fn start(&self, now: Instant) {
        self.start.get_or_init(|| now);
    }

    /// When the run began.
    pub(crate) fn started(&self) -> Option<Instant> {
        self.start.get().copied()
    }

    /// When this becomes true, no further unit begins.
    pub(crate) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// One worker's view of the work.
#[derive(Debug)]
pub(crate) struct Pacing<'run> {
    schedule: Schedule,
    counter: &'run Counter,
    /// A unit claimed before its time.
    claimed: Option<Unit>,
}

impl<'run> Pacing<'run> {
    /// Work after `schedule`, numbered by `counter`.
    pub(crate) const fn new(schedule: Schedule, counter: &'run Counter) -> Self {
        Self {
            schedule,
            counter,
            claimed: None,
        }
    }

    /// Whether latencies count from a scheduled time.
    pub(crate) const fn is_open(&self) -> bool {
        self.schedule.rate_per_second.is_some()
    }

    /// The next unit, if one is due.
    pub(crate) fn take(&mut self, now: Instant) -> Take {
        if self.counter.is_stopped() {
            return Take::Exhausted;
        }
        let Some(start) = self.counter.started() else {
            return Take::At(now + START_POLL);
        };
        let elapsed = now.saturating_duration_since(start);
        if self
            .schedule
            .duration
            .is_some_and(|duration| duration <= elapsed)
        {
            return Take::Exhausted;
        }
        let Some(unit) = self.claimed.take().or_else(|| self.claim(start, now)) else {
            return Take::Exhausted;
        };
        if unit.due <= now {
            return Take::Now(unit);
        }
        self.claimed = Some(unit);
        Take::At(unit.due)
    }

    fn claim(&self, start: Instant, now: Instant) -> Option<Unit> {
        let number = self.counter.next.fetch_add(1, Ordering::Relaxed);
        if self.schedule.units_max.min(NUMBER_MAX) <= number {
            return None;
        }
        let due = match self.schedule.rate_per_second {
            None => now,
            Some(rate) => {
                let after = self.schedule.due(number, rate);
                if self
                    .schedule
                    .duration
                    .is_some_and(|duration| duration <= after)
                {
                    return None;
                }
                start.checked_add(after)?
            }
        };
        Some(Unit { number, due })
    }
}

/// How often a worker asks whether the run has begun.
const START_POLL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn open(rate: f64, ramp_s: u64) -> Schedule {
        Schedule {
            rate_per_second: Some(rate),
            ramp: Duration::from_secs(ramp_s),
            duration: None,
            units_max: 1_000,
        }
    }

    #[test]
    fn open_loop_counts_from_the_scheduled_time() {
        let counter = Counter::default();
        let start = Instant::now();
        let mut pacing = Pacing::new(open(100.0, 0), &counter);
        assert_eq!(
            pacing.take(start),
            Take::At(start + START_POLL),
            "the run has not begun"
        );
        counter.start(start);
        assert_eq!(
            pacing.take(start),
            Take::Now(Unit {
                number: 0,
                due: start
            })
        );
        let second = start + Duration::from_millis(10);
        assert_eq!(pacing.take(start), Take::At(second));
        // The server stalls for a second: the units that fell due keep their times.
        let late = start + Duration::from_secs(1);
        assert_eq!(
            pacing.take(late),
            Take::Now(Unit {
                number: 1,
                due: second
            })
        );
        let third = start + Duration::from_millis(20);
        assert_eq!(
            pacing.take(late),
            Take::Now(Unit {
                number: 2,
                due: third
            })
        );
        assert_eq!(
            late - third,
            Duration::from_millis(980),
            "the stall shows as latency"
        );
    }

    #[test]
    fn closed_loop_counts_from_the_taking() {
        let counter = Counter::default();
        let start = Instant::now();
        counter.start(start);
        let schedule = Schedule {
            rate_per_second: None,
            units_max: 2,
            ..open(1.0, 0)
        };
        let mut pacing = Pacing::new(schedule, &counter);
        let late = start + Duration::from_secs(9);
        assert_eq!(
            pacing.take(start),
            Take::Now(Unit {
                number: 0,
                due: start
            })
        );
        assert_eq!(
            pacing.take(late),
            Take::Now(Unit {
                number: 1,
                due: late
            })
        );
        assert_eq!(pacing.take(late), Take::Exhausted);
    }

    #[test]
    fn workers_share_numbers_and_each_number_has_one_time() {
        let counter = Counter::default();
        let start = Instant::now();
        counter.start(start);
        let mut one = Pacing::new(open(1_000.0, 0), &counter);
        let mut other = Pacing::new(open(1_000.0, 0), &counter);
        let end = start + Duration::from_secs(1);
        let mut numbers = Vec::new();
        while let (Take::Now(first), Take::Now(second)) = (one.take(end), other.take(end)) {
            for unit in [first, second] {
                let after = Duration::from_secs_f64(unit.number as f64 / 1_000.0);
                assert_eq!(unit.due, start + after);
                numbers.push(unit.number);
            }
        }
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_ramp_rises_to_the_rate() {
        let schedule = open(100.0, 2);
        // Half of rate x ramp fits into the ramp.
        assert_eq!(schedule.due(0, 100.0), Duration::ZERO);
        assert_eq!(schedule.due(25, 100.0), Duration::from_secs(1));
        assert_eq!(schedule.due(100, 100.0), Duration::from_secs(2));
        assert_eq!(schedule.due(200, 100.0), Duration::from_secs(3));
    }

    #[test]
    fn the_duration_ends_both_loops() {
        let counter = Counter::default();
        let start = Instant::now();
        counter.start(start);
        let schedule = Schedule {
            duration: Some(Duration::from_secs(2)),
            ..open(100.0, 0)
        };
        assert_eq!(schedule.units_due(), Some(200));
        let mut pacing = Pacing::new(schedule, &counter);
        let before = start + Duration::from_millis(1_999);
        assert!(matches!(pacing.take(before), Take::Now(_)));
        assert_eq!(pacing.take(start + Duration::from_secs(2)), Take::Exhausted);
        let closed = Schedule {
            rate_per_second: None,
            ..schedule
        };
        assert_eq!(closed.units_due(), None);
        let mut pacing = Pacing::new(closed, &counter);
        assert_eq!(pacing.take(start + Duration::from_secs(2)), Take::Exhausted);
    }
}
