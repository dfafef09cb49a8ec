//! Scripts that do not end: their client is told, everybody else on the core is served meanwhile.

use std::time::{Duration, Instant};

use super::{log_of, with_scripts};
use crate::engine::server::{Client, Server};

/// How many clients spin at once: each has its slice before an innocent one is answered.
const SPINNING_COUNT: usize = 20;

/// Slowest answer to an innocent client. The server has one core, which the tests share with others.
const ANSWER_MAX: Duration = Duration::from_millis(100);

/// The median says what the design does, the slowest answer also what the machine was busy with.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn endless_scripts_get_421_while_others_are_answered() {
    let server = Server::start(&with_scripts("endless", "script_cpu_ms_max = 300"));
    let mut innocent = server.greeted();
    let mut spinning: Vec<Client> = (0..SPINNING_COUNT).map(|_| server.greeted()).collect();
    for client in &mut spinning {
        client.say("XLOOP");
    }
    let begin = Instant::now();
    let mut times = Vec::new();
    // As long as the scripts certainly run: together they have six seconds of CPU.
    while begin.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        innocent.say("NOOP");
        innocent.expect("250 ");
        times.push(asked.elapsed());
        if 90 < times.len() {
            break;
        }
    }
    assert!(median(times.clone()) < ANSWER_MAX, "{times:?}");
    for client in &mut spinning {
        client.expect("421 4.3.0 ");
        client.expect_close();
    }
    innocent.say("NOOP");
    innocent.expect("250 ");
    assert_eq!(
        log_of(server)
            .matches("script exceeds 300 ms of CPU")
            .count(),
        SPINNING_COUNT
    );
}

#[test]
fn time_is_limited_as_well() {
    let limits = "script_cpu_ms_max = 60000\nscript_wall_ms_max = 200";
    let server = Server::start(&with_scripts("endless", limits));
    let mut client = server.greeted();
    client.say("XLOOP");
    client.expect("421 4.3.0 ");
    client.expect_close();
    assert!(log_of(server).contains("script exceeds 200 ms; raise"));
}

#[test]
fn memory_and_output_are_limited() {
    let limits = "script_cpu_ms_max = 60000\nscript_memory_bytes_max = 1000000";
    let server = Server::start(&with_scripts("endless", limits));
    for command in ["XMEMORY", "XECHO"] {
        let mut client = server.greeted();
        client.say(command);
        client.expect("421 4.3.0 ");
        client.expect_close();
    }
    drop(server.greeted());
    let log = log_of(server);
    for message in [
        "script memory exceeds 1000000 bytes",
        "output of echo exceeds 65536 octets",
    ] {
        assert!(log.contains(message), "{log}");
    }
}

#[test]
fn a_catastrophic_pattern_ends_with_its_script() {
    let server = Server::start(&with_scripts("endless", "script_cpu_ms_max = 60000"));
    let mut innocent = server.greeted();
    // What a client says decides how long the pattern takes.
    innocent.say("XREGEX aab");
    innocent.expect("250 2.0.0 it matches");
    let mut attackers: Vec<Client> = (0..SPINNING_COUNT).map(|_| server.greeted()).collect();
    for client in &mut attackers {
        client.say(&format!("XREGEX {}!", "a".repeat(400)));
    }
    let mut times = Vec::new();
    for client in &mut attackers {
        let asked = Instant::now();
        innocent.say("NOOP");
        innocent.expect("250 ");
        times.push(asked.elapsed());
        client.expect("421 4.3.0 ");
        client.expect_close();
    }
    assert!(median(times.clone()) < ANSWER_MAX, "{times:?}");
    let log = log_of(server);
    let count = log.matches("event=script_error").count();
    assert_eq!(count, SPINNING_COUNT, "{log}");
    assert!(log.contains("200000 steps"), "{log}");
}

#[test]
fn what_a_connection_keeps_is_limited() {
    let server = Server::start(&with_scripts("endless", "script_cpu_ms_max = 60000"));
    let mut client = server.greeted();
    client.say("XKEPT");
    client.expect("250 2.0.0 nothing");
    client.say("XCONTEXT");
    client.expect("421 4.3.0 ");
    client.expect_close();
    assert!(log_of(server).contains("message=\"$context exceeds 262144 bytes; keep less"));
}

#[test]
fn a_client_that_leaves_takes_its_script_along() {
    let limits = "connections_max = 1\nscript_cpu_ms_max = 200";
    let server = Server::start(&with_scripts("endless", limits));
    let mut client = server.greeted();
    client.say("XLOOP");
    drop(client);
    // Its place is free once the script has ended, and not before.
    let begin = Instant::now();
    let greeted = loop {
        let mut next = server.connect();
        let line = next.try_line().expect("the server answers");
        if line.is_some_and(|line| line.starts_with("220 ")) {
            break next;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{}",
            server.log()
        );
    };
    drop(greeted);
}

#[test]
fn a_stopping_server_does_not_wait_for_ever() {
    let limits = "script_cpu_ms_max = 500";
    let mut server = Server::start(&with_scripts("endless", limits));
    let mut client = server.greeted();
    client.say("XLOOP");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    client.expect("421 ");
}

#[test]
fn an_endless_script_of_a_command_defers_it() {
    let server = Server::start(&with_scripts("endless", "script_cpu_ms_max = 200"));
    let mut client = server.greeted();
    client.say("HELO client.example");
    client.expect("250 ");
    client.say("MAIL FROM:<a@client.example>\r\nNOOP");
    client.expect("250 2.1.0 ");
    client.expect("250 2.0.0 ");
    client.say("RCPT TO:<loop@example.org>\r\nRCPT TO:<b@example.org>");
    client.expect("450 4.3.0 ");
    client.expect("250 2.1.5 ");
    assert!(log_of(server).contains("script exceeds 200 ms of CPU"));
}
