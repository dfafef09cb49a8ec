//! What the operator decided: validated, immutable, shared by every shard.
//!
//! In: a configuration file and the command line (`load.rs`, through `source.rs`). Out: one [`Configuration`] with an
//! `Arc<Profile>` per `[[server]]`. Guarantees: a `Profile` cannot be half-valid; loading reports every error at once.
//! Does not: open sockets, read mail, or change after loading.
//!
//! Reading order: `load.rs`, `cores.rs`, `server.rs`, `tls.rs`, `certificate.rs`, `users.rs`, `destination.rs`,
//! `scripts.rs`, `source.rs`.

mod certificate;
mod cores;
mod destination;
mod diagnostic;
mod load;
mod network;
mod scripts;
mod secrecy;
mod server;
mod source;
mod tls;
mod users;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::credentials::Users;
use crate::hook::HookScripts;
use crate::limits;
use crate::smtp::session::SessionOptions;

pub use certificate::Certificates;
pub use cores::{Cores, CoresError, ranges};
pub use destination::{DestinationAddress, NextHopAddress, NextHopHost, NextHopLimits};
pub use diagnostic::{Diagnostic, Place, Severity, SourceText};
pub use load::{EMBEDDED_CONFIGURATION, Overrides, load_embedded, load_file, load_text};
pub use network::Network;
pub use scripts::{Compiled, ScriptDirectory};
pub use tls::{ProfileTls, TlsBegin, acceptors};

/// Everything `postern serve` needs to know before it opens a socket.
#[derive(Debug)]
pub struct Configuration {
    /// Which processors to use.
    pub cores: Cores,
    /// Where the engine keeps what it must not lose.
    pub data_dir: PathBuf,
    /// Who the process becomes before it serves, by name or number; without it, it stays who it is.
    pub user: Option<String>,
    /// Its group, instead of the user's own.
    pub group: Option<String>,
    /// Whether the kernel is asked to confine the process to its files and ports.
    pub confine: Confine,
    /// What the process must have left to take new work.
    pub watermarks: Watermarks,
    /// Where `include` and `import` of scripts resolve.
    pub scripts_directory: Option<PathBuf>,
    /// Files that are not read for the last time here: the configuration itself, chains and keys of certificates.
    pub files: Vec<PathBuf>,
    /// The server profiles in the order of the file; never empty.
    pub profiles: Vec<Arc<Profile>>,
    /// The certificates that profiles name.
    pub certificates: Certificates,
    /// What an operator should look at; nothing that keeps postern from starting.
    pub warnings: Vec<Diagnostic>,
}

/// What must be left for new work to be taken. Below it new mail is refused, below half of it new connections; 0 is off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watermarks {
    /// Resident memory above which new mail is refused, and new connections an eighth higher; none is four fifths of
    /// what the machine, or the control group, has.
    pub memory_bytes_high: Option<u64>,
    /// Descriptors that may still be opened.
    pub descriptors_free_min: u64,
    /// Bytes on the file system of a Maildir.
    pub spool_free_bytes_min: u64,
    /// Inodes on the file system of a Maildir.
    pub spool_free_inodes_min: u64,
}

/// One `[[server]]`: how the connections to its addresses are treated.
#[derive(Debug)]
pub struct Profile {
    /// Its name, `$serverid` in scripts.
    pub id: String,
    /// Addresses to listen on; port 0 asks the system for one. Never empty.
    pub listen: Vec<SocketAddr>,
    /// Where accepted messages go.
    pub destination: DestinationAddress,
    /// What to do with octets that arrive before the greeting.
    pub early_talker: EarlyTalker,
    /// What to do with octets that arrive behind DATA, STARTTLS, AUTH or XCLIENT before their reply.
    pub early_command: EarlyTalker,
    /// The same behind EHLO.
    pub early_ehlo: EarlyTalker,
    /// Networks of balancers: if there are any, every connection comes from them and begins with a PROXY header.
    pub proxy_protocol_from: Vec<Network>,
    /// Networks that may use XCLIENT.
    pub xclient_from: Vec<Network>,
    /// Networks that may send to any domain.
    pub relay_from: Vec<Network>,
    /// TLS, unless it is off.
    pub tls: Option<ProfileTls>,
    /// Limits that the connection keeps; those of the protocol are in `session`.
    pub limits: ConnectionLimits,
    /// What decides at the points where scripts may.
    pub scripts: HookScripts,
    /// Who may log in.
    pub users: Arc<Users>,
    /// What the session needs to know.
    pub session: Arc<SessionOptions>,
}

/// What to do with a client that talks before the reply it must wait for (RFC 5321 §4.3.1, RFC 2920 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EarlyTalker {
    /// Answer 554 and close.
    Refuse,
    /// Note it in the log and go on.
    Log,
    /// Do not even look.
    Ignore,
}

/// Whether the process is confined to its files and ports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Confine {
    /// As far as the kernel can.
    #[default]
    Auto,
    /// Not at all; debuggers and core dumps are allowed too.
    Off,
    /// Or nothing is served.
    Required,
}

/// Limits of one profile that hold outside the protocol. Times are milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionLimits {
    /// Open connections of this profile, over all shards.
    pub connections_max: u32,
    /// Open connections of one client (IPv4 address, IPv6 /64), over all shards.
    pub connections_per_client_max: u32,
    /// New connections of one client within a second; 0 is off.
    pub connections_per_client_per_second_max: u32,
    /// Connections that may wait for their PROXY header at one time, over all shards.
    pub proxy_headers_awaited_max: u32,
    /// Wait for a whole PROXY header.
    pub proxy_header_timeout_ms: u64,
    /// Wait for a command line, from the first octet that is missing to its CRLF.
    pub command_timeout_ms: u64,
    /// Wait for more mail data.
    pub mail_data_timeout_ms: u64,
    /// From MAIL to the end of mail data.
    pub transaction_timeout_ms: u64,
    /// Wait for a client to read its replies.
    pub write_timeout_ms: u64,
    /// Mean rate of mail data below which the client is let go.
    pub mail_data_octets_per_second_min: u64,
    /// Wait before the first failure to log in is answered; the second takes twice that, and so on. 0 is off.
    pub auth_failure_delay_ms: u64,
    /// The time over which that rate is measured.
    pub mail_data_rate_window_ms: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_COUNT_DEFAULT,
            connections_per_client_max: limits::CONNECTIONS_PER_CLIENT_COUNT_DEFAULT,
            connections_per_client_per_second_max:
                limits::CONNECTIONS_PER_CLIENT_PER_SECOND_COUNT_DEFAULT,
            proxy_headers_awaited_max: limits::PROXY_HEADERS_AWAITED_COUNT_DEFAULT,
            proxy_header_timeout_ms: limits::PROXY_HEADER_TIMEOUT_MS_DEFAULT,
            command_timeout_ms: limits::COMMAND_TIMEOUT_MS_DEFAULT,
            mail_data_timeout_ms: limits::MAIL_DATA_TIMEOUT_MS_DEFAULT,
            transaction_timeout_ms: limits::TRANSACTION_TIMEOUT_MS_DEFAULT,
            write_timeout_ms: limits::WRITE_TIMEOUT_MS_DEFAULT,
            mail_data_octets_per_second_min: limits::MAIL_DATA_OCTETS_PER_SECOND_MIN_DEFAULT,
            mail_data_rate_window_ms: limits::MAIL_DATA_RATE_WINDOW_MS_DEFAULT,
            auth_failure_delay_ms: limits::AUTH_FAILURE_DELAY_MS_DEFAULT,
        }
    }
}
