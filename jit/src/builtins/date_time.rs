//! The functions of the chapter "Date and time", but for `sleep`, which parks the script and belongs to the host.
//!
//! All clocks are the machine's. Dates are those of UTC; names of days and months are English, as in the C locale.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::{Builtin, Call, Unwind, optional, required};
use crate::runtime::{Kinds, Value};

const NUMBER: Kinds = Kinds::NUMBER;
const STRING: Kinds = Kinds::STRING;

/// The greatest length of a formatted time.
const TEXT_LENGTH_MAX: usize = 100;
/// The greatest length of a format or date; what is longer cannot give a text of 100 octets of sense.
const FORMAT_LENGTH_MAX: usize = 1024;

/// The function that asks how long the script has been running.
pub(crate) const EXECUTION_TIME: &str = "executiontime";

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::impure(EXECUTION_TIME, &[], NUMBER, |call| {
        Ok(Value::number(call.machine.execution_time()))
    })
    .says("seconds since the script began")
    .shown(&[("executiontime() < 60", "true")]),
    Builtin::impure("time", &[], NUMBER, |call| Ok(Value::number(call.machine.time())))
        .says("seconds since 1970-01-01T00:00:00Z")
        .shown(&[("is_number(time())", "true")]),
    Builtin::impure("timelocal", &[], NUMBER, timelocal)
        .says("time() plus what local time is ahead of UTC")
        .shown(&[("abs(timelocal() - time()) < 100000", "true")]),
    Builtin::impure("uptime", &[], NUMBER, |call| Ok(Value::number(call.machine.uptime())))
        .says("seconds since the system started")
        .shown(&[("0 <= uptime()", "true")]),
    Builtin::impure(
        "strftime",
        &[required("format", STRING), optional("time", NUMBER)],
        STRING,
        strftime,
    )
    .says("a time, now unless it is given, as the format says; at most 100 octets")
    .fails(&[
        "if the format is not UTF-8, has more than 1024 octets or a conversion that there is not",
        "if the result has more than 100 octets",
        "if the time is not in the years -9999 to 9999",
    ])
    .shown(&[
        ("strftime(\"%Y-%m-%d %H:%M:%S\", 0)", "1970-01-01 00:00:00"),
        ("strftime(\"%Y-%m-%d\", 1551830400)", "2019-03-06"),
    ]),
    Builtin::impure(
        "strptime",
        &[required("datestring", STRING), required("format", STRING)],
        NUMBER.or(Kinds::NONE),
        strptime,
    )
    .says("the time a text means by a format; the date is today's if it has none; none if it does not fit")
    .fails(&["if the format is not UTF-8 or has more than 1024 octets"])
    .shown(&[("strptime(\"2019-03-06\", \"%Y-%m-%d\")", "1551830400")]),
];

fn timelocal(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let now = call.machine.time();
    Ok(Value::number(now + call.machine.utc_offset(now)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "casts from doubles saturate"
)]
fn timestamp(seconds: f64) -> Option<Timestamp> {
    let whole = seconds.floor();
    let nanoseconds = ((seconds - whole) * 1e9) as i32;
    Timestamp::new(whole as i64, nanoseconds.clamp(0, 999_999_999)).ok()
}

fn strftime(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let format = format_text(call, 0)?;
    let seconds = match call.opt_number(1) {
        Some(seconds) => seconds,
        None => call.machine.time(),
    };
    let Some(time) = timestamp(seconds) else {
        return Err(call.refuse(1, "a time in the years -9999 to 9999"));
    };
    let broken_down = strtime::BrokenDownTime::from(&time.to_zoned(TimeZone::UTC));
    match broken_down.to_string(expanded(&format)) {
        Ok(text) if text.len() <= TEXT_LENGTH_MAX => Ok(Value::string(text.as_bytes())?),
        Ok(_) => Err(call.refuse(0, "a format whose result is at most 100 octets long")),
        Err(_) => Err(call.refuse(0, "made of conversions strftime knows")),
    }
}

fn strptime(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let format = format_text(call, 1)?;
    let text = call.octets(0);
    let now = call.machine.time();
    if text.len() > FORMAT_LENGTH_MAX {
        return Ok(Value::NONE);
    }
    let parsed = strtime::BrokenDownTime::parse(expanded(&format), text);
    let seconds = parsed.ok().and_then(|parsed| seconds_of(&parsed, now));
    Ok(seconds.map_or(Value::NONE, Value::number))
}

/// The time a parsed text means: an instant if it has an offset, otherwise UTC, today and midnight where it says nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of 19,999 years are below 2^53"
)]
fn seconds_of(parsed: &strtime::BrokenDownTime, now: f64) -> Option<f64> {
    if let Ok(instant) = parsed.to_timestamp() {
        return Some(instant.as_second() as f64);
    }
    let date = match parsed.to_date() {
        Ok(date) => date,
        Err(_) if parsed.day().is_none() && parsed.month().is_none() => {
            timestamp(now)?.to_zoned(TimeZone::UTC).date()
        }
        Err(_) => return None,
    };
    let time = parsed.to_time().unwrap_or(Time::midnight());
    let zoned = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second() as f64)
}

fn format_text(call: &Call<'_>, position: usize) -> Result<String, Unwind> {
    let octets = call.octets(position);
    match std::str::from_utf8(octets) {
        Ok(text) if text.len() <= FORMAT_LENGTH_MAX => Ok(text.to_owned()),
        _ => Err(call.refuse(position, "UTF-8 of at most 1024 octets")),
    }
}

/// The format with the conversions that depend on a locale spelt out as the C locale has them.
fn expanded(format: &str) -> String {
    let mut result = String::with_capacity(format.len());
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            result.push(character);
            continue;
        }
        match characters.next() {
            Some('c') => result.push_str("%a %b %e %H:%M:%S %Y"),
            Some('x' | 'D') => result.push_str("%m/%d/%y"),
            Some('X') => result.push_str("%H:%M:%S"),
            Some('r') => result.push_str("%I:%M:%S %p"),
            Some('v') => result.push_str("%e-%b-%Y"),
            Some('+') => result.push_str("%a %b %e %H:%M:%S %Z %Y"),
            Some(other) => result.extend(['%', other]),
            None => result.push_str("%%"),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::call::tests::{on_heap, run, text};

    fn n(number: f64) -> Value {
        Value::number(number)
    }

    #[test]
    fn clocks_are_the_machines() {
        on_heap(|| {
            assert_eq!(run("time", &[]), "1551830400.25");
            assert_eq!(run("timelocal", &[]), "1551834000.25");
            assert_eq!(run("uptime", &[]), "12.5");
            assert_eq!(run("executiontime", &[]), "0.125");
        });
    }

    #[test]
    fn times_are_formatted_in_utc() {
        on_heap(|| {
            let table = [
                ("%Y-%m-%d %H:%M:%S", 0.0, "1970-01-01 00:00:00"),
                ("%Y-%m-%d", 1_551_830_400.0, "2019-03-06"),
                (
                    "%a, %d %b %Y %T %z",
                    1_551_874_215.9,
                    "Wed, 06 Mar 2019 12:10:15 +0000",
                ),
                ("%c", 1_551_830_400.0, "Wed Mar  6 00:00:00 2019"),
                (
                    "%D %x %X %r",
                    1_551_830_400.0,
                    "03/06/19 03/06/19 00:00:00 12:00:00 AM",
                ),
                ("%s %j %u %% \u{e5}", 86_400.0, "86400 002 5 % \u{e5}"),
                ("%H:%M", -60.0, "23:59"),
            ];
            for (format, time, expected) in table {
                assert_eq!(
                    run("strftime", &[text(format), n(time)]),
                    expected,
                    "{format}"
                );
            }
            assert_eq!(run("strftime", &[text("%F")]), "2019-03-06");
            let long = run("strftime", &[text("x".repeat(101)), n(0.0)]);
            assert!(long.contains("at most 100 octets"), "{long}");
            assert!(run("strftime", &[text("%!"), n(0.0)]).contains("conversions"));
            assert!(run("strftime", &[text("%Y"), n(1e300)]).contains("must be"));
        });
    }

    #[test]
    fn texts_are_read_as_times() {
        on_heap(|| {
            let read = |date: &str, format: &str| run("strptime", &[text(date), text(format)]);
            assert_eq!(read("2019-03-06", "%Y-%m-%d"), "1551830400");
            assert_eq!(read("13:58:38", "%H:%M:%S"), "1551880718", "today");
            assert_eq!(
                read("06 Mar 2019 12:10:15 +0100", "%d %b %Y %T %z"),
                "1551870615"
            );
            assert_eq!(read("2019-13-06", "%Y-%m-%d"), "none");
            assert_eq!(read("nonsense", "%Y"), "none");
        });
    }
}
