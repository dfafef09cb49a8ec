//! The memory of one execution's values, and the only arithmetic on reference counts.
//!
//! In: sizes. Out: blocks, always from the heap that is *entered* on this thread. Small blocks come from a bump arena and,
//! once released, from a free list of their size class; blocks above 4 KiB come from the global allocator and go back to it
//! at once, so that a growing string does not fill the arena with its former selves.
//! Guarantees: never more than the limit (arena bytes handed out plus large blocks), every allocation may fail, nothing is
//! freed twice, dropping a deeply nested value takes no stack, and an abandoned execution costs one reset.
//! Does not collect cycles (objects that hold each other live until the heap is reset) and does not zero memory.
//!
//! Why this is sound:
//! * A value can outlive the guard, even the `Heap`. So dropping or resetting a heap that still has live objects leaks
//!   its memory instead of freeing it; only [`Heap::abandon`], which is unsafe, frees what is live.
//! * An object may be released while another heap, or none, is entered. Each object and each block therefore carries the
//!   number of its heap; a release under the wrong heap leaks it, and growth under the wrong heap stops the program.
//! * The thread-local holds a strong reference to the entered heap, so a leaked or misordered guard cannot dangle.
//! * Values, heaps and guards are neither `Send` nor `Sync`, so counts need no atomics.
#![expect(
    unsafe_code,
    reason = "allocates and frees the memory of values, and counts references to them"
)]

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use bumpalo::Bump;

use super::array::HslArray;
use super::function::{HslFunction, VariableCell};
use super::layout;
use super::object::HslObject;
use super::string;
use super::value::Value;
use crate::error::ErrorKind;

/// The memory of one execution. May be entered, left, reset and entered again; stays on its thread.
#[derive(Debug)]
pub struct Heap {
    inner: Rc<Inner>,
}

impl Heap {
    /// An empty heap of at most `limit` bytes. Takes no memory before the first value.
    ///
    /// # Panics
    ///
    /// If more than sixteen million heaps are alive on this thread.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            inner: Rc::new(Inner::new(limit)),
        }
    }

    /// Makes this the heap that values on this thread are made in and released to, until the guard is dropped; then the
    /// heap entered before is current again. Whoever parks an execution drops the guard, and enters again to resume it.
    pub fn enter(&self) -> Entered {
        let entering = Rc::into_raw(Rc::clone(&self.inner));
        Entered {
            previous: CURRENT.replace(entering),
        }
    }

    /// Objects made and not yet released: 0 after a clean run of a script without cycles.
    #[must_use]
    pub fn live(&self) -> usize {
        self.inner.live.get()
    }

    /// Bytes counted against the limit.
    #[must_use]
    pub fn used(&self) -> usize {
        self.inner.used.get()
    }

    /// Changes the limit. What is already in use stays.
    pub fn set_limit(&self, bytes: usize) {
        self.inner.limit.set(bytes);
    }

    /// Empties the heap for the next execution if no object is live, keeping at most 256 KiB of arena.
    /// Returns whether it did.
    pub fn reset(&mut self) -> bool {
        if self.live() != 0 {
            return false;
        }
        self.inner.clear();
        true
    }

    /// Empties the heap even if objects are live, without running their destructors.
    ///
    /// # Safety
    ///
    /// 1. No [`Value`] whose object is in this heap is used or dropped afterwards.
    pub unsafe fn abandon(&mut self) {
        self.inner.clear();
    }
}

/// While this lives, its heap is the current one of this thread.
#[derive(Debug)]
#[must_use = "the heap is left when this is dropped"]
pub struct Entered {
    previous: *const Inner,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let current = CURRENT.replace(self.previous);
        if !current.is_null() {
            // SAFETY: pointers in CURRENT come from `Rc::into_raw`, and taking this one out of CURRENT took its count.
            drop(unsafe { Rc::from_raw(current) });
        }
    }
}

thread_local! {
    /// The entered heap, or null. Owns one strong count of it.
    static CURRENT: Cell<*const Inner> = const { Cell::new(ptr::null()) };
    static NEXT_ID: Cell<u32> = const { Cell::new(1) };
    static FREE_IDS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct Inner {
    id: u32,
    arena: ManuallyDrop<RefCell<Bump>>,
    free: [Cell<*mut FreeBlock>; CLASSES],
    large: Cell<*mut LargeBlock>,
    /// Arrays, functions, objects and cells at count zero whose destruction waits: bits of the first, linked through
    /// their headers. So a list nested a million deep is dropped in a loop.
    pending: Cell<u64>,
    draining: Cell<bool>,
    used: Cell<usize>,
    limit: Cell<usize>,
    live: Cell<usize>,
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

const ALIGNMENT: usize = 16;
const FINE_MAX: usize = 512;
const FINE_CLASSES: usize = FINE_MAX / ALIGNMENT;
const SMALL_MAX: usize = 4096;
/// Sixteen-byte steps up to 512, then four steps per doubling up to 4096.
const CLASSES: usize = FINE_CLASSES + 12;
const LARGE_HEADER: usize = size_of::<LargeBlock>();
const ARENA_RETAINED_MAX: usize = 256 * 1024;

/// The free list a size belongs to, and the bytes a block of that class has.
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

impl Inner {
    fn new(limit: usize) -> Self {
        let id = FREE_IDS
            .with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| NEXT_ID.replace(NEXT_ID.get() + 1));
        assert!(id < 1 << 24, "more than 16,777,215 heaps on one thread");
        Self {
            id,
            arena: ManuallyDrop::new(RefCell::new(Bump::new())),
            free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            large: Cell::new(ptr::null_mut()),
            pending: Cell::new(0),
            draining: Cell::new(false),
            used: Cell::new(0),
            limit: Cell::new(limit),
            live: Cell::new(0),
        }
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

    fn allocate(&self, size: usize) -> Result<NonNull<u8>, ErrorKind> {
        if size > SMALL_MAX {
            return self.allocate_large(usable_size(size));
        }
        let (class, rounded) = class_of(size);
        let head = &self.free[class];
        let Some(block) = NonNull::new(head.get()) else {
            return self.extend_arena(rounded);
        };
        // SAFETY: blocks on a free list are unused memory of this heap, and `deallocate` wrote a FreeBlock into each.
        let next = unsafe { block.as_ref() }.next;
        head.set(next);
        Ok(block.cast())
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

    /// # Safety
    ///
    /// 1. `block` came from `allocate` of this heap with `size` or, within the same side of `SMALL_MAX`, more.
    /// 2. It is used by nobody any more.
    unsafe fn deallocate(&self, block: NonNull<u8>, size: usize) {
        if size > SMALL_MAX {
            // SAFETY: 1 says it is a large block, whose header is LARGE_HEADER bytes in front.
            let start = unsafe { block.sub(LARGE_HEADER) }.cast::<LargeBlock>();
            // SAFETY: a large block stays on the list until here.
            let size = unsafe { self.unlink_large(start) };
            self.used.set(self.used.get() - size);
            // SAFETY: `allocate_large` or `reallocate` made it with this layout.
            unsafe { std::alloc::dealloc(start.as_ptr().cast(), large_layout(size)) };
            return;
        }
        let head = &self.free[class_of(size).0];
        let link = FreeBlock { next: head.get() };
        // SAFETY: 1 and 2: at least 16 bytes, aligned to 16, ours to write.
        unsafe { block.cast().write(link) };
        head.set(block.as_ptr().cast());
    }

    /// # Safety
    ///
    /// 1. `block` came from `allocate` as `deallocate` demands for `old`; the caller alone uses it, and after success
    ///    only the result.
    unsafe fn reallocate(
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

    /// Frees every large block and empties the arena. Values that still refer to this heap must not be used again.
    fn clear(&self) {
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
        self.pending.set(0);
        self.draining.set(false);
        self.used.set(0);
        self.live.set(0);
    }

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
                // SAFETY: the tag says what it is; at count zero nobody else uses it.
                unsafe { object.cast::<HslArray>().drop_in_place() };
                size_of::<HslArray>()
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
        unsafe { self.deallocate(object.cast(), size) };
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.live.get() != 0 {
            return; // Some value may still refer to the arena: leak it.
        }
        self.clear();
        // SAFETY: dropped once, here; nothing uses the arena afterwards.
        unsafe { ManuallyDrop::drop(&mut self.arena) };
        // During the end of a thread the list may be gone already; then the number is not needed either.
        let _ = FREE_IDS.try_with(|ids| ids.borrow_mut().push(self.id));
    }
}

/// What every heap object begins with.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Header {
    pub(super) refcount: Cell<u32>,
    /// Number of the heap in the upper 24 bits, the object's own flags in the lower 8.
    pub(super) info: Cell<u32>,
}

impl Header {
    fn new(heap: u32) -> Self {
        Self {
            refcount: Cell::new(1),
            info: Cell::new(heap << 8),
        }
    }

    pub(super) fn heap(&self) -> u32 {
        self.info.get() >> 8
    }

    pub(super) fn flags(&self) -> u8 {
        self.info.get().to_le_bytes()[0]
    }

    pub(super) fn set_flags(&self, flags: u8) {
        self.info.set(self.info.get() & !0xFF | u32::from(flags));
    }

    /// Whether exactly one value refers to the object.
    pub(super) fn is_unique(&self) -> bool {
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
pub(super) unsafe trait HeapObject: Sized {
    /// The tag of values that refer to it.
    const TAG: u64;
}

fn current() -> Option<NonNull<Inner>> {
    NonNull::new(CURRENT.get().cast_mut())
}

/// Runs `work` on the entered heap.
fn with_current<R>(work: impl FnOnce(&Inner) -> R) -> R {
    let current = current().expect("a heap is entered before values are made");
    // SAFETY: CURRENT owns a strong count, and nothing in this module leaves the heap while `work` runs.
    work(unsafe { current.as_ref() })
}

/// The bits of a reference to the object at `address`.
fn reference(tag: u64, address: NonNull<u8>) -> u64 {
    let address = address.as_ptr().expose_provenance() as u64;
    assert!(
        address <= layout::ADDRESS_MASK,
        "addresses of user space fit in 48 bits"
    );
    tag << layout::TAG_SHIFT | address
}

/// The object a heap reference refers to.
pub(super) fn header_address(bits: u64) -> NonNull<Header> {
    let address = (bits & layout::ADDRESS_MASK) as usize;
    let pointer = ptr::with_exposed_provenance_mut(address);
    NonNull::new(pointer).expect("heap references are never null")
}

/// Makes an object with count 1 and returns the value that owns it. `make` is not called if there is no memory.
pub(super) fn make_object<T: HeapObject>(
    make: impl FnOnce(Header) -> T,
) -> Result<Value, ErrorKind> {
    let (block, heap) = with_current(|inner| {
        inner
            .allocate(size_of::<T>())
            .map(|block| (block, inner.id))
    })?;
    let object = make(Header::new(heap));
    // SAFETY: the block is large enough, aligned to 16 (HeapObject 3) and ours.
    unsafe { block.cast::<T>().write(object) };
    with_current(|inner| inner.live.set(inner.live.get() + 1));
    // SAFETY: a new object of T, whose tag is T::TAG, with the one count this value owns.
    Ok(unsafe { Value::from_bits(reference(T::TAG, block)) })
}

/// Makes the block of a string: `size` bytes of which `make` initialises the beginning.
///
/// # Safety
///
/// 1. `make` writes an `HslString` with the header it is given at the start of the block.
pub(super) unsafe fn make_string(
    size: usize,
    make: impl FnOnce(NonNull<u8>, Header),
) -> Result<Value, ErrorKind> {
    let (block, heap) = with_current(|inner| inner.allocate(size).map(|block| (block, inner.id)))?;
    make(block, Header::new(heap));
    with_current(|inner| inner.live.set(inner.live.get() + 1));
    // SAFETY: 1: a new string, with the one count this value owns.
    Ok(unsafe { Value::from_bits(reference(layout::TAG_STRING, block)) })
}

/// Moves a string's block to a larger one and returns the bits of the string there.
///
/// # Safety
///
/// 1. `bits` is a string of count 1 whose block has `old` bytes, made by [`make_string`] or this.
/// 2. Its old bits are not used after success, not even released.
pub(super) unsafe fn grow_string(bits: u64, old: usize, new: usize) -> Result<u64, ErrorKind> {
    let header = header_address(bits);
    // SAFETY: 1 says it is alive.
    let heap = unsafe { header.as_ref() }.heap();
    // SAFETY: 1 and 2.
    let moved = unsafe { reallocate_block(header.cast(), old, new, heap) }?;
    Ok(reference(layout::TAG_STRING, moved))
}

/// A block of at least `size` bytes, aligned to 16, and the number of the heap it is from.
pub(super) fn allocate_block(size: usize) -> Result<(NonNull<u8>, u32), ErrorKind> {
    with_current(|inner| inner.allocate(size).map(|block| (block, inner.id)))
}

/// Frees a block, or leaks it if its heap is not the entered one.
///
/// # Safety
///
/// 1. `block` has `size` bytes, or was allocated with a few more, and is of heap `heap`; nobody uses it any more.
pub(super) unsafe fn deallocate_block(block: NonNull<u8>, size: usize, heap: u32) {
    let Some(current) = current() else { return };
    // SAFETY: CURRENT owns a strong count.
    let inner = unsafe { current.as_ref() };
    if inner.id == heap {
        // SAFETY: 1.
        unsafe { inner.deallocate(block, size) };
    }
}

/// Moves a block to one of at least `new` bytes.
///
/// # Safety
///
/// 1. `block` has `old` bytes and is of heap `heap`; the caller alone uses it, and after success only the result.
pub(super) unsafe fn reallocate_block(
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
        unsafe { inner.reallocate(block, old, new) }
    })
}

/// Adds a reference. A count that reached the greatest u32 stays there, and its object is never freed.
///
/// # Safety
///
/// 1. `bits` is a heap reference to a live object.
pub unsafe fn retain_bits(bits: u64) {
    let header = header_address(bits);
    // SAFETY: 1.
    let refcount = &unsafe { header.as_ref() }.refcount;
    refcount.set(refcount.get().saturating_add(1));
}

/// Takes a reference away, and destroys the object if it was the last.
///
/// # Safety
///
/// 1. `bits` is a heap reference to a live object.
/// 2. The caller owns one count of it and gives it up.
pub unsafe fn release_bits(bits: u64) {
    let header = header_address(bits);
    // SAFETY: 1.
    let refcount = &unsafe { header.as_ref() }.refcount;
    let count = refcount.get();
    if count == u32::MAX {
        return;
    }
    refcount.set(count.wrapping_sub(1));
    if count == 1 {
        // SAFETY: 2: that was the last reference.
        unsafe { destroy_bits(bits) };
    }
}

/// Destroys an object whose count has just reached zero. Generated code that counts for itself calls this.
///
/// # Safety
///
/// 1. `bits` is a heap reference to an object at count zero.
/// 2. It is called once for it.
#[cold]
pub unsafe fn destroy_bits(bits: u64) {
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
        unsafe { inner.deallocate(object.cast(), size) };
    } else if inner.draining.get() {
        let link = inner.pending.replace(bits);
        // SAFETY: objects are longer than 8 bytes and aligned; at count zero nobody reads the header.
        unsafe { object.cast::<u64>().write(link) };
    } else {
        // SAFETY: 1 and 2.
        unsafe { inner.drain(bits) };
    }
}

/// Makes an object immortal: its count may go up and down by a billion without freeing it. For constants.
pub(super) fn make_immortal(header: &Header) {
    header.refcount.set(layout::REFCOUNT_IMMORTAL);
}

/// Objects alive in the entered heap, 0 if none is entered.
#[must_use]
pub fn live_objects() -> usize {
    // SAFETY: CURRENT owns a strong count.
    current().map_or(0, |current| unsafe { current.as_ref() }.live.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::array::Key;

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

    #[test]
    fn an_abandoned_heap_serves_again() {
        let mut heap = Heap::new(1 << 20);
        let entered = heap.enter();
        let kept = Value::array_of([Value::string(&[7; 100_000]).expect("fits")]).expect("fits");
        drop(entered);
        assert!(!heap.reset(), "an array and a string are live");
        let _never_released = kept.into_bits();
        // SAFETY: the only value was turned into bits, which nobody uses.
        unsafe { heap.abandon() };
        assert_eq!((heap.live(), heap.used()), (0, 0));
        let _entered = heap.enter();
        assert!(Value::string(b"again").is_ok());
    }

    #[test]
    fn values_outlive_their_heap_and_its_guard() {
        let value = {
            let heap = Heap::new(1 << 20);
            let _entered = heap.enter();
            Value::string(b"still here").expect("fits")
        };
        assert_eq!(value.as_octets(), Some(&b"still here"[..]));
        let other = Heap::new(1 << 20);
        let _entered = other.enter();
        drop(value); // Not of this heap: leaked, not put on its free lists.
        assert_eq!(other.live(), 0);
    }

    #[test]
    fn heaps_nest() {
        let (outer, inner) = (Heap::new(1 << 20), Heap::new(1 << 20));
        let outside = outer.enter();
        let first = Value::string(b"outer").expect("fits");
        let inside = inner.enter();
        let second = Value::string(b"inner").expect("fits");
        assert_eq!((outer.live(), inner.live()), (1, 1));
        drop(second);
        drop(inside);
        drop(first);
        assert_eq!((outer.live(), inner.live()), (0, 0));
        drop(outside);
    }

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
}
