//! The command `postern`: arguments -> one of its commands -> exit status.
//!
//! In: the command line. Out: exit status 0 after a clean stop, 1 when the machine stands in the way or a shard fails,
//! 2 for a command line or configuration that is wrong, before anything listens. The only place that exits and the
//! only one that writes to standard output.

mod command;

use std::process::ExitCode;

use clap::Parser;

use command::{check, hsl, run, serve};

/// An SMTP engine.
#[derive(Debug, Parser)]
#[command(name = "postern", version, about, arg_required_else_help = true)]
enum Arguments {
    /// Accepts mail until it is told to stop (SIGTERM, SIGINT).
    Serve(serve::ServeArguments),
    /// Runs one script and shows what it prints and decides.
    Run(run::RunArguments),
    /// Runs what is typed: the language with its library, one input after the other.
    Hsl(hsl::HslArguments),
    /// Compiles scripts, or a configuration with its scripts, and shows every error.
    Check(check::CheckArguments),
}

fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments::Serve(arguments) => serve::serve(arguments),
        Arguments::Run(arguments) => run::run(&arguments),
        Arguments::Hsl(arguments) => hsl::hsl(&arguments),
        Arguments::Check(arguments) => check::check(&arguments),
    }
}
