//! When memory that the process has free is to be given back to the system.
//!
//! ```text
//! far fewer connections than lately, and a process that has grown --+
//!                                                                   +--> now, or later if it takes long or wins little
//! memory is short --------------------------------------------------+
//! ```
//!
//! In: how many connections are open and how much memory is resident, look by look; what giving back took and won. Out:
//! whether now is the time. Guarantees: it takes a hundredth of the time at most, and while memory is short and giving
//! back is of no use, it is tried ever less until connections end. Does not: free.

use std::time::Duration;

/// What has been seen since memory was last given back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    /// The most connections.
    open_most: u64,
    /// Looks in a row at which there were far fewer.
    low_looks: u32,
    /// What was resident once it was given back.
    left_bytes: u64,
    /// Looks to come at which it is too early, because it took long.
    pause_looks: u32,
    /// Looks to come at which it is too early unless far fewer connections are left, because it was of no use.
    wait_looks: u32,
    /// How many those were at first; 0 after one that was of use.
    futile_looks: u32,
}

impl Release {
    /// With `used_bytes` resident, none of them given back.
    pub(super) fn new(used_bytes: u64) -> Self {
        Self {
            open_most: 0,
            low_looks: 0,
            left_bytes: used_bytes,
            pause_looks: 0,
            wait_looks: 0,
            futile_looks: 0,
        }
    }

    /// Takes note of a look; whether memory is to be given back now.
    pub(super) fn look(&mut self, open: u64, used_bytes: u64, is_short: bool) -> bool {
        self.open_most = self.open_most.max(open);
        let is_low = open <= self.open_most / 2;
        self.low_looks = if is_low {
            self.low_looks.saturating_add(1)
        } else {
            0
        };
        let has_ebbed =
            LOW_LOOKS <= self.low_looks && self.left_bytes + GROWN_BYTES_MIN <= used_bytes;
        let is_early = 0 < self.pause_looks || (0 < self.wait_looks && !has_ebbed);
        self.pause_looks = self.pause_looks.saturating_sub(1);
        self.wait_looks = self.wait_looks.saturating_sub(1);
        !is_early && (is_short || has_ebbed)
    }

    /// Takes note that memory was given back: there were `used_bytes`, now `left_bytes`, and it took so long.
    pub(super) fn given_back(&mut self, used_bytes: u64, left_bytes: u64, took: Duration) {
        let has_won = left_bytes + GROWN_BYTES_MIN <= used_bytes;
        let futile_looks = if has_won {
            0
        } else {
            (2 * self.futile_looks).clamp(1, FUTILE_LOOKS_MAX)
        };
        let pause = took.saturating_mul(PAUSE_PER_TIME).as_secs();
        *self = Self {
            pause_looks: u32::try_from(pause / super::LOOK_EVERY.as_secs()).unwrap_or(u32::MAX),
            wait_looks: futile_looks,
            futile_looks,
            ..Self::new(left_bytes)
        };
    }
}

/// Looks in a row at half of the most connections or fewer: longer by far than shards keep spare memory.
const LOW_LOOKS: u32 = 7;

/// What is worth giving back, in bytes.
const GROWN_BYTES_MIN: u64 = 1 << 20;

/// How much longer than giving back took the pause behind it is.
const PAUSE_PER_TIME: u32 = 100;

/// The most looks between two vain attempts.
const FUTILE_LOOKS_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FUTILE_LOOKS_MAX, LOW_LOOKS, Release};

    const MIB: u64 = 1 << 20;

    /// After how many looks the time comes, if it does.
    fn looks(release: &mut Release, open: u64, used: u64, is_short: bool) -> Option<u32> {
        (1..200).find(|_| release.look(open, used, is_short))
    }

    #[test]
    fn half_of_the_connections_must_be_gone_for_a_while() {
        let mut release = Release::new(4 * MIB);
        assert_eq!(looks(&mut release, 1_000, 90 * MIB, false), None);
        assert_eq!(looks(&mut release, 501, 90 * MIB, false), None);
        assert_eq!(looks(&mut release, 500, 90 * MIB, false), Some(LOW_LOOKS));
        release.given_back(90 * MIB, 50 * MIB, Duration::from_millis(5));
        assert_eq!(looks(&mut release, 500, 60 * MIB, false), None, "the most");
        assert_eq!(looks(&mut release, 0, 60 * MIB, false), Some(LOW_LOOKS));
        release.given_back(60 * MIB, 5 * MIB, Duration::from_millis(5));
        assert_eq!(looks(&mut release, 0, 5 * MIB, false), None);
    }

    #[test]
    fn a_process_that_has_not_grown_gives_nothing_back() {
        let mut release = Release::new(4 * MIB);
        for open in [0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] {
            assert!(!release.look(open, 5 * MIB - 1, false));
        }
    }

    #[test]
    fn a_moment_with_few_connections_is_not_enough() {
        let mut release = Release::new(0);
        for open in [1_000, 0, 0, 0, 0, 0, 0, 501].into_iter().cycle().take(800) {
            assert!(!release.look(open, 90 * MIB, false));
        }
    }

    #[test]
    fn what_is_of_no_use_is_tried_ever_less() {
        let mut release = Release::new(0);
        let mut waited = Vec::new();
        for _ in 0..9 {
            waited.push(looks(&mut release, 9, 90 * MIB, true).expect("it is short"));
            release.given_back(90 * MIB, 90 * MIB, Duration::ZERO);
        }
        assert_eq!(waited, [1, 2, 3, 5, 9, 17, 33, 65, 65]);
        assert!(!release.look(9, 90 * MIB, true));
        let ebb = looks(&mut release, 4, 92 * MIB, true);
        assert_eq!(ebb, Some(LOW_LOOKS), "which may be of use");
        release.given_back(92 * MIB, 80 * MIB, Duration::ZERO);
        assert_eq!(looks(&mut release, 9, 90 * MIB, true), Some(1));
        assert_eq!(FUTILE_LOOKS_MAX, 64);
    }

    #[test]
    fn what_takes_long_is_done_seldom() {
        let mut release = Release::new(0);
        release.given_back(90 * MIB, 1, Duration::from_millis(200));
        assert_eq!(looks(&mut release, 9, 90 * MIB, true), Some(21));
        release.given_back(90 * MIB, 1, Duration::MAX);
        assert_eq!(looks(&mut release, 9, 90 * MIB, true), None);
    }
}
