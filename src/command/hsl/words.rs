//! Completion: the words that may stand where somebody types.
//!
//! In: a line as far as it is typed, the session. Out: where the word begins, and what it may become, in order. Knows
//! names, not grammar: a variable behind `$`, a command behind `:`, otherwise functions, classes and reserved words.

use postern_jit::builtins::registry;
use postern_jit::session::Session;
use postern_jit::syntax::keywords;

use super::commands::COMMANDS;

/// Where the last word of `line` begins, and what it may become.
pub(super) fn complete(line: &str, session: &Session) -> (usize, Vec<String>) {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let start = line.trim_end_matches(is_part).len();
    let word = &line[start..];
    let before = &line[..start];
    let candidates: Vec<String> = if before == ":" {
        COMMANDS.map(|(name, ..)| name.to_owned()).to_vec()
    } else if before.ends_with('$') || before.ends_with("${") {
        let environment = session.environment().variables.iter();
        let predefined = environment.map(|variable| variable.name.clone());
        let own = session.variable_names().map(str::to_owned);
        own.chain(predefined).collect()
    } else if before.ends_with("->") || word.is_empty() {
        Vec::new()
    } else {
        let builtins = registry().iter().map(|builtin| builtin.name.to_owned());
        let environment = session.environment().functions.iter();
        let host = environment.map(|function| function.name.clone());
        let own = session.declared().map(str::to_owned);
        let words = keywords().map(str::to_owned);
        let all = builtins.chain(host).chain(own);
        match before.starts_with(":help") {
            true => all.collect(),
            false => all.chain(words).collect(),
        }
    };
    let mut found: Vec<String> = candidates
        .into_iter()
        .filter(|candidate| candidate.starts_with(word))
        .collect();
    found.sort();
    found.dedup();
    (start, found)
}
