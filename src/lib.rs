//! postern: an SMTP engine, one shard per core.
//!
//! A session is a pure machine that turns commands into replies; one pump per connection moves octets between it and
//! the network; one shard per core owns its pumps.
//!
//! ```text
//!  octets --> command line --> command --> state machine --> reply --> octets      connection::pump
//!                                               |
//!                                               +--> mail data --> destination     delivery
//! ```
//!
//! Reading order: [`connection`] (start with `pump.rs`), [`smtp`], [`delivery`], [`shard`], [`profile`]; [`limits`] has
//! every bound, [`log`], [`mailbox`], [`bell`] and
//! [`metrics`] are what they say.
#![deny(unsafe_code)]

pub mod bell;
pub mod connection;
pub mod delivery;
pub mod limits;
pub mod log;
pub mod mailbox;
pub mod metrics;
pub mod profile;
pub mod shard;
pub mod smtp;
