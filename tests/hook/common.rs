//! What scripts of all shards share: exact counts, results kept once, barriers that do not outlive their scripts.

use std::collections::BTreeSet;

use super::{log_of, with_scripts};
use crate::engine::server::{Client, Server};

/// Clients at once, and what each of them asks.
const CLIENTS_COUNT: usize = 16;
const COMMANDS_COUNT: usize = 25;

/// A server with a shard on every processor.
fn server(limits: &str) -> Server {
    let one = with_scripts("common", limits);
    let all = one.replace("cores = \"1\"", "cores = \"all\"");
    assert_ne!(one, all);
    Server::start(&all)
}

/// The number in a reply.
fn asked(client: &mut Client, command: &str) -> usize {
    client.say(command);
    let line = client.expect("250 2.0.0 ");
    let number = line.trim_end().rsplit(' ').next();
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no number in {line}"))
}

/// Every answer of all clients, each asking from a thread of its own.
fn answers(server: &Server, command: &str) -> Vec<usize> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS_COUNT)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.greeted();
                    let answers = (0..COMMANDS_COUNT).map(|_| asked(&mut client, command));
                    answers.collect::<Vec<_>>()
                })
            })
            .collect();
        let answers = threads.into_iter().map(|thread| thread.join());
        answers
            .flat_map(|answers| answers.expect("no panic"))
            .collect()
    })
}

#[test]
fn barriers_are_exact_over_all_shards() {
    let server = server("");
    let answers: BTreeSet<usize> = answers(&server, "XCOUNT").into_iter().collect();
    let all: BTreeSet<usize> = (1..=CLIENTS_COUNT * COMMANDS_COUNT).collect();
    assert_eq!(answers, all);
}

#[test]
fn results_are_kept_for_all_shards() {
    let server = server("");
    let first = asked(&mut server.greeted(), "XONCE");
    assert_eq!(first, 1);
    let answers: BTreeSet<usize> = answers(&server, "XONCE").into_iter().collect();
    assert_eq!(answers, BTreeSet::from([1]));
}

#[test]
fn a_script_that_dies_leaves_its_barrier() {
    let server = server("script_cpu_ms_max = 200");
    let mut waiting: Vec<Client> = (0..CLIENTS_COUNT).map(|_| server.greeted()).collect();
    let mut spinning = server.greeted();
    spinning.say("XSPIN");
    for client in &mut waiting {
        client.say("XSIT");
    }
    spinning.expect("421 4.3.0 ");
    for client in &mut waiting {
        client.expect("250 2.0.0 had the seat");
    }
    assert!(log_of(server).contains("script exceeds 200 ms of CPU"));
}

#[test]
fn waiting_is_limited() {
    let limits = "script_cpu_ms_max = 3000\nscript_wall_ms_max = 300";
    let server = server(limits);
    // Both are on their way into the seat; one of them spins there until its time is over, and so is the other's.
    let mut clients: Vec<Client> = (0..4).map(|_| server.greeted()).collect();
    for client in &mut clients {
        client.say("XSPIN");
    }
    for client in &mut clients {
        client.expect("421 4.3.0 ");
        client.expect_close();
    }
    let mut last = server.greeted();
    last.say("XSIT");
    last.expect("250 2.0.0 had the seat");
    let log = log_of(server);
    assert_eq!(
        log.matches("script exceeds 300 ms; raise").count(),
        4,
        "{log}"
    );
}

#[test]
fn a_barrier_in_itself_is_an_error() {
    let server = server("");
    let mut client = server.greeted();
    client.say("XCROSS");
    client.expect("421 4.3.0 ");
    assert!(log_of(server).contains("barrier \\\"one\\\" is entered inside of itself"));
}

/// Names belong to shards; one that has no connection left is asked by others until they have none either.
#[test]
fn a_stopping_shard_answers_the_others() {
    let mut server = server("script_wall_ms_max = 2000");
    let mut idle: Vec<Client> = (0..CLIENTS_COUNT).map(|_| server.greeted()).collect();
    let mut running = server.greeted();
    running.say("EHLO client.example");
    while running.expect("250").starts_with("250-") {}
    running.say("MAIL FROM:<a@client.example>");
    running.expect("250 2.1.0 ");
    server.signal(rustix::process::Signal::TERM);
    for client in &mut idle {
        client.expect("421 4.3.2 ");
        client.expect_close();
    }
    for round in 1..=60 {
        assert_eq!(asked(&mut running, "XMANY"), round);
    }
    running.say("QUIT");
    running.expect("221 2.0.0 ");
    assert!(server.wait().success(), "{}", server.log());
}
