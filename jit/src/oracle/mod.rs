//! A plain tree-walking evaluator of HSL: the second opinion on the compiled code.
//!
//! In: the syntax tree as parsed, an [`OracleHost`] and [`Limits`]. Out: what the script printed and how it ended.
//! Deliberately simple and slow. Shares the parser, the values with their operators and the builtins with the compiler, and
//! nothing else: names are looked up as text when they are met, so that it can disagree with resolve, ir, infer and codegen.
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
//! | a path in `isset` and `unset` | the whole `isset(...)`, `unset(...)` |
//! | a path in an assignment, augmented or not | the whole assignment |
//! | a target in a destructuring, or of `foreach` | the target; a key that cannot be one likewise |
//! | a key, a spread value of an array literal | the key, the value |
//! | a spread argument | the value behind `...` |
//! | a call: what is called, the number of arguments, recursion, what a builtin or the host found wrong | the call |
//! | a function that a builtin called | where it happened in there |
//! | `Class::$name`, `Class::name` | the two names |
//! | `foreach` over no array | the subject |
//! | a comparison of a `switch` | the expression behind `case` |
//! | `echo`: the text, its limit | the operand |
//! | out of fuel | the loop; the function from `function` to `}`; the call of a builtin |
//! | `cache` beyond its call, `barrier` | the `cache` expression; the name, the shared variable |
//!
//! A span includes parentheses around the expression.
//!
//! HSL manual: structures, operators, literals.

mod call;
mod class;
mod definition;
mod expression;
mod frame;
mod machine;
mod place;
mod process;
mod statement;
mod stop;
mod walker;

use crate::error::{ErrorKind, ScriptError};
use crate::runtime::Portable;
use crate::source::Span;
use crate::syntax::ast::Program;

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes of the script's values.
    pub memory: usize,
    /// Octets that `echo` prints in all; each counts 8 besides its text.
    pub output: usize,
    /// Expressions and statements inside each other, through calls too. Each takes about a kibibyte of stack, several
    /// without optimization.
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

/// Runs a program. What `cache` and `barrier` keep for the process lives only as long as this run.
pub fn run(program: &Program, host: &mut dyn OracleHost, limits: Limits) -> Outcome {
    walker::run(program, host, limits)
}
