//! Which kinds the values of a function may have, so that the code generator can drop checks and boxes.
//!
//! In: a function of the intermediate representation. Out: [`Inferred`]: per block and register the kinds on entry, and per
//! register how it is best held. A forward data-flow analysis to a fixed point; with [`Inference::Off`] everything may be
//! anything, which is the second way every test runs. Never changes what a program does.

mod lattice;
mod transfer;

pub use lattice::Kinds;
pub use transfer::{each_read, each_written, operand_kinds, transfer};

use crate::ir::{Block, BlockId, Function, Operand, RegisterInfo, Terminator};

/// Whether to infer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Inference {
    /// Infer kinds.
    #[default]
    On,
    /// Assume that everything may be anything.
    Off,
}

/// How the code generator holds a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// As a value of any kind: 64 bits, tagged.
    Boxed,
    /// As a double.
    Number,
    /// As a truth value.
    Boolean,
    /// As a machine integer.
    Position,
}

/// The kinds of all registers at one point.
pub type State = Vec<Kinds>;

/// What is known of one function.
#[derive(Debug)]
pub struct Inferred {
    /// Per block: the kinds of each register when control enters it; `None` for a block that is never reached.
    pub entry: Vec<Option<State>>,
    /// Per register: how it is held.
    pub representation: Vec<Representation>,
}

/// Infers one function. O(blocks x registers x kinds) at worst.
#[must_use]
pub fn infer(function: &Function, inference: Inference) -> Inferred {
    let entry = flow(function, inference);
    let representation = match inference {
        Inference::On => represent(function, &entry),
        Inference::Off => function.registers.iter().map(boxed).collect(),
    };
    Inferred {
        entry,
        representation,
    }
}

fn boxed(info: &RegisterInfo) -> Representation {
    match info {
        RegisterInfo::Position => Representation::Position,
        RegisterInfo::Variable(_) | RegisterInfo::Cell(_) | RegisterInfo::Temporary => {
            Representation::Boxed
        }
    }
}

/// The state in which a function begins: parameters hold something, variables nothing.
fn initial(function: &Function) -> State {
    let parameters = function.parameters_count as usize;
    let mut state: State = function.registers.iter().map(initial_kinds).collect();
    for (index, kinds) in state.iter_mut().take(parameters).enumerate() {
        let rest = function.variadic && index + 1 == parameters;
        *kinds = if rest { Kinds::ARRAY } else { Kinds::ANY };
    }
    if let Some(this) = function.this {
        state[this.0 as usize] = Kinds::OBJECT;
    }
    state
}

fn initial_kinds(info: &RegisterInfo) -> Kinds {
    match info {
        RegisterInfo::Variable(_) => Kinds::UNDEFINED,
        RegisterInfo::Cell(_) | RegisterInfo::Temporary | RegisterInfo::Position => Kinds::NOTHING,
    }
}

fn flow(function: &Function, inference: Inference) -> Vec<Option<State>> {
    let mut entry: Vec<Option<State>> = vec![None; function.blocks.len()];
    entry[0] = Some(initial(function));
    let mut pending = vec![0_usize];
    while let Some(index) = pending.pop() {
        let Some(mut state) = entry[index].clone() else {
            continue;
        };
        let block = &function.blocks[index];
        for instruction in &block.instructions {
            transfer(function, &mut state, &instruction.operation, inference);
        }
        for (successor, state) in leave(block, state, inference) {
            let slot = &mut entry[successor.0 as usize];
            if join(slot, state) {
                pending.push(successor.0 as usize);
            }
        }
    }
    entry
}

/// Joins a state into that of a block; tells whether anything became possible that was not.
fn join(slot: &mut Option<State>, state: State) -> bool {
    let Some(known) = slot else {
        *slot = Some(state);
        return true;
    };
    let mut grew = false;
    for (known, new) in known.iter_mut().zip(state) {
        let joined = known.or(new);
        grew |= joined != *known;
        *known = joined;
    }
    grew
}

/// The successors of a block, each with the state in which it is entered.
fn leave(block: &Block, mut state: State, inference: Inference) -> Vec<(BlockId, State)> {
    match &block.terminator {
        Terminator::Jump(to) => vec![(*to, state)],
        Terminator::Branch {
            condition,
            then,
            otherwise,
        } => {
            let known = match (condition, inference) {
                (Operand::Boolean(truth), Inference::On) => Some(*truth),
                _ => None,
            };
            match known {
                Some(true) => vec![(*then, state)],
                Some(false) => vec![(*otherwise, state)],
                None => vec![(*then, state.clone()), (*otherwise, state)],
            }
        }
        Terminator::IterateNext {
            key,
            value,
            body,
            done,
            ..
        } => {
            let left = state.clone();
            let any = Kinds::ANY;
            let key_kinds = match inference {
                Inference::On => Kinds::NUMBER.or(Kinds::STRING),
                Inference::Off => any,
            };
            state[value.0 as usize] = any;
            if let Some(key) = key {
                state[key.0 as usize] = key_kinds;
            }
            vec![(*body, state), (*done, left)]
        }
        Terminator::Return(_) | Terminator::Unreachable => Vec::new(),
    }
}

/// A register is held as a number (or truth value) when everything ever written to it is one, and nothing reads it before.
fn represent(function: &Function, entry: &[Option<State>]) -> Vec<Representation> {
    let count = function.registers.len();
    let mut written = vec![Kinds::NOTHING; count];
    let parameters = function.parameters_count as usize;
    for kinds in written.iter_mut().take(parameters) {
        *kinds = Kinds::ANY;
    }
    let mut read_undefined = vec![false; count];
    for (block, state) in function.blocks.iter().zip(entry) {
        let Some(mut state) = state.clone() else {
            continue;
        };
        for instruction in &block.instructions {
            each_read(&instruction.operation, &mut |register| {
                let index = register.0 as usize;
                read_undefined[index] |= state[index].meets(Kinds::UNDEFINED);
            });
            transfer(function, &mut state, &instruction.operation, Inference::On);
            each_written(&instruction.operation, &mut |register| {
                let index = register.0 as usize;
                written[index] = written[index].or(state[index]);
            });
        }
        if let Terminator::IterateNext { key, value, .. } = &block.terminator {
            written[value.0 as usize] = Kinds::ANY;
            if let Some(key) = key {
                written[key.0 as usize] = Kinds::ANY;
            }
        }
        terminator_reads(&block.terminator, &mut |register: usize| {
            read_undefined[register] |= state[register].meets(Kinds::UNDEFINED);
        });
    }
    (0..count)
        .map(|index| match boxed(&function.registers[index]) {
            Representation::Boxed if read_undefined[index] => Representation::Boxed,
            Representation::Boxed if matches!(function.registers[index], RegisterInfo::Cell(_)) => {
                Representation::Boxed
            }
            Representation::Boxed if written[index].is(Kinds::NUMBER) => Representation::Number,
            Representation::Boxed if written[index].is(Kinds::BOOLEAN) => Representation::Boolean,
            other => other,
        })
        .collect()
}

fn terminator_reads(terminator: &Terminator, read: &mut dyn FnMut(usize)) {
    match terminator {
        Terminator::Branch {
            condition: Operand::Register(register),
            ..
        }
        | Terminator::Return(Operand::Register(register)) => read(register.0 as usize),
        Terminator::IterateNext { array, .. } => read(array.0 as usize),
        Terminator::Branch { .. }
        | Terminator::Return(_)
        | Terminator::Jump(_)
        | Terminator::Unreachable => {}
    }
}
