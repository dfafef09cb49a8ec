//! AUTH as a machine: what it asks for, what it keeps, what it hides. What a client sees of it is tested by dialogues.
//!
//! In: lines and outcomes. Out: steps, credentials, replies.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{AuthOptions, AuthOutcome, Proof};
use crate::smtp::command::Command;
use crate::smtp::extension::{Mechanism, Mechanisms};
use crate::smtp::reply::Replies;
use crate::smtp::session::{ClientFacts, Session, SessionOptions, State, Step};

/// A session that has answered EHLO.
fn session() -> Session {
    let all = Mechanism::ALL.into_iter();
    let options = SessionOptions {
        auth: AuthOptions {
            mechanisms: all.fold(Mechanisms::default(), Mechanisms::with),
            is_offered_without_tls: true,
            is_required: false,
        },
        ..SessionOptions::new("mx.example.org")
    };
    let client = ClientFacts::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut session = Session::new(Arc::new(options), client);
    let _ = step(&mut session, "EHLO client.example");
    session
}

/// The step after a line, and what was said.
fn step(session: &mut Session, line: &str) -> (Step, String) {
    let mut replies = Replies::new();
    let step = session.take_line(Ok(line.as_bytes()), &mut replies);
    (step, said(&replies))
}

fn said(replies: &Replies) -> String {
    String::from_utf8_lossy(replies.as_octets()).into_owned()
}

fn verified(session: &mut Session, outcome: AuthOutcome) -> (Step, String) {
    let mut replies = Replies::new();
    let step = session.auth_verified(outcome, &mut replies);
    (step, said(&replies))
}

const ANN: &str = "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB0YW5zdGFhZg==";

#[test]
fn a_challenge_is_made_of_the_nonce_and_the_host() {
    let mut session = session();
    assert_eq!(
        step(&mut session, "AUTH CRAM-MD5"),
        (Step::DrawNonce, String::new())
    );
    let mut replies = Replies::new();
    let asked = session.auth_nonce([0xab; 16], &mut replies);
    assert_eq!(asked, Step::ReadAuthResponse);
    // <abababababababababababababababab@mx.example.org>
    assert_eq!(
        said(&replies),
        "334 PGFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiQG14LmV4YW1wbGUub3JnPg==\r\n"
    );
    // tim b913a602c7eda7a495b4e6e7334d3890
    let answer = "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";
    assert_eq!(step(&mut session, answer).0, Step::VerifyCredentials);
    let credentials = session.take_credentials();
    let proof = credentials.map(|credentials| credentials.proof);
    assert!(matches!(
        proof,
        Some(Proof::CramMd5 { challenge, digest: [0xb9, .., 0x90] })
            if *challenge == *b"<abababababababababababababababab@mx.example.org>"
    ));
    let (_, reply) = verified(&mut session, AuthOutcome::Accepted);
    assert_eq!(reply, "235 2.7.0 Authentication succeeded\r\n");
    let who = session.authenticated();
    let who = who.map(|who| (who.mechanism(), who.user_name()));
    assert_eq!(who, Some((Mechanism::CramMd5, &b"tim"[..])));
}

#[test]
fn credentials_are_taken_once_and_the_claim_stays() {
    let mut session = session();
    assert_eq!(step(&mut session, ANN).0, Step::VerifyCredentials);
    assert_eq!(session.state(), State::InSasl);
    assert!(session.take_credentials().is_some());
    assert!(session.take_credentials().is_none());
    let claimed = session.claimed().map(|claimed| claimed.user_name());
    assert_eq!(claimed, Some(&b"ann@example.org"[..]));
    assert!(session.authenticated().is_none(), "nothing is proven yet");
}

#[test]
fn nobody_is_verified_who_acts_for_another() {
    let mut session = session();
    let (asked, _) = step(
        &mut session,
        "AUTH PLAIN cm9vdABhbm5AZXhhbXBsZS5vcmcAdGFuc3RhYWY=",
    );
    assert_eq!(asked, Step::VerifyCredentials);
    assert!(session.take_credentials().is_none());
}

#[test]
fn an_outcome_that_nobody_knows_is_no_failure() {
    let mut session = session();
    for _ in 0..5 {
        let _ = step(&mut session, ANN);
        let (after, reply) = verified(&mut session, AuthOutcome::Unavailable);
        assert_eq!(after, Step::Continue);
        assert!(reply.starts_with("454 4.7.0 "), "{reply}");
    }
    assert_eq!(session.counters().auth_failures_count, 0);
    assert_eq!(session.state(), State::Greeted);
    let (_, reply) = verified(&mut session, AuthOutcome::Accepted);
    assert!(
        reply.starts_with("535 5.7.8 "),
        "without credentials nothing is accepted: {reply}"
    );
}

#[test]
fn what_may_be_a_secret_is_not_shown() {
    let mut session = session();
    assert!(!session.last_line_may_hold_secret());
    for line in [
        "AUTH GSSAPI cGFzc3dvcmQ=",
        "cGFzc3dvcmQ=",
        "tanstaaf",
        "AUTH",
    ] {
        let _ = step(&mut session, line);
        assert!(session.last_line_may_hold_secret(), "{line}");
    }
    let _ = step(&mut session, "NOOP");
    assert!(!session.last_line_may_hold_secret());
    let _ = step(&mut session, "XYZZY");
    assert!(!session.last_line_may_hold_secret());
    for line in ["AUTH LOGIN", "YW5u", "cGFzc3dvcmQ"] {
        let _ = step(&mut session, line);
        assert!(session.last_line_may_hold_secret(), "{line}");
    }
}

#[test]
fn what_a_script_makes_of_a_secret_hides_none() {
    let mut session = session();
    for (line, made) in [
        ("AUTH XOAUTH2 cGFzc3dvcmQ=", "NOOP"),
        ("cGFzc3dvcmQ=", "RSET"),
    ] {
        session.note_raw_line(line.as_bytes());
        let _ = step(&mut session, made);
        assert!(session.last_line_may_hold_secret(), "{line}");
    }
    session.note_raw_line(b"NOOP");
    let _ = step(&mut session, "NOOP");
    assert!(!session.last_line_may_hold_secret());
}

#[test]
fn an_answer_is_no_command() {
    let mut session = session();
    let _ = step(&mut session, "AUTH PLAIN");
    let mut replies = Replies::new();
    let after = session.step(Command::parse(b"QUIT"), &mut replies);
    assert_eq!(after, Step::Continue);
    assert_eq!(
        said(&replies),
        "503 5.5.1 Authentication response expected\r\n"
    );
    assert_eq!(session.state(), State::InSasl);
}

#[test]
fn who_was_forgotten_may_authenticate_again() {
    let mut session = session();
    let _ = step(&mut session, ANN);
    let _ = verified(&mut session, AuthOutcome::Accepted);
    assert!(session.authenticated().is_some());
    assert!(step(&mut session, ANN).1.starts_with("503 "));
    session.forget_authentication();
    assert!(session.authenticated().is_none());
    assert_eq!(step(&mut session, ANN).0, Step::VerifyCredentials);
}
