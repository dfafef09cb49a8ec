//! The workloads of the suite: what they are called and how much work one run is.
//!
//! In: the folder `bench/workloads`. Out: names, the lines a workload works on, how many items that makes.
//! A workload is a folder with one program per language and, where it works on text, `lines.txt`.

use std::path::{Path, PathBuf};

use super::read;
use crate::failure::Failure;

/// One workload.
#[derive(Debug)]
pub(super) struct Workload {
    /// Its folder.
    pub(super) name: &'static str,
    /// What a row of the table calls it.
    pub(super) title: &'static str,
    /// What one figure is the time of.
    pub(super) item: Item,
    /// How often a program goes through its lines, or round its loop: about a fifth of a second of LuaJIT.
    pub(super) rounds: u64,
    /// Whether it is what scripts of a mail server mostly do.
    pub(super) is_policy: bool,
}

/// What a program does so often in one round.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// One thing a round.
    Round(&'static str),
    /// A number of things a round.
    Fixed(u64, &'static str),
    /// One thing per line.
    Line(&'static str),
    /// One thing per word of the lines.
    Word,
}

/// The lines a workload works on; none at all if it needs none.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) lines: Vec<String>,
    pub(super) path: Option<PathBuf>,
}

impl Workload {
    /// A file of this workload.
    pub(super) fn file(&self, folder: &Path, name: &str) -> PathBuf {
        folder.join(self.name).join(name)
    }

    /// Reads its lines.
    pub(super) fn inputs(&self, folder: &Path) -> Result<Inputs, Failure> {
        let path = match self.item {
            Item::Line(_) | Item::Word => self.file(folder, "lines.txt"),
            Item::Round(_) | Item::Fixed(..) => {
                return Ok(Inputs {
                    lines: Vec::new(),
                    path: None,
                });
            }
        };
        let lines = read(&path)?.lines().map(str::to_owned).collect();
        Ok(Inputs {
            lines,
            path: Some(path),
        })
    }

    /// How many items one round is.
    pub(super) fn items_per_round(&self, inputs: &Inputs) -> u64 {
        let words = |line: &String| line.split(' ').count();
        let count = match self.item {
            Item::Round(_) => return 1,
            Item::Fixed(count, _) => return count,
            Item::Line(_) => inputs.lines.len(),
            Item::Word => inputs.lines.iter().map(words).sum(),
        };
        count.try_into().unwrap_or(u64::MAX)
    }
}

impl Item {
    /// The word for one of them.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Round(name) | Self::Fixed(_, name) | Self::Line(name) => name,
            Self::Word => "word",
        }
    }
}

/// The workloads with these names, all of them without names.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Workload>, Failure> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| {
        let known = || {
            ALL.iter()
                .map(|one| one.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        ALL.iter()
            .find(|workload| workload.name == name)
            .ok_or_else(|| Failure(format!("no workload `{name}`; there are {}", known())))
    };
    names.iter().map(find).collect()
}

const fn workload(
    name: &'static str,
    title: &'static str,
    item: Item,
    rounds: u64,
    is_policy: bool,
) -> Workload {
    Workload {
        name,
        title,
        item,
        rounds,
        is_policy,
    }
}

/// All workloads, in the order of the tables.
const ALL: [Workload; 13] = [
    workload(
        "nat64",
        "NAT64 address (RFC 6052)",
        Item::Line("address"),
        2_000,
        true,
    ),
    workload(
        "prefix_test",
        "prefix of a command line",
        Item::Line("line"),
        100_000,
        true,
    ),
    workload(
        "suffix_test",
        "suffix of a command line",
        Item::Line("line"),
        50_000,
        true,
    ),
    workload(
        "network_table",
        "IPv4 and IPv6 network table",
        Item::Line("address"),
        5_000,
        true,
    ),
    workload(
        "integer_loop",
        "integer loop",
        Item::Round("round"),
        20_000_000,
        false,
    ),
    workload(
        "string_building",
        "string building",
        Item::Line("piece"),
        10_000,
        false,
    ),
    workload("word_count", "word count", Item::Word, 1_000, false),
    workload(
        "url_encode",
        "percent-encoding",
        Item::Line("text"),
        500,
        false,
    ),
    workload(
        "base32",
        "base32 there and back",
        Item::Line("text"),
        300,
        false,
    ),
    workload(
        "levenshtein",
        "Levenshtein distance",
        Item::Line("pair"),
        300,
        false,
    ),
    workload(
        "insertion_sort",
        "insertion sort of 64",
        Item::Round("list"),
        10_000,
        false,
    ),
    workload(
        "regex_extraction",
        "extraction by regex",
        Item::Line("line"),
        2_000,
        false,
    ),
    workload(
        "map_filter_reduce",
        "map, filter, reduce",
        Item::Fixed(100, "number"),
        10_000,
        false,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::{ALL, chosen};

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/workloads"))
    }

    #[test]
    fn every_folder_is_a_workload_and_every_workload_is_complete() {
        let entries = fs::read_dir(folder()).expect("the folder of workloads is there");
        let folders: BTreeSet<String> = entries
            .map(|entry| entry.expect("an entry can be read"))
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let names = ALL.iter().map(|workload| workload.name.to_owned());
        assert_eq!(folders, names.collect());
        for workload in &ALL {
            for suffix in ["hsl", "lua", "js", "php"] {
                let file = workload.file(folder(), &format!("workload.{suffix}"));
                assert!(file.is_file(), "{} is missing", file.display());
            }
            let inputs = workload.inputs(folder()).expect("lines can be read");
            assert_ne!(workload.items_per_round(&inputs), 0, "{}", workload.name);
        }
    }

    #[test]
    fn unknown_names_are_told() {
        let one = chosen(&["nat64".to_owned()]).expect("it is known");
        assert_eq!(one[0].name, "nat64");
        let failure = chosen(&["nat46".to_owned()]).expect_err("it is unknown");
        assert!(failure.0.contains("no workload `nat46`"), "{failure}");
    }
}
