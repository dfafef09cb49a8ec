//! Makes random programs that are mostly right, so that they get far before they end.
//!
//! In: a seed, or octets that make the choices. Out: the text of a program that the resolver accepts nearly always; lines
//! `//= name` begin the modules behind it. Nearly every loop is bounded and no function calls itself, so each program ends.
//! Expressions are made from templates by the kind they should have; now and then one of any kind stands there instead, so
//! that errors, and what inference must not assume, are met too. In every fifth program that is more often than not.
//!
//! What statements hold others is in `shapes.rs`, the small functions that programs call in `small.rs`.
//!
//! In a template `#` and a letter stand for something that is made in its place: `#n` a number, `#s` a string, `#a` an
//! array, `#b` a condition, `#t` anything with a text, `#x` anything, `#p` an element or property, `#k` a key, `#r` the
//! bounds of a slice, `#i` such bounds without a step, `#f` the body of a callback, `#o` options of `cache`; `#N`, `#S`
//! and `#A` a variable of that kind, `#U` one that may have no value, `#c` a number that is known when compiling.

use super::small;
use super::templates::{
    ANYTHING, ARRAYS, BODIES, CACHES, CAPTURED, CONDITIONS, FLAGS, KEYS, KNOWN, LISTS, NUMBERS,
    NUMERIC, STATEMENTS, STRINGS, TEXTUAL,
};

/// Where choices come from.
struct Random<'c> {
    /// Xorshift: small, and the same everywhere.
    state: u64,
    /// Choices made by somebody else, which come first.
    choices: &'c [u8],
}

impl Random<'_> {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        if let Some((first, rest)) = self.choices.split_first() {
            self.choices = rest;
            return usize::from(*first) % bound;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let mixed = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap_or(0) % bound
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// One program in the making.
pub(super) struct Generator<'c> {
    random: Random<'c>,
    /// One expression in so many is of any kind.
    strays: usize,
    /// How many functions are declared already: a function calls only those.
    functions: usize,
    in_function: bool,
    /// How many loops stand around the place that is written.
    loops: usize,
    /// How many barriers stand around it.
    barriers: usize,
    /// Variables of loops and of single blocks, numbered so that no two are one.
    names: usize,
    /// Variables of the blocks around the place that is written, which have a value there.
    fresh: Vec<String>,
}

/// The text of the program with this number.
pub(crate) fn program(seed: u64) -> String {
    let strays = if seed % 5 == 4 { 12 } else { 150 };
    let mut generator = Generator::new(seed, strays, &[]);
    for _ in 0..8 {
        generator.random.below(2);
    }
    generator.whole()
}

/// The text of the program that these octets choose; what they do not is as in every other.
pub(crate) fn program_of(choices: &[u8]) -> String {
    Generator::new(1, 40, choices).whole()
}

impl<'c> Generator<'c> {
    fn new(seed: u64, strays: usize, choices: &'c [u8]) -> Self {
        Self {
            random: Random {
                state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
                choices,
            },
            strays,
            functions: 0,
            in_function: true,
            loops: 0,
            barriers: 0,
            names: 0,
            fresh: Vec::new(),
        }
    }

    fn whole(&mut self) -> String {
        let mut text = String::new();
        for number in 0..self.random.below(3) {
            text.push_str(&self.function(number));
            self.functions = number + 1;
        }
        self.in_function = false;
        text.push_str(
            "$n = 1; $m = 2.5; $s = \"sss\"; $t = \"\"; $a = [1, \"k\" => [2, 3]]; $b = [];\n\
             $g = \"\"; $o = C(); $u = \"u\"; if ($n == 2) $w = 2;\n\
             $q = [File::String(\"abc\\r\\n\\nd\\ne\")][0]; $h = [MIME()->setBoundary(\"B\")][0];\n",
        );
        text.push_str(self.pick(&[
            "$inc = function ($x) closure ($m) { $m += $x; return $m; };\n",
            "$inc = function ($x, ...$r) { return $x; };\n",
        ]));
        // Many small programs meet more than few large ones: compiling takes more than linear time.
        let depth = 1 + self.below(3);
        for _ in 0..2 + self.below(5) {
            text.push_str(&self.statement(depth));
        }
        if self.one_in(16) {
            text.push_str(&self.many_variables());
        }
        text.push_str(
            "echo [$n ?? none, $m ?? none, $s ?? none, $t ?? none, $a ?? none, $b ?? none];\n",
        );
        text.push_str("echo [$o->n ?? 0, $o->l ?? 0, $u ?? \"u\", $w ?? \"w\", $g, C::$x];\n");
        small::with_all_it_needs(&text)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }

    pub(super) fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        self.random.pick(choices)
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.random.one_in(count)
    }

    /// How many barriers stand around, and how many functions were begun.
    pub(super) fn place_of_barrier(&self) -> (usize, usize) {
        let functions = self.functions + usize::from(self.in_function);
        (self.barriers, functions)
    }

    /// Writes what stands within a barrier.
    pub(super) fn barrier_body(&mut self, depth: usize) -> String {
        self.barriers += 1;
        let body = self.block(depth);
        self.barriers -= 1;
        body
    }

    fn function(&mut self, number: usize) -> String {
        let parameters = self.random.pick(&[
            "$n, $s, $a, $b = [5, 6, 7, [8, 9, 10, 11]]",
            "$n, $s = \"d\", $a = [1, 2, 3, 4], ...$b",
            "$n, $s, $a, $b = []",
        ]);
        let body = self.block(2);
        let result = self.any(1);
        format!(
            "function f{number}({parameters}) {{\nglobal $g; $m = 2; $t = \"t\"; $o = C(2); $u = $n; if ($n == 2) $w = 2;\n\
             $q = [File::String($t . \"a\\nb\")][0]; $h = [MIME()][0]->setBoundary($t);\n\
             $inc = function ($x) closure ($m) {{ $m += $x; return $m; }};\n{body}return {result};\n}}\n"
        )
    }

    pub(super) fn name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("${letter}{}", self.names)
    }

    /// Puts something in the place of each mark of a template.
    pub(super) fn fill(&mut self, template: &str, depth: usize) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('#') {
            text.push_str(before);
            let (mark, behind) = behind.split_at(1);
            text.push_str(&self.mark(mark, depth));
            rest = behind;
        }
        text + rest
    }

    fn mark(&mut self, mark: &str, depth: usize) -> String {
        let fixed = match mark {
            "n" => return self.number(depth),
            "s" => return self.string(depth),
            "a" => return self.array(depth),
            "b" => return self.boolean(depth),
            "t" => return self.text(depth),
            "x" => return self.any(depth),
            "p" => return self.place(),
            "k" => return self.key(),
            "r" => return self.bounds(),
            "i" => return self.range(),
            "f" => BODIES,
            "o" => {
                let template = self.random.pick(CACHES);
                return self.fill(template, 0);
            }
            "c" => {
                let template = self.random.pick(KNOWN);
                return self.fill(template, 0);
            }
            "N" => &["$n", "$m"],
            "S" => &["$s", "$t"],
            "A" => &["$a", "$b"],
            "U" => &["$u", "$u", "$w"],
            _ => &[CAPTURED],
        };
        self.random.pick(fixed).to_owned()
    }

    /// An expression from one of the templates, or from one of the leaves where there is no more depth.
    fn expression(&mut self, templates: &[&str], leaves: &[&str], depth: usize) -> String {
        if self.random.one_in(self.strays) {
            return self.any(depth);
        }
        match depth.checked_sub(1) {
            Some(depth) => {
                let template = self.random.pick(templates);
                self.fill(template, depth)
            }
            None => self.random.pick(leaves).to_owned(),
        }
    }

    pub(super) fn number(&mut self, depth: usize) -> String {
        if 0 < self.functions && self.random.one_in(20) {
            let number = self.random.below(self.functions);
            let rest = self.random.pick(&["", ", #a", ", ...[]", ", ...[#a]"]);
            let cache = self.random.pick(&["", "", "cache [#o] "]);
            let template = format!("number({cache}f{number}(#n, #s, #a{rest}))");
            return self.fill(&template, depth.saturating_sub(1));
        }
        self.expression(NUMERIC, NUMBERS, depth)
    }

    pub(super) fn string(&mut self, depth: usize) -> String {
        self.expression(TEXTUAL, STRINGS, depth)
    }

    fn array(&mut self, depth: usize) -> String {
        self.expression(LISTS, ARRAYS, depth)
    }

    pub(super) fn boolean(&mut self, depth: usize) -> String {
        self.expression(CONDITIONS, FLAGS, depth)
    }

    pub(super) fn any(&mut self, depth: usize) -> String {
        if let Some(name) = self.fresh.last()
            && self.random.one_in(6)
        {
            return name.clone();
        }
        let template = self.random.pick(ANYTHING);
        self.fill(template, depth)
    }

    /// Anything that has a text: mostly not none.
    fn text(&mut self, depth: usize) -> String {
        let template =
            self.random
                .pick(&["#s", "#s", "#s", "#n", "#n", "#a", "#b", "(#p ?? \"\")"]);
        self.fill(template, depth)
    }

    /// An element or property that can be read and written.
    fn place(&mut self) -> String {
        let template = self.random.pick(&[
            "$o->n",
            "$o->l",
            "$a->k",
            "$a[\"k\"][0]",
            "$b[\"z\"][1]",
            "#A[#k]",
            "#A[#k]",
            "#A[#k]",
            "#A[#k]",
            "#A[#k]",
            "#A[#k]",
            "$o->l[#k]",
            "#A[#k][#k]",
        ]);
        self.fill(template, 0)
    }

    fn key(&mut self) -> String {
        match self.random.below(24) {
            0 => self.number(1),
            1 => self.string(1),
            2 => {
                let odd = ["9007199254740992", "[]", "$u", "($n = 2)", "unset($u)"];
                self.random.pick(&odd).to_owned()
            }
            _ => self.random.pick(KEYS).to_owned(),
        }
    }

    fn range(&mut self) -> String {
        let choices = ["", "0", "1", "2", "-1", "-2", "5", "length($t)", "-99"];
        format!(
            "{}:{}",
            self.random.pick(&choices),
            self.random.pick(&choices)
        )
    }

    fn bounds(&mut self) -> String {
        let range = self.range();
        match self.random.below(4) {
            0 => format!(
                "{range}:{}",
                self.random.pick(&["1", "2", "-1", "-2", "1", "2", "-3"])
            ),
            _ => range,
        }
    }

    /// Some statements, with a variable of their own now and then.
    pub(super) fn block(&mut self, depth: usize) -> String {
        let known = self.fresh.len();
        let mut text = String::new();
        for _ in 0..1 + self.random.below(3) {
            if self.random.one_in(3) {
                let name = self.name('q');
                let value = self.any(2);
                text.push_str(&format!("{name} = {value};\n"));
                self.fresh.push(name);
            }
            text.push_str(&self.statement(depth));
        }
        self.fresh.truncate(known);
        text
    }

    pub(super) fn loop_body(&mut self, depth: usize) -> String {
        self.loops += 1;
        let mut text = String::new();
        if self.random.one_in(4) {
            // In all rounds but the first it holds what the round before left in it.
            let name = self.name('r');
            let value = self.any(1);
            text.push_str(&format!(
                "if (isset({name})) echo {name}; {name} = {value};\n"
            ));
        }
        text.push_str(&self.block(depth));
        self.loops -= 1;
        text
    }

    fn statement(&mut self, depth: usize) -> String {
        if 0 < depth && self.random.one_in(3) {
            return self.compound(depth - 1);
        }
        if self.random.one_in(10) {
            return self.sequence();
        }
        if self.random.one_in(12) {
            return self.leave();
        }
        let template = self.random.pick(STATEMENTS);
        self.fill(template, 2) + "\n"
    }

    fn leave(&mut self) -> String {
        let template = match (self.loops, self.in_function) {
            (1.., true) if self.random.one_in(3) => "if (#b) return #x;\n",
            (1.., _) => self
                .random
                .pick(&["if (#b) break;\n", "if (#b) continue;\n"]),
            (0, true) => self
                .random
                .pick(&["if (#b) return #x;\n", "$g .= \"+\";\n"]),
            (0, false) => "if (#b) $w = #x;\n",
        };
        self.fill(template, 1)
    }
}
