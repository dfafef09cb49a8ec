//! A script's own stack, so that it can be parked anywhere and resumed later.
//!
//! No other file knows that it exists. The execution is owned by the fibre while it runs, and comes back with the result.
//! Dropping a parked fibre resumes it once with [`Resume::Cancel`], upon which every host call fails and the script leaves
//! by the ordinary way: no destructor is skipped.

#![expect(
    unsafe_code,
    reason = "reaches the yielder of the running fibre through a pointer"
)]

use std::fmt;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::running::Running;
use super::{HostAnswer, HostRequest};
use crate::error::ErrorKind;
use crate::process::{ProcessAnswer, ProcessRequest};

/// What a parked script is resumed with.
#[derive(Debug)]
pub(super) enum Resume {
    /// Goes on.
    Go,
    /// Goes on with this.
    Answer(HostAnswer),
    /// Goes on with this.
    ProcessAnswer(ProcessAnswer),
    /// Ends: with this error, or for no reason of its own.
    Cancel(Option<ErrorKind>),
}

/// Why a script was parked.
#[derive(Debug)]
pub(super) enum Parked {
    /// It used up its slice.
    OutOfFuel,
    /// It asks for something.
    NeedsHost(HostRequest),
    /// It asks for something of what all executions share.
    NeedsProcess(ProcessRequest),
}

type Routine = Coroutine<Resume, Parked, Box<Running>, DefaultStack>;

/// A script on its own stack.
pub(super) struct Fiber {
    routine: Option<Routine>,
}

impl fmt::Debug for Fiber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fiber").finish_non_exhaustive()
    }
}

/// What a fibre gives when it is resumed.
#[derive(Debug)]
pub(super) enum FiberStep {
    /// It was parked.
    Parked(Parked),
    /// It ended, as the execution says; the stack can be used again.
    Ended(Box<Running>, StackSlot),
}

/// A stack that no fibre uses.
pub(super) struct StackSlot(pub(super) DefaultStack);

impl fmt::Debug for StackSlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StackSlot")
    }
}

impl StackSlot {
    /// A fresh stack with a guard page.
    pub(super) fn new() -> std::io::Result<Self> {
        DefaultStack::new(STACK_BYTES).map(Self)
    }
}

/// The native stack of a script. Address space: only what is touched takes memory. A script whose bound is larger is
/// refused when it is compiled.
pub(crate) const STACK_BYTES: usize = 1024 * 1024;

impl Fiber {
    /// A fibre that will run an execution's main program.
    pub(super) fn new(running: Box<Running>, stack: StackSlot) -> Self {
        let routine =
            Coroutine::with_stack(stack.0, move |yielder: &Yielder<Resume, Parked>, first| {
                let mut running = running;
                running.yielder = YielderPointer(yielder);
                if !matches!(first, Resume::Cancel(_)) {
                    running.run();
                }
                running.yielder = YielderPointer::none();
                running
            });
        Self {
            routine: Some(routine),
        }
    }

    /// Runs until the script is parked or ends. A fibre that ended gives nothing more.
    pub(super) fn resume(&mut self, with: Resume) -> Option<FiberStep> {
        let mut routine = self.routine.take()?;
        match routine.resume(with) {
            CoroutineResult::Yield(parked) => {
                self.routine = Some(routine);
                Some(FiberStep::Parked(parked))
            }
            CoroutineResult::Return(running) => {
                let stack = StackSlot(routine.into_stack());
                Some(FiberStep::Ended(running, stack))
            }
        }
    }
}

/// Where the running fibre's yielder is; null outside of a fibre.
#[derive(Clone, Copy)]
pub(super) struct YielderPointer(*const Yielder<Resume, Parked>);

impl YielderPointer {
    pub(super) const fn none() -> Self {
        Self(std::ptr::null())
    }
}

impl fmt::Debug for YielderPointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("YielderPointer")
    }
}

impl Running {
    /// Parks the script until it is resumed. One that must end is not parked any more.
    pub(super) fn park(&mut self, why: Parked) -> Resume {
        if self.ending_now {
            return Resume::Cancel(None);
        }
        // SAFETY: the pointer was set by the fibre that owns this execution and is running right now, on whose stack this
        // call is; it is cleared before that fibre ends.
        let yielder = unsafe { self.yielder.0.as_ref() };
        match yielder {
            Some(yielder) => yielder.suspend(why),
            None => Resume::Cancel(None),
        }
    }
}
