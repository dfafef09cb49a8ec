//! What each error of a client is answered with: the only place that says so.
//!
//! In: the small error enums of `command`, `address`, `session` and `mail_data`. Out: [`Reply`].
//! Guarantees: every error has a reply, because every `match` names every variant.
//! Does not: count errors or close; the session does.
//!
//! RFC 5321 §4.2.2 and §4.2.3 (codes), §4.5.3.1.9 (lines too long); RFC 3463 §3 (enhanced codes).

use super::{EnhancedCode, Piece, Reply, ReplyCode, ReplyText};
use crate::limits;
use crate::smtp::address::PathError;
use crate::smtp::command::{ForeignProtocol, SyntaxError, Verb};
use crate::smtp::mail_data::MailDataError;
use crate::smtp::session::{OrderError, ParameterError, SessionLimits};

type Fixed = (ReplyCode, EnhancedCode, &'static str);

/// The reply to a line that is no command.
#[must_use]
pub fn from_syntax_error(error: SyntaxError) -> Reply<'static> {
    let (code, enhanced, text) = match error {
        SyntaxError::LineTooLong => {
            let text = [
                Piece::Words("Command line exceeds "),
                Piece::Number(limits::COMMAND_LINE_OCTETS_MAX as u64),
                Piece::Words(" octets"),
                Piece::Nothing,
            ];
            let text = ReplyText::Pieces(text);
            return Reply::new(
                ReplyCode::COMMAND_UNRECOGNIZED,
                EnhancedCode::of(5, 6),
                text,
            );
        }
        SyntaxError::BareCarriageReturn => unrecognized("Bare CR in command line"),
        SyntaxError::BareLineFeed => unrecognized("Bare LF in command line"),
        SyntaxError::Nul => unrecognized("NUL in command line"),
        SyntaxError::VerbMissing => unrecognized("Command line without command"),
        SyntaxError::ForeignProtocol(protocol) => unrecognized(foreign_protocol_text(protocol)),
        SyntaxError::ArgumentMissing(verb) => argument(argument_missing_text(verb)),
        SyntaxError::ArgumentUnexpected(_) => argument("Command takes no argument"),
        SyntaxError::KeywordMissing(verb) => argument(argument_missing_text(verb)),
        SyntaxError::HeloDomain => argument("Argument must be a domain or an address literal"),
        SyntaxError::ReversePath(error) => path(error, EnhancedCode::of(1, 7)),
        SyntaxError::ForwardPath(error) => path(error, EnhancedCode::of(1, 3)),
        SyntaxError::ParameterMalformed(_) => argument("Parameter is not KEYWORD or KEYWORD=value"),
        SyntaxError::ChunkSize => argument("Syntax: BDAT size [LAST]"),
    };
    Reply::new(code, enhanced, ReplyText::Fixed(text))
}

/// The reply to a command that is not allowed now.
#[must_use]
pub fn from_order_error(error: OrderError) -> Reply<'static> {
    let text = match error {
        OrderError::HeloMissing => "Send HELO or EHLO first",
        OrderError::MailMissing => "Send MAIL first",
        OrderError::RecipientMissing => "No valid recipients, send RCPT first",
        OrderError::MailGivenAlready => "Sender already given, send RSET to begin anew",
        OrderError::ChunksBegun => "Mail data comes in chunks, send the last one or RSET",
        OrderError::InMailData => "Mail data expected",
        OrderError::Closing => "Session is over",
    };
    Reply::new(
        ReplyCode::BAD_SEQUENCE,
        EnhancedCode::of(5, 1),
        ReplyText::Fixed(text),
    )
}

/// The reply to MAIL or RCPT with a parameter that is not accepted.
#[must_use]
pub fn from_parameter_error(error: ParameterError) -> Reply<'static> {
    let (code, text) = match error {
        ParameterError::NotOffered => (
            ReplyCode::PARAMETERS_UNRECOGNIZED,
            "Parameter of an extension that is not offered",
        ),
        ParameterError::Repeated => (ReplyCode::ARGUMENT_SYNTAX, "Parameter given twice"),
        ParameterError::Value => (
            ReplyCode::ARGUMENT_SYNTAX,
            "Value does not fit its parameter",
        ),
    };
    Reply::new(code, EnhancedCode::of(5, 4), ReplyText::Fixed(text))
}

/// The reply to the end of mail data that the reader refused.
#[must_use]
pub fn from_mail_data_error(error: MailDataError, limits: &SessionLimits) -> Reply<'static> {
    let (enhanced, text) = match error {
        MailDataError::BareCarriageReturn => (EnhancedCode::of(6, 0), "Bare CR in message"),
        MailDataError::BareLineFeed => (EnhancedCode::of(6, 0), "Bare LF in message"),
        MailDataError::Nul => (EnhancedCode::of(6, 0), "NUL in message"),
        MailDataError::TooLarge => return super::message_too_large(limits.message_octets_max),
        MailDataError::TooManyReceivedHeaders => (
            EnhancedCode::of(4, 6),
            "Too many Received header fields, mail loop",
        ),
    };
    Reply::new(
        ReplyCode::TRANSACTION_FAILED,
        enhanced,
        ReplyText::Fixed(text),
    )
}

/// The last reply to a client that speaks another protocol.
#[must_use]
pub fn foreign_protocol(protocol: ForeignProtocol) -> Reply<'static> {
    let text = ReplyText::Fixed(foreign_protocol_text(protocol));
    Reply::new(
        ReplyCode::SERVICE_NOT_AVAILABLE,
        EnhancedCode::of(7, 0),
        text,
    )
}

const fn foreign_protocol_text(protocol: ForeignProtocol) -> &'static str {
    match protocol {
        ForeignProtocol::Http => "This is SMTP, not HTTP",
        ForeignProtocol::Tls => "This is SMTP without implicit TLS",
    }
}

const fn argument_missing_text(verb: Verb) -> &'static str {
    match verb {
        Verb::Helo => "Syntax: HELO domain",
        Verb::Ehlo => "Syntax: EHLO domain",
        Verb::Mail => "Syntax: MAIL FROM:<address>",
        Verb::Rcpt => "Syntax: RCPT TO:<address>",
        Verb::Auth => "Syntax: AUTH mechanism [initial-response]",
        Verb::Bdat => "Syntax: BDAT size [LAST]",
        Verb::XClient => "Syntax: XCLIENT attribute=value ...",
        Verb::Data
        | Verb::Rset
        | Verb::Vrfy
        | Verb::Expn
        | Verb::Help
        | Verb::Noop
        | Verb::Quit
        | Verb::StartTls
        | Verb::Unknown => "Argument missing",
    }
}

const fn unrecognized(text: &'static str) -> Fixed {
    (
        ReplyCode::COMMAND_UNRECOGNIZED,
        EnhancedCode::of(5, 2),
        text,
    )
}

const fn argument(text: &'static str) -> Fixed {
    (ReplyCode::ARGUMENT_SYNTAX, EnhancedCode::of(5, 4), text)
}

const fn not_ascii(text: &'static str) -> Fixed {
    (ReplyCode::MAILBOX_NAME, EnhancedCode::of(6, 7), text)
}

fn path(error: PathError, enhanced: EnhancedCode) -> Fixed {
    let text = match error {
        PathError::OpeningBracketMissing => "Address must start with <",
        PathError::ClosingBracketMissing => "Address must end with >",
        PathError::TooLong => "Address exceeds 256 octets",
        PathError::SourceRoute => "Source route is malformed",
        PathError::LocalPart => "Local part is malformed",
        PathError::LocalPartTooLong => "Local part exceeds 64 octets",
        PathError::AtSignMissing => "Address has no domain",
        PathError::Domain => "Domain is malformed",
        PathError::DomainTooLong => "Domain exceeds 255 octets, or a label of it 63",
        PathError::AddressLiteral => "Address literal is no IPv4 or IPv6 address",
        PathError::Empty => "Recipient must not be empty",
        PathError::NotAscii => return not_ascii("Address is not ASCII, declare SMTPUTF8"),
        PathError::NotUtf8 => return not_ascii("Address is neither ASCII nor UTF-8"),
    };
    (ReplyCode::ARGUMENT_SYNTAX, enhanced, text)
}
