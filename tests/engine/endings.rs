//! Clients that end at every point: by half a close, or by a reset.
//!
//! In: one session with a message by DATA and one by BDAT, cut after each of its octets. Out: what was whole is answered
//! and stored, what was not is neither; nothing is left of a client that is gone.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::server::{Client, MAILDIR, Server, configuration};

/// What a client sends, up to the point where a reply is due, and how that begins.
const SESSION: [(&str, &str); 10] = [
    ("EHLO client.example\r\n", "250 "),
    ("MAIL FROM:<a@client.example>\r\n", "250 2.1.0 "),
    ("RCPT TO:<b@example.org>\r\n", "250 2.1.5 "),
    ("DATA\r\n", "354 "),
    ("Subject: x\r\n\r\nx\r\n.\r\n", QUEUED),
    ("MAIL FROM:<a@client.example>\r\n", "250 2.1.0 "),
    ("RCPT TO:<b@example.org>\r\n", "250 2.1.5 "),
    ("BDAT 3\r\nx\r\n", "250 2.0.0 3 octets"),
    ("BDAT 7 LAST\r\nchunk\r\n", QUEUED),
    ("QUIT\r\n", "221 "),
];

const QUEUED: &str = "250 2.0.0 Ok: queued";

/// The whole session, and the replies that are due after its first octets: how they begin.
fn octets() -> Vec<u8> {
    let pieces = SESSION.iter().map(|(octets, _)| octets.as_bytes());
    pieces.collect::<Vec<_>>().concat()
}

fn due_after(octets_count: usize) -> Vec<&'static str> {
    let mut end = 0;
    let pieces = SESSION.iter().take_while(|(octets, _)| {
        end += octets.len();
        end <= octets_count
    });
    pieces.map(|(_, reply)| *reply).collect()
}

#[test]
fn half_a_close_at_every_point_ends_what_is_not_whole() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    let octets = octets();
    let mut stored_count = 0;
    for end in 0..=octets.len() {
        let mut client = server.connect();
        client.expect("220 ");
        client.send(&octets[..end]);
        let socket = client.channel().socket();
        socket.shutdown(Shutdown::Write).expect("it is connected");
        for reply in due_after(end) {
            while client.expect("")[..4].ends_with('-') {}
            stored_count += usize::from(reply == QUEUED);
        }
        client.expect_close();
        assert_eq!(server.messages().len(), stored_count, "after {end} octets");
    }
    assert_eq!(server.unfinished_count(), 0);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn a_reset_at_every_point_leaves_nothing() {
    // Two places: they would soon be taken by connections that are not noticed to be gone.
    let mut server = Server::start(&configuration(MAILDIR, "connections_max = 2"));
    let octets = octets();
    let mut due_count = 0;
    for end in 0..=octets.len() {
        let mut client = place(&server);
        client.send(&octets[..end]);
        due_count += due_after(end)
            .iter()
            .filter(|reply| **reply == QUEUED)
            .count();
        let socket = rustix::net::sockopt::set_socket_linger(
            client.channel().socket(),
            Some(Duration::ZERO),
        );
        socket.expect("it is a socket");
    }
    drop((place(&server), place(&server)));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    // What was whole may have been overtaken by the reset; what was not is nowhere.
    assert!(server.messages().len() <= due_count);
    for message in server.messages() {
        let is_whole = message.ends_with(b"\r\nx\r\n") || message.ends_with(b"chunk\r\n");
        assert!(is_whole, "{}", message.escape_ascii());
    }
    assert_eq!(server.unfinished_count(), 0);
}

/// A client that is let in, once those before are noticed to be gone.
fn place(server: &Server) -> Client {
    let begin = Instant::now();
    loop {
        let mut client = server.connect();
        if let Ok(Some(line)) = client.try_line()
            && line.starts_with("220 ")
        {
            return client;
        }
        let log = || server.log();
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", log());
    }
}
