//! The ways to run a script, and what a run is seen to do.
//!
//! In: a [`Script`] with the files it may load. Out: an [`Observed`] for each of [`WAYS`]. Every way loads the files for
//! itself. Says nothing of what a script should do.

use postern_jit::diagnostic::{Diagnostics, Severity};
use postern_jit::error::ErrorKind;
use postern_jit::infer::Inference;
use postern_jit::optimise::Optimisations;
use postern_jit::oracle::{
    self, Answer, ContextFunction, Ending, Limits, OracleHost, PredefinedVariable,
};
use postern_jit::resolve::{Linked, LoadError, LoadedFile, Loader, load};
use postern_jit::runtime::portable::PortableKey;
use postern_jit::runtime::{Heap, Portable, convert};
use postern_jit::source::{SourceId, SourceMap, Span};

/// A way to run a script.
pub(crate) type Way = fn(&Script) -> Observed;

/// Every way, with its name. The first is the plain evaluator.
pub(crate) const WAYS: [(&str, Way); 5] = [
    ("plain evaluator", run_oracle),
    ("compiled", |script| compiled::run(script, COMPILED)),
    ("compiled without inference and optimisations", |script| {
        compiled::run(script, (Inference::Off, Optimisations::NONE))
    }),
    ("compiled without inference", |script| {
        compiled::run(script, (Inference::Off, Optimisations::ALL))
    }),
    ("compiled without optimisations", |script| {
        compiled::run(script, (Inference::On, Optimisations::NONE))
    }),
];

/// How scripts are compiled.
const COMPILED: (Inference, Optimisations) = (Inference::On, Optimisations::ALL);

/// A script and what it runs in.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// What errors call the main file.
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
    /// What it may include and import, by name.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) fuel: u64,
    pub(crate) output: usize,
    /// Whether it has the variables and functions of [`TestHost`].
    pub(crate) has_host: bool,
}

impl Script {
    /// The main file of a map, with everything it loads.
    pub(crate) fn load(&self, diagnostics: &mut Diagnostics) -> (SourceMap, Linked) {
        let (mut sources, main) = self.sources();
        let linked = load(&mut sources, main, &mut Files(self), diagnostics);
        (sources, linked)
    }

    /// Everything the compiler says about it, and whether it refuses it.
    pub(crate) fn told(&self) -> (String, bool) {
        let (sources, diagnostics, compiled) = compiled::compile(self, COMPILED);
        (diagnostics.render(&sources), compiled.is_none())
    }

    fn sources(&self) -> (SourceMap, SourceId) {
        let mut sources = SourceMap::new();
        let main = sources.add(&self.name, &self.text);
        (sources, main.expect("a script is small"))
    }
}

/// Finds the files of a script.
struct Files<'s>(&'s Script);

impl Loader for Files<'_> {
    fn load(&mut self, _: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let found = self
            .0
            .files
            .iter()
            .find(|(name, _)| name.as_bytes() == path);
        let (name, text) = found.ok_or(LoadError::NotFound)?;
        Ok(LoadedFile {
            name: name.clone(),
            text: text.clone(),
        })
    }
}

/// Part of a line: lines and columns count from 0, the end is excluded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Mark {
    /// A span up to the end of its first line.
    fn of(span: Span, sources: &SourceMap) -> Self {
        let position = sources.position(span);
        let (line, start) = (position.line as usize - 1, position.column as usize - 1);
        let length = (span.end - span.start) as usize;
        Self {
            file: sources.source(span.source).name.to_string(),
            line,
            start,
            end: (start + length).min(sources.line_text(span).len()),
        }
    }
}

/// What a run did, or should do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    /// The octets printed, a line feed behind each `echo`.
    pub(crate) output: Vec<u8>,
    pub(crate) ending: ObservedEnding,
    pub(crate) fuel_used: u64,
    pub(crate) live_values: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ObservedEnding {
    /// With this value, if the way tells it.
    Finished(Option<String>),
    Action(String, String),
    Error(String, Option<Mark>),
    Refused(String, Mark),
}

impl Observed {
    /// The ending if it is at the end of the script, otherwise that a script finished.
    pub(crate) fn finished(&self) -> ObservedEnding {
        match &self.ending {
            ObservedEnding::Finished(_) => self.ending.clone(),
            _ => ObservedEnding::Finished(None),
        }
    }
}

/// The first mistake that was reported, as an ending.
fn refused(diagnostics: &Diagnostics, sources: &SourceMap) -> Observed {
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error);
    let first = errors
        .min_by_key(|one| one.span.start)
        .expect("a reason to refuse");
    let mark = Mark::of(first.span, sources);
    let ending = ObservedEnding::Refused(first.message.clone(), mark);
    observed(Vec::new(), ending, 0, 0)
}

/// Statements and expressions inside each other: no script that compiles has as many, and the stack has room for them.
const DEPTH_MAX: u32 = 50_000;

fn run_oracle(script: &Script) -> Observed {
    let limits = Limits {
        fuel: script.fuel,
        output: script.output,
        depth: DEPTH_MAX,
        ..Limits::default()
    };
    let mut host = TestHost::new(script);
    let mut diagnostics = Diagnostics::new();
    let (sources, linked) = script.load(&mut diagnostics);
    if diagnostics.has_errors() {
        return refused(&diagnostics, &sources);
    }
    let outcome = oracle::run(&linked, &sources, &mut host, limits);
    let mark = |span| Mark::of(span, &sources);
    let ending = match outcome.ending {
        Ending::Finished(value) => ObservedEnding::Finished(Some(shown(&value))),
        Ending::Action {
            name, arguments, ..
        } => ObservedEnding::Action(name, shown(&list(arguments))),
        Ending::Error(error) => ObservedEnding::Error(error.kind.to_string(), error.span.map(mark)),
        Ending::Refused { reason, span } => ObservedEnding::Refused(reason.to_owned(), mark(span)),
    };
    observed(
        outcome.output,
        ending,
        outcome.fuel_used,
        outcome.live_values,
    )
}

fn observed(
    printed: Vec<Vec<u8>>,
    ending: ObservedEnding,
    fuel_used: u64,
    live_values: usize,
) -> Observed {
    let mut output = printed.join(&b'\n');
    if !printed.is_empty() {
        output.push(b'\n');
    }
    Observed {
        output,
        ending,
        fuel_used,
        live_values,
    }
}

/// The variables and functions that scripts of the files here have; see there.
pub(crate) struct TestHost {
    fixed: Portable,
    /// Without it there are no variables and no functions.
    is_there: bool,
}

impl TestHost {
    fn new(script: &Script) -> Self {
        Self {
            fixed: Portable::string("fixed"),
            is_there: script.has_host,
        }
    }
}

impl OracleHost for TestHost {
    fn variables(&self) -> Vec<PredefinedVariable> {
        if !self.is_there {
            return Vec::new();
        }
        let variable = |name: &str, value: Portable, writable| PredefinedVariable {
            name: name.to_owned(),
            value,
            writable,
        };
        vec![
            variable("fixed", self.fixed.clone(), false),
            variable("free", Portable::None, true),
        ]
    }

    fn function(&self, name: &str) -> Option<ContextFunction> {
        let (terminating, minimum, maximum) = match name {
            _ if !self.is_there => return None,
            "Stop" => (true, 0, None),
            "List" => (false, 0, None),
            "Change" => (false, 1, Some(1)),
            _ => return None,
        };
        Some(ContextFunction {
            terminating,
            minimum,
            maximum,
        })
    }

    fn call(&mut self, name: &str, arguments: Vec<Portable>) -> Result<Answer, ErrorKind> {
        if name == "List" {
            return Ok(Answer {
                value: list(arguments),
                updates: Vec::new(),
            });
        }
        let new = arguments.into_iter().next().unwrap_or(Portable::None);
        let old = std::mem::replace(&mut self.fixed, new);
        Ok(Answer {
            value: old,
            updates: vec![("fixed".to_owned(), self.fixed.clone())],
        })
    }
}

fn list(values: Vec<Portable>) -> Portable {
    let keyed = (0..).map(PortableKey::Integer).zip(values);
    Portable::Array(keyed.collect())
}

/// A value as a script would print it.
fn shown(value: &Portable) -> String {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let value = value.to_value().expect("results are small");
    let text = convert::text(&value).expect("results are small");
    String::from_utf8_lossy(text.octets()).into_owned()
}

/// The scripts compiled to machine code.
mod compiled {
    use postern_jit::execution::{self, HostAnswer, Input, ScriptInstance, Step};
    use postern_jit::process::Owner;
    use postern_jit::resolve::PredefinedVariable as Predefined;
    use postern_jit::resolve::{Arity, Environment, HostFunction};
    use postern_jit::script::{self, Options};

    use super::*;

    fn environment(script: &Script) -> Environment {
        if !script.has_host {
            return Environment::default();
        }
        Environment {
            variables: vec![Predefined::read_only("fixed"), Predefined::writable("free")],
            functions: vec![
                HostFunction::terminating("Stop", Arity::at_least(0)),
                HostFunction::returning("List", Arity::at_least(0)),
                HostFunction::returning("Change", Arity::exactly(1)),
            ],
            ..Environment::default()
        }
    }

    /// The files of a script, what is said about them, and the machine code if it compiles.
    pub(super) fn compile(
        script: &Script,
        (inference, optimisations): (Inference, Optimisations),
    ) -> (SourceMap, Diagnostics, Option<script::Script>) {
        let (mut sources, main) = script.sources();
        let mut diagnostics = Diagnostics::new();
        let options = Options {
            inference,
            optimisations,
            fixed: &[],
        };
        let compiled = script::Script::compile(
            &mut sources,
            main,
            &environment(script),
            &mut Files(script),
            options,
            &mut diagnostics,
        );
        (sources, diagnostics, compiled)
    }

    pub(super) fn run(script: &Script, how: (Inference, Optimisations)) -> Observed {
        let (sources, diagnostics, compiled) = compile(script, how);
        let Some(compiled) = compiled else {
            return refused(&diagnostics, &sources);
        };
        let instance = ScriptInstance::new(&compiled).expect("constants are small");
        execute(&instance, script, &sources)
    }

    fn execute(instance: &ScriptInstance, script: &Script, sources: &SourceMap) -> Observed {
        let limits = execution::Limits {
            fuel: script.fuel,
            fuel_per_slice: 7,
            output_octets: script.output,
            ..execution::Limits::default()
        };
        let mut host = TestHost::new(script);
        let functions = environment(script).functions;
        let input = |index| {
            if index == 0 {
                Input::String(b"fixed")
            } else {
                Input::None
            }
        };
        let mut execution = instance.start(limits, input).expect("inputs are small");
        let mut owner = Owner::new(1 << 20);
        let mut step = execution.resume();
        let outcome = loop {
            step = match step {
                Step::Finished(outcome) => break outcome,
                Step::OutOfFuel => execution.resume(),
                Step::NeedsHost(request) => {
                    let name = &functions[request.function].name;
                    answer(&mut execution, &mut host, name, request.arguments)
                }
                Step::NeedsProcess(request) => {
                    let reaction = owner.ask(request, (), 0);
                    execution.answer_process(reaction.answer.expect("nobody else is there"))
                }
            };
        };
        let ending = match outcome.ending {
            execution::Ending::Implicit => ObservedEnding::Finished(None),
            execution::Ending::Action {
                function,
                arguments,
                ..
            } => {
                let name = functions[function].name.clone();
                ObservedEnding::Action(name, shown(&list(arguments)))
            }
            execution::Ending::Error(error) => {
                let mark = error.span.map(|span| Mark::of(span, sources));
                ObservedEnding::Error(error.kind.to_string(), mark)
            }
        };
        observed(
            outcome.output,
            ending,
            outcome.fuel_used,
            outcome.live_objects,
        )
    }

    fn answer(
        execution: &mut execution::Execution,
        host: &mut TestHost,
        name: &str,
        arguments: Vec<Portable>,
    ) -> Step {
        match host.call(name, arguments) {
            Ok(answer) => {
                let updates = answer
                    .updates
                    .into_iter()
                    .map(|(_, value)| (0, value))
                    .collect();
                execution.answer(HostAnswer {
                    value: answer.value,
                    updates,
                })
            }
            Err(error) => execution.fail(error),
        }
    }
}
