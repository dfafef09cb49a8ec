//! TLS on the way to a next hop: used where it is offered, insisted on where the operator does.

use super::channel::certificate;
use super::fake_next_hop::{
    Act, Close, FakeNextHop, Hear, HearOctets, HearRest, OFFER, opened, say,
};
use super::next_hop::{before, mail_and_rcpt, message, script};
use super::server::{MAILDIR, Server, configuration, directory};

/// A server that offers STARTTLS with a certificate for `mx.example.org`.
fn last() -> Server {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let server = format!("{MAILDIR}\ntls = \"starttls\"\ncertificate = \"main\"");
    let certificate = "[[certificate]]\nid = \"main\"\nchain = \"main.pem\"\nkey = \"main.key\"\n";
    Server::start_in(
        directory,
        &format!("{}{certificate}", configuration(&server, "")),
    )
}

#[test]
fn tls_is_used_where_it_is_offered() {
    let last = last();
    let main = last.path("main.pem");
    for keys in [
        String::new(),
        "tls = \"may\"".to_owned(),
        "tls = \"required\"".to_owned(),
        format!(
            "tls = \"required\"\ntls_name = \"mx.example.org\"\ntls_trusted = \"{}\"",
            main.display()
        ),
    ] {
        let first = before(last.address(), &keys);
        let mut client = first.greeted();
        let line = [b"0123456789abcdef".repeat(60), b"\r\n".to_vec()].concat();
        let sent = line.repeat(500_000 / line.len());
        for _ in 0..2 {
            client.begin_data();
            client.send(&sent);
            client.send(b".\r\n");
            client.expect("250 2.0.0 Ok: queued as ");
            let stored = last.messages().pop().expect("it is stored");
            assert!(super::server::content(&stored) == sent, "it is the same");
            let text = String::from_utf8_lossy(&stored).into_owned();
            assert!(text.contains(" with ESMTPS"), "{}", &text[..500]);
        }
    }
}

#[test]
fn tls_that_is_required_is_not_done_without() {
    let last = last();
    let other = directory();
    certificate(&["mx.example.org"]).write(&other, "other");
    let other_pem = other.join("other.pem");
    let main = last.path("main.pem");
    for keys in [
        // Signed by somebody else, and made out to somebody else: the host is an address.
        format!(
            "tls_name = \"mx.example.org\"\ntls_trusted = \"{}\"",
            other_pem.display()
        ),
        format!("tls_trusted = \"{}\"", main.display()),
    ] {
        let first = before(last.address(), &format!("tls = \"required\"\n{keys}"));
        mail_and_rcpt(&mut first.greeted(), "451 4.7.5 ");
    }
    assert!(last.messages().is_empty());
    for acts in [
        opened(OFFER, &[HearRest]),
        opened(
            "250-x\r\n250 STARTTLS",
            &[Hear("STARTTLS\r\n"), say("454 no"), HearRest],
        ),
        opened(
            "250-x\r\n250 STARTTLS",
            &[Hear("STARTTLS\r\n"), say("220 go"), Close],
        ),
        opened(
            "250-x\r\n250 STARTTLS",
            &[Hear("STARTTLS\r\n"), say("220 go\r\n250 x"), HearRest],
        ),
    ] {
        let (hop, address) = FakeNextHop::start(vec![acts]);
        let first = before(address, "tls = \"required\"");
        let mut client = first.greeted();
        mail_and_rcpt(&mut client, "451 4.");
        drop(first);
        hop.finish();
    }
    std::fs::remove_dir_all(other).expect("it is ours");
}

#[test]
fn tls_that_is_wished_for_is_done_without_where_it_fails() {
    let offer = "250-x\r\n250 STARTTLS";
    let asked = |acts: &[Act]| script(&[&opened(offer, &[Hear("STARTTLS\r\n")]), acts]);
    for broken in [
        vec![say("220 go"), Close],
        vec![say("220 go"), HearOctets(1), say("no TLS here"), HearRest],
    ] {
        let plain = script(&[&opened(OFFER, &message()), &[HearRest]]);
        let (hop, address) = FakeNextHop::start(vec![asked(&broken), plain]);
        let first = before(address, "");
        let mut client = first.greeted();
        client.begin_data();
        client.send(b"x\r\n.\r\n");
        client.expect("250 2.6.0 taken");
        drop(first);
        hop.finish();
    }
}
