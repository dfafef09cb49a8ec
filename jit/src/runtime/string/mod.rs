//! Strings: octets with a length, shared by counting.
//!
//! The octets lie behind the header in the same block ("owned"), or inside another string that is kept alive ("slice"), so
//! that `$command[0:4]` does not copy. An owned string that nobody shares grows in place, by doubling. A string that anybody
//! else can see never changes. Not text: nothing here knows of UTF-8.
//!
//! `octets.rs` hashes, copies and compares; `single.rs` has the strings of one octet.
//!
//! HSL manual, chapter "Data types and literals", "String".
#![expect(unsafe_code, reason = "the octets of a string lie behind its header")]

mod octets;
mod single;

pub use single::{octet_strings, of_octet};

pub(super) use octets::hash_octets;
pub(crate) use octets::same_octets;

use std::cell::Cell;
use std::cmp::Ordering;
use std::ptr::{self, NonNull};
use std::slice;

use super::blocks::usable_size;
use super::heap::{self, Header};
use super::value::Value;
use crate::error::ErrorKind;
use octets::{SHORT_MAX, copy_octets, copy_short};

/// The greatest length of a string, in octets.
pub const STRING_LENGTH_MAX: usize = 256 * 1024 * 1024;

/// The digits of hexadecimal text.
pub(crate) const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

/// The work of adding octets that does not depend on how many they are, in octets.
const EXTEND_WORK: usize = 8;

/// Slices shorter than this are copied: they cost no more than a reference, and do not keep a long string alive.
const SHARED_LENGTH_MIN: usize = 48;
const _: () = assert!(SHORT_MAX < SHARED_LENGTH_MIN);

/// The octets lie in another string, whose value follows the header.
const FLAG_SLICE: u8 = 1;

/// A string of octets.
#[derive(Debug)]
#[repr(C)]
pub struct HslString {
    pub(super) header: Header,
    pub(super) length: u32,
    /// Octets the block has room for; of a slice 0.
    pub(super) capacity: u32,
    /// Invariant: `length` initialised octets that live as long as this string: behind the header, or in the string whose
    /// value is there if `FLAG_SLICE` is set.
    pub(super) data: NonNull<u8>,
    /// Hash of the octets, or 0 when it is not known yet.
    pub(super) hash: Cell<u32>,
    /// What [`HslString::stamp`] gives. Whoever changes the octets forgets it together with the hash.
    pub(super) stamp: Cell<u32>,
}

const BLOCK_HEADER: usize = size_of::<HslString>();
const SLICE_BLOCK: usize = BLOCK_HEADER + size_of::<Value>();

impl HslString {
    /// The octets.
    #[must_use]
    #[inline]
    pub fn octets(&self) -> &[u8] {
        // SAFETY: by the invariant of `data`; a string that is borrowed is not changed.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.length as usize) }
    }

    /// The number of octets.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Compares by octets, as unsigned.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        self.octets().cmp(other.octets())
    }

    /// A hash of the octets, the same for equal strings within this thread, and not to be foretold. Never 0.
    #[must_use]
    #[inline]
    pub fn hash(&self) -> u32 {
        match self.hash.get() {
            0 => self.find_hash(),
            known => known,
        }
    }

    fn find_hash(&self) -> u32 {
        heap::record_octets(self.len());
        let hash = hash_octets(self.octets());
        self.hash.set(hash);
        hash
    }

    /// The number that [`Self::set_stamp`] gave to these octets, or 0.
    #[must_use]
    #[inline]
    pub(crate) fn stamp(&self) -> u32 {
        self.stamp.get()
    }

    /// Notes a number with the octets for as long as they stay what they are. Whoever gives out numbers gives each to one
    /// text only, so that a stamp stands for a text.
    pub(crate) fn set_stamp(&self, stamp: u32) {
        self.stamp.set(stamp);
    }

    #[inline]
    pub(super) fn is_unique(&self) -> bool {
        self.header.is_unique()
    }

    #[inline]
    fn is_slice(&self) -> bool {
        self.header.flags() & FLAG_SLICE != 0
    }

    /// The string whose octets these are part of, if this is a slice.
    fn owner(&self) -> Option<&Value> {
        if !self.is_slice() {
            return None;
        }
        let header = NonNull::from(self);
        // The reference covers the header only: go by the exposed address of the whole block.
        let block: *const u8 = ptr::with_exposed_provenance(header.addr().get());
        // SAFETY: the block of a slice is SLICE_BLOCK bytes long.
        let place = unsafe { block.add(BLOCK_HEADER) }.cast::<Value>();
        // SAFETY: `shared` wrote a value there, which nobody changes while the string lives.
        Some(unsafe { &*place })
    }
}

#[inline]
fn length_of(length: usize) -> Result<u32, ErrorKind> {
    match u32::try_from(length) {
        Ok(short) if length <= STRING_LENGTH_MAX => Ok(short),
        _ => Err(ErrorKind::StringLength {
            limit: STRING_LENGTH_MAX,
        }),
    }
}

impl Value {
    /// A string with these octets, copied.
    ///
    /// # Errors
    ///
    /// If the octets exceed [`STRING_LENGTH_MAX`] or the heap its limit.
    pub fn string(octets: &[u8]) -> Result<Self, ErrorKind> {
        concat([octets])
    }
}

/// An empty string with room for `capacity` octets.
fn with_capacity(capacity: usize) -> Result<Value, ErrorKind> {
    length_of(capacity)?;
    let size = usable_size(BLOCK_HEADER + capacity);
    let make = |block: NonNull<u8>, header| {
        let string = HslString {
            header,
            length: 0,
            capacity: capacity_of(size),
            // SAFETY: the block is longer than the header.
            data: unsafe { block.add(BLOCK_HEADER) },
            hash: Cell::new(0),
            stamp: Cell::new(0),
        };
        // SAFETY: the block is new, aligned to 16 and longer than the header.
        unsafe { block.cast().write(string) };
    };
    // SAFETY: `make` writes a string with the given header.
    unsafe { heap::make_string(size, 0, make) }
}

/// The octets that a string in a block of this size may have.
#[inline]
fn capacity_of(size: usize) -> u32 {
    let room = (size - BLOCK_HEADER).min(STRING_LENGTH_MAX);
    u32::try_from(room).unwrap_or(u32::MAX)
}

/// One string of several pieces.
///
/// # Errors
///
/// If the result exceeds [`STRING_LENGTH_MAX`] or the heap its limit.
#[inline]
pub fn concat<const N: usize>(pieces: [&[u8]; N]) -> Result<Value, ErrorKind> {
    if pieces.iter().all(|piece| piece.len() <= SHORT_MAX)
        && let Some(value) = concat_short(&pieces)
    {
        return Ok(value);
    }
    concat_all(&pieces)
}

/// One string of several short pieces, if there is a block for it that was used before: the usual way, without a call.
#[inline(always)] // Short when the number of pieces is known.
fn concat_short(pieces: &[&[u8]]) -> Option<Value> {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    put_short(length, pieces.len(), pieces.iter().copied())
}

/// One string of so many short pieces, which are so long together, as [`concat_short`] makes it.
#[inline(always)] // As above.
fn put_short<'p>(
    length: usize,
    count: usize,
    pieces: impl Iterator<Item = &'p [u8]>,
) -> Option<Value> {
    let (block, header) = heap::reuse_string(BLOCK_HEADER + length, length + EXTEND_WORK * count)?;
    // SAFETY: the block is longer than the header.
    let data = unsafe { block.add(BLOCK_HEADER) };
    // SAFETY: behind the header there is room for all pieces, in memory that is nobody else's.
    let mut room = unsafe { slice::from_raw_parts_mut(data.cast().as_ptr(), length) };
    for piece in pieces {
        let (place, behind) = room.split_at_mut(piece.len());
        copy_short(piece, place);
        room = behind;
    }
    let string = HslString {
        header,
        length: u32::try_from(length).unwrap_or(0),
        capacity: capacity_of(usable_size(BLOCK_HEADER + length)),
        data,
        hash: Cell::new(0),
        stamp: Cell::new(0),
    };
    // SAFETY: the block is unused, aligned to 16 and longer than the header.
    unsafe { block.cast().write(string) };
    // SAFETY: a new string with the header of `reuse_string`.
    Some(unsafe { heap::string_value(block) })
}

/// One string of several pieces, as many as there are.
///
/// # Errors
///
/// If the result exceeds [`STRING_LENGTH_MAX`] or the heap its limit.
#[inline]
pub fn concat_all(pieces: &[&[u8]]) -> Result<Value, ErrorKind> {
    let whole = pieces
        .iter()
        .fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
    let length = length_of(whole)?;
    let size = usable_size(BLOCK_HEADER + whole);
    let make = |block: NonNull<u8>, header| {
        // SAFETY: the block is longer than the header.
        let data = unsafe { block.add(BLOCK_HEADER) };
        // SAFETY: behind the header there is room for all pieces, in memory that is new and so nobody else's.
        let mut room = unsafe { slice::from_raw_parts_mut(data.cast().as_ptr(), whole) };
        for piece in pieces {
            let (place, behind) = room.split_at_mut(piece.len());
            copy_octets(piece, place);
            room = behind;
        }
        let string = HslString {
            header,
            length,
            capacity: capacity_of(size),
            data,
            hash: Cell::new(0),
            stamp: Cell::new(0),
        };
        // SAFETY: the block is new, aligned to 16 and longer than the header.
        unsafe { block.cast().write(string) };
    };
    // SAFETY: `make` writes a string with the given header.
    unsafe { heap::make_string(size, whole + EXTEND_WORK * pieces.len(), make) }
}

/// Adds octets to a string that has room for them and is nobody else's.
#[inline]
fn extend(string: &mut HslString, octets: &[u8]) {
    let room = string.capacity.saturating_sub(string.length) as usize;
    assert!(octets.len() <= room, "the caller made room");
    let length = string.length as usize;
    // SAFETY: `length` is at most the capacity, so this is inside the block or at its end.
    let end = unsafe { string.data.add(length) };
    // SAFETY: the assertion; the octets to add are not there, they would have to lie behind those in use.
    let room = unsafe { slice::from_raw_parts_mut(end.cast().as_ptr(), octets.len()) };
    copy_octets(octets, room);
    string.length += u32::try_from(octets.len()).unwrap_or(0);
    heap::record_octets(octets.len() + EXTEND_WORK);
    string.hash.set(0);
    string.stamp.set(0);
}

/// Appends octets to a string value: in place if it is nobody else's, which costs amortised constant time per octet.
/// The octets cannot be the string's own, since whoever borrows those makes it shared.
///
/// # Errors
///
/// If the result exceeds [`STRING_LENGTH_MAX`] or the heap its limit; the value is then as before.
///
/// # Panics
///
/// If `value` is not a string.
#[inline]
pub fn append(value: &mut Value, octets: &[u8]) -> Result<(), ErrorKind> {
    if octets.is_empty() {
        return Ok(());
    }
    // Of a slice the capacity is 0.
    if let Some(string) = value.as_unique_string()
        && octets.len() <= string.capacity.saturating_sub(string.length) as usize
    {
        extend(string, octets);
        return Ok(());
    }
    append_moving(value, octets)
}

/// The room of a string that is appended to for the first time: it will not be the last.
const APPENDED_ROOM: usize = 64;

/// Appends octets to a string that has no room for them, or is somebody else's as well.
#[inline(never)]
fn append_moving(value: &mut Value, octets: &[u8]) -> Result<(), ErrorKind> {
    let length = value
        .as_string()
        .expect("only strings are appended to")
        .len();
    let needed = length + octets.len();
    length_of(needed)?;
    match value.as_unique_string() {
        Some(string) if string.capacity > 0 => {
            let old = string.capacity as usize;
            grow(value, needed.max((old * 2).min(STRING_LENGTH_MAX)))?;
        }
        _ => {
            let capacity = needed.max((length * 2).clamp(APPENDED_ROOM, STRING_LENGTH_MAX));
            let mut copy = with_capacity(capacity)?;
            let string = copy.as_unique_string().expect("new, so nobody else's");
            extend(string, value.as_octets().unwrap_or_default());
            *value = copy;
        }
    }
    let string = value.as_unique_string().expect("made unique above");
    extend(string, octets);
    Ok(())
}

/// Moves an owned string that is nobody else's to a block with room for `capacity` octets.
fn grow(value: &mut Value, capacity: usize) -> Result<(), ErrorKind> {
    let string = value.as_unique_string().expect("checked by the caller");
    let (old, new) = (
        BLOCK_HEADER + string.capacity as usize,
        usable_size(BLOCK_HEADER + capacity),
    );
    // SAFETY: owned, of count 1, its block has `old` bytes; below the old bits are forgotten, not released.
    let bits = unsafe { heap::grow_string(value.bits(), old, new) }?;
    let _moved = std::mem::replace(value, Value::UNDEFINED).into_bits();
    // SAFETY: the same string with the same count at its new place. Its `data` still points to the old block, and is
    // not read before it is set below.
    *value = unsafe { Value::from_bits(bits) };
    let string = value.as_unique_string().expect("moving keeps the count");
    let block = heap::header_address(bits).cast::<u8>();
    // SAFETY: the block is longer than the header.
    string.data = unsafe { block.add(BLOCK_HEADER) };
    string.capacity = capacity_of(new);
    Ok(())
}

/// Two strings in one, if they are short and there is a block for that at hand.
#[inline]
#[must_use]
pub fn joined_at_once(left: &Value, right: &Value) -> Option<Value> {
    let pieces = [left.as_octets()?, right.as_octets()?];
    let are_short = pieces[0].len() <= SHORT_MAX && pieces[1].len() <= SHORT_MAX;
    are_short.then(|| concat_short(&pieces))?
}

/// Strings in one, if they are short and there is a block for that at hand.
#[inline]
#[must_use]
pub fn all_joined_at_once(parts: &[Value]) -> Option<Value> {
    let mut length = 0;
    for part in parts {
        let octets = part.as_string()?.len();
        if SHORT_MAX < octets {
            return None;
        }
        length += octets;
    }
    let pieces = parts
        .iter()
        .map(|part| part.as_octets().unwrap_or_default());
    put_short(length, parts.len(), pieces)
}

/// A part of two strings as if they were one, if it is short but no single octet, and there is a block for it at hand.
#[inline]
#[must_use]
pub fn joined_part_at_once(
    left: &HslString,
    right: &HslString,
    start: usize,
    end: usize,
) -> Option<Value> {
    if !matches!(end.checked_sub(start)?, 2..=SHORT_MAX) {
        return None;
    }
    let cut = left.len();
    let before = left.octets().get(start.min(cut)..end.min(cut))?;
    let behind = right.octets();
    let behind = behind.get(start.saturating_sub(cut)..end.saturating_sub(cut))?;
    concat_short(&[before, behind])
}

/// What [`slice()`] gives for a part that is short but no single octet, if there is a block for it at hand.
#[inline]
#[must_use]
pub fn part_at_once(string: &HslString, start: usize, end: usize) -> Option<Value> {
    let part = string.octets().get(start..end)?;
    let is_copied = matches!(part.len(), 2..=SHORT_MAX) && part.len() < string.len();
    is_copied.then(|| concat_short(&[part]))?
}

/// The octets from `start` (inclusive) to `end` (exclusive) of a string value. Long slices share the octets.
///
/// # Errors
///
/// If the heap exceeds its limit.
///
/// # Panics
///
/// If `value` is not a string, or the range is not inside it.
pub fn slice(value: &Value, start: usize, end: usize) -> Result<Value, ErrorKind> {
    let string = value.as_string().expect("only strings are sliced here");
    let part = &string.octets()[start..end];
    if part.len() == string.len() {
        return Ok(value.clone());
    }
    if let [octet] = part {
        return Ok(of_octet(*octet));
    }
    if part.len() < SHARED_LENGTH_MIN {
        return Value::string(part);
    }
    let (data, length) = (NonNull::from(part).cast::<u8>(), length_of(part.len())?);
    let owner = string.owner().unwrap_or(value).clone();
    shared(owner, data, length)
}

/// A string whose octets are part of `owner`'s.
fn shared(owner: Value, data: NonNull<u8>, length: u32) -> Result<Value, ErrorKind> {
    let make = |block: NonNull<u8>, header: Header| {
        header.set_flags(FLAG_SLICE);
        let string = HslString {
            header,
            length,
            capacity: 0,
            data,
            hash: Cell::new(0),
            stamp: Cell::new(0),
        };
        // SAFETY: the block is new, aligned to 16 and longer than the header.
        unsafe { block.cast().write(string) };
        // SAFETY: the block is SLICE_BLOCK bytes long.
        let place = unsafe { block.add(BLOCK_HEADER) }.cast::<Value>();
        // SAFETY: inside the new block, aligned to 8.
        unsafe { place.write(owner) };
    };
    // SAFETY: `make` writes a string with the given header.
    unsafe { heap::make_string(SLICE_BLOCK, 0, make) }
}

/// Gives up what a string holds and returns the size of its block.
///
/// # Safety
///
/// 1. `string` is at count zero and not used afterwards.
#[inline]
pub(super) unsafe fn destroy(string: NonNull<HslString>) -> usize {
    // SAFETY: 1: still initialised.
    let reference = unsafe { string.as_ref() };
    if !reference.is_slice() {
        return BLOCK_HEADER + reference.capacity as usize;
    }
    // SAFETY: 1.
    unsafe { destroy_slice(string) }
}

/// Gives up the string that a slice is part of and returns the size of the slice's block.
///
/// # Safety
///
/// 1. As for [`destroy`], of a slice.
#[inline(never)]
unsafe fn destroy_slice(string: NonNull<HslString>) -> usize {
    // SAFETY: the block of a slice is SLICE_BLOCK bytes long.
    let place = unsafe { string.cast::<u8>().add(BLOCK_HEADER) }.cast::<Value>();
    // SAFETY: `shared` wrote a value there; it is read out once, here.
    drop(unsafe { place.read() });
    SLICE_BLOCK
}

/// Builds a string piece by piece, on the heap from the beginning.
#[derive(Debug)]
pub struct StringBuilder {
    value: Value,
}

impl StringBuilder {
    /// An empty builder with room for `capacity` octets.
    ///
    /// # Errors
    ///
    /// If the capacity exceeds [`STRING_LENGTH_MAX`] or the heap its limit.
    pub fn new(capacity: usize) -> Result<Self, ErrorKind> {
        with_capacity(capacity).map(|value| Self { value })
    }

    /// Adds octets.
    ///
    /// # Errors
    ///
    /// If the string exceeds [`STRING_LENGTH_MAX`] or the heap its limit.
    #[inline]
    pub fn push(&mut self, octets: &[u8]) -> Result<(), ErrorKind> {
        append(&mut self.value, octets)
    }

    /// What is there so far.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.value.as_octets().unwrap_or_default()
    }

    /// The string.
    #[must_use]
    pub fn finish(self) -> Value {
        self.value
    }
}

#[cfg(test)]
mod tests;
