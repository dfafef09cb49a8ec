//! One function of the intermediate representation to Cranelift's.
//!
//! In: the function and what is known of its kinds. Out: a Cranelift function, one block for one, plus blocks for slow paths.
//! A register becomes a Cranelift variable of the type its representation asks for, see `variables.rs`. Every function takes the execution
//! state, its environment (the closure, the object, or none) and its arguments, and gives an owned value or `FAILED`.
//! One file per family of operations; this one holds what they share.

mod access;
mod again;
mod append;
mod arithmetic;
mod call;
mod control;
mod element;
mod free;
mod integer;
mod network;
mod place;
mod switch;
mod text;
mod value;
mod variables;

use std::collections::HashMap;

use cranelift_codegen::ir::{self, InstBuilder, StackSlot, StackSlotData, StackSlotKind, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, Variable};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Module};

use self::again::Again;

use super::loops::in_loops;
use super::tables::Tables;
use crate::boundary::host_calls::{HostCall, ResultKind};
use crate::infer::{
    Inference, Inferred, Kinds, Known, Representation, State, held_elements, operand_kinds,
    transfer,
};
use crate::ir::{
    BlockId, Constant, Function, FunctionId, Instruction, Operand, Operation, Register,
};
use crate::optimise::{Optimisation, Optimisations};
use crate::runtime::layout::{FAILED, UNDEFINED};
use crate::source::Span;

/// What all functions of a script share while they are translated.
pub(super) struct Shared<'a> {
    /// Where functions are declared.
    pub(super) module: &'a mut JITModule,
    /// The functions of the script, by id.
    pub(super) functions: &'a [FuncId],
    /// The host calls, by index.
    pub(super) host_calls: &'a [FuncId],
    /// Whether the function is marked while it is being executed: a function value may reach it meanwhile.
    pub(super) is_marked: bool,
    /// What generated code refers to by number.
    pub(super) tables: &'a mut Tables,
    /// What is known of the script as a whole.
    pub(super) known: &'a Known,
    /// The script's constants.
    pub(super) constants: &'a [Constant],
    /// What is done to make the code faster.
    pub(super) optimisations: Optimisations,
    /// The second version of the function, and the parameters that it takes for strings.
    pub(super) version: Option<(FuncId, &'a [Register])>,
}

/// The translation of one function.
pub(super) struct Translator<'a, 'b> {
    builder: FunctionBuilder<'b>,
    shared: &'a mut Shared<'b>,
    function: &'a Function,
    id: FunctionId,
    inferred: &'a Inferred,
    /// Per register: whether its reference is one that another register keeps.
    held: Vec<bool>,
    /// Which elements are written where they were read.
    again: Again,
    /// The kinds at the point being translated.
    state: State,
    variables: Vec<Variable>,
    blocks: Vec<ir::Block>,
    execution: ir::Value,
    environment: ir::Value,
    fail: ir::Block,
    /// Room for lists: a count and the values, or two slots.
    list: Option<(StackSlot, u32)>,
    imports: HashMap<FuncId, ir::FuncRef>,
    /// What is left of the fuel, where it is held in a register; the state has it during calls.
    fuel: Option<Variable>,
    span: Span,
    /// Which instruction is being translated: its block, its index.
    at: (usize, usize),
    /// Which blocks are in a loop, if there are loops.
    loops: Option<Vec<bool>>,
}

impl<'a, 'b> Translator<'a, 'b> {
    /// Translates the whole function into the builder and finishes it.
    pub(super) fn translate(
        builder: FunctionBuilder<'b>,
        shared: &'a mut Shared<'b>,
        id: FunctionId,
        function: &'a Function,
        inferred: &'a Inferred,
        target: TargetFrontendConfig,
    ) {
        let mut translator = Self::new(builder, shared, id, function, inferred);
        translator.enter();
        for index in 0..function.blocks.len() {
            translator.block(index);
        }
        translator.leave_on_failure();
        translator.builder.seal_all_blocks();
        translator.builder.finalize(target);
    }

    fn new(
        mut builder: FunctionBuilder<'b>,
        shared: &'a mut Shared<'b>,
        id: FunctionId,
        function: &'a Function,
        inferred: &'a Inferred,
    ) -> Self {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let execution = builder.block_params(entry)[0];
        let environment = builder.block_params(entry)[1];
        let variables = variables::declare(&mut builder, function, inferred);
        let blocks = function
            .blocks
            .iter()
            .map(|_| builder.create_block())
            .collect();
        let fail = builder.create_block();
        builder.append_block_param(fail, types::I32);
        builder.set_cold_block(fail);
        let holds_fuel = shared.optimisations.has(Optimisation::FuelRegister);
        let held = if shared.optimisations.has(Optimisation::HeldElements) {
            held_elements(function)
        } else {
            vec![false; function.registers.len()]
        };
        let again = if shared.optimisations.has(Optimisation::InlineAccess) {
            Again::find(function, || builder.declare_var(types::I32))
        } else {
            Again::default()
        };
        let fuel = holds_fuel.then(|| builder.declare_var(types::I64));
        Self {
            builder,
            shared,
            function,
            id,
            inferred,
            held,
            again,
            state: vec![Kinds::NOTHING; function.registers.len()],
            variables,
            blocks,
            execution,
            environment,
            fail,
            list: None,
            imports: HashMap::new(),
            fuel,
            span: function.span,
            at: (0, 0),
            loops: in_loops(function),
        }
    }

    fn block(&mut self, index: usize) {
        let block = self.blocks[index];
        self.builder.switch_to_block(block);
        if !self.inferred.enter(index, &mut self.state) {
            self.builder.set_cold_block(block);
            self.unreachable();
            return;
        }
        let source = &self.function.blocks[index];
        let mut instructions = source.instructions.as_slice();
        while let Some((first, rest)) = instructions.split_first() {
            self.at = (index, source.instructions.len() - instructions.len());
            let taken = match self.slice_compared(instructions) {
                0 => self.slice_joined(instructions),
                taken => taken,
            };
            instructions = match taken {
                0 => {
                    self.instruction(first);
                    rest
                }
                taken => &instructions[taken..],
            };
        }
        self.span = source.terminator_span;
        self.terminator(&source.terminator);
    }

    fn instruction(&mut self, instruction: &Instruction) {
        self.span = instruction.span;
        self.operation(&instruction.operation);
        self.pass(instruction);
    }

    /// Goes on behind an instruction that has been translated.
    fn pass(&mut self, instruction: &Instruction) {
        transfer(
            self.function,
            &mut self.state,
            &instruction.operation,
            self.shared.known,
        );
    }

    #[expect(clippy::too_many_lines, reason = "a flat dispatch, one call per arm")]
    fn operation(&mut self, operation: &Operation) {
        match operation {
            Operation::Copy { into, from } => self.copy(*into, *from),
            Operation::LoadUndefined { into } => {
                let undefined = self.constant_bits(UNDEFINED);
                self.define_boxed(*into, undefined);
            }
            Operation::AsArray { into, from } => self.as_array(*into, *from),
            Operation::Assign { variable, from } => self.assign(*variable, *from),
            Operation::Release { register } => self.release_register(*register),
            Operation::CheckDefined { register, name } => self.check_defined(*register, name),
            Operation::Binary {
                operator,
                into,
                left,
                right,
            } => self.binary(*operator, *into, *left, *right),
            Operation::Unary {
                operator,
                into,
                operand,
            } => self.unary(*operator, *into, *operand),
            Operation::Truth { into, operand } => {
                let truth = self.truth(*operand);
                self.define_truth(*into, truth);
            }
            Operation::Update {
                operator,
                variable,
                right,
            } => self.update(*operator, *variable, *right),
            Operation::Concatenate { into, parts } => {
                self.call_with_list(HostCall::concatenate, &[], parts, *into)
            }
            Operation::Interpolate { into, parts } => {
                self.call_with_list(HostCall::interpolate, &[], parts, *into)
            }
            Operation::Step {
                increment,
                variable,
            } => {
                self.next_number(*increment, *variable, Operand::Register(*variable));
            }
            Operation::Next {
                increment,
                into,
                operand,
            } => self.next_number(*increment, *into, *operand),
            Operation::Append {
                variable,
                parts,
                joined,
            } => self.append(*variable, parts, *joined),
            Operation::ArrayNew { into, capacity } => {
                let capacity = self.index(*capacity);
                self.call_into(HostCall::array_new, &[capacity], *into);
            }
            Operation::ArrayPush { array, value } => self.array_push(*array, *value),
            Operation::ArrayInsert { array, key, value } => self.array_insert(*array, *key, *value),
            Operation::ArrayAdd {
                array,
                walked,
                position,
                value,
                is_whole,
            } => self.array_add(*array, (*walked, *position), *value, *is_whole),
            Operation::ArraySpread { array, value } => self.array_spread(*array, *value),
            Operation::Index {
                into,
                base,
                key,
                accessor,
            } => self.index_value(*into, *base, *key, *accessor),
            Operation::Slice { into, base, bounds } => self.slice(*into, *base, bounds),
            Operation::Property {
                into,
                base,
                name,
                accessor,
            } => {
                let base = self.boxed(*base);
                let name = self.boxed(Operand::Constant(*name));
                let accessor = self.index(*accessor);
                self.call_into(HostCall::property, &[base, name, accessor], *into);
            }
            Operation::Place {
                into,
                place,
                action,
            } => self.place(*into, place, action),
            Operation::Call {
                into,
                function,
                arguments,
                this,
            } => {
                self.call_user(*into, *function, arguments, *this);
            }
            Operation::CallBuiltin {
                into,
                builtin,
                arguments,
            } => self.call_builtin(*into, *builtin, arguments),
            Operation::CallHost {
                into,
                function,
                arguments,
            } => {
                let function = self.index(*function);
                self.call_with_list(HostCall::call_host, &[function], arguments, *into);
            }
            Operation::CallValue {
                into,
                callee,
                arguments,
            } => {
                let callee = self.boxed(*callee);
                let arguments = self.boxed(*arguments);
                self.call_into(HostCall::call_value, &[callee, arguments], *into);
            }
            Operation::CallCached {
                into,
                callee,
                name,
                options,
                arguments,
            } => {
                let callee = self.boxed(*callee);
                let name = self.boxed(Operand::Constant(*name));
                let options = self.boxed(*options);
                let arguments = self.boxed(*arguments);
                let values = [callee, name, options, arguments];
                self.call_into(HostCall::call_cached, &values, *into);
            }
            Operation::BarrierEnter {
                into,
                name,
                is_read,
            } => {
                let has_shared = self.index(u32::from(*is_read));
                let name = self.boxed(*name);
                self.call_into(HostCall::barrier_enter, &[has_shared, name], *into);
            }
            Operation::BarrierLeave { shared } => {
                let has_shared = self.index(u32::from(shared.is_some()));
                let shared = self.boxed(shared.map_or(Operand::None, Operand::Register));
                self.call_host(HostCall::barrier_leave, &[has_shared, shared]);
            }
            Operation::CallMethod {
                into,
                object,
                name,
                accessor,
                arguments,
            } => {
                let object = self.boxed(*object);
                let name = self.boxed(Operand::Constant(*name));
                let arguments = self.boxed(*arguments);
                let accessor = self.index(*accessor);
                self.call_into(
                    HostCall::call_method,
                    &[object, name, accessor, arguments],
                    *into,
                );
            }
            Operation::Closure {
                into,
                function,
                cells,
            } => self.closure(*into, *function, cells),
            Operation::CellNew { into } => self.call_into(HostCall::cell_new, &[], *into),
            Operation::CellGlobal { into, global } => {
                let global = self.index(*global);
                self.call_into(HostCall::cell_global, &[global], *into);
            }
            Operation::CellGet { into, cell } => self.cell_get(*into, *cell),
            Operation::CellSet { cell, from } => self.cell_set(*cell, *from),
            Operation::LoadPredefined { into, index } => self.load_predefined(*into, *index),
            Operation::StorePredefined { index, from } => {
                let index = self.index(*index);
                let from = self.boxed(Operand::Register(*from));
                self.call_host(HostCall::store_predefined, &[index, from]);
            }
            Operation::LoadStatic { into, index } => {
                let index = self.index(*index);
                self.call_into(HostCall::load_static, &[index], *into);
            }
            Operation::StoreStatic { index, from } => {
                let index = self.index(*index);
                let from = self.boxed(Operand::Register(*from));
                self.call_host(HostCall::store_static, &[index, from]);
            }
            Operation::IsDefined {
                into,
                operand,
                none_is_missing,
            } => {
                self.is_defined(*into, *operand, *none_is_missing);
            }
            Operation::IterateBegin { position, array } => self.iterate_begin(*position, *array),
            Operation::Echo { operand } => {
                let operand = self.boxed(*operand);
                self.call_host(HostCall::echo, &[operand]);
            }
            Operation::RunModule { function } => {
                let function = self.index(function.0);
                self.call_host(HostCall::run_module, &[function]);
            }
            Operation::Fuel => self.fuel(),
        }
    }

    /// The kinds an operand may have here.
    fn kinds(&self, operand: Operand) -> Kinds {
        match (operand, self.shared.known.inference) {
            (Operand::Register(_), _) | (_, Inference::On) => {
                operand_kinds(&self.state, operand, self.shared.known)
            }
            (_, Inference::Off) => Kinds::ANY_OR_UNDEFINED,
        }
    }

    fn representation(&self, register: Register) -> Representation {
        self.inferred.representation[register.0 as usize]
    }

    /// Whether another register keeps the reference of this one.
    fn is_held(&self, register: Register) -> bool {
        self.held[register.0 as usize]
    }

    fn target(&self, block: BlockId) -> ir::Block {
        self.blocks[block.0 as usize]
    }

    /// Calls the host and checks for failure; the result, if there is one.
    fn call_host(&mut self, call: HostCall, arguments: &[ir::Value]) -> Option<ir::Value> {
        let mut all = vec![self.execution];
        all.extend_from_slice(arguments);
        let function = self.import(self.shared.host_calls[call as usize]);
        self.hand_over_fuel();
        let instruction = self.builder.ins().call(function, &all);
        self.take_fuel();
        let result = self.builder.inst_results(instruction).first().copied();
        if let Some(result) = result {
            match call.result() {
                ResultKind::Value => {
                    let failed = self.builder.ins().iconst(types::I64, bits(FAILED));
                    let failed =
                        self.builder
                            .ins()
                            .icmp(ir::condcodes::IntCC::Equal, result, failed);
                    self.fail_if(failed);
                }
                ResultKind::Status => self.fail_if(result),
                ResultKind::Truth
                | ResultKind::Number
                | ResultKind::Position
                | ResultKind::Nothing => {}
            }
        }
        result
    }

    /// Calls the host for a status; a failure is passed on without noting where it was.
    fn call_unlocated(&mut self, call: HostCall, arguments: &[ir::Value]) {
        let mut all = vec![self.execution];
        all.extend_from_slice(arguments);
        let function = self.import(self.shared.host_calls[call as usize]);
        self.hand_over_fuel();
        let instruction = self.builder.ins().call(function, &all);
        self.take_fuel();
        let status = self.builder.inst_results(instruction)[0];
        let (leave, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(leave);
        self.builder.ins().brif(status, leave, &[], next, &[]);
        self.builder.switch_to_block(leave);
        let failed = self.builder.ins().iconst(types::I64, bits(FAILED));
        self.builder.ins().return_(&[failed]);
        self.builder.switch_to_block(next);
    }

    /// Calls the host for a value and writes it to a register.
    fn call_into(&mut self, call: HostCall, arguments: &[ir::Value], into: Register) {
        if let Some(value) = self.call_host(call, arguments) {
            self.define_boxed(into, value);
        }
    }

    /// Leaves the function with a failure at the present span when the condition holds.
    fn fail_if(&mut self, condition: ir::Value) {
        let site = self.shared.tables.site(self.span);
        let site = self.builder.ins().iconst(types::I32, i64::from(site));
        let next = self.builder.create_block();
        self.builder
            .ins()
            .brif(condition, self.fail, &[site.into()], next, &[]);
        self.builder.switch_to_block(next);
    }

    fn import(&mut self, function: FuncId) -> ir::FuncRef {
        *self.imports.entry(function).or_insert_with(|| {
            self.shared
                .module
                .declare_func_in_func(function, self.builder.func)
        })
    }

    fn index(&mut self, index: u32) -> ir::Value {
        self.builder.ins().iconst(types::I32, i64::from(index))
    }

    /// The address of room in the frame for so many words. One room serves all: it is filled right before the call that
    /// reads it.
    fn room(&mut self, words: u32) -> ir::Value {
        let slot = match self.list {
            Some((slot, size)) if size >= words => slot,
            _ => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, words * 8, 3);
                let slot = self.builder.create_sized_stack_slot(data);
                self.list = Some((slot, words));
                slot
            }
        };
        self.builder.ins().stack_addr(types::I64, slot, 0)
    }
}

/// The machine type of a representation.
fn machine_type(representation: Representation) -> ir::Type {
    match representation {
        Representation::Boxed | Representation::Integer | Representation::Position => types::I64,
        Representation::Number => types::F64,
        Representation::Boolean => types::I8,
    }
}

/// A bit pattern as Cranelift's immediates want it.
#[expect(clippy::cast_possible_wrap, reason = "the bit pattern is what matters")]
pub(super) fn bits(pattern: u64) -> i64 {
    pattern as i64
}
