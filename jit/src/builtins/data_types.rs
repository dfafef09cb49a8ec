//! The functions of the chapter "Data types".
//!
//! `array`, `isset` and `unset` are constructs of the language and not here.

use super::array::length_of;
use super::{Builtin, Call, Unwind, required};
use crate::runtime::{Kind, Kinds, Value, convert};

const VALUE: &[super::Parameter] = &[required("value", Kinds::ANY)];

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("length", VALUE, Kinds::NUMBER.or(Kinds::NONE), length)
        .says("the number of elements or octets; none for other kinds")
        .shown(&[("length([1, 2])", "2"), ("length(\"abc\")", "3")]),
    Builtin::pure("boolean", VALUE, Kinds::BOOLEAN, boolean)
        .says("whether the value is true as a condition")
        .shown(&[("boolean(\"a\")", "true"), ("boolean([])", "false")]),
    Builtin::pure("number", VALUE, Kinds::NUMBER, number)
        .says("the number the value stands for; 0 if it is none")
        .shown(&[("number(\"0x1f\")", "31"), ("number(\"abc\")", "0")]),
    Builtin::pure("string", VALUE, Kinds::STRING, string)
        .says("the text of the value")
        .shown(&[("string(1.50)", "1.5")]),
    Builtin::pure("is_array", VALUE, Kinds::BOOLEAN, |call| {
        is(call, Kind::Array)
    })
    .says("whether the value is an array")
    .shown(&[("is_array([])", "true")]),
    Builtin::pure("is_boolean", VALUE, Kinds::BOOLEAN, |call| {
        is(call, Kind::Boolean)
    })
    .says("whether the value is a boolean")
    .shown(&[("is_boolean(1 == 1)", "true"), ("is_boolean(1)", "false")]),
    Builtin::pure("is_function", VALUE, Kinds::BOOLEAN, |call| {
        is(call, Kind::Function)
    })
    .says("whether the value is a function")
    .shown(&[("is_function(length)", "true")]),
    Builtin::pure("is_number", VALUE, Kinds::BOOLEAN, |call| {
        is(call, Kind::Number)
    })
    .says("whether the value is a number")
    .shown(&[("is_number(true)", "false")]),
    Builtin::pure("is_object", VALUE, Kinds::BOOLEAN, |call| {
        is(call, Kind::Object)
    })
    .says("whether the value is an object")
    .shown(&[("is_object([])", "false")]),
    Builtin::pure("is_string", VALUE, Kinds::BOOLEAN, |call| {
        is(call, Kind::String)
    })
    .says("whether the value is a string")
    .shown(&[("is_string(\"\")", "true")]),
];

fn length(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(length_of(call.value(0)))
}

fn boolean(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(Value::boolean(call.value(0).truthy()))
}

fn number(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(Value::number(convert::to_number(call.value(0))))
}

fn string(call: &mut Call<'_>) -> Result<Value, Unwind> {
    if let Some(array) = call.value(0).as_array() {
        call.charge(array.len())?;
    }
    Ok(convert::to_string(call.value(0))?)
}

fn is(call: &Call<'_>, kind: Kind) -> Result<Value, Unwind> {
    Ok(Value::boolean(call.value(0).kind() == kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{list, on_heap, run, text};
    use crate::runtime::FunctionTarget;

    #[test]
    fn values_are_converted() {
        on_heap(|| {
            let n = Value::number;
            let table = [
                ("number", text("5"), "5"),
                ("number", text("1.5"), "1.5"),
                ("number", text("0x1f"), "31"),
                ("number", text("abc"), "0"),
                ("number", Value::TRUE, "1"),
                ("number", text(""), "0"),
                ("number", list([n(1.0)]), "0"),
                ("number", Value::NONE, "0"),
                ("number", text("12abc"), "0"),
                ("number", text("-3"), "-3"),
                ("string", n(1.5), "1.5"),
                ("string", Value::TRUE, "true"),
                ("string", Value::NONE, "none"),
                ("string", list([text("a")]), "[0=>\"a\"]"),
                ("boolean", text("a"), "true"),
                ("boolean", text("0"), "true"),
                ("boolean", text(""), "false"),
                ("boolean", list([]), "false"),
                ("boolean", list([Value::NONE]), "true"),
                ("boolean", Value::NONE, "false"),
                ("boolean", n(0.0), "false"),
                ("boolean", n(-1.0), "true"),
                ("length", list([n(1.0), n(2.0)]), "2"),
                ("length", text("\u{e5}"), "2"),
                ("length", n(5.0), "none"),
            ];
            for (name, value, expected) in table {
                let shown = format!("{name}({value:?})");
                assert_eq!(run(name, &[value]), expected, "{shown}");
            }
        });
    }

    #[test]
    fn each_kind_is_told_from_the_others() {
        on_heap(|| {
            let function = Value::function(FunctionTarget::User(0), Value::NONE, [].into_iter());
            let object = Value::object(0, list([]));
            let values = [
                Value::NONE,
                Value::TRUE,
                Value::number(1.0),
                text("a"),
                list([]),
                function.expect("fits"),
                object.expect("fits"),
            ];
            for (kind, value) in Kind::ALL.into_iter().zip(&values) {
                for other in &Kind::ALL[1..] {
                    let found = run(&format!("is_{other}"), std::slice::from_ref(value));
                    assert_eq!(found, (kind == *other).to_string(), "is_{other} of {kind}");
                }
            }
        });
    }
}
