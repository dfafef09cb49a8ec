//! The memory of one execution's values, and the only arithmetic on reference counts.
//!
//! In: objects and sizes. Out: values and blocks of memory, always from the heap that is *entered* on this thread.
//! Guarantees: never more than the limit, every allocation may fail, nothing is freed twice, dropping a deeply nested value
//! takes no stack, and an abandoned execution costs one reset.
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

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::array::HslArray;
use super::blocks::Blocks;
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
        self.inner.blocks.used()
    }

    /// Changes the limit. What is already in use stays.
    pub fn set_limit(&self, bytes: usize) {
        self.inner.blocks.set_limit(bytes);
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
    blocks: ManuallyDrop<Blocks>,
    /// Arrays, functions, objects and cells at count zero whose destruction waits: bits of the first, linked through
    /// their headers. So a list nested a million deep is dropped in a loop.
    pending: Cell<u64>,
    draining: Cell<bool>,
    live: Cell<usize>,
    /// Work recorded and not yet taken, in octets.
    work: Cell<u64>,
}

impl Inner {
    fn new(limit: usize) -> Self {
        let id = FREE_IDS
            .with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| NEXT_ID.replace(NEXT_ID.get() + 1));
        assert!(id < 1 << 24, "more than 16,777,215 heaps on one thread");
        Self {
            id,
            blocks: ManuallyDrop::new(Blocks::new(limit)),
            pending: Cell::new(0),
            draining: Cell::new(false),
            live: Cell::new(0),
            work: Cell::new(0),
        }
    }

    /// Forgets every object. Values that still refer to this heap must not be used again.
    fn clear(&self) {
        self.blocks.clear();
        self.pending.set(0);
        self.draining.set(false);
        self.live.set(0);
        self.work.set(0);
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
        unsafe { self.blocks.deallocate(object.cast(), size) };
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.live.get() != 0 {
            return; // Some value may still refer to the blocks: leak them.
        }
        self.clear();
        // SAFETY: dropped once, here; nothing uses the blocks afterwards.
        unsafe { ManuallyDrop::drop(&mut self.blocks) };
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
            .blocks
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
    let (block, heap) =
        with_current(|inner| inner.blocks.allocate(size).map(|block| (block, inner.id)))?;
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
    with_current(|inner| inner.blocks.allocate(size).map(|block| (block, inner.id)))
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
        unsafe { inner.blocks.deallocate(block, size) };
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
        unsafe { inner.blocks.reallocate(block, old, new) }
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
        unsafe { inner.blocks.deallocate(object.cast(), size) };
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

/// Octets of work that one element, or one unit of fuel, stands for.
const WORK_UNIT: u64 = 64;

/// Records that octets were copied or compared.
pub(super) fn record_octets(octets: usize) {
    if let Some(current) = current() {
        // SAFETY: CURRENT owns a strong count.
        let work = &unsafe { current.as_ref() }.work;
        work.set(work.get() + octets as u64);
    }
}

/// Records that elements were copied or compared.
pub(super) fn record_elements(elements: usize) {
    record_octets(elements.saturating_mul(64));
}

/// The work done on the entered heap's values since this was last asked, in units of fuel (64 octets, or one element).
/// A single operation can copy or compare a whole value; whoever runs a script takes this after each call into the
/// runtime and pays for it, so that a loop of such operations cannot outrun its fuel.
#[must_use]
pub fn take_work() -> u64 {
    current().map_or(0, |current| {
        // SAFETY: CURRENT owns a strong count.
        let work = &unsafe { current.as_ref() }.work;
        let units = work.get() / WORK_UNIT;
        work.set(work.get() % WORK_UNIT);
        units
    })
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
    use crate::runtime::key::Key;

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

    #[test]
    fn work_grows_with_what_is_copied() {
        let heap = Heap::new(16 << 20);
        let _entered = heap.enter();
        let elements = || Value::array_of((0..1000).map(Value::count)).expect("fits");
        let (mut array, same) = (elements(), elements());
        let _ = take_work();
        let shared = array.clone();
        array
            .array_mut()
            .expect("fits")
            .append(Value::NONE)
            .expect("fits");
        assert!(
            (1000..1100).contains(&take_work()),
            "a shared array was copied"
        );
        array
            .array_mut()
            .expect("fits")
            .append(Value::NONE)
            .expect("fits");
        assert_eq!(take_work(), 0, "now it is nobody else's");
        assert!(crate::runtime::compare::strict_equal(&shared, &same).expect("shallow"));
        assert!((1000..1100).contains(&take_work()));
        let mut text = Value::string(&[b'x'; 64_000]).expect("fits");
        assert!((1000..1100).contains(&take_work()));
        let copy = text.clone();
        string::append(&mut text, b"y").expect("fits");
        assert!(
            (1000..1100).contains(&take_work()),
            "a shared string was copied"
        );
        assert!(!crate::runtime::compare::loose_equal(&text, &copy).expect("strings"));
        let other = Value::string(copy.as_octets().expect("string")).expect("fits");
        let _ = take_work();
        assert!(crate::runtime::compare::loose_equal(&other, &copy).expect("strings"));
        assert!((1000..1100).contains(&take_work()));
    }
}
