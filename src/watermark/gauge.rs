//! What the process has left: memory, descriptors, space and inodes of a file system.
//!
//! In: descriptors opened at the start. Out: numbers of now. Guarantees: a look opens nothing, so that it works without
//! descriptors left and without rights to open; one that fails says nothing. Does not: judge the numbers.
//!
//! proc(5): `/proc/self/statm`, `/proc/self/fd`, whose size is the number of descriptors since Linux 6.2; cgroups(7).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Dir, Mode, OFlags, fstat, fstatvfs, openat};
use rustix::io::pread;
use rustix::process::{Resource, getrlimit};

/// What is measured of the process, opened before it gives up the right to open such files.
#[derive(Debug)]
pub struct Gauges {
    memory_limit_bytes: Option<u64>,
    statm: OwnedFd,
    descriptors: OwnedFd,
}

impl Gauges {
    /// Opens them.
    ///
    /// # Errors
    ///
    /// There is no proc file system.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            memory_limit_bytes: memory_limit_bytes(),
            statm: open(Path::new("/proc/self/statm"), OFlags::RDONLY)?,
            descriptors: open(
                Path::new("/proc/self/fd"),
                OFlags::RDONLY | OFlags::DIRECTORY,
            )?,
        })
    }

    /// Memory that the process may use, as of its start; none if nobody says.
    pub(super) fn memory_limit_bytes(&self) -> Option<u64> {
        self.memory_limit_bytes
    }

    /// Resident memory in bytes.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let count = pread(&self.statm, &mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..count]).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages.saturating_mul(rustix::param::page_size() as u64))
    }

    /// Descriptors that may still be opened; none if there is no limit.
    pub(super) fn descriptors_free(&self) -> Option<u64> {
        let limit = getrlimit(Resource::Nofile).current?;
        let size = u64::try_from(fstat(&self.descriptors).ok()?.st_size).ok()?;
        let open = if size == 0 {
            self.count_descriptors()?
        } else {
            size
        };
        Some(limit.saturating_sub(open))
    }

    fn count_descriptors(&self) -> Option<u64> {
        let entries = Dir::read_from(&self.descriptors).ok()?;
        let count = entries.filter(Result::is_ok).count() as u64;
        // Without the two entries that every directory has.
        Some(count.saturating_sub(2))
    }
}

/// The file system that a directory lies on.
#[derive(Debug)]
pub(super) struct SpaceGauge {
    directory: OwnedFd,
}

impl SpaceGauge {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        Ok(Self {
            directory: open(directory, flags)?,
        })
    }

    /// Bytes and inodes that are left for this user; no inodes where the file system does not count them.
    pub(super) fn free(&self) -> Option<(u64, Option<u64>)> {
        let found = fstatvfs(&self.directory).ok()?;
        let bytes = found.f_bavail.saturating_mul(found.f_frsize);
        let inodes = (0 < found.f_files).then_some(found.f_favail);
        Some((bytes, inodes))
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let opened = openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
    opened.map_err(io::Error::from)
}

/// Memory that this process may use: of the machine, or of its control group and those above it. None if nobody says.
fn memory_limit_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok();
    let total = meminfo.as_deref().and_then(total_bytes);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().flat_map(group_limits);
    total.into_iter().chain(limits).min()
}

/// `MemTotal:` of `/proc/meminfo`.
fn total_bytes(meminfo: &str) -> Option<u64> {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes.saturating_mul(1_024))
}

/// The limits along one line `hierarchy:controllers:path` of `/proc/self/cgroup`.
fn group_limits(line: &str) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or("/"));
    let (root, file) = if controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    let limits = groups.filter_map(|group| {
        let text = fs::read_to_string(Path::new(root).join(group).join(file)).ok()?;
        // `max` is no number.
        text.trim().parse().ok()
    });
    limits.collect()
}

#[cfg(test)]
mod tests {
    use super::{Gauges, SpaceGauge, memory_limit_bytes, total_bytes};
    use std::path::Path;

    #[test]
    fn the_process_is_measured() {
        let gauge = Gauges::open().expect("proc is there");
        let before = gauge.memory_bytes().expect("it has a size");
        let memory = vec![1_u8; 64 << 20];
        let after = gauge.memory_bytes().expect("it has a size");
        assert!(
            before + (32 << 20) < after,
            "{before} and {after}, {}",
            memory[1 << 20]
        );
        assert!(after < memory_limit_bytes().expect("a machine has memory"));
    }

    #[test]
    fn both_ways_to_count_descriptors_agree() {
        let gauge = Gauges::open().expect("proc is there");
        // Other tests open and close descriptors meanwhile.
        let agree = (0..1_000).any(|_| {
            let counted = gauge.count_descriptors();
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            let free = gauge.descriptors_free();
            match (limit, free, counted) {
                (Some(limit), Some(free), Some(counted)) => {
                    // Counting opens a descriptor of its own.
                    limit - free == counted || limit - free + 1 == counted
                }
                _ => limit.is_none(),
            }
        });
        assert!(agree);
    }

    #[test]
    fn space_is_measured() {
        let gauge = SpaceGauge::open(Path::new("/")).expect("it is there");
        assert!(gauge.free().is_some());
        assert!(SpaceGauge::open(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemTotal:        2048 kB\nMemFree:  7 kB\n";
        assert_eq!(total_bytes(text), Some(2_048 * 1_024));
        assert_eq!(total_bytes("MemFree: 7 kB\n"), None);
    }
}
