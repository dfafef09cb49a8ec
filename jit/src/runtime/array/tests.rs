//! Arrays against a list of pairs of keys and values, and against their limits.

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

fn apply(change: &Change, value: &mut Value, model: &mut Model, kept: &mut Vec<(Value, Model)>) {
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
            let items = Value::array_of([Value::number(-1.0), Value::number(-2.0)]).expect("fits");
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

/// Whoever walks an array may ask for the key of an element or not.
#[test]
fn walking_by_values_meets_the_same_elements() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let mut mapped = Value::array_of((0..20).map(Value::count)).expect("fits");
    let elements = mapped.array_mut().expect("array");
    elements
        .set(Key::Octets(b"name"), Value::TRUE)
        .expect("fits");
    elements.set(Key::None, Value::FALSE).expect("fits");
    for key in [0, 3, 4, 5, 19] {
        elements.remove(Key::Integer(key)).expect("fits");
    }
    let packed = Value::array_of((0..3).map(Value::count)).expect("fits");
    for value in [mapped, packed, Value::array().expect("fits")] {
        let array = value.as_array().expect("array");
        let mut position = 0;
        while let Some((next, key, element)) = array.next(position) {
            let (same_next, same_element) = array.next_value(position).expect("there");
            assert_eq!(same_next, next);
            assert!(same_element.is_same(element));
            let same_key = array.key_before(next);
            assert!(Key::cast(&same_key).expect("a key").equals(key));
            position = next;
        }
        assert!(array.next_value(position).is_none());
        assert!(array.next_value(usize::MAX).is_none());
    }
}
