//! The functions of the chapter "Array".
//!
//! Callbacks are called through the machine; an error or ending inside one stops the function. Names of 2017: `count`,
//! `explode`, `implode`, `in_array`, `range`, with their own order of arguments; `in_array` compares loosely and `range`
//! includes its end, which is why the manual of 2019 lists neither among the plain aliases.

use super::string::split;
use super::{Builtin, Call, Unwind, option, optional, required};
use crate::runtime::array::ARRAY_LENGTH_MAX;
use crate::runtime::{HslArray, Key, Kinds, Value, compare, convert};

const ARRAY: Kinds = Kinds::ARRAY;
const FUNCTION: Kinds = Kinds::FUNCTION;
const NUMBER: Kinds = Kinds::NUMBER;
const STRING: Kinds = Kinds::STRING;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::impure(
        "array_filter",
        &[required("callback", FUNCTION), required("array", ARRAY)],
        ARRAY,
        array_filter,
    )
    .says("the elements for which the callback is true, with their keys")
    .fails(&["if the callback does"])
    .shown(&[(
        "array_filter(function ($x) { return $x % 2 == 0; }, [0, 1, 2, 3])",
        "[0=>0,2=>2]",
    )]),
    Builtin::impure(
        "array_find",
        &[required("callback", FUNCTION), required("array", ARRAY)],
        Kinds::ANY,
        array_find,
    )
    .says("the first value for which the callback is true, or none")
    .fails(&["if the callback does"])
    .shown(&[("array_find(function ($x) { return 1 < $x; }, [1, 2, 3])", "2")]),
    Builtin::impure(
        "array_includes",
        &[required("needle", Kinds::ANY), required("array", ARRAY)],
        Kinds::BOOLEAN,
        array_includes,
    )
    .says("whether a value is strictly equal to the needle, or the needle as a callback is true for one")
    .fails(&["if the needle is a callback that does"])
    .shown(&[("array_includes(false, [0, none, \"\"])", "false")]),
    Builtin::impure(
        "in_array",
        &[required("needle", Kinds::ANY), required("array", ARRAY)],
        Kinds::BOOLEAN,
        in_array,
    )
    .says("whether a value is loosely equal to the needle, or the needle as a callback is true for one")
    .fails(&["if the needle is a callback that does"])
    .shown(&[("in_array(\"1\", [1])", "true")]),
    Builtin::pure(
        "array_join",
        &[required("array", ARRAY), optional("separator", STRING)],
        STRING,
        array_join,
    )
    .says("the values as text, one after the other, with the separator between them")
    .shown(&[("array_join([\"a\", \"b\", 3], \"-\")", "a-b-3")]),
    Builtin::pure(
        "implode",
        &[required("glue", STRING), required("array", ARRAY)],
        STRING,
        implode,
    )
    .says("array_join() with its arguments the other way round")
    .shown(&[("implode(\"-\", [1, 2])", "1-2")]),
    Builtin::pure(
        "explode",
        &[
            required("delimiter", STRING),
            required("string", STRING),
            optional("limit", NUMBER),
        ],
        ARRAY,
        explode,
    )
    .says("str_split() with its first arguments the other way round")
    .fails(&["if the delimiter is empty"])
    .shown(&[("explode(\":\", \"a:b:c\", 2)", "[0=>\"a\",1=>\"b:c\"]")]),
    Builtin::pure("array_keys", &[required("array", ARRAY)], ARRAY, array_keys)
        .says("the keys, in order")
        .shown(&[("array_keys([\"x\" => 1, \"y\" => 2])", "[0=>\"x\",1=>\"y\"]")]),
    Builtin::impure(
        "array_map",
        &[required("callback", FUNCTION), required("array", ARRAY)],
        ARRAY,
        array_map,
    )
    .says("what the callback makes of each value, under the same keys")
    .fails(&["if the callback does"])
    .shown(&[(
        "array_map(function ($x) { return $x * 2; }, [\"a\" => 1, \"b\" => 2])",
        "[\"a\"=>2,\"b\"=>4]",
    )]),
    Builtin::pure(
        "array_range",
        &[
            required("start", NUMBER),
            required("stop", NUMBER),
            optional("step", NUMBER),
        ],
        ARRAY,
        array_range,
    )
    .says("the numbers from start up to, but without, stop")
    .fails(&["if the step is 0, or the start or the step is not finite"])
    .shown(&[("array_range(1, 10, 3)", "[0=>1,1=>4,2=>7]")]),
    Builtin::pure(
        "range",
        &[
            required("start", NUMBER),
            required("stop", NUMBER),
            optional("step", NUMBER),
        ],
        ARRAY,
        range,
    )
    .says("the numbers from start to stop, both included")
    .fails(&["if the step is 0, or the start or the step is not finite"])
    .shown(&[("range(0, 2)", "[0=>0,1=>1,2=>2]")]),
    Builtin::impure(
        "array_reduce",
        &[
            required("callback", FUNCTION),
            required("array", ARRAY),
            optional("initial", Kinds::ANY),
        ],
        Kinds::ANY,
        array_reduce,
    )
    .says("what remains when the callback has merged the values, from left to right, into one")
    .fails(&["if the callback does", "if the array is empty and there is no initial value"])
    .shown(&[("array_reduce(function ($sum, $x) { return $sum + $x; }, [1, 2, 3])", "6")]),
    Builtin::pure(
        "array_reverse",
        &[required("array", ARRAY)],
        ARRAY,
        array_reverse,
    )
    .says("the elements in reverse order; integer keys are numbered anew")
    .shown(&[("array_reverse([1, 2])", "[0=>2,1=>1]")]),
    Builtin::impure(
        "array_sort",
        &[
            required("callback", FUNCTION),
            required("array", ARRAY),
            optional("options", ARRAY),
        ],
        ARRAY,
        array_sort,
    )
    .says("the elements in the order of a callback that says whether a is less than b, with their keys")
    .takes(&[option("keys", "the callback gets keys, not values; without it false")])
    .fails(&["if the callback does"])
    .shown(&[
        ("array_sort(function ($a, $b) { return $a < $b; }, [3, 1, 2])", "[1=>1,2=>2,0=>3]"),
        (
            "array_sort(function ($a, $b) { return $b < $a; }, [1, 2], [\"keys\" => true])",
            "[1=>2,0=>1]",
        ),
    ]),
    Builtin::pure("count", &[required("array", Kinds::ANY)], NUMBER.or(Kinds::NONE), count)
        .says("length()")
        .shown(&[("count([1, 2])", "2")]),
];

/// Whether the callback at position 0 is true for a value.
fn holds(call: &mut Call<'_>, value: &Value) -> Result<bool, Unwind> {
    call.charge(1)?;
    let result = call
        .machine
        .invoke(call.value(0), std::slice::from_ref(value))?;
    Ok(result.truthy())
}

fn array_filter(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut result = Value::array()?;
    let kept = result.array_mut()?;
    for (key, value) in call.array(1) {
        if holds(call, value)? {
            kept.set(key, value.clone())?;
        }
    }
    Ok(result)
}

fn array_find(call: &mut Call<'_>) -> Result<Value, Unwind> {
    for value in call.array(1).values() {
        if holds(call, value)? {
            return Ok(value.clone());
        }
    }
    Ok(Value::NONE)
}

fn array_includes(call: &mut Call<'_>) -> Result<Value, Unwind> {
    includes(call, compare::strict_equal)
}

fn in_array(call: &mut Call<'_>) -> Result<Value, Unwind> {
    includes(call, compare::loose_equal)
}

type Equality = fn(&Value, &Value) -> Result<bool, crate::error::ErrorKind>;

fn includes(call: &mut Call<'_>, equal: Equality) -> Result<Value, Unwind> {
    let by_callback = call.is_function(0);
    for value in call.array(1).values() {
        let found = if by_callback {
            holds(call, value)?
        } else {
            let weight = value.weight();
            call.machine.charge(1 + weight)?;
            equal(call.value(0), value)?
        };
        if found {
            return Ok(Value::TRUE);
        }
    }
    Ok(Value::FALSE)
}

fn array_join(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let array = call.array(0);
    call.charge(array.len())?;
    Ok(convert::join(array, call.octets(1))?)
}

fn implode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let array = call.array(1);
    call.charge(array.len())?;
    Ok(convert::join(array, call.octets(0))?)
}

fn explode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    split(call, 1, 0)
}

fn array_keys(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let array = call.array(0);
    call.charge(array.len())?;
    let mut result = Value::array_with_capacity(array.len())?;
    let keys = result.array_mut()?;
    for (key, _) in array {
        keys.append(key.to_value()?)?;
    }
    Ok(result)
}

fn array_map(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let array = call.array(1);
    let mut result = match array.is_packed() {
        true => Value::array_with_capacity(array.len())?,
        false => Value::array()?,
    };
    let elements = result.array_mut()?;
    for (key, value) in array {
        call.charge(1)?;
        let mapped = call
            .machine
            .invoke(call.value(0), std::slice::from_ref(value))?;
        if array.is_packed() {
            elements.append(mapped)?;
        } else {
            elements.set(key, mapped)?;
        }
    }
    Ok(result)
}

fn array_range(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let step = call.opt_number(2).unwrap_or(1.0);
    let steps = (call.number(1) - call.number(0)) / step;
    numbers(call, step, steps.ceil())
}

fn range(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let step = call.opt_number(2).unwrap_or(1.0);
    let steps = (call.number(1) - call.number(0)) / step;
    numbers(call, step, steps.floor() + 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^24")]
fn numbers(call: &mut Call<'_>, step: f64, count: f64) -> Result<Value, Unwind> {
    let start = call.number(0);
    if step == 0.0 || !(start.is_finite() && step.is_finite()) {
        return Err(call.refuse(2, "a number other than 0, and all of them finite"));
    }
    if count > ARRAY_LENGTH_MAX as f64 {
        return Err(crate::error::ErrorKind::ArrayLength {
            limit: ARRAY_LENGTH_MAX,
        }
        .into());
    }
    let count = crate::runtime::number::to_count(count);
    call.charge(count)?;
    let mut result = Value::array_with_capacity(count)?;
    let array = result.array_mut()?;
    for index in 0..count {
        array.append(Value::number(start + index as f64 * step))?;
    }
    Ok(result)
}

fn array_reduce(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let mut values = call.array(1).values();
    let initial = call.given(2).or_else(|| values.next()).cloned();
    let mut carry = initial.ok_or(crate::error::ErrorKind::EmptyReduce)?;
    for value in values {
        call.charge(1)?;
        carry = call
            .machine
            .invoke(call.value(0), &[carry, value.clone()])?;
    }
    Ok(carry)
}

fn array_reverse(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let array = call.array(0);
    call.charge(array.len())?;
    let elements: Vec<(Key<'_>, &Value)> = array.iter().collect();
    let mut result = Value::array_with_capacity(array.len())?;
    let reversed = result.array_mut()?;
    for (key, value) in elements.into_iter().rev() {
        match key {
            Key::Integer(_) => reversed.append(value.clone())?,
            _ => reversed.set(key, value.clone())?,
        }
    }
    Ok(result)
}

fn array_sort(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let by_key = call.flag(2, "keys", false);
    let mut elements: Vec<(Key<'_>, &Value, Value)> = Vec::new();
    for (key, value) in call.array(1) {
        let compared = if by_key {
            key.to_value()?
        } else {
            value.clone()
        };
        elements.push((key, value, compared));
    }
    let order = merge_sort(call, &elements)?;
    let mut result = Value::array_with_capacity(elements.len())?;
    let sorted = result.array_mut()?;
    for index in order {
        let (key, value, _) = &elements[index];
        sorted.set(*key, (*value).clone())?;
    }
    Ok(result)
}

/// The order of the elements by the callback. A merge sort from the bottom up: it ends whatever the callback answers, is
/// stable, and needs no stack.
fn merge_sort(
    call: &mut Call<'_>,
    elements: &[(Key<'_>, &Value, Value)],
) -> Result<Vec<usize>, Unwind> {
    let mut order: Vec<usize> = (0..elements.len()).collect();
    let mut width = 1;
    while width < order.len() {
        let mut merged = Vec::with_capacity(order.len());
        for run in order.chunks(width * 2) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([first, left_rest @ ..], [second, right_rest @ ..]) = (left, right) {
                call.charge(1)?;
                let arguments = [elements[*second].2.clone(), elements[*first].2.clone()];
                if call.machine.invoke(call.value(0), &arguments)?.truthy() {
                    merged.push(*second);
                    right = right_rest;
                } else {
                    merged.push(*first);
                    left = left_rest;
                }
            }
            merged.extend(left.iter().chain(right));
        }
        order = merged;
        width *= 2;
    }
    Ok(order)
}

fn count(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(length_of(call.value(0)))
}

/// The number of elements or octets, none for other kinds.
pub(super) fn length_of(value: &Value) -> Value {
    let length = value
        .as_array()
        .map(HslArray::len)
        .or_else(|| value.as_octets().map(<[u8]>::len));
    length.map_or(Value::NONE, Value::count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{bench, list, map, on_heap, run, shown, text};
    use crate::builtins::{builtin, find};
    use crate::error::ErrorKind;
    use crate::runtime::{FunctionTarget, operate};

    fn n(number: f64) -> Value {
        Value::number(number)
    }

    fn function(target: FunctionTarget) -> Value {
        Value::function(target, Value::NONE, [].into_iter()).expect("fits")
    }

    fn with_callback(
        name: &str,
        callback: fn(&[Value]) -> Result<Value, Unwind>,
        rest: impl IntoIterator<Item = Value>,
    ) -> String {
        let mut machine = bench();
        machine.functions.push(callback);
        let mut arguments = vec![function(FunctionTarget::User(0))];
        arguments.extend(rest);
        shown(
            builtin(name)
                .expect("there")
                .invoke(&arguments, &mut machine),
        )
    }

    fn is_even(arguments: &[Value]) -> Result<Value, Unwind> {
        let remainder = operate::modulo(&arguments[0], &n(2.0))?;
        Ok(Value::boolean(remainder.as_number() == Some(0.0)))
    }

    fn sum(arguments: &[Value]) -> Result<Value, Unwind> {
        Ok(operate::add(&arguments[0], &arguments[1])?)
    }

    fn ascending(arguments: &[Value]) -> Result<Value, Unwind> {
        Ok(Value::boolean(compare::less(&arguments[0], &arguments[1])))
    }

    fn descending(arguments: &[Value]) -> Result<Value, Unwind> {
        Ok(Value::boolean(compare::less(&arguments[1], &arguments[0])))
    }

    fn ends(_: &[Value]) -> Result<Value, Unwind> {
        Err(Unwind::Ended)
    }

    #[test]
    fn callbacks_choose_and_change_values() {
        on_heap(|| {
            let digits = || list([n(0.0), n(1.0), n(2.0), n(3.0)]);
            assert_eq!(
                with_callback("array_filter", is_even, [digits()]),
                "[0=>0,2=>2]"
            );
            assert_eq!(
                with_callback("array_find", is_even, [list([n(1.0), n(4.0)])]),
                "4"
            );
            assert_eq!(
                with_callback("array_find", is_even, [list([n(1.0)])]),
                "none"
            );
            assert_eq!(with_callback("array_includes", is_even, [digits()]), "true");
            let double = |arguments: &[Value]| Ok(operate::multiply(&arguments[0], &n(2.0))?);
            assert_eq!(
                with_callback("array_map", double, [digits()]),
                "[0=>0,1=>2,2=>4,3=>6]"
            );
            let pair = map([("a", n(1.0)), ("b", n(2.0))]);
            assert_eq!(
                with_callback("array_map", double, [pair]),
                "[\"a\"=>2,\"b\"=>4]"
            );
            assert_eq!(with_callback("array_map", ends, [digits()]), "ended");
            let is_number = function(FunctionTarget::Builtin(
                u32::try_from(find("is_number").expect("there")).expect("few"),
            ));
            let mixed = list([n(0.0), text("Hello World"), n(2.0)]);
            assert_eq!(run("array_filter", &[is_number, mixed]), "[0=>0,2=>2]");
        });
    }

    #[test]
    fn reduce_needs_something_to_start_with() {
        on_heap(|| {
            let digits = || list([n(0.0), n(1.0), n(2.0), n(3.0)]);
            assert_eq!(with_callback("array_reduce", sum, [digits()]), "6");
            assert_eq!(
                with_callback("array_reduce", sum, [digits(), n(10.0)]),
                "16"
            );
            assert_eq!(with_callback("array_reduce", ends, [list([n(7.0)])]), "7");
            assert_eq!(
                with_callback("array_reduce", ends, [list([]), Value::NONE]),
                "none"
            );
            let error = with_callback("array_reduce", sum, [list([])]);
            assert_eq!(error, ErrorKind::EmptyReduce.to_string());
        });
    }

    #[test]
    fn sorting_keeps_keys() {
        on_heap(|| {
            let digits = || list([n(2.0), n(3.0), n(1.0)]);
            assert_eq!(
                with_callback("array_sort", ascending, [digits()]),
                "[2=>1,0=>2,1=>3]"
            );
            assert_eq!(
                with_callback("array_sort", descending, [digits()]),
                "[1=>3,0=>2,2=>1]"
            );
            let named = map([("b", n(1.0)), ("a", n(2.0))]);
            let keys = map([("keys", Value::TRUE)]);
            let sorted = with_callback("array_sort", ascending, [named, keys]);
            assert_eq!(sorted, "[\"a\"=>2,\"b\"=>1]");
            let always = |_: &[Value]| Ok(Value::TRUE);
            let many = list((0..100).map(|number| n(f64::from(number))));
            assert!(with_callback("array_sort", always, [many]).len() > 100);
            assert_eq!(with_callback("array_sort", ends, [digits()]), "ended");
        });
    }

    #[test]
    fn needles_are_found_by_equality() {
        on_heap(|| {
            let odd = || list([n(0.0), Value::NONE, text("")]);
            assert_eq!(run("array_includes", &[Value::FALSE, odd()]), "false");
            assert_eq!(run("array_includes", &[Value::NONE, odd()]), "true");
            assert_eq!(run("array_includes", &[text("1"), list([n(1.0)])]), "false");
            assert_eq!(run("in_array", &[text("1"), list([n(1.0)])]), "true");
        });
    }

    #[test]
    fn joining_keys_and_ranges() {
        on_heap(|| {
            let parts = || list([text("a"), text("b"), n(3.0)]);
            assert_eq!(run("array_join", &[parts(), text("-")]), "a-b-3");
            assert_eq!(run("array_join", &[parts()]), "ab3");
            assert_eq!(run("array_join", &[list([])]), "");
            assert_eq!(run("implode", &[text("-"), parts()]), "a-b-3");
            assert_eq!(
                run("explode", &[text(":"), text("a:b:c"), n(2.0)]),
                "[0=>\"a\",1=>\"b:c\"]"
            );
            assert_eq!(run("array_keys", &[list([n(5.0), n(6.0)])]), "[0=>0,1=>1]");
            assert_eq!(
                run("array_range", &[n(0.0), n(4.0)]),
                "[0=>0,1=>1,2=>2,3=>3]"
            );
            assert_eq!(
                run("array_range", &[n(1.0), n(10.0), n(3.0)]),
                "[0=>1,1=>4,2=>7]"
            );
            assert_eq!(run("array_range", &[n(-1.0), n(2.0)]), "[0=>-1,1=>0,2=>1]");
            assert_eq!(run("array_range", &[n(3.0), n(3.0)]), "[]");
            assert_eq!(
                run("array_range", &[n(3.0), n(0.0), n(-1.0)]),
                "[0=>3,1=>2,2=>1]"
            );
            assert_eq!(run("range", &[n(0.0), n(2.0)]), "[0=>0,1=>1,2=>2]");
            assert_eq!(
                run("array_range", &[n(0.0), n(1e300)]),
                "array exceeds 16777216 elements"
            );
            assert!(run("array_range", &[n(0.0), n(1.0), n(0.0)]).contains("must be"));
            let named = map([("a", n(1.0)), ("7", n(2.0)), ("9", n(3.0))]);
            assert_eq!(run("array_reverse", &[named]), "[0=>3,1=>2,\"a\"=>1]");
            assert_eq!(run("count", &[text("abc")]), "3");
        });
    }
}
