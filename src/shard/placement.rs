//! Chooses processors for the shards, and checks that this machine can run them at all.
//!
//! In: the operator's [`Cores`], the affinity mask of the process, facts of the kernel. Out: one processor per shard,
//! or a refusal in plain words. Guarantees: every check happens before an executor starts, because the executor's own
//! failures name the wrong reason; each refusal names the fact, the limit and the remedy.
//! Does not: pin anything; the executor does.

use std::collections::BTreeSet;

use rustix::process::{Resource, getrlimit};

use crate::profile::{Cores, ranges};

/// Why no shard can be started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(pub String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The processors to run one shard each on, ascending: of a count, the first that the process may use.
///
/// # Errors
///
/// `cores` asks for processors this process may not use.
pub fn choose(cores: &Cores) -> Result<Vec<usize>, Refusal> {
    choose_from(cores, &allowed()?)
}

/// Checks that io_uring works here and that `shards_count` executors may lock the memory they need.
///
/// # Errors
///
/// The first fact that stands in the way.
pub fn check_machine(shards_count: usize) -> Result<(), Refusal> {
    check_kernel(&rustix::system::uname().release().to_string_lossy())?;
    check_io_uring()?;
    check_locked_memory(shards_count)
}

/// Processors this process may run on.
fn allowed() -> Result<BTreeSet<usize>, Refusal> {
    let mask = rustix::thread::sched_getaffinity(None).map_err(|error| {
        Refusal(format!(
            "cannot read the processor affinity of the process: {error}"
        ))
    })?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|cpu| mask.is_set(*cpu))
        .collect())
}

fn choose_from(cores: &Cores, allowed: &BTreeSet<usize>) -> Result<Vec<usize>, Refusal> {
    match cores {
        Cores::All => Ok(allowed.iter().copied().collect()),
        Cores::Count(count) if allowed.len() < *count => Err(Refusal(format!(
            "cores = {count}: the process may use {} ({}); ask for fewer or widen its affinity",
            allowed.len(),
            ranges(allowed)
        ))),
        Cores::Count(count) => Ok(allowed.iter().copied().take(*count).collect()),
        Cores::List(wanted) => {
            let missing: BTreeSet<usize> = wanted.difference(allowed).copied().collect();
            if missing.is_empty() {
                return Ok(wanted.iter().copied().collect());
            }
            Err(Refusal(format!(
                "cores = {cores}: the process may not use {}, only {}",
                ranges(&missing),
                ranges(allowed)
            )))
        }
    }
}

fn check_kernel(release: &str) -> Result<(), Refusal> {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        // An unreadable release is no evidence; the probe of io_uring decides.
        return Ok(());
    };
    if (major, minor) < KERNEL_MIN {
        return Err(Refusal(format!(
            "Linux {release} is too old: io_uring as postern uses it needs {}.{}; run a newer kernel",
            KERNEL_MIN.0, KERNEL_MIN.1
        )));
    }
    Ok(())
}

/// Makes and drops a small ring, the only proof that rings can be made.
fn check_io_uring() -> Result<(), Refusal> {
    let Err(error) = io_uring::IoUring::new(PROBE_ENTRIES) else {
        return Ok(());
    };
    let setting = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let remedy = match (
        setting.trim(),
        error
            .raw_os_error()
            .map(rustix::io::Errno::from_raw_os_error),
    ) {
        ("2", _) => "the sysctl kernel.io_uring_disabled is 2; set it to 0",
        ("1", _) => {
            "the sysctl kernel.io_uring_disabled is 1; set it to 0, or make the user a member of the group of \
             kernel.io_uring_group (capabilities are given up before)"
        }
        (_, Some(rustix::io::Errno::NOSYS)) => "this kernel is built without io_uring",
        (_, Some(rustix::io::Errno::NOMEM)) => {
            "the limit of locked memory is used up; raise it (LimitMEMLOCK=infinity, ulimit -l)"
        }
        (_, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)) => {
            "no descriptor is left; raise the limit of open files (LimitNOFILE, ulimit -n)"
        }
        _ => {
            "a sandbox forbids it: container runtimes block io_uring by default; allow the io_uring \
             system calls in the seccomp profile"
        }
    };
    Err(Refusal(format!(
        "io_uring cannot be used here ({error}): {remedy}"
    )))
}

fn check_locked_memory(shards_count: usize) -> Result<(), Refusal> {
    let Some(limit_bytes) = getrlimit(Resource::Memlock).current else {
        return Ok(());
    };
    if may_lock_any_memory() {
        return Ok(());
    }
    let needed_bytes = LOCKED_BYTES_FLOOR.max(shards_count as u64 * LOCKED_BYTES_PER_SHARD);
    if limit_bytes < needed_bytes {
        return Err(Refusal(format!(
            "{shards_count} shards lock {} KiB of memory for their rings, the limit is {} KiB; raise it \
             (LimitMEMLOCK=infinity in the unit, ulimit -l unlimited) or use fewer cores",
            needed_bytes / 1024,
            limit_bytes / 1024
        )));
    }
    Ok(())
}

/// Whether the process has CAP_IPC_LOCK, for which the limit does not count.
fn may_lock_any_memory() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(rustix::thread::CapabilitySet::IPC_LOCK)
    })
}

/// Oldest kernel: fast poll and the operations of the executor's rings.
const KERNEL_MIN: (u32, u32) = (5, 8);

/// Smallest ring that can be made.
const PROBE_ENTRIES: u32 = 2;

/// The executor refuses to start under this limit whatever it needs.
const LOCKED_BYTES_FLOOR: u64 = 512 * 1024;

/// Three rings of 128 entries, their completion queues, and the registered buffers of one executor, rounded up.
const LOCKED_BYTES_PER_SHARD: u64 = 192 * 1024;

#[cfg(test)]
mod tests {
    use super::{check_kernel, choose_from};

    fn choose(text: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
        let cores = text.parse().expect("cores");
        choose_from(&cores, &allowed.iter().copied().collect()).map_err(|refusal| refusal.0)
    }

    #[test]
    fn processors_are_chosen_from_the_affinity() {
        let allowed = [0, 1, 2, 3, 8];
        assert_eq!(choose("all", &allowed), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(choose("2", &allowed), Ok(vec![0, 1]));
        assert_eq!(choose("5", &allowed), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(choose("1-3,8", &allowed), Ok(vec![1, 2, 3, 8]));
        assert_eq!(choose("8,", &allowed), Ok(vec![8]));
    }

    #[test]
    fn refusals_name_fact_and_limit() {
        for (text, said) in [
            ("4", "the process may use 3 (0-1,4)"),
            ("0-4", "may not use 2-3, only 0-1,4"),
        ] {
            let refusal = choose(text, &[0, 1, 4]).expect_err(text);
            assert!(refusal.contains(said), "{text}: {refusal}");
        }
    }

    #[test]
    fn old_kernels_are_refused() {
        assert!(check_kernel("6.18.44-fc-v657").is_ok());
        assert!(check_kernel("5.8.0").is_ok());
        assert!(check_kernel("5.4.0-150-generic").is_err());
        assert!(check_kernel("unknown").is_ok());
    }
}
