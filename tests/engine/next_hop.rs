//! Messages passed on to a next hop: whatever it says or does, the client hears the truth.

use std::net::SocketAddr;

use super::fake_next_hop::{
    Act, Close, Drone, FakeNextHop, Hear, HearEnd, HearMailData, HearRest, OFFER, opened, say,
};
use super::server::{Client, MAILDIR, Server, configuration, content};

/// A postern that passes messages on to `destination`.
pub(super) fn relay(destination: &str, next_hop: &str) -> Server {
    let server = format!("accept_domains = [\"example.org\"]\ndestination = \"{destination}\"");
    let table = format!("[server.next_hop]\n{next_hop}");
    Server::start(&configuration(&server, &format!("{table}\n")))
}

/// A postern in front of a next hop at `address`.
pub(super) fn before(address: SocketAddr, next_hop: &str) -> Server {
    relay(&format!("smtp://{address}"), next_hop)
}

/// Several acts after another.
pub(super) fn script(acts: &[&[Act]]) -> Vec<Act> {
    acts.concat()
}

/// MAIL and one RCPT accepted, then DATA.
pub(super) fn envelope() -> Vec<Act> {
    vec![
        Hear("MAIL FROM:<a@client.example>"),
        Hear("RCPT TO:<b@example.org>\r\n"),
        say("250 2.1.0 sender ok\r\n250 2.1.5 recipient ok"),
    ]
}

/// A whole message, taken.
pub(super) fn message() -> Vec<Act> {
    let mut acts = envelope();
    acts.extend([
        Hear("DATA\r\n"),
        say("354 go"),
        HearMailData,
        say("250 2.6.0 taken"),
    ]);
    acts
}

/// The same for another transaction on a connection whose former one was given up.
pub(super) fn reset_and_envelope() -> Vec<Act> {
    let mut acts = vec![Hear("RSET\r\n")];
    acts.extend([Hear("MAIL FROM:<a@"), Hear("RCPT TO:<b@")]);
    acts.push(say("250 reset\r\n250 ok\r\n250 2.1.5 recipient ok"));
    acts
}

/// DATA and its content, taken, and nothing more.
pub(super) fn last_content() -> Vec<Act> {
    let mut acts = vec![Hear("DATA\r\n"), say("354 go"), HearMailData];
    acts.extend([say("250 taken"), HearRest]);
    acts
}

/// Says MAIL and RCPT and hears the reply to RCPT.
pub(super) fn mail_and_rcpt(client: &mut Client, reply: &str) {
    client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
    client.expect("250 ");
    client.expect(reply);
}

#[test]
fn replies_of_the_next_hop_are_passed_back() {
    let (hop, address) = FakeNextHop::start(vec![script(&[
        &opened(OFFER, &envelope()),
        &[
            Hear("RCPT TO:<unknown@example.org>\r\n"),
            say("550-5.1.1 nobody\r\n550 5.1.1 is called so"),
            Hear("RCPT TO:<full@example.org>\r\n"),
            say("452 4.2.2 mailbox full"),
            Hear("RCPT TO:<c@example.org>\r\n"),
            say("251 forwarding"),
            Hear("DATA\r\n"),
            say("354 go"),
            HearMailData,
            say("250 2.6.0 taken as 4711"),
            HearRest,
        ],
    ])]);
    let server = before(address, "");
    let mut client = server.greeted();
    mail_and_rcpt(&mut client, "250 2.1.5 recipient ok\r\n");
    client.say("RCPT TO:<unknown@example.org>\r\nRCPT TO:<full@example.org>");
    client.expect("550-5.1.1 nobody\r\n");
    client.expect("550 5.1.1 is called so\r\n");
    client.expect("452 4.2.2 mailbox full\r\n");
    client.say("RCPT TO:<c@example.org>\r\nDATA");
    client.expect("251 2.0.0 forwarding\r\n");
    client.expect("354 ");
    client.send(b".hidden\r\n\xff\xfe\r\n..\r\n.\r\n");
    client.expect("250 2.6.0 taken as 4711\r\n");
    drop(server);
    let heard = hop.finish().remove(0);
    let text = String::from_utf8_lossy(&heard).into_owned();
    assert!(text.starts_with("Received: from client.example ([127.0.0.1])\r\n by mx.example.org "));
    assert!(
        !text.contains("Return-Path:"),
        "that is for the final delivery"
    );
    assert!(content(&heard).starts_with(b"hidden\r\n\xff\xfe\r\n..\r\n.\r\n"));
}

#[test]
fn a_message_passes_two_servers_and_gets_two_trace_fields() {
    let last = Server::start(&configuration(MAILDIR, ""));
    for (protocol, name) in [("smtp", "127.0.0.1"), ("smtp", "localhost")] {
        let port = last.address().port();
        let first = relay(&format!("{protocol}://{name}:{port}"), "");
        let mut client = first.greeted();
        client.begin_data();
        let line = [b"..0123456789abcdef".repeat(50), b"\r\n".to_vec()].concat();
        let sent = line.repeat(2_000_000 / line.len());
        client.send(&sent);
        client.send(b".\r\n");
        client.expect("250 2.0.0 Ok: queued as ");
        let messages = last.messages();
        let stored = messages.last().expect("it is stored before the reply");
        let received = String::from_utf8_lossy(stored)
            .matches("Received: ")
            .count();
        assert_eq!(received, 2, "one of each server");
        let unstuffed = [&line[1..]].concat().repeat(2_000_000 / line.len());
        assert!(content(stored) == unstuffed, "two megabytes are the same");
    }
}

#[test]
fn a_connection_is_used_again() {
    let (hop, address) = FakeNextHop::start(vec![script(&[
        &opened(OFFER, &message()),
        &message(),
        &envelope(),
        // RSET, and a client that leaves, cost a RSET each.
        &reset_and_envelope(),
        &reset_and_envelope(),
        &last_content(),
    ])]);
    let server = before(address, "");
    let mut client = server.greeted();
    for _ in 0..2 {
        client.begin_data();
        client.send(b"x\r\n.\r\n");
        client.expect("250 2.6.0 taken");
    }
    mail_and_rcpt(&mut client, "250 2.1.5 recipient ok");
    client.say("RSET");
    client.expect("250 ");
    mail_and_rcpt(&mut client, "250 2.1.5 recipient ok");
    client.say("QUIT");
    client.expect("221 ");
    client.expect_close();
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 2.0.0 taken");
    drop(server);
    hop.finish();
}

#[test]
fn a_connection_without_pipelining_is_used_again() {
    let envelope: &[Act] = &[
        Hear("MAIL FROM:<a@"),
        say("250 ok"),
        Hear("RCPT TO:<b@"),
        say("250 2.1.5 recipient ok"),
    ];
    // After each reply only what follows from it may be there: RSET is answered alone too.
    let reset: &[Act] = &[Hear("RSET\r\n"), say("250 reset")];
    let offer = "250-next.example\r\n250 8BITMIME";
    let (hop, address) = FakeNextHop::start(vec![script(&[
        &opened(offer, envelope),
        &[reset, envelope].concat(),
        &[reset, envelope].concat(),
        &last_content(),
    ])]);
    let server = before(address, "");
    let mut client = server.greeted();
    for _ in 0..2 {
        mail_and_rcpt(&mut client, "250 2.1.5 recipient ok");
        client.say("RSET");
        client.expect("250 ");
    }
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 2.0.0 taken");
    drop(server);
    hop.finish();
}

#[test]
fn a_slow_next_hop_does_not_outlast_the_transaction() {
    let (hop, address) = FakeNextHop::start(vec![opened(
        OFFER,
        &script(&[&envelope(), &[Hear("RCPT TO:<c@"), HearEnd]]),
    )]);
    let server = "accept_domains = [\"example.org\"]";
    let text = configuration(
        &format!("{server}\ndestination = \"smtp://{address}\""),
        "transaction_timeout_ms = 300",
    );
    let server = Server::start(&text);
    let mut client = server.greeted();
    client.say(
        "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\n\
         RCPT TO:<c@example.org>\r\nRCPT TO:<d@example.org>",
    );
    client.expect("250 ");
    client.expect("250 2.1.5 recipient ok\r\n");
    client.expect("451 4.4.2 ");
    client.expect("451 4.4.2 ");
    client.expect("421 4.4.2 ");
    client.expect_close();
    hop.finish();
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced_once() {
    let (hop, address) = FakeNextHop::start(vec![
        script(&[&opened(OFFER, &message()), &[Close]]),
        // Closed where nothing was acknowledged.
        script(&[&opened(OFFER, &message()), &[Hear("MAIL "), Close]]),
        script(&[
            &opened(OFFER, &message()),
            &[Hear("MAIL "), say("421 too old"), Close],
        ]),
        script(&[&opened(OFFER, &message()), &[HearRest]]),
    ]);
    let server = before(address, "");
    let mut client = server.greeted();
    for _ in 0..4 {
        client.begin_data();
        client.send(b"x\r\n.\r\n");
        client.expect("250 2.6.0 taken");
    }
    drop(server);
    hop.finish();
}

#[test]
fn a_fresh_connection_is_tried_once() {
    let (hop, address) = FakeNextHop::start(vec![opened(OFFER, &[Hear("MAIL "), Close])]);
    let mut server = before(address, "");
    let mut client = server.greeted();
    mail_and_rcpt(&mut client, "451 4.4.2 ");
    client.say("RCPT TO:<c@example.org>");
    client.expect("451 4.4.2 ");
    client.say("DATA");
    client.expect("503 ");
    hop.finish();
    server.signal(rustix::process::Signal::TERM);
    drop(client);
    assert!(server.wait().success());
    let log = server.log();
    assert_eq!(log.matches("next_hop_failed").count(), 1, "{log}");
}

#[test]
fn a_next_hop_that_is_away_is_a_temporary_failure() {
    let (gone, address) = FakeNextHop::start(Vec::new());
    let server = before(address, "");
    gone.finish();
    let mut client = server.greeted();
    for _ in 0..2 {
        mail_and_rcpt(&mut client, "451 4.4.1 ");
        client.say("RSET");
        client.expect("250 ");
    }
    let server = relay("lmtp:unix:nobody", "");
    mail_and_rcpt(&mut server.greeted(), "451 4.4.1 ");
    let server = relay("smtp://nobody.invalid:25", "");
    mail_and_rcpt(&mut server.greeted(), "451 4.4.1 ");
}

/// What the next hop does on a fresh connection, and what RCPT is answered.
#[test]
fn whatever_the_next_hop_does_the_client_is_answered() {
    let mail = || Hear("MAIL FROM:<a@client.example>");
    let cases: Vec<(Vec<Act>, &str)> = vec![
        (vec![Close], "451 4.4.2 "),
        (vec![say("554 5.7.1 go away"), HearRest], "451 4.4.1 "),
        (vec![say("421 later"), HearRest], "451 4.4.1 "),
        (vec![say("hello"), HearEnd], "451 4.4.2 "),
        (vec![say("220 x"), Hear("EHLO "), Close], "451 4.4.2 "),
        (
            vec![say("220 x"), Hear("EHLO "), say("450 x"), HearRest],
            "451 4.4.1 ",
        ),
        (vec![Drone("220-x\r\n")], "451 4.4.2 "),
        (vec![Drone("2")], "451 4.4.2 "),
        (
            opened(OFFER, &[mail(), say("550 5.7.1 no\r\n503 no"), HearRest]),
            "550 5.7.1 no\r\n",
        ),
        (
            opened(OFFER, &[mail(), say("421 4.3.2 no"), HearRest]),
            "451 4.3.2 no\r\n",
        ),
        (
            opened(OFFER, &[mail(), say("250-x\r\n251 x"), HearRest]),
            "451 4.4.2 ",
        ),
        (
            opened(OFFER, &[mail(), say("250 x\r\n354 x"), HearRest]),
            "451 4.4.2 ",
        ),
        (
            opened(OFFER, &[mail(), say("250 x\r\n421 4.3.2 no"), HearRest]),
            "451 4.3.2 no\r\n",
        ),
        (
            opened(OFFER, &[mail(), say("250 x\r\n250 y\r\n250 z"), HearRest]),
            "250 2.0.0 y\r\n",
        ),
        (opened(OFFER, &[mail(), say("250 x"), Close]), "451 4.4.2 "),
        (
            opened("250 no extensions", &[mail(), say("552 no"), HearRest]),
            "552 5.3.4 no\r\n",
        ),
    ];
    for (acts, reply) in cases {
        let (hop, address) = FakeNextHop::start(vec![acts.clone()]);
        let server = before(address, "");
        let mut client = server.greeted();
        client.say("MAIL FROM:<a@client.example>");
        client.expect("250 ");
        client.say("RCPT TO:<b@example.org>");
        let line = client.try_line().expect("in time").expect("not closed");
        assert!(
            line.starts_with(reply),
            "{line:?} instead of {reply:?} after {acts:?}"
        );
        drop(server);
        hop.finish();
    }
}

/// What the next hop does at DATA, and what the client hears.
#[test]
fn mail_data_is_asked_for_only_if_the_next_hop_does() {
    let cases = [
        (vec![say("554 5.6.0 no"), HearRest], "554 5.6.0 no\r\n"),
        (vec![say("421 no"), HearRest], "451 4.7.1 no\r\n"),
        (vec![say("250 what"), HearRest], "451 4.4.2 "),
        (vec![Close], "451 4.4.2 "),
    ];
    for (acts, reply) in cases {
        let start = opened(OFFER, &envelope());
        let acts = script(&[&start, &[Hear("DATA\r\n")], &acts]);
        let (hop, address) = FakeNextHop::start(vec![acts]);
        let server = before(address, "");
        let mut client = server.greeted();
        mail_and_rcpt(&mut client, "250 ");
        client.say("DATA");
        client.expect(reply);
        client.say("NOOP");
        client.expect("250 ");
        drop(server);
        hop.finish();
    }
}

/// What the next hop does after 354, and what the client hears at the end.
#[test]
fn a_message_is_acknowledged_only_by_the_next_hop() {
    let trickle = Act::Trickle("250-2.0.0 a\r\n250 2.0.0 b\r\n".into());
    let ended = |reply| vec![HearMailData, say(reply), HearRest];
    let cases = [
        (ended("550 5.7.1 spam"), "550 5.7.1 spam\r\n"),
        (ended("451 4.3.0 later"), "451 4.3.0 later\r\n"),
        (ended("421 4.3.2 bye"), "451 4.3.2 bye\r\n"),
        (ended("354 what"), "451 4.4.2 "),
        (ended("250-two\r\n250 lines"), "250-2.0.0 two\r\n"),
        (ended("25"), "451 4.4.2 "),
        (vec![HearMailData, trickle, HearRest], "250-2.0.0 a\r\n"),
        (vec![HearMailData, Drone("250-x\r\n")], "451 4.4.2 "),
        (vec![HearMailData, Close], "451 4.4.2 "),
        (vec![Close], "451 4.4.2 "),
    ];
    for (acts, reply) in cases {
        let start = opened(OFFER, &envelope());
        let acts = script(&[&start, &[Hear("DATA\r\n"), say("354 go")], &acts]);
        let (hop, address) = FakeNextHop::start(vec![acts]);
        let server = before(address, "");
        let mut client = server.greeted();
        client.begin_data();
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
        client.expect(reply);
        drop(server);
        hop.finish();
    }
}
