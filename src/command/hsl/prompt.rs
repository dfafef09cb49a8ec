//! Inputs run, one after the other: the prompt without its terminal.
//!
//! In: texts, each complete or the last. Out: what is to be seen, on two writers; the exit status so far. Guarantees: no
//! input ends the prompt but `:quit`; an interrupt ends the script that runs and keeps what it did. Runs within the
//! limits of `postern run`; what an input echoes comes out when it has ended.

use std::fmt;
use std::io::Write;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postern::hook::Failure;
use postern::limits::SHARED_OCTETS_MAX;
use postern::profile::ScriptDirectory;
use postern_jit::error::ErrorKind;
use postern_jit::execution::{Ending, Execution, Input, Limits, Outcome, Step};
use postern_jit::process::{Owner, ProcessRequest, SharedWrite, milliseconds};
use postern_jit::runtime::Portable;
use postern_jit::session::Session;
use postern_jit::source::SourceMap;
use postern_jit::syntax::parser::{Judgement, judge};

use super::commands;
use super::files::Files;
use crate::command::run::{self, Shown, Variable};
use crate::command::{Context, FAILED, WRONG};

/// A session and everything its scripts ask for.
#[derive(Debug)]
pub(super) struct Prompt {
    context: Context,
    pub(super) session: Session,
    files: Files,
    /// Of the predefined variables, by index.
    values: Vec<Portable>,
    process: Owner<()>,
    /// Barriers that the running script is in.
    barriers: Vec<Box<[u8]>>,
    begin: Instant,
    limits: Limits,
    interrupt: Arc<AtomicBool>,
    pub(super) is_timed: bool,
    status: u8,
}

/// Where things are shown. What cannot be written is lost: nobody is there to tell.
pub(super) struct Screen<'w> {
    pub(super) out: &'w mut dyn Write,
    pub(super) err: &'w mut dyn Write,
}

/// What follows an input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// The next one.
    Next,
    /// The end.
    Quit,
}

impl Screen<'_> {
    /// A line of what was asked for.
    pub(super) fn show(&mut self, line: &[u8]) {
        let written = self.out.write_all(line);
        drop(written.and_then(|()| self.out.write_all(b"\n")));
    }

    /// A line for people.
    pub(super) fn tell(&mut self, line: impl fmt::Display) {
        drop(writeln!(self.err, "{line}"));
    }

    /// An error without a place.
    pub(super) fn complain(&mut self, message: impl fmt::Display) {
        self.tell(format_args!("error: {message}"));
    }

    fn flush(&mut self) {
        drop(self.out.flush());
        drop(self.err.flush());
    }
}

impl Prompt {
    pub(super) fn new(
        context: Context,
        variables: &[Variable],
        memory_bytes: usize,
        directory: ScriptDirectory,
        interrupt: Arc<AtomicBool>,
    ) -> Self {
        let (environment, values) = run::environment(context, variables);
        Self {
            context,
            session: Session::new(environment),
            files: Files::new(directory),
            values,
            process: Owner::new(SHARED_OCTETS_MAX),
            barriers: Vec::new(),
            begin: Instant::now(),
            limits: Limits {
                memory_bytes,
                output_octets: memory_bytes,
                ..Limits::default()
            },
            interrupt,
            is_timed: false,
            status: 0,
        }
    }

    /// The worst that happened, as an exit status.
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// Forgets every variable and declaration, and what `cache` and `barrier` kept.
    pub(super) fn reset(&mut self) {
        self.session = Session::new(self.session.environment().clone());
        self.files.clear();
        self.process = Owner::new(SHARED_OCTETS_MAX);
    }

    /// Does what an input says: a text that is complete, or will not get longer; or a command.
    pub(super) fn enter(&mut self, text: &[u8], screen: &mut Screen<'_>) -> Turn {
        let turn = match text.trim_ascii().strip_prefix(b":") {
            Some(command) => commands::run(self, command, screen),
            None => {
                if judge(text) != Judgement::Nothing {
                    self.run(text, screen);
                }
                Turn::Next
            }
        };
        screen.flush();
        turn
    }

    fn run(&mut self, text: &[u8], screen: &mut Screen<'_>) {
        let began = Instant::now();
        let compiled = self.session.compile(text, &mut self.files);
        self.files.settle(compiled.input.is_some());
        if compiled.diagnostics.iter().len() != 0 {
            let shown = compiled.diagnostics.render(&compiled.sources);
            screen.tell(shown.trim_end());
        }
        let Some(input) = compiled.input else {
            return self.note(WRONG);
        };
        let compiling = began.elapsed();
        self.interrupt.store(false, Ordering::Relaxed);
        let values = &self.values;
        let predefined = |index: usize| Input::Portable(&values[index]);
        let execution = match self.session.start(&input, self.limits, predefined) {
            Ok(execution) => execution,
            Err(error) => {
                screen.complain(format_args!("{error}; `:reset` forgets the variables"));
                return self.note(FAILED);
            }
        };
        let began = Instant::now();
        let mut outcome = self.execute(execution);
        let running = began.elapsed();
        let finished = self.session.finish(input, &mut outcome);
        for line in &outcome.output {
            screen.show(line);
        }
        match finished.value {
            Some(Ok(value)) => screen.show(&value),
            Some(Err(error)) => screen.tell(format_args!("this value is not shown: {error}")),
            None => {}
        }
        let fuel_used = outcome.fuel_used;
        self.tell_ending(outcome.ending, &compiled.sources, screen);
        if let Some(error) = finished.lost {
            let message = "the variables are as they were before this input";
            screen.complain(format_args!("{message}: {error}"));
            self.note(FAILED);
        }
        if self.is_timed {
            let (compiling, running) = (Milliseconds(compiling), Milliseconds(running));
            let times = format_args!("compiled in {compiling}, ran {running}, fuel {fuel_used}");
            screen.tell(times);
        }
    }

    fn tell_ending(&mut self, ending: Ending, sources: &SourceMap, screen: &mut Screen<'_>) {
        let is_implicit = matches!(ending, Ending::Implicit);
        match run::action(self.context.hook(), ending) {
            // Another input follows, so that the end of one decides nothing.
            Ok(_) if is_implicit => {}
            Ok(Some(action)) => screen.tell(action),
            Ok(None) => {}
            Err(failure) => self.tell_failure(&failure, sources, screen),
        }
    }

    fn tell_failure(&mut self, failure: &Failure, sources: &SourceMap, screen: &mut Screen<'_>) {
        screen.tell(Shown(failure, sources));
        self.note(FAILED);
    }

    fn note(&mut self, status: u8) {
        self.status = self.status.max(status);
    }

    fn execute(&mut self, mut execution: Execution) -> Outcome {
        let mut step = execution.resume();
        let outcome = loop {
            step = match step {
                Step::Finished(outcome) => break outcome,
                _ if self.interrupt.swap(false, Ordering::Relaxed) => {
                    execution.fail(ErrorKind::Interrupted)
                }
                Step::OutOfFuel => execution.resume(),
                Step::NeedsHost(request) => {
                    let environment = self.session.environment();
                    match run::answer(&request, environment, &mut self.values) {
                        Ok(answer) => execution.answer(answer),
                        Err(error) => execution.fail(error),
                    }
                }
                Step::NeedsProcess(request) => self.process(request, &mut execution),
            };
        };
        // A script that ended inside of barriers leaves them as they were.
        for name in mem::take(&mut self.barriers) {
            let shared = SharedWrite::Keep;
            self.ask(ProcessRequest::BarrierLeave { name, shared });
        }
        outcome
    }

    fn process(&mut self, request: ProcessRequest, execution: &mut Execution) -> Step {
        match &request {
            ProcessRequest::BarrierEnter { name, .. } => self.barriers.push(name.clone()),
            ProcessRequest::BarrierLeave { .. } => drop(self.barriers.pop()),
            ProcessRequest::CacheRead(_) | ProcessRequest::CacheWrite(_) => {}
        }
        match self.ask(request) {
            Some(answer) => execution.answer_process(answer),
            // Somebody else is in a barrier, and there is nobody else.
            None => execution.resume(),
        }
    }

    fn ask(&mut self, request: ProcessRequest) -> Option<postern_jit::process::ProcessAnswer> {
        let now_ms = milliseconds(self.begin.elapsed().as_secs_f64());
        self.process.ask(request, (), now_ms).answer
    }
}

/// A time as people read it.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3} ms", self.0.as_secs_f64() * 1_000.0)
    }
}

#[cfg(test)]
mod tests;
