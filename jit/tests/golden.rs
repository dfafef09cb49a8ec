//! What each optimisation makes of a script, as text.
//!
//! In: `tests/golden/*.hsl`, each named for the optimisations that are on (`fold+dead-code.hsl`), or for those and what it
//! shows (`inline.loop.hsl`). Out: equality with the `.ir` beside it.
//! `BLESS=1 cargo test -p postern-jit --test golden` writes those files anew; read the difference before committing.

use std::fs;
use std::path::{Path, PathBuf};

use postern_jit::diagnostic::Diagnostics;
use postern_jit::ir::print;
use postern_jit::optimise::{Optimisation, Optimisations};
use postern_jit::resolve::{Environment, NoFiles, PredefinedVariable};
use postern_jit::script::{Options, Script};
use postern_jit::source::SourceMap;

/// The optimisations by the words that files are named with.
const WORDS: [(&str, Optimisation); 5] = [
    ("string-switch", Optimisation::StringSwitch),
    ("copies", Optimisation::Copies),
    ("inline", Optimisation::Inline),
    ("fold", Optimisation::Fold),
    ("dead-code", Optimisation::DeadCode),
];

/// The optimisations that a file asks for.
fn optimisations(name: &str) -> Optimisations {
    let words = name.split('.').next().expect("a split has a first part");
    words.split('+').fold(Optimisations::NONE, |all, word| {
        let known = WORDS.iter().find(|(known, _)| *known == word);
        all.with(
            known
                .unwrap_or_else(|| panic!("{name}: {word} is no optimisation"))
                .1,
        )
    })
}

fn optimised(name: &str, text: &[u8]) -> String {
    let mut sources = SourceMap::new();
    let main = sources.add(name, text).expect("scripts are small");
    let mut diagnostics = Diagnostics::new();
    let environment = Environment {
        variables: vec![PredefinedVariable::read_only("given")],
        ..Environment::default()
    };
    let options = Options {
        optimisations: optimisations(name),
        ..Options::default()
    };
    let program = Script::optimised(
        &mut sources,
        main,
        &environment,
        &mut NoFiles,
        options,
        &mut diagnostics,
    );
    let program = program.unwrap_or_else(|| panic!("{}", diagnostics.render(&sources)));
    print(&program)
}

#[test]
fn optimisations_make_of_scripts_what_is_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let mut scripts: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hsl"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", folder.display());
    let mut differing = Vec::new();
    for path in scripts {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read(&path).expect("readable");
        let found = optimised(&name, &text);
        let expected = path.with_extension("ir");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &found).expect("writable");
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(&found) {
            differing.push(format!("{name} became\n{found}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
