//! The target that answers challenges.
//!
//! In: a profile, a mechanism, sizes of reads, any octets behind AUTH. Out: nothing, or a panic. What holds: as for whole
//! sessions; the first line is an answer whatever it looks like, and exactly the spellings of what is right are accepted;
//! one acceptance per session is the last; a session ends with the last failure it may have.

use postern::credentials::{Secret, Users};
use postern::limits;

use super::cut;
use super::session::{check_replies, play};
use crate::dialogue::profile::{Profile, profile};

/// A session whose client has said AUTH.
pub(super) fn exchange(input: &[u8]) {
    let &[choice, mechanism, ref input @ ..] = input else {
        return;
    };
    let name = PROFILES[usize::from(choice) % PROFILES.len()];
    let mechanism = MECHANISMS[usize::from(mechanism) % MECHANISMS.len()];
    let (octets, pieces) = cut(input);
    let begin = [b"EHLO a\r\nAUTH ", mechanism.as_bytes(), b"\r\n"].concat();
    let begin = begin.as_slice();
    let whole = play(quick(name), [begin, octets].into_iter());
    check_replies(whole.sent());
    for other in [
        play(quick(name), [begin].into_iter().chain(pieces)),
        play(quick(name), begin.chunks(1).chain(octets.chunks(1))),
    ] {
        let sent = |octets: &[u8]| octets.escape_ascii().to_string();
        assert_eq!(sent(whole.sent()), sent(other.sent()));
        assert_eq!(whole.is_closed(), other.is_closed());
    }
    let codes: Vec<&[u8]> = final_codes(whole.sent());
    // Behind the greeting and the reply to EHLO.
    check_codes(&codes[2..], whole.is_closed());
    let lines = slow_lines(octets);
    if let Some(is_right) = first_exchange(name, mechanism, &lines) {
        let verdict = codes[2..].iter().find(|code| **code != b"334");
        assert_eq!(verdict == Some(&&b"235"[..]), is_right, "{lines:?}");
    }
}

/// The profile of this name with users whose secrets cost nothing to compare: it is the exchange that is looked at.
pub(super) fn quick(name: &str) -> Profile {
    let mut users = Users::default();
    let secret = Secret::parse("tanstaaf").expect("it is one");
    users.add("ann", secret).expect("it is a name");
    Profile {
        users,
        ..profile(name).expect("the profile is known")
    }
}

/// The code of each reply.
fn final_codes(sent: &[u8]) -> Vec<&[u8]> {
    let lines = sent.split_inclusive(|octet| *octet == b'\n');
    let lasts = lines.filter(|line| line.get(3) == Some(&b' '));
    lasts.map(|line| &line[..3]).collect()
}

fn check_codes(codes: &[&[u8]], is_closed: bool) {
    let accepted: Vec<usize> = (0..codes.len())
        .filter(|index| codes[*index] == b"235")
        .collect();
    assert!(accepted.len() <= 1, "one acceptance per session");
    if let Some(accepted) = accepted.first() {
        let after = &codes[accepted + 1..];
        assert!(!after.contains(&&b"334"[..]), "nothing is asked behind it");
    }
    let failures_count = codes.iter().filter(|code| **code == b"535").count();
    assert!(failures_count < limits::AUTH_FAILURES_COUNT_DEFAULT as usize);
    let ends = [&b"421"[..], b"221"];
    let end = codes.iter().position(|code| ends.contains(code));
    assert!(end.is_none_or(|end| end + 1 == codes.len() && is_closed));
}

/// Lines as the definition has them, whatever is wrong with them.
fn slow_lines(octets: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = octets;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines
}

/// Whether the first exchange is right; none if it has not ended, or is not one of those that are understood here.
fn first_exchange(profile: &str, mechanism: &str, lines: &[&[u8]]) -> Option<bool> {
    match (mechanism, lines) {
        ("PLAIN", [answer, ..]) => Some(PLAIN.contains(answer)),
        // What is wrong with the first word may end the exchange before the second.
        ("LOGIN", [name, password, ..]) if profile != "auth-plain" => {
            Some((*name, *password) == (NAME, PASSWORD))
        }
        _ => None,
    }
}

const PROFILES: [&str; 3] = ["auth", "auth-required", "auth-plain"];

/// Names, and what may stand behind them.
const MECHANISMS: [&str; 6] = ["PLAIN", "LOGIN", "CRAM-MD5", "LOGIN =", "plain =", "X"];

/// What is right of PLAIN, in its one spelling: `NUL ann NUL tanstaaf`, without and with `ann` in front.
const PLAIN: [&[u8]; 2] = [b"AGFubgB0YW5zdGFhZg==", b"YW5uAGFubgB0YW5zdGFhZg=="];

/// The same of LOGIN.
const NAME: &[u8] = b"YW5u";
const PASSWORD: &[u8] = b"dGFuc3RhYWY=";
