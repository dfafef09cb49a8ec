//! What each optimisation makes of a script, as text.
//!
//! In: `tests/golden/*.hsl`, each named for the optimisations that are on (`fold+dead-code.hsl`), or for those and what it
//! shows (`inline.loop.hsl`). Out: equality with the `.ir` beside it; with the `.clif`, the code generator's text, where an
//! optimisation changes nothing but machine code.
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
const WORDS: [(&str, Optimisation); 16] = [
    ("call-kinds", Optimisation::CallKinds),
    ("integers", Optimisation::Integers),
    ("ranges", Optimisation::Ranges),
    ("octets", Optimisation::Octets),
    ("versions", Optimisation::Versions),
    ("inline-access", Optimisation::InlineAccess),
    ("plain-arrays", Optimisation::PlainArrays),
    ("held-elements", Optimisation::HeldElements),
    ("fuel-register", Optimisation::FuelRegister),
    ("string-switch", Optimisation::StringSwitch),
    ("copies", Optimisation::Copies),
    ("callbacks", Optimisation::Callbacks),
    ("inline", Optimisation::Inline),
    ("cells", Optimisation::Cells),
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

/// The text of a script after its optimisations, and the extension of the file that it is written down in.
fn optimised(name: &str, text: &[u8]) -> (String, &'static str) {
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
    let plain = Script::intermediate(
        &mut sources,
        main,
        &environment,
        &mut NoFiles,
        options,
        &mut diagnostics,
    );
    let plain = plain.unwrap_or_else(|| panic!("{}", diagnostics.render(&sources)));
    let machine = WORDS[..9]
        .iter()
        .any(|(_, one)| options.optimisations.has(*one));
    if machine {
        let listing = Script::listing(&plain, options).expect("what is shown compiles");
        (listing, "clif")
    } else {
        (print(&Script::optimised(&plain, options)), "ir")
    }
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
        let (found, extension) = optimised(&name, &text);
        let expected = path.with_extension(extension);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &found).expect("writable");
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(&found) {
            differing.push(format!("{name} became\n{found}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
