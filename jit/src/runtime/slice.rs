//! What `[first:last:step]` selects, and arrays with such a part replaced or removed.
//!
//! In: a length and the three indexes as scripts give them. Out: [`Bounds`] that lie inside the length, so that whoever
//! applies them cannot go astray. Negative indexes count from the end; indexes beyond either end are clamped; a selection
//! with nothing in it is empty, never an error.
//!
//! HSL manual, chapter "Operators", "Slicing".

use super::array::HslArray;
use super::heap;
use super::key::Key;
use super::number::to_count;
use super::value::Value;
use crate::error::ErrorKind;

/// The positions a slice selects, each of them below the length it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first position; with an empty selection the place where it would be, at most the length.
    pub start: usize,
    /// How many there are.
    pub count: usize,
    /// The distance between neighbours, not 0.
    pub step: isize,
}

/// The position that a bound stands for: one that is absent, which undefined stands for, is `omitted`. `None` if it is no
/// number.
#[inline]
#[must_use]
pub fn position(bound: &Value, omitted: usize, length: usize) -> Option<usize> {
    if bound.is_undefined() {
        return Some(omitted);
    }
    Some(counted(bound.as_number()?, length))
}

/// The position that a number stands for: from the end if it is negative, and never beyond either end.
#[inline]
fn counted(number: f64, length: usize) -> usize {
    let counted = if number <= -1.0 {
        length.saturating_sub(to_count(-number))
    } else {
        to_count(number)
    };
    counted.min(length)
}

impl Bounds {
    /// The bounds of `[first:last:step]` on `length` elements. `None` is an index that was left out.
    ///
    /// # Errors
    ///
    /// If an index is not a number (or a boolean), or the step is 0.
    pub fn new(
        length: usize,
        first: Option<&Value>,
        last: Option<&Value>,
        step: Option<&Value>,
    ) -> Result<Self, ErrorKind> {
        let step = step.map_or(Ok(1), index)?;
        if step == 0 {
            return Err(ErrorKind::SliceStep);
        }
        let length_signed = isize::try_from(length).unwrap_or(isize::MAX);
        // Backwards, the end is before the first element, and indexes may not go behind the last.
        let (lowest, highest) = if step > 0 {
            (0, length_signed)
        } else {
            (-1, length_signed - 1)
        };
        let resolve = |value: Option<&Value>, omitted: isize| -> Result<isize, ErrorKind> {
            let Some(value) = value else {
                return Ok(omitted);
            };
            let given = index(value)?;
            let counted = if given < 0 {
                given.saturating_add(length_signed)
            } else {
                given
            };
            Ok(counted.clamp(lowest, highest))
        };
        let (at_start, at_end) = if step > 0 {
            (lowest, highest)
        } else {
            (highest, lowest)
        };
        let start = resolve(first, at_start)?;
        let end = resolve(last, at_end)?;
        let distance = if step > 0 { end - start } else { start - end };
        let count =
            usize::try_from(distance).map_or(0, |distance| distance.div_ceil(step.unsigned_abs()));
        Ok(Self {
            start: usize::try_from(start).unwrap_or(0).min(length),
            count,
            step,
        })
    }

    /// The first position and the one behind the last of `[first:last]` on `length` elements.
    ///
    /// # Errors
    ///
    /// If an index is not a number (or a boolean).
    #[inline]
    pub fn part(
        length: usize,
        first: Option<&Value>,
        last: Option<&Value>,
    ) -> Result<(usize, usize), ErrorKind> {
        let position = |value: Option<&Value>, omitted: usize| match value {
            Some(value) => Some(counted(value.as_arithmetic()?, length)),
            None => Some(omitted),
        };
        match (position(first, 0), position(last, length)) {
            (Some(start), Some(end)) => Ok((start, end.max(start))),
            _ => Err(Self::new(length, first, last, None)
                .err()
                .unwrap_or(ErrorKind::SliceStep)),
        }
    }

    /// The selected positions, in order of selection.
    pub fn indexes(&self) -> impl Iterator<Item = usize> {
        let (start, step) = (self.start, self.step);
        (0..self.count).scan(start, move |position, _| {
            let current = *position;
            *position = current.wrapping_add_signed(step);
            Some(current)
        })
    }

    /// Whether a position is selected.
    #[must_use]
    pub fn contains(&self, position: usize) -> bool {
        if self.count == 0 {
            return false;
        }
        let distance = if self.step > 0 {
            position.checked_sub(self.start)
        } else {
            self.start.checked_sub(position)
        };
        let step = self.step.unsigned_abs();
        distance.is_some_and(|distance| distance % step == 0 && distance / step < self.count)
    }

    /// Start and end of a selection without gaps, for octets and for assignment.
    #[must_use]
    pub fn contiguous(&self) -> Option<(usize, usize)> {
        (self.step == 1).then_some((self.start, self.start + self.count))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "casts from doubles saturate, which clamps"
)]
#[inline]
fn index(value: &Value) -> Result<isize, ErrorKind> {
    value
        .as_arithmetic()
        .map(|number| number as isize)
        .ok_or(ErrorKind::SliceIndex { got: value.kind() })
}

impl HslArray {
    /// This array with the elements from `start` (inclusive) to `end` (exclusive) replaced by those of `items`, or by it as
    /// one element if it is not an array. Integer keys are numbered anew, string keys stay.
    ///
    /// # Errors
    ///
    /// If the array exceeds [`ARRAY_LENGTH_MAX`](super::array::ARRAY_LENGTH_MAX) or the heap its limit.
    pub fn with_slice(&self, start: usize, end: usize, items: &Value) -> Result<Value, ErrorKind> {
        heap::record_elements(self.len());
        let mut result = Value::array_with_capacity(self.len() + 1)?;
        let array = result.array_mut()?;
        let mut elements = self.iter();
        for (key, value) in elements.by_ref().take(start) {
            array.add(key, value)?;
        }
        match items.as_array() {
            Some(items) => array.extend(items)?,
            None => array.append(items.clone())?,
        }
        for (key, value) in elements.skip(end.saturating_sub(start)) {
            array.add(key, value)?;
        }
        Ok(result)
    }

    /// This array without the elements a slice selects. Keys stay.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn without_slice(&self, bounds: &Bounds) -> Result<Value, ErrorKind> {
        heap::record_elements(self.len());
        let mut result = Value::array()?;
        let array = result.array_mut()?;
        for (index, (key, value)) in self.iter().enumerate() {
            if !bounds.contains(index) {
                array.set(key, value.clone())?;
            }
        }
        Ok(result)
    }

    /// Adds an element under its own key if that is a string, otherwise under the next integer.
    fn add(&mut self, key: Key<'_>, value: &Value) -> Result<(), ErrorKind> {
        match key {
            Key::Integer(_) => self.append(value.clone()),
            Key::None | Key::Octets(_) | Key::String(_) => self.set(key, value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, word by word: walk from `first` by `step` while inside `last`, keep what exists.
    fn naive(length: isize, first: Option<isize>, last: Option<isize>, step: isize) -> Vec<usize> {
        let count_from_end = |index: isize| if index < 0 { index + length } else { index };
        let mut selected = Vec::new();
        if step > 0 {
            let first = first.map_or(0, count_from_end).max(0);
            let last = last.map_or(length, count_from_end);
            let mut position = first;
            while position < last && position < length {
                selected.push(position.unsigned_abs());
                position += step;
            }
        } else {
            let first = first.map_or(length - 1, count_from_end).min(length - 1);
            let last = last.map_or(-1, |index| count_from_end(index).max(-1));
            let mut position = first;
            while position > last && position >= 0 {
                selected.push(position.unsigned_abs());
                position += step;
            }
        }
        selected
    }

    #[test]
    fn every_small_slice_selects_what_the_definition_says() {
        let choices: Vec<Option<i32>> = std::iter::once(None).chain((-7..=7).map(Some)).collect();
        let value = |choice: Option<i32>| choice.map(|number| Value::number(f64::from(number)));
        for length in 0..6_usize {
            for &first in &choices {
                for &last in &choices {
                    for step in [-3, -2, -1, 1, 2, 3] {
                        let (from, to) = (value(first), value(last));
                        let by = Value::number(f64::from(step));
                        let bounds = Bounds::new(length, from.as_ref(), to.as_ref(), Some(&by))
                            .expect("numbers");
                        let expected = naive(
                            length.cast_signed(),
                            first.map(|index| index as isize),
                            last.map(|index| index as isize),
                            step as isize,
                        );
                        let found: Vec<usize> = bounds.indexes().collect();
                        assert_eq!(found, expected, "{length} [{first:?}:{last:?}:{step}]");
                        if step == 1 {
                            let part = Bounds::part(length, from.as_ref(), to.as_ref());
                            let (start, end) = part.expect("numbers");
                            assert_eq!((start..end).collect::<Vec<_>>(), expected);
                        }
                        for position in 0..length {
                            assert_eq!(bounds.contains(position), expected.contains(&position));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn hostile_indexes_are_clamped_or_refused() {
        let huge = Value::number(1e300);
        let low = Value::number(f64::NEG_INFINITY);
        let nan = Value::number(f64::NAN);
        let bounds = Bounds::new(5, Some(&low), Some(&huge), None).expect("numbers");
        assert_eq!(bounds.contiguous(), Some((0, 5)));
        let bounds = Bounds::new(5, Some(&huge), Some(&low), Some(&low)).expect("numbers");
        assert_eq!(bounds.indexes().collect::<Vec<_>>(), [4]);
        assert_eq!(
            Bounds::new(5, Some(&nan), None, None)
                .expect("number")
                .count,
            5
        );
        let zero = Value::number(0.5);
        assert_eq!(
            Bounds::new(5, None, None, Some(&zero)),
            Err(ErrorKind::SliceStep)
        );
        let none = Value::NONE;
        assert!(Bounds::new(5, Some(&none), None, None).is_err());
    }
}
