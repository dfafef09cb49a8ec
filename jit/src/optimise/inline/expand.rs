//! One call replaced by the body of what it calls.
//!
//! A parameter that the callee never writes is the argument itself: the constant, the caller's variable if that is not
//! written while arguments are evaluated, or the temporary, which is released where the callee released its parameter. Any
//! other parameter, and every variable of the callee, becomes a variable of the caller that begins without a value each
//! time. A captured cell is the caller's cell that the function value was made with. A return writes the result of the call and goes on behind it.

use std::collections::HashMap;

use super::is_variable;
use crate::infer::{crossing, each_read, each_written};
use crate::ir::{
    Block, BlockId, Function, Instruction, Operand, Operation, PlaceRoot, Register, RegisterInfo,
    Terminator,
};
use crate::source::Span;

/// How far back the copy that an argument is may lie, in instructions.
const LOOK_BACK_MAX: usize = 64;

/// A function that may be inlined.
#[derive(Debug)]
pub(super) struct Callee {
    blocks: Vec<Block>,
    registers: Vec<RegisterInfo>,
    parameters: Vec<Parameter>,
    /// The registers of captured cells.
    captures: Vec<Register>,
    /// What holds the result at each return, if it is made in the same block: it is the result of the call from then on.
    results: Vec<Register>,
    pub(super) instructions_count: usize,
    /// Registers that live across blocks.
    pub(super) crossing_count: usize,
}

/// How a parameter is used.
#[derive(Clone, Copy, Debug, Default)]
struct Parameter {
    /// Something but its first value is put into it.
    is_written: bool,
    /// It stands where no constant can.
    is_bare: bool,
}

/// What stands for a register of the callee in the caller.
#[derive(Clone, Copy, Debug)]
enum Stand {
    /// A register that is the callee's alone.
    Own(Register),
    /// A temporary that the caller gave.
    Given(Register),
    /// Something of the caller's that is only looked at.
    Borrowed(Operand),
}

impl Callee {
    /// A function as it may be inlined, if it can be at all.
    pub(super) fn of(function: &Function) -> Option<Self> {
        if keeps_no_capture(function) {
            return None;
        }
        let mut parameters = vec![Parameter::default(); function.parameters_count as usize];
        for block in &function.blocks {
            for instruction in &block.instructions {
                note_uses(&instruction.operation, &mut parameters);
            }
            if let Terminator::IterateNext { array, .. } = block.terminator
                && let Some(parameter) = parameters.get_mut(array.0 as usize)
            {
                parameter.is_bare = true;
            }
        }
        Some(Self {
            results: results(function),
            instructions_count: function.instructions_count() + parameters.len(),
            crossing_count: crossing(function).len(),
            registers: function.registers.clone(),
            parameters,
            captures: function.captures.clone(),
            blocks: function.blocks.clone(),
        })
    }

    pub(super) fn blocks_count(&self) -> usize {
        self.blocks.len()
    }
}

/// Whether a captured cell does not stay the one that was captured.
fn keeps_no_capture(function: &Function) -> bool {
    let mut is_written = false;
    for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
        each_written(&instruction.operation, &mut |register| {
            is_written |= function.captures.contains(&register);
        });
    }
    is_written
}

fn note_uses(operation: &Operation, parameters: &mut [Parameter]) {
    match operation {
        Operation::CheckDefined { .. } | Operation::Release { .. } => return,
        Operation::IsDefined { operand, .. } | Operation::IterateBegin { array: operand, .. } => {
            if let Some(parameter) = parameters.get_mut(operand.0 as usize) {
                parameter.is_bare = true;
            }
        }
        Operation::Place { place, .. } => {
            if let PlaceRoot::Value(Operand::Register(root)) = place.root
                && let Some(parameter) = parameters.get_mut(root.0 as usize)
            {
                parameter.is_bare = true;
            }
        }
        _ => {}
    }
    each_written(operation, &mut |register| {
        if let Some(parameter) = parameters.get_mut(register.0 as usize) {
            parameter.is_written = true;
        }
    });
}

/// The temporaries that are returned by the block that makes them.
fn results(function: &Function) -> Vec<Register> {
    let mut writes = vec![0_u32; function.registers.len()];
    for block in &function.blocks {
        for instruction in &block.instructions {
            each_written(&instruction.operation, &mut |register| {
                writes[register.0 as usize] += 1;
            });
        }
        block
            .terminator
            .each_written(&mut |register| writes[register.0 as usize] += 1);
    }
    let returned = function.blocks.iter().filter_map(|block| {
        let Terminator::Return(Operand::Register(register)) = block.terminator else {
            return None;
        };
        let is_temporary = matches!(
            function.registers[register.0 as usize],
            RegisterInfo::Temporary
        );
        let mut is_made_here = false;
        for instruction in &block.instructions {
            each_written(&instruction.operation, &mut |written| {
                is_made_here |= written == register;
            });
        }
        (is_temporary && is_made_here && writes[register.0 as usize] == 1).then_some(register)
    });
    returned.collect()
}

/// Replaces the calls in a function that are chosen; tells whether there were any.
pub(super) fn calls<'c>(
    caller: &mut Function,
    choose: &mut dyn FnMut(usize) -> Option<&'c Callee>,
) -> bool {
    let old = std::mem::take(&mut caller.blocks);
    let writes = writes(caller, &old);
    let cells = captured(&writes, &old);
    let mut expander = Expander {
        writes,
        caller,
        out: Vec::with_capacity(old.len()),
        current: Vec::new(),
    };
    let mut starts = Vec::with_capacity(old.len());
    let mut ends = Vec::with_capacity(old.len());
    let mut changed = false;
    for block in old {
        starts.push(expander.next_block());
        for instruction in block.instructions {
            if let Operation::Call {
                into,
                function,
                arguments,
                this,
            } = &instruction.operation
                && let Some(cells) = cells_of(*this, &cells)
                && let Some(callee) = choose(function.0 as usize)
                && callee.captures.len() == cells.len()
            {
                let call = Call {
                    into: *into,
                    arguments,
                    cells,
                    span: instruction.span,
                };
                expander.expand(callee, call);
                changed = true;
            } else {
                expander.current.push(instruction);
            }
        }
        ends.push(expander.next_block());
        expander.end(block.terminator, block.terminator_span);
    }
    let mut out = expander.out;
    for end in ends {
        out[end.0 as usize]
            .terminator
            .each_target_mut(&mut |to| *to = starts[to.0 as usize]);
    }
    caller.blocks = out;
    changed
}

/// A call that is replaced.
#[derive(Clone, Copy)]
struct Call<'c> {
    into: Register,
    arguments: &'c [Register],
    /// What the callee captures.
    cells: &'c [Register],
    span: Span,
}

/// Function values that are made once, with cells that are always the same.
type Captured = HashMap<Register, Vec<Register>>;

fn captured(writes: &[u32], blocks: &[Block]) -> Captured {
    let is_fixed = |register: &Register| writes[register.0 as usize] <= 1;
    let mut captured = Captured::new();
    for instruction in blocks.iter().flat_map(|block| &block.instructions) {
        if let Operation::Closure { into, cells, .. } = &instruction.operation
            && is_fixed(into)
            && cells.iter().all(is_fixed)
        {
            captured.insert(*into, cells.clone());
        }
    }
    captured
}

/// The cells that a call passes on with a function value, if they are known.
fn cells_of(this: Option<Operand>, captured: &Captured) -> Option<&[Register]> {
    match this {
        None => Some(&[]),
        Some(Operand::Register(value)) => captured.get(&value).map(Vec::as_slice),
        Some(_) => None,
    }
}

/// How often each register is written.
fn writes(caller: &Function, blocks: &[Block]) -> Vec<u32> {
    let mut writes = vec![0_u32; caller.registers.len()];
    for block in blocks {
        for instruction in &block.instructions {
            each_written(&instruction.operation, &mut |register| {
                writes[register.0 as usize] += 1;
            });
        }
        block
            .terminator
            .each_written(&mut |register| writes[register.0 as usize] += 1);
    }
    writes
}

/// A caller in the making.
struct Expander<'a> {
    caller: &'a mut Function,
    writes: Vec<u32>,
    out: Vec<Block>,
    /// The instructions of the block that is next.
    current: Vec<Instruction>,
}

impl Expander<'_> {
    fn next_block(&self) -> BlockId {
        block_id(self.out.len())
    }

    fn end(&mut self, terminator: Terminator, terminator_span: Span) {
        self.out.push(Block {
            instructions: std::mem::take(&mut self.current),
            terminator,
            terminator_span,
        });
    }

    fn emit(&mut self, operation: Operation, span: Span) {
        self.current.push(Instruction { operation, span });
    }

    fn expand(&mut self, callee: &Callee, call: Call<'_>) {
        let Call { into, span, .. } = call;
        let stands = self.stands(callee, call);
        if let [block] = callee.blocks.as_slice()
            && let Terminator::Return(result) = block.terminator
        {
            self.instructions(&block.instructions, &stands);
            self.give(result, into, &stands, block.terminator_span);
            return;
        }
        let first = self.out.len() + 1;
        self.end(Terminator::Jump(block_id(first)), span);
        let behind = block_id(first + callee.blocks.len());
        for block in &callee.blocks {
            self.instructions(&block.instructions, &stands);
            let span = block.terminator_span;
            if let Terminator::Return(result) = block.terminator {
                self.give(result, into, &stands, span);
                self.end(Terminator::Jump(behind), span);
                continue;
            }
            let mut terminator = block.terminator.clone();
            terminator.each_target_mut(&mut |to| *to = block_id(first + to.0 as usize));
            terminator.each_operand_mut(&mut |one| *one = operand(*one, &stands));
            terminator.each_bare_register_mut(&mut |one| *one = bare(*one, &stands));
            self.end(terminator, span);
        }
    }

    /// What stands for each register of the callee. What must be done first is done.
    fn stands(&mut self, callee: &Callee, call: Call<'_>) -> Vec<Stand> {
        let Call {
            into,
            arguments,
            cells,
            span,
        } = call;
        let mut stands = Vec::with_capacity(callee.registers.len());
        let mut copies = Vec::new();
        for (parameter, argument) in callee.parameters.iter().zip(arguments) {
            stands.push(if parameter.is_written {
                Stand::Own(Register(0))
            } else if let Some((at, source)) = self.source(*argument, parameter.is_bare) {
                copies.push(at);
                Stand::Borrowed(source)
            } else {
                Stand::Given(*argument)
            });
        }
        copies.sort_unstable();
        for at in copies.into_iter().rev() {
            self.current.remove(at);
        }
        for (index, info) in callee.registers.iter().enumerate() {
            let argument = arguments.get(index);
            if argument.is_some() && !matches!(stands[index], Stand::Own(_)) {
                continue;
            }
            let is_it = |register: &Register| register.0 as usize == index;
            if callee.results.iter().any(is_it) {
                stands.push(Stand::Own(into));
                continue;
            }
            if let Some(capture) = callee.captures.iter().position(is_it) {
                stands.push(Stand::Borrowed(Operand::Register(cells[capture])));
                continue;
            }
            let own = self.register(info.clone());
            if matches!(info, RegisterInfo::Variable(_)) {
                self.emit(Operation::LoadUndefined { into: own }, span);
            }
            match argument {
                Some(from) => {
                    let (variable, from) = (own, *from);
                    self.emit(Operation::Assign { variable, from }, span);
                    stands[index] = Stand::Own(own);
                }
                None => stands.push(Stand::Own(own)),
            }
        }
        stands
    }

    fn register(&mut self, info: RegisterInfo) -> Register {
        let registers = &mut self.caller.registers;
        registers.push(info);
        self.writes.push(0);
        let last = registers.len() - 1;
        Register(u32::try_from(last).expect("registers are bounded by what is inlined"))
    }

    /// What an argument is a copy of, and where it is copied, if that is still the same.
    fn source(&self, argument: Register, is_bare: bool) -> Option<(usize, Operand)> {
        if self.writes[argument.0 as usize] != 1 {
            return None;
        }
        let mut changed: Vec<Register> = Vec::new();
        let recent = self.current.iter().enumerate().rev().take(LOOK_BACK_MAX);
        for (at, instruction) in recent {
            let operation = &instruction.operation;
            if let Operation::Copy { into, from } = operation
                && *into == argument
            {
                let is_same = match from {
                    Operand::Register(from) => {
                        is_variable(self.caller, *from) && !changed.contains(from)
                    }
                    Operand::Number(_)
                    | Operand::Boolean(_)
                    | Operand::None
                    | Operand::Constant(_) => !is_bare,
                    Operand::Absent | Operand::Function(_) => false,
                };
                return is_same.then_some((at, *from));
            }
            let mut names_argument = false;
            each_read(operation, &mut |read| names_argument |= read == argument);
            if names_argument {
                return None;
            }
            match operation {
                Operation::CheckDefined { .. } => {}
                Operation::Release { register } => changed.push(*register),
                other => each_written(other, &mut |written| changed.push(written)),
            }
        }
        None
    }

    fn instructions(&mut self, instructions: &[Instruction], stands: &[Stand]) {
        for Instruction { operation, span } in instructions {
            if let Operation::Release { register } | Operation::CheckDefined { register, .. } =
                operation
            {
                match (operation, stands[register.0 as usize]) {
                    (_, Stand::Borrowed(_)) | (Operation::CheckDefined { .. }, Stand::Given(_)) => {
                        continue;
                    }
                    (_, Stand::Own(_) | Stand::Given(_)) => {}
                }
            }
            let mut operation = operation.clone();
            // Bare registers and operands are told apart, so that none is replaced twice.
            operation.each_operand_mut(&mut |one| *one = operand(*one, stands));
            operation.each_bare_register_mut(&mut |register| *register = bare(*register, stands));
            self.emit(operation, *span);
        }
    }

    /// The result of the callee becomes that of the call.
    fn give(&mut self, result: Operand, into: Register, stands: &[Stand], span: Span) {
        let from = operand(result, stands);
        if from == Operand::Register(into) {
            return;
        }
        self.emit(Operation::Copy { into, from }, span);
        if let Operand::Register(register) = result
            && let Stand::Own(own) | Stand::Given(own) = stands[register.0 as usize]
        {
            self.emit(Operation::Release { register: own }, span);
        }
    }
}

fn operand(operand: Operand, stands: &[Stand]) -> Operand {
    match operand {
        Operand::Register(register) => match stands[register.0 as usize] {
            Stand::Own(own) | Stand::Given(own) => Operand::Register(own),
            Stand::Borrowed(source) => source,
        },
        other => other,
    }
}

/// What stands for a register where no constant can.
fn bare(register: Register, stands: &[Stand]) -> Register {
    match stands[register.0 as usize] {
        Stand::Own(own) | Stand::Given(own) | Stand::Borrowed(Operand::Register(own)) => own,
        Stand::Borrowed(_) => unreachable!("a parameter that stands here takes no constant"),
    }
}

fn block_id(index: usize) -> BlockId {
    BlockId(u32::try_from(index).expect("blocks are bounded by what is inlined"))
}
