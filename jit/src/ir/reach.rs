//! Which functions a function value may point to.

use super::graph::{callees, reached_from};
use super::{Function, FunctionReference, Operand, Operation, Program, RegisterInfo};
use crate::builtins;
use crate::infer::each_read;

/// Which functions may be entered while they are being executed, which is an error of the script: those that run because a
/// function value was called, by name from there on or directly, and call what may be one in turn. The resolver refuses what
/// the graph of calls by name shows.
#[must_use]
pub fn entered_again(program: &Program, reached_by_value: &[bool]) -> Vec<bool> {
    let callees: Vec<Vec<usize>> = program.functions.iter().map(callees).collect();
    let mut callers = vec![Vec::new(); callees.len()];
    for (caller, callees) in callees.iter().enumerate() {
        callees
            .iter()
            .for_each(|callee| callers[*callee].push(caller));
    }
    let calling = program.functions.iter().map(calls_by_value).collect();
    let calling = reached_from(calling, &callers);
    let called = reached_from(reached_by_value.to_vec(), &callees);
    calling
        .into_iter()
        .zip(called)
        .map(|(calling, called)| calling && called)
        .collect()
}

/// Whether a function may call a function value, itself or through a builtin.
fn calls_by_value(function: &Function) -> bool {
    let mut operations = function
        .blocks
        .iter()
        .flat_map(|block| &block.instructions)
        .map(|instruction| &instruction.operation);
    operations.any(|operation| match operation {
        Operation::CallBuiltin { builtin, .. } => builtins::calls_back(*builtin),
        Operation::CallHost { .. }
        | Operation::CallValue { .. }
        | Operation::CallCached { .. }
        | Operation::CallMethod { .. }
        | Operation::BarrierEnter { .. }
        | Operation::BarrierLeave { .. } => true,
        _ => false,
    })
}

/// Which functions a function value may point to, other than one that only calls by name find captures in. Only those can
/// be entered while they are being executed, since the resolver refuses recursion that the call graph shows; and only those
/// are called with arguments nobody sees.
#[must_use]
pub fn reached_by_value(program: &Program) -> Vec<bool> {
    let mut reached = vec![program.open; program.functions.len()];
    if program.open {
        return reached;
    }
    for class in &program.classes {
        for function in class
            .functions
            .iter()
            .map(|(_, _, id)| *id)
            .chain(class.constructor)
        {
            reached[function.0 as usize] = true;
        }
    }
    let mut mark = |operand: &Operand| {
        if let Operand::Function(FunctionReference::User(id)) = operand {
            reached[id.0 as usize] = true;
        }
    };
    for function in &program.functions {
        let shown = shown(function);
        for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
            match &instruction.operation {
                Operation::Copy { from, .. } => mark(from),
                Operation::CallValue { callee, .. } => mark(callee),
                Operation::Closure { into, function, .. } if shown[into.0 as usize] => {
                    mark(&Operand::Function(FunctionReference::User(*function)));
                }
                _ => {}
            }
        }
    }
    reached
}

/// Per register: whether its value is looked at by anything but calls that find the captures of their callee in it.
fn shown(function: &Function) -> Vec<bool> {
    let mut shown: Vec<bool> = function
        .registers
        .iter()
        .map(|info| !matches!(info, RegisterInfo::Temporary))
        .collect();
    let mut arguments = Vec::new();
    for block in &function.blocks {
        for instruction in &block.instructions {
            if let Operation::Call { arguments: all, .. } = &instruction.operation {
                arguments.extend_from_slice(all);
                continue;
            }
            each_read(&instruction.operation, &mut |register| {
                shown[register.0 as usize] = true;
            });
        }
        block
            .terminator
            .each_read(&mut |register| shown[register.0 as usize] = true);
    }
    for argument in arguments {
        shown[argument.0 as usize] = true;
    }
    shown
}
