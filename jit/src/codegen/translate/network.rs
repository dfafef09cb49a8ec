//! `in_network()` of an address and a network whose texts were read before.
//!
//! In: two strings. Out: whether one is in the other, by what stands beside their stamps in the tables of
//! [`crate::builtins`]. A string without a stamp, one whose place another text has taken, and everything that is no string
//! goes the host's way.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::Translator;
use crate::boundary::layout::STATE_NETWORKS;
use crate::builtins::{Seen, SeenTables};
use crate::infer::Kinds;
use crate::ir::{Operand, Register};
use crate::runtime::layout::{STRING_STAMP_OFFSET, TAG_STRING};

impl Translator<'_, '_> {
    /// Whether an address is in a network; false where machine code can't tell.
    pub(super) fn includes(
        &mut self,
        into: Register,
        builtin: u32,
        (ip, network): (Operand, Operand),
    ) -> bool {
        let both = [ip, network].map(|text| self.kinds(text));
        if !self.accesses() || both.iter().any(|kinds| !kinds.meets(Kinds::STRING)) {
            return false;
        }
        let (slow, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(slow);
        self.builder.append_block_param(done, types::I64);
        let flags = MemFlagsData::trusted().with_readonly().with_can_move();
        let tables = self
            .builder
            .ins()
            .load(types::I64, flags, self.execution, STATE_NETWORKS);
        let address = self.seen(ip, (tables, SeenTables::ADDRESSES_OFFSET), slow);
        let range = self.seen(network, (tables, SeenTables::NETWORKS_OFFSET), slow);
        let (one, other) = (
            self.load_length(address, Seen::WIDTH_OFFSET),
            self.load_length(range, Seen::WIDTH_OFFSET),
        );
        let mut differs = self.builder.ins().bxor(one, other);
        for half in [0, size_of::<u64>()] {
            let one = self.load(types::I64, address, Seen::BASE_OFFSET + half);
            let other = self.load(types::I64, range, Seen::BASE_OFFSET + half);
            let mask = self.load(types::I64, range, Seen::MASK_OFFSET + half);
            let bits = self.builder.ins().bxor(one, other);
            let bits = self.builder.ins().band(bits, mask);
            differs = self.builder.ins().bor(differs, bits);
        }
        let truth = self.builder.ins().icmp_imm_u(IntCC::Equal, differs, 0);
        let truth = self.box_truth(truth);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(slow);
        let result = self.builtin_by_host(builtin, &[ip, network]);
        self.builder.ins().jump(done, &[result.into()]);
        self.builder.switch_to_block(done);
        let result = self.builder.block_params(done)[0];
        self.define_boxed(into, result);
        true
    }

    /// The place of a text in a table; goes to `slow` where it has none.
    fn seen(
        &mut self,
        text: Operand,
        (tables, offset): (ir::Value, usize),
        slow: ir::Block,
    ) -> ir::Value {
        let value = self.boxed(text);
        if !self.kinds(text).is(Kinds::STRING) {
            let is_string = self.has_tag(value, TAG_STRING);
            self.proceed_if(is_string, slow);
        }
        let string = self.pointer(value);
        let stamp = self.load_length(string, STRING_STAMP_OFFSET);
        let [last, octets, offset] = [SeenTables::PLACES - 1, size_of::<Seen>(), offset]
            .map(|number| i64::try_from(number).expect("the tables are small"));
        let place = self.builder.ins().band_imm_u(stamp, last);
        let place = self.builder.ins().imul_imm_u(place, octets);
        let place = self.builder.ins().iadd(tables, place);
        let place = self.builder.ins().iadd_imm_s(place, offset);
        let known = self.load_length(place, Seen::STAMP_OFFSET);
        let is_known = self.builder.ins().icmp(IntCC::Equal, stamp, known);
        self.proceed_if(is_known, slow);
        place
    }
}
