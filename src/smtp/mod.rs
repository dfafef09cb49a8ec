//! SMTP as the server speaks it, without I/O, clock or scripts.
//!
//! In: octets (`line`, `mail_data`) and parsed commands (`session`). Out: replies (`reply`) and
//! what the pump must do next ([`session::Step`]).
//!
//! Implements RFC 5321 with SIZE (RFC 1870 §3), 8BITMIME (RFC 6152 §2), PIPELINING (RFC 2920 §3),
//! ENHANCEDSTATUSCODES (RFC 2034 §4), CHUNKING and BINARYMIME (RFC 3030), SMTPUTF8 (RFC 6531), DSN
//! (RFC 3461) and LIMITS (RFC 9422). What is not offered is not accepted.
//!
//! Guarantees: no panicking construct meets client octets; memory per session is bounded by
//! `crate::limits`; the replies depend on the octets only, never on how the network cut them into
//! segments.
//!
//! Deviations, each on the safe side or as tolerant as clients need:
//! - Deviation: a bare CR, bare LF or NUL makes a command line or a message fail, see `line` and
//!   `mail_data`.
//! - Deviation: NUL is content where mail data comes in chunks, see `mail_data::chunk`.
//! - Deviation: white space after `FROM:` and `TO:` is accepted, see `command::parse`.
//! - Deviation: the argument of HELO and EHLO may be any printable word, see `command::parse`.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

pub mod address;
pub mod client;
pub mod command;
pub mod extension;
pub mod line;
pub mod mail_data;
pub mod reply;
pub mod session;
