//! SIGTERM: no new connections, idle sessions told, transactions finished, status 0.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::server::{Client, MAILDIR, Server, command, configuration, content, directory};

#[test]
fn a_signal_drains() {
    let text = configuration(MAILDIR, "").replace("cores = \"1\"", "cores = \"all\"");
    let mut server = Server::start(&text);
    let mut idle: Vec<_> = (0..50).map(|_| server.greeted()).collect();
    let mut running = server.greeted();
    running.begin_data();
    running.send(b"half of it, ");
    server.signal(Signal::TERM);
    for client in &mut idle {
        client.expect("421 4.3.2 ");
        client.expect_close();
    }
    assert!(
        TcpStream::connect(server.address()).is_err(),
        "no new connections"
    );
    running.send(b"and the rest\r\n.\r\n");
    running.expect("250 2.0.0 ");
    running.expect("421 4.3.2 ");
    running.expect_close();
    assert!(server.wait().success());
    assert_eq!(
        content(&server.messages()[0]),
        b"half of it, and the rest\r\n"
    );
    assert!(server.log().contains("event=stopped"));
}

/// Sessions in each state. Thousands behave alike and need more descriptors than tests may have.
const SESSIONS_COUNT: usize = 150;

#[test]
fn a_signal_reaches_hundreds_of_sessions_in_every_state() {
    let text = configuration(MAILDIR, "").replace("cores = \"1\"", "cores = \"all\"");
    let mut server = Server::start(&text);
    let sessions = |begin: fn(&mut Client)| -> Vec<Client> {
        let clients = (0..SESSIONS_COUNT).map(|_| {
            let mut client = server.greeted();
            begin(&mut client);
            client
        });
        clients.collect()
    };
    let mut idle = sessions(|_| {});
    let mut within_a_line = sessions(|client| client.send(b"NOO"));
    let mut in_data = sessions(|client| {
        client.begin_data();
        client.send(b"half of it, ");
    });
    let mut in_chunk = sessions(|client| {
        client.say("EHLO client.example");
        client.reply("250");
        client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
        client.expect("250 ");
        client.expect("250 ");
        client.send(b"BDAT 26 LAST\r\nhalf of it, ");
    });
    server.signal(Signal::TERM);
    for client in idle.iter_mut().chain(&mut within_a_line) {
        client.expect("421 4.3.2 ");
        client.expect_close();
    }
    for (clients, rest) in [
        (&mut in_data, &b"and the rest\r\n.\r\n"[..]),
        (&mut in_chunk, b"and the rest\r\n"),
    ] {
        for client in clients.iter_mut() {
            client.send(rest);
        }
    }
    for client in in_data.iter_mut().chain(&mut in_chunk) {
        client.expect("250 2.0.0 ");
        client.expect("421 4.3.2 ");
        client.expect_close();
    }
    assert!(server.wait().success());
    assert_eq!(server.messages().len(), 2 * SESSIONS_COUNT);
    assert_eq!(server.unfinished_count(), 0);
}

#[test]
fn an_interrupt_drains_too() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    server.signal(Signal::INT);
    assert!(server.wait().success());
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    let mut idle = server.greeted();
    let mut running = server.greeted();
    running.begin_data();
    server.signal(Signal::TERM);
    // The first signal has been taken.
    idle.expect("421 4.3.2 ");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_it_from_ending() {
    let directory = directory();
    let mut child = command(&directory, &configuration(MAILDIR, ""))
        .args(["--log", "connection"])
        .spawn()
        .expect("the command was built with the tests");
    let mut ready = String::new();
    BufReader::new(child.stdout.take().expect("it is piped"))
        .read_line(&mut ready)
        .expect("the line is text");
    let address = ready.trim_start_matches("ready ").trim().parse();
    let address = address.expect("it says where it listens");
    // More lines than a pipe holds.
    for _ in 0..600 {
        Client::connect(address).expect("220 ");
    }
    let process = i32::try_from(child.id()).expect("process numbers are small");
    let process = Pid::from_raw(process).expect("it is not 0");
    rustix::process::kill_process(process, Signal::TERM).expect("it is our child");
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if Duration::from_secs(15) < begin.elapsed() {
            child.kill().expect("it is our child");
            panic!("it has not ended");
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "{status}");
    std::fs::remove_dir_all(directory).expect("it is ours");
}
