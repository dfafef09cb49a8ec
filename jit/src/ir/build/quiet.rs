//! Looking at places that may not be there: `isset`, `unset`, the left side of `??`.

use super::{FunctionBuilder, Variable};
use crate::ir::{Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Register};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Name, Target, TargetKind};

impl FunctionBuilder<'_, '_> {
    /// The value of an expression in a temporary; `undefined` or none where something on the way is missing.
    pub(super) fn read_quiet(&mut self, expression: &Expression) -> Register {
        let span = expression.span;
        match &expression.kind {
            ExpressionKind::Variable(name) => self.read_unchecked(name, span),
            ExpressionKind::Subscript(..)
            | ExpressionKind::Slice(..)
            | ExpressionKind::Property(..) => {
                let (place, temporaries) = self.place_of_expression(expression);
                let into = self.temporary();
                self.emit(
                    Operation::Place {
                        into: Some(into),
                        place,
                        action: PlaceAction::ReadQuiet,
                    },
                    span,
                );
                self.discard_all(temporaries, span);
                into
            }
            _ => {
                let operand = self.expression(expression);
                self.owned(operand, span)
            }
        }
    }

    /// A copy of what a variable holds, `undefined` included.
    pub(super) fn read_unchecked(&mut self, name: &Name, span: Span) -> Register {
        match self.variable(name) {
            Variable::Local(register) => self.copy(Operand::Register(register), span),
            Variable::Cell(cell) => {
                let into = self.temporary();
                self.emit(Operation::CellGet { into, cell }, span);
                into
            }
            Variable::Predefined(index) => match self.fixed_value(index) {
                Some(fixed) => self.copy(fixed, span),
                None => {
                    let into = self.temporary();
                    self.emit(Operation::LoadPredefined { into, index }, span);
                    into
                }
            },
        }
    }

    /// A chain of subscripts as a place whose parts are evaluated, and the temporaries to give up afterwards.
    fn place_of_expression(&mut self, expression: &Expression) -> (Place, Vec<Operand>) {
        let mut chain = Vec::new();
        let mut base = expression;
        loop {
            chain.push(base);
            base = match &base.kind {
                ExpressionKind::Subscript(inner, Some(_))
                | ExpressionKind::Slice(inner, _)
                | ExpressionKind::Property(inner, _) => inner,
                _ => break,
            };
        }
        chain.pop();
        chain.reverse();
        let mut temporaries = Vec::new();
        let root = match &base.kind {
            ExpressionKind::Variable(name) => self.place_root(name),
            _ => {
                let operand = self.expression(base);
                temporaries.push(operand);
                PlaceRoot::Value(operand)
            }
        };
        let mut path = Vec::new();
        for (index, link) in chain.iter().enumerate() {
            let later = &chain[index + 1..];
            let step = match &link.kind {
                ExpressionKind::Subscript(_, Some(key)) => {
                    let key = self.held(key, later);
                    temporaries.push(key);
                    PathStep::Key(key)
                }
                ExpressionKind::Slice(_, bounds) => {
                    let bounds = self.bounds(bounds, later);
                    temporaries.extend(bounds);
                    PathStep::Slice(bounds)
                }
                ExpressionKind::Property(_, name) => {
                    PathStep::Property(self.string_id(name.name.as_bytes()))
                }
                _ => continue,
            };
            path.push(step);
        }
        (
            Place {
                root,
                path,
                accessor: self.accessor(),
            },
            temporaries,
        )
    }

    pub(super) fn place_root(&mut self, name: &Name) -> PlaceRoot {
        match self.variable(name) {
            Variable::Local(register) => PlaceRoot::Variable(register),
            Variable::Cell(register) => PlaceRoot::Cell(register),
            Variable::Predefined(index) => PlaceRoot::Predefined(index),
        }
    }

    pub(super) fn isset(&mut self, target: &Target, span: Span) -> Operand {
        match &target.kind {
            TargetKind::Variable(name) => self.is_set(name, span),
            _ => self.probe(target, PlaceAction::Isset, span),
        }
    }

    pub(super) fn unset(&mut self, target: &Target, span: Span) -> Operand {
        let TargetKind::Variable(name) = &target.kind else {
            return self.probe(target, PlaceAction::Unset, span);
        };
        let was_set = self.is_set(name, span);
        let undefined = self.temporary();
        self.emit(Operation::LoadUndefined { into: undefined }, span);
        self.store_variable(name, undefined, span);
        was_set
    }

    /// Whether a variable holds something.
    fn is_set(&mut self, name: &Name, span: Span) -> Operand {
        let into = self.temporary();
        let value = self.read_unchecked(name, span);
        self.emit(
            Operation::IsDefined {
                into,
                operand: value,
                none_is_missing: false,
            },
            span,
        );
        self.emit(Operation::Release { register: value }, span);
        Operand::Register(into)
    }

    /// What an action on a place deeper than a variable yields.
    fn probe(&mut self, target: &Target, action: PlaceAction, span: Span) -> Operand {
        let into = self.temporary();
        let (place, temporaries) = self.place_of_target(target, &[]);
        self.emit(
            Operation::Place {
                into: Some(into),
                place,
                action,
            },
            span,
        );
        self.discard_all(temporaries, span);
        Operand::Register(into)
    }
}
