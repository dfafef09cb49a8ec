//! A script on one shard, and its executions.
//!
//! An instance owns the values of the script's constants, since reference counts are not shared between threads, and
//! keeps heaps and stacks for reuse. In the steady state starting an execution takes nothing from the system.

#![expect(
    unsafe_code,
    reason = "empties the heap of an execution that was given up, whose values are gone"
)]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::fiber::{Fiber, FiberStep, Parked, Resume, STACK_BYTES, StackSlot};
use super::kept::Kept;
use super::running::Running;
use super::{HostAnswer, Limits, Outcome, Step};
use crate::error::ErrorKind;
use crate::process::ProcessAnswer;
use crate::runtime::portable::Snapshot;
use crate::runtime::{Heap, Portable, Value};
use crate::script::{Script, ScriptInner};

/// A script on one shard. Cheap to clone; stays on its thread.
#[derive(Clone, Debug)]
pub struct ScriptInstance {
    inner: Rc<InstanceInner>,
}

/// What all executions of an instance share.
#[derive(Debug)]
pub(crate) struct InstanceInner {
    pub(crate) script: Arc<ScriptInner>,
    constants: Vec<Value>,
    _constants_heap: Heap,
    /// The predefined variables that the script reads, by index.
    inputs: Box<[usize]>,
    spare: RefCell<Vec<Spare>>,
}

/// What an execution that ended leaves for the next.
#[derive(Debug)]
struct Spare {
    heap: Heap,
    stack: StackSlot,
    running: Box<Running>,
}

/// How many of them an idle instance keeps.
const SPARE_MAX: usize = 64;

/// The value of a predefined variable when a script starts.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Not yet known.
    None,
    /// A truth value.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Octets; copied.
    String(&'a [u8]),
    /// Data; copied.
    Portable(&'a Portable),
    /// What a variable held when the script ended before; copied.
    Snapshot(&'a Snapshot),
}

impl Input<'_> {
    fn to_value(self) -> Result<Value, ErrorKind> {
        match self {
            Self::None => Ok(Value::NONE),
            Self::Boolean(truth) => Ok(Value::boolean(truth)),
            Self::Number(number) => Ok(Value::number(number)),
            Self::String(octets) => Value::string(octets),
            Self::Portable(portable) => portable.to_value(),
            Self::Snapshot(snapshot) => snapshot.restore(),
        }
    }
}

impl InstanceInner {
    pub(super) fn constants_pointer(&self) -> *const u64 {
        self.constants.as_ptr().cast::<u64>()
    }
}

impl ScriptInstance {
    /// The script on this thread.
    ///
    /// # Errors
    ///
    /// When the constants of the script exceed what values may hold.
    pub fn new(script: &Script) -> Result<Self, ErrorKind> {
        let inner = Arc::clone(script.inner());
        let heap = Heap::new(usize::MAX);
        let constants = {
            let _entered = heap.enter();
            inner
                .constants
                .iter()
                .map(|constant| constant.to_value().map(Value::immortal))
                .collect::<Result<Vec<_>, _>>()?
        };
        let spare = RefCell::new(Vec::new());
        let reads = inner.reads.iter().enumerate();
        let inputs = reads
            .filter_map(|(index, read)| read.then_some(index))
            .collect();
        Ok(Self {
            inner: Rc::new(InstanceInner {
                script: inner,
                constants,
                _constants_heap: heap,
                inputs,
                spare,
            }),
        })
    }

    /// Whether the script reads a predefined variable: what nobody reads need not be made.
    #[must_use]
    pub fn reads(&self, variable: usize) -> bool {
        self.inner
            .script
            .reads
            .get(variable)
            .copied()
            .unwrap_or(false)
    }

    /// Starts an execution. `input` is asked once for each predefined variable that the script reads.
    ///
    /// # Errors
    ///
    /// When there is no memory for a stack, or an input exceeds the execution's memory.
    pub fn start<'i>(
        &self,
        limits: Limits,
        input: impl FnMut(usize) -> Input<'i>,
    ) -> Result<Execution, ErrorKind> {
        self.start_prepared(limits, input, |_| Ok(()))
    }

    /// Starts an execution whose values are kept when it ends. `prepare` may replace those it begins with.
    pub(crate) fn start_keeping<'i>(
        &self,
        limits: Limits,
        input: impl FnMut(usize) -> Input<'i>,
        prepare: impl FnOnce(&mut Running) -> Result<(), ErrorKind>,
    ) -> Result<Execution, ErrorKind> {
        self.start_prepared(limits, input, |running| {
            running.keeps = true;
            running.make_statics()?;
            prepare(running)
        })
    }

    fn start_prepared<'i>(
        &self,
        limits: Limits,
        input: impl FnMut(usize) -> Input<'i>,
        prepare: impl FnOnce(&mut Running) -> Result<(), ErrorKind>,
    ) -> Result<Execution, ErrorKind> {
        let spare = self.inner.spare.borrow_mut().pop();
        let Spare {
            heap,
            stack,
            mut running,
        } = match spare {
            Some(spare) => spare,
            None => self.fresh()?,
        };
        heap.set_limit(limits.memory_bytes);
        running.begin(limits);
        let inputs = {
            let _entered = heap.enter();
            let inputs = self.take_inputs(&mut running, input);
            let inputs = inputs.and_then(|()| prepare(&mut running));
            if inputs.is_err() {
                running.drop_values();
            }
            inputs
        };
        inputs?;
        let fiber = Fiber::new(running, stack);
        Ok(Execution {
            heap: Some(heap),
            fiber,
            instance: Rc::clone(&self.inner),
        })
    }

    fn take_inputs<'i>(
        &self,
        running: &mut Running,
        mut input: impl FnMut(usize) -> Input<'i>,
    ) -> Result<(), ErrorKind> {
        for index in &self.inner.inputs {
            running.predefined[*index] = input(*index).to_value()?;
        }
        Ok(())
    }

    fn fresh(&self) -> Result<Spare, ErrorKind> {
        let stack = StackSlot::new().map_err(|_| ErrorKind::MemoryLimit { limit: STACK_BYTES })?;
        let constants = self.inner.constants_pointer();
        let running = Box::new(Running::new(Arc::clone(&self.inner.script), constants));
        Ok(Spare {
            heap: Heap::new(usize::MAX),
            stack,
            running,
        })
    }
}

/// One run of a script, possibly parked. Dropping a parked one ends its script.
#[derive(Debug)]
pub struct Execution {
    fiber: Fiber,
    heap: Option<Heap>,
    instance: Rc<InstanceInner>,
}

impl Execution {
    /// Runs until the script ends, asks for something or has used up its slice.
    ///
    /// # Panics
    ///
    /// When the execution has ended already; and with the panic of a builtin, if one panicked.
    pub fn resume(&mut self) -> Step {
        self.step(Resume::Go)
    }

    /// Gives the answer a script waits for and runs on.
    ///
    /// # Panics
    ///
    /// As [`Self::resume`].
    pub fn answer(&mut self, answer: HostAnswer) -> Step {
        self.step(Resume::Answer(answer))
    }

    /// Gives the answer a script waits for and runs on.
    ///
    /// # Panics
    ///
    /// As [`Self::resume`].
    pub fn answer_process(&mut self, answer: ProcessAnswer) -> Step {
        self.step(Resume::ProcessAnswer(answer))
    }

    /// Ends the script with an error where it is parked.
    ///
    /// # Panics
    ///
    /// As [`Self::resume`].
    pub fn fail(&mut self, error: ErrorKind) -> Step {
        self.step(Resume::Cancel(Some(error)))
    }

    fn step(&mut self, with: Resume) -> Step {
        let heap = self
            .heap
            .take()
            .expect("an execution that ended is not resumed");
        let step = {
            let _entered = heap.enter();
            self.fiber
                .resume(with)
                .expect("an execution that ended is not resumed")
        };
        match step {
            FiberStep::Parked(parked) => {
                self.heap = Some(heap);
                match parked {
                    Parked::OutOfFuel => Step::OutOfFuel,
                    Parked::NeedsHost(request) => Step::NeedsHost(request),
                    Parked::NeedsProcess(request) => Step::NeedsProcess(request),
                }
            }
            FiberStep::Ended(running, stack) => Step::Finished(self.finish(heap, running, stack)),
        }
    }

    fn finish(&self, mut heap: Heap, mut running: Box<Running>, stack: StackSlot) -> Outcome {
        let output = std::mem::take(&mut running.output);
        let fuel_used = running.fuel_used();
        let (written, kept) = {
            let _entered = heap.enter();
            let written = running.written().unwrap_or_else(|kind| {
                running.ending = Some(super::Ending::Error(kind.into()));
                Vec::new()
            });
            let kept = running.keeps.then(|| Box::new(Kept::take(&running)));
            running.drop_values();
            (written, kept)
        };
        let live_objects = heap.live();
        let ending = running.ending.take().unwrap_or(super::Ending::Implicit);
        let emptied = if live_objects == 0 {
            heap.reset()
        } else {
            // SAFETY: the script has ended and what the execution held was dropped above. What is still counted belonged
            // to frames that are gone: nobody has a value of this heap any more.
            unsafe { heap.abandon() };
            true
        };
        let mut spare = self.instance.spare.borrow_mut();
        if emptied && spare.len() < SPARE_MAX {
            spare.push(Spare {
                heap,
                stack,
                running,
            });
        }
        Outcome {
            ending,
            output,
            written,
            fuel_used,
            live_objects,
            kept,
        }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // A script that is told to end is not parked again, so this is one round; one that was never resumed leaves at
        // once.
        while self.heap.is_some() {
            let step = self.step(Resume::Cancel(None));
            drop(step);
        }
    }
}
