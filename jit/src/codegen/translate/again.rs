//! Elements that are written where they were just read: `$a[$k] = ($a[$k] ?? 0) + 1`.
//!
//! In: a function. Out: the pairs of a quiet read and a write of one element, with nothing between that writes to the array
//! or to the key, whatever way control took. The read notes at which entry of a mapped array it found the key; the write goes
//! there without searching, if the array is nobody else's. The array holds what it held: its variable is this function's,
//! and an array that two hold is copied before it is written to.

use std::collections::HashMap;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use cranelift_frontend::Variable;

use super::Translator;
use super::element::ElementWrite;
use crate::boundary::layout::STATE_FOUND;
use crate::infer::{Kinds, each_changed, element};
use crate::ir::{
    Block, BlockId, Function, Instruction, Operand, Operation, PathStep, PlaceAction, PlaceRoot,
    Register, Terminator,
};
use crate::runtime::layout::{
    ARRAY_ENTRIES_OFFSET, ENTRY_OCTETS, ENTRY_VALUE_OFFSET, REFCOUNT_OFFSET,
};

/// Which instruction: its block, its index.
type Site = (usize, usize);

/// How many instructions may be between a read and a write in one block.
const NEAR_MAX: usize = 16;

/// An element of an array in a variable, whose key is in another register.
#[derive(Clone, Copy, PartialEq)]
struct Element {
    array: Register,
    key: Register,
}

impl Element {
    /// The element that an instruction reads without a complaint.
    fn read(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::Place {
                into: Some(_),
                place,
                action: PlaceAction::ReadQuiet,
            } => Self::of(&place.root, &place.path),
            _ => None,
        }
    }

    /// The element that an instruction writes.
    fn written(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::Place {
                into: None,
                place,
                action: PlaceAction::Store(_),
            } => Self::of(&place.root, &place.path),
            _ => None,
        }
    }

    fn of(root: &PlaceRoot, path: &[PathStep]) -> Option<Self> {
        match (root, path) {
            (PlaceRoot::Variable(array), [PathStep::Key(Operand::Register(key))]) => Some(Self {
                array: *array,
                key: *key,
            }),
            _ => None,
        }
    }

    /// Whether it may be another behind an instruction.
    fn is_changed_by(self, operation: &Operation) -> bool {
        let mut is_changed = false;
        each_changed(operation, &mut |one| {
            is_changed |= one == self.array || one == self.key;
        });
        is_changed
    }

    /// Where it is read last among some instructions; an error where it changes behind that.
    fn last_read(self, instructions: &[Instruction]) -> Result<Option<usize>, ()> {
        let recent = instructions.iter().enumerate().rev().take(NEAR_MAX);
        for (index, instruction) in recent {
            if self.is_changed_by(&instruction.operation) {
                return Err(());
            }
            if Self::read(&instruction.operation) == Some(self) {
                return Ok(Some(index));
            }
        }
        if instructions.len() > NEAR_MAX {
            return Err(());
        }
        Ok(None)
    }
}

/// What reads note for writes.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// By read and by write: the pair.
    pairs: HashMap<Site, usize>,
    /// By pair: one more than the position of the entry that was found, or 0.
    found: Vec<Variable>,
}

impl Again {
    /// The pairs of a function, each with a variable that `declare` makes.
    pub(super) fn find(function: &Function, mut declare: impl FnMut() -> Variable) -> Self {
        let mut again = Self::default();
        let mut ways = None;
        for (block, source) in function.blocks.iter().enumerate() {
            for (index, instruction) in source.instructions.iter().enumerate() {
                let Some(element) = Element::written(&instruction.operation) else {
                    continue;
                };
                let ways = ways.get_or_insert_with(|| ways_into(function));
                let Some(read) = read_before(function, ways, element, (block, index)) else {
                    continue;
                };
                let pair = again.found.len();
                again.found.push(declare());
                again.pairs.insert(read, pair);
                again.pairs.insert((block, index), pair);
            }
        }
        again
    }

    fn at(&self, site: Site) -> Option<Variable> {
        self.pairs.get(&site).map(|pair| self.found[*pair])
    }
}

/// From which blocks control comes into each.
fn ways_into(function: &Function) -> Vec<Vec<usize>> {
    let mut ways = vec![Vec::new(); function.blocks.len()];
    for (from, block) in function.blocks.iter().enumerate() {
        block
            .terminator
            .each_target(&mut |BlockId(to)| ways[to as usize].push(from));
    }
    ways
}

/// The read of an element that every way to a write leads through: in the block of the write, or in the one before a choice
/// whose both ways lead there.
fn read_before(
    function: &Function,
    ways: &[Vec<usize>],
    element: Element,
    (block, index): Site,
) -> Option<Site> {
    let instructions = &function.blocks[block].instructions[..index];
    if let Some(read) = element.last_read(instructions).ok()? {
        return Some((block, read));
    }
    let mut first = None;
    for way in &ways[block] {
        let passed = &function.blocks[*way];
        let is_plain = matches!(passed.terminator, Terminator::Jump(_));
        if !is_plain || element.last_read(&passed.instructions).ok()?.is_some() {
            return None;
        }
        let [before] = *ways[*way] else { return None };
        if *first.get_or_insert(before) != before {
            return None;
        }
    }
    let first = first?;
    let Block {
        instructions,
        terminator: Terminator::Branch { .. },
        ..
    } = &function.blocks[first]
    else {
        return None;
    };
    let read = element.last_read(instructions).ok()??;
    Some((first, read))
}

impl Translator<'_, '_> {
    /// Nothing was found where the function begins.
    pub(super) fn initialise_notes(&mut self) {
        for index in 0..self.again.found.len() {
            let nothing = self.builder.ins().iconst(types::I32, 0);
            self.builder.def_var(self.again.found[index], nothing);
        }
    }

    /// Begins a read that may be noted: nothing is found yet.
    pub(super) fn begin_note(&mut self) {
        if let Some(found) = self.again.at(self.at) {
            let nothing = self.builder.ins().iconst(types::I32, 0);
            self.builder.def_var(found, nothing);
        }
    }

    /// Notes where the host found the element, right after it did.
    pub(super) fn note_found(&mut self) {
        if let Some(found) = self.again.at(self.at) {
            let execution = self.execution;
            let offset = usize::try_from(STATE_FOUND).expect("the state is small");
            let position = self.load(types::I32, execution, offset);
            self.builder.def_var(found, position);
        }
    }

    /// Writes an element where it was just found and goes to `done`; goes on where it was not.
    pub(super) fn write_again(&mut self, write: ElementWrite, done: ir::Block) {
        let Some(found) = self.again.at(self.at) else {
            return;
        };
        let other = self.builder.create_block();
        let found = self.builder.use_var(found);
        self.proceed_if(found, other);
        // What was found was found in an array.
        let owner = self.boxed(Operand::Register(write.variable));
        let array = self.pointer(owner);
        let count = self.load(types::I32, array, REFCOUNT_OFFSET);
        let unique = self.builder.ins().icmp_imm_u(IntCC::Equal, count, 1);
        self.proceed_if(unique, other);
        let entries = self.load(types::I64, array, ARRAY_ENTRIES_OFFSET);
        let behind = self.builder.ins().uextend(types::I64, found);
        let octets = i64::try_from(ENTRY_OCTETS).expect("entries are small");
        let offset = self.builder.ins().imul_imm_u(behind, octets);
        let place = self.builder.ins().iadd(entries, offset);
        let back = i64::try_from(ENTRY_OCTETS - ENTRY_VALUE_OFFSET).expect("entries are small");
        let place = self.builder.ins().iadd_imm_s(place, -back);
        let old = self.load(types::I64, place, 0);
        self.store_counted(write.value, place);
        let elements = element(
            self.kinds(Operand::Register(write.variable))
                .and(Kinds::ARRAY),
        );
        self.release(old, elements);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(other);
    }
}
