//! TLS as clients and operators see it: handshakes of every kind, certificates, what is read and what is not.

use std::io::{Read as _, Write as _};

use rustix::process::Signal;
use rustls::HandshakeKind;

use super::channel::{Pem, Tls, certificate};
use super::server::{Client, MAILDIR, Server, configuration, content, directory};

/// A server with a certificate for `mx.example.org`; `keys` are lines of its table, `limits` of its limits.
fn started(keys: &str, limits: &str) -> Server {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let server = format!("{MAILDIR}\ncertificate = \"main\"\n{keys}");
    let text = format!("{}{}", configuration(&server, limits), named("main"));
    Server::start_in(directory, &text)
}

/// The table of a certificate.
pub(super) fn named(name: &str) -> String {
    format!("[[certificate]]\nid = \"{name}\"\nchain = \"{name}.pem\"\nkey = \"{name}.key\"\n")
}

pub(super) const IMPLICIT: &str = "tls = \"implicit\"";
pub(super) const STARTTLS: &str = "tls = \"starttls\"";

/// A client that has been answered 220 to STARTTLS.
fn ready(server: &Server) -> Client {
    let mut client = Client::connect(server.address());
    client.expect("220 ");
    client.say("EHLO client.example");
    client.reply("250");
    client.say("STARTTLS");
    client.expect("220 2.0.0 ");
    client
}

/// All that a server still sends, until it closes.
fn rest_of(client: &mut Client) -> Vec<u8> {
    let mut rest = Vec::new();
    // It may reset the connection.
    let _ = client.channel().read_to_end(&mut rest);
    rest
}

#[test]
fn mail_is_taken_over_tls_from_the_start() {
    let mut server = started(IMPLICIT, "").over_tls(Tls::shared(usize::MAX));
    let mut client = server.connect();
    client.expect("220 mx.example.org ");
    client.say("EHLO client.example");
    client.reply("250");
    client.begin_data();
    let lines: Vec<u8> = (0..40_000)
        .flat_map(|n| format!("line {n}\r\n").into_bytes())
        .collect();
    client.send(&lines);
    client.send(b".\r\n");
    client.expect("250 2.0.0 ");
    client.say("STARTTLS");
    client.expect("503 5.5.1 ");
    client.say("QUIT");
    client.expect("221 ");
    client.expect_close();
    let messages = server.messages();
    assert_eq!(content(&messages[0]), lines);
    let head = String::from_utf8_lossy(&messages[0][..600]).replace("\r\n ", " ");
    assert!(head.contains(" with ESMTPS (TLSv1.3 TLS_"), "{head}");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    assert!(log.contains(" tls_handshakes=1 tls_failures=0 "), "{log}");
}

#[test]
fn idle_clients_are_told_over_tls_that_the_server_stops() {
    let mut server = started(IMPLICIT, "").over_tls(Tls::shared(usize::MAX));
    let mut client = server.connect();
    client.expect("220 ");
    let mut silent = Client::connect(server.address());
    server.signal(Signal::TERM);
    client.expect("421 4.3.2 ");
    client.expect_close();
    assert_eq!(rest_of(&mut silent), b"", "nothing is said in plain text");
    assert!(server.wait().success());
}

#[test]
fn what_is_no_handshake_is_answered_with_an_alert() {
    let mut server = started(IMPLICIT, "");
    for garbage in [
        &b"EHLO client.example\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
    ] {
        let mut client = Client::connect(server.address());
        client.send(garbage);
        let rest = rest_of(&mut client);
        assert!(
            !rest.starts_with(b"2") && !rest.starts_with(b"4"),
            "{}",
            rest.escape_ascii()
        );
        assert!(
            rest.is_empty() || rest[0] == 0x15,
            "{}",
            rest.escape_ascii()
        );
    }
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    assert!(log.contains(" tls_handshakes=0 tls_failures=3 "), "{log}");
    assert_eq!(log.matches(" reason=tls_failed ").count(), 3, "{log}");
}

#[test]
fn a_handshake_has_the_time_of_a_command() {
    let server = started(IMPLICIT, "command_timeout_ms = 300");
    let mut silent = Client::connect(server.address());
    let mut slow = Client::connect(server.address());
    slow.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    for client in [&mut silent, &mut slow] {
        assert_eq!(rest_of(client), b"", "nothing is said in plain text");
    }
    let server = started(STARTTLS, "command_timeout_ms = 300");
    assert_eq!(rest_of(&mut ready(&server)), b"", "nor behind STARTTLS");
}

#[test]
fn plain_text_instead_of_a_handshake_is_never_read_as_commands() {
    let server = started(STARTTLS, "");
    let mut client = ready(&server);
    client.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n");
    let rest = rest_of(&mut client);
    assert!(
        rest.is_empty() || rest[0] == 0x15,
        "{}",
        rest.escape_ascii()
    );
    assert!(server.messages().is_empty());
}

#[test]
fn the_name_asked_for_picks_the_certificate() {
    let directory = directory();
    let (main, other) = (
        certificate(&["mx.example.org"]),
        certificate(&["*.example.net"]),
    );
    main.write(&directory, "main");
    other.write(&directory, "other");
    let keys = format!(
        "{MAILDIR}\ncertificate = \"main\"\ncertificates_by_name = [\"other\"]\n{IMPLICIT}"
    );
    let text = format!(
        "{}{}{}",
        configuration(&keys, ""),
        named("main"),
        named("other")
    );
    let server = Server::start_in(directory, &text);
    for (name, shown) in [
        ("mx.example.org", &main),
        ("mx.example.net", &other),
        ("elsewhere.example", &main),
    ] {
        let mut tls = Tls::new(|_| {});
        tls.name = name;
        assert_eq!(shown_to(&server, &tls), der(shown), "{name}");
    }
}

/// The certificate a server shows.
fn shown_to(server: &Server, tls: &Tls) -> Vec<u8> {
    let client = Client::connect(server.address()).upgrade(tls);
    let mut client = client.expect("they shake hands");
    let chain = client.channel().tls().peer_certificates();
    chain.expect("servers show one")[0].to_vec()
}

/// A certificate without its armour.
pub(super) fn der(pem: &Pem) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;

    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.chain.as_bytes());
    der.expect("it is PEM").to_vec()
}

#[test]
fn sessions_are_resumed_on_every_shard() {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let keys = format!("{MAILDIR}\ncertificate = \"main\"\n{IMPLICIT}");
    let text = format!("{}{}", configuration(&keys, ""), named("main"));
    let text = text.replace("cores = \"1\"", "cores = \"all\"");
    let server = Server::start_in(directory, &text);
    let tls = Tls::new(|_| {});
    for round in 0..12 {
        let client = Client::connect(server.address()).upgrade(&tls);
        let mut client = client.expect("they shake hands");
        // Tickets come behind the handshake.
        client.expect("220 ");
        let kind = client.channel().tls().handshake_kind();
        let is_resumed = kind == Some(HandshakeKind::Resumed);
        assert_eq!(is_resumed, 0 < round, "{round}: {kind:?}");
    }
}

#[test]
fn clients_of_other_protocols_are_refused() {
    let server = started(IMPLICIT, "");
    for (protocols, is_served) in [
        (&["smtp"][..], true),
        (&["http/1.1", "smtp"], true),
        (&["h2", "http/1.1"], false),
    ] {
        let tls = Tls::new(|configuration| {
            let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
            configuration.alpn_protocols = protocols.collect();
        });
        let outcome = Client::connect(server.address()).upgrade(&tls);
        match outcome {
            Ok(mut client) => {
                assert!(is_served, "{protocols:?}");
                client.expect("220 ");
                assert_eq!(client.channel().tls().alpn_protocol(), Some(&b"smtp"[..]));
            }
            Err(error) => {
                assert!(!is_served, "{protocols:?}: {error}");
                assert!(
                    error.to_string().contains("NoApplicationProtocol"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn certificates_are_read_again_without_a_restart() {
    let server = started(IMPLICIT, "");
    let tls = Tls::new(|_| {});
    let mut old = Client::connect(server.address())
        .upgrade(&tls)
        .expect("they shake hands");
    old.expect("220 ");
    let before = shown_to(&server, &Tls::new(|_| {}));
    let renewed = certificate(&["mx.example.org"]);
    renewed.write(server.path("").as_path(), "main");
    server.signal(Signal::HUP);
    let is_shown = (0..1_000).any(|_| shown_to(&server, &Tls::new(|_| {})) == der(&renewed));
    assert!(is_shown, "{}", server.log());
    assert_ne!(before, der(&renewed));
    old.say("NOOP");
    old.expect("250 ");

    // A key that does not fit is complained about, and changes nothing.
    let other = certificate(&["other.example.org"]);
    std::fs::write(server.path("main.key"), &other.key).expect("it is writable");
    server.signal(Signal::HUP);
    let is_told = (0..1_000).any(|_| {
        assert_eq!(shown_to(&server, &Tls::new(|_| {})), der(&renewed));
        server.log().contains("does not belong to the certificate")
    });
    let log = server.log();
    assert!(is_told, "{log}");
    let place = "key = \"main.key\"\n   |       ^^^^^^^^^^ the key must be";
    assert!(
        log.contains("error: certificate `main`: main.key: private key"),
        "{log}"
    );
    assert!(log.contains(place), "{log}");
    let client = Client::connect(server.address()).upgrade(&Tls::new(|_| {}));
    client.expect("it goes on").expect("220 ");
}

/// A client over TLS that has begun a message and sent half of it.
fn half(server: &Server) -> Client {
    let mut client = server.connect();
    client.expect("220 ");
    client.say("HELO client.example");
    client.expect("250 ");
    client.begin_data();
    client.send(b"half of a message\r\n");
    client
}

#[test]
fn what_is_cut_off_is_never_stored() {
    let server = started(IMPLICIT, "").over_tls(Tls::shared(usize::MAX));
    // Plain text behind the end, in the middle of mail data.
    let mut client = half(&server);
    client.channel().tls().send_close_notify();
    client.channel().flush().expect("the server reads");
    let mut socket = client
        .channel()
        .socket()
        .try_clone()
        .expect("descriptors are left");
    // The server may have closed.
    let _ = socket.write_all(b"the other half\r\n.\r\nQUIT\r\n");
    assert_eq!(rest_of(&mut client), b"");
    // Plain text in the middle of mail data.
    let mut client = half(&server);
    let mut socket = client
        .channel()
        .socket()
        .try_clone()
        .expect("descriptors are left");
    let _ = socket.write_all(b"the other half\r\n.\r\nQUIT\r\n");
    assert_eq!(rest_of(&mut client), b"");
    // The end of the connection without the end of TLS.
    let mut client = half(&server);
    let socket = client
        .channel()
        .socket()
        .shutdown(std::net::Shutdown::Write);
    socket.expect("it is connected");
    assert_eq!(rest_of(&mut client), b"");
    // In the middle of a command: it is not carried out.
    let mut client = server.connect();
    client.expect("220 ");
    client.send(b"QU");
    client.channel().tls().send_close_notify();
    client.channel().flush().expect("the server reads");
    let mut socket = client
        .channel()
        .socket()
        .try_clone()
        .expect("descriptors are left");
    let _ = socket.write_all(b"IT\r\n");
    assert_eq!(rest_of(&mut client), b"");
    assert!(server.messages().is_empty());
    assert_eq!(server.unfinished_count(), 0);
}

#[test]
fn plain_octets_behind_the_end_are_no_part_of_a_chunk() {
    let server = started(STARTTLS, "");
    for announced in ["BDAT 20 LAST", "BDAT 20"] {
        let client = ready(&server).upgrade(&Tls::shared(usize::MAX));
        let mut client = client.expect("they shake hands");
        client.say("EHLO client.example");
        client.reply("250");
        client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
        client.expect("250 ");
        client.expect("250 ");
        client.send(format!("{announced}\r\n0123456789").as_bytes());
        client.channel().tls().send_close_notify();
        client.channel().flush().expect("the server reads");
        let socket = client.channel().socket().try_clone();
        let mut socket = socket.expect("descriptors are left");
        // The server may have closed.
        let _ = socket.write_all(b"the rest\r\nBDAT 0 LAST\r\nQUIT\r\n");
        assert_eq!(rest_of(&mut client), b"", "{announced}");
    }
    assert!(server.messages().is_empty());
    assert_eq!(server.unfinished_count(), 0);
}

#[test]
fn commands_before_the_end_are_answered() {
    let server = started(IMPLICIT, "").over_tls(Tls::shared(usize::MAX));
    let mut client = server.connect();
    client.expect("220 ");
    client.say("NOOP\r\nNOOP");
    client.end_sending();
    client.expect("250 ");
    client.expect("250 ");
    client.expect_close();
}

#[test]
fn many_commands_at_once_are_answered_in_order() {
    let server = started(IMPLICIT, "idle_commands_max = 100000").over_tls(Tls::shared(usize::MAX));
    let mut client = server.connect();
    client.expect("220 ");
    client.send("NOOP\r\n".repeat(10_000).as_bytes());
    for _ in 0..10_000 {
        client.expect("250 2.0.0 ");
    }
}

#[test]
fn certificates_that_are_wrong_are_refused_with_their_place() {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let other = certificate(&[]);
    other.write(&directory, "other");
    std::fs::write(directory.join("broken.pem"), "no certificate").expect("it is writable");
    let keys = "accept_domains = [\"*\"]\ntls = \"implicit\"\ncertificate = \"mian\"\n\
        certificates_by_name = [\"other\"]\nclient_certificates = \"require\"";
    let text = format!(
        "{}{}{}[[certificate]]\nid = \"broken\"\nchain = \"broken.pem\"\nkey = \"main.key\"\n\
         [[certificate]]\nid = \"mixed\"\nchain = \"main.pem\"\nkey = \"other.key\"\n\
         [[certificate]]\nid = \"gone\"\nchain = \"gone.pem\"\nkey = \"main.key\"\n",
        configuration(keys, ""),
        named("main"),
        named("other")
    );
    let output = super::server::command(&directory, &text).output();
    let output = output.expect("the command was built");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("it is text");
    for sentence in [
        "no [[certificate]] is called `mian`",
        "did you mean `main`?",
        "certificate `other` names no host",
        "`require` is no value of `client_certificates`",
        "certificate `broken`: broken.pem: file has no certificate",
        "certificate `mixed`: other.key: private key does not belong to the certificate",
        "certificate `gone`: gone.pem: cannot be read: ",
        "chain = \"gone.pem\"",
    ] {
        assert!(said.contains(sentence), "{sentence}\n{said}");
    }
    std::fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let directory = directory();
    super::channel::certificate_until(&["mx.example.org"], 2020).write(&directory, "main");
    let keys = format!("{MAILDIR}\ncertificate = \"main\"\n{STARTTLS}");
    let text = format!("{}{}", configuration(&keys, ""), named("main"));
    let server = Server::start_in(directory, &text);
    let log = server.log();
    assert!(
        log.contains("certificate has expired on 2020-01-01T00:00:00Z"),
        "{log}"
    );
    ready(&server)
        .upgrade(&Tls::shared(usize::MAX))
        .expect("it is served all the same");
}
