//! The server as an operator sees it: the built command, driven over TCP and signals.
//!
//! In: configurations and clients. Out: what the command prints, answers and stores. `server.rs` starts it and talks to
//! it; each other file is one concern.

mod auth;
pub(crate) mod channel;
mod configuration;
mod delivery;
mod deployment;
mod descriptors;
pub(crate) mod dialogues;
mod early;
mod endings;
mod fake_next_hop;
mod floods;
mod limits;
mod log;
mod next_hop;
mod next_hop_tls;
mod next_hop_traffic;
pub(crate) mod privilege;
mod proxy_protocol;
pub(crate) mod server;
mod stopping;
mod tls;
mod tls_scripts;
mod watermarks;
mod xclient;
