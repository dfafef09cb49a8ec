//! Connections behind a balancer: whose they are is said by their PROXY header.

use std::collections::HashSet;

use rustix::process::Signal;

use super::server::{Client, MAILDIR, Server, configuration, content};

/// A server that takes mail for `example.org` behind balancers of this network.
fn server_behind(balancers: &str, more: &str, limits: &str) -> Server {
    let server = format!("{MAILDIR}\nproxy_protocol_from = [\"{balancers}\"]\n{more}");
    Server::start(&configuration(&server, limits))
}

/// A header of version 1.
fn header(client: &str) -> String {
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let server = if client.contains(':') {
        "2001:db8::25"
    } else {
        "192.0.2.25"
    };
    format!("PROXY {family} {client} {server} 40000 25\r\n")
}

/// A header of version 2 about an IPv4 client.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc6\x33\x64\x02\x9c\x40\x00\x19";

/// Connects behind a header and is greeted.
fn greeted_as(server: &Server, client: &str) -> Client {
    let mut connection = server.connect();
    connection.send(header(client).as_bytes());
    connection.expect("220 ");
    connection
}

fn send_message(client: &mut Client) {
    client.say("HELO client.example");
    client.expect("250 ");
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
}

#[test]
fn the_client_of_the_header_is_the_client() {
    let server = server_behind("127.0.0.0/8", "relay_from = [\"203.0.113.0/24\"]", "");
    for (octets, address) in [
        (header("203.0.113.7").into_bytes(), "[203.0.113.7]"),
        (header("2001:db8::9").into_bytes(), "[IPv6:2001:db8::9]"),
        (header("::ffff:203.0.113.8").into_bytes(), "[203.0.113.8]"),
        (BINARY.to_vec(), "[203.0.113.7]"),
        (
            b"PROXY UNKNOWN ffff:f...f:ffff 65535\r\n".to_vec(),
            "[127.0.0.1]",
        ),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "[127.0.0.1]"),
    ] {
        let before = server.messages().len();
        let mut client = server.connect();
        client.send(&octets);
        client.expect("220 ");
        send_message(&mut client);
        let messages = server.messages();
        let message = &messages[before];
        let trace = String::from_utf8_lossy(&message[..message.len() - content(message).len()]);
        assert!(
            trace.contains(&format!("({address})")),
            "{address}: {trace}"
        );
        client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@elsewhere.example>");
        client.expect("250 ");
        let may_relay = address.starts_with("[203.0.113.");
        client.expect(if may_relay { "250 " } else { "550 5.7.1 " });
    }
}

#[test]
fn a_header_may_come_octet_by_octet() {
    let server = server_behind("127.0.0.1", "", "");
    for octets in [header("2001:db8::9").as_bytes(), BINARY] {
        let mut client = server.connect();
        for octet in octets.chunks(1) {
            client.send(octet);
        }
        client.expect("220 ");
    }
}

#[test]
fn what_follows_a_header_in_its_segment_is_for_the_session() {
    let server = server_behind("127.0.0.1", "early_talker = \"log\"", "");
    for octets in [header("192.0.2.1").as_bytes(), BINARY] {
        let mut client = server.connect();
        client.send(&[octets, b"HELO client.example\r\nNOOP\r\n"].concat());
        for code in ["220 ", "250 ", "250 "] {
            client.expect(code);
        }
    }
    let log = stopped(server);
    assert_eq!(log.matches("event=early_talker").count(), 2, "{log}");
}

#[test]
fn a_client_behind_a_balancer_must_wait_for_the_greeting_too() {
    let server = server_behind("127.0.0.1", "", "");
    let mut client = server.connect();
    client.send(&[header("192.0.2.1").as_bytes(), b"HELO client.example\r\n"].concat());
    client.expect("554 5.5.1 ");
    client.expect_close();
}

#[test]
fn what_is_no_header_is_closed_without_a_word() {
    let server = server_behind("127.0.0.1", "", "proxy_header_timeout_ms = 200");
    let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
    let lying = [&BINARY[..14], b"\xff\xff", &BINARY[16..]].concat();
    for octets in [
        &b"EHLO client.example\r\n"[..],
        b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 99999 25\r\n",
        b"proxy tcp4 1.1.1.1 2.2.2.2 1 25\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\r\n\r\n\0\r\nQUIT\r\n",
        long.as_bytes(),
        &lying,
        // These could still become headers; the deadline ends the wait.
        b"PROXY TCP4 1.1.1.1",
        &BINARY[..20],
        b"",
    ] {
        let mut client = server.connect();
        client.send(octets);
        assert!(client.is_left(), "{}", octets.escape_ascii());
    }
    let log = stopped(server);
    let refused = log
        .lines()
        .filter(|line| line.contains("event=proxy_header_refused"));
    let reasons: Vec<_> = refused
        .filter_map(|line| line.split(" reason=\"").nth(1)?.split('"').next())
        .collect();
    let known = [
        "PROXY header missing",
        "PROXY header malformed",
        "PROXY header too long",
        "PROXY header late",
    ];
    assert_eq!(
        reasons.iter().copied().collect::<HashSet<_>>(),
        HashSet::from(known),
        "{log}"
    );
    assert!(log.contains(" proxy_headers_refused=11 "), "{log}");
}

#[test]
fn a_peer_that_is_no_balancer_is_closed_whatever_it_says() {
    let server = server_behind("192.0.2.0/24", "", "");
    for octets in [
        header("203.0.113.7").as_bytes(),
        b"EHLO client.example\r\n",
        b"",
    ] {
        let mut client = server.connect();
        let _ = client.try_send(octets);
        assert!(client.is_left());
    }
    let log = stopped(server);
    assert!(
        log.contains("reason=\"address not in proxy_protocol_from\""),
        "{log}"
    );
    assert!(log.contains(" proxy_headers_refused=3 "), "{log}");
    assert!(!log.contains("event=connect "), "{log}");
}

#[test]
fn limits_count_the_client_of_the_header() {
    let limits = "connections_per_client_max = 2\nproxy_headers_awaited_max = 1000";
    let text = configuration(
        &format!("{MAILDIR}\nproxy_protocol_from = [\"127.0.0.1\"]"),
        limits,
    );
    let text = text.replace("connections_per_client_max = 1000\n", "");
    let server = Server::start(&text.replace("cores = \"1\"", "cores = \"all\""));
    let mut held = Vec::new();
    for client in [
        "203.0.113.7",
        "203.0.113.8",
        "2001:db8:0:1::1",
        "2001:db8:0:2::1",
    ] {
        held.push(greeted_as(&server, client));
        held.push(greeted_as(&server, client));
    }
    for client in ["203.0.113.7", "::ffff:203.0.113.8", "2001:db8:0:1:ffff::2"] {
        let mut connection = server.connect();
        connection.send(header(client).as_bytes());
        connection.expect("421 4.7.0 Too many connections from your address");
        connection.expect_close();
    }
    drop(held);
    let again = (0..1_000).any(|_| {
        let mut connection = server.connect();
        connection.send(header("203.0.113.7").as_bytes());
        let line = connection.try_line().expect("it answers in time");
        line.is_some_and(|line| line.starts_with("220 "))
    });
    assert!(again, "the places are free again");
}

#[test]
fn connections_without_a_header_have_a_limit_of_their_own() {
    let server = server_behind("127.0.0.1", "", "proxy_headers_awaited_max = 2");
    let mut silent = [server.connect(), server.connect()];
    let mut third = server.connect();
    third.expect("421 4.7.0 Too many connections without a PROXY header");
    third.expect_close();
    for (connection, client) in silent.iter_mut().zip(["203.0.113.7", "203.0.113.8"]) {
        connection.send(header(client).as_bytes());
        connection.expect("220 ");
    }
    greeted_as(&server, "203.0.113.9");
}

#[test]
fn a_script_sees_both_ends_that_the_header_names() {
    let server = format!(
        "{MAILDIR}\nproxy_protocol_from = [\"127.0.0.1\"]\n[server.scripts]\nconnect = \"connect.hsl\""
    );
    let script = "Accept([\"reason\" => \"$senderip $senderport $serverip $serverport\"]);";
    let text = configuration(&server, "");
    let server = Server::start_with(&text, &[("connect.hsl", script)]);
    let mut client = server.connect();
    client.send(header("203.0.113.7").as_bytes());
    client.expect("220 mx.example.org 203.0.113.7 40000 192.0.2.25 25");
    let mut client = server.connect();
    client.send(BINARY);
    client.expect("220 mx.example.org 203.0.113.7 40000 198.51.100.2 25");
}

/// What a server has logged when it has stopped.
fn stopped(mut server: Server) -> String {
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    server.log()
}
