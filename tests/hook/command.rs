//! `postern run` and `postern check`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::engine::server::directory;

/// A directory with files, and the command run in it.
struct Files(PathBuf);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = directory();
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("the directory is writable");
        }
        Self(directory)
    }

    fn postern(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("the command was built with the tests")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The exit status and both outputs of `postern run` with this script.
fn run(script: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let files = Files::new(&[("main.hsl", script.as_bytes())]);
    let output = files.postern(&[&["run", "main.hsl"], arguments].concat());
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn echo_is_one_line_of_raw_octets() {
    let files = Files::new(&[("main.hsl", b"echo \"a\xff\\nb\"; echo [1]; echo \"\";")]);
    let output = files.postern(&["run", "main.hsl"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"a\xff\nb\n[0=>1]\n\n");
    assert!(output.stderr.is_empty());
}

#[test]
fn actions_are_one_line_of_json() {
    let cases = [
        ("connect", "", "{\"action\":\"accept\"}"),
        (
            "connect",
            "Reject();",
            "{\"action\":\"reject\",\"code\":521}",
        ),
        (
            "connect",
            "Defer([\"a\", \"b\"], [\"reply_codes\" => [\"code\" => 450, \"enhanced\" => [4, 7, 1]]]);",
            "{\"action\":\"defer\",\"code\":450,\"enhanced\":[4,7,1],\"reason\":[\"a\",\"b\"]}",
        ),
        (
            "connect",
            "Accept([\"reason\" => \"hi\", \"senderip\" => \"::ffff:192.0.2.1\", \"senderptr\" => \"a.example\"]);",
            "{\"action\":\"accept\",\"reason\":[\"hi\"],\"senderip\":\"192.0.2.1\",\"senderptr\":\"a.example\"}",
        ),
        ("proxy", "", "{\"action\":\"pass\",\"next\":false}"),
        (
            "proxy",
            "Pass([\"command\" => \"NOOP\", \"next\" => true]);",
            "{\"action\":\"pass\",\"command\":\"NOOP\",\"next\":true}",
        ),
        (
            "proxy",
            "Reply(\"x\", [\"disconnect\" => true]);",
            "{\"action\":\"reply\",\"code\":250,\"reason\":[\"x\"],\"disconnect\":true,\"next\":false}",
        ),
        ("helo", "", "{\"action\":\"accept\"}"),
        (
            "helo",
            "Accept([\"extensions\" => GetExtensions()[0:2] + [\"X\"], \"reason\" => \"hi\", \"host\" => \"a.b\"]);",
            "{\"action\":\"accept\",\"extensions\":[\"PIPELINING\",\"SIZE 67108864\",\"X\"],\"reason\":[\"hi\"],\"senderhelo\":\"a.b\"}",
        ),
        (
            "helo",
            "Reject(\"x\", [\"disconnect\" => true]);",
            "{\"action\":\"reject\",\"code\":554,\"reason\":[\"x\"],\"disconnect\":true}",
        ),
        ("mailfrom", "", "{\"action\":\"accept\"}"),
        (
            "mailfrom",
            "Accept([\"sender\" => [\"a\", \"b\"], \"reply_codes\" => [\"enhanced\" => [2, 1, 0]]]);",
            "{\"action\":\"accept\",\"code\":250,\"enhanced\":[2,1,0],\"sender\":\"a@b\"}",
        ),
        (
            "mailfrom",
            "Defer();",
            "{\"action\":\"defer\",\"code\":450,\"disconnect\":false}",
        ),
        ("rcptto", "", "{\"action\":\"accept\"}"),
        (
            "rcptto",
            "Accept([\"recipient\" => \"a@b\", \"transportid\" => \"mx\", \"reason\" => \"ok\"]);",
            "{\"action\":\"accept\",\"code\":250,\"reason\":[\"ok\"],\"recipient\":\"a@b\",\"transportid\":\"mx\"}",
        ),
        (
            "rcptto",
            "Reject();",
            "{\"action\":\"reject\",\"code\":554,\"disconnect\":false}",
        ),
    ];
    for (context, script, expected) in cases {
        let (status, stdout, stderr) = run(script, &["--context", context]);
        assert_eq!((status, stdout.as_str()), (Some(0), ""), "{script}");
        assert_eq!(stderr, format!("{expected}\n"), "{script}");
    }
}

#[test]
fn variables_come_from_the_command_line() {
    let script = "echo $senderip; echo SetSenderIP(\"192.0.2.2\"); echo $senderip; \
                  echo $connection[\"remoteip\"]; echo $mine[\"a\"][1]; echo $serverport;";
    let arguments = [
        "--context",
        "connect",
        "--var",
        "senderip=\"192.0.2.1\"",
        "--var",
        "connection={\"remoteip\":\"192.0.2.1\"}",
        "--var",
        "mine={\"a\":[true,2.5]}",
    ];
    let (status, stdout, _) = run(script, &arguments);
    assert_eq!(status, Some(0));
    assert_eq!(
        stdout,
        "192.0.2.1\n192.0.2.2\n192.0.2.2\n192.0.2.2\n2.5\nnone\n"
    );
    for wrong in ["senderip", "senderip=192.0.2.1", "a b=1", "=1"] {
        let (status, _, _) = run("", &["--var", wrong]);
        assert_eq!(status, Some(2), "{wrong}");
    }
}

#[test]
fn script_errors_have_a_place_and_status_1() {
    let (status, stdout, stderr) = run("echo \"before\";\n$x = 1 . none;\necho $x;", &[]);
    assert_eq!((status, stdout.as_str()), (Some(1), "before\n"));
    assert!(stderr.starts_with("main.hsl:2:6: error: "), "{stderr}");
    assert!(
        stderr.contains("  2 | $x = 1 . none;\n    |      ^^^^^^^^"),
        "{stderr}"
    );
    let (status, _, stderr) = run("Reject(5);", &["--context", "connect"]);
    assert_eq!(status, Some(1));
    assert!(
        stderr.starts_with("main.hsl:1:1: error: Reject(): argument \"reason\""),
        "{stderr}"
    );
}

#[test]
fn there_is_no_tls_without_a_client() {
    for context in ["helo", "mailfrom", "rcptto"] {
        let script = "echo GetTLS(); echo GetTLS([\"fingerprint\" => \"md5\"]);";
        let (status, stdout, _) = run(script, &["--context", context]);
        assert_eq!(status, Some(0));
        assert_eq!(stdout, "[\"started\"=>false]\n[\"started\"=>false]\n");
        let script = "echo 1;\necho GetTLS([\"fingerprint\" => \"crc32\"]);";
        let (status, stdout, stderr) = run(script, &["--context", context]);
        assert_eq!((status, stdout.as_str()), (Some(1), "1\n"));
        let start = "main.hsl:2:6: error: GetTLS(): argument \"fingerprint\" must be `md5`, `sha1`, \
                     `sha256` or `sha512`";
        assert!(stderr.starts_with(start), "{stderr}");
    }
    let (status, _, stderr) = run("GetTLS();", &["--context", "connect"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("`GetTLS`"), "{stderr}");
}

#[test]
fn what_does_not_compile_has_status_2() {
    let (status, stdout, stderr) = run("echo 1;\nAccept();\n$x = ;", &[]);
    assert_eq!((status, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("main.hsl:2:1: error: unknown function `Accept`"),
        "{stderr}"
    );
    assert!(stderr.contains("main.hsl:3:6: error: "), "{stderr}");
    assert_eq!(
        Files::new(&[]).postern(&["run", "none.hsl"]).status.code(),
        Some(2)
    );
}

#[test]
fn files_are_found_beside_the_script() {
    let files = Files::new(&[
        ("main.hsl", b"include \"other.hsl\"; echo $x;"),
        ("other.hsl", b"$x = 5;"),
    ]);
    for (folder, name) in [(files.0.clone(), "main.hsl".to_owned()), {
        let name = files.0.join("main.hsl").display().to_string();
        (PathBuf::from("/"), name)
    }] {
        let output = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["run", &name])
            .current_dir(folder)
            .output()
            .expect("the command was built with the tests");
        assert_eq!(output.stdout, b"5\n");
    }
}

#[test]
fn check_compiles_and_runs_nothing() {
    let files = Files::new(&[
        ("connect.hsl", b"Reject(\"x\");".as_slice()),
        ("proxy.hsl", b"Pass();"),
        ("other.hsl", b"echo 1;"),
        ("wrong.hsl", b"Pass();\n$x = ;"),
        (
            "postern.toml",
            b"[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\ndestination = \"discard\"\n\
              [server.scripts]\nproxy = \"wrong.hsl\"\nconnect = \"other.hsl\"\n",
        ),
    ]);
    let right = files.postern(&["check", "connect.hsl", "proxy.hsl", "other.hsl"]);
    assert_eq!(right.status.code(), Some(0));
    assert!(right.stdout.is_empty() && right.stderr.is_empty());

    let wrong = files.postern(&["check", "--json", "other.hsl", "wrong.hsl"]);
    assert_eq!(wrong.status.code(), Some(2));
    let lines = String::from_utf8(wrong.stderr).expect("JSON is UTF-8");
    let errors: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .filter(|error: &serde_json::Value| error["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 2, "{lines}");
    assert_eq!(errors[0]["file"], "wrong.hsl");
    assert_eq!(
        (&errors[0]["line"], &errors[0]["column"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&errors[1]["line"], &errors[1]["column"]),
        (&2.into(), &6.into())
    );

    let proxy = files.postern(&["check", "--context", "proxy", "wrong.hsl"]);
    assert_eq!(
        String::from_utf8_lossy(&proxy.stderr)
            .matches("error:")
            .count(),
        1
    );

    let configuration = files.postern(&["check", "--config", "postern.toml"]);
    assert_eq!(configuration.status.code(), Some(2));
    let shown = String::from_utf8_lossy(&configuration.stderr);
    assert!(shown.contains("wrong.hsl:2:6: error: "), "{shown}");
    assert_eq!(files.postern(&["check"]).status.code(), Some(2));
}
