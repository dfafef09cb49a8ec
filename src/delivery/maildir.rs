//! A Maildir: one file per message, complete in `new/` or not there at all.
//!
//! In: a file name, content. Out: the file in `tmp/`, later in `new/`. Guarantees: a file appears in `new/` under a name
//! no other has, and never replaces one; files are readable by their owner only. Blocks: only threads of `writer.rs`
//! and the main thread call it. Does not: sync by itself, the writer decides when.
//!
//! The convention is D. J. Bernstein's "Using maildir format": tmp/, new/, cur/, unique names, no locks.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fsync, linkat, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// An open Maildir.
#[derive(Debug)]
pub(super) struct Maildir {
    tmp: OwnedFd,
    new: OwnedFd,
    host: String,
}

impl Maildir {
    /// Opens the Maildir at `path`, making what does not exist, and removes unfinished files of dead processes.
    pub(super) fn open(path: &Path, hostname: &str) -> io::Result<Self> {
        for name in ["tmp", "new", "cur"] {
            make_directory(&path.join(name))?;
        }
        // A process that was killed may have made them without this.
        fsync(&directory(path)?)?;
        let host = hostname.replace('/', "\\057").replace(':', "\\072");
        let maildir = Self {
            tmp: directory(&path.join("tmp"))?,
            new: directory(&path.join("new"))?,
            host,
        };
        maildir.remove_unfinished(&path.join("tmp"))?;
        Ok(maildir)
    }

    /// The last part of every file name here.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Makes the file of a message that is being received.
    pub(super) fn create(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(&self.tmp, name, flags, Mode::RUSR | Mode::WUSR)
    }

    /// Moves a complete and synced file to `new/`, which needs [`Maildir::sync_new`] afterwards.
    pub(super) fn publish(&self, name: &str) -> rustix::io::Result<()> {
        match renameat_with(&self.tmp, name, &self.new, name, RenameFlags::NOREPLACE) {
            // File systems without the flag have links.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(&self.tmp, name, &self.new, name, AtFlags::empty())?;
                unlinkat(&self.tmp, name, AtFlags::empty())
            }
            done => done,
        }
    }

    /// Makes the names in `new/` durable.
    pub(super) fn sync_new(&self) -> rustix::io::Result<()> {
        fsync(&self.new)
    }

    /// Removes a file that will not be finished.
    pub(super) fn abandon(&self, name: &str) {
        // What cannot be removed now is removed at the next start.
        let _ = unlinkat(&self.tmp, name, AtFlags::empty());
    }

    /// Takes a published file back, because its name could not be made durable and the client was told so.
    pub(super) fn withdraw(&self, name: &str) {
        let _ = unlinkat(&self.new, name, AtFlags::empty());
    }

    /// Removes files that processes of this host left in `tmp/` and that are no longer alive.
    fn remove_unfinished(&self, tmp: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(tmp)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(pid) = process_of(name, &self.host)
                && is_dead(pid)
            {
                self.abandon(name);
            }
        }
        Ok(())
    }
}

/// A name no other file has: the second, the process, the shard and its count, the host.
pub(super) fn unique_name(unix_seconds: i64, shard: usize, count: u64, host: &str) -> String {
    format!(
        "{unix_seconds}.P{}Q{shard}_{count}.{host}",
        std::process::id()
    )
}

/// The process in a name that [`unique_name`] made on `host`.
fn process_of(name: &str, host: &str) -> Option<i32> {
    let (_, rest) = name
        .strip_suffix(host)?
        .strip_suffix('.')?
        .split_once(".P")?;
    let (pid, _) = rest.split_once('Q')?;
    pid.parse().ok()
}

/// Whether a process does not exist, or is this one, which has only just begun.
fn is_dead(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    pid == rustix::process::getpid() || test_kill_process(pid) == Err(Errno::SRCH)
}

/// Makes a directory and those above it, as far as they do not exist, and makes the names of new ones durable: a power
/// cut must not take the directory away that has synced messages in it.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_directory(above)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    match directory(above) {
        // One may be allowed to make something there and not to read it.
        Err(Errno::ACCESS) => Ok(()),
        above => Ok(fsync(&above?)?),
    }
}

fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    openat(
        CWD,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

#[cfg(test)]
mod tests {
    use super::{process_of, unique_name};

    #[test]
    fn the_process_is_found_in_a_name() {
        let name = unique_name(1_769_860_800, 3, 17, "mx.example.com");
        assert_eq!(
            process_of(&name, "mx.example.com"),
            i32::try_from(std::process::id()).ok()
        );
        assert_eq!(process_of(&name, "other.example.com"), None);
        assert_eq!(
            process_of("1769860800.M1P2.mx.example.com", "mx.example.com"),
            None
        );
        assert_eq!(process_of("", ""), None);
    }
}
