//! The resolved tree to the intermediate representation.
//!
//! In: a program that passed the resolver. Out: [`Program`], or a diagnostic for each construct this compiler can't do yet.
//! Left to right, in the order the manual gives; the order of effects is fixed here and nowhere else (see `assign.rs`,
//! `expression.rs`). One file per family of constructs.

mod assign;
mod call;
mod effects;
mod expression;
mod fold;
mod statement;

use std::collections::HashMap;
use std::rc::Rc;

use super::{
    Block, BlockId, Constant, ConstantId, Function, FunctionId, Instruction, Operand, Operation, Program, Register,
    RegisterInfo, Terminator,
};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::resolve::{Resolved, Storage};
use crate::source::Span;
use crate::syntax::ast::{self, Expression, ExpressionKind, Name, Statement};

/// Builds a whole program.
///
/// Constructs that can't be compiled are reported; the result is only to be used when nothing was.
pub fn build(resolved: &Resolved, main: &ast::Program, diagnostics: &mut Diagnostics) -> Program {
    let mut builder = ProgramBuilder {
        resolved,
        diagnostics,
        program: Program::default(),
        strings: HashMap::new(),
        globals: HashMap::new(),
    };
    for index in 0..resolved.functions.len() {
        let id = FunctionId(u32::try_from(index).expect("functions are bounded by the source's size"));
        let function = builder.function(id, main);
        builder.program.functions.push(function);
    }
    builder.program.globals_count = u32::try_from(builder.globals.len()).unwrap_or(u32::MAX);
    builder.program
}

/// What all functions share while they are built.
struct ProgramBuilder<'a> {
    resolved: &'a Resolved,
    diagnostics: &'a mut Diagnostics,
    program: Program,
    strings: HashMap<Rc<[u8]>, ConstantId>,
    /// Variables of the main program that functions reach, and their index.
    globals: HashMap<Name, u32>,
}

/// Where a variable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// In a register.
    Local(Register),
    /// In a cell that a register holds.
    Cell(Register),
    /// Among the predefined variables.
    Predefined(u32),
}

/// Where `break` and `continue` go.
#[derive(Debug)]
struct Loop {
    break_to: BlockId,
    continue_to: Option<BlockId>,
    /// How many registers are kept there; those above are given up first.
    kept: usize,
}

/// One function in the making.
struct FunctionBuilder<'a, 'p> {
    shared: &'a mut ProgramBuilder<'p>,
    id: FunctionId,
    registers: Vec<RegisterInfo>,
    blocks: Vec<Block>,
    current: usize,
    /// Whether the current block has its terminator.
    ended: bool,
    variables: HashMap<Name, Variable>,
    loops: Vec<Loop>,
    /// Temporaries that live across statements: arrays that are being walked.
    kept: Vec<Register>,
}

impl ProgramBuilder<'_> {
    fn function(&mut self, id: FunctionId, main: &ast::Program) -> Function {
        let info = &self.resolved.functions[id.0 as usize];
        let function = info.function.clone();
        let (parameters, body, span): (&[ast::Parameter], &[Statement], Option<Span>) = match &function {
            Some(function) => (&function.parameters, &function.body, Some(function.span)),
            None => (&[], &main.statements, main.statements.first().map(|statement| statement.span)),
        };
        let span = span.unwrap_or(self.resolved.span);
        let variadic = parameters.last().is_some_and(|parameter| parameter.variadic);
        let required = parameters.iter().filter(|parameter| parameter.default.is_none() && !parameter.variadic).count();
        let mut builder = FunctionBuilder::new(self, id, span);
        let captures = builder.enter(parameters, span);
        let defaults = builder.defaults(parameters);
        builder.statements(body);
        builder.leave_function(Operand::None, span);
        let (registers, blocks) = (builder.registers, builder.blocks);
        Function {
            name: function.as_ref().and_then(|function| function.name.as_ref()).map(|name| name.name.clone()),
            parameters_count: count(parameters.len()),
            required_count: count(required),
            variadic,
            defaults,
            captures,
            this: None,
            registers,
            blocks,
            span,
        }
    }
}

impl<'a, 'p> FunctionBuilder<'a, 'p> {
    fn new(shared: &'a mut ProgramBuilder<'p>, id: FunctionId, span: Span) -> Self {
        let entry = Block { instructions: Vec::new(), terminator: Terminator::Unreachable, terminator_span: span };
        Self {
            shared,
            id,
            registers: Vec::new(),
            blocks: vec![entry],
            current: 0,
            ended: false,
            variables: HashMap::new(),
            loops: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Gives every variable its place and takes what the function gets on entry; the registers of captured cells.
    fn enter(&mut self, parameters: &[ast::Parameter], span: Span) -> Vec<Register> {
        let resolved = self.shared.resolved;
        let info = &resolved.functions[self.id.0 as usize];
        let incoming: Vec<Register> = parameters
            .iter()
            .map(|parameter| self.register(RegisterInfo::Variable(parameter.variable.name.clone())))
            .collect();
        let main = self.id.0 == 0;
        if !main {
            self.emit(Operation::Fuel, span);
        }
        let mut captures = Vec::new();
        for capture in &info.captures {
            let cell = self.register(RegisterInfo::Cell(capture.clone()));
            self.variables.insert(capture.clone(), Variable::Cell(cell));
            captures.push(cell);
        }
        for variable in &info.variables {
            if self.variables.contains_key(&variable.name) {
                continue;
            }
            let parameter = parameters.iter().position(|parameter| parameter.variable.name == variable.name);
            let place = match (variable.storage, parameter) {
                (Storage::Predefined(index), _) => Variable::Predefined(index),
                (Storage::Local, Some(parameter)) => Variable::Local(incoming[parameter]),
                (Storage::Local, None) => {
                    Variable::Local(self.register(RegisterInfo::Variable(variable.name.clone())))
                }
                (Storage::Shared, parameter) => {
                    let global = main && variable.global || info.globals.contains(&variable.name);
                    self.shared_variable(&variable.name, global, parameter.map(|index| incoming[index]), span)
                }
            };
            self.variables.insert(variable.name.clone(), place);
        }
        captures
    }

    /// A variable in a cell: a fresh one, or that of the main program's variable.
    fn shared_variable(&mut self, name: &Name, global: bool, from: Option<Register>, span: Span) -> Variable {
        let cell = self.register(RegisterInfo::Cell(name.clone()));
        if global {
            let global = self.global_index(name);
            self.emit(Operation::CellGlobal { into: cell, global }, span);
        } else {
            self.emit(Operation::CellNew { into: cell }, span);
        }
        if let Some(parameter) = from {
            let content = self.copy(Operand::Register(parameter), span);
            self.emit(Operation::CellSet { cell, from: content }, span);
        }
        Variable::Cell(cell)
    }

    fn global_index(&mut self, name: &Name) -> u32 {
        let next = count(self.shared.globals.len());
        *self.shared.globals.entry(name.clone()).or_insert(next)
    }

    /// The constants for missing arguments.
    fn defaults(&mut self, parameters: &[ast::Parameter]) -> Vec<Operand> {
        parameters
            .iter()
            .filter_map(|parameter| parameter.default.as_ref())
            .map(|default| self.constant(default))
            .collect()
    }

    fn variable(&mut self, name: &Name) -> Variable {
        if let Some(variable) = self.variables.get(name) {
            return *variable;
        }
        // A name the resolver saw only in isset or unset: a variable that never gets a value.
        let variable = Variable::Local(self.register(RegisterInfo::Variable(name.clone())));
        self.variables.insert(name.clone(), variable);
        variable
    }

    fn register(&mut self, info: RegisterInfo) -> Register {
        self.registers.push(info);
        register_id(self.registers.len() - 1)
    }

    fn temporary(&mut self) -> Register {
        self.register(RegisterInfo::Temporary)
    }

    fn emit(&mut self, operation: Operation, span: Span) {
        if !self.ended {
            self.blocks[self.current].instructions.push(Instruction { operation, span });
        }
    }

    fn new_block(&mut self) -> BlockId {
        let block =
            Block { instructions: Vec::new(), terminator: Terminator::Unreachable, terminator_span: self.span() };
        self.blocks.push(block);
        BlockId(count(self.blocks.len() - 1))
    }

    fn span(&self) -> Span {
        self.blocks[0].terminator_span
    }

    fn switch_to(&mut self, block: BlockId) {
        self.current = block.0 as usize;
        self.ended = false;
    }

    fn terminate(&mut self, terminator: Terminator, span: Span) {
        if !self.ended {
            let block = &mut self.blocks[self.current];
            block.terminator = terminator;
            block.terminator_span = span;
            self.ended = true;
        }
    }

    /// What follows a jump is built into a block that nothing leads to.
    fn start_unreachable(&mut self) {
        let block = self.new_block();
        self.switch_to(block);
    }

    fn string_constant(&mut self, octets: &Rc<[u8]>) -> Operand {
        if let Some(known) = self.shared.strings.get(octets) {
            return Operand::Constant(*known);
        }
        let id = self.add_constant(Constant::String(octets.clone()));
        self.shared.strings.insert(octets.clone(), id);
        Operand::Constant(id)
    }

    fn string_id(&mut self, octets: &[u8]) -> ConstantId {
        match self.string_constant(&octets.into()) {
            Operand::Constant(id) => id,
            _ => ConstantId(0),
        }
    }

    fn add_constant(&mut self, constant: Constant) -> ConstantId {
        self.shared.program.constants.push(constant);
        ConstantId(count(self.shared.program.constants.len() - 1))
    }

    /// A constant expression: a default, an initial value of a member.
    fn constant(&mut self, expression: &Expression) -> Operand {
        match &expression.kind {
            ExpressionKind::None => Operand::None,
            ExpressionKind::Boolean(truth) => Operand::Boolean(*truth),
            ExpressionKind::Number(number) => Operand::Number(*number),
            ExpressionKind::String(octets) => self.string_constant(octets),
            ExpressionKind::Unary(operator, operand) => {
                let operand = self.constant(operand);
                match fold::unary(*operator, operand) {
                    Some(folded) => folded,
                    None => self.refuse(expression.span, "this is not a constant"),
                }
            }
            ExpressionKind::Binary(operator, left, right) => {
                let left = self.constant(left);
                let right = self.constant(right);
                match self.fold_constants(*operator, left, right) {
                    Some(folded) => folded,
                    None => self.refuse(expression.span, "this is not a constant"),
                }
            }
            ExpressionKind::Array(items) => self.constant_array(items, expression.span),
            _ => self.refuse(expression.span, "this is not a constant"),
        }
    }

    fn fold_constants(&mut self, operator: ast::BinaryOperator, left: Operand, right: Operand) -> Option<Operand> {
        if operator != ast::BinaryOperator::Concatenate {
            return fold::binary(operator, left, right);
        }
        let text = |operand: Operand| match operand {
            Operand::Constant(id) => match &self.shared.program.constants[id.0 as usize] {
                Constant::String(octets) => Some(octets.to_vec()),
                Constant::Array(_) => None,
            },
            Operand::Number(number) => Some(crate::runtime::number::text(number).into_bytes()),
            _ => None,
        };
        let joined = [text(left)?, text(right)?].concat();
        Some(self.string_constant(&joined.into()))
    }

    fn constant_array(&mut self, items: &[ast::ArrayItem], span: Span) -> Operand {
        let mut elements = Vec::new();
        for item in items {
            match item {
                ast::ArrayItem::Value(value) => {
                    let value = self.constant(value);
                    elements.push((None, value));
                }
                ast::ArrayItem::Pair(key, value) => {
                    let key = self.constant(key);
                    let value = self.constant(value);
                    elements.push((Some(key), value));
                }
                ast::ArrayItem::Spread(_) => return self.refuse(span, "this is not a constant"),
            }
        }
        Operand::Constant(self.add_constant(Constant::Array(elements)))
    }

    /// Reports a construct that can't be compiled; the operand stands in for its value.
    fn refuse(&mut self, span: Span, message: &'static str) -> Operand {
        self.shared.diagnostics.push(Diagnostic::error(span, message));
        Operand::None
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).expect("counts are bounded by the source's size")
}

fn register_id(index: usize) -> Register {
    Register(count(index))
}

/// A small count as a number.
fn exact(index: usize) -> f64 {
    f64::from(count(index))
}
