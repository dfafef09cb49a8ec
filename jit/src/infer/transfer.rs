//! What one instruction does to the known kinds.
//!
//! One function per question: which registers an operation reads and writes, and which kinds the written ones then have.

use super::{Inference, Kinds, Known, State};
use crate::ir::{Function, Operand, Operation, PathStep, PlaceAction, PlaceRoot, Register};
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// The kinds an operand may have in a state.
#[must_use]
pub fn operand_kinds(state: &State, operand: Operand, known: &Known) -> Kinds {
    match operand {
        Operand::Register(register) => state[register.0 as usize],
        Operand::Number(_) => Kinds::NUMBER,
        Operand::Boolean(_) => Kinds::BOOLEAN,
        Operand::None => Kinds::NONE,
        Operand::Absent => Kinds::UNDEFINED,
        Operand::Constant(constant) => known.constant(constant.0),
        Operand::Function(_) => Kinds::FUNCTION,
    }
}

/// Applies one operation to the state.
pub fn transfer(function: &Function, state: &mut State, operation: &Operation, known: &Known) {
    if known.inference == Inference::Off {
        each_written(operation, &mut |register| {
            state[register.0 as usize] = Kinds::ANY_OR_UNDEFINED;
        });
        return;
    }
    debug_assert_eq!(function.registers.len(), state.len());
    match operation {
        Operation::CheckDefined { register, .. } => {
            let kinds = &mut state[register.0 as usize];
            *kinds = kinds.without(Kinds::UNDEFINED);
        }
        Operation::Assign { variable, from } => {
            state[variable.0 as usize] = state[from.0 as usize];
        }
        Operation::Update {
            operator,
            variable,
            right,
        } => {
            let left = state[variable.0 as usize];
            state[variable.0 as usize] =
                binary(*operator, left, operand_kinds(state, *right, known));
        }
        Operation::Append { variable, .. } => state[variable.0 as usize] = Kinds::STRING,
        Operation::Step { variable, .. } => state[variable.0 as usize] = Kinds::NUMBER,
        Operation::Place {
            into,
            place,
            action,
        } => place_kinds(state, *into, &place.root, &place.path, action, known),
        Operation::ArrayPush { array, value }
        | Operation::ArrayInsert { array, value, .. }
        | Operation::ArrayAdd { array, value, .. } => {
            let element = operand_kinds(state, *value, known);
            let array = &mut state[array.0 as usize];
            *array = with_element(*array, element);
        }
        Operation::ArraySpread { array, value } => {
            let elements = element(operand_kinds(state, *value, known));
            let array = &mut state[array.0 as usize];
            *array = with_element(*array, elements);
        }
        other => {
            if let Some((into, kinds)) = result(state, other, known) {
                state[into.0 as usize] = kinds;
            }
        }
    }
}

fn place_kinds(
    state: &mut State,
    into: Option<Register>,
    root: &PlaceRoot,
    path: &[PathStep],
    action: &PlaceAction,
    known: &Known,
) {
    if let Some(into) = into {
        state[into.0 as usize] = match action {
            PlaceAction::Isset | PlaceAction::Unset => Kinds::BOOLEAN,
            PlaceAction::Step { .. } => Kinds::NUMBER.or(Kinds::BOOLEAN),
            PlaceAction::Store(_) | PlaceAction::Update { .. } | PlaceAction::ReadQuiet => {
                Kinds::ANY
            }
        };
    }
    let creates = matches!(
        action,
        PlaceAction::Store(_) | PlaceAction::Update { .. } | PlaceAction::Step { .. }
    );
    if let (PlaceRoot::Variable(register), true) = (root, creates) {
        let before = state[register.0 as usize];
        let by_property = matches!(path.first(), Some(PathStep::Property(_)));
        let kept = before.and(Kinds::OBJECT);
        let written = match (path, action) {
            ([PathStep::Key(_) | PathStep::Append], PlaceAction::Store(value)) => {
                operand_kinds(state, *value, known)
            }
            ([PathStep::Key(_)], PlaceAction::Update { operator, right }) => {
                let before = Kinds::NUMBER.or(Kinds::BOOLEAN);
                binary(*operator, before, operand_kinds(state, *right, known))
            }
            ([PathStep::Key(_)], PlaceAction::Step { .. }) => Kinds::NUMBER,
            _ => Kinds::ANY,
        };
        // An array is made where there is none; every element of it is the one that is written.
        let before = match before.and(Kinds::ARRAY) {
            Kinds::NOTHING => known.empty_array(),
            array => array,
        };
        state[register.0 as usize] = if by_property {
            Kinds::ANY
        } else {
            with_element(before, written).or(kept)
        };
    }
}

/// An array once it has an element of these kinds, too.
fn with_element(array: Kinds, element: Kinds) -> Kinds {
    if array.within(Kinds::PLAIN_ARRAY) && element.within(Kinds::PLAIN) {
        Kinds::PLAIN_ARRAY
    } else {
        Kinds::ARRAY
    }
}

/// The kinds of the elements of an array.
#[must_use]
pub fn element(array: Kinds) -> Kinds {
    if array.is(Kinds::PLAIN_ARRAY) {
        Kinds::PLAIN
    } else {
        Kinds::ANY
    }
}

/// The register an operation writes as its result, and the kinds of that result.
fn result(state: &State, operation: &Operation, known: &Known) -> Option<(Register, Kinds)> {
    let of = |operand: &Operand| operand_kinds(state, *operand, known);
    Some(match operation {
        Operation::Copy { into, from } => (*into, of(from)),
        Operation::Binary {
            operator,
            into,
            left,
            right,
        } => (*into, binary(*operator, of(left), of(right))),
        Operation::Unary {
            operator,
            into,
            operand,
        } => (*into, unary(*operator, of(operand))),
        Operation::Truth { into, .. } | Operation::IsDefined { into, .. } => {
            (*into, Kinds::BOOLEAN)
        }
        Operation::Concatenate { into, .. } | Operation::Interpolate { into, .. } => {
            (*into, Kinds::STRING)
        }
        Operation::Next { into, .. } => (*into, Kinds::NUMBER),
        Operation::ArrayNew { into, .. } => (*into, known.empty_array()),
        Operation::AsArray { into, from } => {
            let array = of(from).and(Kinds::ARRAY);
            (*into, array.or(known.empty_array()))
        }
        Operation::LoadUndefined { into } => (*into, Kinds::UNDEFINED),
        Operation::Index { into, base, .. } => (*into, index(of(base), known)),
        Operation::Slice { into, base, .. } => (*into, slice(of(base))),
        Operation::Closure { into, .. } => (*into, Kinds::FUNCTION),
        Operation::Call { into, function, .. } => (*into, known.result(*function)),
        Operation::CallBuiltin {
            into,
            builtin,
            arguments,
        } => {
            let arguments: Vec<Kinds> = arguments.iter().map(of).collect();
            (*into, known.builtin(*builtin, &arguments))
        }
        Operation::CallHost { into, .. }
        | Operation::CallValue { into, .. }
        | Operation::CallCached { into, .. }
        | Operation::CallMethod { into, .. }
        | Operation::Property { into, .. }
        | Operation::LoadPredefined { into, .. }
        | Operation::LoadStatic { into, .. } => (*into, Kinds::ANY),
        Operation::CellGet { into, .. } | Operation::BarrierEnter { into, .. } => {
            (*into, Kinds::ANY_OR_UNDEFINED)
        }
        _ => return None,
    })
}

/// A part of a string may be one of no octets.
fn slice(base: Kinds) -> Kinds {
    let strings = match base.meets(Kinds::STRING) {
        true => Kinds::STRING,
        false => Kinds::NOTHING,
    };
    base.and(Kinds::ARRAY).or(strings)
}

fn index(base: Kinds, known: &Known) -> Kinds {
    let simple = Kinds::STRING
        .or(Kinds::NONE)
        .or(Kinds::UNDEFINED)
        .or(Kinds::PLAIN_ARRAY);
    if !base.within(simple) {
        return Kinds::ANY;
    }
    let elements = if base.meets(Kinds::PLAIN_ARRAY) {
        Kinds::PLAIN
    } else {
        Kinds::NONE
    };
    match base.meets(Kinds::STRING) {
        true => elements.or(known.octet()),
        false => elements,
    }
}

/// The kinds of `left operator right`, given that it does not fail.
fn binary(operator: BinaryOperator, left: Kinds, right: Kinds) -> Kinds {
    match operator {
        BinaryOperator::Power
        | BinaryOperator::Divide
        | BinaryOperator::ShiftLeft
        | BinaryOperator::ShiftRight
        | BinaryOperator::BitAnd
        | BinaryOperator::BitXor
        | BinaryOperator::BitOr => Kinds::NUMBER,
        BinaryOperator::Add
        | BinaryOperator::Subtract
        | BinaryOperator::Multiply
        | BinaryOperator::Modulus => arithmetic(operator, left, right),
        BinaryOperator::Concatenate => Kinds::STRING,
        BinaryOperator::Less
        | BinaryOperator::Greater
        | BinaryOperator::LessOrEqual
        | BinaryOperator::GreaterOrEqual
        | BinaryOperator::Equal
        | BinaryOperator::NotEqual
        | BinaryOperator::Identical
        | BinaryOperator::NotIdentical
        | BinaryOperator::Match
        | BinaryOperator::NotMatch => Kinds::BOOLEAN,
    }
}

/// The same of the operators that strings and arrays know, too. None is an operand of none of them but beside an array.
fn arithmetic(operator: BinaryOperator, left: Kinds, right: Kinds) -> Kinds {
    let numbers = Kinds::NUMBER.or(Kinds::BOOLEAN);
    let either = left.or(right);
    let (strings, arrays) = match operator {
        BinaryOperator::Subtract => (Kinds::NOTHING, left),
        BinaryOperator::Modulus => (left, Kinds::NOTHING),
        _ => (either, either),
    };
    let mut kinds = slice(strings).without(Kinds::ARRAY);
    if arrays.meets(Kinds::ARRAY) {
        kinds = kinds.or(Kinds::ARRAY);
    }
    if (left.meets(numbers) && right.meets(numbers)) || kinds == Kinds::NOTHING {
        kinds = kinds.or(Kinds::NUMBER);
    }
    kinds
}

fn unary(operator: UnaryOperator, _operand: Kinds) -> Kinds {
    match operator {
        UnaryOperator::Minus | UnaryOperator::Plus | UnaryOperator::BitNot => Kinds::NUMBER,
        UnaryOperator::Not => Kinds::BOOLEAN,
    }
}

/// Calls back for each register an operation writes.
pub fn each_written(operation: &Operation, written: &mut dyn FnMut(Register)) {
    match operation {
        Operation::Copy { into, .. }
        | Operation::AsArray { into, .. }
        | Operation::LoadUndefined { into }
        | Operation::Binary { into, .. }
        | Operation::Unary { into, .. }
        | Operation::Truth { into, .. }
        | Operation::Concatenate { into, .. }
        | Operation::Interpolate { into, .. }
        | Operation::Next { into, .. }
        | Operation::ArrayNew { into, .. }
        | Operation::Index { into, .. }
        | Operation::Slice { into, .. }
        | Operation::Property { into, .. }
        | Operation::Call { into, .. }
        | Operation::CallBuiltin { into, .. }
        | Operation::CallHost { into, .. }
        | Operation::CallValue { into, .. }
        | Operation::CallCached { into, .. }
        | Operation::BarrierEnter { into, .. }
        | Operation::CallMethod { into, .. }
        | Operation::Closure { into, .. }
        | Operation::CellNew { into }
        | Operation::CellGlobal { into, .. }
        | Operation::CellGet { into, .. }
        | Operation::LoadPredefined { into, .. }
        | Operation::LoadStatic { into, .. }
        | Operation::IsDefined { into, .. } => written(*into),
        Operation::Assign { variable, .. }
        | Operation::Update { variable, .. }
        | Operation::Append { variable, .. }
        | Operation::Step { variable, .. } => written(*variable),
        Operation::Place { into, place, .. } => {
            if let Some(into) = into {
                written(*into);
            }
            if let PlaceRoot::Variable(register) = place.root {
                written(register);
            }
        }
        Operation::CheckDefined { register, .. } => written(*register),
        Operation::Release { .. }
        | Operation::ArrayPush { .. }
        | Operation::ArrayInsert { .. }
        | Operation::ArrayAdd { .. }
        | Operation::ArraySpread { .. }
        | Operation::CellSet { .. }
        | Operation::StorePredefined { .. }
        | Operation::StoreStatic { .. }
        | Operation::IterateBegin { .. }
        | Operation::BarrierLeave { .. }
        | Operation::Echo { .. }
        | Operation::RunModule { .. }
        | Operation::Fuel => {}
    }
}

/// Calls back for each register whose value an operation looks at. A release looks at nothing that matters here.
#[expect(clippy::too_many_lines, reason = "a flat dispatch over all operations")]
pub fn each_read(operation: &Operation, read: &mut dyn FnMut(Register)) {
    let mut operand = |operand: &Operand| {
        if let Operand::Register(register) = operand {
            read(*register);
        }
    };
    match operation {
        Operation::Copy { from, .. } | Operation::AsArray { from, .. } => operand(from),
        Operation::Binary { left, right, .. } => {
            operand(left);
            operand(right);
        }
        Operation::Unary { operand: one, .. }
        | Operation::Truth { operand: one, .. }
        | Operation::Next { operand: one, .. }
        | Operation::Echo { operand: one }
        | Operation::Property { base: one, .. } => operand(one),
        Operation::Concatenate { parts, .. } | Operation::Interpolate { parts, .. } => {
            parts.iter().for_each(operand)
        }
        Operation::Append {
            variable, parts, ..
        } => {
            parts.iter().for_each(&mut operand);
            read(*variable);
        }
        Operation::Update {
            variable, right, ..
        } => {
            operand(right);
            read(*variable);
        }
        Operation::ArrayPush { array, value } | Operation::ArraySpread { array, value } => {
            operand(value);
            read(*array);
        }
        Operation::ArrayInsert { array, key, value } => {
            operand(key);
            operand(value);
            read(*array);
        }
        Operation::ArrayAdd {
            array,
            walked,
            position,
            value,
            ..
        } => {
            operand(value);
            read(*array);
            read(*walked);
            read(*position);
        }
        Operation::Index { base, key, .. } => {
            operand(base);
            operand(key);
        }
        Operation::Slice { base, bounds, .. } => {
            operand(base);
            bounds.iter().for_each(operand);
        }
        Operation::Place { place, action, .. } => {
            place_reads(&place.root, &place.path, action, read)
        }
        Operation::Call {
            arguments, this, ..
        } => {
            if let Some(this) = this {
                operand(this);
            }
            arguments.iter().copied().for_each(read);
        }
        Operation::CallBuiltin { arguments, .. } | Operation::CallHost { arguments, .. } => {
            arguments.iter().for_each(operand);
        }
        Operation::CallValue {
            callee, arguments, ..
        } => {
            operand(callee);
            operand(arguments);
        }
        Operation::CallCached {
            callee,
            options,
            arguments,
            ..
        } => {
            operand(callee);
            operand(options);
            operand(arguments);
        }
        Operation::BarrierEnter { name, .. } => operand(name),
        Operation::BarrierLeave { shared } => shared.iter().copied().for_each(read),
        Operation::CallMethod {
            object, arguments, ..
        } => {
            operand(object);
            operand(arguments);
        }
        Operation::Closure { cells, .. } => cells.iter().copied().for_each(read),
        Operation::Assign { from, .. }
        | Operation::CellSet { from, .. }
        | Operation::StorePredefined { from, .. }
        | Operation::StoreStatic { from, .. } => read(*from),
        Operation::CheckDefined { register, .. } => read(*register),
        Operation::Step { variable, .. } => read(*variable),
        Operation::IsDefined { operand, .. } => read(*operand),
        Operation::IterateBegin { array, .. } => read(*array),
        Operation::CellGet { cell, .. } => read(*cell),
        Operation::Release { .. }
        | Operation::ArrayNew { .. }
        | Operation::LoadUndefined { .. }
        | Operation::CellNew { .. }
        | Operation::CellGlobal { .. }
        | Operation::LoadPredefined { .. }
        | Operation::LoadStatic { .. }
        | Operation::RunModule { .. }
        | Operation::Fuel => {}
    }
}

fn place_reads(
    root: &PlaceRoot,
    path: &[PathStep],
    action: &PlaceAction,
    read: &mut dyn FnMut(Register),
) {
    let mut operand = |operand: &Operand| {
        if let Operand::Register(register) = operand {
            read(*register);
        }
    };
    match root {
        PlaceRoot::Value(value) => operand(value),
        PlaceRoot::Variable(register) | PlaceRoot::Cell(register) => {
            operand(&Operand::Register(*register))
        }
        PlaceRoot::Predefined(_) | PlaceRoot::Static(_) => {}
    }
    for step in path {
        match step {
            PathStep::Key(key) => operand(key),
            PathStep::Slice(bounds) => bounds.iter().for_each(&mut operand),
            PathStep::Append | PathStep::Property(_) => {}
        }
    }
    match action {
        PlaceAction::Store(value) | PlaceAction::Update { right: value, .. } => operand(value),
        PlaceAction::Step { .. }
        | PlaceAction::Isset
        | PlaceAction::Unset
        | PlaceAction::ReadQuiet => {}
    }
}
