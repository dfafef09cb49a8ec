//! A server under random clients for long: what it holds afterwards is what it held before.
//!
//! In: the built command, the sessions of `session.rs` until so many messages are acknowledged, a quarter of them to warm
//! up. Out: memory and descriptors of the process at its start, before, at their highest, and after, printed and
//! compared; and the balance of `world.rs`. Before and after are times of rest: there were sessions without mail until
//! the server gave no more memory back.
//!
//! ```text
//! POSTERN_SOAK_MESSAGES=200000 POSTERN_SOAK_DIRECTORY=/dev/shm POSTERN_SOAK_SERVER=target/release/postern \
//!     cargo test --profile checked --test engine soak -- --nocapture
//! ```

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ledger::Ledger;
use super::session::Style;
use super::world::{Addresses, configuration, settle};
use super::{number, session, world};
use crate::engine::channel::certificate;
use crate::engine::server::directory;

#[test]
fn a_soaked_server_holds_no_more_than_before() {
    let messages = number("POSTERN_SOAK_MESSAGES").unwrap_or(MESSAGES_DEFAULT);
    let seed = number("POSTERN_SIMULATION_SEED").unwrap_or(1);
    let soak = Soak::start();
    let ledger = Ledger::default();
    let begin = soak.measured();
    let next = AtomicU64::new(seed);
    soak.load(messages / 4, &next, &ledger);
    let before = soak.rested(begin.descriptors_count, &ledger);
    let peak = soak.load(messages, &next, &ledger);
    let after = soak.rested(begin.descriptors_count, &ledger);
    let seen = ledger.seen();
    eprintln!(
        "{} sessions, {} messages acknowledged, seeds {seed} to {}\n\
         RssAnon in KiB: {} at the start, {} before, {} at its highest, {} after\n\
         descriptors: {} at the start, {} before, {} at their highest, {} after",
        seen.connections,
        seen.messages_acknowledged,
        next.into_inner(),
        begin.anonymous_kib,
        before.anonymous_kib,
        peak.anonymous_kib,
        after.anonymous_kib,
        begin.descriptors_count,
        before.descriptors_count,
        peak.descriptors_count,
        after.descriptors_count,
    );
    assert_eq!(before.descriptors_count, after.descriptors_count);
    assert!(
        after.anonymous_kib <= before.anonymous_kib + SLACK_KIB,
        "{after:?} after, {before:?} before"
    );
    assert!(
        after.anonymous_kib <= begin.anonymous_kib + TOUCHED_KIB,
        "{after:?} after, {begin:?} at the start"
    );
    soak.finish(&ledger);
}

/// A server in a process of its own.
struct Soak {
    child: Child,
    directory: PathBuf,
    addresses: Addresses,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    anonymous_kib: u64,
    descriptors_count: usize,
}

impl Held {
    fn highest(self, other: Self) -> Self {
        Self {
            anonymous_kib: self.anonymous_kib.max(other.anonymous_kib),
            descriptors_count: self.descriptors_count.max(other.descriptors_count),
        }
    }
}

impl Soak {
    fn start() -> Self {
        let directory = match std::env::var_os("POSTERN_SOAK_DIRECTORY") {
            Some(place) => Path::new(&place).join(format!("postern-soak-{}", std::process::id())),
            None => directory(),
        };
        fs::create_dir_all(&directory).expect("the directory is writable");
        certificate(&["mx.example.org"]).write(&directory, "main");
        // Confined, its descriptors could be seen by root alone.
        let text = configuration().replace("[engine]", ENGINE);
        fs::write(directory.join("postern.toml"), text).expect("the directory is writable");
        let log = fs::File::create(directory.join("log")).expect("the directory is writable");
        let server = std::env::var_os("POSTERN_SOAK_SERVER");
        let server = server.unwrap_or_else(|| env!("CARGO_BIN_EXE_postern").into());
        let server = fs::canonicalize(server).expect("the server is built");
        let mut command = Command::new(server);
        command.args(["serve", "--config", "postern.toml", "--log", "connection"]);
        command.current_dir(&directory);
        let spawned = command.stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = spawned.expect("the server can be started");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut ready);
        read.expect("the line is text");
        assert!(ready.starts_with("ready "), "the server said {ready:?}");
        let addresses = ready.split_whitespace().skip(1);
        let addresses = addresses.map(|address| address.parse().expect("an address"));
        let addresses = Addresses::new(vec![addresses.collect()]);
        Self {
            child,
            directory,
            addresses,
        }
    }

    /// Runs sessions until so many more messages are acknowledged; what was held at most.
    fn load(&self, messages: u64, next: &AtomicU64, ledger: &Ledger) -> Held {
        let end = ledger.seen().messages_acknowledged + messages;
        let peak = Mutex::new(self.measured());
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS_COUNT {
                scope.spawn(|| {
                    while ledger.seen().messages_acknowledged < end {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let outcome = session::run(seed, Style::Messages, &self.addresses, ledger);
                        assert_eq!(outcome, Ok(()));
                        if seed.is_multiple_of(SESSIONS_PER_SAMPLE) {
                            let held = self.measured();
                            let mut peak = peak.lock().expect("no client fails");
                            *peak = peak.highest(held);
                        }
                    }
                });
            }
        });
        peak.into_inner().expect("no client fails")
    }

    /// What is held once the connections of clients that are gone have ended, and memory that nobody needs is given
    /// back: when it has not become less for a while.
    fn rested(&self, descriptors_count: usize, ledger: &Ledger) -> Held {
        let due = Instant::now() + REST_MAX;
        let mut held = self.measured();
        let mut least_since = Instant::now();
        let mut least_kib = held.anonymous_kib;
        loop {
            assert!(Instant::now() < due, "it does not come to rest: {held:?}");
            settle(&self.addresses, ledger);
            std::thread::park_timeout(LOOK_EVERY);
            held = self.measured();
            if held.anonymous_kib < least_kib {
                least_kib = held.anonymous_kib;
                least_since = Instant::now();
            }
            if REST_UNCHANGED < least_since.elapsed() && held.descriptors_count <= descriptors_count
            {
                return held;
            }
        }
    }

    fn measured(&self) -> Held {
        let process = self.child.id();
        let status = fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.expect("it is our child");
        let anonymous = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let anonymous = anonymous.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
        Held {
            anonymous_kib: anonymous
                .and_then(|number| number.trim().parse().ok())
                .expect("the kernel tells"),
            descriptors_count: descriptors.expect("it is our child").count(),
        }
    }

    fn finish(mut self, ledger: &Ledger) {
        let process = i32::try_from(self.child.id()).expect("process numbers are small");
        let process = Pid::from_raw(process).expect("it is not 0");
        kill_process(process, Signal::TERM).expect("it is our child");
        assert!(self.child.wait().expect("it is our child").success());
        let because = "soak";
        let stored = ledger.check(&self.directory.join("mail"), because);
        let lines = fs::read_to_string(self.directory.join("log")).expect("it is text");
        // Before it there is what the configuration is warned about, with its lines.
        let begin = lines.find("time=").expect("it has logged something");
        world::check_log(&lines[begin..], &stored, ledger, because);
    }
}

impl Drop for Soak {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const ENGINE: &str = "[engine]\nconfine = \"off\"";

/// Messages that fit an ordinary run of the tests.
const MESSAGES_DEFAULT: u64 = 1_000;

/// Clients at one time.
const CLIENTS_COUNT: usize = 16;

/// Sessions between two looks at what the server holds.
const SESSIONS_PER_SAMPLE: u64 = 50;

/// A server that has not given memory back for so long has none to give: longer than it waits before it does.
const REST_UNCHANGED: Duration = Duration::from_secs(10);

/// How often it is looked whether memory has been given back.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Time that a server has to notice that clients are gone.
const REST_MAX: Duration = Duration::from_mins(1);

/// What memory may differ by between two times of rest because of where the allocator has put things, and where the
/// system has put a huge page under them, in KiB.
const SLACK_KIB: u64 = 4_096;

/// What may stay of the first clients: pages of heaps, stacks and rings that were touched, in KiB.
const TOUCHED_KIB: u64 = 8_192;
