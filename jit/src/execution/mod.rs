//! Running scripts: instances on a shard, executions that can be parked, what they ask and how they end.
//!
//! ```text
//! Script (shared) --> ScriptInstance (one shard) --start--> Execution --resume--> Finished(Outcome)
//!                                                               ^                 NeedsHost(HostRequest)
//!                                                               +--- answer ----- NeedsProcess(ProcessRequest)
//!                                                                                 OutOfFuel
//! ```
//!
//! An execution does nothing by itself: it runs while it is resumed and stands still otherwise. It can neither block nor
//! outlive its fuel. What it asks of the world is a value; so is the answer.

pub(crate) mod calls;
mod fiber;
pub(crate) use fiber::STACK_BYTES;
mod instance;
pub(crate) mod kept;
mod machine;
pub(crate) mod marks;
pub(crate) mod running;

pub use instance::{Execution, Input, ScriptInstance};
pub use kept::Kept;

use crate::error::{ErrorKind, ScriptError};
use crate::process::ProcessRequest;
use crate::runtime::Portable;
use crate::runtime::portable::Snapshot;
use crate::source::Span;

/// The bounds of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units of fuel in all: one per loop round and function call, more for expensive builtins.
    pub fuel: u64,
    /// Units of fuel between two looks at the clock: how long an execution holds its core.
    pub fuel_per_slice: u64,
    /// Memory of all values.
    pub memory_bytes: usize,
    /// Octets of all `echo` output.
    pub output_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: u64::MAX,
            fuel_per_slice: 20_000,
            memory_bytes: 64 * 1024 * 1024,
            output_octets: 1024 * 1024,
        }
    }
}

/// Why [`Execution::resume`] came back.
#[derive(Debug)]
pub enum Step {
    /// The script ended; the execution is spent.
    Finished(Outcome),
    /// The script waits for the answer to this.
    NeedsHost(HostRequest),
    /// The script waits for the answer to this.
    NeedsProcess(ProcessRequest),
    /// The script used up its slice and wants another.
    OutOfFuel,
}

/// How a script ended.
#[derive(Debug)]
pub struct Outcome {
    /// The end itself.
    pub ending: Ending,
    /// What `echo` printed, one entry per statement, in order.
    pub output: Vec<Vec<u8>>,
    /// The predefined variables that scripts may write and this one did: index in the environment, value.
    pub written: Vec<(usize, Snapshot)>,
    /// Units of fuel used.
    pub fuel_used: u64,
    /// Objects still alive in the script's heap: zero after a run to the end.
    pub live_objects: usize,
    /// What is kept for the next execution of a [session](crate::session); none outside of one.
    pub kept: Option<Box<Result<Kept, ErrorKind>>>,
}

/// The end of a script.
#[derive(Debug)]
pub enum Ending {
    /// It ran to its end, or returned from the main program.
    Implicit,
    /// It called a terminating function of its environment.
    Action {
        /// Index in the environment.
        function: usize,
        /// The arguments.
        arguments: Vec<Portable>,
        /// The call.
        span: Option<Span>,
    },
    /// It failed.
    Error(ScriptError),
}

/// What a script asks of the world: a call of a function of its environment that returns.
#[derive(Debug)]
pub struct HostRequest {
    /// Index in the environment.
    pub function: usize,
    /// The arguments.
    pub arguments: Vec<Portable>,
}

/// The world's answer.
#[derive(Debug)]
pub struct HostAnswer {
    /// The result of the call.
    pub value: Portable,
    /// Predefined variables that changed with it: index in the environment, value.
    pub updates: Vec<(usize, Portable)>,
}
