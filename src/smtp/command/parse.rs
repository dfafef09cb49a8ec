//! A line becomes a command.
//!
//! In: a line without CRLF. Out: [`Command`] or [`SyntaxError`].
//! Guarantees: verbs and keywords in any case; trailing white space is nothing (RFC 5321 §4.1.1).
//! Does not: ask for the state; a wrong line is wrong in every state.
//!
//! RFC 5321 §4.1.1 and §4.1.2.
//! Deviation: white space after `FROM:` and `TO:` is accepted (§3.3 forbids clients to send it,
//! many do).
//! Deviation: HELO and EHLO take any word of the octets that names and literals have: what clients
//! call themselves often is no domain, and nothing is decided on it.

use super::{
    Auth, Chunk, Command, ForeignProtocol, HeloDomain, Mail, Parameters, Rcpt, SyntaxError, Verb,
};
use crate::smtp::address::{forward_path, reverse_path};

impl<'line> Command<'line> {
    /// Parses a line that holds no CR, LF or NUL.
    ///
    /// # Errors
    ///
    /// The line is no command, or its argument does not fit the verb.
    pub fn parse(line: &'line [u8]) -> Result<Self, SyntaxError> {
        let line = trim_end(line);
        let length = line
            .iter()
            .position(|octet| is_space(*octet))
            .unwrap_or(line.len());
        let (word, argument) = line.split_at(length);
        if word.is_empty() {
            return Err(SyntaxError::VerbMissing);
        }
        let verb = verb(word);
        match verb {
            Verb::Helo => helo_domain(verb, argument).map(Self::Helo),
            Verb::Ehlo => helo_domain(verb, argument).map(Self::Ehlo),
            Verb::Mail => mail(argument).map(Self::Mail),
            Verb::Rcpt => rcpt(argument).map(Self::Rcpt),
            Verb::Data => no_argument(verb, argument, Self::Data),
            Verb::Rset => no_argument(verb, argument, Self::Rset),
            Verb::Vrfy => some_argument(verb, argument).map(Self::Vrfy),
            Verb::Expn => some_argument(verb, argument).map(Self::Expn),
            Verb::Help => Ok(Self::Help(trim_start(argument))),
            Verb::Noop => Ok(Self::Noop),
            Verb::Quit => no_argument(verb, argument, Self::Quit),
            Verb::StartTls => no_argument(verb, argument, Self::StartTls),
            Verb::Auth => auth(argument).map(Self::Auth),
            Verb::Bdat => bdat(argument).map(Self::Bdat),
            Verb::XClient => some_argument(verb, argument).map(Self::XClient),
            Verb::Unknown => match ForeignProtocol::of_line(line) {
                Some(protocol) => Err(SyntaxError::ForeignProtocol(protocol)),
                None => Ok(Self::Unknown(word)),
            },
        }
    }
}

/// The verb of a word; almost every known one has four letters.
fn verb(word: &[u8]) -> Verb {
    let Ok(mut word) = <[u8; 4]>::try_from(word) else {
        return longer_verb(word);
    };
    word.make_ascii_uppercase();
    match &word {
        b"HELO" => Verb::Helo,
        b"EHLO" => Verb::Ehlo,
        b"MAIL" => Verb::Mail,
        b"RCPT" => Verb::Rcpt,
        b"DATA" => Verb::Data,
        b"RSET" => Verb::Rset,
        b"VRFY" => Verb::Vrfy,
        b"EXPN" => Verb::Expn,
        b"HELP" => Verb::Help,
        b"NOOP" => Verb::Noop,
        b"QUIT" => Verb::Quit,
        b"AUTH" => Verb::Auth,
        b"BDAT" => Verb::Bdat,
        _ => Verb::Unknown,
    }
}

fn longer_verb(word: &[u8]) -> Verb {
    if word.eq_ignore_ascii_case(b"STARTTLS") {
        Verb::StartTls
    } else if word.eq_ignore_ascii_case(b"XCLIENT") {
        Verb::XClient
    } else {
        Verb::Unknown
    }
}

fn helo_domain(verb: Verb, argument: &[u8]) -> Result<HeloDomain<'_>, SyntaxError> {
    let word = some_argument(verb, argument)?;
    HeloDomain::new(word).ok_or(SyntaxError::HeloDomain)
}

/// `"FROM:" Reverse-path [SP Mail-parameters]`.
fn mail(argument: &[u8]) -> Result<Mail<'_>, SyntaxError> {
    let path = after_keyword(Verb::Mail, argument, b"FROM:")?;
    let (reverse_path, rest) = reverse_path(path).map_err(SyntaxError::ReversePath)?;
    let parameters = Parameters::parse(rest).ok_or(SyntaxError::ParameterMalformed(Verb::Mail))?;
    Ok(Mail {
        reverse_path,
        parameters,
    })
}

/// `"TO:" Forward-path [SP Rcpt-parameters]`.
fn rcpt(argument: &[u8]) -> Result<Rcpt<'_>, SyntaxError> {
    let path = after_keyword(Verb::Rcpt, argument, b"TO:")?;
    let (forward_path, rest) = forward_path(path).map_err(SyntaxError::ForwardPath)?;
    let parameters = Parameters::parse(rest).ok_or(SyntaxError::ParameterMalformed(Verb::Rcpt))?;
    Ok(Rcpt {
        forward_path,
        parameters,
    })
}

/// The path that follows the verb and `keyword`, which any white space may follow.
fn after_keyword<'line>(
    verb: Verb,
    argument: &'line [u8],
    keyword: &[u8],
) -> Result<&'line [u8], SyntaxError> {
    let argument = some_argument(verb, argument)?;
    match argument.split_at_checked(keyword.len()) {
        Some((word, path)) if word.eq_ignore_ascii_case(keyword) => match trim_start(path) {
            [] => Err(SyntaxError::ArgumentMissing(verb)),
            path => Ok(path),
        },
        _ => Err(SyntaxError::KeywordMissing(verb)),
    }
}

/// `mechanism [SP initial-response]` (RFC 4954 §4).
fn auth(argument: &[u8]) -> Result<Auth<'_>, SyntaxError> {
    let (mechanism, rest) = word(some_argument(Verb::Auth, argument)?);
    let (initial_response, rest) = word(rest);
    if !rest.is_empty() {
        return Err(SyntaxError::ArgumentUnexpected(Verb::Auth));
    }
    Ok(Auth {
        mechanism,
        initial_response: (!initial_response.is_empty()).then_some(initial_response),
    })
}

/// `chunk-size [SP "LAST"]` (RFC 3030 §2).
fn bdat(argument: &[u8]) -> Result<Chunk, SyntaxError> {
    let (size, rest) = word(some_argument(Verb::Bdat, argument)?);
    let (last, rest) = word(rest);
    let is_last = last.eq_ignore_ascii_case(b"LAST");
    if !rest.is_empty() || !(is_last || last.is_empty()) {
        return Err(SyntaxError::ChunkSize);
    }
    let octets = number(size).ok_or(SyntaxError::ChunkSize)?;
    Ok(Chunk { octets, is_last })
}

/// A number in digits; one past 64 bits is larger than every limit, and so is `u64::MAX`.
pub(in crate::smtp) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => Some(
            number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0')),
        ),
        _ => None,
    })
}

/// The first word, and what follows the white space behind it.
fn word(octets: &[u8]) -> (&[u8], &[u8]) {
    let length = octets.iter().position(|octet| is_space(*octet));
    let (word, rest) = octets.split_at(length.unwrap_or(octets.len()));
    (word, trim_start(rest))
}

fn some_argument(verb: Verb, argument: &[u8]) -> Result<&[u8], SyntaxError> {
    match trim_start(argument) {
        [] => Err(SyntaxError::ArgumentMissing(verb)),
        argument => Ok(argument),
    }
}

fn no_argument<'line>(
    verb: Verb,
    argument: &[u8],
    command: Command<'line>,
) -> Result<Command<'line>, SyntaxError> {
    match trim_start(argument) {
        [] => Ok(command),
        _ => Err(SyntaxError::ArgumentUnexpected(verb)),
    }
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

fn trim_start(mut octets: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = octets {
        octets = rest;
    }
    octets
}

fn trim_end(mut octets: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = octets {
        octets = rest;
    }
    octets
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Chunk, Command, SyntaxError, Verb};
    use crate::smtp::command::ForeignProtocol;

    #[test]
    fn verbs_are_found_in_any_case() {
        let cases: [(&[u8], Verb); 17] = [
            (b"helo a", Verb::Helo),
            (b"EhLo a", Verb::Ehlo),
            (b"MAIL FROM:<>", Verb::Mail),
            (b"rcpt TO:<a@b>", Verb::Rcpt),
            (b"data", Verb::Data),
            (b"rset", Verb::Rset),
            (b"vrfy a", Verb::Vrfy),
            (b"expn a", Verb::Expn),
            (b"help", Verb::Help),
            (b"noop a b c", Verb::Noop),
            (b"quit", Verb::Quit),
            (b"quits", Verb::Unknown),
            (b"startTLS", Verb::StartTls),
            (b"auth PLAIN", Verb::Auth),
            (b"Bdat 5", Verb::Bdat),
            (b"xclient NAME=a", Verb::XClient),
            (b"STARTTLSX", Verb::Unknown),
        ];
        for (line, verb) in cases {
            assert_eq!(Command::parse(line).map(|command| command.verb()), Ok(verb));
        }
    }

    #[test]
    fn arguments_are_checked_per_verb() {
        let cases: [(&[u8], SyntaxError); 10] = [
            (b"", SyntaxError::VerbMissing),
            (b" NOOP", SyntaxError::VerbMissing),
            (b"HELO", SyntaxError::ArgumentMissing(Verb::Helo)),
            (b"EHLO a b", SyntaxError::HeloDomain),
            (b"MAIL", SyntaxError::ArgumentMissing(Verb::Mail)),
            (b"MAIL FROM", SyntaxError::KeywordMissing(Verb::Mail)),
            (b"RCPT FROM:<a@b>", SyntaxError::KeywordMissing(Verb::Rcpt)),
            (b"DATA x", SyntaxError::ArgumentUnexpected(Verb::Data)),
            (b"VRFY", SyntaxError::ArgumentMissing(Verb::Vrfy)),
            (
                b"GET / HTTP/1.1",
                SyntaxError::ForeignProtocol(ForeignProtocol::Http),
            ),
        ];
        for (line, error) in cases {
            assert_eq!(Command::parse(line), Err(error), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn chunks_have_a_size_and_may_be_the_last() {
        let chunk = |octets, is_last| Ok(Command::Bdat(Chunk { octets, is_last }));
        let cases: [(&[u8], _); 9] = [
            (b"BDAT 0", chunk(0, false)),
            (b"bdat 0086  last ", chunk(86, true)),
            (b"BDAT 99999999999999999999 LAST", chunk(u64::MAX, true)),
            (b"BDAT", Err(SyntaxError::ArgumentMissing(Verb::Bdat))),
            (b"BDAT LAST", Err(SyntaxError::ChunkSize)),
            (b"BDAT -5", Err(SyntaxError::ChunkSize)),
            (b"BDAT +5", Err(SyntaxError::ChunkSize)),
            (b"BDAT 5 LASTS", Err(SyntaxError::ChunkSize)),
            (b"BDAT 5 LAST LAST", Err(SyntaxError::ChunkSize)),
        ];
        for (line, expected) in cases {
            assert_eq!(Command::parse(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn auth_has_a_mechanism_and_may_have_a_response() {
        let parts = |line| match Command::parse(line) {
            Ok(Command::Auth(auth)) => Ok((auth.mechanism(), auth.initial_response())),
            Ok(_) => Err(SyntaxError::VerbMissing),
            Err(error) => Err(error),
        };
        assert_eq!(parts(b"AUTH PLAIN"), Ok((&b"PLAIN"[..], None)));
        assert_eq!(
            parts(b"AUTH plain  ="),
            Ok((&b"plain"[..], Some(&b"="[..])))
        );
        let missing = SyntaxError::ArgumentMissing(Verb::Auth);
        assert_eq!(parts(b"AUTH "), Err(missing));
        let unexpected = SyntaxError::ArgumentUnexpected(Verb::Auth);
        assert_eq!(parts(b"AUTH PLAIN a b"), Err(unexpected));
    }

    #[test]
    fn the_name_of_a_client_is_as_long_as_a_domain() {
        let line = |octets_count: usize| format!("EHLO {}", "d".repeat(octets_count));
        assert!(Command::parse(line(255).as_bytes()).is_ok());
        assert_eq!(
            Command::parse(line(256).as_bytes()),
            Err(SyntaxError::HeloDomain)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn no_line_is_too_strange(
            verb in prop::sample::select(vec!["MAIL FROM:", "RCPT TO:", "EHLO ", "VRFY ", ""]),
            noise in vec(any::<u8>(), 0..80),
        ) {
            let line = [verb.as_bytes(), &noise].concat();
            if let Ok(Command::Mail(mail)) = Command::parse(&line) {
                for parameter in mail.parameters().iter() {
                    prop_assert!(parameter.keyword.is_ascii() && !parameter.keyword.is_empty());
                }
            }
        }
    }
}
