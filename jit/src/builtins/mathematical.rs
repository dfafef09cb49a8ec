//! The functions of the chapter "Mathematical". Numbers outside a function's domain give nan, as IEEE 754 has it.

use super::{Builtin, Call, Unwind, optional, required};
use crate::runtime::{Kinds, Value};

const NUMBER: Kinds = Kinds::NUMBER;
const ONE: &[super::Parameter] = &[required("number", NUMBER)];

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("abs", ONE, NUMBER, |call| one(call, f64::abs))
        .says("the absolute value")
        .shown(&[("abs(-1.5)", "1.5")]),
    Builtin::pure("ceil", ONE, NUMBER, |call| one(call, f64::ceil))
        .says("the least integer that is not less")
        .shown(&[("ceil(1.2)", "2")]),
    Builtin::pure("floor", ONE, NUMBER, |call| one(call, f64::floor))
        .says("the greatest integer that is not greater")
        .shown(&[("floor(-1.2)", "-2")]),
    Builtin::pure("sqrt", ONE, NUMBER, |call| one(call, f64::sqrt))
        .says("the square root")
        .shown(&[("sqrt(9)", "3")]),
    Builtin::pure(
        "log",
        &[required("number", NUMBER), optional("base", NUMBER)],
        NUMBER,
        log,
    )
    .says("the logarithm, natural unless a base is given")
    .shown(&[("log(1000, 10)", "3")]),
    Builtin::pure(
        "pow",
        &[required("base", NUMBER), required("exponent", NUMBER)],
        NUMBER,
        pow,
    )
    .says("base to the power of exponent")
    .shown(&[("pow(2, 10)", "1024")]),
    Builtin::pure(
        "round",
        &[required("number", NUMBER), optional("decimals", NUMBER)],
        NUMBER,
        round,
    )
    .says("the nearest number with that many decimals; halves go away from zero")
    .shown(&[("round(2.5)", "3"), ("round(1.234, 2)", "1.23")]),
];

fn one(call: &Call<'_>, compute: fn(f64) -> f64) -> Result<Value, Unwind> {
    Ok(Value::number(compute(call.number(0))))
}

fn log(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let number = call.number(0);
    // The dedicated functions are exact where the quotient of two logarithms is not.
    let logarithm = match call.opt_number(1) {
        None => number.ln(),
        Some(2.0) => number.log2(),
        Some(10.0) => number.log10(),
        Some(base) => number.ln() / base.ln(),
    };
    Ok(Value::number(logarithm))
}

fn pow(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(Value::number(call.number(0).powf(call.number(1))))
}

fn round(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (number, decimals) = (call.number(0), call.number(1).trunc());
    let scale = 10_f64.powf(decimals.abs());
    let scaled = if decimals >= 0.0 {
        number * scale
    } else {
        number / scale
    };
    let rounded = match (decimals >= 0.0, scale.is_finite() && scaled.is_finite()) {
        (true, true) => scaled.round() / scale,
        (false, true) => scaled.round() * scale,
        // The scale overflows: so many decimals change nothing, and so many digits leave nothing.
        (false, false) if number.is_finite() => 0.0,
        (_, false) => number,
    };
    Ok(Value::number(rounded))
}

#[cfg(test)]
mod tests {
    use crate::builtins::call::tests::{on_heap, run};
    use crate::runtime::Value;

    #[test]
    fn results_are_those_of_the_manual() {
        on_heap(|| {
            let table: [(&str, &[f64], &str); 22] = [
                ("abs", &[-1.5], "1.5"),
                ("ceil", &[1.2], "2"),
                ("ceil", &[-1.2], "-1"),
                ("ceil", &[-0.5], "0"),
                ("floor", &[-1.2], "-2"),
                ("sqrt", &[9.0], "3"),
                ("sqrt", &[-1.0], "nan"),
                ("log", &[1.0], "0"),
                ("log", &[1000.0, 10.0], "3"),
                ("log", &[8.0, 2.0], "3"),
                ("log", &[0.0], "-inf"),
                ("pow", &[2.0, 10.0], "1024"),
                ("pow", &[2.0, -1.0], "0.5"),
                ("round", &[2.5], "3"),
                ("round", &[-2.5], "-3"),
                ("round", &[1.5], "2"),
                ("round", &[1.234, 2.0], "1.23"),
                ("round", &[-1.235, 1.0], "-1.2"),
                ("round", &[1234.0, -2.0], "1200"),
                ("round", &[1.5, 400.0], "1.5"),
                ("round", &[1.5, -400.0], "0"),
                ("round", &[f64::INFINITY, 2.0], "inf"),
            ];
            for (name, arguments, expected) in table {
                let values: Vec<Value> = arguments.iter().copied().map(Value::number).collect();
                assert_eq!(run(name, &values), expected, "{name} {arguments:?}");
            }
        });
    }
}
