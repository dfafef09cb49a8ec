//! Runs the HSL program of a workload in this process.
//!
//! In: its text, the rounds and the lines as predefined variables. Out: what it printed and how long it ran, from the
//! first resume to its end. The limits are a shard's: the same memory, the same slices of fuel, the clock read before and
//! after each slice. Compiling is not timed.

use std::path::Path;
use std::time::{Duration, Instant};

use postern::limits;
use postern_jit::execution::{Ending, Input, Limits, Outcome, ScriptInstance, Step};
use postern_jit::resolve::{Environment, PredefinedVariable};
use postern_jit::runtime::Portable;
use postern_jit::runtime::portable::PortableKey;
use rustix::time::{ClockId, clock_gettime};

use super::workload::Inputs;
use super::{Run, Times, as_f64, read};
use crate::failure::Failure;
use crate::script::compiled;

/// A compiled program with its lines.
#[derive(Debug)]
pub(super) struct Program {
    instance: ScriptInstance,
    lines: Portable,
}

impl Program {
    /// Compiles it.
    pub(super) fn compile(file: &Path, inputs: &Inputs) -> Result<Self, Failure> {
        let text = read(file)?;
        let variables = VARIABLES.map(|name| PredefinedVariable {
            name: name.to_owned(),
            writable: false,
        });
        let environment = Environment {
            variables: variables.to_vec(),
            ..Environment::default()
        };
        let name = file.display().to_string();
        let (_, instance) = compiled(&name, text.as_bytes(), &environment)?;
        let lines = (0_i64..).zip(&inputs.lines);
        let lines =
            lines.map(|(index, line)| (PortableKey::Integer(index), Portable::string(line)));
        Ok(Self {
            instance,
            lines: Portable::Array(lines.collect()),
        })
    }

    /// Runs it, after a warm-up.
    pub(super) fn run(&self, rounds: u64, warm_up_rounds: u64) -> Result<Run, Failure> {
        self.execute(warm_up_rounds)?;
        self.execute(rounds)
    }

    fn execute(&self, rounds: u64) -> Result<Run, Failure> {
        let limits = Limits {
            fuel_per_slice: limits::SCRIPT_FUEL_PER_SLICE,
            memory_bytes: usize::try_from(limits::SCRIPT_MEMORY_BYTES_DEFAULT)
                .unwrap_or(usize::MAX),
            output_octets: limits::SCRIPT_OUTPUT_OCTETS_MAX,
            ..Limits::default()
        };
        let input = |index: usize| match VARIABLES[index] {
            "rounds" => Input::Number(as_f64(rounds)),
            _ => Input::Portable(&self.lines),
        };
        let execution = self.instance.start(limits, input);
        let mut execution = execution.map_err(|error| Failure::of("no execution", error))?;
        let (begun, begun_cpu_ns) = (Instant::now(), cpu_ns());
        let mut held = Duration::ZERO;
        let outcome = loop {
            let slice_begun = Instant::now();
            let step = execution.resume();
            held += slice_begun.elapsed();
            match step {
                Step::Finished(outcome) => break outcome,
                Step::OutOfFuel if RUN_MAX < held => {
                    return Err(Failure(format!("a run took more than {RUN_MAX:?}")));
                }
                Step::OutOfFuel => (),
                Step::NeedsHost(_) | Step::NeedsProcess(_) => {
                    return Err(Failure("a workload asks for something".into()));
                }
            }
        };
        let cpu_ns = cpu_ns() - begun_cpu_ns;
        let wall_ns = begun.elapsed().as_secs_f64() * 1e9;
        let answer = answer(outcome)?;
        Ok(Run {
            answer,
            times: Times { cpu_ns, wall_ns },
        })
    }
}

/// CPU of this process, which has one thread here.
fn cpu_ns() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::try_from(used).unwrap_or_default();
    used.as_secs_f64() * 1e9
}

fn answer(outcome: Outcome) -> Result<String, Failure> {
    match outcome.ending {
        Ending::Implicit if outcome.live_objects == 0 => (),
        ending => {
            let left = outcome.live_objects;
            return Err(Failure(format!(
                "unexpected end: {ending:?}, {left} objects left"
            )));
        }
    }
    let lines: Vec<_> = outcome
        .output
        .iter()
        .map(|line| String::from_utf8_lossy(line))
        .collect();
    Ok(lines.join("\n"))
}

/// The variables that a program finds.
const VARIABLES: [&str; 2] = ["rounds", "lines"];

/// What a run may take: two orders of magnitude more than any does.
const RUN_MAX: Duration = Duration::from_secs(120);
