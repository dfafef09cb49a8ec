//! The examples of the language guide, in every way there is to run a script.
//!
//! In: `docs/hsl.md`. Out: each script says what stands behind it, line by line: what the compiler tells, what `echo` prints,
//! the error it ends in; and the list of builtins is that of the registry. `BLESS=1` writes both anew: read the difference
//! before committing. Sessions at a terminal are the engine's to run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use postern_jit::builtins::{self, Builtin, Presence};
use postern_jit::diagnostic::Diagnostic;
use postern_jit::oracle::Limits;
use postern_jit::source::{SourceMap, Span};

use crate::markdown::{self, Example};
use crate::ways::{Mark, Observed, ObservedEnding, Script, WAYS, Way};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hsl.md")
}

fn document() -> String {
    fs::read_to_string(path()).expect("the guide is text")
}

/// The script of an example.
fn script(example: &Example) -> Script {
    let octets = |(name, text): &(String, String)| (name.clone(), text.clone().into_bytes());
    Script {
        name: "example.hsl".to_owned(),
        text: example.text.clone().into_bytes(),
        files: example.files.iter().map(octets).collect(),
        fuel: Limits::default().fuel,
        output: Limits::default().output,
        has_host: false,
    }
}

/// What a run said, as the compiler would show it.
fn said(script: &Script, observed: &Observed) -> String {
    let mut text = String::from_utf8_lossy(&observed.output).into_owned();
    match &observed.ending {
        ObservedEnding::Error(message, Some(mark)) => text.push_str(&shown(script, message, mark)),
        ObservedEnding::Error(message, None) => writeln!(text, "error: {message}").expect("memory"),
        ObservedEnding::Finished(_) | ObservedEnding::Action(..) | ObservedEnding::Refused(..) => {}
    }
    text
}

/// An error at a place, as the compiler shows its own.
fn shown(script: &Script, message: &str, mark: &Mark) -> String {
    let found = script.files.iter().find(|(name, _)| *name == mark.file);
    let text = found.map_or(&script.text, |(_, text)| text);
    let before = text
        .split_inclusive(|octet| *octet == b'\n')
        .take(mark.line);
    let line: usize = before.map(<[u8]>::len).sum();
    let mut sources = SourceMap::new();
    let source = sources.add(&mark.file, text).expect("a script is small");
    let offset = |column| u32::try_from(line + column).expect("a script is small");
    let span = Span {
        source,
        start: offset(mark.start),
        end: offset(mark.end),
    };
    Diagnostic::error(span, message).render(&sources)
}

/// What an example says in each way.
fn sayings(example: &Example) -> Vec<(&'static str, String)> {
    let script = script(example);
    let (told, is_refused) = script.told();
    // The plain evaluator is promised a program that compiles.
    let ways = if is_refused { &WAYS[1..] } else { &WAYS[..] };
    let say = |(way, run): &(&'static str, Way)| {
        let said = said(&script, &run(&script));
        (*way, format!("{told}{said}"))
    };
    ways.iter().map(say).collect()
}

/// What is wrong with an example, if anything.
fn fault(example: &Example, expected: &str) -> Option<String> {
    let sayings = sayings(example);
    let (way, said) = sayings.iter().find(|(_, said)| said != expected)?;
    let line = example.line;
    Some(format!(
        "docs/hsl.md:{line} ({way}) says\n{said}instead of\n{expected}"
    ))
}

/// The guide's scripts with what stands behind them.
fn scripts(document: &str) -> Vec<(Example, String)> {
    let examples = markdown::examples(document).unwrap_or_else(|complaints| {
        let complaints = complaints.iter();
        let complaints = complaints.map(|complaint| format!("docs/hsl.md:{complaint}"));
        panic!("{}", complaints.collect::<Vec<_>>().join("\n"))
    });
    let scripts = examples.into_iter();
    let scripts = scripts.filter_map(|mut one| Some((one.expected.take()?, one)));
    scripts.map(|(expected, one)| (one, expected)).collect()
}

fn check_all() -> (usize, Vec<String>) {
    let scripts = scripts(&document());
    let faults = scripts.iter();
    let faults = faults.filter_map(|(example, expected)| fault(example, expected));
    (scripts.len(), faults.collect())
}

/// The guide with what its scripts say today, and the list of builtins of today.
fn blessed() -> String {
    let mut document = document();
    for (example, expected) in scripts(&document) {
        let (_, said) = sayings(&example).swap_remove(0);
        let block = |text: &str| format!("```hsl\n{}```\n\n```text\n{text}```\n", example.text);
        document = document.replace(&block(&expected), &block(&said));
    }
    let (before, _, after) = list(&document);
    [before, BEGIN, &table(), END, after].concat()
}

#[test]
fn every_example_of_the_guide_says_what_stands_behind_it() {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path(), crate::with_large_stack(blessed)).expect("the guide is writable");
    }
    let (count, faults) = crate::with_large_stack(check_all);
    assert!(
        faults.is_empty(),
        "{}\n({} of {count})",
        faults.join("\n"),
        faults.len()
    );
    assert!(40 <= count, "only {count} examples were found");
}

/// A call of a builtin as the guide writes it.
fn call(builtin: &Builtin) -> String {
    let parameter = |one: &builtins::Parameter| match one.presence {
        Presence::Required => one.name.to_owned(),
        Presence::Optional => format!("[{}]", one.name),
        Presence::Variadic => format!("...{}", one.name),
    };
    let parameters: Vec<String> = builtin.parameters.iter().map(parameter).collect();
    format!("{}({})", builtin.name, parameters.join(", "))
}

const BEGIN: &str = "<!-- functions:begin -->\n";
const END: &str = "<!-- functions:end -->\n";

/// The document before the list of builtins, the list, and what comes behind.
fn list(document: &str) -> (&str, &str, &str) {
    let (before, rest) = document.split_once(BEGIN).expect("the list begins");
    let (list, after) = rest.split_once(END).expect("the list ends");
    (before, list, after)
}

/// The list of builtins as it should be.
fn table() -> String {
    let mut table = String::from("\n| function | |\n| --- | --- |\n");
    for builtin in builtins::registry() {
        let summary = builtin.summary.replace('|', "\\|");
        writeln!(table, "| `{}` | {summary} |", call(builtin)).expect("memory");
    }
    table.push('\n');
    table
}

#[test]
fn the_guide_lists_every_builtin() {
    if std::env::var_os("BLESS").is_none() {
        let document = document();
        let (_, list, _) = list(&document);
        assert_eq!(list, table(), "BLESS=1 writes the list of docs/hsl.md anew");
    }
}
