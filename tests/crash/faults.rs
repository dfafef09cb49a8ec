//! A disk that fails: what clients are told, and what is stored after it.
//!
//! In: a server in this process whose writers use `disk.rs`, clients over TCP. Out: replies, and the store compared with the
//! ledger; what was acknowledged would also be there after a power cut.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use postern::delivery::{Destinations, Files, WriterThreads};
use postern::log::{self, Level, LogThread};
use postern::mailbox::{MailboxSender, mailbox, mailbox_of_peers};
use postern::profile::{Cores, Overrides, SourceText, load_text};
use postern::shard::{self, Admission, Busy, ShardEvent, ShardMessage, ShardParts, placement};

use super::disk::{Disk, EDQUOT, EIO, EMFILE, ENOSPC, EROFS, FAULTS, Fault, Plan};
use super::ledger::{Ledger, Outcome, Sender, size, unfinished_count};
use super::random::{Random, rounds, seed};
use crate::engine::server::{MAILDIR, configuration, directory};

/// A server of one shard whose disk is a [`Disk`].
struct Server {
    address: SocketAddr,
    directory: PathBuf,
    disk: Arc<Disk>,
    shard: MailboxSender<ShardMessage>,
    events: Receiver<ShardEvent>,
    threads: Option<(WriterThreads, LogThread)>,
}

impl Server {
    fn start(plan: Plan) -> Self {
        let directory = directory();
        let source = SourceText {
            name: "test".to_owned(),
            text: configuration(MAILDIR, ""),
        };
        let profiles = load_text(&source, &directory, Overrides::default());
        let profiles = profiles.expect("the configuration is right").profiles;
        let disk = Arc::new(Disk::new(plan));
        let files: Arc<dyn Files> = Arc::clone(&disk) as Arc<dyn Files>;
        let destinations = Destinations::open(&profiles, 1, "mx.example.org", &files);
        let mut destinations = destinations.expect("the directory is ours");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let listeners = shard::bind(0, listen, 1).expect("a port is free");
        let address = listeners[0].address;
        let (log_sender, log) = log::start(Level::Off).expect("a thread");
        let (report, events) = channel();
        let (peer, notices) = mailbox_of_peers().expect("descriptors are left");
        let (shard, messages) = mailbox(8).expect("descriptors are left");
        let cpus = placement::choose(&Cores::All).expect("there is a processor");
        let limits = profiles[0].limits;
        shard::start(ShardParts {
            number: 0,
            cpu: cpus[0],
            profiles,
            admissions: vec![Arc::new(Admission::new(limits))],
            listeners,
            delivery: destinations.for_shard(0),
            messages,
            notices,
            peers: vec![peer],
            busy: Busy::default(),
            log: log_sender,
            report: Arc::new(move |event| drop(report.send(event))),
        })
        .expect("a thread");
        assert!(matches!(events.recv(), Ok(ShardEvent::Accepting)));
        Self {
            address,
            directory,
            disk,
            shard,
            events,
            threads: Some((destinations.into_threads(), log)),
        }
    }

    fn maildir(&self) -> PathBuf {
        self.directory.join("mail")
    }

    fn sender(&self) -> Sender {
        Sender::greeted(self.address).expect("it serves")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shard.send(ShardMessage::Stop);
        while let Ok(event) = self.events.recv() {
            if let ShardEvent::Ended(outcome) = event {
                assert_eq!(outcome, Ok(()));
                break;
            }
        }
        if let Some((writers, log)) = self.threads.take() {
            writers.join();
            log.join();
        }
        fs::remove_dir_all(&self.directory).expect("it is ours");
    }
}

/// Files in `new`.
fn stored_count(maildir: &Path) -> usize {
    fs::read_dir(maildir.join("new"))
        .expect("the server has made it")
        .count()
}

/// Every fault once, for a message of one part and for one of several: what the client is told, and that nothing of the
/// message is left.
#[test]
fn each_fault_of_the_disk_refuses_one_message_and_leaves_nothing() {
    let no_space = "452 4.3.1 ";
    let failed = "451 4.3.0 ";
    let server = Server::start(Plan::Once(Vec::new()));
    let mut sender = server.sender();
    let mut ledger = Ledger::default();
    let mut stored = 0;
    for size in [300, 400_000] {
        for (number, (faults, refusal)) in [
            (vec![Fault::Create(EIO)], Some(failed)),
            (vec![Fault::Create(EMFILE)], Some(failed)),
            (vec![Fault::Create(EROFS)], Some(failed)),
            (vec![Fault::Create(ENOSPC)], Some(no_space)),
            (vec![Fault::Write(EIO)], Some(failed)),
            (vec![Fault::Write(EDQUOT)], Some(no_space)),
            (vec![Fault::ShortWrite], None),
            (vec![Fault::HalfWrite(ENOSPC)], Some(no_space)),
            (vec![Fault::SyncFile(EIO)], Some(failed)),
            (vec![Fault::SyncFile(ENOSPC)], Some(no_space)),
            (vec![Fault::SyncDirectory(EIO)], Some(failed)),
            (vec![Fault::Rename(EIO)], Some(failed)),
            (vec![Fault::Rename(EDQUOT)], Some(no_space)),
            (vec![Fault::RenameDone(EIO)], Some(failed)),
            (vec![Fault::RenameUnknown], None),
            (
                vec![Fault::RenameUnknown, Fault::SyncDirectory(EIO)],
                Some(failed),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let because = format!("{faults:?} at {size} octets");
            server.disk.follow(Plan::Once(faults));
            let key = format!("fault-{number}/{size}");
            let outcome = sender.send(&key, || {});
            assert!(server.disk.is_done(), "{because}: it has not happened");
            match (&outcome, refusal) {
                (Outcome::Refused(reply), Some(start)) => {
                    assert!(reply.starts_with(start), "{because}: {reply}");
                }
                (Outcome::Acknowledged(_), None) => stored += 1,
                (outcome, _) => panic!("{because}: {outcome:?}"),
            }
            ledger.note(key, outcome);
            assert_eq!(stored_count(&server.maildir()), stored, "{because}");
            assert_eq!(unfinished_count(&server.maildir()), 0, "{because}");

            // The next writers to sync hear of a directory that failed too; then all is well.
            server.disk.follow(Plan::Once(Vec::new()));
            for retry in 0..=WRITERS_COUNT {
                let key = format!("after-{number}-{retry}/{size}");
                let outcome = sender.send(&key, || {});
                let is_stored = matches!(outcome, Outcome::Acknowledged(_));
                assert!(is_stored || retry < WRITERS_COUNT, "{because}: {outcome:?}");
                ledger.note(key, outcome);
                stored += usize::from(is_stored);
                if is_stored {
                    break;
                }
            }
            for (key, name) in ledger.check(&server.maildir(), &because) {
                assert!(
                    server.disk.is_durable(&name),
                    "{because}: {key} is not durable"
                );
            }
        }
    }
}

/// Faults at random under load. What is acknowledged is durable in the sense of the disk: an error that was told to one
/// thread is not forgotten by another.
#[test]
fn a_failing_disk_loses_nothing_that_was_acknowledged() {
    for round in seed()..seed() + rounds() {
        let mut random = Random::new(round);
        let server = Server::start(Plan::Random(Random::new(random.next()), 12));
        let ledger = Mutex::new(Ledger::default());
        std::thread::scope(|scope| {
            for client in 0..CLIENTS_COUNT {
                let (ledger, address) = (&ledger, server.address);
                let mut random = Random::new(random.next());
                scope.spawn(move || {
                    let mut sender = Sender::greeted(address).expect("it serves");
                    for count in 0..MESSAGES_COUNT {
                        let key = format!("{client}-{count}/{}", size(&mut random));
                        let outcome = sender.send(&key, || {});
                        if let Outcome::Refused(reply) = &outcome {
                            let is_temporary = ["451 4.3.0 ", "452 4.3.1 "];
                            let is_temporary =
                                is_temporary.iter().any(|start| reply.starts_with(start));
                            assert!(is_temporary, "{reply}");
                        }
                        assert_ne!(outcome, Outcome::InDoubt, "every message is answered");
                        ledger
                            .lock()
                            .expect("no client has failed")
                            .note(key, outcome);
                    }
                });
            }
        });
        let because = format!("POSTERN_CRASH_SEED={round}");
        let ledger = ledger.into_inner().expect("no client has failed");
        let stored = ledger.check(&server.maildir(), &because);
        assert_eq!(stored.len(), ledger.acknowledged_count(), "{because}");
        assert_eq!(unfinished_count(&server.maildir()), 0, "{because}");
        for (key, name) in &stored {
            assert!(
                server.disk.is_durable(name),
                "{because}: {key} is not durable"
            );
        }
        let names: std::collections::BTreeSet<_> = stored.into_values().collect();
        assert!(server.disk.durable_names().is_subset(&names), "{because}");
        let injected = server.disk.injected();
        assert!(
            FAULTS.len() / 2 < injected.len(),
            "{because}: only {injected:?}"
        );
    }
}

/// What was refused and cannot be removed is the one thing that may be stored nevertheless: the client sends it again.
#[test]
fn a_refused_message_that_cannot_be_removed_stays_whole() {
    let server = Server::start(Plan::Once(vec![
        Fault::SyncDirectory(EIO),
        Fault::Remove(EIO),
    ]));
    let mut sender = server.sender();
    let key = "stays/300";
    let outcome = sender.send(key, || {});
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert!(server.disk.is_done());
    let mut ledger = Ledger::default();
    ledger.note(key.to_owned(), Outcome::InDoubt);
    let stored = ledger.check(&server.maildir(), "it is whole");
    assert!(stored.contains_key(key));
}

/// Threads that write to one Maildir, as `delivery/writer.rs` has them.
const WRITERS_COUNT: usize = 4;

/// Clients that send at once.
const CLIENTS_COUNT: u64 = 8;

/// Messages of each.
const MESSAGES_COUNT: u64 = 60;
