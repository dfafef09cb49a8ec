//! Statements.
//!
//! In: statements of the tree. Out: how control goes on after them ([`Flow`]).
//! Does not know what `cache` and `barrier` keep between runs: that is `process`.
//!
//! HSL manual: structures.

use super::stop::{At, Evaluated, fail, refuse};
use super::walker::Walker;
use crate::error::ErrorKind;
use crate::runtime::{Value, compare};
use crate::source::Span;
use crate::syntax::ast::{Expression, Identifier, Statement, StatementKind, SwitchArm, Target};

/// How control goes on after a statement.
#[derive(Debug)]
pub(super) enum Flow {
    /// With the next statement.
    Next,
    /// Behind the innermost loop or switch.
    Break,
    /// With the next round of the innermost loop.
    Continue,
    /// Behind the call of the function.
    Return(Value),
}

impl Walker<'_> {
    pub(super) fn statements(&mut self, statements: &[Statement]) -> Evaluated<Flow> {
        for statement in statements {
            match self.statement(statement)? {
                Flow::Next => {}
                flow @ (Flow::Break | Flow::Continue | Flow::Return(_)) => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    pub(super) fn statement(&mut self, statement: &Statement) -> Evaluated<Flow> {
        self.descend(statement.span)?;
        let flow = self.dispatch_statement(statement);
        self.ascend();
        flow
    }

    fn dispatch_statement(&mut self, statement: &Statement) -> Evaluated<Flow> {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Expression(expression) => self.drop_value(expression),
            StatementKind::Echo(expression) => self.echo(expression),
            StatementKind::Block(statements) => self.statements(statements),
            StatementKind::Empty | StatementKind::Function(_) | StatementKind::Class(_) => {
                Ok(Flow::Next)
            }
            StatementKind::If {
                condition,
                then,
                otherwise,
            } => self.if_else(condition, then, otherwise.as_deref()),
            StatementKind::While { condition, body } => {
                self.repeat(Some(condition), None, body, span)
            }
            StatementKind::For {
                initial,
                condition,
                next,
                body,
            } => {
                if let Some(initial) = initial {
                    self.expression(initial)?;
                }
                self.repeat(condition.as_ref(), next.as_ref(), body, span)
            }
            StatementKind::Forever(body) => self.repeat(None, None, body, span),
            StatementKind::Foreach {
                subject,
                key,
                value,
                body,
            } => self.foreach(subject, key.as_ref(), value, body, span),
            StatementKind::Switch { subject, arms } => self.switch(subject, arms),
            StatementKind::Break => Ok(Flow::Break),
            StatementKind::Continue => Ok(Flow::Continue),
            StatementKind::Return(value) => self.return_value(value.as_ref()),
            StatementKind::Global(names) => self.global(names),
            StatementKind::Include { .. } => refuse("a file that was not put in its place", span),
            StatementKind::Import(import) => self.import(import, span),
            StatementKind::Barrier { name, shared, body } => {
                self.barrier(name, shared.as_ref(), body)
            }
        }
    }

    fn drop_value(&mut self, expression: &Expression) -> Evaluated<Flow> {
        self.expression(expression)?;
        Ok(Flow::Next)
    }

    fn echo(&mut self, expression: &Expression) -> Evaluated<Flow> {
        let value = self.expression(expression)?;
        self.print(&value).at(expression.span)?;
        Ok(Flow::Next)
    }

    fn if_else(
        &mut self,
        condition: &Expression,
        then: &Statement,
        otherwise: Option<&Statement>,
    ) -> Evaluated<Flow> {
        if self.expression(condition)?.truthy() {
            return self.statement(then);
        }
        otherwise.map_or(Ok(Flow::Next), |otherwise| self.statement(otherwise))
    }

    /// `while`, `for` behind its first part, and `forever`.
    fn repeat(
        &mut self,
        condition: Option<&Expression>,
        next: Option<&Expression>,
        body: &Statement,
        span: Span,
    ) -> Evaluated<Flow> {
        loop {
            if let Some(condition) = condition
                && !self.expression(condition)?.truthy()
            {
                return Ok(Flow::Next);
            }
            self.charge(1, span)?;
            match self.statement(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                flow @ Flow::Return(_) => return Ok(flow),
            }
            if let Some(next) = next {
                self.expression(next)?;
            }
        }
    }

    fn foreach(
        &mut self,
        subject: &Expression,
        key: Option<&Target>,
        value: &Target,
        body: &Statement,
        span: Span,
    ) -> Evaluated<Flow> {
        // Holding the array makes whoever writes to it write to a copy.
        let held = self.expression(subject)?;
        let Some(array) = held.as_array() else {
            return fail(ErrorKind::NotIterable { got: held.kind() }, subject.span);
        };
        let mut position = 0;
        while let Some((after, element_key, element)) = array.next(position) {
            position = after;
            self.charge(1, span)?;
            if let Some(key) = key {
                let element_key = element_key.to_value().at(key.span)?;
                self.assign_target(key, element_key)?;
            }
            self.assign_target(value, element.clone())?;
            match self.statement(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                flow @ Flow::Return(_) => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn switch(&mut self, subject: &Expression, arms: &[SwitchArm]) -> Evaluated<Flow> {
        let value = self.expression(subject)?;
        let mut chosen = arms.iter().position(|arm| arm.test.is_none());
        for (index, arm) in arms.iter().enumerate() {
            let Some(test) = &arm.test else { continue };
            let case = self.expression(test)?;
            if compare::loose_equal(&value, &case).at(test.span)? {
                chosen = Some(index);
                break;
            }
        }
        let Some(chosen) = chosen else {
            return Ok(Flow::Next);
        };
        for arm in &arms[chosen..] {
            match self.statements(&arm.body)? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                flow @ (Flow::Continue | Flow::Return(_)) => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn return_value(&mut self, value: Option<&Expression>) -> Evaluated<Flow> {
        let value = value.map_or(Ok(Value::NONE), |value| self.expression(value))?;
        Ok(Flow::Return(value))
    }

    fn global(&mut self, names: &[Identifier]) -> Evaluated<Flow> {
        if self.at_top_level() {
            return Ok(Flow::Next);
        }
        for Identifier { name, span } in names {
            let shared = self.module_frame().cell(name).at(*span)?;
            let local = self.frame().cell(name).at(*span)?;
            if !local.is_same(&shared) && self.frame().read(name).is_some() {
                return refuse("global: the function has a variable of this name", *span);
            }
            self.frame().share(name, shared);
        }
        Ok(Flow::Next)
    }
}
