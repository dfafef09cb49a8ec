//! Next hops of every kind: LMTP, sockets, slow ones, poor ones, and clients that leave in the middle.

use super::fake_next_hop::{
    Act, Close, FakeNextHop, Hear, HearEnd, HearMailData, HearOctets, HearRest, OFFER, opened,
    opened_lmtp, say,
};
use super::next_hop::{
    before, envelope, last_content, mail_and_rcpt, message, relay, reset_and_envelope, script,
};
use super::server::{Client, MAILDIR, Server, configuration, content};

fn greeted_with_ehlo(server: &Server) -> Client {
    let mut client = server.connect();
    client.expect("220 ");
    client.say("EHLO client.example");
    while client.expect("250").starts_with("250-") {}
    client
}

#[test]
fn an_lmtp_server_answers_for_each_recipient() {
    for (replies, expected) in [
        ("250 2.0.0 one\r\n250 2.0.0 two", "250 2.0.0 one\r\n"),
        ("250 2.0.0 one\r\n550 5.2.1 two", "550 5.2.1 two\r\n"),
        ("452 4.2.2 one\r\n550 5.2.1 two", "452 4.2.2 one\r\n"),
    ] {
        let acts = script(&[
            &opened_lmtp(&envelope()),
            &[
                Hear("RCPT TO:<unknown@example.org>\r\n"),
                say("550 5.1.1 nobody"),
            ],
            &[Hear("RCPT TO:<c@example.org>\r\n"), say("250 2.1.5 ok")],
            &[Hear("DATA\r\n"), say("354 go"), HearMailData, say(replies)],
            // It is of use for another message.
            &[Hear("MAIL "), Hear("RCPT "), say("250 ok\r\n250 ok")],
            &[
                Hear("DATA\r\n"),
                say("354 go"),
                HearMailData,
                say("250 2.0.0 again"),
                HearRest,
            ],
        ]);
        let (hop, address) = FakeNextHop::start(vec![acts]);
        let server = relay(&format!("lmtp://{address}"), "");
        let mut client = server.greeted();
        mail_and_rcpt(&mut client, "250 ");
        client.say("RCPT TO:<unknown@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA");
        client.expect("550 5.1.1 nobody");
        client.expect("250 2.1.5 ok");
        client.expect("354 ");
        client.send(b"x\r\n.\r\n");
        client.expect(expected);
        client.begin_data();
        client.send(b"x\r\n.\r\n");
        client.expect("250 2.0.0 again");
        drop(server);
        hop.finish();
    }
}

#[test]
fn a_socket_of_this_machine_is_a_next_hop() {
    let directory = super::server::directory();
    let path = directory.join("lmtp");
    let acts = script(&[&opened_lmtp(&message()), &[HearRest]]);
    let hop = FakeNextHop::start_at(&path, vec![acts]);
    let server = relay(&format!("lmtp:unix:{}", path.display()), "");
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 2.6.0 taken");
    drop(server);
    let heard = hop.finish().remove(0);
    assert_eq!(content(&heard), b"x\r\n.\r\n");
    std::fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn a_poor_next_hop_gets_one_command_at_a_time() {
    let acts = vec![
        say("220 old.example"),
        Hear("EHLO "),
        say("502 what"),
        Hear("HELO mx.example.org\r\n"),
        say("250 old.example"),
        Hear("MAIL FROM:<a@client.example>\r\n"),
        say("250 ok"),
        Hear("RCPT TO:<b@example.org>\r\n"),
        say("250 ok"),
        Hear("DATA\r\n"),
        say("354 go"),
        HearMailData,
        say("250 taken"),
        HearRest,
    ];
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "");
    let mut client = greeted_with_ehlo(&server);
    client.say("MAIL FROM:<a@client.example> BODY=8BITMIME SIZE=3 RET=HDRS");
    client.expect("250 ");
    client.say("RCPT TO:<b@example.org> NOTIFY=NEVER\r\nDATA");
    client.expect("250 ");
    client.expect("354 ");
    client.send(b"x\r\n.\r\n");
    client.expect("250 2.0.0 taken");
    drop(server);
    hop.finish();
}

#[test]
fn what_the_next_hop_offers_is_passed_on_and_nothing_else() {
    let offer = "250-next.example\r\n250-SIZE\r\n250-DSN\r\n250-SMTPUTF8\r\n250 8BITMIME";
    let mail = "MAIL FROM:<a@client.example> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x\r\n";
    let rcpt = "RCPT TO:<b@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@example.org\r\n";
    let acts = opened(
        offer,
        &[
            Hear(mail),
            say("250 ok"),
            Hear(rcpt),
            say("250 ok"),
            HearRest,
        ],
    );
    let (hop, address) = FakeNextHop::start(vec![acts, opened(OFFER, &[HearRest])]);
    let server = before(address, "");
    let mut client = greeted_with_ehlo(&server);
    client.send(mail.as_bytes());
    client.expect("250 ");
    client.send(rcpt.as_bytes());
    client.expect("250 ");
    let mut other = greeted_with_ehlo(&server);
    other.send(mail.as_bytes());
    other.expect("250 ");
    other.send(rcpt.as_bytes());
    other.expect("550 5.6.7 ");
    other.say("RSET\r\nMAIL FROM:<a@client.example> BODY=BINARYMIME\r\nRCPT TO:<b@example.org>");
    other.expect("250 ");
    other.expect("250 ");
    other.expect("554 5.6.1 ");
    drop(server);
    hop.finish();
}

#[test]
fn chunks_of_lines_become_lines() {
    let acts = script(&[&opened(OFFER, &message()), &[HearRest]]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "");
    let mut client = greeted_with_ehlo(&server);
    mail_and_rcpt(&mut client, "250 ");
    client.send(b"BDAT 4\r\n.a\r\nBDAT 1 LAST\r\n.");
    client.expect("250 ");
    client.expect("250 2.6.0 taken");
    drop(server);
    assert_eq!(content(&hop.finish()[0]), b"..a\r\n..\r\n.\r\n");
}

#[test]
fn chunks_that_the_next_hop_does_not_want_are_refused_in_the_end() {
    let acts = [
        &envelope()[..],
        &[Hear("DATA\r\n"), say("452 4.3.1 full"), HearRest],
    ]
    .concat();
    let (hop, address) = FakeNextHop::start(vec![opened(OFFER, &acts)]);
    let server = before(address, "");
    let mut client = greeted_with_ehlo(&server);
    mail_and_rcpt(&mut client, "250 ");
    client.send(b"BDAT 4\r\n.a\r\nBDAT 0 LAST\r\n");
    client.expect("250 ");
    client.expect("452 4.3.1 full");
    drop(server);
    hop.finish();
}

#[test]
fn binary_content_stays_as_it_is() {
    let offer = "250-next.example\r\n250-CHUNKING\r\n250 BINARYMIME";
    let acts = [
        Hear("MAIL FROM:<a@client.example> BODY=BINARYMIME\r\n"),
        say("250 ok"),
        Hear("RCPT TO:<b@example.org>\r\n"),
        say("250 ok"),
        Act::HearChunk,
        say("250 2.6.0 taken"),
        HearRest,
    ];
    let (hop, address) = FakeNextHop::start(vec![opened(offer, &acts)]);
    let server = before(address, "");
    let mut client = greeted_with_ehlo(&server);
    client.say("MAIL FROM:<a@client.example> BODY=BINARYMIME\r\nRCPT TO:<b@example.org>");
    client.expect("250 ");
    client.expect("250 ");
    client.send(b"BDAT 6 LAST\r\n.\r\0\n.\n");
    client.expect("250 2.6.0 taken");
    drop(server);
    assert_eq!(content(&hop.finish()[0]), b".\r\0\n.\n");
}

#[test]
fn a_client_that_leaves_leaves_no_message_behind() {
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &[Hear("DATA\r\n"), say("354 go"), HearRest],
    ]);
    for lines_count in [1, 10_000] {
        let (hop, address) = FakeNextHop::start(vec![acts.clone()]);
        let server = before(address, "");
        let mut client = server.greeted();
        client.begin_data();
        client.send(&b"0123456789\r\n".repeat(lines_count));
        drop(client);
        let heard = hop.finish().remove(0);
        assert!(!heard.ends_with(b"\r\n.\r\n"), "that would be a message");
    }
}

#[test]
fn a_message_that_is_refused_here_is_none_there() {
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &[Hear("DATA\r\n"), say("354 go"), HearRest],
    ]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "");
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\n.\r\nMAIL FROM:<smuggled@client.example>\r\n.\r\n");
    client.expect("554 5.6.0 ");
    let heard = hop.finish().remove(0);
    assert!(!heard.ends_with(b"\r\n.\r\n"), "that would be a message");
}

#[test]
fn a_next_hop_that_refuses_in_the_middle_is_heard() {
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &[
            Hear("DATA\r\n"),
            say("354 go"),
            HearOctets(100_000),
            say("552 5.3.4 too large"),
            Close,
        ],
    ]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "");
    let mut client = server.greeted();
    client.begin_data();
    client.send(&b"0123456789\r\n".repeat(1_000_000));
    client.send(b".\r\n");
    // A reset can overtake the reply; then nobody knows why.
    let reply = client.try_line().expect("in time").expect("not closed");
    assert!(
        reply.starts_with("552 5.3.4 ") || reply.starts_with("451 4.4.2 "),
        "{reply}"
    );
    drop(server);
    hop.finish();
}

#[test]
fn a_next_hop_that_does_not_answer_in_time_is_left() {
    let no_reply = [Hear("MAIL "), Hear("RCPT "), HearEnd];
    for acts in [vec![HearEnd], opened(OFFER, &no_reply)] {
        let (hop, address) = FakeNextHop::start(vec![acts]);
        let server = before(address, "command_timeout_ms = 200");
        mail_and_rcpt(&mut server.greeted(), "451 4.4.2 ");
        hop.finish();
    }
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &[Hear("DATA\r\n"), say("354 go"), HearMailData, HearEnd],
    ]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "final_reply_timeout_ms = 200");
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("451 4.4.2 ");
    hop.finish();
}

#[test]
fn connections_to_a_next_hop_are_bounded() {
    let (hop, address) = FakeNextHop::start(vec![opened(OFFER, &message())]);
    let server = before(address, "connections_max = 1\nconnect_timeout_ms = 200");
    let mut first = server.greeted();
    first.begin_data();
    mail_and_rcpt(&mut server.greeted(), "451 4.4.5 ");
    first.send(b"x\r\n.\r\n");
    first.expect("250 2.6.0 taken");
    hop.finish();
    let acts = script(&[&opened(OFFER, &message()), &message(), &[HearRest]]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "connections_max = 1");
    let mut first = server.greeted();
    first.begin_data();
    let mut second = server.greeted();
    second.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA");
    first.send(b"x\r\n.\r\n");
    first.expect("250 2.6.0 taken");
    second.expect("250 ");
    second.expect("250 2.1.5 ");
    second.expect("354 ");
    second.send(b"x\r\n.\r\n");
    second.expect("250 2.6.0 taken");
    drop(server);
    hop.finish();
}

#[test]
fn clients_that_only_name_recipients_do_not_keep_others_out() {
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &reset_and_envelope(),
        &last_content(),
    ]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "connections_max = 1\nconnect_timeout_ms = 3000");
    let mut idle = server.greeted();
    mail_and_rcpt(&mut idle, "250 2.1.5 recipient ok");
    // The only connection is taken from the client that has it and says nothing.
    let mut busy = server.greeted();
    busy.begin_data();
    for command in ["RCPT TO:<c@example.org>", "RCPT TO:<d@example.org>", "DATA"] {
        idle.say(command);
        idle.expect("451 4.4.5 The next hop is busy");
    }
    // In the middle of a message it is not.
    let mut other = server.greeted();
    mail_and_rcpt(&mut other, "451 4.4.5 ");
    busy.send(b"x\r\n.\r\n");
    busy.expect("250 2.0.0 taken");
    drop(server);
    hop.finish();
}

#[test]
fn clients_that_name_recipients_without_end_do_not_keep_others_out() {
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &[Act::AnswerEach("RCPT TO:<x@", "450 4.2.0 later")],
        &reset_and_envelope()[1..],
        &[HearRest],
    ]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "connections_max = 1\nconnect_timeout_ms = 3000");
    let mut greedy = server.greeted();
    mail_and_rcpt(&mut greedy, "250 2.1.5 recipient ok");
    let stream = std::thread::spawn(move || {
        // Never idle for long, and never done.
        loop {
            greedy.say("RCPT TO:<x@example.org>");
            let reply = greedy.expect("45");
            if !reply.starts_with("450 4.2.0 later") {
                break reply;
            }
        }
    });
    mail_and_rcpt(&mut server.greeted(), "250 2.1.5 recipient ok");
    let last = stream.join().expect("it had a reply to each");
    assert!(last.starts_with("451 4.4.5 The next hop is busy"), "{last}");
    drop(server);
    hop.finish();
}

#[test]
fn more_clients_than_connections_have_their_turns() {
    const CLIENTS_COUNT: usize = 60;
    let mut holders = vec![
        opened(
            OFFER,
            &script(&[&envelope(), &reset_and_envelope(), &[HearRest]])
        );
        CLIENTS_COUNT
    ];
    holders.shrink_to_fit();
    let (hop, address) = FakeNextHop::start(holders);
    let server = before(
        address,
        &format!("connections_max = {CLIENTS_COUNT}\nconnect_timeout_ms = 6000"),
    );
    let idle: Vec<_> = (0..CLIENTS_COUNT)
        .map(|_| {
            let mut client = server.greeted();
            mail_and_rcpt(&mut client, "250 2.1.5 recipient ok");
            client
        })
        .collect();
    // All of them wait, and all go on over the connections that are there: the next hop accepts no other.
    let mut waiting: Vec<_> = (0..CLIENTS_COUNT).map(|_| server.greeted()).collect();
    for client in &mut waiting {
        client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
    }
    for client in &mut waiting {
        client.expect("250 ");
        client.expect("250 2.1.5 recipient ok");
    }
    drop((idle, waiting, server));
    hop.finish();
}

#[test]
fn a_full_backlog_of_a_socket_is_waited_for() {
    let directory = super::server::directory();
    let path = directory.join("lmtp");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("the path is free");
    rustix::net::listen(&listener, 0).expect("it listens");
    // The kernel keeps one more than it was told to.
    let first = std::os::unix::net::UnixStream::connect(&path).expect("there is room for one");
    let destination = format!("lmtp:unix:{}", path.display());
    let server = relay(&destination, "connect_timeout_ms = 300");
    let begin = std::time::Instant::now();
    mail_and_rcpt(&mut server.greeted(), "451 4.4.1 ");
    assert!(300 <= begin.elapsed().as_millis(), "it tries again");
    drop((listener.accept().expect("the first one is there"), first));
    let hop = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("postern connects");
        std::io::Write::write_all(&mut stream, b"550 not here\r\n").expect("it is heard");
        stream
    });
    let mut client = server.greeted();
    mail_and_rcpt(&mut client, "451 4.4.1 ");
    drop(hop.join().expect("it was connected to"));
    drop(server);
    std::fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn a_transaction_that_is_over_holds_no_connection() {
    let acts = script(&[
        &opened(OFFER, &envelope()),
        &reset_and_envelope(),
        &[HearRest],
    ]);
    let (hop, address) = FakeNextHop::start(vec![acts]);
    let server = before(address, "connections_max = 1\nconnect_timeout_ms = 600000");
    let mut first = server.greeted();
    mail_and_rcpt(&mut first, "250 2.1.5 recipient ok");
    // The next one has begun when the server looks for more, and has no recipient.
    first.say("RSET\r\nMAIL FROM:<a@client.example>");
    first.expect("250 ");
    first.expect("250 ");
    mail_and_rcpt(&mut server.greeted(), "250 2.1.5 recipient ok");
    drop(server);
    hop.finish();
}

#[test]
fn a_next_hop_that_does_not_greet_does_not_outlast_the_transaction() {
    let (hop, address) = FakeNextHop::start(vec![vec![HearEnd]]);
    let server = format!("accept_domains = [\"example.org\"]\ndestination = \"smtp://{address}\"");
    let server = Server::start(&configuration(&server, "transaction_timeout_ms = 300"));
    let mut client = server.greeted();
    mail_and_rcpt(&mut client, "451 4.4.2 ");
    client.expect("421 4.4.2 ");
    hop.finish();
}

#[test]
fn an_idle_connection_is_closed_in_its_time() {
    let acts = script(&[&opened(OFFER, &message()), &[Hear("QUIT\r\n"), HearEnd]]);
    for next_hop in ["idle_timeout_ms = 100", "messages_per_connection_max = 1"] {
        let (hop, address) = FakeNextHop::start(vec![acts.clone()]);
        let server = before(address, next_hop);
        let mut client = server.greeted();
        client.begin_data();
        client.send(b"x\r\n.\r\n");
        client.expect("250 2.6.0 taken");
        hop.finish();
    }
}

/// A few hundred messages at once through few connections: each arrives once, as it was sent.
#[test]
fn many_messages_share_few_connections() {
    let last = Server::start(&configuration(MAILDIR, ""));
    let first = before(
        last.address(),
        "connections_max = 3\nmessages_per_connection_max = 7",
    );
    let address = first.address();
    std::thread::scope(|scope| {
        for client_number in 0..10 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                client.expect("220 ");
                client.say("EHLO client.example");
                while client.expect("250").starts_with("250-") {}
                for number in 0..20 {
                    client.begin_data();
                    client.send(format!("{client_number}-{number}\r\n.\r\n").as_bytes());
                    client.expect("250 ");
                }
            });
        }
    });
    let mut bodies: Vec<String> = last
        .messages()
        .iter()
        .map(|message| {
            String::from_utf8_lossy(content(message))
                .trim_end()
                .to_owned()
        })
        .collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 200);
    assert_eq!(last.messages().len(), 200);
}
