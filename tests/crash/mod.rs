//! What is left after the worst: kills, full disks, disks that fail, descriptors that run out.
//!
//! In: a server, clients that note every acknowledgement, and one thing that goes wrong. Out: the same three sentences each
//! time. Every acknowledged message is stored once and whole; nothing is stored in part, and nothing that was refused; the
//! server, or the one started after it, goes on serving.
//!
//! Longer runs: `POSTERN_CRASH_ROUNDS=100 cargo test --test engine crash` (5 rounds without it). A failure names its
//! seed; `POSTERN_CRASH_SEED` runs it again.
//!
//! Reading order: `ledger.rs` (clients and what must hold), `kill.rs`, `disk.rs` (a disk that fails as told),
//! `faults.rs`, `space.rs`, `descriptors.rs`.

mod descriptors;
pub(crate) mod disk;
mod faults;
mod kill;
mod ledger;
pub(crate) mod random;
mod space;
