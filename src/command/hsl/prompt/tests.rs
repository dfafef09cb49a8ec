//! Dialogues with a prompt that has no terminal.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postern::profile::ScriptDirectory;

use super::{Prompt, Screen, Turn};
use crate::command::Context;
use crate::command::hsl::words;

struct Dialogue {
    prompt: Prompt,
    interrupt: Arc<AtomicBool>,
}

impl Dialogue {
    fn new(context: Context) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let directory = ScriptDirectory::open(&directory).expect("it is there");
        let interrupt = Arc::new(AtomicBool::new(false));
        let memory_bytes = 64 << 20;
        Self {
            prompt: Prompt::new(
                context,
                &[],
                memory_bytes,
                directory,
                Arc::clone(&interrupt),
            ),
            interrupt,
        }
    }

    /// What an input shows on standard output and on standard error.
    fn enter(&mut self, text: &str) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut screen = Screen {
            out: &mut out,
            err: &mut err,
        };
        assert_eq!(
            self.prompt.enter(text.as_bytes(), &mut screen),
            Turn::Next,
            "{text}"
        );
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
        (text(out), text(err))
    }

    fn shows(&mut self, text: &str, expected: &str) {
        let (out, err) = self.enter(text);
        assert_eq!((out.as_str(), err.as_str()), (expected, ""), "{text}");
    }

    fn complains(&mut self, text: &str, part: &str) {
        let (_, err) = self.enter(text);
        assert!(err.contains(part), "{text}: {err}");
    }
}

#[test]
fn inputs_build_on_each_other() {
    let mut dialogue = Dialogue::new(Context::Core);
    dialogue.shows("$x = 20;", "");
    dialogue.shows("function twice($n) { return $n * 2; }", "");
    dialogue.shows("echo twice($x); echo \"b\";", "40\nb\n");
    dialogue.shows("\"a\\tb\"", "\"a\\tb\"\n");
    dialogue.shows("", "");
    assert_eq!(dialogue.prompt.status(), 0);
}

#[test]
fn errors_have_their_place_and_end_nothing() {
    let mut dialogue = Dialogue::new(Context::Core);
    dialogue.complains(
        "echo none . 1;",
        "input 1:1:6: error: operator . does not work",
    );
    assert_eq!(dialogue.prompt.status(), 1);
    dialogue.complains("echo 1 2;", "input 2:1:7: error: missing");
    assert_eq!(dialogue.prompt.status(), 2);
    dialogue.complains("echo [\"a\"][0] . no();", "unknown function `no`");
    dialogue.shows("1", "1\n");
    assert_eq!(dialogue.prompt.status(), 2);
}

#[test]
fn an_interrupt_ends_the_script_and_keeps_what_it_did() {
    let mut dialogue = Dialogue::new(Context::Core);
    let interrupt = Arc::clone(&dialogue.interrupt);
    let has_ended = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&has_ended);
    // Again and again, since what comes before a script runs is for nobody.
    let watch = std::thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            interrupt.store(true, Ordering::Relaxed);
            std::thread::yield_now();
        }
    });
    dialogue.complains("$x = 1; forever { $x += 1; }", "script was interrupted");
    has_ended.store(true, Ordering::Relaxed);
    watch.join().expect("it ends");
    dialogue.shows("0 < $x", "true\n");
}

#[test]
fn hooks_have_their_variables_and_actions() {
    let mut dialogue = Dialogue::new(Context::Connect);
    dialogue.shows("$senderip", "none\n");
    dialogue.shows("SetSenderIP(\"192.0.2.1\")", "\"192.0.2.1\"\n");
    dialogue.shows("$senderip", "\"192.0.2.1\"\n");
    dialogue.shows("$context = [1];", "");
    dialogue.shows("$context", "[0=>1]\n");
    let (out, err) = dialogue.enter("$x = 2; Reject(\"no\");");
    assert_eq!(out, "");
    assert!(err.contains("\"action\":\"reject\""), "{err}");
    dialogue.shows("$x", "2\n");
    dialogue.complains("Pass();", "Pass");
}

#[test]
fn barriers_and_caches_last() {
    let mut dialogue = Dialogue::new(Context::Core);
    dialogue.shows(
        "barrier \"b\" => $n { $n = ($n ?? 0) + 1; echo $n; }",
        "1\n",
    );
    dialogue.complains(
        "barrier \"b\" => $n { $n = 9; echo none . 1; }",
        "error: operator",
    );
    dialogue.shows(
        "barrier \"b\" => $n { $n = ($n ?? 0) + 1; echo $n; }",
        "2\n",
    );
    dialogue.shows("function f($x) { echo \"called\"; return $x; }", "");
    dialogue.shows("cache [] f(1)", "called\n1\n");
    dialogue.shows("cache [] f(1)", "1\n");
}

#[test]
fn commands() {
    let mut dialogue = Dialogue::new(Context::Core);
    dialogue.shows("$x = [1]; $f = count; function f() { return 1; }", "");
    dialogue.shows(":vars", "$f function [function]\n$x array [0=>1]\n");
    let (help, _) = dialogue.enter(":help str_repeat");
    assert!(
        help.starts_with("str_repeat(string, multiplier)\n"),
        "{help}"
    );
    assert!(help.contains("//> "), "{help}");
    let (all, _) = dialogue.enter(":help");
    assert!(
        all.contains("Regular expression:") && all.contains("Declared here:\n  f\n"),
        "{all}"
    );
    dialogue.complains(":help str_repaet", "did you mean `str_repeat`?");
    dialogue.complains(":quti", "try `:quit`");
    dialogue.complains(":vars now", "takes nothing");
    let (_, err) = dialogue.enter(":time");
    assert_eq!(err, "times are on\n");
    let (_, err) = dialogue.enter("1");
    assert!(err.starts_with("compiled in "), "{err}");
    dialogue.enter(":time");
    dialogue.shows(":reset", "");
    dialogue.shows(":vars", "");
    dialogue.complains("f()", "unknown function");
}

#[test]
fn words_are_completed() {
    let mut dialogue = Dialogue::new(Context::Connect);
    dialogue.shows("$total = 1; function total_of() { return 1; }", "");
    let session = &dialogue.prompt.session;
    let complete = |line: &str| words::complete(line, session);
    assert_eq!(complete("echo $tot"), (6, vec!["total".to_owned()]));
    assert_eq!(complete("\"${tot"), (3, vec!["total".to_owned()]));
    assert_eq!(complete("tot"), (0, vec!["total_of".to_owned()]));
    assert_eq!(complete("$senderi"), (1, vec!["senderip".to_owned()]));
    assert_eq!(complete("x; SetS"), (3, vec!["SetSenderIP".to_owned()]));
    assert_eq!(
        complete("fore"),
        (0, vec!["foreach".to_owned(), "forever".to_owned()])
    );
    assert_eq!(complete(":q"), (1, vec!["quit".to_owned()]));
    assert_eq!(
        complete(":help str_rep"),
        (6, vec!["str_repeat".to_owned(), "str_replace".to_owned()])
    );
    assert_eq!(complete("$a->tot"), (4, Vec::new()));
    assert_eq!(complete(""), (0, Vec::new()));
}
