//! Cases: scripts in a file, with what each must do.
//!
//! In: the text of a file as `main.rs` describes it. Out: [`Case`]s, and what is wrong with what the ways do with them.

use std::fmt::Write as _;

use postern_jit::diagnostic::Diagnostics;
use postern_jit::oracle::Limits;

use crate::ways::{Mark, Observed, ObservedEnding, Script, WAYS};

/// A case as its file has it.
pub(crate) struct Case {
    name: String,
    script: Script,
    expected: Observed,
    /// Where the error is.
    mark: Option<Mark>,
    fuel_checked: bool,
    cycle: bool,
}

impl Case {
    fn new(file: &str, name: &str, lines_before: usize) -> Self {
        Self {
            name: name.to_owned(),
            script: Script {
                name: file.to_owned(),
                text: vec![b'\n'; lines_before],
                files: Vec::new(),
                fuel: Limits::default().fuel,
                output: Limits::default().output,
                has_host: true,
            },
            expected: Observed {
                output: Vec::new(),
                ending: ObservedEnding::Finished(Some("none".to_owned())),
                fuel_used: 0,
                live_values: 0,
            },
            mark: None,
            fuel_checked: false,
            cycle: false,
        }
    }

    /// What follows is a file of its own.
    fn begin_file(&mut self, name: &str, lines_before: usize) {
        let lines_before = if is_script(name) { lines_before } else { 0 };
        let file = (name.to_owned(), vec![b'\n'; lines_before]);
        self.script.files.push(file);
    }

    /// The text that the current line belongs to.
    fn text_mut(&mut self) -> &mut Vec<u8> {
        match self.script.files.last_mut() {
            Some((_, text)) => text,
            None => &mut self.script.text,
        }
    }

    /// Whether the current line is data, in which nothing is a mark.
    fn is_in_data(&self) -> bool {
        let last = self.script.files.last();
        last.is_some_and(|(name, _)| !is_script(name))
    }

    /// Takes the empty lines away that stand behind a data file.
    fn trim_data(&mut self) {
        for (name, text) in &mut self.script.files {
            while !is_script(name) && text.ends_with(b"\n\n") {
                text.pop();
            }
        }
    }

    /// Takes one line; `code` is the number of the last line that was no mark.
    fn take(&mut self, line: &str, code: usize) {
        if let Some(text) = line.strip_prefix("//>") {
            let text = text.strip_prefix(' ').unwrap_or(text);
            self.expected.output.extend_from_slice(text.as_bytes());
            self.expected.output.push(b'\n');
        } else if let Some(rest) = line.strip_prefix("//! ") {
            self.take_directive(rest);
        } else if let Some(rest) = carets(line) {
            let start = line.find('^').expect("carets begin with a caret");
            let length = rest.len() - rest.trim_start_matches('^').len();
            let file = self.script.files.last();
            self.mark = Some(Mark {
                file: file.map_or(&self.script.name, |(name, _)| name).clone(),
                line: code,
                start,
                end: start + length,
            });
            let message = rest[length..].trim_start().to_owned();
            self.expected.ending = ObservedEnding::Error(message, None);
        }
    }

    fn take_directive(&mut self, directive: &str) {
        let number = |text: &str| text.parse().expect("a directive ends in a number");
        if let Some(action) = directive.strip_prefix("action ") {
            let (name, arguments) = action.split_once(' ').unwrap_or((action, "[]"));
            self.expected.ending = ObservedEnding::Action(name.to_owned(), arguments.to_owned());
        } else if let Some(value) = directive.strip_prefix("returns ") {
            self.expected.ending = ObservedEnding::Finished(Some(value.to_owned()));
        } else if let Some(used) = directive.strip_prefix("fuel used ") {
            self.expected.fuel_used = number(used);
            self.fuel_checked = true;
        } else if let Some(fuel) = directive.strip_prefix("fuel ") {
            self.script.fuel = number(fuel);
        } else if let Some(output) = directive.strip_prefix("output ") {
            self.script.output = usize::try_from(number(output)).expect("fits");
        } else if directive == "cycle" {
            self.cycle = true;
        } else {
            panic!("{}: unknown directive {directive}", self.name);
        }
    }

    /// Runs the case in every way and says what is wrong.
    pub(crate) fn check(&self) -> Vec<String> {
        let (file, name) = (&self.script.name, &self.name);
        let mut diagnostics = Diagnostics::new();
        let (sources, _) = self.script.load(&mut diagnostics);
        if diagnostics.iter().next().is_some() {
            return vec![format!("{name}: {}", diagnostics.render(&sources))];
        }
        let (mut faults, mut fuel) = (Vec::new(), None);
        for (way, run) in WAYS {
            let observed = run(&self.script);
            let mut fault = self.compare(&observed);
            if !matches!(observed.ending, ObservedEnding::Refused(..)) {
                let used = observed.fuel_used;
                let first = *fuel.get_or_insert(used);
                if used != first {
                    let _ = writeln!(fault, "  {used} units of fuel used, not {first} as before");
                }
            }
            if !fault.is_empty() {
                faults.push(format!("{file}: {name} ({way}):\n{fault}"));
            }
        }
        faults
    }

    fn compare(&self, observed: &Observed) -> String {
        let mut fault = String::new();
        if observed.output != self.expected.output {
            let (expected, printed) = (&self.expected.output, &observed.output);
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace('\n', "\n    ");
            let _ = write!(fault, "  expected\n    {}", text(expected).trim_end());
            let _ = writeln!(fault, "\n  printed\n    {}", text(printed).trim_end());
        }
        if let ObservedEnding::Refused(reason, mark) = &observed.ending
            && self.mark.is_some()
        {
            // The compiler may say before the script runs what the evaluator finds when it does.
            return self.refused(reason, mark);
        }
        let (ending, mark) = match &observed.ending {
            ObservedEnding::Error(message, mark) => {
                (ObservedEnding::Error(message.clone(), None), mark.as_ref())
            }
            ObservedEnding::Finished(None) => (self.expected.finished(), None),
            other => (other.clone(), None),
        };
        if ending != self.expected.ending {
            let expected = &self.expected.ending;
            let _ = writeln!(fault, "  expected to end with {expected:?}, not {ending:?}");
        }
        if self.mark.is_some() && mark != self.mark.as_ref() {
            let expected = &self.mark;
            let _ = writeln!(fault, "  expected the error at {expected:?}, not {mark:?}");
        }
        if self.fuel_checked && observed.fuel_used != self.expected.fuel_used {
            let (expected, used) = (self.expected.fuel_used, observed.fuel_used);
            let _ = writeln!(
                fault,
                "  expected {expected} units of fuel used, not {used}"
            );
        }
        // A script that ends early may leave values to be thrown away with its heap.
        let finished = matches!(observed.ending, ObservedEnding::Finished(_));
        if finished && (observed.live_values != 0) != self.cycle {
            let _ = writeln!(
                fault,
                "  {} values are alive at the end",
                observed.live_values
            );
        }
        fault
    }

    /// What is wrong with a refusal of a script that ends in an error: its line, if anything.
    fn refused(&self, reason: &str, mark: &Mark) -> String {
        let expected = self.mark.as_ref();
        if expected.is_some_and(|expected| expected.file == mark.file && expected.line == mark.line)
        {
            return String::new();
        }
        format!("  expected to be refused at {expected:?}, not at {mark:?}: {reason}\n")
    }
}

/// Whether a file of this name is a script, which can have marks and whose lines are numbered.
fn is_script(name: &str) -> bool {
    name.ends_with(".hsl")
}

/// What follows the blanks of a mark of an error, if the line is one.
fn carets(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("//")?.trim_start_matches(' ');
    rest.starts_with('^').then_some(rest)
}

/// The cases of a file. Line numbers of scripts and modules are those of the file, behind empty lines; data files begin at
/// their first line.
pub(crate) fn cases(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut code = 0;
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("//# ") {
            cases.push(Case::new(file, name, number));
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(name) = line.strip_prefix("//= ") {
            case.begin_file(name, number + 1);
            continue;
        }
        let text = case.text_mut();
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        if case.is_in_data() {
            continue;
        }
        case.take(line, code);
        if !line.starts_with("//") {
            code = number;
        }
    }
    for case in &mut cases {
        case.trim_data();
    }
    cases
}
