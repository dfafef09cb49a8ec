//! Runs random programs in every way there is and compares what they do.
//!
//! The plain evaluator, the compiled code and the compiled code without inference must print the same, end the same way at
//! the same place, use the same fuel and leave no value behind. A run of the compiled code that was parked and dropped must
//! leave nothing that the next one of the same instance notices.
//!
//! `DIFFERENTIAL_SEED` and `DIFFERENTIAL_COUNT` choose other programs than the usual few. A disagreement is printed with
//! the program, made smaller, and the seed that gives it.
#![expect(clippy::print_stdout, reason = "tells how many programs were compared")]

mod program;
mod templates;

use postern_jit::diagnostic::Diagnostics;
use postern_jit::error::{ErrorKind, ScriptError};
use postern_jit::execution::{self, Input, ScriptInstance, Step};
use postern_jit::infer::Inference;
use postern_jit::optimise::Optimisations;
use postern_jit::oracle::{self, NoHost};
use postern_jit::process::Owner;
use postern_jit::resolve::{Environment, NoFiles, load};
use postern_jit::script::{Options, Script};
use postern_jit::source::SourceMap;

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    output: Vec<Vec<u8>>,
    /// The error's text and span.
    ending: Result<(), (String, Option<(u32, u32)>)>,
    fuel_used: u64,
    /// Whether values stayed alive; not to be asked of a script that failed, whose heap is dropped whole.
    leaves_values: bool,
    /// Whether it failed for memory, of which the ways need different amounts.
    out_of_memory: bool,
}

/// The bounds of one program.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    fuel: u64,
    memory: usize,
}

/// How the ways compare on one program.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// They agree; whether the program came to its end.
    Same(bool),
    /// The compiler refuses the program, or the evaluator does not follow it.
    Skipped,
    /// They disagree.
    Different(String),
}

fn observe(
    output: Vec<Vec<u8>>,
    error: Option<ScriptError>,
    fuel_used: u64,
    live: usize,
) -> Observed {
    let out_of_memory = error.as_ref().is_some_and(|error| {
        matches!(
            error.kind,
            ErrorKind::MemoryLimit { .. } | ErrorKind::StringLength { .. }
        )
    });
    Observed {
        leaves_values: error.is_none() && live != 0,
        ending: match error {
            None => Ok(()),
            Some(error) => {
                let span = error.span.map(|span| (span.start, span.end));
                Err((error.kind.to_string(), span))
            }
        },
        output,
        fuel_used,
        out_of_memory,
    }
}

/// By the plain evaluator; `None` when it does not follow the program.
fn evaluate(text: &str, bounds: Bounds) -> Option<Observed> {
    let mut sources = SourceMap::new();
    let id = sources.add("program", text.as_bytes())?;
    let mut diagnostics = Diagnostics::new();
    let linked = load(&mut sources, id, &mut NoFiles, &mut diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let limits = oracle::Limits {
        fuel: bounds.fuel,
        memory: bounds.memory,
        ..oracle::Limits::default()
    };
    let outcome = oracle::run(&linked, &sources, &mut NoHost, limits);
    let error = match outcome.ending {
        oracle::Ending::Finished(_) => None,
        oracle::Ending::Error(error) => Some(error),
        oracle::Ending::Action { .. } | oracle::Ending::Refused { .. } => return None,
    };
    let live = outcome.live_values;
    Some(observe(outcome.output, error, outcome.fuel_used, live))
}

/// Compiles a program; `None` when that is refused.
fn compile(text: &str, inference: Inference) -> Option<ScriptInstance> {
    let mut sources = SourceMap::new();
    let main = sources.add("program", text.as_bytes())?;
    let mut diagnostics = Diagnostics::new();
    let options = Options {
        inference,
        optimisations: match inference {
            Inference::On => Optimisations::ALL,
            Inference::Off => Optimisations::NONE,
        },
        ..Options::default()
    };
    let environment = Environment::default();
    let script = Script::compile(
        &mut sources,
        main,
        &environment,
        &mut NoFiles,
        options,
        &mut diagnostics,
    );
    script.map(|script| ScriptInstance::new(&script).expect("constants are small"))
}

fn start(instance: &ScriptInstance, bounds: Bounds) -> execution::Execution {
    let limits = execution::Limits {
        fuel: bounds.fuel,
        fuel_per_slice: 7,
        memory_bytes: bounds.memory,
        ..execution::Limits::default()
    };
    instance
        .start(limits, |_| Input::None)
        .expect("there is memory")
}

fn run(instance: &ScriptInstance, bounds: Bounds) -> Observed {
    let outcome = advance(&mut start(instance, bounds), u64::MAX).expect("it ends");
    let error = match outcome.ending {
        execution::Ending::Error(error) => Some(error),
        execution::Ending::Implicit | execution::Ending::Action { .. } => None,
    };
    let live = outcome.live_objects;
    observe(outcome.output, error, outcome.fuel_used, live)
}

/// Leaves a run where it is after some slices.
fn give_up(instance: &ScriptInstance, bounds: Bounds, slices: u64) {
    drop(advance(&mut start(instance, bounds), slices));
}

/// Runs for so many slices, with caches and barriers of its own; the outcome, if that was enough.
fn advance(execution: &mut execution::Execution, slices: u64) -> Option<execution::Outcome> {
    let mut owner = Owner::new(OWNER_OCTETS);
    let mut step = Step::OutOfFuel;
    for _ in 0..slices {
        step = match step {
            Step::Finished(outcome) => return Some(outcome),
            Step::OutOfFuel | Step::NeedsHost(_) => execution.resume(),
            Step::NeedsProcess(request) => {
                let answer = owner.ask(request, (), 0).answer;
                execution.answer_process(answer.expect("nobody else is in a barrier"))
            }
        };
    }
    None
}

fn compare(text: &str, bounds: Bounds) -> Verdict {
    let (on, off) = (compile(text, Inference::On), compile(text, Inference::Off));
    let (Some(on), Some(off)) = (&on, &off) else {
        return if on.is_some() == off.is_some() {
            Verdict::Skipped
        } else {
            Verdict::Different("one way of compiling refuses what the other accepts".to_owned())
        };
    };
    let (inferred, plain) = (run(on, bounds), run(off, bounds));
    let different = |what: &str, one: &Observed, other: &Observed| {
        Verdict::Different(format!("{what}\n{}\n{}", shown(one), shown(other)))
    };
    if inferred != plain {
        return different("with and without inference", &inferred, &plain);
    }
    give_up(on, bounds, 1 + inferred.fuel_used / 14);
    let again = run(on, bounds);
    if inferred != again {
        return different("the first run and the second", &inferred, &again);
    }
    let Some(expected) = evaluate(text, bounds) else {
        return Verdict::Skipped;
    };
    if expected.out_of_memory || inferred.out_of_memory {
        return Verdict::Skipped;
    }
    if expected != inferred {
        return different("the plain evaluator and compiled", &expected, &inferred);
    }
    Verdict::Same(inferred.ending.is_ok())
}

fn shown(observed: &Observed) -> String {
    let mut text = String::from("----\n");
    for line in &observed.output {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    let (fuel, leaves) = (observed.fuel_used, observed.leaves_values);
    match &observed.ending {
        Ok(()) => text.push_str("finished"),
        Err((error, span)) => text.push_str(&format!("{error} at {span:?}")),
    }
    text + &format!(", fuel {fuel}, leaves values: {leaves}")
}

/// The program with as few lines as still make the ways disagree.
fn smaller(text: &str, bounds: Bounds) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut size = lines.len() / 2;
    while size > 0 {
        let mut at = 0;
        let mut removed = false;
        while at + size <= lines.len() {
            let mut fewer = lines.clone();
            fewer.drain(at..at + size);
            if matches!(compare(&fewer.join("\n"), bounds), Verdict::Different(_)) {
                lines = fewer;
                removed = true;
            } else {
                at += 1;
            }
        }
        if !removed || size > 1 {
            size = if size > 8 { size / 2 } else { size - 1 };
        }
    }
    lines.join("\n")
}

/// Mostly roomy; some programs run out of fuel or memory.
fn bounds(seed: u64) -> Bounds {
    Bounds {
        fuel: if seed % 8 == 3 { 20 + seed % 97 } else { 4_000 },
        memory: if seed % 8 == 5 { 40_000 } else { 2 << 20 },
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(usual, |given| given.parse().expect("a number"))
}

fn compare_programs(first: u64, count: u64) {
    let (mut finished, mut failed, mut skipped) = (0, 0, 0);
    let mut faults = Vec::new();
    for seed in first..first + count {
        let text = program::program(seed);
        match compare(&text, bounds(seed)) {
            Verdict::Same(true) => finished += 1,
            Verdict::Same(false) => failed += 1,
            Verdict::Skipped => skipped += 1,
            Verdict::Different(_) => {
                let text = smaller(&text, bounds(seed));
                let Verdict::Different(how) = compare(&text, bounds(seed)) else {
                    continue;
                };
                println!("DIFFERENTIAL_SEED={seed} DIFFERENTIAL_COUNT=1\n{text}\n{how}\n");
                faults.push(seed);
            }
        }
    }
    println!("{finished} finished, {failed} ended in an error, {skipped} were skipped");
    assert!(faults.is_empty(), "the ways disagree on {faults:?}");
    assert!(
        count < 50 || skipped * 4 < count,
        "a quarter of the programs was skipped"
    );
}

/// More than programs keep: the evaluator keeps everything.
const OWNER_OCTETS: usize = 64 << 20;

/// The plain evaluator recurses on the tree, and without optimization its frames are large.
const STACK_BYTES: usize = 256 << 20;

#[test]
fn random_programs_do_the_same_in_every_way() {
    let first = number("DIFFERENTIAL_SEED", 1);
    let count = number(
        "DIFFERENTIAL_COUNT",
        if cfg!(debug_assertions) { 40 } else { 600 },
    );
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let ran = thread
        .spawn(move || compare_programs(first, count))
        .expect("a thread")
        .join();
    assert!(ran.is_ok(), "the ways disagree, or one panicked");
}
