//! When what is left of something is too little, and when it is enough again.
//!
//! In: what is left, look by look. Out: the [`Shortage`]. Guarantees: two thresholds, at the least amount and at its half,
//! and for the way back an eighth more, so that an amount that wavers about a threshold does not make the server waver.
//! Does not: measure.

use crate::shard::Shortage;

/// The least amount of one thing, and how short it was at the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// 0 is off.
    free_min: u64,
    shortage: Shortage,
}

impl Mark {
    pub(super) fn new(free_min: u64) -> Self {
        Self {
            free_min,
            shortage: Shortage::Nothing,
        }
    }

    pub(super) fn free_min(&self) -> u64 {
        self.free_min
    }

    pub(super) fn shortage(&self) -> Shortage {
        self.shortage
    }

    /// Takes note of what is left; whether that changes anything.
    pub(super) fn look(&mut self, free: u64) -> bool {
        let (mail, connections) = (self.free_min, self.free_min / 2);
        let more = self.free_min / 8;
        let (mail, connections) = match self.shortage {
            Shortage::Nothing => (mail, connections),
            Shortage::Mail => (mail.saturating_add(more), connections),
            Shortage::Connections => (mail.saturating_add(more), connections + more),
        };
        let shortage = if free < connections {
            Shortage::Connections
        } else if free < mail {
            Shortage::Mail
        } else {
            Shortage::Nothing
        };
        std::mem::replace(&mut self.shortage, shortage) != shortage
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;
    use crate::shard::Shortage::{Connections, Mail, Nothing};

    #[test]
    fn the_way_back_is_longer() {
        let mut mark = Mark::new(800);
        for (free, shortage) in [
            (801, Nothing),
            (800, Nothing),
            (799, Mail),
            (800, Mail),
            (899, Mail),
            (900, Nothing),
            (850, Nothing),
            (799, Mail),
            (400, Mail),
            (399, Connections),
            (400, Connections),
            (499, Connections),
            (500, Mail),
            (450, Mail),
            (0, Connections),
            (u64::MAX, Nothing),
            (0, Connections),
            (899, Mail),
        ] {
            let before = mark.shortage();
            assert_eq!(mark.look(free), before != shortage, "{free}");
            assert_eq!(mark.shortage(), shortage, "{free}");
        }
    }

    #[test]
    fn nothing_is_short_when_nothing_is_asked_for() {
        let mut mark = Mark::new(0);
        assert!(!mark.look(0));
        assert_eq!(mark.shortage(), Nothing);
        let mut most = Mark::new(u64::MAX);
        assert!(most.look(u64::MAX - 1));
        assert_eq!(most.shortage(), Mail);
    }
}
