//! What all executions of a process share: results that `cache` keeps, and the variables of `barrier`s.
//!
//! In: a [`ProcessRequest`] of a parked execution, and the time. Out: a [`ProcessAnswer`], at once or, at a barrier that
//! somebody is in, later. Values go in and out as copies. Guarantees: memory is bounded; what was used longest ago goes
//! first. Does not: know threads. Whoever runs scripts decides who owns which name ([`ProcessRequest::name`]) and carries
//! requests there; one owner per name makes every answer exact.
//!
//! HSL manual: structures, "cache" and "barrier".

mod barrier;
mod cache;
mod options;
mod owner;

pub use barrier::SharedWrite;
pub use cache::{CacheKey, CacheWrite, Cached};
pub use options::CacheOptions;
pub use owner::{Owner, Reaction};

use crate::runtime::{Portable, number};

/// What a script asks.
#[derive(Debug)]
pub enum ProcessRequest {
    /// The result kept for a call.
    CacheRead(CacheKey),
    /// To keep a result.
    CacheWrite(CacheWrite),
    /// To be the only one in a barrier.
    BarrierEnter {
        /// The barrier.
        name: Box<[u8]>,
        /// Whether the answer is to have its variable.
        is_read: bool,
    },
    /// To let the next one in.
    BarrierLeave {
        /// The barrier.
        name: Box<[u8]>,
        /// What becomes of its variable.
        shared: SharedWrite,
    },
}

impl ProcessRequest {
    /// What the request is about: all requests of one name must go to one owner, in order.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Self::CacheRead(key) | Self::CacheWrite(CacheWrite { key, .. }) => key.cache(),
            Self::BarrierEnter { name, .. } | Self::BarrierLeave { name, .. } => name,
        }
    }
}

/// The answer to a [`ProcessRequest`].
#[derive(Debug)]
pub enum ProcessAnswer {
    /// To [`ProcessRequest::CacheRead`]: what is kept, if anything.
    Cached(Option<Cached>),
    /// To [`ProcessRequest::CacheWrite`] and [`ProcessRequest::BarrierLeave`].
    Done,
    /// To [`ProcessRequest::BarrierEnter`]: its variable, if it has a value and was asked for.
    Entered(Option<Portable>),
}

/// The longest name of a barrier, in octets: it is copied to wherever the barrier is known.
pub const BARRIER_NAME_OCTETS_MAX: usize = 1_024;

/// Seconds as milliseconds, rounded up so that a part of one is not none.
#[must_use]
pub fn milliseconds(seconds: f64) -> u64 {
    number::to_count((seconds * 1_000.0).ceil()) as u64
}

/// What an entry costs besides its octets, about.
const ENTRY_OCTETS: usize = 128;
