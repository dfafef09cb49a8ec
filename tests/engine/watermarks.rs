//! What the server does when memory, descriptors, space or inodes run short, and when there is enough again.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{StatVfs, statvfs};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::server::{Client, MAILDIR, Server, configuration};

/// A server with these keys of `[engine]`.
fn server_with(watermarks: &str) -> Server {
    let text = configuration(MAILDIR, "idle_commands_max = 1000000000");
    // Confined, its descriptors could be seen by root alone.
    let engine = format!("[engine]\nconfine = \"off\"\n{watermarks}\n");
    Server::start(&text.replace("[engine]\n", &engine))
}

/// The file system that the servers of tests store mail on.
fn file_system() -> StatVfs {
    statvfs(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("it is there")
}

fn free_bytes() -> u64 {
    let found = file_system();
    found.f_bavail * found.f_frsize
}

/// New mail is refused, and nothing else.
fn refuses_mail(server: &Server) {
    let mut client = server.greeted();
    client.say("MAIL FROM:<a@client.example>");
    client.expect("452 4.3.1 Server is short of resources");
    client.say("NOOP");
    client.expect("250 ");
    client.say("RCPT TO:<b@example.org>");
    client.expect("503 ");
}

/// New connections are refused.
fn refuses_connections(server: &Server) {
    let mut client = server.connect();
    client.expect("421 4.3.2 Server is short of resources");
    client.expect_close();
}

/// The line of the log about a resource, once the server has written it.
fn logged(server: &Server, resource: &str, refuses: &str) -> bool {
    let words = format!("event=watermark resource={resource} refuses={refuses} ");
    patiently(|| server.log().contains(&words))
}

fn patiently(mut holds: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn little_space_refuses_mail() {
    let free_min = free_bytes() / 2 * 3;
    let server = server_with(&format!("spool_free_bytes_min = {free_min}"));
    refuses_mail(&server);
    assert!(logged(&server, "spool_bytes", "mail"), "{}", server.log());
}

#[test]
fn hardly_any_space_refuses_connections() {
    let free_min = free_bytes() * 4;
    let server = server_with(&format!("spool_free_bytes_min = {free_min}"));
    refuses_connections(&server);
    assert!(
        logged(&server, "spool_bytes", "connections"),
        "{}",
        server.log()
    );
}

#[test]
fn few_inodes_refuse_mail() {
    let found = file_system();
    // Some file systems make inodes as they need them.
    if found.f_files == 0 {
        return;
    }
    let server = server_with(&format!(
        "spool_free_inodes_min = {}",
        found.f_favail / 2 * 3
    ));
    refuses_mail(&server);
    assert!(logged(&server, "spool_inodes", "mail"), "{}", server.log());
}

#[test]
fn memory_above_its_mark_refuses_connections() {
    let server = server_with("memory_bytes_high = 1048576");
    refuses_connections(&server);
    assert!(logged(&server, "memory", "connections"), "{}", server.log());
}

#[test]
fn memory_that_clients_had_is_there_again() {
    let alike = server_with("memory_bytes_high = 0");
    drop(name_recipients(vec![alike.greeted()]));
    let high = memory(&alike, "VmRSS:") + MEMORY_OF_CLIENTS / 2;
    drop(alike);
    let server = server_with(&format!("memory_bytes_high = {high}"));
    let mut observer = server.greeted();
    assert!(takes_mail(&mut observer));
    let clients = (0..CLIENTS_COUNT).map(|_| server.greeted()).collect();
    let mut clients = name_recipients(clients);
    assert!(patiently(|| !takes_mail(&mut observer)), "mail is refused");
    // The last one keeps its place behind what all others had.
    let last = clients.pop();
    drop(clients);
    assert!(patiently(|| takes_mail(&mut observer)), "{}", server.log());
    drop(last);
}

#[test]
fn a_flood_that_is_over_has_left_little() {
    let server = server_with("memory_bytes_high = 0");
    drop(name_recipients(vec![server.greeted()]));
    let before = memory(&server, "RssAnon:");
    let clients = (0..CLIENTS_COUNT).map(|_| server.greeted()).collect();
    let mut clients = name_recipients(clients);
    assert!(before + MEMORY_OF_CLIENTS < memory(&server, "RssAnon:"));
    let last = clients.pop();
    drop(clients);
    let most = before + MEMORY_OF_CLIENTS / 4;
    assert!(patiently(|| memory(&server, "RssAnon:") < most));
    drop(last);
}

/// What `/proc` says of a server's memory, in bytes.
fn memory(server: &Server, what: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.process()));
    let text = text.expect("it is our child");
    let kib = text.lines().find_map(|line| line.strip_prefix(what));
    let kib = kib.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: Option<u64> = kib.and_then(|number| number.parse().ok());
    kib.expect("the kernel tells") * 1_024
}

/// Has each client name [`RECIPIENTS_COUNT`] recipients, a few at a time, so that the memory of one lies between that of
/// others.
fn name_recipients(mut clients: Vec<Client>) -> Vec<Client> {
    let original = "o".repeat(150);
    let mailbox = "l".repeat(60);
    let recipient = format!("RCPT TO:<{mailbox}@example.org> ORCPT=rfc822;{original}\r\n");
    for client in &mut clients {
        client.say("EHLO client.example");
        client.reply("250");
        client.say("MAIL FROM:<a@client.example>");
        client.expect("250 ");
    }
    for _ in 0..RECIPIENTS_COUNT / RECIPIENTS_AT_ONCE {
        for client in &mut clients {
            client.send(recipient.repeat(RECIPIENTS_AT_ONCE).as_bytes());
            (0..RECIPIENTS_AT_ONCE).for_each(|_| drop(client.expect("250 ")));
        }
    }
    clients
}

#[test]
fn what_is_off_refuses_nothing() {
    let server = server_with(
        "memory_bytes_high = 0\ndescriptors_free_min = 0\nspool_free_bytes_min = 0\nspool_free_inodes_min = 0",
    );
    let mut client = server.greeted();
    client.begin_data();
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
}

#[test]
fn few_descriptors_refuse_work_until_there_are_more() {
    let server = server_with("descriptors_free_min = 64");
    let process = i32::try_from(server.process()).expect("process numbers are small");
    let process = Pid::from_raw(process);
    let mut client = server.greeted();
    let open = || {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", server.process()));
        entries.expect("it is our child").count() as u64
    };
    let limit = |current: u64| {
        let maximum = Some(4_096);
        let current = Some(current);
        prlimit(process, Resource::Nofile, Rlimit { current, maximum }).expect("it is our child");
    };
    assert!(takes_mail(&mut client));

    limit(open() + 48);
    assert!(patiently(|| !takes_mail(&mut client)), "mail is refused");
    drop(server.greeted());

    // What has begun goes on.
    limit(open() + 512);
    assert!(patiently(|| takes_mail(&mut client)), "mail is taken again");
    client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>");
    client.expect("250 ");
    client.expect("250 ");
    limit(open() + 16);
    assert!(logged(&server, "descriptors", "connections"));
    refuses_connections(&server);
    client.say("DATA");
    client.expect("354 ");
    client.send(b"x\r\n.\r\n");
    client.expect("250 ");
    client.say("MAIL FROM:<a@client.example>");
    client.expect("452 4.3.1 ");

    limit(open() + 512);
    assert!(patiently(|| takes_mail(&mut client)), "mail is taken again");
    drop(server.greeted());
    assert!(logged(&server, "descriptors", "nothing"));
}

/// Whether MAIL is accepted now.
fn takes_mail(client: &mut Client) -> bool {
    client.say("MAIL FROM:<a@client.example>");
    let line = client.expect("");
    assert!(
        line.starts_with("250 ") || line.starts_with("452 4.3.1 "),
        "{line}"
    );
    client.say("RSET");
    client.expect("250 ");
    line.starts_with("250 ")
}

#[test]
fn a_confined_process_still_looks() {
    let free_min = free_bytes() / 2 * 3;
    let text = configuration(MAILDIR, "");
    let engine =
        format!("[engine]\nspool_free_bytes_min = {free_min}\ndescriptors_free_min = 1000000000\n");
    let server = Server::start(&text.replace("[engine]\n", &engine));
    refuses_connections(&server);
    for (resource, refuses) in [("spool_bytes", "mail"), ("descriptors", "connections")] {
        assert!(logged(&server, resource, refuses), "{}", server.log());
    }
}

/// What the recipients of all clients take at least, in bytes.
const MEMORY_OF_CLIENTS: u64 = (CLIENTS_COUNT * RECIPIENTS_COUNT) as u64 * 200;

/// Clients that name recipients.
const CLIENTS_COUNT: usize = 400;

/// Recipients of each.
const RECIPIENTS_COUNT: usize = 200;

/// Recipients named in one go: so many replies fit the system's buffers.
const RECIPIENTS_AT_ONCE: usize = 50;

/// How long a look of the server, once per second, may take to come.
const PATIENCE: Duration = Duration::from_secs(20);
