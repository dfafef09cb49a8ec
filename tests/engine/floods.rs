//! Much of what costs a client nothing: what it costs the server.
//!
//! In: claims and commands in numbers, from clients that send no more, or read nothing. Out: the memory of the server
//! stays within a bound per connection; it serves others meanwhile, and those clients too once they go on.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use super::server::{Client, MAILDIR, Server, configuration};

/// Connections that claim at once. The machine could do more; descriptors of tests are few.
const CLAIMS_COUNT: usize = 2_000;

/// What one of them claims, in octets: together more than the machine has.
const CLAIMED_OCTETS: usize = 60_000_000;

/// Memory for each of them, in bytes: its session and its envelope, and less than a receive buffer.
const CONNECTION_BYTES_MAX: usize = 16_384;

#[test]
fn claims_of_chunks_that_never_come_cost_nothing() {
    let server = Server::start(&configuration(MAILDIR, "").replace("max = 1000", "max = 10000"));
    let first = claim(&server);
    let before = resident_bytes(&server);
    let mut claims: Vec<Client> = (0..CLAIMS_COUNT).map(|_| claim(&server)).collect();
    // Whoever is greeted now was accepted behind all of them.
    drop(server.greeted());
    let bytes = resident_bytes(&server).saturating_sub(before);
    assert!(bytes / CLAIMS_COUNT < CONNECTION_BYTES_MAX, "{bytes} bytes");
    let mut last = claims.pop().expect("there are some");
    last.send(&vec![b'x'; CLAIMED_OCTETS - 1]);
    last.send(b"\n\r\nNOOP\r\n");
    // A bare line feed: the chunk came to its end all the same, and what follows is a command.
    last.expect("554 5.6.0 ");
    drop((first, claims));
}

/// A client that has claimed a chunk and sends nothing of it.
fn claim(server: &Server) -> Client {
    let mut client = server.connect();
    client.expect("220 ");
    client.say("EHLO client.example");
    client.reply("250");
    client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
    client.expect("250 ");
    client.expect("250 ");
    client.say(&format!("BDAT {CLAIMED_OCTETS}"));
    client
}

/// Commands that a client sends at least, and at most while the server still takes them.
const COMMANDS_COUNT: [usize; 2] = [1_000_000, 10_000_000];

/// More than the receive buffer and the replies that may wait, and less than either of commands or replies; in bytes.
const FLOOD_BYTES_MAX: usize = 1 << 20;

#[test]
fn a_million_commands_wait_for_a_client_that_does_not_read() {
    let server = Server::start(&configuration(MAILDIR, "idle_commands_max = 1000000000"));
    let mut writer = server.greeted();
    let mut reader = writer.split();
    let before = resident_bytes(&server);
    let command = b"NOOP\r\n";
    let batch = command.repeat(10_000);
    let timeout = Some(Duration::from_secs(1));
    let timeout = writer.channel().socket().set_write_timeout(timeout);
    timeout.expect("it is a time");
    // Nothing more is taken for a second: the server has stopped reading, and the kernel is full.
    let mut sent = 0;
    loop {
        match writer.channel().write(&batch[sent % batch.len()..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent < command.len() * COMMANDS_COUNT[1], "without end");
    }
    let bytes = resident_bytes(&server).saturating_sub(before);
    assert!(bytes < FLOOD_BYTES_MAX, "{bytes} bytes");
    let mut other = server.greeted();
    other.say("NOOP");
    other.expect("250 ");
    // Once the client reads, each command is answered.
    let begun_count = sent.div_ceil(command.len());
    let commands_count = COMMANDS_COUNT[0].max(begun_count);
    let writing = std::thread::spawn(move || {
        let socket = writer.channel().socket();
        socket.set_write_timeout(None).expect("it is none");
        while sent < commands_count * command.len() {
            let begin = sent % batch.len();
            let left = commands_count * command.len() - sent;
            let end = batch.len().min(begin + left);
            writer.send(&batch[begin..end]);
            sent += end - begin;
        }
        writer
    });
    for _ in 0..commands_count {
        let mut reply = [0; 14];
        reader.expect_octets(&mut reply);
        assert_eq!(&reply, b"250 2.0.0 Ok\r\n");
    }
    assert!(resident_bytes(&server).saturating_sub(before) < FLOOD_BYTES_MAX);
    drop(writing.join().expect("no panic"));
}

/// The memory of the server that is in use.
fn resident_bytes(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: Option<usize> = kibibytes.and_then(|number| number.trim().parse().ok());
    kibibytes.expect("the kernel says it") * 1_024
}
