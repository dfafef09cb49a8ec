//! Scripts in the server, as clients and operators see them.
//!
//! In: the `.smtp` dialogues of this folder, played over TCP; each `profile:` is a folder with the scripts of that
//! profile, one per hook and called as it is. `budget.rs` looks at scripts that do not end, `common.rs` at what scripts of all
//! shards share, `command.rs` at `postern run` and `postern check`, `guide.rs` at the sessions in the guide of the language,
//! `load.rs` at scripts that do not compile, `log.rs` at what operators read, `policies.rs` at the policies of the examples,
//! `rewriting.rs` at commands that scripts make of others.

mod budget;
mod command;
mod common;
mod guide;
mod load;
mod log;
mod policies;
mod rewriting;

use std::path::{Path, PathBuf};

use crate::engine::dialogues::{Segments, dialogues, play_all};
use crate::engine::server::{Server, configuration};

#[test]
fn dialogues_hold_line_by_line() {
    play_scripts(Segments::Lockstep);
}

#[test]
fn dialogues_hold_at_once() {
    play_scripts(Segments::One);
}

#[test]
fn dialogues_hold_octet_by_octet() {
    play_scripts(Segments::Octets);
}

/// The example of the project, as a client sees it.
#[test]
fn the_example_works() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hooks");
    let scripts = format!(
        "destination = \"discard\"\n[server.scripts]\nconnect = \"{0}/connect.hsl\"\nproxy = \"{0}/proxy.hsl\"",
        folder.display()
    );
    let server = Server::start(&configuration(&scripts, ""));
    let mut client = server.connect();
    client.expect("220 mx.example.org ESMTP, welcome 127.0.0.1\r\n");
    for (line, reply) in [
        ("XPING", "250 2.0.0 pong 1\r\n"),
        ("XPING", "250 2.0.0 pong 2\r\n"),
        ("XASK", "350 say something\r\n"),
        ("XPING", "250 2.0.0 you said: XPING\r\n"),
        (
            "VRFY a",
            "252 2.1.5 Cannot VRFY user, but will take message\r\n",
        ),
        (
            "HELO client.example",
            "250-mx.example.org greets client.example\r\n",
        ),
    ] {
        client.say(line);
        client.expect(reply);
    }
}

fn play_scripts(segments: Segments) {
    let server_of = |profile: &str| Server::start(&with_scripts(profile, ""));
    play_all(&dialogues("tests/hook"), segments, server_of);
}

/// The folder of a profile's scripts.
fn folder(profile: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/hook").join(profile)
}

/// A configuration with the scripts of a profile; `limits` are lines of TOML.
fn with_scripts(profile: &str, limits: &str) -> String {
    let mut server =
        "accept_domains = [\"example.org\"]\ndestination = \"maildir:mail\"\n".to_owned();
    if profile == "sasl" {
        server.push_str(
            "auth_mechanisms = [\"PLAIN\", \"LOGIN\"]\nauth_without_tls = true\n\
             users = { \"ann@example.org\" = \"tanstaaf\" }\n",
        );
    }
    server.push_str("[server.scripts]\n");
    let mut count = 0;
    for hook in ["connect", "proxy", "helo", "mailfrom", "rcptto"] {
        let path = folder(profile).join(format!("{hook}.hsl"));
        if path.exists() {
            server.push_str(&format!("{hook} = \"{}\"\n", path.display()));
            count += 1;
        }
    }
    assert!(0 < count, "{profile} has scripts");
    configuration(&server, limits)
}

/// Everything a server has logged, after it has stopped.
fn log_of(mut server: Server) -> String {
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success(), "{}", server.log());
    server.log()
}
