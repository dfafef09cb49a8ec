//! A message while it arrives.
//!
//! In: content, in pieces borrowed from the receive buffer. Out: a message on stable storage, or at the next hop.
//!
//! ```text
//!   begin -> write, spill -> write, spill -> ... -> commit (durable) | abandon (no trace left)
//! ```
//!
//! Guarantees: at most [`SPILL_OCTETS`] and one piece are held in memory; once a part could not be written, the rest
//! costs no memory and `commit` tells why. One of `commit` and `abandon` must be called; a value that is merely dropped
//! (the shard is falling) leaves a file in `tmp/` that the next start removes.

use std::rc::Rc;

use super::maildir::unique_name;
use super::writer::{Action, Job, JobSender, StoreError};
use super::{Destination, Failure, Kind, Refusal, Tickets, Transfer};
use crate::limits;
use crate::smtp::client::Outcome;

/// The message of one transaction on its way to the profile's destination.
#[derive(Debug)]
pub struct IncomingMessage {
    destination: Rc<Destination>,
    way: Way,
}

/// Where the content goes.
#[derive(Debug)]
enum Way {
    Nowhere,
    File(MessageFile),
    NextHop(Box<Transfer>),
    /// To a next hop that has not been asked about any recipient, so that it cannot take the message.
    Lost,
}

/// Why a message is not accepted in the end.
#[derive(Debug)]
pub enum CommitError {
    /// It could not be stored.
    Store(StoreError),
    /// The next hop has not taken it.
    NextHop(Rc<Refusal>),
}

#[derive(Debug)]
struct MessageFile {
    writers: Rc<JobSender>,
    number: u64,
    name: String,
    content: Vec<u8>,
    /// Whether a part of it is with the writers.
    is_spilled: bool,
    failure: Option<StoreError>,
}

impl IncomingMessage {
    /// Begins a message in the second `unix_seconds`. `head` writes the trace header fields that belong before it; it is
    /// not called for a destination that keeps nothing. `transfer` is what [`Destination::transfer`] gave, if it gave
    /// anything.
    pub fn begin(
        destination: &Rc<Destination>,
        unix_seconds: i64,
        transfer: Option<Box<Transfer>>,
        head: impl FnOnce(Head, &mut Vec<u8>),
    ) -> Self {
        let way = match (&destination.kind, transfer) {
            (Kind::Maildir(writers), _) => {
                let mut content = destination.tickets.buffer();
                head(Head::FinalDelivery, &mut content);
                let number = destination.tickets.next_file();
                let name = unique_name(unix_seconds, writers.shard, number, &writers.host);
                Way::File(MessageFile {
                    writers: Rc::clone(writers),
                    number,
                    name,
                    content,
                    is_spilled: false,
                    failure: None,
                })
            }
            (Kind::NextHop(_), Some(mut transfer)) => {
                let mut content = Vec::new();
                head(Head::Relaying, &mut content);
                transfer.write(&content);
                Way::NextHop(transfer)
            }
            (Kind::NextHop(_), None) => Way::Lost,
            (Kind::Discard, _) => Way::Nowhere,
        };
        Self {
            destination: Rc::clone(destination),
            way,
        }
    }

    /// Adds content.
    pub fn write(&mut self, octets: &[u8]) {
        match &mut self.way {
            Way::Nowhere | Way::Lost => {}
            Way::File(file) => {
                if file.failure.is_none() {
                    add(&mut file.content, octets);
                }
            }
            Way::NextHop(transfer) => transfer.write(octets),
        }
    }

    /// Whether [`IncomingMessage::spill`] must be called before more is written.
    #[must_use]
    pub fn must_spill(&self) -> bool {
        match &self.way {
            Way::Nowhere | Way::Lost => false,
            Way::File(file) => SPILL_OCTETS <= file.content.len(),
            Way::NextHop(transfer) => transfer.must_send(),
        }
    }

    /// Hands what is in memory to the writers and waits until it is written, or to the next hop until it is sent.
    pub async fn spill(&mut self) {
        let file = match &mut self.way {
            Way::Nowhere | Way::Lost => return,
            Way::File(file) => file,
            Way::NextHop(transfer) => return Box::pin(transfer.send()).await,
        };
        match file.run(&self.destination.tickets, Action::Append).await {
            Ok(()) => file.is_spilled = true,
            Err(error) => {
                file.failure = Some(error);
                // Whatever was written has been removed with the error.
                file.is_spilled = false;
                file.content = Vec::new();
            }
        }
    }

    /// Makes the message durable here, or has the next hop do so: then this is what it said.
    ///
    /// # Errors
    ///
    /// It is not stored, and nothing of it remains, or the next hop has not acknowledged it.
    pub async fn commit(self) -> Result<Option<Outcome>, CommitError> {
        match self.way {
            Way::Nowhere => Ok(None),
            Way::File(mut file) => {
                let stored = match file.failure {
                    Some(failure) => Err(failure),
                    None => file.run(&self.destination.tickets, Action::Commit).await,
                };
                stored.map(|()| None).map_err(CommitError::Store)
            }
            Way::NextHop(transfer) => {
                let outcome = Box::pin(transfer.finish()).await;
                outcome.map(Some).map_err(CommitError::NextHop)
            }
            Way::Lost => Err(CommitError::NextHop(Rc::new(Failure::Closed.into()))),
        }
    }

    /// Forgets the message.
    pub async fn abandon(self) {
        match self.way {
            Way::Nowhere | Way::Lost => {}
            Way::File(mut file) if file.is_spilled => {
                file.content.clear();
                // A file that stays is removed at the next start.
                let _ = file.run(&self.destination.tickets, Action::Abandon).await;
            }
            Way::File(file) => self.destination.tickets.keep(file.content),
            Way::NextHop(transfer) => transfer.abandon(),
        }
    }
}

/// Which trace header fields belong before a message (RFC 5321 §4.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Head {
    /// Those of a message that has arrived, `Return-Path:` among them.
    FinalDelivery,
    /// `Received:` only.
    Relaying,
}

impl MessageFile {
    /// Has the writers do one thing with the content, and takes its memory back.
    async fn run(&mut self, tickets: &Tickets, action: Action) -> Result<(), StoreError> {
        let ticket = tickets.take().await;
        let job = Job {
            shard: self.writers.shard,
            ticket,
            name: self.name.clone(),
            content: std::mem::take(&mut self.content),
            action,
        };
        if let Err(error) = self.writers.submit(self.number, job) {
            tickets.give_back(ticket);
            return Err(error);
        }
        let answer = tickets.answer(ticket).await;
        tickets.give_back(ticket);
        match action {
            Action::Append => {
                self.content = answer.buffer;
                self.content.clear();
            }
            Action::Commit | Action::Abandon => tickets.keep(answer.buffer),
        }
        answer.result
    }
}

/// Adds to content. Its memory grows twofold, so that few copies are made, but not beyond what content of any size needs:
/// it is kept for other messages.
fn add(content: &mut Vec<u8>, octets: &[u8]) {
    let needed = content.len() + octets.len();
    if content.capacity() < needed {
        let wanted = needed.max((2 * content.capacity()).min(CONTENT_BYTES_MAX));
        content.reserve_exact(wanted - content.len());
    }
    content.extend_from_slice(octets);
}

/// Content held in memory before it goes to the writers, in octets: the size up to which a message is one job.
pub const SPILL_OCTETS: usize = 131_072;

/// Memory for content in bytes: what is just not spilled, and one more piece, which comes from a receive buffer.
const CONTENT_BYTES_MAX: usize = SPILL_OCTETS + limits::RECEIVE_BUFFER_BYTES;

#[cfg(test)]
mod tests {
    use super::{CONTENT_BYTES_MAX, SPILL_OCTETS, add};
    use crate::limits::RECEIVE_BUFFER_BYTES;

    #[test]
    fn content_takes_no_more_memory_than_is_spilled_and_a_piece() {
        for piece_octets in [1, 77, 1_000, 10_001, RECEIVE_BUFFER_BYTES] {
            let mut content = b"Received: from client.example\r\n".to_vec();
            let (mut copies_count, mut octets_count) = (0, content.len());
            while content.len() < SPILL_OCTETS {
                let capacity = content.capacity();
                add(&mut content, &vec![7; piece_octets]);
                copies_count += usize::from(capacity < content.capacity());
                octets_count += piece_octets;
            }
            assert_eq!(content.len(), octets_count);
            assert!(content.capacity() <= CONTENT_BYTES_MAX, "{piece_octets}");
            assert!(copies_count <= 14, "{copies_count} for {piece_octets}");
        }
    }
}
