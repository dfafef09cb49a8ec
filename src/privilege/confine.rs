//! Landlock: the kernel refuses every path and port that was not named.
//!
//! In: what serving needs. Out: rules that hold for this thread and those it starts, for good, and how many of them the
//! kernel knows. Guarantees: what is not named below cannot be opened, run or changed; no further TCP port is bound,
//! and only those named are connected to; no signal and no abstract socket reaches a process outside. Best effort: an
//! older kernel enforces less, down to nothing; the answer says what. Does not: restrict what is open already, UDP, or
//! named sockets.
//!
//! landlock(7); Linux 5.19 and later, since an older one would forbid the rename from tmp/ to new/.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

use super::Refusal;
use crate::profile::Confine;

/// What serving needs besides what is open already.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// Files and directories to read: scripts, certificates, the configuration.
    pub readable: Vec<PathBuf>,
    /// Directories to make, change and remove files in.
    pub writable: Vec<PathBuf>,
    /// TCP ports to connect to; with none, no name is looked up either.
    pub connects_to: Vec<u16>,
}

/// What the kernel enforces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Confinement {
    /// Rules of this version of the kernel's interface.
    Landlock(u32),
    /// Nothing, and why.
    None(&'static str),
}

/// Has the kernel refuse what `needs` does not name.
///
/// # Errors
///
/// `confine = "required"`, and the kernel does not.
pub fn confine(wish: Confine, needs: &Needs) -> Result<Confinement, Refusal> {
    if wish == Confine::Off {
        return Ok(Confinement::None("off"));
    }
    let confinement = match restrict(needs) {
        Ok(status) => match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
                Confinement::None("not-enabled")
            }
            (RulesetStatus::NotEnforced, _) => Confinement::None("not-available"),
            (_, LandlockStatus::Available { effective_abi, .. }) => {
                Confinement::Landlock((effective_abi as u32).min(LATEST as u32))
            }
            (_, _) => Confinement::None("not-enabled"),
        },
        Err(error) if wish == Confine::Required => {
            return Err(Refusal(format!(
                "confine = \"required\": the kernel refuses to confine the process: {error}"
            )));
        }
        // Within as many sandboxes as the kernel nests, for example.
        Err(_) => Confinement::None("refused"),
    };
    match confinement {
        Confinement::None(reason) if wish == Confine::Required => Err(Refusal(format!(
            "confine = \"required\": this kernel does not confine ({reason}); it takes Linux 5.19 with Landlock among its \
             security modules (lsm=landlock,...), or confine = \"auto\""
        ))),
        confinement => Ok(confinement),
    }
}

fn restrict(needs: &Needs) -> Result<landlock::RestrictionStatus, RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::Refer
        | AccessFs::Truncate;
    let mut readable: Vec<PathBuf> = ALWAYS_READ.iter().map(PathBuf::from).collect();
    // For the lines of a panic.
    readable.extend(std::env::current_exe());
    if !needs.connects_to.is_empty() {
        readable.extend(READ_TO_CONNECT.iter().map(PathBuf::from));
    }
    readable.extend(needs.readable.iter().cloned());
    let ports = needs.connects_to.iter();
    let ports = ports.map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    // A kernel without `Refer` would forbid every rename between directories: better none of it.
    Ruleset::default()
        .set_compatibility(CompatLevel::SoftRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LATEST))?
        .handle_access(AccessNet::from_all(LATEST))?
        .scope(Scope::from_all(LATEST))?
        .create()?
        .add_rules(path_beneath_rules(readable, reading))?
        .add_rules(path_beneath_rules(&needs.writable, writing))?
        .add_rules(path_beneath_rules(["/dev/null"], device()))?
        .add_rules(ports)?
        .restrict_self()
}

/// What is done with /dev/null.
fn device() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile
}

/// The latest version of the interface that was tried.
const LATEST: ABI = ABI::V7;

/// Read whatever is served: time zones by the clocks of shards, the machine by their executors, open descriptors by who
/// watches them (before Linux 6.2, which counts them itself).
const ALWAYS_READ: &[&str] = &[
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/sys/devices/system",
    "/proc/sys/kernel",
    "/proc/self/fd",
    "/proc/self/maps",
    "/dev/urandom",
];

/// Read to find a next hop, for which the C library may load parts of itself, and to trust it.
const READ_TO_CONNECT: &[&str] = &[
    "/etc/ld.so.cache",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/run/systemd/resolve",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];
