//! Judges a message while its content is read, however it comes.
//!
//! In: content in runs, faults of its octets. Out: whether the message is refused so far, and why.
//! Guarantees: once refused, a message stays refused, and its size and loop count are known all the same; no memory.
//! Does not: find faults of octets, or the end; `transparency` and `chunk` do.
//!
//! RFC 1870 §6.3 (size), RFC 5321 §6.3 (loops).

use super::received_count::ReceivedCount;

/// Why a message is refused. If more than one applies, the first in this order is told, CR, LF and
/// NUL by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailDataError {
    /// A CR that no LF follows.
    BareCarriageReturn,
    /// An LF that no CR precedes.
    BareLineFeed,
    /// An octet 0.
    Nul,
    /// More octets than the limit.
    TooLarge,
    /// More `Received:` fields than the limit.
    TooManyReceivedHeaders,
}

/// What is known of one message.
#[derive(Debug)]
pub(super) struct Judgement {
    message_octets_max: u64,
    message_octets: u64,
    received_headers_max: u32,
    received: ReceivedCount,
    framing_error: Option<MailDataError>,
}

impl Judgement {
    /// Of a message that has not begun.
    pub(super) fn new(message_octets_max: u64, received_headers_max: u32) -> Self {
        Self {
            message_octets_max,
            message_octets: 0,
            received_headers_max,
            received: ReceivedCount::default(),
            framing_error: None,
        }
    }

    /// Counts content and hands it out, unless the message is refused.
    pub(super) fn content<'octets>(&mut self, run: &'octets [u8]) -> &'octets [u8] {
        self.message_octets = self.message_octets.saturating_add(run.len() as u64);
        self.received.count(run);
        if self.error().is_none() { run } else { b"" }
    }

    /// Notes a fault of the octets; the first one counts.
    pub(super) fn refuse(&mut self, error: MailDataError) {
        self.framing_error.get_or_insert(error);
    }

    /// Why the message is refused, as far as it has been read. Never changes back to none.
    pub(super) fn error(&self) -> Option<MailDataError> {
        if self.framing_error.is_some() {
            self.framing_error
        } else if self.message_octets > self.message_octets_max {
            Some(MailDataError::TooLarge)
        } else if self.received.fields_count() > self.received_headers_max {
            Some(MailDataError::TooManyReceivedHeaders)
        } else {
            None
        }
    }

    /// The size of the message in octets, or why it is refused.
    pub(super) fn verdict(&self) -> Result<u64, MailDataError> {
        match self.error() {
            Some(error) => Err(error),
            None => Ok(self.message_octets),
        }
    }
}
