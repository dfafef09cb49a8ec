//! What the compiler does to make a program faster, and the switches to leave any of it out.
//!
//! In: a program in the intermediate representation. Out: the same program, smaller or faster. An optimisation never changes
//! what a program prints, how and where it ends, nor the fuel it takes: every test of the language can run with any of them
//! off, and random programs do. Those that change the representation are passes here; those that change only which machine
//! code stands for an instruction are in [`crate::infer`] and [`crate::codegen`], and ask this set too.

mod blocks;
mod dead_code;
mod fold;

use std::fmt;

use crate::ir::{self, Program};

/// One optimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Optimisation {
    /// Kinds of parameters and results follow calls by name through the whole program.
    CallKinds,
    /// Numbers that surely stay small integers are held as machine integers.
    Integers,
    /// Elements, lengths, comparisons and captured variables are read by machine code where their form allows.
    InlineAccess,
    /// Operators and builtins on constants are computed when compiling.
    Fold,
    /// What is never reached, never read or never called is removed.
    DeadCode,
}

impl Optimisation {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::CallKinds,
        Self::Integers,
        Self::InlineAccess,
        Self::Fold,
        Self::DeadCode,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of optimisations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Optimisations(u16);

impl Optimisations {
    /// Every one: what scripts are compiled with.
    pub const ALL: Self = Self(u16::MAX);
    /// None.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, one: Optimisation) -> Self {
        Self(self.0 | one.bit())
    }

    /// These but one.
    #[must_use]
    pub const fn without(self, one: Optimisation) -> Self {
        Self(self.0 & !one.bit())
    }

    /// Whether one is among them.
    #[must_use]
    pub const fn has(self, one: Optimisation) -> bool {
        self.0 & one.bit() != 0
    }
}

impl Default for Optimisations {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Debug for Optimisations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let those = Optimisation::ALL.iter().filter(|one| self.has(**one));
        formatter.debug_set().entries(those).finish()
    }
}

/// Applies the passes of a set to a program.
pub(crate) fn optimise(program: &mut Program, optimisations: Optimisations) {
    let has = |one| optimisations.has(one);
    if has(Optimisation::Fold) {
        fold::program(program);
        check(program, "fold");
    }
    if has(Optimisation::DeadCode) {
        each_function(program, "dead code", dead_code::function);
        dead_code::functions(program);
    }
}

/// Applies a pass to every function.
fn each_function(program: &mut Program, pass: &str, mut apply: impl FnMut(&mut ir::Function)) {
    program.functions.iter_mut().for_each(&mut apply);
    check(program, pass);
}

/// In debug builds: that a pass left nothing behind and took nothing twice.
fn check(program: &Program, pass: &str) {
    if cfg!(debug_assertions)
        && let Err(fault) = ir::verify(program)
    {
        panic!("{pass}: {fault}\n{}", ir::print(program));
    }
}
