//! Statements: what is executed, and what never is.
//!
//! In: statements of one function. Out: their names resolved, and [`After`]: whether control goes on behind them, from
//! which unreachable code and loops that run only once are seen. HSL manual: structures.

use std::rc::Rc;

use super::{Callee, FunctionKind, Loop, Resolver};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOperator, Expression, ExpressionKind, Identifier, Statement, StatementKind, SwitchArm,
    Target, TargetKind,
};

/// What follows a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next statement, at least sometimes.
    Next,
    /// Never the next statement.
    Elsewhere,
}

impl Resolver<'_> {
    pub(super) fn statements(&mut self, statements: &[Statement]) -> After {
        let mut after = After::Next;
        let mut warned = false;
        for statement in statements {
            let runs = !matches!(
                statement.kind,
                StatementKind::Function(_) | StatementKind::Class(_) | StatementKind::Empty
            );
            if after == After::Elsewhere && runs && !warned {
                warned = true;
                self.report(Diagnostic::warning(statement.span, "this is never reached"));
            }
            if self.statement(statement) == After::Elsewhere {
                after = After::Elsewhere;
            }
        }
        after
    }

    fn statement(&mut self, statement: &Statement) -> After {
        match &statement.kind {
            StatementKind::Expression(expression) => return self.expression_statement(expression),
            StatementKind::Echo(expression) => self.expression(expression),
            StatementKind::Block(body) => return self.statements(body),
            StatementKind::Empty => {}
            StatementKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.expression(condition);
                self.warn_condition(condition);
                return self.branches(then, otherwise.as_deref());
            }
            StatementKind::While { condition, body } => {
                self.expression(condition);
                self.warn_condition(condition);
                self.body(body);
            }
            StatementKind::For {
                initial,
                condition,
                next,
                body,
            } => {
                let parts = [initial, condition].into_iter().flatten();
                parts.for_each(|part| self.expression(part));
                self.body(body);
                next.iter().for_each(|part| self.expression(part));
            }
            StatementKind::Foreach {
                subject,
                key,
                value,
                body,
            } => {
                self.expression(subject);
                let targets = key.iter().chain([value]);
                targets.for_each(|target| self.foreach_target(target));
                self.body(body);
            }
            StatementKind::Forever(body) => return self.forever(body),
            StatementKind::Switch { subject, arms } => self.switch(subject, arms),
            StatementKind::Break | StatementKind::Continue => {
                return self.jump(&statement.kind, statement.span);
            }
            StatementKind::Return(value) => {
                value.iter().for_each(|value| self.expression(value));
                return After::Elsewhere;
            }
            StatementKind::Global(names) => self.global(names, statement.span),
            StatementKind::Function(function) => self.known_function(function),
            StatementKind::Class(class) => self.class(class),
            StatementKind::Include { .. } => {
                let diagnostic =
                    Diagnostic::error(statement.span, "an anonymous function can't include a file")
                        .with_hint("include it at the top level");
                self.report(diagnostic);
            }
            // Imports of the top level were handled before the first statement; others were refused by the linker, but
            // for those it doesn't visit.
            StatementKind::Import(_) => self.import_in_function(statement.span),
            StatementKind::Barrier { name, shared, body } => {
                self.expression(name);
                shared
                    .iter()
                    .for_each(|shared| self.outside_variable(shared));
                return self.statement(body);
            }
        }
        After::Next
    }

    fn import_in_function(&mut self, span: Span) {
        if self.info().kind == FunctionKind::Anonymous {
            let diagnostic = Diagnostic::error(span, "an import can't depend on anything")
                .with_expected("imports at the top level of the script");
            self.report(diagnostic);
        }
    }

    /// A variable that something outside of the script may set: it is neither undefined nor unused.
    fn outside_variable(&mut self, identifier: &Identifier) {
        let current = self.current;
        self.write(&identifier.name, identifier.span);
        let variable = self.variable(&identifier.name, identifier.span);
        self.use_of(current, variable).linked = true;
    }

    fn foreach_target(&mut self, target: &Target) {
        self.assigned(target);
        // A loop can't leave out its value, so a value that nobody reads is no mistake.
        if let TargetKind::Variable(name) = &target.kind {
            let current = self.current;
            let variable = self.variable(name, target.span);
            self.use_of(current, variable).tested = true;
        }
    }

    fn expression_statement(&mut self, expression: &Expression) -> After {
        self.expression(expression);
        self.warn_unused_comparison(expression);
        if !self.terminates(expression) {
            return After::Next;
        }
        if let Some(enclosing) = self.loops.last()
            && !enclosing.is_switch
            && !enclosing.continues
            && !enclosing.breaks
            && enclosing.conditional_count == self.conditional_count
        {
            let diagnostic = Diagnostic::warning(
                expression.span,
                "the script ends here, so the loop runs once at most",
            )
            .with_hint("put a condition around the call, or the call behind the loop");
            self.report(diagnostic);
        }
        After::Elsewhere
    }

    /// Whether an expression is a call that ends the script.
    fn terminates(&self, expression: &Expression) -> bool {
        let ExpressionKind::Call(callee, _) = &expression.kind else {
            return false;
        };
        let ExpressionKind::FunctionName { name, builtin } = &callee.kind else {
            return false;
        };
        match self.table.callee(self.current, &name.name, *builtin) {
            Some(Callee::Host(index)) => self.environment.functions[index as usize].terminating,
            _ => false,
        }
    }

    fn conditional(&mut self, body: &Statement) -> After {
        self.conditional_count += 1;
        let after = self.statement(body);
        self.conditional_count -= 1;
        after
    }

    fn branches(&mut self, then: &Statement, otherwise: Option<&Statement>) -> After {
        let after_then = self.conditional(then);
        let after_otherwise = otherwise.map_or(After::Next, |other| self.conditional(other));
        match (after_then, after_otherwise) {
            (After::Elsewhere, After::Elsewhere) => After::Elsewhere,
            _ => After::Next,
        }
    }

    /// The body of a loop.
    fn body(&mut self, body: &Statement) -> Loop {
        self.loops.push(Loop {
            conditional_count: self.conditional_count,
            ..Loop::default()
        });
        self.statement(body);
        self.loops.pop().unwrap_or_default()
    }

    fn forever(&mut self, body: &Statement) -> After {
        match self.body(body).breaks {
            true => After::Next,
            false => After::Elsewhere,
        }
    }

    fn switch(&mut self, subject: &Expression, arms: &[SwitchArm]) {
        self.expression(subject);
        self.warn_labels(arms);
        let mut default: Option<Span> = None;
        for arm in arms {
            match (&arm.test, default) {
                (Some(test), _) => {
                    self.expression(test);
                    self.warn_comparison(BinaryOperator::Equal, subject, test, test.span);
                }
                (None, Some(first)) => {
                    let diagnostic = Diagnostic::error(arm.span, "a switch has only one `default`")
                        .with_label(first, "the first one");
                    self.report(diagnostic);
                }
                (None, None) => default = Some(arm.span),
            }
        }
        self.loops.push(Loop {
            is_switch: true,
            ..Loop::default()
        });
        self.conditional_count += 1;
        for arm in arms {
            self.statements(&arm.body);
        }
        self.conditional_count -= 1;
        self.loops.pop();
    }

    fn jump(&mut self, kind: &StatementKind, span: Span) -> After {
        if matches!(kind, StatementKind::Break) {
            match self.loops.last_mut() {
                Some(innermost) => innermost.breaks = true,
                None => self.error(span, "`break` outside of a loop or switch"),
            }
            return After::Elsewhere;
        }
        // A `continue` in a switch goes on with the loop around it.
        let enclosing = self.loops.iter_mut().rev().find(|one| !one.is_switch);
        match enclosing {
            Some(enclosing) => enclosing.continues = true,
            None => self.error(span, "`continue` outside of a loop"),
        }
        After::Elsewhere
    }

    fn global(&mut self, names: &[Identifier], span: Span) {
        if self.info().kind == FunctionKind::Main {
            let diagnostic =
                Diagnostic::warning(span, "`global` has no effect outside of functions")
                    .with_hint("variables of the main program are global already");
            return self.report(diagnostic);
        }
        let main = self.table.modules[self.info().module.index()].main;
        for Identifier { name, span } in names {
            if let Some(existing) = self.info().variable(name) {
                let first = self.info().variables[existing.index()].span;
                let message = format!("`${name}` exists in this function already");
                let diagnostic = Diagnostic::error(*span, message)
                    .with_label(first, "first here")
                    .with_hint("a `global` statement stands before the first use");
                self.report(diagnostic);
                continue;
            }
            if &**name == "this" {
                self.error(*span, "`$this` can't be global");
                continue;
            }
            let outer = self.variable_in(main, name, *span);
            if let Some(link) = self.link(&Rc::clone(name), *span, main, outer) {
                self.info_mut().globals.push(link);
            }
        }
    }
}
