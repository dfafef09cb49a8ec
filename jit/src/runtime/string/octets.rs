//! Octets hashed, copied and compared, short ones without a call.
//!
//! In: slices. Out: a hash that nobody can foretell, copies, equality. Knows nothing of values. What is short is worked on by
//! words that may overlap, which takes fewer instructions than a call.

use std::hash::{BuildHasher, Hasher};
use std::mem::MaybeUninit;

/// The longest piece that is copied without a call.
pub(super) const SHORT_MAX: usize = 32;

/// A hash of octets, with keys of this thread that the system made at random, so that nobody can prepare octets that
/// collide. Never 0.
pub(in crate::runtime) fn hash_octets(octets: &[u8]) -> u32 {
    thread_local! {
        static KEYS: ahash::RandomState = {
            let random = std::hash::RandomState::new();
            let [one, two, three, four] = [1, 2, 3, 4].map(|number| random.hash_one(number));
            ahash::RandomState::with_seeds(one, two, three, four)
        };
    }
    let hash = KEYS.with(|keys| {
        let mut hasher = keys.build_hasher();
        hasher.write(octets);
        hasher.finish()
    });
    let folded = u32::try_from((hash ^ hash >> 32) & 0xFFFF_FFFF).unwrap_or(0);
    folded.max(1)
}

/// Writes octets to room of the same length. Short ones by words that may overlap, which is quicker than a call.
#[inline]
pub(super) fn copy_octets(octets: &[u8], room: &mut [MaybeUninit<u8>]) {
    if octets.len() <= SHORT_MAX {
        copy_short(octets, room);
    } else {
        room.write_copy_of_slice(octets);
    }
}

/// As [`copy_octets`], of at most [`SHORT_MAX`].
#[inline(always)] // A few words are copied in fewer instructions than a call takes.
pub(super) fn copy_short(octets: &[u8], room: &mut [MaybeUninit<u8>]) {
    let length = octets.len();
    let mut copy = |from: usize, count: usize| {
        room[from..from + count].write_copy_of_slice(&octets[from..from + count]);
    };
    match length {
        0 => {}
        1 => copy(0, 1),
        2..4 => {
            copy(0, 2);
            copy(length - 2, 2);
        }
        4..8 => {
            copy(0, 4);
            copy(length - 4, 4);
        }
        8..=16 => {
            copy(0, 8);
            copy(length - 8, 8);
        }
        _ => {
            copy(0, 16);
            copy(length - 16, 16);
        }
    }
}

/// Whether both are the same octets. Short ones are compared by words that may overlap, which is quicker than a call.
#[must_use]
#[inline]
pub(crate) fn same_octets(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && match left.len() {
            0 => true,
            1 => left[0] == right[0],
            2..4 => same_ends::<2>(left, right),
            4..8 => same_ends::<4>(left, right),
            8..=16 => same_ends::<8>(left, right),
            17..=32 => same_ends::<16>(left, right),
            _ => left == right,
        }
}

/// Whether the first and the last octets, so many each, are the same.
#[inline(always)] // Two comparisons of words.
fn same_ends<const N: usize>(left: &[u8], right: &[u8]) -> bool {
    left.first_chunk::<N>() == right.first_chunk::<N>()
        && left.last_chunk::<N>() == right.last_chunk::<N>()
}
