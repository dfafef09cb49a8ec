//! What operators read of sessions: messages with their recipients, commands that were refused.

use rustix::process::Signal;

use super::server::{MAILDIR, Server, configuration};

/// The lines of one event that a server has logged, after it has stopped.
fn lines_of(mut server: Server, event: &str) -> Vec<String> {
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let event = format!(" event={event} ");
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains(&event));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_accepted_message_names_its_recipients() {
    let server = Server::start(&configuration(MAILDIR, ""));
    let mut client = server.greeted();
    client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA");
    for code in ["250 ", "250 ", "250 ", "354 "] {
        client.expect(code);
    }
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
    let accepted = lines_of(server, "accepted");
    assert_eq!(accepted.len(), 1);
    let expected = " from=\"a@client.example\" recipients=2 to=\"b@example.org\" to=\"c@example.org\" octets=3";
    assert!(accepted[0].ends_with(expected), "{}", accepted[0]);
}

#[test]
fn refused_commands_are_logged_and_others_are_not() {
    let server = Server::start(&configuration(MAILDIR, "errors_per_connection_max = 2"));
    let mut client = server.greeted();
    for (line, code) in [
        ("NOOP", "250 "),
        ("MAIL FROM:<a@client.example>", "250 "),
        ("RCPT TO:<b@elsewhere.example>", "550 "),
        ("RCPT TO:<b@example.org>", "250 "),
        ("X\tFORGED=\"1\"", "500 "),
        ("Y", "421 "),
    ] {
        client.say(line);
        client.expect(code);
    }
    let refused = lines_of(server, "command_refused");
    let ends = [
        "code=550 command=\"RCPT TO:<b@elsewhere.example>\"",
        "code=500 command=\"X\\tFORGED=\\\"1\\\"\"",
        "code=421 command=\"Y\"",
    ];
    assert_eq!(refused.len(), ends.len(), "{refused:?}");
    for (line, end) in refused.iter().zip(ends) {
        assert!(line.ends_with(end), "{line}");
    }
}

#[test]
fn mail_data_before_its_time_is_logged() {
    let server = Server::start(&configuration(MAILDIR, ""));
    let mut client = server.greeted();
    client.begin_data();
    client.send(b".\r\n");
    client.expect("250 ");
    client.send(
        b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
    );
    for code in ["250 ", "250 ", "354 ", "250 ", "221 "] {
        client.expect(code);
    }
    let early = lines_of(server, "early_talker");
    assert_eq!(early.len(), 1, "{early:?}");
    assert!(early[0].ends_with(" awaited=354"), "{}", early[0]);
}
