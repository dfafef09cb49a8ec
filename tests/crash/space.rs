//! A disk that is full, and one that may not be written.
//!
//! In: a server on a small file system of its own (which needs root; the tests say so and end without), or under a limit
//! of file sizes. Out: replies, and the store compared with the ledger.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::ledger::{Ledger, Outcome, Sender, unfinished_count};
use crate::engine::server::{MAILDIR, Server, command, configuration, directory};

/// A file system of 2 MiB; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it, or says why not.
    fn mount() -> Option<Self> {
        let path = directory();
        match mount("tmpfs", &path, "tmpfs", MountFlags::NODEV, c"size=2m") {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                eprintln!("skipped: cannot mount a small file system: {error}");
                fs::remove_dir_all(path).expect("it is ours");
                None
            }
        }
    }

    fn maildir(&self) -> PathBuf {
        self.0.join("mail")
    }

    fn remount(&self, flags: MountFlags) {
        mount_remount(&self.0, flags, "").expect("no file is open for writing");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is left of it would only be in the way of nobody.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(maildir: &Path) -> String {
    configuration(MAILDIR, "").replace("maildir:mail", &format!("maildir:{}", maildir.display()))
}

/// Sends messages of this size until one is refused, which must be with `start`.
fn fill(sender: &mut Sender, ledger: &mut Ledger, size: usize, start: &str) {
    for count in 0..1_000 {
        let key = format!("fill-{}-{count}/{size}", ledger.acknowledged_count());
        let outcome = sender.send(&key, || {});
        let refusal = match &outcome {
            Outcome::Acknowledged(_) => None,
            Outcome::Refused(reply) => Some(reply.clone()),
            Outcome::InDoubt => panic!("{key} is not answered"),
        };
        ledger.note(key, outcome);
        if let Some(reply) = refusal {
            assert!(reply.starts_with(start), "{reply}");
            return;
        }
    }
    panic!("there is room for everything");
}

fn send(sender: &mut Sender, ledger: &mut Ledger, key: &str) -> Outcome {
    let outcome = sender.send(key, || {});
    ledger.note(key.to_owned(), outcome.clone());
    outcome
}

#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let maildir = disk.maildir();
    let server = Server::start(&text(&maildir));
    let mut sender = Sender::greeted(server.address()).expect("it serves");
    let mut ledger = Ledger::default();
    // One after another: those that go to the disk in parts, those that fill what is left.
    for size in [300_000, 100_000, 10_000, 500] {
        fill(&mut sender, &mut ledger, size, "452 4.3.1 ");
        ledger.check(&maildir, "the disk is full");
        assert_eq!(unfinished_count(&maildir), 0);
    }
    let stored = ledger.check(&maildir, "the disk is full");
    assert_eq!(stored.len(), ledger.acknowledged_count());

    // What was read and removed makes room again.
    let first = stored.iter().find(|(key, _)| key.ends_with("/300000"));
    let (_, name) = first.expect("some of the large ones fit");
    fs::remove_file(maildir.join("new").join(name)).expect("it is there");
    let mut later = Ledger::default();
    let outcome = send(&mut sender, &mut later, "after/200000");
    assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    assert_eq!(unfinished_count(&maildir), 0);
    let names = fs::read_dir(maildir.join("new"))
        .expect("it is made")
        .count();
    assert_eq!(names, stored.len(), "one less and one more");
}

#[test]
fn a_disk_that_may_not_be_written_refuses_until_it_may() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let maildir = disk.maildir();
    let server = Server::start(&text(&maildir));
    let mut sender = Sender::greeted(server.address()).expect("it serves");
    let mut ledger = Ledger::default();
    for round in 0..3 {
        for size in [300, 300_000] {
            disk.remount(MountFlags::RDONLY);
            let outcome = send(&mut sender, &mut ledger, &format!("no-{round}/{size}"));
            let is_refused =
                matches!(&outcome, Outcome::Refused(reply) if reply.starts_with("451 4.3.0 "));
            assert!(is_refused, "{outcome:?}");
            disk.remount(MountFlags::empty());
            let outcome = send(&mut sender, &mut ledger, &format!("yes-{round}/{size}"));
            assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
        }
    }
    ledger.check(&maildir, "the disk could not be written for a while");
    assert_eq!(unfinished_count(&maildir), 0);
}

#[test]
fn a_disk_that_may_not_be_written_is_said_at_the_start() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let maildir = disk.maildir();
    let directory = directory();
    for is_made in [false, true] {
        if is_made {
            drop(Server::start(&text(&maildir)));
        }
        disk.remount(MountFlags::RDONLY);
        let output = command(&directory, &text(&maildir)).output();
        let output = output.expect("the command was built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let names = format!(
            "error: destination {} cannot be used: Read-only file system",
            maildir.display()
        );
        assert!(said.contains(&names), "{said}");
        assert!(output.stdout.is_empty(), "nothing is ready");
        disk.remount(MountFlags::empty());
    }
    fs::remove_dir_all(directory).expect("it is ours");
}

#[test]
fn a_limit_of_file_sizes_is_a_full_disk() {
    let server = Server::start(&configuration(MAILDIR, ""));
    let maildir = server.path("mail");
    let process = i32::try_from(server.process()).expect("process numbers are small");
    let limit = |bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Pid::from_raw(process), Resource::Fsize, limit).expect("it is our child");
    };
    let mut sender = Sender::greeted(server.address()).expect("it serves");
    let mut ledger = Ledger::default();
    limit(Some(65_536));
    for size in [100_000, 400_000] {
        let outcome = send(&mut sender, &mut ledger, &format!("large/{size}"));
        let is_refused =
            matches!(&outcome, Outcome::Refused(reply) if reply.starts_with("452 4.3.1 "));
        assert!(is_refused, "{outcome:?}");
        let outcome = send(&mut sender, &mut ledger, &format!("small-{size}/1000"));
        assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    }
    limit(None);
    let outcome = send(&mut sender, &mut ledger, "after/400000");
    assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    ledger.check(&maildir, "files were limited");
    assert_eq!(unfinished_count(&maildir), 0);
}
