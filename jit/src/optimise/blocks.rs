//! The shape of a function: jumps to jumps, blocks that nothing leads to, blocks that only one other goes on to.
//!
//! In: a function. Out: the same with fewer blocks, in the order they had. Part of removing dead code.

use crate::ir::{Block, BlockId, Function, Instruction, Operand, Operation, Terminator};

/// Tidies the blocks. O(blocks and instructions).
pub(super) fn tidy(function: &mut Function) {
    thread(function);
    join(function);
    drop_unreached(function);
}

/// A block without instructions that only jumps on is gone round.
fn thread(function: &mut Function) {
    let mut lands: Vec<BlockId> = Vec::with_capacity(function.blocks.len());
    for (block, index) in function.blocks.iter().zip(0..) {
        lands.push(match block.terminator {
            Terminator::Jump(to) if block.instructions.is_empty() => to,
            _ => BlockId(index),
        });
    }
    for start in 0..lands.len() {
        let mut end = lands[start];
        // Empty blocks that jump in a circle have no end: any of them will do.
        for _ in 0..lands.len() {
            let next = lands[end.0 as usize];
            if next == end || end.0 as usize == start {
                break;
            }
            end = next;
        }
        // Whoever comes this way later finds the end at once.
        let mut at = start;
        while lands[at] != end && at != end.0 as usize {
            at = std::mem::replace(&mut lands[at], end).0 as usize;
        }
    }
    for block in &mut function.blocks {
        block
            .terminator
            .each_target_mut(&mut |to| *to = lands[to.0 as usize]);
        same_either_way(block);
    }
}

/// A branch that leads to one block either way is a jump.
fn same_either_way(block: &mut Block) {
    let Terminator::Branch {
        condition,
        then,
        otherwise,
    } = block.terminator
    else {
        return;
    };
    if then != otherwise {
        return;
    }
    block.terminator = Terminator::Jump(then);
    if let Operand::Register(register) = condition {
        block.instructions.push(Instruction {
            operation: Operation::Release { register },
            span: block.terminator_span,
        });
    }
}

/// A block that only one other leads to, and that other nowhere else, is joined to it.
fn join(function: &mut Function) {
    let reached = reached(function);
    let mut entries = vec![0_u32; function.blocks.len()];
    entries[0] = 1;
    for (block, _) in function.blocks.iter().zip(&reached).filter(|(_, is)| **is) {
        block
            .terminator
            .each_target(&mut |to| entries[to.0 as usize] += 1);
    }
    for (index, _) in reached.iter().enumerate().filter(|(_, is)| **is) {
        while let Terminator::Jump(to) = function.blocks[index].terminator {
            let to = to.0 as usize;
            if to == index || entries[to] != 1 {
                break;
            }
            entries[to] = 0;
            let next = &mut function.blocks[to];
            let mut instructions = std::mem::take(&mut next.instructions);
            let terminator = std::mem::replace(&mut next.terminator, Terminator::Unreachable);
            let span = next.terminator_span;
            let block = &mut function.blocks[index];
            block.instructions.append(&mut instructions);
            block.terminator = terminator;
            block.terminator_span = span;
        }
    }
}

/// Per block: whether control may come to it.
fn reached(function: &Function) -> Vec<bool> {
    let mut reached = vec![false; function.blocks.len()];
    reached[0] = true;
    let mut pending = vec![0_usize];
    while let Some(index) = pending.pop() {
        function.blocks[index].terminator.each_target(&mut |to| {
            let to = to.0 as usize;
            if !std::mem::replace(&mut reached[to], true) {
                pending.push(to);
            }
        });
    }
    reached
}

fn drop_unreached(function: &mut Function) {
    let reached = reached(function);
    let mut numbers = Vec::with_capacity(reached.len());
    let mut next = 0;
    for reached in &reached {
        numbers.push(BlockId(next));
        next += u32::from(*reached);
    }
    let mut keep = reached.into_iter();
    function.blocks.retain(|_| keep.next().unwrap_or(false));
    for block in &mut function.blocks {
        block
            .terminator
            .each_target_mut(&mut |to| *to = numbers[to.0 as usize]);
    }
}
