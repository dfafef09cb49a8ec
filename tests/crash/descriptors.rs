//! No descriptor is left for a file while mail data arrives.
//!
//! In: a server whose limit of open files is lowered to what its clients have. Out: replies, and the store compared with
//! the ledger. That accepting neither spins nor stays deaf is tested with the engine.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::ledger::{Ledger, Outcome, Sender, unfinished_count};
use crate::engine::server::{MAILDIR, Server, configuration, visible};

#[test]
fn messages_without_a_descriptor_are_refused_until_one_is_free() {
    let server = Server::start(&visible(configuration(MAILDIR, "")));
    let maildir = server.path("mail");
    let process = i32::try_from(server.process()).expect("process numbers are small");
    let limit = |descriptors_count: u64| {
        let limit = Rlimit {
            current: Some(descriptors_count),
            maximum: Some(4_096),
        };
        prlimit(Pid::from_raw(process), Resource::Nofile, limit).expect("it is our child");
    };
    let mut senders: Vec<Sender> = (0..CLIENTS_COUNT)
        .map(|_| Sender::greeted(server.address()).expect("there is room"))
        .collect();
    let open = fs::read_dir(format!("/proc/{process}/fd")).expect("it is our child");
    let open: BTreeSet<u64> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let free = (0..)
        .find(|number| !open.contains(number))
        .expect("numbers do not end");
    let mut ledger = Ledger::default();
    let mut refused_count = 0;
    // Descriptors that are open stay so. New ones are below the limit, so that further clients soon have the rest.
    limit(free + 4);
    while let Some(sender) = Sender::greeted(server.address()) {
        senders.push(sender);
        assert!(
            senders.len() < 10 * CLIENTS_COUNT,
            "there is room without end"
        );
    }
    for (number, sender) in senders.iter_mut().enumerate() {
        for size in [300, 200_000] {
            let key = format!("without-{number}/{size}");
            let outcome = sender.send(&key, || {});
            match &outcome {
                Outcome::Acknowledged(_) => {}
                Outcome::Refused(reply) => {
                    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
                    refused_count += 1;
                }
                Outcome::InDoubt => panic!("{key} is not answered"),
            }
            ledger.note(key, outcome);
        }
    }
    assert!(0 < refused_count, "descriptors were left");
    ledger.check(&maildir, "no descriptor was left");
    assert_eq!(unfinished_count(&maildir), 0);

    // Clients go, and with them their descriptors, as soon as the server has noticed.
    let mut last = senders.pop().expect("there are several");
    drop(senders);
    let is_stored = (0..1_000).any(|count| {
        let key = format!("after-{count}/300");
        let outcome = last.send(&key, || {});
        let is_stored = matches!(outcome, Outcome::Acknowledged(_));
        ledger.note(key, outcome);
        is_stored
    });
    assert!(is_stored, "the server has recovered");
    ledger.check(&maildir, "descriptors are free again");
    assert_eq!(unfinished_count(&maildir), 0);
}

/// Clients that hold a descriptor each.
const CLIENTS_COUNT: usize = 20;
