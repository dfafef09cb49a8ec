//! Statements: control flow as blocks.

use std::rc::Rc;

use super::{Exit, FunctionBuilder, Loop};
use crate::ir::{BlockId, FunctionId, Operand, Operation, Register, RegisterInfo, Terminator};
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOperator, Expression, Import, Statement, StatementKind, SwitchArm, Target,
};

impl FunctionBuilder<'_, '_> {
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    pub(super) fn statement(&mut self, statement: &Statement) {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Expression(expression) => self.effect(expression),
            StatementKind::Echo(expression) => {
                let operand = self.expression(expression);
                self.emit(Operation::Echo { operand }, expression.span);
                self.discard(operand, expression.span);
            }
            StatementKind::Block(statements) => self.statements(statements),
            StatementKind::Empty
            | StatementKind::Function(_)
            | StatementKind::Class(_)
            | StatementKind::Global(_) => {}
            StatementKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.if_statement(condition, then, otherwise.as_deref(), span);
            }
            StatementKind::While { condition, body } => {
                self.while_statement(Some(condition), None, body, span)
            }
            StatementKind::For {
                initial,
                condition,
                next,
                body,
            } => {
                if let Some(initial) = initial {
                    self.effect(initial);
                }
                self.while_statement(condition.as_ref(), next.as_ref(), body, span);
            }
            StatementKind::Foreach {
                subject,
                key,
                value,
                body,
            } => {
                self.foreach_statement(subject, key.as_ref(), value, body, span);
            }
            StatementKind::Forever(body) => self.while_statement(None, None, body, span),
            StatementKind::Switch { subject, arms } => self.switch_statement(subject, arms, span),
            StatementKind::Break => self.leave_loop(span, |target| Some(target.break_to)),
            StatementKind::Continue => self.leave_loop(span, |target| target.continue_to),
            StatementKind::Return(value) => self.return_statement(value.as_ref(), span),
            StatementKind::Include { .. } => {
                self.refuse(span, "an included file was not put in place");
            }
            StatementKind::Import(import) => self.import_statement(import, span),
            StatementKind::Barrier { name, shared, body } => {
                self.barrier_statement(name, shared.as_ref(), body);
            }
        }
    }

    fn import_statement(&mut self, import: &Rc<Import>, span: Span) {
        match self.shared.resolved.module_of(import) {
            Some(module) => {
                let main = self.shared.resolved.modules[module.index()].main.index();
                let function = FunctionId(super::count(main));
                self.emit(Operation::RunModule { function }, span);
            }
            None => self.import_data(import, span),
        }
    }

    fn if_statement(
        &mut self,
        condition: &Expression,
        then: &Statement,
        otherwise: Option<&Statement>,
        span: Span,
    ) {
        let (yes, no, done) = (self.new_block(), self.new_block(), self.new_block());
        self.condition(condition, yes, no);
        self.switch_to(yes);
        self.statement(then);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(no);
        if let Some(otherwise) = otherwise {
            self.statement(otherwise);
        }
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(done);
    }

    /// `while`, `for` and `forever`: they differ in which parts they have.
    fn while_statement(
        &mut self,
        condition: Option<&Expression>,
        next: Option<&Expression>,
        body: &Statement,
        span: Span,
    ) {
        let (head, round, again, done) = (
            self.new_block(),
            self.new_block(),
            self.new_block(),
            self.new_block(),
        );
        self.terminate(Terminator::Jump(head), span);
        self.switch_to(head);
        match condition {
            Some(condition) => self.condition(condition, round, done),
            None => self.terminate(Terminator::Jump(round), span),
        }
        self.switch_to(round);
        self.emit(Operation::Fuel, span);
        self.loops.push(Loop {
            break_to: self.exit(done),
            continue_to: Some(self.exit(again)),
        });
        self.statement(body);
        self.loops.pop();
        self.terminate(Terminator::Jump(again), span);
        self.switch_to(again);
        if let Some(next) = next {
            self.effect(next);
        }
        self.terminate(Terminator::Jump(head), span);
        self.switch_to(done);
    }

    fn foreach_statement(
        &mut self,
        subject: &Expression,
        key: Option<&Target>,
        value: &Target,
        body: &Statement,
        span: Span,
    ) {
        let operand = self.expression(subject);
        let array = self.owned(operand, subject.span);
        let position = self.register(RegisterInfo::Position);
        self.emit(Operation::IterateBegin { position, array }, subject.span);
        self.kept.push(array);
        let (head, round, done) = (self.new_block(), self.new_block(), self.new_block());
        self.terminate(Terminator::Jump(head), span);
        self.switch_to(head);
        let element = self.temporary();
        let element_key = key.map(|_| self.temporary());
        let next = Terminator::IterateNext {
            array,
            position,
            key: element_key,
            value: element,
            body: round,
            done,
        };
        self.terminate(next, span);
        self.switch_to(round);
        self.emit(Operation::Fuel, span);
        if let (Some(target), Some(register)) = (key, element_key) {
            self.store_target(target, register, target.span);
        }
        self.store_target(value, element, value.span);
        self.loops.push(Loop {
            break_to: self.exit(done),
            continue_to: Some(self.exit(head)),
        });
        self.statement(body);
        self.loops.pop();
        self.terminate(Terminator::Jump(head), span);
        self.switch_to(done);
        self.kept.pop();
        self.emit(Operation::Release { register: array }, span);
    }

    fn switch_statement(&mut self, subject: &Expression, arms: &[SwitchArm], span: Span) {
        let operand = self.expression(subject);
        let subject_register = self.owned(operand, subject.span);
        let bodies: Vec<BlockId> = arms.iter().map(|_| self.new_block()).collect();
        let done = self.new_block();
        let mut default = done;
        for (arm, body) in arms.iter().zip(&bodies) {
            match &arm.test {
                Some(test) => self.switch_test(subject_register, test, *body),
                None => default = *body,
            }
        }
        self.emit(
            Operation::Release {
                register: subject_register,
            },
            span,
        );
        self.terminate(Terminator::Jump(default), span);
        let continue_to = self.loops.last().and_then(|outer| outer.continue_to);
        self.loops.push(Loop {
            break_to: self.exit(done),
            continue_to,
        });
        for (index, arm) in arms.iter().enumerate() {
            self.switch_to(bodies[index]);
            self.statements(&arm.body);
            let next = bodies.get(index + 1).copied().unwrap_or(done);
            self.terminate(Terminator::Jump(next), arm.span);
        }
        self.loops.pop();
        self.switch_to(done);
    }

    /// Goes to the arm, without the subject, when the test equals it; else on.
    fn switch_test(&mut self, subject: Register, test: &Expression, body: BlockId) {
        let operand = self.expression(test);
        let equal = self.temporary();
        let left = Operand::Register(subject);
        self.emit(
            Operation::Binary {
                operator: BinaryOperator::Equal,
                into: equal,
                left,
                right: operand,
            },
            test.span,
        );
        self.discard(operand, test.span);
        let (found, next) = (self.new_block(), self.new_block());
        let condition = Operand::Register(equal);
        self.terminate(
            Terminator::Branch {
                condition,
                then: found,
                otherwise: next,
            },
            test.span,
        );
        self.switch_to(found);
        self.emit(Operation::Release { register: subject }, test.span);
        self.terminate(Terminator::Jump(body), test.span);
        self.switch_to(next);
    }

    /// The way out of what is being built, to a block.
    fn exit(&self, to: BlockId) -> Exit {
        Exit {
            to,
            kept: self.kept.len(),
            barriers: self.barriers.len(),
        }
    }

    fn leave_loop(&mut self, span: Span, to: impl Fn(&Loop) -> Option<Exit>) {
        let Some(exit) = self.loops.last().and_then(to) else {
            self.refuse(span, "there is no loop here to leave");
            return;
        };
        self.leave_barriers(exit.barriers);
        self.give_up_kept(exit.kept, span);
        self.terminate(Terminator::Jump(exit.to), span);
        self.start_unreachable();
    }

    /// Gives up what has been kept since the first `kept`.
    fn give_up_kept(&mut self, kept: usize, span: Span) {
        for index in (kept..self.kept.len()).rev() {
            let register = self.kept[index];
            self.emit(Operation::Release { register }, span);
        }
    }

    fn return_statement(&mut self, value: Option<&Expression>, span: Span) {
        let operand = match value {
            Some(value) => self.expression(value),
            None => Operand::None,
        };
        self.leave_function(operand, span);
        self.start_unreachable();
    }

    /// Gives up everything the function holds and returns.
    pub(super) fn leave_function(&mut self, operand: Operand, span: Span) {
        let result = match operand {
            Operand::Register(_) => Operand::Register(self.owned(operand, span)),
            other => other,
        };
        self.leave_barriers(0);
        self.give_up_kept(0, span);
        for index in 0..self.registers.len() {
            if matches!(
                self.registers[index],
                RegisterInfo::Variable(_) | RegisterInfo::Cell(_)
            ) {
                let register = super::register_id(index);
                self.emit(Operation::Release { register }, span);
            }
        }
        self.terminate(Terminator::Return(result), span);
    }
}
