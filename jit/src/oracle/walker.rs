//! The state of one run, its beginning and its end.
//!
//! In: a program and its modules, a host, limits. Out: an [`Outcome`]. Here are what every part of the evaluator needs: frames, fuel, depth
//! and output; what the parts do is in the files named after them.

use std::collections::HashMap;
use std::rc::Rc;

use super::definition::Definitions;
use super::frame::Frame;
use super::module::{MAIN, Module};
use super::process::Process;
use super::statement::Flow;
use super::stop::{At, Evaluated, Stop, fail, refuse};
use super::{Ending, Limits, OracleHost, Outcome};
use crate::error::{ErrorKind, ScriptError};
use crate::resolve::Linked;
use crate::runtime::{Heap, Portable, Value, convert};
use crate::source::{SourceMap, Span};
use crate::syntax::ast::Name;

/// One run of a program.
pub(super) struct Walker<'a> {
    pub(super) host: &'a mut dyn OracleHost,
    pub(super) limits: Limits,
    pub(super) definitions: Definitions,
    /// The programs, the main one first.
    pub(super) linked: &'a Linked,
    /// The texts of data files.
    pub(super) sources: &'a SourceMap,
    /// Parallel to the programs.
    pub(super) modules: Vec<Module>,
    /// The main script, then one for each call and each module that is going on.
    active: Vec<Active>,
    /// How many calls by value are going on.
    pub(super) entries: usize,
    /// The numbers of the functions that are running.
    pub(super) running: Vec<u32>,
    /// Static variables in cells, by class and name; made when first used, since their first values are constants.
    pub(super) statics: HashMap<(u32, Name), Value>,
    /// Names of context functions, by the number their function values have.
    pub(super) host_functions: Vec<String>,
    pub(super) process: Process,
    /// The calls of builtins that are going on.
    pub(super) builtin_calls: Vec<Span>,
    /// Why a function that a builtin called stopped.
    pub(super) stopped: Option<Box<Stop>>,
    /// The state of the generator of randomness.
    pub(super) random: u64,
    /// Bits of the cells of predefined variables, and whether these may be written.
    writable: HashMap<u64, bool>,
    output: Vec<Vec<u8>>,
    output_octets: usize,
    fuel_used: u64,
    depth: u32,
}

/// A text that is running.
#[derive(Debug)]
enum Active {
    /// The top level of a module, whose variables stay.
    Module(usize),
    Call(Frame),
}

/// What each `echo` counts besides its text, so that printing nothing is bounded too.
const ECHO_OVERHEAD_OCTETS: usize = 8;

/// Runs a program on a heap of its own.
pub(super) fn run(
    linked: &Linked,
    sources: &SourceMap,
    host: &mut dyn OracleHost,
    limits: Limits,
) -> Outcome {
    let heap = Heap::new(limits.memory);
    let entered = heap.enter();
    let mut walker = Walker::new(linked, sources, host, limits);
    let result = walker.main();
    let ending = match result {
        Ok(value) => Ending::Finished(value),
        Err(stop) => match *stop {
            Stop::Action {
                name,
                arguments,
                span,
            } => Ending::Action {
                name,
                arguments,
                span,
            },
            Stop::Error { kind, span } => Ending::Error(ScriptError {
                kind,
                span: Some(span),
            }),
            Stop::Refused { reason, span } => Ending::Refused { reason, span },
        },
    };
    let (output, fuel_used) = (std::mem::take(&mut walker.output), walker.fuel_used);
    drop(walker);
    let live_values = heap.live();
    drop(entered);
    Outcome {
        output,
        ending,
        fuel_used,
        live_values,
    }
}

impl<'a> Walker<'a> {
    fn new(
        linked: &'a Linked,
        sources: &'a SourceMap,
        host: &'a mut dyn OracleHost,
        limits: Limits,
    ) -> Self {
        Self {
            host,
            limits,
            definitions: Definitions::default(),
            linked,
            sources,
            modules: linked.programs().map(|_| Module::default()).collect(),
            active: vec![Active::Module(MAIN)],
            entries: 0,
            running: Vec::new(),
            statics: HashMap::new(),
            host_functions: Vec::new(),
            process: Process::default(),
            builtin_calls: Vec::new(),
            stopped: None,
            random: 1,
            writable: HashMap::new(),
            output: Vec::new(),
            output_octets: 0,
            fuel_used: 0,
            depth: 0,
        }
    }

    fn main(&mut self) -> Evaluated<Portable> {
        let Some(program) = self.linked.main().map(Rc::clone) else {
            return Ok(Portable::None);
        };
        let Some(first) = program.statements.first() else {
            return Ok(Portable::None);
        };
        let predefined = self.predefined().at(first.span)?;
        self.link(&predefined)?;
        let value = match self.statements(&program.statements)? {
            Flow::Return(value) => value,
            Flow::Next | Flow::Break | Flow::Continue => Value::NONE,
        };
        Ok(Portable::copy(&value).unwrap_or(Portable::None))
    }

    /// The predefined variables in cells.
    fn predefined(&mut self) -> Result<Vec<(Name, Value)>, ErrorKind> {
        let mut cells = Vec::new();
        for variable in self.host.variables() {
            let cell = Value::cell(variable.value.to_value()?)?;
            self.writable.insert(cell.bits(), variable.writable);
            cells.push((Name::from(variable.name.as_str()), cell));
        }
        Ok(cells)
    }

    /// The frame of the text that is running.
    pub(super) fn frame(&mut self) -> &mut Frame {
        match self.active.last_mut() {
            Some(Active::Call(frame)) => frame,
            Some(Active::Module(module)) => &mut self.modules[*module].frame,
            None => &mut self.modules[MAIN].frame,
        }
    }

    /// The same, to look at.
    pub(super) fn frame_running(&self) -> &Frame {
        match self.active.last() {
            Some(Active::Call(frame)) => frame,
            Some(Active::Module(module)) => &self.modules[*module].frame,
            None => &self.modules[MAIN].frame,
        }
    }

    /// The top level of a module.
    pub(super) fn module_frame_of(&mut self, module: usize) -> &mut Frame {
        &mut self.modules[module].frame
    }

    /// The top level of the module whose text is running.
    pub(super) fn module_frame(&mut self) -> &mut Frame {
        let module = self.frame().scope.module;
        self.module_frame_of(module)
    }

    /// Whether no function is running in the module that is.
    pub(super) fn at_top_level(&self) -> bool {
        !matches!(self.active.last(), Some(Active::Call(_)))
    }

    pub(super) fn push_frame(&mut self, frame: Frame) {
        self.active.push(Active::Call(frame));
    }

    /// Enters the top level of a module.
    pub(super) fn push_module(&mut self, module: usize) {
        self.active.push(Active::Module(module));
    }

    /// Leaves what was entered last.
    pub(super) fn pop_frame(&mut self) {
        self.active.pop();
    }

    /// Whether the variable in this cell must stay as it is.
    pub(super) fn is_read_only(&self, cell: &Value) -> bool {
        self.writable.get(&cell.bits()) == Some(&false)
    }

    /// Whether the variable in this cell always has a value.
    pub(super) fn is_predefined(&self, cell: &Value) -> bool {
        self.writable.contains_key(&cell.bits())
    }

    /// Uses fuel.
    pub(super) fn charge(&mut self, units: u64, span: Span) -> Evaluated<()> {
        let limit = self.limits.fuel;
        if limit - self.fuel_used < units {
            self.fuel_used = limit;
            return fail(ErrorKind::FuelExhausted { limit }, span);
        }
        self.fuel_used += units;
        Ok(())
    }

    /// Goes one level deeper into the tree; whoever calls it calls [`Self::ascend`] afterwards.
    pub(super) fn descend(&mut self, span: Span) -> Evaluated<()> {
        if self.depth >= self.limits.depth {
            return refuse("nested deeper than the plain evaluator follows", span);
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Prints a value.
    pub(super) fn print(&mut self, value: &Value) -> Result<(), ErrorKind> {
        let text = convert::text(value)?;
        let limit = self.limits.output;
        self.output_octets += text.octets().len() + ECHO_OVERHEAD_OCTETS;
        if self.output_octets > limit {
            return Err(ErrorKind::OutputLimit { limit });
        }
        self.output.push(text.octets().to_vec());
        Ok(())
    }
}
