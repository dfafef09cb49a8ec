//! Builtins that call a known function for each element of an array become loops that call it by name.
//!
//! In: a program. Out: the same, where calls of [`Walk`]'s builtins whose callback is one function of the script, whatever
//! the run, are loops of the intermediate form. The function is then called as by its name, so that [`super::inline`] may
//! take it in and inference knows its arguments. Keys, order, errors, their places and fuel are those of the builtin: it
//! takes one unit for each element, and so does the loop. The array is held while it is walked, so a callback that writes to
//! the variable it came from copies it. What is no array goes to the builtin, whose complaint it is.
//! Does not: touch programs whose calls by value may reach the bound on how many are nested, since a call by name is not
//! counted; nor make calls by name that go round in a circle; nor touch sessions, whose functions others may replace; nor let
//! a function grow beyond what inlining may make of it.

mod walk;

use self::walk::Walk;
use super::inline::SIZE_MAX;
use crate::codegen::ENTRIES_MAX;
use crate::infer::{crossing, each_written};
use crate::ir::{
    Function, FunctionId, FunctionReference, Operand, Operation, Program, Register, RegisterInfo,
    callees, reached_by_value,
};

/// Steps through the graph of calls that are taken for one program to see that none goes round.
const EFFORT_MAX: usize = 1_000_000;

/// How many copies may lie between a function value and its use.
const COPIES_MAX: usize = 4;

/// What is called for each element.
#[derive(Clone, Debug)]
struct Callback {
    function: FunctionId,
    /// The function value, if it captures variables.
    value: Option<Operand>,
    /// The parameters that an argument goes to.
    fixed_count: usize,
    /// What the parameters get that no argument goes to.
    defaults: Vec<Operand>,
    /// Whether further arguments go to the last parameter, in an array.
    is_variadic: bool,
}

/// Makes loops in every function of a program.
pub(super) fn program(program: &mut Program) {
    // Each function is entered by value at most once at a time, and each module at most once.
    let by_value = reached_by_value(program).iter().filter(|is| **is).count();
    let modules = modules_count(program);
    if program.open || ENTRIES_MAX <= by_value + modules {
        return;
    }
    let mut calls = Calls::of(program);
    for caller in 0..program.functions.len() {
        let found = candidates(program, caller, &mut calls);
        if !found.is_empty() {
            walk::expand(&mut program.functions[caller], &found);
        }
    }
}

/// A call of a builtin that becomes a loop.
#[derive(Debug)]
struct Candidate {
    block: usize,
    place: usize,
    walk: Walk,
    callback: Callback,
}

fn modules_count(program: &Program) -> usize {
    let blocks = program.functions.iter().flat_map(|one| &one.blocks);
    let instructions = blocks.flat_map(|block| &block.instructions);
    instructions
        .filter(|one| matches!(one.operation, Operation::RunModule { .. }))
        .count()
}

/// The calls of one function that may become loops, in order.
fn candidates(program: &Program, caller: usize, calls: &mut Calls) -> Vec<Candidate> {
    let function = &program.functions[caller];
    let mut found = Vec::new();
    let mut known = None;
    for (block, content) in function.blocks.iter().enumerate() {
        for (place, instruction) in content.instructions.iter().enumerate() {
            let Operation::CallBuiltin {
                builtin, arguments, ..
            } = &instruction.operation
            else {
                continue;
            };
            let Some(walk) = Walk::of(*builtin, arguments.len()) else {
                continue;
            };
            let of_function = || (Values::of(function), Growth::of(function));
            let (values, growth) = known.get_or_insert_with(of_function);
            if let Some((callee, value)) = values.function(arguments[0])
                && let Some(callback) = callback(program, callee, value, walk)
                && let Some(grown) = growth.with_loop()
                && calls.add(caller, callee.0 as usize)
            {
                *growth = grown;
                found.push(Candidate {
                    block,
                    place,
                    walk,
                    callback,
                });
            }
        }
    }
    found
}

/// How a function is called back, if it takes as many arguments as it is given.
fn callback(
    program: &Program,
    function: FunctionId,
    value: Operand,
    walk: Walk,
) -> Option<Callback> {
    let callee = program.functions.get(function.0 as usize)?;
    let given = walk.arguments_count();
    let required = callee.required_count as usize;
    let fixed_count = required + callee.defaults.len();
    let is_fitting = required <= given && (callee.variadic || given <= fixed_count);
    let is_known = fixed_count + usize::from(callee.variadic) == callee.parameters_count as usize;
    if !is_fitting || !is_known || callee.this.is_some() {
        return None;
    }
    Some(Callback {
        function,
        value: (!callee.captures.is_empty()).then_some(value),
        fixed_count: fixed_count.min(given),
        defaults: callee.defaults[given.saturating_sub(required).min(callee.defaults.len())..]
            .to_vec(),
        is_variadic: callee.variadic,
    })
}

/// What inference takes time and memory for in a function, which is the product of both.
#[derive(Clone, Copy)]
struct Growth {
    blocks: usize,
    /// Those that live across blocks.
    registers: usize,
}

impl Growth {
    fn of(function: &Function) -> Self {
        Self {
            blocks: function.blocks.len(),
            registers: crossing(function).len(),
        }
    }

    /// The same with one more loop, if the function does not get too large by it.
    fn with_loop(self) -> Option<Self> {
        let blocks = self.blocks + Walk::BLOCKS_MAX;
        let registers = self.registers + Walk::REGISTERS_MAX;
        let fits = blocks.saturating_mul(registers) <= SIZE_MAX;
        fits.then_some(Self { blocks, registers })
    }
}

/// What the registers of a function are written with, if that is one thing only.
struct Values<'f> {
    function: &'f Function,
    sources: Vec<Source<'f>>,
}

/// What writes a register.
#[derive(Clone, Copy)]
enum Source<'f> {
    Nothing,
    Once(&'f Operation),
    Others,
}

impl<'f> Values<'f> {
    fn of(function: &'f Function) -> Self {
        let mut sources = vec![Source::Nothing; function.registers.len()];
        let incoming = (0..function.parameters_count).map(Register);
        for register in incoming.chain(function.this) {
            sources[register.0 as usize] = Source::Others;
        }
        for block in &function.blocks {
            for instruction in &block.instructions {
                let operation = &instruction.operation;
                if matches!(operation, Operation::CheckDefined { .. }) {
                    continue;
                }
                each_written(operation, &mut |register| {
                    let source = &mut sources[register.0 as usize];
                    *source = match source {
                        Source::Nothing => Source::Once(operation),
                        Source::Once(_) | Source::Others => Source::Others,
                    };
                });
            }
            block.terminator.each_written(&mut |register| {
                sources[register.0 as usize] = Source::Others;
            });
        }
        Self { function, sources }
    }

    /// The function of the script that an operand surely is where it is defined, and the operand that holds its captures.
    fn function(&self, operand: Operand) -> Option<(FunctionId, Operand)> {
        let mut current = operand;
        for _ in 0..COPIES_MAX {
            let register = match current {
                Operand::Function(FunctionReference::User(function)) => {
                    return Some((function, operand));
                }
                Operand::Register(register) => register,
                _ => return None,
            };
            if matches!(
                self.function.registers[register.0 as usize],
                RegisterInfo::Cell(_) | RegisterInfo::Position
            ) {
                return None;
            }
            let Source::Once(operation) = self.sources[register.0 as usize] else {
                return None;
            };
            current = match operation {
                Operation::Closure { function, .. } => return Some((*function, operand)),
                Operation::Copy { from, .. } => *from,
                Operation::Assign { from, .. } => Operand::Register(*from),
                _ => return None,
            };
        }
        None
    }
}

/// Who calls whom by name.
struct Calls {
    callees: Vec<Vec<usize>>,
    /// Per function: the last search that came to it.
    seen: Vec<usize>,
    searches_count: usize,
    effort: usize,
}

impl Calls {
    fn of(program: &Program) -> Self {
        let callees: Vec<Vec<usize>> = program.functions.iter().map(callees).collect();
        Self {
            seen: vec![0; callees.len()],
            callees,
            searches_count: 0,
            effort: EFFORT_MAX,
        }
    }

    /// Adds a call, unless calls would go round in a circle with it.
    fn add(&mut self, caller: usize, callee: usize) -> bool {
        self.searches_count += 1;
        let mut pending = vec![callee];
        while let Some(function) = pending.pop() {
            if function == caller || self.effort == 0 {
                return false;
            }
            if std::mem::replace(&mut self.seen[function], self.searches_count)
                == self.searches_count
            {
                continue;
            }
            self.effort = self.effort.saturating_sub(1 + self.callees[function].len());
            pending.extend_from_slice(&self.callees[function]);
        }
        self.callees[caller].push(callee);
        true
    }
}
