//! The values of constant expressions: default arguments, first values of members, options of data imports.
//!
//! In: an expression that the resolver has found to be constant. Out: its value, or why it has none and where. Operators
//! are those of running scripts, on a heap of its own, so a constant is what the same expression would give when it runs.
//! HSL manual: structures, "Default argument", "Static", "data".

use crate::builtins::operator::apply;
use crate::error::ErrorKind;
use crate::runtime::{Heap, Key, Kind, Portable, Value, operate};
use crate::source::Span;
use crate::syntax::ast::{ArrayItem, Expression, ExpressionKind, Slice, UnaryOperator};

/// Bytes that one constant may take while it is computed.
const CONSTANT_BYTES_MAX: usize = 64 << 20;

/// Why an expression has no constant value, and the part that is to blame.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
}

type Evaluated<T> = Result<T, Fault>;

/// The value of a constant expression.
pub(super) fn evaluate(expression: &Expression) -> Evaluated<Portable> {
    let heap = Heap::new(CONSTANT_BYTES_MAX);
    let _entered = heap.enter();
    let value = value(expression)?;
    Portable::copy(&value).map_err(|error| fault(error, expression.span))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn fault(error: ErrorKind, span: Span) -> Fault {
    Fault {
        span,
        message: format!("this constant has no value: {error}"),
    }
}

fn value(expression: &Expression) -> Evaluated<Value> {
    let at = |error: ErrorKind| fault(error, expression.span);
    match &expression.kind {
        ExpressionKind::None => Ok(Value::NONE),
        ExpressionKind::Boolean(truth) => Ok(Value::boolean(*truth)),
        ExpressionKind::Number(number) => Ok(Value::number(*number)),
        ExpressionKind::String(octets) => Value::string(octets).map_err(at),
        ExpressionKind::Array(items) => array(items, expression.span),
        ExpressionKind::Subscript(base, Some(key)) => {
            let (base, key) = (value(base)?, value(key)?);
            operate::subscript(&base, &key).map_err(at)
        }
        ExpressionKind::Slice(base, slice) => {
            let base = value(base)?;
            let [first, last, step] = parts(slice)?;
            operate::slice(&base, first.as_ref(), last.as_ref(), step.as_ref()).map_err(at)
        }
        ExpressionKind::Unary(operator, operand) => unary(*operator, &value(operand)?).map_err(at),
        ExpressionKind::Binary(operator, left, right) => {
            apply(*operator, &value(left)?, &value(right)?).map_err(at)
        }
        ExpressionKind::And(left, right) => Ok(Value::boolean(
            value(left)?.truthy() && value(right)?.truthy(),
        )),
        ExpressionKind::Or(left, right) => Ok(Value::boolean(
            value(left)?.truthy() || value(right)?.truthy(),
        )),
        ExpressionKind::Coalesce(left, right) => match if_set(left)? {
            Some(found) if !found.is_none() => Ok(found),
            _ => value(right),
        },
        ExpressionKind::Conditional {
            condition,
            then,
            otherwise,
        } => {
            let tested = value(condition)?;
            match then {
                _ if !tested.truthy() => value(otherwise),
                Some(then) => value(then),
                None => Ok(tested),
            }
        }
        _ => Err(Fault {
            span: expression.span,
            message: "this is not a constant".to_owned(),
        }),
    }
}

fn array(items: &[ArrayItem], span: Span) -> Evaluated<Value> {
    let at = |error: ErrorKind| fault(error, span);
    let mut result = Value::array().map_err(at)?;
    for item in items {
        match item {
            ArrayItem::Value(element) => {
                let element = value(element)?;
                let array = result.array_mut().map_err(at)?;
                array.append(element).map_err(at)?;
            }
            ArrayItem::Pair(key, element) => {
                let name = value(key)?;
                let name = Key::cast(&name).map_err(|error| fault(error, key.span))?;
                let element = value(element)?;
                let array = result.array_mut().map_err(at)?;
                array.set(name, element).map_err(at)?;
            }
            ArrayItem::Spread(spread) => {
                let elements = value(spread)?;
                let Some(elements) = elements.as_array() else {
                    return Err(Fault {
                        span: spread.span,
                        message: format!("{} can't be spread, only an array", elements.kind()),
                    });
                };
                let array = result.array_mut().map_err(at)?;
                array.extend(elements).map_err(at)?;
            }
        }
    }
    Ok(result)
}

fn parts(slice: &Slice) -> Evaluated<[Option<Value>; 3]> {
    let part = |part: &Option<Box<Expression>>| part.as_deref().map(value).transpose();
    Ok([part(&slice.first)?, part(&slice.last)?, part(&slice.step)?])
}

fn unary(operator: UnaryOperator, operand: &Value) -> Result<Value, ErrorKind> {
    match operator {
        UnaryOperator::Minus => operate::negate(operand),
        UnaryOperator::Plus => operate::plus(operand),
        UnaryOperator::Not => Ok(operate::not(operand)),
        UnaryOperator::BitNot => operate::bit_not(operand),
    }
}

/// The left side of `??`: an element need not be there.
fn if_set(expression: &Expression) -> Evaluated<Option<Value>> {
    let ExpressionKind::Subscript(base, Some(key)) = &expression.kind else {
        return value(expression).map(Some);
    };
    let base = if_set(base)?;
    let key = value(key)?;
    match base {
        Some(base) if matches!(base.kind(), Kind::String | Kind::Array) => {
            operate::subscript_if_set(&base, &key).map_err(|error| fault(error, expression.span))
        }
        _ => Ok(None),
    }
}
