//! Executions from the outside: what hooks rely on.
//!
//! Actions, questions and answers, parking, bounds, variables that outlive a script, and the memory of the code.

use postern_jit::diagnostic::Diagnostics;
use postern_jit::error::ErrorKind;
use postern_jit::execution::{
    Ending, Execution, HostAnswer, Input, Limits, Outcome, ScriptInstance, Step,
};
use postern_jit::infer::Inference;
use postern_jit::optimise::{Optimisation, Optimisations};
use postern_jit::resolve::{
    Arity, Environment, HostFunction, LoadError, LoadedFile, Loader, NoFiles, PredefinedVariable,
};
use postern_jit::runtime::Portable;
use postern_jit::runtime::portable::Snapshot;
use postern_jit::script::{Options, Script};
use postern_jit::source::{SourceId, SourceMap};

const SENDER: usize = 0;
const CONTEXT: usize = 1;
const STOP: usize = 0;

/// A hook with a read-only and a writable variable, a function that ends the script and one that asks.
fn environment() -> Environment {
    Environment {
        variables: vec![
            PredefinedVariable::read_only("sender"),
            PredefinedVariable::writable("context"),
        ],
        functions: vec![
            HostFunction::terminating("Stop", Arity::between(0, 2)),
            HostFunction::returning("Ask", Arity::exactly(1)),
        ],
        ..Environment::default()
    }
}

fn compile_with(text: &str, options: Options<'_>) -> Result<Script, String> {
    let mut sources = SourceMap::new();
    let main = sources
        .add("test.hsl", text.as_bytes())
        .expect("the text is short");
    let mut diagnostics = Diagnostics::new();
    let script = Script::compile(
        &mut sources,
        main,
        &environment(),
        &mut NoFiles,
        options,
        &mut diagnostics,
    );
    script.ok_or_else(|| diagnostics.render(&sources))
}

fn instance(text: &str) -> ScriptInstance {
    let script = compile_with(text, Options::default()).unwrap_or_else(|text| panic!("{text}"));
    ScriptInstance::new(&script).expect("constants fit")
}

fn start(instance: &ScriptInstance, limits: Limits) -> Execution {
    instance
        .start(limits, |_| Input::None)
        .expect("there is memory")
}

/// Runs to the end; the number of times it was out of fuel.
fn run(execution: &mut Execution) -> (Outcome, usize) {
    let mut slices = 0;
    loop {
        match execution.resume() {
            Step::Finished(outcome) => return (outcome, slices),
            Step::OutOfFuel => slices += 1,
            Step::NeedsHost(_) | Step::NeedsProcess(_) => panic!("unexpected question"),
        }
    }
}

/// Answers the question that a script waits for; nothing else must keep it from its end.
fn answered(execution: &mut Execution, number: f64, updates: Vec<(usize, Portable)>) -> Outcome {
    let value = Portable::Number(number);
    match execution.answer(HostAnswer { value, updates }) {
        Step::Finished(outcome) => outcome,
        other => panic!("not finished: {other:?}"),
    }
}

fn outcome(text: &str) -> Outcome {
    run(&mut start(&instance(text), Limits::default())).0
}

fn error(outcome: Outcome) -> ErrorKind {
    match outcome.ending {
        Ending::Error(error) => error.kind,
        other => panic!("expected an error, got {other:?}"),
    }
}

#[test]
fn a_terminating_function_ends_the_script_at_any_depth() {
    let outcome =
        outcome("function f() { Stop(\"why\", [\"code\" => 521]); } echo 1; f(); echo 2;");
    assert_eq!(outcome.output, [b"1".to_vec()]);
    let Ending::Action {
        function,
        arguments,
        span,
    } = outcome.ending
    else {
        panic!("{:?}", outcome.ending)
    };
    assert_eq!(function, STOP);
    assert_eq!(arguments[0], Portable::string("why"));
    assert!(matches!(&arguments[1], Portable::Array(items) if items.len() == 1));
    assert!(span.is_some());
}

#[test]
fn a_question_parks_the_script_and_the_answer_updates_variables() {
    let instance = instance("$r = Ask(\"x\"); echo $r; echo $sender;");
    let mut execution = instance
        .start(Limits::default(), |variable| match variable {
            SENDER => Input::String(b"before"),
            _ => Input::None,
        })
        .expect("there is memory");
    let Step::NeedsHost(request) = execution.resume() else {
        panic!("no question")
    };
    assert_eq!(
        (request.function, request.arguments),
        (1, vec![Portable::string("x")])
    );
    let updates = vec![(SENDER, Portable::string("after"))];
    let outcome = answered(&mut execution, 7.0, updates);
    assert_eq!(outcome.output, [b"7".to_vec(), b"after".to_vec()]);
    assert_eq!(outcome.live_objects, 0);
}

#[test]
fn a_parked_script_that_is_dropped_frees_its_values() {
    let instance = instance("$a = [\"x\" . Ask(1)]; echo $a;");
    for _ in 0..1_000 {
        let mut execution = start(&instance, Limits::default());
        assert!(matches!(execution.resume(), Step::NeedsHost(_)));
        drop(execution);
    }
    let mut execution = start(&instance, Limits::default());
    assert!(matches!(execution.resume(), Step::NeedsHost(_)));
    let outcome = answered(&mut execution, 1.0, Vec::new());
    assert_eq!(outcome.output, [b"[0=>\"x1\"]".to_vec()]);
}

#[test]
fn an_endless_loop_comes_back_after_each_slice_and_ends_at_the_limit() {
    let limits = Limits {
        fuel: 1_000,
        fuel_per_slice: 100,
        ..Limits::default()
    };
    for text in [
        "forever { }",
        "function f() { } while (true) f();",
        "for (;;) $x = \"a\" . 1;",
    ] {
        let (outcome, slices) = run(&mut start(&instance(text), limits));
        assert!(9 <= slices, "{text}: {slices}");
        assert_eq!(outcome.fuel_used, 1_000, "{text}");
        assert_eq!(error(outcome), ErrorKind::FuelExhausted { limit: 1_000 });
    }
}

#[test]
fn memory_and_output_are_bounded() {
    let limits = Limits {
        memory_bytes: 1 << 20,
        output_octets: 1_000,
        ..Limits::default()
    };
    let grows = instance("$s = \"x\"; forever $s .= $s;");
    assert_eq!(
        error(run(&mut start(&grows, limits)).0),
        ErrorKind::MemoryLimit { limit: 1 << 20 }
    );
    let appends = instance("$a = []; forever $a[] = [1, 2, 3];");
    assert_eq!(
        error(run(&mut start(&appends, limits)).0),
        ErrorKind::MemoryLimit { limit: 1 << 20 }
    );
    let prints = instance("forever echo \"\";");
    assert_eq!(
        error(run(&mut start(&prints, limits)).0),
        ErrorKind::OutputLimit { limit: 1_000 }
    );
    // The instance is as good as new after that.
    let (outcome, _) = run(&mut start(&instance("echo \"fine\";"), limits));
    assert_eq!(outcome.output, [b"fine".to_vec()]);
}

#[test]
fn a_written_variable_is_there_for_the_next_execution() {
    let instance =
        instance("$context[\"n\"] = ($context[\"n\"] ?? 40) + 1; $context[\"list\"][] = $sender;");
    let mut carried: Option<Snapshot> = None;
    for _ in 0..3 {
        let mut execution = instance
            .start(Limits::default(), |variable| match (variable, &carried) {
                (CONTEXT, Some(snapshot)) => Input::Snapshot(snapshot),
                (SENDER, _) => Input::String(b"s"),
                _ => Input::None,
            })
            .expect("there is memory");
        let (outcome, _) = run(&mut execution);
        let [(CONTEXT, snapshot)] = &outcome.written[..] else {
            panic!("{:?}", outcome.written)
        };
        carried = Some(snapshot.clone());
    }
    let reader = self::instance("echo $context;");
    let carried = carried.expect("written");
    let mut execution = reader
        .start(Limits::default(), |variable| {
            if variable == CONTEXT {
                Input::Snapshot(&carried)
            } else {
                Input::None
            }
        })
        .expect("there is memory");
    assert_eq!(
        run(&mut execution).0.output,
        [b"[\"n\"=>43,\"list\"=>[0=>\"s\",1=>\"s\",2=>\"s\"]]".to_vec()]
    );
}

#[test]
fn only_variables_that_are_read_are_asked_for() {
    let asked = |text: &str, fixed: &[(usize, Portable)]| {
        let options = Options {
            fixed,
            ..Options::default()
        };
        let script = compile_with(text, options).unwrap_or_else(|text| panic!("{text}"));
        let instance = ScriptInstance::new(&script).expect("constants fit");
        let mut asked = Vec::new();
        let mut execution = instance
            .start(Limits::default(), |variable| {
                asked.push(variable);
                Input::String(b"asked")
            })
            .expect("there is memory");
        (run(&mut execution).0.output, asked)
    };
    assert_eq!(asked("echo 1;", &[]).1, []);
    assert_eq!(
        asked("echo $sender;", &[]),
        (vec![b"asked".to_vec()], vec![SENDER])
    );
    let fixed = [(SENDER, Portable::string("known"))];
    assert_eq!(
        asked("echo $sender; echo isset($sender);", &fixed),
        (vec![b"known".to_vec(), b"true".to_vec()], vec![])
    );
}

#[test]
fn code_memory_is_never_writable_and_executable() {
    let script = compile_with("echo 1 + 2;", Options::default()).expect("it compiles");
    assert!(0 < script.code_bytes());
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let both: Vec<&str> = maps.lines().filter(|line| line.contains("rwx")).collect();
    assert_eq!(both, Vec::<&str>::new());
}

#[test]
fn code_outlives_its_script_while_an_execution_holds_it() {
    let instance = instance("$x = Ask(1); echo $x;");
    let mut execution = start(&instance, Limits::default());
    drop(instance);
    assert!(matches!(execution.resume(), Step::NeedsHost(_)));
    let outcome = answered(&mut execution, 5.0, Vec::new());
    assert_eq!(outcome.output, [b"5".to_vec()]);
}

/// A script directory with one file.
struct OneFile(&'static [u8]);

impl Loader for OneFile {
    fn load(&mut self, _: SourceId, _: &[u8]) -> Result<LoadedFile, LoadError> {
        Ok(LoadedFile {
            name: "data.json".to_owned(),
            text: self.0.to_vec(),
        })
    }
}

/// Of a data file that held a number the generated code took the number for an address.
#[test]
fn a_data_file_may_hold_any_kind_of_value() {
    for (content, printed) in [
        ("5", "5"),
        ("true", "true"),
        ("\"text\"", "text"),
        ("[1, [2]]", "[0=>1,1=>[0=>2]]"),
    ] {
        let mut sources = SourceMap::new();
        let text = b"import $x from \"data.json\"; $y = $x; echo $y;";
        let main = sources.add("main.hsl", text).expect("the text is short");
        let mut diagnostics = Diagnostics::new();
        let script = Script::compile(
            &mut sources,
            main,
            &Environment::default(),
            &mut OneFile(content.as_bytes()),
            Options::default(),
            &mut diagnostics,
        );
        let script = script.unwrap_or_else(|| panic!("{}", diagnostics.render(&sources)));
        let instance = ScriptInstance::new(&script).expect("constants fit");
        let (outcome, _) = run(&mut start(&instance, Limits::default()));
        assert_eq!(outcome.output, [printed.as_bytes().to_vec()]);
        assert_eq!(outcome.live_objects, 0);
    }
}

#[test]
fn recursion_through_a_function_value_is_an_error() {
    let text = "$f = none; $g = function ($n) closure ($f) { return $f($n); }; $f = $g; $f(1);";
    assert_eq!(error(outcome(text)), ErrorKind::Recursion);
}

#[test]
fn a_script_that_could_exceed_its_stack_is_refused() {
    // Every part of one text is a word in the frame.
    let text = format!("$a = 1; echo \"{}\";", "$a".repeat(120_000));
    let refused = compile_with(&text, Options::default()).expect_err("the frame is too large");
    assert!(refused.contains("octets of stack"), "{refused}");
    // So is one whose function is only called through a cache.
    let text = format!(
        "function f($a) {{ return \"{}\"; }} echo cache [] f(1);",
        "$a".repeat(120_000)
    );
    let refused = compile_with(&text, Options::default()).expect_err("the frame is too large");
    assert!(refused.contains("octets of stack"), "{refused}");
}

#[test]
fn inlining_never_makes_a_script_need_too_much_stack() {
    // Each text is called in one place, so that its frame would become part of each of a long chain of calls.
    let levels = 120;
    let mut text = String::new();
    for level in 0..levels {
        let long = "$a".repeat(1_200);
        let busy = "$b .= length($a);".repeat(40);
        let below = level - 1;
        let next = if level == 0 {
            String::new()
        } else {
            format!("if ($b == 1) $b = f{below}($b); else $b = f{below}($a);")
        };
        text += &format!("function text{level}($a) {{ return length(\"{long}\"); }}\n");
        text += &format!(
            "function f{level}($a) {{ $b = text{level}($a); {busy} {next} return length($b); }}\n"
        );
    }
    text += "echo f119(1);";
    let script = compile_with(&text, Options::default());
    assert!(script.is_ok(), "{script:?}");
}

#[test]
fn second_versions_never_make_a_script_need_too_much_stack() {
    // Each of many functions reached by value may call the whole chain, and each of the chain may wait for its version.
    let (levels, starts) = (34, 40);
    let mut text = String::new();
    for level in 0..levels {
        let next = match level + 1 < levels {
            true => format!(
                "if ($n == 17) return f{0}($s . 1, $n); return f{0}($s, $n);",
                level + 1
            ),
            false => "return $n;".to_owned(),
        };
        text += &format!(
            "function f{level}($s, $n) {{ for ($i = 0; $i < length($s); $i++) if ($s[$i] == \"a\") $n++; {next} }}\n"
        );
    }
    let mut all = Vec::new();
    for start in 0..starts {
        text += &format!("function s{start}($s) {{ return f0($s, {start}); }}\n");
        all.push(format!("s{start}"));
    }
    let all = all.join(", ");
    text +=
        &format!("$all = [{all}]; foreach ([\"ab\", [1]] as $x) {{ $f = $all[1]; echo $f($x); }}");
    assert_eq!(outcome(&text).output, [b"35".to_vec(), b"1".to_vec()]);
}

#[test]
fn loops_for_callbacks_never_make_a_function_too_large() {
    // Each loop has blocks and registers of its own; compiling takes time and memory for their product.
    let mut text = "function f($x) { return $x; } $l = [1];".to_owned();
    text += &"$l = array_filter(f, $l);\n".repeat(400);
    let octets = |optimisations| {
        let options = Options {
            optimisations,
            ..Options::default()
        };
        let script = compile_with(&text, options);
        script.expect("it compiles").code_bytes()
    };
    let with = octets(Optimisations::ALL);
    let without = octets(Optimisations::ALL.without(Optimisation::Callbacks));
    assert!(with < without * 2, "{with} and {without} octets");
}

#[test]
fn ranges_that_take_long_to_find_are_given_up() {
    // Each round of the loop hands what is known of one variable on to the next one only.
    let count = 180;
    let names: Vec<String> = (0..count).map(|number| format!("$a{number}")).collect();
    let mut text = format!("function f($l) {{ {} = 0; ", names.join(" = 0; "));
    text += "foreach ($l as $x) {\n";
    for pair in names.windows(2).rev() {
        text += &format!("if ($x) {} = {};\n", pair[1], pair[0]);
    }
    text += "$a0 += 1; if ($a0 > 10000000) $a0 = 0; } ";
    text += &format!(
        "return {}; }} echo f([1, 2]); echo f([]);",
        names.join(" + ")
    );
    let octets = |optimisations| {
        let options = Options {
            optimisations,
            ..Options::default()
        };
        let script = compile_with(&text, options);
        script.expect("it compiles").code_bytes()
    };
    let without = octets(Optimisations::ALL.without(Optimisation::Ranges));
    assert_eq!(octets(Optimisations::ALL), without);
}

#[test]
fn inference_changes_nothing_but_speed() {
    let text = "$s = 0; for ($i = 0; $i < 1000; $i++) { if ($i % 3 == 0) $s += $i; else $s = $s - 1; } echo $s;\
                $t = \"\"; foreach ([1, \"a\", true] as $k => $v) $t .= \"$k$v\" . ($v == 1 ? \"y\" : \"n\"); echo $t;";
    let on = outcome(text);
    let options = Options {
        inference: Inference::Off,
        optimisations: Optimisations::NONE,
        ..Options::default()
    };
    let script = compile_with(text, options).expect("it compiles");
    let instance = ScriptInstance::new(&script).expect("constants fit");
    let (off, _) = run(&mut start(&instance, Limits::default()));
    assert_eq!(on.output, off.output);
    assert_eq!(on.fuel_used, off.fuel_used);
    assert_eq!((on.live_objects, off.live_objects), (0, 0));
}

#[test]
fn copying_large_values_shortens_the_slice_and_costs_no_fuel() {
    let limits = Limits {
        fuel: 1_000_000,
        fuel_per_slice: 500,
        ..Limits::default()
    };
    let slices_of = |text: &str| {
        let (outcome, slices) = run(&mut start(&instance(text), limits));
        let is_implicit = matches!(outcome.ending, Ending::Implicit);
        assert!(is_implicit, "{:?}", outcome.ending);
        slices
    };
    let slices = slices_of(
        "$a = array_range(0, 100000); for ($i = 0; $i < 20; $i++) { $b = $a; $b[0] = $i; }",
    );
    assert!(20 <= slices, "{slices} slices");
    let straight = "$b = $a; $b[0] = 1; ".repeat(50);
    let slices = slices_of(&format!("$a = array_range(0, 10000); {straight}"));
    assert!(50 <= slices, "{slices} slices without a loop");
}

/// A script that is told to end does nothing further, wherever it stands: the texts differ in which calls follow.
#[test]
fn a_cancelled_script_ends_wherever_it_is_parked() {
    let texts = [
        "$s = str_repeat(\"a\", 800000); $n = 0; forever { $t = $s . \"x\"; $n += 1; \
         if ($t) { $q = 1; } else { $context = \"wrong\"; echo \"wrong\"; Stop(); } }",
        "$a = array_range(0, 50000); forever { $b = $a; $b[0] = 1; foreach ($b as $v) { if ($v == 9) break; } }",
        "$s = str_repeat(\"a\", 800000); forever { $t = $s . \"x\"; $f = function () closure ($t) { return $t; }; $f(); }",
        "forever { }",
        "forever { $x = pcre_match(\"a+\", str_repeat(\"a\", 100000)); }",
    ];
    let limits = Limits {
        fuel_per_slice: 100,
        ..Limits::default()
    };
    for text in texts {
        let instance = instance(text);
        for parks in [1, 2, 3, 7, 20] {
            let mut execution = start(&instance, limits);
            for _ in 0..parks {
                assert!(matches!(execution.resume(), Step::OutOfFuel), "{text}");
            }
            let Step::Finished(outcome) = execution.fail(ErrorKind::Recursion) else {
                panic!("not ended after {parks} slices: {text}");
            };
            assert_eq!(outcome.output, Vec::<Vec<u8>>::new(), "{text}");
            assert!(outcome.written.is_empty(), "{text}");
            assert_eq!(error(outcome), ErrorKind::Recursion, "{text}");
            let mut dropped = start(&instance, limits);
            assert!(matches!(dropped.resume(), Step::OutOfFuel));
            drop(dropped);
        }
    }
}

/// Found by fuzzing: the code generator took twelve gigabytes for twenty thousand assignments.
#[test]
fn what_takes_too_much_memory_to_compile_is_refused() {
    let many: String = (0..20_000).map(|n| format!("$v{n} = {n}; ")).collect();
    let refused = compile_with(&many, Options::default()).expect_err("a table of gigabytes");
    assert!(refused.contains("is the limit of the product"), "{refused}");
}
