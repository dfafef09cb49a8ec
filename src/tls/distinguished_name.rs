//! Distinguished names: whom a certificate is about, and who issued it.
//!
//! In: a name as parsed. Out: [`Attributes`], types and values in text, in the order of the certificate.
//! Guarantees: types are called what OpenSSL calls them in short, or are numbers with dots; count and length are bounded,
//! whatever a client sends. An attribute whose type or value is none is left out.
//!
//! RFC 5280 §4.1.2.4 (names), RFC 4519 §2 (types), RFC 4512 §1.4 (numbers with dots).

use std::borrow::Cow;
use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

use super::certificate::{cut, hexadecimal};
use crate::limits;

/// The attributes of a name, type and value.
pub type Attributes = Box<[(Cow<'static, str>, Box<str>)]>;

/// The attributes of `name`.
pub(super) fn attributes(name: &X509Name<'_>) -> Attributes {
    let attributes = name.iter_attributes().filter_map(|attribute| {
        let dotted = dotted(attribute.attr_type().as_bytes())?;
        let value = value(attribute.attr_value())?;
        Some((short_name(dotted), cut(value)))
    });
    let attributes = attributes.take(limits::CERTIFICATE_ATTRIBUTES_COUNT_MAX);
    attributes.collect()
}

/// The numbers of an object identifier, from its contents in DER.
fn dotted(contents: &[u8]) -> Option<String> {
    if limits::CERTIFICATE_TYPE_OCTETS_MAX < contents.len() || contents.last()? & MORE != 0 {
        return None;
    }
    let mut text = String::new();
    let mut number: u64 = 0;
    for octet in contents {
        // A number of more bits names no type that anybody has registered.
        if number > u64::MAX >> 7 {
            return None;
        }
        number = number << 7 | u64::from(octet & !MORE);
        if octet & MORE != 0 {
            continue;
        }
        // The first two share one (X.690 §8.19.4). Writing to a string cannot fail.
        let _ = if text.is_empty() {
            let first = (number / 40).min(2);
            write!(text, "{first}.{}", number - 40 * first)
        } else {
            write!(text, ".{number}")
        };
        number = 0;
    }
    Some(text)
}

/// What OpenSSL calls a type in short; the numbers where it has no name.
fn short_name(dotted: String) -> Cow<'static, str> {
    let known = SHORT_NAMES.iter().find(|(numbers, _)| *numbers == dotted);
    known.map_or(Cow::Owned(dotted), |(_, name)| Cow::Borrowed(name))
}

/// A value in text; hexadecimal digits of what is no text.
fn value(value: &Any<'_>) -> Option<String> {
    let octets = value.as_bytes();
    let text = match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::NumericString
        | Tag::Ia5String
        | Tag::VisibleString => str::from_utf8(octets).ok()?.to_owned(),
        Tag::T61String => octets.iter().copied().map(char::from).collect(),
        Tag::BmpString => {
            let (units, rest) = octets.as_chunks::<2>();
            rest.is_empty().then_some(())?;
            let units = units.iter().copied().map(u16::from_be_bytes);
            char::decode_utf16(units).collect::<Result<_, _>>().ok()?
        }
        Tag::UniversalString => {
            let (units, rest) = octets.as_chunks::<4>();
            rest.is_empty().then_some(())?;
            let units = units.iter().copied().map(u32::from_be_bytes);
            units.map(char::from_u32).collect::<Option<_>>()?
        }
        _ => hexadecimal(octets).into(),
    };
    Some(text)
}

/// Another octet of the same number follows.
const MORE: u8 = 0x80;

/// Types that names are made of.
const SHORT_NAMES: [(&str, &str); 35] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.16", "postalAddress"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.18", "postOfficeBox"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.51", "houseIdentifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.72", "role"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

#[cfg(test)]
mod tests {
    use x509_parser::asn1_rs::{Any, FromDer as _};

    use super::{dotted, short_name, value};

    #[test]
    fn types_are_numbers_with_dots() {
        let cases: [(&[u8], Option<&str>); 9] = [
            (b"\x55\x04\x03", Some("2.5.4.3")),
            (
                b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01",
                Some("1.2.840.113549.1.9.1"),
            ),
            (b"\x09\x92\x26", Some("0.9.2342")),
            // The second number may exceed 39 below 2.
            (b"\x88\x37\x03", Some("2.999.3")),
            (b"\x00", Some("0.0")),
            (b"", None),
            (b"\x55\x84", None),
            (b"\x55\x83\xff\xff\xff\xff\xff\xff\xff\xff\x7f", None),
            (&[0x01; 65], None),
        ];
        for (contents, expected) in cases {
            assert_eq!(dotted(contents).as_deref(), expected, "{contents:?}");
        }
        for (dotted, expected) in [("2.5.4.11", "OU"), ("2.5.4.111", "2.5.4.111")] {
            assert_eq!(short_name(dotted.to_owned()), expected);
        }
    }

    #[test]
    fn values_are_text_in_every_encoding() {
        let cases: [(&[u8], Option<&str>); 10] = [
            (b"\x0c\x03a\xc3\xa4", Some("a\u{e4}")),
            (b"\x13\x01a", Some("a")),
            (b"\x14\x02a\xe4", Some("a\u{e4}")),
            (b"\x1e\x06\0a\xd8\x3d\xde\x00", Some("a\u{1f600}")),
            (b"\x1c\x04\0\x01\xf6\x00", Some("\u{1f600}")),
            (b"\x04\x02\x00\xff", Some("00ff")),
            (b"\x1e\x02\xd8\x3d", None),
            (b"\x1e\x03\0a\0", None),
            (b"\x1c\x04\x00\x11\x00\x00", None),
            (b"\x0c\x00", Some("")),
        ];
        for (der, expected) in cases {
            let (_, any) = Any::from_der(der).expect("it is DER");
            assert_eq!(value(&any).as_deref(), expected, "{der:?}");
        }
    }
}
