//! What the chapter "DNS" has that needs no network: names as text.
//!
//! RFC 5890 to 5895 (IDNA2008), Unicode TS #46 without its transitional mappings.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::{Builtin, Call, Unwind, required};
use crate::runtime::{Kinds, Value};

const STRING: Kinds = Kinds::STRING;
const BOTH: &[super::Parameter] = &[required("subdomain", STRING), required("domain", STRING)];

const DOMAIN: &[super::Parameter] = &[required("domain", STRING)];
const TEXT: Kinds = STRING.or(Kinds::NONE);

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("domain_includes", BOTH, Kinds::BOOLEAN, domain_includes)
        .says("whether a name is the domain or below it; only below it if the domain begins with a dot")
        .shown(&[
            ("domain_includes(\"www.halon.io\", \"halon.io\")", "true"),
            ("domain_includes(\"halon.io\", \".halon.io\")", "false"),
        ]),
    Builtin::pure("is_subdomain", BOTH, Kinds::BOOLEAN, domain_includes)
        .says("domain_includes()")
        .shown(&[("is_subdomain(\"www.halon.io\", \".halon.io\")", "true")]),
    Builtin::pure("idna_encode", DOMAIN, TEXT, idna_encode)
        .says("the domain in ASCII; none if it cannot be a domain")
        .shown(&[("idna_encode(\"fu\\xc3\\x9fball.example\")", "xn--fuball-cta.example")]),
    Builtin::pure("idna_decode", DOMAIN, TEXT, idna_decode)
        .says("the domain in Unicode; none if it cannot be a domain")
        .shown(&[("idna_decode(\"xn--fuball-cta.example\") == \"fu\\xc3\\x9fball.example\"", "true")]),
];

/// The longest domain that is converted, in octets. One of 253 characters in ASCII has at most as many in Unicode, of four
/// octets each.
const DOMAIN_OCTETS_MAX: usize = 1_012;

/// What no label has: all of ASCII but letters, digits, hyphens, and the underscores of names like `_dmarc`. Letters that
/// Unicode takes for one of them are none either.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// The text of an argument that may be a domain.
fn domain<'a>(call: &mut Call<'a>) -> Result<Option<&'a str>, Unwind> {
    let octets = call.octets(0);
    call.charge(octets.len().min(DOMAIN_OCTETS_MAX))?;
    let text = std::str::from_utf8(octets).ok();
    Ok(text.filter(|text| text.len() <= DOMAIN_OCTETS_MAX))
}

fn idna_encode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let encoded = domain(call)?.and_then(to_ascii);
    value_or_none(encoded.as_deref())
}

fn idna_decode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let decoded = domain(call)?.and_then(|domain| {
        // Only in ASCII are labels too long.
        let domain = to_ascii(domain)?;
        let domain = domain.as_bytes();
        let (decoded, result) = Uts46::new().to_unicode(domain, DENIED, Hyphens::Allow);
        result.ok().map(|()| decoded.into_owned())
    });
    value_or_none(decoded.as_deref())
}

fn to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    let length = DnsLength::VerifyAllowRootDot;
    let encoded = Uts46::new().to_ascii(domain.as_bytes(), DENIED, Hyphens::Allow, length);
    encoded.ok()
}

fn value_or_none(text: Option<&str>) -> Result<Value, Unwind> {
    match text {
        Some(text) => Ok(Value::string(text.as_bytes())?),
        None => Ok(Value::NONE),
    }
}

fn domain_includes(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (name, domain) = (call.octets(0), call.octets(1));
    call.charge_octets(name.len())?;
    let (parent, itself) = match domain.strip_prefix(b".") {
        Some(parent) => (parent, false),
        None => (domain, true),
    };
    let included = match name.len().checked_sub(parent.len()) {
        None => false,
        Some(0) => itself && name.eq_ignore_ascii_case(parent),
        Some(cut) => name[cut - 1] == b'.' && name[cut..].eq_ignore_ascii_case(parent),
    };
    Ok(Value::boolean(included))
}

#[cfg(test)]
mod tests {
    use crate::builtins::call::tests::{on_heap, run, text};

    #[test]
    fn domains_include_what_is_below_them() {
        on_heap(|| {
            let table = [
                ("www.halon.io", "halon.io", "true"),
                ("halon.io", "halon.io", "true"),
                ("www.halon.io", ".halon.io", "true"),
                ("halon.io", ".halon.io", "false"),
                ("WWW.Halon.IO", "halon.io", "true"),
                ("nothalon.io", "halon.io", "false"),
                ("nothalon.io", ".halon.io", "false"),
                ("io", "halon.io", "false"),
                ("", "halon.io", "false"),
            ];
            for (name, domain, expected) in table {
                for function in ["domain_includes", "is_subdomain"] {
                    let found = run(function, &[text(name), text(domain)]);
                    assert_eq!(found, expected, "{name} in {domain}");
                }
            }
        });
    }

    #[test]
    fn domains_are_converted_or_none() {
        on_heap(|| {
            let table = [
                ("fu\u{df}ball.example", "xn--fuball-cta.example"),
                ("b\u{fc}cher.example", "xn--bcher-kva.example"),
                ("example.com", "example.com"),
                ("\u{4f8b}\u{3048}.jp", "xn--r8jz45g.jp"),
            ];
            for (unicode, ascii) in table {
                assert_eq!(run("idna_encode", &[text(unicode)]), ascii);
                assert_eq!(run("idna_decode", &[text(ascii)]), unicode);
            }
            assert_eq!(run("idna_encode", &[text("Example.COM")]), "example.com");
            assert_eq!(run("idna_decode", &[text("xn--\u{0}")]), "none");
            assert_eq!(run("idna_decode", &[text("xn--a-\u{fc}")]), "none");
            assert_eq!(run("idna_encode", &[text(b"\xFF")]), "none");
            assert_eq!(run("idna_encode", &[text("a".repeat(2_000))]), "none");
        });
    }

    #[test]
    fn what_cannot_be_a_domain_is_none() {
        on_heap(|| {
            let long = format!("{}.example", "a".repeat(64));
            let umlauts = format!("{}.example", "\u{fc}".repeat(63));
            let refused = [
                "",
                "a..b",
                ".a",
                "a b",
                "a\r\nb",
                "a@b",
                "a/b",
                "a\0",
                "a\u{ff20}b",
                "a\u{ff0f}b.example",
                &long,
                &umlauts,
            ];
            for domain in refused {
                for function in ["idna_encode", "idna_decode"] {
                    assert_eq!(
                        run(function, &[text(domain)]),
                        "none",
                        "{function} {domain}"
                    );
                }
            }
            let table = [
                (
                    "_dmarc.b\u{fc}cher.example.",
                    "_dmarc.xn--bcher-kva.example.",
                ),
                ("r3---sn-abc.example", "r3---sn-abc.example"),
            ];
            for (unicode, ascii) in table {
                assert_eq!(run("idna_encode", &[text(unicode)]), ascii);
                assert_eq!(run("idna_decode", &[text(ascii)]), unicode);
            }
        });
    }
}
