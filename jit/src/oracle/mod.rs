//! A plain tree-walking evaluator of HSL: the second opinion on the compiled code.
//!
//! In: the syntax trees of a script and its modules as parsed, with included files in their places; an [`OracleHost`] and
//! [`Limits`]. Out: what the script printed and how it ended.
//! Deliberately simple and slow. Shares with the compiler the parser, the loader of files, the decoding of data files, the
//! values with their operators and the builtins, and nothing else: names, imported ones too, are looked up as text when they
//! are met, so that it can disagree with resolve, ir, infer and codegen.
//! Assumes a program the resolver accepted; any other ends as [`Ending::Refused`], never in a panic.
//!
//! Order of evaluation: operands from left to right; of an assignment first the keys of the target, then the value, then
//! the store; of a destructuring the value, then item by item its key, the default if it is needed, the target.
//!
//! Fuel: 1 for each round of a loop, after its condition held and before its variables are set; 1 for each function of the
//! script, once its arguments are known to fit; and what builtins charge.
//!
//! | what failed | span of the error |
//! | --- | --- |
//! | an operator | the whole expression; of `a . b . c`, which joins once all its operands are known, the whole chain |
//! | `++`, `--`, an augmented assignment | the whole expression |
//! | a variable without a value | the variable; within a string its `$name`; in `$x += 1`, `$x["k"]++` the `$x` |
//! | `base[key]`, `base[first:last]`, `base->name`, read | that expression |
//! | a path in `isset` and `unset`, left of `??` | the whole `isset(...)`, `unset(...)`; all that is left of `??` |
//! | a path in an assignment, augmented or not | the whole assignment |
//! | a target in a destructuring, or of `foreach` | the target; a key that cannot be one likewise |
//! | a key, a spread value of an array literal | the key, the value |
//! | a spread argument | the value behind `...` |
//! | a call: what is called, the number of arguments, depth, recursion, what a builtin or the host found wrong | the call |
//! | a function that a builtin called | where it happened in there |
//! | `Class::$name`, `Class::name`, `module::$name` | the two names |
//! | `foreach` over no array | the subject |
//! | a comparison of a `switch` | the expression behind `case` |
//! | `echo`: the text, its limit | the operand |
//! | out of fuel | the loop; the function from `function` to `}`; the call of a builtin |
//! | `cache` beyond its call, `barrier` | the `cache` expression; the name, the shared variable |
//!
//! A span includes parentheses around the expression.
//!
//! Modules: what they declare and whose variables are one is settled before the first statement; the statements of a module
//! run where an `import` of it is first met, for no fuel.
//!
//! HSL manual: structures, operators, literals.

mod call;
mod class;
mod definition;
mod expression;
mod frame;
mod machine;
mod module;
mod place;
mod process;
mod statement;
mod stop;
mod walker;

use crate::error::{ErrorKind, ScriptError};
use crate::resolve::Linked;
use crate::runtime::Portable;
use crate::source::{SourceMap, Span};

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes of the script's values.
    pub memory: usize,
    /// Octets that `echo` prints in all; each counts 8 besides its text.
    pub output: usize,
    /// Expressions and statements inside each other, through calls too. Each takes less than 4 KiB of stack, even without
    /// optimization.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 10_000_000,
            memory: 64 << 20,
            output: 1 << 20,
            depth: 2_000,
        }
    }
}

/// A variable the host defines before the script begins.
#[derive(Clone, Debug)]
pub struct PredefinedVariable {
    /// Its name, without `$`.
    pub name: String,
    /// Its value.
    pub value: Portable,
    /// Whether the script may assign to it.
    pub writable: bool,
}

/// What a context function returned.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value of the call.
    pub value: Portable,
    /// Predefined variables that have another value now.
    pub updates: Vec<(String, Portable)>,
}

/// A function only some contexts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextFunction {
    /// Whether it ends the script with an action of its name.
    pub terminating: bool,
    /// The fewest arguments it takes.
    pub minimum: usize,
    /// The most arguments it takes; `None` is no bound.
    pub maximum: Option<usize>,
}

/// What the script runs in.
pub trait OracleHost {
    /// The predefined variables.
    fn variables(&self) -> Vec<PredefinedVariable>;

    /// What the name means as a context function, if anything.
    fn function(&self, name: &str) -> Option<ContextFunction>;

    /// Calls a context function that returns, with as many arguments as it takes.
    ///
    /// # Errors
    ///
    /// Whatever it finds wrong with the arguments.
    fn call(&mut self, name: &str, arguments: Vec<Portable>) -> Result<Answer, ErrorKind>;
}

/// A host without variables and functions.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl OracleHost for NoHost {
    fn variables(&self) -> Vec<PredefinedVariable> {
        Vec::new()
    }

    fn function(&self, _name: &str) -> Option<ContextFunction> {
        None
    }

    fn call(&mut self, _name: &str, _arguments: Vec<Portable>) -> Result<Answer, ErrorKind> {
        Ok(Answer {
            value: Portable::None,
            updates: Vec::new(),
        })
    }
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What each `echo` printed.
    pub output: Vec<Vec<u8>>,
    /// How it ended.
    pub ending: Ending,
    /// Units of fuel used.
    pub fuel_used: u64,
    /// Values still alive after the run: 0, unless closures or objects hold each other.
    pub live_values: usize,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// At the end of the script, or at a `return` outside of functions, with its value; none stands for a function or an
    /// object.
    Finished(Portable),
    /// In a terminating context function.
    Action {
        /// The function.
        name: String,
        /// Its arguments.
        arguments: Vec<Portable>,
        /// The call.
        span: Span,
    },
    /// In a script error.
    Error(ScriptError),
    /// Not run to its end: the resolver refuses this program, or the evaluator cannot follow it.
    Refused {
        /// Why.
        reason: &'static str,
        /// Where.
        span: Span,
    },
}

/// Runs a program; `sources` is the map its files were loaded into. What `cache` and `barrier` keep for the process lives
/// only as long as this run.
pub fn run(
    linked: &Linked,
    sources: &SourceMap,
    host: &mut dyn OracleHost,
    limits: Limits,
) -> Outcome {
    walker::run(linked, sources, host, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostics;
    use crate::resolve::{LoadError, LoadedFile, Loader, load};
    use crate::source::SourceId;

    /// The only files there are.
    struct Files;

    impl Loader for Files {
        fn load(&mut self, _: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
            let text = match path {
                b"m" => "$x = 1; function f() { return 2; }",
                b"bad.json" => "[1,",
                _ => return Err(LoadError::NotFound),
            };
            Ok(LoadedFile {
                name: String::from_utf8_lossy(path).into_owned(),
                text: text.into(),
            })
        }
    }

    /// Runs a text, whatever else was said about it than that its files are there.
    fn outcome(text: &str, limits: Limits) -> Outcome {
        let mut sources = SourceMap::new();
        let id = sources.add("test.hsl", text.as_bytes()).expect("short");
        let mut diagnostics = Diagnostics::new();
        let linked = load(&mut sources, id, &mut Files, &mut diagnostics);
        assert!(
            !diagnostics.has_errors(),
            "{}",
            diagnostics.render(&sources)
        );
        run(&linked, &sources, &mut NoHost, limits)
    }

    #[test]
    fn programs_the_resolver_refuses_end_without_a_panic() {
        let refused = [
            "no_such_function(1);",
            "echo $a[];",
            "echo NoClass::$x;",
            "NoClass::f();",
            "static::f();",
            "class C { static $x = 1; static function f() { } } C::x();",
            "class C { static function f() { } } echo C::$f;",
            "class C { $x = 1; } echo C::$x;",
            "function f() { $a = 2; global $a; } $a = 1; f();",
            "$a = [1, 2]; $a[0:1][0] = 5;",
            "$a = [1, 2]; unset($a[0:1][0]);",
            "import { g } from \"m\";",
            "import * as m from \"m\"; m::g();",
            "import * as m from \"m\"; m();",
            "import $data from \"bad.json\";",
            "$f = function () { include \"m\"; }; $f();",
            "$f = function () { import { f } from \"m\"; }; $f();",
        ];
        for text in refused {
            let ending = outcome(text, Limits::default()).ending;
            assert!(
                matches!(ending, Ending::Refused { .. }),
                "{text}: {ending:?}"
            );
        }
        let finished = [
            "",
            "break;",
            "continue;",
            "$this = 5;",
            "global $x;",
            "function f($a, $a) { return $a; } f(1, 2);",
            "class C { $a = 1; function a() { } } C()->a;",
            "function f() { } function f() { } f();",
            "import { f, f, $x, $x, $nowhere } from \"m\"; f();",
            "import * as m from \"m\"; m::f(); m::$nowhere = m::$x;",
        ];
        for text in finished {
            let ending = outcome(text, Limits::default()).ending;
            assert!(matches!(ending, Ending::Finished(_)), "{text}: {ending:?}");
        }
    }

    #[test]
    fn depth_is_bounded_however_it_is_reached() {
        let limits = Limits {
            depth: 100,
            ..Limits::default()
        };
        let chain = |link: &dyn Fn(usize) -> String, last: &str| {
            let links: String = (0..60).map(link).collect();
            outcome(&format!("{links}{last}"), limits).ending
        };
        let calls = chain(
            &|n| format!("function f{n}() {{ return f{}(); }}\n", n + 1),
            "function f60() { return 1; } f0();",
        );
        let callbacks = chain(
            &|n| {
                format!(
                    "function f{n}($x) {{ return array_map(f{}, [$x]); }}\n",
                    n + 1
                )
            },
            "function f60($x) { return 1; } f0(1);",
        );
        let constructors = chain(
            &|n| format!("class C{n} {{ constructor() {{ C{}(); }} }}\n", n + 1),
            "class C60 { } C0();",
        );
        for ending in [calls, callbacks, constructors] {
            let Ending::Refused { reason, .. } = ending else {
                panic!("{ending:?}");
            };
            assert_eq!(reason, "nested deeper than the plain evaluator follows");
        }
        let nested = format!("echo {}1{};", "(1 + ".repeat(50), ")".repeat(50));
        assert_eq!(outcome(&nested, limits).output, [b"51".to_vec()]);
    }

    #[test]
    fn memory_and_fuel_end_a_script() {
        let limits = Limits {
            fuel: 1_000,
            memory: 1 << 20,
            ..Limits::default()
        };
        let kind = |text: &str| match outcome(text, limits).ending {
            Ending::Error(error) => error.kind,
            other => panic!("{other:?}"),
        };
        let memory = ErrorKind::MemoryLimit { limit: 1 << 20 };
        let fuel = ErrorKind::FuelExhausted { limit: 1_000 };
        assert_eq!(kind("$s = \"x\"; forever $s .= $s;"), memory);
        assert_eq!(kind("forever { }"), fuel);
        assert_eq!(kind("function f() { } while (true) f();"), fuel);
        let spent = outcome("forever { }", limits);
        assert_eq!(spent.fuel_used, 1_000);
        assert_eq!(spent.live_values, 0);
    }

    #[test]
    fn the_standing_world_is_the_same_in_every_run() {
        let text = "echo time(); echo random_number(0, 1000000);";
        let (first, second) = (
            outcome(text, Limits::default()),
            outcome(text, Limits::default()),
        );
        assert_eq!(first.output[0], b"0");
        assert_eq!(first.output, second.output);
    }
}
