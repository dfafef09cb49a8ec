//! Runs the scripts of `conformance/*.hsl` in every way there is and compares each with what the file says.
//!
//! A file holds cases. Everything from `//# name` to the next such line is one script; what stands before the first is for
//! readers. Within a script, a line that begins with
//!
//! | line | says |
//! | --- | --- |
//! | `//> text` | this is the next line of output |
//! | `//   ^^^ message` | the script ends in this error, whose span the carets mark on the line above that is no mark itself |
//! | `//! action Name [..]` | the script ends in this context function, with these arguments as an array prints |
//! | `//! returns text` | the script finishes with this value; without this line and the two above it finishes with none |
//! | `//! fuel N` | the script may use this much fuel |
//! | `//! fuel used N` | the script uses exactly this much fuel |
//! | `//! output N` | the script may print this many octets, each `echo` counting some besides its text |
//! | `//! cycle` | values that hold each other stay alive; otherwise a script that finishes leaves none |
//!
//! Marks are comments to the script, and a script keeps the line numbers of its file. A span of several lines is marked up
//! to the end of its first.
//!
//! Every script has the variables `$fixed` ("fixed", read-only) and `$free` (none) and the context functions `Stop(...)`,
//! which terminates, `List(...)`, which returns its arguments as an array, and `Change(value)`, which gives `$fixed` another
//! value and returns the old one.
//!
//! A further way to run the scripts is a further line in [`WAYS`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use postern_jit::diagnostic::{Diagnostics, Severity};
use postern_jit::error::ErrorKind;
use postern_jit::infer::Inference;
use postern_jit::oracle::{
    self, Answer, ContextFunction, Ending, Limits, OracleHost, PredefinedVariable,
};
use postern_jit::runtime::portable::PortableKey;
use postern_jit::runtime::{Heap, Portable, convert};
use postern_jit::source::{SourceMap, Span};
use postern_jit::syntax::ast::Program;
use postern_jit::syntax::parser;

/// A way to run a script.
type Way = fn(&Script) -> Observed;

/// Every way, with its name.
const WAYS: &[(&str, Way)] = &[
    ("plain evaluator", run_oracle),
    ("compiled", |script| compiled::run(script, Inference::On)),
    ("compiled without inference", |script| {
        compiled::run(script, Inference::Off)
    }),
];

/// A case, parsed.
struct Script {
    program: Program,
    text: Vec<u8>,
    fuel: u64,
    output: usize,
}

/// What a run did, or should do.
#[derive(Debug, PartialEq)]
struct Observed {
    /// The octets printed, a line feed behind each `echo`.
    output: Vec<u8>,
    ending: ObservedEnding,
    fuel_used: u64,
    live_values: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum ObservedEnding {
    /// With this value, if the way tells it.
    Finished(Option<String>),
    Action(String, String),
    Error(String, Option<Span>),
    Refused(String, Span),
}

impl Observed {
    /// The ending if it is at the end of the script, otherwise that a script finished.
    fn finished(&self) -> ObservedEnding {
        match &self.ending {
            ObservedEnding::Finished(_) => self.ending.clone(),
            _ => ObservedEnding::Finished(None),
        }
    }
}

fn run_oracle(script: &Script) -> Observed {
    let limits = Limits {
        fuel: script.fuel,
        output: script.output,
        ..Limits::default()
    };
    let mut host = TestHost {
        fixed: Portable::string("fixed"),
    };
    let outcome = oracle::run(&script.program, &mut host, limits);
    let ending = match outcome.ending {
        Ending::Finished(value) => ObservedEnding::Finished(Some(shown(&value))),
        Ending::Action {
            name, arguments, ..
        } => ObservedEnding::Action(name, shown(&list(arguments))),
        Ending::Error(error) => ObservedEnding::Error(error.kind.to_string(), error.span),
        Ending::Refused { reason, span } => ObservedEnding::Refused(reason.to_owned(), span),
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

struct TestHost {
    fixed: Portable,
}

impl OracleHost for TestHost {
    fn variables(&self) -> Vec<PredefinedVariable> {
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

/// A case as its file has it.
struct Case {
    name: String,
    /// The script, behind as many empty lines as stand before it in the file.
    text: Vec<u8>,
    expected: Observed,
    /// The line and columns of an error; the lines count from 0, the columns from 0 with the end excluded.
    mark: Option<(usize, usize, usize)>,
    fuel: u64,
    fuel_checked: bool,
    output: usize,
    cycle: bool,
}

impl Case {
    fn new(name: &str, lines_before: usize) -> Self {
        Self {
            name: name.to_owned(),
            text: vec![b'\n'; lines_before],
            expected: Observed {
                output: Vec::new(),
                ending: ObservedEnding::Finished(Some("none".to_owned())),
                fuel_used: 0,
                live_values: 0,
            },
            mark: None,
            fuel: Limits::default().fuel,
            fuel_checked: false,
            output: Limits::default().output,
            cycle: false,
        }
    }

    /// Takes one line; `code` is the number of the last line that was no mark.
    fn take(&mut self, line: &str, code: usize) {
        if let Some(text) = line.strip_prefix("//>") {
            let text = text.strip_prefix(' ').unwrap_or(text);
            self.expected.output.extend_from_slice(text.as_bytes());
            self.expected.output.push(b'\n');
        } else if let Some(rest) = line.strip_prefix("//! ") {
            self.take_directive(rest);
        } else if let Some(rest) = carets(line) {
            let start = line.find('^').expect("carets begin with a caret");
            let length = rest.len() - rest.trim_start_matches('^').len();
            self.mark = Some((code, start, start + length));
            let message = rest[length..].trim_start().to_owned();
            self.expected.ending = ObservedEnding::Error(message, None);
        }
    }

    fn take_directive(&mut self, directive: &str) {
        let number = |text: &str| text.parse().expect("a directive ends in a number");
        if let Some(action) = directive.strip_prefix("action ") {
            let (name, arguments) = action.split_once(' ').unwrap_or((action, "[]"));
            self.expected.ending = ObservedEnding::Action(name.to_owned(), arguments.to_owned());
        } else if let Some(value) = directive.strip_prefix("returns ") {
            self.expected.ending = ObservedEnding::Finished(Some(value.to_owned()));
        } else if let Some(used) = directive.strip_prefix("fuel used ") {
            self.expected.fuel_used = number(used);
            self.fuel_checked = true;
        } else if let Some(fuel) = directive.strip_prefix("fuel ") {
            self.fuel = number(fuel);
        } else if let Some(output) = directive.strip_prefix("output ") {
            self.output = usize::try_from(number(output)).expect("fits");
        } else if directive == "cycle" {
            self.cycle = true;
        } else {
            panic!("{}: unknown directive {directive}", self.name);
        }
    }

    /// Runs the case in every way and says what is wrong.
    fn check(&self, file: &str) -> Vec<String> {
        let mut sources = SourceMap::new();
        let id = sources.add(file, &self.text).expect("a file is small");
        let mut diagnostics = Diagnostics::new();
        let program = parser::parse(&sources, id, &mut diagnostics);
        if diagnostics.iter().next().is_some() {
            return vec![format!("{}: {}", self.name, diagnostics.render(&sources))];
        }
        let script = Script {
            program,
            text: self.text.clone(),
            fuel: self.fuel,
            output: self.output,
        };
        let mut faults = Vec::new();
        for (way, run) in WAYS {
            let observed = run(&script);
            let fault = self.compare(&observed, &sources);
            if !fault.is_empty() {
                faults.push(format!("{file}: {} ({way}):\n{fault}", self.name));
            }
        }
        faults
    }

    fn compare(&self, observed: &Observed, sources: &SourceMap) -> String {
        let mut fault = String::new();
        if observed.output != self.expected.output {
            let (expected, printed) = (&self.expected.output, &observed.output);
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace('\n', "\n    ");
            let _ = write!(fault, "  expected\n    {}", text(expected).trim_end());
            let _ = writeln!(fault, "\n  printed\n    {}", text(printed).trim_end());
        }
        if let ObservedEnding::Refused(reason, _) = &observed.ending
            && reason.ends_with("is not supported yet")
        {
            return String::new();
        }
        if matches!(observed.ending, ObservedEnding::Refused(..)) && self.mark.is_some() {
            // The compiler may say before the script runs what the evaluator finds when it does.
            return self.refused(&observed.ending, sources);
        }
        let (ending, span) = match &observed.ending {
            ObservedEnding::Error(message, span) => {
                (ObservedEnding::Error(message.clone(), None), *span)
            }
            ObservedEnding::Finished(None) => (self.expected.finished(), None),
            other => (other.clone(), None),
        };
        if ending != self.expected.ending {
            let expected = &self.expected.ending;
            let _ = writeln!(fault, "  expected to end with {expected:?}, not {ending:?}");
        }
        let mark = span.map(|span| self.marked(span, sources));
        if self.mark.is_some() && mark != self.mark {
            let (expected, found) = (self.mark, mark);
            let _ = writeln!(fault, "  expected the error at {expected:?}, not {found:?}");
        }
        if self.fuel_checked && observed.fuel_used != self.expected.fuel_used {
            let (expected, used) = (self.expected.fuel_used, observed.fuel_used);
            let _ = writeln!(
                fault,
                "  expected {expected} units of fuel used, not {used}"
            );
        }
        // A script that ends early may leave values to be thrown away with its heap.
        let finished = matches!(observed.ending, ObservedEnding::Finished(_));
        if finished && (observed.live_values != 0) != self.cycle {
            let _ = writeln!(
                fault,
                "  {} values are alive at the end",
                observed.live_values
            );
        }
        fault
    }

    /// What is wrong with a refusal of a script that ends in an error: its line, if anything.
    fn refused(&self, ending: &ObservedEnding, sources: &SourceMap) -> String {
        let ObservedEnding::Refused(reason, span) = ending else {
            return String::new();
        };
        let line = self.marked(*span, sources).0;
        if self.mark.is_some_and(|(marked, ..)| marked == line) {
            return String::new();
        }
        format!(
            "  expected to be refused at {:?}, not in line {line}: {reason}\n",
            self.mark
        )
    }

    /// Line and columns of a span, as [`Case::mark`] has them.
    fn marked(&self, span: Span, sources: &SourceMap) -> (usize, usize, usize) {
        let position = sources.position(span);
        let (line, start) = (position.line as usize - 1, position.column as usize - 1);
        let length = (span.end - span.start) as usize;
        let end = (start + length).min(sources.line_text(span).len());
        (line, start, end)
    }
}

/// The scripts compiled to machine code.
mod compiled {
    use postern_jit::execution::{self, HostAnswer, HostRequest, Input, ScriptInstance, Step};
    use postern_jit::resolve::PredefinedVariable as Predefined;
    use postern_jit::resolve::{Arity, Environment, HostFunction, NoFiles};
    use postern_jit::script::{self, Options};

    use super::*;

    fn environment() -> Environment {
        let variable = |name: &str, writable| Predefined {
            name: name.to_owned(),
            writable,
        };
        let function = |name: &str, arity, terminating| HostFunction {
            name: name.to_owned(),
            arity,
            terminating,
        };
        Environment {
            variables: vec![variable("fixed", false), variable("free", true)],
            functions: vec![
                function("Stop", Arity::at_least(0), true),
                function("List", Arity::at_least(0), false),
                function("Change", Arity::exactly(1), false),
            ],
            elsewhere: Vec::new(),
            ..Environment::default()
        }
    }

    pub(super) fn run(script: &Script, inference: Inference) -> Observed {
        let mut sources = SourceMap::new();
        let main = sources.add("case", &script.text).expect("a case is small");
        let mut diagnostics = Diagnostics::new();
        let options = Options {
            inference,
            fixed: &[],
        };
        let compiled = script::Script::compile(
            &mut sources,
            main,
            &environment(),
            &mut NoFiles,
            options,
            &mut diagnostics,
        );
        let Some(compiled) = compiled else {
            let errors = diagnostics
                .iter()
                .filter(|one| one.severity == Severity::Error);
            let first = errors.min_by_key(|one| one.span.start).expect("a reason");
            let refused = ObservedEnding::Refused(first.message.clone(), first.span);
            return observed(Vec::new(), refused, 0, 0);
        };
        let instance = ScriptInstance::new(&compiled).expect("constants are small");
        execute(&instance, script)
    }

    fn execute(instance: &ScriptInstance, script: &Script) -> Observed {
        let limits = execution::Limits {
            fuel: script.fuel,
            fuel_per_slice: 7,
            output_octets: script.output,
            ..execution::Limits::default()
        };
        let mut host = TestHost {
            fixed: Portable::string("fixed"),
        };
        let input = |index| {
            if index == 0 {
                Input::String(b"fixed")
            } else {
                Input::None
            }
        };
        let mut execution = instance.start(limits, input).expect("inputs are small");
        let mut step = execution.resume();
        let outcome = loop {
            step = match step {
                Step::Finished(outcome) => break outcome,
                Step::OutOfFuel => execution.resume(),
                Step::NeedsHost(request) => answer(&mut execution, &mut host, request),
            };
        };
        let ending = match outcome.ending {
            execution::Ending::Implicit => ObservedEnding::Finished(None),
            execution::Ending::Action {
                function,
                arguments,
                ..
            } => {
                let name = environment().functions[function].name.clone();
                ObservedEnding::Action(name, shown(&list(arguments)))
            }
            execution::Ending::Error(error) => {
                ObservedEnding::Error(error.kind.to_string(), error.span)
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
        request: HostRequest,
    ) -> Step {
        let name = environment().functions[request.function].name.clone();
        match host.call(&name, request.arguments) {
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

/// What follows the blanks of a mark of an error, if the line is one.
fn carets(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("//")?.trim_start_matches(' ');
    rest.starts_with('^').then_some(rest)
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut code = 0;
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("//# ") {
            cases.push(Case::new(name, number));
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        case.text.extend_from_slice(line.as_bytes());
        case.text.push(b'\n');
        case.take(line, code);
        if !line.starts_with("//") {
            code = number;
        }
    }
    cases
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let entries = std::fs::read_dir(folder).expect("the folder of conformance scripts");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "hsl"));
    files.sort();
    files
}

fn check_all() -> (usize, Vec<String>) {
    let (mut count, mut faults) = (0, Vec::new());
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("scripts are UTF-8");
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for case in cases(&text) {
            count += 1;
            faults.extend(case.check(&name));
        }
    }
    (count, faults)
}

/// The plain evaluator recurses on the tree, and without optimization its frames are large.
const STACK_BYTES: usize = 256 << 20;

#[test]
fn every_script_does_what_its_file_says() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let (count, faults) = thread
        .spawn(check_all)
        .expect("a thread")
        .join()
        .expect("no script panics");
    assert!(
        faults.is_empty(),
        "{} of {count} cases:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(count > 250, "only {count} cases were found");
}
