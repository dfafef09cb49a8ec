//! Runs the language's assertions, which lie beside the project, in every way there is.
//!
//! In: `shared/conformance/hsl-open.json` beside the folder of the workspace, where it exists: scripts with their files and
//! what each prints, or how it fails. Out: every two ways did the same, and a line on standard error that says how many
//! assertions hold in every way; `.ci/run` wants a number of them. Where the file is missing that line says so.
//! What the compiler refuses never runs, so the plain evaluator, which is promised a program that compiles, is not asked.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use postern_jit::oracle::Limits;
use serde_json::Value;

use crate::ways::{Observed, ObservedEnding, Script, WAYS};

/// Where the assertions are, from the folder of the workspace.
const ASSERTIONS: &str = "../shared/conformance/hsl-open.json";

/// One assertion.
struct Assertion {
    id: String,
    kind: String,
    script: Script,
    /// What it may print.
    outputs: Vec<String>,
}

impl Assertion {
    fn read(assertion: &Value) -> Self {
        let text = |name: &str| assertion[name].as_str().unwrap_or_default().to_owned();
        let files = assertion["files"].as_object().into_iter().flatten();
        let files = files.map(|(name, content)| {
            let content = content.as_str().unwrap_or_default();
            (name.clone(), content.as_bytes().to_vec())
        });
        let others = assertion["alts"].as_array().into_iter().flatten();
        let others = others.filter_map(Value::as_str).map(str::to_owned);
        Self {
            id: text("id"),
            kind: text("kind"),
            script: Script {
                name: "main.hsl".to_owned(),
                text: text("code").into_bytes(),
                files: files.collect(),
                fuel: Limits::default().fuel,
                output: Limits::default().output,
                has_host: false,
            },
            outputs: [text("expected")].into_iter().chain(others).collect(),
        }
    }

    /// Whether this is what the assertion says.
    fn holds(&self, observed: &Observed) -> bool {
        let is_refused = matches!(observed.ending, ObservedEnding::Refused(..));
        let is_error = matches!(observed.ending, ObservedEnding::Error(..));
        let may_be = |output: &str| self.outputs.iter().any(|one| one == output);
        match self.kind.as_str() {
            "output" if is_refused => may_be("<compile-error>\n") || may_be("<error>\n"),
            "output" if is_error => may_be("<error>\n"),
            "output" => self
                .outputs
                .iter()
                .any(|one| one.as_bytes() == observed.output),
            "compile-error" => is_refused,
            "runtime-error" => is_error,
            "error" => is_refused || is_error,
            other => panic!("{}: an assertion of unknown kind {other}", self.id),
        }
    }
}

/// What every way can be asked about: not the value of a script, which only one tells, nor how much it left behind.
fn comparable(mut observed: Observed) -> Observed {
    if let ObservedEnding::Finished(value) = &mut observed.ending {
        *value = None;
        observed.live_values = observed.live_values.min(1);
    } else {
        observed.live_values = 0;
    }
    observed
}

/// What the assertions came to.
#[derive(Default)]
struct Tally {
    total: usize,
    /// Evaluated by every way, all alike, and as it should be.
    evaluated: usize,
    /// Refused by the compiler, as it should be.
    refused: usize,
    /// Refused by the compiler, although the plain evaluator does what it should.
    plain_only: Vec<String>,
    /// What two ways do not do alike.
    faults: Vec<String>,
}

impl Tally {
    fn run(&mut self, assertion: &Assertion) {
        let [plain, compiled, others @ ..] =
            WAYS.map(|(_, run)| comparable(run(&assertion.script)));
        let is_refused = matches!(compiled.ending, ObservedEnding::Refused(..));
        let holds = assertion.holds(&compiled);
        self.total += 1;
        let differ = others.iter().any(|other| *other != compiled);
        if differ || !(is_refused || plain == compiled) {
            self.faults.push(format!(
                "{}:\n  plain evaluator {plain:?}\n  compiled {compiled:?}\n  otherwise {others:?}",
                assertion.id
            ));
        } else if holds && is_refused {
            self.refused += 1;
        } else if holds {
            self.evaluated += 1;
        } else if assertion.holds(&plain) {
            self.plain_only.push(assertion.id.clone());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (evaluated, refused) = (self.evaluated, self.refused);
        let (holding, total) = (evaluated + refused, self.total);
        write!(
            f,
            "{holding} of {total} hold: {evaluated} evaluated in every way alike, {refused} refused by the compiler"
        )?;
        if !self.plain_only.is_empty() {
            write!(
                f,
                "; only in the plain evaluator: {}",
                self.plain_only.join(" ")
            )?;
        }
        Ok(())
    }
}

fn check_all() -> (String, Vec<String>) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = workspace.join(ASSERTIONS);
    if !path.exists() {
        return (format!("skipped, there is no {ASSERTIONS}"), Vec::new());
    }
    let text = std::fs::read(&path).expect("the assertions can be read");
    let assertions: Vec<Value> = serde_json::from_slice(&text).expect("the assertions are JSON");
    let mut tally = Tally::default();
    for assertion in &assertions {
        tally.run(&Assertion::read(assertion));
    }
    (tally.to_string(), tally.faults)
}

#[test]
fn assertions_of_the_language_hold_in_every_way() {
    let (line, faults) = crate::with_large_stack(check_all);
    // Past the capture of tests that pass: that nothing was run must be seen.
    let told = writeln!(std::io::stderr(), "\nassertions of the language: {line}");
    assert!(told.is_ok(), "standard error is open");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
