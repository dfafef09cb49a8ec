//! What is stored: complete, byte for byte, durable, or not there at all.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::server::{Client, MAILDIR, Server, configuration, content};

#[test]
fn a_message_is_stored_as_it_was_sent() {
    let server = Server::start(&configuration(MAILDIR, ""));
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"Subject: x\r\n\r\n..dot\r\n\xff\xfe\r\n.\r\n");
    let reply = client.expect("250 2.0.0 ");
    let messages = server.messages();
    let message = messages.first().expect("it is stored before the reply");
    assert_eq!(content(message), b"Subject: x\r\n\r\n.dot\r\n\xff\xfe\r\n");
    let id = reply
        .trim()
        .rsplit(' ')
        .next()
        .expect("the reply names the id");
    let text = String::from_utf8_lossy(message);
    assert!(text.starts_with(
        "Return-Path: <a@client.example>\r\nX-Original-To: b@example.org\r\nReceived: from "
    ));
    assert!(text.contains(&format!("id {id}\r\n")), "{text}");
    for file in fs::read_dir(server.path("mail/new")).expect("it exists") {
        let mode = file
            .expect("readable")
            .metadata()
            .expect("readable")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "only the owner reads mail");
    }
    assert_eq!(server.unfinished_count(), 0);
}

#[test]
fn a_large_message_streams_through_the_disk() {
    let server = Server::start(&configuration(MAILDIR, ""));
    let mut client = server.greeted();
    client.begin_data();
    let line = [b"0123456789abcdef".repeat(60), b"\r\n".to_vec()].concat();
    let sent = line.repeat(5_000_000 / line.len());
    client.send(&sent);
    client.send(b".\r\n");
    client.expect("250 2.0.0 ");
    assert!(
        content(&server.messages()[0]) == sent,
        "five megabytes are the same"
    );
    assert_eq!(server.unfinished_count(), 0);
}

#[test]
fn a_message_over_the_limit_leaves_nothing() {
    let server = Server::start(&configuration(MAILDIR, "message_octets_max = 1000000"));
    let mut client = server.greeted();
    client.begin_data();
    client.send(&b"0123456789abcdef\r\n".repeat(100_000));
    client.send(b".\r\n");
    client.expect("552 5.3.4 ");
    assert_eq!((server.messages().len(), server.unfinished_count()), (0, 0));
    client.say("RSET");
    client.expect("250 ");
}

#[test]
fn a_client_that_leaves_takes_its_message_along() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    for octets_count in [100, 1_000_000] {
        let mut client = server.greeted();
        client.begin_data();
        client.send(&b"0123456789\r\n".repeat(octets_count / 12));
        client.end_sending();
        client.expect_close();
    }
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    assert_eq!((server.messages().len(), server.unfinished_count()), (0, 0));
}

#[test]
fn a_disk_that_fails_is_a_temporary_failure() {
    let server = Server::start(&configuration(MAILDIR, ""));
    fs::remove_dir(server.path("mail/tmp")).expect("it is empty");
    let mut client = server.greeted();
    for lines_count in [1, 50_000] {
        client.begin_data();
        client.send(&b"0123456789\r\n".repeat(lines_count));
        client.send(b".\r\n");
        client.expect("451 4.3.0 ");
    }
    assert_eq!(server.messages().len(), 0);
}

#[test]
fn files_of_a_killed_process_are_removed_at_the_next_start() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    let mut client = server.greeted();
    client.begin_data();
    client.send(&b"0123456789\r\n".repeat(100_000));
    let mut other = server.greeted();
    other.begin_data();
    other.send(b".\r\n");
    other.expect("250 ");
    let unfinished = server.path("mail/tmp");
    // The first message has been spilled before the second was answered, or is about to be.
    while fs::read_dir(&unfinished).expect("it exists").count() == 0 {
        std::thread::yield_now();
    }
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    assert_eq!(server.unfinished_count(), 1);
    let mail = server.path("mail");
    let text = MAILDIR.replace("maildir:mail", &format!("maildir:{}", mail.display()));
    let next = Server::start(&configuration(&text, ""));
    assert_eq!(server.unfinished_count(), 0, "the next start cleans up");
    assert_eq!(server.messages().len(), 1);
    drop(next);
}

#[test]
fn no_acknowledged_message_is_lost_by_a_kill() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    let acknowledged = Mutex::new(BTreeSet::new());
    let address = server.address();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let acknowledged = &acknowledged;
            scope.spawn(move || send_until_killed(address, number, acknowledged));
        }
        while acknowledged.lock().expect("no panic").len() < 400 {
            std::thread::yield_now();
        }
        server.signal(rustix::process::Signal::KILL);
    });
    server.wait();
    let stored: BTreeSet<String> = server
        .messages()
        .iter()
        .map(|message| {
            String::from_utf8_lossy(content(message))
                .trim_end()
                .to_owned()
        })
        .collect();
    let acknowledged = acknowledged.into_inner().expect("no panic");
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
}

/// Sends numbered messages on one connection and notes those that were acknowledged.
fn send_until_killed(
    address: std::net::SocketAddr,
    number: u32,
    acknowledged: &Mutex<BTreeSet<String>>,
) {
    let mut client = Client::connect(address);
    client.expect("220 ");
    client.say("HELO client.example");
    client.expect("250 ");
    for count in 0..100_000 {
        let body = format!("message {number}-{count}");
        let text = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
        if !client.try_send(text.as_bytes()) {
            return;
        }
        for _ in 0..3 {
            if !matches!(client.try_line(), Ok(Some(_))) {
                return;
            }
        }
        if !client.try_send(format!("{body}\r\n.\r\n").as_bytes()) {
            return;
        }
        match client.try_line() {
            Ok(Some(reply)) if reply.starts_with("250 ") && reply.ends_with("\r\n") => {
                acknowledged.lock().expect("no panic").insert(body);
            }
            _ => return,
        }
    }
}
