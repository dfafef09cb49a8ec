//! What was read from a text, kept for the next time.
//!
//! In: a string, and how to read it. Out: what reading its octets gives. Guarantees: the answer is always that of reading; a
//! table holds [`PLACES`] texts, none longer than [`OCTETS_MAX`]; who chooses the texts cannot choose which of them share a
//! place, since the hash is keyed.
//! Does not: keep anything a script can see, or cost fuel.
//!
//! A string remembers the stamp of the place that holds its text, so that the second look-up of one string compares two
//! numbers. A stamp is the number of a place with a count before it that no other stamp of the thread has; when the counts
//! are used up, texts are compared by their octets.

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;

use crate::runtime::HslString;

/// The longest text that is kept.
const OCTETS_MAX: usize = 96;

/// How many texts a table keeps.
pub(super) const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 9;

/// How many places a text may be in: few texts are unlikely to meet in one of them then.
const WAYS: usize = 4;

/// A table of what was read from texts. One per thread and way of reading.
pub(super) struct Memo<T> {
    places: Box<[Place<T>]>,
}

/// Room for a text.
struct Place<T> {
    /// That of the text, or 0.
    stamp: Cell<u32>,
    known: RefCell<Option<Known<T>>>,
}

/// A text and what was read from it.
struct Known<T> {
    octets: SmallVec<[u8; 40]>,
    read: T,
}

impl<T> Memo<T> {
    /// An empty table, for as long as the program runs: a thread has few of them.
    pub(super) fn leaked() -> &'static Self {
        let place = |_| Place {
            stamp: Cell::new(0),
            known: RefCell::new(None),
        };
        let places = (0..PLACES).map(place).collect();
        Box::leak(Box::new(Self { places }))
    }

    /// What `answer` makes of what was read from a text before, if this string is known to have that text.
    #[inline]
    pub(super) fn known<R>(&self, text: &HslString, answer: impl FnOnce(&T) -> R) -> Option<R> {
        let stamp = text.stamp();
        let place = self.places.get(stamp as usize % PLACES)?;
        if stamp == 0 || place.stamp.get() != stamp {
            return None;
        }
        let known = place.known.borrow();
        known.as_ref().map(|known| answer(&known.read))
    }

    /// What `answer` makes of what `read` makes of a text.
    #[inline]
    pub(super) fn of<R>(
        &self,
        text: &HslString,
        read: impl FnOnce(&[u8]) -> T,
        answer: impl Fn(&T) -> R,
    ) -> R {
        match self.known(text, &answer) {
            Some(answer) => answer,
            None => self.look_up(text, read, answer),
        }
    }

    /// As [`Self::of`], by the octets: one of the places that the hash chooses has the text, or will have it.
    #[inline(never)]
    fn look_up<R>(
        &self,
        text: &HslString,
        read: impl FnOnce(&[u8]) -> T,
        answer: impl Fn(&T) -> R,
    ) -> R {
        if OCTETS_MAX < text.len() {
            return answer(&read(text.octets()));
        }
        let first = text.hash() as usize % (PLACES / WAYS) * WAYS;
        let places = &self.places[first..first + WAYS];
        for place in places {
            let known = place.known.borrow();
            if let Some(known) = known.as_ref()
                && known.octets[..] == *text.octets()
            {
                text.set_stamp(place.stamp.get());
                return answer(&known.read);
            }
        }
        // The text that came first goes first.
        let oldest = (0..WAYS).min_by_key(|way| places[*way].stamp.get());
        let position = first + oldest.unwrap_or(0);
        let known = Known {
            octets: SmallVec::from_slice(text.octets()),
            read: read(text.octets()),
        };
        let answer = answer(&known.read);
        let place = &self.places[position];
        place.known.replace(Some(known));
        place.stamp.set(new_stamp(position));
        text.set_stamp(place.stamp.get());
        answer
    }
}

/// A stamp for a place that no text had before, or 0 when there is none left.
fn new_stamp(position: usize) -> u32 {
    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }
    let count = COUNT.get() + 1;
    // The greatest number is kept for what has no text.
    if (count + 1) >> (u32::BITS - PLACE_BITS) != 0 {
        return 0;
    }
    COUNT.set(count);
    count << PLACE_BITS | u32::try_from(position).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{on_heap, text};
    use crate::runtime::{Value, string};

    fn length_of(memo: &Memo<usize>, reads: &Cell<usize>, value: &Value) -> usize {
        let read = |octets: &[u8]| {
            reads.set(reads.get() + 1);
            octets.len()
        };
        memo.of(value.as_string().expect("a string"), read, |length| *length)
    }

    #[test]
    fn a_text_is_read_once_and_a_changed_one_again() {
        on_heap(|| {
            let (memo, reads) = (Memo::leaked(), Cell::new(0));
            let mut value = text("192.0.2.1");
            assert_eq!(length_of(memo, &reads, &value), 9);
            assert_eq!(length_of(memo, &reads, &value), 9);
            assert_eq!(length_of(memo, &reads, &text("192.0.2.1")), 9);
            assert_eq!(reads.get(), 1);
            string::append(&mut value, b"00").expect("fits");
            let string = value.as_string().expect("a string");
            assert_eq!(memo.known(string, |length| *length), None);
            assert_eq!(length_of(memo, &reads, &value), 11);
            assert_eq!(reads.get(), 2);
        });
    }

    #[test]
    fn the_table_is_bounded_and_still_right() {
        on_heap(|| {
            let (memo, reads) = (Memo::leaked(), Cell::new(0));
            for round in 0..3 {
                for count in 0..3 * PLACES {
                    let value = text(format!("{count:0width$}", width = count % 120));
                    let length = value.as_octets().expect("a string").len();
                    assert_eq!(length_of(memo, &reads, &value), length, "round {round}");
                }
            }
            assert_eq!(memo.places.len(), PLACES);
            for place in &memo.places {
                let known = place.known.borrow();
                let octets = known.as_ref().map_or(0, |known| known.octets.len());
                assert!(octets <= OCTETS_MAX);
            }
        });
    }

    #[test]
    fn two_tables_do_not_mix() {
        on_heap(|| {
            let (one, other, reads) = (Memo::leaked(), Memo::leaked(), Cell::new(0));
            let value = text("::1");
            for _ in 0..3 {
                assert_eq!(length_of(one, &reads, &value), 3);
                let string = value.as_string().expect("a string");
                assert_eq!(other.of(string, |octets| octets[0], |first| *first), b':');
            }
            assert_eq!(reads.get(), 1);
        });
    }
}
