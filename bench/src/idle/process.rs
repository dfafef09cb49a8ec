//! The process that holds a crowd: a descriptor of its own for each connection.
//!
//! In: where the server is, how many connections. Out: on standard output `held` once they stand, and for every `check`
//! on standard input `checked` once they were looked at. Guarantees: the connections last until standard input ends, no
//! longer; the first failure ends the process. A process of its own, so that descriptors last for both ends, and so that
//! the server's newcomers are not waited for by whoever holds fifty thousand connections.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::Args;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::client::Tls;
use super::crowd::Crowd;
use crate::failure::Failure;

/// Options of `hold`.
#[derive(Args, Debug)]
pub(crate) struct HoldArguments {
    /// The server
    #[arg(long, value_name = "ADDRESS")]
    to: SocketAddr,
    /// Connections of other crowds, from the same addresses
    #[arg(long, value_name = "N")]
    first: usize,
    /// Connections of this one
    #[arg(long, value_name = "N")]
    count: usize,
    /// The processor to run on
    #[arg(long, value_name = "N")]
    cpu: usize,
    /// Use TLS and trust the certificate in this file
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

/// Holds a crowd.
pub(crate) fn hold(arguments: &HoldArguments) -> Result<(), Failure> {
    stay_on(arguments.cpu)?;
    let tls = arguments.trust.as_deref().map(Tls::trusting).transpose()?;
    let HoldArguments {
        to, first, count, ..
    } = *arguments;
    let mut crowd = Crowd::gather(to, tls.as_ref(), first, count)?;
    say(HELD)?;
    for line in std::io::stdin().lines() {
        line.map_err(|error| Failure::of("standard input", error))?;
        crowd.check()?;
        say(CHECKED)?;
    }
    Ok(())
}

/// Keeps this thread on one processor from now on, with what it starts.
pub(super) fn stay_on(cpu: usize) -> Result<(), Failure> {
    let mut only = CpuSet::new();
    only.set(cpu);
    let pinned = sched_setaffinity(None, &only);
    pinned.map_err(|error| Failure::of(format_args!("processor {cpu}"), error))
}

fn say(word: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "{word}").and_then(|()| output.flush());
    written.map_err(|error| Failure::of("standard output", error))
}

/// A crowd, seen from the process that measures.
#[derive(Debug)]
pub(super) struct CrowdProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl CrowdProcess {
    /// Starts one and waits until it stands.
    pub(super) fn gather(
        server: SocketAddr,
        trust: Option<&Path>,
        first: usize,
        count: usize,
        cpu: usize,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::of("crowd", error);
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("hold").args(["--to", &server.to_string()]);
        command.args(["--first", &first.to_string(), "--count", &count.to_string()]);
        command.args(["--cpu", &cpu.to_string()]);
        if let Some(chain) = trust {
            command.arg("--trust").arg(chain);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure("a crowd without pipes".into()));
        };
        let mut crowd = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        crowd.hear(HELD)?;
        Ok(crowd)
    }

    /// Has every connection looked at.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        let told = self.input.write_all(b"check\n");
        told.map_err(|error| Failure::of("crowd", error))?;
        self.hear(CHECKED)
    }

    fn hear(&mut self, word: &str) -> Result<(), Failure> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        read.map_err(|error| Failure::of("crowd", error))?;
        if line.trim_end() == word {
            return Ok(());
        }
        Err(Failure(
            "the crowd has failed; its error stands above".into(),
        ))
    }
}

impl Drop for CrowdProcess {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const HELD: &str = "held";
const CHECKED: &str = "checked";
