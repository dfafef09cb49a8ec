//! The ways to run a program, and how they compare.
//!
//! In: a [`Program`] and its [`Bounds`]. Out: a [`Verdict`]. The plain evaluator, and the compiled code in each of
//! some of [`ways`], must print the same, end the same way at the same place, use the same fuel and leave no value behind. A run of
//! the compiled code that was parked and dropped must leave nothing that the next one of the same instance notices.
//! Fuzz targets take this file as it is.

use postern_jit::diagnostic::{Diagnostics, Severity};
use postern_jit::error::{ErrorKind, ScriptError};
use postern_jit::execution::{self, Input, ScriptInstance, Step};
use postern_jit::infer::Inference;
use postern_jit::optimise::{Optimisation, Optimisations};
use postern_jit::oracle::{self, NoHost};
use postern_jit::process::Owner;
use postern_jit::resolve::{Environment, LoadError, LoadedFile, Loader, load};
use postern_jit::script::{Options, Script};
use postern_jit::source::{SourceId, SourceMap, Span};

/// A way to compile.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// What a report calls it.
    pub(crate) name: String,
    /// How to compile.
    pub(crate) options: Options<'static>,
}

impl Way {
    fn new(name: impl Into<String>, inference: Inference, optimisations: Optimisations) -> Self {
        Self {
            name: name.into(),
            options: Options {
                inference,
                optimisations,
                ..Options::default()
            },
        }
    }
}

/// Every way to compile: the usual one, that which does least, and those between. A further way is a further line.
pub(crate) fn ways() -> Vec<Way> {
    let (all, none) = (Optimisations::ALL, Optimisations::NONE);
    let mut ways = vec![
        Way::new("compiled", Inference::On, all),
        Way::new("compiled plainly", Inference::Off, none),
        Way::new("not optimised", Inference::On, none),
        Way::new("without inference", Inference::Off, all),
    ];
    for one in Optimisation::ALL {
        let name = format!("without {one:?}");
        ways.push(Way::new(name, Inference::On, all.without(*one)));
        let name = format!("with nothing but {one:?}");
        ways.push(Way::new(name, Inference::On, none.with(*one)));
    }
    ways
}

/// The usual way, that which does least, and one of the others: compiling takes most of the time.
pub(crate) fn some_ways(seed: u64) -> Vec<Way> {
    let mut ways = ways();
    let others = ways.split_off(2);
    let chosen = seed % (others.len() as u64);
    ways.extend(others.into_iter().nth(usize::try_from(chosen).unwrap_or(0)));
    ways
}

/// A script with the files it may load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'p> {
    /// The main text.
    pub(crate) text: &'p [u8],
    /// Names and texts of the others.
    pub(crate) files: &'p [(Vec<u8>, Vec<u8>)],
}

impl<'p> Program<'p> {
    /// A script that stands alone.
    pub(crate) const fn alone(text: &'p [u8]) -> Self {
        Self { text, files: &[] }
    }

    /// The map of sources with the main text in it.
    pub(crate) fn sources(&self) -> Option<(SourceMap, SourceId)> {
        let mut sources = SourceMap::new();
        let main = sources.add("program", self.text)?;
        Some((sources, main))
    }
}

/// The files of a script in one text: a line `//= name` begins the one of that name, as in the conformance cases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    main: Vec<u8>,
    others: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Files {
    /// Takes the text apart.
    pub(crate) fn split(octets: &[u8]) -> Self {
        let mut files = Self::default();
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            if let Some(name) = line.strip_prefix(b"//= ") {
                files
                    .others
                    .push((name.trim_ascii_end().to_vec(), Vec::new()));
                continue;
            }
            let last = files.others.last_mut().map(|(_, text)| text);
            last.unwrap_or(&mut files.main).extend_from_slice(line);
        }
        files
    }

    /// The program they are.
    pub(crate) fn program(&self) -> Program<'_> {
        Program {
            text: &self.main,
            files: &self.others,
        }
    }
}

impl Loader for Program<'_> {
    fn load(&mut self, _: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let found = self.files.iter().find(|(name, _)| name == path);
        let (name, text) = found.ok_or(LoadError::NotFound)?;
        Ok(LoadedFile {
            name: String::from_utf8_lossy(name).into_owned(),
            text: text.clone(),
        })
    }
}

/// The bounds of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Units of fuel.
    pub(crate) fuel: u64,
    /// Bytes of all values.
    pub(crate) memory: usize,
    /// Octets that `echo` prints.
    pub(crate) output: usize,
}

impl Bounds {
    /// Mostly roomy; some programs run out of fuel, memory or output.
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            fuel: if seed % 8 == 3 { 20 + seed % 97 } else { 4_000 },
            memory: if seed % 8 == 5 { 40_000 } else { 2 << 20 },
            output: if seed % 16 == 7 { 300 } else { 1 << 20 },
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    output: Vec<Vec<u8>>,
    /// The error's text and span.
    ending: Result<(), (String, Option<Span>)>,
    fuel_used: u64,
    /// Whether values stayed alive; not to be asked of a script that failed, whose heap is dropped whole.
    leaves_values: bool,
    /// Whether it failed for memory, of which the ways need different amounts.
    out_of_memory: bool,
}

/// How the ways compare on one program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// They agree; whether the program came to its end.
    Same(bool),
    /// The compiler refuses the program, for this reason, in every way.
    Refused(String),
    /// The evaluator does not follow it, or the ways need different amounts of memory and one had too little.
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
            Some(error) => Err((error.kind.to_string(), error.span)),
        },
        output,
        fuel_used,
        out_of_memory,
    }
}

/// By the plain evaluator; `None` when it does not follow the program.
pub(crate) fn evaluate(mut program: Program<'_>, bounds: Bounds) -> Option<Observed> {
    let (mut sources, main) = program.sources()?;
    let mut diagnostics = Diagnostics::new();
    let linked = load(&mut sources, main, &mut program, &mut diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let limits = oracle::Limits {
        fuel: bounds.fuel,
        memory: bounds.memory,
        output: bounds.output,
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

/// Compiles a program.
///
/// # Errors
///
/// Why the compiler refuses it.
pub(crate) fn compile(mut program: Program<'_>, way: &Way) -> Result<ScriptInstance, String> {
    let (mut sources, main) = program.sources().ok_or("the text is too long")?;
    let mut diagnostics = Diagnostics::new();
    let script = Script::compile(
        &mut sources,
        main,
        &Environment::default(),
        &mut program,
        way.options,
        &mut diagnostics,
    );
    match script {
        Some(script) => Ok(ScriptInstance::new(&script).expect("constants are small")),
        None => {
            let mut errors = diagnostics
                .iter()
                .filter(|one| one.severity == Severity::Error);
            let first = errors.next().map(|error| error.render(&sources));
            Err(first.unwrap_or_default())
        }
    }
}

fn start(instance: &ScriptInstance, bounds: Bounds) -> execution::Execution {
    let limits = execution::Limits {
        fuel: bounds.fuel,
        fuel_per_slice: 7,
        memory_bytes: bounds.memory,
        output_octets: bounds.output,
    };
    instance
        .start(limits, |_| Input::None)
        .expect("there is memory")
}

/// Runs compiled code to its end.
pub(crate) fn run(instance: &ScriptInstance, bounds: Bounds) -> Observed {
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

/// Runs a program in every way.
pub(crate) fn compare(program: Program<'_>, bounds: Bounds, ways: &[Way]) -> Verdict {
    let mut instances = Vec::with_capacity(ways.len());
    let mut refusals = Vec::new();
    for way in ways {
        match compile(program, way) {
            Ok(instance) => instances.push(instance),
            Err(reason) => refusals.push((&way.name, reason)),
        }
    }
    let Some(usual) = instances.first() else {
        let reason = refusals.into_iter().next();
        return Verdict::Refused(reason.map(|(_, reason)| reason).unwrap_or_default());
    };
    if !refusals.is_empty() {
        return Verdict::Different(format!("refused, and not by all: {refusals:?}"));
    }
    let expected = run(usual, bounds);
    for (way, instance) in ways.iter().zip(&instances).skip(1) {
        let observed = run(instance, bounds);
        if (expected.out_of_memory || observed.out_of_memory) && expected != observed {
            return Verdict::Skipped;
        }
        if let Some(fault) = fault([&ways[0].name, &way.name], &expected, &observed) {
            return fault;
        }
    }
    give_up(usual, bounds, 1 + expected.fuel_used / 14);
    let again = run(usual, bounds);
    if let Some(fault) = fault(["the first run", "the second"], &expected, &again) {
        return fault;
    }
    let Some(evaluated) = evaluate(program, bounds) else {
        return Verdict::Skipped;
    };
    if evaluated.out_of_memory || expected.out_of_memory {
        return Verdict::Skipped;
    }
    fault(
        ["the plain evaluator", &ways[0].name],
        &evaluated,
        &expected,
    )
    .unwrap_or(Verdict::Same(expected.ending.is_ok()))
}

/// What is wrong when two runs do this.
fn fault(names: [&str; 2], one: &Observed, other: &Observed) -> Option<Verdict> {
    let shown = || {
        let [first, second] = names;
        format!("{first}:\n{}\n{second}:\n{}", shown(one), shown(other))
    };
    (one != other).then(|| Verdict::Different(shown()))
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

/// The program with as few lines as still make the ways disagree, and how they do.
pub(crate) fn smaller(text: &str, bounds: Bounds, ways: &[Way]) -> (String, String) {
    let disagreement = |lines: &[&str]| {
        let files = Files::split(lines.join("\n").as_bytes());
        match compare(files.program(), bounds, ways) {
            Verdict::Different(how) => Some(how),
            Verdict::Same(_) | Verdict::Refused(_) | Verdict::Skipped => None,
        }
    };
    let mut lines: Vec<&str> = text.lines().collect();
    let mut how = disagreement(&lines).unwrap_or_else(|| "not any more".to_owned());
    let mut size = lines.len() / 2;
    while size > 0 {
        let mut at = 0;
        let mut removed = false;
        while at + size <= lines.len() {
            let mut fewer = lines.clone();
            fewer.drain(at..at + size);
            if let Some(still) = disagreement(&fewer) {
                (lines, how) = (fewer, still);
                removed = true;
            } else {
                at += 1;
            }
        }
        if !removed || size > 1 {
            size = if size > 8 { size / 2 } else { size - 1 };
        }
    }
    (lines.join("\n"), how)
}

/// More than programs keep: the evaluator keeps everything.
const OWNER_OCTETS: usize = 64 << 20;
