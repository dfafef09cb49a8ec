//! A growable block of values on the entered heap: `Vec`, but fallible, bounded and with a layout generated code can read.
//!
//! Grows by doubling. Dereferences to a slice. Remembers its heap, so that growth or release under another heap cannot
//! mix memory (see `heap`).
#![expect(unsafe_code, reason = "manages the elements of a block of the heap")]

use std::mem::offset_of;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

use super::blocks::usable_size;
use super::heap;
use crate::error::ErrorKind;

/// A growable block of `T` on the heap. At most `u32::MAX` elements; empty ones take no memory.
#[derive(Debug)]
#[repr(C)]
pub(super) struct HeapVec<T> {
    /// Invariant: with capacity 0 dangling; otherwise a block of `capacity * size_of::<T>()` bytes of heap `heap`, or room
    /// of that size in another block if `heap` is [`ELSEWHERE`]. The first `length` elements are initialised.
    data: NonNull<T>,
    length: u32,
    capacity: u32,
    heap: u32,
}

/// What stands for the heap of a vector whose elements lie in a block that is not its own. No heap has this number.
const ELSEWHERE: u32 = 0;

impl<T> HeapVec<T> {
    pub(super) const DATA_OFFSET: usize = offset_of!(Self, data);
    pub(super) const LENGTH_OFFSET: usize = offset_of!(Self, length);
    pub(super) const CAPACITY_OFFSET: usize = offset_of!(Self, capacity);

    pub(super) const fn new() -> Self {
        Self {
            data: NonNull::dangling(),
            length: 0,
            capacity: 0,
            heap: 0,
        }
    }

    /// An empty vector whose first elements lie in room that belongs to another block.
    ///
    /// # Safety
    ///
    /// 1. There is room for `capacity` elements at `room`, aligned for them, for as long as the vector lives.
    /// 2. Nobody else uses it.
    pub(super) unsafe fn in_room(room: NonNull<T>, capacity: u32) -> Self {
        Self {
            data: room,
            length: 0,
            capacity,
            heap: ELSEWHERE,
        }
    }

    /// An empty vector with room for `capacity` elements.
    pub(super) fn with_capacity(capacity: usize) -> Result<Self, ErrorKind> {
        let mut vector = Self::new();
        vector.reserve(capacity)?;
        Ok(vector)
    }

    /// Makes room for `additional` more elements.
    #[inline]
    pub(super) fn reserve(&mut self, additional: usize) -> Result<(), ErrorKind> {
        let needed = self.len() + additional;
        if needed <= self.capacity as usize {
            return Ok(());
        }
        self.grow(needed)
    }

    /// Makes room for `needed` elements, which are more than there is room for.
    #[inline(never)]
    fn grow(&mut self, needed: usize) -> Result<(), ErrorKind> {
        let old = self.capacity as usize * size_of::<T>();
        let wanted = if self.capacity == 0 {
            needed
        } else {
            needed.max(self.capacity as usize * 2)
        };
        let limit = u32::MAX as usize / 2;
        if wanted > limit {
            return Err(ErrorKind::ArrayLength { limit });
        }
        let new = usable_size(wanted * size_of::<T>());
        let block = if self.capacity == 0 || self.heap == ELSEWHERE {
            let (block, heap) = heap::allocate_block(new)?;
            // SAFETY: the first elements are initialised; the block is new and longer.
            unsafe {
                ptr::copy_nonoverlapping(self.data.as_ptr(), block.cast().as_ptr(), self.len())
            };
            self.heap = heap;
            block
        } else {
            // SAFETY: by the invariant the block has `old` bytes of this heap and is ours alone.
            unsafe { heap::reallocate_block(self.data.cast(), old, new, self.heap) }?
        };
        self.data = block.cast();
        self.capacity = u32::try_from(new / size_of::<T>()).expect("checked against the limit");
        Ok(())
    }

    /// Adds an element at the end.
    #[inline]
    pub(super) fn push(&mut self, element: T) -> Result<(), ErrorKind> {
        if self.length == self.capacity {
            self.reserve(1)?;
        }
        // SAFETY: the capacity exceeds the length now, so this place is inside the block.
        let place = unsafe { self.data.add(self.len()) };
        // SAFETY: inside the block, and not initialised, so nothing is overwritten.
        unsafe { place.write(element) };
        self.length += 1;
        Ok(())
    }

    /// Takes the last element.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: the place just after the new length is inside the block.
        let place = unsafe { self.data.add(self.len()) };
        // SAFETY: it was initialised, and the length no longer covers it, so it is read out once.
        Some(unsafe { place.read() })
    }

    /// Drops every element beyond `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        while self.len() > length {
            drop(self.pop());
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether another element needs a larger block.
    pub(super) fn is_full(&self) -> bool {
        self.length == self.capacity
    }

    /// Takes the elements out one by one, leaving an empty vector.
    pub(super) fn drain(&mut self) -> Drain<T> {
        Drain {
            vector: std::mem::replace(self, Self::new()),
            next: 0,
        }
    }
}

impl<T: Clone> HeapVec<T> {
    /// `length` copies of one element.
    pub(super) fn filled(length: usize, element: &T) -> Result<Self, ErrorKind> {
        let mut vector = Self::with_capacity(length)?;
        for _ in 0..length {
            vector.push(element.clone())?;
        }
        Ok(vector)
    }

    /// A copy with room for `additional` more elements.
    pub(super) fn copy(&self, additional: usize) -> Result<Self, ErrorKind> {
        let mut copy = Self::with_capacity(self.len() + additional)?;
        for element in self.iter() {
            copy.push(element.clone())?;
        }
        Ok(copy)
    }
}

impl<T> Deref for HeapVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: by the invariant the first `length` elements are initialised; dangling is fine for length 0.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.len()) }
    }
}

impl<T> DerefMut for HeapVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the vector is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), self.len()) }
    }
}

impl<T> Drop for HeapVec<T> {
    #[inline]
    fn drop(&mut self) {
        if self.capacity != 0 {
            self.free();
        }
    }
}

impl<T> HeapVec<T> {
    /// Drops the elements and gives their block back. Called once, when the vector is dropped.
    fn free(&mut self) {
        let elements = ptr::slice_from_raw_parts_mut(self.data.as_ptr(), self.len());
        self.length = 0;
        // SAFETY: the first `length` elements were initialised, and the length no longer covers them.
        unsafe { elements.drop_in_place() };
        if self.heap == ELSEWHERE {
            return;
        }
        let size = self.capacity as usize * size_of::<T>();
        // SAFETY: by the invariant the block has at least this size and is of this heap; nobody uses it any more.
        unsafe { heap::deallocate_block(self.data.cast(), size, self.heap) };
    }
}

/// The elements of a vector, by value.
#[derive(Debug)]
pub(super) struct Drain<T> {
    vector: HeapVec<T>,
    next: usize,
}

impl<T: Default> Iterator for Drain<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let element = self.vector.get_mut(self.next)?;
        self.next += 1;
        Some(std::mem::take(element))
    }
}
