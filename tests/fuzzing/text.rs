//! Targets that read lines, commands and addresses.
//!
//! In: any octets. Out: nothing, or a panic. What holds: nothing panics; lines do not depend on how their octets come,
//! and are those of a slow reading; what is accepted as a command or an address follows the grammar in the points that
//! everything behind it relies on.

use postern::limits;
use postern::smtp::address::{Domain, forward_path, mailbox, reverse_path};
use postern::smtp::command::{Command, SyntaxError};
use postern::smtp::line::{LineScanner, Scan};

use super::cut;

/// A line limit that short inputs reach.
const LINE_OCTETS_MAX: usize = 24;

/// Lines of an input that is cut at places it chooses itself, and at every octet.
pub(super) fn line(input: &[u8]) {
    let (octets, pieces) = cut(input);
    let expected = slow_lines(octets);
    assert_eq!(lines(pieces.into_iter()), expected, "cut as chosen");
    assert_eq!(lines(octets.chunks(1)), expected, "octet by octet");
    assert_eq!(lines([octets].into_iter()), expected, "at once");
}

type Line = Result<Vec<u8>, SyntaxError>;

/// Lines as the pump finds them.
fn lines<'octets>(pieces: impl Iterator<Item = &'octets [u8]>) -> Vec<Line> {
    let mut scanner = LineScanner::new();
    let mut buffer = Vec::new();
    let mut lines = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match scanner.next_line(&buffer, LINE_OCTETS_MAX) {
                Scan::Incomplete { consumed } => {
                    buffer.drain(..consumed);
                    break;
                }
                Scan::Line { line, consumed } => {
                    lines.push(line.map(<[u8]>::to_vec));
                    buffer.drain(..consumed);
                }
            }
        }
        assert!(buffer.len() < LINE_OCTETS_MAX, "memory is bounded");
    }
    lines
}

/// Lines as the definition has them.
fn slow_lines(octets: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = octets;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, after) = rest.split_at(end);
        rest = &after[2..];
        let fault = line
            .iter()
            .position(|octet| matches!(octet, b'\r' | b'\n' | 0));
        lines.push(match fault.map(|index| line[index]) {
            _ if LINE_OCTETS_MAX < end + 2 => Err(SyntaxError::LineTooLong(LINE_OCTETS_MAX)),
            None => Ok(line.to_vec()),
            Some(b'\r') => Err(SyntaxError::BareCarriageReturn),
            Some(b'\n') => Err(SyntaxError::BareLineFeed),
            Some(_) => Err(SyntaxError::Nul),
        });
    }
    lines
}

/// One line, without the octets that no line has.
pub(super) fn command(input: &[u8]) {
    let line: Vec<u8> = input
        .iter()
        .copied()
        .filter(|octet| !matches!(octet, b'\r' | b'\n' | 0))
        .collect();
    let Ok(command) = Command::parse(&line) else {
        return;
    };
    let parameters = match command {
        Command::Mail(mail) => mail.parameters(),
        Command::Rcpt(rcpt) => rcpt.parameters(),
        Command::Helo(domain) | Command::Ehlo(domain) => {
            let domain = domain.as_octets();
            assert!(!domain.is_empty() && domain.len() <= limits::HELO_DOMAIN_OCTETS_MAX);
            return assert!(domain.iter().all(u8::is_ascii_graphic));
        }
        _ => return,
    };
    for parameter in parameters.iter() {
        assert!(!parameter.keyword.is_empty() && parameter.keyword.is_ascii());
        let value = parameter.value.unwrap_or(b"x");
        // RFC 6531 §3.3: any text but controls, spaces and `=`.
        assert!(!value.is_empty() && std::str::from_utf8(value).is_ok());
        let is_other = |octet: &u8| octet.is_ascii() && !octet.is_ascii_graphic();
        assert!(!value.iter().any(is_other) && !value.contains(&b'='));
    }
}

/// A path or a mailbox and what follows it.
pub(super) fn address(input: &[u8]) {
    if let Ok((found, rest)) = mailbox(input) {
        assert_eq!([found.as_octets(), rest].concat(), input, "nothing is lost");
        assert_eq!(mailbox(found.as_octets()), Ok((found, &b""[..])));
        let is_header_safe = |octet: &u8| matches!(octet, b' '..=b'~' | 0x80..);
        assert!(found.as_octets().iter().all(is_header_safe));
        if let Domain::Name(name) = found.domain() {
            assert!(!name.is_empty() && name.len() <= limits::DOMAIN_OCTETS_MAX);
            assert!(!name.iter().any(|octet| b" \t\"@<>[]".contains(octet)));
        }
    }
    for found in [
        reverse_path(input).map(|(_, rest)| rest),
        forward_path(input).map(|(_, rest)| rest),
    ] {
        let Ok(rest) = found else { continue };
        let path = &input[..input.len() - rest.len()];
        assert!(path.starts_with(b"<") && path.ends_with(b">"));
        assert!(path.len() <= limits::PATH_OCTETS_MAX);
        assert!(std::str::from_utf8(path).is_ok(), "a path is text");
    }
}
