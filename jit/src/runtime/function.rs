//! Function values, and the cells that captured variables live in.
//!
//! A function value says what to call, with which captured variables, and on which object. Two values that name the same
//! function without captures are equal; two closures are equal only if they are one.
//! Captures are by reference: closure and enclosing function share a [`VariableCell`].
#![expect(
    unsafe_code,
    reason = "declares functions and cells to be heap objects"
)]

use super::heap::{self, Header, HeapObject};
use super::layout;
use super::value::Value;
use super::vector::HeapVec;
use crate::error::ErrorKind;

/// What a function value calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C, u32)]
pub enum FunctionTarget {
    /// The builtin with this index in the registry.
    Builtin(u32),
    /// The script's function with this index.
    User(u32),
    /// The host's function with this index.
    Host(u32),
    /// The constructor of the script's class with this index.
    Class(u32),
}

/// A function value.
#[derive(Debug)]
#[repr(C)]
pub struct HslFunction {
    pub(super) header: Header,
    target: FunctionTarget,
    /// The object, or none.
    pub(super) bound: Value,
    /// Captured variables, as cells.
    pub(super) cells: HeapVec<Value>,
}

// SAFETY: 1: repr(C), header first; 2: TAG_FUNCTION is used for nothing else, `finish` destroys an HslFunction; 3: 8.
unsafe impl HeapObject for HslFunction {
    const TAG: u64 = layout::TAG_FUNCTION;
}

impl HslFunction {
    /// What it calls.
    #[must_use]
    pub fn target(&self) -> FunctionTarget {
        self.target
    }

    /// The object it is bound to, or none.
    #[must_use]
    pub fn bound(&self) -> &Value {
        &self.bound
    }

    /// Its captured variables, each a cell.
    #[must_use]
    pub fn cells(&self) -> &[Value] {
        &self.cells
    }

    /// Whether both are the same function: one closure, or one name on one object.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.target == other.target
                && self.cells.is_empty()
                && other.cells.is_empty()
                && self.bound.is_same(&other.bound))
    }
}

impl Value {
    /// A function value. `bound` is an object or none; `cells` are values made by [`Value::cell`].
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn function(
        target: FunctionTarget,
        bound: Self,
        cells: impl ExactSizeIterator<Item = Self>,
    ) -> Result<Self, ErrorKind> {
        let mut captured = HeapVec::new();
        if cells.len() > 0 {
            captured.reserve(cells.len())?;
        }
        for cell in cells {
            captured.push(cell)?;
        }
        heap::make_object(|header| HslFunction {
            header,
            target,
            bound,
            cells: captured,
        })
    }

    /// A cell that holds `value`: the home of a captured variable.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn cell(value: Self) -> Result<Self, ErrorKind> {
        heap::make_object(|header| VariableCell {
            header,
            value: std::cell::Cell::new(value),
        })
    }
}

/// The home of a variable that is captured by reference.
#[repr(C)]
pub struct VariableCell {
    pub(super) header: Header,
    pub(super) value: std::cell::Cell<Value>,
}

// SAFETY: 1: repr(C), header first; 2: TAG_CELL is used for nothing else, `finish` destroys a VariableCell; 3: 8.
unsafe impl HeapObject for VariableCell {
    const TAG: u64 = layout::TAG_CELL;
}

impl VariableCell {
    /// The variable's value.
    #[must_use]
    pub fn get(&self) -> Value {
        let value = self.value.replace(Value::UNDEFINED);
        let copy = value.clone();
        self.value.set(value);
        copy
    }

    /// Gives the variable a value.
    pub fn set(&self, value: Value) {
        // The old value is dropped after the new one is in place.
        drop(self.value.replace(value));
    }

    /// Changes the variable in place; during `change` the cell itself is undefined.
    pub fn update<R>(&self, change: impl FnOnce(&mut Value) -> R) -> R {
        let mut value = self.value.replace(Value::UNDEFINED);
        let result = change(&mut value);
        self.set(value);
        result
    }

    /// Where the variable's value is, for generated code.
    #[must_use]
    pub fn as_ptr(&self) -> *mut Value {
        self.value.as_ptr()
    }
}

impl std::fmt::Debug for VariableCell {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("VariableCell")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};

    #[test]
    fn closures_share_their_variables() {
        let heap = Heap::new(1 << 16);
        let _entered = heap.enter();
        let variable = Value::cell(Value::number(1.0)).expect("fits");
        let make = || {
            let cells = [variable.clone()];
            Value::function(FunctionTarget::User(3), Value::NONE, cells.into_iter()).expect("fits")
        };
        let (left, right) = (make(), make());
        let cell = |function: &Value| function.as_function().expect("function").cells()[0].clone();
        cell(&left).as_cell().expect("cell").set(Value::number(2.0));
        assert_eq!(
            cell(&right).as_cell().expect("cell").get().as_number(),
            Some(2.0)
        );
        let (one, other) = (
            left.as_function().expect("one"),
            right.as_function().expect("other"),
        );
        assert!(!one.equals(other), "two closures are two functions");
        assert!(one.equals(one));
        drop((left, right, variable));
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn named_functions_are_equal_by_name() {
        let heap = Heap::new(1 << 16);
        let _entered = heap.enter();
        let name = |target| Value::function(target, Value::NONE, [].into_iter()).expect("fits");
        let (left, right) = (
            name(FunctionTarget::Builtin(7)),
            name(FunctionTarget::Builtin(7)),
        );
        let other = name(FunctionTarget::User(7));
        let function = |value: &Value| value.as_function().expect("function").target();
        assert_eq!(function(&left), function(&right));
        assert!(
            left.as_function()
                .expect("left")
                .equals(right.as_function().expect("right"))
        );
        assert!(
            !left
                .as_function()
                .expect("left")
                .equals(other.as_function().expect("other"))
        );
    }
}
