//! A message while it arrives.
//!
//! In: content, in pieces borrowed from the receive buffer. Out: a message on stable storage.
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
use super::{Destination, Kind, Tickets};

/// The message of one transaction on its way to the profile's destination.
#[derive(Debug)]
pub struct IncomingMessage {
    destination: Rc<Destination>,
    /// Its file; none where nothing is kept.
    file: Option<MessageFile>,
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
    /// Begins a message in the second `unix_seconds`. `head` writes the trace header fields; it is not called for a
    /// destination that keeps nothing.
    pub fn begin(
        destination: &Rc<Destination>,
        unix_seconds: i64,
        head: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let file = match &destination.kind {
            Kind::Discard => None,
            Kind::Maildir(writers) => {
                let mut content = destination.tickets.buffer();
                head(&mut content);
                let number = destination.tickets.next_file();
                let name = unique_name(unix_seconds, writers.shard, number, &writers.host);
                Some(MessageFile {
                    writers: Rc::clone(writers),
                    number,
                    name,
                    content,
                    is_spilled: false,
                    failure: None,
                })
            }
        };
        Self {
            destination: Rc::clone(destination),
            file,
        }
    }

    /// Adds content.
    pub fn write(&mut self, octets: &[u8]) {
        if let Some(file) = &mut self.file
            && file.failure.is_none()
        {
            file.content.extend_from_slice(octets);
        }
    }

    /// Whether [`IncomingMessage::spill`] must be called before more is written.
    #[must_use]
    pub fn must_spill(&self) -> bool {
        self.file
            .as_ref()
            .is_some_and(|file| SPILL_OCTETS <= file.content.len())
    }

    /// Hands what is in memory to the writers and waits until it is written.
    pub async fn spill(&mut self) {
        let Some(file) = &mut self.file else { return };
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

    /// Makes the message durable.
    ///
    /// # Errors
    ///
    /// It is not stored, and nothing of it remains.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        match file.failure {
            Some(failure) => Err(failure),
            None => file.run(&self.destination.tickets, Action::Commit).await,
        }
    }

    /// Forgets the message.
    pub async fn abandon(mut self) {
        let Some(file) = &mut self.file else { return };
        if file.is_spilled {
            file.content.clear();
            // A file that stays is removed at the next start.
            let _ = file.run(&self.destination.tickets, Action::Abandon).await;
        } else {
            self.destination
                .tickets
                .keep(std::mem::take(&mut file.content));
        }
    }
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
            tickets.give_back(ticket, Vec::new());
            return Err(error);
        }
        let answer = tickets.answer(ticket).await;
        match action {
            Action::Append => {
                self.content = answer.buffer;
                self.content.clear();
                tickets.give_back(ticket, Vec::new());
            }
            Action::Commit | Action::Abandon => tickets.give_back(ticket, answer.buffer),
        }
        answer.result
    }
}

/// Content held in memory before it goes to the writers, in octets: the size up to which a message is one job.
pub const SPILL_OCTETS: usize = 131_072;
