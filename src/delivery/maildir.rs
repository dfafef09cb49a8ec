//! A Maildir: one file per message, complete in `new/` or not there at all.
//!
//! In: a file name, content. Out: the file in `tmp/`, later in `new/`. Guarantees: a file appears in `new/` under a name
//! no other has, and never replaces one; files are readable by their owner only. Blocks: only threads of `writer.rs`
//! and the main thread call it. Does not: sync by itself, the writer decides when.
//!
//! The convention is D. J. Bernstein's "Using maildir format": tmp/, new/, cur/, unique names, no locks.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, Uid, accessat, fchown, fsync, openat};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::files::Files;

/// An open Maildir.
#[derive(Debug)]
pub(super) struct Maildir {
    tmp: OwnedFd,
    new: OwnedFd,
    host: String,
    files: Arc<dyn Files>,
}

/// Makes the directories of a Maildir, as far as they do not exist, for `owner` if it is another than this process.
pub(super) fn make(path: &Path, owner: Option<(Uid, Gid)>) -> io::Result<()> {
    let mut made = Vec::new();
    let result = ["tmp", "new", "cur"]
        .into_iter()
        .try_for_each(|name| make_directory(&path.join(name), &mut made))
        // A process that was killed may have made them without this.
        .and_then(|()| Ok(fsync(&directory(path)?)?));
    if let Some((user, group)) = owner {
        // Not before: root without CAP_DAC_OVERRIDE can make nothing in a directory of another.
        for directory in made {
            fchown(directory, Some(user), Some(group))?;
        }
    }
    result
}

impl Maildir {
    /// Opens the Maildir at `path`, making what does not exist, and removes unfinished files of dead processes.
    pub(super) fn open(path: &Path, hostname: &str, files: Arc<dyn Files>) -> io::Result<Self> {
        make(path, None)?;
        let host = hostname.replace('/', "\\057").replace(':', "\\072");
        let maildir = Self {
            tmp: directory(&path.join("tmp"))?,
            new: directory(&path.join("new"))?,
            host,
            files,
        };
        // Said now rather than to the first client.
        for directory in [&maildir.tmp, &maildir.new] {
            accessat(
                directory,
                ".",
                Access::WRITE_OK | Access::EXEC_OK,
                AtFlags::EACCESS,
            )?;
        }
        maildir.remove_unfinished(&path.join("tmp"))?;
        Ok(maildir)
    }

    /// The same Maildir, opened again. Each thread that syncs needs its own: the kernel tells of a failed write once per
    /// opened directory, and the thread that hears of it may not be the one whose name it was.
    pub(super) fn again(&self) -> io::Result<Self> {
        let again = |directory: &OwnedFd| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(directory, ".", flags, Mode::empty())
        };
        Ok(Self {
            tmp: again(&self.tmp)?,
            new: again(&self.new)?,
            host: self.host.clone(),
            files: Arc::clone(&self.files),
        })
    }

    /// The last part of every file name here.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Makes the file of a message that is being received.
    pub(super) fn create(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        self.files.create(self.tmp.as_fd(), name)
    }

    /// Writes all of `content` behind what the file has.
    pub(super) fn write(&self, file: BorrowedFd<'_>, mut content: &[u8]) -> rustix::io::Result<()> {
        while !content.is_empty() {
            match self.files.write(file, content) {
                Ok(0) => return Err(Errno::NOSPC),
                Ok(count) => content = &content[count..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the content of a file durable. After an error the file cannot be trusted, whatever a second try says: the
    /// kernel may have dropped what it could not write.
    pub(super) fn sync(&self, file: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.files.sync(file)
    }

    /// Moves a complete and synced file to `new/`, which needs [`Maildir::sync_new`] afterwards. After an error it is in
    /// neither place, unless another file has the name.
    pub(super) fn publish(&self, name: &str) -> rustix::io::Result<()> {
        let (tmp, new) = (self.tmp.as_fd(), self.new.as_fd());
        let published = match self.files.rename(tmp, new, name) {
            // File systems without the flag have links.
            Err(Errno::INVAL | Errno::NOSYS) => self.files.link(tmp, new, name).map(|()| {
                // The second name is removed at the next start if not now.
                let _ = self.files.remove(tmp, name);
            }),
            done => done,
        };
        if let Err(error) = published {
            if error != Errno::EXIST {
                // A network may lose the answer to a rename that was done.
                self.withdraw(name);
            }
            self.abandon(name);
        }
        published
    }

    /// Makes the names in `new/` durable.
    pub(super) fn sync_new(&self) -> rustix::io::Result<()> {
        self.files.sync(self.new.as_fd())
    }

    /// Removes a file that will not be finished.
    pub(super) fn abandon(&self, name: &str) {
        // What cannot be removed now is removed at the next start.
        let _ = self.files.remove(self.tmp.as_fd(), name);
    }

    /// Takes a published file back, because its name could not be made durable and the client was told so.
    pub(super) fn withdraw(&self, name: &str) {
        let _ = self.files.remove(self.new.as_fd(), name);
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

/// A name no other file has: the second, the process, the shard and its count, the host. Names of one shard are in the
/// order of its messages.
pub(super) fn unique_name(unix_seconds: i64, shard: usize, count: u64, host: &str) -> String {
    format!(
        "{unix_seconds}.P{}Q{shard}_{count:010}.{host}",
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
/// cut must not take the directory away that has synced messages in it. What is made, and nothing else, is in `made`.
fn make_directory(path: &Path, made: &mut Vec<OwnedFd>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_directory(above, made)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => {
            result?;
            made.push(made_directory(path)?);
        }
    }
    match directory(above) {
        // One may be allowed to make something there and not to read it.
        Err(Errno::ACCESS) => Ok(()),
        above => Ok(fsync(&above?)?),
    }
}

/// Opens a directory that was made a moment ago: that one, not what a link in its place leads to.
fn made_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
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
