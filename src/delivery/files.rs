//! What a destination asks of the file system, one call each.
//!
//! In: open directories, names, content. Out: what the kernel says. Guarantees: every call of a writer that can change
//! the disk goes through [`Files`], so that a test can answer for the disk, call by call, with any error it may give.
//! Does not: try again, or decide anything; `maildir.rs` and `writer.rs` do.

use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, linkat, openat, renameat_with, unlinkat};
use rustix::io::Result;

/// The file system, or what stands in for it.
pub trait Files: Debug + Send + Sync {
    /// Makes a file that only its owner reads; one of that name must not exist.
    ///
    /// # Errors
    ///
    /// Whatever the system says; there is no new file then.
    fn create(&self, directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd>;

    /// Writes at the end of what was written; how many bytes were, perhaps fewer than given.
    ///
    /// # Errors
    ///
    /// Whatever the system says; nothing was written then.
    fn write(&self, file: BorrowedFd<'_>, content: &[u8]) -> Result<usize>;

    /// Returns when the content of a file, or the names of a directory, are on the disk.
    ///
    /// # Errors
    ///
    /// Some of it is not, and a later call that succeeds does not mean that it is.
    fn sync(&self, file: BorrowedFd<'_>) -> Result<()>;

    /// Moves a file to another directory under the same name, replacing none.
    ///
    /// # Errors
    ///
    /// Whatever the system says; `INVAL` and `NOSYS` where it cannot promise to replace none.
    fn rename(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<()>;

    /// Gives a file the same name in another directory too, replacing none.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    fn link(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    fn remove(&self, directory: BorrowedFd<'_>, name: &str) -> Result<()>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn create(&self, directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(directory, name, flags, Mode::RUSR | Mode::WUSR)
    }

    fn write(&self, file: BorrowedFd<'_>, content: &[u8]) -> Result<usize> {
        rustix::io::write(file, content)
    }

    fn sync(&self, file: BorrowedFd<'_>) -> Result<()> {
        rustix::fs::fsync(file)
    }

    fn rename(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<()> {
        renameat_with(from, name, to, name, RenameFlags::NOREPLACE)
    }

    fn link(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<()> {
        linkat(from, name, to, name, AtFlags::empty())
    }

    fn remove(&self, directory: BorrowedFd<'_>, name: &str) -> Result<()> {
        unlinkat(directory, name, AtFlags::empty())
    }
}
