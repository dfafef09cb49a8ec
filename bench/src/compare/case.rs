//! The loads that servers are compared under.
//!
//! In: nothing. Out: mode, size and connections of each case, in the order of the table.

use std::fmt;

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// How the generator sends, by its own name.
    pub(super) mode: &'static str,
    /// Octets of each message.
    pub(super) size_octets: u32,
    /// Connections held at the same time.
    pub(super) connections_count: u32,
}

impl Case {
    /// What `--quick` runs.
    pub(super) const QUICK: [Self; 2] = [
        Self {
            mode: "pipe",
            size_octets: KIB,
            connections_count: 16,
        },
        Self {
            mode: "one",
            size_octets: KIB,
            connections_count: 16,
        },
    ];

    /// Every case of a full run.
    pub(super) fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for mode in ["pipe", "next", "seq", "one"] {
            for size_octets in [KIB, 10 * KIB] {
                for connections_count in [16, 256] {
                    cases.push(Self {
                        mode,
                        size_octets,
                        connections_count,
                    });
                }
            }
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mode,
            size_octets,
            connections_count,
        } = self;
        write!(
            formatter,
            "{mode}, {} KiB, {connections_count} connections",
            size_octets / KIB
        )
    }
}

const KIB: u32 = 1_024;
