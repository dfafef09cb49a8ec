//! What `postern serve` gives up, and what it needs to keep.
//!
//! In: a configuration whose addresses are bound. Out: a process of its user, confined to the files and ports of the
//! configuration. Guarantees: directories of destinations exist and are the user's before root is gone. A kind of
//! destination, or of file that is read while serving, has to be named in `needs`, or the kernel refuses it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postern::delivery::Destinations;
use postern::log::{Level, LogSender};
use postern::privilege::{self, Confinement, Identity, Needs};
use postern::profile::{Configuration, Confine, DestinationAddress, NextHopHost};
use postern::shard::clock::Clock;
use signal_hook::consts::SIGXFSZ;

use super::Refusal;

/// Everything only a privileged process can do has been done but for directories, which are made here; after this it is
/// one no more. No thread may have been started.
pub(super) fn give_up(configuration: &Configuration) -> Result<Confinement, Refusal> {
    privilege::raise_limits();
    // Beyond a limit of file sizes a write is to fail, not to end the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(Refusal::machine)?;
    let identity = match &configuration.user {
        Some(user) => Some(
            Identity::look_up(user, configuration.group.as_deref())
                .map_err(Refusal::configuration)?,
        ),
        None => None,
    };
    if identity.is_none() && privilege::is_root() {
        eprintln!(
            "warning: serving as root: make a user and name it, user = \"postern\" in [engine] or --user postern; \
             user = \"root\" says that it is meant"
        );
    }
    let owner = identity
        .as_ref()
        .filter(|_| privilege::is_root())
        .map(|identity| (identity.user(), identity.group()));
    let profiles = &configuration.profiles;
    if owner.is_some() {
        // Root of a container may not be allowed to make things where the user is.
        let _ = Destinations::make_directories(profiles, owner);
    }
    if let Some(identity) = &identity {
        privilege::become_identity(identity).map_err(Refusal::machine)?;
    }
    Destinations::make_directories(profiles, None).map_err(Refusal::configuration)?;
    privilege::shed(configuration.confine == Confine::Off).map_err(Refusal::machine)?;
    privilege::confine(configuration.confine, &needs(configuration)).map_err(Refusal::machine)
}

/// The files and ports of a configuration while it is served.
fn needs(configuration: &Configuration) -> Needs {
    let mut needs = Needs::default();
    for file in &configuration.files {
        // A link may lead elsewhere, and a file be replaced by another of its name: both directories are read.
        let real = file.canonicalize().ok();
        let directories = real.iter().chain([file]).filter_map(|file| file.parent());
        needs.readable.extend(directories.map(or_here));
    }
    let scripts = configuration.scripts_directory.as_deref().map(or_here);
    needs.readable.extend(scripts);
    needs.writable.push(or_here(&configuration.data_dir));
    for profile in &configuration.profiles {
        match &profile.destination {
            DestinationAddress::Discard => {}
            DestinationAddress::Maildir(path) => needs.writable.push(or_here(path)),
            DestinationAddress::NextHop(address) => match &address.host {
                NextHopHost::Address(address) => needs.connects_to.push(address.port()),
                // Long answers about a name come over TCP.
                NextHopHost::Name { port, .. } => needs.connects_to.extend([*port, DNS_PORT]),
                // To connect is to write to the socket.
                NextHopHost::Socket(path) => needs.writable.push(or_here(path)),
            },
        }
    }
    needs
}

/// A path that can be opened: the empty one is the working directory.
fn or_here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    path.to_owned()
}

/// Logs what the kernel keeps the process from.
pub(super) fn say(log: &LogSender, confinement: Confinement) {
    let (level, enforced) = match confinement {
        Confinement::Landlock(version) => (Level::Message, format!("landlock-{version}")),
        Confinement::None(reason) => {
            let is_meant = reason == "off";
            let level = if is_meant {
                Level::Message
            } else {
                Level::Warning
            };
            (level, format!("none reason={reason}"))
        }
    };
    let user = rustix::process::geteuid().as_raw();
    let words = format!("user={user} enforced={enforced}");
    log.say(&Clock::new().log_date(), level, "confined", &words);
}

/// Where servers for names listen (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
