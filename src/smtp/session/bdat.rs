//! BDAT: mail data in chunks.
//!
//! In: the command; later what became of the chunk. Out: the reply to each chunk, once its octets have been consumed.
//! Guarantees: the octets of every chunk are consumed, also of one that is refused, unless it is so large that the
//! connection is closed; a chunk that is refused ends the transaction, so that none of its later chunks is taken for the
//! beginning of another message.
//! Does not: read chunks (`mail_data`) or store them (the pump).
//!
//! RFC 3030 §2 (BDAT), §3 (BINARYMIME).

use super::{BodyType, OrderError, Session, State, Step, order};
use crate::limits;
use crate::smtp::command::{Chunk, Verb};
use crate::smtp::extension::Extension;
use crate::smtp::mail_data::{ChunkReader, ContentKind, MailDataError};
use crate::smtp::reply::{self, Replies};

/// The chunk whose octets come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComingChunk {
    /// Its octets.
    pub octets: u64,
    /// What is to be done with them.
    pub fate: ChunkFate,
}

/// What is to be done with the octets of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkFate {
    /// They are consumed and forgotten; [`Session::chunk_skipped`] answers.
    Skipped(ChunkRefusal),
    /// They belong to the message; [`Session::chunk_received`] answers.
    Taken {
        /// Whether the message begins with them.
        is_first: bool,
        /// Whether it ends with them; [`Session::mail_data_finished`] answers then.
        is_last: bool,
    },
}

/// Why a chunk is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkRefusal {
    /// CHUNKING was not offered.
    NotOffered,
    /// It is not its turn.
    Order(OrderError),
}

impl Session {
    pub(super) fn bdat(&mut self, chunk: Chunk, replies: &mut Replies) -> Step {
        let octets_max = self.options.limits.message_octets_max;
        if octets_max.saturating_add(limits::CHUNK_OCTETS_SKIPPED_MAX) < chunk.octets() {
            let _ = self.answer(&reply::message_too_large(octets_max), replies);
            self.end();
            return Step::Close;
        }
        // A chunk of nothing brings no message nearer.
        if chunk.octets() == 0
            && !chunk.is_last()
            && let Err(step) = self.count_idle_command(replies)
        {
            return step;
        }
        let fate = if !self.extensions().offers(Extension::Chunking) && self.helo.is_some() {
            ChunkFate::Skipped(ChunkRefusal::NotOffered)
        } else if let Err(error) = order::permit(self.state, Verb::Bdat) {
            ChunkFate::Skipped(ChunkRefusal::Order(error))
        } else {
            let is_first = self.state != State::InChunks;
            self.state = State::InChunks;
            ChunkFate::Taken {
                is_first,
                is_last: chunk.is_last(),
            }
        };
        self.coming_chunk = Some(ComingChunk {
            octets: chunk.octets(),
            fate,
        });
        Step::ReceiveChunk
    }

    /// The chunk that [`Step::ReceiveChunk`] announced.
    #[must_use]
    pub fn coming_chunk(&self) -> Option<ComingChunk> {
        self.coming_chunk
    }

    /// A reader for the chunks of the message that begins.
    #[must_use]
    pub fn chunk_reader(&self) -> ChunkReader {
        let limits = self.options.limits;
        let body_type = self
            .transaction
            .as_ref()
            .map(|transaction| transaction.mail_parameters().body_type);
        let kind = match body_type {
            Some(BodyType::BinaryMime) => ContentKind::Binary,
            Some(BodyType::SevenBit | BodyType::EightBitMime) | None => ContentKind::Lines,
        };
        ChunkReader::new(limits.message_octets_max, limits.received_headers_max, kind)
    }

    /// Answers a chunk that was consumed and forgotten.
    pub fn chunk_skipped(&mut self, refusal: ChunkRefusal, replies: &mut Replies) -> Step {
        self.coming_chunk = None;
        let reply = match refusal {
            ChunkRefusal::NotOffered => reply::not_offered(Verb::Bdat),
            ChunkRefusal::Order(error) => reply::from_order_error(error),
        };
        self.answer(&reply, replies)
    }

    /// Answers a chunk that is not the last one, whose message is not refused so far, or is: then the transaction ends.
    pub fn chunk_received(
        &mut self,
        outcome: Result<(), MailDataError>,
        replies: &mut Replies,
    ) -> Step {
        let octets = self.coming_chunk.take().map_or(0, |chunk| chunk.octets);
        match outcome {
            Ok(()) => self.answer(&reply::chunk_received(octets), replies),
            Err(error) => {
                self.clear_transaction();
                self.state = State::Greeted;
                let reply = reply::from_mail_data_error(error, &self.options.limits);
                self.answer(&reply, replies)
            }
        }
    }
}
