//! Variables of `foreach` that look at the elements of an array which the loop holds.
//!
//! In: a function. Out: the variables, and the temporaries between them and the walk, that need no reference of their own:
//! whatever they hold is an element or a key of an array that is held, and not written to, for as long as they are read.
//! Nobody else can write to that array either: what two hold is copied first.
//!
//! Liveness of the variables, backwards, as bits of one word: no more of them than it has bits are looked at, and as many
//! rounds as loops are usually deep.

use super::{each_read, each_written};
use crate::ir::{
    BlockId, Function, Operand, Operation, PlaceAction, Register, RegisterInfo, Terminator,
};

/// How many times the blocks are gone through at most; where that is too few, every variable has its own reference.
const ROUNDS_MAX: usize = 16;

/// Per register: whether it holds a reference that another register keeps for it.
#[must_use]
pub fn held_elements(function: &Function) -> Vec<bool> {
    let mut held = vec![false; function.registers.len()];
    let walks = Walks::find(function);
    let mut candidates = Candidates::find(function, &walks);
    if candidates.all == 0 {
        return held;
    }
    candidates.follow_arrays(function, &walks);
    let Some(live) = candidates.live(function) else {
        return held;
    };
    let kept = candidates.all & !candidates.disturbed(function, &live);
    for (held, bit) in held.iter_mut().zip(&candidates.bits) {
        *held = bit & kept != 0;
    }
    for block in &function.blocks {
        for instruction in &block.instructions {
            if let Operation::Assign { variable, from } = instruction.operation {
                held[from.0 as usize] |= held[variable.0 as usize];
            }
        }
    }
    held
}

/// The temporaries that a walk writes and one assignment reads, with the array that is walked.
struct Walks {
    arrays: Vec<Option<Register>>,
}

impl Walks {
    fn find(function: &Function) -> Self {
        let mut arrays = vec![None; function.registers.len()];
        for block in &function.blocks {
            if let Terminator::IterateNext { array, .. } = block.terminator {
                let mut note = |register: Register| arrays[register.0 as usize] = Some(array);
                block.terminator.each_written(&mut note);
            }
        }
        let mut namings = vec![0_u32; function.registers.len()];
        let mut name = |register: Register| namings[register.0 as usize] += 1;
        for block in &function.blocks {
            for instruction in &block.instructions {
                each_read(&instruction.operation, &mut name);
                each_written(&instruction.operation, &mut name);
                if let Operation::Release { register } = instruction.operation {
                    name(register);
                }
            }
            block.terminator.each_read(&mut name);
            block.terminator.each_written(&mut name);
        }
        for (array, namings) in arrays.iter_mut().zip(namings) {
            // Once by the walk, once by the assignment.
            if namings != 2 {
                *array = None;
            }
        }
        Self { arrays }
    }
}

/// Variables that are written by walks only.
struct Candidates {
    /// Per register: its bit, or 0.
    bits: Vec<u64>,
    /// Per register: those that hold elements of the array in it, or of an array in one.
    elements: Vec<u64>,
    all: u64,
}

impl Candidates {
    fn find(function: &Function, walks: &Walks) -> Self {
        let count = function.registers.len();
        let (mut is_written, mut is_other) = (vec![false; count], vec![false; count]);
        for block in &function.blocks {
            for instruction in &block.instructions {
                match &instruction.operation {
                    Operation::Assign { variable, from } => {
                        is_written[variable.0 as usize] = true;
                        is_other[variable.0 as usize] |= walks.arrays[from.0 as usize].is_none();
                        is_other[from.0 as usize] = true;
                    }
                    Operation::LoadUndefined { .. }
                    | Operation::CheckDefined { .. }
                    | Operation::Release { .. } => {}
                    other => {
                        each_changed(other, &mut |register| is_other[register.0 as usize] = true);
                    }
                }
            }
            if let Terminator::Return(Operand::Register(register)) = block.terminator {
                is_other[register.0 as usize] = true;
            }
        }
        let mut found = Self {
            bits: vec![0; count],
            elements: vec![0; count],
            all: 0,
        };
        for register in function.parameters_count as usize..count {
            let is_variable = matches!(function.registers[register], RegisterInfo::Variable(_));
            let is_this = function
                .this
                .is_some_and(|this| this.0 as usize == register);
            if is_variable && is_written[register] && !is_other[register] && !is_this {
                // The lowest free bit; none is left when all are taken.
                let bit = found.all.wrapping_add(1) & !found.all;
                found.bits[register] = bit;
                found.all |= bit;
            }
        }
        found
    }

    /// Notes whose elements each holds.
    fn follow_arrays(&mut self, function: &Function, walks: &Walks) {
        let mut sources = Vec::new();
        for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
            if let Operation::Assign { variable, from } = instruction.operation
                && let Some(array) = walks.arrays[from.0 as usize]
                && self.bits[variable.0 as usize] != 0
            {
                sources.push((variable.0 as usize, array.0 as usize));
            }
        }
        let mut grew = true;
        // Each round but the last adds a bit somewhere, and arrays are walked within each other only so deep.
        while grew {
            grew = false;
            for (variable, array) in &sources {
                let elements = self.bits[*variable] | self.elements[*variable];
                grew |= elements & !self.elements[*array] != 0;
                self.elements[*array] |= elements;
            }
        }
    }

    fn bit(&self, register: Register) -> u64 {
        self.bits[register.0 as usize]
    }

    /// What an operation reads of them.
    fn read(&self, operation: &Operation) -> u64 {
        let mut read = 0;
        each_read(operation, &mut |register| read |= self.bit(register));
        read
    }

    /// What is live before an operation, by what is live behind it.
    fn before(&self, operation: &Operation, live: u64) -> u64 {
        let written = match operation {
            Operation::Assign { variable: one, .. } | Operation::LoadUndefined { into: one } => {
                self.bit(*one)
            }
            _ => 0,
        };
        live & !written | self.read(operation)
    }

    /// What is live at the end of a block, before its terminator looks at it.
    fn at_end(&self, terminator: &Terminator, entries: &[u64]) -> u64 {
        let mut live = 0;
        terminator.each_target(&mut |BlockId(to)| live |= entries[to as usize]);
        terminator.each_read(&mut |register| live |= self.bit(register));
        live
    }

    /// Those that are read later, at the beginning of each block.
    fn live(&self, function: &Function) -> Option<Vec<u64>> {
        // Of each block: what it reads first, and what it does not pass on.
        let effects = function.blocks.iter().map(|block| {
            let operations = || block.instructions.iter().rev().map(|one| &one.operation);
            let passed = operations().fold(self.all, |live, one| self.before(one, live));
            let read = operations().fold(0, |live, one| self.before(one, live));
            (read, passed)
        });
        let effects: Vec<_> = effects.collect();
        let mut live = vec![0; function.blocks.len()];
        for _ in 0..ROUNDS_MAX {
            let mut grew = false;
            for (number, block) in function.blocks.iter().enumerate().rev() {
                let (read, passed) = effects[number];
                let entry = self.at_end(&block.terminator, &live) & passed | read;
                grew |= entry != live[number];
                live[number] = entry;
            }
            if !grew {
                return Some(live);
            }
        }
        None
    }

    /// Those that are read when the array that keeps their element has been written to or let go of.
    fn disturbed(&self, function: &Function, entries: &[u64]) -> u64 {
        let mut disturbed = 0;
        for block in &function.blocks {
            let mut live = self.at_end(&block.terminator, entries);
            for instruction in block.instructions.iter().rev() {
                let operation = &instruction.operation;
                let needed = live | self.read(operation);
                each_changed(operation, &mut |register| {
                    disturbed |= needed & self.elements[register.0 as usize];
                });
                live = self.before(operation, live);
            }
        }
        disturbed
    }
}

/// Calls back for each register that holds something else behind an operation, or nothing of its own any more.
pub fn each_changed(operation: &Operation, found: &mut dyn FnMut(Register)) {
    match operation {
        Operation::CheckDefined { .. } => {}
        Operation::Place {
            into,
            action: PlaceAction::Isset | PlaceAction::ReadQuiet,
            ..
        } => into.iter().copied().for_each(&mut *found),
        Operation::ArrayPush { array, .. }
        | Operation::ArrayInsert { array, .. }
        | Operation::ArraySpread { array, .. } => found(*array),
        other => each_written(other, found),
    }
    operation.each_consumed(found);
}
