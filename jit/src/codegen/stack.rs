//! How much native stack a script can take at most.
//!
//! In: the frame of every function and who calls whom. Out: a bound in octets. Calls by name form no cycle (the resolver
//! refuses that), so their deepest chain is found by walking the graph; a function that is reached by value is active at
//! most once, and at most [`ENTRIES_MAX`] of them are nested at a time. What the bound exceeds is refused when compiling,
//! so no script reaches the end of its stack.

use crate::ir::{FunctionReference, Operand, Operation, Program};

/// How many calls by value may be nested in each other.
pub(crate) const ENTRIES_MAX: usize = 64;

/// What the engine itself may take between a script's call of a builtin and the entry of a callback.
const HOST_FRAMES_BYTES: u64 = 6 * 1024;

/// What the innermost host call may take: the deepest is the text or comparison of nested arrays.
const INNERMOST_BYTES: u64 = 192 * 1024;

/// The frames of a program, in octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frames<'a> {
    /// Of each function.
    pub(super) functions: &'a [u64],
    /// Of the entry by which the host calls it, which passes the arguments on: those of many parameters are many.
    pub(super) entries: &'a [u64],
}

/// The most a run of the program can take.
pub(super) fn bound(program: &Program, frames: Frames<'_>, reached_by_value: &[bool]) -> u64 {
    let mut chains = chains(program, frames.functions);
    for (chain, entry) in chains.iter_mut().zip(frames.entries) {
        *chain += entry;
    }
    let mut by_value: Vec<u64> = chains
        .iter()
        .zip(reached_by_value)
        .filter(|(_, reached)| **reached)
        .map(|(chain, _)| *chain)
        .collect();
    by_value.sort_unstable_by(|one, other| other.cmp(one));
    let nested: u64 = by_value.iter().take(ENTRIES_MAX).sum();
    // Builtins are called by value, too: as many as may be nested, whatever functions the script has.
    let hosts = (ENTRIES_MAX as u64 + 1) * HOST_FRAMES_BYTES;
    chains.first().copied().unwrap_or(0) + nested + hosts + INNERMOST_BYTES
}

/// Per function: the deepest chain of calls by name that begins with it.
fn chains(program: &Program, frames: &[u64]) -> Vec<u64> {
    let callees: Vec<Vec<usize>> = program.functions.iter().map(callees_of).collect();
    let mut chains: Vec<Option<u64>> = vec![None; frames.len()];
    for root in 0..frames.len() {
        // Depth first with a stack of its own: the graph is as deep as the script is long.
        let mut open = vec![(root, 0_usize)];
        while let Some((function, next)) = open.pop() {
            if chains[function].is_some() {
                continue;
            }
            match callees[function].get(next) {
                Some(callee) => {
                    open.push((function, next + 1));
                    // A cycle can't be here; were it, the bound on open functions would end the walk.
                    if chains[*callee].is_none() && open.len() <= frames.len() {
                        open.push((*callee, 0));
                    }
                }
                None => {
                    let deepest = callees[function]
                        .iter()
                        .filter_map(|callee| chains[*callee])
                        .max()
                        .unwrap_or(0);
                    chains[function] = Some(frames[function] + deepest);
                }
            }
        }
    }
    chains.into_iter().map(|chain| chain.unwrap_or(0)).collect()
}

fn callees_of(function: &crate::ir::Function) -> Vec<usize> {
    let mut callees = Vec::new();
    for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
        match &instruction.operation {
            Operation::Call { function, .. } | Operation::RunModule { function } => {
                callees.push(function.0 as usize)
            }
            Operation::CallValue {
                callee: Operand::Function(FunctionReference::User(function)),
                ..
            } => {
                callees.push(function.0 as usize);
            }
            _ => {}
        }
    }
    callees.sort_unstable();
    callees.dedup();
    callees
}
