//! Operators, texts, arrays, iteration and output.

use smallvec::SmallVec;

use crate::builtins::Unwind;
use crate::builtins::operator::apply;
use crate::error::ErrorKind;
use crate::execution::running::Running;
use crate::runtime::{Kind, Value, convert, number, operate, slice, string};
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// The binary operators by number, as generated code passes them.
const BINARY: [BinaryOperator; 22] = [
    BinaryOperator::Power,
    BinaryOperator::Multiply,
    BinaryOperator::Divide,
    BinaryOperator::Modulus,
    BinaryOperator::Add,
    BinaryOperator::Subtract,
    BinaryOperator::Concatenate,
    BinaryOperator::ShiftLeft,
    BinaryOperator::ShiftRight,
    BinaryOperator::Less,
    BinaryOperator::Greater,
    BinaryOperator::LessOrEqual,
    BinaryOperator::GreaterOrEqual,
    BinaryOperator::Equal,
    BinaryOperator::NotEqual,
    BinaryOperator::Identical,
    BinaryOperator::NotIdentical,
    BinaryOperator::Match,
    BinaryOperator::NotMatch,
    BinaryOperator::BitAnd,
    BinaryOperator::BitXor,
    BinaryOperator::BitOr,
];

const _: () = {
    let mut index = 0;
    while index < BINARY.len() {
        assert!(
            BINARY[index] as usize == index,
            "the table is in the order of the enumeration"
        );
        index += 1;
    }
};

pub(crate) fn binary(
    _: &mut Running,
    operator: u32,
    left: &Value,
    right: &Value,
) -> Result<Value, Unwind> {
    apply(BINARY[operator as usize], left, right).map_err(Unwind::Error)
}

/// `left operator right`, in place where `left` is the only reference.
pub(crate) fn apply_in_place(
    operator: BinaryOperator,
    left: &mut Value,
    right: &Value,
) -> Result<(), ErrorKind> {
    match operator {
        BinaryOperator::Add => operate::add_assign(left, right),
        BinaryOperator::Concatenate => operate::concat_assign(left, right),
        _ => {
            *left = apply(operator, left, right)?;
            Ok(())
        }
    }
}

pub(crate) fn update(
    _: &mut Running,
    operator: u32,
    left: Value,
    right: &Value,
) -> Result<Value, Unwind> {
    let mut left = left;
    apply_in_place(BINARY[operator as usize], &mut left, right).map_err(Unwind::Error)?;
    Ok(left)
}

pub(crate) fn unary(_: &mut Running, operator: u32, operand: &Value) -> Result<Value, Unwind> {
    let result = match operator {
        _ if operator == UnaryOperator::Minus as u32 => operate::negate(operand),
        _ if operator == UnaryOperator::Plus as u32 => operate::plus(operand),
        _ if operator == UnaryOperator::BitNot as u32 => operate::bit_not(operand),
        _ => Ok(operate::not(operand)),
    };
    result.map_err(Unwind::Error)
}

pub(crate) fn step(_: &mut Running, increment: u32, operand: &Value) -> Result<Value, Unwind> {
    next(increment != 0, operand).map_err(Unwind::Error)
}

/// One more or one less.
pub(super) fn next(increment: bool, operand: &Value) -> Result<Value, ErrorKind> {
    if increment {
        operate::increment(operand)
    } else {
        operate::decrement(operand)
    }
}

pub(crate) fn truth(_: &mut Running, operand: &Value) -> bool {
    operand.truthy()
}

pub(crate) fn remainder(_: &mut Running, left: f64, right: f64) -> f64 {
    number::remainder(left, right)
}

pub(crate) fn power(_: &mut Running, left: f64, right: f64) -> f64 {
    left.powf(right)
}

pub(crate) fn interpolate(_: &mut Running, parts: &[Value]) -> Result<Value, Unwind> {
    if let Some(joined) = string::all_joined_at_once(parts) {
        return Ok(joined);
    }
    convert::interpolate(parts).map_err(Unwind::Error)
}

pub(crate) fn concatenate(_: &mut Running, parts: &[Value]) -> Result<Value, Unwind> {
    if let [left, right] = parts {
        if let Some(joined) = string::joined_at_once(left, right) {
            return Ok(joined);
        }
        return operate::concat(left, right).map_err(Unwind::Error);
    }
    if let Some(joined) = string::all_joined_at_once(parts) {
        return Ok(joined);
    }
    check_parts(parts)?;
    convert::interpolate(parts).map_err(Unwind::Error)
}

/// None has no text where texts are joined by an operator.
fn check_parts(parts: &[Value]) -> Result<(), Unwind> {
    if !parts.iter().any(Value::is_none) {
        return Ok(());
    }
    let all: SmallVec<[&Value; 4]> = parts.iter().collect();
    check_neighbours(&all)
}

/// An error names the first none and its neighbour.
fn check_neighbours(parts: &[&Value]) -> Result<(), Unwind> {
    let Some(position) = parts.iter().position(|part| part.is_none()) else {
        return Ok(());
    };
    let kind = |part: Option<&&Value>| part.map_or(Kind::None, |part| part.kind());
    Err(Unwind::Error(ErrorKind::Operator {
        operator: ".",
        left: kind(parts.get(position.saturating_sub(1))),
        right: kind(parts.get(position.max(1))),
    }))
}

pub(crate) fn append(
    running: &mut Running,
    joined: u32,
    left: Value,
    parts: &[Value],
) -> Result<Value, Unwind> {
    let mut left = left;
    if left.is_none() || parts.iter().any(Value::is_none) {
        check_appended(running, joined, &left, parts)?;
    }
    if left.as_string().is_none() {
        left = convert::to_string(&left).map_err(Unwind::Error)?;
    }
    for part in parts {
        let text = convert::text(part).map_err(Unwind::Error)?;
        string::append(&mut left, text.octets()).map_err(Unwind::Error)?;
    }
    Ok(left)
}

/// As [`check_parts`], of parts that are joined by an expression of their own or one by one to what they are appended to.
fn check_appended(
    running: &mut Running,
    joined: u32,
    left: &Value,
    parts: &[Value],
) -> Result<(), Unwind> {
    if joined == 0 {
        let all: SmallVec<[&Value; 4]> = std::iter::once(left).chain(parts).collect();
        return check_neighbours(&all);
    }
    if let Err(unwind) = check_parts(parts) {
        running.state.failed_site = joined;
        return Err(unwind);
    }
    if left.is_none() {
        return Err(Unwind::Error(ErrorKind::Operator {
            operator: ".",
            left: Kind::None,
            right: Kind::String,
        }));
    }
    Ok(())
}

pub(crate) fn release(_: &mut Running, operand: Value) {
    operand.release();
}

pub(crate) fn array_new(_: &mut Running, capacity: u32) -> Result<Value, Unwind> {
    Value::array_with_capacity(capacity as usize).map_err(Unwind::Error)
}

pub(crate) fn array_push(_: &mut Running, array: Value, element: &Value) -> Result<Value, Unwind> {
    let mut array = array;
    array
        .array_mut()
        .and_then(|array| array.append(element.clone()))
        .map_err(Unwind::Error)?;
    Ok(array)
}

pub(crate) fn array_insert(
    _: &mut Running,
    array: Value,
    key: &Value,
    element: &Value,
) -> Result<Value, Unwind> {
    let mut array = array;
    if array.set_by_text(key, element) {
        return Ok(array);
    }
    array_insert_other(array, key, element)
}

#[inline(never)]
fn array_insert_other(array: Value, key: &Value, element: &Value) -> Result<Value, Unwind> {
    let mut array = array;
    let key = crate::runtime::Key::cast(key).map_err(Unwind::Error)?;
    array
        .array_mut()
        .and_then(|array| array.set(key, element.clone()))
        .map_err(Unwind::Error)?;
    Ok(array)
}

pub(crate) fn array_add(
    _: &mut Running,
    is_whole: u32,
    array: Value,
    walked: &Value,
    position: i64,
    element: &Value,
) -> Result<Value, Unwind> {
    let mut array = array;
    let position = usize::try_from(position).unwrap_or(0);
    let Some(walked) = walked.as_array() else {
        return Ok(array);
    };
    array
        .array_mut()
        .and_then(|array| {
            if is_whole != 0 && array.is_empty() {
                array.reserve_as(walked)?;
            }
            array.append_as(walked, position, element.clone())
        })
        .map_err(Unwind::Error)?;
    Ok(array)
}

pub(crate) fn array_spread(
    _: &mut Running,
    array: Value,
    elements: &Value,
) -> Result<Value, Unwind> {
    let mut array = array;
    let Some(source) = elements.as_array() else {
        return Err(Unwind::Error(ErrorKind::NotIterable {
            got: elements.kind(),
        }));
    };
    array
        .array_mut()
        .and_then(|array| array.extend(source))
        .map_err(Unwind::Error)?;
    Ok(array)
}

pub(crate) fn as_array(_: &mut Running, operand: &Value) -> Result<Value, Unwind> {
    match operand.as_array() {
        Some(_) => Ok(operand.clone()),
        None => Value::array().map_err(Unwind::Error),
    }
}

/// A slice bound as it came from the script: undefined stands for an absent one.
pub(super) fn bound(value: &Value) -> Option<&Value> {
    (!value.is_undefined()).then_some(value)
}

pub(crate) fn slice(
    _: &mut Running,
    base: &Value,
    first: &Value,
    last: &Value,
    step: &Value,
) -> Result<Value, Unwind> {
    if let Some(part) = part_at_once(base, first, last, step) {
        return Ok(part);
    }
    operate::slice(base, bound(first), bound(last), bound(step)).map_err(Unwind::Error)
}

pub(crate) fn slice_joined(
    running: &mut Running,
    joined: u32,
    parts: &[Value],
    first: &Value,
    last: &Value,
) -> Result<Value, Unwind> {
    if let [left, right] = parts
        && let Some(part) = joined_part_at_once((left, right), first, last)
    {
        return Ok(part);
    }
    match concatenate(running, parts) {
        Ok(whole) => slice(running, &whole, first, last, &Value::UNDEFINED),
        Err(unwind) => {
            running.state.failed_site = joined;
            Err(unwind)
        }
    }
}

/// A short part of two strings as if they were one, between bounds that are numbers or absent.
#[inline]
fn joined_part_at_once(
    (left, right): (&Value, &Value),
    first: &Value,
    last: &Value,
) -> Option<Value> {
    let (left, right) = (left.as_string()?, right.as_string()?);
    let length = left.len() + right.len();
    let start = slice::position(first, 0, length)?;
    let end = slice::position(last, length, length)?;
    string::joined_part_at_once(left, right, start, end.max(start))
}

/// A short part of a string between bounds that are numbers or absent: the way of most slices, without a call.
#[inline]
fn part_at_once(base: &Value, first: &Value, last: &Value, step: &Value) -> Option<Value> {
    let string = base.as_string().filter(|_| step.is_undefined())?;
    let start = slice::position(first, 0, string.len())?;
    let end = slice::position(last, string.len(), string.len())?;
    string::part_at_once(string, start, end.max(start))
}

pub(crate) fn iterate_begin(_: &mut Running, array: &Value) -> Result<(), Unwind> {
    match array.as_array() {
        Some(_) => Ok(()),
        None => Err(Unwind::Error(ErrorKind::NotIterable { got: array.kind() })),
    }
}

/// The position is checked against the array, so no value of it does harm.
pub(crate) fn iterate_next(
    _: &mut Running,
    array: &Value,
    position: i64,
    wants_key: i64,
    room: &mut [Value; 2],
) -> i64 {
    let position = usize::try_from(position).unwrap_or(usize::MAX);
    let Some(array) = array.as_array() else {
        return -1;
    };
    let Some((next, element)) = array.next_value(position) else {
        return -1;
    };
    let [key_room, element_room] = room;
    if wants_key != 0 {
        *key_room = array.key_before(next);
    }
    *element_room = element.clone();
    i64::try_from(next).unwrap_or(-1)
}

pub(crate) fn echo(running: &mut Running, operand: &Value) -> Result<(), Unwind> {
    let line = convert::text(operand)
        .map_err(Unwind::Error)?
        .octets()
        .to_vec();
    running.print(line)
}
