//! Parts put behind strings by machine code.
//!
//! In: a variable and the parts, which may be strings. Inline is the common case: parts of at most [`APPENDED_MAX`] octets,
//! behind a string that has room for them and is nobody else's. Everything else goes the host's way, errors included.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use cranelift_module::Module;

use super::Translator;
use super::text::{word_of, words_over};
use crate::infer::Kinds;
use crate::ir::{Operand, Register};
use crate::runtime::layout::{
    REFCOUNT_OFFSET, STRING_CAPACITY_OFFSET, STRING_DATA_OFFSET, STRING_HASH_OFFSET,
    STRING_LENGTH_OFFSET, TAG_STRING,
};

/// Parts up to this length are appended by machine code: less than what counts as a unit of work.
const APPENDED_MAX: i64 = 64;

/// A part to be appended.
enum Addend {
    Known(Vec<u8>),
    Part {
        octets: ir::Value,
        length: ir::Value,
    },
}

impl Translator<'_, '_> {
    /// Appends parts to a string that has room for them and is nobody else's; goes to `slow` with anything else.
    pub(super) fn append_in_place(
        &mut self,
        variable: Register,
        parts: &[Operand],
        slow: ir::Block,
    ) {
        let value = self.boxed(Operand::Register(variable));
        if !self.kinds(Operand::Register(variable)).is(Kinds::STRING) {
            let is_string = self.has_tag(value, TAG_STRING);
            self.proceed_if(is_string, slow);
        }
        let string = self.pointer(value);
        let count = self.load(types::I32, string, REFCOUNT_OFFSET);
        let unique = self.builder.ins().icmp_imm_u(IntCC::Equal, count, 1);
        self.proceed_if(unique, slow);
        let mut measured = Vec::new();
        let length = self.load_length(string, STRING_LENGTH_OFFSET);
        let mut end = length;
        for part in parts {
            let addend = self.addend(*part, slow);
            end = match &addend {
                Addend::Known(text) => {
                    let length = i64::try_from(text.len()).expect("it is short");
                    self.builder.ins().iadd_imm_s(end, length)
                }
                Addend::Part { length, .. } => self.builder.ins().iadd(end, *length),
            };
            measured.push(addend);
        }
        let capacity = self.load_length(string, STRING_CAPACITY_OFFSET);
        let fits = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, end, capacity);
        self.proceed_if(fits, slow);
        let octets = self.load(types::I64, string, STRING_DATA_OFFSET);
        let mut place = self.builder.ins().iadd(octets, length);
        for addend in measured {
            place = self.put(place, &addend);
        }
        let end = self.builder.ins().ireduce(types::I32, end);
        self.store(end, string, STRING_LENGTH_OFFSET);
        // The stamp goes with the hash.
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.store(zero, string, STRING_HASH_OFFSET);
    }

    /// A part to be appended: a short text that is known, or a value that is a short string.
    fn addend(&mut self, part: Operand, slow: ir::Block) -> Addend {
        if let Some(text) = self.short_text(part) {
            return Addend::Known(text);
        }
        let value = self.boxed(part);
        if !self.kinds(part).is(Kinds::STRING) {
            let is_string = self.has_tag(value, TAG_STRING);
            self.proceed_if(is_string, slow);
        }
        let string = self.pointer(value);
        let length = self.load_length(string, STRING_LENGTH_OFFSET);
        let short =
            self.builder
                .ins()
                .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, length, APPENDED_MAX);
        self.proceed_if(short, slow);
        let octets = self.load(types::I64, string, STRING_DATA_OFFSET);
        Addend::Part { octets, length }
    }

    /// Writes a part to a place; the place behind it.
    fn put(&mut self, place: ir::Value, addend: &Addend) -> ir::Value {
        match addend {
            Addend::Known(text) => {
                for (offset, size) in words_over(text.len()) {
                    let (kind, pattern) = word_of(&text[offset..offset + size]);
                    let word = self.constant_bits(pattern);
                    let word = if kind == types::I64 {
                        word
                    } else {
                        self.builder.ins().ireduce(kind, word)
                    };
                    self.store(word, place, offset);
                }
                let length = i64::try_from(text.len()).expect("it is short");
                self.builder.ins().iadd_imm_s(place, length)
            }
            Addend::Part { octets, length } => {
                let (one, several, done) = (
                    self.builder.create_block(),
                    self.builder.create_block(),
                    self.builder.create_block(),
                );
                let single = self.builder.ins().icmp_imm_u(IntCC::Equal, *length, 1);
                self.builder.ins().brif(single, one, &[], several, &[]);
                self.builder.switch_to_block(one);
                let octet = self.load(types::I8, *octets, 0);
                self.store(octet, place, 0);
                self.builder.ins().jump(done, &[]);
                self.builder.switch_to_block(several);
                let target = self.shared.module.target_config();
                self.builder.call_memcpy(target, place, *octets, *length);
                self.builder.ins().jump(done, &[]);
                self.builder.switch_to_block(done);
                self.builder.ins().iadd(place, *length)
            }
        }
    }
}
