//! postern: an SMTP engine, one shard per core.
//!
//! A session is a pure machine that turns commands into replies; one pump per connection moves octets between it and
//! the network; one shard per core owns its pumps.
//!
//! ```text
//!  octets --> command line --> proxy script --> command --> state machine --> reply --> octets    connection::pump
//!                             (hook::proxy)                      |
//!  connect script --> greeting                                   +--> mail data --> destination    delivery
//!  (hook::connect)
//! ```
//!
//! Reading order: [`connection`] (start with `pump.rs`), [`smtp`], [`tls`], [`hook`], [`delivery`], [`credentials`],
//! [`shard`], [`profile`], [`proxy_protocol`], [`watermark`]; [`limits`] has every bound, [`log`], [`mailbox`], [`bell`],
//! [`spare`] and [`metrics`] are what they say; [`privilege`] is what the process gives up before it serves.
#![deny(unsafe_code)]

pub mod bell;
pub mod connection;
pub mod credentials;
pub mod delivery;
pub mod hook;
pub mod limits;
pub mod log;
pub mod mailbox;
pub mod metrics;
pub mod privilege;
pub mod profile;
pub mod proxy_protocol;
pub mod shard;
pub mod smtp;
pub mod spare;
pub mod tls;
pub mod watermark;
