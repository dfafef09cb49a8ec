//! Removes copies, and with them the counting of references.
//!
//! In: a function. Out: the same, where a temporary that is a copy stands for what it is a copy of, or takes it over:
//! - a copy of a register that is not written while the copy lives is that register;
//! - a copy of a temporary that is released then is that temporary;
//! - a result that is only made to be copied is made where it is copied to;
//! - a variable that is copied to be returned, and released, is returned itself.
//!
//! How far is looked is bounded, so that the work is linear in the size of the function.

mod borrow;

use crate::infer::{each_read, each_written};
use crate::ir::{
    Block, Function, Instruction, Operand, Operation, PlaceAction, Register, RegisterInfo,
    Terminator,
};

/// How far a copy may be from the return that gives it, in instructions: those between are releases.
const REACH_MAX: usize = 512;

/// How far a release may be from its copy, in instructions.
const NEAR_MAX: usize = 64;

/// Removes copies from one function.
pub(super) fn function(function: &mut Function) {
    returned(function);
    released(function);
    made_for(function);
    borrow::function(function);
}

/// What is released where an instruction was left out, until all of them are taken from the block at once.
const NOTHING: Register = Register(u32::MAX);

/// Leaves out an instruction.
fn leave_out(instruction: &mut Instruction) {
    instruction.operation = Operation::Release { register: NOTHING };
}

/// Takes what was left out from a block.
fn close_up(block: &mut Block) {
    let instructions = &mut block.instructions;
    instructions.retain(|instruction| !is_release(&instruction.operation, NOTHING));
}

/// How often each register is written.
fn writes(function: &Function) -> Vec<u32> {
    let mut writes = vec![0_u32; function.registers.len()];
    for block in &function.blocks {
        for instruction in &block.instructions {
            if !matches!(instruction.operation, Operation::CheckDefined { .. }) {
                each_written(&instruction.operation, &mut |register| {
                    writes[register.0 as usize] += 1;
                });
            }
        }
        block
            .terminator
            .each_written(&mut |register| writes[register.0 as usize] += 1);
    }
    writes
}

fn is_temporary(registers: &[RegisterInfo], register: Register) -> bool {
    matches!(registers[register.0 as usize], RegisterInfo::Temporary)
}

fn is_variable(registers: &[RegisterInfo], register: Register) -> bool {
    matches!(registers[register.0 as usize], RegisterInfo::Variable(_))
}

/// Whether an operation names a register, in whatever way.
fn names(operation: &Operation, register: Register) -> bool {
    let mut is_named = false;
    each_read(operation, &mut |one| is_named |= one == register);
    each_written(operation, &mut |one| is_named |= one == register);
    is_named || is_release(operation, register)
}

fn is_release(operation: &Operation, register: Register) -> bool {
    matches!(operation, Operation::Release { register: one } if *one == register)
}

/// Whether an operation gives a register another value.
fn writes_to(operation: &Operation, register: Register) -> bool {
    let mut is_written = false;
    let only_looks = match operation {
        Operation::CheckDefined { .. } => true,
        Operation::Place {
            into,
            action: PlaceAction::Isset | PlaceAction::ReadQuiet,
            ..
        } => *into != Some(register),
        _ => false,
    };
    if !only_looks {
        each_written(operation, &mut |one| is_written |= one == register);
    }
    is_written || builds(operation, register)
}

/// Whether an operation adds to an array under construction.
fn builds(operation: &Operation, register: Register) -> bool {
    matches!(
        operation,
        Operation::ArrayPush { array, .. }
        | Operation::ArrayInsert { array, .. }
        | Operation::ArrayAdd { array, .. }
        | Operation::ArraySpread { array, .. } if *array == register
    )
}

fn consumes(operation: &Operation, register: Register) -> bool {
    let mut is_consumed = false;
    operation.each_consumed(&mut |one| is_consumed |= one == register);
    is_consumed
}

/// `return $x` gives the variable itself, which is not needed any more.
fn returned(function: &mut Function) {
    let writes = writes(function);
    for block in &mut function.blocks {
        let Terminator::Return(Operand::Register(result)) = block.terminator else {
            continue;
        };
        if !is_temporary(&function.registers, result) || writes[result.0 as usize] != 1 {
            continue;
        }
        let recent = block.instructions.iter().enumerate().rev().take(REACH_MAX);
        let found = recent
            .map(|(at, instruction)| (at, &instruction.operation))
            .find(|(_, operation)| names(operation, result));
        let Some((
            at,
            Operation::Copy {
                from: Operand::Register(source),
                ..
            },
        )) = found
        else {
            continue;
        };
        let source = *source;
        if !is_variable(&function.registers, source) {
            continue;
        }
        let mut behind = block.instructions[at + 1..].iter();
        let release = behind.position(|one| is_release(&one.operation, source));
        let is_same = release.is_some_and(|release| {
            let between = &block.instructions[at + 1..][..release];
            !between.iter().any(|one| writes_to(&one.operation, source))
        });
        let is_named_later = behind.any(|one| names(&one.operation, source));
        if let (Some(release), true, false) = (release, is_same, is_named_later) {
            block.instructions.remove(at + 1 + release);
            block.instructions.remove(at);
            block.terminator = Terminator::Return(Operand::Register(source));
        }
    }
}

/// The place of the release of a register, behind a copy of it, if the copy could as well be the register itself.
fn release_behind(
    instructions: &[Instruction],
    at: usize,
    source: Register,
    into: Register,
) -> Option<usize> {
    for (instruction, place) in instructions[at + 1..].iter().take(NEAR_MAX).zip(at + 1..) {
        let operation = &instruction.operation;
        if is_release(operation, source) {
            return Some(place);
        }
        let changes = writes_to(operation, source) || consumes(operation, source);
        if changes || builds(operation, into) || consumes(operation, into) {
            return None;
        }
    }
    None
}

/// A copy of a temporary that is released then is that temporary.
fn released(function: &mut Function) {
    let writes = writes(function);
    let mut stands: Vec<Register> = (0..).map(Register).take(writes.len()).collect();
    let mut changed = false;
    for block in &mut function.blocks {
        for at in 0..block.instructions.len() {
            if let Operation::Copy {
                into,
                from: Operand::Register(source),
            } = block.instructions[at].operation
                && [into, source].into_iter().all(|one| {
                    is_temporary(&function.registers, one) && writes[one.0 as usize] == 1
                })
                && let Some(release) = release_behind(&block.instructions, at, source, into)
            {
                leave_out(&mut block.instructions[release]);
                leave_out(&mut block.instructions[at]);
                stands[into.0 as usize] = source;
                changed = true;
            }
        }
        close_up(block);
    }
    if !changed {
        return;
    }
    let stand = |register: Register| {
        let mut register = register;
        // Each stands for one that is written earlier, so this ends.
        while stands[register.0 as usize] != register {
            register = stands[register.0 as usize];
        }
        register
    };
    for block in &mut function.blocks {
        for instruction in &mut block.instructions {
            let operation = &mut instruction.operation;
            operation.each_register_mut(&mut |register| *register = stand(*register));
        }
        block
            .terminator
            .each_register_mut(&mut |register| *register = stand(*register));
    }
}

/// A result that is only made to be copied is made where it is copied to.
fn made_for(function: &mut Function) {
    let writes = writes(function);
    for block in &mut function.blocks {
        for at in 0..block.instructions.len() {
            if let Operation::Copy {
                into,
                from: Operand::Register(source),
            } = block.instructions[at].operation
                && is_temporary(&function.registers, into)
                && is_temporary(&function.registers, source)
                && writes[source.0 as usize] == 1
                && let Some(release) = release_behind(&block.instructions, at, source, into)
                && let Some(made) = made_before(&block.instructions, at, source, into)
            {
                for instruction in &mut block.instructions[made..release] {
                    instruction.operation.each_register_mut(&mut |register| {
                        if *register == source {
                            *register = into;
                        }
                    });
                }
                leave_out(&mut block.instructions[release]);
                leave_out(&mut block.instructions[at]);
            }
        }
        close_up(block);
    }
}

/// Where a register is written before it is copied, if the copy could be written there.
fn made_before(
    instructions: &[Instruction],
    at: usize,
    source: Register,
    into: Register,
) -> Option<usize> {
    for place in (at.saturating_sub(NEAR_MAX)..at).rev() {
        let operation = &instructions[place].operation;
        if names(operation, into) {
            return None;
        }
        let mut is_made = false;
        if !matches!(operation, Operation::CheckDefined { .. }) {
            each_written(operation, &mut |one| is_made |= one == source);
        }
        if is_made {
            return Some(place);
        }
    }
    None
}
