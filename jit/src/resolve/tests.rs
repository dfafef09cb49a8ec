//! The tables that a resolved program gives, module by module. What is refused, and how it is said, is in
//! `tests/diagnostics`.

use std::collections::HashMap as Map;

use super::*;
use crate::source::{SourceId, SourceMap};
use crate::syntax::ast::{ExpressionKind, Program, StatementKind};

struct Builtins;

impl Library for Builtins {
    fn builtin(&self, name: &str) -> Option<Arity> {
        match name {
            "length" => Some(Arity::exactly(1)),
            "File::String" => Some(Arity::between(1, 2)),
            _ => None,
        }
    }

    fn names(&self) -> Vec<&str> {
        vec!["length", "File::String"]
    }

    fn classes(&self) -> &'static [crate::builtins::Class] {
        &[]
    }
}

struct Files(Map<&'static str, &'static str>);

impl Loader for Files {
    fn load(&mut self, _: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let name = std::str::from_utf8(path).map_err(|_| LoadError::NotFound)?;
        let text = self.0.get(name).ok_or(LoadError::NotFound)?;
        Ok(LoadedFile {
            name: name.into(),
            text: text.as_bytes().to_vec(),
        })
    }
}

fn environment() -> Environment {
    Environment {
        variables: vec![
            PredefinedVariable::read_only("senderip"),
            PredefinedVariable::writable("context"),
        ],
        functions: vec![HostFunction::terminating("Reject", Arity::between(0, 2))],
        ..Environment::default()
    }
}

fn resolved_with(text: &str, files: &[(&'static str, &'static str)]) -> (Resolved, String) {
    let mut sources = SourceMap::new();
    let id = sources.add("main.hsl", text.as_bytes()).unwrap();
    let mut diagnostics = Diagnostics::new();
    let mut files = Files(files.iter().copied().collect());
    let linked = load(&mut sources, id, &mut files, &mut diagnostics);
    let resolved = resolve(linked, &environment(), &Builtins, &mut diagnostics);
    (resolved, diagnostics.render(&sources))
}

#[track_caller]
fn resolved(text: &str) -> Resolved {
    let (resolved, messages) = resolved_with(text, &[]);
    assert_eq!(messages, "", "{text}");
    resolved
}

fn named<'r>(resolved: &'r Resolved, name: &str) -> (FunctionId, &'r FunctionInfo) {
    let found = resolved
        .functions
        .iter()
        .position(|function| &*function.name == name);
    let index = found.unwrap_or_else(|| panic!("no function {name}"));
    (FunctionId::new(index), &resolved.functions[index])
}

fn storage(function: &FunctionInfo, name: &str) -> Storage {
    let variable = function
        .variable(name)
        .unwrap_or_else(|| panic!("no variable {name}"));
    function.variables[variable.index()].storage
}

#[test]
fn locals_stay_in_the_frame_and_captures_move_to_cells() {
    let table = resolved(
        "$a = 1; $b = 2; $f = function ($p) closure ($a) { return $a + $p; }; echo $f($b);",
    );
    let main = table.function(Resolved::MAIN);
    assert_eq!(storage(main, "a"), Storage::Shared);
    assert_eq!(storage(main, "b"), Storage::Local);
    let (_, inner) = named(&table, "function");
    assert_eq!(inner.kind, FunctionKind::Anonymous);
    assert_eq!(storage(inner, "a"), Storage::Shared);
    assert_eq!(storage(inner, "p"), Storage::Local);
    let link = Link {
        inner: inner.variable("a").unwrap(),
        outer: main.variable("a").unwrap(),
    };
    assert_eq!(inner.captures, [link]);
    assert_eq!(inner.parameters, [inner.variable("p").unwrap()]);
}

#[test]
fn global_links_to_the_main_program_even_before_it_sets_the_variable() {
    let table =
        resolved("function f() { global $n, $senderip; echo $senderip; $n += 1; } $n = 0; f();");
    let main = table.function(Resolved::MAIN);
    let (id, f) = named(&table, "f");
    let link = Link {
        inner: f.variable("n").unwrap(),
        outer: main.variable("n").unwrap(),
    };
    assert_eq!(f.globals, [link]);
    assert_eq!(storage(main, "n"), Storage::Shared);
    assert_eq!(storage(f, "senderip"), Storage::Predefined(0));
    assert_eq!(
        table.callee(Resolved::MAIN, "f", false),
        Some(Callee::User(id))
    );
    assert_eq!(table.call_depth, 2);
}

#[test]
fn predefined_variables_belong_to_the_main_program() {
    let table =
        resolved("$context = $senderip; function f($senderip) { return $senderip; } echo f(1);");
    let main = table.function(Resolved::MAIN);
    assert_eq!(storage(main, "senderip"), Storage::Predefined(0));
    assert_eq!(storage(main, "context"), Storage::Predefined(1));
    assert_eq!(storage(named(&table, "f").1, "senderip"), Storage::Local);
    let table = resolved("$f = function () closure ($context) { $context = 1; }; $f();");
    let (_, inner) = named(&table, "function");
    assert_eq!(storage(inner, "context"), Storage::Predefined(1));
    assert_eq!(inner.captures, []);
}

#[test]
fn a_function_of_the_script_hides_a_builtin_and_a_function_of_the_hook() {
    let table = resolved(
        "function length($s) { return builtin length($s); } function Reject() { builtin Reject(); }
         echo length(1); Reject(); echo File::String(\"\");",
    );
    let main = Resolved::MAIN;
    assert!(matches!(
        table.callee(main, "length", false),
        Some(Callee::User(_))
    ));
    assert!(matches!(
        table.callee(main, "Reject", false),
        Some(Callee::User(_))
    ));
    assert_eq!(table.callee(main, "Reject", true), Some(Callee::Host(0)));
    let Some(Callee::Builtin(index)) = table.callee(main, "length", true) else {
        panic!("a builtin");
    };
    assert_eq!(&*table.builtins[index as usize], "length");
    assert!(matches!(
        table.static_callee(main, "File", "String"),
        Some(Callee::Builtin(_))
    ));
}

#[test]
fn nested_functions_are_seen_inside_only_and_hoisted() {
    let table = resolved(
        "function f() { if (1) { function g() { return h(); } } return g(); } function h() {} f();",
    );
    let (f, _) = named(&table, "f");
    let (g, _) = named(&table, "g");
    assert_eq!(table.callee(f, "g", false), Some(Callee::User(g)));
    assert_eq!(table.callee(g, "g", false), Some(Callee::User(g)));
    assert_eq!(table.callee(Resolved::MAIN, "g", false), None);
    assert_eq!(table.call_depth, 4);
}

#[test]
fn classes_have_members_statics_and_this() {
    let table = resolved(
        "class A { static $n = 1; private static function p() { return static::$n; }
           constructor($x, $y = 2) { $this->x = $x + $y; } function f() { return A::p(); } }
         echo A(1)->f(); echo A::$n;",
    );
    let class = table.class_named(Resolved::MAIN, "A").unwrap();
    assert_eq!(
        table.callee(Resolved::MAIN, "A", false),
        Some(Callee::Class(class))
    );
    let info = table.class(class);
    let constructor = table.function(info.constructor.unwrap());
    assert_eq!(constructor.arity, Arity::between(1, 2));
    assert!(constructor.this.is_some());
    assert!(info.functions["p"].is_static && info.functions["p"].private);
    let p = info.functions["p"].function;
    assert_eq!(table.function(p).this, None);
    let place = table.static_place(p, "static", "n");
    assert_eq!(place, Some(StaticPlace::Class(info.statics["n"])));
    assert_eq!(place, table.static_place(Resolved::MAIN, "A", "n"));
}

#[test]
fn functions_of_the_tree_are_found_by_identity() {
    let table = resolved("function f() {} $g = function () {}; f(); $g();");
    let program: &Program = &table.modules[0].program;
    let StatementKind::Function(f) = &program.statements[0].kind else {
        panic!("a function");
    };
    assert_eq!(table.function_of(f), Some(named(&table, "f").0));
    let StatementKind::Expression(assignment) = &program.statements[1].kind else {
        panic!("an expression");
    };
    let ExpressionKind::Assign(_, value) = &assignment.kind else {
        panic!("an assignment");
    };
    let ExpressionKind::Function(g) = &value.kind else {
        panic!("a function");
    };
    assert_eq!(table.function_of(g), Some(named(&table, "function").0));
}

#[test]
fn included_statements_stand_in_place() {
    let lib = ("lib.hsl", "$count = 1; function hi() { return 1; }");
    let (table, messages) = resolved_with(
        "include \"lib.hsl\"; include_once \"file:lib.hsl\"; echo hi() + $count;",
        &[lib],
    );
    assert_eq!(messages, "");
    assert_eq!(table.modules.len(), 1);
    assert!(table.function(Resolved::MAIN).variable("count").is_some());
    let text = "function f() { include \"part.hsl\"; return $x; } echo f();";
    let (table, messages) = resolved_with(text, &[("part.hsl", "$x = 1;")]);
    assert_eq!(messages, "");
    assert_eq!(storage(named(&table, "f").1, "x"), Storage::Local);
}

#[test]
fn modules_have_their_own_globals() {
    let lib =
        "import { one } from \"deep.hsl\"; $n = one(); function bump() { global $n; $n += 1; }";
    let files = [
        ("lib.hsl", lib),
        ("deep.hsl", "function one() { return 1; }"),
        ("d.json", "[]"),
    ];
    let text = "import { bump as up, one, $n as $m } from \"lib.hsl\"; import * as m from \"lib.hsl\";
        import $d from \"d.json\"; up(); m::bump(); echo $m + m::$n + one(); echo $d; $n = 3; echo $n;";
    let (table, messages) = resolved_with(text, &files);
    assert_eq!(messages, "");
    assert_eq!(table.modules.len(), 3);
    let (bump, info) = named(&table, "bump");
    assert_eq!(
        table.callee(Resolved::MAIN, "up", false),
        Some(Callee::User(bump))
    );
    assert_eq!(
        table.static_callee(Resolved::MAIN, "m", "bump"),
        Some(Callee::User(bump))
    );
    let module = &table.modules[info.module.index()];
    let their_n = table.variable(module.main, "n").unwrap();
    assert_eq!(info.globals[0].outer, their_n);
    let imported = &table.modules[0].variables[0];
    assert_eq!((imported.module, imported.outer), (info.module, their_n));
    assert_eq!(Some(imported.inner), table.variable(Resolved::MAIN, "m"));
    let place = table.static_place(Resolved::MAIN, "m", "n");
    assert_eq!(place, Some(StaticPlace::Module(info.module, their_n)));
    assert_eq!(storage(table.function(Resolved::MAIN), "n"), Storage::Local);
    let data = &table.modules[0].data[0];
    assert_eq!(
        (data.format, Some(data.variable)),
        (DataFormat::Json, table.variable(Resolved::MAIN, "d"))
    );
}

#[test]
fn hostile_includes_are_bounded() {
    // Each file includes the next twice: 2^20 inclusions if nothing stopped it.
    let names: Vec<&'static str> = (0..20).map(|level| &*format!("f{level}").leak()).collect();
    let files: Vec<(&'static str, &'static str)> = names
        .windows(2)
        .map(|pair| {
            (
                pair[0],
                &*format!("include \"{}\"; include \"{}\";", pair[1], pair[1]).leak(),
            )
        })
        .chain([(names[19], "$x = 1;")])
        .collect();
    let (_, messages) = resolved_with("include \"f0\"; ", &files);
    assert!(
        messages.contains("includes and imports at most 1000 files"),
        "{messages}"
    );
    assert_eq!(messages.matches(": error: ").count(), 1, "{messages}");
}

#[test]
fn a_long_chain_of_calls_is_bounded_without_recursion() {
    let mut text = String::from("function f0() {}\n");
    for level in 1..2_000 {
        text.push_str(&format!("function f{level}() {{ f{}(); }}\n", level - 1));
    }
    let (table, messages) = resolved_with(&text, &[]);
    assert_eq!(table.call_depth, 2_000);
    assert!(messages.contains("more than 200 deep"), "{messages}");
}
