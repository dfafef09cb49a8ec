//! What the process gives up once it has what only a privileged process can get.
//!
//! In: sockets bound and directories made, a user to become, the paths and ports that serving needs. Out: a process that
//! can do little else. Order, and what each step is for:
//!
//! ```text
//!   raise_limits      descriptors and locked memory to the hard limits, while that is allowed
//!   become            groups, group, user; no capability is kept; going back is tried and must fail   identity.rs, shed.rs
//!   shed              no_new_privs, no core dump, no tracing by others                                shed.rs
//!   confine           Landlock: the named paths and ports, nothing else                               confine.rs
//! ```
//!
//! Guarantees: all of it belongs to the calling thread and is inherited by threads that start later, so that it is
//! refused while there is a second thread. Does not: filter system calls; the files of examples/ have them do so who
//! start the process.

mod confine;
mod identity;
mod shed;

pub use confine::{Confinement, Needs, confine};
pub use identity::Identity;
pub use shed::{become_identity, is_root, raise_limits, shed};

/// Why the process has more rights than it should and must not go on; a sentence with the remedy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
