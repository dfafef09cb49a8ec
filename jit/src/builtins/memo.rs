//! What was read from a text, kept for the next time.
//!
//! In: a string, and how to read it. Out: what reading its octets gives. Guarantees: the answer is always that of reading; a
//! table holds a fixed number of texts, none longer than [`OCTETS_MAX`]; who chooses the texts cannot choose which of them
//! share a place, since the hash is keyed.
//! Does not: keep anything a script can see, or cost fuel.
//!
//! A string remembers the stamp of the place that holds its text, so that the second look-up of one string compares two
//! numbers. Stamps are given out once per thread; when there are none left, texts are compared by their octets.

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;

use crate::runtime::HslString;

/// The longest text that is kept.
const OCTETS_MAX: usize = 96;

/// Places for texts of the same part of the hash. The one used least recently makes room.
const PLACES: usize = 2;

/// A table of what was read from texts. One per thread and way of reading.
pub(super) struct Memo<T> {
    /// A power of two of them, made when the first text is read.
    sets: RefCell<Vec<[Option<Known<T>>; PLACES]>>,
    sets_count: usize,
}

/// A text and what was read from it.
struct Known<T> {
    stamp: u32,
    octets: SmallVec<[u8; 40]>,
    read: T,
}

impl<T: Clone> Memo<T> {
    /// An empty table of at least `2 * sets_count` texts. Takes no memory yet.
    pub(super) const fn new(sets_count: usize) -> Self {
        Self {
            sets: RefCell::new(Vec::new()),
            sets_count: sets_count.next_power_of_two(),
        }
    }

    /// What `read` makes of a text.
    #[inline]
    pub(super) fn of(&self, text: &HslString, read: impl FnOnce(&[u8]) -> T) -> T {
        if text.stamp() != 0
            && let Some(set) = self.sets.borrow().get(self.place(text))
            && let Some(known) = set
                .iter()
                .flatten()
                .find(|known| known.stamp == text.stamp())
        {
            return known.read.clone();
        }
        self.look_up(text, read)
    }

    /// The set of a text.
    #[inline]
    fn place(&self, text: &HslString) -> usize {
        text.hash() as usize & (self.sets_count - 1)
    }

    /// As [`Self::of`], by the octets.
    #[inline(never)]
    fn look_up(&self, text: &HslString, read: impl FnOnce(&[u8]) -> T) -> T {
        if OCTETS_MAX < text.len() {
            return read(text.octets());
        }
        let mut sets = self.sets.borrow_mut();
        if sets.is_empty() {
            sets.resize_with(self.sets_count, || [const { None }; PLACES]);
        }
        let set = &mut sets[self.place(text)];
        let is_it = |known: &Known<T>| known.octets[..] == *text.octets();
        let Some(position) = set
            .iter()
            .position(|known| known.as_ref().is_some_and(is_it))
        else {
            let known = Known {
                stamp: new_stamp(),
                octets: SmallVec::from_slice(text.octets()),
                read: read(text.octets()),
            };
            text.set_stamp(known.stamp);
            let answer = known.read.clone();
            set.rotate_right(1);
            set[0] = Some(known);
            return answer;
        };
        set[..=position].rotate_right(1);
        let known = set[0].as_ref().expect("it was found");
        text.set_stamp(known.stamp);
        known.read.clone()
    }
}

/// A stamp no text had before, or 0 when there is none left.
fn new_stamp() -> u32 {
    thread_local! {
        static LAST: Cell<u32> = const { Cell::new(0) };
    }
    let Some(stamp) = LAST.get().checked_add(1) else {
        return 0;
    };
    LAST.set(stamp);
    stamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{on_heap, text};
    use crate::runtime::{Value, string};

    fn length_of(memo: &Memo<usize>, reads: &Cell<usize>, value: &Value) -> usize {
        let string = value.as_string().expect("a string");
        memo.of(string, |octets| {
            reads.set(reads.get() + 1);
            octets.len()
        })
    }

    #[test]
    fn a_text_is_read_once_and_a_changed_one_again() {
        on_heap(|| {
            let (memo, reads) = (Memo::new(16), Cell::new(0));
            let mut value = text("192.0.2.1");
            assert_eq!(length_of(&memo, &reads, &value), 9);
            assert_eq!(length_of(&memo, &reads, &value), 9);
            assert_eq!(length_of(&memo, &reads, &text("192.0.2.1")), 9);
            assert_eq!(reads.get(), 1);
            string::append(&mut value, b"00").expect("fits");
            assert_eq!(length_of(&memo, &reads, &value), 11);
            assert_eq!(reads.get(), 2);
        });
    }

    #[test]
    fn the_table_is_bounded_and_still_right() {
        on_heap(|| {
            let (memo, reads) = (Memo::new(4), Cell::new(0));
            for round in 0..3 {
                for count in 0..200 {
                    let value = text("x".repeat(count));
                    assert_eq!(length_of(&memo, &reads, &value), count, "round {round}");
                }
            }
            let sets = memo.sets.borrow();
            assert_eq!(sets.len(), 4);
            let longest = sets
                .iter()
                .flatten()
                .flatten()
                .map(|known| known.octets.len());
            assert!(longest.max().is_some_and(|longest| longest <= OCTETS_MAX));
        });
    }

    #[test]
    fn two_tables_do_not_mix() {
        on_heap(|| {
            let (one, other, reads) = (Memo::new(4), Memo::new(4), Cell::new(0));
            let value = text("::1");
            for _ in 0..3 {
                assert_eq!(length_of(&one, &reads, &value), 3);
                let string = value.as_string().expect("a string");
                assert_eq!(other.of(string, |octets| octets[0]), b':');
            }
            assert_eq!(reads.get(), 1);
        });
    }
}
