//! Trees of short texts, mistakes and how the parser goes on after them, and that depth is bounded.

use super::*;
use crate::syntax::print::print;

fn parse_text(text: &[u8]) -> (Program, Vec<String>) {
    let mut sources = SourceMap::new();
    let id = sources.add("t.hsl", text).unwrap();
    let mut diagnostics = Diagnostics::new();
    let program = parse(&sources, id, &mut diagnostics);
    let messages = diagnostics.iter().map(|one| {
        let position = sources.position(one.span);
        format!("{}:{} {}", position.line, position.column, one.message)
    });
    (program, messages.collect())
}

#[track_caller]
fn tree(text: &str, expected: &str) {
    let (program, messages) = parse_text(text.as_bytes());
    assert_eq!(messages, Vec::<String>::new(), "{text}");
    assert_eq!(print(&program).trim_end(), expected, "{text}");
}

#[track_caller]
fn mistakes(text: &str, expected: &[&str]) {
    assert_eq!(parse_text(text.as_bytes()).1, expected, "{text}");
}

#[test]
fn precedence() {
    tree("1 + 2 * 3 - 4;", "(- (+ 1 (* 2 3)) 4)");
    tree("-2 ** 2;", "(- (** 2 2))");
    tree("2 ** -1 ** 2;", "(** 2 (- (** 1 2)))");
    tree("2 ** 3 ** 4;", "(** 2 (** 3 4))");
    tree("2 + 2 . \"t\";", "(. (+ 2 2) \"t\")");
    tree("\"%s\" % [1] . \"y\";", "(. (% \"%s\" (array 1)) \"y\")");
    tree("1 + 2 << 1;", "(<< (+ 1 2) 1)");
    tree("$a & 1 == 2 | 3 ^ 4;", "(| (& $a (== 1 2)) (^ 3 4))");
    tree("$a or $b and $c;", "(or $a (and $b $c))");
    tree("$a ?? $b ?? 2 * 3;", "(?? $a (?? $b (* 2 3)))");
    tree("false or true ? 1 : 2;", "(? (or false true) 1 2)");
    tree("$a ? 1 : $b ?: 2;", "(? $a 1 (?: $b 2))");
    tree("0 ? : 1;", "(?: 0 1)");
    tree("$a = $b = $c ?? 1;", "(= $a (= $b (?? $c 1)))");
    tree("!$x = f();", "(! (= $x (call f)))");
    tree("not $x == 1 and !!$y;", "(and (== (! $x) 1) (! (! $y)))");
    tree("$a > 1 and $b = 2;", "(and (> $a 1) (= $b 2))");
    tree("-f($x) - 1;", "(- (- (call f $x)) 1)");
    tree("echo ($a) ? 1 : 2;", "(echo (? $a 1 2))");
    tree("$a =~ \"x\" == true;", "(== (=~ $a \"x\") true)");
    tree("-$i++;", "(- (postfix++ $i))");
    tree("++$i ** 2;", "(** (prefix++ $i) 2)");
}

#[test]
fn postfix() {
    tree(
        "f()(1)[2]->a->for;",
        "(-> (-> (at (call (call f) 1) 2) a) for)",
    );
    tree("$a[$i + 1:-1];", "(slice $a [(+ $i 1):(- 1)])");
    tree(
        "$a[::-1]; $a[:]; $a[1::2]; $a[1:2:3];",
        "(slice $a [::(- 1)])\n(slice $a [:])\n(slice $a [1::2])\n(slice $a [1:2:3])",
    );
    tree("$a[$x ? 1 : 2:];", "(slice $a [(? $x 1 2):])");
    tree(
        "$a[-(f($p) <= 7 ? 1 : 7):];",
        "(slice $a [(- (? (<= (call f $p) 7) 1 7)):])",
    );
    tree(
        "A::$x + A::f() + static::$y + A::with;",
        "(+ (+ (+ A::$x (call A::f)) static::$y) A::with)",
    );
    tree("f(...$a, 1,);", "(call f ...$a 1)");
    tree(
        "builtin f(1); $g = builtin f;",
        "(call builtin:f 1)\n(= $g builtin:f)",
    );
    tree(
        "cache [\"ttl\" => 1,] f(2)[3];",
        "(at (cache (array (\"ttl\" => 1)) (call f 2)) 3)",
    );
    tree("cache [] builtin f();", "(cache (array) (call builtin:f))");
    tree(
        "$p = (\"0000\".$hi)[-4:].(\"0000\".$lo)[-4:];",
        "(= $p (. (slice (. \"0000\" $hi) [(- 4):]) (slice (. \"0000\" $lo) [(- 4):])))",
    );
    tree("(f())[0];", "(at (call f) 0)");
    tree(
        "isset($a[1]->b); unset(f()->c);",
        "(isset (-> (at $a 1) b))\n(unset (-> (value (call f)) c))",
    );
    tree(
        "array(1, \"k\" => 2, ...$r);",
        "(array 1 (\"k\" => 2) ...$r)",
    );
    tree(
        "echo function ($i) { return $i }($j);",
        "(echo (call (function ($i) (do (return $i))) $j))",
    );
}

#[test]
fn assignment_targets() {
    tree("$a[] = 1;", "(= (at $a ()) 1)");
    tree(
        "$a[\"k\"][1:2] = [];",
        "(= (slice (at $a \"k\") [1:2]) (array))",
    );
    tree("$this->x[] .= 1;", "(.= (at (-> (value $this) x) ()) 1)");
    tree("A::$x **= 2;", "(**= A::$x 2)");
    tree(
        "[$a, , $b = 3, ...$c] = f();",
        "(= [$a, _, $b = 3, ...$c] (call f))",
    );
    tree(
        "[\"k\" => $a = [], 1 => [$b]] = $x;",
        "(= [\"k\" => $a = (array), 1 => [$b]] $x)",
    );
    tree(
        "[[$a, $b] = [1, 2], [$c]] = $x;",
        "(= [[$a, $b] = (array 1 2), [$c]] $x)",
    );
    tree(
        "foreach ($l as $k => [$a, $b]) f();",
        "(foreach $l $k [$a, $b] (call f))",
    );
    tree("foreach ([7, 8] as $v) {}", "(foreach (array 7 8) $v (do))");
    mistakes("f() = 1;", &["1:1 can't assign to the result of a call"]);
    mistakes("1 == 2 = 3;", &["1:6 can't assign to a number"]);
    mistakes(
        "[$a, \"k\" => $b] = $c;",
        &["1:1 items with and without keys can't be mixed here"],
    );
    mistakes(
        "[...$a, $b] = $c;",
        &["1:1 only the last item can take the rest"],
    );
    mistakes(
        "$a[1:2:3] = [];",
        &["1:1 a slice with a step can't be assigned to"],
    );
    mistakes("isset(f());", &["1:7 can't test the result of a call"]);
    mistakes(
        "unset($a[]);",
        &["1:7 `[]` without an index is no element, so there is nothing to unset"],
    );
}

#[test]
fn statements() {
    tree(
        "if ($a) 1; else if ($b) 2; else { 3; }",
        "(if $a 1 (if $b 2 (do 3)))",
    );
    tree("if (1) if (2) 3; else 4;", "(if 1 (if 2 3 4))");
    tree("for (;;) { break; }", "(for () () () (do (break)))");
    tree(
        "for ($i = 0; $i < 4; ++$i) continue;",
        "(for (= $i 0) (< $i 4) (prefix++ $i) (continue))",
    );
    tree("forever { } while (1) ;", "(forever (do))\n(while 1 ())");
    tree(
        "switch ($a) { case 1: case $b ? 2 : 3: f(); break; default: }",
        "(switch $a (case 1) (case (? $b 2 3) (call f) (break)) (default))",
    );
    tree(
        "global $a, $b; return; return 1;",
        "(global $a $b)\n(return)\n(return 1)",
    );
    tree(
        "include \"a\"; include_once ''b'';",
        "(include \"a\")\n(include_once \"b\")",
    );
    tree(
        "import { a, b as c, $x as $y } from \"m\"; import * as m from \"n\"; import $d from \"d.csv\" with [];",
        "(import (a a) (b c) ($x $y) \"m\")\n(import * m \"n\")\n(import $d (array) \"d.csv\")",
    );
    tree(
        "barrier \"b$k\" => $v { f(); }",
        "(barrier (interpolate \"b\" $k) $v (do (call f)))",
    );
    tree(
        "function f($a, $b = 10 * 2, ...$c) { function g() {} }",
        "(function f ($a ($b (* 10 2)) ...$c) (do (function g () (do))))",
    );
    tree(
        "$f = function () closure ($a, $b) {};",
        "(= $f (function () (closure $a $b) (do)))",
    );
    tree(
        "class A { constructor($a) {} $x = 1; private static $y; static function list() {}; private function f() {} }",
        "(class A (function constructor ($a) (do)) (member $x 1) (private (static (member $y))) \
         (static (function list () (do))) (private (function f () (do))))",
    );
}

#[test]
fn one_mistake_is_one_message() {
    mistakes("echo 1\necho 2;", &["1:7 missing `;`"]);
    mistakes(
        "echo 1 2 3; echo 4",
        &["1:7 missing `;`", "1:19 missing `;`"],
    );
    mistakes(
        "if (1 + ) { $x = ; }\necho ];",
        &[
            "1:9 unexpected `)`",
            "1:18 unexpected `;`",
            "2:6 unexpected `]`",
        ],
    );
    mistakes("f(1, 2; echo 3;", &["1:7 unexpected `;`"]);
    mistakes("function f() { echo 1;", &["1:23 missing `}`"]);
    mistakes("echo 1; } echo 2;", &["1:9 unexpected `}`"]);
    mistakes("if (1) { if (2) { echo 3; ", &["1:27 missing `}`"]);
    mistakes(
        "function foreach($x) { return 1; }",
        &["1:10 `foreach` is a reserved word and can't name a function"],
    );
    mistakes(
        "switch (1) { echo 2; case 1: }",
        &["1:14 a statement before the first `case`"],
    );
    mistakes("case 1:", &["1:1 `case` outside of a switch"]);
    mistakes(
        "if (1) echo 1; echo 2; else echo 3;",
        &["1:24 `else` without an `if`"],
    );
    mistakes("echo new Foo();", &["1:6 there is no `new`"]);
    mistakes(
        "class A { public function f() {} function g() { echo } }",
        &["1:11 unexpected `public`", "1:54 unexpected `}`"],
    );
    mistakes(
        "class A { constructor() {} constructor() {} }",
        &["1:28 a class has only one constructor"],
    );
    mistakes(
        "include \"$f.hsl\";",
        &["1:9 a file name can't have variables in it"],
    );
    mistakes("cache f();", &["1:7 unexpected `f`"]);
    mistakes(
        "cache [] $f();",
        &["1:10 only a call by name can be cached"],
    );
    mistakes("echo 1, 2;", &["1:7 `echo` takes one expression"]);
    mistakes("$o->$p;", &["1:5 unexpected `$p`"]);
    mistakes(
        "foreach ($a in $b) { echo ; }",
        &["1:13 unexpected `in`", "1:27 unexpected `;`"],
    );
    mistakes(
        "echo \"a;\necho \"b\";\necho );",
        &["2:8 this string has no end"],
    );
}

fn on_a_small_stack(text: Vec<u8>) -> Vec<String> {
    // Threads have 2 MiB unless told otherwise; a debug build must do with less.
    let thread = std::thread::Builder::new().stack_size(3 << 19);
    let parsing = thread.spawn(move || parse_text(&text).1).unwrap();
    parsing.join().unwrap()
}

#[test]
fn depth_is_bounded_on_a_small_stack() {
    let openers = [
        "(",
        "[",
        "f(",
        "!",
        "- -",
        "$a[",
        "$a = ",
        "1 ** ",
        "$a ? ",
        "$a ? 1 : ",
        "$a ?? ",
        "{",
        "if (1) ",
        "forever ",
        "if (1) ; else if (",
        "function () {",
        "function f() {",
        "f(function () { return ",
        "class A { function f() {",
        "switch (1) { case 1: ",
        "barrier 1 {",
        "[[$a] = ",
        "cache [",
        "cache [] f(",
        "while (",
        "foreach (",
        "isset($a[",
        "++$a[",
        "case ",
        "'a'",
        "\"${",
        "1 . f(",
        "[$a => ",
        "builtin ",
        "$a[[$b] = ",
        "array(",
    ];
    for opener in openers {
        let messages = on_a_small_stack(opener.repeat(20_000).into_bytes());
        assert!(!messages.is_empty(), "{opener}");
    }
}

#[test]
fn long_chains_are_bounded_on_a_small_stack() {
    for link in [
        " . 1", "[1]", "->a", "()", " and 1", " + 1", "++", " ?? 1", "[1:2]", " ?: 1", " = $a",
    ] {
        let text = format!("$a{};", link.repeat(5_000));
        assert!(!on_a_small_stack(text.into_bytes()).is_empty(), "{link}");
        let text = format!("$a{};", link.repeat(100));
        let accepted = on_a_small_stack(text.into_bytes()).is_empty();
        assert!(accepted || link == "++", "{link}");
    }
    let ladder = "if (1) ; else ".repeat(400) + ";";
    assert_eq!(on_a_small_stack(ladder.into_bytes()), Vec::<String>::new());
    let ladder = "if (1) ; else ".repeat(5_000) + ";";
    assert_eq!(on_a_small_stack(ladder.into_bytes()).len(), 1);
}

#[test]
fn chains_inside_nesting_are_bounded_together() {
    let chain = " . 1".repeat(300);
    let text = format!("{}1{};", "(".repeat(100), format!("{chain})").repeat(100));
    assert_eq!(on_a_small_stack(text.into_bytes()).len(), 1);
}
