//! Calls: of functions of the script, of builtins and host functions, of values; closures and cells.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::{Translator, bits};
use crate::boundary::host_calls::HostCall;
use crate::builtins::{Intrinsic, intrinsic};
use crate::infer::Kinds;
use crate::ir::{FunctionId, FunctionReference, Operand, Register};
use crate::runtime::layout::{CELL_VALUE_OFFSET, FAILED, NONE};

impl Translator<'_, '_> {
    /// Writes a count and the values into the frame; gives their address.
    pub(super) fn list(&mut self, operands: &[Operand]) -> ir::Value {
        let count = u32::try_from(operands.len()).expect("a list is bounded by the source's size");
        let values: Vec<ir::Value> = operands
            .iter()
            .map(|operand| self.boxed(*operand))
            .collect();
        self.list_of_values(count, &values)
    }

    fn list_of_values(&mut self, count: u32, values: &[ir::Value]) -> ir::Value {
        let address = self.room(count + 1);
        let count = self.builder.ins().iconst(types::I64, i64::from(count));
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), count, address, 0);
        for (index, value) in values.iter().enumerate() {
            let offset =
                i32::try_from((index + 1) * 8).expect("a list is bounded by the source's size");
            self.builder
                .ins()
                .store(MemFlagsData::trusted(), *value, address, offset);
        }
        address
    }

    /// Calls the host with some words and a list, and writes the value to a register.
    pub(super) fn call_with_list(
        &mut self,
        call: HostCall,
        first: &[ir::Value],
        operands: &[Operand],
        into: Register,
    ) {
        let list = self.list(operands);
        let mut arguments = first.to_vec();
        arguments.push(list);
        self.call_into(call, &arguments, into);
    }

    pub(super) fn call_builtin(&mut self, into: Register, builtin: u32, arguments: &[Operand]) {
        let is_done = match (intrinsic(builtin), arguments) {
            (Some(Intrinsic::Includes), [ip, network]) => {
                self.includes(into, builtin, (*ip, *network))
            }
            (Some(known), [argument]) => self.intrinsic(into, builtin, known, *argument),
            _ => false,
        };
        if is_done {
            return;
        }
        let value = self.builtin_by_host(builtin, arguments);
        self.define_boxed(into, value);
    }

    pub(super) fn builtin_by_host(&mut self, builtin: u32, arguments: &[Operand]) -> ir::Value {
        let builtin = self.index(builtin);
        let list = self.list(arguments);
        self.call_host(HostCall::call_builtin, &[builtin, list])
            .expect("call_builtin has a result")
    }

    pub(super) fn call_user(
        &mut self,
        into: Register,
        function: FunctionId,
        arguments: &[Register],
        this: Option<Operand>,
    ) {
        let environment = match this {
            Some(this) => self.boxed(this),
            None => self.constant_bits(NONE),
        };
        let mut all = vec![self.execution, environment];
        for argument in arguments {
            all.push(self.boxed(Operand::Register(*argument)));
        }
        let callee = self.import(self.shared.functions[function.0 as usize]);
        self.hand_over_fuel();
        let call = self.builder.ins().call(callee, &all);
        self.take_fuel();
        let result = self.builder.inst_results(call)[0];
        let failed = self.builder.ins().iconst(types::I64, bits(FAILED));
        let failed = self.builder.ins().icmp(IntCC::Equal, result, failed);
        self.fail_if(failed);
        self.define_boxed(into, result);
    }

    pub(super) fn closure(&mut self, into: Register, function: FunctionId, cells: &[Register]) {
        let cells: Vec<Operand> = cells.iter().map(|cell| Operand::Register(*cell)).collect();
        let function = self.index(function.0);
        self.call_with_list(HostCall::closure, &[function], &cells, into);
    }

    pub(super) fn cell_get(&mut self, into: Register, cell: Register) {
        let cell = self.register(cell);
        if !self.accesses() {
            self.call_into(HostCall::cell_get, &[cell], into);
            return;
        }
        let cell = self.pointer(cell);
        let content = self.load(types::I64, cell, CELL_VALUE_OFFSET);
        self.retain(content, Kinds::ANY_OR_UNDEFINED);
        self.define_boxed(into, content);
    }

    pub(super) fn cell_set(&mut self, cell: Register, from: Register) {
        let cell = self.register(cell);
        let content = self.boxed(Operand::Register(from));
        if self.accesses() {
            let cell = self.pointer(cell);
            let old = self.load(types::I64, cell, CELL_VALUE_OFFSET);
            self.store(content, cell, CELL_VALUE_OFFSET);
            self.release(old, Kinds::ANY_OR_UNDEFINED);
            return;
        }
        self.call_host(HostCall::cell_set, &[cell, content]);
    }

    /// A function of the script, a builtin, a host function or a class as a value; owned.
    pub(super) fn function_constant(&mut self, reference: FunctionReference) -> ir::Value {
        let (kind, index) = match reference {
            FunctionReference::User(function) => (0, function.0),
            FunctionReference::Builtin(index) => (1, index),
            FunctionReference::Host(index) => (2, index),
            FunctionReference::Class(index) => (3, index),
        };
        let kind = self.index(kind);
        let index = self.index(index);
        self.call_host(HostCall::function_value, &[kind, index])
            .expect("function_value has a result")
    }
}
