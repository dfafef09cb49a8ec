//! Times the compiler: from the text of a script to an instance that can be called.
//!
//! In: the HSL programs of `bench/workloads`, put together as often as makes a thousand lines, with functions of different
//! names. Out: milliseconds of the first compilation of the process and of later ones (median, least and most), and the
//! octets of machine code.
//! Guarantees: each compilation made as many octets of machine code as the first.
//! Does not: read files, start a process or run what it compiled.

use std::fmt::Write as _;
use std::time::Instant;

use clap::Args;
use postern_jit::resolve::{Environment, PredefinedVariable};

use crate::failure::Failure;
use crate::script::compiled;

/// Options of `compile`.
#[derive(Args, Debug)]
pub(crate) struct CompileArguments {
    /// How often, for callgrind [default: 21]
    #[arg(long, value_name = "N", default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    times: u32,
    /// Only print the script
    #[arg(long)]
    print: bool,
}

/// Runs the benchmark.
pub(crate) fn run(arguments: &CompileArguments) -> Result<(), Failure> {
    let text = script();
    if arguments.print {
        return print(&text);
    }
    let mut sizes = Vec::new();
    let mut times_ms = Vec::new();
    for _ in 0..arguments.times {
        let begun = Instant::now();
        let (script, instance) = compiled("large.hsl", text.as_bytes(), &environment())?;
        times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        sizes.push(script.code_bytes());
        drop(instance);
    }
    if sizes.iter().any(|size| *size != sizes[0]) {
        return Err(Failure(format!(
            "the same script gave code of {sizes:?} octets"
        )));
    }
    let first = times_ms.remove(0);
    times_ms.sort_by(f64::total_cmp);
    let later = match times_ms.as_slice() {
        [] => "not measured".to_owned(),
        [least, .., most] => {
            format!("{:.0} ({least:.0}-{most:.0})", times_ms[times_ms.len() / 2])
        }
        [only] => format!("{only:.0}"),
    };
    print(&format!(
        "| lines | functions | ms, first | ms, later: median (least-most) | octets of machine code |\n\
         | --- | --- | --- | --- | --- |\n| {} | {} | {first:.0} | {later} | {} |\n",
        text.lines().count(),
        text.lines().filter_map(function_name).count(),
        sizes[0]
    ))
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::of("standard output", error))
}

/// The variables that the programs find, as in the suite.
fn environment() -> Environment {
    let variable = |name: &str| PredefinedVariable {
        name: name.to_owned(),
        writable: false,
    };
    Environment {
        variables: ["rounds", "lines"].map(variable).to_vec(),
        ..Environment::default()
    }
}

/// The programs one after the other, again and again.
fn script() -> String {
    let mut text = String::new();
    for number in 0.. {
        if LINES_COUNT <= text.lines().count() {
            break;
        }
        let program = PROGRAMS[number % PROGRAMS.len()];
        // Nothing is written that could fail: this is a string.
        let _written = writeln!(text, "{}", renamed(program, number).trim_end());
    }
    text
}

/// A program whose functions have a number behind their names.
fn renamed(program: &str, number: usize) -> String {
    let names: Vec<&str> = program.lines().filter_map(function_name).collect();
    let mut text = String::with_capacity(program.len() * 2);
    let mut rest = program;
    while let Some(at) = rest.find('(') {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        if names.contains(&last_word(before)) {
            let _written = write!(text, "_{number}");
        }
        text.push('(');
        rest = &after[1..];
    }
    text + rest
}

/// The function that a line begins.
fn function_name(line: &str) -> Option<&str> {
    line.strip_prefix("function ")?.split('(').next()
}

/// The name that a text ends with.
fn last_word(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let start = text.trim_end_matches(is_part).len();
    &text[start..]
}

const LINES_COUNT: usize = 1_000;

const PROGRAMS: [&str; 13] = [
    include_str!("../workloads/nat64/workload.hsl"),
    include_str!("../workloads/prefix_test/workload.hsl"),
    include_str!("../workloads/suffix_test/workload.hsl"),
    include_str!("../workloads/network_table/workload.hsl"),
    include_str!("../workloads/integer_loop/workload.hsl"),
    include_str!("../workloads/string_building/workload.hsl"),
    include_str!("../workloads/word_count/workload.hsl"),
    include_str!("../workloads/url_encode/workload.hsl"),
    include_str!("../workloads/base32/workload.hsl"),
    include_str!("../workloads/levenshtein/workload.hsl"),
    include_str!("../workloads/insertion_sort/workload.hsl"),
    include_str!("../workloads/regex_extraction/workload.hsl"),
    include_str!("../workloads/map_filter_reduce/workload.hsl"),
];
