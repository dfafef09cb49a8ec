//! Expressions: each becomes an operand, a temporary when it is not a constant or a variable.

use super::{FunctionBuilder, Variable};
use crate::ir::{Operand, Operation, Register, RegisterInfo};
use crate::source::Span;
use crate::syntax::ast::{
    ArrayItem, BinaryOperator, Expression, ExpressionKind, Name, Piece, Slice, UnaryOperator,
};

impl FunctionBuilder<'_, '_> {
    /// The value of an expression. A temporary in the result is the caller's to consume or discard; a variable in the
    /// result is borrowed and must be used before anything can write it.
    pub(super) fn expression(&mut self, expression: &Expression) -> Operand {
        let span = expression.span;
        match &expression.kind {
            ExpressionKind::None | ExpressionKind::Error => Operand::None,
            ExpressionKind::Boolean(truth) => Operand::Boolean(*truth),
            ExpressionKind::Number(number) => Operand::Number(*number),
            ExpressionKind::String(octets) => self.string_constant(octets),
            ExpressionKind::Interpolation(pieces) => self.interpolation(pieces, span),
            ExpressionKind::Variable(name) => self.read_variable(name, span),
            ExpressionKind::Array(items) => self.array(items, span),
            ExpressionKind::Subscript(base, Some(key)) => self.subscript(base, key, span),
            ExpressionKind::Subscript(_, None) => {
                self.refuse(span, "an empty subscript can only be assigned to")
            }
            ExpressionKind::Slice(base, bounds) => self.slice(base, bounds, span),
            ExpressionKind::Property(base, name) => self.property(base, name, span),
            ExpressionKind::StaticVariable(class, name) => self.read_static(class, name, span),
            ExpressionKind::StaticFunction(class, name) => self.static_function(class, name, span),
            ExpressionKind::FunctionName { name, builtin } => {
                self.function_value(name, *builtin, span)
            }
            ExpressionKind::Call(callee, arguments) => self.call(callee, arguments, span),
            ExpressionKind::Function(function) => self.anonymous_function(function, span),
            ExpressionKind::Cache { options, call } => self.cached_call(options, call, span),
            ExpressionKind::Unary(operator, operand) => self.unary(*operator, operand, span),
            ExpressionKind::Binary(BinaryOperator::Concatenate, ..) => {
                self.concatenation(expression)
            }
            ExpressionKind::Binary(operator, left, right) => {
                self.binary(*operator, left, right, span)
            }
            ExpressionKind::And(..) | ExpressionKind::Or(..) => self.logic(expression),
            ExpressionKind::Coalesce(left, right) => self.coalesce(left, right, span),
            ExpressionKind::Conditional {
                condition,
                then,
                otherwise,
            } => self.conditional(condition, then.as_deref(), otherwise, span),
            ExpressionKind::Assign(target, value) => self.assign(target, value, span),
            ExpressionKind::AugmentedAssign(operator, target, value) => {
                self.augmented_assign(*operator, target, value, span)
            }
            ExpressionKind::Step {
                increment,
                prefix,
                target,
            } => self.step(*increment, *prefix, target, span),
            ExpressionKind::Isset(target) => self.isset(target, span),
            ExpressionKind::Unset(target) => self.unset(target, span),
        }
    }

    /// The value of an expression for its effect only.
    pub(super) fn effect(&mut self, expression: &Expression) {
        let operand = match &expression.kind {
            // The old value is not wanted, so it need not be kept.
            ExpressionKind::Step {
                increment, target, ..
            } => self.step(*increment, true, target, expression.span),
            _ => self.expression(expression),
        };
        self.discard(operand, expression.span);
    }

    /// The value of an expression that stays what it is although `later` is evaluated before it is used.
    pub(super) fn held(&mut self, expression: &Expression, later: &[&Expression]) -> Operand {
        let operand = self.expression(expression);
        self.hold(operand, later, expression.span)
    }

    /// Copies a variable that one of the expressions may write.
    pub(super) fn hold(&mut self, operand: Operand, later: &[&Expression], span: Span) -> Operand {
        let Operand::Register(register) = operand else {
            return operand;
        };
        let variable = matches!(
            self.registers[register.0 as usize],
            RegisterInfo::Variable(_)
        );
        if variable
            && later
                .iter()
                .any(|expression| super::effects::writes(expression))
        {
            return Operand::Register(self.copy(operand, span));
        }
        operand
    }

    /// The operand in a temporary of its own.
    pub(super) fn owned(&mut self, operand: Operand, span: Span) -> Register {
        match operand {
            Operand::Register(register)
                if matches!(self.registers[register.0 as usize], RegisterInfo::Temporary) =>
            {
                register
            }
            _ => self.copy(operand, span),
        }
    }

    pub(super) fn copy(&mut self, from: Operand, span: Span) -> Register {
        let into = self.temporary();
        self.emit(Operation::Copy { into, from }, span);
        into
    }

    /// Gives up an operand that is not used further.
    pub(super) fn discard(&mut self, operand: Operand, span: Span) {
        if let Operand::Register(register) = operand
            && matches!(self.registers[register.0 as usize], RegisterInfo::Temporary)
        {
            self.emit(Operation::Release { register }, span);
        }
    }

    pub(super) fn read_variable(&mut self, name: &Name, span: Span) -> Operand {
        match self.variable(name) {
            Variable::Local(register) => {
                self.check_defined(register, name, span);
                Operand::Register(register)
            }
            Variable::Cell(cell) => {
                let into = self.temporary();
                self.emit(Operation::CellGet { into, cell }, span);
                self.check_defined(into, name, span);
                Operand::Register(into)
            }
            Variable::Predefined(index) => {
                if let Some(fixed) = self.fixed_value(index) {
                    return fixed;
                }
                let into = self.temporary();
                self.emit(Operation::LoadPredefined { into, index }, span);
                Operand::Register(into)
            }
        }
    }

    fn interpolation(&mut self, pieces: &[Piece], span: Span) -> Operand {
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Literal(octets) => self.string_constant(octets),
                Piece::Variable(variable) => self.read_variable(&variable.name, variable.span),
            });
        }
        let into = self.temporary();
        self.emit(
            Operation::Interpolate {
                into,
                parts: parts.clone(),
            },
            span,
        );
        self.discard_all(parts, span);
        Operand::Register(into)
    }

    fn concatenate(&mut self, parts: Vec<Operand>, span: Span) -> Operand {
        let into = self.temporary();
        self.emit(
            Operation::Concatenate {
                into,
                parts: parts.clone(),
            },
            span,
        );
        for part in parts {
            self.discard(part, span);
        }
        Operand::Register(into)
    }

    /// A chain of `.` joins all its operands at once, after all have been evaluated.
    fn concatenation(&mut self, expression: &Expression) -> Operand {
        let mut operands = Vec::new();
        flatten(expression, &mut operands);
        let parts = self.parts(&operands);
        self.concatenate(parts, expression.span)
    }

    /// The operands of a concatenation, evaluated left to right.
    pub(super) fn parts(&mut self, operands: &[&Expression]) -> Vec<Operand> {
        let mut parts: Vec<Operand> = Vec::new();
        for (index, operand) in operands.iter().enumerate() {
            let later = &operands[index + 1..];
            let part = self.held(operand, later);
            parts.push(part);
        }
        parts
    }

    fn array(&mut self, items: &[ArrayItem], span: Span) -> Operand {
        if let Some(constant) = self.known_array(items) {
            return constant;
        }
        let into = self.temporary();
        let capacity = u32::try_from(items.len()).unwrap_or(u32::MAX);
        self.emit(Operation::ArrayNew { into, capacity }, span);
        for item in items {
            match item {
                ArrayItem::Value(value) => {
                    let operand = self.expression(value);
                    self.emit(
                        Operation::ArrayPush {
                            array: into,
                            value: operand,
                        },
                        value.span,
                    );
                    self.discard(operand, value.span);
                }
                ArrayItem::Pair(key, value) => {
                    let key_operand = self.held(key, &[value]);
                    let value_operand = self.expression(value);
                    let insert = Operation::ArrayInsert {
                        array: into,
                        key: key_operand,
                        value: value_operand,
                    };
                    self.emit(insert, key.span);
                    self.discard(key_operand, key.span);
                    self.discard(value_operand, value.span);
                }
                ArrayItem::Spread(value) => {
                    let operand = self.expression(value);
                    self.emit(
                        Operation::ArraySpread {
                            array: into,
                            value: operand,
                        },
                        value.span,
                    );
                    self.discard(operand, value.span);
                }
            }
        }
        Operand::Register(into)
    }

    fn subscript(&mut self, base: &Expression, key: &Expression, span: Span) -> Operand {
        let base_operand = self.held(base, &[key]);
        let key_operand = self.expression(key);
        let into = self.temporary();
        self.emit(
            Operation::Index {
                into,
                base: base_operand,
                key: key_operand,
                accessor: self.accessor(),
            },
            span,
        );
        self.discard(base_operand, span);
        self.discard(key_operand, span);
        Operand::Register(into)
    }

    fn slice(&mut self, base: &Expression, bounds: &Slice, span: Span) -> Operand {
        let later = present(bounds);
        let base_operand = self.held(base, &later);
        let operands = self.bounds(bounds, &[]);
        let into = self.temporary();
        self.emit(
            Operation::Slice {
                into,
                base: base_operand,
                bounds: operands,
            },
            span,
        );
        self.discard(base_operand, span);
        for operand in operands {
            self.discard(operand, span);
        }
        Operand::Register(into)
    }

    /// The bounds of a slice.
    pub(super) fn bounds(&mut self, bounds: &Slice, later: &[&Expression]) -> [Operand; 3] {
        let all = [&bounds.first, &bounds.last, &bounds.step];
        let mut operands = [Operand::Absent; 3];
        for (index, bound) in all.iter().enumerate() {
            if let Some(bound) = bound {
                let mut after: Vec<&Expression> = all[index + 1..]
                    .iter()
                    .filter_map(|bound| bound.as_deref())
                    .collect();
                after.extend_from_slice(later);
                operands[index] = self.held(bound, &after);
            }
        }
        operands
    }

    fn unary(&mut self, operator: UnaryOperator, operand: &Expression, span: Span) -> Operand {
        let value = self.expression(operand);
        if let Some(folded) = super::fold::unary(operator, value) {
            return folded;
        }
        let into = self.temporary();
        self.emit(
            Operation::Unary {
                operator,
                into,
                operand: value,
            },
            span,
        );
        self.discard(value, span);
        Operand::Register(into)
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> Operand {
        let left_operand = self.held(left, &[right]);
        let right_operand = self.expression(right);
        self.combine(operator, left_operand, right_operand, span)
    }

    /// `left operator right`; gives up both.
    pub(super) fn combine(
        &mut self,
        operator: BinaryOperator,
        left: Operand,
        right: Operand,
        span: Span,
    ) -> Operand {
        if let Some(folded) = super::fold::binary(operator, left, right) {
            return folded;
        }
        let into = self.temporary();
        if operator == BinaryOperator::Concatenate {
            self.emit(
                Operation::Concatenate {
                    into,
                    parts: vec![left, right],
                },
                span,
            );
        } else {
            self.emit(
                Operation::Binary {
                    operator,
                    into,
                    left,
                    right,
                },
                span,
            );
        }
        self.discard(left, span);
        self.discard(right, span);
        Operand::Register(into)
    }

    pub(super) fn discard_all(&mut self, operands: Vec<Operand>, span: Span) {
        for operand in operands {
            self.discard(operand, span);
        }
    }
}

/// The operands of a chain of `.`, in order.
pub(super) fn flatten<'e>(expression: &'e Expression, operands: &mut Vec<&'e Expression>) {
    let mut chain = Vec::new();
    let mut left = expression;
    while let ExpressionKind::Binary(BinaryOperator::Concatenate, inner, right) = &left.kind {
        chain.push(&**right);
        left = inner;
    }
    operands.push(left);
    operands.extend(chain.into_iter().rev());
}

fn present(bounds: &Slice) -> Vec<&Expression> {
    [&bounds.first, &bounds.last, &bounds.step]
        .iter()
        .filter_map(|bound| bound.as_deref())
        .collect()
}
