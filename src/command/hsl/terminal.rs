//! The prompt on a terminal: line editor, history, completion, keys.
//!
//! In: keys. Out: inputs for [`Prompt`]. An input goes on on the next line while the parser says that it is incomplete.
//! Ctrl-C drops the input that is typed, or ends the script that runs; Ctrl-D on an empty line ends the prompt.
//! Guarantees: a history that cannot be read or written is told of once and missed, nothing more.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use postern_jit::syntax::parser::{Judgement, judge};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Editor, Helper};
use signal_hook::consts::SIGINT;

use super::history::{self, HISTORY_INPUT_OCTETS_MAX, HISTORY_INPUTS_MAX};
use super::prompt::{Prompt, Screen, Turn};
use super::words;
use crate::command::FAILED;

type Line = Editor<Typist, FileHistory>;

/// Runs the prompt until somebody ends it.
pub(super) fn run(prompt: Prompt, interrupt: Arc<AtomicBool>) -> ExitCode {
    let prompt = Rc::new(RefCell::new(prompt));
    let started = signal_hook::flag::register(SIGINT, interrupt)
        .map_err(|error| format!("cannot watch for Ctrl-C: {error}"))
        .and_then(|_| editor(&prompt).map_err(|error| format!("cannot use the terminal: {error}")));
    let mut line = match started {
        Ok(line) => line,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(FAILED);
        }
    };
    let mut past = Past::open(&mut line);
    eprintln!("HSL; `:help` shows what there is, Ctrl-D ends");
    loop {
        let text = match line.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return ExitCode::SUCCESS,
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                eprintln!("error: an input must be UTF-8");
                continue;
            }
            Err(error) => {
                eprintln!("error: cannot read from the terminal: {error}");
                return ExitCode::from(FAILED);
            }
        };
        past.add(&mut line, &text);
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        let mut screen = Screen {
            out: &mut out,
            err: &mut err,
        };
        if prompt.borrow_mut().enter(text.as_bytes(), &mut screen) == Turn::Quit {
            return ExitCode::SUCCESS;
        }
    }
}

const PROMPT: &str = "hsl> ";

fn editor(prompt: &Rc<RefCell<Prompt>>) -> rustyline::Result<Line> {
    let config = Config::builder()
        .max_history_size(HISTORY_INPUTS_MAX)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .build();
    let mut line = Line::with_config(config)?;
    line.set_helper(Some(Typist(Rc::clone(prompt))));
    Ok(line)
}

/// The history, as long as it can be kept.
struct Past {
    file: Option<PathBuf>,
}

impl Past {
    fn open(line: &mut Line) -> Self {
        let opened = history::file().and_then(|file| match line.load_history(&file) {
            Ok(()) => Ok(file),
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(file),
            Err(error) => Err(format!("cannot read {}: {error}", file.display())),
        });
        let mut past = Self { file: None };
        match opened {
            Ok(file) => past.file = Some(file),
            Err(message) => past.give_up(&message),
        }
        past
    }

    fn add(&mut self, line: &mut Line, text: &str) {
        if HISTORY_INPUT_OCTETS_MAX < text.len() {
            return;
        }
        let added = line.add_history_entry(text);
        let Some(file) = self.file.as_ref().filter(|_| matches!(added, Ok(true))) else {
            return;
        };
        // Written now, since nothing may be left to do so when a terminal goes away.
        if let Err(error) = line.append_history(file) {
            let message = format!("cannot write {}: {error}", file.display());
            self.give_up(&message);
        }
    }

    fn give_up(&mut self, message: &str) {
        self.file = None;
        eprintln!("warning: the history is not kept: {message}");
    }
}

/// What the line editor asks about the text.
struct Typist(Rc<RefCell<Prompt>>);

impl Validator for Typist {
    fn validate(&self, typed: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = typed.input();
        let is_open = !text.starts_with(':') && judge(text.as_bytes()) == Judgement::Incomplete;
        Ok(match is_open {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Typist {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(words::complete(&line[..position], &self.0.borrow().session))
    }
}

impl Hinter for Typist {
    type Hint = String;
}

impl Highlighter for Typist {}

impl Helper for Typist {}
