//! Places: what is written, tested with `isset` and removed with `unset`.
//!
//! In: targets of the tree. Out: a [`Place`], whose keys are evaluated once, from left to right, before anything else; then
//! reads, stores and removals at it. A store makes a new version of each array on the path, from the inside out: slow, but
//! sharing cannot go wrong.
//!
//! HSL manual: operators, "Assignment", "Destructuring assignment", "Slice assignment", "Subscript", "Removing".

use super::expression::{SliceValues, apply, slice_if_set};
use super::stop::{At, Evaluated, fail, refuse};
use super::walker::Walker;
use crate::error::ErrorKind;
use crate::runtime::{Key, Kind, Value, operate, place};
use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, DestructureItem, Expression, Name, Target, TargetKind};

/// A place with its keys evaluated.
struct Place {
    root: Root,
    steps: Vec<Step>,
}

enum Root {
    /// A variable of the running function.
    Variable(Name, Span),
    /// A static variable, or one of a module.
    Cell(Value, Name, Span),
    /// A value that only holds the place: the result of a call, `$this`.
    Value(Value),
}

/// One link of a chain, its keys evaluated.
pub(super) enum Step {
    Key(Value),
    Append,
    Slice(SliceValues),
    Property(Name),
}

impl Walker<'_> {
    pub(super) fn assign(
        &mut self,
        target: &Target,
        value: &Expression,
        span: Span,
    ) -> Evaluated<Value> {
        if let TargetKind::Destructure(items) = &target.kind {
            let value = self.expression(value)?;
            self.destructure(items, &value)?;
            return Ok(value);
        }
        let place = self.place(target)?;
        let value = self.expression(value)?;
        self.store(&place, value.clone(), span)?;
        Ok(value)
    }

    pub(super) fn augmented_assign(
        &mut self,
        operator: BinaryOperator,
        target: &Target,
        value: &Expression,
        span: Span,
    ) -> Evaluated<Value> {
        let place = self.place(target)?;
        let value = self.expression(value)?;
        let before = self.load(&place, span)?;
        let after = apply(operator, &before, &value).at(span)?;
        self.store(&place, after.clone(), span)?;
        Ok(after)
    }

    pub(super) fn step(
        &mut self,
        increment: bool,
        prefix: bool,
        target: &Target,
        span: Span,
    ) -> Evaluated<Value> {
        let place = self.place(target)?;
        let before = self.load(&place, span)?;
        let after = match increment {
            true => operate::increment(&before),
            false => operate::decrement(&before),
        }
        .at(span)?;
        self.store(&place, after.clone(), span)?;
        Ok(if prefix { after } else { before })
    }

    pub(super) fn isset(&mut self, target: &Target, span: Span) -> Evaluated<Value> {
        let place = self.place(target)?;
        let mut value = match &place.root {
            Root::Variable(name, _) => self.frame().read(name),
            Root::Cell(cell, ..) => cell_value(cell),
            Root::Value(value) => Some(value.clone()),
        };
        for step in &place.steps {
            let Some(base) = value else { break };
            value = self.step_if_set(&base, step, span)?;
        }
        Ok(Value::boolean(value.is_some()))
    }

    pub(super) fn step_if_set(
        &self,
        base: &Value,
        step: &Step,
        span: Span,
    ) -> Evaluated<Option<Value>> {
        match step {
            Step::Key(key) => self.element_if_set(base, key, span),
            Step::Append => Ok(None),
            Step::Slice(values) => slice_if_set(base, values, span),
            Step::Property(name) => self.named_if_set(base, name, span),
        }
    }

    pub(super) fn unset(&mut self, target: &Target, span: Span) -> Evaluated<Value> {
        let place = self.place(target)?;
        let cell = match &place.root {
            Root::Variable(name, span) => {
                let cell = self.frame().cell(name).at(*span)?;
                if self.is_read_only(&cell) {
                    return refuse("unset of a read-only variable", *span);
                }
                Some(cell)
            }
            Root::Cell(cell, _, span) => {
                if self.is_read_only(cell) {
                    return refuse("unset of a read-only variable", *span);
                }
                Some(cell.clone())
            }
            Root::Value(_) => None,
        };
        let before = match (&place.root, &cell) {
            (Root::Value(value), _) => Some(value.clone()),
            (_, Some(cell)) => cell_value(cell),
            (_, None) => None,
        };
        let Some(before) = before else {
            return Ok(Value::FALSE);
        };
        let (after, removed) = self.without(before, &place.steps, span)?;
        if let Some(cell) = cell.as_ref().and_then(Value::as_cell) {
            cell.set(after);
        }
        Ok(Value::boolean(removed))
    }

    /// What is left of a value when the place at the end of the path is removed, and whether something was.
    fn without(&self, mut base: Value, steps: &[Step], span: Span) -> Evaluated<(Value, bool)> {
        let Some((step, rest)) = steps.split_first() else {
            return Ok((Value::UNDEFINED, true));
        };
        if rest.is_empty() {
            let removed = self.remove(&mut base, step, span)?;
            return Ok((base, removed));
        }
        if let Step::Slice(_) | Step::Append = step {
            return refuse("unset within a slice", span);
        }
        let Some(inner) = self.step_if_set(&base, step, span)? else {
            return Ok((base, false));
        };
        let (inner, removed) = self.without(inner, rest, span)?;
        if removed {
            base = self.with(base, std::slice::from_ref(step), inner, span)?;
        }
        Ok((base, removed))
    }

    fn remove(&self, base: &mut Value, step: &Step, span: Span) -> Evaluated<bool> {
        let name;
        let key = match step {
            Step::Key(key) => key,
            Step::Property(property) => {
                name = Value::string(property.as_bytes()).at(span)?;
                &name
            }
            Step::Slice([first, last, by]) => {
                return place::unset_slice(base, first.as_ref(), last.as_ref(), by.as_ref())
                    .at(span);
            }
            Step::Append => return refuse("unset of []", span),
        };
        if let Some(object) = base.as_object() {
            let name = Key::cast(key).at(span)?;
            self.check_private(object.class(), name).at(span)?;
        }
        place::unset_element(base, key).at(span)
    }

    /// Gives one target a value that is known already.
    pub(super) fn assign_target(&mut self, target: &Target, value: Value) -> Evaluated<()> {
        if let TargetKind::Destructure(items) = &target.kind {
            return self.destructure(items, &value);
        }
        let place = self.place(target)?;
        self.store(&place, value, target.span)
    }

    fn destructure(&mut self, items: &[DestructureItem], value: &Value) -> Evaluated<()> {
        for (position, item) in items.iter().enumerate() {
            let Some(target) = &item.target else { continue };
            let span = target.span;
            let key = match &item.key {
                Some(key) => self.expression(key)?,
                None => Value::count(position),
            };
            let element = if item.rest {
                match value.as_array() {
                    Some(_) => Some(operate::slice(value, Some(&key), None, None).at(span)?),
                    None => Some(Value::array().at(span)?),
                }
            } else {
                // What is no array has no elements, but even there only a key will do.
                let key = Key::cast(&key).at(span)?;
                value.as_array().and_then(|array| array.get(key)).cloned()
            };
            let element = match (element, &item.default) {
                (Some(element), _) => element,
                (None, Some(default)) => self.expression(default)?,
                (None, None) => Value::NONE,
            };
            self.assign_target(target, element)?;
        }
        Ok(())
    }

    fn place(&mut self, target: &Target) -> Evaluated<Place> {
        self.descend(target.span)?;
        let place = self.place_here(target);
        self.ascend();
        place
    }

    fn place_here(&mut self, target: &Target) -> Evaluated<Place> {
        let span = target.span;
        let (mut place, step) = match &target.kind {
            TargetKind::Variable(name) => return Ok(root(Root::Variable(name.clone(), span))),
            TargetKind::StaticVariable(class, name) => {
                let cell = self.static_cell(class, name, span)?;
                return Ok(root(Root::Cell(cell, name.name.clone(), span)));
            }
            TargetKind::Value(value) => return self.expression(value).map(Root::Value).map(root),
            TargetKind::Destructure(_) => return refuse("a pattern within a path", span),
            TargetKind::Subscript(base, Some(key)) => {
                (self.place(base)?, Step::Key(self.expression(key)?))
            }
            TargetKind::Subscript(base, None) => (self.place(base)?, Step::Append),
            TargetKind::Slice(base, slice) => {
                (self.place(base)?, Step::Slice(self.slice_values(slice)?))
            }
            TargetKind::Property(base, name) => {
                (self.place(base)?, Step::Property(name.name.clone()))
            }
        };
        place.steps.push(step);
        Ok(place)
    }

    /// The value at a place that will be written next: only what can be written is read.
    fn load(&mut self, place: &Place, span: Span) -> Evaluated<Value> {
        let (value, name, root) = match &place.root {
            Root::Variable(name, span) => (self.frame().read(name), name.as_ref(), *span),
            Root::Cell(cell, name, span) => (cell_value(cell), name.as_ref(), *span),
            Root::Value(value) => (Some(value.clone()), "", span),
        };
        let Some(mut value) = value else {
            let name = name.into();
            return fail(ErrorKind::UndefinedVariable { name }, root);
        };
        for step in &place.steps {
            if let Step::Key(key) = step {
                // None becomes an array when this is written, so even now only a key will do.
                Key::cast(key).at(span)?;
            }
            if !matches!(value.kind(), Kind::None | Kind::Array | Kind::Object) {
                return fail(ErrorKind::NotAnArray { got: value.kind() }, span);
            }
            if let (Step::Key(_) | Step::Property(_), Some(object)) = (step, value.as_object()) {
                object.check_has_variables().at(span)?;
            }
            value = match step {
                Step::Key(key) => self.element(&value, key, span)?,
                Step::Append => Value::NONE,
                Step::Slice([first, last, by]) => {
                    operate::slice(&value, first.as_ref(), last.as_ref(), by.as_ref()).at(span)?
                }
                Step::Property(name) => self.named(&value, name, span)?,
            };
        }
        Ok(value)
    }

    fn store(&mut self, place: &Place, value: Value, span: Span) -> Evaluated<()> {
        let cell = match &place.root {
            Root::Variable(name, span) => {
                let cell = self.frame().cell(name).at(*span)?;
                if self.is_read_only(&cell) {
                    return refuse("a store to a read-only variable", *span);
                }
                cell
            }
            Root::Cell(cell, _, span) => {
                if self.is_read_only(cell) {
                    return refuse("a store to a read-only variable", *span);
                }
                cell.clone()
            }
            Root::Value(base) => {
                return self.with(base.clone(), &place.steps, value, span).map(drop);
            }
        };
        let before = cell_value(&cell).unwrap_or(Value::UNDEFINED);
        let after = self.with(before, &place.steps, value, span)?;
        if let Some(cell) = cell.as_cell() {
            cell.set(after);
        }
        Ok(())
    }

    /// A value with another value at the end of the path. Objects on the way are changed, arrays are made anew.
    fn with(&self, base: Value, steps: &[Step], value: Value, span: Span) -> Evaluated<Value> {
        let Some((step, rest)) = steps.split_first() else {
            return Ok(value);
        };
        let mut base = base;
        match step {
            Step::Property(name) => {
                self.with_element(base, Key::of(name.as_bytes()), rest, value, span)
            }
            Step::Key(key) => {
                let key = Key::cast(key).at(span)?;
                self.with_element(base, key, rest, value, span)
            }
            Step::Append => {
                become_array(&mut base).at(span)?;
                let inner = self.with(Value::UNDEFINED, rest, value, span)?;
                base.array_mut()
                    .and_then(|array| array.append(inner))
                    .at(span)?;
                Ok(base)
            }
            Step::Slice([first, last, by]) => {
                if !rest.is_empty() {
                    return refuse("a store within a slice", span);
                }
                let (first, last, by) = (first.as_ref(), last.as_ref(), by.as_ref());
                place::assign_slice(&mut base, first, last, by, &value).at(span)?;
                Ok(base)
            }
        }
    }

    fn with_element(
        &self,
        mut base: Value,
        key: Key<'_>,
        rest: &[Step],
        value: Value,
        span: Span,
    ) -> Evaluated<Value> {
        if let Some(object) = base.as_object() {
            self.check_private(object.class(), key).at(span)?;
            object.check_has_variables().at(span)?;
            let inner = object.get(key).unwrap_or(Value::UNDEFINED);
            let inner = self.with(inner, rest, value, span)?;
            object.set(key, inner).at(span)?;
            return Ok(base);
        }
        become_array(&mut base).at(span)?;
        let inner = base.as_array().and_then(|array| array.get(key)).cloned();
        let inner = self.with(inner.unwrap_or(Value::UNDEFINED), rest, value, span)?;
        base.array_mut()
            .and_then(|array| array.set(key, inner))
            .at(span)?;
        Ok(base)
    }
}

fn root(root: Root) -> Place {
    Place {
        root,
        steps: Vec::new(),
    }
}

fn cell_value(cell: &Value) -> Option<Value> {
    let value = cell.as_cell()?.get();
    (!value.is_undefined()).then_some(value)
}

/// Undefined and none become arrays when an element is written; anything else but an array has no elements to write.
fn become_array(base: &mut Value) -> Result<(), ErrorKind> {
    if base.is_undefined() || base.is_none() {
        *base = Value::array()?;
    }
    base.array_mut().map(drop)
}
