//! A disk that fails as it is told, and remembers what a power cut would leave of it.
//!
//! In: the calls of the writers, a fault for some of them. Out: what the system would say. Guarantees: a file or a name
//! counts as durable only once it was synced after its last change, and never again after a sync of it failed, whatever
//! later syncs say; a failed sync of a directory is told once to everyone who has it open, as Linux does since 4.13.
//! Does not: sync anything really; the files are there, to be looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Mutex;

use postern::delivery::{Files, SystemFiles};
use rustix::fs::{AtFlags, FileType, fstat, statat};
use rustix::io::{Errno, Result};

use super::random::Random;

/// One way to fail.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fault {
    /// No file is made.
    Create(i32),
    /// Nothing is written.
    Write(i32),
    /// Half is written, no error: the rest has to be written again.
    ShortWrite,
    /// Half is written, then the error comes.
    HalfWrite(i32),
    /// The content of a file does not get to the disk.
    SyncFile(i32),
    /// Names do not get to the disk.
    SyncDirectory(i32),
    /// The name stays where it was.
    Rename(i32),
    /// The name is moved, the answer is an error.
    RenameDone(i32),
    /// The file system cannot promise to replace nothing.
    RenameUnknown,
    /// A name cannot be removed.
    Remove(i32),
}

/// When to fail.
#[derive(Debug)]
pub(crate) enum Plan {
    /// With these, each at the next call that it fits.
    Once(Vec<Fault>),
    /// With any of `FAULTS`, at one call in so many.
    Random(Random, u64),
}

/// What became of the content of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Dirty,
    Durable,
    /// A sync has failed.
    Lost,
}

#[derive(Debug)]
struct Memory {
    plan: Plan,
    injected: BTreeSet<Fault>,
    /// By inode.
    contents: HashMap<u64, State>,
    /// Names that were moved, each with its inode and whether the name is durable.
    names: BTreeMap<String, (u64, State)>,
    /// How many syncs of the directory have failed.
    failures_count: u64,
    /// How many of them were told, by the descriptor that was opened.
    told: HashMap<RawFd, u64>,
    /// A descriptor whose next write fails.
    second_half: Option<(RawFd, Errno)>,
    /// The inode of `new`.
    new: Option<u64>,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Disk(Mutex<Memory>);

impl Disk {
    pub(crate) fn new(plan: Plan) -> Self {
        Self(Mutex::new(Memory {
            plan,
            injected: BTreeSet::new(),
            contents: HashMap::new(),
            names: BTreeMap::new(),
            failures_count: 0,
            told: HashMap::new(),
            second_half: None,
            new: None,
        }))
    }

    /// Fails from now on as `plan` says.
    pub(crate) fn follow(&self, plan: Plan) {
        self.memory().plan = plan;
    }

    /// Whether the planned faults have all happened.
    pub(crate) fn is_done(&self) -> bool {
        matches!(&self.memory().plan, Plan::Once(faults) if faults.is_empty())
    }

    /// The kinds of faults that have happened.
    pub(crate) fn injected(&self) -> BTreeSet<Fault> {
        self.memory().injected.clone()
    }

    /// Whether a file of `new` would be there, whole, after a power cut.
    pub(crate) fn is_durable(&self, name: &str) -> bool {
        let memory = self.memory();
        memory.names.get(name).is_some_and(|(inode, state)| {
            *state == State::Durable && memory.contents.get(inode) == Some(&State::Durable)
        })
    }

    /// Names of `new` that would be there after a power cut.
    pub(crate) fn durable_names(&self) -> BTreeSet<String> {
        let memory = self.memory();
        let durable = memory.names.iter();
        let durable = durable.filter(|(_, (_, state))| *state == State::Durable);
        durable.map(|(name, _)| name.clone()).collect()
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().expect("no call has panicked")
    }
}

impl Memory {
    /// The fault of this call, if it is to fail; `fits` tells which faults it can have.
    fn fault(&mut self, fits: impl Fn(Fault) -> bool) -> Option<Fault> {
        let fault = match &mut self.plan {
            Plan::Once(faults) => {
                let index = faults.iter().position(|fault| fits(*fault))?;
                faults.remove(index)
            }
            Plan::Random(random, one_in) => {
                if random.below(*one_in) != 0 {
                    return None;
                }
                let fitting: Vec<_> = FAULTS.iter().filter(|fault| fits(**fault)).collect();
                let count = u64::try_from(fitting.len())
                    .ok()
                    .filter(|count| 0 < *count)?;
                *fitting[usize::try_from(random.below(count)).ok()?]
            }
        };
        self.injected.insert(fault);
        Some(fault)
    }

    fn sync_directory(&mut self, descriptor: RawFd) -> Result<()> {
        if let Some(Fault::SyncDirectory(error)) =
            self.fault(|fault| matches!(fault, Fault::SyncDirectory(_)))
        {
            self.failures_count += 1;
            self.told.insert(descriptor, self.failures_count);
            for (_, state) in self.names.values_mut() {
                if *state == State::Dirty {
                    *state = State::Lost;
                }
            }
            return Err(Errno::from_raw_os_error(error));
        }
        let told = self.told.entry(descriptor).or_default();
        if *told < self.failures_count {
            *told = self.failures_count;
            return Err(Errno::IO);
        }
        for (_, state) in self.names.values_mut() {
            if *state == State::Dirty {
                *state = State::Durable;
            }
        }
        Ok(())
    }

    fn sync_file(&mut self, inode: u64) -> Result<()> {
        let fault = self.fault(|fault| matches!(fault, Fault::SyncFile(_)));
        let state = self.contents.entry(inode).or_insert(State::Dirty);
        if let Some(Fault::SyncFile(error)) = fault {
            *state = State::Lost;
            return Err(Errno::from_raw_os_error(error));
        }
        if *state == State::Dirty {
            *state = State::Durable;
        }
        Ok(())
    }

    fn moved(&mut self, to: BorrowedFd<'_>, name: &str) -> Result<()> {
        let inode = statat(to, name, AtFlags::empty())?.st_ino;
        self.new = Some(fstat(to)?.st_ino);
        self.names.insert(name.to_owned(), (inode, State::Dirty));
        Ok(())
    }
}

impl Files for Disk {
    fn create(&self, directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
        let mut memory = self.memory();
        if let Some(Fault::Create(error)) = memory.fault(|fault| matches!(fault, Fault::Create(_)))
        {
            return Err(Errno::from_raw_os_error(error));
        }
        let file = SystemFiles.create(directory, name)?;
        // An inode may be used again.
        memory.contents.insert(fstat(&file)?.st_ino, State::Dirty);
        Ok(file)
    }

    fn write(&self, file: BorrowedFd<'_>, content: &[u8]) -> Result<usize> {
        let mut memory = self.memory();
        let half = &content[..content.len().div_ceil(2)];
        if let Some((descriptor, error)) = memory.second_half.take()
            && descriptor == file.as_raw_fd()
        {
            return Err(error);
        }
        let fault = memory.fault(|fault| {
            let is_of_writes = matches!(fault, Fault::Write(_) | Fault::HalfWrite(_));
            is_of_writes || fault == Fault::ShortWrite
        });
        let content = match fault {
            Some(Fault::Write(error)) => return Err(Errno::from_raw_os_error(error)),
            Some(Fault::ShortWrite) => half,
            Some(Fault::HalfWrite(error)) => {
                memory.second_half = Some((file.as_raw_fd(), Errno::from_raw_os_error(error)));
                half
            }
            _ => content,
        };
        SystemFiles.write(file, content)
    }

    fn sync(&self, file: BorrowedFd<'_>) -> Result<()> {
        let stat = fstat(file)?;
        let mut memory = self.memory();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => memory.sync_directory(file.as_raw_fd()),
            _ => memory.sync_file(stat.st_ino),
        }
    }

    fn rename(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<()> {
        let mut memory = self.memory();
        let fault = memory.fault(|fault| {
            let fails = matches!(fault, Fault::Rename(_) | Fault::RenameDone(_));
            fails || fault == Fault::RenameUnknown
        });
        match fault {
            Some(Fault::Rename(error)) => return Err(Errno::from_raw_os_error(error)),
            Some(Fault::RenameUnknown) => return Err(Errno::INVAL),
            _ => SystemFiles.rename(from, to, name)?,
        }
        memory.moved(to, name)?;
        match fault {
            Some(Fault::RenameDone(error)) => Err(Errno::from_raw_os_error(error)),
            _ => Ok(()),
        }
    }

    fn link(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<()> {
        let mut memory = self.memory();
        SystemFiles.link(from, to, name)?;
        memory.moved(to, name)
    }

    fn remove(&self, directory: BorrowedFd<'_>, name: &str) -> Result<()> {
        let mut memory = self.memory();
        if let Some(Fault::Remove(error)) = memory.fault(|fault| matches!(fault, Fault::Remove(_)))
        {
            return Err(Errno::from_raw_os_error(error));
        }
        SystemFiles.remove(directory, name)?;
        // Its name in `tmp` may go and the one in `new` stay.
        if memory.new == Some(fstat(directory)?.st_ino) {
            memory.names.remove(name);
        }
        Ok(())
    }
}

/// What a plan of chance chooses from. Not `Remove`: what cannot be removed may stay, which has a test of its own.
pub(crate) const FAULTS: &[Fault] = &[
    Fault::Create(EIO),
    Fault::Create(EMFILE),
    Fault::Create(ENOSPC),
    Fault::Write(EIO),
    Fault::Write(ENOSPC),
    Fault::ShortWrite,
    Fault::HalfWrite(ENOSPC),
    Fault::HalfWrite(EIO),
    Fault::SyncFile(EIO),
    Fault::SyncFile(EDQUOT),
    Fault::SyncDirectory(EIO),
    Fault::Rename(EIO),
    Fault::RenameDone(EIO),
    Fault::RenameUnknown,
];

pub(crate) const EIO: i32 = Errno::IO.raw_os_error();
pub(crate) const EROFS: i32 = Errno::ROFS.raw_os_error();
pub(crate) const EMFILE: i32 = Errno::MFILE.raw_os_error();
pub(crate) const ENOSPC: i32 = Errno::NOSPC.raw_os_error();
pub(crate) const EDQUOT: i32 = Errno::DQUOT.raw_os_error();
