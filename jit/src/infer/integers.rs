//! Which registers may be held as machine integers: counters, positions, remainders.
//!
//! In: a function and the representation of its registers. Out: [`Representation::Integer`] in place of
//! [`Representation::Number`] where everything ever written to a register is a whole number, surely not minus zero, that
//! grows by at most [`STEP_MAX`] each time. Flow-insensitive: every register is taken for an integer until a write says no.
//!
//! Why 64 bits are enough: generated code leaves integers for doubles where a sum passes 2^53, with the double's rounding. A
//! double of that size no longer grows by so small a step before it reaches 2^63.

use super::Representation;
use crate::builtins::{Intrinsic, intrinsic};
use crate::ir::{Function, Operand, Operation, Register};
use crate::syntax::ast::BinaryOperator;

/// How much a sum may grow at once.
const STEP_MAX: u64 = 1024;

/// The greatest constant that counts as a small integer.
const CONSTANT_MAX: f64 = 4_294_967_296.0;

/// How often the writes are gone through for bounds.
const BOUND_ROUNDS: usize = 3;

/// How often the writes are gone through before the rest is given up: chains of registers are short.
const ROUNDS_MAX: usize = 12;

/// What is known of the numbers a register may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    /// Whole, and not minus zero.
    whole: bool,
    /// Not negative.
    natural: bool,
    /// The greatest absolute value, if there is one.
    bound: Option<u64>,
}

const ANYTHING: Numbers = Numbers {
    whole: false,
    natural: false,
    bound: None,
};

impl Numbers {
    fn upto(bound: u64) -> Self {
        Self {
            whole: true,
            natural: true,
            bound: Some(bound),
        }
    }

    fn join(self, other: Self) -> Self {
        let bound = match (self.bound, other.bound) {
            (Some(one), Some(other)) => Some(one.max(other)),
            _ => None,
        };
        Self {
            whole: self.whole && other.whole,
            natural: self.natural && other.natural,
            bound,
        }
    }
}

/// Marks the registers that hold machine integers.
pub(super) fn find(function: &Function, representation: &mut [Representation]) {
    let Some(numbers) = settle(function, representation) else {
        return;
    };
    for (representation, numbers) in representation.iter_mut().zip(numbers) {
        if *representation == Representation::Number && numbers.whole {
            *representation = Representation::Integer;
        }
    }
}

/// First the bounds, on the assumption that every number is whole and natural; each round only narrows them, so that any
/// number of rounds is right. Then the assumption, which is refuted until nothing changes: what was bounded by a number that
/// is not whole is refuted with it.
fn settle(function: &Function, representation: &[Representation]) -> Option<Vec<Numbers>> {
    let assumed = Numbers {
        whole: true,
        natural: true,
        bound: None,
    };
    let parameters = function.parameters_count as usize;
    let mut known: Vec<Numbers> = representation
        .iter()
        .enumerate()
        .map(|(index, representation)| match representation {
            Representation::Number if parameters <= index => assumed,
            _ => ANYTHING,
        })
        .collect();
    for _ in 0..BOUND_ROUNDS {
        let written = written_to(function, &known);
        for (known, next) in known.iter_mut().zip(written) {
            known.bound = next.and_then(|next| next.bound);
        }
    }
    for _ in 0..ROUNDS_MAX {
        let mut changed = false;
        let written = written_to(function, &known);
        for (known, next) in known.iter_mut().zip(written) {
            let next = next.unwrap_or(ANYTHING);
            let refuted = Numbers {
                whole: known.whole && next.whole,
                natural: known.natural && next.natural,
                bound: known.bound,
            };
            changed |= *known != refuted;
            *known = refuted;
        }
        if !changed {
            return Some(known);
        }
    }
    None
}

/// Per register: what all writes to it leave there.
fn written_to(function: &Function, known: &[Numbers]) -> Vec<Option<Numbers>> {
    let mut all: Vec<Option<Numbers>> = vec![None; known.len()];
    for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
        if let Some((register, numbers)) = written(&instruction.operation, known) {
            let slot = &mut all[register.0 as usize];
            *slot = Some(slot.map_or(numbers, |known| known.join(numbers)));
        }
    }
    all
}

/// The register an operation writes and what it writes, if that is a number.
fn written(operation: &Operation, known: &[Numbers]) -> Option<(Register, Numbers)> {
    let of = |operand: &Operand| operand_numbers(*operand, known);
    Some(match operation {
        Operation::Copy { into, from } => (*into, of(from)),
        Operation::Assign { variable, from } => (*variable, of(&Operand::Register(*from))),
        Operation::Step {
            increment,
            variable,
        } => {
            let before = of(&Operand::Register(*variable));
            (*variable, stepped(before, *increment))
        }
        Operation::Next {
            increment,
            into,
            operand,
        } => (*into, stepped(of(operand), *increment)),
        Operation::Update {
            operator,
            variable,
            right,
        } => {
            let before = of(&Operand::Register(*variable));
            (*variable, combined(*operator, before, of(right), *right))
        }
        Operation::Binary {
            operator,
            into,
            left,
            right,
        } => (*into, combined(*operator, of(left), of(right), *right)),
        Operation::CallBuiltin { into, builtin, .. } => match intrinsic(*builtin) {
            Some(Intrinsic::Length) => (*into, Numbers::upto(1 << 32)),
            _ => (*into, ANYTHING),
        },
        Operation::CheckDefined { .. } | Operation::LoadUndefined { .. } => return None,
        other => {
            let mut register = None;
            super::each_written(other, &mut |written| register = Some(written));
            (register?, ANYTHING)
        }
    })
}

fn operand_numbers(operand: Operand, known: &[Numbers]) -> Numbers {
    match operand {
        Operand::Register(register) => known[register.0 as usize],
        Operand::Number(number) => constant(number),
        _ => ANYTHING,
    }
}

fn constant(number: f64) -> Numbers {
    match small_integer(number) {
        Some(whole) => Numbers {
            whole: true,
            natural: 0 <= whole,
            bound: Some(whole.unsigned_abs()),
        },
        None => ANYTHING,
    }
}

/// A constant that a machine integer holds as well.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole number of at most 32 bits"
)]
pub(crate) fn small_integer(number: f64) -> Option<i64> {
    let minus_zero = number == 0.0 && number.is_sign_negative();
    (number.fract() == 0.0 && number.abs() <= CONSTANT_MAX && !minus_zero).then_some(number as i64)
}

fn stepped(before: Numbers, increment: bool) -> Numbers {
    Numbers {
        whole: before.whole,
        natural: before.natural && increment,
        bound: None,
    }
}

fn combined(
    operator: BinaryOperator,
    left: Numbers,
    right: Numbers,
    right_operand: Operand,
) -> Numbers {
    let small = |numbers: Numbers| numbers.bound.is_some_and(|bound| bound <= STEP_MAX);
    match operator {
        BinaryOperator::Add | BinaryOperator::Subtract => Numbers {
            whole: left.whole && right.whole && (small(left) || small(right)),
            natural: operator == BinaryOperator::Add && left.natural && right.natural,
            bound: None,
        },
        BinaryOperator::Modulus => match (right_operand, right.bound) {
            (Operand::Number(divisor), Some(bound))
                if 0.0 < divisor && left.whole && left.natural =>
            {
                Numbers::upto(bound - 1)
            }
            _ => ANYTHING,
        },
        BinaryOperator::BitAnd if right.natural && right.bound.is_some_and(is_positive_int32) => {
            Numbers::upto(right.bound.unwrap_or(0))
        }
        BinaryOperator::BitAnd
        | BinaryOperator::BitOr
        | BinaryOperator::BitXor
        | BinaryOperator::ShiftLeft
        | BinaryOperator::ShiftRight => Numbers {
            whole: true,
            natural: false,
            bound: Some(1 << 31),
        },
        _ => ANYTHING,
    }
}

fn is_positive_int32(bound: u64) -> bool {
    bound < 1 << 31
}
