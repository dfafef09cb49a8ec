//! Mail data in chunks: from BDAT to the reply to it.
//!
//! In: octets of the connection. Out: a message at the profile's destination after the last chunk, and a reply to each.
//! Guarantees: exactly the announced octets of a chunk are consumed, whatever it is answered; 250 to the last is said
//! only after the destination has made the message durable; a message whose transaction has ended otherwise leaves
//! nothing behind. Does not: judge octets (`smtp::mail_data`) or order (`smtp::session`).
//!
//! RFC 3030 §2.

use super::mail_data::{self, Rate};
use super::transport::ConnectionError;
use super::{Connection, NEVER_MS, next_hop};
use crate::delivery::IncomingMessage;
use crate::limits;
use crate::smtp::mail_data::{ChunkReader, MailDataError};
use crate::smtp::session::{ChunkFate, Step};

/// A message of which not every chunk has come.
#[derive(Debug)]
pub(super) struct ChunkedMessage {
    reader: ChunkReader,
    message: IncomingMessage,
    /// How fast the client is, over all chunks and what is between them.
    rate: Rate,
}

/// Consumes the octets of one chunk and answers it.
pub(super) async fn receive(connection: &mut Connection) -> Result<Step, ConnectionError> {
    let Some(chunk) = connection.session.coming_chunk() else {
        return Ok(Step::Continue);
    };
    let (is_first, is_last) = match chunk.fate {
        ChunkFate::Taken { is_first, is_last } => (is_first, is_last),
        ChunkFate::Skipped(refusal) => {
            skip(connection, chunk.octets).await?;
            let (session, replies) = (&mut connection.session, &mut connection.replies);
            return Ok(session.chunk_skipped(refusal, replies));
        }
    };
    connection.begin_transaction();
    if is_first {
        connection.abandon_chunks().await;
        next_hop::begin_chunks(connection).await;
        let reader = connection.session.chunk_reader();
        let message = mail_data::begin(connection);
        connection.chunks = Some(Box::new(ChunkedMessage {
            reader,
            message,
            rate: Rate::default(),
        }));
    }
    let Some(mut chunks) = connection.chunks.take() else {
        return Ok(Step::Continue);
    };
    chunks.reader.begin(chunk.octets);
    let read = read(connection, &mut chunks).await;
    let outcome = match read {
        Ok(outcome) => outcome,
        Err(error) => {
            chunks.message.abandon().await;
            return Err(error);
        }
    };
    if is_last {
        let verdict = chunks.reader.finish();
        return Ok(mail_data::finish(connection, chunks.message, verdict).await);
    }
    match outcome {
        Ok(()) => connection.chunks = Some(chunks),
        Err(_) => {
            chunks.message.abandon().await;
            connection.transaction_due_ms = NEVER_MS;
            connection.commons.counters.messages_refused.increment();
        }
    }
    let (session, replies) = (&mut connection.session, &mut connection.replies);
    Ok(session.chunk_received(outcome, replies))
}

/// Reads one chunk into its message.
async fn read(
    connection: &mut Connection,
    ChunkedMessage {
        reader,
        message,
        rate,
    }: &mut ChunkedMessage,
) -> Result<Result<(), MailDataError>, ConnectionError> {
    loop {
        let read = reader.read(connection.receive_buffer.octets());
        message.write(read.content);
        let (consumed, end) = (read.consumed, read.end);
        connection.receive_buffer.consume(consumed);
        rate.count(consumed);
        mail_data::spill(connection, message).await;
        if let Some(verdict) = end {
            return Ok(verdict.map(|_| ()));
        }
        // What has been answered must not wait for what the client may send only after it.
        connection.send_replies().await?;
        mail_data::receive_more(connection, rate).await?;
    }
}

/// Throws the octets of a chunk away that no session has heard of; whether they are so few that it was done.
pub(super) async fn throw_away(
    connection: &mut Connection,
    octets: u64,
) -> Result<bool, ConnectionError> {
    if limits::CHUNK_OCTETS_SKIPPED_MAX < octets {
        return Ok(false);
    }
    skip(connection, octets).await?;
    Ok(true)
}

/// Throws the octets of a chunk away.
async fn skip(connection: &mut Connection, octets: u64) -> Result<(), ConnectionError> {
    let rate = &mut Rate::default();
    let mut left = octets;
    // Without a transaction nothing else bounds the time.
    let begun_here = connection.transaction_due_ms == NEVER_MS;
    connection.begin_transaction();
    loop {
        let here = connection.receive_buffer.octets().len();
        let consumed = usize::try_from(left).unwrap_or(usize::MAX).min(here);
        connection.receive_buffer.consume(consumed);
        rate.count(consumed);
        left -= consumed as u64;
        if left == 0 {
            if begun_here {
                connection.transaction_due_ms = NEVER_MS;
            }
            return Ok(());
        }
        connection.send_replies().await?;
        mail_data::receive_more(connection, rate).await?;
    }
}

impl Connection {
    /// By when there must be more of a message whose chunks are coming; never without one.
    ///
    /// # Errors
    ///
    /// They come too slowly.
    pub(super) fn chunks_due_ms(&mut self) -> Result<u64, ConnectionError> {
        let limits = self.profile().limits;
        let Some(chunks) = &mut self.chunks else {
            return Ok(NEVER_MS);
        };
        if chunks.rate.is_too_slow(&limits) {
            return Err(ConnectionError::TooSlow);
        }
        self.commons.clock.refresh();
        Ok(self.due_ms(limits.mail_data_timeout_ms))
    }

    /// Counts time in which the next chunk, or whatever, was waited for.
    pub(super) fn note_wait_between_chunks(&mut self, begin_ms: u64) {
        if let Some(chunks) = &mut self.chunks {
            let now_ms = self.commons.clock.now_ms();
            chunks.rate.wait(now_ms.saturating_sub(begin_ms));
        }
    }

    /// Forgets a message whose transaction has ended before its last chunk.
    pub(super) async fn abandon_chunks(&mut self) {
        if let Some(chunks) = self.chunks.take() {
            // Boxed: an idle connection must not have room for it.
            Box::pin(chunks.message.abandon()).await;
        }
    }
}
