//! Memory of one kind that is not needed now, kept for whoever of the shard needs it next.
//!
//! In: pieces of memory after use. Out: the same pieces. Guarantees: the last one kept is the first one taken, while the
//! cache still has it; so many are kept at most; and what nobody has needed for a while is freed but for one, so that a
//! shard holds what its traffic needs now, not what it has ever needed. Does not: look inside.

use std::cell::{Cell, RefCell};

/// Pieces of memory that nobody needs now, at most `COUNT_MAX`.
#[derive(Debug, Default)]
pub struct Spare<T, const COUNT_MAX: usize> {
    kept: RefCell<Vec<T>>,
    /// The fewest there were since [`Spare::free_unneeded`]: so many were not needed.
    fewest_count: Cell<usize>,
}

impl<T, const COUNT_MAX: usize> Spare<T, COUNT_MAX> {
    /// One of them, if there is one.
    pub fn take(&self) -> Option<T> {
        let mut kept = self.kept.borrow_mut();
        let piece = kept.pop();
        self.fewest_count
            .set(self.fewest_count.get().min(kept.len()));
        piece
    }

    /// Keeps one more, unless enough are kept.
    pub fn keep(&self, piece: T) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < COUNT_MAX {
            kept.push(piece);
        }
    }

    /// Frees those that nobody has needed since this was last called, but for the last one: who needs memory now and then,
    /// one at a time, need not wait for the allocator.
    pub fn free_unneeded(&self) {
        let mut kept = self.kept.borrow_mut();
        // Taken and kept at the end, so that the first are those that stayed.
        let needless_count = self.fewest_count.get().min(kept.len().saturating_sub(1));
        kept.drain(..needless_count);
        self.fewest_count.set(kept.len());
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.kept.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use super::Spare;

    #[test]
    fn what_is_kept_is_taken_again_and_no_more_than_enough() {
        let spare = Spare::<_, 2>::default();
        assert_eq!(spare.take(), None);
        for piece in [1, 2, 3] {
            spare.keep(piece);
        }
        assert_eq!(
            [spare.take(), spare.take(), spare.take()],
            [Some(2), Some(1), None]
        );
    }

    #[test]
    fn what_nobody_needs_is_freed() {
        let spare = Spare::<_, 8>::default();
        for piece in 0..5 {
            spare.keep(piece);
        }
        spare.free_unneeded();
        assert_eq!(spare.count(), 5, "all were in use since the last time");
        // Two are needed at the same time, and come back.
        let needed = [spare.take(), spare.take()];
        assert_eq!(needed, [Some(4), Some(3)]);
        needed
            .into_iter()
            .flatten()
            .for_each(|piece| spare.keep(piece));
        spare.free_unneeded();
        assert_eq!(spare.count(), 2);
        assert_eq!([spare.take(), spare.take()], [Some(3), Some(4)]);
        spare.keep(3);
        spare.free_unneeded();
        assert_eq!(spare.count(), 1, "it came back only now");
        spare.free_unneeded();
        assert_eq!(spare.count(), 1, "one stays");
        for piece in 4..8 {
            spare.keep(piece);
        }
        for _ in 0..3 {
            spare.free_unneeded();
        }
        assert_eq!([spare.take(), spare.take()], [Some(7), None]);
    }

    #[test]
    fn a_piece_in_steady_use_is_never_freed() {
        let spare = Spare::<_, 8>::default();
        spare.keep(1);
        for _ in 0..10 {
            spare.free_unneeded();
            assert_eq!(spare.take(), Some(1));
            spare.keep(1);
        }
    }
}
