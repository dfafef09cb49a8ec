//! Dialogues: what a client sends and an operator would see, as data, played in several ways.
//!
//! In: the `.smtp` files of this folder. Out: one test per way to play them; the transcript must be
//! the same each time. `script` parses, `profile` says what the names of profiles mean, `memory`
//! plays without a network.

pub(crate) mod memory;
pub(crate) mod profile;
pub(crate) mod script;
#[cfg(test)]
mod segmentation;

use std::fs;
use std::path::{Path, PathBuf};

use memory::Segments;
use script::Dialogue;

/// Every dialogue of the folder, by name.
fn dialogues() -> Vec<Dialogue> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogue");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of the dialogues is readable")
        .map(|entry| entry.expect("its entries are readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "smtp")
        })
        .collect();
    paths.sort();
    assert!(
        !paths.is_empty(),
        "there are dialogues in {}",
        folder.display()
    );
    paths
        .iter()
        .flat_map(|path| {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy())
                .unwrap_or_default();
            let text = fs::read_to_string(path).expect("a dialogue is text");
            script::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"))
        })
        .collect()
}

/// Plays every dialogue in one way and reports all that fail.
fn play_all(ways: impl Iterator<Item = Segments> + Clone) {
    let failures: Vec<String> = dialogues()
        .iter()
        .flat_map(|dialogue| {
            ways.clone()
                .filter_map(|way| memory::play(dialogue, way).err())
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn dialogues_hold_when_each_line_is_one_segment() {
    play_all([Segments::Lockstep].into_iter());
}

#[test]
fn dialogues_hold_when_each_octet_is_one_segment() {
    play_all([Segments::Octets].into_iter());
}

#[test]
fn dialogues_hold_when_everything_is_one_segment() {
    play_all([Segments::One].into_iter());
}

#[test]
fn dialogues_hold_when_segments_are_random() {
    play_all((0..16).map(|seed| Segments::Random { seed }));
}
