//! Strings against plain vectors of octets.

use super::*;
use crate::runtime::heap::{Heap, live_objects};
use crate::runtime::tests::text;
use proptest::prelude::*;

#[test]
fn appending_in_place_leaves_copies_alone() {
    let heap = Heap::new(1 << 20);
    let entered = heap.enter();
    let mut value = text(b"abc");
    let copy = value.clone();
    append(&mut value, b"def").expect("fits");
    assert_eq!(copy.as_octets(), Some(&b"abc"[..]));
    assert_eq!(value.as_octets(), Some(&b"abcdef"[..]));
    let before = value.as_string().expect("string").hash();
    for _ in 0..5000 {
        append(&mut value, b"0123456789").expect("fits");
    }
    assert_eq!(value.as_string().map(HslString::len), Some(50_006));
    assert_ne!(value.as_string().expect("string").hash(), before);
    assert!(value.as_octets().expect("string").ends_with(b"90123456789"));
    drop((value, copy));
    assert_eq!(live_objects(), 0);
    drop(entered);
}

#[test]
fn long_slices_share_and_keep_their_string_alive() {
    let heap = Heap::new(1 << 20);
    let _entered = heap.enter();
    let whole = text([b'x'; 1000]);
    let data = whole.as_octets().expect("string").as_ptr();
    let part = slice(&whole, 100, 900).expect("fits");
    let inner = slice(&part, 100, 200).expect("fits");
    drop((whole, part));
    assert_eq!(live_objects(), 2, "the slice and the string it is part of");
    assert_eq!(
        inner.as_octets().expect("string").as_ptr(),
        data.wrapping_add(200)
    );
    let mut changed = inner.clone();
    append(&mut changed, b"y").expect("fits");
    assert_eq!(inner.as_octets(), Some(&[b'x'; 100][..]));
    drop((inner, changed));
    assert_eq!(live_objects(), 0);
}

#[test]
fn strings_stop_at_the_memory_limit_and_stay_whole() {
    let heap = Heap::new(10_000);
    let _entered = heap.enter();
    let mut value = text(b"");
    let mut length = 0;
    let error = loop {
        match append(&mut value, b"0123456789") {
            Ok(()) => length += 10,
            Err(error) => break error,
        }
    };
    assert_eq!(error, ErrorKind::MemoryLimit { limit: 10_000 });
    assert!(length >= 2000, "got {length}");
    assert_eq!(value.as_string().map(HslString::len), Some(length));
}

#[derive(Clone, Debug)]
enum Change {
    Make(Vec<u8>),
    Append(usize, usize),
    AppendOctets(usize, Vec<u8>),
    Slice(usize, usize, usize),
    Copy(usize),
    Drop(usize),
    Repeat(usize),
}

fn changes() -> impl Strategy<Value = Change> {
    let octets = || prop::collection::vec(any::<u8>(), 0..80);
    let index = any::<usize>;
    prop_oneof![
        octets().prop_map(Change::Make),
        (index(), index()).prop_map(|(to, from)| Change::Append(to, from)),
        (index(), octets()).prop_map(|(to, octets)| Change::AppendOctets(to, octets)),
        (index(), index(), index()).prop_map(|(of, a, b)| Change::Slice(of, a, b)),
        index().prop_map(Change::Copy),
        index().prop_map(Change::Drop),
        index().prop_map(Change::Repeat),
    ]
}

fn apply(change: Change, values: &mut Vec<Value>, model: &mut Vec<Vec<u8>>) {
    if values.is_empty() {
        values.push(text(b""));
        model.push(Vec::new());
    }
    let count = values.len();
    match change {
        Change::Make(octets) => {
            values.push(text(&octets));
            model.push(octets);
        }
        Change::Append(to, from) => {
            let (to, from) = (to % count, from % count);
            if model[to].len() + model[from].len() < 20_000 {
                let addend = values[from].clone();
                append(&mut values[to], addend.as_octets().expect("string")).expect("fits");
                let addend = model[from].clone();
                model[to].extend(addend);
            }
        }
        Change::AppendOctets(to, octets) => {
            append(&mut values[to % count], &octets).expect("fits");
            model[to % count].extend(octets);
        }
        Change::Slice(of, a, b) => {
            let length = model[of % count].len();
            let (a, b) = (a % (length + 1), b % (length + 1));
            let (start, end) = (a.min(b), a.max(b));
            values.push(slice(&values[of % count], start, end).expect("fits"));
            model.push(model[of % count][start..end].to_vec());
        }
        Change::Copy(of) => {
            values.push(values[of % count].clone());
            model.push(model[of % count].clone());
        }
        Change::Drop(of) => {
            values.swap_remove(of % count);
            model.swap_remove(of % count);
        }
        Change::Repeat(of) => {
            let octets = values[of % count].as_octets().expect("string");
            if octets.len() < 2000 {
                let tripled = concat([octets, octets, octets]).expect("fits");
                values.push(tripled);
                model.push(model[of % count].repeat(3));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]

    #[test]
    fn strings_do_what_vectors_do(changes in prop::collection::vec(changes(), 0..60)) {
        let heap = Heap::new(64 << 20);
        let _entered = heap.enter();
        let (mut values, mut model) = (Vec::new(), Vec::new());
        for change in changes {
            apply(change, &mut values, &mut model);
            for (value, octets) in values.iter().zip(&model) {
                prop_assert_eq!(value.as_octets(), Some(&octets[..]));
            }
        }
        for (value, octets) in values.iter().zip(&model) {
            prop_assert_eq!(value.as_string().expect("string").hash(), hash_octets(octets));
        }
        drop(values);
        prop_assert_eq!(live_objects(), 0);
    }
}
