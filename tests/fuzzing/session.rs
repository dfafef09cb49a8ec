//! The target that plays a whole session.
//!
//! In: a profile, sizes of reads, and what a client sends; behind STARTTLS the octet 0x16 stands for the handshake. Out:
//! nothing, or a panic. What holds: replies and stored messages do not depend on the sizes of reads; every reply is
//! well-formed, one for each command; a message is stored when, and only when, the client was told so.

use super::auth::quick;
use super::cut;
use crate::dialogue::memory::Server;
use crate::dialogue::profile::Profile;

const PROFILES: [&str; 8] = [
    "plain", "small", "sink", "failing", "auth", "auth-tls", "xclient", "starttls",
];

/// A session from its greeting on.
pub(super) fn session(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let name = PROFILES[usize::from(choice) % PROFILES.len()];
    let (octets, pieces) = cut(input);
    let whole = play(quick(name), [octets].into_iter());
    check_replies(whole.sent());
    let queued = count(whole.sent(), b"250 2.0.0 Ok: queued");
    assert_eq!(
        queued,
        whole.stored().len(),
        "stored is what was acknowledged"
    );
    for other in [
        play(quick(name), pieces.into_iter()),
        play(quick(name), octets.chunks(1)),
    ] {
        let text = |server: &Server| server.sent().escape_ascii().to_string();
        assert_eq!(text(&whole), text(&other));
        assert_eq!(whole.stored(), other.stored());
        assert_eq!(whole.is_closed(), other.is_closed());
    }
}

/// What becomes of a session whose client sends `segments`.
pub(super) fn play<'octets>(
    profile: Profile,
    segments: impl Iterator<Item = &'octets [u8]>,
) -> Server {
    let mut server = Server::new(profile);
    segments.for_each(|segment| server.receive(segment));
    server
}

/// Lines of three digits, a hyphen on all but the last of a reply, and nothing that ends a line within one.
pub(super) fn check_replies(sent: &[u8]) {
    let mut code: Option<&[u8]> = None;
    for line in sent.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("a line ends with CRLF");
        assert!(line.len() <= postern::limits::REPLY_LINE_OCTETS_MAX);
        assert!(
            text.iter()
                .all(|octet| matches!(octet, b'\t' | b' '..=b'~'))
        );
        let (digits, rest) = text.split_at(3);
        assert!(digits.iter().all(u8::is_ascii_digit) && (b'2'..=b'5').contains(&digits[0]));
        assert!(
            code.is_none_or(|code| code == digits),
            "a reply has one code"
        );
        code = match rest.first() {
            Some(b'-') => Some(digits),
            Some(b' ') => None,
            other => panic!("{other:?} behind the code"),
        };
    }
    assert_eq!(code, None, "the last reply is whole");
}

fn count(octets: &[u8], part: &[u8]) -> usize {
    octets
        .windows(part.len())
        .filter(|window| *window == part)
        .count()
}
