//! Puts the bodies of small functions where they are called.
//!
//! In: a program. Out: the same, where calls by name of small functions, or of functions that are called in one place only,
//! are replaced by what the functions do. Fuel, spans and the order of everything stay as they were. Not inlined: functions
//! that a function value may reach, that may be entered again (they are marked while they are executed), that have `$this`,
//! or that capture variables of which the caller does not show which they are.
//! Callees come before their callers, so that what is inlined has its own calls inlined already; recursion is refused by the
//! resolver, so there is such an order. How much a function may grow is bounded.

mod expand;

use self::expand::Callee;
use crate::infer::crossing;
use crate::ir::{
    Function, Operation, Program, RegisterInfo, callees, entered_again, followers_first,
    reached_by_value,
};

/// A function of up to so many instructions is inlined wherever it is called.
const SMALL_COUNT_MAX: usize = 24;

/// A function of up to so many instructions is inlined if it is called in one place.
const ONCE_COUNT_MAX: usize = 150;

/// So many instructions a function may take in, beside as many as it has.
const GROWTH_COUNT: usize = 1_000;

/// Blocks times registers that live across blocks that a function may grow to.
pub(super) const SIZE_MAX: usize = 100_000;

/// Inlines calls in every function; tells which functions changed.
pub(super) fn program(program: &mut Program, tidy: &mut dyn FnMut(&mut Function)) -> Vec<bool> {
    let by_value = reached_by_value(program);
    let marked = entered_again(program, &by_value);
    let callees: Vec<Vec<usize>> = program.functions.iter().map(callees).collect();
    let mut places = vec![0_usize; callees.len()];
    for callee in callees.iter().flatten() {
        places[*callee] += 1;
    }
    let mut changed = vec![false; callees.len()];
    let mut bodies: Vec<Option<Callee>> = callees.iter().map(|_| None).collect();
    for caller in followers_first(&callees, 0..callees.len()) {
        let wanted = callees[caller]
            .iter()
            .any(|callee| bodies[*callee].is_some());
        if wanted && inline_into(&mut program.functions[caller], &bodies) {
            tidy(&mut program.functions[caller]);
            changed[caller] = true;
        }
        let function = &program.functions[caller];
        let is_plain = function.this.is_none();
        let limit = match places[caller] {
            0 => continue,
            1 => ONCE_COUNT_MAX,
            _ => SMALL_COUNT_MAX,
        };
        if is_plain && !by_value[caller] && !marked[caller] && weight(function) <= limit {
            bodies[caller] = Callee::of(function);
        }
    }
    changed
}

/// Instructions that become code worth speaking of.
fn weight(function: &Function) -> usize {
    let instructions = function.blocks.iter().flat_map(|block| &block.instructions);
    let weighty = instructions.filter(|instruction| {
        !matches!(
            instruction.operation,
            Operation::Release { .. }
                | Operation::CheckDefined { .. }
                | Operation::LoadUndefined { .. }
                | Operation::Fuel
        )
    });
    weighty.count() + function.blocks.len()
}

/// Inlines calls in one function; tells whether it did.
fn inline_into(caller: &mut Function, bodies: &[Option<Callee>]) -> bool {
    let own = caller.instructions_count();
    let mut budget = own + GROWTH_COUNT;
    let (mut blocks, mut registers) = (caller.blocks.len(), crossing(caller).len());
    let mut choose = |function: usize| {
        let body = bodies.get(function)?.as_ref()?;
        let rest = budget.checked_sub(body.instructions_count)?;
        let more_blocks = blocks + body.blocks_count();
        let more_registers = registers + body.crossing_count;
        if SIZE_MAX < more_blocks.saturating_mul(more_registers) {
            return None;
        }
        (budget, blocks, registers) = (rest, more_blocks, more_registers);
        Some(body)
    };
    expand::calls(caller, &mut choose)
}

/// Whether a register is a variable of the script that lives in the register itself.
fn is_variable(function: &Function, register: crate::ir::Register) -> bool {
    matches!(
        function.registers[register.0 as usize],
        RegisterInfo::Variable(_)
    )
}
