//! What the session says when nothing is wrong with a line: consent, and refusals by limit or
//! policy.
//!
//! In: the names and numbers a text mentions. Out: [`Reply`].
//! Guarantees: a refusal by a limit names the limit.
//! Does not: decide which reply is due.
//!
//! RFC 5321 §4.2.2 and §4.3.2 (codes per command); RFC 3463 §3 (enhanced codes).

use super::{EnhancedCode, Piece, Reply, ReplyCode, ReplyText};
use crate::smtp::command::Verb;
use crate::smtp::extension::Extensions;
use crate::smtp::session::TransactionId;

/// The greeting: the name of this host, then `text` or the usual words.
#[must_use]
pub fn greeting<'text>(hostname: &'text str, text: Option<&'text [u8]>) -> Reply<'text> {
    let text = text.map_or(Piece::Words("ESMTP postern"), Piece::Octets);
    let hostname = Piece::Octets(hostname.as_bytes());
    let text = ReplyText::Pieces([hostname, Piece::Words(" "), text, Piece::Nothing]);
    Reply::without_enhanced_code(ReplyCode::SERVICE_READY, text)
}

/// The reply to HELO.
#[must_use]
pub fn helo<'text>(hostname: &'text str, client: &'text [u8]) -> Reply<'text> {
    let (hostname, client) = (Piece::Octets(hostname.as_bytes()), Piece::Octets(client));
    let text = ReplyText::Pieces([hostname, Piece::Words(" greets "), client, Piece::Nothing]);
    Reply::without_enhanced_code(ReplyCode::OK, text)
}

/// The reply to EHLO.
#[must_use]
pub fn ehlo<'text>(
    hostname: &'text str,
    client: &'text [u8],
    extensions: Extensions,
) -> Reply<'text> {
    let hostname = hostname.as_bytes();
    let text = ReplyText::Offer {
        hostname,
        client,
        extensions,
    };
    Reply::without_enhanced_code(ReplyCode::OK, text)
}

/// NOOP and RSET.
#[must_use]
pub fn ok() -> Reply<'static> {
    Reply::new(
        ReplyCode::OK,
        EnhancedCode::of(0, 0),
        ReplyText::Fixed("Ok"),
    )
}

/// An accepted MAIL.
#[must_use]
pub fn sender_ok() -> Reply<'static> {
    Reply::new(
        ReplyCode::OK,
        EnhancedCode::of(1, 0),
        ReplyText::Fixed("Ok"),
    )
}

/// An accepted RCPT.
#[must_use]
pub fn recipient_ok() -> Reply<'static> {
    Reply::new(
        ReplyCode::OK,
        EnhancedCode::of(1, 5),
        ReplyText::Fixed("Ok"),
    )
}

/// An accepted DATA. 3yz replies have no enhanced code (RFC 2034 §4).
#[must_use]
pub fn start_mail_input() -> Reply<'static> {
    let text = ReplyText::Fixed("Start mail input, end with <CRLF>.<CRLF>");
    Reply::without_enhanced_code(ReplyCode::START_MAIL_INPUT, text)
}

/// A message that is safe.
#[must_use]
pub fn queued(id: Option<&TransactionId>) -> Reply<'_> {
    let text = match id {
        Some(id) => ReplyText::Pieces([
            Piece::Words("Ok: queued as "),
            Piece::Octets(id.as_octets()),
            Piece::Nothing,
            Piece::Nothing,
        ]),
        None => ReplyText::Fixed("Ok: queued"),
    };
    Reply::new(ReplyCode::OK, EnhancedCode::of(0, 0), text)
}

/// A chunk that is not the last one.
#[must_use]
pub fn chunk_received(octets: u64) -> Reply<'static> {
    let text = limit("", octets, " octets received");
    Reply::new(ReplyCode::OK, EnhancedCode::of(0, 0), text)
}

/// DATA for content that may have any octets (RFC 3030 §3).
#[must_use]
pub fn binary_needs_chunks() -> Reply<'static> {
    let text = ReplyText::Fixed("BINARYMIME needs BDAT");
    Reply::new(ReplyCode::BAD_SEQUENCE, EnhancedCode::of(5, 1), text)
}

/// A message that could not be stored.
#[must_use]
pub fn not_stored() -> Reply<'static> {
    let text = ReplyText::Fixed("Message could not be stored, try again later");
    Reply::new(ReplyCode::LOCAL_ERROR, EnhancedCode::of(3, 0), text)
}

/// VRFY: neither yes nor no (RFC 5321 §3.5.3).
#[must_use]
pub fn vrfy() -> Reply<'static> {
    let text = ReplyText::Fixed("Cannot verify the user, send the mail and see");
    Reply::new(ReplyCode::CANNOT_VERIFY, EnhancedCode::of(0, 0), text)
}

/// HELP.
#[must_use]
pub fn help() -> Reply<'static> {
    let text = ReplyText::Fixed("HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\nSee RFC 5321");
    Reply::new(ReplyCode::HELP, EnhancedCode::of(0, 0), text)
}

/// QUIT.
#[must_use]
pub fn closing() -> Reply<'static> {
    Reply::new(
        ReplyCode::SERVICE_CLOSING,
        EnhancedCode::of(0, 0),
        ReplyText::Fixed("Bye"),
    )
}

/// An accepted STARTTLS (RFC 3207 §4).
#[must_use]
pub fn ready_for_tls() -> Reply<'static> {
    let text = ReplyText::Fixed("Ready to start TLS");
    Reply::new(ReplyCode::SERVICE_READY, EnhancedCode::of(0, 0), text)
}

/// STARTTLS on a connection that is over TLS (RFC 3207 §4.2).
#[must_use]
pub fn tls_begun() -> Reply<'static> {
    let text = ReplyText::Fixed("TLS has begun already");
    Reply::new(ReplyCode::BAD_SEQUENCE, EnhancedCode::of(5, 1), text)
}

/// STARTTLS of a client that speaks for another one.
#[must_use]
pub fn tls_behind_xclient() -> Reply<'static> {
    let text = ReplyText::Fixed("STARTTLS comes before XCLIENT");
    Reply::new(ReplyCode::BAD_SEQUENCE, EnhancedCode::of(5, 1), text)
}

/// A command of an extension, from a client that has said HELO.
#[must_use]
pub fn ehlo_missing() -> Reply<'static> {
    let text = ReplyText::Fixed("Send EHLO first");
    Reply::new(ReplyCode::BAD_SEQUENCE, EnhancedCode::of(5, 1), text)
}

/// A verb that is known and not offered, or not known.
#[must_use]
pub fn not_offered(verb: Verb) -> Reply<'static> {
    let (code, text) = match verb {
        Verb::Unknown => (ReplyCode::COMMAND_UNRECOGNIZED, "Command not recognized"),
        Verb::Helo
        | Verb::Ehlo
        | Verb::Mail
        | Verb::Rcpt
        | Verb::Data
        | Verb::Rset
        | Verb::Vrfy
        | Verb::Expn
        | Verb::Help
        | Verb::Noop
        | Verb::Quit
        | Verb::StartTls
        | Verb::Auth
        | Verb::Bdat
        | Verb::XClient => (ReplyCode::NOT_IMPLEMENTED, "Command not implemented"),
    };
    Reply::new(code, EnhancedCode::of(5, 1), ReplyText::Fixed(text))
}

/// A recipient of a domain the profile is not responsible for.
#[must_use]
pub fn relaying_denied() -> Reply<'static> {
    let text = ReplyText::Fixed("relaying denied");
    Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, EnhancedCode::of(7, 1), text)
}

/// XCLIENT of a client that may not use it.
#[must_use]
pub fn xclient_denied() -> Reply<'static> {
    let text = ReplyText::Fixed("XCLIENT is not for your address");
    Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, EnhancedCode::of(7, 0), text)
}

/// XCLIENT with attributes that are none.
#[must_use]
pub fn xclient_malformed() -> Reply<'static> {
    let text = ReplyText::Fixed("Attribute is unknown, given twice, or has no such value");
    Reply::new(ReplyCode::ARGUMENT_SYNTAX, EnhancedCode::of(5, 4), text)
}

/// A message over the size limit, declared or sent (RFC 1870 §6.1, §6.3).
#[must_use]
pub fn message_too_large(octets_max: u64) -> Reply<'static> {
    let text = limit("Message exceeds ", octets_max, " octets");
    Reply::new(ReplyCode::EXCEEDED_STORAGE, EnhancedCode::of(3, 4), text)
}

/// One recipient too many (RFC 5321 §4.5.3.1.10).
#[must_use]
pub fn too_many_recipients(count_max: u32) -> Reply<'static> {
    let text = limit(
        "Message has ",
        count_max.into(),
        " recipients already, send it first",
    );
    Reply::new(
        ReplyCode::INSUFFICIENT_STORAGE,
        EnhancedCode::of(5, 3),
        text,
    )
}

/// One message too many.
#[must_use]
pub fn too_many_messages(count_max: u32) -> Reply<'static> {
    closing_by_limit(count_max, " messages on this connection, open another one")
}

/// One error too many.
#[must_use]
pub fn too_many_errors(count_max: u32) -> Reply<'static> {
    closing_by_limit(count_max, " errors on this connection, closing it")
}

/// One command without a message too many.
#[must_use]
pub fn too_many_idle_commands(count_max: u32) -> Reply<'static> {
    closing_by_limit(
        count_max,
        " commands without a message, closing the connection",
    )
}

const fn limit(before: &'static str, number: u64, after: &'static str) -> ReplyText<'static> {
    let (before, number, after) = (
        Piece::Words(before),
        Piece::Number(number),
        Piece::Words(after),
    );
    ReplyText::Pieces([before, number, after, Piece::Nothing])
}

fn closing_by_limit(count_max: u32, after: &'static str) -> Reply<'static> {
    let text = limit("More than ", count_max.into(), after);
    Reply::new(
        ReplyCode::SERVICE_NOT_AVAILABLE,
        EnhancedCode::of(7, 0),
        text,
    )
}
