//! The only source of time on a shard.
//!
//! In: the kernel's clocks. Out: milliseconds since the shard began (monotonic), and the date as trace headers and the
//! log write it. Guarantees: between two [`Clock::refresh`] calls time stands still, and reading it costs a load; a
//! wall clock that jumps moves only the texts, at most a second later, never a deadline.
//! Does not: sleep.
//!
//! RFC 5322 §3.3 (date-time), RFC 3339 §5.6 (the log).

use std::cell::{Cell, Ref, RefCell};
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// One shard's time.
#[derive(Debug)]
pub struct Clock {
    begin: Instant,
    now_ms: Cell<u64>,
    wall: fn() -> Timestamp,
    zone: TimeZone,
    texts: RefCell<Texts>,
}

/// The date of one second in both forms.
#[derive(Debug)]
struct Texts {
    /// The monotonic second they were made in.
    second: u64,
    unix_seconds: i64,
    header: String,
    log: String,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self::with_wall(Timestamp::now)
    }

    fn with_wall(wall: fn() -> Timestamp) -> Self {
        let zone = TimeZone::system();
        let texts = RefCell::new(Texts::at(0, &wall().to_zoned(zone.clone())));
        Self {
            begin: Instant::now(),
            now_ms: Cell::new(0),
            wall,
            zone,
            texts,
        }
    }

    /// Reads the kernel's clock; called once whenever a connection wakes.
    pub fn refresh(&self) {
        let now_ms = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.set(now_ms);
    }

    /// Reads the kernel's clock and gives microseconds since the clock began: for measuring what runs without waiting.
    pub fn measure_us(&self) -> u64 {
        let elapsed = self.begin.elapsed();
        self.now_ms
            .set(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since the clock began, as of the last refresh.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Seconds since 1970, as of the current second.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.texts().unix_seconds
    }

    /// The date for a header field, as `Sat, 31 Jan 2026 12:00:00 +0000`, in local time.
    #[must_use]
    pub fn header_date(&self) -> Ref<'_, str> {
        Ref::map(self.texts(), |texts| texts.header.as_str())
    }

    /// The date for the log, as `2026-01-31T12:00:00Z`.
    #[must_use]
    pub fn log_date(&self) -> Ref<'_, str> {
        Ref::map(self.texts(), |texts| texts.log.as_str())
    }

    /// The texts of this second, made once per second.
    fn texts(&self) -> Ref<'_, Texts> {
        let second = self.now_ms.get() / 1_000;
        if self.texts.borrow().second != second {
            let now = (self.wall)().to_zoned(self.zone.clone());
            self.texts.replace(Texts::at(second, &now));
        }
        self.texts.borrow()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Texts {
    fn at(second: u64, date: &Zoned) -> Self {
        Self {
            second,
            unix_seconds: date.timestamp().as_second(),
            header: date.strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
            log: date.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{Clock, Texts};
    use jiff::Timestamp;
    use jiff::tz::{Offset, TimeZone};

    thread_local! {
        static WALL_SECOND: Cell<i64> = const { Cell::new(NOON) };
    }

    /// 2026-01-31T12:00:00Z.
    const NOON: i64 = 1_769_860_800;

    #[test]
    fn a_wall_clock_that_jumps_moves_only_the_texts() {
        let wall = || Timestamp::from_second(WALL_SECOND.get()).expect("a date");
        for (jump, text) in [
            (-86_400, "2026-01-30T12:00:00Z"),
            (86_400 * 365, "2027-01-31T12:00:00Z"),
        ] {
            WALL_SECOND.set(NOON);
            let clock = Clock::with_wall(wall);
            assert_eq!(&*clock.log_date(), "2026-01-31T12:00:00Z");
            WALL_SECOND.set(NOON + jump);
            clock.refresh();
            let now_ms = clock.now_ms();
            assert!(now_ms < 60_000, "deadlines have not moved");
            clock.now_ms.set(now_ms + 1_000);
            assert_eq!(&*clock.log_date(), text);
            assert_eq!(clock.unix_seconds(), NOON + jump);
        }
    }

    #[test]
    fn dates_are_written_as_their_standards_say() {
        let zone = TimeZone::fixed(Offset::from_seconds(-(3 * 3600 + 1800)).expect("an offset"));
        let date = Timestamp::from_second(1_769_860_800)
            .expect("a date")
            .to_zoned(zone);
        let texts = Texts::at(0, &date);
        assert_eq!(texts.header, "Sat, 31 Jan 2026 08:30:00 -0330");
        assert_eq!(texts.log, "2026-01-31T12:00:00Z");
    }
}
