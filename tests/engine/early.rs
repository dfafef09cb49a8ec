//! Clients that do not wait where they must.

use rustix::process::Signal;

use super::server::{Client, MAILDIR, Server, configuration};

fn server(policies: &str) -> Server {
    Server::start(&configuration(&format!("{MAILDIR}\n{policies}"), ""))
}

/// What a server has logged of early talkers, after it has stopped.
fn awaited(mut server: Server) -> Vec<String> {
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    let lines = log
        .lines()
        .filter(|line| line.contains(" event=early_talker "));
    lines
        .map(|line| line.rsplit('=').next().unwrap_or_default().to_owned())
        .collect()
}

/// A greeted client whose octets up to a command that ends a group of them are there in one segment.
fn client_with_a_group(server: &Server, group: &str) -> Client {
    let mut client = server.greeted();
    client.send(group.as_bytes());
    client
}

const DATA: &str = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n";

#[test]
fn mail_data_before_its_time_is_refused_if_the_profile_says_so() {
    let server = server("early_command = \"refuse\"");
    let mut client = client_with_a_group(&server, DATA);
    for code in ["250 ", "250 ", "554 5.5.1 "] {
        client.expect(code);
    }
    client.expect_close();
    assert_eq!(server.messages().len(), 0);
    // One that waits is served.
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
    assert_eq!(awaited(server), ["354"]);
}

#[test]
fn mail_data_before_its_time_is_ignored_if_the_profile_says_so() {
    let server = server("early_command = \"ignore\"");
    let mut client = client_with_a_group(&server, DATA);
    for code in ["250 ", "250 ", "354 ", "250 "] {
        client.expect(code);
    }
    assert!(awaited(server).is_empty());
}

#[test]
fn commands_behind_ehlo_are_a_matter_of_their_own() {
    for (policy, codes, logged) in [
        ("", &["250 ", "250 "][..], &[][..]),
        ("early_ehlo = \"log\"", &["250 ", "250 "], &["250"]),
        ("early_ehlo = \"refuse\"", &["554 "], &["250"]),
    ] {
        let server = server(policy);
        let mut client = server.connect();
        client.expect("220 ");
        client.send(b"EHLO client.example\r\nNOOP\r\n");
        for code in codes {
            let last = last_line_of_reply(&mut client);
            assert!(last.starts_with(code), "{policy}: {last}");
        }
        assert_eq!(awaited(server), logged, "{policy}");
    }
}

fn last_line_of_reply(client: &mut Client) -> String {
    loop {
        let line = client.expect("");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    }
}

#[test]
fn commands_behind_xclient_are_refused_if_the_profile_says_so() {
    let server = server("xclient_from = [\"127.0.0.1\"]\nearly_command = \"refuse\"");
    let mut client = client_with_a_group(&server, "XCLIENT ADDR=203.0.113.7\r\nNOOP\r\n");
    client.expect("554 5.5.1 ");
    client.expect_close();
    assert_eq!(awaited(server), ["220"]);
}

#[test]
fn what_a_script_makes_of_a_line_is_judged() {
    let policies = "early_command = \"refuse\"\n[server.scripts]\nproxy = \"proxy.hsl\"";
    let text = configuration(&format!("{MAILDIR}\n{policies}"), "");
    let script = "if ($command == \"XDATA\") Pass([\"command\" => \"DATA\"]);";
    let server = Server::start_with(&text, &[("proxy.hsl", script)]);
    let mut client = client_with_a_group(&server, &DATA.replace("DATA", "XDATA"));
    for code in ["250 ", "250 ", "554 5.5.1 "] {
        client.expect(code);
    }
    client.expect_close();
    assert_eq!(awaited(server), ["354"]);
}

#[test]
fn a_command_out_of_order_is_only_that() {
    let server = server("early_command = \"refuse\"");
    let mut client = client_with_a_group(&server, "DATA\r\nNOOP\r\n");
    client.expect("503 5.5.1 ");
    client.expect("250 ");
    assert!(awaited(server).is_empty());
}
