//! What a client is told when a next hop cannot be asked, or has not answered as it must.
//!
//! In: nothing but the reason. Out: [`Reply`]. What the next hop does say is passed on as it is, see
//! [`ReceivedReply::as_reply`](super::ReceivedReply::as_reply).
//! Guarantees: what may pass is 4yz; nothing is told of the next hop, not even its name.
//! Does not: close the client's connection.
//!
//! RFC 3463 §3.4 to §3.8 (enhanced codes); RFC 6531 §3.5 (X.6.7); RFC 3030 §3 (X.6.1).

use super::{EnhancedCode, Reply, ReplyCode, ReplyText};
use crate::smtp::command::Unsendable;

/// No address is known, none accepts a connection, or all who accept one do not want to talk.
#[must_use]
pub const fn next_hop_away() -> Reply<'static> {
    let text = "The next hop does not answer, try again later";
    temporary(EnhancedCode::of(4, 1), text)
}

/// The connection broke or what came over it made no sense.
#[must_use]
pub const fn next_hop_lost() -> Reply<'static> {
    let text = "The connection to the next hop was lost, try again later";
    temporary(EnhancedCode::of(4, 2), text)
}

/// Too many messages are on their way there.
#[must_use]
pub const fn next_hop_busy() -> Reply<'static> {
    let text = "The next hop is busy, try again later";
    temporary(EnhancedCode::of(4, 5), text)
}

/// TLS is required and cannot be had.
#[must_use]
pub const fn next_hop_not_secure() -> Reply<'static> {
    let text = "The next hop cannot be reached securely, try again later";
    temporary(EnhancedCode::of(7, 5), text)
}

/// A message with a bare CR or LF, which a next hop could take for its end.
#[must_use]
pub const fn bare_line_end() -> Reply<'static> {
    let text = ReplyText::Fixed("A bare CR or LF cannot be passed on");
    Reply::new(ReplyCode::TRANSACTION_FAILED, EnhancedCode::of(6, 0), text)
}

/// The next hop cannot take this message, now or later.
#[must_use]
pub const fn unsendable(reason: Unsendable) -> Reply<'static> {
    match reason {
        Unsendable::BinaryMime => Reply::new(
            ReplyCode::TRANSACTION_FAILED,
            EnhancedCode::of(6, 1),
            ReplyText::Fixed("The next hop does not take BINARYMIME"),
        ),
        Unsendable::SmtpUtf8 => Reply::new(
            ReplyCode::MAILBOX_UNAVAILABLE,
            EnhancedCode::of(6, 7),
            ReplyText::Fixed("The next hop does not take SMTPUTF8"),
        ),
        Unsendable::ControlOctet => Reply::new(
            ReplyCode::MAILBOX_NAME,
            EnhancedCode::of(1, 3),
            ReplyText::Fixed("The next hop would not understand this address"),
        ),
    }
}

const fn temporary(enhanced: EnhancedCode, text: &'static str) -> Reply<'static> {
    Reply::new(ReplyCode::LOCAL_ERROR, enhanced, ReplyText::Fixed(text))
}
