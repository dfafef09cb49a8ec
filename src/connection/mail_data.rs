//! Mail data: from DATA's 354 to the reply to its end.
//!
//! In: octets of the connection. Out: a message at the profile's destination, and the reply. Guarantees: content goes
//! from the receive buffer to the destination in pieces, whatever the size of the message; 250 is said only after the
//! destination has made the message durable; a message that is refused, or whose client leaves, leaves nothing behind.
//! Does not: find the end of mail data or judge its octets, `smtp::mail_data` does.
//!
//! RFC 5321 §4.1.1.4, §4.2.5 (when responsibility passes), §4.5.3.2.5 and §4.5.3.2.6 (time-outs).

use std::rc::Rc;

use super::Connection;
use super::transport::ConnectionError;
use super::watch::{Activity, NEVER_MS};
use crate::delivery::{CommitError, Head, IncomingMessage, Refusal, StoreError};
use crate::log::Level;
use crate::profile::ConnectionLimits;
use crate::smtp::client::Outcome;
use crate::smtp::mail_data::{MailDataError, MailDataReader, Trace};
use crate::smtp::reply;
use crate::smtp::session::{MailDataOutcome, Step, TransactionId};

/// Receives one message and answers its end.
pub(super) async fn receive(connection: &mut Connection) -> Result<Step, ConnectionError> {
    connection.begin_transaction();
    let mut message = begin(connection);
    let verdict = match read(connection, &mut message).await {
        Ok(verdict) => verdict,
        Err(error) => {
            message.abandon().await;
            return Err(error);
        }
    };
    Ok(finish(connection, message, verdict).await)
}

/// Begins the message of the transaction, with its trace header.
pub(super) fn begin(connection: &mut Connection) -> IncomingMessage {
    let commons = Rc::clone(&connection.commons);
    let id = connection.transaction_id();
    let destination = &commons.served[connection.served].destination;
    let date = commons.clock.header_date();
    let transfer = connection.transfer.take();
    let seconds = commons.clock.unix_seconds();
    IncomingMessage::begin(destination, seconds, transfer, |head, header| {
        let Some(trace) = Trace::new(&connection.session, &id, &date) else {
            return;
        };
        match head {
            Head::FinalDelivery => trace.write(header),
            Head::Relaying => trace.write_received(header),
        }
    })
}

/// Stores a message that has been read to its end, unless it is refused, and answers.
pub(super) async fn finish(
    connection: &mut Connection,
    message: IncomingMessage,
    verdict: Result<u64, MailDataError>,
) -> Step {
    let id = connection.transaction_id();
    let result = match verdict {
        Ok(octets) => match message.commit().await {
            Ok(outcome) => Ok((octets, outcome)),
            Err(CommitError::Store(error)) => Err(Failure::NotStored(error)),
            Err(CommitError::NextHop(refusal)) => Err(Failure::NextHop(refusal)),
        },
        Err(error) => {
            message.abandon().await;
            Err(Failure::Refused(error))
        }
    };
    connection.commons.clock.refresh();
    connection.transaction_due_ms = NEVER_MS;
    note(connection, &id, result.as_ref());
    let outcome = match &result {
        Ok((_, None)) => MailDataOutcome::Stored,
        Ok((_, Some(outcome))) => MailDataOutcome::Replied(outcome.reply().as_reply()),
        Err(Failure::Refused(error)) => MailDataOutcome::Refused(*error),
        Err(Failure::NotStored(StoreError::NoSpace)) => MailDataOutcome::Replied(reply::no_space()),
        Err(Failure::NotStored(_)) => MailDataOutcome::TemporaryFailure,
        Err(Failure::NextHop(refusal)) => MailDataOutcome::Replied(refusal.reply()),
    };
    connection
        .session
        .mail_data_finished(outcome, &mut connection.replies)
}

/// Why a message was not accepted.
enum Failure {
    Refused(MailDataError),
    NotStored(StoreError),
    NextHop(Rc<Refusal>),
}

/// Reads up to the end of mail data.
async fn read(
    connection: &mut Connection,
    message: &mut IncomingMessage,
) -> Result<Result<u64, MailDataError>, ConnectionError> {
    let mut reader = connection.session.mail_data_reader();
    let mut rate = Rate::default();
    loop {
        if let Some(verdict) = take(connection, &mut reader, message, &mut rate).await {
            return Ok(verdict);
        }
        receive_more(connection, &mut rate).await?;
    }
}

/// Waits for octets of a message, within all the times a client has for them. All that has come was taken and counted.
pub(super) async fn receive_more(
    connection: &mut Connection,
    rate: &mut Rate,
) -> Result<(), ConnectionError> {
    let limits = connection.profile().limits;
    if rate.is_too_slow(&limits) {
        return Err(ConnectionError::TooSlow);
    }
    connection.commons.clock.refresh();
    let begin_ms = connection.commons.clock.now_ms();
    let due_ms = connection
        .due_ms(limits.mail_data_timeout_ms)
        .min(connection.transaction_due_ms);
    let Connection {
        transport,
        receive_buffer,
        ..
    } = connection;
    transport
        .receive(receive_buffer, Activity::Receiving, due_ms)
        .await?;
    rate.wait(connection.commons.clock.now_ms().saturating_sub(begin_ms));
    // A client that sends as fast as it can be read must not keep the others waiting.
    glommio::executor().yield_if_needed().await;
    Ok(())
}

/// Has the message write what it holds in memory, if that has become much.
pub(super) async fn spill(connection: &mut Connection, message: &mut IncomingMessage) {
    if message.must_spill() {
        message.spill().await;
        connection.commons.clock.refresh();
    }
}

/// Takes what is in the receive buffer; the verdict once mail data has ended.
async fn take(
    connection: &mut Connection,
    reader: &mut MailDataReader,
    message: &mut IncomingMessage,
    rate: &mut Rate,
) -> Option<Result<u64, MailDataError>> {
    while !connection.receive_buffer.is_empty() {
        let read = reader.read(connection.receive_buffer.octets());
        message.write(read.content);
        let (consumed, end) = (read.consumed, read.end);
        connection.receive_buffer.consume(consumed);
        rate.count(consumed);
        if end.is_some() {
            return end;
        }
        spill(connection, message).await;
    }
    None
}

/// How fast mail data comes while it is waited for, over a window that begins anew whenever it has been fast enough. What
/// the server takes for itself, for files, scripts or a next hop, is not the client's fault.
#[derive(Debug, Default)]
pub(super) struct Rate {
    waited_ms: u64,
    octets: u64,
}

impl Rate {
    /// Counts octets of mail data that have been taken.
    pub(super) fn count(&mut self, octets: usize) {
        self.octets += octets as u64;
    }

    /// Counts time in which the client was waited for.
    pub(super) fn wait(&mut self, ms: u64) {
        self.waited_ms += ms;
    }

    /// Whether too little has come in a window that is over; then the next begins.
    pub(super) fn is_too_slow(&mut self, limits: &ConnectionLimits) -> bool {
        if self.waited_ms < limits.mail_data_rate_window_ms {
            return false;
        }
        let octets_per_second = self.octets.saturating_mul(1_000) / self.waited_ms.max(1);
        *self = Self::default();
        octets_per_second < limits.mail_data_octets_per_second_min
    }
}

/// Counts and logs what became of a message, while the session still has its transaction.
fn note(
    connection: &Connection,
    id: &TransactionId,
    result: Result<&(u64, Option<Outcome>), &Failure>,
) {
    let counters = &connection.commons.counters;
    let (level, event) = match result {
        Ok((octets, _)) => {
            counters.messages.increment();
            counters.message_octets.add(*octets);
            (Level::Message, "accepted")
        }
        Err(Failure::Refused(_)) => {
            counters.messages_refused.increment();
            (Level::Message, "refused")
        }
        Err(Failure::NotStored(_)) => {
            counters.messages_refused.increment();
            (Level::Error, "not_stored")
        }
        Err(Failure::NextHop(_)) => {
            counters.messages_refused.increment();
            (Level::Message, "not_passed_on")
        }
    };
    let Some(line) = connection.line(level, event) else {
        return;
    };
    let mut line = line.word("id", id);
    if let Some(transaction) = connection.session.transaction() {
        line = line
            .octets("from", transaction.reverse_path().as_octets())
            .word("recipients", transaction.recipients_count());
        for recipient in transaction.recipients().take(RECIPIENTS_LOGGED_MAX) {
            line = line.octets("to", recipient.as_octets());
        }
    }
    drop(match result {
        Ok((octets, _)) => line.word("octets", octets),
        Err(Failure::Refused(error)) => line.word("reason", format_args!("{error:?}")),
        Err(Failure::NotStored(error)) => line.word("reason", error),
        Err(Failure::NextHop(refusal)) => match &**refusal {
            Refusal::Failure(failure) => line.octets("reason", failure.to_string().as_bytes()),
            Refusal::Reply(reply) => line.word("code", reply.code().number()),
            Refusal::Message(outcome) => line
                .word("code", outcome.reply().code().number())
                .word("partly_delivered", outcome.is_mixed()),
        },
    });
}

/// Recipients of one message that the log names: all of almost every message, and a bound for the line.
const RECIPIENTS_LOGGED_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::Rate;
    use crate::profile::ConnectionLimits;

    /// So many octets per second, over 30 seconds.
    fn at_least(octets_per_second: u64) -> ConnectionLimits {
        ConnectionLimits {
            mail_data_octets_per_second_min: octets_per_second,
            ..ConnectionLimits::default()
        }
    }

    #[test]
    fn the_rate_is_measured_over_windows() {
        let mut rate = Rate::default();
        rate.count(100);
        rate.wait(29_999);
        assert!(!rate.is_too_slow(&at_least(500)), "the window is not over");
        rate.wait(1);
        assert!(rate.is_too_slow(&at_least(500)));
        rate.count(15_000);
        rate.wait(30_000);
        assert!(
            !rate.is_too_slow(&at_least(500)),
            "15,000 octets in 30 seconds are 500 per second"
        );
        rate.count(15_000);
        rate.wait(30_001 + 30_000);
        assert!(
            rate.is_too_slow(&at_least(500)),
            "each window counts for itself"
        );
        rate.wait(100_000);
        assert!(!rate.is_too_slow(&at_least(0)), "0 is off");
    }
}
