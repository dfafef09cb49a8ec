//! Assignments: to variables, to places, to several at once.
//!
//! Order: the keys of the target from left to right, then the value, then the store. A destructuring assignment
//! evaluates its value first (`destructure.rs`).

use super::{FunctionBuilder, Variable};
use crate::ir::{Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Register};
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOperator, Expression, ExpressionKind, Identifier, Name, Slice, Target, TargetKind,
};

impl FunctionBuilder<'_, '_> {
    pub(super) fn assign(&mut self, target: &Target, value: &Expression, span: Span) -> Operand {
        match &target.kind {
            TargetKind::Variable(name) => {
                if let Some(appended) = self.append_to_self(name, value) {
                    return appended;
                }
                let operand = self.expression(value);
                let register = self.owned(operand, value.span);
                self.store_variable(name, register, span);
                self.assigned_value(name, span)
            }
            TargetKind::StaticVariable(class, name) => {
                let operand = self.expression(value);
                self.store_static(class, name, operand, span)
            }
            TargetKind::Destructure(items) => {
                let operand = self.expression(value);
                let register = self.owned(operand, value.span);
                self.destructure(items, Operand::Register(register), span);
                Operand::Register(register)
            }
            TargetKind::Subscript(..)
            | TargetKind::Slice(..)
            | TargetKind::Property(..)
            | TargetKind::Value(_) => {
                let (place, mut temporaries) = self.place_of_target(target, &[value]);
                let operand = self.expression(value);
                let operand = self.apart(operand, &place, span);
                temporaries.retain(|temporary| *temporary != operand);
                self.store_to(place, operand, temporaries, span);
                operand
            }
        }
    }

    /// The operand, as a copy if it is the variable that the place is in: what is written must not be what it is written
    /// to.
    fn apart(&mut self, operand: Operand, place: &Place, span: Span) -> Operand {
        match (operand, &place.root) {
            (Operand::Register(register), PlaceRoot::Variable(root)) if register == *root => {
                Operand::Register(self.copy(operand, span))
            }
            _ => operand,
        }
    }

    /// Fails when the variable that a place is in holds nothing: what is updated must be there.
    fn check_root(&mut self, target: &Target, place: &Place) {
        let base = base_of(target);
        let name = match &base.kind {
            TargetKind::Variable(name) => name.clone(),
            TargetKind::StaticVariable(_, name) => name.name.clone(),
            _ => return,
        };
        let operand = match &place.root {
            PlaceRoot::Variable(register) => Operand::Register(*register),
            root @ PlaceRoot::Cell(_) => self.read_root(root, base.span),
            _ => return,
        };
        if let Operand::Register(register) = operand {
            self.check_defined(register, &name, base.span);
        }
        self.discard(operand, base.span);
    }

    /// Fails when a variable's register holds nothing.
    pub(super) fn check_defined(&mut self, register: Register, name: &Name, span: Span) {
        let name = name.clone();
        self.emit(Operation::CheckDefined { register, name }, span);
    }

    /// `$a = $a . b` as an append, which needs no copy of `$a`.
    fn append_to_self(&mut self, name: &Name, value: &Expression) -> Option<Operand> {
        let ExpressionKind::Binary(BinaryOperator::Concatenate, ..) = &value.kind else {
            return None;
        };
        let mut operands = Vec::new();
        super::expression::flatten(value, &mut operands);
        let first = operands.first()?;
        let is_self = matches!(&first.kind, ExpressionKind::Variable(first) if first == name);
        if !is_self
            || operands[1..]
                .iter()
                .any(|operand| super::effects::writes(operand))
        {
            return None;
        }
        let Variable::Local(register) = self.variable(name) else {
            return None;
        };
        self.check_defined(register, name, first.span);
        let parts = self.parts(&operands[1..]);
        Some(self.append(register, parts, None, value.span))
    }

    /// Puts a temporary into a variable; consumes it.
    pub(super) fn store_variable(&mut self, name: &Name, from: Register, span: Span) {
        match self.variable(name) {
            Variable::Local(variable) => self.emit(Operation::Assign { variable, from }, span),
            Variable::Cell(cell) => self.emit(Operation::CellSet { cell, from }, span),
            Variable::Predefined(index) => {
                self.emit(Operation::StorePredefined { index, from }, span)
            }
        }
    }

    /// The value of an assignment to a variable, as an operand.
    fn assigned_value(&mut self, name: &Name, span: Span) -> Operand {
        match self.variable(name) {
            Variable::Local(register) => Operand::Register(register),
            Variable::Cell(_) | Variable::Predefined(_) => {
                Operand::Register(self.read_unchecked(name, span))
            }
        }
    }

    pub(super) fn augmented_assign(
        &mut self,
        operator: BinaryOperator,
        target: &Target,
        value: &Expression,
        span: Span,
    ) -> Operand {
        match &target.kind {
            TargetKind::Variable(name) => {
                self.augment_variable(operator, name, value, target.span, span)
            }
            TargetKind::StaticVariable(class, name) => {
                let right = self.expression(value);
                let left = self.read_static(class, name, target.span);
                let result = self.combine(operator, left, right, span);
                self.store_static(class, name, result, span)
            }
            TargetKind::Destructure(_) => {
                self.refuse(target.span, "an array of targets takes a plain =")
            }
            TargetKind::Subscript(..)
            | TargetKind::Slice(..)
            | TargetKind::Property(..)
            | TargetKind::Value(_) => {
                let (place, mut temporaries) = self.place_of_target(target, &[value]);
                let right = self.expression(value);
                let right = self.apart(right, &place, span);
                temporaries.push(right);
                self.check_root(target, &place);
                let action = PlaceAction::Update { operator, right };
                Operand::Register(self.act_on(place, action, temporaries, span))
            }
        }
    }

    fn augment_variable(
        &mut self,
        operator: BinaryOperator,
        name: &Name,
        value: &Expression,
        target_span: Span,
        span: Span,
    ) -> Operand {
        if let Variable::Local(variable) = self.variable(name) {
            if operator == BinaryOperator::Concatenate && !super::effects::writes(value) {
                let mut operands = Vec::new();
                super::expression::flatten(value, &mut operands);
                let parts = self.parts(&operands);
                self.check_defined(variable, name, target_span);
                let joined = (1 < parts.len()).then_some(value.span);
                return self.append(variable, parts, joined, span);
            }
            let right = self.expression(value);
            self.check_defined(variable, name, target_span);
            self.update(operator, variable, right, span);
            return Operand::Register(variable);
        }
        let right = self.expression(value);
        let left = self.read_variable(name, target_span);
        let result = self.combine(operator, left, right, span);
        let register = self.owned(result, span);
        self.store_variable(name, register, span);
        self.assigned_value(name, span)
    }

    /// Appends the texts of operands to a variable that is known to be defined; gives them up.
    fn append(
        &mut self,
        variable: Register,
        mut parts: Vec<Operand>,
        joined: Option<Span>,
        span: Span,
    ) -> Operand {
        for part in &mut parts {
            if *part == Operand::Register(variable) {
                *part = Operand::Register(self.copy(*part, span));
            }
        }
        self.emit(
            Operation::Append {
                variable,
                parts: parts.clone(),
                joined,
            },
            span,
        );
        self.discard_all(parts, span);
        Operand::Register(variable)
    }

    /// `variable = variable operator right`; gives up `right`.
    fn update(&mut self, operator: BinaryOperator, variable: Register, right: Operand, span: Span) {
        let right = if right == Operand::Register(variable) {
            Operand::Register(self.copy(right, span))
        } else {
            right
        };
        if operator == BinaryOperator::Concatenate {
            self.emit(
                Operation::Append {
                    variable,
                    parts: vec![right],
                    joined: None,
                },
                span,
            );
        } else {
            self.emit(
                Operation::Update {
                    operator,
                    variable,
                    right,
                },
                span,
            );
        }
        self.discard(right, span);
    }

    pub(super) fn step(
        &mut self,
        increment: bool,
        prefix: bool,
        target: &Target,
        span: Span,
    ) -> Operand {
        match &target.kind {
            TargetKind::Variable(name) => {
                self.step_variable(increment, prefix, name, target.span, span)
            }
            TargetKind::StaticVariable(class, name) => {
                let left = self.read_static(class, name, target.span);
                let old = Operand::Register(self.copy(left, span));
                let result = self.next(increment, left, span);
                let new = self.store_static(class, name, result, span);
                let (wanted, other) = if prefix { (new, old) } else { (old, new) };
                self.discard(other, span);
                wanted
            }
            TargetKind::Destructure(_) => {
                self.refuse(target.span, "an array of targets can't be counted")
            }
            TargetKind::Subscript(..)
            | TargetKind::Slice(..)
            | TargetKind::Property(..)
            | TargetKind::Value(_) => {
                let (place, temporaries) = self.place_of_target(target, &[]);
                self.check_root(target, &place);
                let action = PlaceAction::Step {
                    increment,
                    yield_old: !prefix,
                };
                Operand::Register(self.act_on(place, action, temporaries, span))
            }
        }
    }

    fn step_variable(
        &mut self,
        increment: bool,
        prefix: bool,
        name: &Name,
        target_span: Span,
        span: Span,
    ) -> Operand {
        if let Variable::Local(variable) = self.variable(name) {
            self.check_defined(variable, name, target_span);
            let old = (!prefix).then(|| self.copy(Operand::Register(variable), span));
            self.emit(
                Operation::Step {
                    increment,
                    variable,
                },
                span,
            );
            return Operand::Register(old.unwrap_or(variable));
        }
        let left = self.read_variable(name, target_span);
        let old = (!prefix).then(|| self.copy(left, span));
        let result = self.next(increment, left, span);
        let register = self.owned(result, span);
        self.store_variable(name, register, span);
        match old {
            Some(old) => Operand::Register(old),
            None => self.assigned_value(name, span),
        }
    }

    /// One more or one less; gives up the operand.
    fn next(&mut self, increment: bool, operand: Operand, span: Span) -> Operand {
        let into = self.temporary();
        self.emit(
            Operation::Next {
                increment,
                into,
                operand,
            },
            span,
        );
        self.discard(operand, span);
        Operand::Register(into)
    }

    /// Stores to a place. Gives up the temporaries, among which may be the value.
    pub(super) fn store_to(
        &mut self,
        place: Place,
        value: Operand,
        temporaries: Vec<Operand>,
        span: Span,
    ) {
        let action = PlaceAction::Store(value);
        self.emit(
            Operation::Place {
                into: None,
                place,
                action,
            },
            span,
        );
        self.discard_all(temporaries, span);
    }

    /// What an action on a place yields, in a temporary. Gives up the temporaries.
    pub(super) fn act_on(
        &mut self,
        place: Place,
        action: PlaceAction,
        temporaries: Vec<Operand>,
        span: Span,
    ) -> Register {
        let into = self.temporary();
        self.emit(
            Operation::Place {
                into: Some(into),
                place,
                action,
            },
            span,
        );
        self.discard_all(temporaries, span);
        into
    }

    /// A target deeper than a variable as a place whose parts are evaluated, and the temporaries to give up afterwards.
    pub(super) fn place_of_target(
        &mut self,
        target: &Target,
        later: &[&Expression],
    ) -> (Place, Vec<Operand>) {
        let mut links = Vec::new();
        let mut base = target;
        loop {
            base = match &base.kind {
                TargetKind::Subscript(inner, _)
                | TargetKind::Slice(inner, _)
                | TargetKind::Property(inner, _) => {
                    links.push(base);
                    inner
                }
                _ => break,
            };
        }
        links.reverse();
        let mut temporaries = Vec::new();
        let all: Vec<&Expression> = links.iter().flat_map(|link| keys(link)).collect();
        let all = [&all, later].concat();
        let root = self.target_root(base, &all, &mut temporaries);
        let mut path = Vec::new();
        for (index, link) in links.iter().enumerate() {
            let mut after: Vec<&Expression> = links[index + 1..]
                .iter()
                .flat_map(|link| keys(link))
                .collect();
            after.extend_from_slice(later);
            path.push(self.path_step(link, &after, &mut temporaries));
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

    fn target_root(
        &mut self,
        base: &Target,
        later: &[&Expression],
        temporaries: &mut Vec<Operand>,
    ) -> PlaceRoot {
        match &base.kind {
            TargetKind::Variable(name) => self.place_root(name),
            TargetKind::StaticVariable(class, name) => self.static_root(class, name),
            TargetKind::Value(value) => {
                let operand = self.held(value, later);
                temporaries.push(operand);
                PlaceRoot::Value(operand)
            }
            _ => PlaceRoot::Value(self.refuse(base.span, "this can't be assigned to")),
        }
    }

    fn path_step(
        &mut self,
        link: &Target,
        later: &[&Expression],
        temporaries: &mut Vec<Operand>,
    ) -> PathStep {
        match &link.kind {
            TargetKind::Subscript(_, Some(key)) => {
                let key = self.held(key, later);
                temporaries.push(key);
                PathStep::Key(key)
            }
            TargetKind::Slice(_, bounds) => {
                let bounds = self.bounds(bounds, later);
                temporaries.extend(bounds);
                PathStep::Slice(bounds)
            }
            TargetKind::Property(_, name) => PathStep::Property(self.property_name(name)),
            _ => PathStep::Append,
        }
    }

    pub(super) fn property_name(&mut self, name: &Identifier) -> crate::ir::ConstantId {
        self.string_id(name.name.as_bytes())
    }
}

/// The variable or value that a chain of subscripts begins with.
fn base_of(target: &Target) -> &Target {
    let mut base = target;
    while let TargetKind::Subscript(inner, _)
    | TargetKind::Slice(inner, _)
    | TargetKind::Property(inner, _) = &base.kind
    {
        base = inner;
    }
    base
}

/// The expressions that one link of a target evaluates.
fn keys(link: &Target) -> Vec<&Expression> {
    match &link.kind {
        TargetKind::Subscript(_, Some(key)) => vec![key],
        TargetKind::Slice(_, Slice { first, last, step }) => [first, last, step]
            .into_iter()
            .filter_map(|bound| bound.as_deref())
            .collect(),
        _ => Vec::new(),
    }
}
