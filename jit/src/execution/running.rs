//! One execution in the making: its values, its bounds, how it ended.
//!
//! Its first part is what generated code reads and writes. Everything else is for the host calls. Owned by the fibre
//! while the script runs; nobody outside touches it then.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use super::fiber::{Parked, Resume, YielderPointer};
use super::marks::Marks;
use super::{Ending, HostAnswer, HostRequest, Limits};
use crate::boundary::enter::enter;
use crate::boundary::layout::ExecutionState;
use crate::builtins::{Unwind, seen_tables};
use crate::codegen::ENTRIES_MAX;
use crate::error::{ErrorKind, ScriptError};
use crate::ir::FunctionId;
use crate::process::{ProcessAnswer, ProcessRequest};
use crate::runtime::Value;
use crate::runtime::heap::{is_work_due, take_work};
use crate::runtime::portable::Snapshot;
use crate::runtime::string::octet_strings;
use crate::script::ScriptInner;

/// A running execution. `repr(C)`: generated code gets the address of the state and nothing else.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) state: ExecutionState,
    pub(crate) script: Arc<ScriptInner>,
    pub(crate) predefined: Vec<Value>,
    /// Which predefined variables were written.
    pub(crate) written: Marks,
    pub(crate) globals: Vec<Value>,
    pub(crate) statics: Vec<Value>,
    /// Which modules have run, by the function that is their top level.
    pub(crate) modules_run: Marks,
    /// Which functions are being executed, of those that a function value may reach.
    pub(crate) active: Marks,
    /// How many calls by value are nested.
    pub(crate) entries: usize,
    pub(crate) limits: Limits,
    fuel_left: u64,
    /// Set when the script must end, and never cleared: from then on every call that can fail fails, nothing parks any more,
    /// and the next round of a loop asks for fuel that it does not get.
    pub(crate) ending_now: bool,
    /// Units taken from this slice for work on large values. They shorten the slice and are given back with the next: how
    /// much is copied depends on who else holds a value, and the fuel of a script must not.
    lent: u64,
    /// The barriers it is in, the innermost last.
    pub(crate) barriers: Vec<Box<[u8]>>,
    pub(crate) output: Vec<Vec<u8>>,
    output_octets: usize,
    /// How it ends, once it is known that it does not just come to its end.
    pub(crate) ending: Option<Ending>,
    pub(crate) panic: Option<Box<dyn Any + Send>>,
    pub(super) yielder: YielderPointer,
    /// When it began, if the script may ask for that: reading the clock takes longer than all else of a short script.
    pub(crate) started: Instant,
    /// Whether its values are kept when it has ended.
    pub(super) keeps: bool,
    /// What the main program returned, if values are kept.
    pub(super) result: Value,
}

impl Running {
    /// An execution of a script that has not begun. `constants` must stay where they are until it ends.
    pub(super) fn new(script: Arc<ScriptInner>, constants: *const u64) -> Self {
        let functions = script.functions.len();
        let predefined = script.predefined_count;
        Self {
            state: ExecutionState {
                fuel: 0,
                constants,
                predefined: std::ptr::null_mut(),
                octets: octet_strings(),
                networks: seen_tables(),
                failed_site: 0,
                reserved: 0,
            },
            predefined: vec![Value::NONE; predefined],
            written: Marks::new(predefined),
            globals: Vec::new(),
            statics: Vec::new(),
            modules_run: Marks::new(functions),
            active: Marks::new(functions),
            entries: 0,
            fuel_left: 0,
            ending_now: false,
            lent: 0,
            limits: Limits::default(),
            barriers: Vec::new(),
            output: Vec::new(),
            output_octets: 0,
            ending: None,
            panic: None,
            yielder: YielderPointer::none(),
            started: Instant::now(),
            keeps: false,
            result: Value::NONE,
            script,
        }
    }

    /// Makes a fresh execution of one that ended, whose values are gone already.
    pub(super) fn begin(&mut self, limits: Limits) {
        let slice = limits.fuel_per_slice.min(limits.fuel);
        self.state.fuel = i64::try_from(slice).unwrap_or(i64::MAX);
        self.state.failed_site = 0;
        self.written.clear();
        self.modules_run.clear();
        self.active.clear();
        self.entries = 0;
        self.fuel_left = limits.fuel - slice;
        self.limits = limits;
        self.ending_now = false;
        self.lent = 0;
        self.barriers.clear();
        self.output_octets = 0;
        self.ending = None;
        if self.script.timed {
            self.started = Instant::now();
        }
        self.keeps = false;
    }

    /// Drops every value; the heap must be entered.
    pub(super) fn drop_values(&mut self) {
        for variable in &mut self.predefined {
            *variable = Value::NONE;
        }
        self.globals.clear();
        self.statics.clear();
        self.result = Value::NONE;
    }

    /// Runs the main program to its end. The predefined variables are in place. How it ended is noted, unless it just
    /// came to its end.
    pub(super) fn run(&mut self) {
        self.state.predefined = self.predefined.as_mut_ptr().cast::<u64>();
        if !self.keeps
            && let Err(kind) = self.make_statics()
        {
            self.ending = Some(Ending::Error(kind.into()));
            return;
        }
        let main = self.script.code.entry(FunctionId(0));
        let result = match main {
            Some(entry) => enter(self, entry, &Value::NONE, &mut []).map(|result| {
                if self.keeps {
                    self.result = result;
                }
            }),
            None => Ok(()),
        };
        if let Err(unwind) = result {
            self.fail(unwind);
        }
        self.locate();
    }

    /// Gives the static variables of classes their initial values.
    pub(super) fn make_statics(&mut self) -> Result<(), ErrorKind> {
        for initial in &self.script.statics {
            self.statics.push(initial.to_value()?);
        }
        Ok(())
    }

    /// Adds the place where the script ended, which generated code noted.
    fn locate(&mut self) {
        let site = self.script.code.tables.span(self.state.failed_site);
        match &mut self.ending {
            Some(Ending::Action { span, .. } | Ending::Error(ScriptError { span, .. })) => {
                *span = span.or(site);
            }
            Some(Ending::Implicit) | None => {}
        }
    }

    /// Notes why the script must end, unless that is noted already.
    pub(crate) fn fail(&mut self, unwind: Unwind) {
        if let Unwind::Error(kind) = unwind
            && self.ending.is_none()
        {
            self.ending = Some(Ending::Error(ScriptError { kind, span: None }));
        }
    }

    /// Units of fuel used so far.
    pub(super) fn fuel_used(&self) -> u64 {
        let left = u64::try_from(self.state.fuel.saturating_add_unsigned(self.lent)).unwrap_or(0);
        self.limits.fuel - self.fuel_left - left
    }

    /// Called with the slice overdrawn: takes what is missing from the next slice, parking in between, or fails.
    pub(crate) fn refuel(&mut self) -> Result<(), Unwind> {
        if self.ending_now {
            return Err(Unwind::Ended);
        }
        self.state.fuel = self.state.fuel.saturating_add_unsigned(self.lent);
        self.lent = 0;
        if self.state.fuel >= 0 {
            // Only work on values shortened this slice: its fuel is still there after the pause.
            return self.rest();
        }
        while self.state.fuel < 0 {
            let slice = self.limits.fuel_per_slice.min(self.fuel_left);
            if slice == 0 {
                self.state.fuel = 0;
                return Err(Unwind::Error(ErrorKind::FuelExhausted {
                    limit: self.limits.fuel,
                }));
            }
            if let Resume::Cancel(error) = self.park(Parked::OutOfFuel) {
                return Err(self.cancelled(error));
            }
            self.fuel_left -= slice;
            self.state.fuel = self.state.fuel.saturating_add_unsigned(slice);
        }
        Ok(())
    }

    /// Shortens the slice by the work that values took since this was last called.
    #[inline]
    pub(crate) fn lend(&mut self) {
        if is_work_due() {
            self.lend_work();
        }
    }

    #[inline(never)]
    fn lend_work(&mut self) {
        let work = take_work();
        self.lent = self.lent.saturating_add(work);
        self.state.fuel = self.state.fuel.saturating_sub_unsigned(work);
    }

    /// Makes the script end wherever it is.
    pub(crate) fn end_now(&mut self) {
        self.ending_now = true;
        self.state.fuel = i64::MIN / 2;
    }

    /// Whether something comes before the next call: a pause, since work on values alone has used up more than a slice, or
    /// the end.
    #[inline]
    pub(crate) fn is_delayed(&self) -> bool {
        (self.lent > self.limits.fuel_per_slice) | self.ending_now
    }

    /// Takes the pause that is due, if one is. Whether the script must end.
    #[inline(never)]
    pub(crate) fn is_stopped(&mut self) -> bool {
        if self.lent > self.limits.fuel_per_slice
            && let Err(unwind) = self.rest()
        {
            self.fail(unwind);
        }
        self.ending_now
    }

    /// Parks once, and gets back what was lent.
    pub(crate) fn rest(&mut self) -> Result<(), Unwind> {
        self.state.fuel = self.state.fuel.saturating_add_unsigned(self.lent);
        self.lent = 0;
        match self.park(Parked::OutOfFuel) {
            Resume::Cancel(error) => Err(self.cancelled(error)),
            Resume::Go | Resume::Answer(_) | Resume::ProcessAnswer(_) => Ok(()),
        }
    }

    /// Takes fuel for something expensive.
    #[inline]
    pub(crate) fn charge(&mut self, fuel: u64) -> Result<(), Unwind> {
        if self.ending_now {
            return Err(Unwind::Ended);
        }
        self.state.fuel = self.state.fuel.saturating_sub_unsigned(fuel);
        if self.state.fuel < 0 {
            self.refuel()
        } else {
            Ok(())
        }
    }

    /// Asks the world and waits for its answer.
    pub(crate) fn ask(&mut self, request: HostRequest) -> Result<Value, Unwind> {
        match self.park(Parked::NeedsHost(request)) {
            Resume::Answer(answer) => self.take_answer(answer),
            Resume::Cancel(error) => Err(self.cancelled(error)),
            Resume::Go | Resume::ProcessAnswer(_) => Ok(Value::NONE),
        }
    }

    /// Asks what all executions share, and waits for its answer.
    pub(crate) fn ask_process(&mut self, request: ProcessRequest) -> Result<ProcessAnswer, Unwind> {
        match self.park(Parked::NeedsProcess(request)) {
            Resume::ProcessAnswer(answer) => Ok(answer),
            Resume::Cancel(error) => Err(self.cancelled(error)),
            Resume::Go | Resume::Answer(_) => Ok(ProcessAnswer::Done),
        }
    }

    fn take_answer(&mut self, answer: HostAnswer) -> Result<Value, Unwind> {
        for (index, portable) in answer.updates {
            let value = portable.to_value().map_err(Unwind::Error)?;
            if let Some(variable) = self.predefined.get_mut(index) {
                *variable = value;
            }
        }
        answer.value.to_value().map_err(Unwind::Error)
    }

    /// Notes why the script must end and makes sure that it does.
    fn cancelled(&mut self, error: Option<ErrorKind>) -> Unwind {
        if let Some(kind) = error {
            self.fail(Unwind::Error(kind));
        }
        self.end_now();
        Unwind::Ended
    }

    /// Calls a function by value, unless too many such calls are nested already: they take native stack, whose bound
    /// counts on it, even where a builtin calls a builtin and no code of the script runs in between.
    #[inline]
    pub(crate) fn nested<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<T, Unwind>,
    ) -> Result<T, Unwind> {
        if self.entries > ENTRIES_MAX {
            return Err(Unwind::Error(ErrorKind::CallDepth { limit: ENTRIES_MAX }));
        }
        self.entries += 1;
        let result = call(self);
        self.entries -= 1;
        result
    }

    /// Prints one line.
    pub(crate) fn print(&mut self, line: Vec<u8>) -> Result<(), Unwind> {
        // A line costs at least its entry, so that many empty lines reach the bound too.
        self.output_octets = self
            .output_octets
            .saturating_add(line.len() + ECHO_OVERHEAD_OCTETS);
        if self.output_octets > self.limits.output_octets {
            return Err(Unwind::Error(ErrorKind::OutputLimit {
                limit: self.limits.output_octets,
            }));
        }
        self.output.push(line);
        Ok(())
    }

    /// The predefined variables that were written, as copies that outlive the heap.
    pub(super) fn written(&self) -> Result<Vec<(usize, Snapshot)>, ErrorKind> {
        let mut written = Vec::new();
        for index in self.written.iter() {
            written.push((index, Snapshot::take(&self.predefined[index])?));
        }
        Ok(written)
    }
}

/// What an `echo` counts besides its octets.
const ECHO_OVERHEAD_OCTETS: usize = 8;
