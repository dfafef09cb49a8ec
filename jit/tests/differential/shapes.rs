//! Statements of random programs that hold other statements, and sequences of statements that belong together.

use super::program::Generator;
use super::templates::SHARED;

impl Generator<'_> {
    pub(super) fn compound(&mut self, depth: usize) -> String {
        match self.below(20) {
            0..=2 => {
                let condition = self.boolean(2);
                let (then, otherwise) = (self.block(depth), self.block(depth));
                format!("if ({condition}) {{\n{then}}} else {{\n{otherwise}}}\n")
            }
            3..=4 => self.counted(depth),
            5..=7 => self.odd_counted(depth),
            8 => {
                let (index, condition) = (self.name('i'), self.boolean(2));
                let body = self.loop_body(depth);
                format!("{index} = 0; while ({index}++ < 4 and {condition}) {{\n{body}}}\n")
            }
            9 => {
                let index = self.name('i');
                let body = self.loop_body(depth);
                format!("{index} = 3; forever {{\nif (--{index} < 0) break;\n{body}}}\n")
            }
            10..=12 => self.walk(depth),
            13 => self.switch(depth),
            14..=15 => self.switch_on_constants(depth),
            16..=17 => self.barrier(depth),
            18 => self.growing(depth),
            _ => format!("{{\n{}}}\n", self.block(depth)),
        }
    }

    /// A loop whose counter is an integer for sure.
    fn counted(&mut self, depth: usize) -> String {
        let index = self.name('i');
        let (rounds, body) = (self.below(5), self.loop_body(depth));
        let step = self.pick(&["++@", "@ += 1", "@++", "@ = @ + 1"]);
        let step = step.replace('@', &index);
        format!("for ({index} = 0; {index} < {rounds}; {step}) {{\n{body}}}\n")
    }

    /// A loop whose counter is no integer, leaves the range of one, or changes otherwise than it seems.
    fn odd_counted(&mut self, depth: usize) -> String {
        let (index, guard) = (self.name('i'), self.name('i'));
        let head = self.pick(&[
            "@ = 2147483645; @ < 2147483650; @++",
            "@ = 2147483646; @ <= 2147483648; @ += 1",
            "@ = -2147483646; -2147483650 < @; @--",
            "@ = 9007199254740990; @ <= 9007199254740993; ++@",
            "@ = 4294967294; @ != 4294967299; ++@",
            "@ = 0; @ < 1; @ += 0.3",
            "@ = 1; @ > -1; @ -= 0.4",
            "@ = -0; @ < 3; @ = @ + 1",
            "@ = 0; @ < #n; @ += 1",
            "@ = #n; @ < 5; @ += #n",
            "@ = 0; @ < length($a); @++",
            "@ = length($s); 0 < @; --@",
            "@ = 1; @ < 100; @ *= 3",
            "@ = 1; @; @ = @ << 9",
            "@ = 5; @ != 0; @ -= 1",
            "@ = 0; @ < 3; @ += true",
            "@ = \"0\"; @ < 3; @ = number(@) + 1",
            "@ = 0; @ === 0; @ = #x",
            "@ = $n = 0; $n < 4; $n++",
            "@ = $n = 0; $n < $m; $n += 1",
            "@ = 0; $n < 3; $n = #n + 1",
        ]);
        let head = self.fill(&head.replace('@', &index), 1);
        let inside = self.pick(&[
            "",
            "",
            "$s .= @;",
            "$a[@] = @;",
            "$b[] = @;",
            "$n += @;",
            "$m = @;",
            "echo [@ & -1, @ << 1, @ + 1, -@];",
            "echo 1 / @;",
            "if (@ == 2) @ = @ + 1;",
            "$a[@ % 3] = $a;",
            "$u = @ % 2 ? @ : \"odd\";",
            "if (@) $u = $s; else $u = [@];",
            "echo $a[@] ?? $s[@];",
            "#p = @;",
        ]);
        let inside = self.fill(&inside.replace('@', &index), 1);
        let body = self.loop_body(depth);
        // Without a guard the loop has the usual form, and fuel is its bound.
        let (before, check) = if self.one_in(3) {
            (String::new(), String::new())
        } else {
            let check = format!("if (12 < ++{guard}) break;\n");
            (format!("{guard} = 0; "), check)
        };
        format!("{before}for ({head}) {{\n{check}{inside}\n{body}}}\n")
    }

    /// A loop that builds something, in which something else holds what is built.
    fn growing(&mut self, depth: usize) -> String {
        let (index, what, copy) = (self.name('i'), self.name('l'), self.name('l'));
        let (start, grow) = self
            .pick(&[
                "[]|@[] = #x;",
                "[]|@[$i] = #n;",
                "[]|@[#k] = $i;",
                "[]|@[] = @;",
                "[1, 2, 3]|@[$i % 2] .= \"x\";",
                "[0, 0, 0, 0, 0]|@[$i] += #n;",
                "\"\"|@ .= #t;",
                "\"\"|@ .= $i;",
                "\"\"|@ = @ . #t . $i;",
                "\"ab\"|@ .= @[0];",
                "\"\"|if ($i == 3) @ = [@]; else @ = @ + $i;",
                "0|@ += $i; if ($i == 3) @ = \"$u\";",
                "1|@ *= 1000; @ = @ | 0;",
                "1|@ = [@, $i];",
                "none|@[\"k\"][] = $i;",
                "[[]]|@[0][] = $i; @[$i] = @[0];",
                "[\"a\" => 1]|unset(@[\"a\"]); @[\"a\"] = $i;",
            ])
            .split_once('|')
            .unwrap_or_default();
        let fill = |this: &mut Self, template: &str| {
            let named = template.replace("$i", &index).replace('@', &what);
            this.fill(&named, 1)
        };
        let (start, grow) = (fill(self, start), fill(self, grow));
        let hold = self.pick(&[
            "",
            "! = @;",
            "$b[0] = @;",
            "if (# == 2) ! = @;",
            "! = [@];",
            "$o->l = [@];",
        ]);
        let hold = hold
            .replace('#', &index)
            .replace('@', &what)
            .replace('!', &copy);
        let body = if self.one_in(3) {
            self.loop_body(depth)
        } else {
            String::new()
        };
        let rounds = 3 + self.below(20);
        format!(
            "{what} = {start}; {copy} = none;\nfor ({index} = 0; {index} < {rounds}; {index}++) {{\n{hold}\n{grow}\n{body}}}\n\
             echo [{what}, {copy}];\n"
        )
    }

    /// Statements about one thing.
    pub(super) fn sequence(&mut self) -> String {
        let template = self.pick(&[
            "m::$n = #n; echo mod_bump(#n) + m::$n;\n",
            "m::$list[] = #x; m::put(#x); $a = m::$list; m::$list[] = 1; echo [$a, m::$list];\n",
            "echo isset(m::$later); echo m::later(); echo m::$later ?? none;\n",
            "$f = m::mod_bump; echo $f(#n); echo array_map(m::put, [#n, #x]);\n",
            "$n += 1; $n += 1; $n -= #c; echo $n;\n$n = $n * 1; echo $n;\n",
            "if (#b) $d = 0; else $d = -0; echo 1 / $d; $d += 0; echo 1 / $d;\n",
            "for ($d = -0; $d < 2; $d++) echo 1 / $d;\n",
            "$d = #c; for ($e = 0; $e < 3; $e++) { echo 1 / $d; $d = -$d; } echo $d;\n",
            "$d = 0; $e = 3; while (--$e) { echo [1 / $d, $d]; $d = $d * -1; }\n",
            "$d = #n * 0; echo [1 / $d, 1 / -$d, 1 / ($d % 2), 1 / ($d | 0), 1 / round($d)];\n",
            "echo [1 / (#n % 2), 1 / (#c - #c), 1 / round(#n), 1 / (#c & #c)];\n",
            "if ($s == \"a\") $d = 1; else if ($s === \"abc\") $d = 2; else if (\"sss\" == $s) $d = 3; else if ($s == \"5\") $d = 4; else $d = [$s]; echo $d;\n",
            "if ($s != \"a\") { if ($s !== \"sss\") { if (\"\" != $s) $d = 0; else $d = 1; } else $d = 2; } else $d = 3; echo $d;\n",
            "$d = #x; if ($d != \"a\") { if ($d != \"5\") { if ($d !== \"sss\") { if ($d != \"1\") $e = 0; else $e = 1; } else $e = 2; } else $e = 3; } else $e = 4; echo $e;\n",
            "$d = #x; $e = $d == \"a\" ? 1 : ($d == \"5\" ? 2 : ($d === \"sss\" ? 3 : ($d == \"true\" ? 4 : 5))); echo $e;\n",
            "echo $s != \"a\" and $s !== \"sss\" and $t != \"5\" and $t != \"\" ? 1 : 2; echo $s == \"a\" or $s == \"abc\" or $s === \"sss\" or $s == \"\" ? 3 : 4;\n",
            "$f = function () closure ($s) { switch ($s) { case \"a\": return 1; case \"sss\": $s .= \"a\"; case \"abc\": return 3; case \"a\": return 4; case \"5\": break; default: return [$s]; } return 5; };\necho $f(); $s = #s; echo $f();\n",
            "$d = #c; echo $d + 1; echo $d . \"\"; echo -$d; $d += #c; echo $d; echo $d == #n;\n",
            "$d = #s; $e = $d; $d .= #s; $e .= $d; echo [$d, $e]; $d = $e; $e[0:1] = #s; echo [$d, $e ?? 0];\n",
            "$d = [#n, #s]; $e = $d; $e[0] = $d; $d[1] .= \"z\"; [$d, $e] = [$e, $d]; echo [$d, $e];\n",
            "$d = \"x\"; $d .= $d; $d .= $d; $d .= $d; $d .= $d; $d .= $d; $d .= $d; echo length($d . $d);\n",
            "if (#b) { $d = 1; } else { $d = \"1\"; } echo $d + 1; echo $d . 1; echo $d == 1; echo $d === 1;\n",
            "$d = none; $d = $d ?? #x; $e = $d ?: #x; echo [$d, $e];\n",
            "if (#n) $z = #x; echo isset($z) ? 1 : 2; echo $z ?? #n; if (isset($z)) echo $z; unset($z); $z = 2;\n",
            "$f = function ($x, $y = 3) closure ($n, $a) { $n += $x; $a[] = $y; return [$n, $a]; };\necho $f(#n); $a = []; echo $f(#n, #x); echo $n;\n",
            "$f = function ($x, $y = 1) closure ($n, $s) { $n += 1; $s .= \"f\"; return [$x, $y, $n]; };\necho array_map($f, #a); echo array_filter($f, #x); echo array_reduce($f, #a); echo [$n, $s];\n",
            "$z = 0; $d = none; $e = array_map(function ($x) closure ($z, $d) { $z += 1; $d[] = $x; if ($z == 3) $z = \"z\"; return $z . \"\"; }, #a); echo [$z, $d, $e];\n",
            "foreach ([1, 2] as $v) { $z = #x; echo array_map(function ($x) closure ($z, $v) { $z = [$z, $x]; if ($v == 2) unset($z); return $z ?? $v; }, #a); echo $z ?? \"gone\"; }\n",
            "$f = function () closure ($f, $n) { $n++; return isset($f); }; echo $f(); echo [$f(), $n];\n",
            "$f = function ($x) { return function ($y) closure ($x) { return [$x, $y]; }; }; $z = $f(#x); $f = 1; echo $z(#x);\n",
            "{ $d = D(#n, #n); $e = $d; $e->sum = #n; $d->list[] = #x; echo [$d->sum, $e->list, $d == $e, D::$made]; }\n",
            "$d = C(#n)->add; echo $d(1); echo $d(#n); $o = C(2); echo $d(0);\n",
            "echo [((((((((((#n + 1) * 2) - 3) / 4) % 5) + 6) * 7) - 8) & 255) | 1), [[[[[[#x]]]]]][0][0][0]];\n",
            "[[$d, [$e, ...$z]], $i = #x] = [[#n, #a], none]; [\"k\" => $j = #x, 0 => $d] = #a; echo [$d ?? 0, $e ?? 0, $z, $i ?? 0, $j];\n",
            "$d = #x; switch ($d) { case #c: case #s: $e = 1; break; case #x: $e = [$d]; default: $e = $e ?? 2; } echo $e;\n",
            "$d = [3, 1, 2, \"b\", \"a\"]; $d[1:3] = [#x, #x, #x]; $e = $d[#r]; $d[-1:] = []; echo [$d, $e];\n",
            "$d = \"abcdef\"; echo $d[#r] . $d[1:3] . $d[-2:] . $d[::-1]; echo $d[#n] ?? \"out\";\n",
            "for ($d = 0; $d < 3; $d++) { for ($e = $d; $e < 3; $e++) { if ($e == 2) continue; if ($d == 1) break; echo \"$d$e\"; } }\n",
            "foreach ([1, \"a\" => 2, none, [3]] as $k => $v) { if ($k === 1) continue; $d = [$k => $v]; echo $d; } echo [$k, $v];\n",
            "foreach ($a as $k => $v) { foreach ($a as $k2 => $v2) { $b[$k2] = $k; } unset($a[$k]); } echo [$a, $b];\n",
            "foreach (#a as $v) { $v .= \"\"; $s .= $v; } echo $s;\n",
            "foreach (#a as $k => $v) switch ($k) { case 0: continue; case \"k\": break; default: $s .= $k; }\n",
        ]);
        self.fill(template, 1)
    }

    /// More variables than a machine has registers, all in use at the end.
    pub(super) fn many_variables(&mut self) -> String {
        let count = 20 + self.below(100);
        let mut text = String::new();
        for number in 0..count {
            let before = self.below(number.max(1));
            let value = match self.below(8) {
                0 => self.fill("#x", 0),
                1 => self.fill("#s", 0),
                2 if 0 < number => format!("[$v_{before}]"),
                3 if 0 < number => format!("$v_{before}"),
                _ => self.fill("#n", 0),
            };
            text.push_str(&format!("$v_{number} = {value};\n"));
        }
        let names: Vec<_> = (0..count).map(|number| format!("$v_{number}")).collect();
        text + &format!("echo [{}];\n", names.join(", "))
    }

    /// One that no barrier around it has the name of, neither here nor where this function is called.
    fn barrier(&mut self, depth: usize) -> String {
        let (level, place) = self.place_of_barrier();
        let name = self.pick(&["a", "b"]);
        let shared = self.pick(SHARED);
        let body = self.barrier_body(depth);
        let (before, end) = match shared {
            "" => (String::new(), String::new()),
            _ => {
                let variable = &shared[" => ".len()..];
                let value = self.fill("#n", 0);
                let end = self.pick(&[
                    "@ = [1, \"k\" => [!]];",
                    "@ = \"s\" . !;",
                    "@ = @ ?? !;",
                    "unset(@);",
                    "if (isset(@)) @ = !;",
                ]);
                let end = end.replace('@', variable).replace('!', &value) + "\n";
                let before = format!("echo [isset({variable}), {variable} ?? none];\n");
                (before, end)
            }
        };
        let after = self.pick(&["$u = 3;\n", "$u = $u ?? 0;\n", ""]);
        format!("barrier \"{name}{place}-{level}\"{shared} {{\n{before}{body}{end}}}\n{after}")
    }

    fn walk(&mut self, depth: usize) -> String {
        let template = self.pick(&[
            "#a as $k => $v",
            "#a as $k => $u",
            "#a as $v",
            "#a as $b[0]",
            "[#n, #n] as $n",
            "[#s, #s] as $k => $s",
            "[#a, #a] as [$u, $w]",
            "[[#n, [#x]], [#n, [#x, #x]]] as $k => [$n, [$u, ...$b]]",
            "#a as $o->n",
            "#a as C::$x",
            "[#x, #x, #x] as $u",
        ]);
        let head = self.fill(template, 2);
        let body = self.loop_body(depth);
        if self.one_in(2) {
            return format!("foreach ({head}) {{\n{body}}}\n");
        }
        // What is walked changes meanwhile.
        let walked = self.pick(&["$a", "$b", "[1, 2, 3, 4, 5]", "$o->l", "$a[\"k\"]"]);
        let change = self.pick(&[
            "$a[$k] = 7;",
            "$a[] = $k;",
            "unset($a[$k]);",
            "$b = [$v];",
            "$v = [$k];",
            "$a = array_reverse($a);",
            "$a[$k] .= \"\";",
            "$a[$k] = $a;",
            "$b[] = $a; $a = $b;",
            "$o->put($v);",
            "$k = 1; $v = 2;",
            "$a[:1] = [];",
        ]);
        format!(
            "foreach ({walked} as $k => $v) {{\n{change}\nif (length($a) > 50) break;\n{body}}}\n"
        )
    }

    fn switch(&mut self, depth: usize) -> String {
        let head = self.fill("#x", 1);
        let (one, other) = (self.any(0), self.any(0));
        let (first, second, third) = (self.block(depth), self.block(depth), self.block(depth));
        let end = self.pick(&["break;", "", "break;"]);
        format!(
            "switch ({head}) {{\ncase {one}:\n{first}{end}\ncase {other}:\n{second}{end}\ndefault:\n{third}}}\n"
        )
    }

    /// A switch whose cases a compiler may look up in a table.
    fn switch_on_constants(&mut self, depth: usize) -> String {
        let head = self.pick(&["#s", "#n", "#x", "$u ?? #s"]);
        let head = self.fill(head, 1);
        let mut text = format!("switch ({head}) {{\n");
        let count = 2 + self.below(6);
        let default = self.below(2 * count);
        for number in 0..count {
            if number == default {
                text.push_str("default:\n");
            }
            let label = self.pick(&[
                "\"a\"", "\"abc\"", "\"5\"", "5", "\"\"", "\"sss\"", "0", "1", "-0", "2.5", "none",
                "true", "\"0x10\"", "16", "false", "[]", "\"a\"", "3", "2", "#c",
            ]);
            let label = self.fill(label, 0);
            let body = match self.below(3) {
                0 => String::new(),
                1 => format!("$s .= \"{number}\";\n"),
                _ => self.block(depth.min(1)),
            };
            let end = self.pick(&["break;\n", "break;\n", ""]);
            text.push_str(&format!("case {label}:\n{body}{end}"));
        }
        text + "}\n"
    }
}
