//! Commands with the replies they must have, in the order in which they are sent.
//!
//! In: what is to be sent, and what must come back. Out: what came back, compared. Guarantees: every reply is one, well
//! formed, and the one of its command; behind the last there is nothing.
//!
//! RFC 5321 §4.2 (form of replies), RFC 2034 §4 (enhanced codes).

use std::borrow::Cow;

use super::ledger::{Fate, Ledger};
use super::wire::{Silence, Wire};
use super::world::MARK;

/// What must come back for a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// A reply that begins like this.
    Reply(Cow<'static, str>),
    /// The reply to STARTTLS: 220, or 554 to a client that has not waited for it.
    StartTls,
    /// A reply to a whole message: 250, or a failure for now, which the disk may have caused.
    Stored(String),
    /// A refusal of a message, for good.
    Refused(String, &'static str),
    /// A reply to these credentials.
    Credentials(&'static str),
    /// Nothing: the session ends before it. If a message ends here, it is this one.
    Nothing(Option<String>),
}

/// A group of commands.
#[derive(Debug, Default)]
pub(super) struct Batch {
    octets: Vec<u8>,
    /// Each with the place where it ends.
    expected: Vec<(usize, Expected)>,
}

impl Expected {
    /// A reply that begins like this; with none, the session has ended before it.
    pub(super) fn begins(start: Option<&'static str>) -> Self {
        match start {
            Some(start) => Self::Reply(Cow::Borrowed(start)),
            None => Self::Nothing(None),
        }
    }
}

impl Batch {
    pub(super) fn add(&mut self, octets: &[u8], expected: Expected) {
        self.octets.extend_from_slice(octets);
        self.expected.push((self.octets.len(), expected));
    }

    /// Adds octets that must have no reply.
    pub(super) fn add_unanswered(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// A connection, what was said on it, and where it is told.
pub(super) struct Dialogue<'ledger> {
    pub(super) wire: Wire,
    pub(super) ledger: &'ledger Ledger,
    transcript: Vec<String>,
    tls_is_proven: bool,
    /// Whether the server may end with an alert, since what it was sent for a handshake is none.
    pub(super) may_be_alerted: bool,
    /// Whether it was refused STARTTLS because it had not waited.
    pub(super) is_early: bool,
}

/// Whether a dialogue goes on, or why it cannot be as it should.
pub(super) type Outcome = Result<GoesOn, String>;

/// Whether a dialogue goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GoesOn {
    Yes,
    No,
}

impl<'ledger> Dialogue<'ledger> {
    pub(super) fn new(wire: Wire, ledger: &'ledger Ledger) -> Self {
        Self {
            wire,
            ledger,
            transcript: Vec::new(),
            tls_is_proven: false,
            may_be_alerted: false,
            is_early: false,
        }
    }

    /// Adds to what a failure shows.
    pub(super) fn remark(&mut self, what: &str, octets: &[u8]) {
        let shown = octets[..octets.len().min(300)].escape_ascii();
        self.transcript
            .push(format!("{what} {} {shown}", octets.len()));
    }

    pub(super) fn transcript(&self) -> String {
        let skipped = self.transcript.len().saturating_sub(60);
        self.transcript[skipped..].join("\n")
    }

    /// Sends a group and reads what must come back.
    pub(super) fn exchange(&mut self, batch: Batch) -> Outcome {
        self.remark("C:", batch.octets());
        let begin = self.wire.sent();
        self.wire.send(&batch.octets);
        self.compare(begin, batch)
    }

    /// Reads what must come back for a group that was sent from place `begin` of the connection on.
    pub(super) fn compare(&mut self, begin: u64, batch: Batch) -> Outcome {
        let sent = if self.wire.is_refused() {
            u64::MAX
        } else {
            self.wire.sent() - begin
        };
        let mut expected = batch.expected.into_iter();
        let mut outcome = Ok(GoesOn::Yes);
        for (end, expected) in expected.by_ref() {
            if sent < end as u64 {
                // Cut off, and what follows with it.
                self.leave(expected, Fate::Absent);
                outcome = Ok(GoesOn::No);
                break;
            }
            if let Expected::Nothing(key) = expected {
                self.note(key, Fate::Absent);
                outcome = Ok(GoesOn::No);
                break;
            }
            if self.wire.leaves_before_reply() {
                self.leave(expected, Fate::InDoubt);
                outcome = Ok(GoesOn::No);
                break;
            }
            self.reply(expected)?;
        }
        for (end, expected) in expected {
            let is_sent = end as u64 <= sent && !matches!(expected, Expected::Nothing(_));
            let fate = if is_sent { Fate::InDoubt } else { Fate::Absent };
            self.leave(expected, fate);
        }
        if outcome == Ok(GoesOn::No) || !self.wire.is_whole() {
            self.end()?;
            return Ok(GoesOn::No);
        }
        outcome
    }

    /// The server must have nothing more to say, if there is somebody to hear it.
    pub(super) fn end(&mut self) -> Result<(), String> {
        if !self.wire.is_readable() {
            return Ok(());
        }
        match self.wire.rest() {
            Silence::Closed(rest) if rest.is_empty() => Ok(()),
            Silence::Closed(rest) if self.may_be_alerted && rest[0] == TLS_ALERT => Ok(()),
            Silence::Reset => Ok(()),
            silence => Err(format!("{silence:?} instead of the end")),
        }
    }

    /// Reads one reply and compares it.
    pub(super) fn reply(&mut self, expected: Expected) -> Result<(), String> {
        let reply = self.read();
        let reply = reply.map_err(|failure| format!("{failure} instead of {expected:?}"))?;
        let wrong = |expected: &str| Err(format!("{reply:?} instead of {expected}"));
        match expected {
            Expected::Reply(start) if reply.starts_with(&*start) => Ok(()),
            Expected::Reply(start) => wrong(&start),
            Expected::StartTls if reply.starts_with("220 2.0.0 ") => Ok(()),
            Expected::StartTls if self.may_be_alerted && reply.starts_with("554 5.5.1 ") => {
                self.is_early = true;
                Ok(())
            }
            Expected::StartTls => wrong("220"),
            Expected::Credentials(start) if reply.starts_with(start) => {
                self.ledger.see(|seen| match start {
                    "235 2.7.0 " => seen.auth_accepted += 1,
                    _ => seen.auth_refused += 1,
                });
                Ok(())
            }
            Expected::Credentials(start) => wrong(start),
            Expected::Stored(key) => {
                if let Some(id) = reply.strip_prefix("250 2.0.0 Ok: queued as ") {
                    self.note(Some(key), Fate::Acknowledged(id.to_owned()));
                    self.ledger.see(|seen| seen.messages_acknowledged += 1);
                    return Ok(());
                }
                self.note(Some(key), Fate::Absent);
                self.ledger.see(|seen| seen.messages_refused += 1);
                let is_temporary = ["451 4.3.0 ", "452 4.3.1 "];
                if is_temporary.iter().any(|start| reply.starts_with(start)) {
                    return Ok(());
                }
                wrong("an answer to a message")
            }
            Expected::Refused(key, start) => {
                self.note(Some(key), Fate::Absent);
                self.ledger.see(|seen| seen.messages_refused += 1);
                if reply.starts_with(start) {
                    return Ok(());
                }
                wrong(start)
            }
            Expected::Nothing(_) => wrong("nothing"),
        }
    }

    /// Reads one reply, whatever it is.
    pub(super) fn read(&mut self) -> Result<String, String> {
        let reply = read(&mut self.wire)?;
        self.remark("S:", reply.as_bytes());
        if self.wire.is_over_tls() && !self.tls_is_proven {
            self.tls_is_proven = true;
            self.ledger.see(|seen| seen.tls_proven += 1);
        }
        Ok(reply)
    }

    /// Notes what becomes of a command whose reply is not read: its message has this fate.
    fn leave(&mut self, expected: Expected, fate: Fate) {
        match expected {
            Expected::Stored(key) => self.note(Some(key), fate),
            Expected::Refused(key, _) | Expected::Nothing(Some(key)) => {
                self.note(Some(key), Fate::Absent);
            }
            Expected::Credentials(_) => self.ledger.see(|seen| seen.auth_in_doubt += 1),
            Expected::Reply(_) | Expected::StartTls | Expected::Nothing(None) => {}
        }
    }

    fn note(&self, key: Option<String>, fate: Fate) {
        if let Some(key) = key {
            self.ledger.note(key, fate);
        }
    }
}

/// One reply, its lines joined by line feeds, without the codes of those behind the first.
fn read(wire: &mut Wire) -> Result<String, String> {
    let mut reply = String::new();
    let mut first_code = None;
    loop {
        let line = wire.line().map_err(|silence| format!("{silence:?}"))?;
        let shown = line.escape_ascii().to_string();
        let line = String::from_utf8(line).map_err(|_| format!("{shown} is no text"))?;
        let malformed = || format!("{shown:?} is no line of a reply");
        let (code, rest) = line.split_at_checked(3).ok_or_else(malformed)?;
        let is_code = code.bytes().all(|octet| octet.is_ascii_digit())
            && matches!(code.as_bytes()[0], b'2'..=b'5');
        let is_short = line.len() + 2 <= 512;
        let is_same = first_code.get_or_insert_with(|| code.to_owned()) == code;
        let is_text = line.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        if line.contains(MARK) {
            return Err(format!("{shown:?} is of plain text"));
        }
        if !(is_code && is_short && is_same && is_text) {
            return Err(malformed());
        }
        let goes_on = match rest.as_bytes().first() {
            Some(b'-') => true,
            Some(b' ') => false,
            _ => return Err(malformed()),
        };
        if reply.is_empty() {
            reply = format!("{code} {}", &rest[1..]);
        } else {
            reply.push('\n');
            reply.push_str(&rest[1..]);
        }
        if !goes_on {
            return Ok(reply);
        }
    }
}

/// The first octet of an alert (RFC 8446 §5.1).
const TLS_ALERT: u8 = 21;
