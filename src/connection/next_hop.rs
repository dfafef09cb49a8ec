//! What the next hop says about recipients and mail data, where the destination is one.
//!
//! In: the transaction. Out: a reply of the next hop, or the reason why there is none. Guarantees: a transfer lives no
//! longer than its transaction, and holds no connection to the next hop while the client has none; one line of the log
//! for each transaction that fails on the way. Does not: answer the client; `decision.rs` does.

use std::rc::Rc;

use super::Connection;
use crate::delivery::Refusal;
use crate::log::Level;
use crate::smtp::reply::ReceivedReply;
use crate::smtp::session::{State, Transaction};

/// Asks about the recipient given last; none if the destination is no next hop.
pub(super) async fn recipient(
    connection: &mut Connection,
) -> Result<Option<ReceivedReply>, Rc<Refusal>> {
    let commons = Rc::clone(&connection.commons);
    let destination = &commons.served[connection.served].destination;
    if !destination.is_next_hop() {
        return Ok(None);
    }
    // What is left of a message in chunks would hold one turn while its own client waits for another.
    if connection.session.state() != State::InChunks {
        connection.abandon_chunks().await;
    }
    // Not seen yet where all of it came at once.
    connection.begin_transaction();
    let due_ms = connection.transaction_due_ms;
    let id = connection.transaction_id();
    let mut transfer = connection.transfer.take();
    if let Some(former) = transfer.take_if(|transfer| *transfer.id() != id) {
        former.abandon();
    }
    connection.transfer = transfer.or_else(|| destination.transfer(id, due_ms).map(Box::new));
    let session = &connection.session;
    let (Some(transfer), Some(transaction)) = (&mut connection.transfer, session.transaction())
    else {
        return Ok(None);
    };
    let was_refused = transfer.is_refused();
    // Boxed: an idle connection must not have room for it.
    let verdict = Box::pin(transfer.recipient(transaction)).await;
    commons.clock.refresh();
    // After a failure every recipient has the same.
    if !was_refused && let Err(refusal) = &verdict {
        connection.note_failure(refusal);
    }
    verdict.map(Some)
}

/// Asks for leave to send mail data.
pub(super) async fn data(connection: &mut Connection) -> Result<(), Rc<Refusal>> {
    let Some(transfer) = &mut connection.transfer else {
        return Ok(());
    };
    let was_refused = transfer.is_refused();
    let verdict = Box::pin(transfer.data()).await;
    connection.commons.clock.refresh();
    if !was_refused && let Err(refusal) = &verdict {
        connection.note_failure(refusal);
    }
    verdict
}

/// Has the next hop expect content that comes in chunks. If it does not want it, the last chunk is answered so: the
/// client sends its chunks without waiting for leave, as it is entitled to (RFC 3030 §2).
pub(super) async fn begin_chunks(connection: &mut Connection) {
    if let Some(transfer) = &mut connection.transfer {
        Box::pin(transfer.insist_on_data()).await;
        connection.commons.clock.refresh();
    }
}

impl Connection {
    /// Forgets what a next hop was told of a transaction that is over.
    pub(super) fn abandon_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            transfer.abandon();
        }
    }

    /// Logs a recipient that the next hop does not take.
    pub(super) fn note_recipient_refused_by_next_hop(&self, refusal: &Refusal) {
        let ration = &self.commons.rations.recipients_refused;
        let Refusal::Reply(reply) = refusal else {
            return;
        };
        let Some(held_back) = self.commons.ration(ration) else {
            return;
        };
        let Some(line) = self.line(Level::Message, "recipient_refused") else {
            return;
        };
        let line = line.word("code", reply.as_reply().code().number());
        let transaction = self.session.transaction();
        let recipient = transaction.and_then(Transaction::last_recipient);
        let line = match recipient {
            Some(recipient) => line.octets("to", recipient.as_octets()),
            None => line,
        };
        drop(line.word("held_back", held_back));
    }

    /// Logs why the next hop could not be asked, if it could not.
    fn note_failure(&self, refusal: &Refusal) {
        let Some(failure) = refusal.failure() else {
            return;
        };
        let Some(mut line) = self.line(Level::Warning, "next_hop_failed") else {
            return;
        };
        if let Some(id) = self.session.transaction_id() {
            line = line.word("id", id);
        }
        drop(line.octets("reason", failure.to_string().as_bytes()));
    }
}
