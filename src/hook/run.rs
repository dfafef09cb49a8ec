//! One run of a hook's script under its budget.
//!
//! In: inputs, and the time in microseconds whenever it is resumed. Out: [`Turn`]: it ended, it asks something, or its
//! slice is over and others must have theirs. Guarantees: holds the core for one slice at a time; past its budget of CPU
//! or of time the script ends with an error that names the limit. Dropping a run ends its script.
//! Does not: read a clock, wait or yield; the connection that drives it does.

use postern_jit::error::ErrorKind;
use postern_jit::execution::{Ending, Execution, HostAnswer, HostRequest, Limits, Outcome, Step};
use postern_jit::process::{ProcessAnswer, ProcessRequest};

use super::variables::Inputs;
use super::{Budget, Facts, Failure, HookInstance, Reason, StoredContext, Variable};
use crate::limits;

/// A script that has started and not ended.
#[derive(Debug)]
pub struct Run {
    execution: Execution,
    budget: Budget,
    begin_us: u64,
    cpu_us: u64,
}

/// Why a run came back.
#[derive(Debug)]
pub enum Turn {
    /// The script ended.
    Ended(Outcome),
    /// The script waits for an answer; [`Run::answer`] goes on.
    Asks(HostRequest),
    /// The script waits for an answer of what all scripts share; [`Run::answer_process`] goes on.
    AsksProcess(ProcessRequest),
    /// The slice is over; [`Run::resume`] goes on.
    SliceOver,
    /// The script was ended.
    Stopped(Failure),
}

impl HookInstance {
    /// Starts the script.
    ///
    /// # Errors
    ///
    /// `$context` cannot be given to it, or there is no memory for it.
    pub fn start(&self, facts: &Facts<'_>, now_us: u64) -> Result<Run, Failure> {
        let limits = Limits {
            fuel: u64::MAX,
            fuel_per_slice: limits::SCRIPT_FUEL_PER_SLICE,
            memory_bytes: self.budget.memory_bytes_max,
            output_octets: limits::SCRIPT_OUTPUT_OCTETS_MAX,
        };
        let start = || {
            let inputs = Inputs::new(self, facts)?;
            self.instance.start(limits, |index| inputs.input(index))
        };
        let execution = start().map_err(|kind| Failure {
            reason: Reason::Script(kind),
            span: None,
        })?;
        Ok(Run {
            execution,
            budget: self.budget,
            begin_us: now_us,
            cpu_us: 0,
        })
    }

    /// Takes what the script left in `$context` out of its outcome; none when it did not touch it.
    ///
    /// # Errors
    ///
    /// It is more than [`limits::SCRIPT_CONTEXT_BYTES_MAX`].
    pub fn take_context(&self, outcome: &mut Outcome) -> Result<Option<StoredContext>, Failure> {
        let context = self.hook.index(Variable::Context);
        let mut written = outcome.written.iter();
        let Some(place) = written.position(|(index, _)| Some(*index) == context) else {
            return Ok(None);
        };
        let (_, value) = outcome.written.swap_remove(place);
        let limit_bytes = limits::SCRIPT_CONTEXT_BYTES_MAX;
        if limit_bytes < value.bytes() {
            return Err(Failure {
                reason: Reason::ContextSize { limit_bytes },
                span: None,
            });
        }
        Ok(Some(StoredContext {
            hook: self.hook,
            value,
        }))
    }
}

impl Run {
    /// Runs the script for a slice. `now_us` is called before and after.
    pub fn resume(&mut self, now_us: impl Fn() -> u64) -> Turn {
        self.turn(now_us, Execution::resume)
    }

    /// Gives the answer and runs the script for a slice. `now_us` is called before and after.
    pub fn answer(&mut self, answer: HostAnswer, now_us: impl Fn() -> u64) -> Turn {
        self.turn(now_us, |execution| execution.answer(answer))
    }

    /// Gives the answer and runs the script for a slice. `now_us` is called before and after.
    pub fn answer_process(&mut self, answer: ProcessAnswer, now_us: impl Fn() -> u64) -> Turn {
        self.turn(now_us, |execution| execution.answer_process(answer))
    }

    /// For how long the script may still wait, in microseconds.
    #[must_use]
    pub fn wall_left_us(&self, now_us: u64) -> u64 {
        let wall_us_max = self.budget.wall_ms_max.saturating_mul(1_000);
        wall_us_max.saturating_sub(now_us.saturating_sub(self.begin_us))
    }

    /// Ends the script where it waits for an answer that did not come in its time.
    pub fn time_out(&mut self) -> Turn {
        let reason = Reason::WallTime {
            limit_ms: self.budget.wall_ms_max,
        };
        Turn::Stopped(self.stop_for(reason))
    }

    /// Ends the script where it waits for an answer, with an error of what it asked.
    pub fn refuse(&mut self, error: ErrorKind) -> Turn {
        let failure = self.stop(error);
        Turn::Stopped(failure)
    }

    fn turn(
        &mut self,
        now_us: impl Fn() -> u64,
        go_on: impl FnOnce(&mut Execution) -> Step,
    ) -> Turn {
        let begin_us = now_us();
        let step = go_on(&mut self.execution);
        let end_us = now_us();
        self.cpu_us += end_us.saturating_sub(begin_us);
        match step {
            Step::Finished(outcome) => Turn::Ended(outcome),
            _ if let Some(reason) = self.overrun(end_us) => Turn::Stopped(self.stop_for(reason)),
            Step::NeedsHost(request) => Turn::Asks(request),
            Step::NeedsProcess(request) => Turn::AsksProcess(request),
            Step::OutOfFuel => Turn::SliceOver,
        }
    }

    fn overrun(&self, now_us: u64) -> Option<Reason> {
        let Budget {
            wall_ms_max,
            cpu_ms_max,
            ..
        } = self.budget;
        if cpu_ms_max.saturating_mul(1_000) < self.cpu_us {
            let limit_ms = cpu_ms_max;
            return Some(Reason::CpuTime { limit_ms });
        }
        if wall_ms_max.saturating_mul(1_000) < now_us.saturating_sub(self.begin_us) {
            let limit_ms = wall_ms_max;
            return Some(Reason::WallTime { limit_ms });
        }
        None
    }

    /// Ends the script for a reason of its host.
    fn stop_for(&mut self, reason: Reason) -> Failure {
        let span = self.stop(ErrorKind::FuelExhausted { limit: 0 }).span;
        Failure { reason, span }
    }

    /// Ends the script with `error`; the place is where it stands.
    fn stop(&mut self, error: ErrorKind) -> Failure {
        let without_place = Failure {
            reason: Reason::Script(error.clone()),
            span: None,
        };
        match self.execution.fail(error) {
            Step::Finished(Outcome {
                ending: Ending::Error(error),
                ..
            }) => error.into(),
            Step::Finished(_) | Step::NeedsHost(_) | Step::NeedsProcess(_) | Step::OutOfFuel => {
                without_place
            }
        }
    }
}
