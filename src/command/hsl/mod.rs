//! `postern hsl`: the language as a prompt.
//!
//! In: inputs from a terminal, with history and completion, or from a file or pipe. Out: on standard output what inputs
//! echo and the values of expressions; on standard error everything that is wrong, and actions as lines of JSON. Exit
//! status from a terminal 0; otherwise 0, 1 when an input failed while it ran, 2 when one did not compile.
//! Guarantees: an error never ends the prompt. Does not: compile or run; see `postern_jit::session`.

mod commands;
mod files;
mod help;
mod history;
mod prompt;
mod terminal;
mod words;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use postern::profile::{Diagnostic, ScriptDirectory};
use postern_jit::syntax::parser::{Judgement, SOURCE_OCTETS_MAX, judge};

use super::run::Variable;
use super::{Context, FAILED, WRONG};
use prompt::{Prompt, Screen, Turn};

/// What `postern hsl` can be told.
#[derive(Args, Debug)]
pub(crate) struct HslArguments {
    /// The hook whose variables and functions may be used.
    #[arg(long, value_name = "CONTEXT", value_enum, default_value_t = Context::Core)]
    context: Context,
    /// Sets a predefined variable to a JSON value; may be given several times. Those of a hook are none without it.
    #[arg(long, value_name = "NAME=JSON")]
    var: Vec<Variable>,
    /// Memory an input may use, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1_024)]
    memory: usize,
}

/// Runs the prompt.
pub(crate) fn hsl(arguments: &HslArguments) -> ExitCode {
    let directory = match ScriptDirectory::open("".as_ref()) {
        Ok(directory) => directory,
        Err(message) => {
            eprintln!("{}", Diagnostic::without_place(message, ""));
            return ExitCode::from(WRONG);
        }
    };
    let interrupt = Arc::new(AtomicBool::new(false));
    let prompt = Prompt::new(
        arguments.context,
        &arguments.var,
        arguments.memory.saturating_mul(1024 * 1024),
        directory,
        Arc::clone(&interrupt),
    );
    if io::stdin().is_terminal() {
        terminal::run(prompt, interrupt)
    } else {
        read(prompt)
    }
}

/// Inputs from a file or pipe: lines, as many as the parser asks for.
fn read(mut prompt: Prompt) -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let mut screen = Screen {
        out: &mut out,
        err: &mut err,
    };
    let mut stdin = io::stdin().lock();
    let mut text = Vec::new();
    loop {
        let room = (SOURCE_OCTETS_MAX + 1).saturating_sub(text.len());
        let read = io::Read::by_ref(&mut stdin)
            .take(room as u64)
            .read_until(b'\n', &mut text);
        let is_last = match read {
            Ok(octets_count) => octets_count == 0,
            Err(error) => {
                screen.complain(format_args!("cannot read standard input: {error}"));
                return ExitCode::from(FAILED);
            }
        };
        let is_command = text.starts_with(b":");
        if !is_last && !is_command && judge(&text) == Judgement::Incomplete {
            continue;
        }
        if prompt.enter(&text, &mut screen) == Turn::Quit || is_last {
            return ExitCode::from(prompt.status());
        }
        text.clear();
    }
}
