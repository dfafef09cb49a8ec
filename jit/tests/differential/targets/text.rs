//! Targets whose input is a script.
//!
//! A line `//= name` ends the main text: what follows, up to the next such line, is a file of that name that the script may
//! include or import, as in the conformance cases.

use postern_jit::diagnostic::{Diagnostics, Severity};
use postern_jit::ir;
use postern_jit::resolve::{Arity, Environment, HostFunction, PredefinedVariable};
use postern_jit::script::Script;
use postern_jit::source::SourceMap;
use postern_jit::syntax::{ast, parser, print};

use crate::program;
use crate::ways::{self, Bounds, Files, Program, Verdict};

/// Lexer, parser, the printer of trees and that of diagnostics: none panics, spans lie within the text, reading the same
/// text again gives the same, and what a good text means does not depend on blanks around it.
pub(crate) fn parse(octets: &[u8]) {
    let (tree, is_good) = read(octets);
    assert_eq!(read(octets), (tree.clone(), is_good), "read again");
    if is_good {
        let apart = [b" \n".as_slice(), octets, b"\n\t"].concat();
        assert_eq!(read(&apart).0, tree, "read with blanks around it");
    }
}

/// A text as a tree, and whether there is nothing wrong with it.
fn read(octets: &[u8]) -> (String, bool) {
    let (sources, main) = Program::alone(octets).sources().expect("inputs are short");
    let mut diagnostics = Diagnostics::new();
    let tree: ast::Program = parser::parse(&sources, main, &mut diagnostics);
    check_diagnostics(&diagnostics, &sources);
    (print::print(&tree), !diagnostics.has_errors())
}

fn check_diagnostics(diagnostics: &Diagnostics, sources: &SourceMap) {
    for one in diagnostics.iter() {
        let spans = one.labels.iter().map(|label| label.span);
        for span in spans.chain([one.span]) {
            let length = sources.source(span.source).text.len();
            assert!(span.start <= span.end, "{}: a span", one.message);
            assert!(span.end as usize <= length, "{}: a place", one.message);
        }
    }
    let text = diagnostics.render(sources);
    assert!(
        !text.contains('\u{1b}'),
        "messages have no escape sequences"
    );
}

/// From text to machine code, in every way: each ends, none panics, and all think the same of the script.
pub(crate) fn compile(octets: &[u8]) {
    let files = Files::split(octets);
    let program = files.program();
    let mut before: Option<(bool, String)> = None;
    for way in ways::some_ways(octets.len() as u64) {
        let mut loader = program;
        let (mut sources, main) = program.sources().expect("inputs are short");
        let mut diagnostics = Diagnostics::new();
        let script = Script::compile(
            &mut sources,
            main,
            &environment(),
            &mut loader,
            way.options,
            &mut diagnostics,
        );
        check_diagnostics(&diagnostics, &sources);
        let said = (script.is_some(), diagnostics.render(&sources));
        assert_eq!(
            script.is_none(),
            diagnostics.has_errors(),
            "refused without a reason, or compiled in spite of one"
        );
        let first = before.get_or_insert_with(|| said.clone());
        assert_eq!(*first, said, "{} says otherwise", way.name);
    }
    intermediate(program);
}

/// What lies between is in order, and can be shown.
fn intermediate(mut program: Program<'_>) {
    let (mut sources, main) = program.sources().expect("inputs are short");
    let mut diagnostics = Diagnostics::new();
    let options = ways::ways()[0].options;
    let built = Script::intermediate(
        &mut sources,
        main,
        &environment(),
        &mut program,
        options,
        &mut diagnostics,
    );
    let Some(built) = built else {
        return;
    };
    assert_eq!(ir::verify(&built), Ok(()), "{}", ir::print(&built));
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error);
    assert_eq!(errors.count(), 0);
}

/// Some of what hooks offer, of every sort.
fn environment() -> Environment {
    Environment {
        variables: vec![
            PredefinedVariable::read_only("fixed"),
            PredefinedVariable::writable("free"),
        ],
        functions: vec![
            HostFunction::terminating("Stop", Arity::at_least(0)),
            HostFunction::returning("List", Arity::at_least(0)),
            HostFunction::returning("Change", Arity::exactly(1)),
        ],
        ..Environment::default()
    }
}

/// From text to the end of its run, within small bounds: the plain evaluator and all compiled code agree.
pub(crate) fn run(octets: &[u8]) {
    let files = Files::split(octets);
    let program = files.program();
    let ways = ways::some_ways(octets.len() as u64);
    if asks_the_world(octets) {
        // What it prints may differ from run to run. It must not do harm.
        for way in ways {
            if let Ok(instance) = ways::compile(program, &way) {
                ways::run(&instance, RUN_BOUNDS);
            }
        }
        return;
    }
    if let Verdict::Different(how) = ways::compare(program, RUN_BOUNDS, &ways) {
        panic!("{how}");
    }
}

const RUN_BOUNDS: Bounds = Bounds {
    fuel: 3_000,
    memory: 1 << 20,
    output: 1 << 16,
};

/// Whether a text has the name of a function that may give something else each time.
fn asks_the_world(octets: &[u8]) -> bool {
    let names = ["time", "rand", "uuid", "gethostname"];
    names.iter().any(|name| {
        octets
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    })
}

/// A program that the generator makes of the input: as [`run`], and what is made is fine, whatever the input.
pub(crate) fn program(octets: &[u8]) {
    let (bounds, choices) = octets.split_first().unwrap_or((&0, &[]));
    let text = program::program_of(choices);
    let bounds = Bounds::of(u64::from(*bounds));
    let files = Files::split(text.as_bytes());
    let verdict = ways::compare(
        files.program(),
        bounds,
        &ways::some_ways(octets.len() as u64),
    );
    if let Verdict::Different(how) = verdict {
        panic!("{text}\n{how}");
    }
}
