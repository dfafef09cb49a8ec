//! Replies: what the server says, as values that cannot be malformed.
//!
//! In: facts of the session, errors (`from_error`), texts that scripts wrote. Out: [`Reply`]
//! values, which [`Replies`] writes as octets.
//!
//! Guarantees: a code has three digits and a class; an enhanced code has the class of its code;
//! whatever a text holds, it cannot end the reply or start another one (see `write`).
//! Does not: decide anything, or allocate.
//!
//! RFC 5321 §4.2 (replies), RFC 3463 §2 (enhanced codes), RFC 2034 §4 (where they stand).

mod from_error;
mod of_auth;
mod of_connection;
mod of_next_hop;
mod of_session;
mod read;
mod write;

use std::fmt;

use super::extension::Extensions;

pub use from_error::{
    foreign_protocol, from_auth_error, from_mail_data_error, from_order_error,
    from_parameter_error, from_syntax_error,
};
pub use of_auth::{
    auth_challenge, auth_line_too_long, auth_unavailable, authenticated, credentials_refused,
    too_many_auth_failures,
};
pub use of_connection::{
    early_command, early_talker, mail_deferred, no_space, not_admitted, short_of_resources,
    shutting_down, timed_out, too_slow,
};
pub use of_next_hop::{
    bare_line_end, next_hop_away, next_hop_busy, next_hop_lost, next_hop_not_secure, unsendable,
};
pub use of_session::{
    binary_needs_chunks, chunk_received, closing, ehlo, ehlo_missing, greeting, helo, help,
    message_too_large, not_offered, not_stored, ok, queued, ready_for_tls, recipient_ok,
    relaying_denied, sender_ok, start_mail_input, tls_begun, tls_behind_xclient, too_many_errors,
    too_many_idle_commands, too_many_messages, too_many_recipients, vrfy, xclient_denied,
    xclient_malformed,
};
pub use read::{ReceivedReply, ReplyError, ReplyReader};
pub use write::{EightBitText, Replies};

/// A reply code: three digits, the first of them 2 to 5, the second 0 to 5 where RFC 5321 defines
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// Greeting.
    pub const SERVICE_READY: Self = Self(220);
    /// Reply to QUIT.
    pub const SERVICE_CLOSING: Self = Self(221);
    /// Done.
    pub const OK: Self = Self(250);
    /// VRFY that neither confirms nor denies.
    pub const CANNOT_VERIFY: Self = Self(252);
    /// HELP.
    pub const HELP: Self = Self(214);
    /// A challenge of AUTH (RFC 4954 §4).
    /// The client is who it says.
    pub const AUTHENTICATED: Self = Self(235);
    /// A challenge to answer.
    pub const AUTH_CHALLENGE: Self = Self(334);
    /// Mail data may come.
    pub const START_MAIL_INPUT: Self = Self(354);
    /// The connection is about to be closed by the server.
    pub const SERVICE_NOT_AVAILABLE: Self = Self(421);
    /// Refused for now: by policy, or the mailbox is busy.
    pub const MAILBOX_BUSY: Self = Self(450);
    /// A failure of ours that may pass.
    pub const LOCAL_ERROR: Self = Self(451);
    /// Too much of something, for now.
    pub const INSUFFICIENT_STORAGE: Self = Self(452);
    /// Nobody can tell whether the client is who it says, for now.
    pub const AUTH_UNAVAILABLE: Self = Self(454);
    /// The command was not understood.
    pub const COMMAND_UNRECOGNIZED: Self = Self(500);
    /// The command was understood, its argument was not.
    pub const ARGUMENT_SYNTAX: Self = Self(501);
    /// The command is known and not offered.
    pub const NOT_IMPLEMENTED: Self = Self(502);
    /// The command is not allowed now.
    pub const BAD_SEQUENCE: Self = Self(503);
    /// A parameter of the command is known and not offered.
    pub const PARAMETER_NOT_IMPLEMENTED: Self = Self(504);
    /// The host accepts no mail.
    pub const NO_MAIL_SERVICE: Self = Self(521);
    /// The client must authenticate first.
    pub const AUTH_REQUIRED: Self = Self(530);
    /// The client is not who it says.
    pub const CREDENTIALS_INVALID: Self = Self(535);
    /// The client must use TLS to authenticate.
    pub const ENCRYPTION_REQUIRED: Self = Self(538);
    /// Refused by policy, or no such mailbox.
    pub const MAILBOX_UNAVAILABLE: Self = Self(550);
    /// The message is too large.
    pub const EXCEEDED_STORAGE: Self = Self(552);
    /// The mailbox name cannot be one here.
    pub const MAILBOX_NAME: Self = Self(553);
    /// The transaction failed.
    pub const TRANSACTION_FAILED: Self = Self(554);
    /// A parameter of MAIL or RCPT is not known or not offered.
    pub const PARAMETERS_UNRECOGNIZED: Self = Self(555);

    /// A code of the range 200 to 599, or none.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if 200 <= code && code <= 599 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The number, 200 to 599.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// What the first digit says.
    #[must_use]
    pub const fn class(self) -> ReplyClass {
        match self.0 / 100 {
            2 => ReplyClass::Completed,
            3 => ReplyClass::Intermediate,
            4 => ReplyClass::TransientFailure,
            _ => ReplyClass::PermanentFailure,
        }
    }
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ReplyCode({})", self.0)
    }
}

/// The first digit of a reply code (RFC 5321 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyClass {
    /// 2yz.
    Completed,
    /// 3yz.
    Intermediate,
    /// 4yz.
    TransientFailure,
    /// 5yz.
    PermanentFailure,
}

impl ReplyClass {
    /// The digit: 2, 3, 4 or 5.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::Completed => 2,
            Self::Intermediate => 3,
            Self::TransientFailure => 4,
            Self::PermanentFailure => 5,
        }
    }
}

/// Subject and detail of an enhanced code. The class always is that of the reply code, so that the
/// two cannot differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    /// `X.subject.detail`; each of at most three digits (RFC 3463 §2).
    #[must_use]
    pub const fn new(subject: u16, detail: u16) -> Option<Self> {
        if subject <= 999 && detail <= 999 {
            Some(Self { subject, detail })
        } else {
            None
        }
    }

    /// For the codes written in this folder, which are right by reading them.
    pub(crate) const fn of(subject: u16, detail: u16) -> Self {
        Self { subject, detail }
    }

    /// The second number.
    #[must_use]
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// The third number.
    #[must_use]
    pub const fn detail(self) -> u16 {
        self.detail
    }
}

/// The text of a reply, from wherever it comes. LF separates lines; what else is no text is
/// replaced when written.
#[derive(Clone, Copy)]
pub enum ReplyText<'text> {
    /// Text of ours.
    Fixed(&'static str),
    /// Text of ours with values in it, one after the other.
    Pieces([Piece<'text>; 4]),
    /// The reply to EHLO: the greeting line, then one line for each extension (RFC 5321 §4.1.1.1).
    Offer {
        /// The name of this host.
        hostname: &'text [u8],
        /// What the client called itself.
        client: &'text [u8],
        /// What is offered.
        extensions: Extensions,
    },
    /// Lines that someone else wrote, in order; each may hold further LFs.
    Lines(&'text [&'text [u8]]),
    /// Text that someone else wrote.
    Octets(&'text [u8]),
}

impl fmt::Debug for ReplyText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(text) => write!(formatter, "{text:?}"),
            Self::Pieces(pieces) => formatter.debug_list().entries(pieces).finish(),
            Self::Offer { extensions, .. } => write!(formatter, "{extensions:?}"),
            Self::Lines(lines) => formatter
                .debug_list()
                .entries(lines.iter().map(|line| line.escape_ascii()))
                .finish(),
            Self::Octets(text) => write!(formatter, "\"{}\"", text.escape_ascii()),
        }
    }
}

/// A part of a text of ours. Values rather than `format_args!`, so that a reply can be returned
/// from a function.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'text> {
    /// Nothing, to fill up.
    Nothing,
    /// Words of ours.
    Words(&'static str),
    /// A name or text of someone else.
    Octets(&'text [u8]),
    /// A number, in decimal.
    Number(u64),
}

/// One reply, borrowed, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'text> {
    code: ReplyCode,
    enhanced: Option<EnhancedCode>,
    text: ReplyText<'text>,
}

impl<'text> Reply<'text> {
    /// A reply with an enhanced code. A 3yz reply is written without it (RFC 2034 §4 knows 2, 4 and
    /// 5 only).
    #[must_use]
    pub const fn new(code: ReplyCode, enhanced: EnhancedCode, text: ReplyText<'text>) -> Self {
        Self {
            code,
            enhanced: Some(enhanced),
            text,
        }
    }

    /// A reply without enhanced code: the greeting, HELO, EHLO, 3yz (RFC 2034 §4).
    #[must_use]
    pub const fn without_enhanced_code(code: ReplyCode, text: ReplyText<'text>) -> Self {
        Self {
            code,
            enhanced: None,
            text,
        }
    }

    /// A reply that a script decided: its code, its enhanced code if it may carry one, its reason.
    ///
    /// Without a reason the text is a fixed one that goes with the code's class and reveals
    /// nothing.
    #[must_use]
    pub fn scripted(
        code: ReplyCode,
        enhanced: Option<EnhancedCode>,
        reason: Option<ReplyText<'text>>,
    ) -> Self {
        Self {
            code,
            enhanced,
            text: reason.unwrap_or(ReplyText::Fixed(default_text(code))),
        }
    }

    /// Whether the code is 2yz.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code.class() == ReplyClass::Completed
    }

    /// The reply code.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced code, if the reply carries one.
    #[must_use]
    pub const fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text, as given.
    #[must_use]
    pub const fn text(&self) -> ReplyText<'text> {
        self.text
    }
}

/// The enhanced code that a code carries when its author named none: `X.0.0`, or what fits the code
/// closely.
#[must_use]
pub const fn default_enhanced_code(code: ReplyCode) -> Option<EnhancedCode> {
    match code.class() {
        ReplyClass::Intermediate => return None,
        ReplyClass::Completed | ReplyClass::TransientFailure | ReplyClass::PermanentFailure => {}
    }
    Some(match code.number() {
        421 | 550 | 554 => EnhancedCode::of(7, 1),
        452 => EnhancedCode::of(3, 1),
        500 | 502 | 503 => EnhancedCode::of(5, 1),
        501 | 504 | 555 => EnhancedCode::of(5, 4),
        552 => EnhancedCode::of(3, 4),
        _ => EnhancedCode::of(0, 0),
    })
}

/// What a reply says when its author gave no text.
const fn default_text(code: ReplyCode) -> &'static str {
    match code.number() {
        421 => "Service not available, closing transmission channel",
        521 => "No mail service here",
        _ => match code.class() {
            ReplyClass::Completed => "Ok",
            ReplyClass::Intermediate => "Go on",
            ReplyClass::TransientFailure => "Not now, try again later",
            ReplyClass::PermanentFailure => "Refused",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{EnhancedCode, Reply, ReplyClass, ReplyCode, default_enhanced_code};

    #[test]
    fn codes_have_a_class() {
        assert_eq!(ReplyCode::new(199), None);
        assert_eq!(ReplyCode::new(600), None);
        for number in 200..=599 {
            let digit = ReplyCode::new(number).map(|code| u16::from(code.class().digit()));
            assert_eq!(digit, Some(number / 100));
        }
        assert_eq!(EnhancedCode::new(1_000, 0), None);
        assert_eq!(EnhancedCode::new(0, 1_000), None);
    }

    #[test]
    fn intermediate_codes_have_no_enhanced_code() {
        for number in 200..=599 {
            let code = ReplyCode::new(number).unwrap_or(ReplyCode::OK);
            let is_intermediate = code.class() == ReplyClass::Intermediate;
            assert_eq!(
                default_enhanced_code(code).is_none(),
                is_intermediate,
                "{code:?}"
            );
        }
    }

    #[test]
    fn a_script_without_reason_gets_a_text() {
        let reply = Reply::scripted(ReplyCode::NO_MAIL_SERVICE, None, None);
        assert_eq!(format!("{:?}", reply.text()), "\"No mail service here\"");
    }
}
