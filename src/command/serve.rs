//! `postern serve`: starts one shard per core and stops them.
//!
//! In: arguments. Out: the line `ready` with every address once all shards accept, then an exit status. Guarantees: the
//! order of starting: configuration, sockets, privileges given up, machine, destinations, shards; whatever is wrong is
//! said before the next step. Stopping: the first signal drains, a second one ends at once; messages handed to the disks
//! are finished.

mod privileges;

use std::fmt::Display;
use std::io::ErrorKind;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use clap::Args;
use postern::credentials::Verifiers;
use postern::delivery::{Destinations, Files, SystemFiles, WriterThreads};
use postern::log::{self, Level, LogSender, LogThread};
use postern::mailbox::{MailboxSender, mailbox, mailbox_of_peers};
use postern::profile::{self, Configuration, DestinationAddress, Overrides};
use postern::shard::{
    self, Admission, Busy, Listener, ShardEvent, ShardMessage, ShardParts, ShortageCell, placement,
};
use postern::watermark::{self, Gauges, Watched, WatermarkThread};
use postern_jit::allocator;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{FAILED, WRONG};

/// What `postern serve` can be told.
#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    /// The configuration (TOML); without it, 127.0.0.1:2525 takes mail for every domain into postern-data/mail.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Processors to use, one shard each: all, a count (4), or a list (0-3,8).
    #[arg(long, value_name = "SPEC")]
    cores: Option<String>,
    /// Listens here instead of at the first server's addresses; may be given several times, port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// Where the engine keeps what it must not lose.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Who to be once sockets are bound and directories made: a user by name or number; needs root to begin with.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// What is logged to standard error: off, error, warning, message (a line per message), connection.
    #[arg(long, value_name = "LEVEL", default_value = "message")]
    log: Level,
}

/// Runs the server.
pub(crate) fn serve(arguments: ServeArguments) -> ExitCode {
    let overrides = Overrides {
        cores: arguments.cores,
        data_dir: arguments.data_dir,
        listen: arguments.listen,
        user: arguments.user,
    };
    let configuration = match &arguments.config {
        Some(path) => profile::load_file(path, overrides),
        None => profile::load_embedded(overrides),
    };
    let configuration = match configuration {
        Ok(configuration) => configuration,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}");
            }
            return ExitCode::from(WRONG);
        }
    };
    for warning in &configuration.warnings {
        eprintln!("{warning}");
    }
    match Server::start(&configuration, arguments.log) {
        Ok(server) => server.wait(configuration),
        Err(refusal) => {
            eprintln!("error: {}", refusal.message);
            ExitCode::from(refusal.status)
        }
    }
}

/// Why nothing was started.
struct Refusal {
    message: String,
    status: u8,
}

impl Refusal {
    fn configuration(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            status: WRONG,
        }
    }

    fn machine(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            status: FAILED,
        }
    }
}

/// What the process hears while shards run.
enum Event {
    /// SIGTERM or SIGINT.
    Signal,
    /// SIGHUP.
    Renewal,
    Shard(ShardEvent),
}

/// The running shards.
struct Server {
    addresses: Vec<SocketAddr>,
    shards: Vec<MailboxSender<ShardMessage>>,
    events: Receiver<Event>,
    writers: WriterThreads,
    watermarks: WatermarkThread,
    log: LogThread,
}

impl Server {
    fn start(configuration: &Configuration, level: Level) -> Result<Self, Refusal> {
        let cpus = placement::choose(&configuration.cores).map_err(Refusal::configuration)?;
        let (addresses, listeners) = bind_all(configuration, cpus.len())?;
        // Confined, the process could not open them.
        let gauges = Gauges::open().map_err(|error| {
            Refusal::machine(format!(
                "cannot read /proc/self to watch memory and descriptors: {error}"
            ))
        })?;
        let confinement = privileges::give_up(configuration)?;
        placement::check_machine(cpus.len()).map_err(Refusal::machine)?;
        let hostname = &configuration.profiles[0].session.hostname;
        let files: Arc<dyn Files> = Arc::new(SystemFiles);
        let profiles = &configuration.profiles;
        let mut destinations = Destinations::open(profiles, cpus.len(), hostname, &files)
            .map_err(Refusal::configuration)?;
        let mut verifiers = start_verifiers(configuration, cpus.len())?;
        let (event_sender, events) = channel();
        watch_signals(event_sender.clone())?;
        let (log_sender, log) = log::start(level).map_err(Refusal::machine)?;
        privileges::say(&log_sender, confinement);

        let limits = configuration.profiles.iter().map(|profile| profile.limits);
        let admissions: Vec<_> = limits
            .map(|limits| Arc::new(Admission::new(limits)))
            .collect();
        // What the compiler of scripts had is free now.
        allocator::give_back();
        let (shortages, watermarks) = watch(configuration, gauges, &admissions, &log_sender)?;
        let mailboxes = cpus.iter().map(|_| mailbox_of_peers());
        let mailboxes = mailboxes.collect::<Result<Vec<_>, _>>();
        let mailboxes = mailboxes.map_err(Refusal::machine)?;
        let (peers, notices): (Vec<_>, Vec<_>) = mailboxes.into_iter().unzip();
        let busy = Busy::default();
        let mut shards = Vec::new();
        let of_shards = cpus.into_iter().enumerate().zip(listeners).zip(notices);
        for (((number, cpu), listeners), notices) in of_shards {
            let (sender, messages) = mailbox(SHARD_MESSAGES_MAX).map_err(Refusal::machine)?;
            let reports = event_sender.clone();
            let parts = ShardParts {
                number,
                cpu,
                profiles: configuration.profiles.clone(),
                admissions: admissions.clone(),
                shortages: shortages.clone(),
                listeners,
                delivery: destinations.for_shard(number),
                verifier: verifiers.for_shard(number),
                messages,
                notices,
                peers: peers.clone(),
                busy: busy.clone(),
                log: log_sender.clone(),
                report: Arc::new(move |event| drop(reports.send(Event::Shard(event)))),
            };
            shard::start(parts).map_err(Refusal::machine)?;
            shards.push(sender);
        }
        Ok(Self {
            addresses,
            shards,
            events,
            writers: destinations.into_threads(),
            watermarks,
            log,
        })
    }

    /// Says `ready`, waits for a signal, drains.
    fn wait(self, mut configuration: Configuration) -> ExitCode {
        let mut roll = Roll::new(self.shards.len());
        let mut accepting_count = 0;
        let mut running_count = self.shards.len();
        let mut is_stopping = false;
        let mut status = ExitCode::SUCCESS;
        while 0 < running_count {
            let event = match self.events.recv_timeout(ROLL_CALL_EVERY) {
                Ok(event) => event,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if !is_stopping && self.call_roll(&mut roll).is_err() {
                        return ExitCode::from(FAILED);
                    }
                    continue;
                }
            };
            match event {
                Event::Shard(ShardEvent::Here(shard)) => roll.answered(shard),
                Event::Shard(ShardEvent::Accepting) => {
                    accepting_count += 1;
                    if accepting_count == self.shards.len() {
                        say_ready(&self.addresses);
                    }
                }
                Event::Shard(ShardEvent::Ended(Ok(()))) => running_count -= 1,
                Event::Shard(ShardEvent::Ended(Err(reason))) => {
                    eprintln!("error: a shard has failed: {reason}");
                    running_count -= 1;
                    status = ExitCode::from(FAILED);
                    self.stop();
                    is_stopping = true;
                }
                Event::Renewal if is_stopping => {}
                Event::Renewal => self.renew_certificates(&mut configuration),
                Event::Signal if is_stopping => return ExitCode::from(FAILED),
                Event::Signal => {
                    self.stop();
                    is_stopping = true;
                }
            }
        }
        self.watermarks.join();
        self.writers.join();
        self.log.join();
        status
    }

    /// Reads certificates again and tells the shards. One that is wrong now is complained about, and stays as it was.
    fn renew_certificates(&self, configuration: &mut Configuration) {
        let (read_count, found) = configuration.certificates.read_files();
        found.iter().for_each(|found| eprintln!("{found}"));
        if read_count == 0 {
            return;
        }
        let acceptors = profile::acceptors(&configuration.certificates, &configuration.profiles);
        for (number, shard) in self.shards.iter().enumerate() {
            // A shard that does not even read its messages is the roll call's matter.
            if !shard.offer(ShardMessage::Handshakes(acceptors.clone())) {
                eprintln!(
                    "error: shard {number} cannot be told of certificates; send SIGHUP again"
                );
            }
        }
    }

    /// Asks every shard whether it is there, unless one has not answered for too long.
    fn call_roll(&self, roll: &mut Roll) -> Result<(), Stuck> {
        if let Some(shard) = roll.missing() {
            let seconds = ROLL_CALL_EVERY.as_secs() * u64::from(CALLS_MISSED_MAX);
            eprintln!(
                "error: shard {shard} has not answered for {seconds} seconds; the process ends so \
                 that what supervises it can start it again"
            );
            return Err(Stuck);
        }
        roll.call();
        for shard in &self.shards {
            // A full queue is a call that is missed, too.
            let _ = shard.offer(ShardMessage::AreYouThere);
        }
        Ok(())
    }

    fn stop(&self) {
        for shard in &self.shards {
            let _ = shard.offer(ShardMessage::Stop);
        }
    }
}

/// Watches what is left of memory, descriptors and space: what each profile is short of, and the thread that looks.
fn watch(
    configuration: &Configuration,
    gauges: Gauges,
    admissions: &[Arc<Admission>],
    log: &LogSender,
) -> Result<(Vec<Arc<ShortageCell>>, WatermarkThread), Refusal> {
    let profiles = configuration.profiles.iter();
    let shortages: Vec<_> = profiles.map(|_| Arc::new(ShortageCell::new())).collect();
    let watched = configuration.profiles.iter().zip(admissions);
    let watched = watched.zip(&shortages);
    let watched = watched.map(|((profile, admission), shortage)| Watched {
        directory: match &profile.destination {
            DestinationAddress::Maildir(path) => Some(path.clone()),
            DestinationAddress::Discard | DestinationAddress::NextHop(_) => None,
        },
        admission: Arc::clone(admission),
        shortage: Arc::clone(shortage),
    });
    let watermarks = &configuration.watermarks;
    let thread = watermark::start(watermarks, gauges, watched.collect(), log.clone());
    let thread = thread
        .map_err(|error| Refusal::machine(format!("cannot watch what space is left: {error}")))?;
    Ok((shortages, thread))
}

/// Starts the threads that verify credentials, if a profile has users.
fn start_verifiers(
    configuration: &Configuration,
    shards_count: usize,
) -> Result<Verifiers, Refusal> {
    let mut profiles = configuration.profiles.iter();
    let has_users = profiles.any(|profile| 0 < profile.users.count());
    Verifiers::start(shards_count, has_users).map_err(Refusal::machine)
}

/// Binds every address once per shard: the real addresses, and the sockets of each shard.
fn bind_all(
    configuration: &Configuration,
    shards_count: usize,
) -> Result<(Vec<SocketAddr>, Vec<Vec<Listener>>), Refusal> {
    let mut addresses = Vec::new();
    let mut of_shards: Vec<Vec<Listener>> = (0..shards_count).map(|_| Vec::new()).collect();
    for (served, profile) in configuration.profiles.iter().enumerate() {
        for address in &profile.listen {
            let listeners = shard::bind(served, *address, shards_count).map_err(|error| {
                let remedy = match error.kind() {
                    ErrorKind::PermissionDenied => {
                        "ports below 1024 are for root and for who has CAP_NET_BIND_SERVICE"
                    }
                    ErrorKind::AddrNotAvailable => "no interface of this machine has it",
                    _ => "free the address or choose another",
                };
                let id = &profile.id;
                Refusal::machine(format!(
                    "server `{id}` cannot listen on {address}: {error}; {remedy}"
                ))
            })?;
            addresses.extend(listeners.first().map(|listener| listener.address));
            for (of_shard, listener) in of_shards.iter_mut().zip(listeners) {
                of_shard.push(listener);
            }
        }
    }
    Ok((addresses, of_shards))
}

/// Turns signals into events, on a thread that lives as long as the process.
fn watch_signals(events: Sender<Event>) -> Result<(), Refusal> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(Refusal::machine)?;
    let thread = std::thread::Builder::new().name("postern-signals".to_owned());
    thread
        .spawn(move || {
            for signal in signals.forever() {
                let event = if signal == SIGHUP {
                    Event::Renewal
                } else {
                    Event::Signal
                };
                if events.send(event).is_err() {
                    return;
                }
            }
        })
        .map_err(Refusal::machine)?;
    Ok(())
}

/// Prints the one line other programs wait for.
fn say_ready(addresses: &[SocketAddr]) {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let mut stdout = std::io::stdout();
    // Nobody reads standard output: serving goes on.
    let _ = writeln!(stdout, "ready {}", addresses.join(" ")).and_then(|()| stdout.flush());
}

/// A shard does not answer any more.
struct Stuck;

/// Which shards have answered lately. A shard that is stuck would leave its share of the clients waiting for ever,
/// since the kernel goes on giving them to its listeners.
#[derive(Debug)]
struct Roll {
    missed: Vec<u32>,
}

impl Roll {
    fn new(shards_count: usize) -> Self {
        Self {
            missed: vec![0; shards_count],
        }
    }

    fn call(&mut self) {
        for missed in &mut self.missed {
            *missed += 1;
        }
    }

    fn answered(&mut self, shard: usize) {
        self.missed[shard] = 0;
    }

    /// A shard that has missed too many calls.
    fn missing(&self) -> Option<usize> {
        self.missed
            .iter()
            .position(|missed| CALLS_MISSED_MAX <= *missed)
    }
}

/// How often shards are asked whether they are there.
const ROLL_CALL_EVERY: Duration = Duration::from_secs(5);

/// Calls without an answer after which a shard is taken for stuck. Fewer than [`SHARD_MESSAGES_MAX`], so that asking
/// never blocks.
const CALLS_MISSED_MAX: u32 = 6;

/// Orders a shard may not have read yet.
const SHARD_MESSAGES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::{CALLS_MISSED_MAX, Roll, SHARD_MESSAGES_MAX};

    #[test]
    fn a_shard_that_never_answers_is_missed() {
        let mut roll = Roll::new(2);
        for _ in 0..CALLS_MISSED_MAX {
            assert_eq!(roll.missing(), None);
            roll.call();
            roll.answered(0);
        }
        assert_eq!(roll.missing(), Some(1));
        roll.answered(1);
        assert_eq!(roll.missing(), None);
        assert!(
            (CALLS_MISSED_MAX as usize) < SHARD_MESSAGES_MAX,
            "asking never blocks"
        );
    }
}
