//! Which sums of machine integers surely stay where doubles are exact, so that nothing is to be checked.
//!
//! In: a function and the representation of its registers. Out: the instructions whose sum or difference is at most 2^53 in
//! size whenever they run. A forward data-flow analysis over least and greatest values: comparisons that lead into a block
//! bound what they compared (`$i < 10` in a loop), and a bound that keeps growing is widened to the next of a few, so that
//! it ends soon. Where it does not, as in a loop that hands values on from one of many variables to the next, it is given up.

use std::collections::{BTreeSet, HashSet};

use super::{Representation, each_written};
use crate::builtins::{Intrinsic, intrinsic};
use crate::ir::{Block, Function, Operand, Operation, Register, Terminator};
use crate::syntax::ast::BinaryOperator;

/// Up to here every whole number is a double.
const EXACT_MAX: i64 = 1 << 53;

/// Blocks times integers of a function that is looked at: larger ones keep their checks.
const SIZE_MAX: usize = 1 << 20;

/// Integers and instructions that are gone through in all before a function keeps its checks.
const EFFORT_MAX: usize = 1 << 22;

/// How often a block is entered with other values before its bounds are widened.
const PATIENCE: u32 = 2;

/// Bounds that growing ones are widened to: positions and lengths have at most 32 bits.
const LEAST: [i64; 4] = [0, -1, -(1 << 32), -EXACT_MAX];
const GREATEST: [i64; 2] = [1 << 32, EXACT_MAX];

/// The sums of a function that need no check: block, index of the instruction.
#[derive(Debug, Default)]
pub struct ExactSums(HashSet<(usize, usize)>);

impl ExactSums {
    /// Whether the sum of an instruction is one of them.
    #[must_use]
    pub fn has(&self, block: usize, instruction: usize) -> bool {
        self.0.contains(&(block, instruction))
    }
}

/// The least and the greatest value that a machine integer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    least: i64,
    greatest: i64,
}

impl Range {
    const ANY: Self = Self {
        least: i64::MIN,
        greatest: i64::MAX,
    };

    const fn new(least: i64, greatest: i64) -> Self {
        Self { least, greatest }
    }

    fn join(self, other: Self) -> Self {
        Self::new(
            self.least.min(other.least),
            self.greatest.max(other.greatest),
        )
    }

    /// This, with bounds that `grown` passes put further out.
    fn widen(self, grown: Self) -> Self {
        let least = match grown.least < self.least {
            true => LEAST.into_iter().find(|bound| *bound <= grown.least),
            false => Some(self.least),
        };
        let greatest = match self.greatest < grown.greatest {
            true => GREATEST.into_iter().find(|bound| grown.greatest <= *bound),
            false => Some(self.greatest),
        };
        Self::new(least.unwrap_or(i64::MIN), greatest.unwrap_or(i64::MAX))
    }

    /// The sum or difference, if it is surely exact.
    fn sum(self, operator: BinaryOperator, other: Self) -> Option<Self> {
        let (least, greatest) = match operator {
            BinaryOperator::Add => (
                self.least.checked_add(other.least)?,
                self.greatest.checked_add(other.greatest)?,
            ),
            BinaryOperator::Subtract => (
                self.least.checked_sub(other.greatest)?,
                self.greatest.checked_sub(other.least)?,
            ),
            _ => return None,
        };
        (-EXACT_MAX <= least && greatest <= EXACT_MAX).then_some(Self::new(least, greatest))
    }
}

/// Finds the sums that need no check.
pub(super) fn exact_sums(function: &Function, representation: &[Representation]) -> ExactSums {
    let analysis = Analysis::new(function, representation);
    if analysis.integers == 0 || SIZE_MAX < function.blocks.len() * analysis.integers {
        return ExactSums::default();
    }
    let mut exact = ExactSums::default();
    let Some(entry) = analysis.flow() else {
        return exact;
    };
    for (number, (block, state)) in function.blocks.iter().zip(entry).enumerate() {
        let Some(mut state) = state else { continue };
        for (index, instruction) in block.instructions.iter().enumerate() {
            if analysis.step(&mut state, &instruction.operation) {
                exact.0.insert((number, index));
            }
        }
    }
    exact
}

/// The ranges of all machine integers at one point, by slot.
type State = Vec<Range>;

struct Analysis<'a> {
    function: &'a Function,
    /// Per register: its slot, if it is held as a machine integer.
    slots: Vec<Option<usize>>,
    integers: usize,
}

impl<'a> Analysis<'a> {
    fn new(function: &'a Function, representation: &[Representation]) -> Self {
        let mut integers = 0;
        let slots = representation.iter().map(|representation| {
            (*representation == Representation::Integer).then(|| {
                integers += 1;
                integers - 1
            })
        });
        Self {
            function,
            slots: slots.collect(),
            integers,
        }
    }

    /// Per block: the ranges when control enters it; none for a block that is never entered. `None` if that takes too long.
    fn flow(&self) -> Option<Vec<Option<State>>> {
        let count = self.function.blocks.len();
        let mut effort = EFFORT_MAX;
        let mut entry: Vec<Option<State>> = vec![None; count];
        let mut entered = vec![0_u32; count];
        entry[0] = Some(vec![Range::ANY; self.integers]);
        let mut pending = BTreeSet::from([0_usize]);
        while let Some(index) = pending.pop_first() {
            let Some(state) = &entry[index] else { continue };
            let mut state = state.clone();
            let block = &self.function.blocks[index];
            effort = effort.checked_sub(self.integers + block.instructions.len())?;
            for instruction in &block.instructions {
                self.step(&mut state, &instruction.operation);
            }
            self.leave(block, &state, &mut |successor, state| {
                let times = &mut entered[successor];
                if enter(&mut entry[successor], state, PATIENCE < *times) {
                    *times += 1;
                    pending.insert(successor);
                }
            });
        }
        Some(entry)
    }

    /// Calls back for each block that may come next, with what is known there.
    fn leave(&self, block: &Block, state: &State, enter: &mut dyn FnMut(usize, &State)) {
        if let Terminator::Branch {
            condition: Operand::Register(condition),
            then,
            otherwise,
        } = &block.terminator
            && let Some(comparison) = self.comparison(block, *condition)
        {
            for (target, truth) in [(then, true), (otherwise, false)] {
                let mut state = state.clone();
                self.assume(&mut state, comparison, truth);
                enter(target.0 as usize, &state);
            }
            return;
        }
        let mut written = state.clone();
        if let Terminator::IterateNext { key, value, .. } = &block.terminator {
            for register in key.iter().chain([value]) {
                self.set(&mut written, *register, Range::ANY);
            }
        }
        let each = &mut |target: crate::ir::BlockId| enter(target.0 as usize, &written);
        block.terminator.each_target(each);
    }

    /// The comparison that a condition at the end of a block is the result of, if what it compared is still the same.
    fn comparison(&self, block: &Block, condition: Register) -> Option<Comparison> {
        let mut wanted = condition;
        let mut later = Vec::new();
        for instruction in block.instructions.iter().rev() {
            let operation = &instruction.operation;
            match operation {
                Operation::Truth {
                    into,
                    operand: Operand::Register(from),
                } if *into == wanted => {
                    wanted = *from;
                    continue;
                }
                Operation::Binary {
                    operator,
                    into,
                    left,
                    right,
                } if *into == wanted => {
                    let changed = |operand: &Operand| matches!(operand, Operand::Register(register) if later.contains(register));
                    let same = !changed(left) && !changed(right);
                    return same.then_some(Comparison {
                        operator: *operator,
                        left: *left,
                        right: *right,
                    });
                }
                Operation::CheckDefined { .. } => {}
                _ => each_written(operation, &mut |register| later.push(register)),
            }
            if later.contains(&wanted) {
                return None;
            }
        }
        None
    }

    /// Narrows the ranges of what was compared, given the result.
    fn assume(&self, state: &mut State, comparison: Comparison, truth: bool) {
        let Comparison {
            operator,
            left,
            right,
        } = comparison;
        // Comparisons with what is no machine integer, such as NaN, tell nothing.
        let (Some(one), Some(other)) = (self.integer(state, left), self.integer(state, right))
        else {
            return;
        };
        // As `small <= large`, or one less.
        let (small, large, strict) = match (operator, truth) {
            (BinaryOperator::Less, true) => (left, right, true),
            (BinaryOperator::Less, false) => (right, left, false),
            (BinaryOperator::LessOrEqual, true) => (left, right, false),
            (BinaryOperator::LessOrEqual, false) => (right, left, true),
            (BinaryOperator::Greater, true) => (right, left, true),
            (BinaryOperator::Greater, false) => (left, right, false),
            (BinaryOperator::GreaterOrEqual, true) => (right, left, false),
            (BinaryOperator::GreaterOrEqual, false) => (left, right, true),
            _ => return,
        };
        let (low, high) = if small == left {
            (one, other)
        } else {
            (other, one)
        };
        let step = i64::from(strict);
        let greatest = low.greatest.min(high.greatest.saturating_sub(step));
        let least = high.least.max(low.least.saturating_add(step));
        for (operand, range) in [
            (small, Range::new(low.least, greatest)),
            (large, Range::new(least, high.greatest)),
        ] {
            // An empty range is a way that is never taken; what is said of it does not matter.
            if let Operand::Register(register) = operand
                && range.least <= range.greatest
            {
                self.set(state, register, range);
            }
        }
    }

    /// Follows one operation; whether it is a sum that is surely exact.
    fn step(&self, state: &mut State, operation: &Operation) -> bool {
        let (into, range, exact) = match operation {
            Operation::Copy { into, from } => (*into, self.range(state, *from), false),
            Operation::Assign { variable, from } => {
                let from = Operand::Register(*from);
                (*variable, self.range(state, from), false)
            }
            Operation::CallBuiltin { into, builtin, .. }
                if intrinsic(*builtin) == Some(Intrinsic::Length) =>
            {
                (*into, Range::new(0, 1 << 32), false)
            }
            Operation::CheckDefined { .. } => return false,
            other => match calculation(other) {
                Some((into, operator, left, right)) => {
                    let (left, right) = (self.range(state, left), self.range(state, right));
                    let sum = left.sum(operator, right);
                    let range = sum.unwrap_or_else(|| result(operator, left, right));
                    (into, range, sum.is_some())
                }
                None => {
                    each_written(other, &mut |register| self.set(state, register, Range::ANY));
                    return false;
                }
            },
        };
        self.set(state, into, range);
        exact && self.slots[into.0 as usize].is_some()
    }

    fn range(&self, state: &State, operand: Operand) -> Range {
        self.integer(state, operand).unwrap_or(Range::ANY)
    }

    /// The range of an operand that is a machine integer, or a constant that can be.
    fn integer(&self, state: &State, operand: Operand) -> Option<Range> {
        match operand {
            Operand::Register(register) => self.slots[register.0 as usize].map(|slot| state[slot]),
            Operand::Number(number) => {
                super::small_integer(number).map(|number| Range::new(number, number))
            }
            _ => None,
        }
    }

    fn set(&self, state: &mut State, register: Register, range: Range) {
        if let Some(slot) = self.slots[register.0 as usize] {
            state[slot] = range;
        }
    }
}

/// An operation that calculates, as `into = left operator right`.
fn calculation(operation: &Operation) -> Option<(Register, BinaryOperator, Operand, Operand)> {
    let next = |increment: bool| match increment {
        true => BinaryOperator::Add,
        false => BinaryOperator::Subtract,
    };
    let one = Operand::Number(1.0);
    Some(match operation {
        Operation::Step {
            increment,
            variable,
        } => {
            let before = Operand::Register(*variable);
            (*variable, next(*increment), before, one)
        }
        Operation::Next {
            increment,
            into,
            operand,
        } => (*into, next(*increment), *operand, one),
        Operation::Update {
            operator,
            variable,
            right,
        } => {
            let before = Operand::Register(*variable);
            (*variable, *operator, before, *right)
        }
        Operation::Binary {
            operator,
            into,
            left,
            right,
        } => (*into, *operator, *left, *right),
        _ => return None,
    })
}

/// What operators give that are no sums: those on bits work on 32 of them.
fn result(operator: BinaryOperator, left: Range, right: Range) -> Range {
    match operator {
        BinaryOperator::Modulus if 0 <= left.least && 0 < right.least => {
            Range::new(0, left.greatest.min(right.greatest - 1))
        }
        BinaryOperator::BitAnd if 0 <= right.least && right.greatest <= i64::from(i32::MAX) => {
            Range::new(0, right.greatest)
        }
        BinaryOperator::BitAnd
        | BinaryOperator::BitOr
        | BinaryOperator::BitXor
        | BinaryOperator::ShiftLeft
        | BinaryOperator::ShiftRight => Range::new(i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => Range::ANY,
    }
}

/// What a branch depends on.
#[derive(Clone, Copy)]
struct Comparison {
    operator: BinaryOperator,
    left: Operand,
    right: Operand,
}

/// Joins a state into that of a block; tells whether anything became possible that was not.
fn enter(slot: &mut Option<State>, state: &State, widens: bool) -> bool {
    let Some(known) = slot else {
        *slot = Some(state.clone());
        return true;
    };
    let mut grew = false;
    for (known, range) in known.iter_mut().zip(state) {
        let joined = known.join(*range);
        if joined != *known {
            *known = if widens { known.widen(joined) } else { joined };
            grew = true;
        }
    }
    grew
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Range = Range::new(-3, 9);

    #[test]
    fn sums_are_exact_up_to_the_limit() {
        let last = Range::new(0, EXACT_MAX - 9);
        let sum = SMALL.sum(BinaryOperator::Add, last);
        assert_eq!(sum, Some(Range::new(-3, EXACT_MAX)));
        let more = Range::new(0, EXACT_MAX - 8);
        assert_eq!(SMALL.sum(BinaryOperator::Add, more), None);
        let difference = SMALL.sum(BinaryOperator::Subtract, Range::new(0, EXACT_MAX - 3));
        assert_eq!(difference, Some(Range::new(-EXACT_MAX, 9)));
        let most = Range::new(0, EXACT_MAX - 2);
        assert_eq!(SMALL.sum(BinaryOperator::Subtract, most), None);
        assert_eq!(SMALL.sum(BinaryOperator::Subtract, Range::ANY), None);
        assert_eq!(SMALL.sum(BinaryOperator::Multiply, SMALL), None);
    }

    #[test]
    fn bounds_are_widened_a_few_times_at_most() {
        let mut range = Range::new(5, 5);
        for (grown, wide) in [
            (Range::new(4, 6), Range::new(0, 1 << 32)),
            (Range::new(-1, 7), Range::new(-1, 1 << 32)),
            (Range::new(-2, 1 << 33), Range::new(-(1 << 32), EXACT_MAX)),
            (
                Range::new(-EXACT_MAX, EXACT_MAX + 1),
                Range::new(-EXACT_MAX, i64::MAX),
            ),
            (Range::ANY, Range::ANY),
        ] {
            range = range.widen(range.join(grown));
            assert_eq!(range, wide);
        }
    }

    #[test]
    fn remainders_and_bits_are_bounded() {
        let natural = Range::new(0, i64::MAX);
        let seven = Range::new(7, 7);
        assert_eq!(
            result(BinaryOperator::Modulus, natural, seven),
            Range::new(0, 6)
        );
        assert_eq!(result(BinaryOperator::Modulus, SMALL, seven), Range::ANY);
        assert_eq!(
            result(BinaryOperator::BitAnd, Range::ANY, seven),
            Range::new(0, 7)
        );
    }
}
