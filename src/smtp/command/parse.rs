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

use super::{Command, ForeignProtocol, HeloDomain, Mail, Parameters, Rcpt, SyntaxError, Verb};
use crate::limits;
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
            Verb::Unknown => match ForeignProtocol::of_line(line) {
                Some(protocol) => Err(SyntaxError::ForeignProtocol(protocol)),
                None => Ok(Self::Unknown(word)),
            },
        }
    }
}

/// The verb of a word; every known one has four letters.
fn verb(word: &[u8]) -> Verb {
    let Ok(mut word) = <[u8; 4]>::try_from(word) else {
        return Verb::Unknown;
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
        _ => Verb::Unknown,
    }
}

fn helo_domain(verb: Verb, argument: &[u8]) -> Result<HeloDomain<'_>, SyntaxError> {
    let word = some_argument(verb, argument)?;
    let known = |octet: &u8| {
        octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b':' | b'[' | b']')
    };
    if word.len() > limits::HELO_DOMAIN_OCTETS_MAX || !word.iter().all(known) {
        return Err(SyntaxError::HeloDomain);
    }
    Ok(HeloDomain(word))
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

    use super::{Command, SyntaxError, Verb};
    use crate::smtp::command::ForeignProtocol;

    #[test]
    fn verbs_are_found_in_any_case() {
        let cases: [(&[u8], Verb); 13] = [
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
            (b"STARTTLS", Verb::Unknown),
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
