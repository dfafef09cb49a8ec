//! Arrays: ordered maps by value.
//!
//! Two forms. *Packed*: the keys are 0, 1, 2, ... in order, and only the values are stored; reading, writing and appending are
//! O(1) without hashing. *Mapped*: entries in order of insertion, and above eight of them a table of positions by hash
//! (open addressing, linear probing); a removed entry leaves a hole until the entries would have to grow.
//! An array anybody else can see never changes: [`Value::array_mut`] copies a shared one first. So whoever walks an array by
//! position only has to keep a value of it.
//!
//! HSL manual, chapters "Data types and literals" (Array) and "Operators" (Subscript, Slicing, Removing).
#![expect(unsafe_code, reason = "declares the array to be a heap object")]

use super::heap::{self, Header, HeapObject};
use super::key::{KEY_MAX, Key};
use super::layout;
use super::slice::Bounds;
use super::value::Value;
use super::vector::HeapVec;
use crate::error::ErrorKind;

/// The greatest number of elements of one array.
pub const ARRAY_LENGTH_MAX: usize = 1 << 24;

/// Arrays with at most this many entries are searched one by one; a table would cost more than it saves.
const SEARCHED_MAX: usize = 8;

/// An ordered map.
#[derive(Debug)]
#[repr(C)]
pub struct HslArray {
    pub(super) header: Header,
    /// Elements, in either form.
    pub(super) length: u32,
    /// Whether `next` must be found anew because the entry with the highest key was removed.
    next_is_stale: bool,
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

#[derive(Clone, Debug, Default)]
struct Entry {
    /// A number, a string or none; undefined in a hole.
    key: Value,
    value: Value,
    hash: u32,
}

// SAFETY: 1: repr(C), header first; 2: TAG_ARRAY is used for nothing else, and `finish` destroys an HslArray; 3: 8.
unsafe impl HeapObject for HslArray {
    const TAG: u64 = layout::TAG_ARRAY;
}

impl Entry {
    fn is_hole(&self) -> bool {
        self.key.is_undefined()
    }

    fn key(&self) -> Key<'_> {
        stored_key(&self.key)
    }
}

fn stored_key(key: &Value) -> Key<'_> {
    if key.is_number() {
        return Key::cast(key).unwrap_or(Key::None);
    }
    if key.is_none() {
        return Key::None;
    }
    Key::String(key)
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
        let values = HeapVec::with_capacity(capacity)?;
        heap::make_object(|header| HslArray {
            values,
            ..HslArray::empty(header)
        })
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
    pub fn array_mut(&mut self) -> Result<&mut HslArray, ErrorKind> {
        let Some(array) = self.as_array() else {
            return Err(ErrorKind::NotAnArray { got: self.kind() });
        };
        if !array.is_unique() {
            *self = array.copy()?;
        }
        Ok(self.as_unique_array().expect("a copy is nobody else's"))
    }
}

fn check_length(length: usize) -> Result<(), ErrorKind> {
    if length <= ARRAY_LENGTH_MAX {
        return Ok(());
    }
    Err(ErrorKind::ArrayLength {
        limit: ARRAY_LENGTH_MAX,
    })
}

impl HslArray {
    fn empty(header: Header) -> Self {
        Self {
            header,
            length: 0,
            next_is_stale: false,
            values: HeapVec::new(),
            entries: HeapVec::new(),
            table: HeapVec::new(),
            next: 0,
        }
    }

    fn copy(&self) -> Result<Value, ErrorKind> {
        heap::record_elements(self.len());
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
            values,
            entries,
            table,
            next: self.next,
        })
    }

    pub(super) fn is_unique(&self) -> bool {
        self.header.is_unique()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the keys are 0, 1, 2, ... in order, so far as the form shows it at once.
    #[must_use]
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
    pub fn append(&mut self, value: Value) -> Result<(), ErrorKind> {
        if self.is_packed() {
            check_length(self.len() + 1)?;
            self.values.push(value)?;
            self.length += 1;
            return Ok(());
        }
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
    pub fn next(&self, position: usize) -> Option<(usize, Key<'_>, &Value)> {
        if self.is_packed() {
            let value = self.values.get(position)?;
            return Some((position + 1, Key::at(position), value));
        }
        let behind = self.entries.get(position..)?;
        let holes = behind.iter().position(|entry| !entry.is_hole())?;
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

    fn positions(&self) -> Result<HeapVec<u32>, ErrorKind> {
        let mut positions = HeapVec::with_capacity(self.len())?;
        for (position, entry) in (0_u32..).zip(self.entries.iter()) {
            if !entry.is_hole() {
                positions.push(position)?;
            }
        }
        Ok(positions)
    }

    fn find(&self, key: Key<'_>, hash: u32) -> Option<usize> {
        let is_it =
            |entry: &Entry| entry.hash == hash && !entry.is_hole() && entry.key().equals(key);
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
    fn insert(&mut self, key: Key<'_>, hash: u32, value: Value) -> Result<usize, ErrorKind> {
        check_length(self.len() + 1)?;
        let key_value = key.to_value()?;
        if self.entries.is_full() && (self.entries.len() - self.len()) * 2 > self.entries.len() {
            self.compact();
        }
        self.entries.reserve(1)?;
        let count = self.entries.len() + 1;
        if count > SEARCHED_MAX && count * 4 > self.table.len() * 3 {
            self.table = HeapVec::filled((count * 2).next_power_of_two(), &0)?;
            self.fill_table();
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

    fn remove_at(&mut self, position: usize) -> Value {
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

    fn next_after_highest(&self) -> i64 {
        heap::record_elements(self.entries.len());
        let integers = self.entries.iter().filter_map(|entry| match entry.key() {
            Key::Integer(integer) if !entry.is_hole() => Some(integer),
            _ => None,
        });
        integers.max().map_or(0, |highest| (highest + 1).max(0))
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
    fn unpack(&mut self) -> Result<(), ErrorKind> {
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

    fn next(&mut self) -> Option<Self::Item> {
        let (position, key, value) = self.array.next(self.position)?;
        self.position = position;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::{Heap, live_objects};
    use proptest::prelude::*;

    /// A key and an array the obvious way.
    #[derive(Clone, Debug, PartialEq)]
    enum ModelKey {
        Integer(i64),
        Text(String),
    }
    type Model = Vec<(ModelKey, f64)>;

    impl ModelKey {
        fn key(&self) -> Key<'_> {
            match self {
                Self::Integer(integer) => Key::Integer(*integer),
                Self::Text(text) => Key::of(text.as_bytes()),
            }
        }
    }

    fn model_next(model: &Model) -> i64 {
        let integers = model.iter().filter_map(|(key, _)| match key {
            ModelKey::Integer(integer) => Some(*integer),
            ModelKey::Text(_) => None,
        });
        integers.max().map_or(0, |highest| (highest + 1).max(0))
    }

    fn model_set(model: &mut Model, key: &ModelKey, value: f64) {
        match model.iter_mut().find(|(found, _)| found == key) {
            Some((_, place)) => *place = value,
            None => model.push((key.clone(), value)),
        }
    }

    fn contents(array: &HslArray) -> Model {
        let element = |(key, value): (Key<'_>, &Value)| {
            let key = match key {
                Key::Integer(integer) => ModelKey::Integer(integer),
                _ => ModelKey::Text(
                    String::from_utf8(key.octets().expect("string").to_vec()).expect("ascii"),
                ),
            };
            (key, value.as_number().expect("number"))
        };
        array.iter().map(element).collect()
    }

    #[derive(Clone, Debug)]
    enum Change {
        Append(i32),
        Set(ModelKey, i32),
        Remove(ModelKey),
        RemoveFirst,
        RemoveLast,
        Slice(i32, i32, i32),
        Double,
        Keep,
        Replace(i32, i32),
    }

    fn keys() -> impl Strategy<Value = ModelKey> {
        prop_oneof![
            3 => (0..24_i64).prop_map(ModelKey::Integer),
            1 => (-3..40_i64).prop_map(ModelKey::Integer),
            2 => "[a-f]{1,2}".prop_map(ModelKey::Text),
        ]
    }

    fn changes() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => any::<i32>().prop_map(Change::Append),
            5 => (keys(), any::<i32>()).prop_map(|(key, value)| Change::Set(key, value)),
            4 => keys().prop_map(Change::Remove),
            2 => Just(Change::RemoveFirst),
            2 => Just(Change::RemoveLast),
            1 => (-9..9, -9..9, prop_oneof![Just(-2), Just(-1), Just(1), Just(2)])
                .prop_map(|(first, last, step)| Change::Slice(first, last, step)),
            1 => Just(Change::Double),
            2 => Just(Change::Keep),
            1 => (-9..9, -9..9).prop_map(|(first, last)| Change::Replace(first, last)),
        ]
    }

    fn bounds(length: usize, first: i32, last: i32, step: i32) -> Bounds {
        let index = |number: i32| Value::number(f64::from(number));
        Bounds::new(
            length,
            Some(&index(first)),
            Some(&index(last)),
            Some(&index(step)),
        )
        .expect("numbers")
    }

    fn renumbered(elements: Model) -> Model {
        let mut result = Model::new();
        for (key, value) in elements {
            let key = match key {
                ModelKey::Integer(_) => ModelKey::Integer(model_next(&result)),
                ModelKey::Text(_) => key,
            };
            model_set(&mut result, &key, value);
        }
        result
    }

    fn remove(value: &mut Value, model: &mut Model, key: &ModelKey) {
        let found = model.iter().position(|(candidate, _)| candidate == key);
        let expected = found.map(|position| model.remove(position).1);
        let array = value.array_mut().expect("array");
        let removed = array.remove(key.key()).expect("fits");
        assert_eq!(removed.and_then(|removed| removed.as_number()), expected);
    }

    fn apply(
        change: &Change,
        value: &mut Value,
        model: &mut Model,
        kept: &mut Vec<(Value, Model)>,
    ) {
        let array = value.array_mut().expect("array");
        match change {
            Change::Append(number) => {
                array
                    .append(Value::number(f64::from(*number)))
                    .expect("fits");
                let key = ModelKey::Integer(model_next(model));
                model.push((key, f64::from(*number)));
            }
            Change::Set(key, number) => {
                array
                    .set(key.key(), Value::number(f64::from(*number)))
                    .expect("fits");
                model_set(model, key, f64::from(*number));
            }
            Change::Remove(key) => remove(value, model, key),
            Change::RemoveFirst | Change::RemoveLast => {
                let element = match change {
                    Change::RemoveFirst => model.first(),
                    _ => model.last(),
                };
                if let Some((key, _)) = element.cloned() {
                    remove(value, model, &key);
                }
            }
            Change::Slice(first, last, step) => {
                let bounds = bounds(array.len(), *first, *last, *step);
                *value = array.slice(&bounds).expect("fits");
                let selected = bounds.indexes().map(|index| model[index].1);
                *model = (0..).map(ModelKey::Integer).zip(selected).collect();
            }
            Change::Double if array.len() < 200 => {
                let copy = array.copy().expect("fits");
                array.extend(copy.as_array().expect("array")).expect("fits");
                let doubled = [model.clone(), model.clone()].concat();
                let (old, new) = doubled.split_at(model.len());
                let mut result = old.to_vec();
                for (key, number) in new {
                    let key = match key {
                        ModelKey::Integer(_) => ModelKey::Integer(model_next(&result)),
                        ModelKey::Text(_) => key.clone(),
                    };
                    model_set(&mut result, &key, *number);
                }
                *model = result;
            }
            Change::Double => {}
            Change::Keep => kept.push((value.clone(), model.clone())),
            Change::Replace(first, last) => {
                let (start, end) = bounds(array.len(), *first, *last, 1)
                    .contiguous()
                    .expect("step 1");
                let items =
                    Value::array_of([Value::number(-1.0), Value::number(-2.0)]).expect("fits");
                *value = array.with_slice(start, end, &items).expect("fits");
                let inserted = [-1.0, -2.0].map(|number| (ModelKey::Integer(0), number));
                let mut all = model.clone();
                all.splice(start..end, inserted);
                *model = renumbered(all);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 400 }))]

        #[test]
        fn arrays_do_what_a_list_of_pairs_does(changes in prop::collection::vec(changes(), 0..120)) {
            let heap = Heap::new(8 << 20);
            let _entered = heap.enter();
            let mut value = Value::array().expect("fits");
            let mut model = Model::new();
            let mut kept = Vec::new();
            for change in &changes {
                apply(change, &mut value, &mut model, &mut kept);
                let array = value.as_array().expect("array");
                prop_assert_eq!(contents(array), model.clone(), "after {:?}", change);
                prop_assert_eq!(array.len(), model.len());
                for (key, number) in &model {
                    let found = array.get(key.key()).and_then(Value::as_number);
                    prop_assert_eq!(found, Some(*number));
                }
                let sequential = model
                    .iter()
                    .enumerate()
                    .all(|(position, (key, _))| key.key().equals(Key::at(position)));
                prop_assert_eq!(array.is_sequential(), sequential);
            }
            for (copy, as_it_was) in &kept {
                prop_assert_eq!(&contents(copy.as_array().expect("array")), as_it_was);
            }
            drop((value, kept));
            prop_assert_eq!(live_objects(), 0);
        }
    }

    #[test]
    fn arrays_stop_at_the_memory_limit_and_stay_whole() {
        let heap = Heap::new(100_000);
        let _entered = heap.enter();
        for by_name in [false, true] {
            let mut value = Value::array().expect("fits");
            let mut count = 0;
            let error = loop {
                let array = value.array_mut().expect("array");
                let name = format!("key {count}");
                let added = if by_name {
                    array.set(Key::of(name.as_bytes()), Value::count(count))
                } else {
                    array.append(Value::count(count))
                };
                match added {
                    Ok(()) => count += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(error, ErrorKind::MemoryLimit { limit: 100_000 });
            let array = value.as_array().expect("array");
            assert_eq!(array.len(), count);
            assert!(count > 200, "got {count}");
            assert_eq!(array.iter().count(), count);
        }
    }

    #[test]
    fn a_long_map_stays_a_map() {
        let heap = Heap::new(64 << 20);
        let _entered = heap.enter();
        let mut value = Value::array().expect("fits");
        let array = value.array_mut().expect("array");
        let name = |number: usize| format!("name-{number}");
        let mut removed = std::collections::HashSet::new();
        let count = if cfg!(miri) { 200 } else { 20_000 };
        for number in 0..count {
            array
                .set(Key::of(name(number).as_bytes()), Value::count(number))
                .expect("fits");
            if number % 3 == 0 {
                let key = name(number / 2);
                let gone = array.remove(Key::of(key.as_bytes())).expect("fits");
                assert_eq!(gone.is_some(), removed.insert(number / 2));
            }
        }
        for number in 0..count {
            let found = array.get(Key::of(name(number).as_bytes()));
            let expected = (!removed.contains(&number)).then(|| Value::count(number).as_number());
            assert_eq!(found.map(Value::as_number), expected, "{number}");
        }
        assert_eq!(array.len(), count - removed.len());
    }
}
