//! The only arithmetic on reference counts in Rust, and what happens when one reaches zero.
//!
//! In: bits of heap references. Out: nothing; objects whose last reference went are destroyed and their blocks freed.
//! Guarantees: a deeply nested value is destroyed in a loop, not by recursion; an object of a heap that is not entered is
//! leaked, not freed.
#![expect(unsafe_code, reason = "counts references to objects and destroys them")]

use super::{Header, Inner, current, header_address};
use crate::runtime::array::HslArray;
use crate::runtime::function::{HslFunction, VariableCell};
use crate::runtime::object::HslObject;
use crate::runtime::{layout, string};

/// Adds a reference, unless the object is immortal. A count that grows into that bit stays there, and its object is never
/// freed.
///
/// # Safety
///
/// 1. `bits` is a heap reference to a live object.
#[inline]
pub unsafe fn retain_bits(bits: u64) {
    let header = header_address(bits);
    // SAFETY: 1.
    let refcount = &unsafe { header.as_ref() }.refcount;
    let count = refcount.get();
    if count & layout::REFCOUNT_IMMORTAL == 0 {
        refcount.set(count + 1);
    }
}

/// Takes a reference away, and destroys the object if it was the last.
///
/// # Safety
///
/// 1. `bits` is a heap reference to a live object.
/// 2. The caller owns one count of it and gives it up.
#[inline]
pub unsafe fn release_bits(bits: u64) {
    // SAFETY: 1 and 2.
    if unsafe { give_up(bits) } {
        // SAFETY: 2: that was the last reference.
        unsafe { destroy_bits(bits) };
    }
}

/// Takes a reference away; whether it was the last.
///
/// # Safety
///
/// 1. As for [`release_bits`]; if it was the last, the caller destroys the object.
#[inline]
pub(in crate::runtime) unsafe fn give_up(bits: u64) -> bool {
    let header = header_address(bits);
    // SAFETY: 1.
    let refcount = &unsafe { header.as_ref() }.refcount;
    let count = refcount.get();
    if count & layout::REFCOUNT_IMMORTAL != 0 {
        return false;
    }
    refcount.set(count.wrapping_sub(1));
    count == 1
}

/// Destroys an object whose count has just reached zero. Generated code that counts for itself calls this.
///
/// # Safety
///
/// 1. `bits` is a heap reference to an object at count zero.
/// 2. It is called once for it.
#[inline(never)]
pub unsafe fn destroy_bits(bits: u64) {
    // SAFETY: 1 and 2.
    unsafe { destroy_here(bits) };
}

/// As [`destroy_bits`], without a call for a string, for the one place where most of them go.
///
/// # Safety
///
/// 1. As for [`destroy_bits`].
#[inline(always)] // In two places only.
pub(in crate::runtime) unsafe fn destroy_here(bits: u64) {
    let Some(current) = current() else { return };
    // SAFETY: CURRENT owns a strong count, and destruction does not leave the heap.
    let inner = unsafe { current.as_ref() };
    let object = header_address(bits);
    // SAFETY: 1: still a valid object.
    if unsafe { object.as_ref() }.heap() != inner.id {
        return;
    }
    inner.live.set(inner.live.get() - 1);
    if bits >> layout::TAG_SHIFT == layout::TAG_STRING {
        // SAFETY: 1 and 2.
        let size = unsafe { string::destroy(object.cast()) };
        // SAFETY: its block has this size and is used by nobody now.
        unsafe { inner.blocks.deallocate(object.cast(), size) };
        return;
    }
    // SAFETY: 1 and 2; it is not a string.
    unsafe { destroy_object(inner, bits) };
}

/// Destroys an array, function, object or cell, or notes that it must be destroyed.
///
/// # Safety
///
/// 1. As for [`destroy_bits`]; it is of this heap and no string.
#[inline(never)]
unsafe fn destroy_object(inner: &Inner, bits: u64) {
    let object = header_address(bits);
    if inner.draining.get() {
        let link = inner.pending.replace(bits);
        // SAFETY: objects are longer than 8 bytes and aligned; at count zero nobody reads the header.
        unsafe { object.cast::<u64>().write(link) };
    } else {
        // SAFETY: 1 and 2.
        unsafe { inner.drain(bits) };
    }
}

/// Makes an object immortal: its count stays what it is. For constants.
pub(in crate::runtime) fn make_immortal(header: &Header) {
    header.refcount.set(layout::REFCOUNT_IMMORTAL);
}

impl Inner {
    /// Destroys an object, and then whatever that brought to zero.
    ///
    /// # Safety
    ///
    /// 1. `bits` is an array, function, object or cell of this heap at count zero.
    unsafe fn drain(&self, bits: u64) {
        self.draining.set(true);
        let mut next = bits;
        while next != 0 {
            // SAFETY: 1, or it was put on the pending list under the same condition.
            unsafe { self.finish(next) };
            next = self.pending.get();
            if next != 0 {
                let link = header_address(next).cast::<u64>();
                // SAFETY: `destroy` wrote the next link over the header of every object on the list.
                self.pending.set(unsafe { link.read() });
            }
        }
        self.draining.set(false);
    }

    /// # Safety
    ///
    /// 1. As for [`Self::drain`].
    unsafe fn finish(&self, bits: u64) {
        let object = header_address(bits);
        let size = match bits >> layout::TAG_SHIFT {
            layout::TAG_ARRAY => {
                let array = object.cast::<HslArray>();
                // SAFETY: the tag says what it is, and it is still initialised behind its header.
                let size = unsafe { array.as_ref() }.block_octets();
                // SAFETY: as above; at count zero nobody else uses it.
                unsafe { array.drop_in_place() };
                size
            }
            layout::TAG_FUNCTION => {
                // SAFETY: as above.
                unsafe { object.cast::<HslFunction>().drop_in_place() };
                size_of::<HslFunction>()
            }
            layout::TAG_OBJECT => {
                // SAFETY: as above.
                unsafe { object.cast::<HslObject>().drop_in_place() };
                size_of::<HslObject>()
            }
            _ => {
                // SAFETY: as above; cells are the only kind left, strings do not come here.
                unsafe { object.cast::<VariableCell>().drop_in_place() };
                size_of::<VariableCell>()
            }
        };
        // SAFETY: `make_object` allocated it with this size, and it was just destroyed.
        unsafe { self.blocks.deallocate(object.cast(), size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::Heap;
    use crate::runtime::key::Key;
    use crate::runtime::value::Value;

    #[test]
    fn constants_survive_their_users() {
        let (constants, run) = (Heap::new(1 << 20), Heap::new(1 << 20));
        let entered = constants.enter();
        let literal = Value::string(b"a literal").expect("fits").immortal();
        drop(entered);
        let _entered = run.enter();
        let mut value = Value::array().expect("fits");
        let array = value.array_mut().expect("array");
        for _ in 0..1000 {
            array.append(literal.clone()).expect("fits");
        }
        array.set(Key::String(&literal), Value::TRUE).expect("fits");
        drop(value);
        assert_eq!(run.live(), 0);
        assert_eq!(literal.as_octets(), Some(&b"a literal"[..]));
        let mut copy = literal.clone();
        string::append(&mut copy, b"!").expect("fits");
        assert_eq!(literal.as_octets(), Some(&b"a literal"[..]));
    }

    /// What a script takes and never gives back, ended early again and again, must not add up.
    #[test]
    fn counts_of_constants_stay_what_they_are() {
        let (constants, run) = (Heap::new(1 << 20), Heap::new(1 << 20));
        let entered = constants.enter();
        let mut literal =
            Value::array_of([Value::array_of([Value::TRUE]).expect("fits")]).expect("fits");
        let name = Key::Octets(b"name");
        literal
            .array_mut()
            .and_then(|array| array.set(name, Value::NONE))
            .expect("fits");
        let literal = literal.immortal();
        drop(entered);
        let _entered = run.enter();
        let count = |value: &Value| {
            // SAFETY: the value keeps its object alive.
            unsafe { header_address(value.bits()).as_ref() }
                .refcount
                .get()
        };
        for (key, element) in literal.as_array().expect("array") {
            let _never_released = (literal.clone().into_bits(), element.clone().into_bits());
            drop((literal.clone(), element.clone()));
            let Key::String(name) = key else {
                assert_eq!(count(element), layout::REFCOUNT_IMMORTAL);
                continue;
            };
            let _never_released = name.clone().into_bits();
            assert_eq!(count(name), layout::REFCOUNT_IMMORTAL);
        }
        assert_eq!(count(&literal), layout::REFCOUNT_IMMORTAL);
    }
}
