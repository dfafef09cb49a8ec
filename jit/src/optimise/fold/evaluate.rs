//! Operations on constants, computed when compiling by the very functions that compute them when running.
//!
//! In: an operator or a builtin, and constants. Out: a constant; or nothing where running would fail, would take fuel, would
//! not give a plain value, or would give a long one. Guarantees: bounded work, and that whatever does not come out here is
//! left to run.

use std::collections::HashMap;
use std::rc::Rc;

use crate::builtins::operator::apply;
use crate::builtins::{StillWorld, Unwind, registry};
use crate::ir::{Constant, ConstantId, Operand};
use crate::runtime::{Heap, Kind, Portable, Value, convert, operate};
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// Strings up to this are computed when compiling, in octets.
pub(super) const STRING_LENGTH_MAX: usize = 1024;

/// All strings that are computed for one script, in octets.
const STRINGS_LENGTH_MAX: usize = 256 * 1024;

/// The memory that one computation may take, in bytes.
const MEMORY_MAX: usize = 1 << 20;

/// Computes on the constants of a program, and adds to them.
pub(super) struct Evaluator<'a> {
    constants: &'a mut Vec<Constant>,
    strings: HashMap<Rc<[u8]>, ConstantId>,
    octets_left: usize,
    heap: Heap,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(constants: &'a mut Vec<Constant>) -> Self {
        let mut strings = HashMap::new();
        for (constant, index) in constants.iter().zip(0..) {
            if let Constant::String(octets) = constant {
                strings
                    .entry(Rc::clone(octets))
                    .or_insert(ConstantId(index));
            }
        }
        Self {
            constants,
            strings,
            octets_left: STRINGS_LENGTH_MAX,
            heap: Heap::new(MEMORY_MAX),
        }
    }

    /// `left operator right`
    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: Operand,
        right: Operand,
    ) -> Option<Operand> {
        // A pattern may take as long as it likes.
        if matches!(operator, BinaryOperator::Match | BinaryOperator::NotMatch) {
            return None;
        }
        self.compute(&[left, right], |values| {
            apply(operator, &values[0], &values[1]).ok()
        })
    }

    /// `operator operand`
    pub(super) fn unary(&mut self, operator: UnaryOperator, operand: Operand) -> Option<Operand> {
        self.compute(&[operand], |values| {
            let value = &values[0];
            match operator {
                UnaryOperator::Minus => operate::negate(value).ok(),
                UnaryOperator::Plus => operate::plus(value).ok(),
                UnaryOperator::BitNot => operate::bit_not(value).ok(),
                UnaryOperator::Not => Some(operate::not(value)),
            }
        })
    }

    /// The truth of a constant.
    pub(super) fn truth(&mut self, operand: Operand) -> Option<bool> {
        let truth = self.compute(&[operand], |values| {
            Some(Value::boolean(values[0].truthy()))
        });
        match truth {
            Some(Operand::Boolean(truth)) => Some(truth),
            _ => None,
        }
    }

    /// One more or one less.
    pub(super) fn next(&mut self, increment: bool, operand: Operand) -> Option<Operand> {
        self.compute(&[operand], |values| {
            if increment {
                operate::increment(&values[0]).ok()
            } else {
                operate::decrement(&values[0]).ok()
            }
        })
    }

    /// The texts of all parts. What `.` joins must not be none.
    pub(super) fn joined(&mut self, parts: &[Operand], none_is_text: bool) -> Option<Operand> {
        self.compute(parts, |values| {
            let lacks_text = !none_is_text && values.iter().any(Value::is_none);
            (!lacks_text).then(|| convert::interpolate(values).ok())?
        })
    }

    /// A call of a builtin that asks nobody for anything.
    pub(super) fn builtin(&mut self, builtin: u32, arguments: &[Operand]) -> Option<Operand> {
        let builtin = registry().get(builtin as usize)?;
        if !builtin.pure || builtin.name.starts_with("pcre_") {
            return None;
        }
        self.compute(arguments, |values| builtin.invoke(values, &mut Idle).ok())
    }

    /// Whether a constant is a string.
    pub(super) fn string(&self, operand: Operand) -> Option<Rc<[u8]>> {
        let Operand::Constant(id) = operand else {
            return None;
        };
        match self.constants.get(id.0 as usize)? {
            Constant::String(octets) => Some(Rc::clone(octets)),
            Constant::Data(_) | Constant::Array(_) => None,
        }
    }

    /// What a computation gives on the values of some constants.
    fn compute(
        &mut self,
        operands: &[Operand],
        computation: impl FnOnce(&[Value]) -> Option<Value>,
    ) -> Option<Operand> {
        let result = {
            let _entered = self.heap.enter();
            let values: Option<Vec<Value>> = operands
                .iter()
                .map(|operand| self.value(*operand))
                .collect();
            let value = computation(&values?)?;
            plain(&value)?
        };
        self.operand(result)
    }

    /// The value of a constant, on the entered heap.
    fn value(&self, operand: Operand) -> Option<Value> {
        match operand {
            Operand::Number(number) => Some(Value::number(number)),
            Operand::Boolean(truth) => Some(Value::boolean(truth)),
            Operand::None => Some(Value::NONE),
            Operand::Constant(_) => Value::string(&self.string(operand)?).ok(),
            Operand::Register(_) | Operand::Absent | Operand::Function(_) => None,
        }
    }

    /// A value as an operand; a string becomes a constant of the program.
    fn operand(&mut self, value: Portable) -> Option<Operand> {
        Some(match value {
            Portable::None => Operand::None,
            Portable::Boolean(truth) => Operand::Boolean(truth),
            Portable::Number(number) => Operand::Number(number),
            Portable::String(octets) => {
                if let Some(known) = self.strings.get(&*octets) {
                    return Some(Operand::Constant(*known));
                }
                self.octets_left = self.octets_left.checked_sub(octets.len())?;
                let id = ConstantId(u32::try_from(self.constants.len()).ok()?);
                let octets: Rc<[u8]> = octets.into();
                self.constants.push(Constant::String(Rc::clone(&octets)));
                self.strings.insert(octets, id);
                Operand::Constant(id)
            }
            Portable::Array(_) | Portable::Shared(_) => return None,
        })
    }
}

/// A value that fits in an operand or a short constant, outside of the heap.
fn plain(value: &Value) -> Option<Portable> {
    match value.kind() {
        Kind::None | Kind::Boolean | Kind::Number => Portable::copy(value).ok(),
        Kind::String if value.as_octets()?.len() <= STRING_LENGTH_MAX => Portable::copy(value).ok(),
        Kind::String | Kind::Array | Kind::Function | Kind::Object => None,
    }
}

/// A world that gives nothing: a builtin that needs fuel, chance or a callback is left to run.
struct Idle;

impl StillWorld for Idle {
    fn call_back(&mut self, _: &Value, _: &[Value]) -> Result<Value, Unwind> {
        Err(Unwind::Ended)
    }

    fn pay(&mut self, fuel: u64) -> Result<(), Unwind> {
        match fuel {
            0 => Ok(()),
            _ => Err(Unwind::Ended),
        }
    }

    fn random_octet(&mut self) -> u8 {
        0
    }
}
