//! Operators: inline on numbers, through the host for everything else.
//!
//! Where inference knows both operands the check is gone; elsewhere it is two comparisons before the same instructions.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};

use super::Translator;
use super::integer::EXACT_MAX;
use crate::boundary::host_calls::HostCall;
use crate::infer::{Kinds, Representation, small_integer};
use crate::ir::{Operand, Register};
use crate::runtime::layout::{FALSE, TRUE};
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// How an operator works on two numbers.
enum Numeric {
    /// Gives a number.
    Number,
    /// Compares.
    Comparison(FloatCC),
    /// Has no inline form.
    None,
}

fn numeric(operator: BinaryOperator) -> Numeric {
    match operator {
        BinaryOperator::Power
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulus
        | BinaryOperator::Add
        | BinaryOperator::Subtract
        | BinaryOperator::ShiftLeft
        | BinaryOperator::ShiftRight
        | BinaryOperator::BitAnd
        | BinaryOperator::BitXor
        | BinaryOperator::BitOr => Numeric::Number,
        BinaryOperator::Less => Numeric::Comparison(FloatCC::LessThan),
        BinaryOperator::Greater => Numeric::Comparison(FloatCC::GreaterThan),
        BinaryOperator::LessOrEqual => Numeric::Comparison(FloatCC::LessThanOrEqual),
        BinaryOperator::GreaterOrEqual => Numeric::Comparison(FloatCC::GreaterThanOrEqual),
        BinaryOperator::Equal | BinaryOperator::Identical => Numeric::Comparison(FloatCC::Equal),
        BinaryOperator::NotEqual | BinaryOperator::NotIdentical => {
            Numeric::Comparison(FloatCC::NotEqual)
        }
        BinaryOperator::Concatenate | BinaryOperator::Match | BinaryOperator::NotMatch => {
            Numeric::None
        }
    }
}

impl Translator<'_, '_> {
    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        into: Register,
        left: Operand,
        right: Operand,
    ) {
        if self.integers(operator, into, left, right) {
            return;
        }
        if let Some(truth) = self.compare_integers(operator, left, right) {
            self.define_truth(into, truth);
            return;
        }
        if let Some(truth) = self.equals_text(operator, left, right) {
            self.define_truth(into, truth);
            return;
        }
        let both = self.kinds(left).is(Kinds::NUMBER) && self.kinds(right).is(Kinds::NUMBER);
        match numeric(operator) {
            Numeric::Number if both => {
                let number = self.numbers_of(operator, left, right);
                self.define_number(into, number);
            }
            Numeric::Comparison(condition) if both => {
                let left = self.number(left);
                let right = self.number(right);
                let truth = self.builder.ins().fcmp(condition, left, right);
                self.define_truth(into, truth);
            }
            Numeric::Number if self.may_be_numbers(left, right) => {
                self.number_or_host(operator, into, (left, right), HostCall::binary);
            }
            Numeric::Comparison(condition) if self.may_be_numbers(left, right) => {
                self.compare_or_host(operator, condition, into, left, right);
            }
            Numeric::Comparison(_) if self.may_be_strings(operator, left, right) => {
                let done = self.builder.create_block();
                self.builder.append_block_param(done, types::I8);
                let values = (self.boxed(left), self.boxed(right));
                let strings = self.kinds(left).or(self.kinds(right)).and(Kinds::STRING);
                self.compare_by_host(operator, Some(strings), values, done);
                let truth = self.builder.block_params(done)[0];
                self.define_truth(into, truth);
            }
            Numeric::Number | Numeric::Comparison(_) | Numeric::None => {
                let value = self.binary_by_host(operator, left, right);
                self.define_boxed(into, value);
            }
        }
    }

    fn may_be_numbers(&self, left: Operand, right: Operand) -> bool {
        self.kinds(left).meets(Kinds::NUMBER) && self.kinds(right).meets(Kinds::NUMBER)
    }

    pub(super) fn binary_by_host(
        &mut self,
        operator: BinaryOperator,
        left: Operand,
        right: Operand,
    ) -> ir::Value {
        let operator = self.index(operator as u32);
        let left = self.boxed(left);
        let right = self.boxed(right);
        self.call_host(HostCall::binary, &[operator, left, right])
            .expect("binary has a result")
    }

    /// Whether both operands are numbers, where that is not known.
    fn guard(&mut self, left: Operand, right: Operand) -> ir::Value {
        let mut guard = None;
        for operand in [left, right] {
            if !self.kinds(operand).is(Kinds::NUMBER) {
                let value = self.boxed(operand);
                let is_number = self.is_number(value);
                guard = Some(match guard {
                    Some(other) => self.builder.ins().band(other, is_number),
                    None => is_number,
                });
            }
        }
        guard.unwrap_or_else(|| self.builder.ins().iconst(types::I8, 1))
    }

    /// The operator inline when both operands are numbers, else by the host. The result is not boxed on its way to a
    /// register that holds a number.
    fn number_or_host(
        &mut self,
        operator: BinaryOperator,
        into: Register,
        (left, right): (Operand, Operand),
        slow: HostCall,
    ) {
        let guard = self.guard(left, right);
        let is_number = self.representation(into) == Representation::Number;
        let value = self.inline_or_host(
            guard,
            if is_number { types::F64 } else { types::I64 },
            |this| {
                let number = this.numbers_of(operator, left, right);
                match is_number {
                    true => number,
                    false => this.box_number(number),
                }
            },
            |this| {
                let operator = this.index(operator as u32);
                let (left, right) = (this.boxed(left), this.boxed(right));
                let value = this
                    .call_host(slow, &[operator, left, right])
                    .expect("operators have a result");
                match is_number {
                    true => this.unbox_number(value),
                    false => value,
                }
            },
        );
        match is_number {
            true => self.define_number(into, value),
            false => self.define_boxed(into, value),
        }
    }

    fn compare_or_host(
        &mut self,
        operator: BinaryOperator,
        condition: FloatCC,
        into: Register,
        left: Operand,
        right: Operand,
    ) {
        let strings = self.may_be_strings(operator, left, right).then(|| {
            let kinds = self.kinds(left).or(self.kinds(right));
            kinds.and(Kinds::STRING)
        });
        let guard = self.guard(left, right);
        let (fast, slow, done) = (
            self.builder.create_block(),
            self.builder.create_block(),
            self.builder.create_block(),
        );
        if strings.is_none() {
            self.builder.set_cold_block(slow);
        }
        self.builder.append_block_param(done, types::I8);
        self.builder.ins().brif(guard, fast, &[], slow, &[]);
        self.builder.switch_to_block(fast);
        let one = self.number(left);
        let other = self.number(right);
        let truth = self.builder.ins().fcmp(condition, one, other);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(slow);
        let values = (self.boxed(left), self.boxed(right));
        self.compare_by_host(operator, strings, values, done);
        let truth = self.builder.block_params(done)[0];
        self.define_truth(into, truth);
    }

    /// Compares values of any kind, equal strings by machine code; goes on in `done` with the answer.
    fn compare_by_host(
        &mut self,
        operator: BinaryOperator,
        strings: Option<Kinds>,
        (left, right): (ir::Value, ir::Value),
        done: ir::Block,
    ) {
        if let Some(strings) = strings {
            let other = self.builder.create_block();
            self.builder.set_cold_block(other);
            let negated = matches!(
                operator,
                BinaryOperator::NotEqual | BinaryOperator::NotIdentical
            );
            self.equal_strings(negated, strings, (left, right), (other, done));
            self.builder.switch_to_block(other);
        }
        let operator = self.index(operator as u32);
        let value = self
            .call_host(HostCall::binary, &[operator, left, right])
            .expect("binary has a result");
        let truth = self.unbox_truth(value);
        self.builder.ins().jump(done, &[truth.into()]);
        self.builder.switch_to_block(done);
    }

    /// Whether machine code looks for two strings that are compared for equality.
    fn may_be_strings(&self, operator: BinaryOperator, left: Operand, right: Operand) -> bool {
        let equality = matches!(
            operator,
            BinaryOperator::Equal
                | BinaryOperator::NotEqual
                | BinaryOperator::Identical
                | BinaryOperator::NotIdentical
        );
        equality
            && self.accesses()
            && self.kinds(left).meets(Kinds::STRING)
            && self.kinds(right).meets(Kinds::STRING)
    }

    /// What `inline` computes where `guard` holds, else what `by_host` does.
    fn inline_or_host(
        &mut self,
        guard: ir::Value,
        kind: ir::Type,
        inline: impl FnOnce(&mut Self) -> ir::Value,
        by_host: impl FnOnce(&mut Self) -> ir::Value,
    ) -> ir::Value {
        let fast = self.builder.create_block();
        let (slow, done) = self.slow_and_done();
        self.builder.append_block_param(done, kind);
        self.builder.ins().brif(guard, fast, &[], slow, &[]);
        self.builder.switch_to_block(fast);
        let value = inline(self);
        self.builder.ins().jump(done, &[value.into()]);
        self.builder.switch_to_block(slow);
        let value = by_host(self);
        self.builder.ins().jump(done, &[value.into()]);
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    /// An operator on two operands that are numbers here.
    fn numbers_of(&mut self, operator: BinaryOperator, left: Operand, right: Operand) -> ir::Value {
        let one = self.number(left);
        if let Some(divisor) = divisor(operator, right) {
            return self.remainder_by(one, divisor);
        }
        let other = self.number(right);
        self.numbers(operator, one, other)
    }

    /// An operator on two doubles.
    fn numbers(
        &mut self,
        operator: BinaryOperator,
        left: ir::Value,
        right: ir::Value,
    ) -> ir::Value {
        match operator {
            BinaryOperator::Add => self.builder.ins().fadd(left, right),
            BinaryOperator::Subtract => self.builder.ins().fsub(left, right),
            BinaryOperator::Multiply => self.builder.ins().fmul(left, right),
            BinaryOperator::Divide => self.builder.ins().fdiv(left, right),
            BinaryOperator::Modulus => self.remainder(left, right),
            BinaryOperator::Power => self
                .call_host(HostCall::power, &[left, right])
                .expect("power has a result"),
            BinaryOperator::ShiftLeft | BinaryOperator::ShiftRight => {
                self.shift(operator, left, right)
            }
            BinaryOperator::BitAnd => {
                self.bitwise(left, right, |ins, one, other| ins.band(one, other))
            }
            BinaryOperator::BitOr => {
                self.bitwise(left, right, |ins, one, other| ins.bor(one, other))
            }
            BinaryOperator::BitXor => {
                self.bitwise(left, right, |ins, one, other| ins.bxor(one, other))
            }
            _ => unreachable!("only operators that give a number from two numbers come here"),
        }
    }

    /// The remainder: of machine integers when both doubles are whole, positive and exact, else the host's.
    fn remainder(&mut self, left: ir::Value, right: ir::Value) -> ir::Value {
        let done = self.builder.create_block();
        self.builder.append_block_param(done, types::F64);
        let doubles = self.builder.create_block();
        let left_integer = self.positive_integer(left, doubles);
        let right_integer = self.positive_integer(right, doubles);
        let rest = self.builder.ins().urem(left_integer, right_integer);
        let rest = self.builder.ins().fcvt_from_sint(types::F64, rest);
        self.builder.ins().jump(done, &[rest.into()]);
        self.builder.switch_to_block(doubles);
        let rest = self
            .call_host(HostCall::remainder, &[left, right])
            .expect("remainder has a result");
        self.builder.ins().jump(done, &[rest.into()]);
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    /// The machine integer of a double that is whole, from 1 to 2^53; goes to `otherwise` with any other. A negative dividend
    /// may give minus zero, and a divisor that is not positive needs care: both are rare.
    fn positive_integer(&mut self, number: ir::Value, otherwise: ir::Block) -> ir::Value {
        let integer = self.builder.ins().fcvt_to_sint_sat(types::I64, number);
        let back = self.builder.ins().fcvt_from_sint(types::F64, integer);
        let whole = self.builder.ins().fcmp(FloatCC::Equal, number, back);
        let below = self.builder.ins().iadd_imm_s(integer, -1);
        let exact = self
            .builder
            .ins()
            .icmp_imm_u(IntCC::UnsignedLessThan, below, EXACT_MAX);
        let easy = self.builder.ins().band(whole, exact);
        self.proceed_if(easy, otherwise);
        integer
    }

    /// The remainder of a double by a constant that is a small positive integer.
    fn remainder_by(&mut self, left: ir::Value, divisor: i64) -> ir::Value {
        let done = self.builder.create_block();
        self.builder.append_block_param(done, types::F64);
        let doubles = self.builder.create_block();
        let integer = self.positive_integer(left, doubles);
        let right = self.builder.ins().iconst(types::I64, divisor);
        let rest = self.builder.ins().urem(integer, right);
        let rest = self.builder.ins().fcvt_from_sint(types::F64, rest);
        self.builder.ins().jump(done, &[rest.into()]);
        self.builder.switch_to_block(doubles);
        let right = self.builder.ins().iconst(types::I64, divisor);
        let right = self.builder.ins().fcvt_from_sint(types::F64, right);
        let rest = self
            .call_host(HostCall::remainder, &[left, right])
            .expect("remainder has a result");
        self.builder.ins().jump(done, &[rest.into()]);
        self.builder.switch_to_block(done);
        self.builder.block_params(done)[0]
    }

    fn bitwise(
        &mut self,
        left: ir::Value,
        right: ir::Value,
        combine: impl FnOnce(
            cranelift_frontend::FuncInstBuilder<'_, '_>,
            ir::Value,
            ir::Value,
        ) -> ir::Value,
    ) -> ir::Value {
        let left = self.cut_to_int32(left);
        let right = self.cut_to_int32(right);
        let result = combine(self.builder.ins(), left, right);
        self.builder.ins().fcvt_from_sint(types::F64, result)
    }

    fn shift(&mut self, operator: BinaryOperator, left: ir::Value, right: ir::Value) -> ir::Value {
        let left = self.cut_to_int32(left);
        let count = self.cut_to_int32(right);
        // Cranelift takes shift counts modulo the width, which is what the language says.
        let result = if operator == BinaryOperator::ShiftLeft {
            self.builder.ins().ishl(left, count)
        } else {
            self.builder.ins().sshr(left, count)
        };
        self.builder.ins().fcvt_from_sint(types::F64, result)
    }

    /// A double cut to a whole number modulo 2^32, as a signed 32-bit integer.
    pub(super) fn cut_to_int32(&mut self, number: ir::Value) -> ir::Value {
        let wide = self.builder.ins().fcvt_to_sint_sat(types::I64, number);
        // A double beyond 2^63 saturates. Taken modulo 2^32 first it does not: what remains is exact, since the remainder
        // of doubles is.
        let magnitude = self.builder.ins().fabs(number);
        let bound = self.builder.ins().f64const(9_007_199_254_740_992.0);
        let small = self.builder.ins().fcmp(FloatCC::LessThan, magnitude, bound);
        let reduce = self.builder.create_block();
        let done = self.builder.create_block();
        self.builder.append_block_param(done, types::I64);
        self.builder.set_cold_block(reduce);
        self.builder
            .ins()
            .brif(small, done, &[wide.into()], reduce, &[]);
        self.builder.switch_to_block(reduce);
        let modulus = self.builder.ins().f64const(4_294_967_296.0);
        let rest = self
            .call_host(HostCall::remainder, &[number, modulus])
            .expect("remainder has a result");
        let rest = self.builder.ins().fcvt_to_sint_sat(types::I64, rest);
        self.builder.ins().jump(done, &[rest.into()]);
        self.builder.switch_to_block(done);
        let wide = self.builder.block_params(done)[0];
        self.builder.ins().ireduce(types::I32, wide)
    }

    pub(super) fn unary(&mut self, operator: UnaryOperator, into: Register, operand: Operand) {
        if operator == UnaryOperator::Not {
            let truth = self.truth(operand);
            let negated = self.builder.ins().icmp_imm_u(IntCC::Equal, truth, 0);
            self.define_truth(into, negated);
            return;
        }
        if !self.kinds(operand).is(Kinds::NUMBER) {
            let operator = self.index(operator as u32);
            let operand = self.boxed(operand);
            self.call_into(HostCall::unary, &[operator, operand], into);
            return;
        }
        let number = self.number(operand);
        let result = match operator {
            UnaryOperator::Minus => self.builder.ins().fneg(number),
            UnaryOperator::Plus | UnaryOperator::Not => number,
            UnaryOperator::BitNot => {
                let integer = self.cut_to_int32(number);
                let inverted = self.builder.ins().bnot(integer);
                self.builder.ins().fcvt_from_sint(types::F64, inverted)
            }
        };
        self.define_number(into, result);
    }

    /// One more or one less. A number has no count, so what a variable held before needs no release.
    pub(super) fn next_number(&mut self, increment: bool, into: Register, operand: Operand) {
        let operator = if increment {
            BinaryOperator::Add
        } else {
            BinaryOperator::Subtract
        };
        if self.integers(operator, into, operand, Operand::Number(1.0)) {
            return;
        }
        if self.kinds(operand).is(Kinds::NUMBER) {
            let number = self.number(operand);
            let one = self.builder.ins().f64const(1.0);
            let result = self.numbers(operator, number, one);
            self.define_number(into, result);
            return;
        }
        let value = self.boxed(operand);
        let is_number = self.is_number(value);
        let result = self.inline_or_host(
            is_number,
            types::F64,
            |this| {
                let number = this.unbox_number(value);
                let one = this.builder.ins().f64const(1.0);
                this.numbers(operator, number, one)
            },
            |this| {
                let flag = this.index(u32::from(increment));
                let result = this
                    .call_host(HostCall::step, &[flag, value])
                    .expect("step has a result");
                this.unbox_number(result)
            },
        );
        self.define_number(into, result);
    }

    pub(super) fn update(&mut self, operator: BinaryOperator, variable: Register, right: Operand) {
        let left = Operand::Register(variable);
        if self.integers(operator, variable, left, right) {
            return;
        }
        let both = self.kinds(left).is(Kinds::NUMBER) && self.kinds(right).is(Kinds::NUMBER);
        if both && matches!(numeric(operator), Numeric::Number) {
            let number = self.numbers_of(operator, left, right);
            self.define_number(variable, number);
            return;
        }
        if matches!(numeric(operator), Numeric::Number) && self.may_be_numbers(left, right) {
            self.number_or_host(operator, variable, (left, right), HostCall::update);
            return;
        }
        let operator = self.index(operator as u32);
        let left = self.boxed(left);
        let right = self.boxed(right);
        let value = self
            .call_host(HostCall::update, &[operator, left, right])
            .expect("update has a result");
        self.define_boxed(variable, value);
    }
}

/// What a remainder is taken by, if that is known to be a small positive integer.
fn divisor(operator: BinaryOperator, right: Operand) -> Option<i64> {
    match (operator, right) {
        (BinaryOperator::Modulus, Operand::Number(divisor)) => {
            small_integer(divisor).filter(|divisor| 0 < *divisor)
        }
        _ => None,
    }
}

const _: () = assert!(TRUE == FALSE + 1, "boxing a truth value adds it to FALSE");
