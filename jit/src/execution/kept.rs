//! What an execution leaves to the next one of its session.
//!
//! In: the values of an execution that ended, however it ended. Out: copies of its variables, by their numbers in its
//! script, with what they share; and the text of what its main program returned.
//! Does not: know what the numbers are in another script; see [`crate::session`].

use super::marks::Marks;
use super::running::Running;
use crate::error::ErrorKind;
use crate::runtime::convert::{self, TextSink};
use crate::runtime::portable::Snapshot;

/// The values an execution leaves.
#[derive(Debug)]
pub struct Kept {
    /// Cells of the global variables, static variables of the classes, predefined variables.
    pub(crate) values: Snapshot,
    /// How many of each, in this order.
    pub(crate) counts: [usize; 3],
    /// Which global variables hold something.
    pub(crate) defined: Vec<bool>,
    /// Which modules have run, by the function that is their top level.
    pub(crate) modules_run: Marks,
    /// What the main program returned, as a literal.
    pub(crate) result: Result<Vec<u8>, ErrorKind>,
}

impl Kept {
    /// Takes the values of an execution that has ended; its heap is entered.
    pub(super) fn take(running: &Running) -> Result<Self, ErrorKind> {
        let groups = [&running.globals, &running.statics, &running.predefined];
        let defined = running.globals.iter().map(|cell| {
            let cell = cell.as_cell();
            cell.is_some_and(|cell| !cell.get().is_undefined())
        });
        let mut result = Bounded {
            octets: Vec::new(),
            octets_max: running.limits.output_octets,
        };
        let written = convert::write_literal(&running.result, &mut result, convert::DEPTH_MAX);
        let values = Snapshot::take_all(groups.into_iter().flatten())?;
        // What was shared in the heap is not in the copy of strings and arrays: the next execution must have room for it.
        let limit = running.limits.memory_bytes;
        if limit < values.bytes() {
            return Err(ErrorKind::MemoryLimit { limit });
        }
        Ok(Self {
            values,
            counts: groups.map(Vec::len),
            defined: defined.collect(),
            modules_run: running.modules_run.clone(),
            result: written.map(|()| result.octets),
        })
    }
}

/// Text of bounded length.
struct Bounded {
    octets: Vec<u8>,
    octets_max: usize,
}

impl TextSink for Bounded {
    fn push(&mut self, octets: &[u8]) -> Result<(), ErrorKind> {
        if self.octets_max - self.octets.len() < octets.len() {
            let limit = self.octets_max;
            return Err(ErrorKind::OutputLimit { limit });
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }
}
