//! Mail data: from DATA's 354 to the end, and the header fields postern adds.
//!
//! In: octets of the receive buffer. Out: content to store, the end, and a verdict; trace header
//! fields.
//!
//! Guarantees: only CRLF.CRLF ends mail data; memory never follows what a client sends.
//! Does not: interpret the message beyond counting its `Received:` fields.
//!
//! RFC 5321 §4.1.1.4, §4.4, §4.5.2, §6.3.

mod received_count;
mod trace;
mod transparency;

pub use trace::{Protocol, Trace};
pub use transparency::{MailDataError, MailDataReader, Read};
