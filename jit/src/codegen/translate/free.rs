//! The block of a string to whom nobody refers any more, given back to its heap.
//!
//! In: a value that is surely a string, whose last reference goes. Out: its block first in the list of free blocks of its
//! size, if it is short and of the execution's heap and has octets of its own; every other string goes the host's way.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::Translator;
use crate::boundary::layout::STATE_HEAP;
use crate::runtime::layout::{
    HEAP_FREE_OFFSET, HEAP_LIVE_OFFSET, HEAP_NUMBER_OFFSET, INFO_FLAGS_BITS, INFO_OFFSET,
    STRING_CAPACITY_OFFSET, STRING_CLASS_BIAS, STRING_CLASS_CAPACITY_MAX, STRING_CLASS_SHIFT,
};

impl Translator<'_, '_> {
    /// Frees a string of which this was the last reference and goes to `done`; goes on where it is none that machine code
    /// frees.
    pub(super) fn free_string(&mut self, value: ir::Value, done: ir::Block) {
        let other = self.builder.create_block();
        self.builder.set_cold_block(other);
        let flags = MemFlagsData::trusted().with_readonly().with_can_move();
        let heap = self
            .builder
            .ins()
            .load(types::I64, flags, self.execution, STATE_HEAP);
        let string = self.pointer(value);
        let info = self.load(types::I32, string, INFO_OFFSET);
        let number = self.load(types::I32, heap, HEAP_NUMBER_OFFSET);
        let wanted = self
            .builder
            .ins()
            .ishl_imm_u(number, i64::from(INFO_FLAGS_BITS));
        let is_plain = self.builder.ins().icmp(IntCC::Equal, info, wanted);
        self.proceed_if(is_plain, other);
        let capacity = self.load_length(string, STRING_CAPACITY_OFFSET);
        let [most, bias] = [STRING_CLASS_CAPACITY_MAX, STRING_CLASS_BIAS]
            .map(|number| i64::try_from(number).expect("small blocks are small"));
        let is_small =
            self.builder
                .ins()
                .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, capacity, most);
        self.proceed_if(is_small, other);
        let class = self.builder.ins().iadd_imm_s(capacity, bias);
        let class = self
            .builder
            .ins()
            .ushr_imm_u(class, i64::from(STRING_CLASS_SHIFT));
        let offset = self.builder.ins().ishl_imm_u(class, 3);
        let list = self.builder.ins().iadd(heap, offset);
        let next = self.load(types::I64, list, HEAP_FREE_OFFSET);
        self.store(next, string, 0);
        self.store(string, list, HEAP_FREE_OFFSET);
        let live = self.load(types::I64, heap, HEAP_LIVE_OFFSET);
        let live = self.builder.ins().iadd_imm_s(live, -1);
        self.store(live, heap, HEAP_LIVE_OFFSET);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(other);
    }
}
