//! Removes what makes no difference: blocks that are never reached, values that nobody looks at, variables that are never
//! read, functions that nobody can call.
//!
//! What can fail, takes fuel or is seen outside stays, whatever becomes of its result.

use super::blocks;
use crate::infer::{each_read, each_written};
use crate::ir::{
    Block, Constant, Function, FunctionReference, Operand, Operation, Program, Register,
    RegisterInfo, Terminator,
};

/// How often values are looked for that only dead values looked at.
const ROUNDS_MAX: usize = 4;

/// Removes dead code from one function.
pub(super) fn function(function: &mut Function) {
    blocks::tidy(function);
    for _ in 0..ROUNDS_MAX {
        if !drop_values(function) {
            break;
        }
    }
    blocks::tidy(function);
    renumber(function);
}

/// What is known of a register's uses.
#[derive(Clone, Copy, Default)]
struct Uses {
    /// How often it is looked at or taken over; a release is neither.
    reads: u32,
    /// Whether all that writes it can be left out.
    needed: bool,
}

/// Removes values that nobody looks at; tells whether there were any.
fn drop_values(function: &mut Function) -> bool {
    let uses = uses(function);
    let incoming = function.parameters_count;
    let mut dropped = false;
    for block in &mut function.blocks {
        block.instructions.retain_mut(|instruction| {
            let (register, is_assignment) = match &instruction.operation {
                Operation::Release { register } => (*register, false),
                Operation::Assign { variable, .. } => (*variable, true),
                other => match removable(other) {
                    Some(into) => (into, false),
                    None => return true,
                },
            };
            let Uses { reads, needed } = uses[register.0 as usize];
            if needed || 0 < reads {
                return true;
            }
            if is_assignment && let Operation::Assign { from, .. } = instruction.operation {
                dropped = true;
                instruction.operation = Operation::Release { register: from };
                return true;
            }
            // What a function is called with is its own to release, read or not.
            let keep = register.0 < incoming || Some(register) == function.this;
            dropped |= !keep;
            keep
        });
    }
    dropped
}

fn uses(function: &Function) -> Vec<Uses> {
    let mut uses = vec![Uses::default(); function.registers.len()];
    for (uses, info) in uses.iter_mut().zip(&function.registers) {
        uses.needed = matches!(info, RegisterInfo::Cell(_) | RegisterInfo::Position);
    }
    for block in &function.blocks {
        for instruction in &block.instructions {
            let operation = &instruction.operation;
            each_read(operation, &mut |register| {
                uses[register.0 as usize].reads += 1;
            });
            let is_removable =
                removable(operation).is_some() || matches!(operation, Operation::Assign { .. });
            if !is_removable {
                each_written(operation, &mut |register| {
                    uses[register.0 as usize].needed = true;
                });
            }
        }
        block
            .terminator
            .each_read(&mut |register| uses[register.0 as usize].reads += 1);
        block
            .terminator
            .each_written(&mut |register| uses[register.0 as usize].needed = true);
    }
    uses
}

/// The register an operation writes, if that is all it does.
fn removable(operation: &Operation) -> Option<Register> {
    match operation {
        Operation::Copy { into, .. }
        | Operation::LoadUndefined { into }
        | Operation::AsArray { into, .. }
        | Operation::Truth { into, .. }
        | Operation::ArrayNew { into, .. }
        | Operation::CellGet { into, .. }
        | Operation::Closure { into, .. }
        | Operation::LoadPredefined { into, .. }
        | Operation::LoadStatic { into, .. }
        | Operation::IsDefined { into, .. } => Some(*into),
        _ => None,
    }
}

/// Leaves out registers that nothing names.
fn renumber(function: &mut Function) {
    let mut named = vec![false; function.registers.len()];
    let incoming = (0..function.parameters_count).map(Register);
    let incoming = incoming.chain(function.this);
    for register in incoming.chain(function.captures.iter().copied()) {
        named[register.0 as usize] = true;
    }
    each_register(function, &mut |register| named[register.0 as usize] = true);
    let mut numbers = Vec::with_capacity(named.len());
    let mut next = 0;
    for named in &named {
        numbers.push(Register(next));
        next += u32::from(*named);
    }
    let mut keep = named.into_iter();
    function.registers.retain(|_| keep.next().unwrap_or(false));
    each_register(function, &mut |register| {
        *register = numbers[register.0 as usize];
    });
    for register in function.this.iter_mut().chain(&mut function.captures) {
        *register = numbers[register.0 as usize];
    }
}

fn each_register(function: &mut Function, found: &mut dyn FnMut(&mut Register)) {
    for block in &mut function.blocks {
        for instruction in &mut block.instructions {
            instruction.operation.each_register_mut(found);
        }
        block.terminator.each_register_mut(found);
    }
}

/// Empties functions that nobody can call any more; their numbers stay what they are.
pub(super) fn functions(program: &mut Program) {
    if program.open {
        return;
    }
    let mut called = vec![false; program.functions.len()];
    let mut pending = Vec::new();
    let mut call = |function: usize, pending: &mut Vec<usize>| {
        if !std::mem::replace(&mut called[function], true) {
            pending.push(function);
        }
    };
    for class in &program.classes {
        let functions = class.functions.iter().map(|(.., function)| *function);
        for function in functions.chain(class.constructor) {
            call(function.0 as usize, &mut pending);
        }
    }
    for operand in standing(program) {
        if let Operand::Function(FunctionReference::User(function)) = operand {
            call(function.0 as usize, &mut pending);
        }
    }
    call(0, &mut pending);
    while let Some(function) = pending.pop() {
        each_callee(&mut program.functions[function], &mut |callee| {
            call(callee, &mut pending);
        });
    }
    for (function, _) in program
        .functions
        .iter_mut()
        .zip(called)
        .filter(|(_, is)| !is)
    {
        let span = function.span;
        function.blocks = vec![Block {
            instructions: Vec::new(),
            terminator: Terminator::Unreachable,
            terminator_span: span,
        }];
        renumber(function);
    }
}

/// Operands that stand outside of instructions.
fn standing(program: &Program) -> impl Iterator<Item = Operand> {
    let defaults = program.functions.iter().flat_map(|one| &one.defaults);
    let members = program.classes.iter().flat_map(|class| &class.variables);
    let constants = program
        .constants
        .iter()
        .flat_map(|constant| match constant {
            Constant::Array(items) => items.as_slice(),
            Constant::String(_) | Constant::Data(_) => &[],
        });
    let direct = defaults.chain(members.map(|(.., initial)| initial));
    let direct = direct
        .chain(&program.statics)
        .chain(constants.map(|(_, item)| item));
    direct.copied()
}

fn each_callee(function: &mut Function, found: &mut dyn FnMut(usize)) {
    for instruction in function
        .blocks
        .iter_mut()
        .flat_map(|one| &mut one.instructions)
    {
        match &instruction.operation {
            Operation::Call { function, .. }
            | Operation::RunModule { function }
            | Operation::Closure { function, .. } => found(function.0 as usize),
            _ => {}
        }
        instruction.operation.each_operand_mut(&mut |operand| {
            if let Operand::Function(FunctionReference::User(function)) = operand {
                found(function.0 as usize);
            }
        });
    }
}
