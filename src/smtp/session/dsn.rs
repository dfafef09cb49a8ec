//! The parameters of delivery status notifications.
//!
//! In: parameters of MAIL and RCPT. Out: whether their values are well-formed; the values stay with the envelope, as
//! sent. Guarantees: what is accepted can be passed on as it is. Does not: send notifications.
//!
//! RFC 3461 §4 (xtext), §4.1 (NOTIFY), §4.2 (ORCPT), §4.3 (RET), §4.4 (ENVID); RFC 6533 §3 (addresses of type `utf-8`).
//! Deviation: where SMTPUTF8 is declared, an address of any type may be UTF-8, as it is or in xtext; Postfix sends
//! `rfc822;` and xtext of UTF-8 for recipients that came to it without ORCPT.

use crate::limits;
use crate::smtp::command::Parameter;

/// `"FULL" / "HDRS"`, in any case.
pub(super) fn ret_value(parameter: &Parameter<'_>) -> Option<()> {
    let value = parameter.value?;
    let is = |word: &[u8]| value.eq_ignore_ascii_case(word);
    (is(b"FULL") || is(b"HDRS")).then_some(())
}

/// `xtext`, of printable octets.
pub(super) fn envid_value(parameter: &Parameter<'_>) -> Option<()> {
    let value = parameter.value?;
    (value.len() <= limits::ENVID_OCTETS_MAX && is_xtext(value)).then_some(())
}

/// `"NEVER"`, or a list of `"SUCCESS" / "FAILURE" / "DELAY"`, each at most once, in any case.
pub(super) fn notify_value(parameter: &Parameter<'_>) -> Option<()> {
    let value = parameter.value?;
    if value.eq_ignore_ascii_case(b"NEVER") {
        return Some(());
    }
    let mut seen = [false; NOTIFY_EVENTS.len()];
    for word in value.split(|octet| *octet == b',') {
        let index = NOTIFY_EVENTS
            .iter()
            .position(|event| word.eq_ignore_ascii_case(event))?;
        let place = seen.get_mut(index)?;
        if std::mem::replace(place, true) {
            return None;
        }
    }
    Some(())
}

/// `addr-type ";" xtext`, where an addr-type is an atom.
pub(super) fn orcpt_value(parameter: &Parameter<'_>) -> Option<()> {
    is_xtext(original_recipient(parameter)?).then_some(())
}

/// The same in a transaction that has declared SMTPUTF8: the address may be UTF-8, as it is or in xtext.
pub(super) fn orcpt_value_utf8(parameter: &Parameter<'_>) -> Option<()> {
    is_xtext_of_utf8(original_recipient(parameter)?).then_some(())
}

/// The address of an ORCPT value, which is not empty.
fn original_recipient<'line>(parameter: &Parameter<'line>) -> Option<&'line [u8]> {
    let value = parameter.value?;
    let semicolon = memchr::memchr(b';', value)?;
    let (address_type, address) = value.split_at_checked(semicolon)?;
    let address = address.get(1..)?;
    let is_atom = !address_type.is_empty()
        && address_type
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-');
    let fits = value.len() <= limits::ORCPT_OCTETS_MAX && !address.is_empty();
    (is_atom && fits).then_some(address)
}

/// `xtext = *( xchar / hexchar )`: printable octets, of which `+` stands before two digits of base 16, upper case, that
/// mean neither a control character nor, since no address may have one, an octet over 127.
pub(super) fn is_xtext(octets: &[u8]) -> bool {
    let mut rest = octets;
    while !rest.is_empty() {
        rest = match xtext_octet(rest) {
            Some((b' '..=b'~', after)) => after,
            _ => return false,
        };
    }
    true
}

/// Whether `octets`, of a value of ORCPT, mean UTF-8 without control characters.
fn is_xtext_of_utf8(octets: &[u8]) -> bool {
    let mut meant = [0; limits::ORCPT_OCTETS_MAX];
    let mut count = 0;
    let mut rest = octets;
    while !rest.is_empty() {
        let next = match rest {
            [octet @ 0x80..=0xff, after @ ..] => Some((*octet, after)),
            _ => xtext_octet(rest),
        };
        let (Some((octet @ (b' '..=b'~' | 0x80..=0xff), after)), Some(place)) =
            (next, meant.get_mut(count))
        else {
            return false;
        };
        *place = octet;
        count += 1;
        rest = after;
    }
    meant
        .get(..count)
        .is_some_and(|meant| std::str::from_utf8(meant).is_ok())
}

/// What the first `xchar` or `hexchar` means, and what follows it.
const fn xtext_octet(octets: &[u8]) -> Option<(u8, &[u8])> {
    match octets {
        [b'+', high, low, after @ ..] => match (hex_digit(*high), hex_digit(*low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, after)),
            _ => None,
        },
        [
            octet @ (b'!'..=b'*' | b','..=b'<' | b'>'..=b'~'),
            after @ ..,
        ] => Some((*octet, after)),
        _ => None,
    }
}

const fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

const NOTIFY_EVENTS: [&[u8]; 3] = [b"SUCCESS", b"FAILURE", b"DELAY"];

#[cfg(test)]
mod tests {
    use super::{envid_value, is_xtext, notify_value, orcpt_value, orcpt_value_utf8, ret_value};
    use crate::smtp::command::Parameter;

    #[test]
    fn values_follow_their_grammar() {
        type Check = fn(&Parameter<'_>) -> Option<()>;
        let cases: [(Check, &[&str], &[&str]); 5] = [
            (ret_value, &["FULL", "hdrs"], &["BOTH", "FULL,HDRS"]),
            (
                envid_value,
                &["QQ314159", "a+3Db", "+2B"],
                &["A+4", "A+zz", "a+0D", "a+3d"],
            ),
            (
                notify_value,
                &["NEVER", "success", "Success,FAILURE,delay"],
                &["SOMETIMES", "NEVER,SUCCESS", "SUCCESS,", "DELAY,DELAY"],
            ),
            (
                orcpt_value,
                &["rfc822;a+40b@c", "x-y;z"],
                &[
                    "user@example.com",
                    ";a",
                    "rfc822;",
                    "rfc822;a+zz",
                    "r f;a",
                    "rfc822;a+0Ab",
                    "rfc822;+C3+A9@c",
                    "utf-8;\u{e9}@c",
                ],
            ),
            (
                orcpt_value_utf8,
                &[
                    "rfc822;a+40b@c",
                    "rfc822;+C3+A9@c",
                    "utf-8;\\x{E9}@c",
                    "utf-8;\u{e9}+C3+A9@c",
                ],
                &[
                    "user@example.com",
                    "utf-8;",
                    "utf-8;+C3@c",
                    "utf-8;+C0+AF@c",
                    "utf-8;+7F",
                    "utf-8;+0D+0A",
                    "utf-8;a b",
                ],
            ),
        ];
        for (check, right, wrong) in cases {
            let of = |value: &&str| {
                let value = Some(value.as_bytes());
                check(&Parameter {
                    keyword: b"X",
                    value,
                })
                .is_some()
            };
            assert!(right.iter().all(of), "{right:?}");
            assert!(!wrong.iter().any(of), "{wrong:?}");
            assert!(
                check(&Parameter {
                    keyword: b"X",
                    value: None
                })
                .is_none()
            );
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let of = |octets: usize| "e".repeat(octets);
        let check = |value: &str| {
            let value = Some(value.as_bytes());
            envid_value(&Parameter {
                keyword: b"ENVID",
                value,
            })
            .is_some()
        };
        assert!(check(&of(100)) && !check(&of(101)));
        assert!(is_xtext(b"") && !is_xtext(b"a b") && !is_xtext(b"a=b") && !is_xtext(b"\xff\xff"));
    }
}
