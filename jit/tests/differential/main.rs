//! Runs random programs in every way there is and compares what they do, and feeds the fuzz targets what is kept for them.
//!
//! `ways.rs` says what is compared and lists the ways, `program.rs` makes the programs, `targets/` is what `fuzz/` drives.
//!
//! `DIFFERENTIAL_SEED` and `DIFFERENTIAL_COUNT` choose other programs than the usual few, `DIFFERENTIAL_SECONDS` goes on with
//! the next ones until so many seconds are over. A disagreement is printed with the program, made smaller, and the seed that
//! gives it.
#![expect(clippy::print_stdout, reason = "tells how many programs were compared")]

mod program;
mod shapes;
mod small;
mod targets;
mod templates;
mod ways;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ways::{Bounds, Files, Verdict, compare, smaller};

fn number(variable: &str, usual: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(usual, |given| given.parse().expect("a number"))
}

/// How many programs did what.
#[derive(Debug, Default)]
struct Tally {
    finished: u64,
    failed: u64,
    refused: u64,
    skipped: u64,
    faults: Vec<u64>,
}

impl Tally {
    fn compare_program(&mut self, seed: u64) {
        let (text, ways) = (program::program(seed), ways::some_ways(seed));
        let files = Files::split(text.as_bytes());
        match compare(files.program(), Bounds::of(seed), &ways) {
            Verdict::Same(true) => self.finished += 1,
            Verdict::Same(false) => self.failed += 1,
            Verdict::Refused(reason) => {
                if self.refused < REFUSALS_SHOWN_MAX {
                    println!("refused, seed {seed}:\n{reason}");
                }
                self.refused += 1;
            }
            Verdict::Skipped => self.skipped += 1,
            Verdict::Different(_) => {
                let (text, how) = smaller(&text, Bounds::of(seed), &ways);
                println!("DIFFERENTIAL_SEED={seed} DIFFERENTIAL_COUNT=1\n{text}\n{how}\n");
                self.faults.push(seed);
            }
        }
    }

    const fn count(&self) -> u64 {
        self.finished + self.failed + self.refused + self.skipped + self.faults.len() as u64
    }
}

fn compare_programs(first: u64, count: u64, time: Duration) {
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut seed = first;
    while seed < first + count || begin.elapsed() < time {
        tally.compare_program(seed);
        seed += 1;
    }
    println!(
        "seeds {first} to {}: {} finished, {} ended in an error, {} were refused, {} skipped, {} disagree",
        seed - 1,
        tally.finished,
        tally.failed,
        tally.refused,
        tally.skipped,
        tally.faults.len()
    );
    assert!(
        tally.faults.is_empty(),
        "the ways disagree on {:?}",
        tally.faults
    );
    assert!(
        tally.count() < 50 || (tally.refused + tally.skipped) * 5 < tally.count(),
        "a fifth of the programs was not compared"
    );
}

/// That many are enough to see what is wrong with the generator.
const REFUSALS_SHOWN_MAX: u64 = 30;

/// The plain evaluator recurses on the tree, and without optimization its frames are large.
const STACK_BYTES: usize = 256 << 20;

fn with_large_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let ran = thread.spawn(work).expect("a thread").join();
    assert!(ran.is_ok(), "see above");
}

#[test]
fn random_programs_do_the_same_in_every_way() {
    let first = number("DIFFERENTIAL_SEED", 1);
    let usual = if cfg!(debug_assertions) { 40 } else { 600 };
    let count = number("DIFFERENTIAL_COUNT", usual);
    let time = Duration::from_secs(number("DIFFERENTIAL_SECONDS", 0));
    with_large_stack(move || compare_programs(first, count, time));
}

/// `DIFFERENTIAL_FILE` names a script to compare, such as one that a longer run printed, and shows how the ways disagree.
#[test]
fn the_given_program_does_the_same_in_every_way() {
    let Some(path) = std::env::var_os("DIFFERENTIAL_FILE") else {
        return;
    };
    let text = std::fs::read(path).expect("the file is there");
    with_large_stack(move || {
        let files = Files::split(&text);
        match compare(files.program(), Bounds::of(0), &ways::ways()) {
            Verdict::Different(how) => panic!("{how}"),
            verdict => println!("{verdict:?}"),
        }
    });
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Inputs that a fuzzer once found a mistake with.
#[test]
fn kept_inputs_do_no_harm() {
    with_large_stack(|| {
        for (name, target) in targets::TARGETS {
            let folder = fuzz_folder().join("regressions").join(name);
            let files = std::fs::read_dir(&folder).expect("each target has kept inputs");
            let mut count = 0;
            for file in files {
                let path = file.expect("an entry").path();
                println!("{}", path.display());
                target(&std::fs::read(&path).expect("a file"));
                count += 1;
            }
            assert!(0 < count, "{name} has no kept input");
        }
    });
}

/// No folder of kept inputs is for a target that is gone, and each target has a program.
#[test]
fn every_target_is_driven() {
    let manifest = fuzz_folder().join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the fuzz targets have a manifest");
    for (name, _) in targets::TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(
            fuzz_folder().join(format!("targets/{name}.rs")).is_file(),
            "{name}"
        );
    }
    let folders = std::fs::read_dir(fuzz_folder().join("regressions")).expect("a folder");
    for folder in folders {
        let name = folder.expect("an entry").file_name();
        // Those of the protocol are the engine's.
        let is_of_protocol = ["smtp-", "tls-"]
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start));
        if is_of_protocol {
            continue;
        }
        let is_known = targets::TARGETS.iter().any(|(known, _)| name == *known);
        assert!(is_known, "{} is no target", name.display());
    }
}
