//! The source tree as the rules see it.
//!
//! In: the folder of the root manifest. Out: every text file that belongs to the project, in a fixed order.
//! Does not: follow links, or look into build output, mail stores, inputs of fuzzers and hidden folders other than `.ci`.

use std::fs;
use std::path::{Path, PathBuf};

/// All files.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Reads the tree.
    pub(super) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths = Vec::new();
        list(root, &mut paths);
        paths.sort();
        let files = paths.into_iter().filter_map(|path| {
            // What is no text has no rules.
            let text = fs::read_to_string(&path).ok()?;
            let path = path.strip_prefix(root).ok()?.to_str()?.to_owned();
            Some(File { path, text })
        });
        let tree = Self {
            files: files.collect(),
        };
        assert!(tree.file("src/lib.rs").is_some(), "the tree was found");
        tree
    }

    /// The files that somebody wrote: all but lists of locked dependencies.
    pub(super) fn written(&self) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(|file| !file.path.ends_with(".lock"))
    }

    /// The file at this path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    /// Whether its name ends in this extension.
    pub(super) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|other| other == extension)
    }

    /// The name without its folders.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder, without a slash at the end.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Lines with their numbers from 1, without comments and without a module of tests at the end.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = |line: &&str| *line == "#[cfg(test)]";
        let before_tests = self.text.lines().take_while(move |line| !is_test(line));
        let numbered = before_tests
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        numbered.map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
    }

    /// Whether all of it is tests.
    pub(super) fn is_test(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/")
            || path.contains("/tests/")
            || path.ends_with("/tests.rs")
            || path == "loadgen/src/end_to_end.rs"
    }
}

/// Whether `word` stands in `line`; where it ends in a letter, not as a part of a longer word.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let ends_in_part = word.ends_with(is_part);
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !(before.is_some_and(is_part) || ends_in_part && after.is_some_and(is_part))
    })
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the tree is readable") {
        let entry = entry.expect("its entries are readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_file() {
            paths.push(entry.path());
        } else if kind.is_dir() && !is_outside(&name) {
            list(&entry.path(), paths);
        }
    }
}

fn is_outside(folder: &str) -> bool {
    (folder.starts_with('.') && folder != ".ci")
        || folder == "target"
        || folder.starts_with("target-")
        || folder.ends_with("-data")
        // Inputs that a fuzzer made up.
        || ["artifacts", "corpus", "regressions"].contains(&folder)
}
