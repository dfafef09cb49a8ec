//! The session as a machine: every state with every verb, scripted replies, ids, counters.
//!
//! In: lines. Out: steps and states. What a client sees of it is tested by dialogues.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{
    AcceptDomains, BodyType, ChunkFate, ClientFacts, Decision, HeloVerb, MailDataOutcome, Phase,
    Phases, Relay, Session, SessionOptions, State, Step, Transaction, TransactionId, order,
};
use crate::limits;
use crate::smtp::address::{Charset, ForwardPath, ReversePath};
use crate::smtp::command::{Command, HeloDomain, SyntaxError, Verb};
use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::reply::{EnhancedCode, Replies, Reply, ReplyCode, ReplyText};

fn session() -> Session {
    let accept_domains = AcceptDomains::new(["example.org"]).unwrap_or_default();
    let options = SessionOptions {
        accept_domains,
        ..SessionOptions::new("mx.example.org")
    };
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Session::new(Arc::new(options), ClientFacts::new(address))
}

/// The last step after these lines, and all the replies.
fn play(session: &mut Session, lines: &[&str]) -> (Step, String) {
    let mut replies = Replies::new();
    let mut step = Step::Continue;
    for line in lines {
        step = session.step(Command::parse(line.as_bytes()), &mut replies);
    }
    (
        step,
        String::from_utf8_lossy(replies.as_octets()).into_owned(),
    )
}

const TO_MAIL_GIVEN: [&str; 2] = [
    "EHLO client.example",
    "MAIL FROM:<a@client.example> body=8bitmime",
];
const TO_IN_MAIL_DATA: [&str; 4] = [
    "EHLO client.example",
    "MAIL FROM:<a@client.example>",
    "RCPT TO:<b@example.org>",
    "DATA",
];

const TO_IN_CHUNKS: [&str; 4] = [
    "EHLO client.example",
    "MAIL FROM:<a@client.example>",
    "RCPT TO:<b@example.org>",
    "BDAT 5",
];

/// A session in this state.
fn in_state(state: State) -> Session {
    let mut session = session();
    let lines: &[&str] = match state {
        State::Connected => &[],
        State::Greeted => &["EHLO client.example"],
        State::MailGiven => &TO_MAIL_GIVEN,
        State::RecipientsGiven => TO_IN_MAIL_DATA
            .split_last()
            .map_or(&[], |(_, before)| before),
        State::InChunks => &TO_IN_CHUNKS,
        State::InMailData => &TO_IN_MAIL_DATA,
        State::Closing => &["QUIT"],
    };
    let _ = play(&mut session, lines);
    if state == State::InChunks {
        let _ = session.chunk_received(Ok(()), &mut Replies::new());
    }
    assert_eq!(session.state(), state);
    session
}

fn line_of(verb: Verb) -> &'static str {
    match verb {
        Verb::Helo => "HELO client.example",
        Verb::Ehlo => "EHLO client.example",
        Verb::Mail => "MAIL FROM:<c@client.example>",
        Verb::Rcpt => "RCPT TO:<d@example.org>",
        Verb::Data => "DATA",
        Verb::Rset => "RSET",
        Verb::Vrfy => "VRFY e",
        Verb::Expn => "EXPN f",
        Verb::Help => "HELP",
        Verb::Noop => "NOOP",
        Verb::Quit => "QUIT",
        Verb::StartTls => "STARTTLS",
        Verb::Auth => "AUTH PLAIN",
        Verb::Bdat => "BDAT 5",
        Verb::XClient => "XCLIENT NAME=g",
        Verb::Unknown => "XYZZY",
    }
}

/// Where an allowed verb leads.
fn next_state(state: State, verb: Verb) -> State {
    match verb {
        Verb::Helo | Verb::Ehlo => State::Greeted,
        Verb::Mail => State::MailGiven,
        Verb::Rcpt => State::RecipientsGiven,
        Verb::Data => State::InMailData,
        Verb::Bdat => State::InChunks,
        Verb::Rset if state == State::Connected => State::Connected,
        Verb::Rset => State::Greeted,
        Verb::Quit => State::Closing,
        Verb::Vrfy
        | Verb::Expn
        | Verb::Help
        | Verb::Noop
        | Verb::StartTls
        | Verb::Auth
        | Verb::XClient
        | Verb::Unknown => state,
    }
}

/// Answers the chunk whose octets would come now.
fn consume_chunk(session: &mut Session) -> (Step, String) {
    let mut replies = Replies::new();
    let step = match session.coming_chunk().map(|chunk| chunk.fate) {
        Some(ChunkFate::Skipped(refusal)) => session.chunk_skipped(refusal, &mut replies),
        Some(ChunkFate::Taken { .. }) | None => session.chunk_received(Ok(()), &mut replies),
    };
    let replies = String::from_utf8_lossy(replies.as_octets()).into_owned();
    (step, replies)
}

#[test]
fn every_verb_in_every_state_does_what_the_table_says() {
    for state in State::ALL {
        for verb in Verb::ALL {
            let mut session = in_state(state);
            let (mut step, mut reply) = play(&mut session, &[line_of(verb)]);
            if step == Step::ReceiveChunk {
                (step, reply) = consume_chunk(&mut session);
            }
            let expected = match order::permit(state, verb) {
                Ok(()) => next_state(state, verb),
                Err(_) => {
                    assert!(
                        reply.starts_with("503 5.5.1 "),
                        "{verb:?} in {state:?}: {reply}"
                    );
                    state
                }
            };
            assert_eq!(session.state(), expected, "{verb:?} in {state:?}");
            let has_transaction = matches!(
                expected,
                State::MailGiven | State::RecipientsGiven | State::InMailData | State::InChunks
            );
            assert_eq!(
                session.transaction().is_some(),
                has_transaction,
                "{verb:?} in {state:?}"
            );
            let expected_step = match (expected, state == expected) {
                (State::InMailData, false) => Step::ReceiveMailData,
                (State::Closing, false) => Step::Close,
                _ => Step::Continue,
            };
            assert_eq!(step, expected_step, "{verb:?} in {state:?}");
            assert!(reply.ends_with("\r\n"), "each command has a reply");
        }
    }
}

#[test]
fn scripts_see_what_the_client_has_said() {
    let mut session = session();
    assert_eq!(session.helo(), None);
    assert_eq!(session.extensions(), Extensions::none());
    let _ = play(&mut session, &TO_MAIL_GIVEN);
    let _ = play(
        &mut session,
        &["RCPT TO:<B@example.org>", "RCPT TO:<postmaster>"],
    );
    assert_eq!(
        session.helo(),
        Some((HeloVerb::Ehlo, &b"client.example"[..]))
    );
    let Some(transaction) = session.transaction() else {
        return assert_eq!("a transaction", "none");
    };
    assert_eq!(
        transaction.mail_parameters().body_type,
        BodyType::EightBitMime
    );
    let path = transaction.reverse_path();
    assert_eq!(
        (path.local_part(), path.domain()),
        (&b"a"[..], Some(&b"client.example"[..]))
    );
    let parameters: Vec<_> = path.parameters().collect();
    assert_eq!(parameters, [(&b"BODY"[..], Some(&b"8bitmime"[..]))]);
    assert_eq!(transaction.recipients_count(), 2);
    let postmaster: Vec<bool> = transaction
        .recipients()
        .map(|recipient| recipient.is_postmaster())
        .collect();
    assert_eq!(postmaster, [false, true]);
    let domains: Vec<_> = transaction
        .recipients()
        .map(|recipient| recipient.domain())
        .collect();
    assert_eq!(domains, [Some(&b"example.org"[..]), None]);
}

#[test]
fn a_scripted_reply_changes_nothing_but_the_count_of_errors() {
    let mut session = in_state(State::RecipientsGiven);
    let mut replies = Replies::new();
    let refused = Reply::scripted(
        ReplyCode::MAILBOX_UNAVAILABLE,
        EnhancedCode::new(7, 1),
        Some(ReplyText::Octets(b"no\r\n250 yes")),
    );
    assert_eq!(
        session.reply_scripted(&refused, &mut replies),
        Step::Continue
    );
    assert_eq!(
        replies.as_octets(),
        b"550-5.7.1 no\r\n550 5.7.1 250 yes\r\n"
    );
    assert_eq!(session.state(), State::RecipientsGiven);
    assert_eq!(session.counters().errors_count, 1);
    let accepted = Reply::scripted(ReplyCode::OK, None, None);
    assert_eq!(
        session.reply_scripted(&accepted, &mut replies),
        Step::Continue
    );
    assert_eq!(session.counters().errors_count, 1);
    let closing = Reply::scripted(ReplyCode::SERVICE_NOT_AVAILABLE, None, None);
    assert_eq!(session.reply_scripted(&closing, &mut replies), Step::Close);
    assert_eq!(session.state(), State::Closing);
}

#[test]
fn each_transaction_has_an_id_of_its_own() {
    let mut drawn = 0;
    let mut draw = || {
        drawn += 1;
        TransactionId::new(&format!("id-{drawn}"))
    };
    let mut session = session();
    let Some(first) = draw() else {
        return assert_eq!("an id", "none");
    };
    assert_eq!(session.transaction_id_or_insert_with(|| first), first);
    let _ = play(&mut session, &TO_IN_MAIL_DATA);
    assert_eq!(
        session.transaction_id(),
        Some(&first),
        "known at connect, kept until the message"
    );
    let mut replies = Replies::new();
    assert_eq!(
        session.mail_data_finished(MailDataOutcome::Stored, &mut replies),
        Step::Continue
    );
    assert_eq!(replies.as_octets(), b"250 2.0.0 Ok: queued as id-1\r\n");
    assert_eq!(session.transaction_id(), None, "a message ends its id");
    for (lines, kept) in [
        (&["NOOP"][..], true),
        (&["EHLO client.example"], true),
        (&["RSET"], false),
        (&["MAIL FROM:<>", "EHLO client.example"], false),
    ] {
        let Some(id) = draw() else {
            return assert_eq!("an id", "none");
        };
        session.transaction_id = Some(id);
        let _ = play(&mut session, lines);
        assert_eq!(session.transaction_id().is_some(), kept, "{lines:?}");
    }
}

#[test]
fn what_somebody_else_decided_is_passed_on() {
    let mut session = in_state(State::InMailData);
    let mut replies = Replies::new();
    let reply = Reply::new(
        ReplyCode::TRANSACTION_FAILED,
        EnhancedCode::of(7, 1),
        ReplyText::Fixed("spam"),
    );
    let step = session.mail_data_finished(MailDataOutcome::Replied(reply), &mut replies);
    assert_eq!((step, session.state()), (Step::Continue, State::Greeted));
    assert_eq!(replies.as_octets(), b"554 5.7.1 spam\r\n");
    assert_eq!(session.counters().messages_count, 0);
}

#[test]
fn another_client_address_changes_what_may_be_relayed() {
    let mut session = in_state(State::MailGiven);
    let (_, denied) = play(&mut session, &["RCPT TO:<a@elsewhere.example>"]);
    assert_eq!(denied, "550 5.7.1 relaying denied\r\n");
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    session.set_client(ClientFacts {
        address,
        relay: Relay::Allowed,
    });
    assert_eq!(session.client().address, address);
    let (_, allowed) = play(&mut session, &["RCPT TO:<a@elsewhere.example>"]);
    assert_eq!(allowed, "250 2.1.5 Ok\r\n");
}

#[test]
fn the_memory_of_an_envelope_is_used_again_unless_it_is_much() {
    let mut session = session();
    let _ = play(
        &mut session,
        &["EHLO client.example", "MAIL FROM:<a@client.example>"],
    );
    let _ = play(&mut session, &["RCPT TO:<b@example.org>", "RSET"]);
    let kept = session.envelope.bytes();
    assert!(kept > 0);
    for _ in 0..10 {
        let _ = play(
            &mut session,
            &["MAIL FROM:<a@client.example>", "RCPT TO:<b@example.org>"],
        );
        let _ = play(&mut session, &["RSET"]);
        assert_eq!(session.envelope.bytes(), kept);
    }
    let _ = play(&mut session, &["MAIL FROM:<a@client.example>"]);
    for _ in 0..500 {
        let _ = play(&mut session, &["RCPT TO:<b@example.org>"]);
    }
    let _ = play(&mut session, &["RSET"]);
    assert_eq!(session.envelope.bytes(), 0);
}

#[test]
fn errors_of_lines_are_answered_and_counted() {
    let mut session = in_state(State::MailGiven);
    let mut replies = Replies::new();
    let step = session.step(Err(SyntaxError::LineTooLong), &mut replies);
    assert_eq!((step, session.state()), (Step::Continue, State::MailGiven));
    assert_eq!(
        replies.as_octets(),
        b"500 5.5.6 Command line exceeds 1100 octets\r\n"
    );
    assert_eq!(
        (
            session.counters().errors_count,
            session.counters().commands_count
        ),
        (1, 3)
    );
}

/// A session in which everything is decided about, and the command that is.
fn deciding(lines: &[&str]) -> Session {
    let phases = [Phase::Helo, Phase::Mail, Phase::Rcpt];
    let options = SessionOptions {
        accept_domains: AcceptDomains::new(["example.org"]).unwrap_or_default(),
        asks: phases.into_iter().fold(Phases::default(), Phases::with),
        ..SessionOptions::new("mx.example.org")
    };
    let client = ClientFacts::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut session = Session::new(Arc::new(options), client);
    let (last, before) = lines.split_last().unwrap_or((&"", &[]));
    for line in before {
        let (step, replies) = play(&mut session, &[line]);
        assert!(
            matches!(step, Step::Decide(_)) && replies.is_empty(),
            "{line}"
        );
        let _ = session.decide(Decision::Accept(None), &mut Replies::new());
    }
    let (step, replies) = play(&mut session, &[last]);
    assert!(
        matches!(step, Step::Decide(_)) && replies.is_empty(),
        "{last}"
    );
    session
}

const REFUSED: Decision<'static> = Decision::Refuse(Reply::without_enhanced_code(
    ReplyCode::MAILBOX_UNAVAILABLE,
    ReplyText::Fixed("no"),
));

fn recipients(session: &Session) -> Vec<String> {
    let transaction = session.transaction();
    let recipients = transaction
        .into_iter()
        .flat_map(|transaction| transaction.recipients());
    recipients
        .map(|recipient| String::from_utf8_lossy(recipient.as_octets()).into_owned())
        .collect()
}

#[test]
fn a_refused_command_leaves_the_session_as_it_was() {
    let mut replies = Replies::new();
    let mut session = deciding(&["HELO a"]);
    let _ = session.decide(REFUSED, &mut replies);
    assert_eq!((session.state(), session.helo()), (State::Connected, None));

    let mut session = deciding(&[
        "EHLO a",
        "MAIL FROM:<b@c> SIZE=5",
        "RCPT TO:<d@example.org>",
        "HELO e",
    ]);
    assert_eq!(session.helo(), Some((HeloVerb::Helo, &b"e"[..])));
    assert!(session.transaction().is_none());
    let _ = session.decide(REFUSED, &mut replies);
    assert_eq!(session.state(), State::RecipientsGiven);
    assert_eq!(session.helo(), Some((HeloVerb::Ehlo, &b"a"[..])));
    assert_ne!(session.extensions(), Extensions::none());
    assert_eq!(recipients(&session), ["d@example.org"]);

    let id = TransactionId::new("id-1");
    let mut session = deciding(&["EHLO a", "MAIL FROM:<b@c>"]);
    session.transaction_id = id;
    let _ = session.decide(REFUSED, &mut replies);
    assert_eq!(session.state(), State::Greeted);
    assert!(session.transaction().is_none());
    assert_eq!(
        session.transaction_id().copied(),
        id,
        "it is older than MAIL"
    );

    let mut session = deciding(&["EHLO a", "MAIL FROM:<b@c>", "RCPT TO:<d@example.org>"]);
    let _ = session.decide(REFUSED, &mut replies);
    assert_eq!(session.state(), State::MailGiven);
    assert!(recipients(&session).is_empty());
    assert_eq!(session.counters().errors_count, 1);
    assert_eq!(
        session.decide(REFUSED, &mut replies),
        Step::Continue,
        "only once"
    );
    assert_eq!(session.counters().errors_count, 1);
}

#[test]
fn an_accepted_hello_ends_the_transaction_and_its_id() {
    let mut session = deciding(&["EHLO a", "MAIL FROM:<b@c>", "EHLO d"]);
    session.transaction_id = None;
    let _ = session.decide(Decision::Accept(None), &mut Replies::new());
    assert_eq!(session.state(), State::Greeted);
    assert!(session.transaction().is_none() && session.former.is_none());
}

#[test]
fn what_the_client_said_is_replaced_while_it_is_decided_about_only() {
    let mut session = deciding(&["EHLO a"]);
    let wanted = Extensions::none()
        .with(Extension::Size)
        .with(Extension::StartTls);
    session.narrow_extensions(wanted);
    let _ = HeloDomain::new(b"z").map(|name| session.replace_helo(name));
    let offered: Vec<Extension> = session.extensions().iter().collect();
    assert_eq!(
        offered,
        [Extension::Size],
        "never more than could be offered"
    );
    let _ = session.decide(Decision::Accept(None), &mut Replies::new());
    let _ = HeloDomain::new(b"y").map(|name| session.replace_helo(name));
    assert_eq!(session.helo(), Some((HeloVerb::Ehlo, &b"z"[..])));

    let mut session = deciding(&["EHLO a", "MAIL FROM:<b@c> SIZE=5"]);
    let sender = |session: &mut Session, address: &[u8]| {
        let path = ReversePath::of_address(address, Charset::Ascii);
        let _ = path.map(|path| session.replace_reverse_path(path));
        let transaction = session.transaction();
        let path = transaction.map(|transaction| transaction.reverse_path());
        let path = path.map(|path| (path.as_octets().to_vec(), path.parameters().count()));
        path.unwrap_or_default()
    };
    assert_eq!(
        sender(&mut session, b"longer@d.example"),
        (b"longer@d.example".to_vec(), 1)
    );
    assert_eq!(sender(&mut session, b""), (Vec::new(), 1));
    assert_eq!(sender(&mut session, b"e@f"), (b"e@f".to_vec(), 1));
    let _ = session.decide(Decision::Accept(None), &mut Replies::new());
    assert_eq!(sender(&mut session, b"g@h"), (b"e@f".to_vec(), 1));
}

#[test]
fn recipients_keep_their_parameters_and_have_a_transport() {
    let mut session = deciding(&[
        "EHLO a",
        "MAIL FROM:<b@c>",
        "RCPT TO:<d@example.org> NOTIFY=NEVER",
        "RCPT TO:<e@example.org> NOTIFY=DELAY",
    ]);
    session.set_transport(b"first");
    let path = ForwardPath::of_address(b"longer@example.net", Charset::Ascii);
    let _ = path.map(|path| session.replace_recipient(path));
    session.set_transport(b"second");
    assert_eq!(
        recipients(&session),
        ["d@example.org", "longer@example.net"]
    );
    let Some(last) = session.transaction().and_then(Transaction::last_recipient) else {
        return assert_eq!("a recipient", "none");
    };
    assert_eq!(last.transport(), b"second");
    let parameters: Vec<_> = last.parameters().collect();
    assert_eq!(parameters, [(&b"NOTIFY"[..], Some(&b"DELAY"[..]))]);
    session.set_transport(&[b't'; limits::TRANSPORT_OCTETS_MAX + 1]);
    let last = session.transaction().and_then(Transaction::last_recipient);
    let length = last.map(|last| last.transport().len());
    assert_eq!(length, Some(limits::TRANSPORT_OCTETS_MAX));
    let _ = session.decide(REFUSED, &mut Replies::new());
    assert_eq!(recipients(&session), ["d@example.org"]);
}
