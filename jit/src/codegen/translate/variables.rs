//! Which of Cranelift's variables stands for which register.
//!
//! In: a function. Out: one variable per register that lives across blocks. A temporary lives within one block, where it is
//! written before it is read; temporaries that do not live at the same time share variables. Cranelift keeps a table of all
//! blocks per variable, so that one for each temporary would take memory for each pair.

use std::collections::HashMap;

use cranelift_codegen::ir;
use cranelift_frontend::{FunctionBuilder, Variable};

use crate::infer::{Inferred, crossing, each_read, each_written};
use crate::ir::{Block, Function, Operation, Register};

/// Declares what a function needs; the variable of each register.
pub(super) fn declare(
    builder: &mut FunctionBuilder<'_>,
    function: &Function,
    inferred: &Inferred,
) -> Vec<Variable> {
    let types = inferred.representation.iter();
    let types: Vec<ir::Type> = types.map(|one| super::machine_type(*one)).collect();
    let mut variables: Vec<Option<Variable>> = vec![None; types.len()];
    for register in crossing(function) {
        let register = register as usize;
        variables[register] = Some(builder.declare_var(types[register]));
    }
    let mut pools: Vec<Pool> = Vec::new();
    for block in &function.blocks {
        pools.iter_mut().for_each(Pool::free_all);
        let ends = ends(block, &variables);
        let mut ends = ends.iter().peekable();
        each_named(block, &mut |place, Register(register)| {
            let is_over = |(end, _): &&(usize, usize)| end + TOGETHER_MAX < place;
            while let Some((_, ended)) = ends.next_if(is_over) {
                if let Some(variable) = variables[*ended] {
                    pool(&mut pools, types[*ended]).free.push(variable);
                }
            }
            let register = register as usize;
            if variables[register].is_none() {
                let pool = pool(&mut pools, types[register]);
                variables[register] = Some(pool.take(builder));
            }
        });
    }
    // What nothing names is never asked for.
    let all = variables.iter().zip(&types).map(|(variable, of)| {
        variable.unwrap_or_else(|| {
            let pool = pool(&mut pools, *of);
            pool.free_all();
            pool.take(builder)
        })
    });
    all.collect()
}

/// So many instructions may be translated together: what the first of them reads may be read when the last is.
const TOGETHER_MAX: usize = 16;

/// Where the temporaries of a block are last named, in that order.
fn ends(block: &Block, variables: &[Option<Variable>]) -> Vec<(usize, usize)> {
    let mut last = HashMap::new();
    each_named(block, &mut |place, Register(register)| {
        if variables[register as usize].is_none() {
            last.insert(register as usize, place);
        }
    });
    let mut ends: Vec<_> = last.into_iter().map(|(one, end)| (end, one)).collect();
    ends.sort_unstable();
    ends
}

/// Variables of one type for temporaries.
struct Pool {
    of: ir::Type,
    variables: Vec<Variable>,
    /// Those that stand for nothing at this point.
    free: Vec<Variable>,
}

impl Pool {
    fn free_all(&mut self) {
        self.free.clone_from(&self.variables);
    }

    fn take(&mut self, builder: &mut FunctionBuilder<'_>) -> Variable {
        self.free.pop().unwrap_or_else(|| {
            let variable = builder.declare_var(self.of);
            self.variables.push(variable);
            variable
        })
    }
}

fn pool(pools: &mut Vec<Pool>, of: ir::Type) -> &mut Pool {
    let known = pools.iter().position(|pool| pool.of == of);
    let index = known.unwrap_or(pools.len());
    if known.is_none() {
        pools.push(Pool {
            of,
            variables: Vec::new(),
            free: Vec::new(),
        });
    }
    &mut pools[index]
}

/// Calls back for each register that a block names, with the place of the instruction; the end is the last place.
fn each_named(block: &Block, found: &mut dyn FnMut(usize, Register)) {
    for (place, instruction) in block.instructions.iter().enumerate() {
        let mut found = |register| found(place, register);
        each_read(&instruction.operation, &mut found);
        each_written(&instruction.operation, &mut found);
        if let Operation::Release { register } = instruction.operation {
            found(register);
        }
    }
    let mut found = |register| found(block.instructions.len(), register);
    block.terminator.each_read(&mut found);
    block.terminator.each_written(&mut found);
}
