//! What random programs are made of: the templates and the leaves of `program.rs`, which says what the marks mean.

/// A class with everything that a class may have.
pub(super) const CLASS: &str = "\
class C { $n = 0; $l = [1, \"k\" => 2]; private $p = \"p\"; static $x = 0;
constructor($n = 1) { $this->n = $n; }
function add($x) { $this->n += $x; return $this->n; }
function put($x) { $this->l[] = $x; return $this->l; }
function twice($f) { return [$f(1), $f($this->p)]; }
static function count($x) { C::$x += 1; return [$x, C::$x]; } }
";

/// What closures take from around them: all that their bodies may name.
pub(super) const CAPTURED: &str = "$n, $m, $s, $t, $a, $b, $o, $u";

/// Bodies of callbacks.
pub(super) const BODIES: &[&str] = &[
    "return $x;",
    "return [$x, $n];",
    "$n++; return $n;",
    "$s .= \"c\"; return $s;",
    "$a[] = $x; return $x;",
    "$a = [$x]; return $a;",
    "return unset($b[0]);",
    "unset($t); return isset($t);",
    "$u = $x; return $u;",
    "$o->n += 1; return $o->n;",
    "static_count($x); return $x;",
    "foreach ($a as $k => $v) { $b[$k] = $x; } return $b;",
    "if ($x) return $x; return [$x ?? 1];",
    "return $x == 1 ? none : $x . \"\";",
    "return $n + $x;",
    "return \"$n$s\";",
];

/// Options of caches.
pub(super) const CACHES: &[&str] = &[
    "",
    "",
    "\"size\" => 2",
    "\"size\" => 1, \"lru\" => false",
    "\"force\" => (#b ? true : false)",
    "\"namespace\" => \"n\", \"ttl\" => #n",
    "\"ttl\" => #n",
    "\"ttl_override\" => [1 => 0, \"a\" => 5, 3 => none]",
    "\"ttl_function\" => function ($x) closure (#C) { #f }",
    "\"update_function\" => function ($y, $x) closure (#C) { #f }, \"force\" => true",
    "\"argv_filter\" => [1]",
    "\"argv_filter\" => []",
    "\"size\" => #n",
];

/// Variables that barriers share.
pub(super) const SHARED: &[&str] = &["", " => $u", " => $u", " => $w", " => $w", " => $v"];

/// Numbers, odd ones among them.
pub(super) const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1.5",
    "$n",
    "$m",
    "$n",
    "$m",
    "length($s)",
    "7",
    "9007199254740992",
    "(10 ** 300)",
    "(0 / 0)",
    "(1 / 0)",
    "-0",
    "4294967295",
    "2147483648",
    "0x1F",
];

/// Strings, some of which look like numbers.
pub(super) const STRINGS: &[&str] = &[
    "\"a\"",
    "\"5\"",
    "\"abc\"",
    "\"\"",
    "$s",
    "$t",
    "$s",
    "$t",
    "\"x$s$n\"",
    "\"${t}k$u\"",
    "\"0x10\"",
    "\" 7 \"",
    "\"a,b,c\"",
];

/// Arrays; those of four elements and more are constants of the script.
pub(super) const ARRAYS: &[&str] = &[
    "[]",
    "[1, 2, 3]",
    "[\"k\" => 1, \"m\" => [2]]",
    "$a",
    "$b",
    "$a",
    "$b",
    "$o->l",
    "[4, 3, 2, 1, 0]",
    "[\"k\" => \"v\", 1 => [1, 2, 3, [4]], \"m\" => none, 7 => true]",
];

/// Keys, all of which can be one.
pub(super) const KEYS: &[&str] = &[
    "\"k\"",
    "0",
    "\"1\"",
    "1.9",
    "true",
    "\"m\"",
    "5",
    "2",
    "-1",
    "none",
    "9007199254740991",
    "\"01\"",
    "-0",
    "\"$s\"",
    "length($t)",
    "(1 + 1)",
];

/// Templates of numbers.
pub(super) const NUMERIC: &[&str] = &[
    "(#n + #n)",
    "(#n - #n)",
    "(#n * #n)",
    "(#n / #n)",
    "(#n % #n)",
    "(#n ** #n)",
    "(#n & #n)",
    "(#n | #n)",
    "(#n ^ #n)",
    "(#n << #n)",
    "(#n >> #n)",
    "-(#n)",
    "~(#n)",
    "+(#n)",
    "length(#s)",
    "length(#a)",
    "number(#x)",
    "(#b ? #n : #n)",
    "(#N = #n)",
    "(#N = #n)",
    "(#N += #n)",
    "(#N -= #n)",
    "(#N %= #n)",
    "#N++",
    "++#N",
    "#N--",
    "(--#N)",
    "$o->n++",
    "C::$x++",
    "$o->add(#n)",
    "C::$x",
    "C::count(2)[1]",
    "(cache [#o] static_count(#n)[1] ?? 0)",
    "number(cache [#o] length(#a))",
    "(C::$x = 4)",
    "$inc(#n)",
    "(#p = #n)",
    "(#p = #n)",
    "(#p += #n)",
    "array_reduce(function ($c, $x) closure (#C) { $n = $x; return number($c) + number($n); }, #a, #n)",
    "round(#n, 2)",
    "(#n ?: #n)",
    "number(#p)",
    "number(#p ?? #n)",
];

/// Templates of strings.
pub(super) const TEXTUAL: &[&str] = &[
    "(#s . #s)",
    "(#s . #s)",
    "(#s . #t . #t)",
    "(#s . #t . #t)",
    "#S[#r]",
    "\"abcdef\"[#r]",
    "string(#S[#k])",
    "(#s * 2)",
    "string(#x)",
    "(#b ? #s : #s)",
    "(#S = #s)",
    "(#S .= #t)",
    "(#S = #S . #t . #t)",
    "(#s ?: #s)",
    "(\"\" . #a)",
    "(\"%s-%.2f\" % [#t, #n])",
    "str_upper(#s)",
    "string(cache [#o] builtin str_upper(#s))",
    "string(json_encode(#x))",
    "array_join([#t, #t], #s)",
    "md5(#s)",
    "(#s + #n)",
    "str_replace(#s, #s, \"-\")",
];

/// Templates of arrays.
pub(super) const LISTS: &[&str] = &[
    "[#x, #x]",
    "[#x, #k => #x]",
    "[...#a, #x]",
    "(#a + #x)",
    "(#a + #a)",
    "(#a - #x)",
    "#A[#r]",
    "[1, 2, 3, 4, 5][#r]",
    "(#A = #a)",
    "(#A = #A)",
    "(#A += #x)",
    "array_map(function ($x) closure (#C) { #f }, #a)",
    "array_map(function ($x) closure (#C) { #f }, #a)",
    "array_filter(function ($x) closure (#C) { #f }, #a)",
    "array_sort(function ($x, $y) closure (#C) { return $x < $y; }, #a)",
    "array_sort(function ($x, $y) closure (#C) { $n++; return $y < $x; }, #a)",
    "array_sort(function ($x, $y) closure (#C) { $a = []; return $x == $y; }, #a)",
    "array_keys(#a)",
    "array_reverse(#a)",
    "(#a ?: #a)",
    "$o->put(#x)",
    "$o->twice($inc)",
    "$o->twice(static_count)",
    "$o->twice(function ($x) { return $x; })",
    "array_range(0, 7)",
    "(cache [#o] C::count(#x) ?: [])",
    "cache [#o] array_reverse(#a)",
    "str_split(#s, \",\")",
    "(#b ? #a : #a)",
];

/// Templates of conditions.
pub(super) const CONDITIONS: &[&str] = &[
    "(#n < #n)",
    "(#n >= #n)",
    "(#x == #x)",
    "(#x != #x)",
    "(#x === #x)",
    "(#x !== #x)",
    "(#b and #b)",
    "(#b or #b)",
    "!(#x)",
    "isset(#p)",
    "isset(#U)",
    "isset(#p[#k])",
    "unset(#p)",
    "unset(#A[#r])",
    "(#s < #s)",
    "(#s =~ \"a+\")",
    "(#s !~ \"[0-9]\")",
];

/// Conditions without parts.
pub(super) const FLAGS: &[&str] = &[
    "true",
    "false",
    "$n",
    "$s",
    "$a",
    "isset($u)",
    "($u ?? 0)",
    "isset($o->none)",
];

/// Templates of anything.
pub(super) const ANYTHING: &[&str] = &[
    "#n",
    "#n",
    "#s",
    "#s",
    "#a",
    "#a",
    "#b",
    "(#p ?? #n)",
    "(#p ?? #s)",
    "(#U ?? #n)",
    "none",
    "$inc",
    "$o",
    "#p",
];

/// Templates of statements that have none within.
pub(super) const STATEMENTS: &[&str] = &[
    "#N = #n;",
    "#N = #n;",
    "#S = #s;",
    "#S = #s;",
    "#A = #a;",
    "#A = #a;",
    "#U = #x;",
    "#U = #n;",
    "echo #x;",
    "echo #x;",
    "#x;",
    "#p = #x;",
    "#p = #x;",
    "#A[] = #x;",
    "$o->l[] = #x;",
    "#A[#i] = #x;",
    "$o->l[#i] = #a;",
    "#p += #n;",
    "#p .= #t;",
    "#S .= #t;",
    "#S .= #t . #t;",
    "#S = #S . #t;",
    "echo unset(#U); #U = #n;",
    "echo unset(#p);",
    "echo unset(#A[#r]);",
    "echo #p ?? #x;",
    "[$n, $b[#k]] = #a; $n = number($n);",
    "[$n = 7, $u = $n] = #x; $n = number($n);",
    "[\"k\" => $u, \"m\" => $w = [1]] = #a;",
    "[[$u, $w], ...$b] = #a;",
    "[$s, , $t] = [#s, #x, #s];",
    "[$a, $b] = [#a, #a, #x];",
    "[$a, $b] = [$b, $a];",
    "[$u, ...$a] = #a;",
    "[#k => $u, 1 => [$w, ...$b]] = #a;",
    "[$o->n, C::$x] = [#n, #n];",
    "[...$b[\"r\"]] = #a;",
    "{ #N = #n; #S .= #N; }",
];
