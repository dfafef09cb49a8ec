//! Operators on machine integers: counters, positions, remainders.
//!
//! A register is held as a machine integer where inference shows that a double would hold the same number exactly. Sums that
//! pass 2^53 are made of doubles, with the double's rounding, and taken back.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};

use super::Translator;
use crate::infer::{Kinds, Representation, small_integer};
use crate::ir::{Operand, Register};
use crate::syntax::ast::BinaryOperator;

/// Up to here every whole number is a double.
pub(super) const EXACT_MAX: i64 = 1 << 53;

impl Translator<'_, '_> {
    /// The machine integer of an operand that is held as one, or is a constant that can be.
    pub(super) fn integer(&mut self, operand: Operand) -> Option<ir::Value> {
        match operand {
            Operand::Register(register)
                if self.representation(register) == Representation::Integer =>
            {
                Some(self.register(register))
            }
            Operand::Number(number) => {
                let constant = small_integer(number)?;
                Some(self.builder.ins().iconst(types::I64, constant))
            }
            _ => None,
        }
    }

    fn is_integer(&self, operand: Operand) -> bool {
        match operand {
            Operand::Register(register) => self.representation(register) == Representation::Integer,
            Operand::Number(number) => small_integer(number).is_some(),
            _ => false,
        }
    }

    /// An operator on machine integers that gives one, written to `into`; false where there is no such form.
    pub(super) fn integers(
        &mut self,
        operator: BinaryOperator,
        into: Register,
        left: Operand,
        right: Operand,
    ) -> bool {
        if self.representation(into) != Representation::Integer
            || !self.is_integer(left)
            || !self.is_integer(right)
        {
            return false;
        }
        let (Some(one), Some(other)) = (self.integer(left), self.integer(right)) else {
            return false;
        };
        let result = match operator {
            BinaryOperator::Add | BinaryOperator::Subtract => self.sum(operator, one, other),
            // Inference makes an integer of a remainder only where the dividend is not negative and the divisor positive.
            BinaryOperator::Modulus => self.builder.ins().urem(one, other),
            BinaryOperator::BitAnd | BinaryOperator::BitOr | BinaryOperator::BitXor => {
                let one = self.builder.ins().ireduce(types::I32, one);
                let other = self.builder.ins().ireduce(types::I32, other);
                let bits = match operator {
                    BinaryOperator::BitAnd => self.builder.ins().band(one, other),
                    BinaryOperator::BitOr => self.builder.ins().bor(one, other),
                    _ => self.builder.ins().bxor(one, other),
                };
                self.builder.ins().sextend(types::I64, bits)
            }
            BinaryOperator::ShiftLeft | BinaryOperator::ShiftRight => {
                let one = self.builder.ins().ireduce(types::I32, one);
                let count = self.builder.ins().ireduce(types::I32, other);
                let bits = if operator == BinaryOperator::ShiftLeft {
                    self.builder.ins().ishl(one, count)
                } else {
                    self.builder.ins().sshr(one, count)
                };
                self.builder.ins().sextend(types::I64, bits)
            }
            _ => return false,
        };
        self.define_integer(into, result);
        true
    }

    /// Compares two machine integers.
    pub(super) fn compare_integers(
        &mut self,
        operator: BinaryOperator,
        left: Operand,
        right: Operand,
    ) -> Option<ir::Value> {
        if !self.is_integer(left) || !self.is_integer(right) {
            return None;
        }
        let condition = match operator {
            BinaryOperator::Less => IntCC::SignedLessThan,
            BinaryOperator::Greater => IntCC::SignedGreaterThan,
            BinaryOperator::LessOrEqual => IntCC::SignedLessThanOrEqual,
            BinaryOperator::GreaterOrEqual => IntCC::SignedGreaterThanOrEqual,
            BinaryOperator::Equal | BinaryOperator::Identical => IntCC::Equal,
            BinaryOperator::NotEqual | BinaryOperator::NotIdentical => IntCC::NotEqual,
            _ => return None,
        };
        let one = self.integer(left)?;
        let other = self.integer(right)?;
        Some(self.builder.ins().icmp(condition, one, other))
    }

    /// A sum or difference; beyond what doubles hold exactly, the double's.
    ///
    /// Inference often knows that the result is exact: then nothing is checked.
    fn sum(&mut self, operator: BinaryOperator, one: ir::Value, other: ir::Value) -> ir::Value {
        let sum = if operator == BinaryOperator::Add {
            self.builder.ins().iadd(one, other)
        } else {
            self.builder.ins().isub(one, other)
        };
        if self.inferred.exact.has(self.at.0, self.at.1) {
            return sum;
        }
        let shifted = self.builder.ins().iadd_imm_s(sum, EXACT_MAX);
        let exact =
            self.builder
                .ins()
                .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, shifted, EXACT_MAX * 2);
        let rounded = self.builder.create_block();
        let done = self.builder.create_block();
        self.builder.append_block_param(done, types::I64);
        self.builder.set_cold_block(rounded);
        self.builder
            .ins()
            .brif(exact, done, &[sum.into()], rounded, &[]);
        self.builder.switch_to_block(rounded);
        let one = self.builder.ins().fcvt_from_sint(types::F64, one);
        let other = self.builder.ins().fcvt_from_sint(types::F64, other);
        let sum = if operator == BinaryOperator::Add {
            self.builder.ins().fadd(one, other)
        } else {
            self.builder.ins().fsub(one, other)
        };
        let sum = self.builder.ins().fcvt_to_sint_sat(types::I64, sum);
        self.builder.ins().jump(done, &[sum.into()]);
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    /// Writes a machine integer to a register, as its representation asks.
    pub(super) fn define_integer(&mut self, into: Register, integer: ir::Value) {
        if self.representation(into) == Representation::Integer {
            self.builder
                .def_var(self.variables[into.0 as usize], integer);
        } else {
            let number = self.builder.ins().fcvt_from_sint(types::F64, integer);
            self.define_number(into, number);
        }
    }

    /// The position in an array or string that a key stands for, as a machine integer, and whether it is one; `None` where
    /// the key is surely no number. Keys are cut toward zero, and what is no position is no position: of NaN the second
    /// value is false.
    pub(super) fn position(&mut self, key: Operand) -> Option<(ir::Value, Option<ir::Value>)> {
        if let Some(integer) = self.integer(key) {
            return Some((integer, None));
        }
        let kinds = self.kinds(key);
        if !kinds.meets(Kinds::NUMBER) {
            return None;
        }
        // What is no number has the bits of a NaN, so that the comparison below sees both.
        let number = if kinds.is(Kinds::NUMBER) {
            self.number(key)
        } else {
            let value = self.boxed(key);
            self.unbox_number(value)
        };
        let position = self.builder.ins().fcvt_to_sint_sat(types::I64, number);
        let ordered = self.builder.ins().fcmp(FloatCC::Ordered, number, number);
        Some((position, Some(ordered)))
    }
}
