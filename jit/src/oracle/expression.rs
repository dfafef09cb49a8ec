//! Expressions that read and compute.
//!
//! In: expressions of the tree. Out: their values. Operands are evaluated from left to right. Writing is in `place`, calling
//! in `call`, members of objects and classes are in `class`.
//!
//! HSL manual: operators, literals.

use std::rc::Rc;

use super::place::Step;
use super::stop::{At, Evaluated, fail, refuse};
use super::walker::Walker;
pub(super) use crate::builtins::operator::apply;
use crate::error::ErrorKind;
use crate::runtime::{FunctionTarget, Key, Kind, Value, convert, operate};
use crate::source::Span;
use crate::syntax::ast::{
    ArrayItem, BinaryOperator, Expression, ExpressionKind, Function, Piece, Slice, UnaryOperator,
};

/// The three values of a slice, those that were left out absent.
pub(super) type SliceValues = [Option<Value>; 3];

impl Walker<'_> {
    pub(super) fn expression(&mut self, expression: &Expression) -> Evaluated<Value> {
        self.descend(expression.span)?;
        let value = self.dispatch_expression(expression);
        self.ascend();
        value
    }

    fn dispatch_expression(&mut self, expression: &Expression) -> Evaluated<Value> {
        let span = expression.span;
        match &expression.kind {
            ExpressionKind::None => Ok(Value::NONE),
            ExpressionKind::Boolean(boolean) => Ok(Value::boolean(*boolean)),
            ExpressionKind::Number(number) => Ok(Value::number(*number)),
            ExpressionKind::String(octets) => Value::string(octets).at(span),
            ExpressionKind::Interpolation(pieces) => self.interpolation(pieces, span),
            ExpressionKind::Variable(name) => self.variable(name, span),
            ExpressionKind::Array(items) => self.array(items, span),
            ExpressionKind::Subscript(base, Some(key)) => self.subscript(base, key, span),
            ExpressionKind::Subscript(_, None) => refuse("[] is only a target", span),
            ExpressionKind::Slice(base, slice) => self.slice(base, slice, span),
            ExpressionKind::Property(base, name) => self.property(base, name, span),
            ExpressionKind::StaticVariable(class, name) => self.static_variable(class, name, span),
            ExpressionKind::StaticFunction(class, name) => self.static_function(class, name, span),
            ExpressionKind::FunctionName { name, builtin } => {
                self.function_name(&name.name, *builtin, span)
            }
            ExpressionKind::Call(callee, arguments) => {
                self.call_expression(callee, arguments, span)
            }
            ExpressionKind::Function(function) => self.function_value(function, span),
            ExpressionKind::Cache { options, call } => self.cached(options, call, span),
            ExpressionKind::Unary(operator, operand) => self.unary(*operator, operand, span),
            ExpressionKind::Binary(operator, left, right) => {
                self.binary(*operator, left, right, span)
            }
            ExpressionKind::And(left, right) => self.and(left, right),
            ExpressionKind::Or(left, right) => self.or(left, right),
            ExpressionKind::Coalesce(left, right) => self.coalesce(left, right),
            ExpressionKind::Conditional {
                condition,
                then,
                otherwise,
            } => self.conditional(condition, then.as_deref(), otherwise),
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
            ExpressionKind::Error => refuse("the text has mistakes", span),
        }
    }

    fn variable(&mut self, name: &str, span: Span) -> Evaluated<Value> {
        match self.frame().read(name) {
            Some(value) => Ok(value),
            None => fail(ErrorKind::UndefinedVariable { name: name.into() }, span),
        }
    }

    fn interpolation(&mut self, pieces: &[Piece], span: Span) -> Evaluated<Value> {
        let mut values = Vec::with_capacity(pieces.len());
        for piece in pieces {
            values.push(match piece {
                Piece::Literal(octets) => Value::string(octets).at(span)?,
                Piece::Variable(variable) => self.variable(&variable.name, variable.span)?,
            });
        }
        convert::interpolate(&values).at(span)
    }

    fn array(&mut self, items: &[ArrayItem], span: Span) -> Evaluated<Value> {
        let mut result = Value::array().at(span)?;
        for item in items {
            match item {
                ArrayItem::Value(value) => {
                    let element = self.expression(value)?;
                    let array = result.array_mut().at(span)?;
                    array.append(element).at(value.span)?;
                }
                ArrayItem::Pair(key, value) => {
                    let name = self.expression(key)?;
                    let element = self.expression(value)?;
                    let array = result.array_mut().at(span)?;
                    let name = Key::cast(&name).at(key.span)?;
                    array.set(name, element).at(key.span)?;
                }
                ArrayItem::Spread(value) => {
                    let spread = self.expression(value)?;
                    let Some(elements) = spread.as_array() else {
                        return fail(ErrorKind::NotIterable { got: spread.kind() }, value.span);
                    };
                    let array = result.array_mut().at(span)?;
                    array.extend(elements).at(value.span)?;
                }
            }
        }
        Ok(result)
    }

    fn subscript(&mut self, base: &Expression, key: &Expression, span: Span) -> Evaluated<Value> {
        let base = self.expression(base)?;
        let key = self.expression(key)?;
        self.element(&base, &key, span)
    }

    /// `base[key]`, read.
    pub(super) fn element(&self, base: &Value, key: &Value, span: Span) -> Evaluated<Value> {
        if base.kind() == Kind::Object {
            let key = Key::cast(key).at(span)?;
            return Ok(self.member(base, key).at(span)?.unwrap_or_default());
        }
        operate::subscript(base, key).at(span)
    }

    /// `base[key]`, if there is such an element.
    pub(super) fn element_if_set(
        &self,
        base: &Value,
        key: &Value,
        span: Span,
    ) -> Evaluated<Option<Value>> {
        match base.kind() {
            Kind::Object => {
                let key = Key::cast(key).at(span)?;
                self.member(base, key).at(span)
            }
            Kind::String | Kind::Array => operate::subscript_if_set(base, key).at(span),
            // Where there are no elements, it does not matter whether the key could be one.
            Kind::None | Kind::Boolean | Kind::Number | Kind::Function => Ok(None),
        }
    }

    fn slice(&mut self, base: &Expression, slice: &Slice, span: Span) -> Evaluated<Value> {
        let base = self.expression(base)?;
        let [first, last, step] = self.slice_values(slice)?;
        operate::slice(&base, first.as_ref(), last.as_ref(), step.as_ref()).at(span)
    }

    pub(super) fn slice_values(&mut self, slice: &Slice) -> Evaluated<SliceValues> {
        let mut values = [None, None, None];
        for (value, part) in values
            .iter_mut()
            .zip([&slice.first, &slice.last, &slice.step])
        {
            if let Some(part) = part {
                *value = Some(self.expression(part)?);
            }
        }
        Ok(values)
    }

    fn function_value(&mut self, function: &Rc<Function>, span: Span) -> Evaluated<Value> {
        let scope = Rc::clone(&self.frame().scope);
        let class = self.frame().class;
        let number = self.definitions.anonymous(function, &scope, class);
        let mut cells = Vec::with_capacity(function.captures.len());
        for capture in &function.captures {
            cells.push(self.frame().cell(&capture.name).at(span)?);
        }
        Value::function(FunctionTarget::User(number), Value::NONE, cells.into_iter()).at(span)
    }

    fn unary(
        &mut self,
        operator: UnaryOperator,
        operand: &Expression,
        span: Span,
    ) -> Evaluated<Value> {
        let operand = self.expression(operand)?;
        match operator {
            UnaryOperator::Minus => operate::negate(&operand).at(span),
            UnaryOperator::Plus => operate::plus(&operand).at(span),
            UnaryOperator::Not => Ok(operate::not(&operand)),
            UnaryOperator::BitNot => operate::bit_not(&operand).at(span),
        }
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> Evaluated<Value> {
        if operator == BinaryOperator::Concatenate {
            return self.concatenation(left, right, span);
        }
        let left = self.expression(left)?;
        let right = self.expression(right)?;
        apply(operator, &left, &right).at(span)
    }

    /// A chain of `.` evaluates all its operands before it joins any.
    fn concatenation(
        &mut self,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> Evaluated<Value> {
        let mut operands = vec![right];
        let mut first = left;
        while let ExpressionKind::Binary(BinaryOperator::Concatenate, left, right) = &first.kind {
            operands.push(right);
            first = left;
        }
        let mut values = vec![self.expression(first)?];
        for operand in operands.into_iter().rev() {
            values.push(self.expression(operand)?);
        }
        join(&values).at(span)
    }

    fn and(&mut self, left: &Expression, right: &Expression) -> Evaluated<Value> {
        let both = self.expression(left)?.truthy() && self.expression(right)?.truthy();
        Ok(Value::boolean(both))
    }

    fn or(&mut self, left: &Expression, right: &Expression) -> Evaluated<Value> {
        let either = self.expression(left)?.truthy() || self.expression(right)?.truthy();
        Ok(Value::boolean(either))
    }

    fn coalesce(&mut self, left: &Expression, right: &Expression) -> Evaluated<Value> {
        match self.if_set(left, left.span)? {
            Some(value) if !value.is_none() => Ok(value),
            _ => self.expression(right),
        }
    }

    /// The value of a chain of variables, elements, slices and properties, if everything on the way is there. What stands
    /// first is read first; then all keys are evaluated, in any case, and must not fail; then the way is gone. Any other expression always has a value.
    fn if_set(&mut self, expression: &Expression, span: Span) -> Evaluated<Option<Value>> {
        let mut links = Vec::new();
        let mut base = expression;
        while let ExpressionKind::Subscript(inner, Some(_))
        | ExpressionKind::Slice(inner, _)
        | ExpressionKind::Property(inner, _) = &base.kind
        {
            links.push(base);
            base = inner;
        }
        let mut value = match &base.kind {
            ExpressionKind::Variable(name) => self.frame().read(name),
            ExpressionKind::StaticVariable(class, name) => {
                let cell = self.static_cell(class, name, base.span)?;
                let value = cell
                    .as_cell()
                    .map(crate::runtime::function::VariableCell::get);
                value.filter(|value| !value.is_undefined())
            }
            _ => Some(self.expression(base)?),
        };
        let mut steps = Vec::with_capacity(links.len());
        for link in links.into_iter().rev() {
            steps.push(match &link.kind {
                ExpressionKind::Subscript(_, Some(key)) => Step::Key(self.expression(key)?),
                ExpressionKind::Slice(_, slice) => Step::Slice(self.slice_values(slice)?),
                ExpressionKind::Property(_, name) => Step::Property(name.name.clone()),
                _ => return refuse("no link of a chain", link.span),
            });
        }
        for step in &steps {
            let Some(base) = value else { break };
            value = self.step_if_set(&base, step, span)?;
        }
        Ok(value)
    }

    fn conditional(
        &mut self,
        condition: &Expression,
        then: Option<&Expression>,
        otherwise: &Expression,
    ) -> Evaluated<Value> {
        let value = self.expression(condition)?;
        match then {
            _ if !value.truthy() => self.expression(otherwise),
            Some(then) => self.expression(then),
            None => Ok(value),
        }
    }
}

/// Two or more values joined by `.`. An error names the first none and its neighbour.
fn join(values: &[Value]) -> Result<Value, ErrorKind> {
    if let Some(missing) = values.iter().position(Value::is_none) {
        let left = missing.saturating_sub(1);
        return operate::concat(&values[left], &values[left + 1]);
    }
    let empty = Value::string(b"")?;
    values
        .iter()
        .try_fold(empty, |joined, value| operate::concat(&joined, value))
}

/// The selected part of a string or array; nothing of anything else.
pub(super) fn slice_if_set(
    base: &Value,
    [first, last, step]: &SliceValues,
    span: Span,
) -> Evaluated<Option<Value>> {
    if !matches!(base.kind(), Kind::String | Kind::Array) {
        return Ok(None);
    }
    operate::slice(base, first.as_ref(), last.as_ref(), step.as_ref())
        .map(Some)
        .at(span)
}
