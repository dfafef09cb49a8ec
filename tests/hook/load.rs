//! Scripts that do not compile: everything wrong is said at once, and nothing listens.

use std::fs;
use std::path::Path;

use crate::engine::server::{Server, command, configuration, directory};

/// What `postern serve` says when it refuses to start with these lines of `[server.scripts]`. Removes the directory.
fn refusal(directory: &Path, scripts: &str) -> String {
    let server = format!("destination = \"discard\"\n[server.scripts]\n{scripts}");
    let output = command(directory, &configuration(&server, ""))
        .output()
        .expect("the command was built with the tests");
    let _ = fs::remove_dir_all(directory);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(output.stdout.is_empty(), "nothing listens");
    shown
}

/// What `postern serve` says when it refuses to start with this `connect` script.
fn refusal_of(script: &str) -> String {
    let directory = directory();
    fs::write(directory.join("connect.hsl"), script).expect("the directory is writable");
    refusal(&directory, "connect = \"connect.hsl\"")
}

#[test]
fn every_error_is_shown_and_nothing_listens() {
    let script = "$x = lenght(\"a\");\n$senderip = \"b\";\nif (Pass() == 1) Accept($x);\n";
    let shown = refusal_of(script);
    for expected in [
        "connect.hsl:1:6: error: unknown function `lenght`",
        "  1 | $x = lenght(\"a\");\n    |      ^^^^^^",
        "did you mean `length`?",
        "connect.hsl:2:1: error: `$senderip` is read-only",
        "  2 | $senderip = \"b\";\n    | ^^^^^^^^^",
        "connect.hsl:3:5: error: unknown function `Pass`",
        "  3 | if (Pass() == 1) Accept($x);\n    |     ^^^^",
        "`Pass` exists in proxy",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in\n{shown}");
    }
}

#[test]
fn included_files_stay_below_the_script_directory() {
    for (path, expected) in [
        ("/etc/hostname", "is an absolute path"),
        ("../x.hsl", "leaves its directory by `..`"),
        ("none.hsl", "there is no file `none.hsl`"),
        ("connect.hsl", "these files include each other"),
    ] {
        let shown = refusal_of(&format!("include \"{path}\";\n"));
        assert!(shown.contains(expected), "{expected:?} is not in\n{shown}");
    }
}

#[test]
fn links_that_leave_the_script_directory_are_refused() {
    let directory = directory();
    let scripts = directory.join("scripts");
    fs::create_dir(&scripts).expect("the directory is writable");
    fs::write(directory.join("secret.hsl"), "echo 1;").expect("the directory is writable");
    fs::write(scripts.join("inside.hsl"), "echo 2;").expect("the directory is writable");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, scripts.join(name)).expect("links can be made");
    };
    link("../secret.hsl", "out.hsl");
    link("inside.hsl", "in.hsl");
    let script = "include \"in.hsl\";\ninclude \"out.hsl\";\n";
    fs::write(scripts.join("proxy.hsl"), script).expect("the directory is writable");
    let shown = refusal(&directory, "proxy = \"scripts/proxy.hsl\"");
    assert_eq!(shown.matches("error:").count(), 1, "{shown}");
    assert!(
        shown.contains("`out.hsl` lies outside of the script directory"),
        "{shown}"
    );
}

#[test]
fn a_missing_script_is_an_error_of_the_configuration() {
    let shown = refusal(&directory(), "connect = \"none.hsl\"");
    assert!(shown.contains("cannot read script none.hsl"), "{shown}");
    assert!(shown.contains("postern.toml:"), "{shown}");
}

#[test]
fn warnings_do_not_keep_a_server_from_starting() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hook/implicit");
    let server = format!(
        "destination = \"discard\"\n[server.scripts]\nproxy = \"{}/unused.hsl\"",
        script.display()
    );
    let server = Server::start(&configuration(&server, ""));
    server.greeted();
    let log = server.log();
    assert!(log.contains("unused.hsl:1:1: warning: "), "{log}");
}
