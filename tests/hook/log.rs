//! What operators read of scripts: errors with their place, `echo`, other addresses.

use super::{log_of, with_scripts};
use crate::engine::server::Server;

#[test]
fn a_script_error_is_one_line_with_its_place() {
    let server = Server::start(&with_scripts("wrong", ""));
    let mut client = server.connect();
    client.expect("421 ");
    client.expect_close();
    let log = log_of(server);
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("event=script_error"))
        .collect();
    let [line] = lines.as_slice() else {
        panic!("one line for one error: {log}");
    };
    for expected in [
        "level=warning",
        "session=0-0",
        "client=127.0.0.1:",
        "hook=connect",
        "profile=\"test\"",
        "wrong/connect.hsl:1:6\"",
        "message=\"operator . does not work on none and none\"",
    ] {
        assert!(line.contains(expected), "{expected} is not in {line}");
    }
}

#[test]
fn a_renamed_client_has_its_new_address_in_later_lines() {
    let mut server = Server::start(&with_scripts("nat64", ""));
    let mut client = server.connect();
    client.expect("220 ");
    client.say("EHLO client.example");
    while !client.expect("250").starts_with("250 ") {}
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    let accepted = log.lines().find(|line| line.contains("event=accepted"));
    let accepted = accepted.expect("the message was accepted");
    assert!(accepted.contains("client=192.168.1.11:"), "{accepted}");
    let message = server.messages().remove(0);
    let message = String::from_utf8_lossy(&message);
    assert!(
        message.contains("from client.example ([192.168.1.11])"),
        "{message}"
    );
}

#[test]
fn limits_count_a_renamed_client_under_its_new_address() {
    let limits = "connections_per_client_max = 1";
    let configuration =
        with_scripts("nat64", "").replace("connections_per_client_max = 1000", limits);
    let server = Server::start(&configuration);
    let mut first = server.connect();
    first.expect("220 ");
    // The gateway's own address has no connection any more, so the second one is let in; then its new name is full.
    let mut second = server.connect();
    second.expect("421 4.7.0 Too many connections from your address");
    second.expect_close();
    first.say("QUIT");
    first.expect("221 ");
    first.expect_close();
    let begin = std::time::Instant::now();
    while !server
        .connect()
        .try_line()
        .expect("the server answers")
        .is_some_and(|line| line.starts_with("220 "))
    {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20));
    }
    assert!(log_of(server).contains("client=192.168.1.11:"));
}

#[test]
fn an_error_in_each_hook_of_a_command_is_one_line_with_its_place() {
    let server = Server::start(&with_scripts("envelope", ""));
    let mut client = server.greeted();
    for (command, reply) in [
        ("HELO client.example", "250 "),
        ("MAIL FROM:<wrong@client.example>", "450 4.3.0 "),
        ("MAIL FROM:<three@client.example>", "450 4.3.0 "),
        ("MAIL FROM:<a@client.example>", "250 "),
        ("RCPT TO:<wrong@example.org>", "450 4.3.0 "),
        ("QUIT", "221 "),
    ] {
        client.say(command);
        client.expect(reply);
    }
    let log = log_of(server);
    let lines = log
        .lines()
        .filter(|line| line.contains("event=script_error"));
    let lines: Vec<&str> = lines.collect();
    let [sender, options, recipient] = lines.as_slice() else {
        panic!("one line for one error: {log}");
    };
    assert!(
        sender.contains("hook=mailfrom ") && sender.contains("envelope/mailfrom.hsl:23:"),
        "{sender}"
    );
    let message =
        "Accept(): argument \\\"sender\\\" must be a string or an array of localpart and domain";
    assert!(options.contains(message), "{options}");
    assert!(recipient.contains("hook=rcptto "), "{recipient}");
}

#[test]
fn refusals_of_scripts_are_counted_and_logged_and_not_without_end() {
    let limits = "errors_per_connection_max = 5";
    let server = Server::start(&with_scripts("envelope", limits));
    let mut client = server.greeted();
    client.say("HELO client.example");
    client.expect("250 ");
    client.say("MAIL FROM:<Reject@client.example>");
    client.expect("250 ");
    for _ in 0..50 {
        client.say("RCPT TO:<defer@example.org>");
        client.expect("450 4.7.1 ");
    }
    client.say("RCPT TO:<nouser@example.org>");
    client.expect("550 5.1.1 ");
    client.say("QUIT");
    client.expect("221 ");
    let log = log_of(server);
    let line = "event=command_refused";
    let lines: Vec<&str> = log.lines().filter(|one| one.contains(line)).collect();
    assert_eq!(lines.len(), 5, "{log}");
    assert!(
        lines[0].contains("hook=rcptto code=450 to=\"defer@example.org\""),
        "{log}"
    );
    assert!(log.contains("commands_refused=51"), "{log}");
}

#[test]
fn refusals_for_good_are_errors_of_the_client() {
    let limits = "errors_per_connection_max = 3";
    let server = Server::start(&with_scripts("envelope", limits));
    let mut client = server.greeted();
    client.say("HELO client.example");
    client.expect("250 ");
    for _ in 0..3 {
        client.say("MAIL FROM:<reject@client.example>");
        client.expect("554 5.7.1 ");
    }
    client.say("MAIL FROM:<reject@client.example>");
    client.expect("421 4.7.0 More than 3 errors");
    client.expect_close();
}

#[test]
fn extensions_that_cannot_be_offered_are_named() {
    let server = Server::start(&with_scripts("announce", ""));
    let mut client = server.greeted();
    client.say("EHLO withheld");
    client.expect("250-mx.example.org greets withheld");
    client.expect("250 XVERSION");
    let log = log_of(server);
    assert!(
        log.contains("level=warning event=extensions_withheld"),
        "{log}"
    );
    assert!(
        log.contains("extensions=\"STARTTLS AUTH XCLIENT\""),
        "{log}"
    );
}
