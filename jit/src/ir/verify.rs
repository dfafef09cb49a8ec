//! Checks what the builder promises: every temporary is written before it is used, consumed exactly once on every path, and
//! never left over.
//!
//! Runs in debug builds, so in every test. A broken promise is a mistake of ours, reported with the function and the block.

use super::{
    Function, Instruction, Operand, Operation, Program, Register, RegisterInfo, Terminator,
};
use crate::infer::{each_read, each_written};

/// Which temporaries hold something.
type Held = Vec<bool>;

/// Checks a whole program.
///
/// # Errors
///
/// The first broken promise, in words.
pub fn verify(program: &Program) -> Result<(), String> {
    for (index, function) in program.functions.iter().enumerate() {
        verify_function(function).map_err(|fault| format!("function f{index}: {fault}"))?;
    }
    Ok(())
}

fn verify_function(function: &Function) -> Result<(), String> {
    let mut entry: Vec<Option<Held>> = vec![None; function.blocks.len()];
    entry[0] = Some(vec![false; function.registers.len()]);
    let mut pending = vec![0_usize];
    while let Some(index) = pending.pop() {
        let Some(mut held) = entry[index].clone() else {
            continue;
        };
        let block = &function.blocks[index];
        for instruction in &block.instructions {
            step(function, instruction, &mut held).map_err(|fault| format!("b{index}: {fault}"))?;
        }
        for (successor, state) in leave(function, &block.terminator, held)
            .map_err(|fault| format!("b{index}: {fault}"))?
        {
            match &entry[successor] {
                None => {
                    entry[successor] = Some(state);
                    pending.push(successor);
                }
                Some(known) if *known == state => {}
                Some(known) => {
                    let differs = known
                        .iter()
                        .zip(&state)
                        .position(|(one, other)| one != other);
                    return Err(format!(
                        "b{index}: r{differs:?} is held on one way into b{successor} only"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether a register is a temporary that may own something: truth values and positions never do, but they too are
/// written before they are read.
fn temporary(function: &Function, register: Register) -> bool {
    matches!(
        function.registers[register.0 as usize],
        RegisterInfo::Temporary
    )
}

fn step(function: &Function, instruction: &Instruction, held: &mut Held) -> Result<(), String> {
    let mut fault = None;
    each_read(&instruction.operation, &mut |register| {
        if temporary(function, register) && !held[register.0 as usize] {
            fault = Some(format!(
                "r{} is read and holds nothing: {:?}",
                register.0, instruction.operation
            ));
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    instruction.operation.each_consumed(&mut |register| {
        if temporary(function, register)
            && !std::mem::replace(&mut held[register.0 as usize], false)
        {
            fault = Some(format!(
                "r{} is consumed and holds nothing: {:?}",
                register.0, instruction.operation
            ));
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let uncounted = matches!(
        instruction.operation,
        Operation::Truth { .. } | Operation::IsDefined { .. } | Operation::CheckDefined { .. }
    );
    let rewrites = matches!(instruction.operation, Operation::CheckDefined { .. });
    each_written(&instruction.operation, &mut |register| {
        if temporary(function, register) && !rewrites {
            if held[register.0 as usize] && !uncounted {
                fault = Some(format!(
                    "r{} is written and still holds something",
                    register.0
                ));
            }
            held[register.0 as usize] = true;
        }
    });
    fault.map_or(Ok(()), Err)
}

fn leave(
    function: &Function,
    terminator: &Terminator,
    mut held: Held,
) -> Result<Vec<(usize, Held)>, String> {
    let read = |operand: &Operand, held: &mut Held| {
        if let Operand::Register(register) = operand
            && temporary(function, *register)
        {
            if !held[register.0 as usize] {
                return Err(format!(
                    "r{} is read at the end and holds nothing",
                    register.0
                ));
            }
            // The condition of a branch is a truth value, and what is returned is the caller's.
            held[register.0 as usize] = false;
        }
        Ok(())
    };
    match terminator {
        Terminator::Jump(to) => Ok(vec![(to.0 as usize, held)]),
        Terminator::Branch {
            condition,
            then,
            otherwise,
        } => {
            read(condition, &mut held)?;
            Ok(vec![
                (then.0 as usize, held.clone()),
                (otherwise.0 as usize, held),
            ])
        }
        Terminator::IterateNext {
            key,
            value,
            body,
            done,
            ..
        } => {
            let left = held.clone();
            held[value.0 as usize] = true;
            if let Some(key) = key {
                held[key.0 as usize] = true;
            }
            Ok(vec![(body.0 as usize, held), (done.0 as usize, left)])
        }
        Terminator::Switch {
            subject,
            cases,
            otherwise,
            no_string,
        } => {
            if temporary(function, *subject) && !held[subject.0 as usize] {
                return Err(format!("{subject:?} is read at the end and holds nothing"));
            }
            let cases = cases.iter().map(|(_, block)| *block);
            let targets = cases.chain([*otherwise, *no_string]);
            Ok(targets
                .map(|block| (block.0 as usize, held.clone()))
                .collect())
        }
        Terminator::Return(operand) => {
            read(operand, &mut held)?;
            let left = held.iter().position(|held| *held);
            match left {
                Some(register) => Err(format!("r{register} is left over at a return")),
                None => Ok(Vec::new()),
            }
        }
        Terminator::Unreachable => Ok(Vec::new()),
    }
}
