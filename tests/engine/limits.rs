//! Limits of connections and of time, as clients meet them. Those of sizes and counts are `tests/dialogue/limits.smtp`,
//! those of resources `watermarks.rs`, those of PROXY headers `proxy_protocol.rs`.

use std::sync::Barrier;

use rustix::process::Signal;

use super::server::{Client, MAILDIR, Server, configuration};

#[test]
fn connections_of_one_client_are_limited_over_all_shards() {
    let text = configuration(MAILDIR, "").replace("cores = \"1\"", "cores = \"all\"");
    let server = Server::start(&text.replace("per_client_max = 1000", "per_client_max = 7"));
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    let mut greeted = Vec::new();
    for mut client in clients.drain(..) {
        let line = client
            .try_line()
            .expect("it answers in time")
            .expect("it answers");
        if line.starts_with("220 ") {
            greeted.push(client);
        } else {
            assert!(line.starts_with("421 4.7.0 "), "{line}");
            client.expect_close();
        }
    }
    assert_eq!(greeted.len(), 7);
    let mut leaving = greeted.pop().expect("there are seven");
    leaving.say("QUIT");
    leaving.expect("221 ");
    leaving.expect_close();
    // The place is free once the server has closed; the client may be quicker.
    let again = (0..1_000).any(|_| {
        let mut client = server.connect();
        client
            .try_line()
            .expect("it answers in time")
            .is_some_and(|line| line.starts_with("220 "))
    });
    assert!(again, "the place is free again");
}

#[test]
fn connections_of_one_client_are_counted_exactly_when_all_come_at_once() {
    const THREADS_COUNT: usize = 8;
    let text = configuration(MAILDIR, "").replace("cores = \"1\"", "cores = \"all\"");
    let server = Server::start(&text.replace("per_client_max = 1000", "per_client_max = 50"));
    let start = Barrier::new(THREADS_COUNT);
    let come = || {
        start.wait();
        let clients = (0..25).map(|_| server.connect());
        clients.collect::<Vec<Client>>()
    };
    // All of them stay until each has been answered.
    let mut clients: Vec<Client> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS_COUNT).map(|_| scope.spawn(come)).collect();
        let clients = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no panic"));
        clients.collect()
    });
    let mut greeted_count = 0;
    for client in &mut clients {
        let line = client.try_line().expect("it answers in time");
        let line = line.expect("it answers");
        greeted_count += u32::from(line.starts_with("220 "));
    }
    assert_eq!(greeted_count, 50);
}

#[test]
fn new_connections_of_one_client_have_a_rate() {
    let limits = "connections_per_client_per_second_max = 5";
    let text = configuration(MAILDIR, limits).replace("cores = \"1\"", "cores = \"all\"");
    let server = Server::start(&text);
    let mut greeted_count = 0;
    let refusal = loop {
        let mut client = server.connect();
        let line = client.try_line().expect("it answers in time");
        let line = line.expect("it answers");
        if !line.starts_with("220 ") {
            client.expect_close();
            break line;
        }
        greeted_count += 1;
        assert!(greeted_count < 1_000, "the rate is not limited");
    };
    assert!(
        refusal.starts_with("421 4.7.0 Connections come too fast from your address"),
        "{refusal}"
    );
    // Whenever a second began meanwhile, five more were let in.
    assert!(5 <= greeted_count, "{greeted_count}");
    let again = (0..1_000_000).any(|_| {
        let line = server.connect().try_line().expect("it answers in time");
        line.is_some_and(|line| line.starts_with("220 "))
    });
    assert!(again, "the next second has come");
}

#[test]
fn all_connections_are_limited() {
    let server = Server::start(&configuration(MAILDIR, "connections_max = 2"));
    let mut first = server.connect();
    first.expect("220 ");
    let mut second = server.connect();
    second.expect("220 ");
    let mut third = server.connect();
    third.expect("421 4.7.0 ");
    third.expect_close();
}

#[test]
fn an_idle_client_is_told_and_left() {
    let server = Server::start(&configuration(MAILDIR, "command_timeout_ms = 200"));
    let mut client = server.greeted();
    client.expect("421 4.4.2 ");
    client.expect_close();
}

#[test]
fn octets_that_make_no_line_do_not_prolong_the_wait() {
    let server = Server::start(&configuration(MAILDIR, "command_timeout_ms = 300"));
    let mut client = server.greeted();
    // One octet per write until the server has had enough; each comes well within the time-out.
    let begin = std::time::Instant::now();
    while client.try_send(b"N") && begin.elapsed().as_secs() < 10 {
        std::thread::yield_now();
        if 2_000 <= begin.elapsed().as_millis() {
            break;
        }
    }
    client.expect("421 4.4.2 ");
}

#[test]
fn a_line_without_end_is_left_and_holds_nobody_up() {
    let server = Server::start(&configuration(MAILDIR, "command_timeout_ms = 500"));
    let floods: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.greeted();
            std::thread::spawn(move || {
                let octets = vec![b'x'; 1 << 20];
                let begin = std::time::Instant::now();
                while client.try_send(&octets) {
                    assert!(begin.elapsed().as_secs() < 15, "the flood goes on");
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let mut other = server.greeted();
        other.say("QUIT");
        other.expect("221 ");
    }
    for flood in floods {
        flood.join().expect("the server has closed");
    }
}

#[test]
fn mail_data_that_stops_coming_is_left() {
    let server = Server::start(&configuration(MAILDIR, "mail_data_timeout_ms = 200"));
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"half a mess");
    client.expect("421 4.4.2 ");
    client.expect_close();
    assert_eq!(server.messages().len(), 0);
}

#[test]
fn a_transaction_that_never_ends_is_left() {
    let server = Server::start(&configuration(MAILDIR, "transaction_timeout_ms = 300"));
    let mut client = server.greeted();
    client.say("MAIL FROM:<a@client.example>");
    client.expect("250 ");
    let mut line = String::new();
    // Commands go on; the transaction they belong to does not.
    for _ in 0..1_000_000 {
        if !client.try_send(b"NOOP\r\n") {
            break;
        }
        line = client
            .try_line()
            .expect("it answers in time")
            .unwrap_or_default();
        if !line.starts_with("250 ") {
            break;
        }
    }
    assert!(line.starts_with("421 "), "{line}");
}

#[test]
fn mail_data_without_end_does_not_outlast_its_transaction() {
    let server = Server::start(&configuration(MAILDIR, "transaction_timeout_ms = 300"));
    let mut client = server.greeted();
    client.begin_data();
    let begin = std::time::Instant::now();
    while client.try_send(b"line\r\n") {
        assert!(begin.elapsed().as_secs() < 15, "the message goes on");
    }
    assert_eq!(server.messages().len(), 0);
    let log = log_of(server);
    assert!(log.contains(" reason=timeout "), "{log}");
}

#[test]
fn mail_data_that_comes_too_slowly_is_left() {
    let limits = "mail_data_rate_window_ms = 200\nmail_data_octets_per_second_min = 1000000";
    let server = Server::start(&configuration(MAILDIR, limits));
    let mut client = server.greeted();
    client.begin_data();
    let mut reader = client.split();
    let reading = std::thread::spawn(move || reader.try_line());
    let begin = std::time::Instant::now();
    // Each octet well within the wait for mail data, all of them below the rate.
    while client.try_send(b"x") && !reading.is_finished() {
        assert!(begin.elapsed().as_secs() < 15, "the message goes on");
        std::thread::yield_now();
    }
    let line = reading.join().expect("no panic");
    // A reset may have overtaken the reply.
    if let Ok(Some(line)) = line {
        assert!(
            line.starts_with("421 4.4.2 Mail data comes too slowly"),
            "{line}"
        );
    }
    assert_eq!(server.messages().len(), 0);
    let log = log_of(server);
    assert!(log.contains(" reason=too_slow "), "{log}");
}

#[test]
fn chunks_that_come_too_slowly_are_left() {
    let limits = "mail_data_rate_window_ms = 200\nmail_data_octets_per_second_min = 1000000";
    let server = Server::start(&configuration(MAILDIR, limits));
    let mut client = server.greeted();
    begin_chunks(&mut client);
    let begin = std::time::Instant::now();
    // Each chunk is there at once; all of them are below the rate.
    let last = loop {
        assert!(begin.elapsed().as_secs() < 15, "the message goes on");
        client.send(b"BDAT 1\r\nx");
        let line = client.expect("");
        if !line.starts_with("250 ") {
            break line;
        }
    };
    assert!(
        last.starts_with("421 4.4.2 Mail data comes too slowly"),
        "{last}"
    );
    assert_eq!(server.messages().len(), 0);
    let log = log_of(server);
    assert!(log.contains(" reason=too_slow "), "{log}");
}

/// Has a client say all that comes before the first chunk of a message.
fn begin_chunks(client: &mut Client) {
    client.say("EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
    client.reply("250");
    client.expect("250 2.1.0 ");
    client.expect("250 2.1.5 ");
}

#[test]
fn the_time_of_a_script_is_not_the_client_s() {
    let limits = "mail_data_rate_window_ms = 100\nmail_data_octets_per_second_min = 1000\n\
                  script_cpu_ms_max = 20000";
    let server = format!("{MAILDIR}\n[server.scripts]\nproxy = \"proxy.hsl\"");
    // Several windows for each chunk.
    let script =
        "if ($command[0:4] == \"BDAT\") { $i = 0; while ($i < 300000000) $i = $i + 1; } Pass();";
    let text = configuration(&server, limits);
    let server = Server::start_with(&text, &[("proxy.hsl", script)]);
    let mut client = server.greeted();
    begin_chunks(&mut client);
    client.send(b"BDAT 3\r\na\r\nBDAT 3\r\nb\r\nBDAT 3 LAST\r\nc\r\n");
    client.expect("250 ");
    client.expect("250 ");
    client.expect("250 2.0.0 Ok: queued");
    assert_eq!(server.messages().len(), 1);
}

#[test]
fn commands_between_chunks_do_not_prolong_a_message() {
    for (limit, command) in [
        ("mail_data_octets_per_second_min = 1000000", Some("NOOP")),
        ("mail_data_timeout_ms = 200", None),
    ] {
        let limits =
            format!("idle_commands_max = 1000000\nmail_data_rate_window_ms = 200\n{limit}");
        let server = Server::start(&configuration(MAILDIR, &limits));
        let mut client = server.greeted();
        begin_chunks(&mut client);
        client.send(b"BDAT 1\r\nx");
        let begin = std::time::Instant::now();
        let mut line = client.expect("250 ");
        while line.starts_with("250 ") {
            assert!(begin.elapsed().as_secs() < 15, "the message goes on");
            if let Some(command) = command {
                client.say(command);
            }
            line = client.expect("");
        }
        assert!(line.starts_with("421 4.4.2 "), "{line}");
        assert_eq!(server.messages().len(), 0);
    }
}

#[test]
fn who_is_sent_away_is_in_the_log() {
    let server = Server::start(&configuration(MAILDIR, "idle_commands_max = 2"));
    let mut client = server.greeted();
    client.say("NOOP\r\nNOOP");
    client.expect("250 ");
    client.expect("421 ");
    client.expect_close();
    let mut polite = server.greeted();
    polite.say("QUIT");
    polite.expect("221 ");
    polite.expect_close();
    let log = log_of(server);
    assert!(
        log.contains(" reason=ended commands=3 messages=0 "),
        "{log}"
    );
    assert!(log.contains(" code=421\n"), "{log}");
    let disconnects = log.matches(" event=disconnect ").count();
    assert_eq!(disconnects, 1, "who says QUIT is not worth a line: {log}");
}

#[test]
fn each_transaction_has_its_own_time() {
    let limits = "idle_commands_max = 1000000\ntransaction_timeout_ms = 1500";
    let server = Server::start(&configuration(MAILDIR, limits));
    let mut client = server.greeted();
    client.say("MAIL FROM:<a@client.example>");
    client.expect("250 2.1.0 ");
    for _ in 0..2 {
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 1_000 {
            client.say("NOOP");
            client.expect("250 ");
        }
        // In one segment: at no time is there none.
        client.say("RSET\r\nMAIL FROM:<a@client.example>");
        client.expect("250 2.0.0 ");
        client.expect("250 2.1.0 ");
    }
}

#[test]
fn recipients_over_the_limit_are_counted_and_logged_at_a_rate() {
    let server = Server::start(&configuration(MAILDIR, "recipients_per_message_max = 100"));
    let mut client = server.greeted();
    client.say("MAIL FROM:<a@client.example>");
    client.expect("250 ");
    client.send(&b"RCPT TO:<b@example.org>\r\n".repeat(10_000));
    for index in 0..10_000 {
        client.expect(if index < 100 { "250 " } else { "452 4.5.3 " });
    }
    // A transaction would be waited for.
    client.say("QUIT");
    client.expect("221 ");
    let log = log_of(server);
    let lines_count = log.matches("event=recipient_refused").count();
    assert!((1..1_000).contains(&lines_count), "{lines_count}");
    assert!(log.contains(" limit=100 held_back="), "{log}");
    assert!(log.contains(" recipients_refused=9900 "), "{log}");
}

/// What a server has logged when it has stopped.
fn log_of(mut server: Server) -> String {
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    server.log()
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let limits = "write_timeout_ms = 300\nidle_commands_max = 1000000000";
    let server = Server::start(&configuration(MAILDIR, limits));
    let mut client = server.greeted();
    let batch = b"NOOP\r\n".repeat(10_000);
    // Sending ends when the server stops reading, then closes.
    let mut sent_count = 0;
    while client.try_send(&batch) {
        sent_count += batch.len();
        assert!(sent_count < 1 << 30, "the server reads without end");
    }
    let mut other = server.greeted();
    other.say("NOOP");
    other.expect("250 ");
}

#[test]
fn pipelined_commands_do_not_hold_up_others() {
    let server = Server::start(&configuration(MAILDIR, "idle_commands_max = 1000000000"));
    let mut busy = server.greeted();
    let mut reader = busy.split();
    let writing = std::thread::spawn(move || {
        let batch = b"NOOP\r\n".repeat(10_000);
        for _ in 0..20 {
            busy.send(&batch);
        }
        busy
    });
    let reading = std::thread::spawn(move || {
        for _ in 0..200_000 {
            reader.expect("250 ");
        }
    });
    for _ in 0..20 {
        let mut other = server.greeted();
        other.say("QUIT");
        other.expect("221 ");
    }
    drop(writing.join().expect("no panic"));
    reading.join().expect("each command is answered");
}

#[test]
fn early_talkers_are_refused() {
    let server = Server::start(&configuration(MAILDIR, "connections_max = 100000"));
    // Whether the octets are there before the greeting is the kernel's business; that both outcomes are clean is ours.
    for _ in 0..50 {
        let mut client = server.connect();
        if !client.try_send(b"EHLO client.example\r\n") {
            continue;
        }
        let line = client
            .try_line()
            .expect("it answers in time")
            .expect("it answers");
        if line.starts_with("554 ") {
            client.expect_close();
        } else {
            assert!(line.starts_with("220 "), "{line}");
        }
    }
}
