//! Logging in over TCP: what needs a challenge, a delay or a file, and what operators read of it.
//!
//! In: configurations with users. Out: replies, the log, refusals of configurations. The rules of the exchange are tested
//! by `tests/dialogue/auth.smtp`.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use rustix::process::Signal;

use super::configuration::refused;
use super::server::{Client, ENGINE, Server, command, configuration, directory};
use crate::dialogue::profile::USERS;

/// A server with every mechanism; a failure is answered after `delay_ms`.
fn server(delay_ms: u32) -> Server {
    let users = USERS.map(|(name, secret)| format!("{name:?} = {secret:?}"));
    let lines = format!(
        "destination = \"discard\"\nauth_mechanisms = [\"PLAIN\", \"LOGIN\", \"CRAM-MD5\"]\n\
         auth_without_tls = true\nusers = {{ {} }}",
        users.join(", ")
    );
    let limits = format!("auth_failure_delay_ms = {delay_ms}");
    Server::start(&configuration(&lines, &limits))
}

/// A client that has said EHLO.
fn client(server: &Server) -> Client {
    let mut client = server.connect();
    client.expect("220 ");
    client.say("EHLO client.example");
    while client.expect("250").starts_with("250-") {}
    client
}

#[test]
fn cram_md5_proves_a_secret_that_is_not_sent() {
    let server = server(0);
    let mut challenges = Vec::new();
    for (secret, code) in [("tanstaaf", "235 "), ("another", "535 ")] {
        let mut client = client(&server);
        client.say("AUTH CRAM-MD5");
        let line = client.expect("334 ");
        let challenge = line.strip_prefix("334 ").expect("a challenge").trim_end();
        let challenge = BASE64.decode(challenge.as_bytes()).expect("base64");
        let mac = Hmac::<Md5>::new_from_slice(secret.as_bytes()).expect("any length");
        let digest = mac.chain_update(&challenge).finalize().into_bytes();
        let answer = format!("ann@example.org {}", HEXLOWER.encode(&digest));
        client.say(&BASE64.encode(answer.as_bytes()));
        client.expect(code);
        challenges.push(challenge);
    }
    assert_ne!(challenges[0], challenges[1], "no challenge comes twice");
}

#[test]
fn the_log_names_users_and_hides_secrets() {
    let mut server = server(0);
    let mut client = client(&server);
    for (line, code) in [
        ("AUTH GSSAPI dGFuc3RhYWY=", "504 "),
        // A client that reads no replies.
        ("dGFuc3RhYWY=", "500 "),
        ("AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==", "535 "),
        ("AUTH LOGIN YW5uQGV4YW1wbGUub3Jn", "334 "),
        ("dGFuc3RhYWY", "501 "),
        ("AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB0YW5zdGFhZg==", "235 "),
        ("XYZZY", "500 "),
        ("NOOP", "250 "),
        ("PLUGH", "500 "),
    ] {
        client.say(line);
        client.expect(code);
    }
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    let log = &log[log.find("event=").expect("events")..];
    for expected in [
        "event=auth_failed shard=0 session=0-0",
        "mechanism=PLAIN user=\"ann@example.org\"",
        "event=auth_succeeded",
        "code=504 command=\"(hidden)\"",
        "code=501 command=\"(hidden)\"",
        "code=500 command=\"PLUGH\"",
        "auth_succeeded=1 auth_failed=1 auth_unavailable=0",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
    for secret in ["dGFuc3RhYWY", "AGFub", "tanstaaf", "d3Jvbmc", "wrong"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn a_stop_does_not_wait_for_the_delay_of_a_failure() {
    let mut server = server(10_000);
    let mut client = client(&server);
    client.say("AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==");
    while !server.log().contains("event=auth_failed") {
        std::thread::yield_now();
    }
    server.signal(Signal::TERM);
    client.expect("421 4.3.2 ");
    client.expect_close();
    assert!(server.wait().success());
}

#[test]
fn slips_in_users_are_errors_with_their_place() {
    let said = refused(&format!(
        "{ENGINE}[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\n\
         auth_mechanisms = [\"PLAIM\", \"SCRAM\"]\nauth_required = true\n\
         users = {{ ann = \"$2y$99$x\", bob = \"$argon2id$v=19$m=2000000,t=1,p=1$c29tZXNhbHQ\
         $nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\", eve = \"\", \"a\\tb\" = \"x\" }}\n\
         users_file = \"missing\"\n"
    ));
    for expected in [
        "error: `PLAIM` is no mechanism\n --> postern.toml:7:20",
        "did you mean \"PLAIN\"?",
        "error: `SCRAM` is no mechanism",
        "error: `auth_required` without a mechanism keeps every client out\n --> postern.toml:8:17",
        "error: user `ann`: the hash is no bcrypt hash\n --> postern.toml:9:17",
        "error: user `bob`: the hash takes more than 1073741824 bytes of memory for each login",
        "error: user `eve`: the secret is empty",
        "a user name has 1-255 octets and no control characters",
        "error: cannot read users from missing",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

#[test]
fn cram_md5_needs_somebody_with_a_plain_secret() {
    let said = refused(&format!(
        "{ENGINE}[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\n\
         auth_mechanisms = [\"CRAM-MD5\"]\nusers = {{ {:?} = {:?} }}\n",
        USERS[1].0, USERS[1].1
    ));
    assert!(
        said.contains("CRAM-MD5 is offered, and every user has a hash"),
        "{said}"
    );
}

#[test]
fn users_may_stand_in_a_file() {
    let text = format!(
        "# who may send\n\n{}:{}\nann:tanstaaf\n",
        USERS[1].0, USERS[1].1
    );
    let lines = "destination = \"discard\"\nauth_mechanisms = [\"PLAIN\", \"CRAM-MD5\"]\n\
                 auth_without_tls = true\nusers_file = \"users\"";
    let server = Server::start_with(&configuration(lines, ""), &[("users", &text)]);
    let mut client = client(&server);
    client.say("AUTH PLAIN AGJvYiBzbWl0aAB0YW5zdGFhZg==");
    client.expect("235 ");
    let log = server.log();
    assert!(
        log.contains("warning: the secret of `ann` is plain\n --> users:4:1"),
        "{log}"
    );
    assert!(log.contains("1 of 2 users have a hash"), "{log}");
}

#[test]
fn slips_in_a_file_of_users_are_errors_with_their_place() {
    let directory = directory();
    let text = "ann:$6$x\nno user\nbob:x\nbob:y\n";
    std::fs::write(directory.join("users"), text).expect("it is writable");
    let lines = "destination = \"discard\"\nauth_mechanisms = [\"PLAIN\"]\nusers_file = \"users\"";
    let output = command(&directory, &configuration(lines, "")).output();
    let output = output.expect("the command was built");
    let said = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    std::fs::remove_dir_all(directory).expect("it is ours");
    for expected in [
        "error: user `ann`: the hash is no SHA-512 crypt hash\n --> users:1:1\n",
        "1 | ann:****\n",
        "error: a user is written name:hash\n --> users:2:1\n",
        "error: user `bob`: the user is given twice\n --> users:4:1\n",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
