//! Computes what is known when compiling: operators and builtins on constants, branches on them, checks of variables that
//! surely hold something.
//!
//! In: a function. Out: the same, where constants stand for registers that surely hold them. A forward data-flow analysis to
//! a fixed point finds what each variable holds; in functions that are too large for that, only within a block. What is no
//! longer needed is left for [`super::dead_code`] to remove.

mod evaluate;

use std::collections::BTreeSet;

use self::evaluate::{Evaluator, STRING_LENGTH_MAX};
use crate::infer::{crossing, each_written};
use crate::ir::{
    Block, Function, Instruction, Operand, Operation, PlaceAction, PlaceRoot, Program, Register,
    RegisterInfo, Terminator,
};

/// Blocks times registers that live across blocks: in larger functions nothing is known where a block begins.
const FLOW_SIZE_MAX: usize = 200_000;

/// Folds functions of a program.
pub(super) fn functions(program: &mut Program, which: &[bool]) {
    let mut evaluator = Evaluator::new(&mut program.constants);
    let functions = program.functions.iter_mut().zip(which);
    for (function, _) in functions.filter(|(_, wanted)| **wanted) {
        Folder {
            evaluator: &mut evaluator,
            facts: initial(function),
        }
        .function(function);
    }
}

/// What is known of a register.
#[derive(Clone, Copy, Debug)]
enum Fact {
    /// Nothing has reached it yet.
    Nothing,
    /// It holds no value.
    Undefined,
    /// It holds this.
    Constant(Operand),
    /// It holds some value.
    Defined,
    /// It may hold a value or none.
    Any,
}

impl Fact {
    /// What is known where either may be.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, known) | (known, Self::Nothing) => known,
            (Self::Undefined, Self::Undefined) => Self::Undefined,
            (Self::Undefined | Self::Any, _) | (_, Self::Undefined | Self::Any) => Self::Any,
            (Self::Constant(one), Self::Constant(other)) if same(one, other) => self,
            (Self::Constant(_) | Self::Defined, Self::Constant(_) | Self::Defined) => Self::Defined,
        }
    }

    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Constant(one), Self::Constant(other)) => same(one, other),
            (Self::Constant(_), _) | (_, Self::Constant(_)) => false,
            _ => std::mem::discriminant(&self) == std::mem::discriminant(&other),
        }
    }

    /// Whether it surely holds a value.
    fn is_defined(self) -> bool {
        matches!(self, Self::Constant(_) | Self::Defined)
    }
}

/// Whether two constants are the same one; not a number is itself.
fn same(one: Operand, other: Operand) -> bool {
    match (one, other) {
        (Operand::Number(one), Operand::Number(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

fn is_constant(operand: Operand) -> bool {
    match operand {
        Operand::Number(_) | Operand::Boolean(_) | Operand::None | Operand::Constant(_) => true,
        // A function value is made anew each time, and is then somebody's to release.
        Operand::Register(_) | Operand::Absent | Operand::Function(_) => false,
    }
}

/// What is known where a function begins.
fn initial(function: &Function) -> Vec<Fact> {
    let incoming = function.parameters_count as usize;
    let mut facts: Vec<Fact> = function
        .registers
        .iter()
        .map(|info| match info {
            RegisterInfo::Variable(_) => Fact::Undefined,
            RegisterInfo::Cell(_) | RegisterInfo::Temporary | RegisterInfo::Position => {
                Fact::Nothing
            }
        })
        .collect();
    facts[..incoming].fill(Fact::Defined);
    if let Some(this) = function.this {
        facts[this.0 as usize] = Fact::Defined;
    }
    facts
}

/// The facts where a block begins, of the registers that live across blocks; `None` when it is not reached.
type Entry = Option<Box<[Fact]>>;

/// One function at work.
struct Folder<'a, 'p> {
    evaluator: &'a mut Evaluator<'p>,
    facts: Vec<Fact>,
}

impl Folder<'_, '_> {
    fn function(mut self, function: &mut Function) {
        let crossing = crossing(function);
        let is_small = function.blocks.len().saturating_mul(crossing.len()) <= FLOW_SIZE_MAX;
        let entries = is_small.then(|| self.flow(function, &crossing));
        for (index, block) in function.blocks.iter_mut().enumerate() {
            match entries.as_ref().map(|entries| entries[index].as_deref()) {
                Some(Some(entry)) => self.enter(&crossing, entry),
                // What is never reached is left as it is.
                Some(None) => continue,
                None => {
                    for register in &crossing {
                        self.facts[*register as usize] = Fact::Any;
                    }
                }
            }
            self.rewrite(block);
        }
    }

    fn enter(&mut self, crossing: &[u32], entry: &[Fact]) {
        for (register, fact) in crossing.iter().zip(entry) {
            self.facts[*register as usize] = *fact;
        }
    }

    /// The facts where each block begins. O(blocks x crossing registers) for each of the few times a fact may change.
    fn flow(&mut self, function: &Function, crossing: &[u32]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![None; function.blocks.len()];
        entries[0] = Some(self.leave(crossing));
        let mut pending = BTreeSet::from([0_usize]);
        while let Some(index) = pending.pop_first() {
            let Some(entry) = &entries[index] else {
                continue;
            };
            self.enter(crossing, entry);
            let block = &function.blocks[index];
            for instruction in &block.instructions {
                self.apply(&instruction.operation);
            }
            let terminator = &block.terminator;
            let taken = self.taken(terminator);
            terminator.each_written(&mut |register| {
                self.facts[register.0 as usize] = Fact::Any;
            });
            terminator.each_target(&mut |to| {
                if taken.is_some_and(|taken| taken != to) {
                    return;
                }
                let to = to.0 as usize;
                if self.join(&mut entries[to], crossing) {
                    pending.insert(to);
                }
            });
        }
        entries
    }

    fn leave(&self, crossing: &[u32]) -> Box<[Fact]> {
        let facts = crossing
            .iter()
            .map(|register| self.facts[*register as usize]);
        facts.collect()
    }

    /// Adds what is known here to what is known where a block begins; tells whether that made a difference.
    fn join(&self, entry: &mut Entry, crossing: &[u32]) -> bool {
        let Some(known) = entry else {
            *entry = Some(self.leave(crossing));
            return true;
        };
        let mut differs = false;
        for (known, register) in known.iter_mut().zip(crossing) {
            let joined = known.or(self.facts[*register as usize]);
            differs |= !joined.is(*known);
            *known = joined;
        }
        differs
    }

    /// The block that a branch surely goes to.
    fn taken(&mut self, terminator: &Terminator) -> Option<crate::ir::BlockId> {
        let Terminator::Branch {
            condition,
            then,
            otherwise,
        } = terminator
        else {
            return None;
        };
        let condition = self.constant(*condition)?;
        let truth = self.evaluator.truth(condition)?;
        Some(if truth { *then } else { *otherwise })
    }

    /// The constant that an operand is.
    fn constant(&self, operand: Operand) -> Option<Operand> {
        match operand {
            Operand::Register(register) => match self.facts[register.0 as usize] {
                Fact::Constant(constant) => Some(constant),
                Fact::Nothing | Fact::Undefined | Fact::Defined | Fact::Any => None,
            },
            other => is_constant(other).then_some(other),
        }
    }

    /// What is known after an operation.
    fn apply(&mut self, operation: &Operation) {
        if let Some((into, result)) = self.result(operation) {
            self.facts[into.0 as usize] = Fact::Constant(result);
            return;
        }
        match operation {
            Operation::Copy {
                into,
                from: Operand::Register(from),
            }
            | Operation::Assign {
                variable: into,
                from,
            } => self.facts[into.0 as usize] = self.facts[from.0 as usize],
            Operation::LoadUndefined { into } => self.facts[into.0 as usize] = Fact::Undefined,
            Operation::CellGet { into, .. } | Operation::BarrierEnter { into, .. } => {
                self.facts[into.0 as usize] = Fact::Any;
            }
            Operation::CheckDefined { register, .. } => {
                let fact = &mut self.facts[register.0 as usize];
                if !fact.is_defined() {
                    *fact = Fact::Defined;
                }
            }
            Operation::Place {
                into,
                place,
                action,
            } => {
                if let PlaceRoot::Variable(root) = place.root {
                    self.change(root, action);
                }
                if let Some(into) = into {
                    self.facts[into.0 as usize] = Fact::Defined;
                }
            }
            other => each_written(other, &mut |register| {
                self.facts[register.0 as usize] = Fact::Defined;
            }),
        }
    }

    /// A variable in which a place was.
    fn change(&mut self, root: Register, action: &PlaceAction) {
        let fact = &mut self.facts[root.0 as usize];
        match action {
            PlaceAction::Isset | PlaceAction::ReadQuiet => {}
            PlaceAction::Unset if fact.is_defined() => *fact = Fact::Defined,
            PlaceAction::Unset => {}
            PlaceAction::Store(_) | PlaceAction::Update { .. } | PlaceAction::Step { .. } => {
                *fact = Fact::Defined;
            }
        }
    }

    /// The constant that an operation gives, where that is all it does.
    fn result(&mut self, operation: &Operation) -> Option<(Register, Operand)> {
        let (into, result) = match operation {
            Operation::Copy { into, from } => (into, self.constant(*from)?),
            Operation::Binary {
                operator,
                into,
                left,
                right,
            } => {
                let (left, right) = (self.constant(*left)?, self.constant(*right)?);
                (into, self.evaluator.binary(*operator, left, right)?)
            }
            Operation::Unary {
                operator,
                into,
                operand,
            } => {
                let operand = self.constant(*operand)?;
                (into, self.evaluator.unary(*operator, operand)?)
            }
            Operation::Truth { into, operand } => {
                let operand = self.constant(*operand)?;
                (into, Operand::Boolean(self.evaluator.truth(operand)?))
            }
            Operation::Next {
                increment,
                into,
                operand,
            } => {
                let operand = self.constant(*operand)?;
                (into, self.evaluator.next(*increment, operand)?)
            }
            Operation::Interpolate { into, parts } => {
                let parts = self.constants(parts)?;
                (into, self.evaluator.joined(&parts, true)?)
            }
            Operation::Concatenate { into, parts } => {
                let parts = self.constants(parts)?;
                (into, self.evaluator.joined(&parts, false)?)
            }
            Operation::CallBuiltin {
                into,
                builtin,
                arguments,
            } => {
                let arguments = self.constants(arguments)?;
                (into, self.evaluator.builtin(*builtin, &arguments)?)
            }
            Operation::IsDefined {
                into,
                operand,
                none_is_missing,
            } => {
                let is_defined = match self.facts[operand.0 as usize] {
                    Fact::Undefined => false,
                    Fact::Constant(Operand::None) => !none_is_missing,
                    Fact::Constant(_) => true,
                    Fact::Defined if !none_is_missing => true,
                    Fact::Defined | Fact::Nothing | Fact::Any => return None,
                };
                (into, Operand::Boolean(is_defined))
            }
            _ => return None,
        };
        Some((*into, result))
    }

    fn constants(&self, operands: &[Operand]) -> Option<Vec<Operand>> {
        let constants = operands.iter().map(|operand| self.constant(*operand));
        constants.collect()
    }

    fn rewrite(&mut self, block: &mut Block) {
        block.instructions.retain_mut(|instruction| {
            let keep = match &instruction.operation {
                Operation::CheckDefined { register, .. } => {
                    !self.facts[register.0 as usize].is_defined()
                }
                _ => true,
            };
            self.rewrite_operation(&mut instruction.operation);
            self.apply(&instruction.operation);
            keep
        });
        if let Some(to) = self.taken(&block.terminator)
            && let Terminator::Branch { condition, .. } = block.terminator
        {
            block.terminator = Terminator::Jump(to);
            if let Operand::Register(register) = condition {
                block.instructions.push(Instruction {
                    operation: Operation::Release { register },
                    span: block.terminator_span,
                });
            }
        }
    }

    /// Puts constants for the operands, or for all of it.
    fn rewrite_operation(&mut self, operation: &mut Operation) {
        if let Some((into, from)) = self.result(operation) {
            *operation = Operation::Copy { into, from };
            return;
        }
        // Of an object only the object itself can be the root.
        let root = match operation {
            Operation::Place { place, .. } => Some(place.root.clone()),
            _ => None,
        };
        operation.each_operand_mut(&mut |operand| {
            if let Some(constant) = self.constant(*operand) {
                *operand = constant;
            }
        });
        if let (Operation::Place { place, .. }, Some(root)) = (&mut *operation, root) {
            place.root = root;
        }
        if let Operation::Concatenate { parts, .. } | Operation::Interpolate { parts, .. } =
            operation
        {
            self.join_strings(parts);
        }
    }

    /// Joins strings that stand side by side. What else has a text keeps its place: an error names its kind.
    fn join_strings(&mut self, parts: &mut Vec<Operand>) {
        let all = std::mem::take(parts);
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let mut octets = 0;
            let run = rest.iter().take_while(|part| {
                let string = self.evaluator.string(**part);
                octets += string.as_ref().map_or(0, |string| string.len());
                string.is_some() && octets <= STRING_LENGTH_MAX
            });
            let count = run.count();
            let (run, behind) = rest.split_at(count.max(1));
            rest = behind;
            let joined = (1 < count).then(|| self.evaluator.joined(run, false));
            match joined.flatten() {
                Some(joined) => parts.push(joined),
                None => parts.extend_from_slice(run),
            }
        }
    }
}
