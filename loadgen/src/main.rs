//! `postern-loadgen`: load generator, sink and verifier for SMTP servers.
//!
//! In: the command line. Out: a report, and an exit status: 0 all as expected, 1 something was
//! not, 2 the command line or the system would not do. Shares no code with the engine, so that a
//! mistake in one cannot hide in the other. Linux only.
//! `send` -> plan -> workers (pacing, clients, sessions) -> tally -> report;
//! `sink` and `null` -> listener; `verify` -> findings.

#![deny(unsafe_code)]

mod arguments;
mod channel;
mod client;
#[cfg(test)]
mod end_to_end;
mod histogram;
mod ledger;
mod listener;
mod message;
mod null;
#[cfg(test)]
mod over_tls;
mod pacing;
mod plan;
mod reply;
mod report;
mod send;
mod session;
mod sink;
mod tally;
mod transcript;
mod transparency;
mod verify;
mod worker;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::arguments::{Arguments, Command, NullArguments, SendArguments, SinkArguments};
use crate::listener::{Listener, Responder};
use crate::null::Null;
use crate::pacing::Counter;
use crate::report::Report;
use crate::sink::{Manners, Sink};

fn main() -> ExitCode {
    raise_descriptor_limit();
    let result = match Arguments::parse().command {
        Command::Send(arguments) => send(&arguments),
        Command::Sink(arguments) => sink(&arguments),
        Command::Null(arguments) => null(&arguments),
        Command::Verify(arguments) => {
            verify::compare(&arguments.sent, &arguments.maildir, arguments.copies)
                .and_then(|findings| print(&findings.to_string()).map(|()| findings.is_clean()))
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            drop(writeln!(io::stderr(), "postern-loadgen: {error}"));
            ExitCode::from(2)
        }
    }
}

fn send(arguments: &SendArguments) -> io::Result<bool> {
    let plan = arguments
        .plan()
        .map_err(|refusal| io::Error::other(refusal.to_string()))?;
    let counter = Counter::default();
    send::stop_on_signals(&counter)?;
    let run = send::run(&plan, &counter, arguments.sent.as_deref())?;
    let command: Vec<String> = env::args().skip(1).collect();
    let report = Report::new(
        &plan,
        &run,
        format!("postern-loadgen {}", command.join(" ")),
    );
    if let Some(file) = &arguments.json {
        fs::write(file, format!("{:#}\n", report.json())).map_err(|error| {
            io::Error::new(error.kind(), format!("--json {}: {error}", file.display()))
        })?;
    }
    let separator = if arguments.transcript { "\n" } else { "" };
    print(&format!("{separator}{}", report.text()))?;
    Ok(run.tally.is_clean())
}

fn sink(arguments: &SinkArguments) -> io::Result<bool> {
    let manners = Manners {
        delay: Duration::from_millis(u64::from(arguments.delay_ms)),
        refuse: arguments.refuse,
        disconnect: arguments.disconnect,
        seed: arguments.seed,
        messages_max: arguments.messages,
    };
    let counts = serve(&arguments.listen, Sink::new(manners))?.counts();
    print(&counts.to_string())?;
    Ok(true)
}

fn null(arguments: &NullArguments) -> io::Result<bool> {
    serve(&arguments.listen, Null).map(|_| true)
}

/// Listens, says so, and serves until a signal comes or the responder is done.
fn serve<R: Responder>(listen: &arguments::Listen, responder: R) -> io::Result<R> {
    let address = listen
        .address()
        .map_err(|refusal| io::Error::other(refusal.to_string()))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let listener = Listener::bind(address, responder, stop)
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    print(&format!("ready {}\n", listener.address()))?;
    listener.run()
}

fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Allows as many descriptors as the system lets us have; without it, 1,024 connections are the
/// end on many systems.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A smaller limit shows as connects that fail, with the system's reason.
    let _ = setrlimit(Resource::Nofile, limit);
}
