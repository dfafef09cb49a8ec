//! Arrays: ordered maps by value.
//!
//! Two forms. *Packed*: the keys are 0, 1, 2, ... in order, and only the values are stored; reading, writing and appending are
//! O(1) without hashing. *Mapped*: entries in order of insertion, and above eight of them a table of positions by hash
//! (open addressing, linear probing); a removed entry leaves a hole until the entries would have to grow.
//! An array anybody else can see never changes: [`Value::array_mut`] copies a shared one first. So whoever walks an array by
//! position only has to keep a value of it. `mapped.rs` has what only the mapped form does.
//!
//! HSL manual, chapters "Data types and literals" (Array) and "Operators" (Subscript, Slicing, Removing).
#![expect(unsafe_code, reason = "declares the array to be a heap object")]

mod mapped;

use self::mapped::Entry;
use super::heap::{self, Header, HeapObject};
use super::key::{KEY_MAX, Key};
use super::layout;
use super::slice::Bounds;
use super::value::Value;
use super::vector::HeapVec;
use crate::error::ErrorKind;

/// The greatest number of elements of one array.
pub const ARRAY_LENGTH_MAX: usize = 1 << 24;

/// An ordered map.
#[derive(Debug)]
#[repr(C)]
pub struct HslArray {
    pub(super) header: Header,
    /// Elements, in either form.
    pub(super) length: u32,
    /// Whether `next` must be found anew because the entry with the highest key was removed.
    next_is_stale: bool,
    /// How many values there is room for behind the array, in its block: `values` may lie there.
    room: u8,
    /// The values of the packed form. Invariant: if not empty, `entries` and `table` are empty.
    pub(super) values: HeapVec<Value>,
    /// The entries of the mapped form; holes have an undefined key.
    entries: HeapVec<Entry>,
    /// One more than the position of an entry, 0 where there is none. Empty, or a power of two at least a third larger
    /// than the number of entries, holes included.
    table: HeapVec<u32>,
    /// The key `append` uses, in the mapped form: one more than the highest integer key, at least 0.
    next: i64,
}

// SAFETY: 1: repr(C), header first; 2: TAG_ARRAY is used for nothing else, and `finish` destroys an HslArray; 3: 8.
unsafe impl HeapObject for HslArray {
    const TAG: u64 = layout::TAG_ARRAY;
}

impl Value {
    /// An empty array.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn array() -> Result<Self, ErrorKind> {
        Self::array_with_capacity(0)
    }

    /// An empty array with room for `capacity` packed values.
    ///
    /// # Errors
    ///
    /// If the capacity exceeds [`ARRAY_LENGTH_MAX`] or the heap its limit.
    pub fn array_with_capacity(capacity: usize) -> Result<Self, ErrorKind> {
        check_length(capacity)?;
        if let Ok(room @ 1..=ROOM_MAX) = u8::try_from(capacity) {
            let octets = capacity * size_of::<Self>();
            return heap::make_object_with_room(octets, |header, behind| {
                // SAFETY: the room is behind the array in its block, which is freed after the array was dropped; nothing
                // moves its values elsewhere without copying them.
                let values = unsafe { HeapVec::in_room(behind.cast(), u32::from(room)) };
                HslArray::packed(header, room, values)
            });
        }
        let values = HeapVec::with_capacity(capacity)?;
        heap::make_object(|header| HslArray::packed(header, 0, values))
    }

    /// A packed array of these values.
    ///
    /// # Errors
    ///
    /// If there are more than [`ARRAY_LENGTH_MAX`] or the heap exceeds its limit.
    pub fn array_of(values: impl IntoIterator<Item = Self>) -> Result<Self, ErrorKind> {
        let mut array = Self::array()?;
        let elements = array.array_mut()?;
        for value in values {
            elements.append(value)?;
        }
        Ok(array)
    }

    /// The array for writing. A shared one is copied first, and this value refers to the copy afterwards.
    ///
    /// # Errors
    ///
    /// If the value is not an array, or the heap exceeds its limit.
    ///
    /// # Panics
    ///
    /// Never: a copy is nobody else's.
    #[inline]
    pub fn array_mut(&mut self) -> Result<&mut HslArray, ErrorKind> {
        let Some(array) = self.as_array() else {
            return Err(ErrorKind::NotAnArray { got: self.kind() });
        };
        if !array.is_unique() {
            self.unshare()?;
        }
        Ok(self.as_unique_array().expect("a copy is nobody else's"))
    }

    /// An array that others see, too, becomes a copy.
    #[inline(never)]
    fn unshare(&mut self) -> Result<(), ErrorKind> {
        if let Some(array) = self.as_array() {
            *self = array.copy()?;
        }
        Ok(())
    }
}

/// How many entries there is room for where an array becomes a mapped one while it is built.
const ADDED_MIN: usize = 8;

/// An array that is made for at most so many values has room for them in its own block.
const ROOM_MAX: u8 = 8;

#[inline]
fn check_length(length: usize) -> Result<(), ErrorKind> {
    if length <= ARRAY_LENGTH_MAX {
        return Ok(());
    }
    Err(ErrorKind::ArrayLength {
        limit: ARRAY_LENGTH_MAX,
    })
}

impl HslArray {
    /// An array without elements that has these values, of which there are none yet.
    #[inline]
    fn packed(header: Header, room: u8, values: HeapVec<Value>) -> Self {
        Self {
            header,
            length: 0,
            next_is_stale: false,
            room,
            values,
            entries: HeapVec::new(),
            table: HeapVec::new(),
            next: 0,
        }
    }

    fn copy(&self) -> Result<Value, ErrorKind> {
        heap::record_elements(self.values.len().max(self.entries.len()));
        let spare = 1 + self.len() / 8;
        let values = if self.values.is_empty() {
            HeapVec::new()
        } else {
            self.values.copy(spare)?
        };
        let entries = if self.entries.is_empty() {
            HeapVec::new()
        } else {
            self.entries.copy(spare)?
        };
        let table = self.table.copy(0)?;
        heap::make_object(|header| Self {
            header,
            length: self.length,
            next_is_stale: self.next_is_stale,
            room: 0,
            values,
            entries,
            table,
            next: self.next,
        })
    }

    /// The octets of its block, which it was made with.
    #[inline]
    pub(super) fn block_octets(&self) -> usize {
        size_of::<Self>() + usize::from(self.room) * size_of::<Value>()
    }

    #[inline]
    pub(super) fn is_unique(&self) -> bool {
        self.header.is_unique()
    }

    /// The number of elements.
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

    /// Whether the keys are 0, 1, 2, ... in order, so far as the form shows it at once.
    #[must_use]
    #[inline]
    pub fn is_packed(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the keys are 0, 1, 2, ... in order.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        self.is_packed()
            || self
                .iter()
                .enumerate()
                .all(|(position, (key, _))| key.equals(Key::at(position)))
    }

    /// The element with this key.
    #[must_use]
    #[inline]
    pub fn get(&self, key: Key<'_>) -> Option<&Value> {
        if self.is_packed() {
            return self.values.get(key.position()?);
        }
        let position = self.find(key, key.hash())?;
        Some(&self.entries[position].value)
    }

    /// Sets the element with this key, adding it at the end if it is new.
    ///
    /// # Errors
    ///
    /// If the array exceeds [`ARRAY_LENGTH_MAX`] or the heap its limit.
    pub fn set(&mut self, key: Key<'_>, value: Value) -> Result<(), ErrorKind> {
        *self.slot(key)? = value;
        Ok(())
    }

    /// The place of the element with this key, for writing. A new one is added at the end, as none.
    ///
    /// # Errors
    ///
    /// If the array exceeds [`ARRAY_LENGTH_MAX`] or the heap its limit.
    ///
    /// # Panics
    ///
    /// Never: an element that was just added is there.
    #[inline]
    pub fn slot(&mut self, key: Key<'_>) -> Result<&mut Value, ErrorKind> {
        if self.is_packed() {
            match key.position() {
                Some(position) if position < self.len() => return Ok(&mut self.values[position]),
                Some(position) if position == self.len() => {
                    self.append(Value::NONE)?;
                    return Ok(self.values.last_mut().expect("just appended"));
                }
                _ => self.unpack()?,
            }
        }
        let hash = key.hash();
        let position = match self.find(key, hash) {
            Some(position) => position,
            None => self.insert(key, hash, Value::NONE)?,
        };
        Ok(&mut self.entries[position].value)
    }

    /// Adds a value at the end, with the key one above the highest integer key, at least 0.
    ///
    /// # Errors
    ///
    /// If that key is out of range, the array exceeds [`ARRAY_LENGTH_MAX`] or the heap its limit.
    #[inline]
    pub fn append(&mut self, value: Value) -> Result<(), ErrorKind> {
        if self.len() < ARRAY_LENGTH_MAX && self.is_packed() && !self.values.is_full() {
            self.values.push(value)?;
            self.length += 1;
            return Ok(());
        }
        self.append_moving(value)
    }

    /// As [`Self::append`], where there is no room or the array is not packed.
    #[inline(never)]
    fn append_moving(&mut self, value: Value) -> Result<(), ErrorKind> {
        if self.is_packed() {
            check_length(self.len() + 1)?;
            self.values.push(value)?;
            self.length += 1;
            return Ok(());
        }
        self.append_mapped(value)
    }

    /// Takes the last value of the packed form, of an array that is being destroyed.
    #[inline]
    pub(super) fn take_last_packed(&mut self) -> Option<Value> {
        self.values.pop()
    }

    fn append_mapped(&mut self, value: Value) -> Result<(), ErrorKind> {
        if self.next_is_stale {
            self.next = self.next_after_highest();
            self.next_is_stale = false;
        }
        if self.next > KEY_MAX {
            return Err(ErrorKind::KeyRange);
        }
        let key = Key::Integer(self.next);
        self.insert(key, key.hash(), value).map(|_| ())
    }

    /// Makes room for as many elements as another array has, if both are packed.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn reserve_as(&mut self, other: &Self) -> Result<(), ErrorKind> {
        if self.is_packed() && other.is_packed() {
            self.values.reserve(other.len())?;
        }
        Ok(())
    }

    /// Adds a value at the end, under the key of the element in front of a position of another array that [`Self::next`]
    /// gave. No element may have that key yet. Without an element there, nothing is added.
    ///
    /// # Errors
    ///
    /// If the array exceeds [`ARRAY_LENGTH_MAX`] or the heap its limit.
    pub fn append_as(
        &mut self,
        walked: &Self,
        position: usize,
        value: Value,
    ) -> Result<(), ErrorKind> {
        let before = position.wrapping_sub(1);
        let (key, hash) = if walked.is_packed() {
            if self.is_packed() && before == self.len() {
                return self.append(value);
            }
            let key = Key::at(before);
            (key, key.hash())
        } else {
            match walked.entries.get(before) {
                Some(entry) => (entry.key(), entry.hash),
                None => return Ok(()),
            }
        };
        if self.is_packed() {
            if key.position() == Some(self.len()) {
                return self.append(value);
            }
            self.unpack()?;
            self.entries.reserve(ADDED_MIN)?;
        }
        self.insert(key, hash, value).map(|_| ())
    }

    /// The place of the last element.
    #[must_use]
    pub fn last_mut(&mut self) -> Option<&mut Value> {
        if self.is_packed() {
            return self.values.last_mut();
        }
        let mut entries = self.entries.iter_mut().rev();
        entries
            .find(|entry| !entry.is_hole())
            .map(|entry| &mut entry.value)
    }

    /// Removes the element with this key. The other keys stay as they are.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit: a packed array that gets a hole becomes a mapped one.
    pub fn remove(&mut self, key: Key<'_>) -> Result<Option<Value>, ErrorKind> {
        if self.is_packed() {
            match key.position() {
                Some(position) if position + 1 == self.len() => {
                    self.length -= 1;
                    return Ok(self.values.pop());
                }
                Some(position) if position < self.len() => self.unpack()?,
                _ => return Ok(None),
            }
        }
        let Some(position) = self.find(key, key.hash()) else {
            return Ok(None);
        };
        Ok(Some(self.remove_at(position)))
    }

    /// Adds another array's elements: string keys overwrite, integer keys are numbered on.
    ///
    /// # Errors
    ///
    /// If the array exceeds [`ARRAY_LENGTH_MAX`] or the heap its limit.
    pub fn extend(&mut self, other: &Self) -> Result<(), ErrorKind> {
        heap::record_elements(other.len());
        if self.is_packed() && other.is_packed() {
            check_length(self.len() + other.len())?;
            self.values.reserve(other.len())?;
        }
        for (key, value) in other {
            match key {
                Key::Integer(_) => self.append(value.clone())?,
                Key::None | Key::Octets(_) | Key::String(_) => self.set(key, value.clone())?,
            }
        }
        Ok(())
    }

    /// The first element at or behind a position, and the position behind it. Positions count from 0 and stay valid until
    /// the array is written to.
    #[must_use]
    #[inline]
    pub fn next(&self, position: usize) -> Option<(usize, Key<'_>, &Value)> {
        if self.is_packed() {
            let value = self.values.get(position)?;
            return Some((position + 1, Key::at(position), value));
        }
        match self.entries.get(position) {
            Some(entry) if !entry.is_hole() => Some((position + 1, entry.key(), &entry.value)),
            _ => self.next_behind_holes(position),
        }
    }

    /// As [`Self::next`], without the key.
    #[must_use]
    #[inline]
    pub fn next_value(&self, position: usize) -> Option<(usize, &Value)> {
        if self.is_packed() {
            let value = self.values.get(position)?;
            return Some((position + 1, value));
        }
        match self.entries.get(position) {
            Some(entry) if !entry.is_hole() => Some((position + 1, &entry.value)),
            _ => {
                let (next, _, value) = self.next_behind_holes(position)?;
                Some((next, value))
            }
        }
    }

    /// The key, as scripts see it, of the element in front of a position that [`Self::next`] gave.
    #[must_use]
    #[inline]
    pub fn key_before(&self, position: usize) -> Value {
        let position = position.wrapping_sub(1);
        if self.is_packed() {
            return Value::count(position);
        }
        let entry = self.entries.get(position);
        entry.map_or(Value::NONE, Entry::key_value)
    }

    fn next_behind_holes(&self, position: usize) -> Option<(usize, Key<'_>, &Value)> {
        let behind = self.entries.get(position..)?;
        let holes = behind.iter().position(|entry| !entry.is_hole());
        heap::record_elements(holes.unwrap_or(behind.len()));
        let holes = holes?;
        let entry = &behind[holes];
        Some((position + holes + 1, entry.key(), &entry.value))
    }

    /// The elements in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            array: self,
            position: 0,
        }
    }

    /// The values in order.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }

    /// The part a slice selects, numbered from 0. Bounds count elements in order, whatever their keys.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn slice(&self, bounds: &Bounds) -> Result<Value, ErrorKind> {
        heap::record_elements(if self.is_packed() {
            bounds.count
        } else {
            self.entries.len()
        });
        let mut result = Value::array_with_capacity(bounds.count)?;
        let part = result.array_mut()?;
        if self.is_packed() {
            for index in bounds.indexes() {
                part.append(self.values[index].clone())?;
            }
            return Ok(result);
        }
        let positions = self.positions()?;
        for index in bounds.indexes() {
            part.append(self.entries[positions[index] as usize].value.clone())?;
        }
        Ok(result)
    }
}

impl<'a> IntoIterator for &'a HslArray {
    type Item = (Key<'a>, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The elements of an array in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    array: &'a HslArray,
    position: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Key<'a>, &'a Value);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (position, key, value) = self.array.next(self.position)?;
        self.position = position;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests;
