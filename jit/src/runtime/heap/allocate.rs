//! How objects and blocks of memory come from the entered heap and go back to it.
//!
//! In: sizes, and what makes an object in its place. Out: values that own one count, or blocks.
//! Guarantees: every object begins with its count and the number of its heap; memory goes back only to the heap it is from.
//! Does not: change counts.
#![expect(unsafe_code, reason = "writes objects into the memory made for them")]

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::{with_current, with_entered};
use crate::error::ErrorKind;
use crate::runtime::layout;
use crate::runtime::value::Value;

/// What every heap object begins with.
#[derive(Debug)]
#[repr(C)]
pub(in crate::runtime) struct Header {
    pub(in crate::runtime) refcount: Cell<u32>,
    /// Number of the heap in the upper 24 bits, the object's own flags in the lower 8.
    pub(in crate::runtime) info: Cell<u32>,
}

impl Header {
    #[inline]
    fn new(heap: u32) -> Self {
        Self {
            refcount: Cell::new(1),
            info: Cell::new(heap << 8),
        }
    }

    #[inline]
    pub(in crate::runtime) fn heap(&self) -> u32 {
        self.info.get() >> 8
    }

    #[inline]
    pub(in crate::runtime) fn flags(&self) -> u8 {
        self.info.get().to_le_bytes()[0]
    }

    pub(in crate::runtime) fn set_flags(&self, flags: u8) {
        self.info.set(self.info.get() & !0xFF | u32::from(flags));
    }

    /// Whether exactly one value refers to the object.
    #[inline]
    pub(in crate::runtime) fn is_unique(&self) -> bool {
        self.refcount.get() == 1
    }
}

/// A type of heap object with a fixed size.
///
/// # Safety
///
/// 1. The type is `repr(C)` and begins with a [`Header`].
/// 2. `TAG` belongs to this type alone, and `Inner::finish` destroys it as this type.
/// 3. Its alignment is at most 16.
pub(in crate::runtime) unsafe trait HeapObject: Sized {
    /// The tag of values that refer to it.
    const TAG: u64;
}

/// The bits of a reference to the object at `address`.
#[inline]
fn reference(tag: u64, address: NonNull<u8>) -> u64 {
    let address = address.as_ptr().expose_provenance() as u64;
    assert!(
        address <= layout::ADDRESS_MASK,
        "addresses of user space fit in 48 bits"
    );
    tag << layout::TAG_SHIFT | address
}

/// The object a heap reference refers to.
#[inline]
pub(in crate::runtime) fn header_address(bits: u64) -> NonNull<Header> {
    let address = (bits & layout::ADDRESS_MASK) as usize;
    let pointer = ptr::with_exposed_provenance_mut(address);
    NonNull::new(pointer).expect("heap references are never null")
}

/// A block for an object of `size` bytes, which counts as live from now on, and the header to begin it with. `octets` of
/// work are recorded.
#[inline]
fn begin_object(size: usize, octets: u64) -> Result<(NonNull<u8>, Header), ErrorKind> {
    with_current(|inner| {
        let block = inner.blocks.allocate(size)?;
        inner.live.set(inner.live.get() + 1);
        inner.work.set(inner.work.get() + octets);
        Ok((block, Header::new(inner.id)))
    })
}

/// Makes an object with count 1 and returns the value that owns it. `make` is not called if there is no memory.
#[inline]
pub(in crate::runtime) fn make_object<T: HeapObject>(
    make: impl FnOnce(Header) -> T,
) -> Result<Value, ErrorKind> {
    let (block, header) = begin_object(size_of::<T>(), 0)?;
    let object = make(header);
    // SAFETY: the block is large enough, aligned to 16 (HeapObject 3) and ours.
    unsafe { block.cast::<T>().write(object) };
    // SAFETY: a new object of T, whose tag is T::TAG, with the one count this value owns.
    Ok(unsafe { Value::from_bits(reference(T::TAG, block)) })
}

/// As [`make_object`], with so many octets of room behind the object, whose address `make` is given.
#[inline]
pub(in crate::runtime) fn make_object_with_room<T: HeapObject>(
    room: usize,
    make: impl FnOnce(Header, NonNull<u8>) -> T,
) -> Result<Value, ErrorKind> {
    let (block, header) = begin_object(size_of::<T>() + room, 0)?;
    // SAFETY: the block is at least as long as the object.
    let behind = unsafe { block.add(size_of::<T>()) };
    let object = make(header, behind);
    // SAFETY: the block is large enough, aligned to 16 (HeapObject 3) and ours; the room is behind the object.
    unsafe { block.cast::<T>().write(object) };
    // SAFETY: a new object of T, whose tag is T::TAG, with the one count this value owns.
    Ok(unsafe { Value::from_bits(reference(T::TAG, block)) })
}

/// Makes the block of a string: `size` bytes of which `make` initialises the beginning. `octets` of work are recorded.
///
/// # Safety
///
/// 1. `make` writes an `HslString` with the header it is given at the start of the block.
#[inline]
pub(in crate::runtime) unsafe fn make_string(
    size: usize,
    octets: usize,
    make: impl FnOnce(NonNull<u8>, Header),
) -> Result<Value, ErrorKind> {
    let (block, header) = begin_object(size, octets as u64)?;
    make(block, header);
    // SAFETY: 1: a new string, with the one count this value owns.
    Ok(unsafe { Value::from_bits(reference(layout::TAG_STRING, block)) })
}

/// A block for a string of `size` bytes that was used before, which counts as live from now on, and the header to begin it
/// with. `octets` of work are recorded. `None` if there is no such block: then [`make_string`] finds another.
#[inline]
pub(in crate::runtime) fn reuse_string(
    size: usize,
    octets: usize,
) -> Option<(NonNull<u8>, Header)> {
    let inner = super::current()?;
    // SAFETY: CURRENT owns a strong count, and the heap is not left here.
    let inner = unsafe { inner.as_ref() };
    let block = inner.blocks.reuse_small(size)?;
    inner.live.set(inner.live.get() + 1);
    inner.work.set(inner.work.get() + octets as u64);
    Some((block, Header::new(inner.id)))
}

/// The value of a string that was just made.
///
/// # Safety
///
/// 1. The block holds a string with the header it was given out with, whose one count passes to the value.
#[inline]
pub(in crate::runtime) unsafe fn string_value(block: NonNull<u8>) -> Value {
    // SAFETY: 1.
    unsafe { Value::from_bits(reference(layout::TAG_STRING, block)) }
}

/// Moves a string's block to a larger one and returns the bits of the string there.
///
/// # Safety
///
/// 1. `bits` is a string of count 1 whose block has `old` bytes, made by [`make_string`] or this.
/// 2. Its old bits are not used after success, not even released.
pub(in crate::runtime) unsafe fn grow_string(
    bits: u64,
    old: usize,
    new: usize,
) -> Result<u64, ErrorKind> {
    let header = header_address(bits);
    // SAFETY: 1 says it is alive.
    let heap = unsafe { header.as_ref() }.heap();
    // SAFETY: 1 and 2.
    let moved = unsafe { reallocate_block(header.cast(), old, new, heap) }?;
    Ok(reference(layout::TAG_STRING, moved))
}

/// A block of at least `size` bytes, aligned to 16, and the number of the heap it is from.
pub(in crate::runtime) fn allocate_block(size: usize) -> Result<(NonNull<u8>, u32), ErrorKind> {
    with_current(|inner| inner.blocks.allocate(size).map(|block| (block, inner.id)))
}

/// Frees a block, or leaks it if its heap is not the entered one.
///
/// # Safety
///
/// 1. `block` has `size` bytes, or was allocated with a few more, and is of heap `heap`; nobody uses it any more.
#[inline]
pub(in crate::runtime) unsafe fn deallocate_block(block: NonNull<u8>, size: usize, heap: u32) {
    with_entered(|inner| {
        if inner.id == heap {
            // SAFETY: 1.
            unsafe { inner.blocks.deallocate(block, size) };
        }
    });
}

/// Moves a block to one of at least `new` bytes.
///
/// # Safety
///
/// 1. `block` has `old` bytes and is of heap `heap`; the caller alone uses it, and after success only the result.
pub(in crate::runtime) unsafe fn reallocate_block(
    block: NonNull<u8>,
    old: usize,
    new: usize,
    heap: u32,
) -> Result<NonNull<u8>, ErrorKind> {
    with_current(|inner| {
        assert!(
            inner.id == heap,
            "a value grows only while its heap is entered"
        );
        // SAFETY: 1.
        unsafe { inner.blocks.reallocate(block, old, new) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};

    #[test]
    fn released_blocks_are_used_again() {
        let heap = Heap::new(64 * 1024);
        let _entered = heap.enter();
        for round in 0..10_000_usize {
            let text = vec![b'x'; round % 3000];
            let value = Value::array_of([Value::string(&text).expect("fits")]).expect("fits");
            drop(value);
        }
        assert_eq!(live_objects(), 0);
        assert!(heap.used() <= 64 * 1024);
    }

    #[test]
    fn large_blocks_go_back_at_once() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        for _ in 0..100 {
            let first = Value::string(&vec![b'a'; 500_000]).expect("fits");
            let second = Value::string(&vec![b'b'; 400_000]).expect("fits");
            assert!(
                Value::string(&vec![b'c'; 400_000]).is_err(),
                "over the limit"
            );
            drop(first);
            drop(second);
        }
        assert_eq!(heap.used(), 0);
    }
}
