//! Taking values apart: destructuring assignments, and the targets of `foreach`.
//!
//! What is no array has no elements, so that every target gets none or its default.

use super::FunctionBuilder;
use crate::ir::{
    Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Register, Terminator,
};
use crate::source::Span;
use crate::syntax::ast::{DestructureItem, Expression, Target, TargetKind};

impl FunctionBuilder<'_, '_> {
    /// Takes a value apart. Borrows it.
    pub(super) fn destructure(&mut self, items: &[DestructureItem], value: Operand, span: Span) {
        let source = self.temporary();
        self.emit(
            Operation::AsArray {
                into: source,
                from: value,
            },
            span,
        );
        for (index, item) in items.iter().enumerate() {
            let Some(target) = &item.target else { continue };
            if item.rest {
                self.destructure_rest(target, source, index, span);
                continue;
            }
            let key = match &item.key {
                Some(key) => self.expression(key),
                None => Operand::Number(super::exact(index)),
            };
            let element = self.element_or_default(source, key, item.default.as_ref(), target.span);
            self.discard(key, target.span);
            self.store_target(target, element, target.span);
        }
        self.emit(Operation::Release { register: source }, span);
    }

    fn destructure_rest(&mut self, target: &Target, source: Register, index: usize, span: Span) {
        let into = self.temporary();
        let first = Operand::Number(super::exact(index));
        let bounds = [first, Operand::Absent, Operand::Absent];
        self.emit(
            Operation::Slice {
                into,
                base: Operand::Register(source),
                bounds,
            },
            span,
        );
        self.store_target(target, into, target.span);
    }

    /// The element of an array, or the default where it is missing; a temporary.
    fn element_or_default(
        &mut self,
        source: Register,
        key: Operand,
        default: Option<&Expression>,
        span: Span,
    ) -> Register {
        let base = Operand::Register(source);
        let into = self.temporary();
        let read = Operation::Index {
            into,
            base,
            key,
            accessor: 0,
        };
        let Some(default) = default else {
            self.emit(read, span);
            return into;
        };
        let place = Place {
            root: PlaceRoot::Value(base),
            path: vec![PathStep::Key(key)],
            accessor: 0,
        };
        let present = self.act_on(place, PlaceAction::Isset, Vec::new(), span);
        let (yes, no, done) = (self.new_block(), self.new_block(), self.new_block());
        let condition = Operand::Register(present);
        self.terminate(
            Terminator::Branch {
                condition,
                then: yes,
                otherwise: no,
            },
            span,
        );
        self.switch_to(yes);
        self.emit(read, span);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(no);
        let operand = self.expression(default);
        self.emit(
            Operation::Copy {
                into,
                from: operand,
            },
            span,
        );
        self.discard(operand, span);
        self.terminate(Terminator::Jump(done), span);
        self.switch_to(done);
        into
    }

    /// Puts a temporary into any target; consumes it.
    pub(super) fn store_target(&mut self, target: &Target, from: Register, span: Span) {
        match &target.kind {
            TargetKind::Variable(name) => self.store_variable(name, from, span),
            TargetKind::Destructure(items) => {
                self.destructure(items, Operand::Register(from), span);
                self.emit(Operation::Release { register: from }, span);
            }
            TargetKind::StaticVariable(class, name) => {
                let left = self.store_static(class, name, Operand::Register(from), span);
                self.discard(left, span);
            }
            TargetKind::Subscript(..)
            | TargetKind::Slice(..)
            | TargetKind::Property(..)
            | TargetKind::Value(_) => {
                let (place, mut temporaries) = self.place_of_target(target, &[]);
                temporaries.push(Operand::Register(from));
                self.store_to(place, Operand::Register(from), temporaries, span);
            }
        }
    }
}
