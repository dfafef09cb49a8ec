//! Shards as `postern serve` starts them, with every kind of server, on a disk that fails; and what they leave.
//!
//! In: a seed for the disk. Out: addresses; at the end the balance: counters, places of connections, sockets, files, and
//! what the log says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use postern::credentials::Verifiers;
use postern::delivery::{Destinations, Files, WriterThreads};
use postern::log::{self, Level, LogThread};
use postern::mailbox::{MailboxSender, mailbox, mailbox_of_peers};
use postern::profile::{Cores, Overrides, Profile, SourceText, load_text};
use postern::shard::{self, Admission, Busy, ShardEvent, ShardMessage, ShardParts, placement};

use super::ledger::Ledger;
use crate::crash::disk::{Disk, FAULTS, Plan};
use crate::crash::random::Random;
use crate::engine::channel::certificate;
use crate::engine::server::directory;

/// What a server of the world does differently; their order is that of [`configuration`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// AUTH in plain text.
    Plain,
    /// STARTTLS, and AUTH over TLS.
    StartTls,
    /// TLS from the start.
    Implicit,
    /// A PROXY header first.
    Proxy,
    /// XCLIENT.
    XClient,
    /// STARTTLS; low limits; clients that do not wait are refused.
    Strict,
}

/// Every kind.
pub(super) const KINDS: [Kind; 6] = [
    Kind::Plain,
    Kind::StartTls,
    Kind::Implicit,
    Kind::Proxy,
    Kind::XClient,
    Kind::Strict,
];

/// What a client must not see again once it was sent in plain text behind STARTTLS.
pub(super) const MARK: &str = "in-plain-text-behind-starttls";

/// The name and the secret of the user there is.
pub(super) const USER: (&str, &str) = ("ann@example.org", "sec-tanstaaf-ret");

/// What the user says with PLAIN (RFC 4616 §2).
pub(super) fn plain(secret: &str) -> Vec<u8> {
    format!("\0{}\0{secret}", USER.0).into_bytes()
}

/// Octets of a message of [`Kind::Strict`] at most; its errors.
pub(super) const STRICT_OCTETS_MAX: u64 = 20_000;
pub(super) const STRICT_ERRORS_MAX: u32 = 4;

/// Errors of the others at most.
pub(super) const ERRORS_MAX: u32 = 20;

/// Connections of a server at most: more than there are clients, and few enough to be counted.
const CONNECTIONS_MAX: u32 = 500;

/// The configuration of a server of each kind, in a directory with the certificate `main`.
pub(super) fn configuration() -> String {
    let server = |id: &str, keys: &str, limits: &str| {
        format!(
            "[[server]]\nid = \"{id}\"\nlisten = [\"127.0.0.1:0\"]\naccept_domains = [\"example.org\"]\n\
             destination = \"maildir:mail\"\n{keys}\n[server.limits]\nconnections_max = {CONNECTIONS_MAX}\n\
             connections_per_client_max = 1000\nproxy_headers_awaited_max = {CONNECTIONS_MAX}\n\
             idle_commands_max = 1000000\nauth_failure_delay_ms = 0\n{limits}\n"
        )
    };
    let (user, secret) = USER;
    let auth = format!(
        "auth_mechanisms = [\"PLAIN\", \"LOGIN\"]\nusers = {{ \"{user}\" = \"{secret}\" }}"
    );
    let plain = format!("{auth}\nauth_without_tls = true");
    let tls = |begin: &str| format!("{auth}\ncertificate = \"main\"\ntls = \"{begin}\"");
    let strict = format!("{}\nearly_command = \"refuse\"", tls("starttls"));
    let strict_limits = format!(
        "errors_per_connection_max = {STRICT_ERRORS_MAX}\nmessage_octets_max = {STRICT_OCTETS_MAX}"
    );
    [
        "[engine]\nhostname = \"mx.example.org\"\n".to_owned(),
        server("plain", &plain, ""),
        server("starttls", &tls("starttls"), ""),
        server("implicit", &tls("implicit"), ""),
        server("proxy", "proxy_protocol_from = [\"127.0.0.0/8\"]", ""),
        server("xclient", "xclient_from = [\"127.0.0.0/8\"]", ""),
        server("strict", &strict, &strict_limits),
        "[[certificate]]\nid = \"main\"\nchain = \"main.pem\"\nkey = \"main.key\"\n".to_owned(),
    ]
    .concat()
}

/// What the log's thread writes to.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().expect("nobody panics");
        lines.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the servers of a world listen: by shard, then by kind.
#[derive(Clone, Debug)]
pub(super) struct Addresses(Vec<Vec<SocketAddr>>);

impl Addresses {
    pub(super) fn new(by_shard: Vec<Vec<SocketAddr>>) -> Self {
        Self(by_shard)
    }

    /// Where a shard, of any number, has a server of this kind.
    pub(super) fn of(&self, shard: u64, kind: Kind) -> SocketAddr {
        let shard = shard % self.0.len() as u64;
        self.0[usize::try_from(shard).expect("it is small")][kind as usize]
    }
}

/// Running shards.
pub(super) struct World {
    seed: u64,
    directory: PathBuf,
    disk: Arc<Disk>,
    lines: Lines,
    shards: Vec<MailboxSender<ShardMessage>>,
    addresses: Addresses,
    admissions: Vec<Arc<Admission>>,
    events: Receiver<ShardEvent>,
    threads: (WriterThreads, LogThread),
}

impl World {
    /// Starts two shards, or one where there is one processor.
    pub(super) fn start(seed: u64) -> Self {
        let directory = directory();
        certificate(&["mx.example.org"]).write(&directory, "main");
        let source = SourceText {
            name: "simulation".to_owned(),
            text: configuration(),
        };
        let configuration = load_text(&source, &directory, Overrides::default());
        let profiles = configuration.expect("the configuration is right").profiles;
        let cpus = placement::choose(&Cores::All).expect("there is a processor");
        let count = cpus.len().min(SHARDS_COUNT);
        let disk = Arc::new(Disk::new(Plan::Random(Random::new(seed), CALLS_PER_FAULT)));
        let files: Arc<dyn Files> = Arc::clone(&disk) as Arc<dyn Files>;
        let destinations = Destinations::open(&profiles, count, "mx.example.org", &files);
        let mut destinations = destinations.expect("the directory is ours");
        let mut verifiers = Verifiers::start(count, true).expect("a thread");
        let admissions: Vec<_> = profiles
            .iter()
            .map(|profile| Arc::new(Admission::new(profile.limits)))
            .collect();
        let lines = Lines::default();
        let (log_sender, log) = log::start_to(Level::Connection, lines.clone()).expect("a thread");
        let (report, events) = channel();
        let peers = (0..count).map(|_| mailbox_of_peers().expect("descriptors are left"));
        let (peers, mut notices): (Vec<_>, Vec<_>) = peers.unzip();
        let busy = Busy::default();
        let (mut shards, mut addresses) = (Vec::new(), Vec::new());
        notices.reverse();
        for (number, cpu) in cpus.into_iter().take(count).enumerate() {
            let listeners = listeners(&profiles);
            addresses.push(listeners.iter().map(|listener| listener.address).collect());
            let (shard, messages) = mailbox(8).expect("descriptors are left");
            shards.push(shard);
            let report = report.clone();
            let started = shard::start(ShardParts {
                number,
                cpu,
                profiles: profiles.clone(),
                admissions: admissions.clone(),
                shortages: profiles.iter().map(|_| Arc::default()).collect(),
                listeners,
                delivery: destinations.for_shard(number),
                verifier: verifiers.for_shard(number),
                messages,
                notices: notices.pop().expect("each has one"),
                peers: peers.clone(),
                busy: busy.clone(),
                log: log_sender.clone(),
                report: Arc::new(move |event| drop(report.send(event))),
            });
            drop(started.expect("a thread"));
        }
        for _ in 0..count {
            assert!(matches!(events.recv(), Ok(ShardEvent::Accepting)));
        }
        Self {
            seed,
            directory,
            disk,
            lines,
            shards,
            addresses: Addresses::new(addresses),
            admissions,
            events,
            threads: (destinations.into_threads(), log),
        }
    }

    /// Where its servers listen.
    pub(super) fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Whether so much has happened that nothing can have been checked in vain.
    pub(super) fn check_variety(&self, ledger: &Ledger) {
        let (seen, counts) = (ledger.seen(), ledger.counts());
        let has_all = counts.iter().all(|count| 0 < *count)
            && 0 < seen.messages_refused
            && 0 < seen.tls_proven
            && 0 < seen.auth_accepted
            && 0 < seen.auth_refused;
        assert!(has_all, "{counts:?}, {seen:?}");
        let injected = self.disk.injected();
        assert!(FAULTS.len() / 2 < injected.len(), "only {injected:?}");
    }

    /// Stops and checks everything that must balance.
    pub(super) fn finish(self, ledger: &Ledger) {
        let because = format!("a world of POSTERN_SIMULATION_SEED={}", self.seed);
        settle(&self.addresses, ledger);
        for shard in &self.shards {
            shard.send(ShardMessage::Stop);
        }
        for _ in &self.shards {
            // A connection that does not end holds the shard up for longer than this.
            match self.events.recv_timeout(Duration::from_secs(25)) {
                Ok(ShardEvent::Ended(outcome)) => assert_eq!(outcome, Ok(()), "{because}"),
                other => panic!("{because}: {other:?} instead of the end of a shard"),
            }
        }
        let (writers, log) = self.threads;
        writers.join();
        log.join();
        let open = sockets_of(self.addresses.0.iter().flatten());
        assert!(open.is_empty(), "{because}: sockets are left: {open:?}");
        let files = open_files(&self.directory);
        assert!(files.is_empty(), "{because}: files are open: {files:?}");
        for admission in &self.admissions {
            check_places(admission, &because);
        }
        let maildir = self.directory.join("mail");
        let stored = ledger.check(&maildir, &because);
        let tmp = fs::read_dir(maildir.join("tmp")).expect("the server has made it");
        assert_eq!(tmp.count(), 0, "{because}: something is unfinished");
        for (id, (name, _)) in &stored {
            assert!(
                self.disk.is_durable(name),
                "{because}: {id} is not durable as {name}"
            );
        }
        let lines = std::mem::take(&mut *self.lines.0.lock().expect("nobody panics"));
        let lines = String::from_utf8(lines).expect("the log is ASCII");
        check_log(&lines, &stored, ledger, &because);
        fs::remove_dir_all(&self.directory).expect("it is ours");
    }
}

/// One more connection to each listening socket: when it is served, those before it have been accepted.
pub(super) fn settle(addresses: &Addresses, ledger: &Ledger) {
    for (kind, address) in addresses
        .0
        .iter()
        .flat_map(|all| KINDS.into_iter().zip(all))
    {
        ledger.see(|seen| seen.connections += 1);
        let mut stream = TcpStream::connect(address).expect("the shard listens");
        let late = Some(Duration::from_secs(30));
        stream.set_read_timeout(late).expect("it is a time");
        let said: &[u8] = match kind {
            // Neither a header nor a handshake, so that the server closes.
            Kind::Proxy | Kind::Implicit => b"QUIT QUIT QUIT QUIT QUIT\r\n",
            _ => b"",
        };
        if kind == Kind::Implicit {
            ledger.see(|seen| seen.tls_begun += 1);
        }
        stream.write_all(said).expect("the shard reads");
        let mut octets = [0; 64];
        // The first octets, or the end, perhaps with a reset.
        let is_late = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let is_late = stream.read(&mut octets).is_err_and(is_late);
        assert!(!is_late, "{kind:?} does not answer");
    }
}

fn listeners(profiles: &[Arc<Profile>]) -> Vec<shard::Listener> {
    let listeners = (0..profiles.len()).flat_map(|served| {
        // Of this shard alone, so that the seed chooses between them.
        let address = "127.0.0.1:0".parse().expect("an address");
        shard::bind(served, address, 1).expect("a port is free")
    });
    listeners.collect()
}

/// Every place is free: so many can be taken, and not one more.
fn check_places(admission: &Arc<Admission>, because: &str) {
    let client = "192.0.2.1".parse().expect("an address");
    let taken: Result<Vec<_>, _> = (0..CONNECTIONS_MAX)
        .map(|_| admission.enter(client, 0))
        .collect();
    let taken = taken.unwrap_or_else(|excess| panic!("{because}: places are lost: {excess:?}"));
    assert!(
        admission.enter(client, 0).is_err(),
        "{because}: a place too many"
    );
    drop(taken);
    let unnamed: Result<Vec<_>, _> = (0..CONNECTIONS_MAX)
        .map(|_| admission.enter_unnamed())
        .collect();
    assert!(unnamed.is_ok(), "{because}: places without a name are lost");
}

/// Connected sockets of this process's end with one of these ports, as the kernel lists them.
fn sockets_of<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> Vec<String> {
    let ports: BTreeSet<String> = addresses
        .map(|address| format!("0100007F:{:04X}", address.port()))
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel has it");
    let open = table.lines().filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Neither listening nor without an owner.
        matches!(words.as_slice(), [_, local, _, state, _, _, _, _, _, inode, ..]
            if ports.contains(*local) && *state != "0A" && *inode != "0")
    });
    open.map(str::to_owned).collect()
}

/// Descriptors of this process for what lies in `directory`.
fn open_files(directory: &Path) -> Vec<PathBuf> {
    let descriptors = fs::read_dir("/proc/self/fd").expect("the kernel has it");
    let paths = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    paths.filter(|path| path.starts_with(directory)).collect()
}

/// What the log tells must be what happened.
pub(super) fn check_log(
    lines: &str,
    stored: &BTreeMap<String, (String, usize)>,
    ledger: &Ledger,
    because: &str,
) {
    for wrong in [
        MARK,
        USER.1,
        &BASE64.encode(USER.1.as_bytes()),
        &BASE64.encode(&plain(USER.1)),
        "event=log_lost",
        "event=connections_left",
        "event=connection_failed",
        "reason=error",
    ] {
        let line = lines.lines().find(|line| line.contains(wrong));
        assert_eq!(line, None, "{because}: the log has {wrong}");
    }
    let accepted = lines
        .lines()
        .filter(|line| line.contains(" event=accepted "));
    let ids: Vec<&str> = accepted.filter_map(|line| word(line, "id")).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(
        ids.len(),
        unique.len(),
        "{because}: an id is accepted twice"
    );
    let stored_ids: BTreeSet<&str> = stored.keys().map(String::as_str).collect();
    assert_eq!(unique, stored_ids, "{because}: accepted and stored differ");

    check_totals(lines, stored, ledger, because);
}

/// What shards have counted must be what their log tells, and what clients have seen.
fn check_totals(
    lines: &str,
    stored: &BTreeMap<String, (String, usize)>,
    ledger: &Ledger,
    because: &str,
) {
    let counts = |event: &str| lines.matches(&format!(" event={event} ")).count() as u64;
    let total = |name: &str| -> u64 {
        let stopped = lines
            .lines()
            .filter(|line| line.contains(" event=stopped "));
        let numbers = stopped.map(|line| word(line, name).and_then(|number| number.parse().ok()));
        numbers
            .map(|number: Option<u64>| number.expect("each has it"))
            .sum()
    };
    let octets: usize = stored.values().map(|(_, octets)| octets).sum();
    let seen = ledger.seen();
    let equal = |name: &str, count: u64| assert_eq!(total(name), count, "{because}: {name}");
    let between = |name: &str, least: u64, most: u64| {
        let count = total(name);
        assert!(
            (least..=most).contains(&count),
            "{because}: {name} is {count}, not {least} to {most}"
        );
    };
    equal("connections", seen.connections);
    equal("connections", counts("connect"));
    equal("connections", counts("disconnect"));
    equal("connections_refused", 0);
    equal("timeouts", 0);
    equal("messages", stored.len() as u64);
    equal("message_octets", octets as u64);
    equal("tls_handshakes", counts("tls"));
    equal("auth_succeeded", counts("auth_succeeded"));
    equal("auth_failed", counts("auth_failed"));
    equal("auth_unavailable", 0);
    between("tls_handshakes", seen.tls_proven, seen.tls_begun);
    assert!(
        total("tls_handshakes") + total("tls_failures") <= seen.tls_begun,
        "{because}: more handshakes than were begun"
    );
    let doubt = seen.auth_in_doubt;
    between(
        "auth_succeeded",
        seen.auth_accepted,
        seen.auth_accepted + doubt,
    );
    between("auth_failed", seen.auth_refused, seen.auth_refused + doubt);
    let [_, in_doubt, absent] = ledger.counts();
    let most = (in_doubt + absent) as u64;
    between("messages_refused", seen.messages_refused, most);
}

/// The value of a word of a log line.
fn word<'line>(line: &'line str, key: &str) -> Option<&'line str> {
    let mut words = line.split(' ').filter_map(|word| word.split_once('='));
    words.find_map(|(found, value)| (found == key).then_some(value))
}

/// Shards of a world.
const SHARDS_COUNT: usize = 2;

/// Calls of the disk per fault.
const CALLS_PER_FAULT: u64 = 60;
