//! Values, the memory they live in, and every operation of the language on them.
//!
//! In: values and the operators generated code and the plain evaluator apply to them. Out: values or an
//! [`ErrorKind`](crate::error::ErrorKind).
//! Nothing here knows of scripts, code or hosts, calls foreign code, or panics on input. All memory of values comes from the
//! entered [`Heap`](heap::Heap) and is bounded by its limit.
//!
//! ```text
//! layout  bits and offsets          heap    memory, reference counts     vector  growable blocks on the heap
//! value   one value                 string array function object         slice   [first:last:step]
//! number  text of numbers           convert compare operate format       portable  copies outside any heap
//! ```

pub mod array;
mod blocks;
pub mod compare;
pub mod convert;
pub mod format;
pub mod function;
pub mod heap;
pub mod key;
pub mod kind;
pub mod layout;
pub mod number;
pub mod object;
pub mod operate;
pub mod place;
pub mod portable;
pub mod slice;
pub mod string;
pub mod value;
mod vector;

pub use array::HslArray;
pub use function::{FunctionTarget, HslFunction};
pub use heap::Heap;
pub use key::Key;
pub use kind::{Kind, Kinds};
pub use object::HslObject;
pub use portable::Portable;
pub use string::{HslString, StringBuilder};
pub use value::Value;
