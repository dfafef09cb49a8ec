//! kill -9 at any moment.
//!
//! In: clients that send without pause, a seed that says after how many of their events the server is killed. Out: a
//! store that the next server of the same directory takes over.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Sender as Events, channel};

use rustix::process::Signal;

use super::ledger::{Ledger, Outcome, Sender, size, unfinished_count};
use super::random::{Random, rounds, seed};
use crate::engine::server::{MAILDIR, Server, configuration, directory};

#[test]
fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    let directory = directory();
    let maildir = directory.join("mail");
    let text = configuration(MAILDIR, "messages_per_connection_max = 1000000")
        .replace("cores = \"1\"", "cores = \"all\"")
        .replace("maildir:mail", &format!("maildir:{}", maildir.display()));
    let ledger = Mutex::new(Ledger::default());
    let mut server = Server::start(&text);
    for round in seed()..seed() + rounds() {
        let mut random = Random::new(round);
        let (events, seen) = channel();
        std::thread::scope(|scope| {
            for client in 0..CLIENTS_COUNT {
                let (ledger, events) = (&ledger, events.clone());
                let address = server.address();
                let seed = random.next();
                scope.spawn(move || {
                    send_until_killed(address, (round, client, seed), ledger, &events)
                });
            }
            drop(events);
            for _ in 0..1 + random.below(EVENTS_COUNT_MAX) {
                seen.recv().expect("the clients go on");
            }
            server.signal(Signal::KILL);
        });
        server.wait();
        let because = format!("POSTERN_CRASH_SEED={round}");
        server = Server::start(&text);
        assert_eq!(unfinished_count(&maildir), 0, "{because}: tmp is not clean");
        let ledger = &mut *ledger.lock().expect("no client has failed");
        ledger.check(&maildir, &because);
        let mut sender = Sender::greeted(server.address()).expect("it serves again");
        let key = format!("{round}-after/500");
        let outcome = sender.send(&key, || {});
        assert!(
            matches!(outcome, Outcome::Acknowledged(_)),
            "{because}: {outcome:?}"
        );
        ledger.note(key, outcome);
        ledger.check(&maildir, &because);
    }
    let ledger = ledger.into_inner().expect("no client has failed");
    assert!(rounds() <= ledger.acknowledged_count() as u64);
    remove(&directory);
}

/// Sends on one connection until it breaks.
fn send_until_killed(
    address: SocketAddr,
    (round, client, seed): (u64, u64, u64),
    ledger: &Mutex<Ledger>,
    events: &Events<()>,
) {
    let mut random = Random::new(seed);
    // Killed before the greeting: nothing was sent.
    let Some(mut sender) = Sender::greeted(address) else {
        return;
    };
    for count in 0_u64.. {
        let key = format!("{round}-{client}-{count}/{}", size(&mut random));
        // Nobody listens any more once the server is killed.
        let outcome = sender.send(&key, || {
            let _ = events.send(());
        });
        let is_over = outcome == Outcome::InDoubt;
        ledger
            .lock()
            .expect("no client has failed")
            .note(key, outcome);
        if is_over {
            return;
        }
        let _ = events.send(());
    }
}

fn remove(directory: &Path) {
    fs::remove_dir_all(directory).expect("it is ours");
}

/// Clients that send at once.
const CLIENTS_COUNT: u64 = 6;

/// Messages sent and replies read before a kill, at most.
const EVENTS_COUNT_MAX: u64 = 600;
