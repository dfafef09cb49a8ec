//! Sessions: what lives from one input to the next, and what does not.

use std::collections::HashMap;

use super::*;
use crate::execution::Step;
use crate::resolve::{Arity, HostFunction, LoadError, LoadedFile, PredefinedVariable};

/// Files by name; what was read stays as it was.
#[derive(Default)]
struct Files(HashMap<&'static str, &'static str>);

impl Loader for Files {
    fn load(&mut self, _: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let name = String::from_utf8_lossy(path).into_owned();
        match self.0.get(name.as_str()) {
            Some(text) => Ok(LoadedFile {
                name,
                text: text.as_bytes().to_vec(),
            }),
            None => Err(LoadError::NotFound),
        }
    }
}

struct Prompt {
    session: Session,
    files: Files,
}

impl Prompt {
    fn new() -> Self {
        Self::with(Environment::default())
    }

    fn with(environment: Environment) -> Self {
        Self {
            session: Session::new(environment),
            files: Files::default(),
        }
    }

    /// What an input prints, its value, and its error.
    fn run(&mut self, text: &str) -> String {
        let compiled = self.session.compile(text.as_bytes(), &mut self.files);
        let mut shown = compiled.diagnostics.render(&compiled.sources);
        let Some(input) = compiled.input else {
            return shown;
        };
        let started = self
            .session
            .start(&input, Limits::default(), |_| PredefinedInput::None);
        let mut execution = started.expect("it starts");
        let mut outcome = loop {
            match execution.resume() {
                Step::Finished(outcome) => break outcome,
                Step::OutOfFuel => {}
                Step::NeedsHost(_) | Step::NeedsProcess(_) => panic!("asks for nothing"),
            }
        };
        let finished = self.session.finish(input, &mut outcome);
        let mut lines: Vec<String> = outcome
            .output
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        if let Some(value) = finished.value {
            let value = value.expect("short");
            lines.push(String::from_utf8_lossy(&value).into_owned());
        }
        match &outcome.ending {
            Ending::Error(error) => lines.push(format!("error: {error}")),
            Ending::Action { function, .. } => lines.push(format!("action {function}")),
            Ending::Implicit => {}
        }
        if let Some(error) = finished.lost {
            lines.push(format!("lost: {error}"));
        }
        shown.push_str(&lines.join("|"));
        shown
    }

    /// Runs inputs, each with what it must show.
    fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (text, expected) in dialogue {
            assert_eq!(self.run(text), *expected, "{text}");
        }
    }

    fn names(&self) -> Vec<&str> {
        self.session.variable_names().collect()
    }
}

#[test]
fn variables_live_on() {
    let mut prompt = Prompt::new();
    prompt.expect(&[
        ("$x = 1;", ""),
        ("$y = [\"a\" => $x];", ""),
        ("$y[] = 2; echo $y;", "[\"a\"=>1,0=>2]"),
        ("$x + 1", "2"),
        ("isset($z)", "false"),
        ("unset($x)", "true"),
        ("isset($x)", "false"),
        ("foreach ([1, 2] as $k => $v) { }", ""),
        ("\"$k $v\"", "\"1 2\""),
    ]);
    assert_eq!(prompt.names(), ["k", "v", "y"]);
    assert!(
        prompt
            .run("echo $x;")
            .contains("`$x` is read and set nowhere")
    );
}

#[test]
fn an_expression_has_its_value_shown() {
    Prompt::new().expect(&[
        ("1 + 1", "2"),
        ("\"a\\n\"", "\"a\\n\""),
        ("[1, \"b\"]", "[0=>1,1=>\"b\"]"),
        ("none", "none"),
        ("function () { return 1; }", "[function]"),
        ("$x = 5", "5"),
        ("$x;", ""),
        ("true // yes", "true"),
    ]);
}

#[test]
fn functions_live_on_and_are_replaced() {
    let mut prompt = Prompt::new();
    prompt.expect(&[
        ("function one() { return 1; }", ""),
        ("function two() { return one() * 2; }", ""),
        ("two()", "2"),
        ("$old = one;", ""),
        ("function one() { return 10; }", ""),
        ("two()", "20"),
        ("$old()", "1"),
        ("one()", "10"),
        ("function counter() { global $n; $n += 1; return $n; }", ""),
        ("$n = 5;", ""),
        ("counter()", "6"),
        ("$n", "6"),
    ]);
    let declared: Vec<&str> = prompt.session.declared().collect();
    assert_eq!(declared, ["counter", "one", "two"]);
    let refused = prompt.run("function one($x) { return $x; }");
    assert!(refused.contains("input 2:1:"), "{refused}");
    prompt.expect(&[("two()", "20")]);
    let refused = prompt.run("function one() { return two(); }");
    assert!(refused.contains("recursion"), "{refused}");
}

#[test]
fn function_values_and_objects_live_on() {
    Prompt::new().expect(&[
        ("$n = 1; $add = function ($by) closure ($n) { $n += $by; return $n; };", ""),
        ("$unrelated = function () { return 7; };", ""),
        ("$add(2)", "3"),
        ("$n", "3"),
        ("$n = 10;", ""),
        ("$add(1)", "11"),
        ("class Box { static $made = 0; constructor($v) { $this->v = $v; Box::$made += 1; } function get() { return $this->v; } }", ""),
        ("$a = Box(1); $b = $a;", ""),
        ("$b->v = 2;", ""),
        ("$a->get()", "2"),
        ("Box::$made", "1"),
        ("$get = $a->get;", ""),
        ("class Box { static $made = 7; function get() { return \"new\"; } }", ""),
        ("$get() . $a->get() . Box()->get()", "\"22new\""),
        ("$unrelated() + $add(0)", "18"),
        ("$box = [\"self\" => $a]; $box[\"self\"]->v = 9;", ""),
        ("$b->v", "9"),
    ]);
}

/// What the compiler knows of the calls it sees must not hold for those of values from before.
#[test]
fn function_values_take_what_no_call_by_name_gave() {
    Prompt::new().expect(&[
        ("function twice($n) { return $n + $n; } echo twice(2); $f = twice;", "4"),
        ("$f(\"a\")", "\"aa\""),
        ("twice(3)", "6"),
        ("$f([1]) == [1, 1]", "true"),
        ("$held = 1; $get = function () closure ($held) { return $held; }; echo $get() + 1;", "2"),
        ("$held = \"text\";", ""),
        ("$get()", "\"text\""),
        ("class Sum { static $of = 1; function add($n) { Sum::$of += $n; return Sum::$of; } } $s = Sum(); echo $s->add(1);", "2"),
        ("Sum::$of = \"s\";", ""),
        ("$s->add(\"t\")", "\"st\""),
    ]);
}

#[test]
fn an_error_keeps_what_was_done_and_what_was_declared() {
    let mut prompt = Prompt::new();
    prompt.expect(&[
        (
            "$x = 1; $f = function () { return 3; }; echo none . 1; $x = 2;",
            "error: operator . does not work on none and number",
        ),
        ("$x", "1"),
        ("$f()", "3"),
    ]);
    assert!(prompt.run("$x = ;").contains("input 4:1:"));
    assert!(
        prompt
            .run("function broken() { return $a; }")
            .contains("set nowhere")
    );
    assert!(prompt.run("broken()").contains("unknown function"));
    prompt.expect(&[
        ("$x", "1"),
        (
            "if (false) $w = 1; echo $w;",
            "error: variable $w is not defined",
        ),
    ]);
}

#[test]
fn modules_run_once() {
    let mut prompt = Prompt::new();
    prompt.files.0.insert(
        "m",
        "echo \"run\"; $count = 0; function next() { global $count; $count += 1; return $count; }",
    );
    prompt
        .files
        .0
        .insert("i", "function included() { return 5; } $set = 1;");
    prompt.files.0.insert("d.json", "[1, 2]");
    prompt.expect(&[
        ("import { next } from \"m\";", "run"),
        ("next()", "1"),
        ("next()", "2"),
        ("import { next as again, $count } from \"m\";", ""),
        ("again() + $count", "6"),
        ("import * as m from \"m\";", ""),
        ("m::next()", "4"),
        ("include \"i\";", ""),
        ("$set += included();", ""),
        ("include_once \"i\";", ""),
        ("$set", "6"),
        ("include \"i\";", ""),
        ("$set + included()", "6"),
        ("import $data from \"d.json\";", ""),
        ("$data[] = 3;", ""),
        ("$data", "[0=>1,1=>2,2=>3]"),
    ]);
}

#[test]
fn predefined_variables_keep_what_was_written() {
    let environment = Environment {
        variables: vec![
            PredefinedVariable::writable("context"),
            PredefinedVariable::read_only("senderip"),
        ],
        functions: vec![HostFunction::terminating("Accept", Arity::exactly(0))],
        ..Environment::default()
    };
    let mut prompt = Prompt::with(environment);
    prompt.expect(&[
        ("$context = function () { return 4; };", ""),
        ("1", "1"),
        ("$context()", "4"),
        ("$x = 1; Accept(); $x = 2;", "input 4:1:19: warning: this is never reached\n    |\n  1 | $x = 1; Accept(); $x = 2;\n    |                   ^^^^^^^\naction 0"),
        ("$x", "1"),
    ]);
    assert!(prompt.run("$senderip = 1;").contains("read-only"));
}

#[test]
fn warnings_are_told_once() {
    let mut prompt = Prompt::new();
    let first = prompt.run("function f() { $unused = 1; return 2; }");
    assert!(first.contains("never read"), "{first}");
    prompt.expect(&[("f()", "2")]);
}

#[test]
fn variables_are_shown() {
    let mut prompt = Prompt::new();
    prompt.expect(&[(
        "$b = [1]; $a = \"x\"; $f = count; function g() { global $h; return $h ?? 1; }",
        "",
    )]);
    let shown: Vec<String> = prompt
        .session
        .variables()
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one.name,
                one.kind,
                String::from_utf8_lossy(&one.text)
            )
        })
        .collect();
    assert_eq!(
        shown,
        ["a string \"x\"", "b array [0=>1]", "f function [function]"]
    );
}

#[test]
fn declarations_are_bounded() {
    let mut prompt = Prompt::new();
    let long = format!(
        "function f() {{ return 1; }} // {}",
        "x".repeat(TEXTS_OCTETS_MAX)
    );
    assert!(prompt.run(&long).contains("exceed"));
    prompt.expect(&[("function f() { return 2; }", ""), ("f()", "2")]);
}
