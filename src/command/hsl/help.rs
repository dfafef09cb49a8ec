//! What a function is for, from the registry that the compiler itself uses.
//!
//! In: a name. Out: text for a terminal; or the whole library as a document, which is `docs/LIBRARY.md`. Guarantees:
//! nothing is said here that the registry does not say, and every example is run by its tests.

use std::fmt::Write as _;

use postern_jit::builtins::{Builtin, Presence, builtin, chapters, registry};
use postern_jit::diagnostic::near_name;
use postern_jit::runtime::Kinds;
use postern_jit::session::Session;

use super::commands::COMMANDS;

/// The commands, and the functions by chapter.
pub(super) fn overview(session: &Session) -> String {
    let mut text = String::from(
        "An input is a statement, or an expression whose value is shown. It goes on on the next line\n\
         while it is incomplete. Ctrl-C drops it, or ends the script that runs.\n\n",
    );
    for (name, argument, summary) in COMMANDS {
        let command = format!(":{name} {argument}");
        let _ = writeln!(text, "{command:<14} {summary}");
    }
    for chapter in chapters() {
        let names: Vec<&str> = chapter.builtins.iter().map(|one| one.name).collect();
        paragraph(&mut text, chapter.title, &names);
    }
    let functions = session.environment().functions.iter();
    let host: Vec<&str> = functions.map(|function| function.name.as_str()).collect();
    paragraph(&mut text, "Of the hook", &host);
    let own: Vec<&str> = session.declared().collect();
    paragraph(&mut text, "Declared here", &own);
    text
}

/// What there is to say about a name.
///
/// # Errors
///
/// A sentence, if there is nothing of that name.
pub(super) fn topic(name: &str, session: &Session) -> Result<String, String> {
    let name = name.trim_end_matches("()");
    if let Some(builtin) = builtin(name) {
        return Ok(entry(builtin));
    }
    let mut functions = session.environment().functions.iter();
    if let Some(function) = functions.find(|function| function.name == name) {
        let arity = function.arity.describe();
        let end = if function.terminating {
            "; ends the script"
        } else {
            ""
        };
        return Ok(format!(
            "{name}() is a function of the hook: {arity}{end}; see docs/HOOKS.md\n"
        ));
    }
    if session.declared().any(|declared| declared == name) {
        return Ok(format!("{name} is declared in this session\n"));
    }
    let names = registry().iter().map(|builtin| builtin.name);
    let near = near_name(name, names).map(|near| format!("; did you mean `{near}`?"));
    Err(format!(
        "there is no function `{name}`{}",
        near.unwrap_or_default()
    ))
}

/// A function as a terminal shows it.
fn entry(builtin: &Builtin) -> String {
    let mut text = format!("{}\n  {}\n", signature(builtin), summary(builtin));
    for parameter in builtin.parameters {
        let _ = writeln!(text, "  {}: {}", parameter.name, kinds(parameter.kinds));
    }
    for option in builtin.options {
        let _ = writeln!(text, "  option \"{}\": {}", option.name, option.summary);
    }
    let _ = writeln!(text, "  gives {}", kinds(builtin.returns));
    for error in builtin.errors {
        let _ = writeln!(text, "  ends the script {error}");
    }
    for (expression, printed) in builtin.examples {
        let _ = writeln!(text, "  echo {expression}; //> {printed}");
    }
    text
}

/// What a function does; of one that is another by an older name, what that does.
fn summary(builtin: &Builtin) -> String {
    let successor = builtin.summary.strip_suffix("()").and_then(self::builtin);
    match successor {
        Some(successor) => format!("{}: {}", builtin.summary, successor.summary),
        None => builtin.summary.to_owned(),
    }
}

/// `name(required, [optional], ...rest)`.
fn signature(builtin: &Builtin) -> String {
    let parameters = builtin
        .parameters
        .iter()
        .map(|parameter| match parameter.presence {
            Presence::Required => parameter.name.to_owned(),
            Presence::Optional => format!("[{}]", parameter.name),
            Presence::Variadic => format!("...{}", parameter.name),
        });
    let parameters: Vec<String> = parameters.collect();
    format!("{}({})", builtin.name, parameters.join(", "))
}

fn kinds(kinds: Kinds) -> String {
    match kinds == Kinds::ANY {
        true => "any".to_owned(),
        false => kinds.to_string(),
    }
}

/// Names under a title, in lines of a terminal's width.
fn paragraph(text: &mut String, title: &str, names: &[&str]) {
    if names.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}:");
    let mut column = COLUMNS_MAX;
    for name in names {
        if COLUMNS_MAX < column + 1 + name.len() {
            text.push_str("\n ");
            column = 1;
        }
        let _ = write!(text, " {name}");
        column += 1 + name.len();
    }
    text.push('\n');
}

const COLUMNS_MAX: usize = 78;

#[cfg(test)]
mod reference;
