//! The memory of one execution's values, and the only arithmetic on reference counts.
//!
//! In: objects and sizes. Out: values and blocks of memory, always from the heap that is *entered* on this thread.
//! Guarantees: never more than the limit, every allocation may fail, nothing is freed twice, dropping a deeply nested value
//! takes no stack, and an abandoned execution costs one reset.
//! Does not collect cycles (objects that hold each other live until the heap is reset) and does not zero memory.
//! `allocate.rs` makes objects, `count.rs` counts references and destroys, `work.rs` records work to be paid for.
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
    reason = "frees the memory of values, and holds the heap that is entered"
)]

mod allocate;
mod count;
mod work;

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::rc::Rc;

pub use self::count::{destroy_bits, release_bits, retain_bits};
pub use self::work::{is_work_due, take_work};

pub(super) use self::allocate::{
    Header, HeapObject, allocate_block, deallocate_block, grow_string, header_address, make_object,
    make_object_with_room, make_string, reallocate_block, reuse_string, string_value,
};
pub(super) use self::count::{destroy_here, give_up, make_immortal};
pub(super) use self::work::{record_elements, record_octets};

use super::blocks::Blocks;

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
    /// 1. No [`Value`](super::Value) whose object is in this heap is used or dropped afterwards.
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

#[inline]
fn current() -> Option<NonNull<Inner>> {
    NonNull::new(CURRENT.get().cast_mut())
}

/// Runs `work` on the entered heap, if one is.
#[inline]
fn with_entered<R>(work: impl FnOnce(&Inner) -> R) -> Option<R> {
    let current = current()?;
    // SAFETY: CURRENT owns a strong count, and nothing in this module leaves the heap while `work` runs.
    Some(work(unsafe { current.as_ref() }))
}

/// Runs `work` on the entered heap.
#[inline]
fn with_current<R>(work: impl FnOnce(&Inner) -> R) -> R {
    let current = current().expect("a heap is entered before values are made");
    // SAFETY: as above.
    work(unsafe { current.as_ref() })
}

/// Objects alive in the entered heap, 0 if none is entered.
#[must_use]
pub fn live_objects() -> usize {
    with_entered(|inner| inner.live.get()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::value::Value;

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
}
