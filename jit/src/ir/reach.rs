//! Which functions a function value may point to.

use super::{FunctionReference, Operand, Operation, Program};

/// Which functions a function value may point to. Only those can be entered while they are being executed, since the
/// resolver refuses recursion that the call graph shows; and only those are called with arguments nobody sees.
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
        for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
            match &instruction.operation {
                Operation::Copy { from, .. } => mark(from),
                Operation::CallValue { callee, .. } => mark(callee),
                Operation::Closure { function, .. } => {
                    mark(&Operand::Function(FunctionReference::User(*function)));
                }
                _ => {}
            }
        }
    }
    reached
}
