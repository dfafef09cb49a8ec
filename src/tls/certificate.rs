//! What a certificate says, as far as anybody here asks.
//!
//! In: a certificate in DER. Out: [`Certificate`]: names, validity, fingerprint, in text. Guarantees: whatever a client
//! sends, what is kept of it is bounded. Does not: believe any of it; nothing here checks who signed.
//!
//! RFC 5280 §4.1 (fields), §4.2.1.6 (alternative names); RFC 6125 §6.4 (which names count).

use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::limits;

/// The contents of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Whom it is about: `CN=mx.example.com, O=Example`.
    pub subject: Box<str>,
    /// Who issued it, in the same form.
    pub issuer: Box<str>,
    /// Alternative names: DNS names in lower case, addresses in text, mailboxes; in order.
    pub names: Box<[AlternativeName]>,
    /// Valid from this second since 1970 on.
    pub not_before: i64,
    /// Valid up to this second since 1970.
    pub not_after: i64,
    /// SHA-256 of the DER in lower-case hexadecimal digits.
    pub fingerprint_sha256: Box<str>,
}

/// One alternative name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AlternativeName {
    /// A DNS name in lower case; `*.` in front stands for one label.
    Dns(Box<str>),
    /// An address or a mailbox.
    Other(Box<str>),
}

impl AlternativeName {
    /// The name in text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dns(text) | Self::Other(text) => text,
        }
    }
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
            names: names(&certificate),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            fingerprint_sha256: hexadecimal(&Sha256::digest(der)),
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

/// Text of bounded length, cut between characters.
fn cut(mut text: String) -> Box<str> {
    text.truncate(text.floor_char_boundary(limits::CERTIFICATE_TEXT_OCTETS_MAX));
    text.into()
}

fn hexadecimal(octets: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::Certificate;
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
        let names: Vec<&str> = read
            .names
            .iter()
            .map(super::AlternativeName::as_str)
            .collect();
        assert_eq!(names, ["mx.example.org", "192.0.2.1"]);
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
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "x".repeat(5_000));
        for number in 0..2_000 {
            let name = format!("n{number}.example").try_into().expect("ASCII");
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::from_der(made.der()).expect("it is one");
        assert_eq!(read.names.len(), limits::CERTIFICATE_NAMES_COUNT_MAX);
        assert!(read.subject.len() <= limits::CERTIFICATE_TEXT_OCTETS_MAX);
    }

    #[test]
    fn other_octets_are_none() {
        assert_eq!(Certificate::from_der(b""), None);
        assert_eq!(Certificate::from_der(b"\x30\x03\x02\x01\x01"), None);
    }
}
