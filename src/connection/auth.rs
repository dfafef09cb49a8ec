//! AUTH on a connection: what the session asks for while a client proves who it is.
//!
//! In: a step of the session's exchange. Out: the step after it. Guarantees: the shard goes on while others compare
//! secrets; the wait for them has a deadline, and so has the delay of a failure; both end at once when the process stops;
//! no line of the log holds what a client has sent to prove itself. Does not: compare anything, or speak SASL.
//!
//! RFC 4954 §4; RFC 2920 §3.1 (AUTH is the last command of a group).

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::Connection;
use super::transport::ConnectionError;
use crate::limits;
use crate::log::Level;
use crate::profile::EarlyTalker;
use crate::smtp::reply::ReplyCode;
use crate::smtp::session::{AuthOutcome, Credentials, Step};

/// Does what a step of the exchange asks for. Steps that are not of the exchange are returned as they are.
pub(super) async fn advance(
    connection: &mut Connection,
    step: Step,
) -> Result<Step, ConnectionError> {
    match step {
        Step::DrawNonce => {
            let nonce = uuid::Uuid::new_v4().into_bytes();
            let (session, replies) = (&mut connection.session, &mut connection.replies);
            Ok(session.auth_nonce(nonce, replies))
        }
        Step::ReadAuthResponse => {
            connection.note_early_answer(ReplyCode::AUTH_CHALLENGE);
            Ok(Step::Continue)
        }
        Step::VerifyCredentials => {
            connection.note_early_answer(ReplyCode::AUTHENTICATED);
            verify(connection).await
        }
        Step::Continue
        | Step::ReceiveMailData
        | Step::ReceiveChunk
        | Step::Decide(_)
        | Step::Close => Ok(step),
    }
}

/// Has the credentials verified and answers.
async fn verify(connection: &mut Connection) -> Result<Step, ConnectionError> {
    // What has been said before need not wait.
    connection.send_replies().await?;
    let outcome = match connection.session.take_credentials() {
        Some(credentials) => outcome(connection, credentials).await?,
        None => AuthOutcome::Refused,
    };
    note(connection, outcome);
    if outcome == AuthOutcome::Refused {
        delay(connection).await?;
    }
    let (session, replies) = (&mut connection.session, &mut connection.replies);
    Ok(session.auth_verified(outcome, replies))
}

/// What becomes of the credentials. They are dropped, and so is the outcome, when the connection ends meanwhile.
async fn outcome(
    connection: &Connection,
    credentials: Credentials,
) -> Result<AuthOutcome, ConnectionError> {
    let attempts = Rc::clone(&connection.commons.attempts);
    let users = Arc::clone(&connection.profile().users);
    let Some(attempt) = attempts.begin(&users, credentials) else {
        return Ok(AuthOutcome::Unavailable);
    };
    let due_ms = connection.due_ms(limits::VERIFICATION_TIMEOUT_MS);
    let outcome = connection
        .transport
        .pause(due_ms, |task| attempt.poll_outcome(task));
    Ok(outcome.await?.unwrap_or(AuthOutcome::Unavailable))
}

/// Lets a client wait that has failed, longer each time: guessing costs time, and the shard nothing.
async fn delay(connection: &Connection) -> Result<(), ConnectionError> {
    let failures_count = connection
        .session
        .counters()
        .auth_failures_count
        .saturating_add(1);
    let wait_ms = connection.profile().limits.auth_failure_delay_ms;
    let wait_ms = wait_ms.saturating_mul(failures_count.into());
    let wait_ms = wait_ms.min(limits::AUTH_FAILURE_DELAY_MS_MAX);
    if wait_ms == 0 {
        return Ok(());
    }
    let due_ms = connection.due_ms(wait_ms);
    let wait = connection.transport.pause(due_ms, |_| Poll::<()>::Pending);
    wait.await.map(drop)
}

/// Counts and logs an attempt: who, never what was sent to prove it.
fn note(connection: &Connection, outcome: AuthOutcome) {
    let counters = &connection.commons.counters;
    let (counter, level, event) = match outcome {
        AuthOutcome::Accepted => (&counters.auth_succeeded, Level::Message, "auth_succeeded"),
        AuthOutcome::Refused => (&counters.auth_failed, Level::Message, "auth_failed"),
        AuthOutcome::Unavailable => (
            &counters.auth_unavailable,
            Level::Warning,
            "auth_unavailable",
        ),
    };
    counter.increment();
    let Some(claimed) = connection.session.claimed() else {
        return;
    };
    if let Some(line) = connection.line(level, event) {
        let line = line.word("mechanism", claimed.mechanism().name());
        drop(line.octets("user", claimed.user_name()));
    }
}

impl Connection {
    /// Logs a client that has sent more behind AUTH without waiting for its reply.
    fn note_early_answer(&self, awaited: ReplyCode) {
        if !self.receive_buffer.is_empty() && self.profile().early_talker != EarlyTalker::Ignore {
            self.note_early_talker(awaited);
        }
    }
}
