//! Decisions between strings: by length, then by words of octets.
//!
//! The strings of one length form a tree: each level loads the next word of the value and goes on with those that have the
//! same word there, so that every octet is looked at once at most. The last word may overlap the one before it, which
//! saves a loop over what is left.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, Endianness, InstBuilder, MemFlagsData, types};
use cranelift_frontend::Switch;

use super::Translator;
use crate::infer::Kinds;
use crate::ir::{BlockId, Constant, ConstantId, Operand, Register};
use crate::runtime::layout::{STRING_DATA_OFFSET, STRING_LENGTH_OFFSET, TAG_SHIFT, TAG_STRING};

/// A string and where it leads.
type Case<'c> = (&'c [u8], ir::Block);

impl Translator<'_, '_> {
    pub(super) fn string_switch(
        &mut self,
        subject: Register,
        cases: &[(ConstantId, BlockId)],
        (otherwise, no_string): (BlockId, BlockId),
    ) {
        let constants = self.shared.constants;
        let cases: Vec<Case<'_>> = cases
            .iter()
            .map(|(constant, block)| {
                let octets: &[u8] = match &constants[constant.0 as usize] {
                    Constant::String(octets) => octets,
                    Constant::Data(_) | Constant::Array(_) => &[],
                };
                (octets, self.target(*block))
            })
            .collect();
        let (otherwise, no_string) = (self.target(otherwise), self.target(no_string));
        let kinds = self.kinds(Operand::Register(subject));
        let value = self.boxed(Operand::Register(subject));
        if !kinds.is(Kinds::STRING) {
            let tag = self.builder.ins().ushr_imm_u(value, i64::from(TAG_SHIFT));
            let string = self.builder.create_block();
            let is_string = self
                .builder
                .ins()
                .icmp_imm_u(IntCC::Equal, tag, i64::from(STRING_TAG));
            self.builder
                .ins()
                .brif(is_string, string, &[], no_string, &[]);
            self.builder.switch_to_block(string);
        }
        self.by_length(value, &cases, otherwise);
    }

    fn by_length(&mut self, value: ir::Value, cases: &[Case<'_>], otherwise: ir::Block) {
        let flags = MemFlagsData::trusted();
        let string = self.pointer(value);
        let length =
            self.builder
                .ins()
                .load(types::I32, flags, string, offset(STRING_LENGTH_OFFSET));
        let data = self
            .builder
            .ins()
            .load(types::I64, flags, string, offset(STRING_DATA_OFFSET));
        let groups = grouped(cases, |octets| octets.len() as u128);
        let mut decision = Switch::new();
        let mut blocks = Vec::with_capacity(groups.len());
        for (length, group) in &groups {
            let block = self.builder.create_block();
            decision.set_entry(*length, block);
            blocks.push((block, group));
        }
        decision.emit(&mut self.builder, length, otherwise);
        for (block, group) in blocks {
            self.builder.switch_to_block(block);
            let words = words(group[0].0.len());
            self.by_words(data, &words, group, otherwise);
        }
    }

    /// Goes to the one of strings of equal length that lies at `data`.
    fn by_words(
        &mut self,
        data: ir::Value,
        words: &[Word],
        cases: &[Case<'_>],
        otherwise: ir::Block,
    ) {
        let Some((word, rest)) = words.split_first() else {
            self.builder.ins().jump(cases[0].1, &[]);
            return;
        };
        let flags = MemFlagsData::new()
            .with_notrap()
            .with_endianness(Endianness::Little);
        let kind = match word.size {
            8 => types::I64,
            4 => types::I32,
            2 => types::I16,
            _ => types::I8,
        };
        let loaded = self
            .builder
            .ins()
            .load(kind, flags, data, offset(word.start));
        let groups = grouped(cases, |octets| word.of(octets));
        let mut decision = Switch::new();
        let mut blocks = Vec::with_capacity(groups.len());
        for (content, group) in &groups {
            let block = self.builder.create_block();
            decision.set_entry(*content, block);
            blocks.push((block, group));
        }
        decision.emit(&mut self.builder, loaded, otherwise);
        for (block, group) in blocks {
            self.builder.switch_to_block(block);
            self.by_words(data, rest, group, otherwise);
        }
    }
}

/// A piece of a string that is loaded at once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Word {
    start: usize,
    /// In octets: 1, 2, 4 or 8.
    size: usize,
}

impl Word {
    /// Its content in a string, the first octet lowest.
    fn of(self, octets: &[u8]) -> u128 {
        let octets = &octets[self.start..self.start + self.size];
        let shifted = octets.iter().rev();
        shifted.fold(0, |word, octet| word << 8 | u128::from(*octet))
    }
}

/// Words that cover a string of so many octets.
fn words(length: usize) -> Vec<Word> {
    let size = match length {
        0 => return Vec::new(),
        1 => 1,
        2..=3 => 2,
        4..=7 => 4,
        _ => 8,
    };
    let whole = (0..length / size).map(|index| Word {
        start: index * size,
        size,
    });
    let rest = (!length.is_multiple_of(size)).then(|| Word {
        start: length - size,
        size,
    });
    whole.chain(rest).collect()
}

/// The cases by what they have in common, in order.
fn grouped<'c>(cases: &[Case<'c>], common: impl Fn(&[u8]) -> u128) -> Vec<(u128, Vec<Case<'c>>)> {
    let mut groups = std::collections::BTreeMap::<u128, Vec<Case<'c>>>::new();
    for case in cases {
        groups.entry(common(case.0)).or_default().push(*case);
    }
    groups.into_iter().collect()
}

fn offset(offset: usize) -> i32 {
    i32::try_from(offset).expect("strings that are compared here are short")
}

/// The tag of a string as an immediate.
const STRING_TAG: u32 = 0xFFFC;
const _: () = assert!(STRING_TAG as u64 == TAG_STRING);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cover_every_octet() {
        for length in 0..40 {
            let words = words(length);
            for octet in 0..length {
                let covers = |word: &Word| (word.start..word.start + word.size).contains(&octet);
                assert!(words.iter().any(covers), "{octet} of {length}");
            }
            let is_inside = |word: &Word| word.start + word.size <= length;
            assert!(words.iter().all(is_inside), "{length}");
        }
        assert_eq!(
            words(3),
            [Word { start: 0, size: 2 }, Word { start: 1, size: 2 }]
        );
        assert_eq!(Word { start: 1, size: 2 }.of(b"abc"), 0x6362);
    }
}
