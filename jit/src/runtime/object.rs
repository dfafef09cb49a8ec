//! Objects: instances of classes, by reference.
//!
//! An object is the number of its class and its variables, kept in an array. Whoever holds a value of it sees every change.
//! Objects of the library's classes keep their state in the array instead, which no script sees: they have no variables.
//! Knows nothing of methods, access or static members: those belong to the class, of the script or of the library.
#![expect(unsafe_code, reason = "declares the object to be a heap object")]

use std::cell::Cell;

use super::heap::{self, Header, HeapObject};
use super::key::Key;
use super::layout;
use super::value::Value;
use crate::error::ErrorKind;

/// The number of the library's first class. Those of a script's classes count from zero and stay below.
const LIBRARY_CLASS_FIRST: u32 = 1 << 31;

/// An instance of a class.
#[repr(C)]
pub struct HslObject {
    pub(super) header: Header,
    pub(super) class: u32,
    /// An array keyed by the names of variables, or the state of an object of the library.
    properties: Cell<Value>,
}

// SAFETY: 1: repr(C), header first; 2: TAG_OBJECT is used for nothing else, `finish` destroys an HslObject; 3: 8.
unsafe impl HeapObject for HslObject {
    const TAG: u64 = layout::TAG_OBJECT;
}

impl Value {
    /// An object of the class with this number. `properties` is the array of its variables, by name.
    ///
    /// # Errors
    ///
    /// If `properties` is not an array or the heap exceeds its limit.
    pub fn object(class: u32, properties: Self) -> Result<Self, ErrorKind> {
        if properties.as_array().is_none() {
            return Err(ErrorKind::NotAnArray {
                got: properties.kind(),
            });
        }
        heap::make_object(|header| HslObject {
            header,
            class,
            properties: Cell::new(properties),
        })
    }

    /// An object of the library's class with this index. `state` is an array.
    ///
    /// # Errors
    ///
    /// Those of [`Self::object`].
    pub fn library_object(class: u32, state: Self) -> Result<Self, ErrorKind> {
        Self::object(LIBRARY_CLASS_FIRST | class, state)
    }
}

impl HslObject {
    /// The number of its class.
    #[must_use]
    pub fn class(&self) -> u32 {
        self.class
    }

    /// The index of its class among those of the library, if it is one of them.
    #[must_use]
    pub fn library_class(&self) -> Option<u32> {
        self.class.checked_sub(LIBRARY_CLASS_FIRST)
    }

    /// Fails for an object that has no variables to be set.
    ///
    /// # Errors
    ///
    /// If its class is one of the library.
    pub fn check_has_variables(&self) -> Result<(), ErrorKind> {
        match self.library_class() {
            Some(_) => Err(ErrorKind::NoVariables),
            None => Ok(()),
        }
    }

    /// The array of its variables, or of its state, as it is now.
    #[must_use]
    pub fn properties(&self) -> Value {
        let properties = self.properties.replace(Value::NONE);
        let copy = properties.clone();
        self.properties.set(properties);
        copy
    }

    /// The variable with this name.
    #[must_use]
    pub fn get(&self, name: Key<'_>) -> Option<Value> {
        if self.library_class().is_some() {
            return None;
        }
        let properties = self.properties.replace(Value::NONE);
        let found = properties
            .as_array()
            .and_then(|array| array.get(name).cloned());
        self.properties.set(properties);
        found
    }

    /// Gives a variable a value, adding it if it is new.
    ///
    /// # Errors
    ///
    /// If the object has no variables or the heap exceeds its limit.
    pub fn set(&self, name: Key<'_>, value: Value) -> Result<(), ErrorKind> {
        self.check_has_variables()?;
        self.update(|properties| properties.array_mut()?.set(name, value))
    }

    /// Changes the array of variables, or the state, in place. During `change` the object itself has none, so `change` must not look at it.
    pub fn update<R>(&self, change: impl FnOnce(&mut Value) -> R) -> R {
        let mut properties = self.properties.replace(Value::NONE);
        let result = change(&mut properties);
        drop(self.properties.replace(properties));
        result
    }

    /// Where the array of variables is, for generated code.
    #[must_use]
    pub fn properties_ptr(&self) -> *mut Value {
        self.properties.as_ptr()
    }
}

impl std::fmt::Debug for HslObject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HslObject of class {}", self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};

    #[test]
    fn objects_change_for_everybody_and_their_arrays_do_not() {
        let heap = Heap::new(1 << 16);
        let _entered = heap.enter();
        let object = Value::object(4, Value::array().expect("fits")).expect("fits");
        let same = object.clone();
        let name = Key::Octets(b"n");
        object
            .as_object()
            .expect("object")
            .set(name, Value::number(1.0))
            .expect("fits");
        let before = same.as_object().expect("object").properties();
        same.as_object()
            .expect("object")
            .set(name, Value::number(2.0))
            .expect("fits");
        let read = |value: &Value| value.as_object().expect("object").get(name);
        assert_eq!(read(&object).and_then(|value| value.as_number()), Some(2.0));
        let kept = before
            .as_array()
            .expect("array")
            .get(name)
            .and_then(Value::as_number);
        assert_eq!(kept, Some(1.0));
        assert_eq!(object.as_object().expect("object").class(), 4);
        assert!(Value::object(4, Value::NONE).is_err());
        drop((object, same, before));
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn the_state_of_an_object_of_the_library_is_no_variable() {
        let heap = Heap::new(1 << 16);
        let _entered = heap.enter();
        let state = Value::array_of([Value::TRUE]).expect("fits");
        let value = Value::library_object(3, state).expect("fits");
        let object = value.as_object().expect("object");
        assert_eq!(object.library_class(), Some(3));
        assert!(object.get(Key::Integer(0)).is_none());
        let name = Key::Octets(b"n");
        assert_eq!(object.set(name, Value::NONE), Err(ErrorKind::NoVariables));
        let state = object.properties();
        assert_eq!(state.as_array().map(super::super::HslArray::len), Some(1));
        drop((state, value));
        assert_eq!(live_objects(), 0);
    }
}
