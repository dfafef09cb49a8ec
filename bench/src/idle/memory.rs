//! What a process of this machine holds: memory that is its own, memory of files, descriptors.
//!
//! In: its number. Out: what the kernel says of it now. Does not: count what the kernel holds for it, such as sockets.
//! proc(5), `/proc/pid/status`; getrlimit(2).

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// One look at a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Resident memory that no file backs, in bytes: heap and stacks.
    pub(super) anonymous_bytes: u64,
    /// Resident memory of files, in bytes: the program's code.
    pub(super) file_bytes: u64,
}

impl Memory {
    /// Looks at several processes, and adds up what is their own and what each has of files.
    pub(super) fn of_all(ids: impl Iterator<Item = u32>) -> Result<Self, Failure> {
        let none = Self {
            anonymous_bytes: 0,
            file_bytes: 0,
        };
        ids.map(Self::of).try_fold(none, |sum, one| {
            let one = one?;
            Ok(Self {
                anonymous_bytes: sum.anonymous_bytes + one.anonymous_bytes,
                file_bytes: sum.file_bytes + one.file_bytes,
            })
        })
    }

    /// Looks at process `id`.
    fn of(id: u32) -> Result<Self, Failure> {
        let path = format!("/proc/{id}/status");
        let text = fs::read_to_string(&path).map_err(|error| Failure::of(&path, error))?;
        let bytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
            let bytes = kib.map(|kib| kib * 1_024);
            bytes.ok_or_else(|| Failure(format!("{path} has no {key}")))
        };
        Ok(Self {
            anonymous_bytes: bytes("RssAnon:")?,
            file_bytes: bytes("RssFile:")?,
        })
    }
}

/// How many descriptors process `id` has open.
pub(super) fn descriptors_count(id: u32) -> Result<usize, Failure> {
    let path = format!("/proc/{id}/fd");
    let entries = fs::read_dir(&path).map_err(|error| Failure::of(&path, error))?;
    Ok(entries.count())
}

/// Lets this process, and those it starts, open `count` descriptors each, or as many as it may without
/// CAP_SYS_RESOURCE; how many that are.
pub(super) fn allow_descriptors(count: u64) -> Result<u64, Failure> {
    let limit = |count| Rlimit {
        current: Some(count),
        maximum: Some(count),
    };
    if setrlimit(Resource::Nofile, limit(count)).is_ok() {
        return Ok(count);
    }
    // None means no limit, which could have been set.
    let least = getrlimit(Resource::Nofile).maximum.unwrap_or(count);
    let allowed = setrlimit(Resource::Nofile, limit(least));
    allowed.map_err(|error| Failure::of("limit of descriptors", error))?;
    Ok(least)
}
