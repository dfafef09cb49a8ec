//! Copies that are only looked at.
//!
//! In: a function. Out: the same, where a copy of a register that is not written while the copy lives is that register. The
//! copy is followed from where it is made to where it is released, on every way.

use super::{builds, consumes, is_release, is_temporary, is_variable, writes, writes_to};
use crate::ir::{Block, BlockId, Function, Operand, Operation, Register, Terminator};

/// How many instructions a copy may live through.
const REACH_MAX: usize = 512;

/// Instructions that are looked at for each of the function, on average.
const EFFORT_MAX: usize = 16;

/// Removes such copies from one function.
pub(super) fn function(function: &mut Function) {
    Borrower::new(function).function();
}

/// Finds copies that could as well be what they are copies of.
struct Borrower<'a> {
    function: &'a mut Function,
    writes: Vec<u32>,
    /// Instructions and ends of blocks that may still be looked at.
    effort: usize,
    /// Per block: the last region that has it.
    seen: Vec<u32>,
    regions_count: u32,
    /// Per block and instruction: whether it was left out.
    gone: Vec<Vec<bool>>,
}

/// Where a copy lives.
#[derive(Default)]
struct Region {
    /// Blocks, and the instruction from which on.
    parts: Vec<(usize, usize)>,
    /// Where it is released.
    releases: Vec<(usize, usize)>,
}

impl<'a> Borrower<'a> {
    fn new(function: &'a mut Function) -> Self {
        Self {
            writes: writes(function),
            effort: EFFORT_MAX * function.instructions_count() + REACH_MAX,
            seen: vec![0; function.blocks.len()],
            regions_count: 0,
            gone: function
                .blocks
                .iter()
                .map(|block| vec![false; block.instructions.len()])
                .collect(),
            function,
        }
    }

    fn function(mut self) {
        for block in 0..self.function.blocks.len() {
            for at in 0..self.function.blocks[block].instructions.len() {
                let Operation::Copy {
                    into,
                    from: Operand::Register(source),
                } = self.function.blocks[block].instructions[at].operation
                else {
                    continue;
                };
                let registers = &self.function.registers;
                let is_candidate = is_temporary(registers, into)
                    && self.writes[into.0 as usize] == 1
                    && (is_temporary(registers, source) || is_variable(registers, source));
                if is_candidate && let Some(region) = self.region(block, at, into, source) {
                    self.replace(&region, into, source);
                    self.gone[block][at] = true;
                }
            }
        }
        for (block, gone) in self.function.blocks.iter_mut().zip(self.gone) {
            let mut gone = gone.into_iter();
            block.instructions.retain(|_| gone.next() != Some(true));
        }
    }

    /// Where the copy lives, if it is only looked at there and what it is a copy of stays the same.
    fn region(
        &mut self,
        block: usize,
        at: usize,
        copy: Register,
        source: Register,
    ) -> Option<Region> {
        let first = block;
        let mut region = Region::default();
        let mut pending = vec![(block, at + 1)];
        self.regions_count += 1;
        self.seen[first] = self.regions_count;
        let mut reach = REACH_MAX.min(self.effort);
        while let Some((block, start)) = pending.pop() {
            region.parts.push((block, start));
            let Block {
                instructions,
                terminator,
                ..
            } = &self.function.blocks[block];
            let mut is_released = false;
            for (place, instruction) in instructions.iter().enumerate().skip(start) {
                self.effort = self.effort.saturating_sub(1);
                reach = reach.checked_sub(1)?;
                if self.gone[block][place] {
                    continue;
                }
                if is_release(&instruction.operation, copy) {
                    region.releases.push((block, place));
                    is_released = true;
                    break;
                }
                if disturbs(&instruction.operation, copy, source) {
                    return None;
                }
            }
            if is_released {
                continue;
            }
            self.effort = self.effort.saturating_sub(1);
            reach = reach.checked_sub(1)?;
            if ends_with(terminator, copy, source) {
                return None;
            }
            let mut is_round = false;
            terminator.each_target(&mut |BlockId(to)| {
                let to = to as usize;
                is_round |= to == first;
                let seen = std::mem::replace(&mut self.seen[to], self.regions_count);
                if seen != self.regions_count {
                    pending.push((to, 0));
                }
            });
            if is_round {
                return None;
            }
        }
        Some(region)
    }

    fn replace(&mut self, region: &Region, copy: Register, source: Register) {
        let replace = |register: &mut Register| {
            if *register == copy {
                *register = source;
            }
        };
        for (block, place) in &region.releases {
            self.gone[*block][*place] = true;
        }
        for (block, start) in &region.parts {
            let Block {
                instructions,
                terminator,
                ..
            } = &mut self.function.blocks[*block];
            for instruction in &mut instructions[*start..] {
                instruction.operation.each_register_mut(&mut { replace });
            }
            terminator.each_register_mut(&mut { replace });
        }
    }
}

/// Whether an operation does more with a copy than look at it, or changes what it is a copy of.
fn disturbs(operation: &Operation, copy: Register, source: Register) -> bool {
    let takes_copy = builds(operation, copy)
        || matches!(operation, Operation::BarrierLeave { shared: Some(shared) } if *shared == copy);
    takes_copy
        || consumes(operation, copy)
        || consumes(operation, source)
        || writes_to(operation, source)
}

/// Whether a block's end does so.
fn ends_with(terminator: &Terminator, copy: Register, source: Register) -> bool {
    let is_one = |register: Register| register == copy || register == source;
    match terminator {
        Terminator::Branch {
            condition: Operand::Register(register),
            ..
        }
        | Terminator::Return(Operand::Register(register)) => is_one(*register),
        Terminator::IterateNext { key, value, .. } => is_one(*value) || key.is_some_and(is_one),
        Terminator::Branch { .. }
        | Terminator::Switch { .. }
        | Terminator::Return(_)
        | Terminator::Jump(_)
        | Terminator::Unreachable => false,
    }
}
