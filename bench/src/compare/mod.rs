//! Compares servers under the same load: one core serves, another one asks.
//!
//! In: the programs to compare. Out: a Markdown table of messages per second and of server CPU seconds per 100,000
//! messages, each the median of the rounds with least and most, and their ratios within the run.
//! Guarantees: servers take turns within each case (A B C A B C); a run that lost a message, or got a reply other than
//! expected, ends the comparison with an error. Does not: compare figures of different machines or days.

mod case;
mod load;
pub(crate) mod server;
mod table;

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::machine::Machine;
use case::Case;
use load::{Load, Measurement};
use server::{Kind, Programs, Server};

/// Options of `compare`.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// Rounds, each of which visits every case and every server
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Seconds of load per server, case and round
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// One short round over two cases, to see that everything works; the figures mean nothing
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Servers to compare; smtp-sink is left out where it is not installed
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    servers: Vec<Kind>,
    /// The processor the servers run on, in turn
    #[arg(long, value_name = "N", default_value_t = 0)]
    server_cpu: usize,
    /// The processor the load generator runs on
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_cpu: usize,
    /// Where postern and postern-loadgen are [default: beside this program]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Write the report of every single run here, one JSON value a line
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

/// Runs the comparison and prints its table.
pub(crate) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    if arguments.server_cpu == arguments.load_cpu {
        return Err(Failure(
            "server and load generator need a processor each; set --server-cpu and --load-cpu"
                .into(),
        ));
    }
    let programs = Programs::find(arguments.programs.clone())?;
    let folder = server::WorkFolder::make()?;
    let mut servers = Vec::new();
    for kind in &arguments.servers {
        servers.extend(Server::start(
            *kind,
            &programs,
            arguments.server_cpu,
            &folder,
        )?);
    }
    let (rounds, seconds, cases) = if arguments.quick {
        (1, QUICK_SECONDS, Case::QUICK.to_vec())
    } else {
        (arguments.rounds, arguments.seconds, Case::all())
    };
    let mut load = Load::new(
        &programs,
        arguments.load_cpu,
        seconds,
        &folder,
        arguments.raw.as_deref(),
    )?;
    let mut measured = vec![vec![Vec::new(); servers.len()]; cases.len()];
    for round in 1..=rounds {
        for (case, of_case) in cases.iter().zip(&mut measured) {
            eprintln!("round {round} of {rounds}: {case}");
            for (server, of_server) in servers.iter().zip(of_case) {
                let measurement: Measurement = load.run(*case, server)?;
                of_server.push(measurement);
            }
        }
    }
    let kinds: Vec<Kind> = servers.iter().map(Server::kind).collect();
    for server in servers {
        server.stop()?;
    }
    let text = table::markdown(&Machine::here(), &kinds, &cases, &measured);
    print(&text)
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::of("standard output", error))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err(format!("{text} is not a number of seconds from 0.1 to 600")),
    }
}

const QUICK_SECONDS: f64 = 0.3;
