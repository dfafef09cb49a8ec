//! The policies of `examples/scripts`, each seen working: the dialogues beside them, over TCP.
//!
//! In: the folders there. A dialogue's profile is a server of `postern.toml`, started as it stands there, but for where it
//! listens and stores; its scripts run behind those of `stage/`, which give clients the address and scripts the time that
//! the dialogue begins with. Dialogues of one file are played on one server, in order: what it has learned in one, it
//! knows in the next.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dialogue::script::Dialogue;
use crate::engine::dialogues::{Segments, dialogues, play};
use crate::engine::server::{Client, Server, directory};

/// Where the policies are.
const POLICIES: &str = "examples/scripts";

#[test]
fn policies_hold_line_by_line() {
    play_policies(Segments::Lockstep);
}

#[test]
fn policies_hold_at_once() {
    play_policies(Segments::One);
}

/// Every profile has a dialogue and every folder of policies a profile.
#[test]
fn every_policy_is_seen_working() {
    let folder = root().join(POLICIES);
    let text = fs::read_to_string(folder.join("postern.toml")).expect("it is text");
    let readme = fs::read_to_string(folder.join("README.md")).expect("it is text");
    let mut count = 0;
    for policy in folders() {
        let scripts = ["connect", "proxy"].map(|hook| format!("{policy}/{hook}.hsl"));
        let present = scripts.iter().filter(|script| folder.join(script).exists());
        let present: Vec<&String> = present.collect();
        if present.is_empty() {
            continue;
        }
        for script in present {
            assert!(
                text.contains(&format!("\"{script}\"")),
                "{script} has no profile"
            );
        }
        assert!(
            text.contains(&format!("id = \"{policy}\"")),
            "{policy} has no profile"
        );
        assert!(
            readme.contains(&format!("`{policy}`")),
            "README.md does not name {policy}"
        );
        let played = dialogues(&format!("{POLICIES}/{policy}"));
        assert!(
            played.iter().all(|dialogue| dialogue.profile == policy),
            "{policy}"
        );
        count += 1;
    }
    assert!(16 < count, "only {count} policies were found");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of all folders beside the configuration.
fn folders() -> Vec<String> {
    let entries = fs::read_dir(root().join(POLICIES)).expect("the folder is readable");
    let paths = entries.map(|entry| entry.expect("it is readable").path());
    let folders = paths.filter(|path| path.is_dir());
    let names = folders.map(|path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    });
    let mut names: Vec<String> = names.flatten().collect();
    names.sort();
    names
}

fn play_policies(segments: Segments) {
    for policy in folders() {
        let folder = format!("{POLICIES}/{policy}");
        if root().join(&folder).join("dialogue.smtp").exists() {
            let mut dialogues = dialogues(&folder);
            for dialogue in &mut dialogues {
                dialogue.file = format!("{folder}/{}", dialogue.file);
            }
            play_policy(&policy, &dialogues, segments);
        }
    }
}

fn play_policy(policy: &str, dialogues: &[Dialogue], segments: Segments) {
    let scripts = Scripts::of(policy);
    let server = Server::start(&scripts.configuration);
    let mut director = server.connect();
    director.expect("220 ");
    for dialogue in dialogues {
        let clients = dialogue.stage.iter().filter(|(name, _)| name == "client");
        assert_eq!(
            clients.count(),
            1,
            "{policy}: a dialogue says who the client is"
        );
        for (name, value) in &dialogue.stage {
            direct(&mut director, name, value);
        }
        play(dialogue, segments, &server);
    }
}

fn direct(director: &mut Client, name: &str, value: &str) {
    director.say(&format!("{name} {value}"));
    director.expect("250 ");
}

/// The scripts of one policy behind those that set the stage, in a folder that is removed in the end.
struct Scripts {
    folder: PathBuf,
    configuration: String,
}

impl Scripts {
    fn of(policy: &str) -> Self {
        let folder = directory();
        let path = root().join(POLICIES).join("postern.toml");
        let text = fs::read_to_string(path).expect("it is text");
        let mut servers = text.split("[[server]]\n");
        let engine = servers.next().unwrap_or_default();
        let engine = changed(
            engine,
            "directory",
            &root().join(POLICIES).display().to_string(),
        );
        let id = format!("id = \"{policy}\"\n");
        let server = servers.find(|server| server.starts_with(&id));
        let server = server.unwrap_or_else(|| panic!("no profile is called {policy}"));
        let server = changed(server, "destination", "maildir:mail");
        let listen = server.lines().find(|line| line.starts_with("listen = "));
        let listen = listen.expect("a profile listens");
        let mut server = server.replace(listen, "listen = [\"127.0.0.1:0\"]");
        for hook in ["connect", "proxy"] {
            let script = format!("{hook} = \"{policy}/{hook}.hsl\"");
            let include = format!("include \"{policy}/{hook}.hsl\";\n");
            let is_there = server.contains(&script);
            let path = write(&folder, hook, if is_there { &include } else { "" });
            let staged = format!("{hook} = \"{}\"", path.display());
            if is_there {
                server = server.replace(&script, &staged);
            } else {
                server = server.replace("[server.scripts]", &format!("[server.scripts]\n{staged}"));
            }
        }
        Self {
            folder,
            configuration: format!("{engine}[[server]]\n{server}"),
        }
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        // What is left behind lies in the target directory.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Lines of TOML with another value for a key, which must be there.
fn changed(text: &str, key: &str, value: &str) -> String {
    let start = format!("{key} = ");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("{key} is not in {text}"));
    text.replace(line, &format!("{start}\"{value}\""))
}

/// Writes what a hook runs: the stage, the clock, then the policy.
fn write(folder: &Path, hook: &str, policy: &str) -> PathBuf {
    let stage = root().join("tests/hook/stage");
    let part = |name: &str| fs::read_to_string(stage.join(name)).expect("it is text");
    let text = [
        part(&format!("{hook}.hsl")),
        part("clock.hsl"),
        policy.to_owned(),
    ]
    .concat();
    let path = folder.join(format!("{hook}.hsl"));
    fs::write(&path, text).expect("the directory is writable");
    path
}
