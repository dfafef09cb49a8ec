//! The property behind the dialogues: what the server says and stores depends on the client's
//! octets only, never on how the network cut them.
//!
//! In: random sessions made of commands, mail data, line ends of every kind and noise. Out:
//! transcripts compared.

use proptest::collection::vec;
use proptest::prelude::*;

use super::memory::{Random, Server};
use super::profile::profile;

/// Pieces that sessions are made of. Right and wrong ones, so that random sessions get somewhere.
const PIECES: [&[u8]; 28] = [
    b"EHLO client.example\r\n",
    b"HELO client.example\r\n",
    b"MAIL FROM:<a@client.example>\r\n",
    b"MAIL FROM:<> BODY=8BITMIME SIZE=900\r\n",
    b"RCPT TO:<b@example.org>\r\n",
    b"RCPT TO:<postmaster>\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n",
    b"VRFY x\r\n",
    b"Subject: x\r\n\r\n",
    b"Received: y\r\n",
    b"text\r\n",
    b"..\r\n",
    b"\r\n.\r\n",
    b".\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b".",
    b"\0",
    b"a",
    b" ",
    b"\xff",
    b"\n.\n",
    b"\r\n.\n",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// A session that has begun, then pieces in any order.
fn session() -> impl Strategy<Value = Vec<u8>> {
    let beginnings: [&[u8]; 3] = [
        b"",
        b"EHLO client.example\r\n",
        b"EHLO client.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n",
    ];
    let beginning = prop::sample::select(beginnings.to_vec());
    (beginning, vec(prop::sample::select(PIECES.to_vec()), 0..60))
        .prop_map(|(beginning, pieces)| [beginning, &pieces.concat()].concat())
}

/// What the server made of these segments.
fn play<'octets>(segments: impl Iterator<Item = &'octets [u8]>) -> Server {
    let mut server = Server::new(profile("plain").expect("the profile is known"));
    segments.for_each(|segment| server.receive(segment));
    server
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn replies_and_messages_do_not_depend_on_segments(octets in session(), seed: u64) {
        let whole = play([octets.as_slice()].into_iter());
        let single = play(octets.chunks(1));
        let mut random = Random(seed);
        let mut rest = octets.as_slice();
        let cut = play(std::iter::from_fn(|| {
            let segment_octets = 1 + random.below(rest.len().max(1));
            let (segment, later) = rest.split_at_checked(segment_octets)?;
            rest = later;
            Some(segment)
        }));
        for other in [single, cut] {
            let text = |server: &Server| server.sent().escape_ascii().to_string();
            prop_assert_eq!(text(&whole), text(&other));
            prop_assert_eq!(whole.stored(), other.stored());
            prop_assert_eq!(whole.is_closed(), other.is_closed());
        }
    }
}
