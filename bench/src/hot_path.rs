//! Answers commands without a network: the pure core, for callgrind and memcheck.
//!
//! In: a workload and how many batches. Out: one line with the number of commands. The path is the pump's: line scanner,
//! `Command::parse`, `Session::step`, replies gathered per batch. Guarantees: after a warm-up every batch does the same
//! work, so that the difference between a run of N and one of 2N batches, divided by the commands of N, is the cost of a
//! command without start and end; every batch's replies are compared with the ones expected.
//! Does not: wait, read a clock, or measure itself. `run-callgrind` does.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use clap::Args;
use postern::limits;
use postern::smtp::command::Command;
use postern::smtp::line::{LineScanner, Scan};
use postern::smtp::reply::Replies;
use postern::smtp::session::{
    AcceptDomains, ClientFacts, Session, SessionLimits, SessionOptions, Step,
};

use crate::failure::Failure;
use crate::hook_call::CompiledHook;

/// Options of `hot-path`.
#[derive(Args, Debug)]
pub(crate) struct HotPathArguments {
    /// What the client sends
    #[arg(value_enum)]
    workload: Workload,
    /// Batches after the warm-up
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    batches: u64,
}

/// What a batch consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// 32 NOOP in one segment
    Noop,
    /// MAIL, RCPT, RCPT, RSET, four times in one segment
    Envelope,
    /// As noop, each line first compared with a command by a Proxy script
    NoopProxy,
    /// As envelope, with the same script
    EnvelopeProxy,
}

/// Runs a workload.
pub(crate) fn run(arguments: &HotPathArguments) -> Result<(), Failure> {
    let (batch, expected, commands_count) = arguments.workload.batch();
    let hook = arguments.workload.hook()?;
    let mut core = Core::new(hook)?;
    core.answer(b"EHLO client.example\r\n")?;
    core.replies.clear();
    for _ in 0..WARM_UP_BATCHES_COUNT + arguments.batches {
        core.answer(&batch)?;
        if core.replies.as_octets() != expected {
            let got = String::from_utf8_lossy(core.replies.as_octets());
            return Err(Failure(format!("unexpected replies: {got}")));
        }
        core.replies.clear();
    }
    let commands_count = commands_count * arguments.batches;
    println_line(&format!(
        "{:?}: {commands_count} commands",
        arguments.workload
    ))
}

fn println_line(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::of("standard output", error))
}

impl Workload {
    /// What the client sends, what it must be answered, and how many commands that is.
    fn batch(self) -> (Vec<u8>, Vec<u8>, u64) {
        match self {
            Self::Noop | Self::NoopProxy => (NOOP.repeat(32), NOOP_REPLIES.repeat(32), 32),
            Self::Envelope | Self::EnvelopeProxy => {
                (ENVELOPE.repeat(4), ENVELOPE_REPLIES.repeat(4), 16)
            }
        }
    }

    fn hook(self) -> Result<Option<CompiledHook>, Failure> {
        match self {
            Self::Noop | Self::Envelope => Ok(None),
            Self::NoopProxy | Self::EnvelopeProxy => CompiledHook::proxy_command().map(Some),
        }
    }
}

/// What the pump holds between socket and session.
struct Core {
    scanner: LineScanner,
    session: Session,
    replies: Replies,
    hook: Option<CompiledHook>,
}

impl Core {
    fn new(hook: Option<CompiledHook>) -> Result<Self, Failure> {
        let accept_domains = AcceptDomains::new(["example.com"])
            .map_err(|error| Failure(format!("pattern {} is no domain", error.index)))?;
        let options = SessionOptions {
            accept_domains,
            limits: SessionLimits {
                idle_commands_max: u32::MAX,
                ..SessionLimits::default()
            },
            ..SessionOptions::new("mx.example.com")
        };
        let client = ClientFacts::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Self {
            scanner: LineScanner::new(),
            session: Session::new(Arc::new(options), client),
            replies: Replies::new(),
            hook,
        })
    }

    /// Answers the lines of one segment.
    fn answer(&mut self, mut octets: &[u8]) -> Result<(), Failure> {
        while !octets.is_empty() {
            let Scan::Line { line, consumed } = self
                .scanner
                .next_line(octets, limits::COMMAND_LINE_OCTETS_MAX)
            else {
                return Err(Failure("a line does not end in its segment".into()));
            };
            if let (Some(hook), Ok(line)) = (&self.hook, line) {
                hook.require_pass(line)?;
            }
            let step = self
                .session
                .step(line.and_then(Command::parse), &mut self.replies);
            if step != Step::Continue {
                return Err(Failure(format!("the session wants {step:?}")));
            }
            octets = octets.get(consumed..).unwrap_or_default();
        }
        Ok(())
    }
}

const NOOP: &[u8] = b"NOOP\r\n";
const NOOP_REPLIES: &[u8] = b"250 2.0.0 Ok\r\n";
const ENVELOPE: &[u8] = b"MAIL FROM:<sender@client.example> SIZE=1024 BODY=8BITMIME\r\n\
    RCPT TO:<first@example.com>\r\nRCPT TO:<second@example.com>\r\nRSET\r\n";
const ENVELOPE_REPLIES: &[u8] = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n";

/// After so many batches every buffer has its final size.
const WARM_UP_BATCHES_COUNT: u64 = 100;
