//! What goes beyond one execution: cached calls and barriers.
//!
//! HSL manual: structures, "cache" and "barrier".

use super::FunctionBuilder;
use crate::ir::{Operand, Operation};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Identifier, Name, Statement};

/// A barrier around what is being built.
#[derive(Clone, Debug)]
pub(super) struct BarrierScope {
    shared: Option<Name>,
    span: Span,
}

impl FunctionBuilder<'_, '_> {
    pub(super) fn cached_call(
        &mut self,
        options: &Expression,
        call: &Expression,
        span: Span,
    ) -> Operand {
        let ExpressionKind::Call(callee, arguments) = &call.kind else {
            return self.refuse(span, "only a call can be cached");
        };
        let later: Vec<&Expression> = arguments.iter().map(|argument| &argument.value).collect();
        let options = self.held(options, &later);
        let function = self.expression(callee);
        let list = self.argument_array(arguments, span);
        let name = self.string_id(callee.cached_name().as_bytes());
        let into = self.temporary();
        let operation = Operation::CallCached {
            into,
            callee: function,
            name,
            options,
            arguments: list,
        };
        self.emit(operation, span);
        self.discard_all(vec![list, function, options], span);
        Operand::Register(into)
    }

    pub(super) fn barrier_statement(
        &mut self,
        name: &Expression,
        shared: Option<&Identifier>,
        body: &Statement,
    ) {
        let operand = self.expression(name);
        let before = self.temporary();
        let enter = Operation::BarrierEnter {
            into: before,
            name: operand,
            is_read: shared.is_some(),
        };
        self.emit(enter, name.span);
        self.discard(operand, name.span);
        match shared {
            Some(variable) => self.store_variable(&variable.name, before, variable.span),
            None => self.emit(Operation::Release { register: before }, name.span),
        }
        self.barriers.push(BarrierScope {
            shared: shared.map(|variable| variable.name.clone()),
            span: shared.map_or(name.span, |variable| variable.span),
        });
        self.statement(body);
        self.leave_barriers(self.barriers.len() - 1);
        self.barriers.pop();
    }

    /// Leaves the barriers that were entered after the first `kept`, the innermost first.
    pub(super) fn leave_barriers(&mut self, kept: usize) {
        for index in (kept..self.barriers.len()).rev() {
            let BarrierScope { shared, span } = self.barriers[index].clone();
            let shared = shared.map(|name| self.read_unchecked(&name, span));
            self.emit(Operation::BarrierLeave { shared }, span);
            if let Some(register) = shared {
                self.emit(Operation::Release { register }, span);
            }
        }
    }
}
