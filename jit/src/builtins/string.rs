//! The functions of the chapter "String".
//!
//! All count octets and know only US-ASCII letters. Names of 2017 with the same arguments are beside their successors.

use memchr::memmem;
use smallvec::SmallVec;

use super::array::length_of;
use super::{Builtin, Call, Unwind, optional, required};
use crate::runtime::number::{to_count, to_int32};
use crate::runtime::{Kinds, StringBuilder, Value, operate, string};

const NUMBER: Kinds = Kinds::NUMBER;
const STRING: Kinds = Kinds::STRING;

const FIND: &[super::Parameter] = &[
    required("string", STRING),
    required("substring", STRING),
    optional("offset", NUMBER),
];
const SLICE: &[super::Parameter] = &[
    required("string", STRING),
    required("offset", NUMBER),
    optional("length", NUMBER),
];
const ONE: &[super::Parameter] = &[required("string", STRING)];

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("chr", &[required("number", NUMBER)], STRING, chr)
        .says("the octet with this number, as a string")
        .shown(&[("chr(65)", "A")]),
    Builtin::pure("ord", &[required("character", STRING)], NUMBER, ord)
        .says("the number of the first octet")
        .fails(&["if the string is empty"])
        .shown(&[("ord(\"A\")", "65")]),
    Builtin::pure(
        "str_repeat",
        &[required("string", STRING), required("multiplier", NUMBER)],
        STRING,
        str_repeat,
    )
    .says("the string, that many times")
    .shown(&[("str_repeat(\"ab\", 3)", "ababab")]),
    Builtin::pure(
        "str_replace",
        &[
            required("search", STRING),
            required("replace", STRING),
            required("subject", STRING),
        ],
        STRING,
        str_replace,
    )
    .says("the subject with every occurrence of search replaced")
    .shown(&[("str_replace(\"a\", \"bb\", \"banana\")", "bbbnbbnbb")]),
    Builtin::pure(
        "str_split",
        &[
            required("string", STRING),
            required("delimiter", STRING),
            optional("limit", NUMBER),
        ],
        Kinds::ARRAY,
        str_split,
    )
    .says("the parts between delimiters; a limit joins the last parts, a negative one the first")
    .fails(&["if the delimiter is empty"])
    .shown(&[
        (
            "str_split(\"how are you\", \" \", 2)",
            "[0=>\"how\",1=>\"are you\"]",
        ),
        (
            "str_split(\"how are you\", \" \", -2)",
            "[0=>\"how are\",1=>\"you\"]",
        ),
    ]),
    Builtin::pure("str_find", FIND, NUMBER, str_find)
        .says("where substring begins first, at or behind the offset; -1 if it does not")
        .shown(&[("str_find(\"hello\", \"l\")", "2")]),
    Builtin::pure("strpos", FIND, NUMBER, str_find)
        .says("str_find()")
        .shown(&[("strpos(\"hello\", \"x\")", "-1")]),
    Builtin::pure("str_rfind", FIND, NUMBER, str_rfind)
        .says("where substring begins last, the last offset octets left aside; -1 if it does not")
        .shown(&[("str_rfind(\"hello\", \"l\")", "3")]),
    Builtin::pure("strrpos", FIND, NUMBER, str_rfind)
        .says("str_rfind()")
        .shown(&[("strrpos(\"hello\", \"l\")", "3")]),
    Builtin::pure("str_lower", ONE, STRING, str_lower)
        .says("the string with US-ASCII letters in lower case")
        .shown(&[("str_lower(\"ABC\")", "abc")]),
    Builtin::pure("strtolower", ONE, STRING, str_lower)
        .says("str_lower()")
        .shown(&[("strtolower(\"ABC\")", "abc")]),
    Builtin::pure("str_upper", ONE, STRING, str_upper)
        .says("the string with US-ASCII letters in upper case")
        .shown(&[("str_upper(\"abc\")", "ABC")]),
    Builtin::pure("strtoupper", ONE, STRING, str_upper)
        .says("str_upper()")
        .shown(&[("strtoupper(\"abc\")", "ABC")]),
    Builtin::pure("str_slice", SLICE, STRING, str_slice)
        .says("the octets from the offset on, at most length; negative ones count from the end")
        .shown(&[
            ("str_slice(\"abcdef\", 1, 3)", "bcd"),
            ("str_slice(\"abcdef\", -2)", "ef"),
        ]),
    Builtin::pure(
        "substr",
        &[
            required("string", STRING),
            optional("start", NUMBER),
            optional("length", NUMBER),
        ],
        STRING,
        str_slice,
    )
    .says("str_slice()")
    .shown(&[("substr(\"abcdef\", 2)", "cdef")]),
    Builtin::pure("str_strip", ONE, STRING, str_strip)
        .says("the string without white space at its ends")
        .shown(&[("str_strip(\" a b\\r\\n\")", "a b")]),
    Builtin::pure("trim", ONE, STRING, str_strip)
        .says("str_strip()")
        .shown(&[("trim(\"\\ta \")", "a")]),
    Builtin::pure(
        "strlen",
        &[required("string", Kinds::ANY)],
        NUMBER.or(Kinds::NONE),
        strlen,
    )
    .says("length()")
    .shown(&[("strlen(\"Hello\")", "5")]),
];

fn chr(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octet = to_int32(call.number(0)).to_le_bytes()[0];
    Ok(string::of_octet(octet))
}

fn ord(call: &mut Call<'_>) -> Result<Value, Unwind> {
    match call.octets(0) {
        [octet, ..] => Ok(Value::number(f64::from(*octet))),
        [] => Err(call.refuse(0, "at least one character long")),
    }
}

fn strlen(call: &mut Call<'_>) -> Result<Value, Unwind> {
    Ok(length_of(call.value(0)))
}

fn str_repeat(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (octets, times) = (call.octets(0), to_count(call.number(1)));
    // What is too long fails before it is paid for.
    let repeated = operate::repeat_string(octets, times)?;
    call.charge_octets(octets.len().saturating_mul(times))?;
    Ok(repeated)
}

fn str_replace(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (search, replace, subject) = (call.octets(0), call.octets(1), call.octets(2));
    call.charge_octets(subject.len())?;
    if search.is_empty() {
        return Ok(call.value(2).clone());
    }
    let mut found = memmem::find_iter(subject, search).peekable();
    if found.peek().is_none() {
        return Ok(call.value(2).clone());
    }
    let mut builder = StringBuilder::new(subject.len())?;
    let mut copied = 0;
    for position in found {
        call.charge(1)?;
        builder.push(&subject[copied..position])?;
        builder.push(replace)?;
        copied = position + search.len();
    }
    builder.push(&subject[copied..])?;
    Ok(builder.finish())
}

fn str_split(call: &mut Call<'_>) -> Result<Value, Unwind> {
    split(call, 0, 1)
}

/// Splits the string at one position by the delimiter at another, with the limit at position 2.
pub(super) fn split(
    call: &mut Call<'_>,
    string_position: usize,
    delimiter_position: usize,
) -> Result<Value, Unwind> {
    let (subject, delimiter) = (
        call.octets(string_position),
        call.octets(delimiter_position),
    );
    if delimiter.is_empty() {
        return Err(call.refuse(delimiter_position, "at least one character long"));
    }
    call.charge_octets(subject.len())?;
    let limit = call.opt_number(2).unwrap_or(0.0).trunc();
    let cuts_max = match to_count(limit.abs()) {
        0 => usize::MAX,
        parts => parts - 1,
    };
    let cuts = if limit < 0.0 {
        let mut cuts: Cuts = memmem::rfind_iter(subject, delimiter)
            .take(cuts_max)
            .collect();
        cuts.reverse();
        cuts
    } else {
        first_cuts(subject, delimiter, cuts_max)
    };
    call.charge(cuts.len())?;
    let whole = call.value(string_position);
    let part = |start: usize, end: usize| {
        let string = whole.as_string();
        match string.and_then(|string| string::part_at_once(string, start, end)) {
            Some(part) => Ok(part),
            None => string::slice(whole, start, end),
        }
    };
    let mut result = Value::array_with_capacity(cuts.len() + 1)?;
    let parts = result.array_mut()?;
    let mut start = 0;
    for cut in cuts {
        parts.append(part(start, cut)?)?;
        start = cut + delimiter.len();
    }
    parts.append(part(start, subject.len())?)?;
    Ok(result)
}

/// Where the first delimiters begin, at most so many. One octet is searched without preparing a search.
fn first_cuts(subject: &[u8], delimiter: &[u8], cuts_max: usize) -> Cuts {
    match delimiter {
        [octet] if subject.len() <= SCANNED_MAX => octet_cuts(subject, *octet, cuts_max),
        [octet] => memchr::memchr_iter(*octet, subject)
            .take(cuts_max)
            .collect(),
        _ => memmem::find_iter(subject, delimiter)
            .take(cuts_max)
            .collect(),
    }
}

/// The longest subject that is gone through by words of octets. Words of a text are short: to begin a search for each takes
/// more than to look at all.
const SCANNED_MAX: usize = 512;

/// [`first_cuts`] by one octet, eight at a time.
fn octet_cuts(subject: &[u8], octet: u8, cuts_max: usize) -> Cuts {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let sought = u64::from_le_bytes([octet; 8]);
    let (words, rest) = subject.as_chunks();
    let mut cuts = Cuts::new();
    for (start, word) in (0..).step_by(8).zip(words) {
        let differs = u64::from_le_bytes(*word) ^ sought;
        // The highest bit of each octet that does not differ.
        let mut found = !(((differs & LOW) + LOW) | differs | LOW);
        while found != 0 {
            cuts.push(start + found.trailing_zeros() as usize / 8);
            found &= found - 1;
        }
    }
    let behind = (subject.len() - rest.len()..).zip(rest);
    cuts.extend(behind.filter_map(|(place, found)| (*found == octet).then_some(place)));
    cuts.truncate(cuts_max);
    cuts
}

/// Positions in a string; few take no memory.
type Cuts = SmallVec<[usize; 32]>;

fn position(found: Option<usize>) -> Value {
    found.map_or(Value::number(-1.0), Value::count)
}

fn str_find(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (subject, substring) = (call.octets(0), call.octets(1));
    call.charge_octets(subject.len())?;
    let offset = to_count(call.number(2));
    let behind = subject.get(offset..);
    let found = behind.and_then(|behind| memmem::find(behind, substring));
    Ok(position(found.map(|found| found + offset)))
}

fn str_rfind(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (subject, substring) = (call.octets(0), call.octets(1));
    call.charge_octets(subject.len())?;
    let end = subject.len().checked_sub(to_count(call.number(2)));
    Ok(position(
        end.and_then(|end| memmem::rfind(&subject[..end], substring)),
    ))
}

fn str_lower(call: &mut Call<'_>) -> Result<Value, Unwind> {
    mapped(call, u8::is_ascii_uppercase, u8::to_ascii_lowercase)
}

fn str_upper(call: &mut Call<'_>) -> Result<Value, Unwind> {
    mapped(call, u8::is_ascii_lowercase, u8::to_ascii_uppercase)
}

/// The string with some octets changed; the same string if there are none.
fn mapped(
    call: &mut Call<'_>,
    changes: fn(&u8) -> bool,
    change: fn(&u8) -> u8,
) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    call.charge_octets(octets.len())?;
    if !octets.iter().any(changes) {
        return Ok(call.value(0).clone());
    }
    let mut builder = StringBuilder::new(octets.len())?;
    let mut buffer = [0; 256];
    for chunk in octets.chunks(buffer.len()) {
        for (place, octet) in buffer.iter_mut().zip(chunk) {
            *place = change(octet);
        }
        builder.push(&buffer[..chunk.len()])?;
    }
    Ok(builder.finish())
}

fn str_slice(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let length = call.octets(0).len();
    let from_end = |number: f64| {
        if number <= -1.0 {
            length.saturating_sub(to_count(-number))
        } else {
            to_count(number).min(length)
        }
    };
    let start = from_end(call.number(1));
    let end = match call.opt_number(2) {
        Some(limit) if limit <= -1.0 => from_end(limit),
        Some(limit) => start.saturating_add(to_count(limit)).min(length),
        None => length,
    };
    Ok(string::slice(call.value(0), start, end.max(start))?)
}

fn str_strip(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    let is_space = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C);
    let start = octets.iter().take_while(|octet| is_space(octet)).count();
    let behind = octets[start..].iter().rev();
    let end = octets.len() - behind.take_while(|octet| is_space(octet)).count();
    Ok(string::slice(call.value(0), start, end)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{on_heap, run, text};
    use proptest::prelude::*;

    fn n(number: f64) -> Value {
        Value::number(number)
    }

    #[test]
    fn strings_are_cut_as_the_manual_says() {
        on_heap(|| {
            let split = |subject: &str, delimiter: &str, limit: f64| {
                run("str_split", &[text(subject), text(delimiter), n(limit)])
            };
            assert_eq!(
                split("how are you", " ", 2.0),
                "[0=>\"how\",1=>\"are you\"]"
            );
            assert_eq!(
                split("how are you", " ", -2.0),
                "[0=>\"how are\",1=>\"you\"]"
            );
            assert_eq!(
                split("a,b,,c", ",", 0.0),
                "[0=>\"a\",1=>\"b\",2=>\"\",3=>\"c\"]"
            );
            assert_eq!(split("x", ",", 0.0), "[0=>\"x\"]");
            assert_eq!(split("", ",", 0.0), "[0=>\"\"]");
            assert_eq!(split("a,b", ",", 1.0), "[0=>\"a,b\"]");
            assert_eq!(split("a::b::c", "::", -2.0), "[0=>\"a::b\",1=>\"c\"]");
            assert!(split("a", "", 0.0).contains("must be at least one character long"));
            let slice = |arguments: &[f64]| {
                let mut all = vec![text("abcdef")];
                all.extend(arguments.iter().copied().map(Value::number));
                run("str_slice", &all)
            };
            assert_eq!(slice(&[2.0]), "cdef");
            assert_eq!(slice(&[1.0, 3.0]), "bcd");
            assert_eq!(slice(&[-2.0]), "ef");
            assert_eq!(slice(&[-9.0, 2.0]), "ab");
            assert_eq!(slice(&[1.0, -1.0]), "bcde");
            assert_eq!(slice(&[9.0]), "");
            assert_eq!(slice(&[4.0, -4.0]), "");
            assert_eq!(run("substr", &[text("abc")]), "abc");
            assert_eq!(run("str_strip", &[text(" \t a b\r\n")]), "a b");
            assert_eq!(run("trim", &[text(" \r\n")]), "");
        });
    }

    #[test]
    fn strings_are_searched_and_changed() {
        on_heap(|| {
            assert_eq!(run("str_find", &[text("hello"), text("l")]), "2");
            assert_eq!(run("str_find", &[text("hello"), text("l"), n(3.0)]), "3");
            assert_eq!(run("str_find", &[text("hello"), text("l"), n(4.0)]), "-1");
            assert_eq!(run("str_find", &[text("hello"), text("l"), n(99.0)]), "-1");
            assert_eq!(run("str_rfind", &[text("hello"), text("l")]), "3");
            assert_eq!(run("str_rfind", &[text("hello"), text("l"), n(2.0)]), "2");
            assert_eq!(run("str_rfind", &[text("hello"), text("l"), n(9.0)]), "-1");
            let replace = |search: &str, replace: &str, subject: &str| {
                run("str_replace", &[text(search), text(replace), text(subject)])
            };
            assert_eq!(replace("a", "bb", "banana"), "bbbnbbnbb");
            assert_eq!(replace("\n.", "\n..", "x\n.y"), "x\n..y");
            assert_eq!(replace("", "x", "abc"), "abc");
            assert_eq!(replace("aa", "a", "aaa"), "aa");
            assert_eq!(run("str_repeat", &[text("ab"), n(3.0)]), "ababab");
            assert_eq!(run("str_lower", &[text("\u{c5}BC")]), "\u{c5}bc");
            assert_eq!(run("str_upper", &[text("\u{e5}bc")]), "\u{e5}BC");
            assert_eq!(run("chr", &[n(65.0)]), "A");
            assert_eq!(run("ord", &[text("A")]), "65");
            assert!(run("ord", &[text("")]).contains("must be at least one"));
        });
    }

    #[test]
    fn long_work_is_paid_for() {
        on_heap(|| {
            let repeat = |times| {
                let builtin = crate::builtins::builtin("str_repeat").expect("there");
                let mut bench = crate::builtins::call::tests::bench();
                bench.fuel = 100_000;
                let arguments = [text("x".repeat(100)), n(times)];
                crate::builtins::call::tests::shown(builtin.invoke(&arguments, &mut bench))
            };
            let (unpaid, too_long) = (repeat(1e5), repeat(1e7));
            assert!(unpaid.contains("units of fuel"), "{unpaid:.99}");
            assert!(too_long.contains("exceeds"), "{too_long:.99}");
        });
    }

    proptest! {
        #[test]
        fn cuts_are_where_the_octet_is(
            subject in proptest::collection::vec(prop_oneof![Just(0x20_u8), Just(0xA0), Just(0x21), any::<u8>()], 0..80),
            octet in prop_oneof![Just(0x20_u8), Just(0xA0), any::<u8>()],
            cuts_max in prop_oneof![Just(usize::MAX), 0..20_usize],
        ) {
            let expected: Vec<usize> = memchr::memchr_iter(octet, &subject).take(cuts_max).collect();
            assert_eq!(octet_cuts(&subject, octet, cuts_max).to_vec(), expected);
        }

        #[test]
        fn splitting_and_joining_gives_the_string_back(
            subject in "[ab,]{0,40}",
            delimiter in "[ab,]{1,2}",
            limit in -4..5_i32,
        ) {
            on_heap(|| {
                let arguments = [text(&subject), text(&delimiter), n(f64::from(limit))];
                let builtin = crate::builtins::builtin("str_split").expect("there");
                let mut bench = crate::builtins::call::tests::bench();
                let parts = builtin.invoke(&arguments, &mut bench).expect("fits");
                let count = parts.as_array().expect("array").len();
                assert!(limit == 0 || count <= limit.unsigned_abs() as usize);
                assert_eq!(run("array_join", &[parts, text(&delimiter)]), subject);
            });
        }
    }
}
