//! Who decides at the phases of a session.
//!
//! In: the phase. Out: the session's next step, its reply gathered. Guarantees: nobody is asked about a phase that the
//! profile has nobody for. Does not: know what a decision does to the session; `smtp::session` does.

use super::Connection;
use super::transport::ConnectionError;
use crate::smtp::session::{Decision, Phase, Step};

/// Has whoever decides about `phase` do so.
pub(super) async fn decide(
    connection: &mut Connection,
    _phase: Phase,
) -> Result<Step, ConnectionError> {
    let (session, replies) = (&mut connection.session, &mut connection.replies);
    Ok(session.decide(Decision::Accept(None), replies))
}
