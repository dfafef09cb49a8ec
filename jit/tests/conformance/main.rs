//! Runs the scripts of this folder in every way there is and compares each with what the file says.
//!
//! A file holds cases. Everything from `//# name` to the next such line is one script; what stands before the first is for
//! readers. Within a script, a line that begins with
//!
//! | line | says |
//! | --- | --- |
//! | `//> text` | this is the next line of output |
//! | `//   ^^^ message` | the script ends in this error, whose span the carets mark on the line above that is no mark itself |
//! | `//! action Name [..]` | the script ends in this context function, with these arguments as an array prints |
//! | `//! returns text` | the script finishes with this value; without this line and the two above it finishes with none |
//! | `//! fuel N` | the script may use this much fuel |
//! | `//! fuel used N` | the script uses exactly this much fuel |
//! | `//! output N` | the script may print this many octets, each `echo` counting some besides its text |
//! | `//! cycle` | values that hold each other stay alive; otherwise a script that finishes leaves none |
//!
//! Marks are comments to the script, and a script keeps the line numbers of its file. A span of several lines is marked up
//! to the end of its first.
//!
//! Within a case, `//= name` begins a file that the script may include and import; it goes up to the next such line or the
//! next case. In an `.hsl` file marks are marks, in any other file every line is data.
//!
//! Every script has the variables `$fixed` ("fixed", read-only) and `$free` (none) and the context functions `Stop(...)`,
//! which terminates, `List(...)`, which returns its arguments as an array, and `Change(value)`, which gives `$fixed` another
//! value and returns the old one.
//!
//! A further way to run the scripts is a further line in [`ways::WAYS`].

mod assertions;
mod case;
mod guide;
mod markdown;
mod ways;

use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let entries = std::fs::read_dir(folder).expect("the folder of conformance scripts");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "hsl"));
    files.sort();
    files
}

fn check_all() -> (usize, Vec<String>) {
    let (mut count, mut faults) = (0, Vec::new());
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("scripts are UTF-8");
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for case in case::cases(&name, &text) {
            count += 1;
            faults.extend(case.check());
        }
    }
    (count, faults)
}

/// The plain evaluator recurses on the tree, and without optimization its frames are large.
const STACK_BYTES: usize = 256 << 20;

fn with_large_stack<R: Send + 'static>(work: fn() -> R) -> R {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = thread.spawn(work).expect("a thread");
    thread.join().expect("no script panics")
}

#[test]
fn every_script_does_what_its_file_says() {
    let (count, faults) = with_large_stack(check_all);
    assert!(
        faults.is_empty(),
        "{} of {count} cases:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(count > 250, "only {count} cases were found");
}
