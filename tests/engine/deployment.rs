//! The files that keep postern in its place where others start it: the unit of systemd, the filter of containers.
//!
//! In: examples/systemd/postern.service, examples/container/seccomp.json. Out: a server that runs under the filter, and
//! every system call of a server at work looked up in both. What needs a tool of the machine says so and ends without it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use seccompiler::{TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use super::server::{Client, MAILDIR, command, configuration, directory};

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path)
}

fn profile() -> Value {
    let text = fs::read_to_string(example("container/seccomp.json")).expect("it is shipped");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Names in all entries with this action.
fn names(profile: &Value, action: &str) -> BTreeSet<String> {
    let entries = profile["syscalls"].as_array().expect("a list");
    let entries = entries.iter().filter(|entry| entry["action"] == action);
    entries
        .flat_map(|entry| entry["names"].as_array().expect("a list"))
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn the_filter_allows_what_is_named_and_nothing_else() {
    let profile = profile();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let allowed = names(&profile, "SCMP_ACT_ALLOW");
    for name in NEEDED {
        assert!(allowed.contains(*name), "{name} is needed");
    }
    for name in [
        "ptrace",
        "mount",
        "bpf",
        "unshare",
        "setns",
        "keyctl",
        "process_vm_readv",
        "init_module",
        "fork",
    ] {
        assert!(!allowed.contains(name), "{name} is not needed");
    }
    // Named once each, but for those that are allowed by their arguments.
    let mut seen = BTreeSet::new();
    for entry in profile["syscalls"].as_array().expect("a list") {
        for name in entry["names"].as_array().expect("a list") {
            assert!(
                seen.insert(name.as_str()) || !entry["args"].is_null(),
                "{name} is named twice"
            );
        }
    }
    assert_eq!(
        names(&profile, "SCMP_ACT_ERRNO"),
        BTreeSet::from(["clone3".to_owned()])
    );
}

/// The rules for a list of system calls as the library for filters reads them.
fn rules(profile: &Value, action: &str) -> Vec<Value> {
    let entries = profile["syscalls"].as_array().expect("a list");
    let mut rules = Vec::new();
    for entry in entries.iter().filter(|entry| entry["action"] == action) {
        for name in entry["names"].as_array().expect("a list") {
            let Some(arguments) = entry["args"].as_array() else {
                rules.push(json!({ "syscall": name }));
                continue;
            };
            let arguments = arguments.iter().map(|argument| {
                let (operation, value) = match argument["op"].as_str() {
                    Some("SCMP_CMP_EQ") => (json!("eq"), &argument["value"]),
                    Some("SCMP_CMP_MASKED_EQ") => {
                        (json!({ "masked_eq": argument["value"] }), &argument["valueTwo"])
                    }
                    other => panic!("{other:?} is not used"),
                };
                json!({ "index": argument["index"], "type": "qword", "op": operation, "val": value })
            });
            let arguments: Vec<Value> = arguments.collect();
            rules.push(json!({ "syscall": name, "args": arguments }));
        }
    }
    rules
}

/// Puts this thread, and what it starts, under the filter as a container's runtime would.
fn apply(profile: &Value) {
    let mut allowed = rules(profile, "SCMP_ACT_ALLOW");
    allowed.extend(rules(profile, "SCMP_ACT_ERRNO"));
    let allowed = json!({ "filter": {
        "mismatch_action": { "errno": profile["defaultErrnoRet"] }, "match_action": "allow", "filter": allowed,
    }});
    let not_there = json!({ "filter": {
        "mismatch_action": "allow", "match_action": { "errno": 38 }, "filter": rules(profile, "SCMP_ACT_ERRNO"),
    }});
    // The stricter answer of two filters holds.
    for filter in [not_there, allowed] {
        let compiled = compile_from_json(filter.to_string().as_bytes(), TargetArch::x86_64);
        let compiled = compiled.expect("every name is a system call");
        apply_filter(&compiled["filter"]).expect("a filter may always be added");
    }
}

#[test]
fn a_server_runs_under_the_filter_of_containers() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: numbers of system calls are those of x86_64 here");
        return;
    }
    let profile = profile();
    let directory = directory();
    let serve = || {
        apply(&profile);
        let mut command = command(&directory, &configuration(MAILDIR, ""));
        if rustix::process::geteuid().is_root() {
            command.args(["--user", "nobody"]);
        }
        let child = command.stderr(Stdio::null()).spawn();
        // Proof that the filter is there: a new namespace is refused, and would not be to root.
        let unshared = Command::new("unshare").arg("--user").arg("true").status();
        assert!(!unshared.is_ok_and(|status| status.success()));
        child.expect("the command was built")
    };
    let child = std::thread::scope(|scope| scope.spawn(serve).join());
    let mut child = child.expect("the filter lets it start");
    let process = i32::try_from(child.id()).expect("process numbers are small");
    work(&mut child, || process);
    fs::remove_dir_all(directory).expect("it is ours");
}

/// Has a server do what servers do, then stop. `process` is its number, once it runs.
fn work(child: &mut Child, process: impl FnOnce() -> i32) {
    let mut ready = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout)
        .read_line(&mut ready)
        .expect("it is text");
    let address = ready
        .strip_prefix("ready ")
        .and_then(|rest| rest.trim().parse().ok());
    let address = address.unwrap_or_else(|| panic!("it said {ready:?}"));
    for size in [100, 1_000_000, 100] {
        let mut client = Client::connect(address);
        client.expect("220 ");
        client.say("HELO client.example");
        client.expect("250 ");
        client.begin_data();
        client.send(&b"0123456789abcdef\r\n".repeat(size / 18 + 1));
        client.send(b".\r\n");
        client.expect("250 2.0.0 ");
        client.say("QUIT");
        client.expect("221 ");
    }
    let process = Pid::from_raw(process()).expect("it is not 0");
    rustix::process::kill_process(process, Signal::TERM).expect("it is our child");
    assert!(child.wait().expect("it is our child").success());
}

/// Whether a program of the machine can be run.
fn has(program: &str) -> bool {
    let status = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let has = status.is_ok_and(|status| status.success());
    if !has {
        eprintln!("skipped: there is no {program}");
    }
    has
}

/// The system calls that a group of systemd stands for, with those of groups within it.
fn group(name: &str, found: &mut BTreeSet<String>) {
    let output = Command::new("systemd-analyze")
        .args(["--no-pager", "syscall-filter", name])
        .output()
        .expect("it can be run");
    let text = String::from_utf8(output.stdout).expect("it is text");
    for word in text.lines().skip(1).map(str::trim) {
        if word.starts_with('@') {
            group(word, found);
        } else if !word.is_empty() && !word.starts_with('#') {
            found.insert(word.to_owned());
        }
    }
}

/// What the unit allows.
fn allowed_by_unit(unit: &str) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for line in unit.lines() {
        let Some(words) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        let (is_removed, words) = match words.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, words),
        };
        let mut named = BTreeSet::new();
        for word in words.split(' ') {
            if word.starts_with('@') {
                group(word, &mut named);
            } else {
                named.insert(word.to_owned());
            }
        }
        if is_removed {
            allowed.retain(|name| !named.contains(name));
        } else {
            allowed.append(&mut named);
        }
    }
    allowed
}

#[test]
fn every_system_call_of_a_server_at_work_is_allowed() {
    if !has("strace") {
        return;
    }
    let directory = directory();
    let serve = command(&directory, &configuration(MAILDIR, ""));
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "calls", "-I", "never"])
        .arg(serve.get_program())
        .args(serve.get_args());
    traced
        .current_dir(&directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = traced.spawn().expect("it can be run");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    work(&mut child, || {
        let children = fs::read_to_string(&children).expect("strace runs");
        // The signal to stop goes to the server, not to who traces it.
        children
            .trim()
            .parse()
            .expect("the server is its one child")
    });
    let calls = fs::read_to_string(directory.join("calls")).expect("it is text");
    let calls: BTreeSet<String> = calls.lines().filter_map(name_of).collect();
    assert!(
        calls.contains("io_uring_enter") && calls.contains("renameat2"),
        "{calls:?}"
    );

    let profile = profile();
    let mut allowed = names(&profile, "SCMP_ACT_ALLOW");
    // Answered as if it did not exist, after which the C library takes another.
    allowed.extend(names(&profile, "SCMP_ACT_ERRNO"));
    let missing: Vec<_> = calls.difference(&allowed).collect();
    assert!(missing.is_empty(), "seccomp.json lacks {missing:?}");
    if has("systemd-analyze") {
        let unit = fs::read_to_string(example("systemd/postern.service")).expect("it is shipped");
        let allowed = allowed_by_unit(&unit);
        let missing: Vec<_> = calls.difference(&allowed).collect();
        assert!(missing.is_empty(), "the unit lacks {missing:?}");
    }
    fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = fs::read_to_string(example("systemd/postern.service")).expect("it is shipped");
    for line in [
        "LimitMEMLOCK=infinity",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "MemoryDenyWriteExecute=no",
        "User=postern",
    ] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
    if !has("systemd-analyze") {
        return;
    }
    // It looks for the programs, the user is not looked up.
    let directory = directory();
    let unit = unit.replace("/usr/local/bin/postern", env!("CARGO_BIN_EXE_postern"));
    let path = directory.join("postern.service");
    fs::write(&path, unit).expect("it is ours");
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("postern"))
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
    fs::remove_dir_all(directory).expect("it is ours");
}

/// The system call of a line of strace: `PID name(arguments) = result`, or the second half of one.
fn name_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("<... ").unwrap_or(rest);
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
    let is_call = rest[end..].starts_with(['(', ' ']) && 0 < end;
    is_call.then(|| rest[..end].to_owned())
}

/// What a server cannot do without, whatever its C library chooses.
const NEEDED: &[&str] = &[
    "accept4",
    "bind",
    "capset",
    "eventfd2",
    "fcntl",
    "fsync",
    "futex",
    "getrandom",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "linkat",
    "listen",
    "membarrier",
    "mkdir",
    "mmap",
    "mprotect",
    "newfstatat",
    "openat",
    "prctl",
    "prlimit64",
    "recvfrom",
    "renameat2",
    "sched_setaffinity",
    "sendto",
    "setgroups",
    "setresgid",
    "setresuid",
    "socket",
    "statx",
    "unlinkat",
    "write",
];
