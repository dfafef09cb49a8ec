//! Why a measurement is worth nothing.
//!
//! In: what went wrong. Out: one sentence for the person who runs the benchmark. Does not: recover.

use std::fmt;

/// One sentence, lower case, no final stop.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// A failure of `what`, with its cause.
    pub(crate) fn of(what: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(format!("{what}: {cause}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
