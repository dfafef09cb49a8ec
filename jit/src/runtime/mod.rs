//! Values, the memory they live in, and every operation of the language on them.
//!
//! In: values and the operators generated code and the plain evaluator apply to them. Out: values or an
//! [`ErrorKind`](crate::error::ErrorKind).
//! Nothing here knows of scripts, code or hosts, calls foreign code, or panics on input. All memory of values comes from the
//! entered [`Heap`] and is bounded by its limit.
//!
//! ```text
//! layout  bits and offsets          heap, blocks  memory and reference counts   vector  growable blocks on the heap
//! value   one value                 string array key function object           slice   [first:last:step]
//! number  text of numbers           convert compare operate format place       portable  copies outside any heap
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A string.
    pub(crate) fn text(octets: impl AsRef<[u8]>) -> Value {
        Value::string(octets.as_ref()).expect("fits")
    }

    /// A packed array.
    pub(crate) fn list(values: impl IntoIterator<Item = Value>) -> Value {
        Value::array_of(values).expect("fits")
    }

    /// An array with these names as keys.
    pub(crate) fn map<const N: usize>(elements: [(&str, Value); N]) -> Value {
        let mut value = list([]);
        let array = value.array_mut().expect("array");
        for (key, element) in elements {
            array.set(Key::of(key.as_bytes()), element).expect("fits");
        }
        value
    }

    /// Runs `walk` on a stack much smaller than a script's.
    pub(crate) fn on_little_stack(walk: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(walk);
        thread
            .expect("a thread")
            .join()
            .expect("the stack is large enough");
    }

    /// The deepest values that are followed at all.
    #[test]
    fn deep_values_need_little_stack() {
        let walk = || {
            let heap = Heap::new(16 << 20);
            let _entered = heap.enter();
            let deep = || {
                (0..convert::DEPTH_MAX).fold(Value::NONE, |value, _| {
                    Value::array_of([value]).expect("fits")
                })
            };
            let (one, other) = (deep(), deep());
            assert!(compare::strict_equal(&one, &other).expect("not too deep"));
            assert!(convert::to_string(&one).is_ok());
            let copy = Portable::copy(&one).expect("not too deep");
            let restored = copy.to_value().expect("not too deep");
            assert!(compare::loose_equal(&restored, &one).expect("not too deep"));
            let snapshot = portable::Snapshot::take(&one).expect("not too deep");
            assert!(snapshot.restore().is_ok());
        };
        on_little_stack(walk);
    }
}
