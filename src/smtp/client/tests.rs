//! Sessions with next hops of every kind, their replies cut at every place.
#![expect(clippy::expect_used, reason = "a test says what it expects")]

use std::rc::Rc;

use super::{ClientError, ClientOptions, ClientProtocol, ClientSession, ClientTls, Event};
use crate::smtp::command::{Command, Unsendable};
use crate::smtp::reply::{Replies, ReplyCode, ReplyError};
use crate::smtp::session::Transaction;

fn transaction(mail: &str, recipients: &[&str]) -> Transaction {
    let Ok(Command::Mail(mail)) = Command::parse(mail.as_bytes()) else {
        unreachable!("{mail} is a command")
    };
    let (path, parameters) = (mail.reverse_path(), mail.parameters());
    let mut transaction =
        Transaction::begin(Default::default(), path, parameters, Default::default());
    for rcpt in recipients {
        let Ok(Command::Rcpt(rcpt)) = Command::parse(rcpt.as_bytes()) else {
            unreachable!("{rcpt} is a command")
        };
        transaction.add_recipient(rcpt.forward_path(), rcpt.parameters());
    }
    transaction
}

fn session(protocol: ClientProtocol, tls: ClientTls) -> ClientSession {
    ClientSession::new(Rc::new(ClientOptions {
        hostname: "mx.example.org".into(),
        protocol,
        tls,
    }))
}

/// What the session sends, by lines.
fn sent(session: &mut ClientSession) -> String {
    let sent = String::from_utf8_lossy(session.output()).into_owned();
    session.sent();
    sent
}

/// Gives the session `octets`, cut after `cut` of them, and tells its events.
fn receive(
    session: &mut ClientSession,
    octets: &str,
    cut: usize,
) -> Result<Vec<Event>, ClientError> {
    let mut events = Vec::new();
    let (front, back) = octets.as_bytes().split_at(cut.min(octets.len()));
    for mut piece in [front, back] {
        while !piece.is_empty() {
            let (consumed, event) = session.receive(piece)?;
            events.extend(event);
            piece = piece.get(consumed..).unwrap_or_default();
        }
    }
    Ok(events)
}

/// An event in short: its name, and what a client of ours is told.
fn told(event: &Event) -> String {
    let mut replies = Replies::new();
    let (name, reply) = match event {
        Event::Ready => return "ready".to_owned(),
        Event::StartTls => return "starttls".to_owned(),
        Event::NoTls => return "no tls".to_owned(),
        Event::Unwilling(reply) => ("unwilling", reply),
        Event::Mail(reply) => ("mail", reply),
        Event::Rcpt(reply) => ("rcpt", reply),
        Event::Data(reply) => ("data", reply),
        Event::Chunk(reply) => ("chunk", reply),
        Event::Message(outcome) => ("message", outcome.reply()),
    };
    replies.push(&reply.as_reply());
    format!(
        "{name}: {}",
        String::from_utf8_lossy(replies.as_octets()).trim_end()
    )
}

/// Runs a whole message: after each entry's octets have come, the session has told and sent what stands behind them.
fn dialogue(session: &mut ClientSession, message: &Transaction, cut: usize, script: &[[&str; 3]]) {
    for [replies, events, commands] in script {
        let seen = receive(session, replies, cut).expect("they are replies");
        let seen: Vec<String> = seen.iter().map(told).collect();
        assert_eq!(seen.join("|"), *events, "after {replies:?} cut at {cut}");
        for event in seen {
            if event == "ready" {
                session
                    .mail(&message.reverse_path())
                    .expect("it can be sent");
            } else if event.starts_with("mail: 2") {
                for recipient in message.recipients() {
                    session.rcpt(&recipient).expect("it can be sent");
                }
            }
        }
        assert_eq!(sent(session), *commands, "after {replies:?} cut at {cut}");
    }
}

const GREETED: &str = "220-hello\r\n220 there\r\n";
const OFFER: &str =
    "250-next.example\r\n250-pipelining\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 DSN\r\n";

#[test]
fn a_message_is_sent_wherever_replies_are_cut() {
    let message = transaction(
        "MAIL FROM:<a@example.com> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<> SOLICIT=y",
        &["RCPT TO:<b@example.org> NOTIFY=NEVER ORCPT=rfc822;b@example.org X=Y"],
    );
    for cut in 0..OFFER.len() {
        let mut session = session(ClientProtocol::Smtp, ClientTls::Opportunistic);
        dialogue(
            &mut session,
            &message,
            cut,
            &[
                [GREETED, "", "EHLO mx.example.org\r\n"],
                [
                    OFFER,
                    "ready",
                    "MAIL FROM:<a@example.com> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x\r\n",
                ],
                [
                    "250 2.1.0 Ok\r\n",
                    "mail: 250 2.1.0 Ok",
                    "RCPT TO:<b@example.org> NOTIFY=NEVER ORCPT=rfc822;b@example.org\r\n",
                ],
                ["250 2.1.5 Ok\r\n", "rcpt: 250 2.1.5 Ok", ""],
            ],
        );
        session.data();
        assert_eq!(sent(&mut session), "DATA\r\n");
        dialogue(
            &mut session,
            &message,
            cut,
            &[["354 Go\r\n", "data: 354 Go", ""]],
        );
        session.write(b".a\r\n").expect("its line ends are good");
        session.end_message().expect("its line ends are good");
        assert_eq!(sent(&mut session), "..a\r\n.\r\n");
        assert!(!session.is_reusable(), "a reply is to come");
        dialogue(
            &mut session,
            &message,
            cut,
            &[["250 Ok\r\n", "message: 250 2.0.0 Ok", ""]],
        );
        assert!(session.is_reusable() && !session.must_reset());
    }
}

#[test]
fn a_next_hop_of_the_last_century_is_spoken_to() {
    let message = transaction(
        "MAIL FROM:<> SIZE=5 BODY=8BITMIME RET=HDRS",
        &["RCPT TO:<postmaster> NOTIFY=NEVER"],
    );
    let mut session = session(ClientProtocol::Smtp, ClientTls::Opportunistic);
    dialogue(
        &mut session,
        &message,
        3,
        &[
            ["220 hi\r\n", "", "EHLO mx.example.org\r\n"],
            ["500 what?\r\n", "", "HELO mx.example.org\r\n"],
            ["250 hi\r\n", "ready", "MAIL FROM:<>\r\n"],
            [
                "250 Ok\r\n",
                "mail: 250 2.0.0 Ok",
                "RCPT TO:<postmaster>\r\n",
            ],
        ],
    );
    assert!(!session.may_pipeline());
}

#[test]
fn what_the_next_hop_does_not_offer_it_does_not_get() {
    for (mail, offer, expected) in [
        ("SMTPUTF8", "250 x", Some(Unsendable::SmtpUtf8)),
        ("SMTPUTF8", "250-x\r\n250 SMTPUTF8", None),
        (
            "BODY=BINARYMIME",
            "250-x\r\n250 BINARYMIME",
            Some(Unsendable::BinaryMime),
        ),
        (
            "BODY=BINARYMIME",
            "250-x\r\n250 CHUNKING",
            Some(Unsendable::BinaryMime),
        ),
        (
            "BODY=binarymime",
            "250-x\r\n250-CHUNKING\r\n250 BINARYMIME",
            None,
        ),
        ("BODY=8BITMIME", "250 x", None),
    ] {
        let message = transaction(&format!("MAIL FROM:<a@example.com> {mail}"), &[]);
        let mut session = session(ClientProtocol::Smtp, ClientTls::Off);
        receive(&mut session, "220 x\r\n", 0).expect("a reply");
        receive(&mut session, &format!("{offer}\r\n"), 0).expect("a reply");
        sent(&mut session);
        let result = session.mail(&message.reverse_path());
        assert_eq!(result.err(), expected, "{mail} {offer}");
        let line = sent(&mut session);
        assert_eq!(line.is_empty(), expected.is_some(), "{line}");
        assert_eq!(session.awaits_reply(), expected.is_none());
    }
}

#[test]
fn binary_content_goes_in_chunks_as_it_is() {
    let message = transaction("MAIL FROM:<a@example.com> BODY=BINARYMIME", &[]);
    let mut session = session(ClientProtocol::Smtp, ClientTls::Off);
    dialogue(
        &mut session,
        &message,
        0,
        &[
            ["220 x\r\n", "", "EHLO mx.example.org\r\n"],
            [
                "250-x\r\n250-CHUNKING\r\n250 BINARYMIME\r\n",
                "ready",
                "MAIL FROM:<a@example.com> BODY=BINARYMIME\r\n",
            ],
            ["250 Ok\r\n", "mail: 250 2.0.0 Ok", ""],
        ],
    );
    session.data();
    assert!(!session.awaits_reply(), "chunks need no leave");
    session.write(b".\r\n.\n").expect("any octet goes");
    session.end_chunk();
    assert_eq!(sent(&mut session), "BDAT 5\r\n.\r\n.\n");
    dialogue(
        &mut session,
        &message,
        0,
        &[["250 Ok\r\n", "chunk: 250 2.0.0 Ok", ""]],
    );
    session.write(b"\r").expect("any octet goes");
    session.end_message().expect("any octet goes");
    assert_eq!(sent(&mut session), "BDAT 1 LAST\r\n\r");
    dialogue(
        &mut session,
        &message,
        0,
        &[["250 Ok\r\n", "message: 250 2.0.0 Ok", ""]],
    );
    assert!(session.is_reusable());
}

#[test]
fn tls_is_used_as_the_operator_wants() {
    let with = "250-x\r\n250-STARTTLS\r\n250 PIPELINING\r\n";
    let without = "250 x\r\n";
    for (tls, offer, event, command) in [
        (ClientTls::Off, with, "ready", ""),
        (ClientTls::Off, without, "ready", ""),
        (ClientTls::Opportunistic, with, "", "STARTTLS\r\n"),
        (ClientTls::Opportunistic, without, "ready", ""),
        (ClientTls::Required, with, "", "STARTTLS\r\n"),
        (ClientTls::Required, without, "no tls", ""),
    ] {
        let mut session = session(ClientProtocol::Smtp, tls);
        receive(&mut session, GREETED, 0).expect("a reply");
        sent(&mut session);
        let events = receive(&mut session, offer, 0).expect("a reply");
        let seen: Vec<String> = events.iter().map(told).collect();
        assert_eq!(
            (seen.join("|").as_str(), sent(&mut session).as_str()),
            (event, command)
        );
        if command.is_empty() {
            continue;
        }
        assert_eq!(
            receive(&mut session, "220 go\r\n", 0),
            Ok(vec![Event::StartTls])
        );
        session.encrypted();
        assert!(
            !session.may_pipeline(),
            "what was announced in the clear is forgotten"
        );
        assert_eq!(sent(&mut session), "EHLO mx.example.org\r\n");
        assert_eq!(
            receive(&mut session, with, 0),
            Ok(vec![Event::Ready]),
            "and no second TLS"
        );
    }
}

#[test]
fn a_refused_starttls_is_no_tls() {
    for (tls, event) in [
        (ClientTls::Opportunistic, Event::Ready),
        (ClientTls::Required, Event::NoTls),
    ] {
        let mut session = session(ClientProtocol::Smtp, tls);
        receive(&mut session, GREETED, 0).expect("a reply");
        receive(&mut session, "250-x\r\n250 STARTTLS\r\n", 0).expect("a reply");
        assert_eq!(receive(&mut session, "454 no\r\n", 0), Ok(vec![event]));
    }
}

#[test]
fn plain_octets_behind_starttls_are_not_believed() {
    let mut session = session(ClientProtocol::Smtp, ClientTls::Opportunistic);
    receive(&mut session, GREETED, 0).expect("a reply");
    receive(&mut session, "250-x\r\n250 STARTTLS\r\n", 0).expect("a reply");
    let injected = session.receive(b"220 go\r\n250 x\r\n");
    assert_eq!(injected, Err(ClientError::PlainAfterStartTls));
}

#[test]
fn an_unwilling_next_hop_is_left() {
    for (protocol, replies, event) in [
        (
            ClientProtocol::Smtp,
            "554 no\r\n",
            "unwilling: 554 5.7.1 no",
        ),
        (
            ClientProtocol::Smtp,
            "421 no\r\n",
            "unwilling: 451 4.7.1 no",
        ),
        (
            ClientProtocol::Smtp,
            "220 x\r\n421 no\r\n",
            "unwilling: 451 4.7.1 no",
        ),
        (
            ClientProtocol::Smtp,
            "220 x\r\n502 no\r\n550 no\r\n",
            "unwilling: 550 5.7.1 no",
        ),
        (
            ClientProtocol::Lmtp,
            "220 x\r\n500 no\r\n",
            "unwilling: 500 5.5.1 no",
        ),
    ] {
        let mut session = session(protocol, ClientTls::Off);
        let events = receive(&mut session, replies, 0).expect("they are replies");
        let seen: Vec<String> = events.iter().map(told).collect();
        assert_eq!(seen, [event], "{replies}");
        assert!(!session.is_reusable());
    }
}

#[test]
fn replies_that_make_no_sense_end_the_session() {
    let ok = ReplyCode::OK;
    for (replies, error) in [
        ("220 x\r\n250 x\r\n250 x\r\n", ClientError::Unsolicited(ok)),
        (
            "354 x\r\n",
            ClientError::Unexpected(ReplyCode::START_MAIL_INPUT),
        ),
        ("hello\r\n", ClientError::Reply(ReplyError::Malformed)),
    ] {
        let mut session = session(ClientProtocol::Smtp, ClientTls::Off);
        assert_eq!(receive(&mut session, replies, 0), Err(error), "{replies}");
    }
    let mut session = session(ClientProtocol::Smtp, ClientTls::Off);
    receive(&mut session, "220 x\r\n", 0).expect("a reply");
    receive(&mut session, "250 x\r\n", 0).expect("a reply");
    session.data();
    assert_eq!(
        receive(&mut session, "250 x\r\n", 0),
        Err(ClientError::Unexpected(ok))
    );
}

#[test]
fn what_was_begun_is_reset() {
    let message = transaction("MAIL FROM:<a@example.com>", &["RCPT TO:<b@example.org>"]);
    let mut session = session(ClientProtocol::Smtp, ClientTls::Off);
    dialogue(
        &mut session,
        &message,
        0,
        &[
            [GREETED, "", "EHLO mx.example.org\r\n"],
            [OFFER, "ready", "MAIL FROM:<a@example.com>\r\n"],
            [
                "250 Ok\r\n",
                "mail: 250 2.0.0 Ok",
                "RCPT TO:<b@example.org>\r\n",
            ],
            ["550 no\r\n", "rcpt: 550 5.7.1 no", ""],
        ],
    );
    assert!(session.is_reusable() && session.must_reset());
    session.reset();
    session
        .mail(&message.reverse_path())
        .expect("it can be sent");
    assert_eq!(sent(&mut session), "RSET\r\nMAIL FROM:<a@example.com>\r\n");
    dialogue(
        &mut session,
        &message,
        0,
        &[[
            "250 Ok\r\n250 Ok\r\n",
            "mail: 250 2.0.0 Ok",
            "RCPT TO:<b@example.org>\r\n",
        ]],
    );
    assert_eq!(
        receive(&mut session, "421 bye\r\n", 0).map(|events| events.len()),
        Ok(1)
    );
    assert!(
        !session.is_reusable(),
        "the next hop has said that it closes"
    );
}

#[test]
fn an_lmtp_server_answers_for_each_recipient() {
    for (replies, expected) in [
        (["250 a", "250 b", "250 c"], "250 2.0.0 a"),
        (["250 a", "550 b", "250 c"], "550 5.7.1 b"),
        (["552 a", "450 b", "451 c"], "450 4.0.0 b"),
        (["250 a", "450 b", "550 c"], "450 4.0.0 b"),
        (["550 a", "551 b", "550 c"], "550 5.7.1 a"),
    ] {
        let recipients = [
            "RCPT TO:<a@x.example>",
            "RCPT TO:<b@x.example>",
            "RCPT TO:<c@x.example>",
        ];
        let message = transaction("MAIL FROM:<a@example.com>", &recipients);
        let mut session = session(ClientProtocol::Lmtp, ClientTls::Off);
        receive(&mut session, GREETED, 0).expect("a reply");
        assert_eq!(sent(&mut session), "LHLO mx.example.org\r\n");
        receive(&mut session, OFFER, 0).expect("a reply");
        session
            .mail(&message.reverse_path())
            .expect("it can be sent");
        receive(&mut session, "250 Ok\r\n", 0).expect("a reply");
        for recipient in message.recipients() {
            session.rcpt(&recipient).expect("it can be sent");
            receive(&mut session, "250 Ok\r\n", 0).expect("a reply");
        }
        session
            .rcpt(&message.reverse_path())
            .expect("it can be sent");
        receive(&mut session, "550 no such user\r\n", 0).expect("a reply");
        session.data();
        receive(&mut session, "354 Go\r\n", 0).expect("a reply");
        session.end_message().expect("nothing is in it");
        sent(&mut session);
        let octets = replies.map(|reply| format!("{reply}\r\n")).concat();
        let events = receive(&mut session, &octets, 9).expect("they are replies");
        let seen: Vec<String> = events.iter().map(told).collect();
        assert_eq!(seen, [format!("message: {expected}")]);
        assert!(session.is_reusable());
    }
}
