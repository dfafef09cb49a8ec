//! Who may log in, and whether someone who says so does.
//!
//! In: what an operator wrote about users (`secret.rs`, `users.rs`), credentials that sessions took from clients. Out:
//! an outcome per attempt. Guarantees: a shard never hashes, threads of `verifier.rs` do, and how many attempts wait for
//! them is bounded; an unknown user takes as long as a wrong password; what one attempt may cost is bounded when the
//! configuration is loaded. Does not: speak SASL (`smtp::session` does), delay or count failures (`connection` does).
//!
//! Reading order: `secret.rs`, `users.rs`, `verifier.rs` (threads), `attempts.rs` (how a connection waits).

mod attempts;
mod secret;
mod users;
mod verifier;

pub use attempts::{Attempt, Attempts};
pub use secret::{Secret, SecretError};
pub use users::{NameError, Users};
pub use verifier::{Answer, JobSender, ShardVerifier, Verifiers};
