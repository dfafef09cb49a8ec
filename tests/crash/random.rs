//! Numbers that repeat: a seed decides a whole run.
//!
//! In: a seed. Out: numbers, by the generator of S. Vigna's splitmix64. Does not: serve any purpose of secrecy.

/// A generator.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Rounds of one test.
pub(crate) fn rounds() -> u64 {
    number("POSTERN_CRASH_ROUNDS").unwrap_or(ROUNDS_DEFAULT)
}

/// Where the seeds of a run begin; the same each time, unless told otherwise.
pub(crate) fn seed() -> u64 {
    number("POSTERN_CRASH_SEED").unwrap_or(1)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Rounds that fit an ordinary run of the tests.
const ROUNDS_DEFAULT: u64 = 5;
