//! Entry, exits, branches, loops and fuel.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use cranelift_module::FuncId;

use super::Translator;
use crate::boundary::host_calls::HostCall;
use crate::boundary::layout::{STATE_FAILED_SITE, STATE_FUEL};
use crate::infer::{Kinds, Representation, element};
use crate::ir::{BlockId, Operand, Register, RegisterInfo, Terminator};
use crate::runtime::layout::{
    ARRAY_ENTRIES_LENGTH_OFFSET, ARRAY_ENTRIES_OFFSET, ENTRY_KEY_OFFSET, ENTRY_OCTETS,
    ENTRY_VALUE_OFFSET, FAILED, NONE, TAG_STRING, UNDEFINED,
};

impl Translator<'_, '_> {
    /// The entry: variables hold nothing, cells are fetched, a function reached by value is marked as being executed.
    pub(super) fn enter(&mut self) {
        let parameters = self.function.parameters_count as usize;
        let entry = self.builder.current_block().expect("a block was begun");
        let arguments = self.builder.block_params(entry)[2..].to_vec();
        if let Some((version, strings)) = self.shared.version {
            self.enter_version(version, strings, &arguments);
        }
        self.take_fuel();
        for (index, argument) in (0..).zip(arguments) {
            self.define_boxed(Register(index), argument);
        }
        for index in parameters..self.variables.len() {
            self.initialise(index);
        }
        if self.shared.is_marked {
            let id = self.index(self.id.0);
            // A failure here is the caller's: it is told where the call stands.
            self.call_unlocated(HostCall::enter_function, &[id]);
        }
        for (index, register) in self.function.captures.iter().enumerate() {
            let capture = u32::try_from(index).expect("captures are bounded by the source's size");
            let capture = self.index(capture);
            let environment = self.environment;
            self.call_into(HostCall::cell_captured, &[environment, capture], *register);
        }
        if let Some(this) = self.function.this {
            let environment = self.environment;
            self.retain(environment, Kinds::OBJECT);
            self.define_boxed(this, environment);
        }
        let first = self.blocks[0];
        self.builder.ins().jump(first, &[]);
    }

    /// Leaves the work to the second version of the function where these arguments are strings.
    fn enter_version(&mut self, version: FuncId, strings: &[Register], arguments: &[ir::Value]) {
        let other = self.builder.create_block();
        for register in strings {
            let is_string = self.has_tag(arguments[register.0 as usize], TAG_STRING);
            self.proceed_if(is_string, other);
        }
        let mut all = vec![self.execution, self.environment];
        all.extend(arguments);
        let callee = self.import(version);
        let call = self.builder.ins().call(callee, &all);
        let result = self.builder.inst_results(call)[0];
        self.builder.ins().return_(&[result]);
        self.builder.switch_to_block(other);
    }

    /// Reads what is left of the fuel from the state, where a register holds it between calls.
    pub(super) fn take_fuel(&mut self) {
        if let Some(variable) = self.fuel {
            let fuel = self.fuel_in_state();
            self.builder.def_var(variable, fuel);
        }
    }

    /// Writes what is left of the fuel to the state, before others look at it.
    pub(super) fn hand_over_fuel(&mut self) {
        if let Some(variable) = self.fuel {
            let fuel = self.builder.use_var(variable);
            let flags = MemFlagsData::trusted();
            self.builder
                .ins()
                .store(flags, fuel, self.execution, STATE_FUEL);
        }
    }

    fn fuel_in_state(&mut self) -> ir::Value {
        let flags = MemFlagsData::trusted();
        self.builder
            .ins()
            .load(types::I64, flags, self.execution, STATE_FUEL)
    }

    fn initialise(&mut self, index: usize) {
        let variable = self.variables[index];
        let value = match self.inferred.representation[index] {
            Representation::Number => self.builder.ins().f64const(0.0),
            Representation::Boolean => self.builder.ins().iconst(types::I8, 0),
            Representation::Position | Representation::Integer => {
                self.builder.ins().iconst(types::I64, 0)
            }
            Representation::Boxed => match self.function.registers[index] {
                RegisterInfo::Variable(_) => self.constant_bits(UNDEFINED),
                RegisterInfo::Temporary | RegisterInfo::Cell(_) | RegisterInfo::Position => {
                    self.constant_bits(NONE)
                }
            },
        };
        self.builder.def_var(variable, value);
    }

    /// The way out when the script must end: remembers where, unless a callee did, and passes the failure on.
    pub(super) fn leave_on_failure(&mut self) {
        self.builder.switch_to_block(self.fail);
        let site = self.builder.block_params(self.fail)[0];
        let flags = MemFlagsData::trusted();
        let known = self
            .builder
            .ins()
            .load(types::I32, flags, self.execution, STATE_FAILED_SITE);
        let first = self.builder.ins().icmp_imm_u(IntCC::Equal, known, 0);
        let site = self.builder.ins().select(first, site, known);
        self.builder
            .ins()
            .store(flags, site, self.execution, STATE_FAILED_SITE);
        let failed = self.constant_bits(FAILED);
        self.builder.ins().return_(&[failed]);
    }

    pub(super) fn unreachable(&mut self) {
        let failed = self.constant_bits(FAILED);
        self.builder.ins().return_(&[failed]);
    }

    pub(super) fn terminator(&mut self, terminator: &Terminator) {
        match terminator {
            Terminator::Jump(to) => {
                let to = self.target(*to);
                self.builder.ins().jump(to, &[]);
            }
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => {
                let truth = self.truth(*condition);
                let then = self.target(*then);
                let otherwise = self.target(*otherwise);
                self.builder.ins().brif(truth, then, &[], otherwise, &[]);
            }
            Terminator::IterateNext {
                array,
                position,
                key,
                value,
                body,
                done,
            } => {
                self.iterate_next(*array, *position, *key, *value, (*body, *done));
            }
            Terminator::Switch {
                subject,
                cases,
                otherwise,
                no_string,
            } => self.string_switch(*subject, cases, (*otherwise, *no_string)),
            Terminator::Return(operand) => self.return_value(*operand),
            Terminator::Unreachable => self.unreachable(),
        }
    }

    fn return_value(&mut self, operand: Operand) {
        let value = self.boxed(operand);
        if matches!(operand, Operand::Constant(_)) {
            self.retain(value, Kinds::STRING);
        }
        if self.shared.is_marked {
            let id = self.index(self.id.0);
            self.call_host(HostCall::leave_function, &[id]);
        }
        self.hand_over_fuel();
        self.builder.ins().return_(&[value]);
    }

    /// Takes one unit of fuel; asks for more below zero.
    pub(super) fn fuel(&mut self) {
        let fuel = match self.fuel {
            Some(variable) => self.builder.use_var(variable),
            None => self.fuel_in_state(),
        };
        let fuel = self.builder.ins().iadd_imm_s(fuel, -1);
        match self.fuel {
            Some(variable) => self.builder.def_var(variable, fuel),
            None => {
                let flags = MemFlagsData::trusted();
                self.builder
                    .ins()
                    .store(flags, fuel, self.execution, STATE_FUEL);
            }
        }
        let empty = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
        let ask = self.builder.create_block();
        let next = self.builder.create_block();
        self.builder.set_cold_block(ask);
        self.builder.ins().brif(empty, ask, &[], next, &[]);
        self.builder.switch_to_block(ask);
        self.call_host(HostCall::out_of_fuel, &[]);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
    }

    pub(super) fn iterate_begin(&mut self, position: Register, array: Register) {
        if !self.kinds(Operand::Register(array)).is(Kinds::ARRAY) {
            let array = self.boxed(Operand::Register(array));
            self.call_host(HostCall::iterate_begin, &[array]);
        }
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder
            .def_var(self.variables[position.0 as usize], zero);
    }

    fn iterate_next(
        &mut self,
        array: Register,
        position: Register,
        key: Option<Register>,
        value: Register,
        (body, done): (BlockId, BlockId),
    ) {
        let elements = element(self.kinds(Operand::Register(array)));
        let array = self.boxed(Operand::Register(array));
        let at = self.register(position);
        if self.accesses() {
            let (mapped, host) = (self.builder.create_block(), self.builder.create_block());
            let registers = (position, key, value);
            self.next_packed((array, elements), at, registers, mapped);
            let body = self.target(body);
            self.builder.ins().jump(body, &[]);
            self.builder.switch_to_block(mapped);
            let done = self.target(done);
            self.next_mapped((array, elements), at, registers, (host, done));
            self.builder.ins().jump(body, &[]);
            self.builder.switch_to_block(host);
        }
        let room = self.room(2);
        let none = self.constant_bits(NONE);
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), none, room, 0);
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), none, room, 8);
        let wants_key = self
            .builder
            .ins()
            .iconst(types::I64, i64::from(key.is_some()));
        let next = self.call_host(HostCall::iterate_next, &[array, at, wants_key, room]);
        let next = next.expect("iterate_next has a result");
        let failed = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, next, -1);
        if key.is_some() {
            self.fail_if(failed);
        }
        let ended = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, next, 0);
        let take = self.builder.create_block();
        let done = self.target(done);
        self.builder.ins().brif(ended, done, &[], take, &[]);
        self.builder.switch_to_block(take);
        self.builder
            .def_var(self.variables[position.0 as usize], next);
        let element = self
            .builder
            .ins()
            .load(types::I64, MemFlagsData::trusted(), room, 8);
        self.define_boxed(value, element);
        if let Some(key) = key {
            let content = self
                .builder
                .ins()
                .load(types::I64, MemFlagsData::trusted(), room, 0);
            self.define_boxed(key, content);
        }
        let body = self.target(body);
        self.builder.ins().jump(body, &[]);
    }

    /// The next element of a mapped array; goes to `done` at the end of an array of either form, to `host` at a hole.
    fn next_mapped(
        &mut self,
        (array, elements): (ir::Value, Kinds),
        at: ir::Value,
        (position, key, value): (Register, Option<Register>, Register),
        (host, done): (ir::Block, ir::Block),
    ) {
        let array = self.pointer(array);
        self.proceed_within(at, (array, ARRAY_ENTRIES_LENGTH_OFFSET), done);
        let entries = self.load(types::I64, array, ARRAY_ENTRIES_OFFSET);
        let octets = i64::try_from(ENTRY_OCTETS).expect("entries are small");
        let offset = self.builder.ins().imul_imm_u(at, octets);
        let entry = self.builder.ins().iadd(entries, offset);
        let found = self.load(types::I64, entry, ENTRY_KEY_OFFSET);
        let undefined = self.constant_bits(UNDEFINED);
        let is_there = self.builder.ins().icmp(IntCC::NotEqual, found, undefined);
        self.proceed_if(is_there, host);
        let element = self.load(types::I64, entry, ENTRY_VALUE_OFFSET);
        self.retain(element, elements);
        let next = self.builder.ins().iadd_imm_s(at, 1);
        self.builder
            .def_var(self.variables[position.0 as usize], next);
        self.define_boxed(value, element);
        if let Some(key) = key {
            self.retain(found, Kinds::NUMBER.or(Kinds::STRING).or(Kinds::NONE));
            self.define_boxed(key, found);
        }
    }

    /// The next element of a packed array; goes to `host` with any other, and at its end.
    fn next_packed(
        &mut self,
        (array, elements): (ir::Value, Kinds),
        at: ir::Value,
        (position, key, value): (Register, Option<Register>, Register),
        host: ir::Block,
    ) {
        let element = self.packed_element(array, elements, at, host);
        let next = self.builder.ins().iadd_imm_s(at, 1);
        self.builder
            .def_var(self.variables[position.0 as usize], next);
        self.define_boxed(value, element);
        if let Some(key) = key {
            let number = self.builder.ins().fcvt_from_sint(types::F64, at);
            self.define_number(key, number);
        }
    }
}
