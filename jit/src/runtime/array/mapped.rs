//! The mapped form of arrays: entries in order of insertion, found by hash.
//!
//! In: keys with their hashes. Out: positions of entries, and the form itself, made of a packed array's values.
//! Guarantees: an insertion that fails changes nothing; a search ends, for the table is never full. A removed entry leaves a
//! hole until the entries would have to grow.
//! Does not: know of the packed form, except where it comes from it and goes back to it.

use std::mem::offset_of;

use super::{HslArray, check_length};
use crate::error::ErrorKind;
use crate::runtime::heap;
use crate::runtime::key::Key;
use crate::runtime::string::{self, HslString};
use crate::runtime::value::Value;
use crate::runtime::vector::HeapVec;

/// An element of the mapped form, or the hole it left.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct Entry {
    /// A number, a string or none; undefined in a hole.
    key: Value,
    pub(super) value: Value,
    pub(super) hash: u32,
}

impl Entry {
    #[inline]
    pub(super) fn is_hole(&self) -> bool {
        self.key.is_undefined()
    }

    /// The key as scripts see it.
    #[inline]
    pub(super) fn key_value(&self) -> Value {
        self.key.clone()
    }

    #[inline(always)] // Two comparisons where the key is the same string, which is often so.
    fn has_text(&self, key: &HslString) -> bool {
        let stored = self.key.as_string();
        stored.is_some_and(|stored| {
            std::ptr::eq(stored, key) || string::same_octets(stored.octets(), key.octets())
        })
    }

    #[inline]
    pub(super) fn key(&self) -> Key<'_> {
        stored_key(&self.key)
    }
}

impl Value {
    /// Sets the element of an array whose key is a string, if it is there already and the array is nobody else's: the way of
    /// most writes, without a call. Whether it did; if not, nothing has changed.
    #[inline]
    pub fn set_by_text(&mut self, key: &Self, value: &Self) -> bool {
        let Some(array) = self.as_unique_array().filter(|array| !array.is_packed()) else {
            return false;
        };
        let Some(position) = Key::text(key).and_then(|key| array.find_text(key)) else {
            return false;
        };
        array.entries[position].value = value.clone();
        true
    }
}

#[inline]
fn stored_key(key: &Value) -> Key<'_> {
    if key.is_number() {
        return Key::cast(key).unwrap_or(Key::None);
    }
    if key.is_none() {
        return Key::None;
    }
    Key::String(key)
}

impl HslArray {
    pub(in crate::runtime) const ENTRIES_OFFSET: usize =
        offset_of!(Self, entries) + HeapVec::<Entry>::DATA_OFFSET;
    pub(in crate::runtime) const ENTRIES_LENGTH_OFFSET: usize =
        offset_of!(Self, entries) + HeapVec::<Entry>::LENGTH_OFFSET;
    pub(in crate::runtime) const ENTRY_OCTETS: usize = size_of::<Entry>();
    pub(in crate::runtime) const ENTRY_KEY_OFFSET: usize = offset_of!(Entry, key);
    pub(in crate::runtime) const ENTRY_VALUE_OFFSET: usize = offset_of!(Entry, value);

    /// The element whose key is a string that is no integer, with the position of its entry, or `None` if that can't be told at once: the array is packed,
    /// or the key another. The way of most look-ups, without a call.
    #[inline]
    #[must_use]
    pub fn get_by_text(&self, key: &Value) -> Option<Option<(usize, &Value)>> {
        if self.is_packed() {
            return None;
        }
        let position = self.find_text(Key::text(key)?);
        Some(position.map(|position| (position, &self.entries[position].value)))
    }

    /// The position of the entry with a string as its key.
    #[inline(always)] // Once for reading and once for writing.
    fn find_text(&self, key: &HslString) -> Option<usize> {
        let hash = key.hash();
        let Some(mask) = self.table.len().checked_sub(1) else {
            return self.find_by(hash, |stored| {
                let stored = stored.as_octets();
                stored.is_some_and(|stored| string::same_octets(stored, key.octets()))
            });
        };
        let mut slot = hash as usize & mask;
        while let Some(position) = self.table[slot].checked_sub(1) {
            let entry = &self.entries[position as usize];
            if entry.hash == hash && entry.has_text(key) {
                return Some(position as usize);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// The position of the entry with this key.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integer keys are exactly doubles"
    )]
    pub(super) fn find(&self, key: Key<'_>, hash: u32) -> Option<usize> {
        // The key of a hole is undefined, which none of these is.
        match key {
            Key::None => self.find_by(hash, Value::is_none),
            Key::Integer(integer) => {
                let number = integer as f64;
                self.find_by(hash, |stored| stored.as_number() == Some(number))
            }
            Key::Octets(octets) => self.find_octets(octets, hash),
            Key::String(value) => self.find_octets(value.as_octets()?, hash),
        }
    }

    #[inline]
    fn find_octets(&self, octets: &[u8], hash: u32) -> Option<usize> {
        self.find_by(hash, |stored| {
            let stored = stored.as_octets();
            stored.is_some_and(|stored| string::same_octets(stored, octets))
        })
    }

    /// The position of the entry with this hash whose key is it.
    #[inline]
    fn find_by(&self, hash: u32, is_it: impl Fn(&Value) -> bool) -> Option<usize> {
        let is_it = |entry: &Entry| entry.hash == hash && is_it(&entry.key);
        if self.table.is_empty() {
            return self.entries.iter().position(is_it);
        }
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(position) = self.table[slot].checked_sub(1) {
            if is_it(&self.entries[position as usize]) {
                return Some(position as usize);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// Adds an entry whose key is not there yet, in the mapped form. Nothing changes if that fails.
    #[inline]
    pub(super) fn insert(
        &mut self,
        key: Key<'_>,
        hash: u32,
        value: Value,
    ) -> Result<usize, ErrorKind> {
        check_length(self.len() + 1)?;
        let key_value = key.to_value()?;
        if self.entries.is_full() || self.is_table_short() {
            self.make_room()?;
        }
        let position = self.entries.len();
        self.entries.push(Entry {
            key: key_value,
            value,
            hash,
        })?;
        if !self.table.is_empty() {
            self.enter_table(position, hash);
        }
        self.length += 1;
        if let Key::Integer(integer) = key
            && integer >= self.next
        {
            self.next = integer + 1;
            self.next_is_stale = false;
        }
        Ok(position)
    }

    /// Whether one more entry needs a larger table.
    #[inline]
    fn is_table_short(&self) -> bool {
        let count = self.entries.len() + 1;
        count > SEARCHED_MAX && count * 4 > self.table.len() * 3
    }

    /// Makes room for one more entry.
    #[inline(never)]
    fn make_room(&mut self) -> Result<(), ErrorKind> {
        if self.entries.is_full() && (self.entries.len() - self.len()) * 2 > self.entries.len() {
            self.compact();
        }
        self.entries.reserve(1)?;
        if self.is_table_short() {
            let count = self.entries.len() + 1;
            self.table = HeapVec::filled((count * 2).next_power_of_two(), &0)?;
            self.fill_table();
        }
        Ok(())
    }

    /// Makes the entry at this position a hole. Without elements the array is packed again.
    pub(super) fn remove_at(&mut self, position: usize) -> Value {
        let entry = &mut self.entries[position];
        let key = entry.key.take();
        let value = entry.value.take();
        self.length -= 1;
        if let Key::Integer(integer) = stored_key(&key)
            && integer + 1 == self.next
        {
            self.next_is_stale = true;
        }
        if position + 1 == self.entries.len() && self.table.is_empty() {
            self.entries.pop();
        }
        if self.length == 0 {
            // Back to an empty packed array.
            self.entries = HeapVec::new();
            self.table = HeapVec::new();
            self.next = 0;
            self.next_is_stale = false;
        }
        value
    }

    /// The key behind the highest integer key.
    pub(super) fn next_after_highest(&self) -> i64 {
        heap::record_elements(self.entries.len());
        let integers = self.entries.iter().filter_map(|entry| match entry.key() {
            Key::Integer(integer) if !entry.is_hole() => Some(integer),
            _ => None,
        });
        integers.max().map_or(0, |highest| (highest + 1).max(0))
    }

    /// The positions of the elements in order.
    pub(super) fn positions(&self) -> Result<HeapVec<u32>, ErrorKind> {
        let mut positions = HeapVec::with_capacity(self.len())?;
        for (position, entry) in (0_u32..).zip(self.entries.iter()) {
            if !entry.is_hole() {
                positions.push(position)?;
            }
        }
        Ok(positions)
    }

    /// Removes the holes.
    fn compact(&mut self) {
        let mut kept = 0;
        for position in 0..self.entries.len() {
            if !self.entries[position].is_hole() {
                self.entries.swap(kept, position);
                kept += 1;
            }
        }
        self.entries.truncate(kept);
        if !self.table.is_empty() {
            self.table.fill(0);
            self.fill_table();
        }
    }

    fn fill_table(&mut self) {
        for position in 0..self.entries.len() {
            self.enter_table(position, self.entries[position].hash);
        }
    }

    fn enter_table(&mut self, position: usize, hash: u32) {
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        while self.table[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.table[slot] =
            u32::try_from(position + 1).expect("arrays are shorter than ARRAY_LENGTH_MAX");
    }

    /// Turns the packed form into the mapped one. Nothing changes if that fails.
    pub(super) fn unpack(&mut self) -> Result<(), ErrorKind> {
        let length = self.values.len();
        heap::record_elements(length);
        let mut entries = HeapVec::with_capacity(length + 1)?;
        let mut table = HeapVec::new();
        if length > SEARCHED_MAX {
            table = HeapVec::filled((length * 2).next_power_of_two(), &0)?;
        }
        for (position, value) in self.values.drain().enumerate() {
            let key = Key::at(position);
            entries.push(Entry {
                key: key.to_value()?,
                value,
                hash: key.hash(),
            })?;
        }
        self.entries = entries;
        self.table = table;
        self.next = i64::from(self.length);
        self.next_is_stale = false;
        if !self.table.is_empty() {
            self.fill_table();
        }
        Ok(())
    }
}

/// Arrays with at most this many entries are searched one by one; a table would cost more than it saves.
const SEARCHED_MAX: usize = 8;
