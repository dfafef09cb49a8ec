//! What the chapter "DNS" has that needs no network: names as text.
//!
//! RFC 5890 to 5895 (IDNA2008), Unicode TS #46 without its transitional mappings.

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
        .shown(&[("idna_encode(\"fu\u{df}ball.example\")", "xn--fuball-cta.example")]),
    Builtin::pure("idna_decode", DOMAIN, TEXT, idna_decode)
        .says("the domain in Unicode; none if it cannot be a domain")
        .shown(&[("idna_decode(\"xn--fuball-cta.example\")", "fu\u{df}ball.example")]),
];

/// The longest domain that is converted, in octets. One of 253 characters in ASCII has at most as many in Unicode, of four
/// octets each.
const DOMAIN_OCTETS_MAX: usize = 1_012;

/// The text of an argument that may be a domain.
fn domain<'a>(call: &mut Call<'a>) -> Result<Option<&'a str>, Unwind> {
    let octets = call.octets(0);
    call.charge(octets.len().min(DOMAIN_OCTETS_MAX))?;
    let text = std::str::from_utf8(octets).ok();
    Ok(text.filter(|text| text.len() <= DOMAIN_OCTETS_MAX))
}

fn idna_encode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let encoded = domain(call)?.and_then(|domain| idna::domain_to_ascii(domain).ok());
    value_or_none(encoded)
}

fn idna_decode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let decoded = domain(call)?.and_then(|domain| {
        let (decoded, result) = idna::domain_to_unicode(domain);
        result.ok().map(|()| decoded)
    });
    value_or_none(decoded)
}

fn value_or_none(text: Option<String>) -> Result<Value, Unwind> {
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
}
