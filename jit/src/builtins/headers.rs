//! Header fields as text: the addresses in one, the tags in one. The manual's chapter "Mail".
//!
//! RFC 6376 §3.2 (tag lists): a list with a tag twice is malformed as a whole; folding is undone, blanks inside a value stay.
//! RFC 5322 §3.4 (addresses, groups), §4.4 (routes), §3.2.2 (comments). A semicolon separates addresses as a comma does, as
//! the manual's example has it. Display names, comments and folding are skipped; a quoted local-part keeps its quotes.

use super::{Builtin, BuiltinOption, Call, Unwind, option, optional, required};
use crate::runtime::{Key, Kinds, Value};

const STRING: Kinds = Kinds::STRING;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure(
        "header_addresslist_extract",
        &[required("value", STRING), optional("options", Kinds::ARRAY)],
        Kinds::ARRAY.or(Kinds::NONE),
        header_addresslist_extract,
    )
    .says("the addresses in the value of a header field, or in a whole field with the option field; none if it is malformed")
    .takes(FIELD_OPTION)
    .shown(&[
        (
            "header_addresslist_extract(\"Charlie <charlie@example.org>, james@example.com\")",
            "[0=>\"charlie@example.org\",1=>\"james@example.com\"]",
        ),
        (
            "header_addresslist_extract(\"To: a@example.com\", [\"field\" => true])",
            "[0=>\"a@example.com\"]",
        ),
    ]),
    Builtin::pure(
        "header_dkim_decode",
        &[required("value", STRING), optional("options", Kinds::ARRAY)],
        Kinds::ARRAY.or(Kinds::NONE),
        header_dkim_decode,
    )
    .says("the tags of a tag list by their names, or of a whole header field with the option field; none if it is malformed")
    .takes(FIELD_OPTION)
    .shown(&[(
        "header_dkim_decode(\"v=DMARC1; p=reject; pct=50;\")",
        "[\"v\"=>\"DMARC1\",\"p\"=>\"reject\",\"pct\"=>\"50\"]",
    )]),
];

const FIELD_OPTION: &[BuiltinOption] = &[option(
    "field",
    "the value is a whole field, with its name and a colon; without it false",
)];

/// The value of the first argument, which is a whole field with the option field; none if that has no colon.
fn field_value<'c>(call: &mut Call<'c>) -> Result<Option<&'c [u8]>, Unwind> {
    let octets = call.octets(0);
    call.charge(octets.len() / 8)?;
    if !call.flag(1, "field", false) {
        return Ok(Some(octets));
    }
    let colon = octets.iter().position(|octet| *octet == b':');
    Ok(colon.map(|colon| &octets[colon + 1..]))
}

fn header_dkim_decode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(octets) = field_value(call)? else {
        return Ok(Value::NONE);
    };
    let list = octets.trim_ascii();
    let list = list.strip_suffix(b";").unwrap_or(list);
    let mut tags = Value::array()?;
    for tag in list.split(|octet| *octet == b';') {
        let Some((name, value)) = tag_of(tag) else {
            return Ok(Value::NONE);
        };
        let tags = tags.array_mut()?;
        if tags.get(Key::of(name)).is_some() {
            return Ok(Value::NONE);
        }
        tags.set(
            Key::of(name),
            Value::string(&unfolded(value).collect::<Vec<_>>())?,
        )?;
    }
    Ok(tags)
}

/// `name = value`, without the blanks around both; none if it is no tag.
fn tag_of(tag: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = tag.iter().position(|octet| *octet == b'=')?;
    let name = tag[..equals].trim_ascii();
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
    is_name.then(|| (name, tag[equals + 1..].trim_ascii()))
}

fn header_addresslist_extract(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(octets) = field_value(call)? else {
        return Ok(Value::NONE);
    };
    let mut addresses = Value::array()?;
    let mut reader = Reader { rest: octets };
    loop {
        match reader.next_address() {
            Ok(Some(address)) => addresses.array_mut()?.append(Value::string(&address)?)?,
            Ok(None) => return Ok(addresses),
            Err(Malformed) => return Ok(Value::NONE),
        }
    }
}

/// The text is no list of addresses.
struct Malformed;

/// Walks through a list of addresses.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// The next address; none at the end of the list.
    fn next_address(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        // A display name, a group's name, or a local-part: which of them, what follows it says.
        let mut words = Vec::new();
        let mut is_phrase = false;
        loop {
            self.skip_blanks()?;
            let Some(octet) = self.peek() else {
                return if words.is_empty() {
                    Ok(None)
                } else {
                    Err(Malformed)
                };
            };
            match octet {
                b',' | b';' if words.is_empty() => self.advance(1),
                // The name of a group: its members follow.
                b':' if !words.is_empty() => {
                    self.advance(1);
                    words.clear();
                    is_phrase = false;
                }
                b'<' => {
                    self.advance(1);
                    if let Some(address) = self.in_brackets()? {
                        return Ok(Some(address));
                    }
                    words.clear();
                    is_phrase = false;
                }
                b'@' if !words.is_empty() && !is_phrase => {
                    self.advance(1);
                    self.domain(&mut words)?;
                    self.end_of_address()?;
                    return Ok(Some(words));
                }
                _ => is_phrase |= !self.word(&mut words)?,
            }
        }
    }

    /// What stands between angle brackets, the first of which is consumed; none for `<>`.
    fn in_brackets(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let mut address = Vec::new();
        self.skip_blanks()?;
        if self.peek() == Some(b'@') {
            // A route, obsolete: the address is behind its colon.
            let colon = self.rest.iter().position(|octet| *octet == b':');
            self.advance(colon.ok_or(Malformed)? + 1);
        }
        loop {
            self.skip_blanks()?;
            match self.peek().ok_or(Malformed)? {
                b'>' if address.is_empty() => {
                    self.advance(1);
                    self.end_of_address()?;
                    return Ok(None);
                }
                b'@' if !address.is_empty() => break,
                _ if self.word(&mut address)? => {}
                _ => return Err(Malformed),
            }
        }
        self.advance(1);
        self.domain(&mut address)?;
        self.skip_blanks()?;
        if self.peek() != Some(b'>') {
            return Err(Malformed);
        }
        self.advance(1);
        self.end_of_address()?;
        Ok(Some(address))
    }

    /// Behind an address there is a separator, or nothing.
    fn end_of_address(&mut self) -> Result<(), Malformed> {
        self.skip_blanks()?;
        match self.peek() {
            None | Some(b',' | b';') => Ok(()),
            Some(_) => Err(Malformed),
        }
    }

    /// An atom, a dot or a quoted string, with its quotes, at the end of `words`; whether a dot is between them, as in a
    /// local-part, rather than nothing or blanks, as in a name.
    fn word(&mut self, words: &mut Vec<u8>) -> Result<bool, Malformed> {
        let length = match self.peek() {
            Some(b'"') => self.quoted_octets(b'"')?,
            _ => self.atom_octets()?,
        };
        let word = &self.rest[..length];
        let is_joined = words.is_empty() || words.ends_with(b".") || word.starts_with(b".");
        words.extend(unfolded(word));
        self.advance(length);
        Ok(is_joined)
    }

    /// `@` and a domain or an address literal.
    fn domain(&mut self, address: &mut Vec<u8>) -> Result<(), Malformed> {
        address.push(b'@');
        self.skip_blanks()?;
        let length = match self.peek() {
            Some(b'[') => self.quoted_octets(b']')?,
            _ => self.atom_octets()?,
        };
        address.extend(unfolded(&self.rest[..length]));
        self.advance(length);
        Ok(())
    }

    /// Octets of the atom, with its dots, that comes next.
    fn atom_octets(&self) -> Result<usize, Malformed> {
        let is_atom = |octet: &u8| match octet {
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b':' | b';' | b'@' | b'\\' | b',' | b'"' => {
                false
            }
            // RFC 6532: octets of UTF-8 are letters.
            octet => 0x20 < *octet && *octet != 0x7F,
        };
        let length = self.rest.iter().take_while(|octet| is_atom(octet)).count();
        if length == 0 {
            Err(Malformed)
        } else {
            Ok(length)
        }
    }

    /// Octets of what begins here and ends in `close`, where a backslash takes the meaning of the octet behind it.
    fn quoted_octets(&self, close: u8) -> Result<usize, Malformed> {
        let mut index = 1;
        while let Some(octet) = self.rest.get(index) {
            match octet {
                b'\\' if matches!(self.rest.get(index + 1), Some(b'\r' | b'\n')) => {
                    return Err(Malformed);
                }
                b'\\' => index += 1,
                octet if *octet == close => return Ok(index + 1),
                _ => {}
            }
            index += 1;
        }
        Err(Malformed)
    }

    /// Skips blanks, folding and comments, which nest.
    fn skip_blanks(&mut self) -> Result<(), Malformed> {
        let mut depth = 0_usize;
        let mut index = 0;
        while let Some(octet) = self.rest.get(index) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'(' => depth += 1,
                b')' if 0 < depth => depth -= 1,
                b'\\' if 0 < depth => index += 1,
                _ if 0 < depth => {}
                _ => break,
            }
            index += 1;
        }
        if 0 < depth {
            return Err(Malformed);
        }
        self.advance(index);
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn advance(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }
}

/// Without the ends of lines that folding put in: an address is one line.
fn unfolded(octets: &[u8]) -> impl Iterator<Item = u8> {
    let octets = octets.iter().copied();
    octets.filter(|octet| !matches!(octet, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use crate::builtins::call::tests::{map, on_heap, run, text};
    use crate::runtime::Value;

    #[test]
    fn lists_of_addresses_are_read() {
        on_heap(|| {
            let rows = [
                ("", "[]"),
                ("a@b.example", "[0=>\"a@b.example\"]"),
                (
                    "A B <a@b>, \"C, D\" <c@d>; e@f",
                    "[0=>\"a@b\",1=>\"c@d\",2=>\"e@f\"]",
                ),
                ("(a (nested) \\) comment) a (b) @ (c) b (d)", "[0=>\"a@b\"]"),
                ("A.B. C <a.b@c>,,", "[0=>\"a.b@c\"]"),
                (
                    "Group: a@b, C <c@d>;, e@f",
                    "[0=>\"a@b\",1=>\"c@d\",2=>\"e@f\"]",
                ),
                ("undisclosed-recipients:;", "[]"),
                (r#""x y\"z"@b"#, r#"[0=>"\"x y\\\"z\"@b"]"#),
                ("<@route,@other:a@b>", "[0=>\"a@b\"]"),
                (
                    "a@[192.0.2.1],\r\n <b@[IPv6:::1]>",
                    "[0=>\"a@[192.0.2.1]\",1=>\"b@[IPv6:::1]\"]",
                ),
                ("<>", "[]"),
                ("<>, a@b", "[0=>\"a@b\"]"),
                (
                    "a . b . \"c\"@d, <a. b@c>",
                    "[0=>\"a.b.\\\"c\\\"@d\",1=>\"a.b@c\"]",
                ),
                (
                    "\"a\r\n b\"@[192.0.2\r\n .1]",
                    "[0=>\"\\\"a b\\\"@[192.0.2 .1]\"]",
                ),
                (
                    "J\u{f6}rg <j\u{f6}rg@b\u{fc}cher.example>",
                    "[0=>\"j\u{f6}rg@b\u{fc}cher.example\"]",
                ),
            ];
            for (list, addresses) in rows {
                assert_eq!(
                    run("header_addresslist_extract", &[text(list)]),
                    addresses,
                    "{list}"
                );
            }
        });
    }

    #[test]
    fn malformed_lists_are_none() {
        on_heap(|| {
            for list in [
                "a",
                "a b",
                "@b",
                "a@",
                "a@b c@d",
                "<a@b",
                "<a>",
                "a@b>",
                "(a@b",
                "\"a@b",
                "a@[b",
                "<@r a@b>",
                ":a@b",
                "\\a@b",
                "a b@c",
                "a \"b\"@c",
                "<a b@c>",
                "\"a\"\"b\"@c",
                "a@b, evil c@d",
                "<> a@b",
                "A <> B <a@b>",
                "\"a\\\r\n b\"@c",
                "\"a\\\nb\"@c",
            ] {
                assert_eq!(
                    run("header_addresslist_extract", &[text(list)]),
                    "none",
                    "{list}"
                );
            }
        });
    }

    #[test]
    fn a_field_has_its_name_in_front() {
        on_heap(|| {
            let field = || map([("field", Value::TRUE)]);
            let extract = |value| run("header_addresslist_extract", &[text(value), field()]);
            assert_eq!(extract("From: A <a@b>\r\n"), "[0=>\"a@b\"]");
            assert_eq!(extract("a@b"), "none");
        });
    }

    #[test]
    fn long_lists_are_read_in_one_pass() {
        on_heap(|| {
            let list = "(".repeat(100_000) + &")".repeat(100_000) + &"a@b,".repeat(10_000);
            let shown = run("header_addresslist_extract", &[text(list)]);
            assert_eq!(shown.matches("a@b").count(), 10_000);
        });
    }
}
