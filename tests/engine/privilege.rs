//! What a running server may still do: its user, its capabilities, its files and ports.
//!
//! Tests that need root, or a kernel with Landlock, say so and end where there is none.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use postern::privilege::{Confinement, Needs, confine};
use postern::profile::Confine;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use super::server::{MAILDIR, Server, command, configuration, directory};

/// Whether the test can go on; prints why not.
pub(crate) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: needs root");
    }
    is_root
}

/// The status of every thread of a process.
fn threads(process: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it is our child");
    let status = |task: std::io::Result<fs::DirEntry>| {
        fs::read_to_string(task.expect("it is readable").path().join("status"))
    };
    tasks.filter_map(|task| status(task).ok()).collect()
}

/// The words behind `key:` in the status of a thread.
fn field<'s>(status: &'s str, key: &str) -> Vec<&'s str> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("no {key} in {status}"));
    line.trim_start_matches(':').split_whitespace().collect()
}

#[test]
fn a_server_started_by_root_becomes_the_user_it_is_told() {
    if !is_root() {
        return;
    }
    // Any address of 127.0.0.0/8 is this machine's, so that port 25 is free on one of them.
    let process = std::process::id();
    let address = format!("127.83.{}.{}:25", process >> 8 & 0xff, process & 0xff);
    let text = configuration(MAILDIR, "")
        .replace("127.0.0.1:0", &address)
        .replace("maildir:mail", "maildir:store/mail")
        .replace("[engine]", "[engine]\nuser = \"nobody\"");
    let server = Server::start(&text);
    assert_eq!(server.address().to_string(), address);

    let store = fs::metadata(server.path("store")).expect("root has made it");
    let (user, group) = (store.uid(), store.gid());
    assert_ne!(user, 0, "directories are the user's");
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
    for name in ["mail", "mail/tmp", "mail/new", "mail/cur"] {
        let made = fs::metadata(server.path("store").join(name)).expect("it is made");
        assert_eq!((made.uid(), made.gid()), (user, group), "{name}");
    }
    for message in fs::read_dir(server.path("store/mail/new")).expect("it is made") {
        let message = message.expect("it is readable").metadata();
        assert_eq!(message.expect("it is readable").uid(), user);
    }
    let above = fs::metadata(server.path("")).expect("it is the test's");
    assert_eq!(above.uid(), 0, "what existed stays whose it was");

    let threads = threads(server.process());
    assert!(5 < threads.len(), "{threads:?}");
    for status in threads {
        assert_eq!(
            field(&status, "Uid"),
            [user.to_string().as_str(); 4],
            "{status}"
        );
        assert_eq!(
            field(&status, "Gid"),
            [group.to_string().as_str(); 4],
            "{status}"
        );
        assert!(!field(&status, "Groups").contains(&"0"), "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(
                field(&status, set),
                ["0000000000000000"],
                "{set} of {status}"
            );
        }
    }
}

/// What docs/OPERATIONS.md says a container has to leave to root; with less than all, root may not even write in directories
/// of others.
#[test]
fn root_of_a_container_needs_few_capabilities() {
    if !is_root() {
        return;
    }
    let left = CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::CHOWN;
    let volume = directory();
    for owner in [0, 10_025] {
        std::os::unix::fs::chown(&volume, Some(owner), Some(owner)).expect("it is ours");
        let mail = volume.join(format!("of-{owner}/mail"));
        // From the directory of the server: those above may be closed to the user.
        let name = volume.file_name().expect("it has one").display();
        let text = configuration(MAILDIR, "")
            .replace(
                "maildir:mail",
                &format!("maildir:../{name}/of-{owner}/mail"),
            )
            .replace("[engine]", "[engine]\nuser = \"10025\"\ngroup = \"10025\"");
        let start = || {
            // Of this thread, and so of the server that it starts.
            for number in 0..64 {
                let capability = CapabilitySet::from_bits_retain(1 << number);
                if !left.contains(capability) {
                    let _ = remove_capability_from_bounding_set(capability);
                }
            }
            Server::start(&text)
        };
        let server = std::thread::scope(|scope| scope.spawn(start).join());
        let server = server.expect("it starts");
        let mut client = server.greeted();
        client.begin_data();
        client.send(b"x\r\n.\r\n");
        client.expect("250 ");
        assert_eq!(fs::metadata(&mail).expect("it is made").uid(), 10_025);
        for status in threads(server.process()) {
            assert_eq!(field(&status, "CapPrm"), ["0000000000000000"], "{status}");
        }
    }
    fs::remove_dir_all(volume).expect("it is ours");
}

#[test]
fn no_thread_can_gain_privileges_and_no_core_is_dumped() {
    let server = Server::start(&configuration(MAILDIR, ""));
    // CAP_DAC_OVERRIDE and CAP_IPC_LOCK.
    let allowed_to_root: u64 = 1 << 1 | 1 << 14;
    for status in threads(server.process()) {
        assert_eq!(field(&status, "NoNewPrivs"), ["1"], "{status}");
        let effective = u64::from_str_radix(field(&status, "CapEff")[0], 16).expect("it is hex");
        assert_eq!(effective & !allowed_to_root, 0, "{status}");
        assert_eq!(field(&status, "CapEff"), field(&status, "CapPrm"));
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process()));
    let limits = limits.expect("it is our child");
    let of = |name: &str| {
        let line = limits
            .lines()
            .find(|line| line.starts_with(name))
            .expect("it is listed");
        line[name.len()..]
            .split_whitespace()
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("Max core file size"), ["0", "0"]);
    let descriptors = of("Max open files");
    assert_eq!(
        descriptors[0], descriptors[1],
        "as many as may be had are had"
    );
}

#[test]
fn root_without_a_user_is_warned_and_served() {
    if !is_root() {
        return;
    }
    let server = Server::start(&configuration(MAILDIR, ""));
    assert!(
        server.log().contains("warning: serving as root"),
        "{}",
        server.log()
    );
    let meant =
        configuration(MAILDIR, "").replace("[engine]", "[engine]\nuser = \"root\"\ngroup = \"0\"");
    let server = Server::start(&meant);
    assert!(!server.log().contains("warning:"), "{}", server.log());
}

#[test]
fn a_user_that_does_not_exist_is_refused_before_anything_is_made() {
    let directory = directory();
    let output = command(&directory, &configuration(MAILDIR, ""))
        .args(["--user", "nobody-of-that-name"])
        .output()
        .expect("the command was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no such user") && said.contains("useradd --system nobody-of-that-name"),
        "{said}"
    );
    assert!(!directory.join("mail").exists());
    fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn only_root_can_become_another() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root can");
        return;
    }
    let directory = directory();
    let output = command(&directory, &configuration(MAILDIR, ""))
        .args(["--user", "0"])
        .output()
        .expect("the command was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("only root can become user 0"), "{said}");
    fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn a_running_server_says_how_it_is_confined() {
    for (wish, level) in [("auto", None), ("off", Some("message"))] {
        let text = configuration(MAILDIR, "")
            .replace("[engine]", &format!("[engine]\nconfine = \"{wish}\""));
        let directory = directory();
        let mut child = command(&directory, &text)
            .spawn()
            .expect("the command was built");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let line = stderr
            .lines()
            .map(|line| line.expect("it is text"))
            .find(|line| line.contains(" event=confined "))
            .expect("it is said at the start");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        if let Some(level) = level {
            let ends = format!(" level={level} event=confined user=");
            assert!(
                line.contains(&ends) && line.ends_with(" enforced=none reason=off"),
                "{line}"
            );
        } else {
            assert!(
                line.contains(" enforced=landlock-")
                    || line.contains("level=warning") && line.contains(" reason="),
                "{line}"
            );
        }
        fs::remove_dir_all(directory).expect("it is ours");
    }
}

/// Confinement is a thread's and those it starts: the rest of the tests goes on without.
#[test]
fn what_is_not_named_is_refused_by_the_kernel() {
    let outside = directory();
    let inside = outside.join("inside");
    for name in ["inside", "inside/from", "inside/to", "readable"] {
        fs::create_dir_all(outside.join(name)).expect("it is ours");
    }
    fs::write(outside.join("secret"), "x").expect("it is ours");
    fs::write(outside.join("readable/chain.pem"), "x").expect("it is ours");
    let open = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let named = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
    let needs = Needs {
        readable: vec![outside.join("readable"), outside.join("not-there")],
        writable: vec![inside],
        connects_to: vec![address(&named).port()],
    };
    std::thread::scope(|scope| {
        let confined = scope.spawn(|| confined(&outside, &needs, address(&open)));
        confined.join().expect("each attempt ends as expected");
    });
    assert!(
        fs::read(outside.join("secret")).is_ok(),
        "this thread is free"
    );
    fs::remove_dir_all(outside).expect("it is ours");
}

fn confined(outside: &Path, needs: &Needs, open: SocketAddr) {
    let version = match confine(Confine::Auto, needs).expect("the rules are sound") {
        Confinement::Landlock(version) => version,
        Confinement::None(reason) => {
            eprintln!("skipped: the kernel does not confine ({reason})");
            assert!(confine(Confine::Required, needs).is_err());
            return;
        }
    };
    let try_to = |path: &str, flags: OFlags| {
        openat(CWD, outside.join(path), flags, Mode::RUSR | Mode::WUSR).map(drop)
    };
    let make = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    assert_eq!(try_to("inside/from/a", make), Ok(()));
    let rename = |from: &str, to: &str| {
        let (from, to) = (outside.join(from), outside.join(to));
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
    };
    assert_eq!(rename("inside/from/a", "inside/to/a"), Ok(()));
    assert_eq!(try_to("inside/to/a", OFlags::RDONLY), Ok(()));
    assert_eq!(try_to("readable/chain.pem", OFlags::RDONLY), Ok(()));

    assert_eq!(try_to("secret", OFlags::RDONLY), Err(Errno::ACCESS));
    assert_eq!(try_to("made", make), Err(Errno::ACCESS));
    assert_eq!(
        try_to("readable/chain.pem", OFlags::WRONLY),
        Err(Errno::ACCESS)
    );
    assert_eq!(try_to("readable/made", make), Err(Errno::ACCESS));
    let out = rename("inside/to/a", "readable/a");
    assert!(matches!(out, Err(Errno::ACCESS | Errno::XDEV)), "{out:?}");
    assert_eq!(
        fs::read_to_string("/etc/passwd")
            .expect_err("not named")
            .raw_os_error(),
        Some(Errno::ACCESS.raw_os_error())
    );
    let run = std::process::Command::new("/bin/true").status();
    assert_eq!(
        run.expect_err("nothing is run").raw_os_error(),
        Some(Errno::ACCESS.raw_os_error())
    );
    if version < 4 {
        eprintln!("skipped in part: Landlock {version} knows no ports");
        return;
    }
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    assert!(TcpListener::bind("127.0.0.1:0").is_err_and(refused));
    assert!(TcpStream::connect(open).is_err_and(refused));
    let named = SocketAddr::new(open.ip(), needs.connects_to[0]);
    assert!(TcpStream::connect(named).is_ok(), "it listens and is named");
}
