//! The functions of the chapter "Regular expression", and the operators `=~` and `!~`.
//!
//! Patterns are PCRE2's, compiled to machine code by PCRE2 where it can, once per thread: a bounded table keeps them, so
//! that a literal pattern costs a look-up and patterns made at run time can't fill the memory. A match takes a bounded
//! number of steps whatever pattern and subject; beyond it the script fails.
//!
//! HSL manual: operators, "Regular expression", "Pattern modifiers"; functions, "Regular expression".

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pcre2::bytes::{CaptureLocations, Captures, Regex, RegexBuilder};

use super::memo::Memo;
use super::{Builtin, Call, Unwind, optional, required};
use crate::error::ErrorKind;
use crate::runtime::number::to_count;
use crate::runtime::{HslString, Key, Kinds, StringBuilder, Value, convert};

const STRING: Kinds = Kinds::STRING;
const MATCH: &[super::Parameter] = &[required("pattern", STRING), required("subject", STRING)];

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("pcre_match", MATCH, Kinds::ARRAY, pcre_match)
        .says("the first match: the whole, then its groups, by number and by name; [] when there is none")
    .fails(&[
        "if the pattern is wrong, or is for UTF-8 and the subject is not",
        "if a match takes too many steps",
    ])
        .shown(&[("pcre_match(\"b(.)\", \"abc\")", "[0=>\"bc\",1=>\"c\"]")]),
    Builtin::pure("pcre_match_all", MATCH, Kinds::ARRAY, pcre_match_all)
        .says("every match, by group: the wholes, then each group, by number and by name")
    .fails(&[
        "if the pattern is wrong, or is for UTF-8 and the subject is not",
        "if a match takes too many steps",
    ])
        .shown(&[(
            "pcre_match_all(\"[a-z]([0-9])\", \"a1 b2\")",
            "[0=>[0=>\"a1\",1=>\"b2\"],1=>[0=>\"1\",1=>\"2\"]]",
        )]),
    Builtin::pure("pcre_quote", &[required("string", STRING)], STRING, pcre_quote)
        .says("the string with a backslash before everything that means something in a pattern")
        .shown(&[("pcre_quote(\"a.b\")", "a\\.b")]),
    Builtin::pure(
        "pcre_replace",
        &[
            required("pattern", STRING),
            required("replace", STRING.or(Kinds::FUNCTION)),
            required("subject", STRING),
            optional("limit", Kinds::NUMBER),
        ],
        STRING,
        pcre_replace,
    )
    .says("the subject with matches replaced by a text with $0 to $n in it, or by what a function makes of them")
    .fails(&[
        "if the pattern is wrong, or is for UTF-8 and the subject is not",
        "if a match takes too many steps",
        "if the function does",
    ])
    .shown(&[("pcre_replace(\"\\\\d\", \"($0)\", \"foo1bar2baz\")", "foo(1)bar(2)baz")]),
];

/// The steps one match may take: PCRE2's own measure, a few million a second.
pub(crate) const MATCH_STEPS_MAX: u32 = 200_000;

/// Patterns a thread keeps compiled.
const PATTERNS_KEPT_MAX: usize = 256;

/// A pattern that can be matched.
struct Compiled {
    regex: Regex,
    /// Where the groups of a match are, for one match at a time.
    locations: RefCell<CaptureLocations>,
}

thread_local! {
    static PATTERNS: RefCell<HashMap<Box<[u8]>, Rc<Compiled>>> = RefCell::new(HashMap::new());
    /// The patterns used last, found by the string that has them.
    static RECENT: &'static Memo<Result<Rc<Compiled>, ErrorKind>> = Memo::leaked();
}

/// Whether the pattern on the right of `=~` or `!~` matches somewhere in the text on its left.
///
/// # Errors
///
/// When one is no string, the pattern is wrong or the match takes too many steps.
pub(crate) fn matches(
    operator: &'static str,
    left: &Value,
    right: &Value,
) -> Result<bool, ErrorKind> {
    match (left.as_octets(), right.as_string()) {
        (Some(subject), Some(pattern)) => compiled_of(pattern)?
            .regex
            .is_match(subject)
            .map_err(|error| fault(&error)),
        _ => Err(ErrorKind::Operator {
            operator,
            left: left.kind(),
            right: right.kind(),
        }),
    }
}

/// Why a pattern can't be one; `None` when it can.
#[must_use]
pub(crate) fn pattern_fault(pattern: &[u8]) -> Option<String> {
    // Machine code would be of no use: it is built where the script runs.
    match build(pattern, false) {
        Ok(_) => None,
        Err(ErrorKind::Pattern { fault }) => Some(fault.into()),
        Err(other) => Some(other.to_string()),
    }
}

/// The pattern in a string, compiled.
fn compiled_of(pattern: &HslString) -> Result<Rc<Compiled>, ErrorKind> {
    RECENT.with(|recent| recent.of(pattern, compiled, Clone::clone))
}

fn compiled(pattern: &[u8]) -> Result<Rc<Compiled>, ErrorKind> {
    if let Some(known) = PATTERNS.with_borrow(|patterns| patterns.get(pattern).cloned()) {
        return Ok(known);
    }
    let regex = build(pattern, true)?;
    let locations = RefCell::new(regex.capture_locations());
    let regex = Rc::new(Compiled { regex, locations });
    PATTERNS.with_borrow_mut(|patterns| {
        if patterns.len() >= PATTERNS_KEPT_MAX {
            patterns.clear();
        }
        patterns.insert(pattern.into(), Rc::clone(&regex));
    });
    Ok(regex)
}

fn build(pattern: &[u8], is_run: bool) -> Result<Regex, ErrorKind> {
    let (body, modifiers) = modifiers(pattern);
    let mut builder = RegexBuilder::new();
    builder.jit_if_available(is_run);
    let mut ungreedy = false;
    let mut utf = false;
    for modifier in modifiers {
        match modifier {
            b'i' => builder.caseless(true),
            b'm' => builder.multi_line(true),
            b's' => builder.dotall(true),
            b'x' => builder.extended(true),
            b'u' => {
                utf = true;
                builder.utf(true)
            }
            b'U' => {
                ungreedy = true;
                &mut builder
            }
            // X: what PCRE called extra is how PCRE2 always is.
            _ => &mut builder,
        };
    }
    let text = source(body, utf)?;
    let greed = if ungreedy { "(?U)" } else { "" };
    let limit = format!("(*LIMIT_MATCH={MATCH_STEPS_MAX}){greed}");
    builder
        .build(&format!("{limit}{text}"))
        .map_err(|error| ErrorKind::Pattern {
            fault: located(&error, limit.len()).into(),
        })
}

/// What is wrong with a pattern, and where: PCRE2 counts from what was put before it.
fn located(error: &pcre2::Error, before: usize) -> String {
    let text = error.to_string();
    match error.offset() {
        Some(offset) => text.replace(
            &format!("at offset {offset}"),
            &format!("at offset {}", offset.saturating_sub(before)),
        ),
        None => text,
    }
}

/// The pattern and its modifiers: `/pattern/modifiers`, or all of it without.
fn modifiers(pattern: &[u8]) -> (&[u8], &[u8]) {
    let Some(inner) = pattern.strip_prefix(b"/") else {
        return (pattern, b"");
    };
    let Some(end) = memchr::memrchr(b'/', inner) else {
        return (pattern, b"");
    };
    let (body, rest) = (&inner[..end], &inner[end + 1..]);
    if rest.iter().all(|modifier| b"imusxUX".contains(modifier)) {
        (body, rest)
    } else {
        (pattern, b"")
    }
}

/// The pattern as text. An octet that is no UTF-8 is written as an escape, which means the same octet.
fn source(pattern: &[u8], utf: bool) -> Result<String, ErrorKind> {
    match std::str::from_utf8(pattern) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if utf => Err(ErrorKind::Pattern {
            fault: "pattern is not UTF-8".into(),
        }),
        Err(_) => Ok(pattern
            .iter()
            .map(|octet| match octet {
                0x80.. => format!("\\x{octet:02x}"),
                _ => char::from(*octet).to_string(),
            })
            .collect()),
    }
}

/// A failed match. Subjects that are not UTF-8 fail with the modifier `u`; everything else is a limit.
fn fault(error: &pcre2::Error) -> ErrorKind {
    let text = error.to_string();
    if text.contains("limit") {
        return ErrorKind::MatchSteps {
            limit: MATCH_STEPS_MAX,
        };
    }
    ErrorKind::Pattern { fault: text.into() }
}

fn charge(call: &mut Call<'_>, position: usize) -> Result<(), Unwind> {
    call.charge_octets(call.octets(position).len())
}

/// The pattern of a call, which is its first argument.
fn pattern(call: &Call<'_>) -> Result<Rc<Compiled>, Unwind> {
    match call.value(0).as_string() {
        Some(pattern) => Ok(compiled_of(pattern)?),
        None => Err(call.refuse(0, "a string")),
    }
}

fn group(captures: &Captures<'_>, index: usize) -> Result<Value, ErrorKind> {
    Value::string(
        captures
            .get(index)
            .map_or(&b""[..], |found| found.as_bytes()),
    )
}

fn pcre_match(call: &mut Call<'_>) -> Result<Value, Unwind> {
    charge(call, 1)?;
    let compiled = pattern(call)?;
    let (regex, subject) = (&compiled.regex, call.octets(1));
    let mut locations = compiled.locations.borrow_mut();
    let found = regex.captures_read(&mut locations, subject);
    if found.map_err(|error| fault(&error))?.is_none() {
        return Ok(Value::array()?);
    }
    let names = regex.capture_names();
    let mut result = Value::array_with_capacity(names.len())?;
    let array = result.array_mut()?;
    for (index, name) in names.iter().enumerate() {
        let part = locations
            .get(index)
            .map(|(start, end)| &subject[start..end]);
        let value = Value::string(part.unwrap_or_default())?;
        if name.is_none() && array.is_packed() {
            // No group before it has a name, so that its number is that of the next element.
            array.append(value)?;
            continue;
        }
        if let Some(name) = name {
            array.set(Key::of(name.as_bytes()), value.clone())?;
        }
        array.set(Key::at(index), value)?;
    }
    Ok(result)
}

fn pcre_match_all(call: &mut Call<'_>) -> Result<Value, Unwind> {
    charge(call, 1)?;
    let compiled = pattern(call)?;
    let (regex, subject) = (&compiled.regex, call.octets(1));
    let names = regex.capture_names();
    let mut columns = names
        .iter()
        .map(|_| Value::array())
        .collect::<Result<Vec<_>, _>>()?;
    for captures in regex.captures_iter(subject) {
        call.charge(1)?;
        let captures = captures.map_err(|error| fault(&error))?;
        for (index, column) in columns.iter_mut().enumerate() {
            let value = group(&captures, index)?;
            column.array_mut()?.append(value)?;
        }
    }
    let mut result = Value::array()?;
    if columns
        .first()
        .and_then(Value::as_array)
        .is_none_or(|column| column.is_empty())
    {
        return Ok(result);
    }
    for (index, (name, column)) in names.iter().zip(columns).enumerate() {
        let array = result.array_mut()?;
        if let Some(name) = name {
            array.set(Key::of(name.as_bytes()), column.clone())?;
        }
        array.set(Key::at(index), column)?;
    }
    Ok(result)
}

fn pcre_quote(call: &mut Call<'_>) -> Result<Value, Unwind> {
    charge(call, 0)?;
    let octets = call.octets(0);
    let mut quoted = StringBuilder::new(octets.len())?;
    for octet in octets {
        match octet {
            0 => quoted.push(b"\\000")?,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80.. => quoted.push(&[*octet])?,
            _ => quoted.push(&[b'\\', *octet])?,
        }
    }
    Ok(quoted.finish())
}

fn pcre_replace(call: &mut Call<'_>) -> Result<Value, Unwind> {
    charge(call, 2)?;
    let compiled = pattern(call)?;
    let (regex, subject) = (&compiled.regex, call.octets(2));
    let limit = match call.opt_number(3).map_or(0, to_count) {
        0 => usize::MAX,
        limit => limit,
    };
    let mut result = StringBuilder::new(subject.len())?;
    let mut copied = 0;
    for captures in regex.captures_iter(subject).take(limit) {
        call.charge(1)?;
        let captures = captures.map_err(|error| fault(&error))?;
        let Some(whole) = captures.get(0) else {
            continue;
        };
        result.push(&subject[copied..whole.start()])?;
        if call.is_function(1) {
            let replaced = callback(call, &captures, regex.captures_len())?;
            result.push(convert::text(&replaced)?.octets())?;
        } else {
            expand(call.octets(1), &captures, &mut result)?;
        }
        copied = whole.end();
    }
    result.push(&subject[copied..])?;
    Ok(result.finish())
}

/// What the function makes of one match.
fn callback(call: &mut Call<'_>, captures: &Captures<'_>, groups: usize) -> Result<Value, Unwind> {
    let groups = (0..groups)
        .map(|index| group(captures, index))
        .collect::<Result<Vec<_>, _>>()?;
    let argument = Value::array_of(groups)?;
    call.machine
        .invoke(call.value(1), std::slice::from_ref(&argument))
}

/// Writes a replacement: `$n` is the text of group n, empty when there is none; everything else is itself.
fn expand(
    replacement: &[u8],
    captures: &Captures<'_>,
    result: &mut StringBuilder,
) -> Result<(), ErrorKind> {
    let mut rest = replacement;
    while let Some(dollar) = memchr::memchr(b'$', rest) {
        let digits = rest[dollar + 1..]
            .iter()
            .take(2)
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        let (text, after) = rest.split_at(dollar + 1 + digits);
        if digits == 0 {
            result.push(text)?;
        } else {
            result.push(&text[..dollar])?;
            let index = text[dollar + 1..]
                .iter()
                .fold(0, |index, digit| index * 10 + usize::from(digit - b'0'));
            if let Some(found) = captures.get(index) {
                result.push(found.as_bytes())?;
            }
        }
        rest = after;
    }
    result.push(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &[u8], subject: &[u8]) -> Result<bool, ErrorKind> {
        let compiled = compiled(pattern)?;
        let found = compiled.regex.is_match(subject);
        found.map_err(|error| fault(&error))
    }

    #[test]
    fn modifiers_stand_behind_the_last_slash() {
        assert_eq!(modifiers(b"/a/b/i"), (&b"a/b"[..], &b"i"[..]));
        assert_eq!(modifiers(b"/usr/bin"), (&b"/usr/bin"[..], &b""[..]));
        assert_eq!(modifiers(b"abc"), (&b"abc"[..], &b""[..]));
        assert!(is_match(b"/HALON/i", b"halon").expect("a pattern"));
        assert!(is_match(b"/^b$/m", b"a\nb\nc").expect("a pattern"));
        assert!(!is_match(b"^b$", b"a\nb\nc").expect("a pattern"));
        assert!(is_match(b"/a b/x", b"ab").expect("a pattern"));
    }

    #[test]
    fn octets_that_are_no_text_match_themselves() {
        assert!(is_match(b"\xff+", b"a\xff\xffb").expect("a pattern"));
        assert!(is_match("/^.$/u".as_bytes(), "\u{e5}".as_bytes()).expect("a pattern"));
        assert!(!is_match(b"^.$", "\u{e5}".as_bytes()).expect("a pattern"));
    }

    #[test]
    fn a_catastrophic_pattern_ends_in_an_error() {
        let subject = [b"a".repeat(40), b"!".to_vec()].concat();
        let error =
            is_match(b"^(a|aa|a?)+(a|aa|a?)+(a|b|ab)+$", &subject).expect_err("too many steps");
        assert_eq!(
            error,
            ErrorKind::MatchSteps {
                limit: MATCH_STEPS_MAX
            }
        );
    }

    #[test]
    fn a_wrong_pattern_says_what_is_wrong() {
        let error = is_match(b"a(b", b"").expect_err("no pattern");
        assert!(matches!(error, ErrorKind::Pattern { .. }));
        assert!(pattern_fault(b"[a").is_some());
        assert_eq!(pattern_fault(b"[a]"), None);
    }

    #[test]
    fn the_table_of_patterns_is_bounded() {
        for number in 0..2 * PATTERNS_KEPT_MAX {
            let pattern = format!("^{number}$");
            assert!(
                is_match(pattern.as_bytes(), number.to_string().as_bytes()).expect("a pattern")
            );
        }
        assert!(PATTERNS.with_borrow(HashMap::len) <= PATTERNS_KEPT_MAX);
    }
}
