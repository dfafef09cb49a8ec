//! What is said to a client for reasons that lie outside its session: time, shutdown, admission,
//! space.
//!
//! In: nothing but the reason. Out: [`Reply`]; all but [`no_space`] are the last one of a
//! connection.
//! Guarantees: none of them reveals a policy beyond its own reason.
//! Does not: know who says it; the session's own replies are in `of_session`.
//!
//! RFC 5321 §3.8 (421 at any time), §4.5.3.2 (time-outs); RFC 3463 §3.4, §3.5, §3.8 (enhanced
//! codes).

use super::{EnhancedCode, Reply, ReplyCode, ReplyText};

/// A client that has not sent a command or the next mail data in time.
#[must_use]
pub const fn timed_out() -> Reply<'static> {
    unavailable(
        EnhancedCode::of(4, 2),
        "Timeout, closing transmission channel",
    )
}

/// A client that sends mail data below the lowest rate.
#[must_use]
pub const fn too_slow() -> Reply<'static> {
    unavailable(
        EnhancedCode::of(4, 2),
        "Mail data comes too slowly, closing transmission channel",
    )
}

/// A server that is about to stop.
#[must_use]
pub const fn shutting_down() -> Reply<'static> {
    unavailable(EnhancedCode::of(3, 2), "Shutting down, try again later")
}

/// A connection over a limit, refused before anything else is said; `limit` names it.
#[must_use]
pub const fn not_admitted(limit: &'static str) -> Reply<'static> {
    unavailable(EnhancedCode::of(7, 0), limit)
}

/// A connection to a server that has no resources left for it.
#[must_use]
pub const fn short_of_resources() -> Reply<'static> {
    unavailable(
        EnhancedCode::of(3, 2),
        "Server is short of resources, try again later",
    )
}

/// A MAIL to a server that has no resources left for a message.
#[must_use]
pub const fn mail_deferred() -> Reply<'static> {
    let text = ReplyText::Fixed("Server is short of resources, try again later");
    Reply::new(
        ReplyCode::INSUFFICIENT_STORAGE,
        EnhancedCode::of(3, 1),
        text,
    )
}

/// A client that talks before it has been greeted.
#[must_use]
pub const fn early_talker() -> Reply<'static> {
    let text = ReplyText::Fixed("Client must wait for the greeting");
    Reply::new(ReplyCode::TRANSACTION_FAILED, EnhancedCode::of(5, 1), text)
}

/// A client that does not wait for the reply to a command behind which it must.
#[must_use]
pub const fn early_command() -> Reply<'static> {
    let text = ReplyText::Fixed("Client must wait for the reply to this command");
    Reply::new(ReplyCode::TRANSACTION_FAILED, EnhancedCode::of(5, 1), text)
}

/// A message for which there is no room now.
#[must_use]
pub const fn no_space() -> Reply<'static> {
    let text = ReplyText::Fixed("Not enough storage, try again later");
    Reply::new(
        ReplyCode::INSUFFICIENT_STORAGE,
        EnhancedCode::of(3, 1),
        text,
    )
}

const fn unavailable(enhanced: EnhancedCode, text: &'static str) -> Reply<'static> {
    Reply::new(
        ReplyCode::SERVICE_NOT_AVAILABLE,
        enhanced,
        ReplyText::Fixed(text),
    )
}
