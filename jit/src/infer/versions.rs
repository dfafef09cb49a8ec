//! Functions worth a second version for strings.
//!
//! In: a function and what is known of its parameters. Out: the parameters that are probably strings, though nothing says so:
//! what comes from the host or out of an array may be anything. A version of the function that takes them for strings, behind
//! one look at their tags, needs no other look at them in its loops.
//! Only functions with loops are worth it, and none that is large or passes over what it is given as an array.

use super::{Kinds, Known};
use crate::builtins::{Intrinsic, intrinsic};
use crate::ir::{
    BlockId, Function, FunctionId, Operand, Operation, PlaceRoot, Register, Terminator,
};

/// Instructions of a function that is compiled twice at most.
const INSTRUCTIONS_MAX: usize = 400;

/// The parameters that a second version of a function should take for strings; empty where there should be none.
#[must_use]
pub fn likely_strings(function: &Function, id: FunctionId, known: &Known) -> Vec<Register> {
    let plain = !function.variadic && function.captures.is_empty() && function.this.is_none();
    if !known.versions || !plain || !has_loop(function) {
        return Vec::new();
    }
    let instructions = function.blocks.iter().flat_map(|one| &one.instructions);
    if INSTRUCTIONS_MAX < instructions.count() {
        return Vec::new();
    }
    (0..function.parameters_count)
        .filter(|index| {
            let kinds = known.parameter(id, *index as usize);
            kinds.meets(Kinds::STRING) && !kinds.is(Kinds::STRING)
        })
        .map(Register)
        .filter(|parameter| is_likely_string(function, *parameter))
        .collect()
}

/// Whether control may go back to a block: they are numbered in the order of the text.
fn has_loop(function: &Function) -> bool {
    let mut found = false;
    for (block, number) in function.blocks.iter().zip(0..) {
        block
            .terminator
            .each_target(&mut |BlockId(target)| found |= target <= number);
    }
    found
}

/// Whether octets of a register are looked at by their place, and nothing is done with it that is only done with arrays.
fn is_likely_string(function: &Function, register: Register) -> bool {
    let is_it = |operand: &Operand| *operand == Operand::Register(register);
    let mut is_indexed = false;
    for block in &function.blocks {
        for instruction in &block.instructions {
            match &instruction.operation {
                Operation::Index { base, key, .. } if is_it(base) => {
                    if matches!(key, Operand::Constant(_)) {
                        return false;
                    }
                    is_indexed = true;
                }
                Operation::Slice { base, .. } if is_it(base) => is_indexed = true,
                Operation::CallBuiltin {
                    builtin, arguments, ..
                } if intrinsic(*builtin) == Some(Intrinsic::Length) => {
                    is_indexed |= arguments.iter().any(is_it);
                }
                Operation::Place { place, .. } if matches!(place.root, PlaceRoot::Variable(root) if root == register) =>
                {
                    return false;
                }
                Operation::AsArray { from, .. } if is_it(from) => return false,
                _ => {}
            }
        }
        if matches!(block.terminator, Terminator::IterateNext { array, .. } if array == register) {
            return false;
        }
    }
    is_indexed
}
