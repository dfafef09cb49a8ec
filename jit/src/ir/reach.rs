//! Which functions a function value may point to.

use super::{Function, FunctionReference, Operand, Operation, Program, RegisterInfo};
use crate::infer::each_read;

/// Whether a function runs from its entry to its end without code of the script in between: then it cannot be entered
/// while it is being executed, whoever points to it.
#[must_use]
pub fn runs_alone(function: &Function) -> bool {
    let mut operations = function
        .blocks
        .iter()
        .flat_map(|block| &block.instructions)
        .map(|instruction| &instruction.operation);
    operations.all(|operation| match operation {
        // A builtin may take a function and call it.
        Operation::Call { .. }
        | Operation::CallBuiltin { .. }
        | Operation::CallHost { .. }
        | Operation::CallValue { .. }
        | Operation::CallCached { .. }
        | Operation::CallMethod { .. }
        | Operation::BarrierEnter { .. }
        | Operation::BarrierLeave { .. }
        | Operation::RunModule { .. } => false,
        _ => true,
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
