//! How many lines of one kind the log takes: what clients can cause as often as they like must not fill a disk.
//!
//! In: the time, whenever such a line is due. Out: whether it is written, and how many were not since the last one.
//! Guarantees: at most [`LINES_PER_SECOND_COUNT`] lines in a second. Does not: count for good, `metrics` does.

use std::cell::Cell;

/// Lines of one kind on one shard.
#[derive(Debug, Default)]
pub struct Ration {
    second: Cell<u64>,
    lines_count: Cell<u32>,
    held_back_count: Cell<u64>,
}

impl Ration {
    /// Whether a line may be written in second `second` of the shard: how many have been held back since the last one,
    /// or none when this one must be.
    pub fn take(&self, second: u64) -> Option<u64> {
        if self.second.replace(second) != second {
            self.lines_count.set(0);
        }
        if self.lines_count.get() < LINES_PER_SECOND_COUNT {
            self.lines_count.set(self.lines_count.get() + 1);
            Some(self.held_back_count.take())
        } else {
            self.held_back_count.set(self.held_back_count.get() + 1);
            None
        }
    }
}

/// Lines of one kind that a shard writes in a second: enough to see who it is, too few to matter.
const LINES_PER_SECOND_COUNT: u32 = 10;

#[cfg(test)]
mod tests {
    use super::{LINES_PER_SECOND_COUNT, Ration};

    #[test]
    fn a_flood_of_lines_is_told_by_its_number() {
        let ration = Ration::default();
        let mut flood = (0..1_000).map(|_| ration.take(7));
        for _ in 0..LINES_PER_SECOND_COUNT {
            assert_eq!(flood.next(), Some(Some(0)));
        }
        assert!(flood.all(|line| line.is_none()));
        let held_back = u64::from(1_000 - LINES_PER_SECOND_COUNT);
        assert_eq!(ration.take(8), Some(held_back));
        assert_eq!(ration.take(8), Some(0), "each is told once");
    }
}
