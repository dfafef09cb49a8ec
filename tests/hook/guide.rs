//! The sessions at a terminal in the guide of the language, as a reader would have them.
//!
//! In: the blocks `console` of `docs/hsl.md`, with the files that the guide shows before them. Out: each command prints what
//! stands below it, standard output and standard error together. The scripts of the guide are run beside the compiler.
//! The scripts that other documents show compile in a hook, without a warning.

#[path = "../../jit/tests/conformance/markdown.rs"]
mod markdown;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::engine::server::directory;
use markdown::Example;

#[test]
fn every_session_of_the_guide_is_as_it_is_shown() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hsl.md");
    let guide = fs::read_to_string(guide).expect("the guide is text");
    let examples = markdown::examples(&guide);
    let examples = examples.unwrap_or_else(|complaints| panic!("docs/hsl.md:{}", complaints[0]));
    let sessions = examples.iter().filter(|one| one.expected.is_none());
    let faults: Vec<String> = sessions.clone().filter_map(fault).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(3 <= sessions.count(), "sessions were found");
}

#[test]
fn every_script_of_other_documents_compiles() {
    let directory = directory();
    for document in ["README.md", "docs/HOOKS.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document));
        let text = text.expect("a document is text");
        let blocks = text.split("```hsl\n").skip(1);
        let scripts: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
        assert!(!scripts.is_empty(), "{document} shows scripts");
        for script in scripts {
            fs::write(directory.join("shown.hsl"), script).expect("the directory is writable");
            let hooks = ["connect", "proxy", "helo", "mailfrom", "rcptto"];
            let said = hooks.map(|hook| {
                let check = format!("postern check --context {hook} shown.hsl");
                run(&directory, &check).replacen(&format!("$ {check}\n"), "", 1)
            });
            let compiles = said.iter().any(String::is_empty);
            assert!(compiles, "{document} shows\n{script}{}", said.join("\n"));
        }
    }
    fs::remove_dir_all(directory).expect("it is ours");
}

/// What is wrong with a session, if anything.
fn fault(session: &Example) -> Option<String> {
    let directory = directory();
    for (name, text) in &session.files {
        let path = directory.join(name);
        let folder = path.parent().expect("it is in the directory");
        fs::create_dir_all(folder).expect("the directory is writable");
        fs::write(path, text).expect("the directory is writable");
    }
    let commands = session
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("$ "));
    let shown: String = commands.map(|command| run(&directory, command)).collect();
    fs::remove_dir_all(directory).expect("it is ours");
    (shown != session.text).then(|| {
        let (line, expected) = (session.line, &session.text);
        format!("docs/hsl.md:{line} shows\n{shown}instead of\n{expected}")
    })
}

/// A command and all it prints.
fn run(directory: &Path, command: &str) -> String {
    let postern = Path::new(env!("CARGO_BIN_EXE_postern"));
    let folder = postern.parent().expect("it is in a folder");
    let mut path = OsString::from(folder);
    path.push(":/usr/bin:/bin");
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(directory)
        .env("PATH", path)
        .output()
        .expect("there is a shell");
    format!("$ {command}\n{}", String::from_utf8_lossy(&output.stdout))
}
