//! What the chapter "DNS" has that needs no network: names as text.

use super::{Builtin, Call, Unwind, required};
use crate::runtime::{Kinds, Value};

const STRING: Kinds = Kinds::STRING;
const BOTH: &[super::Parameter] = &[required("subdomain", STRING), required("domain", STRING)];

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
];

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
}
