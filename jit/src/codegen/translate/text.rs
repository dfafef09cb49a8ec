//! Texts compared by machine code.
//!
//! In: operands that may be strings. What is inline is bounded: a text of at most [`COMPARED_MAX`] octets that is known when
//! compiling. Everything else goes the host's way, errors included.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};

use super::Translator;
use crate::boundary::host_calls::HostCall;
use crate::infer::Kinds;
use crate::ir::{Constant, Instruction, Operand, Operation, Register};
use crate::runtime::layout::{STRING_DATA_OFFSET, STRING_LENGTH_OFFSET, TAG_STRING};
use crate::source::Span;
use crate::syntax::ast::BinaryOperator;

/// Texts up to this length are compared with a constant by machine code.
const COMPARED_MAX: usize = 32;

/// Where the octets of a slice with known bounds begin, and which lengths of the string go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// From an offset on; the string has at least so many octets.
    From { offset: u32, at_least: u32 },
    /// From an offset to the end; the string has exactly so many octets.
    Rest { offset: u32, exactly: u32 },
    /// So many octets at the end; the string has at least that many.
    End { length: u32 },
}

impl Translator<'_, '_> {
    /// Whether two operands are equal, one of them a short text known when compiling; an 8-bit 0 or 1. `None` where machine
    /// code has no such comparison.
    pub(super) fn equals_text(
        &mut self,
        operator: BinaryOperator,
        left: Operand,
        right: Operand,
    ) -> Option<ir::Value> {
        let negated = match operator {
            BinaryOperator::Equal | BinaryOperator::Identical => false,
            BinaryOperator::NotEqual | BinaryOperator::NotIdentical => true,
            _ => return None,
        };
        if !self.accesses() {
            return None;
        }
        let (other, text) = match (self.short_text(left), self.short_text(right)) {
            (_, Some(text)) => (left, text),
            (Some(text), None) => (right, text),
            (None, None) => return None,
        };
        let kinds = self.kinds(other);
        if !kinds.meets(Kinds::STRING) {
            return None;
        }
        let whole = Part::Rest {
            offset: 0,
            exactly: u32::try_from(text.len()).expect("it is short"),
        };
        let value = self.boxed(other);
        let by_host = |this: &mut Self| {
            let value = this.binary_by_host(operator, left, right);
            this.unbox_truth(value)
        };
        Some(match &*text {
            [octet] if kinds.within(Kinds::OCTET.or(Kinds::NONE)) => {
                self.octet_compared(value, (*octet, negated), by_host)
            }
            _ => self.part_compared((value, kinds), whole, (&text, negated), by_host),
        })
    }

    /// Whether a value that is none or the string of an octet is that of this one; an 8-bit 0 or 1.
    fn octet_compared(
        &mut self,
        value: ir::Value,
        (octet, negated): (u8, bool),
        by_host: impl FnOnce(&mut Self) -> ir::Value,
    ) -> ir::Value {
        let octet = self.builder.ins().iconst(types::I64, i64::from(octet));
        let octet = self.octet_string(octet);
        let (slow, done) = self.slow_and_done();
        self.builder.append_block_param(done, types::I8);
        let is_octet = self.has_tag(value, TAG_STRING);
        self.proceed_if(is_octet, slow);
        let truth = self.same_octet(negated, value, octet);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(slow);
        let truth = by_host(self);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    /// Whether two strings of octets are the same: there is only one of each.
    fn same_octet(&mut self, negated: bool, one: ir::Value, other: ir::Value) -> ir::Value {
        let condition = match negated {
            true => IntCC::NotEqual,
            false => IntCC::Equal,
        };
        self.builder.ins().icmp(condition, one, other)
    }

    /// Whether a part of a value of such kinds is a text, or is not; an 8-bit 0 or 1. What is no string goes the host's way.
    fn part_compared(
        &mut self,
        (value, kinds): (ir::Value, Kinds),
        part: Part,
        (text, negated): (&[u8], bool),
        by_host: impl FnOnce(&mut Self) -> ir::Value,
    ) -> ir::Value {
        let (slow, unequal, done) = (
            self.builder.create_block(),
            self.builder.create_block(),
            self.builder.create_block(),
        );
        self.builder.append_block_param(done, types::I8);
        if !kinds.is(Kinds::STRING) {
            let is_string = self.has_tag(value, TAG_STRING);
            self.proceed_if(is_string, slow);
        }
        let first = self.part_address(value, part, unequal);
        let equal = self.same_octets(first, text);
        let result = self.negated_if(negated, equal);
        self.builder.ins().jump(done, &[result.into()]);
        self.builder.switch_to_block(unequal);
        let result = self.builder.ins().iconst(types::I8, i64::from(negated));
        self.builder.ins().jump(done, &[result.into()]);
        self.builder.switch_to_block(slow);
        if kinds.is(Kinds::STRING) {
            self.unreachable();
        } else {
            let result = by_host(self);
            self.builder.ins().jump(done, &[result.into()]);
        }
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    fn negated_if(&mut self, negated: bool, truth: ir::Value) -> ir::Value {
        if negated {
            self.builder.ins().bxor_imm_u(truth, 1)
        } else {
            truth
        }
    }

    pub(super) fn short_text(&self, operand: Operand) -> Option<Vec<u8>> {
        let Operand::Constant(constant) = operand else {
            return None;
        };
        match self.shared.constants.get(constant.0 as usize)? {
            Constant::String(octets) if octets.len() <= COMPARED_MAX => Some(octets.to_vec()),
            _ => None,
        }
    }

    /// Whether the octets at an address are these; as many are there. Words that overlap rather than single octets.
    pub(super) fn same_octets(&mut self, address: ir::Value, text: &[u8]) -> ir::Value {
        let mut difference: Option<ir::Value> = None;
        for (offset, size) in words_over(text.len()) {
            let (kind, expected) = word_of(&text[offset..offset + size]);
            let found = self.load(kind, address, offset);
            let found = if kind == types::I64 {
                found
            } else {
                self.builder.ins().uextend(types::I64, found)
            };
            let expected = self.constant_bits(expected);
            let differs = self.builder.ins().bxor(found, expected);
            difference = Some(match difference {
                Some(before) => self.builder.ins().bor(before, differs),
                None => differs,
            });
        }
        match difference {
            Some(difference) => self.builder.ins().icmp_imm_u(IntCC::Equal, difference, 0),
            None => self.builder.ins().iconst(types::I8, 1),
        }
    }

    /// `base[first:last] == "text"`, without making the slice: the slice, what is given up behind it, the comparison, and
    /// the end of the slice are one. Gives how many instructions that were; 0 where the instructions are others.
    pub(super) fn slice_compared(&mut self, instructions: &[Instruction]) -> usize {
        let Some(found) = compared_slice(instructions) else {
            return 0;
        };
        let kinds = self.kinds(found.base);
        let Some(text) = self.short_text(found.text) else {
            return 0;
        };
        let Some(part) = part_of(found.bounds, text.len()) else {
            return 0;
        };
        if !self.accesses() || !kinds.meets(Kinds::STRING) {
            return 0;
        }
        let negated = found.operator == BinaryOperator::NotEqual
            || found.operator == BinaryOperator::NotIdentical;
        let value = self.boxed(found.base);
        let truth = self.part_compared((value, kinds), part, (&text, negated), |this| {
            this.slice_and_compare(&found, value)
        });
        self.define_truth(found.into, truth);
        self.finish_slice(&found, &instructions[..found.count]);
        found.count
    }

    /// The address of a part of a string; goes to `unequal` where the string has no such part.
    fn part_address(&mut self, value: ir::Value, part: Part, unequal: ir::Block) -> ir::Value {
        let string = self.pointer(value);
        let length = self.load_length(string, STRING_LENGTH_OFFSET);
        let (condition, bound) = match part {
            Part::From { at_least, .. } => (IntCC::UnsignedGreaterThanOrEqual, at_least),
            Part::Rest { exactly, .. } => (IntCC::Equal, exactly),
            Part::End { length } => (IntCC::UnsignedGreaterThanOrEqual, length),
        };
        let fits = self
            .builder
            .ins()
            .icmp_imm_u(condition, length, i64::from(bound));
        self.proceed_if(fits, unequal);
        let octets = self.load(types::I64, string, STRING_DATA_OFFSET);
        match part {
            Part::From { offset, .. } | Part::Rest { offset, .. } => {
                self.builder.ins().iadd_imm_s(octets, i64::from(offset))
            }
            Part::End { length: of_part } => {
                let end = self.builder.ins().iadd(octets, length);
                self.builder.ins().iadd_imm_s(end, -i64::from(of_part))
            }
        }
    }

    /// Gives up what the slice was made from, and goes on behind the instructions that were taken together.
    fn finish_slice(&mut self, found: &ComparedSlice<'_>, taken: &[Instruction]) {
        for instruction in taken {
            if let Operation::Release { register } = instruction.operation
                && register != found.slice
            {
                self.release_register(register);
            }
        }
        for instruction in taken {
            self.pass(instruction);
        }
    }

    /// The same by the host, where the base is no string.
    fn slice_and_compare(&mut self, found: &ComparedSlice<'_>, base: ir::Value) -> ir::Value {
        let before = self.span;
        self.span = found.slice_span;
        let [first, last, step] = found.bounds.map(|bound| self.boxed(bound));
        let slice = self
            .call_host(HostCall::slice, &[base, first, last, step])
            .expect("slice has a result");
        self.span = found.span;
        let text = self.boxed(found.text);
        let (left, right) = if found.is_left {
            (slice, text)
        } else {
            (text, slice)
        };
        let operator = self.index(found.operator as u32);
        let value = self
            .call_host(HostCall::binary, &[operator, left, right])
            .expect("binary has a result");
        self.release(slice, Kinds::ANY);
        self.span = before;
        self.unbox_truth(value)
    }

    /// Whether two values are equal strings of such kinds, where machine code can tell: goes on to `other` with anything
    /// else. Jumps to `done` with the answer.
    pub(super) fn equal_strings(
        &mut self,
        negated: bool,
        kinds: Kinds,
        (left, right): (ir::Value, ir::Value),
        (other, done): (ir::Block, ir::Block),
    ) {
        let left_is_string = self.has_tag(left, TAG_STRING);
        let right_is_string = self.has_tag(right, TAG_STRING);
        let both = self.builder.ins().band(left_is_string, right_is_string);
        self.proceed_if(both, other);
        if kinds.is(Kinds::OCTET) {
            let truth = self.same_octet(negated, left, right);
            self.builder.ins().jump(done, &[truth.into()]);
            return;
        }
        let (equal, different, unequal) = (
            self.builder.create_block(),
            self.builder.create_block(),
            self.builder.create_block(),
        );
        let same = self.builder.ins().icmp(IntCC::Equal, left, right);
        self.builder.ins().brif(same, equal, &[], different, &[]);
        self.builder.switch_to_block(different);
        let (one, two) = (self.pointer(left), self.pointer(right));
        let one_length = self.load(types::I32, one, STRING_LENGTH_OFFSET);
        let two_length = self.load(types::I32, two, STRING_LENGTH_OFFSET);
        let as_long = self
            .builder
            .ins()
            .icmp(IntCC::Equal, one_length, two_length);
        self.proceed_if(as_long, unequal);
        // Single octets are what loops over texts compare.
        let single = self.builder.ins().icmp_imm_u(IntCC::Equal, one_length, 1);
        self.proceed_if(single, other);
        let one_octets = self.load(types::I64, one, STRING_DATA_OFFSET);
        let two_octets = self.load(types::I64, two, STRING_DATA_OFFSET);
        let one_octet = self.load(types::I8, one_octets, 0);
        let two_octet = self.load(types::I8, two_octets, 0);
        let same = self.builder.ins().icmp(IntCC::Equal, one_octet, two_octet);
        self.builder.ins().brif(same, equal, &[], unequal, &[]);
        for (block, truth) in [(equal, !negated), (unequal, negated)] {
            self.builder.switch_to_block(block);
            let truth = self.builder.ins().iconst(types::I8, i64::from(truth));
            self.builder.ins().jump(done, &[truth.into()]);
        }
    }
}

/// A slice that is only compared with a text.
struct ComparedSlice<'a> {
    base: Operand,
    bounds: &'a [Operand; 3],
    slice: Register,
    slice_span: Span,
    operator: BinaryOperator,
    into: Register,
    text: Operand,
    /// Whether the slice stands left of the operator.
    is_left: bool,
    span: Span,
    /// How many instructions this is.
    count: usize,
}

/// Finds a slice, the ends of temporaries that it was made from, a comparison with a constant, and the end of the slice.
fn compared_slice(instructions: &[Instruction]) -> Option<ComparedSlice<'_>> {
    let (first, rest) = instructions.split_first()?;
    let Operation::Slice { into, base, bounds } = &first.operation else {
        return None;
    };
    let released = rest
        .iter()
        .take_while(
            |one| matches!(one.operation, Operation::Release { register } if register != *into),
        )
        .count();
    let [comparison, end, ..] = &rest[released..] else {
        return None;
    };
    let slice = Operand::Register(*into);
    let Operation::Binary {
        operator,
        into: truth,
        left,
        right,
    } = &comparison.operation
    else {
        return None;
    };
    let equality = matches!(
        operator,
        BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Identical
            | BinaryOperator::NotIdentical
    );
    let is_left = *left == slice;
    let text = if is_left { *right } else { *left };
    let ends = matches!(end.operation, Operation::Release { register } if register == *into);
    let one_side = is_left != (*right == slice) && matches!(text, Operand::Constant(_));
    (equality && ends && one_side).then_some(ComparedSlice {
        base: *base,
        bounds,
        slice: *into,
        slice_span: first.span,
        operator: *operator,
        into: *truth,
        text,
        is_left,
        span: comparison.span,
        count: released + 3,
    })
}

/// Where a slice with these bounds lies whose length is that of the text; `None` where that is not so simple.
fn part_of(bounds: &[Operand; 3], text: usize) -> Option<Part> {
    let text = u32::try_from(text).ok().filter(|length| 0 < *length)?;
    let [first, last, Operand::Absent] = bounds else {
        return None;
    };
    let first = match first {
        Operand::Absent => 0,
        Operand::Number(number) => small(*number)?,
        _ => return None,
    };
    match last {
        Operand::Absent if first < 0 => {
            (first.unsigned_abs() == text).then_some(Part::End { length: text })
        }
        Operand::Absent => {
            let offset = first.unsigned_abs();
            let exactly = offset + text;
            Some(Part::Rest { offset, exactly })
        }
        Operand::Number(number) => {
            let last = small(*number)?;
            let fits = 0 <= first && first < last && (last - first).unsigned_abs() == text;
            fits.then_some(Part::From {
                offset: first.unsigned_abs(),
                at_least: last.unsigned_abs(),
            })
        }
        _ => None,
    }
}

/// A bound of a slice that is a small whole number.
#[expect(clippy::cast_possible_truncation, reason = "it is small")]
fn small(number: f64) -> Option<i32> {
    (number.fract() == 0.0 && number.abs() < 1_000_000.0).then_some(number as i32)
}

/// Octets as a word of their size, lowest first.
pub(super) fn word_of(octets: &[u8]) -> (ir::Type, u64) {
    let kind = match octets.len() {
        8 => types::I64,
        4 => types::I32,
        2 => types::I16,
        _ => types::I8,
    };
    let mut word = [0; 8];
    word[..octets.len()].copy_from_slice(octets);
    (kind, u64::from_le_bytes(word))
}

/// Offsets and sizes of words that cover a text: as few as there can be, overlapping at the end.
pub(super) fn words_over(length: usize) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < length {
        let rest = length - at;
        let size = [8, 4, 2, 1]
            .into_iter()
            .find(|size| *size <= rest)
            .expect("one octet always fits");
        // A rest that is no power of two is covered by the word that ends with the text, if the text is long enough.
        let wide = rest.next_power_of_two().min(8);
        if wide != size && wide <= length {
            words.push((length - wide, wide));
            break;
        }
        words.push((at, size));
        at += size;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cover_every_octet() {
        for length in 0..=COMPARED_MAX {
            let mut covered = vec![false; length];
            for (offset, size) in words_over(length) {
                covered[offset..offset + size].fill(true);
            }
            assert!(covered.iter().all(|covered| *covered), "{length}");
        }
        assert_eq!(words_over(5), [(0, 4), (4, 1)]);
        assert_eq!(words_over(13), [(0, 8), (5, 8)]);
    }

    #[test]
    fn parts_lie_where_slices_do() {
        let number = Operand::Number;
        let part = |first, last, text| part_of(&[first, last, Operand::Absent], text);
        let from = |offset, at_least| Some(Part::From { offset, at_least });
        assert_eq!(part(number(0.0), number(5.0), 5), from(0, 5));
        assert_eq!(part(Operand::Absent, number(5.0), 5), from(0, 5));
        assert_eq!(part(number(2.0), number(5.0), 3), from(2, 5));
        assert_eq!(part(number(0.0), number(5.0), 4), None, "shorter strings");
        let end = Some(Part::End { length: 5 });
        assert_eq!(part(number(-5.0), Operand::Absent, 5), end);
        assert_eq!(part(number(-6.0), Operand::Absent, 5), None);
        let rest = Some(Part::Rest {
            offset: 2,
            exactly: 7,
        });
        assert_eq!(part(number(2.0), Operand::Absent, 5), rest);
        assert_eq!(part(number(0.5), number(5.5), 5), None);
        assert_eq!(part(number(5.0), number(0.0), 5), None);
        assert_eq!(part(number(0.0), number(0.0), 0), None);
    }
}
