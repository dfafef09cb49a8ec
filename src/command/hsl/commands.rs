//! Commands of the prompt itself: lines that begin with a colon.
//!
//! In: a command without its colon. Out: what it shows, and whether the prompt goes on.

use postern_jit::diagnostic::near_name;

use super::help;
use super::prompt::{Prompt, Screen, Turn};

/// Every command: its name, what follows it, what it does.
pub(super) const COMMANDS: [(&str, &str, &str); 5] = [
    ("help", "[NAME]", "shows this, or what a function does"),
    ("quit", "", "ends, as Ctrl-D does"),
    ("reset", "", "forgets variables, functions and classes"),
    ("time", "", "shows how long each input takes, or no longer"),
    ("vars", "", "shows the variables and their values"),
];

/// Does what a command says.
pub(super) fn run(prompt: &mut Prompt, command: &[u8], screen: &mut Screen<'_>) -> Turn {
    let text = String::from_utf8_lossy(command);
    let mut words = text.split_ascii_whitespace();
    let (name, argument) = (words.next().unwrap_or("help"), words.next());
    match (name, argument) {
        ("help", None) => screen.show(help::overview(&prompt.session).trim_end().as_bytes()),
        ("help", Some(name)) => match help::topic(name, &prompt.session) {
            Ok(text) => screen.show(text.trim_end().as_bytes()),
            Err(message) => screen.complain(message),
        },
        ("quit", None) => return Turn::Quit,
        ("reset", None) => prompt.reset(),
        ("time", None) => {
            prompt.is_timed = !prompt.is_timed;
            let state = if prompt.is_timed { "on" } else { "off" };
            screen.tell(format_args!("times are {state}"));
        }
        ("vars", None) => {
            for variable in prompt.session.variables() {
                let mut line = format!("${} {} ", variable.name, variable.kind).into_bytes();
                line.extend_from_slice(&variable.text);
                screen.show(&line);
            }
        }
        (known, Some(_)) if COMMANDS.iter().any(|(name, ..)| *name == known) => {
            screen.complain(format_args!("`:{known}` takes nothing"));
        }
        (unknown, _) => {
            let near = near_name(unknown, COMMANDS.iter().map(|(name, ..)| *name));
            let hint = near.unwrap_or("help");
            screen.complain(format_args!(
                "there is no command `:{unknown}`; try `:{hint}`"
            ));
        }
    }
    Turn::Next
}
