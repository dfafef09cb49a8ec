//! Blocks of memory for one heap, in size classes and within a limit.
//!
//! In: sizes. Out: blocks aligned to 16. Small blocks come from a bump arena and, once taken back, from a free list of their
//! size class; blocks above 4 KiB come from the global allocator and go back to it at once, so that a growing string does
//! not fill the arena with its former selves. What counts against the limit is what the arena handed out (free lists
//! included, they serve no other size) plus the large blocks.
//! Knows nothing of values. Does not zero memory. Dropping it frees every block.
#![expect(unsafe_code, reason = "allocates and frees raw memory")]

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::ptr::{self, NonNull};

use bumpalo::Bump;

use crate::error::ErrorKind;

/// The blocks of one heap.
#[derive(Debug)]
pub(super) struct Blocks {
    arena: RefCell<Bump>,
    free: [Cell<*mut FreeBlock>; CLASSES],
    large: Cell<*mut LargeBlock>,
    used: Cell<usize>,
    limit: Cell<usize>,
}

impl Blocks {
    /// Where the lists of free blocks begin, one for each class.
    pub(super) const FREE_OFFSET: usize = offset_of!(Self, free);

    pub(super) fn new(limit: usize) -> Self {
        Self {
            arena: RefCell::new(Bump::new()),
            free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            large: Cell::new(ptr::null_mut()),
            used: Cell::new(0),
            limit: Cell::new(limit),
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used.get()
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    fn charge(&self, size: usize) -> Result<(), ErrorKind> {
        let limit = self.limit.get();
        match self.used.get().checked_add(size) {
            Some(used) if used <= limit => {
                self.used.set(used);
                Ok(())
            }
            _ => Err(ErrorKind::MemoryLimit { limit }),
        }
    }

    /// A block of at least `size` bytes, aligned to 16.
    #[inline]
    pub(super) fn allocate(&self, size: usize) -> Result<NonNull<u8>, ErrorKind> {
        match self.reuse_small(size) {
            Some(block) => Ok(block),
            None => self.allocate_anew(size),
        }
    }

    /// A block of at least `size` bytes that was taken back, if that is few and there is one.
    #[inline]
    pub(super) fn reuse_small(&self, size: usize) -> Option<NonNull<u8>> {
        if FINE_MAX < size {
            return None;
        }
        self.reuse(class_of(size).0)
    }

    /// The block of a class that was taken back last.
    #[inline]
    fn reuse(&self, class: usize) -> Option<NonNull<u8>> {
        let head = &self.free[class];
        let block = NonNull::new(head.get())?;
        // SAFETY: blocks on a free list are unused memory of this heap, and `deallocate` wrote a FreeBlock into each.
        let next = unsafe { block.as_ref() }.next;
        head.set(next);
        Some(block.cast())
    }

    #[inline(never)]
    fn allocate_anew(&self, size: usize) -> Result<NonNull<u8>, ErrorKind> {
        if size > SMALL_MAX {
            return self.allocate_large(usable_size(size));
        }
        let (class, rounded) = class_of(size);
        match self.reuse(class) {
            Some(block) => Ok(block),
            None => self.extend_arena(rounded),
        }
    }

    fn extend_arena(&self, size: usize) -> Result<NonNull<u8>, ErrorKind> {
        self.charge(size)?;
        let layout = Layout::from_size_align(size, ALIGNMENT)
            .expect("size classes are multiples of the alignment");
        self.arena
            .borrow()
            .try_alloc_layout(layout)
            .map_err(|_| ErrorKind::MemoryLimit {
                limit: self.limit.get(),
            })
    }

    fn allocate_large(&self, size: usize) -> Result<NonNull<u8>, ErrorKind> {
        self.charge(size)?;
        // SAFETY: the layout's size is not zero, it includes the header.
        let start = unsafe { std::alloc::alloc(large_layout(size)) };
        let Some(block) = NonNull::new(start.cast::<LargeBlock>()) else {
            self.used.set(self.used.get() - size);
            return Err(ErrorKind::MemoryLimit {
                limit: self.limit.get(),
            });
        };
        self.link_large(block, size);
        // SAFETY: the allocation is LARGE_HEADER + size bytes long.
        Ok(unsafe { block.cast::<u8>().add(LARGE_HEADER) })
    }

    fn link_large(&self, block: NonNull<LargeBlock>, size: usize) {
        let next = self.large.get();
        let header = LargeBlock {
            previous: ptr::null_mut(),
            next,
            size,
        };
        // SAFETY: `block` is the start of an allocation with room for the header, suitably aligned, used by nobody.
        unsafe { block.write(header) };
        if !next.is_null() {
            // SAFETY: blocks on the list are allocated and their headers belong to the heap.
            unsafe { (*next).previous = block.as_ptr() };
        }
        self.large.set(block.as_ptr());
    }

    /// Takes a block off the list and returns its size.
    ///
    /// # Safety
    ///
    /// 1. `block` is on this heap's list of large blocks.
    unsafe fn unlink_large(&self, block: NonNull<LargeBlock>) -> usize {
        // SAFETY: 1 says its header is initialised and ours.
        let header = unsafe { block.read() };
        if header.previous.is_null() {
            self.large.set(header.next);
        } else {
            // SAFETY: neighbours on the list are allocated too.
            unsafe { (*header.previous).next = header.next };
        }
        if !header.next.is_null() {
            // SAFETY: as above.
            unsafe { (*header.next).previous = header.previous };
        }
        header.size
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// 1. `block` came from `allocate` of this heap with `size` or, within the same side of `SMALL_MAX`, more.
    /// 2. It is used by nobody any more.
    #[inline]
    pub(super) unsafe fn deallocate(&self, block: NonNull<u8>, size: usize) {
        if size > SMALL_MAX {
            // SAFETY: 1 and 2.
            unsafe { self.deallocate_large(block) };
            return;
        }
        let head = &self.free[class_of(size).0];
        let link = FreeBlock { next: head.get() };
        // SAFETY: 1 and 2: at least 16 bytes, aligned to 16, ours to write.
        unsafe { block.cast().write(link) };
        head.set(block.as_ptr().cast());
    }

    /// Takes a large block back.
    ///
    /// # Safety
    ///
    /// 1. `block` is a large block of this heap, used by nobody any more.
    #[inline(never)]
    unsafe fn deallocate_large(&self, block: NonNull<u8>) {
        // SAFETY: 1 says its header is LARGE_HEADER bytes in front.
        let start = unsafe { block.sub(LARGE_HEADER) }.cast::<LargeBlock>();
        // SAFETY: a large block stays on the list until here.
        let size = unsafe { self.unlink_large(start) };
        self.used.set(self.used.get() - size);
        // SAFETY: `allocate_large` or `reallocate` made it with this layout.
        unsafe { std::alloc::dealloc(start.as_ptr().cast(), large_layout(size)) };
    }

    /// Moves the contents of a block to one of at least `new` bytes.
    ///
    /// # Safety
    ///
    /// 1. `block` came from `allocate` as `deallocate` demands for `old`; the caller alone uses it, and after success
    ///    only the result.
    pub(super) unsafe fn reallocate(
        &self,
        block: NonNull<u8>,
        old: usize,
        new: usize,
    ) -> Result<NonNull<u8>, ErrorKind> {
        if old > SMALL_MAX && new > SMALL_MAX {
            // SAFETY: 1 is ours.
            return unsafe { self.reallocate_large(block, usable_size(new)) };
        }
        let moved = self.allocate(new)?;
        // SAFETY: both blocks are at least this long (1) and distinct, since `block` was not free.
        unsafe { ptr::copy_nonoverlapping(block.as_ptr(), moved.as_ptr(), old.min(new)) };
        // SAFETY: 1, and the caller uses only the result from now on.
        unsafe { self.deallocate(block, old) };
        Ok(moved)
    }

    /// # Safety
    ///
    /// 1. `block` is a large block of this heap; the caller alone uses it, and after success only the result.
    unsafe fn reallocate_large(
        &self,
        block: NonNull<u8>,
        size: usize,
    ) -> Result<NonNull<u8>, ErrorKind> {
        // SAFETY: 1 says its header is LARGE_HEADER bytes in front.
        let start = unsafe { block.sub(LARGE_HEADER) }.cast::<LargeBlock>();
        // SAFETY: headers of large blocks are initialised.
        let before = unsafe { start.as_ref() }.size;
        self.charge(size.saturating_sub(before))?;
        // SAFETY: 1 says it is on the list.
        unsafe { self.unlink_large(start) };
        let (layout, whole) = (large_layout(before), LARGE_HEADER + size);
        // SAFETY: the block was made with `layout`; `large_layout` accepts sizes below the limit, so `whole` is valid.
        let moved = unsafe { std::alloc::realloc(start.as_ptr().cast(), layout, whole) };
        let Some(moved) = NonNull::new(moved.cast::<LargeBlock>()) else {
            self.used.set(self.used.get() - size.saturating_sub(before));
            self.link_large(start, before);
            return Err(ErrorKind::MemoryLimit {
                limit: self.limit.get(),
            });
        };
        self.used.set(self.used.get() - before.saturating_sub(size));
        self.link_large(moved, size);
        // SAFETY: the allocation is LARGE_HEADER + size bytes long.
        Ok(unsafe { moved.cast::<u8>().add(LARGE_HEADER) })
    }

    /// Frees every block, whoever still uses it.
    pub(super) fn clear(&self) {
        while let Some(block) = NonNull::new(self.large.get()) {
            // SAFETY: it is the first of the list.
            let size = unsafe { self.unlink_large(block) };
            // SAFETY: made with this layout, and off the list now.
            unsafe { std::alloc::dealloc(block.as_ptr().cast(), large_layout(size)) };
        }
        for head in &self.free {
            head.set(ptr::null_mut());
        }
        let mut arena = self.arena.borrow_mut();
        arena.reset();
        if arena.allocated_bytes() > ARENA_RETAINED_MAX {
            *arena = Bump::new();
        }
        self.used.set(0);
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.clear();
    }
}

struct FreeBlock {
    next: *mut Self,
}

#[repr(C, align(16))]
struct LargeBlock {
    previous: *mut Self,
    next: *mut Self,
    size: usize,
}

/// What every block is aligned to; blocks of up to [`FINE_MAX`] bytes differ by as much from class to class.
pub(super) const ALIGNMENT: usize = 16;
/// The largest block whose class is told by its size alone.
pub(super) const FINE_MAX: usize = 512;
const FINE_CLASSES: usize = FINE_MAX / ALIGNMENT;
const SMALL_MAX: usize = 4096;
/// Sixteen-byte steps up to 512, then four steps per doubling up to 4096.
const CLASSES: usize = FINE_CLASSES + 12;
const LARGE_HEADER: usize = size_of::<LargeBlock>();
const ARENA_RETAINED_MAX: usize = 256 * 1024;

/// The free list a size belongs to, and the bytes a block of that class has.
#[inline]
fn class_of(size: usize) -> (usize, usize) {
    if size <= FINE_MAX {
        let class = size.max(1).div_ceil(ALIGNMENT);
        return (class - 1, class * ALIGNMENT);
    }
    let doubling = (usize::BITS - (size - 1).leading_zeros()) as usize;
    let step = 1 << (doubling - 3);
    let rounded = size.next_multiple_of(step);
    (
        FINE_CLASSES + (doubling - 10) * 4 + (rounded / step - 5),
        rounded,
    )
}

/// The bytes a block for `size` really has.
#[inline]
pub(super) fn usable_size(size: usize) -> usize {
    if size <= SMALL_MAX {
        class_of(size).1
    } else {
        size.next_multiple_of(64)
    }
}

fn large_layout(size: usize) -> Layout {
    Layout::from_size_align(LARGE_HEADER + size, ALIGNMENT)
        .expect("sizes are below the limit, far below isize::MAX")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_cover_every_small_size() {
        let mut last = (0, 0);
        for size in 1..=SMALL_MAX {
            let (class, rounded) = class_of(size);
            assert!(rounded >= size && rounded % ALIGNMENT == 0, "{size}");
            assert!(rounded - size < 16.max(size / 4), "{size} wastes little");
            assert!(class < CLASSES);
            assert_eq!(class_of(rounded), (class, rounded), "{size}");
            assert!((class, rounded) >= last, "{size} keeps the order");
            last = (class, rounded);
        }
        assert_eq!(last.0, CLASSES - 1);
    }
}
