//! What every text file must look like, and that no test data lies about unused.
//!
//! In: all files. Out: places that break a rule. The words that must not stand anywhere are put together here from
//! parts, so that this file does not break its own rules.

use super::sources::{File, Tree, has_word};
use super::{no_complaints, rust_files, unused_exceptions};

#[test]
fn every_file_of_code_says_what_it_is() {
    let tree = Tree::read();
    let headless = rust_files(&tree).filter(|file| {
        let mut header = file.text.lines().take_while(|line| line.starts_with("//!"));
        header
            .next()
            .is_none_or(|line| line.len() < HEADER_OCTETS_MIN)
    });
    let complaints = headless.map(|file| format!("{}:1: has no //! header", file.path));
    no_complaints("a file begins with what it is", complaints.collect());
}

/// A header of one word says nothing.
const HEADER_OCTETS_MIN: usize = 12;

/// Files over the limit, and why.
const LONG: &[(&str, &str)] = &[];

#[test]
fn files_are_short() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    let mut used = Vec::new();
    for file in rust_files(&tree).filter(|file| !file.is_test()) {
        let lines_count = file.code().count();
        if lines_count <= FILE_LINES_MAX {
            continue;
        }
        if LONG.iter().any(|(path, _)| *path == file.path) {
            used.push(file.path.clone());
        } else {
            complaints.push(format!(
                "{}: {lines_count} lines, {FILE_LINES_MAX} at most",
                file.path
            ));
        }
    }
    complaints.extend(unused_exceptions(LONG, &used));
    no_complaints("a file has one subject", complaints);
}

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 600;

#[test]
fn nothing_is_left_for_later() {
    let forbidden = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["HA", "CK"],
        ["todo", "!"],
        ["unimplemented", "!"],
        ["dbg", "!"],
        ["#[ign", "ore"],
        ["thread::sl", "eep"],
        ["#[al", "low"],
        ["#![al", "low"],
    ];
    let forbidden = forbidden.map(|parts| parts.concat());
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for file in rust_files(&tree) {
        for (index, line) in file.text.lines().enumerate() {
            for word in &forbidden {
                let is_named = word.chars().all(char::is_uppercase);
                if if is_named {
                    has_word(line, word)
                } else {
                    line.contains(word.as_str())
                } {
                    complaints.push(format!("{}:{}: {word}", file.path, index + 1));
                }
            }
        }
    }
    no_complaints(
        "what is not done is not merged; waits are not sleeps; exceptions are expected",
        complaints,
    );
}

#[test]
fn text_is_ascii_and_section_signs() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for file in tree.written() {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(odd) = line
                .chars()
                .find(|letter| !letter.is_ascii() && *letter != '\u{a7}')
            {
                complaints.push(format!("{}:{}: {odd:?}", file.path, index + 1));
            }
        }
    }
    no_complaints("source is ASCII and the section sign", complaints);
}

#[test]
fn no_machine_is_named() {
    let forbidden = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["crates.", "io/api"],
        ["git", "hub.com"],
    ];
    let forbidden = forbidden.map(|parts| parts.concat());
    let temporary = ["/tm", "p/"].concat();
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for file in tree.written() {
        for (index, line) in file.text.lines().enumerate() {
            let named = forbidden.iter().find(|word| line.contains(word.as_str()));
            if named.is_some() || (file.has_extension("rs") && line.contains(&temporary)) {
                complaints.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    no_complaints(
        "paths and hosts of one machine mean nothing on another",
        complaints,
    );
}

#[test]
fn every_bound_has_a_unit_and_a_reason() {
    let tree = Tree::read();
    let limits = tree
        .file("src/limits.rs")
        .expect("the bounds of the engine");
    let mut complaints = Vec::new();
    let mut above = "";
    for (index, line) in limits.text.lines().enumerate() {
        if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest.split(':').next().unwrap_or(rest);
            if !UNITS
                .iter()
                .any(|unit| name.split('_').any(|word| word == *unit))
            {
                complaints.push(format!(
                    "src/limits.rs:{}: {name} has none of the units {UNITS:?}",
                    index + 1
                ));
            }
            if !above.starts_with("///") {
                complaints.push(format!(
                    "src/limits.rs:{}: {name} is not explained",
                    index + 1
                ));
            }
        }
        above = line;
    }
    no_complaints("a bound has its unit in its name", complaints);
}

const UNITS: &[&str] = &[
    "OCTETS", "BYTES", "COUNT", "MS", "US", "LINES", "FUEL", "DEPTH", "SECONDS",
];

/// Folders that a runner reads whole, by extension.
const READ_WHOLE: &[(&str, &str, &str)] = &[
    ("tests/dialogue", "smtp", "tests/dialogue/mod.rs"),
    ("examples", "toml", "tests/engine/configuration.rs"),
    ("tests/hook", "smtp", "tests/hook/mod.rs"),
    (
        "jit/tests/conformance",
        "hsl",
        "jit/tests/conformance/main.rs",
    ),
    ("jit/tests/diagnostics", "hsl", "jit/tests/diagnostics.rs"),
    ("jit/tests/golden", "hsl", "jit/tests/golden.rs"),
    ("bench/workloads", "hsl", "bench/src/scripts/workload.rs"),
];

#[test]
fn every_data_file_is_used() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    let is_data = |file: &&File| {
        ["smtp", "hsl", "toml", "json", "pem", "key"]
            .iter()
            .any(|extension| file.has_extension(extension))
    };
    let is_manifest =
        |file: &File| file.path.starts_with("bench/runs/") || ROOT_FILES.contains(&file.name());
    for file in tree
        .files
        .iter()
        .filter(is_data)
        .filter(|file| !is_manifest(file))
    {
        let is_read_whole = READ_WHOLE.iter().any(|(folder, extension, runner)| {
            file.folder().starts_with(folder)
                && file.has_extension(extension)
                && tree.file(runner).is_some()
        });
        let names = |other: &&File| other.path != file.path && is_named(&tree, file, other);
        if !is_read_whole && !tree.files.iter().any(|other| names(&other)) {
            complaints.push(format!("{}: nothing reads it", file.path));
        }
    }
    no_complaints("test data that nothing reads tests nothing", complaints);
}

/// Whether `other` names `file`. Where several files share a name, the folder tells them apart.
fn is_named(tree: &Tree, file: &File, other: &File) -> bool {
    let is_twin = |twin: &&File| twin.path != file.path && twin.name() == file.name();
    if !tree.files.iter().any(|twin| is_twin(&twin)) {
        return other.text.contains(file.name());
    }
    let (parent, folder) = file
        .folder()
        .rsplit_once('/')
        .unwrap_or(("", file.folder()));
    other.path.starts_with(parent) && has_word(&other.text, folder)
}

/// Files that tools look for by name.
const ROOT_FILES: &[&str] = &[
    "Cargo.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "clippy.toml",
    "deny.toml",
];

#[test]
fn every_deviation_is_listed() {
    let tree = Tree::read();
    let list = tree
        .file("docs/ARCHITECTURE.md")
        .expect("the list of deviations");
    let complaints = rust_files(&tree).filter(|file| !file.path.starts_with("tests/"));
    let complaints = complaints.filter(|file| file.text.contains("Deviation:"));
    let complaints = complaints.filter(|file| !list.text.contains(&format!("`{}`", file.path)));
    let complaints = complaints.map(|file| {
        format!(
            "{}: deviates, docs/ARCHITECTURE.md does not say so",
            file.path
        )
    });
    no_complaints("a deviation is on purpose and listed", complaints.collect());
}

#[test]
fn documents_name_files_that_exist() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension("md")) {
        for (index, line) in file.text.lines().enumerate() {
            for word in line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|word| is_source_path(word))
            {
                let place = word.trim_end_matches('/');
                let exists = tree.files.iter().any(|other| {
                    other.path == place || other.path.starts_with(&format!("{place}/"))
                });
                if !exists {
                    complaints.push(format!(
                        "{}:{}: {word} does not exist",
                        file.path,
                        index + 1
                    ));
                }
            }
        }
    }
    no_complaints("a document names what is there", complaints);
}

#[test]
fn attacks_name_tests_that_exist() {
    let tree = Tree::read();
    let attacks = tree.file("docs/ATTACKS.md").expect("the attacks");
    let mut complaints = Vec::new();
    let mut in_tests = false;
    for (index, line) in attacks.text.lines().enumerate() {
        // A list of tests goes on in indented lines.
        in_tests = line.starts_with("- Tests:") || (in_tests && line.starts_with("  "));
        if !in_tests {
            continue;
        }
        for name in line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains('/'))
        {
            let declaration = format!("fn {name}()");
            if !rust_files(&tree).any(|file| file.text.contains(&declaration)) {
                complaints.push(format!("docs/ATTACKS.md:{}: no test {name}", index + 1));
            }
        }
    }
    no_complaints("an attack names the test of its defence", complaints);
}

/// A dialogue is named by its file and, in brackets and quotes, a part of its title.
#[test]
fn attacks_name_dialogues_that_exist() {
    let tree = Tree::read();
    let attacks = tree.file("docs/ATTACKS.md").expect("the attacks");
    // A title may go on in the next line.
    let text = attacks.text.split_whitespace().collect::<Vec<_>>();
    let text = text.join(" ");
    let mut complaints = Vec::new();
    let mut named_count = 0;
    for (place, _) in text.match_indices(".smtp` (\"") {
        let path = text[..place].rsplit('`').next().unwrap_or_default();
        let path = format!("{path}.smtp");
        let title = text[place..].split('"').nth(1).unwrap_or_default();
        named_count += 1;
        if !titles(&tree, &path).any(|one| one.contains(title)) {
            complaints.push(format!("docs/ATTACKS.md: no dialogue {title:?} in {path}"));
        }
    }
    assert!(0 < named_count, "dialogues are named");
    no_complaints("an attack names the dialogue of its defence", complaints);
}

/// The comments in front of each dialogue of a file, each as one line.
fn titles<'tree>(tree: &'tree Tree, path: &str) -> impl Iterator<Item = String> + use<'tree> {
    let dialogues = tree.file(path).map_or("", |file| &file.text).split("\n\n");
    dialogues.map(|dialogue| {
        let comments = dialogue.lines().filter_map(|line| line.strip_prefix("# "));
        comments.collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn every_attack_has_property_file_and_test() {
    let tree = Tree::read();
    let attacks = tree.file("docs/ATTACKS.md").expect("the attacks");
    let mut complaints = Vec::new();
    for section in attacks.text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        if title == "Not defended against yet" {
            continue;
        }
        for part in ["- Property:", "- File:", "- Tests:"] {
            if !section.lines().any(|line| line.starts_with(part)) {
                complaints.push(format!("docs/ATTACKS.md: {title:?} has no {part}"));
            }
        }
    }
    no_complaints("an attack has its property, file and test", complaints);
}

/// Whether a word in backquotes is meant as a path from the root.
fn is_source_path(word: &str) -> bool {
    let roots = [
        "src/",
        "jit/",
        "loadgen/",
        "bench/",
        "tests/",
        "docs/",
        "examples/",
        ".ci/",
    ];
    roots.iter().any(|root| word.starts_with(root)) && !word.contains([' ', '*', '<', '{'])
}

#[test]
fn figures_of_the_readme_name_their_run() {
    let tree = Tree::read();
    let readme = tree.file("README.md").expect("the readme");
    let begun = readme.text.split_once("<!-- bench:begin -->");
    let (_, rest) = begun.expect("the readme marks where its figures begin");
    let (figures, _) = rest
        .split_once("<!-- bench:end -->")
        .expect("and where they end");
    let run = figures
        .split("bench/runs/")
        .nth(1)
        .and_then(|rest| rest.split(['/', '`', ')', ' ']).next());
    let run = run.expect("the figures name a folder of bench/runs");
    let is_kept = tree
        .files
        .iter()
        .any(|file| file.path.starts_with(&format!("bench/runs/{run}/")));
    assert!(is_kept, "bench/runs/{run} is kept");
}

#[test]
fn dependencies_have_a_reason() {
    let tree = Tree::read();
    let manifest = tree.file("Cargo.toml").expect("the manifest");
    let (_, rest) = manifest
        .text
        .split_once("[workspace.dependencies]")
        .expect("dependencies");
    let section = rest.split("\n[").next().unwrap_or(rest);
    let entries = section
        .lines()
        .filter(|line| line.contains('=') && !line.contains("path ="));
    let complaints = entries.filter(|line| !line.contains(" # ") && !line.starts_with('#'));
    let complaints = complaints.map(|line| format!("Cargo.toml: {line}"));
    no_complaints("a dependency says why it is there", complaints.collect());
}
