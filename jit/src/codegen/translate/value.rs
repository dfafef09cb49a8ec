//! Reading and writing registers, boxing and unboxing, reference counts, kind checks.
//!
//! The layout of values is that of `runtime::layout`; here it is turned into instructions.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::{Translator, bits};
use crate::boundary::host_calls::HostCall;
use crate::boundary::layout::{STATE_CONSTANTS, STATE_PREDEFINED};
use crate::infer::{Kinds, Representation};
use crate::ir::{Operand, Register};
use crate::runtime::layout::{
    ADDRESS_MASK, FALSE, HEAP_MIN, NONE, NUMBER_MAX, REFCOUNT_IMMORTAL_SHIFT, TRUE, UNDEFINED,
};
use crate::syntax::ast::Name;

impl Translator<'_, '_> {
    /// The raw content of a register, in its own representation.
    pub(super) fn register(&mut self, register: Register) -> ir::Value {
        self.builder.use_var(self.variables[register.0 as usize])
    }

    pub(super) fn constant_bits(&mut self, pattern: u64) -> ir::Value {
        self.builder.ins().iconst(types::I64, bits(pattern))
    }

    /// An operand as a tagged value; borrowed.
    pub(super) fn boxed(&mut self, operand: Operand) -> ir::Value {
        match operand {
            Operand::Register(register) => {
                let raw = self.register(register);
                match self.representation(register) {
                    Representation::Boxed | Representation::Position => raw,
                    Representation::Number => self.box_number(raw),
                    Representation::Integer => {
                        let number = self.builder.ins().fcvt_from_sint(types::F64, raw);
                        self.box_number(number)
                    }
                    Representation::Boolean => self.box_truth(raw),
                }
            }
            Operand::Number(number) => self.constant_bits(number.to_bits()),
            Operand::Boolean(true) => self.constant_bits(TRUE),
            Operand::Boolean(false) => self.constant_bits(FALSE),
            Operand::None => self.constant_bits(NONE),
            Operand::Absent => self.constant_bits(UNDEFINED),
            Operand::Constant(constant) => {
                let flags = MemFlagsData::trusted().with_readonly().with_can_move();
                let table =
                    self.builder
                        .ins()
                        .load(types::I64, flags, self.execution, STATE_CONSTANTS);
                let offset = i32::try_from(constant.0 * 8)
                    .expect("constants are bounded by the source's size");
                self.builder.ins().load(types::I64, flags, table, offset)
            }
            Operand::Function(reference) => self.function_constant(reference),
        }
    }

    pub(super) fn box_number(&mut self, number: ir::Value) -> ir::Value {
        self.builder
            .ins()
            .bitcast(types::I64, MemFlagsData::new(), number)
    }

    pub(super) fn unbox_number(&mut self, value: ir::Value) -> ir::Value {
        self.builder
            .ins()
            .bitcast(types::F64, MemFlagsData::new(), value)
    }

    /// `FALSE` and `TRUE` differ by one.
    pub(super) fn box_truth(&mut self, truth: ir::Value) -> ir::Value {
        let wide = self.builder.ins().uextend(types::I64, truth);
        let base = self.constant_bits(FALSE);
        self.builder.ins().iadd(base, wide)
    }

    pub(super) fn unbox_truth(&mut self, value: ir::Value) -> ir::Value {
        let true_bits = self.constant_bits(TRUE);
        self.builder.ins().icmp(IntCC::Equal, value, true_bits)
    }

    /// The double in an operand that is surely a number.
    pub(super) fn number(&mut self, operand: Operand) -> ir::Value {
        match operand {
            Operand::Number(number) => self.builder.ins().f64const(number),
            Operand::Register(register)
                if self.representation(register) == Representation::Number =>
            {
                self.register(register)
            }
            Operand::Register(register)
                if self.representation(register) == Representation::Integer =>
            {
                let integer = self.register(register);
                self.builder.ins().fcvt_from_sint(types::F64, integer)
            }
            _ => {
                let value = self.boxed(operand);
                self.unbox_number(value)
            }
        }
    }

    /// Whether a tagged value is a number.
    pub(super) fn is_number(&mut self, value: ir::Value) -> ir::Value {
        let limit = self.constant_bits(NUMBER_MAX);
        self.builder
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, value, limit)
    }

    fn is_counted(&mut self, value: ir::Value) -> ir::Value {
        let limit = self.constant_bits(HEAP_MIN);
        self.builder
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, value, limit)
    }

    /// Writes a tagged value to a register, unboxing as its representation asks.
    pub(super) fn define_boxed(&mut self, into: Register, value: ir::Value) {
        let value = match self.representation(into) {
            Representation::Boxed | Representation::Position => value,
            Representation::Number => self.unbox_number(value),
            Representation::Integer => {
                let number = self.unbox_number(value);
                self.builder.ins().fcvt_to_sint_sat(types::I64, number)
            }
            Representation::Boolean => self.unbox_truth(value),
        };
        self.builder.def_var(self.variables[into.0 as usize], value);
    }

    /// Writes a double to a register, boxing as its representation asks.
    pub(super) fn define_number(&mut self, into: Register, number: ir::Value) {
        let value = match self.representation(into) {
            Representation::Number => number,
            Representation::Integer => self.builder.ins().fcvt_to_sint_sat(types::I64, number),
            Representation::Boxed | Representation::Boolean | Representation::Position => {
                self.box_number(number)
            }
        };
        self.builder.def_var(self.variables[into.0 as usize], value);
    }

    /// Writes a truth value (an 8-bit 0 or 1) to a register, boxing as its representation asks.
    pub(super) fn define_truth(&mut self, into: Register, truth: ir::Value) {
        let value = match self.representation(into) {
            Representation::Boolean => truth,
            Representation::Boxed
            | Representation::Number
            | Representation::Integer
            | Representation::Position => self.box_truth(truth),
        };
        self.builder.def_var(self.variables[into.0 as usize], value);
    }

    /// Writes an operand that is surely a number to a register that holds a machine integer.
    fn define_number_of(&mut self, into: Register, from: Operand) {
        match self.integer(from) {
            Some(integer) => self.define_integer(into, integer),
            None => {
                let number = self.number(from);
                self.define_number(into, number);
            }
        }
    }

    pub(super) fn copy(&mut self, into: Register, from: Operand) {
        let kinds = self.kinds(from);
        match (self.representation(into), from) {
            (Representation::Integer, _) => self.define_number_of(into, from),
            (Representation::Number, _) => {
                let number = self.number(from);
                self.builder
                    .def_var(self.variables[into.0 as usize], number);
            }
            (Representation::Boolean, _) => {
                let truth = self.truth(from);
                self.define_truth(into, truth);
            }
            (Representation::Boxed | Representation::Position, Operand::Function(_)) => {
                // Function values are made anew each time, so this one is owned already.
                let value = self.boxed(from);
                self.define_boxed(into, value);
            }
            (Representation::Boxed | Representation::Position, _) => {
                let value = self.boxed(from);
                self.retain(value, kinds);
                self.define_boxed(into, value);
            }
        }
    }

    pub(super) fn assign(&mut self, variable: Register, from: Register) {
        let new = Operand::Register(from);
        match self.representation(variable) {
            Representation::Number => {
                let number = self.number(new);
                self.define_number(variable, number);
            }
            Representation::Integer => self.define_number_of(variable, new),
            Representation::Boolean => {
                let truth = self.truth(new);
                self.define_truth(variable, truth);
            }
            Representation::Boxed | Representation::Position => {
                let kinds = self.kinds(Operand::Register(variable));
                // What is not counted is not even read: it need not be kept until here.
                let releases = kinds.may_be_counted() && !self.is_held(variable);
                let old = releases.then(|| self.register(variable));
                let value = self.boxed(new);
                self.define_boxed(variable, value);
                if let Some(old) = old {
                    self.release(old, kinds);
                }
            }
        }
    }

    pub(super) fn release_register(&mut self, register: Register) {
        let kinds = self.release_kinds(register);
        let is_counted = kinds.may_be_counted() && !self.is_held(register);
        if self.representation(register) == Representation::Boxed && is_counted {
            let value = self.register(register);
            self.release(value, kinds);
        }
    }

    /// The kinds that matter for a release: a cell is always counted, whatever inference says of what it holds.
    fn release_kinds(&self, register: Register) -> Kinds {
        match self.function.registers[register.0 as usize] {
            crate::ir::RegisterInfo::Cell(_) => Kinds::ANY,
            _ => self.kinds(Operand::Register(register)),
        }
    }

    /// Adds a reference, unless the value surely has no count.
    pub(super) fn retain(&mut self, value: ir::Value, kinds: Kinds) {
        if !kinds.may_be_counted() {
            return;
        }
        let surely = kinds.within(
            Kinds::STRING
                .or(Kinds::ARRAY)
                .or(Kinds::FUNCTION)
                .or(Kinds::OBJECT),
        );
        let done = self.builder.create_block();
        if !surely {
            let counted = self.is_counted(value);
            let add = self.builder.create_block();
            self.builder.ins().brif(counted, add, &[], done, &[]);
            self.builder.switch_to_block(add);
        }
        let pointer = self.pointer(value);
        let count = self
            .builder
            .ins()
            .load(types::I32, MemFlagsData::trusted(), pointer, 0);
        let one = self.reference(count);
        let count = self.builder.ins().iadd(count, one);
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), count, pointer, 0);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// What a reference adds to a count: one, or nothing to that of a constant.
    fn reference(&mut self, count: ir::Value) -> ir::Value {
        let immortal = i64::from(REFCOUNT_IMMORTAL_SHIFT);
        let immortal = self.builder.ins().ushr_imm_u(count, immortal);
        self.builder.ins().bxor_imm_u(immortal, 1)
    }

    /// Whether what is translated stands outside of the loops of a function that has some: then it is no part of the time.
    fn is_beside_loops(&self) -> bool {
        self.loops.as_ref().is_some_and(|inside| !inside[self.at.0])
    }

    /// Drops a reference, unless the value surely has no count. The last one is dropped by the host.
    pub(super) fn release(&mut self, value: ir::Value, kinds: Kinds) {
        if !kinds.may_be_counted() {
            return;
        }
        if self.is_beside_loops() {
            self.call_host(HostCall::release, &[value]);
            return;
        }
        let drop_one = self.builder.create_block();
        let last = self.builder.create_block();
        let others = self.builder.create_block();
        let done = self.builder.create_block();
        let counted = self.is_counted(value);
        self.builder.ins().brif(counted, drop_one, &[], done, &[]);
        self.builder.switch_to_block(drop_one);
        let pointer = self.pointer(value);
        let count = self
            .builder
            .ins()
            .load(types::I32, MemFlagsData::trusted(), pointer, 0);
        let is_last = self.builder.ins().icmp_imm_u(IntCC::Equal, count, 1);
        self.builder.ins().brif(is_last, last, &[], others, &[]);
        self.builder.switch_to_block(others);
        let one = self.reference(count);
        let fewer = self.builder.ins().isub(count, one);
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), fewer, pointer, 0);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(last);
        let counted = kinds.without(Kinds::PLAIN.or(Kinds::UNDEFINED));
        if self.accesses() && counted.is(Kinds::STRING) {
            self.free_string(value, done);
        }
        self.call_host(HostCall::release, &[value]);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    pub(super) fn pointer(&mut self, value: ir::Value) -> ir::Value {
        let mask = self.constant_bits(ADDRESS_MASK);
        self.builder.ins().band(value, mask)
    }

    pub(super) fn check_defined(&mut self, register: Register, name: &Name) {
        if !self
            .kinds(Operand::Register(register))
            .meets(Kinds::UNDEFINED)
        {
            return;
        }
        let value = self.register(register);
        let undefined = self.constant_bits(UNDEFINED);
        let missing = self.builder.ins().icmp(IntCC::Equal, value, undefined);
        let report = self.builder.create_block();
        let next = self.builder.create_block();
        self.builder.set_cold_block(report);
        self.builder.ins().brif(missing, report, &[], next, &[]);
        self.builder.switch_to_block(report);
        let name = self.shared.tables.name(name);
        let name = self.index(name);
        self.call_host(HostCall::undefined, &[name]);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
    }

    pub(super) fn is_defined(&mut self, into: Register, operand: Register, none_is_missing: bool) {
        let value = self.boxed(Operand::Register(operand));
        let undefined = self.constant_bits(UNDEFINED);
        let mut defined = self.builder.ins().icmp(IntCC::NotEqual, value, undefined);
        if none_is_missing {
            let none = self.constant_bits(NONE);
            let not_none = self.builder.ins().icmp(IntCC::NotEqual, value, none);
            defined = self.builder.ins().band(defined, not_none);
        }
        self.define_truth(into, defined);
    }

    /// The truth of an operand, as an 8-bit 0 or 1.
    pub(super) fn truth(&mut self, operand: Operand) -> ir::Value {
        if let Operand::Boolean(truth) = operand {
            return self.builder.ins().iconst(types::I8, i64::from(truth));
        }
        if let Operand::Register(register) = operand
            && self.representation(register) == Representation::Boolean
        {
            return self.register(register);
        }
        if let Some(integer) = self.integer(operand) {
            return self.builder.ins().icmp_imm_u(IntCC::NotEqual, integer, 0);
        }
        let kinds = self.kinds(operand);
        if kinds.is(Kinds::NUMBER) {
            let number = self.number(operand);
            return self.number_truth(number);
        }
        let value = self.boxed(operand);
        if kinds.within(Kinds::BOOLEAN.or(Kinds::NONE).or(Kinds::UNDEFINED)) {
            return self.unbox_truth(value);
        }
        self.any_truth(value)
    }

    fn number_truth(&mut self, number: ir::Value) -> ir::Value {
        let zero = self.builder.ins().f64const(0.0);
        self.builder.ins().fcmp(FloatCC::NotEqual, number, zero)
    }

    fn any_truth(&mut self, value: ir::Value) -> ir::Value {
        let done = self.builder.create_block();
        self.builder.append_block_param(done, types::I8);
        let number_block = self.builder.create_block();
        let other = self.builder.create_block();
        let counted_block = self.builder.create_block();
        let plain = self.builder.create_block();
        let is_number = self.is_number(value);
        self.builder
            .ins()
            .brif(is_number, number_block, &[], other, &[]);
        self.builder.switch_to_block(number_block);
        let number = self.unbox_number(value);
        let truth = self.number_truth(number);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(other);
        let counted = self.is_counted(value);
        self.builder
            .ins()
            .brif(counted, counted_block, &[], plain, &[]);
        self.builder.switch_to_block(plain);
        let truth = self.unbox_truth(value);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(counted_block);
        let truth = self
            .call_host(HostCall::truth, &[value])
            .expect("truth has a result");
        let truth = self.builder.ins().ireduce(types::I8, truth);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    pub(super) fn load_predefined(&mut self, into: Register, index: u32) {
        let flags = MemFlagsData::trusted();
        let table = self
            .builder
            .ins()
            .load(types::I64, flags, self.execution, STATE_PREDEFINED);
        let offset =
            i32::try_from(index * 8).expect("a hook has a handful of predefined variables");
        let value = self.builder.ins().load(types::I64, flags, table, offset);
        self.retain(value, Kinds::ANY_OR_UNDEFINED);
        self.define_boxed(into, value);
    }
}
