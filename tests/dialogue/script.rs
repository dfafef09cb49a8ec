//! The notation of dialogues, parsed.
//!
//! In: the text of a `.smtp` file. Out: [`Dialogue`]s. Knows nothing of how they are played.
//!
//! A file holds one or more dialogues; `profile:` starts each. Lines, in the order of the
//! conversation:
//!
//! ```text
//! # a comment; the ones before `profile:` say what the dialogue shows and cite the RFC
//! profile: plain            the server's profile, see `profile`
//! client: 192.0.2.7         behind `profile:`, where a runner can stage it: the client's address
//! clock: 2026-11-23 09:00   behind `profile:`, likewise: the time that scripts are told, UTC
//! S: 250 2.1.0 Ok           the server sends this line; * stands for any octets within the line
//! S> 250 STARTTLS           the server sends a whole reply with this code, one of its lines is like this
//! S> 250 !STARTTLS          the same, and none of its lines is
//! S* 3 250 *                the server sends three such lines
//! C: NOOP                   the client sends this line and CRLF
//! C~ "NOOP\n"               the client sends these octets; escapes \r \n \t \0 \" \\ \xHH
//! C* 3 "NOOP\r\n"           the same three times; {i} counts from 0
//! handshake                 the client begins TLS; in dialogues of `starttls/` only
//! closed                    the server closes, having sent nothing more
//! stored 1                  so many messages are stored by now
//! reverse-path a@b.example  of the message stored last; empty for the null reverse-path
//! recipients a@b c@d        of the message stored last, in order
//! content "x\r\n"           of the message stored last, without trace header fields
//! octets 1030               size of that content
//! trace *for <a@b>*         of the message stored last: a trace header field of it, unfolded
//! ```

use std::fmt;

/// One conversation.
#[derive(Debug)]
pub(crate) struct Dialogue {
    /// The file it stands in.
    pub(crate) file: String,
    /// The name of the server's profile.
    pub(crate) profile: String,
    /// What is to be so before the client connects: names and values.
    pub(crate) stage: Vec<(String, String)>,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// A line of a dialogue.
#[derive(Debug)]
pub(crate) struct Step {
    /// Where it stands in the file, counted from 1.
    pub(crate) line: usize,
    /// What it says.
    pub(crate) event: Event,
}

/// What a line of a dialogue says.
#[derive(Debug)]
pub(crate) enum Event {
    /// The client sends these octets.
    Client(Vec<u8>),
    /// The server sends a line like this.
    Server(Pattern),
    /// The server sends a whole reply.
    Reply(Whole),
    /// The client begins TLS.
    Handshake,
    /// The server closes.
    Closed,
    /// So many messages have been stored.
    Stored(usize),
    /// Something about the message stored last.
    Message(Claim),
}

/// A reply of any number of lines.
#[derive(Debug)]
pub(crate) struct Whole {
    code: String,
    line: Pattern,
    is_absent: bool,
}

impl Whole {
    /// Whether one more line, without CRLF, belongs to the reply, and if so whether it is the last one.
    pub(crate) fn goes_on(&self, line: &[u8]) -> Option<bool> {
        let rest = line.strip_prefix(self.code.as_bytes())?;
        match rest.first() {
            Some(b'-') => Some(true),
            Some(b' ') => Some(false),
            _ => None,
        }
    }

    /// Whether these lines are as they should be.
    pub(crate) fn matches(&self, lines: &[Vec<u8>]) -> bool {
        let texts = lines.iter().filter_map(|line| line.get(4..));
        let mut texts = texts.filter(|text| self.line.matches(text));
        texts.next().is_none() == self.is_absent
    }
}

/// What is claimed of the message stored last.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Its reverse-path.
    ReversePath(String),
    /// Its recipients.
    Recipients(Vec<String>),
    /// Its content.
    Content(Vec<u8>),
    /// The size of its content.
    Octets(usize),
    /// One of its trace header fields.
    Trace(Pattern),
}

/// A line with `*` for any octets.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Whether the whole of `text` is like this.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let mut parts = self.0.as_bytes().split(|octet| *octet == b'*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some(at) = find(rest, part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    (0..=text.len().checked_sub(part.len())?).find(|at| text[*at..].starts_with(part))
}

/// The dialogues of a file.
///
/// # Errors
///
/// A sentence that names the file, the line and what is wrong with it.
pub(crate) fn parse(file: &str, text: &str) -> Result<Vec<Dialogue>, String> {
    let mut dialogues: Vec<Dialogue> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let wrong = |what: &str| format!("{file}:{line_number}: {what}: {line}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(profile) = line.strip_prefix("profile: ") {
            let profile = profile.to_owned();
            dialogues.push(Dialogue {
                file: file.to_owned(),
                profile,
                stage: Vec::new(),
                steps: Vec::new(),
            });
            continue;
        }
        let dialogue = dialogues
            .last_mut()
            .ok_or_else(|| wrong("profile expected"))?;
        if let Some(staged) = staged(line) {
            if !dialogue.steps.is_empty() {
                return Err(wrong("stands behind a step"));
            }
            dialogue.stage.push(staged);
            continue;
        }
        let events = events(line).ok_or_else(|| wrong("not a line of a dialogue"))?;
        let steps = events.into_iter().map(|event| Step {
            line: line_number,
            event,
        });
        dialogue.steps.extend(steps);
    }
    Ok(dialogues)
}

/// The name and value of a line that says what is so before the client connects.
fn staged(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    let is_staged = ["client", "clock"].contains(&name);
    is_staged.then(|| (name.to_owned(), value.to_owned()))
}

/// What one line says; more than one event if it repeats.
fn events(line: &str) -> Option<Vec<Event>> {
    let (word, argument) = line.split_once(' ').unwrap_or((line, ""));
    let event = match word {
        "S:" => Event::Server(Pattern(argument.to_owned())),
        "S>" => {
            let (code, line) = argument.split_once(' ')?;
            let (line, is_absent) = match line.strip_prefix('!') {
                Some(line) => (line, true),
                None => (line, false),
            };
            Event::Reply(Whole {
                code: code.to_owned(),
                line: Pattern(line.to_owned()),
                is_absent,
            })
        }
        "S*" => {
            let (count, pattern) = argument.split_once(' ')?;
            let server = |_| Event::Server(Pattern(pattern.to_owned()));
            return Some((0..count.parse().ok()?).map(server).collect());
        }
        "C:" => Event::Client(format!("{argument}\r\n").into_bytes()),
        "C~" => Event::Client(quoted(argument)?),
        "C*" => {
            let (count, octets) = argument.split_once(' ')?;
            let count: usize = count.parse().ok()?;
            let client = |index: usize| quoted(&octets.replace("{i}", &index.to_string()));
            let octets: Option<Vec<Vec<u8>>> = (0..count).map(client).collect();
            Event::Client(octets?.concat())
        }
        "handshake" => Event::Handshake,
        "closed" => Event::Closed,
        "stored" => Event::Stored(argument.parse().ok()?),
        "reverse-path" => Event::Message(Claim::ReversePath(argument.to_owned())),
        "recipients" => {
            let recipients = argument.split(' ').map(str::to_owned).collect();
            Event::Message(Claim::Recipients(recipients))
        }
        "content" => Event::Message(Claim::Content(quoted(argument)?)),
        "octets" => Event::Message(Claim::Octets(argument.parse().ok()?)),
        "trace" => Event::Message(Claim::Trace(Pattern(argument.to_owned()))),
        _ => return None,
    };
    Some(vec![event])
}

/// The octets of a quoted text with escapes.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut octets = Vec::new();
    let mut characters = text.bytes();
    while let Some(character) = characters.next() {
        octets.push(match character {
            b'\\' => match characters.next()? {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                escaped @ (b'"' | b'\\') => escaped,
                b'x' => {
                    let digits = [characters.next()?, characters.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                _ => return None,
            },
            b'"' => return None,
            _ => character,
        });
    }
    Some(octets)
}

#[test]
fn patterns_match_whole_lines() {
    let matches = |pattern: &str, text: &str| Pattern(pattern.to_owned()).matches(text.as_bytes());
    assert!(matches("250 Ok", "250 Ok"));
    assert!(matches("250 *", "250 "));
    assert!(matches("*for <a@b>*", "x for <a@b>; y"));
    assert!(matches("a*a", "aa"));
    assert!(!matches("a*a", "a"));
    assert!(!matches("250 Ok", "250 Ok "));
    assert!(!matches("250 *", "250-Ok"));
    assert!(!matches("*b*c", "acb"));
}

#[test]
fn lines_that_are_none_are_named() {
    let error = parse("x.smtp", "profile: plain\nC! oops\n").expect_err("the second line is wrong");
    assert_eq!(error, "x.smtp:2: not a line of a dialogue: C! oops");
    assert!(parse("x.smtp", "S: 220 *\n").is_err());
    assert!(parse("x.smtp", "profile: plain\nC~ \"open\n").is_err());
    assert!(parse("x.smtp", "profile: plain\nC~ \"\\q\"\n").is_err());
}

#[test]
fn the_stage_is_set_before_the_first_step() {
    let text = "profile: plain\nclient: 192.0.2.7\nclock: 2026-11-23 09:00\nS: 220 *\n";
    let dialogues = parse("x.smtp", text).expect("the notation is right");
    let stage = [("client", "192.0.2.7"), ("clock", "2026-11-23 09:00")];
    let stage = stage.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(dialogues[0].stage, stage);
    let error = parse("x.smtp", "profile: plain\nS: 220 *\nclient: ::1\n").expect_err("late");
    assert_eq!(error, "x.smtp:3: stands behind a step: client: ::1");
}

#[test]
fn repeated_lines_count() {
    let dialogues = parse("x.smtp", "profile: plain\nC* 2 \"{i}\\r\\n\"\nS* 2 250 *\n")
        .expect("the notation is right");
    let [dialogue] = dialogues.as_slice() else {
        panic!("one dialogue")
    };
    assert_eq!(dialogue.steps.len(), 3);
    let Event::Client(octets) = &dialogue.steps[0].event else {
        panic!("the client first")
    };
    assert_eq!(octets, b"0\r\n1\r\n");
}
