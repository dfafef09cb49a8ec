//! Chooses processors for the shards, and checks that this machine can run them at all.
//!
//! In: the operator's `cores` text, the affinity mask of the process, facts of the kernel. Out: one processor per shard,
//! or a refusal in plain words. Guarantees: every check happens before an executor starts, because the executor's own
//! failures name the wrong reason; each refusal names the fact, the limit and the remedy.
//! Does not: pin anything; the executor does.

use std::collections::BTreeSet;

use rustix::process::{Resource, getrlimit};

/// Why no shard can be started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(pub String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The processors to run one shard each on, ascending.
///
/// `spec` is `all`, a count (`4`: the first four the process may use), or a list (`0-3,8`).
///
/// # Errors
///
/// A spec that cannot be read, or that asks for processors this process may not use.
pub fn choose(spec: &str) -> Result<Vec<usize>, Refusal> {
    choose_from(spec, &allowed()?)
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

fn choose_from(spec: &str, allowed: &BTreeSet<usize>) -> Result<Vec<usize>, Refusal> {
    let spec = spec.trim();
    if spec == "all" {
        return Ok(allowed.iter().copied().collect());
    }
    if let Ok(count) = spec.parse::<usize>() {
        if count == 0 {
            return Err(Refusal("cores = 0: at least one core is needed".to_owned()));
        }
        if allowed.len() < count {
            return Err(Refusal(format!(
                "cores = {count}: the process may use {} ({}); ask for fewer or widen its affinity",
                allowed.len(),
                list(allowed)
            )));
        }
        return Ok(allowed.iter().copied().take(count).collect());
    }
    let wanted = parse_list(spec)?;
    let missing: BTreeSet<usize> = wanted.difference(allowed).copied().collect();
    if missing.is_empty() {
        return Ok(wanted.into_iter().collect());
    }
    Err(Refusal(format!(
        "cores = {spec}: the process may not use {}, only {}",
        list(&missing),
        list(allowed)
    )))
}

/// `0-3,8`, at least one comma or dash; a plain number is a count.
fn parse_list(spec: &str) -> Result<BTreeSet<usize>, Refusal> {
    let unreadable = || {
        Refusal(format!(
            "cores = `{spec}` cannot be read; write all, a count (4) or a list (0-3,8)"
        ))
    };
    let number = |digits: &str| {
        digits
            .parse::<usize>()
            .ok()
            .filter(|cpu| *cpu < rustix::thread::CpuSet::MAX_CPU)
            .ok_or_else(unreadable)
    };
    let mut cpus = BTreeSet::new();
    for part in spec.split(',').map(str::trim) {
        match part.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return Err(unreadable());
                }
                cpus.extend(first..=last);
            }
            // A trailing comma makes a list of one: `3,` is processor 3, `3` is three processors.
            None if part.is_empty() && !cpus.is_empty() => {}
            None => {
                cpus.insert(number(part)?);
            }
        }
    }
    Ok(cpus)
}

/// `0-3,8` for messages.
fn list(cpus: &BTreeSet<usize>) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    parts.join(",")
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
            "the sysctl kernel.io_uring_disabled is 1; set it to 0, or run with CAP_SYS_ADMIN or in \
             the group of kernel.io_uring_group"
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
    use std::collections::BTreeSet;

    use super::{check_kernel, choose_from};

    fn of(cpus: &[usize]) -> BTreeSet<usize> {
        cpus.iter().copied().collect()
    }

    #[test]
    fn specs_are_read_against_the_affinity() {
        let allowed = of(&[0, 1, 2, 3, 8]);
        assert_eq!(choose_from("all", &allowed), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(choose_from("2", &allowed), Ok(vec![0, 1]));
        assert_eq!(choose_from(" 5 ", &allowed), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(choose_from("1-3,8", &allowed), Ok(vec![1, 2, 3, 8]));
        assert_eq!(choose_from("8,", &allowed), Ok(vec![8]));
        assert_eq!(choose_from("2, 1", &allowed), Ok(vec![1, 2]));
    }

    #[test]
    fn refusals_name_fact_and_limit() {
        let allowed = of(&[0, 1, 4]);
        for (spec, said) in [
            ("4", "the process may use 3 (0-1,4)"),
            ("0", "at least one core"),
            ("0-4", "may not use 2-3, only 0-1,4"),
            ("three", "cannot be read"),
            ("3-1", "cannot be read"),
            ("0-99999999", "cannot be read"),
            ("", "cannot be read"),
            ("-1", "cannot be read"),
        ] {
            let refusal = choose_from(spec, &allowed).expect_err(spec);
            assert!(refusal.0.contains(said), "{spec}: {refusal}");
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
