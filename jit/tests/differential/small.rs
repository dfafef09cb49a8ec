//! Small functions, classes and a module that random programs use: what a compiler may put in the place of a call, or keep
//! from one call to the next.
//!
//! In: a program. Out: the program with those it names.

/// The program with everything that it names but does not have.
pub(super) fn with_all_it_needs(text: &str) -> String {
    let mut whole = format!("{CLASS_C}{text}");
    if whole.contains("D(") || whole.contains("D::") {
        whole.insert_str(0, CLASS_D);
    }
    if whole.contains("m::") || whole.contains("mod_bump") {
        whole.insert_str(0, IMPORTS);
        whole.push_str(MODULE);
    }
    // Functions are known before the first statement, wherever they stand, and a small one may call a smaller one.
    for (name, body) in FUNCTIONS {
        if whole.contains(name) {
            whole.insert_str(0, &format!("function {name}{body}\n"));
        }
    }
    whole
}

/// A class with everything that a class may have.
const CLASS_C: &str = "\
class C { $n = 0; $l = [1, \"k\" => 2]; private $p = \"p\"; static $x = 0;
constructor($n = 1) { $this->n = $n; }
function add($x) { $this->n += $x; return $this->n; }
function put($x) { $this->l[] = $x; return $this->l; }
function twice($f) { return [$f(1), $f($this->p)]; }
static function count($x) { C::$x += 1; return [$x, C::$x]; } }
function static_count($x) { return C::count($x); }
function by_name($f, $x) { if (is_function($f)) return $f($x); return $x; }
function between($f, $x) { $y = by_name($f, $x); return $y ?? $x; }
";

/// Another, whose functions call each other.
const CLASS_D: &str = "\
class D { $sum = 0; $list = []; static $made = 0; private static $before = none;
constructor(...$r) { D::$made += 1; foreach ($r as $x) { $this->list[] = $x; $this->sum += $x; } }
function add($x, $y = 2) { $this->sum += $x; $this->sum += $y; $this->list[] = $this->list; return $this; }
function names($x) { foreach ($this->list as $k => $v) $x .= \"$k=$v\"; return $x . $this->end(); }
private function end() { return \";\"; }
static function make($x) { return D($x)->add(1); }
static function last($x) { $y = D::$before; D::$before = $x; return $y; } }
";

/// Names and what stands behind them; one that calls another stands before it.
const FUNCTIONS: &[(&str, &str)] = &[
    (
        "small_early",
        "($x) { if (is_number($x)) { if ($x < 0) return \"less\"; return small_bump($x); } return $x; }",
    ),
    (
        "small_loop",
        "($x) { $y = 0; for ($i = 0; $i < 4; $i++) { if ($x < $i) break; $y += small_same($i); } return $y; }",
    ),
    ("small_same", "($x) { return $x; }"),
    (
        "small_pick",
        "($x, $y = 3, ...$r) { if ($x) return $y; return $r; }",
    ),
    ("small_bump", "($x) { $x += 1; return $x; }"),
    (
        "small_sum",
        "($x, $y = 2, $z = -0) { return $x + $y + $z; }",
    ),
    (
        "small_first",
        "($x) { foreach ($x as $k => $v) return $k; return \"none\"; }",
    ),
    ("small_call", "($f, $x) { return $f($f($x)); }"),
    (
        "small_make",
        "($x) { return function ($y) closure ($x) { $x += $y; return $x; }; }",
    ),
    ("small_nothing", "() { }"),
    (
        "small_global",
        "($x) { global $g; $g .= $x; return length($g); }",
    ),
    ("small_join", "($x, $y = \"d\") { $x .= $y; return $x; }"),
    ("small_grow", "($x, $y) { $x[] = $y; return $x; }"),
    ("small_swap", "($x, $y) { return [$y, $x]; }"),
    ("small_rest", "($x = 1, ...$r) { $r[] = $x; return $r; }"),
    (
        "small_change",
        "($x) { $y = $x; unset($x[0]); $x[\"k\"] = $y; $y[] = 1; return [$x, $y]; }",
    ),
    (
        "small_keys",
        "($x) { $y = []; foreach ($x as $k => $v) $y[$k] = $k; return $y; }",
    ),
    ("small_test", "($x) { return $x == 1 or $x === \"a\"; }"),
];

const IMPORTS: &str = "import { mod_bump } from \"m.hsl\"; import * as m from \"m.hsl\";\n";

/// Behind the program.
const MODULE: &str = "\
//= m.hsl
$n = 1; $list = [];
function mod_bump($x) { global $n; $n += 1; return $x + $n; }
function put($x) { global $list; $list[] = $x; return $list; }
function later() { global $later; $later = $later ?? 5; return $later; }
";
