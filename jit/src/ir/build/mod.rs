//! The resolved tree to the intermediate representation.
//!
//! In: a program that passed the resolver. Out: [`Program`], or a diagnostic for each construct this compiler can't do yet.
//! Left to right, in the order the manual gives; the order of effects is fixed here and nowhere else (see `assign.rs`,
//! `expression.rs`). One file per family of constructs.

mod assign;
mod call;
mod choice;
mod constant;
mod data;
mod destructure;
mod effects;
mod evaluate;
mod expression;
mod fold;
mod process;
mod quiet;
mod statement;

use std::collections::HashMap;
use std::rc::Rc;

use super::{
    Block, BlockId, ConstantId, Function, FunctionId, Instruction, Operand, Operation, Program,
    Register, RegisterInfo, Terminator,
};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::resolve::{Environment, FunctionInfo, FunctionKind, Resolved, Storage, VariableId};
use crate::runtime::Portable;
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{self, Expression, Name, Statement};

/// What a program finds outside of itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The hook's variables and functions.
    pub environment: &'a Environment,
    /// The index of a builtin in the registry, by name.
    pub builtin: fn(&str) -> Option<u32>,
    /// The texts, for data files.
    pub sources: &'a SourceMap,
    /// Predefined variables whose value is known, by index in the environment.
    pub fixed: &'a [(usize, Portable)],
}

/// Builds a whole program.
///
/// Constructs that can't be compiled are reported; the result is only to be used when nothing was.
pub fn build(
    resolved: &Resolved,
    surroundings: Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> Program {
    let mut builder = ProgramBuilder {
        resolved,
        surroundings,
        diagnostics,
        program: Program {
            open: resolved.open,
            ..Program::default()
        },
        strings: HashMap::new(),
        globals: HashMap::new(),
    };
    for index in 0..resolved.functions.len() {
        let function = builder.function(index);
        builder.program.functions.push(function);
    }
    builder.classes();
    builder.globals_by_name();
    builder.program
}

/// What all functions share while they are built.
struct ProgramBuilder<'a> {
    resolved: &'a Resolved,
    surroundings: Surroundings<'a>,
    diagnostics: &'a mut Diagnostics,
    program: Program,
    strings: HashMap<Rc<[u8]>, ConstantId>,
    /// Shared variables at the top level of modules, and their index among the globals.
    globals: HashMap<(usize, VariableId), u32>,
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
    break_to: Exit,
    continue_to: Option<Exit>,
}

/// A way out of a loop.
#[derive(Clone, Copy, Debug)]
struct Exit {
    to: BlockId,
    /// How many registers are kept there; those above are given up first.
    kept: usize,
    /// How many barriers are around it; those entered since are left first.
    barriers: usize,
}

/// One function in the making.
struct FunctionBuilder<'a, 'p> {
    shared: &'a mut ProgramBuilder<'p>,
    info: &'p FunctionInfo,
    id: usize,
    registers: Vec<RegisterInfo>,
    blocks: Vec<Block>,
    current: usize,
    /// Whether the current block has its terminator.
    ended: bool,
    variables: HashMap<Name, Variable>,
    loops: Vec<Loop>,
    /// Temporaries that live across statements: arrays that are being walked.
    kept: Vec<Register>,
    /// The barriers around what is being built.
    barriers: Vec<process::BarrierScope>,
    /// Where `$this` is on entry.
    this: Option<Register>,
    /// Cells of variables of other modules, fetched on entry.
    module_cells: HashMap<u32, Register>,
}

impl<'p> ProgramBuilder<'p> {
    fn function(&mut self, id: usize) -> Function {
        let resolved = self.resolved;
        let info = &resolved.functions[id];
        let module = &resolved.modules[info.module.index()].program;
        let (parameters, body): (&[ast::Parameter], &[Statement]) = match &info.syntax {
            Some(function) => (&function.parameters, &function.body),
            None => (&[], &module.statements),
        };
        let variadic = parameters
            .last()
            .is_some_and(|parameter| parameter.variadic);
        let required = parameters
            .iter()
            .filter(|parameter| parameter.default.is_none() && !parameter.variadic)
            .count();
        let mut builder = FunctionBuilder::new(self, id, info);
        let captures = builder.enter();
        let defaults = builder.defaults(parameters);
        builder.statements(body);
        builder.leave_function(Operand::None, info.span);
        let this = builder.this;
        let (registers, blocks) = (builder.registers, builder.blocks);
        Function {
            name: info.syntax.as_ref().map(|_| info.name.clone()),
            parameters_count: count(parameters.len()),
            required_count: count(required),
            variadic,
            defaults,
            captures,
            this,
            registers,
            blocks,
            span: info.span,
        }
    }

    /// Says which global variables there are.
    fn globals_by_name(&mut self) {
        let resolved = self.resolved;
        let main = &resolved.functions[Resolved::MAIN.index()];
        for variable in &main.variables {
            if variable.storage == Storage::Shared
                && let Some(id) = main.variable(&variable.name)
            {
                let global = self.global(Resolved::MAIN.index(), id);
                self.program
                    .main_names
                    .push((variable.name.clone(), global));
            }
        }
        let mut globals: Vec<_> = self.globals.iter().collect();
        globals.sort_by_key(|(_, index)| **index);
        let named = globals.into_iter().map(|((main, variable), _)| {
            let info = &resolved.functions[*main].variables[variable.index()];
            (FunctionId(count(*main)), info.name.clone())
        });
        self.program.globals = named.collect();
        self.program.globals_count = count(self.globals.len());
    }

    /// The classes and their static variables. Initial values are constant expressions.
    fn classes(&mut self) {
        let resolved = self.resolved;
        for class in &resolved.classes {
            let scope = class.scope.index();
            let mut variables = Vec::new();
            for member in class
                .syntax
                .members
                .iter()
                .filter(|member| !member.is_static)
            {
                if let ast::MemberKind::Variable(name, initial) = &member.kind {
                    let initial = self.initial(scope, initial.as_ref());
                    variables.push((name.name.clone(), member.private, initial));
                }
            }
            let mut functions: Vec<_> = class
                .functions
                .iter()
                .filter(|(_, member)| !member.is_static)
                .map(|(name, member)| {
                    (
                        name.clone(),
                        member.private,
                        FunctionId(count(member.function.index())),
                    )
                })
                .collect();
            functions.sort_by(|(one, ..), (other, ..)| one.cmp(other));
            let constructor = class
                .constructor
                .map(|constructor| FunctionId(count(constructor.index())));
            let name = class.syntax.name.name.clone();
            self.program.classes.push(super::Class {
                name,
                variables,
                functions,
                constructor,
            });
        }
        for place in &resolved.statics {
            let class = &resolved.classes[place.class.index()];
            let initial = match &class.syntax.members[place.member].kind {
                ast::MemberKind::Variable(_, initial) => {
                    self.initial(class.scope.index(), initial.as_ref())
                }
                ast::MemberKind::Function(_) => Operand::None,
            };
            self.program.statics.push(initial);
        }
    }

    /// The value of a constant expression that stands in a class.
    fn initial(&mut self, scope: usize, initial: Option<&Expression>) -> Operand {
        let Some(initial) = initial else {
            return Operand::None;
        };
        let info = &self.resolved.functions[scope];
        FunctionBuilder::new(self, scope, info).constant(initial)
    }

    /// The index of a shared variable at the top level of a module; an imported one is that of the module it is from.
    fn global(&mut self, main: usize, variable: VariableId) -> u32 {
        let (mut main, mut variable) = (main, variable);
        let resolved = self.resolved;
        // Modules import each other without cycles, so this ends.
        while let Some(imported) = resolved
            .modules
            .iter()
            .find(|module| module.main.index() == main)
            .and_then(|module| {
                module
                    .variables
                    .iter()
                    .find(|imported| imported.inner == variable)
            })
        {
            main = resolved.modules[imported.module.index()].main.index();
            variable = imported.outer;
        }
        let next = count(self.globals.len());
        *self.globals.entry((main, variable)).or_insert(next)
    }
}

impl<'a, 'p> FunctionBuilder<'a, 'p> {
    fn new(shared: &'a mut ProgramBuilder<'p>, id: usize, info: &'p FunctionInfo) -> Self {
        let span = info.span;
        let entry = Block {
            instructions: Vec::new(),
            terminator: Terminator::Unreachable,
            terminator_span: span,
        };
        Self {
            shared,
            info,
            id,
            registers: Vec::new(),
            blocks: vec![entry],
            current: 0,
            ended: false,
            variables: HashMap::new(),
            loops: Vec::new(),
            kept: Vec::new(),
            barriers: Vec::new(),
            this: None,
            module_cells: HashMap::new(),
        }
    }

    /// Gives every variable its place and takes what the function gets on entry; the registers of captured cells.
    fn enter(&mut self) -> Vec<Register> {
        let info = self.info;
        let span = info.span;
        let name_of = |variable: VariableId| info.variables[variable.index()].name.clone();
        let incoming: Vec<Register> = info
            .parameters
            .iter()
            .map(|parameter| self.register(RegisterInfo::Variable(name_of(*parameter))))
            .collect();
        let this = info
            .this
            .map(|this| (this, self.register(RegisterInfo::Variable(name_of(this)))));
        self.this = this.map(|(_, register)| register);
        if info.kind != FunctionKind::Main {
            self.emit(Operation::Fuel, span);
        }
        let mut captures = Vec::new();
        for capture in &info.captures {
            let cell = self.register(RegisterInfo::Cell(name_of(capture.inner)));
            self.variables
                .insert(name_of(capture.inner), Variable::Cell(cell));
            captures.push(cell);
        }
        for (index, variable) in info.variables.iter().enumerate() {
            if self.variables.contains_key(&variable.name) {
                continue;
            }
            let parameter = info
                .parameters
                .iter()
                .position(|parameter| parameter.index() == index);
            let parameter = parameter.map(|at| incoming[at]);
            let parameter = parameter.or(this
                .filter(|(this, _)| this.index() == index)
                .map(|(_, register)| register));
            let place = match (variable.storage, parameter) {
                (Storage::Predefined(index), _) => Variable::Predefined(index),
                (Storage::Local, Some(parameter)) => Variable::Local(parameter),
                (Storage::Local, None) => {
                    Variable::Local(self.register(RegisterInfo::Variable(variable.name.clone())))
                }
                (Storage::Shared, parameter) => self.shared_variable(index, parameter, span),
            };
            self.variables.insert(variable.name.clone(), place);
        }
        captures
    }

    /// A variable in a cell: a fresh one, or that of a variable at the top level of the module.
    fn shared_variable(&mut self, index: usize, from: Option<Register>, span: Span) -> Variable {
        let info = self.info;
        let cell = self.register(RegisterInfo::Cell(info.variables[index].name.clone()));
        let module_main = self.shared.resolved.modules[info.module.index()]
            .main
            .index();
        let link = info.globals.iter().find(|link| link.inner.index() == index);
        let global = match (link, info.kind) {
            (Some(link), _) => Some(self.shared.global(module_main, link.outer)),
            (None, FunctionKind::Main) => info
                .variable(&info.variables[index].name)
                .map(|id| self.shared.global(self.id, id)),
            (None, _) => None,
        };
        match global {
            Some(global) => self.emit(Operation::CellGlobal { into: cell, global }, span),
            None => self.emit(Operation::CellNew { into: cell }, span),
        }
        if let Some(parameter) = from {
            let content = self.copy(Operand::Register(parameter), span);
            self.emit(
                Operation::CellSet {
                    cell,
                    from: content,
                },
                span,
            );
        }
        Variable::Cell(cell)
    }

    /// The cell of a variable at the top level of another module, fetched where this function begins.
    fn module_cell(&mut self, main: usize, variable: VariableId) -> Register {
        let global = self.shared.global(main, variable);
        if let Some(cell) = self.module_cells.get(&global) {
            return *cell;
        }
        let name = self.shared.resolved.functions[main].variables[variable.index()]
            .name
            .clone();
        let cell = self.register(RegisterInfo::Cell(name));
        let fetch = Instruction {
            operation: Operation::CellGlobal { into: cell, global },
            span: self.info.span,
        };
        self.blocks[0].instructions.insert(0, fetch);
        // The returns that are built already did not know of it.
        for block in &mut self.blocks {
            if matches!(block.terminator, Terminator::Return(_)) {
                block.instructions.push(Instruction {
                    operation: Operation::Release { register: cell },
                    span: block.terminator_span,
                });
            }
        }
        self.module_cells.insert(global, cell);
        cell
    }

    /// The class whose function this is, plus one.
    fn accessor(&self) -> u32 {
        self.info.class.map_or(0, |class| count(class.index()) + 1)
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
            self.blocks[self.current]
                .instructions
                .push(Instruction { operation, span });
        }
    }

    fn new_block(&mut self) -> BlockId {
        let block = Block {
            instructions: Vec::new(),
            terminator: Terminator::Unreachable,
            terminator_span: self.span(),
        };
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

    /// Reports a construct that can't be compiled; the operand stands in for its value.
    fn refuse(&mut self, span: Span, message: &'static str) -> Operand {
        self.shared
            .diagnostics
            .report(Diagnostic::error(span, message));
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
