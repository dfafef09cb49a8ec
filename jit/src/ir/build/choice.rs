//! Expressions that evaluate one side or the other: `and`, `or`, `? :`, `?:`, `??`, and conditions.

use super::FunctionBuilder;
use crate::ir::{BlockId, Operand, Operation, Register, Terminator};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, UnaryOperator};

impl FunctionBuilder<'_, '_> {
    pub(super) fn logic(&mut self, expression: &Expression) -> Operand {
        let span = expression.span;
        let into = self.temporary();
        let (then, otherwise, done) = (self.new_block(), self.new_block(), self.new_block());
        self.condition(expression, then, otherwise);
        self.switch_to(then);
        self.emit(
            Operation::Copy {
                into,
                from: Operand::Boolean(true),
            },
            span,
        );
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(otherwise);
        self.emit(
            Operation::Copy {
                into,
                from: Operand::Boolean(false),
            },
            span,
        );
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(done);
        Operand::Register(into)
    }

    /// Goes to `then` or `otherwise` by the truth of an expression.
    pub(super) fn condition(&mut self, expression: &Expression, then: BlockId, otherwise: BlockId) {
        match &expression.kind {
            ExpressionKind::And(left, right) => {
                let next = self.new_block();
                self.condition(left, next, otherwise);
                self.switch_to(next);
                self.condition(right, then, otherwise);
            }
            ExpressionKind::Or(left, right) => {
                let next = self.new_block();
                self.condition(left, then, next);
                self.switch_to(next);
                self.condition(right, then, otherwise);
            }
            ExpressionKind::Unary(UnaryOperator::Not, operand) => {
                self.condition(operand, otherwise, then)
            }
            _ => {
                let operand = self.expression(expression);
                self.branch(operand, then, otherwise, expression.span);
            }
        }
    }

    /// Goes by the truth of an operand, and gives it up.
    pub(super) fn branch(
        &mut self,
        operand: Operand,
        then: BlockId,
        otherwise: BlockId,
        span: Span,
    ) {
        let condition = match operand {
            Operand::Boolean(_) => operand,
            _ => {
                let into = self.temporary();
                self.emit(Operation::Truth { into, operand }, span);
                self.discard(operand, span);
                Operand::Register(into)
            }
        };
        self.terminate(
            Terminator::Branch {
                condition,
                then,
                otherwise,
            },
            span,
        );
    }

    pub(super) fn conditional(
        &mut self,
        condition: &Expression,
        then: Option<&Expression>,
        otherwise: &Expression,
        span: Span,
    ) -> Operand {
        let Some(then) = then else {
            let value = self.expression(condition);
            let value = self.owned(value, condition.span);
            let test = self.temporary();
            let operand = Operand::Register(value);
            self.emit(
                Operation::Truth {
                    into: test,
                    operand,
                },
                condition.span,
            );
            return self.value_or(value, test, otherwise, span);
        };
        let into = self.temporary();
        let (yes, no, done) = (self.new_block(), self.new_block(), self.new_block());
        self.condition(condition, yes, no);
        self.switch_to(yes);
        self.expression_into(then, into);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(no);
        self.expression_into(otherwise, into);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(done);
        Operand::Register(into)
    }

    /// The value where the test is true, else another expression; gives up both temporaries.
    fn value_or(
        &mut self,
        value: Register,
        test: Register,
        otherwise: &Expression,
        span: Span,
    ) -> Operand {
        let into = self.temporary();
        let (yes, no, done) = (self.new_block(), self.new_block(), self.new_block());
        let branch = Terminator::Branch {
            condition: Operand::Register(test),
            then: yes,
            otherwise: no,
        };
        self.terminate(branch, span);
        self.switch_to(yes);
        let from = Operand::Register(value);
        self.emit(Operation::Copy { into, from }, span);
        self.emit(Operation::Release { register: value }, span);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(no);
        self.emit(Operation::Release { register: value }, span);
        self.expression_into(otherwise, into);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(done);
        Operand::Register(into)
    }

    /// The value of an expression in a temporary that several paths write.
    fn expression_into(&mut self, expression: &Expression, into: Register) {
        let operand = self.expression(expression);
        self.emit(
            Operation::Copy {
                into,
                from: operand,
            },
            expression.span,
        );
        self.discard(operand, expression.span);
    }

    pub(super) fn coalesce(
        &mut self,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> Operand {
        let value = self.read_quiet(left);
        let test = self.temporary();
        self.emit(
            Operation::IsDefined {
                into: test,
                operand: value,
                none_is_missing: true,
            },
            left.span,
        );
        self.value_or(value, test, right, span)
    }
}
