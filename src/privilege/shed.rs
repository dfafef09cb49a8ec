//! Limits, user, groups, capabilities: raised or given up.
//!
//! In: an [`Identity`], or none where the process stays who it is. Out: a process that cannot get back what it gave up.
//! Guarantees: what was done is looked at afterwards, and going back is tried; where that succeeds, or anything is left,
//! the process does not go on. All calls concern the calling thread, so that a second thread is refused.
//!
//! capabilities(7), credentials(7), "Set-user-ID programs" of W. R. Stevens: groups first, then the group, then the user.

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getegid, geteuid, getgid, getgroups, getrlimit, getuid,
    set_dumpable_behavior, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, no_new_privs,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_gid,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid, set_thread_uid,
};

use super::{Identity, Refusal};

/// Whether the process is root's.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Raises the limits of descriptors and of locked memory as far as they may be raised. A limit that stays is judged by
/// those who need more.
pub fn raise_limits() {
    for resource in [Resource::Nofile, Resource::Memlock] {
        let Rlimit { maximum, .. } = getrlimit(resource);
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        let _ = setrlimit(resource, raised);
    }
}

/// Becomes `identity`, which only root can unless it is who the process is already.
///
/// # Errors
///
/// The kernel refuses, a second thread runs, or the process could become root again.
pub fn become_identity(identity: &Identity) -> Result<(), Refusal> {
    check_threads()?;
    let (user, group) = (identity.user(), identity.group());
    if !is_root() {
        if user == geteuid() && user == getuid() && group == getegid() && group == getgid() {
            return Ok(());
        }
        return Err(Refusal(format!(
            "only root can become user {} with group {}; start as root, or as that user and without `user`",
            user.as_raw(),
            group.as_raw()
        )));
    }
    let refused = |what: &str, error: Errno| {
        Refusal(format!(
            "cannot change {what} (user {}, group {}): {error}; a container must leave CAP_SETUID and CAP_SETGID",
            user.as_raw(),
            group.as_raw()
        ))
    };
    let groups = identity.groups();
    set_thread_groups(&groups).map_err(|error| refused("the supplementary groups", error))?;
    set_thread_res_gid(group, group, group).map_err(|error| refused("the group", error))?;
    if !user.is_root() {
        drop_bounding_set();
    }
    set_thread_res_uid(user, user, user).map_err(|error| refused("the user", error))?;
    verify(identity, groups)
}

/// Looks whether the process is whom it should be, and tries to go back.
fn verify(identity: &Identity, mut groups: Vec<rustix::fs::Gid>) -> Result<(), Refusal> {
    let (user, group) = (identity.user(), identity.group());
    let failed = |what: &str| {
        Refusal(format!(
            "after the change of user, {what}; this must not be"
        ))
    };
    let mut now = getgroups().map_err(|_| failed("the groups cannot be read"))?;
    now.sort_by_key(|group| group.as_raw());
    now.dedup();
    groups.sort_by_key(|group| group.as_raw());
    groups.dedup();
    if now != groups {
        return Err(failed("the supplementary groups are others"));
    }
    if [getuid(), geteuid()] != [user; 2] || [getgid(), getegid()] != [group; 2] {
        return Err(failed("the user or the group is another"));
    }
    if user.is_root() {
        return Ok(());
    }
    // With any of real, effective and saved user left at root, one of these succeeds.
    let root = rustix::fs::Uid::ROOT;
    if set_thread_uid(root).is_ok() || set_thread_res_uid(None, root, None).is_ok() {
        return Err(failed("root can be had again"));
    }
    let root = rustix::fs::Gid::ROOT;
    if !groups.contains(&root)
        && (set_thread_gid(root).is_ok() || set_thread_res_gid(None, root, None).is_ok())
    {
        return Err(failed("the group of root can be had again"));
    }
    Ok(())
}

/// Gives up every capability that serving does not need, and whatever could bring one back. Root keeps two: to use files
/// of others (CAP_DAC_OVERRIDE), as volumes of containers may be, and to lock memory for rings (CAP_IPC_LOCK).
/// `is_traceable` leaves core dumps and debuggers to who starts the process.
///
/// # Errors
///
/// The kernel refuses, a second thread runs, or a capability is left.
pub fn shed(is_traceable: bool) -> Result<(), Refusal> {
    check_threads()?;
    let refused = |what: &str, error: Errno| Refusal(format!("cannot {what}: {error}"));
    set_no_new_privs(true).map_err(|error| refused("set no_new_privs", error))?;
    drop_bounding_set();
    // No ambient set: Linux before 4.3, which is refused elsewhere.
    let _ = clear_ambient_capability_set();
    let failed = |error| refused("give up capabilities", error);
    let had = capabilities(None).map_err(failed)?;
    let kept = if is_root() {
        had.permitted & (CapabilitySet::DAC_OVERRIDE | CapabilitySet::IPC_LOCK)
    } else {
        CapabilitySet::empty()
    };
    let wanted = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, wanted).map_err(failed)?;
    if capabilities(None).map_err(failed)? != wanted || !no_new_privs().map_err(failed)? {
        return Err(Refusal(
            "capabilities are left after they were given up; this must not be".to_owned(),
        ));
    }
    if !is_traceable {
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        // Memory holds mail, keys and passwords: none of it goes to a core file or to another process of the user.
        setrlimit(Resource::Core, none).map_err(|error| refused("forbid core dumps", error))?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| refused("forbid tracing", error))?;
    }
    Ok(())
}

/// Takes every capability out of what a later program could get; only a process that may do that has some to lose.
fn drop_bounding_set() {
    for number in 0..CAPABILITIES_COUNT {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// The kernel changes one thread at a time; another one would keep everything. A thread that has just ended may still be
/// listed for a moment.
fn check_threads() -> Result<(), Refusal> {
    let mut count = 0;
    for _ in 0..THREAD_COUNTS_MAX {
        let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
            return Ok(());
        };
        count = threads.count();
        if count <= 1 {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(Refusal(format!(
        "{count} threads run before privileges were given up; this must not be"
    )))
}

/// Bits of a set of capabilities.
const CAPABILITIES_COUNT: u32 = 64;

/// How often threads are counted again before the count is believed; about a second.
const THREAD_COUNTS_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::check_threads;

    #[test]
    fn a_second_thread_is_refused() {
        // The harness runs tests on threads of their own.
        let refusal = check_threads().expect_err("the main thread of the harness waits");
        assert!(refusal.to_string().contains("threads run"), "{refusal}");
    }
}
