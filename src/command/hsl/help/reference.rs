//! `docs/LIBRARY.md` is what the registry says.
//!
//! In: the registry. Out: the document. The test compares them; with `BLESS=1` in the environment it writes the document.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use postern_jit::builtins::{Builtin, chapters};

use super::{kinds, signature, summary};

#[test]
fn the_document_is_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/LIBRARY.md");
    let document = document();
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &document).expect("the document can be written");
    }
    let found = fs::read_to_string(&path).expect("the document can be read");
    let differs = found
        .lines()
        .zip(document.lines())
        .position(|(one, other)| one != other);
    assert!(
        found == document,
        "docs/LIBRARY.md is not what the registry says, from line {} on; BLESS=1 writes it anew",
        differs.map_or(0, |line| line + 1)
    );
}

fn document() -> String {
    let mut text = String::from(HEAD);
    for chapter in chapters() {
        let _ = writeln!(text, "\n## {}", chapter.title);
        for builtin in chapter.builtins {
            function(builtin, &mut text);
        }
    }
    text
}

const HEAD: &str = "\
# Library

Every function that scripts of all hooks have, written from the registry that the compiler uses; `:help NAME` of
`postern hsl` shows the same. A parameter in brackets may be left out. An argument of a kind that is not listed ends the
script, and so does a value larger than the limits of the script. Behind `//>` stands what an example prints.
";

fn function(builtin: &Builtin, text: &mut String) {
    let _ = writeln!(
        text,
        "\n### `{}`\n\n{}.\n",
        signature(builtin),
        upper(&summary(builtin))
    );
    for parameter in builtin.parameters {
        let _ = writeln!(text, "- `{}`: {}", parameter.name, kinds(parameter.kinds));
    }
    for option in builtin.options {
        let _ = writeln!(text, "- option `{}`: {}", option.name, option.summary);
    }
    let _ = writeln!(text, "- gives {}", kinds(builtin.returns));
    for error in builtin.errors {
        let _ = writeln!(text, "- ends the script {error}");
    }
    if !builtin.examples.is_empty() {
        text.push_str("\n```hsl\n");
        for (expression, printed) in builtin.examples {
            let _ = writeln!(text, "echo {expression}; //> {printed}");
        }
        text.push_str("```\n");
    }
}

/// A sentence from a summary, which begins with a small letter.
fn upper(summary: &str) -> String {
    // The name of a function stays as it is.
    if summary.contains("(): ") {
        return format!("The same as {summary}");
    }
    if summary
        .split(' ')
        .next()
        .is_some_and(|word| word.ends_with("()"))
    {
        return summary.to_owned();
    }
    let mut letters = summary.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
