//! What the compiler does to make a program faster, and the switches to leave any of it out.
//!
//! In: a program in the intermediate representation. Out: the same program, smaller or faster. An optimisation never changes
//! what a program prints, how and where it ends, nor the fuel it takes: every test of the language can run with any of them
//! off, and random programs do. Those that change the representation are passes here; those that change only which machine
//! code stands for an instruction are in [`crate::infer`] and `codegen`, and ask this set too.

mod blocks;
mod callbacks;
mod cells;
mod copies;
mod dead_code;
mod fold;
mod inline;
mod string_switch;

use std::fmt;

use crate::ir::{self, Program};

/// One optimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Optimisation {
    /// Kinds of parameters and results follow calls by name through the whole program.
    CallKinds,
    /// Numbers that surely stay small integers are held as machine integers.
    Integers,
    /// Sums of machine integers that surely stay exact are not checked.
    Ranges,
    /// References to strings of one octet are not counted, and only their addresses compared.
    Octets,
    /// Functions with loops have a second version, for arguments that are strings.
    Versions,
    /// Elements, lengths, comparisons and captured variables are read by machine code where their form allows.
    InlineAccess,
    /// References to elements of arrays that surely hold nothing of the heap are not counted.
    PlainArrays,
    /// References to elements that `foreach` looks at while it holds their array are not counted.
    HeldElements,
    /// What is left of the fuel is held in a machine register between calls.
    FuelRegister,
    /// Builtins that call a known function for each element are loops that call it by name.
    Callbacks,
    /// Bodies of small functions stand where they are called.
    Inline,
    /// Captured variables that nobody captures any more are variables.
    Cells,
    /// Operators and builtins on constants are computed when compiling.
    Fold,
    /// Values are looked at where they are, not in copies.
    Copies,
    /// What is never reached, never read or never called is removed.
    DeadCode,
    /// Chains of comparisons with strings are one decision.
    StringSwitch,
}

impl Optimisation {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::CallKinds,
        Self::Integers,
        Self::Ranges,
        Self::Octets,
        Self::Versions,
        Self::InlineAccess,
        Self::PlainArrays,
        Self::HeldElements,
        Self::FuelRegister,
        Self::Callbacks,
        Self::Inline,
        Self::Cells,
        Self::Fold,
        Self::Copies,
        Self::DeadCode,
        Self::StringSwitch,
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
    if optimisations.has(Optimisation::Callbacks) {
        callbacks::program(program);
        check(program, "callbacks");
    }
    let every = vec![true; program.functions.len()];
    tidy(program, optimisations, &every);
    if optimisations.has(Optimisation::Inline) {
        let changed = inline::program(program, &mut |function| {
            if optimisations.has(Optimisation::DeadCode) {
                dead_code::function(function);
            }
        });
        check(program, "inline");
        tidy(program, optimisations, &changed);
    }
    if optimisations.has(Optimisation::Cells) {
        let functions = program.functions.iter_mut();
        let changed: Vec<bool> = functions.map(cells::function).collect();
        check(program, "cells");
        tidy(program, optimisations, &changed);
    }
    if optimisations.has(Optimisation::DeadCode) {
        dead_code::functions(program);
        check(program, "dead functions");
    }
    if optimisations.has(Optimisation::StringSwitch) {
        for function in &mut program.functions {
            string_switch::function(function, &program.constants);
        }
        check(program, "string switch");
    }
}

/// Applies those passes that look at one function at a time to some.
fn tidy(program: &mut Program, optimisations: Optimisations, which: &[bool]) {
    if optimisations.has(Optimisation::Fold) {
        fold::functions(program, which);
        check(program, "fold");
    }
    let mut each = |one, name: &str, pass: fn(&mut ir::Function)| {
        if optimisations.has(one) {
            let functions = program.functions.iter_mut().zip(which);
            let functions = functions.filter(|(_, wanted)| **wanted);
            functions.for_each(|(function, _)| pass(function));
            check(program, name);
        }
    };
    each(Optimisation::DeadCode, "dead code", dead_code::function);
    each(Optimisation::Copies, "copies", copies::function);
}

/// In debug builds: that a pass left nothing behind and took nothing twice.
fn check(program: &Program, pass: &str) {
    if cfg!(debug_assertions)
        && let Err(fault) = ir::verify(program)
    {
        panic!("{pass}: {fault}\n{}", ir::print(program));
    }
}
