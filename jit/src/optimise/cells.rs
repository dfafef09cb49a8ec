//! Captured variables that nobody captures any more become variables.
//!
//! In: a function. Out: the same, where a cell that it makes itself, and that no function value holds, is a variable. Cells
//! are left over where the functions that shared them were taken in ([`super::inline`]). Cells of global variables stay:
//! others find them by their number.

use crate::infer::{each_read, each_written};
use crate::ir::{Function, Operand, Operation, PlaceRoot, Register, RegisterInfo};

/// Makes variables of the cells of one function that are its own; tells whether there were any.
pub(super) fn function(function: &mut Function) -> bool {
    let own = own(function);
    if !own.contains(&true) {
        return false;
    }
    for (info, _) in function
        .registers
        .iter_mut()
        .zip(&own)
        .filter(|(_, own)| **own)
    {
        if let RegisterInfo::Cell(name) = info {
            *info = RegisterInfo::Variable(name.clone());
        }
    }
    let is_own = |register: Register| own[register.0 as usize];
    for instruction in function
        .blocks
        .iter_mut()
        .flat_map(|block| &mut block.instructions)
    {
        let operation = &mut instruction.operation;
        match operation {
            Operation::CellNew { into } if is_own(*into) => {
                *operation = Operation::LoadUndefined { into: *into };
            }
            Operation::CellGet { into, cell } if is_own(*cell) => {
                *operation = Operation::Copy {
                    into: *into,
                    from: Operand::Register(*cell),
                };
            }
            Operation::CellSet { cell, from } if is_own(*cell) => {
                *operation = Operation::Assign {
                    variable: *cell,
                    from: *from,
                };
            }
            Operation::Place { place, .. } => {
                if let PlaceRoot::Cell(cell) = place.root
                    && is_own(cell)
                {
                    place.root = PlaceRoot::Variable(cell);
                }
            }
            _ => {}
        }
    }
    true
}

/// Per register: whether it is a cell that only this function sees.
fn own(function: &Function) -> Vec<bool> {
    let registers = function.registers.iter();
    let mut own: Vec<bool> = registers
        .map(|info| matches!(info, RegisterInfo::Cell(_)))
        .collect();
    for capture in &function.captures {
        own[capture.0 as usize] = false;
    }
    for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
        let mut is_seen = |register: Register| own[register.0 as usize] = false;
        match &instruction.operation {
            Operation::CellNew { .. } | Operation::CellGet { .. } | Operation::CellSet { .. } => {}
            Operation::Place { place, .. } if matches!(place.root, PlaceRoot::Cell(_)) => {}
            other => {
                each_read(other, &mut is_seen);
                each_written(other, &mut is_seen);
            }
        }
    }
    own
}
