//! Mail data: from DATA's 354 to the end, and the header fields postern adds.
//!
//! In: octets of the receive buffer. Out: content to store, the end, and a verdict; trace header
//! fields.
//!
//! Guarantees: only CRLF.CRLF, or the size of a chunk, ends mail data; memory never follows what a client sends.
//! Does not: interpret the message beyond counting its `Received:` fields.
//!
//! RFC 5321 §4.1.1.4, §4.4, §4.5.2, §6.3; RFC 3030 §2.

mod chunk;
mod judgement;
mod received_count;
mod trace;
mod transparency;
mod write;

pub use chunk::{ChunkReader, ContentKind};
pub use judgement::MailDataError;
pub use trace::{Protocol, Trace};
pub use transparency::{MailDataReader, Read};
pub use write::{BareLineEnd, MailDataWriter};
