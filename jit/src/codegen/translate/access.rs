//! Elements, lengths, texts and captured variables, read by machine code where their form allows; else by the host.
//!
//! Each fast path looks at the tag, at the form (a packed array, a position within), and takes the host's way for everything
//! else, errors included. What it does is bounded, so that it is not charged as work.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::Translator;
use crate::boundary::host_calls::HostCall;
use crate::boundary::layout::STATE_OCTETS;
use crate::builtins::Intrinsic;
use crate::infer::{Kinds, element};
use crate::ir::{Operand, Register};
use crate::optimise::Optimisation;
use crate::runtime::Kind;
use crate::runtime::layout::{
    ARRAY_LENGTH_OFFSET, ARRAY_PACKED_LENGTH_OFFSET, ARRAY_VALUES_OFFSET, STRING_DATA_OFFSET,
    STRING_LENGTH_OFFSET, TAG_ARRAY, TAG_FUNCTION, TAG_OBJECT, TAG_SHIFT, TAG_STRING,
};

impl Translator<'_, '_> {
    pub(super) fn accesses(&self) -> bool {
        self.shared.optimisations.has(Optimisation::InlineAccess)
    }

    /// A block for what is seldom or takes long anyway, out of the way of the code around it; and one where both ways meet.
    pub(super) fn slow_and_done(&mut self) -> (ir::Block, ir::Block) {
        let (slow, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(slow);
        (slow, done)
    }

    /// Goes on in a new block where the condition holds, to `otherwise` where not.
    pub(super) fn proceed_if(&mut self, condition: ir::Value, otherwise: ir::Block) {
        let next = self.builder.create_block();
        self.builder
            .ins()
            .brif(condition, next, &[], otherwise, &[]);
        self.builder.switch_to_block(next);
    }

    pub(super) fn has_tag(&mut self, value: ir::Value, tag: u64) -> ir::Value {
        let shift = i64::from(TAG_SHIFT);
        let found = self.builder.ins().ushr_imm_u(value, shift);
        self.builder
            .ins()
            .icmp_imm_u(IntCC::Equal, found, bits_of(tag))
    }

    pub(super) fn load(&mut self, kind: ir::Type, base: ir::Value, offset: usize) -> ir::Value {
        let offset = i32::try_from(offset).expect("objects are small");
        let flags = MemFlagsData::trusted();
        self.builder.ins().load(kind, flags, base, offset)
    }

    pub(super) fn store(&mut self, value: ir::Value, base: ir::Value, offset: usize) {
        let offset = i32::try_from(offset).expect("objects are small");
        let flags = MemFlagsData::trusted();
        self.builder.ins().store(flags, value, base, offset);
    }

    /// A length of 32 bits, widened.
    pub(super) fn load_length(&mut self, base: ir::Value, offset: usize) -> ir::Value {
        let length = self.load(types::I32, base, offset);
        self.builder.ins().uextend(types::I64, length)
    }

    pub(super) fn index_value(
        &mut self,
        into: Register,
        base: Operand,
        key: Operand,
        accessor: u32,
    ) {
        let kinds = self.kinds(base);
        let indexed = kinds.meets(Kinds::ARRAY.or(Kinds::STRING));
        let position = if self.accesses() && indexed {
            self.position(key)
        } else {
            None
        };
        let Some((position, ordered)) = position else {
            let base = self.boxed(base);
            let key = self.boxed(key);
            let accessor = self.index(accessor);
            self.call_into(HostCall::index, &[base, key, accessor], into);
            return;
        };
        let owner = self.boxed(base);
        let (slow, done) = self.slow_and_done();
        self.builder.append_block_param(done, types::I64);
        if let Some(ordered) = ordered {
            self.proceed_if(ordered, slow);
        }
        let mut other = slow;
        if kinds.meets(Kinds::ARRAY) {
            if !kinds.is(Kinds::ARRAY) {
                if kinds.meets(Kinds::STRING) {
                    other = self.builder.create_block();
                }
                let is_array = self.has_tag(owner, TAG_ARRAY);
                self.proceed_if(is_array, other);
            }
            let elements = element(kinds.and(Kinds::ARRAY));
            let element = self.packed_element(owner, elements, position, slow);
            self.builder.ins().jump(done, &[element.into()]);
        }
        if kinds.meets(Kinds::STRING) {
            if kinds.meets(Kinds::ARRAY) {
                self.builder.switch_to_block(other);
            }
            if !kinds.is(Kinds::STRING) {
                let is_string = self.has_tag(owner, TAG_STRING);
                self.proceed_if(is_string, slow);
            }
            let octet = self.octet_at(owner, position, slow);
            let octet = self.octet_string(octet);
            self.builder.ins().jump(done, &[octet.into()]);
        }
        self.builder.switch_to_block(slow);
        let key = self.boxed(key);
        let accessor = self.index(accessor);
        let element = self
            .call_host(HostCall::index, &[owner, key, accessor])
            .expect("index has a result");
        self.builder.ins().jump(done, &[element.into()]);
        self.builder.switch_to_block(done);
        let element = self.builder.block_params(done)[0];
        self.define_boxed(into, element);
    }

    /// Goes on where a position lies within the length at an offset of an object.
    pub(super) fn proceed_within(
        &mut self,
        position: ir::Value,
        (object, length_offset): (ir::Value, usize),
        otherwise: ir::Block,
    ) {
        let length = self.load_length(object, length_offset);
        let within = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThan, position, length);
        self.proceed_if(within, otherwise);
    }

    /// The address of an element of a packed array; goes to `slow` where there is no such position.
    pub(super) fn packed_place(
        &mut self,
        array: ir::Value,
        position: ir::Value,
        slow: ir::Block,
    ) -> ir::Value {
        self.proceed_within(position, (array, ARRAY_PACKED_LENGTH_OFFSET), slow);
        self.value_place(array, position)
    }

    /// The address of the value at a position that the block of an array has room for.
    pub(super) fn value_place(&mut self, array: ir::Value, position: ir::Value) -> ir::Value {
        let values = self.load(types::I64, array, ARRAY_VALUES_OFFSET);
        let offset = self.builder.ins().ishl_imm_u(position, 3);
        self.builder.ins().iadd(values, offset)
    }

    /// An element of a packed array whose elements are of such kinds, with a reference of its own.
    pub(super) fn packed_element(
        &mut self,
        array: ir::Value,
        kinds: Kinds,
        position: ir::Value,
        slow: ir::Block,
    ) -> ir::Value {
        let array = self.pointer(array);
        let place = self.packed_place(array, position, slow);
        let element = self.load(types::I64, place, 0);
        self.retain(element, kinds);
        element
    }

    /// The octet of a string at a position that is within; 64 bits.
    pub(super) fn octet_at(
        &mut self,
        string: ir::Value,
        position: ir::Value,
        slow: ir::Block,
    ) -> ir::Value {
        let string = self.pointer(string);
        self.proceed_within(position, (string, STRING_LENGTH_OFFSET), slow);
        let octets = self.load(types::I64, string, STRING_DATA_OFFSET);
        let place = self.builder.ins().iadd(octets, position);
        self.builder
            .ins()
            .uload8(types::I64, MemFlagsData::trusted(), place, 0)
    }

    /// The string of one octet: a constant of the thread, whose count stays what it is.
    pub(super) fn octet_string(&mut self, octet: ir::Value) -> ir::Value {
        let flags = MemFlagsData::trusted().with_readonly().with_can_move();
        let table = self
            .builder
            .ins()
            .load(types::I64, flags, self.execution, STATE_OCTETS);
        let offset = self.builder.ins().ishl_imm_u(octet, 3);
        let place = self.builder.ins().iadd(table, offset);
        self.load(types::I64, place, 0)
    }

    /// A builtin that machine code does by itself where it can; false where it can't at all.
    pub(super) fn intrinsic(
        &mut self,
        into: Register,
        builtin: u32,
        intrinsic: Intrinsic,
        argument: Operand,
    ) -> bool {
        if !self.accesses() {
            return false;
        }
        let kinds = self.kinds(argument);
        match intrinsic {
            Intrinsic::Length if kinds.meets(Kinds::STRING.or(Kinds::ARRAY)) => {
                self.length(into, builtin, argument);
            }
            Intrinsic::Ord if kinds.meets(Kinds::STRING) => self.ord(into, builtin, argument),
            Intrinsic::Chr if kinds.is(Kinds::NUMBER) => {
                let number = self.number(argument);
                let octet = self.cut_to_int32(number);
                let octet = self.builder.ins().uextend(types::I64, octet);
                let octet = self.builder.ins().band_imm_u(octet, 0xFF);
                let octet = self.octet_string(octet);
                self.define_boxed(into, octet);
            }
            Intrinsic::Is(kind) => {
                let truth = self.is_kind(argument, kind);
                self.define_truth(into, truth);
            }
            Intrinsic::Length | Intrinsic::Ord | Intrinsic::Chr | Intrinsic::Includes => {
                return false;
            }
        }
        true
    }

    fn is_kind(&mut self, argument: Operand, kind: Kind) -> ir::Value {
        let value = self.boxed(argument);
        match kind {
            Kind::Number => self.is_number(value),
            Kind::String => self.has_tag(value, TAG_STRING),
            Kind::Array => self.has_tag(value, TAG_ARRAY),
            Kind::Function => self.has_tag(value, TAG_FUNCTION),
            Kind::Object => self.has_tag(value, TAG_OBJECT),
            Kind::None => {
                let none = self.constant_bits(crate::runtime::layout::NONE);
                self.builder.ins().icmp(IntCC::Equal, value, none)
            }
            Kind::Boolean => {
                let base = self.constant_bits(crate::runtime::layout::FALSE);
                let above = self.builder.ins().isub(value, base);
                self.builder
                    .ins()
                    .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, above, 1)
            }
        }
    }

    /// The number of octets or elements.
    fn length(&mut self, into: Register, builtin: u32, argument: Operand) {
        let kinds = self.kinds(argument);
        let value = self.boxed(argument);
        let (slow, done) = self.slow_and_done();
        self.builder.append_block_param(done, types::I64);
        let sized = Kinds::STRING.or(Kinds::ARRAY);
        if !kinds.within(sized) {
            // The tags of strings and arrays follow each other, and differ in their last bit.
            let shift = i64::from(TAG_SHIFT);
            let tag = self.builder.ins().ushr_imm_u(value, shift);
            let above = self.builder.ins().iadd_imm_s(tag, -bits_of(TAG_STRING));
            let either = self
                .builder
                .ins()
                .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, above, 1);
            self.proceed_if(either, slow);
        }
        let object = self.pointer(value);
        let length = if STRING_LENGTH_OFFSET == ARRAY_LENGTH_OFFSET || kinds.is(Kinds::STRING) {
            self.load_length(object, STRING_LENGTH_OFFSET)
        } else if kinds.is(Kinds::ARRAY) {
            self.load_length(object, ARRAY_LENGTH_OFFSET)
        } else {
            let is_array = self.has_tag(value, TAG_ARRAY);
            let of_array = self.load_length(object, ARRAY_LENGTH_OFFSET);
            let of_string = self.load_length(object, STRING_LENGTH_OFFSET);
            self.builder.ins().select(is_array, of_array, of_string)
        };
        if kinds.within(sized) {
            // Nothing else comes here: the block of the slow path is not reached, the integer need not be boxed.
            self.builder.ins().jump(done, &[length.into()]);
            self.builder.switch_to_block(slow);
            self.unreachable();
            self.builder.switch_to_block(done);
            let length = self.builder.block_params(done)[0];
            self.define_integer(into, length);
            return;
        }
        let number = self.builder.ins().fcvt_from_sint(types::F64, length);
        let number = self.box_number(number);
        self.builder.ins().jump(done, &[number.into()]);
        self.builder.switch_to_block(slow);
        let result = self.builtin_by_host(builtin, &[argument]);
        self.builder.ins().jump(done, &[result.into()]);
        self.builder.switch_to_block(done);
        let result = self.builder.block_params(done)[0];
        self.define_boxed(into, result);
    }

    /// The first octet of a string.
    fn ord(&mut self, into: Register, builtin: u32, argument: Operand) {
        let kinds = self.kinds(argument);
        let value = self.boxed(argument);
        let (slow, done) = self.slow_and_done();
        self.builder.append_block_param(done, types::I64);
        if !kinds.is(Kinds::STRING) {
            let is_string = self.has_tag(value, TAG_STRING);
            self.proceed_if(is_string, slow);
        }
        let first = self.builder.ins().iconst(types::I64, 0);
        let octet = self.octet_at(value, first, slow);
        let number = self.builder.ins().fcvt_from_sint(types::F64, octet);
        let number = self.box_number(number);
        self.builder.ins().jump(done, &[number.into()]);
        self.builder.switch_to_block(slow);
        let result = self.builtin_by_host(builtin, &[argument]);
        self.builder.ins().jump(done, &[result.into()]);
        self.builder.switch_to_block(done);
        let result = self.builder.block_params(done)[0];
        self.define_boxed(into, result);
    }
}

/// A tag as Cranelift's immediates want it.
fn bits_of(tag: u64) -> i64 {
    i64::try_from(tag).expect("tags have sixteen bits")
}
