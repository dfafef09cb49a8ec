//! The command line, and how it becomes a plan.
//!
//! In: what the user typed. Out: checked values; every refusal names the option and the remedy.
//! Opens nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};

use crate::channel::{Begin, Sessions, Tls};
use crate::message::NUMBER_MAX;
use crate::pacing::Schedule;
use crate::plan::{self, Mode, Plan, Refusal};

/// Load generator and sink for SMTP servers.
#[derive(Debug, Parser)]
#[command(name = "postern-loadgen", version, about)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send messages, or only open sessions, and report what the server did
    ///
    /// Exits with 1 when any unit ended otherwise than expected or anything else went wrong.
    /// Not offered: BDAT, AUTH, sizes by distribution, replay of dialogues, reports as HTML.
    Send(Box<SendArguments>),
    /// Accept everything and count it
    Sink(SinkArguments),
    /// Answer with canned replies: the ceiling against which servers are compared
    Null(NullArguments),
    /// Compare what was acknowledged with what is stored
    Verify(VerifyArguments),
}

/// Options of `send`.
#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    /// The server
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) to: SocketAddr,
    /// How commands and messages are put into writes
    #[arg(long, value_enum, default_value = "pipe")]
    pub(crate) mode: Mode,
    /// Begin each connection with a TLS handshake; every certificate is taken
    #[arg(long, conflicts_with = "starttls")]
    pub(crate) tls: bool,
    /// Begin TLS with STARTTLS; every certificate is taken
    #[arg(long)]
    pub(crate) starttls: bool,
    /// The name the server is asked for (SNI) [default: the address, which asks for none]
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_name: Option<String>,
    /// Resume TLS sessions where the server allows it; without it each handshake is a full one
    #[arg(long)]
    pub(crate) tls_resume: bool,
    /// Connections held at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) connections: usize,
    /// Messages to send (sessions in `conn` mode) [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub(crate) messages: Option<u64>,
    /// Send for this long instead of a number of messages
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
    /// QUIT and reconnect after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages_per_connection: Option<u64>,
    /// Octets of each message's content
    #[arg(long, value_name = "BYTES", default_value_t = 1_024)]
    pub(crate) size: u64,
    /// Recipients of each message
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) recipients: usize,
    /// Open loop: begin so many messages per second, latency counted from the scheduled time
    ///
    /// Without it the loop is closed: a connection begins a message when the one before is done,
    /// and a server that stalls is simply asked less.
    #[arg(long, value_name = "MSGS_PER_S", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Let the rate (closed loop: the number of connections) rise from zero in this time
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub(crate) ramp: Duration,
    /// The name given in EHLO
    #[arg(long, value_name = "NAME", default_value = "loadgen.invalid")]
    pub(crate) helo: String,
    /// The reverse-path; `a{1-9}@b.example` takes a1 to a9 in turn; empty is the null path
    #[arg(long, value_name = "PATTERN", default_value = "sender@loadgen.invalid")]
    pub(crate) from: String,
    /// The domain of the recipients r1, r2 and so on; `d{1-9}.example` takes d1 to d9 in turn
    #[arg(long, value_name = "PATTERN", default_value = "example.com")]
    pub(crate) to_domain: String,
    /// Local addresses to connect from, in turn: one, or a range such as 127.0.0.1-127.0.0.20
    #[arg(long, value_name = "RANGE")]
    pub(crate) source_addresses: Option<Sources>,
    /// Worker threads: a count such as 2, or a list of CPUs to pin them to such as 1-1 or 0,2-3
    #[arg(long, value_name = "SPEC", default_value = "1")]
    pub(crate) cores: Cores,
    /// The reply code each unit has to end with [default: 250, in `conn` mode 221]
    ///
    /// That is the reply to the end of mail data, or the refusal that ended the transaction
    /// before; in `conn` mode the reply to QUIT, or the refusal before.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..560))]
    pub(crate) expect: Option<u16>,
    /// Longest wait for a reply
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) timeout: Duration,
    /// Close connections with RST (SO_LINGER 0), which leaves no TIME_WAIT behind
    #[arg(long)]
    pub(crate) rst_close: bool,
    /// Report the CPU time of this process too: the server, if it runs on this machine
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Write the report as JSON too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the id of every acknowledged message, one a line, for `verify`
    #[arg(long, value_name = "FILE")]
    pub(crate) sent: Option<PathBuf>,
    /// Print the dialogue; for one connection and few, small messages
    #[arg(long)]
    pub(crate) transcript: bool,
}

/// Options of `sink`.
#[derive(Debug, Args)]
pub(crate) struct SinkArguments {
    /// Where to listen
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// End after this many accepted messages
    #[arg(long, value_name = "N")]
    pub(crate) messages: Option<u64>,
    /// Wait before the reply to each end of mail data
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) delay_ms: u32,
    /// Refuse each MAIL, RCPT, DATA and end of mail data with this probability (451)
    #[arg(long, value_name = "P", value_parser = probability, default_value_t = 0.0)]
    pub(crate) refuse: f64,
    /// Disconnect instead of replying to each of them with this probability
    #[arg(long, value_name = "P", value_parser = probability, default_value_t = 0.0)]
    pub(crate) disconnect: f64,
    /// Begin of the sequence of pseudo-random numbers behind both
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Options of `null`.
#[derive(Debug, Args)]
pub(crate) struct NullArguments {
    /// Where to listen
    #[command(flatten)]
    pub(crate) listen: Listen,
}

/// Where a server of this program listens.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where to listen; port 0 takes a free one, shown in the line `ready ADDR:PORT`
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Listen on an address that is not loopback: anyone who reaches it can fill this machine
    #[arg(long)]
    pub(crate) allow_any_address: bool,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The file `send --sent` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) sent: PathBuf,
    /// The Maildir, or a directory of Maildirs
    #[arg(long, value_name = "DIR")]
    pub(crate) maildir: PathBuf,
    /// Copies of each message that are right, when recipients share the directory
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) copies: u32,
}

/// Worker threads and the CPUs they run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cores {
    workers_count: usize,
    cpus: Vec<usize>,
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal =
            || format!("{text} is neither a count up to {WORKERS_MAX} nor a list of CPUs");
        let number = |text: &str| {
            text.parse::<usize>()
                .ok()
                .filter(|number| *number < CPUS_MAX)
                .ok_or_else(refusal)
        };
        let mut cpus = Vec::new();
        if text.contains(['-', ',']) {
            for part in text.split(',') {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                cpus.extend(number(first)?..=number(last)?);
            }
        }
        let workers_count = if text.contains(['-', ',']) {
            cpus.len()
        } else {
            number(text)?
        };
        if workers_count == 0 || WORKERS_MAX < workers_count {
            return Err(refusal());
        }
        Ok(Self {
            workers_count,
            cpus,
        })
    }
}

/// Addresses to connect from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sources(Vec<IpAddr>);

impl FromStr for Sources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(single) = text.parse() {
            return Ok(Self(vec![single]));
        }
        let refusal = || format!("{text} is neither an address nor a range of IPv4 addresses");
        let (first, last) = text.split_once('-').ok_or_else(refusal)?;
        let first: Ipv4Addr = first.parse().map_err(|_| refusal())?;
        let last: Ipv4Addr = last.parse().map_err(|_| refusal())?;
        if last < first || SOURCES_MAX <= last.to_bits() - first.to_bits() {
            return Err(format!("{text} does not name 1 to {SOURCES_MAX} addresses"));
        }
        let addresses = first.to_bits()..=last.to_bits();
        Ok(Self(
            addresses
                .map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
                .collect(),
        ))
    }
}

impl SendArguments {
    /// The plan these options describe.
    ///
    /// # Errors
    ///
    /// Options out of range or at odds with each other.
    pub(crate) fn plan(&self) -> Result<Plan, Refusal> {
        self.require_consistency()?;
        let size_octets = plan::size_octets(self.size)?;
        let messages = self.messages.or(self.duration.is_none().then_some(1));
        let units_max = messages.unwrap_or(NUMBER_MAX);
        let connections_count = self
            .connections
            .min(usize::try_from(units_max).unwrap_or(usize::MAX));
        let sources = self
            .source_addresses
            .as_ref()
            .map_or_else(Vec::new, |list| list.0.clone());
        let expect = match self.mode {
            Mode::Conn => 221,
            _ => 250,
        };
        Ok(Plan {
            to: self.to,
            mode: self.mode,
            tls: self.tls()?,
            connections_count,
            messages_per_connection_max: self.messages_per_connection.unwrap_or(u64::MAX),
            size_octets,
            recipients_count: self.recipients,
            schedule: Schedule {
                rate_per_second: self.rate,
                ramp: self.ramp,
                duration: self.duration,
                units_max,
            },
            timeout: self.timeout,
            expect: self.expect.unwrap_or(expect),
            closes_by_reset: self.rst_close,
            sources,
            workers_count: self.cores.workers_count.min(connections_count),
            cpus: self.cores.cpus.clone(),
            server_pid: self.server_pid,
            has_transcript: self.transcript,
            run: this_run(),
            seeds_count: plan::seeds_count(size_octets),
            ehlo: format!("EHLO {}\r\n", self.helo).into_bytes(),
            envelopes: plan::envelopes(&self.from, &self.to_domain, self.recipients)?,
        })
    }

    fn tls(&self) -> Result<Option<Tls>, Refusal> {
        let begin = match (self.tls, self.starttls) {
            (true, _) => Begin::AtOnce,
            (false, true) => Begin::OnRequest,
            (false, false) if self.tls_resume || self.tls_name.is_some() => {
                let text = "--tls-resume and --tls-name need --tls or --starttls";
                return Err(Refusal(text.to_owned()));
            }
            (false, false) => return Ok(None),
        };
        let sessions = if self.tls_resume {
            Sessions::Resumed
        } else {
            Sessions::New
        };
        let address = self.to.ip().to_string();
        let name = self.tls_name.as_deref().unwrap_or(&address);
        let tls = Tls::new(begin, sessions, name);
        tls.map(Some)
            .map_err(|text| Refusal(format!("--tls-name: {text}")))
    }

    fn require_consistency(&self) -> Result<(), Refusal> {
        let refuse = |text: String| Err(Refusal(text));
        plan::require_plain(&self.helo)?;
        if self.helo.is_empty() {
            return refuse("--helo is empty; RFC 5321 wants a domain or an address literal".into());
        }
        if self.connections == 0 || CONNECTIONS_MAX < self.connections {
            return refuse(format!(
                "--connections is not between 1 and {CONNECTIONS_MAX}"
            ));
        }
        if self.recipients == 0 || RECIPIENTS_MAX < self.recipients {
            return refuse(format!(
                "--recipients is not between 1 and {RECIPIENTS_MAX}"
            ));
        }
        if self
            .messages
            .is_some_and(|messages| messages == 0 || NUMBER_MAX <= messages)
        {
            return refuse(format!(
                "--messages is not between 1 and {}",
                NUMBER_MAX - 1
            ));
        }
        if self.timeout.is_zero() {
            return refuse("--timeout is 0; a wait needs some time".into());
        }
        let family = |address: &IpAddr| address.is_ipv4() == self.to.is_ipv4();
        if let Some(sources) = &self.source_addresses
            && !sources.0.iter().all(family)
        {
            return refuse("--source-addresses and --to are of different families".into());
        }
        let is_small = self.messages.unwrap_or(1) <= TRANSCRIPT_MESSAGES_MAX
            && self.size <= TRANSCRIPT_OCTETS_MAX
            && self.connections == 1
            && self.duration.is_none();
        if self.transcript && !is_small {
            return refuse(format!(
                "--transcript is for one connection, at most {TRANSCRIPT_MESSAGES_MAX} messages \
                 and {TRANSCRIPT_OCTETS_MAX} octets each"
            ));
        }
        Ok(())
    }
}

impl Listen {
    /// The address, if it may be listened on.
    ///
    /// # Errors
    ///
    /// An address other machines may reach, without the option that allows it.
    pub(crate) fn address(&self) -> Result<SocketAddr, Refusal> {
        if self.listen.ip().is_loopback() || self.allow_any_address {
            return Ok(self.listen);
        }
        Err(Refusal(format!(
            "{} is not a loopback address; --allow-any-address listens on it all the same",
            self.listen
        )))
    }
}

/// A number that tells this run from others: seconds, and bits of the process and the clock.
fn this_run() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs() & 0xffff_ffff;
    let salt = u64::from(since.subsec_nanos() >> 4) ^ u64::from(process::id());
    seconds << 16 | (salt & 0xffff)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let refusal = || format!("{text} is not a number of seconds up to {SECONDS_MAX}");
    let seconds: f64 = text.parse().map_err(|_| refusal())?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(refusal());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| refusal())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (RATE_MIN..=RATE_MAX).contains(&rate) => Ok(rate),
        _ => Err(format!(
            "{text} is not a rate between {RATE_MIN} and {RATE_MAX}"
        )),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("{text} is not a probability between 0 and 1")),
    }
}

const WORKERS_MAX: usize = 256;
const CPUS_MAX: usize = 1_024;
const SOURCES_MAX: u32 = 65_536;
const CONNECTIONS_MAX: usize = 1_000_000;
const RECIPIENTS_MAX: usize = 100_000;
const TRANSCRIPT_MESSAGES_MAX: u64 = 16;
const TRANSCRIPT_OCTETS_MAX: u64 = 16_384;
const SECONDS_MAX: f64 = 604_800.0;
const RATE_MIN: f64 = 0.001;
const RATE_MAX: f64 = 10_000_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(options: &[&str]) -> Result<Plan, Refusal> {
        let words = ["postern-loadgen", "send", "--to", "127.0.0.1:25"]
            .iter()
            .chain(options);
        match Arguments::try_parse_from(words).map(|arguments| arguments.command) {
            Ok(Command::Send(send)) => send.plan(),
            other => Err(Refusal(format!("{other:?}"))),
        }
    }

    #[test]
    fn defaults_send_one_message() {
        let plan = plan_of(&[]).expect("defaults are valid");
        assert_eq!(
            (plan.schedule.units_max, plan.connections_count, plan.expect),
            (1, 1, 250)
        );
        assert_eq!(
            plan_of(&["--mode", "conn"]).map(|plan| plan.expect),
            Ok(221)
        );
    }

    #[test]
    fn options_that_contradict_are_refused() {
        for options in [
            &["--messages", "1", "--duration", "1"][..],
            &["--connections", "0"],
            &["--recipients", "0"],
            &["--messages", "0"],
            &["--size", "10"],
            &["--timeout", "0"],
            &["--helo", "a b"],
            &["--expect", "600"],
            &["--rate", "0"],
            &["--source-addresses", "::1"],
            &["--source-addresses", "127.0.0.9-127.0.0.1"],
            &["--transcript", "--messages", "1000"],
            &["--mode", "bdat"],
            &["--tls", "--starttls"],
            &["--tls-resume"],
            &["--tls", "--tls-name", "not a name"],
        ] {
            assert!(plan_of(options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn cores_are_counts_or_lists() {
        let cores = |text: &str| {
            text.parse::<Cores>()
                .map(|cores| (cores.workers_count, cores.cpus))
        };
        assert_eq!(cores("2"), Ok((2, vec![])));
        assert_eq!(cores("1-1"), Ok((1, vec![1])));
        assert_eq!(cores("0,2-3"), Ok((3, vec![0, 2, 3])));
        for wrong in ["", "0", "x", "3-1", "1-", "9999999"] {
            assert!(cores(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn source_ranges_hold_both_ends() {
        let Sources(list) = "127.0.0.254-127.0.1.1".parse().expect("valid");
        assert_eq!(list.len(), 4);
        assert_eq!(list.last(), Some(&IpAddr::from([127, 0, 1, 1])));
    }

    #[test]
    fn only_loopback_is_listened_on_unasked() {
        let address = |words: &[&str]| {
            let words = [&["postern-loadgen", "null"], words].concat();
            match Arguments::try_parse_from(words).map(|arguments| arguments.command) {
                Ok(Command::Null(null)) => null.listen.address().is_ok(),
                other => panic!("{other:?}"),
            }
        };
        assert!(address(&["--listen", "127.0.0.1:0"]));
        assert!(address(&["--listen", "[::1]:0"]));
        assert!(!address(&["--listen", "0.0.0.0:0"]));
        assert!(address(&["--listen", "0.0.0.0:0", "--allow-any-address"]));
    }
}
