//! XCLIENT over the network: the client it names is counted, and the script of `connect` is asked about it.

use super::channel::certificate;
use super::server::{Client, MAILDIR, Server, configuration, directory};
use super::tls::{STARTTLS, named};

const FROM_HERE: &str = "xclient_from = [\"127.0.0.0/8\"]";

fn forwarded(client: &mut Client, attributes: &str, answer: &str) {
    client.say(&format!("XCLIENT {attributes}"));
    client.expect(answer);
}

#[test]
fn a_client_that_is_named_is_counted_for_its_address() {
    let text = configuration(&format!("{MAILDIR}\n{FROM_HERE}"), "");
    let text = text.replace(
        "connections_per_client_max = 1000",
        "connections_per_client_max = 2",
    );
    let server = Server::start(&text.replace("cores = \"1\"", "cores = \"all\""));
    let mut held = Vec::new();
    for client in [
        "203.0.113.7",
        "203.0.113.7",
        "IPV6:2001:db8:0:1::1",
        "IPV6:2001:db8:0:1:ffff::2",
    ] {
        let mut connection = server.greeted();
        // This place is free from then on: only two may have the address of the test.
        forwarded(&mut connection, &format!("ADDR={client}"), "220 ");
        held.push(connection);
    }
    for client in [
        "203.0.113.7",
        "IPV6:::ffff:203.0.113.7",
        "IPV6:2001:db8:0:1::3",
    ] {
        let mut connection = server.greeted();
        forwarded(&mut connection, &format!("ADDR={client}"), "421 4.7.0 ");
        connection.expect_close();
    }
    // Another name for a connection that has its place takes no second one.
    let mut first = held.swap_remove(0);
    forwarded(&mut first, "NAME=a.example", "220 ");
    forwarded(&mut first, "ADDR=203.0.113.7", "220 ");
    forwarded(&mut first, "ADDR=203.0.113.8", "220 ");
    let mut other = server.greeted();
    forwarded(&mut other, "ADDR=203.0.113.7", "220 ");
}

#[test]
fn the_script_of_connect_is_asked_about_the_new_client() {
    let scripts = "[server.scripts]\nconnect = \"connect.hsl\"";
    let script = "if ($senderip == \"203.0.113.66\") Reject(\"not you\");\n\
        $seen = $context ?? \"nobody\"; $context = $senderip;\n\
        Accept([\"reason\" => \"$senderip $senderport $serverip $serverport after $seen\"]);";
    let text = configuration(&format!("{MAILDIR}\n{FROM_HERE}\n{scripts}"), "");
    let server = Server::start_with(&text, &[("connect.hsl", script)]);
    let mut client = server.connect();
    client.expect("220 mx.example.org 127.0.0.1 ");
    forwarded(
        &mut client,
        "ADDR=203.0.113.7 PORT=40000 DESTADDR=192.0.2.25 DESTPORT=587",
        "220 mx.example.org 203.0.113.7 40000 192.0.2.25 587 after nobody\r\n",
    );
    forwarded(
        &mut client,
        "DESTPORT=25",
        "220 mx.example.org 203.0.113.7 40000 192.0.2.25 25 after nobody\r\n",
    );
    // Another client: nothing that was told of the former holds for it, and the port of nobody else is its own.
    let port = server.address().port();
    forwarded(
        &mut client,
        "ADDR=203.0.113.8",
        &format!("220 mx.example.org 203.0.113.8 0 127.0.0.1 {port} after nobody\r\n"),
    );
    forwarded(&mut client, "ADDR=203.0.113.66", "521 not you\r\n");
    client.expect_close();
}

#[test]
fn tls_begins_before_another_client_is_named_or_not_at_all() {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let server = format!("{MAILDIR}\n{FROM_HERE}\ncertificate = \"main\"\n{STARTTLS}");
    let text = format!("{}{}", configuration(&server, ""), named("main"));
    let server = Server::start_in(directory, &text);
    let mut client = server.greeted();
    client.say("EHLO proxy.example");
    assert!(client.reply("250").contains("STARTTLS\r\n"));
    forwarded(&mut client, "ADDR=203.0.113.7 HELO=client.example", "220 ");
    client.say("STARTTLS");
    client.expect("503 5.5.1 STARTTLS comes before XCLIENT");
    client.say("EHLO client.example");
    assert!(!client.reply("250").contains("STARTTLS"));
}

#[test]
fn a_script_cannot_make_a_client_a_trusted_one() {
    let server = "xclient_from = [\"203.0.113.0/24\"]\n[server.scripts]\nconnect = \"connect.hsl\"";
    let text = configuration(&format!("{MAILDIR}\n{server}"), "");
    let script = "Accept([\"senderip\" => \"203.0.113.7\"]);";
    let server = Server::start_with(&text, &[("connect.hsl", script)]);
    let mut client = server.greeted();
    forwarded(&mut client, "ADDR=203.0.113.8", "550 5.7.0 ");
}

#[test]
fn a_header_of_a_balancer_says_who_may_use_it() {
    let server = "proxy_protocol_from = [\"127.0.0.1\"]\nxclient_from = [\"203.0.113.0/24\"]";
    let server = Server::start(&configuration(&format!("{MAILDIR}\n{server}"), ""));
    for (client, answer) in [("203.0.113.7", "220 "), ("127.0.0.1", "550 ")] {
        let mut connection = server.connect();
        connection.send(format!("PROXY TCP4 {client} 192.0.2.25 40000 25\r\n").as_bytes());
        connection.expect("220 ");
        forwarded(&mut connection, "ADDR=198.51.100.1", answer);
    }
}

#[test]
fn the_script_of_helo_is_not_passed_by() {
    let scripts = "[server.scripts]\nhelo = \"helo.hsl\"";
    let text = configuration(&format!("{MAILDIR}\n{FROM_HERE}\n{scripts}"), "");
    let script = "if ($senderhelo == \"bad.example\") Reject(\"not you\");";
    let server = Server::start_with(&text, &[("helo.hsl", script)]);
    let mut client = server.greeted();
    forwarded(&mut client, "ADDR=203.0.113.7 HELO=bad.example", "220 ");
    client.say("MAIL FROM:<a@client.example>");
    client.expect("503 5.5.1 Send HELO or EHLO first");
    client.say("HELO bad.example");
    client.expect("554 not you");
    client.say("HELO good.example");
    client.expect("250 ");
}
