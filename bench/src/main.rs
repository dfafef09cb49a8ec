//! The command `postern-bench`: measures postern and checks every answer while it does.
//!
//! In: arguments. Out: figures on standard output, exit status 1 when anything was not as expected: a fast wrong answer
//! is a failure, not a figure. `bench/README.md` says what each number means; `bench/run` runs everything.

#![deny(unsafe_code)]

mod canned;
mod compare;
mod compile;
mod failure;
mod hook_call;
mod hot_path;
mod idle;
mod machine;
mod script;
mod scripts;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures postern.
#[derive(Debug, Parser)]
#[command(name = "postern-bench", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
enum Command {
    /// Answers SMTP with canned replies: the ceiling of postern's transport
    Canned(canned::CannedArguments),
    /// Compares servers under the same load, interleaved
    Compare(compare::CompareArguments),
    /// Times the compiler of scripts
    Compile(compile::CompileArguments),
    /// Times scripts from the call to their action
    HookCall(hook_call::HookCallArguments),
    /// Holds a crowd for `idle`
    #[command(hide = true)]
    Hold(idle::HoldArguments),
    /// Answers commands without a network, for callgrind and memcheck
    HotPath(hot_path::HotPathArguments),
    /// Holds idle connections: their memory, and how newcomers are served meanwhile
    Idle(idle::IdleArguments),
    /// Compares HSL with other script languages, interleaved
    Scripts(scripts::ScriptsArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Canned(arguments) => canned::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::HookCall(arguments) => hook_call::run(&arguments),
        Command::Hold(arguments) => idle::hold(&arguments),
        Command::HotPath(arguments) => hot_path::run(&arguments),
        Command::Idle(arguments) => idle::run(&arguments),
        Command::Scripts(arguments) => scripts::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
