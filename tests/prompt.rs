//! `postern hsl` on a terminal, as somebody uses it: keys in, what the screen shows out.
//!
//! In: a pseudo terminal with the real program on it. What follows a key is waited for, never slept for.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A prompt and the terminal it is on.
struct Terminal {
    program: Child,
    screen: File,
    /// What was shown and not yet looked at.
    shown: Vec<u8>,
}

impl Terminal {
    fn open(state: &Path) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).expect("it is ours");
        unlockpt(&controller).expect("it opens");
        let name = ptsname(&controller, Vec::new()).expect("it has a name");
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().expect("text"))
            .expect("the other end");
        let end = || Stdio::from(device.try_clone().expect("a descriptor"));
        let program = Command::new(env!("CARGO_BIN_EXE_postern"))
            .arg("hsl")
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", state)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program starts");
        let mut terminal = Self {
            program,
            screen: File::from(controller),
            shown: Vec::new(),
        };
        terminal.see("hsl> ");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).expect("keys");
    }

    /// Waits until the screen shows `text`, and forgets everything up to there.
    fn see(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self
                .shown
                .windows(text.len())
                .position(|shown| shown == text.as_bytes());
            if let Some(start) = found {
                self.shown.drain(..start + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_ready = self.is_ready(left);
            let shown = String::from_utf8_lossy(&self.shown);
            assert!(is_ready, "{text:?} is not to be seen: {shown:?}");
            let mut buffer = [0; 4096];
            let count = self.screen.read(&mut buffer).expect("the program is there");
            self.shown.extend_from_slice(&buffer[..count]);
        }
    }

    /// Whether something is shown before long.
    fn is_ready(&self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).expect("short");
        let mut watched = [PollFd::new(&self.screen, PollFlags::IN)];
        0 < poll(&mut watched, Some(&patience)).expect("a terminal can be watched")
    }

    /// Presses Enter behind some keys, and waits for what follows on a line of its own.
    fn enter(&mut self, keys: &str, expected: &str) {
        self.press(&format!("{keys}\r"));
        self.see(&format!("\n{expected}\r\n"));
        self.see("hsl> ");
    }

    fn close(mut self) {
        self.press("\x04");
        let status = self.program.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }

    /// Sends the signal of Ctrl-C, which only a controlling terminal would, until something is shown: one that comes
    /// before the script runs is for nobody.
    fn interrupt(&mut self) {
        let id = i32::try_from(self.program.id()).expect("a small number");
        let id = Pid::from_raw(id).expect("not zero");
        let deadline = Instant::now() + PATIENCE;
        while self.shown.is_empty() && !self.is_ready(Duration::from_millis(20)) {
            kill_process(id, Signal::INT).expect("it runs");
            assert!(Instant::now() < deadline, "the script goes on");
        }
    }
}

/// What the line editor sends when it is done with an input.
const PASTE_OFF: &str = "\x1b[?2004l";

/// How long a key may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A path where nothing is.
fn state(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.is_dir() {
        fs::remove_dir_all(&path).expect("it is ours");
    } else if path.exists() {
        fs::remove_file(&path).expect("it is ours");
    }
    path
}

#[test]
fn keys_edit_complete_recall_and_interrupt() {
    let state = state("prompt");
    let mut terminal = Terminal::open(&state);
    terminal.enter("$number = 20 + 1", "21");
    terminal.press("function twice($n) {\rreturn $n * 2;\r}\r");
    terminal.enter("twi\t($num\t)", "42");
    // The last input, from the history.
    terminal.enter("\x1b[A", "42");
    // Ctrl-C drops an input, also one of several lines, and what is typed before the next prompt.
    terminal.press("echo (1 +\r2\x03");
    terminal.see(PASTE_OFF);
    terminal.see("hsl> ");
    terminal.enter("$number", "21");
    terminal.press("$n = 0; forever { if ($n == 0) $n = 1; }\r");
    terminal.see("= 1; }");
    terminal.see("\r\n");
    terminal.interrupt();
    terminal.see("script was interrupted");
    terminal.see("hsl> ");
    terminal.enter("$n", "1");
    terminal.close();

    let file = state.join("postern/hsl_history");
    let mode = fs::metadata(&file)
        .expect("it is kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut terminal = Terminal::open(&state);
    // Searched backwards, of several lines.
    terminal.press("\x12twice($n)");
    terminal.see("return $n * 2;");
    terminal.press("\r");
    terminal.enter("twice(4)", "8");
    terminal.close();
}

#[test]
fn a_history_that_cannot_be_kept_is_told_of_and_missed() {
    let state = state("prompt-nowhere");
    fs::write(&state, "a file, not a folder").expect("it can be written");
    let mut terminal = Terminal::open(&state);
    terminal.enter("1 + 1", "2");
    terminal.enter("1 + 2", "3");
    terminal.close();
    fs::remove_file(&state).expect("it is ours");
}

#[test]
fn a_pipe_needs_no_terminal() {
    let cases = [
        ("echo 1+2;\n", "3\n", "", 0),
        (
            "function f() {\nreturn 1;\n}\nf()\n\"a\"",
            "1\n\"a\"\n",
            "",
            0,
        ),
        (
            "echo none . 1;\necho 2;",
            "2\n",
            "input 1:1:6: error: operator",
            1,
        ),
        (
            "echo 1 2;\necho none . 1;",
            "",
            "input 1:1:7: error: missing",
            2,
        ),
        ("echo (1", "", "input 1:1:", 2),
        (":quit\necho 1;", "", "", 0),
    ];
    for (text, out, complaint, status) in cases {
        let mut program = Command::new(env!("CARGO_BIN_EXE_postern"))
            .arg("hsl")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = program.stdin.take().expect("a pipe");
        // It may have ended before it has read everything.
        drop(pipe.write_all(text.as_bytes()));
        drop(pipe);
        let output = program.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), out, "{text}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains(complaint), "{text}: {err}");
        assert_eq!(err.is_empty(), complaint.is_empty(), "{text}: {err}");
        assert_eq!(output.status.code(), Some(status), "{text}");
    }
}
