//! What a certificate says, as far as anybody here asks.
//!
//! In: a certificate in DER. Out: [`Certificate`]: names, validity, numbers, fingerprint, in text; and the DER. Guarantees:
//! whatever a client sends, what is kept of it is bounded: the DER by what a handshake may be, the rest by `limits`.
//! Does not: believe any of it; nothing here checks who signed.
//!
//! RFC 5280 §4.1 (fields), §4.2.1.6 (alternative names); RFC 6125 §6.4 (which names count).

use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::distinguished_name::{Attributes, attributes};
use crate::limits;

/// The contents of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Whom it is about: `CN=mx.example.com, O=Example`.
    pub subject: Box<str>,
    /// Who issued it, in the same form.
    pub issuer: Box<str>,
    /// The same as `subject`, attribute by attribute.
    pub subject_attributes: Attributes,
    /// The same as `issuer`, attribute by attribute.
    pub issuer_attributes: Attributes,
    /// The version as encoded: 2 is version 3.
    pub version: u32,
    /// The serial number in lower-case hexadecimal digits, two for each octet, without zeros in front.
    pub serial_number: Box<str>,
    /// Alternative names: DNS names in lower case, addresses in text, mailboxes; in order.
    pub names: Box<[AlternativeName]>,
    /// Valid from this second since 1970 on.
    pub not_before: i64,
    /// Valid up to this second since 1970.
    pub not_after: i64,
    /// SHA-256 of the DER in lower-case hexadecimal digits.
    pub fingerprint_sha256: Box<str>,
    /// The certificate itself.
    pub der: Box<[u8]>,
}

/// One alternative name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AlternativeName {
    /// A DNS name in lower case; `*.` in front stands for one label.
    Dns(Box<str>),
    /// An address or a mailbox.
    Other(Box<str>),
}

impl Certificate {
    /// Reads a certificate; none when it is none.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then_some(())?;
        Some(Self {
            subject: cut(certificate.subject().to_string()),
            issuer: cut(certificate.issuer().to_string()),
            subject_attributes: attributes(certificate.subject()),
            issuer_attributes: attributes(certificate.issuer()),
            version: certificate.version().0,
            serial_number: serial_number(certificate.raw_serial()),
            names: names(&certificate),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            fingerprint_sha256: hexadecimal(&Sha256::digest(der)),
            der: der.into(),
        })
    }

    /// The DNS names it is for, in lower case.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            AlternativeName::Dns(name) => Some(&**name),
            AlternativeName::Other(_) => None,
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Box<[AlternativeName]> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Box::default();
    };
    let names = extension.value.general_names.iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(AlternativeName::Dns(cut(name.to_ascii_lowercase()))),
        GeneralName::RFC822Name(mailbox) => {
            Some(AlternativeName::Other(cut((*mailbox).to_owned())))
        }
        GeneralName::IPAddress(octets) => address(octets).map(AlternativeName::Other),
        _ => None,
    });
    names.take(limits::CERTIFICATE_NAMES_COUNT_MAX).collect()
}

fn address(octets: &[u8]) -> Option<Box<str>> {
    let address = match <[u8; 4]>::try_from(octets) {
        Ok(octets) => IpAddr::from(octets),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
    };
    Some(address.to_string().into())
}

/// A number from its octets in DER, where one in front may only keep it positive.
fn serial_number(octets: &[u8]) -> Box<str> {
    let zeros_count = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[zeros_count.min(octets.len().saturating_sub(1))..];
    let octets_count = octets.len().min(limits::CERTIFICATE_TEXT_OCTETS_MAX / 2);
    hexadecimal(&octets[..octets_count])
}

/// Text of bounded length, cut between characters.
pub(super) fn cut(mut text: String) -> Box<str> {
    text.truncate(text.floor_char_boundary(limits::CERTIFICATE_TEXT_OCTETS_MAX));
    text.into()
}

pub(super) fn hexadecimal(octets: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, SerialNumber};

    use super::{AlternativeName, Certificate, serial_number};
    use crate::limits;

    #[test]
    fn names_and_validity_are_read() {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(vec!["MX.Example.org".to_owned(), "192.0.2.1".to_owned()])
                .expect("names");
        params
            .distinguished_name
            .push(DnType::CommonName, "a mail server");
        params.not_before = rcgen::date_time_ymd(2020, 1, 2);
        params.not_after = rcgen::date_time_ymd(2040, 1, 2);
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::from_der(made.der()).expect("it is one");
        let names = [
            AlternativeName::Dns("mx.example.org".into()),
            AlternativeName::Other("192.0.2.1".into()),
        ];
        assert_eq!(*read.names, names);
        assert_eq!(read.dns_names().collect::<Vec<_>>(), ["mx.example.org"]);
        assert!(
            read.subject.contains("CN=a mail server"),
            "{}",
            read.subject
        );
        assert_eq!(
            (read.not_before, read.not_after),
            (1_577_923_200, 2_209_075_200)
        );
        assert_eq!(read.fingerprint_sha256.len(), 64);
        assert_eq!(*read.der, **made.der());
    }

    #[test]
    fn names_are_read_attribute_by_attribute() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(b"\x00\x8b\x01"));
        params.distinguished_name = DistinguishedName::new();
        let email = [1, 2, 840, 113_549, 1, 9, 1];
        for (kind, value) in [
            (DnType::CountryName, "SE"),
            (DnType::StateOrProvinceName, "Bohuslan"),
            (DnType::OrganizationalUnitName, "one, with a comma"),
            (DnType::CommonName, "a mail server"),
            (DnType::CustomDnType(email.to_vec()), "a@example.org"),
            (DnType::CustomDnType(vec![2, 999, 3]), "of our own"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::from_der(made.der()).expect("it is one");
        let shown: Vec<(&str, &str)> = read
            .subject_attributes
            .iter()
            .map(|(kind, value)| (&**kind, &**value))
            .collect();
        let expected = [
            ("C", "SE"),
            ("ST", "Bohuslan"),
            ("OU", "one, with a comma"),
            ("CN", "a mail server"),
            ("emailAddress", "a@example.org"),
            ("2.999.3", "of our own"),
        ];
        assert_eq!(shown, expected);
        assert_eq!(read.issuer_attributes, read.subject_attributes);
        assert_eq!((read.version, &*read.serial_number), (2, "8b01"));
    }

    #[test]
    fn types_may_stand_more_than_once() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let (unit, stand_in) = (*b"\x06\x03\x55\x04\x0b", *b"\x06\x03\x55\x04\x7f");
        for (kind, value) in [
            (DnType::OrganizationalUnitName, "one"),
            (DnType::CommonName, "a mail server"),
            (DnType::CustomDnType(vec![2, 5, 4, 0x7f]), "two"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        let made = params.self_signed(&key).expect("a certificate");
        // What makes certificates here takes each type once; nobody looks at the signature.
        let mut der = made.der().to_vec();
        while let Some(at) = der.windows(5).position(|octets| *octets == stand_in) {
            der[at..at + 5].copy_from_slice(&unit);
        }
        let read = Certificate::from_der(&der).expect("it is one");
        let shown: Vec<(&str, &str)> = read
            .subject_attributes
            .iter()
            .map(|(kind, value)| (&**kind, &**value))
            .collect();
        let expected = [("OU", "one"), ("CN", "a mail server"), ("OU", "two")];
        assert_eq!(shown, expected);
    }

    #[test]
    fn serial_numbers_are_hexadecimal() {
        for (octets, expected) in [
            (&b"\x00"[..], "00"),
            (b"\x05", "05"),
            (b"\x00\xff\x00", "ff00"),
            (b"", ""),
        ] {
            assert_eq!(&*serial_number(octets), expected);
        }
        let most = limits::CERTIFICATE_TEXT_OCTETS_MAX;
        assert_eq!(serial_number(&[1; 5_000]).len(), most);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "x".repeat(5_000));
        for number in 0..200 {
            let kind = DnType::CustomDnType(vec![2, 999, number]);
            params.distinguished_name.push(kind, "y".repeat(600));
        }
        for number in 0..2_000 {
            let name = format!("n{number}.example").try_into().expect("ASCII");
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::from_der(made.der()).expect("it is one");
        assert_eq!(read.names.len(), limits::CERTIFICATE_NAMES_COUNT_MAX);
        assert!(read.subject.len() <= limits::CERTIFICATE_TEXT_OCTETS_MAX);
        let most = limits::CERTIFICATE_ATTRIBUTES_COUNT_MAX;
        assert_eq!(read.subject_attributes.len(), most);
        for (_, value) in &read.subject_attributes {
            assert!(value.len() <= limits::CERTIFICATE_TEXT_OCTETS_MAX);
        }
    }

    #[test]
    fn other_octets_are_none() {
        assert_eq!(Certificate::from_der(b""), None);
        assert_eq!(Certificate::from_der(b"\x30\x03\x02\x01\x01"), None);
    }
}
