//! Looking at places that may not be there: `isset`, `unset`, the left side of `??`.

use super::{FunctionBuilder, Variable};
use crate::ir::{Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Register};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Identifier, Name, Slice, Target, TargetKind};

impl FunctionBuilder<'_, '_> {
    /// The value of an expression in a temporary; `undefined` or none where something on the way is missing.
    pub(super) fn read_quiet(&mut self, expression: &Expression) -> Register {
        let span = expression.span;
        match &expression.kind {
            ExpressionKind::Variable(name) => self.read_unchecked(name, span),
            ExpressionKind::StaticVariable(class, name) => {
                self.read_static_unchecked(class, name, span)
            }
            ExpressionKind::Subscript(..)
            | ExpressionKind::Slice(..)
            | ExpressionKind::Property(..) => {
                let (place, temporaries) = self.place_of_expression(expression);
                self.act_on(place, PlaceAction::ReadQuiet, temporaries, span)
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
            // What a key writes comes too late for the variable, which stands before it.
            ExpressionKind::Variable(_) | ExpressionKind::StaticVariable(..)
                if !chain.iter().all(|link| has_plain_keys(link)) =>
            {
                let operand = Operand::Register(self.read_quiet(base));
                temporaries.push(operand);
                PlaceRoot::Value(operand)
            }
            ExpressionKind::Variable(name) => self.place_root(name),
            ExpressionKind::StaticVariable(class, name) => self.static_root(class, name),
            _ => {
                let operand = self.held(base, &chain);
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
            TargetKind::Variable(name) => {
                let value = self.read_unchecked(name, span);
                self.is_set(value, span)
            }
            TargetKind::StaticVariable(class, name) => {
                let value = self.read_static_unchecked(class, name, span);
                self.is_set(value, span)
            }
            _ => self.probe(target, PlaceAction::Isset, span),
        }
    }

    pub(super) fn unset(&mut self, target: &Target, span: Span) -> Operand {
        match &target.kind {
            TargetKind::Variable(name) => {
                let value = self.read_unchecked(name, span);
                let was_set = self.is_set(value, span);
                let undefined = self.undefined(span);
                self.store_variable(name, undefined, span);
                was_set
            }
            TargetKind::StaticVariable(class, name) => {
                let PlaceRoot::Cell(cell) = self.static_root(class, name) else {
                    return self.refuse(target.span, "only a variable of a module can be unset");
                };
                let value = self.read_static_unchecked(class, name, span);
                let was_set = self.is_set(value, span);
                let from = self.undefined(span);
                self.emit(Operation::CellSet { cell, from }, span);
                was_set
            }
            _ => self.probe(target, PlaceAction::Unset, span),
        }
    }

    fn undefined(&mut self, span: Span) -> Register {
        let into = self.temporary();
        self.emit(Operation::LoadUndefined { into }, span);
        into
    }

    /// A copy of what `Class::$name` or `module::$name` holds, `undefined` included.
    fn read_static_unchecked(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
    ) -> Register {
        let root = self.static_root(class, name);
        let operand = self.read_root(&root, span);
        self.owned(operand, span)
    }

    /// Whether a temporary holds something; gives it up.
    fn is_set(&mut self, value: Register, span: Span) -> Operand {
        let into = self.temporary();
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
        let (place, temporaries) = self.place_of_target(target, &[]);
        Operand::Register(self.act_on(place, action, temporaries, span))
    }
}

/// Whether evaluating the keys of a link only looks: then no variable changes by it.
fn has_plain_keys(link: &Expression) -> bool {
    let is_plain = |key: &Expression| {
        matches!(
            key.kind,
            ExpressionKind::None
                | ExpressionKind::Boolean(_)
                | ExpressionKind::Number(_)
                | ExpressionKind::String(_)
                | ExpressionKind::Interpolation(_)
                | ExpressionKind::Variable(_)
        )
    };
    match &link.kind {
        ExpressionKind::Subscript(_, key) => key.as_deref().is_none_or(is_plain),
        ExpressionKind::Slice(_, Slice { first, last, step }) => [first, last, step]
            .into_iter()
            .all(|bound| bound.as_deref().is_none_or(is_plain)),
        _ => true,
    }
}
