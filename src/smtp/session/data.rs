//! DATA: mail data, and what became of it.
//!
//! In: the command; later the outcome that the pump reports. Out: 354; later the reply to the end
//! of mail data.
//! Guarantees: the transaction is cleared after the end of mail data, whatever became of the
//! message.
//! Does not: read mail data (`mail_data`) or store it (the pump).
//!
//! RFC 5321 §4.1.1.4, §4.2.5; RFC 3030 §3 (binary content comes in chunks only).

use super::{BodyType, Phase, Session, State, Step};
use crate::smtp::mail_data::{MailDataError, MailDataReader};
use crate::smtp::reply::{self, Replies, Reply};

/// What became of a message whose mail data has ended.
#[derive(Debug, Clone, Copy)]
pub enum MailDataOutcome<'text> {
    /// It is on stable storage, or the next hop has it. Named in the reply by the transaction id.
    Stored,
    /// It could not be stored; the client shall try again.
    TemporaryFailure,
    /// The reader refused it.
    Refused(MailDataError),
    /// Somebody else decided: a script, or a next hop. Counted as a message if the reply is 2yz.
    Replied(Reply<'text>),
}

impl Session {
    pub(super) fn data(&mut self, replies: &mut Replies) -> Step {
        let is_binary = self.transaction.as_ref().is_some_and(|transaction| {
            transaction.mail_parameters().body_type == BodyType::BinaryMime
        });
        if is_binary {
            return self.answer(&reply::binary_needs_chunks(), replies);
        }
        self.ask(Phase::Data, replies)
    }

    pub(super) fn start_mail_data(&mut self, replies: &mut Replies) -> Step {
        self.state = State::InMailData;
        replies.push(&reply::start_mail_input());
        Step::ReceiveMailData
    }

    /// A reader for the mail data that the client was told to send.
    #[must_use]
    pub fn mail_data_reader(&self) -> MailDataReader {
        let limits = self.options.limits;
        MailDataReader::new(limits.message_octets_max, limits.received_headers_max)
    }

    /// Answers the end of mail data and clears the transaction.
    pub fn mail_data_finished(
        &mut self,
        outcome: MailDataOutcome<'_>,
        replies: &mut Replies,
    ) -> Step {
        self.coming_chunk = None;
        let id = self.transaction_id.take();
        self.clear_transaction();
        self.state = State::Greeted;
        let reply = match outcome {
            MailDataOutcome::Stored => reply::queued(id.as_ref()),
            MailDataOutcome::TemporaryFailure => reply::not_stored(),
            MailDataOutcome::Refused(error) => {
                reply::from_mail_data_error(error, &self.options.limits)
            }
            MailDataOutcome::Replied(reply) => reply,
        };
        if reply.is_positive() {
            self.counters.messages_count = self.counters.messages_count.saturating_add(1);
            self.counters.idle_commands_count = 0;
        }
        self.answer(&reply, replies)
    }
}
