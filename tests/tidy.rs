//! The house rules as tests: what the compiler does not check and a reviewer should not have to.
//!
//! In: the files of the source tree. Out: one test per rule, each with every place that breaks it. An exception stands
//! here, in a list, with its reason, and a test fails when nothing needs it any more.
//! Does not: judge style; rustfmt and clippy do what they can.

mod layers;
mod sources;
mod texts;

use sources::{File, Tree};

/// Fails with every complaint, one a line.
fn no_complaints(rule: &str, complaints: Vec<String>) {
    assert!(
        complaints.is_empty(),
        "{rule}\n{}\n({} places)",
        complaints.join("\n"),
        complaints.len()
    );
}

/// Every file of Rust code.
fn rust_files(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.has_extension("rs"))
}

/// Complains about exceptions that no longer are any.
fn unused_exceptions(listed: &[(&str, &str)], used: &[String]) -> Vec<String> {
    let is_unused = |(path, _): &&(&str, &str)| !used.iter().any(|other| other == path);
    let unused = listed.iter().filter(is_unused);
    unused
        .map(|(path, _)| format!("{path}: is listed as an exception and needs none"))
        .collect()
}
