//! What is said about AUTH.
//!
//! In: a challenge, a limit. Out: [`Reply`]. Guarantees: a refusal does not tell whether the user exists.
//! Does not: decide which reply is due; those to mistakes of clients are in `from_error`.
//!
//! RFC 4954 §4 (challenges), §6 (codes).

use super::{EnhancedCode, Piece, Reply, ReplyCode, ReplyText};
use crate::limits;

/// A challenge, in base64; may be empty.
#[must_use]
pub const fn auth_challenge(text: &[u8]) -> Reply<'_> {
    Reply::without_enhanced_code(ReplyCode::AUTH_CHALLENGE, ReplyText::Octets(text))
}

/// A client that is who it says.
#[must_use]
pub const fn authenticated() -> Reply<'static> {
    let text = ReplyText::Fixed("Authentication succeeded");
    Reply::new(ReplyCode::AUTHENTICATED, EnhancedCode::of(7, 0), text)
}

/// A client that is not.
#[must_use]
pub const fn credentials_refused() -> Reply<'static> {
    let text = ReplyText::Fixed("Authentication credentials invalid");
    Reply::new(ReplyCode::CREDENTIALS_INVALID, EnhancedCode::of(7, 8), text)
}

/// A client that nobody can verify now.
#[must_use]
pub const fn auth_unavailable() -> Reply<'static> {
    let text = ReplyText::Fixed("Temporary authentication failure, try again later");
    Reply::new(ReplyCode::AUTH_UNAVAILABLE, EnhancedCode::of(7, 0), text)
}

/// The last failure a session may have.
#[must_use]
pub const fn too_many_auth_failures(count_max: u32) -> Reply<'static> {
    let text = [
        Piece::Words("Authentication has failed "),
        Piece::Number(count_max as u64),
        Piece::Words(" times, closing the connection"),
        Piece::Nothing,
    ];
    let text = ReplyText::Pieces(text);
    Reply::new(
        ReplyCode::SERVICE_NOT_AVAILABLE,
        EnhancedCode::of(7, 0),
        text,
    )
}

/// A line of the exchange over its limit.
#[must_use]
pub const fn auth_line_too_long() -> Reply<'static> {
    let text = [
        Piece::Words("Authentication exchange line exceeds "),
        Piece::Number(limits::AUTH_LINE_OCTETS_MAX as u64),
        Piece::Words(" octets"),
        Piece::Nothing,
    ];
    let text = ReplyText::Pieces(text);
    Reply::new(
        ReplyCode::COMMAND_UNRECOGNIZED,
        EnhancedCode::of(5, 6),
        text,
    )
}
