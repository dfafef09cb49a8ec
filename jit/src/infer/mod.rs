//! Which kinds the values of a function may have, so that the code generator can drop checks and boxes.
//!
//! In: a function of the intermediate representation. Out: [`Inferred`]: per block and register the kinds on entry, and per
//! register how it is best held. A forward data-flow analysis to a fixed point; with [`Inference::Off`] everything may be
//! anything, which is the second way every test runs. Never changes what a program does.

mod integers;
mod known;
mod lattice;
mod ranges;
mod transfer;
mod versions;

pub(crate) use integers::small_integer;
pub use known::Known;
pub use lattice::Kinds;
pub use ranges::ExactSums;
pub use transfer::{each_read, each_written, element, operand_kinds, transfer};
pub use versions::likely_strings;

use std::collections::BTreeSet;

use crate::ir::{
    Block, BlockId, Function, FunctionId, Operand, Operation, Register, RegisterInfo, Terminator,
};

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
    /// As a machine integer of 64 bits that a double holds exactly, and that is not minus zero.
    Integer,
    /// A position in an array: a machine integer, never a value.
    Position,
}

/// The kinds of all registers at one point.
pub type State = Vec<Kinds>;

/// What is known of one function.
#[derive(Debug)]
pub struct Inferred {
    /// All registers but the temporaries of a single block. A temporary is written before it is read, so that nothing is
    /// to be known of it where its block begins; the tables below would be as large as the function squared with them.
    crossing: Vec<u32>,
    /// Per block: the kinds of each crossing register when control enters it; `None` for a block that is never reached.
    entry: Vec<Option<Box<[Kinds]>>>,
    /// Per register: how it is held.
    pub representation: Vec<Representation>,
    /// Sums of machine integers that need no check.
    pub exact: ExactSums,
}

impl Inferred {
    /// Puts the kinds of the crossing registers at the beginning of a block into a state of all registers; false when the
    /// block is never reached.
    #[must_use]
    pub fn enter(&self, block: usize, state: &mut State) -> bool {
        let Some(kinds) = self.entry.get(block).and_then(Option::as_deref) else {
            return false;
        };
        for (register, kinds) in self.crossing.iter().zip(kinds) {
            state[*register as usize] = *kinds;
        }
        true
    }

    /// Calls back for each way out of the function with the kinds of what it gives there.
    fn each_return(&self, function: &Function, known: &Known, found: &mut dyn FnMut(Kinds)) {
        let mut state = vec![Kinds::NOTHING; function.registers.len()];
        for (number, block) in function.blocks.iter().enumerate() {
            if !self.enter(number, &mut state) {
                continue;
            }
            for instruction in &block.instructions {
                transfer(function, &mut state, &instruction.operation, known);
            }
            if let Terminator::Return(operand) = block.terminator {
                found(operand_kinds(&state, operand, known));
            }
        }
    }
}

/// Infers one function. O(blocks x crossing registers x kinds) at worst.
#[must_use]
pub fn infer(function: &Function, id: FunctionId, known: &Known) -> Inferred {
    infer_version(function, id, known, &[])
}

/// Infers one function for calls whose arguments for some parameters are strings.
#[must_use]
pub fn infer_version(
    function: &Function,
    id: FunctionId,
    known: &Known,
    strings: &[Register],
) -> Inferred {
    let crossing = crossing(function);
    let initial = initial(function, id, known, strings);
    let entry = flow(function, initial.clone(), &crossing, known);
    let mut inferred = Inferred {
        crossing,
        entry,
        representation: function.registers.iter().map(boxed).collect(),
        exact: ExactSums::default(),
    };
    if known.inference == Inference::On {
        inferred.representation = represent(function, initial, &inferred, known);
        if known.integers {
            integers::find(function, &mut inferred.representation);
        }
        if known.ranges {
            inferred.exact = ranges::exact_sums(function, &inferred.representation);
        }
    }
    inferred
}

/// Calls back for each operation that may be reached, with the kinds right before it.
pub fn each_operation(
    function: &Function,
    inferred: &Inferred,
    known: &Known,
    visit: &mut dyn FnMut(&Operation, &State),
) {
    let mut state = vec![Kinds::NOTHING; function.registers.len()];
    for (number, block) in function.blocks.iter().enumerate() {
        if !inferred.enter(number, &mut state) {
            continue;
        }
        for instruction in &block.instructions {
            visit(&instruction.operation, &state);
            transfer(function, &mut state, &instruction.operation, known);
        }
    }
}

/// Blocks times crossing registers: what inference and register allocation take time and memory for.
#[must_use]
pub fn size(function: &Function) -> usize {
    function
        .blocks
        .len()
        .saturating_mul(crossing(function).len())
}

/// The registers of which something is to be known where a block begins, in order.
///
/// A variable is one of them even when one block alone names it: it holds `undefined` before its first write, and what
/// the block's last turn left in it when the block is in a loop.
#[must_use]
pub fn crossing(function: &Function) -> Vec<u32> {
    const NOWHERE: u32 = u32::MAX;
    const SEVERAL: u32 = u32::MAX - 1;
    let mut home = vec![NOWHERE; function.registers.len()];
    let mut note = |register: Register, block: u32| {
        let home = &mut home[register.0 as usize];
        *home = if *home == NOWHERE || *home == block {
            block
        } else {
            SEVERAL
        };
    };
    for (info, register) in function.registers.iter().zip(0..) {
        if !matches!(info, RegisterInfo::Temporary) {
            note(Register(register), SEVERAL);
        }
    }
    let incoming = (0..function.parameters_count).map(Register);
    for register in incoming
        .chain(function.this)
        .chain(function.captures.iter().copied())
    {
        note(register, SEVERAL);
    }
    for (block, number) in function.blocks.iter().zip(0..) {
        for instruction in &block.instructions {
            each_read(&instruction.operation, &mut |register| {
                note(register, number)
            });
            each_written(&instruction.operation, &mut |register| {
                note(register, number)
            });
            if let Operation::Release { register } = instruction.operation {
                note(register, number);
            }
        }
        each_at_end(&block.terminator, &mut |register| note(register, number));
    }
    let several = home.iter().zip(0..).filter(|(home, _)| **home == SEVERAL);
    several.map(|(_, register)| register).collect()
}

/// Calls back for each register a terminator reads or writes; what it writes is known in the next block only.
fn each_at_end(terminator: &Terminator, found: &mut dyn FnMut(Register)) {
    match terminator {
        Terminator::Branch {
            condition: Operand::Register(register),
            ..
        }
        | Terminator::Return(Operand::Register(register)) => found(*register),
        Terminator::IterateNext {
            array,
            position,
            key,
            value,
            ..
        } => {
            found(*array);
            found(*position);
            found(*value);
            key.iter().copied().for_each(found);
        }
        Terminator::Switch { subject, .. } => found(*subject),
        Terminator::Branch { .. }
        | Terminator::Return(_)
        | Terminator::Jump(_)
        | Terminator::Unreachable => {}
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
fn initial(function: &Function, id: FunctionId, known: &Known, strings: &[Register]) -> State {
    let parameters = function.parameters_count as usize;
    let mut state: State = function.registers.iter().map(initial_kinds).collect();
    for (index, kinds) in state.iter_mut().take(parameters).enumerate() {
        let rest = function.variadic && index + 1 == parameters;
        *kinds = if rest {
            Kinds::ARRAY
        } else {
            known.parameter(id, index)
        };
    }
    for register in strings {
        state[register.0 as usize] = Kinds::STRING;
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

fn flow(
    function: &Function,
    mut state: State,
    crossing: &[u32],
    known: &Known,
) -> Vec<Option<Box<[Kinds]>>> {
    let mut entry: Vec<Option<Box<[Kinds]>>> = vec![None; function.blocks.len()];
    entry[0] = Some(
        crossing
            .iter()
            .map(|register| state[*register as usize])
            .collect(),
    );
    // Blocks are numbered about in the order of control, so the lowest pending one is the one whose predecessors are done.
    let mut pending = BTreeSet::from([0_usize]);
    while let Some(index) = pending.pop_first() {
        let Some(kinds) = &entry[index] else { continue };
        for (register, kinds) in crossing.iter().zip(kinds) {
            state[*register as usize] = *kinds;
        }
        let block = &function.blocks[index];
        for instruction in &block.instructions {
            transfer(function, &mut state, &instruction.operation, known);
        }
        leave(
            block,
            &mut state,
            known.inference,
            &mut |successor, state| {
                let successor = successor.0 as usize;
                if join(&mut entry[successor], crossing, state) {
                    pending.insert(successor);
                }
            },
        );
    }
    entry
}

/// Joins a state into that of a block; tells whether anything became possible that was not.
fn join(slot: &mut Option<Box<[Kinds]>>, crossing: &[u32], state: &State) -> bool {
    let Some(known) = slot else {
        *slot = Some(
            crossing
                .iter()
                .map(|register| state[*register as usize])
                .collect(),
        );
        return true;
    };
    let mut grew = false;
    for (known, register) in known.iter_mut().zip(crossing) {
        let joined = known.or(state[*register as usize]);
        grew |= joined != *known;
        *known = joined;
    }
    grew
}

/// Calls back for each successor of a block with the state in which it is entered.
fn leave(
    block: &Block,
    state: &mut State,
    inference: Inference,
    enter: &mut dyn FnMut(BlockId, &State),
) {
    match &block.terminator {
        Terminator::Jump(to) => enter(*to, state),
        Terminator::Branch {
            condition,
            then,
            otherwise,
        } => {
            let known = match (condition, inference) {
                (Operand::Boolean(truth), Inference::On) => Some(*truth),
                _ => None,
            };
            if known != Some(false) {
                enter(*then, state);
            }
            if known != Some(true) {
                enter(*otherwise, state);
            }
        }
        Terminator::IterateNext {
            array,
            key,
            value,
            body,
            done,
            ..
        } => {
            enter(*done, state);
            state[value.0 as usize] = match inference {
                Inference::On => element(state[array.0 as usize]),
                Inference::Off => Kinds::ANY,
            };
            if let Some(key) = key {
                state[key.0 as usize] = match inference {
                    Inference::On => Kinds::NUMBER.or(Kinds::STRING).or(Kinds::NONE),
                    Inference::Off => Kinds::ANY,
                };
            }
            enter(*body, state);
        }
        Terminator::Switch {
            subject,
            cases,
            otherwise,
            no_string,
        } => {
            let subject = subject.0 as usize;
            let kinds = state[subject];
            if inference == Inference::Off || kinds.meets(Kinds::STRING) {
                state[subject] = narrowed(kinds, kinds.and(Kinds::STRING), inference);
                cases.iter().for_each(|(_, block)| enter(*block, state));
                enter(*otherwise, state);
            }
            if inference == Inference::Off || !kinds.within(Kinds::STRING) {
                state[subject] = narrowed(kinds, kinds.without(Kinds::STRING), inference);
                enter(*no_string, state);
            }
        }
        Terminator::Return(_) | Terminator::Unreachable => {}
    }
}

/// The kinds of a value of which something was found out.
fn narrowed(kinds: Kinds, found: Kinds, inference: Inference) -> Kinds {
    match inference {
        Inference::On => found,
        Inference::Off => kinds,
    }
}

/// A register is held as a number (or truth value) when everything ever written to it is one, and nothing reads it before.
fn represent(
    function: &Function,
    mut state: State,
    inferred: &Inferred,
    known: &Known,
) -> Vec<Representation> {
    let count = function.registers.len();
    let mut written = vec![Kinds::NOTHING; count];
    let parameters = function.parameters_count as usize;
    written[..parameters].copy_from_slice(&state[..parameters]);
    let mut read_undefined = vec![false; count];
    for (number, block) in function.blocks.iter().enumerate() {
        if !inferred.enter(number, &mut state) {
            continue;
        }
        for instruction in &block.instructions {
            each_read(&instruction.operation, &mut |register| {
                let index = register.0 as usize;
                read_undefined[index] |= state[index].meets(Kinds::UNDEFINED);
            });
            transfer(function, &mut state, &instruction.operation, known);
            // A variable that begins anew holds nothing, as where the function begins.
            if matches!(instruction.operation, Operation::LoadUndefined { .. }) {
                continue;
            }
            each_written(&instruction.operation, &mut |register| {
                let index = register.0 as usize;
                written[index] = written[index].or(state[index]);
            });
        }
        if let Terminator::IterateNext { key, value, .. } = &block.terminator {
            written[value.0 as usize] = written[value.0 as usize].or(Kinds::ANY);
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
        Terminator::IterateNext { array: one, .. } | Terminator::Switch { subject: one, .. } => {
            read(one.0 as usize)
        }
        Terminator::Branch { .. }
        | Terminator::Return(_)
        | Terminator::Jump(_)
        | Terminator::Unreachable => {}
    }
}
