//! Targets that read mail data.
//!
//! In: any octets. Out: nothing, or a panic. What holds: end, content and verdict are those of a slow reading of the same
//! octets, however they come; what follows the end is left alone.

use postern::smtp::mail_data::{ChunkReader, ContentKind, MailDataError, MailDataReader};

use super::cut;

/// A message limit that short inputs reach.
const MESSAGE_OCTETS_MAX: u64 = 60;

/// More `Received:` fields than an input has room for.
const RECEIVED_HEADERS_MAX: u32 = 1_000_000;

/// What became of mail data that has ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    verdict: Result<u64, MailDataError>,
    /// Nothing of a message that is refused.
    content: Vec<u8>,
    rest: Vec<u8>,
}

/// The octets behind DATA.
pub(super) fn mail_data(input: &[u8]) {
    let (octets, pieces) = cut(input);
    let expected = slow_mail_data(octets);
    assert_eq!(
        read_mail_data(pieces.into_iter()),
        expected,
        "cut as chosen"
    );
    assert_eq!(read_mail_data(octets.chunks(1)), expected, "octet by octet");
    assert_eq!(read_mail_data([octets].into_iter()), expected, "at once");
}

fn read_mail_data<'octets>(pieces: impl Iterator<Item = &'octets [u8]>) -> Option<Ended> {
    let mut reader = MailDataReader::new(MESSAGE_OCTETS_MAX, RECEIVED_HEADERS_MAX);
    let mut content = Vec::new();
    let mut pieces = pieces;
    while let Some(piece) = pieces.next() {
        let mut left = piece;
        while !left.is_empty() {
            let read = reader.read(left);
            assert!(0 < read.consumed || read.end.is_some(), "it goes on");
            content.extend_from_slice(read.content);
            left = &left[read.consumed..];
            if let Some(verdict) = read.end {
                return Some(ended(
                    verdict,
                    content,
                    [left, &pieces.collect::<Vec<_>>().concat()].concat(),
                ));
            }
        }
    }
    None
}

fn ended(verdict: Result<u64, MailDataError>, content: Vec<u8>, rest: Vec<u8>) -> Ended {
    Ended {
        content: if verdict.is_ok() { content } else { Vec::new() },
        verdict,
        rest,
    }
}

/// By the definition: the first CRLF.CRLF ends it, the CRLF of DATA counts; one dot at the start of a line goes.
fn slow_mail_data(octets: &[u8]) -> Option<Ended> {
    const END: &[u8] = b"\r\n.\r\n";
    let all = [b"\r\n", octets].concat();
    let end = all.windows(END.len()).position(|window| window == END)?;
    let rest = all[end + END.len()..].to_vec();
    // From the first octet behind the CRLF of DATA to the last CRLF of the message.
    let raw = if end == 0 { &[][..] } else { &all[2..end + 2] };
    let mut content = Vec::new();
    let mut left = raw;
    while !left.is_empty() {
        let line_end = left.windows(2).position(|pair| pair == b"\r\n");
        let (line, after) = left.split_at(line_end.map_or(left.len(), |end| end + 2));
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        left = after;
    }
    let verdict = match fault(raw, true) {
        Some(error) => Err(error),
        None if MESSAGE_OCTETS_MAX < content.len() as u64 => Err(MailDataError::TooLarge),
        None => Ok(content.len() as u64),
    };
    Some(ended(verdict, content, rest))
}

/// The first octet that is not allowed where it stands.
fn fault(octets: &[u8], nul_is_one: bool) -> Option<MailDataError> {
    let at = |index: usize| octets.get(index).copied();
    (0..octets.len()).find_map(|index| match octets[index] {
        b'\r' if at(index + 1) != Some(b'\n') => Some(MailDataError::BareCarriageReturn),
        b'\n' if index == 0 || at(index - 1) != Some(b'\r') => Some(MailDataError::BareLineFeed),
        0 if nul_is_one => Some(MailDataError::Nul),
        _ => None,
    })
}

/// Chunks of sizes that the input chooses itself; the first octet says whether the content is binary.
pub(super) fn chunks(input: &[u8]) {
    let Some((&kind, input)) = input.split_first() else {
        return;
    };
    let kind = if kind % 2 == 0 {
        ContentKind::Lines
    } else {
        ContentKind::Binary
    };
    let (octets, pieces) = cut(input);
    let expected = match fault(octets, false) {
        Some(error) if kind == ContentKind::Lines => Err(error),
        _ if MESSAGE_OCTETS_MAX < octets.len() as u64 => Err(MailDataError::TooLarge),
        _ => Ok(octets.len() as u64),
    };
    for piece_octets in [1, 3, octets.len().max(1)] {
        let mut reader = ChunkReader::new(MESSAGE_OCTETS_MAX, RECEIVED_HEADERS_MAX, kind);
        let mut content = Vec::new();
        for chunk in &pieces {
            reader.begin(chunk.len() as u64);
            // The octets behind the chunk are there already, and are not its own.
            let behind = [chunk, &b"QUIT\r\n"[..]].concat();
            let mut consumed = 0;
            loop {
                let piece = &behind[consumed..behind.len().min(consumed + piece_octets)];
                let read = reader.read(piece);
                content.extend_from_slice(read.content);
                consumed += read.consumed;
                if read.end.is_some() {
                    break;
                }
            }
            assert_eq!(consumed, chunk.len(), "exactly what was announced");
        }
        let verdict = reader.finish();
        assert_eq!(verdict, expected);
        if verdict.is_ok() {
            assert_eq!(content, octets);
        }
    }
}
