//! What a server must answer, written a second time.
//!
//! In: commands in their order. Out: how the reply to each begins, or nothing once the session has ended. Guarantees:
//! shares no code with the engine. Does not: know whether the disk fails, which the replies to messages tell.
//!
//! RFC 5321 §4.1.4 and §4.3.2; RFC 3030 §2; RFC 3207 §4; RFC 4954 §4.

use super::world::{ERRORS_MAX, Kind, STRICT_ERRORS_MAX, STRICT_OCTETS_MAX};

/// What the server has been told of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Connected,
    Greeted,
    MailGiven,
    RecipientsGiven,
    InChunks,
}

/// A line, by what must become of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line {
    Noop,
    Rset,
    Vrfy,
    Expn,
    Help,
    Unknown,
    TooLong,
    BareLineFeed,
    Nul,
    HeloBare,
    Helo,
    Ehlo,
    /// A path without brackets.
    MailMalformed,
    /// A parameter of no extension.
    MailParameter,
    /// A size over every limit.
    MailTooLarge,
    Mail,
    MailBinary,
    RcptMalformed,
    RcptForeign,
    Rcpt,
    DataArgument,
    Data,
    StartTls,
    AuthUnknown,
    XClientMalformed,
    Quit,
}

/// A session.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    pub(super) is_over_tls: bool,
    /// Whether the server has said, or will say, its last word.
    pub(super) is_closed: bool,
    pub(super) is_authenticated: bool,
    pub(super) has_forwarded_login: bool,
    pub(super) is_binary: bool,
    is_ehlo: bool,
    errors_count: u32,
    auth_failures_count: u32,
}

impl Model {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            stage: Stage::Connected,
            is_over_tls: kind == Kind::Implicit,
            is_closed: false,
            is_authenticated: false,
            has_forwarded_login: false,
            is_binary: false,
            is_ehlo: false,
            errors_count: 0,
            auth_failures_count: 0,
        }
    }

    /// How the reply to a line begins; none once the session has ended.
    pub(super) fn answer(&mut self, line: Line) -> Option<&'static str> {
        if self.is_closed {
            return None;
        }
        Some(match line {
            Line::Noop => "250 2.0.0 Ok",
            Line::Vrfy => "252 2.0.0 ",
            Line::Help => "214 2.0.0 ",
            Line::Rset => {
                if self.stage != Stage::Connected {
                    self.stage = Stage::Greeted;
                }
                "250 2.0.0 Ok"
            }
            Line::Helo => self.hello(false),
            Line::Ehlo => self.hello(true),
            Line::Expn => self.refuse("502 5.5.1 "),
            Line::Unknown => self.refuse("500 5.5.1 "),
            Line::TooLong => self.refuse("500 5.5.6 "),
            Line::BareLineFeed | Line::Nul => self.refuse("500 5.5.2 "),
            Line::HeloBare | Line::DataArgument => self.refuse("501 5.5.4 "),
            Line::MailMalformed => self.refuse("501 5.1.7 "),
            Line::RcptMalformed => self.refuse("501 5.1.3 "),
            Line::MailParameter | Line::MailTooLarge | Line::Mail | Line::MailBinary => {
                self.mail(line)
            }
            Line::RcptForeign | Line::Rcpt => self.rcpt(line),
            Line::Data => match self.stage {
                Stage::RecipientsGiven if !self.is_binary => "354 ",
                _ => self.refuse("503 5.5.1 "),
            },
            Line::StartTls => match (self.stage, self.kind) {
                (Stage::Connected, _) => self.refuse("503 5.5.1 "),
                _ if self.is_over_tls => self.refuse("503 5.5.1 "),
                (_, Kind::StartTls | Kind::Strict) if self.is_ehlo => "220 2.0.0 ",
                (_, Kind::StartTls | Kind::Strict) => self.refuse("503 5.5.1 "),
                _ => self.refuse("502 5.5.1 "),
            },
            Line::AuthUnknown => self.auth_unknown(),
            Line::XClientMalformed => match (self.stage, self.kind) {
                (Stage::Connected | Stage::Greeted, Kind::XClient) => self.refuse("501 5.5.4 "),
                (Stage::Connected | Stage::Greeted, _) => self.refuse("550 5.7.0 "),
                _ => self.refuse("503 5.5.1 "),
            },
            Line::Quit => {
                self.is_closed = true;
                "221 2.0.0 "
            }
        })
    }

    /// How the reply to a chunk begins that is not the last, of so many octets; `None` if it is the answer that the
    /// chunk has been taken.
    pub(super) fn chunk(&mut self, is_last: bool) -> Chunk {
        if self.is_closed {
            return Chunk::Dropped;
        }
        let may_chunk = matches!(self.stage, Stage::RecipientsGiven | Stage::InChunks);
        if self.stage != Stage::Connected && !self.is_ehlo {
            return Chunk::Refused(self.refuse("502 5.5.1 "));
        }
        if !may_chunk {
            return Chunk::Refused(self.refuse("503 5.5.1 "));
        }
        self.stage = if is_last {
            Stage::Greeted
        } else {
            Stage::InChunks
        };
        Chunk::Taken
    }

    /// Whether AUTH may begin.
    pub(super) fn may_authenticate(&self) -> bool {
        let is_offered = match self.kind {
            Kind::Plain | Kind::Implicit => true,
            Kind::StartTls | Kind::Strict => self.is_over_tls,
            Kind::Proxy | Kind::XClient => false,
        };
        self.stage == Stage::Greeted && self.is_ehlo && is_offered && !self.is_authenticated
    }

    /// How the reply to credentials begins.
    pub(super) fn credentials(&mut self, are_right: bool) -> &'static str {
        if are_right {
            self.is_authenticated = true;
            return "235 2.7.0 ";
        }
        self.auth_failures_count += 1;
        if self.auth_failures_count == AUTH_FAILURES_MAX {
            self.is_closed = true;
            return "421 4.7.0 ";
        }
        self.refuse("535 5.7.8 ")
    }

    /// The client is another one now.
    pub(super) fn forwarded(&mut self, has_login: bool) -> &'static str {
        self.stage = Stage::Connected;
        self.is_ehlo = false;
        self.has_forwarded_login = has_login;
        "220 mx.example.org "
    }

    /// The handshake behind STARTTLS is complete.
    pub(super) fn tls_begun(&mut self) {
        self.stage = Stage::Connected;
        self.is_over_tls = true;
        self.is_ehlo = false;
        self.is_authenticated = false;
    }

    /// Octets of a message at most.
    pub(super) fn message_octets_max(&self) -> u64 {
        match self.kind {
            Kind::Strict => STRICT_OCTETS_MAX,
            _ => u64::MAX,
        }
    }

    /// A refusal for good: one more error, or the last.
    pub(super) fn refuse(&mut self, reply: &'static str) -> &'static str {
        let errors_max = match self.kind {
            Kind::Strict => STRICT_ERRORS_MAX,
            _ => ERRORS_MAX,
        };
        self.errors_count += 1;
        if errors_max < self.errors_count {
            self.is_closed = true;
            return "421 4.7.0 ";
        }
        reply
    }

    fn hello(&mut self, is_ehlo: bool) -> &'static str {
        self.is_ehlo = is_ehlo;
        self.stage = Stage::Greeted;
        "250 mx.example.org greets client.example"
    }

    fn mail(&mut self, line: Line) -> &'static str {
        match (self.stage, line) {
            (Stage::Greeted, Line::MailParameter) => self.refuse("555 5.5.4 "),
            (Stage::Greeted, Line::MailTooLarge | Line::MailBinary) if !self.is_ehlo => {
                self.refuse("555 5.5.4 ")
            }
            (Stage::Greeted, Line::MailTooLarge) => self.refuse("552 5.3.4 "),
            (Stage::Greeted, _) => {
                self.stage = Stage::MailGiven;
                self.is_binary = line == Line::MailBinary;
                "250 2.1.0 Ok"
            }
            _ => self.refuse("503 5.5.1 "),
        }
    }

    fn rcpt(&mut self, line: Line) -> &'static str {
        let may_relay = self.is_authenticated || self.has_forwarded_login;
        match self.stage {
            Stage::MailGiven | Stage::RecipientsGiven => {
                if line == Line::RcptForeign && !may_relay {
                    return self.refuse("550 5.7.1 ");
                }
                self.stage = Stage::RecipientsGiven;
                "250 2.1.5 Ok"
            }
            _ => self.refuse("503 5.5.1 "),
        }
    }

    fn auth_unknown(&mut self) -> &'static str {
        if self.stage != Stage::Greeted {
            return self.refuse("503 5.5.1 ");
        }
        match self.kind {
            Kind::Proxy | Kind::XClient => self.refuse("502 5.5.1 "),
            _ if !self.is_ehlo || self.is_authenticated => self.refuse("503 5.5.1 "),
            Kind::StartTls | Kind::Strict if !self.is_over_tls => self.refuse("538 5.7.11 "),
            _ => self.refuse("504 5.5.4 "),
        }
    }
}

/// What becomes of a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chunk {
    /// The session has ended before it.
    Dropped,
    /// Its octets are skipped, and this is the reply.
    Refused(&'static str),
    Taken,
}

/// Failures to log in, the last of which ends a session, by default.
const AUTH_FAILURES_MAX: u32 = 3;
