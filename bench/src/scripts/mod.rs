//! Compares HSL with other script languages, one algorithm at a time.
//!
//! In: the folder of workloads, each of them one program per language; the engines that are installed. Out: Markdown with
//! nanoseconds per item, the medians of the rounds with least and most, how many times as fast HSL is, and the targets.
//! Guarantees: one processor for everybody, and its time used by the engine is what counts; engines take turns within each workload (A B C, A B C); start and compilation
//! are not timed; answers that differ between engines, or between rounds, end in an error.
//! Does not: install anything; an engine that is missing is left out and said so. A missed target is told, no failure.

mod engine;
mod hsl;
mod table;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::Failure;
use crate::machine::Machine;
use engine::{Engine, Installed};
use workload::Workload;

/// Options of `scripts`.
#[derive(Args, Debug)]
pub(crate) struct ScriptsArguments {
    /// Rounds, in each of which every engine has its turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// One short round, to see that everything works; the figures mean little
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
    /// Only the workloads with these names
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Engines to compare; those that are not installed are left out
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// The processor everything runs on [default: the last one]
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Where the workloads are
    #[arg(long, value_name = "DIR", default_value = "bench/workloads")]
    workloads: PathBuf,
    /// Write all figures here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What the rounds of one workload gave.
#[derive(Debug)]
struct Measured {
    workload: &'static Workload,
    items_count: u64,
    answer: String,
    /// By engine, then by round.
    times: Vec<Vec<Times>>,
}

/// Nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// CPU of the process.
    cpu_ns: f64,
    /// What the clock says, which runs on while other processes have the processor.
    wall_ns: f64,
}

impl Times {
    fn per_item(self, items_count: u64) -> Self {
        Self {
            cpu_ns: self.cpu_ns / as_f64(items_count),
            wall_ns: self.wall_ns / as_f64(items_count),
        }
    }
}

/// One program run once.
#[derive(Debug)]
struct Run {
    answer: String,
    times: Times,
}

/// Runs the comparison and prints its tables.
pub(crate) fn run(arguments: &ScriptsArguments) -> Result<(), Failure> {
    let chosen = workload::chosen(&arguments.only)?;
    let machine = Machine::here();
    pin(arguments.cpu)?;
    let mut installed = Vec::new();
    for engine in &arguments.engines {
        match Installed::find(*engine, &arguments.workloads)? {
            Ok(found) => installed.push(found),
            Err(why) => eprintln!("{} is left out: {why}", engine.name()),
        }
    }
    let mut measured = Vec::new();
    for workload in chosen {
        eprintln!("{}", workload.name);
        measured.push(measure(workload, &installed, arguments)?);
    }
    let report = table::Report::new(&installed, &measured);
    if let Some(path) = &arguments.json {
        fs::write(path, report.json(&machine))
            .map_err(|error| Failure::of(path.display(), error))?;
    }
    print(&report.markdown(&machine))
}

fn measure(
    workload: &'static Workload,
    installed: &[Installed],
    arguments: &ScriptsArguments,
) -> Result<Measured, Failure> {
    let (turns_count, share) = if arguments.quick {
        (1, QUICK_SHARE)
    } else {
        (arguments.rounds, 1)
    };
    let rounds = (workload.rounds / share).max(1);
    let inputs = workload.inputs(&arguments.workloads)?;
    let items_count = rounds * workload.items_per_round(&inputs);
    let mut answer: Option<(&Installed, String)> = None;
    let mut times = vec![Vec::new(); installed.len()];
    let programs = installed
        .iter()
        .map(|engine| engine.program(workload, &inputs, &arguments.workloads))
        .collect::<Result<Vec<_>, Failure>>()?;
    for _ in 0..turns_count {
        for ((engine, program), times) in installed.iter().zip(&programs).zip(&mut times) {
            let run = program.run(rounds, (rounds / WARM_UP_SHARE).max(1))?;
            times.push(run.times.per_item(items_count));
            match &answer {
                None => answer = Some((engine, run.answer)),
                Some((first, expected)) if *expected != run.answer => {
                    return Err(Failure(format!(
                        "{}: {} answers\n{}\nand {} answers\n{}",
                        workload.name,
                        first.engine.name(),
                        expected,
                        engine.engine.name(),
                        run.answer
                    )));
                }
                Some(_) => (),
            }
        }
    }
    Ok(Measured {
        workload,
        items_count,
        answer: answer.map(|(_, answer)| answer).unwrap_or_default(),
        times,
    })
}

/// Keeps this thread, and the processes it starts, on one processor.
fn pin(cpu: Option<usize>) -> Result<(), Failure> {
    let error = |error| Failure::of("the processors of this program", error);
    let allowed = sched_getaffinity(None).map_err(error)?;
    let last = (0..CpuSet::MAX_CPU).rfind(|cpu| allowed.is_set(*cpu));
    let cpu = cpu.or(last).unwrap_or(0);
    if CpuSet::MAX_CPU <= cpu || !allowed.is_set(cpu) {
        return Err(Failure(format!(
            "processor {cpu} is not among those of this program; set --cpu"
        )));
    }
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).map_err(error)
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::of("standard output", error))
}

/// The text of a file of the suite.
fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::of(path.display(), error))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

/// The rounds of a workload are divided by this for the warm-up before each measurement.
const WARM_UP_SHARE: u64 = 4;

/// The rounds of a workload are divided by this in a quick comparison.
const QUICK_SHARE: u64 = 20;
