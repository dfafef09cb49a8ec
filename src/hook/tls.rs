//! What scripts are told of TLS: `GetTLS()` and `$connection["tls"]`.
//!
//! In: what a handshake agreed on, the options of a call. Out: arrays. Guarantees: a fingerprint is made of the very
//! certificate that the client has the key of, and only when somebody asks. Does not: verify a chain; what is told as the
//! result says so.
//!
//! `$connection["tls"]["peercert"]` is the certificate as `GetTLS()` gives it, and what only we have.
//!
//! HSL manual: "GetTLS", "TLSSocket.getpeercert", "HELO" (`$connection`).

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use postern_jit::error::ErrorKind;
use postern_jit::execution::{HostAnswer, HostRequest};
use postern_jit::runtime::Portable;
use postern_jit::runtime::portable::PortableKey;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::Function;
use super::arguments::{Arguments, OptionNames};
use super::variables::{field, number};
use crate::smtp::session::{AlternativeName, ClientCertificate, Tls};

/// The answer to `GetTLS([options])`; `tls` is none in plain text.
///
/// # Errors
///
/// The options are none that the function takes.
pub fn answer(request: &HostRequest, tls: Option<&Tls>) -> Result<HostAnswer, ErrorKind> {
    let arguments = Arguments {
        function: Function::GetTls.name(),
        values: &request.arguments,
    };
    let options = arguments.options(0, OPTIONS)?;
    let hash = match options.string("fingerprint")? {
        None => None,
        Some(name) => Some(Hash::of_name(name).ok_or_else(|| {
            let requirement = "`md5`, `sha1`, `sha256` or `sha512`";
            options.wrong("fingerprint", requirement)
        })?),
    };
    let mut fields = vec![field("started", Portable::Boolean(tls.is_some()))];
    if let Some(tls) = tls {
        fields.push(field("protocol", Portable::string(tls.protocol)));
        fields.push(field("ciphers", Portable::string(tls.cipher)));
        fields.push(field("keysize", number(tls.key_bits)));
        if let Some(certificate) = &tls.client_certificate {
            let mut shown = certificate_fields(certificate);
            shown.extend(hash.map(|hash| fingerprint(certificate, hash)));
            fields.push(field("peer_cert", Portable::Array(shown)));
            fields.push(field("peer_cert_error", Portable::Number(UNVERIFIED)));
        }
    }
    Ok(HostAnswer {
        value: Portable::Array(fields),
        updates: Vec::new(),
    })
}

/// `$connection["tls"]`.
pub(super) fn connection_fields(tls: &Tls) -> Portable {
    let mut fields = vec![
        field("protocol", Portable::string(tls.protocol)),
        field("cipher", Portable::string(tls.cipher)),
        field("keysize", number(tls.key_bits)),
    ];
    if let Some(name) = &tls.server_name {
        fields.push(field("servername", text(name)));
    }
    if let Some(certificate) = &tls.client_certificate {
        let mut shown = certificate_fields(certificate);
        shown.push(fingerprint(certificate, Hash::Sha256));
        shown.push(field(
            "altnames",
            list(certificate.names.iter().map(AlternativeName::as_str)),
        ));
        shown.push(field("error", Portable::Number(UNVERIFIED)));
        fields.push(field("peercert", Portable::Array(shown)));
    }
    Portable::Array(fields)
}

/// A certificate as the manual has it, but for its fingerprint.
fn certificate_fields(certificate: &ClientCertificate) -> Vec<(PortableKey, Portable)> {
    let dns = list(certificate.dns_names());
    vec![
        field("subject", attributes(&certificate.subject)),
        field("issuer", attributes(&certificate.issuer)),
        field("subject_alt_name", Portable::Array(vec![field("DNS", dns)])),
        field("version", Portable::Number(f64::from(certificate.version))),
        field("serial_number", text(&certificate.serial_number)),
        field("not_valid_before", seconds(certificate.not_before)),
        field("not_valid_after", seconds(certificate.not_after)),
    ]
}

/// Values by type, in the order of the certificate; several of one type are a list where the first of them stands.
fn attributes(attributes: &[(Cow<'static, str>, Box<str>)]) -> Portable {
    let mut fields = Vec::new();
    for (index, (kind, value)) in attributes.iter().enumerate() {
        let (before, from_here) = attributes.split_at(index);
        if before.iter().any(|(other, _)| other == kind) {
            continue;
        }
        let same = from_here.iter().filter(|(other, _)| other == kind);
        let value = match same.clone().count() {
            1 => text(value),
            _ => list(same.map(|(_, value)| value)),
        };
        fields.push(field(kind, value));
    }
    Portable::Array(fields)
}

fn fingerprint(certificate: &ClientCertificate, hash: Hash) -> (PortableKey, Portable) {
    field("fingerprint", text(&hash.hexadecimal(&certificate.der)))
}

fn list<Text: AsRef<str>>(texts: impl Iterator<Item = Text>) -> Portable {
    let elements = texts.enumerate().map(|(index, element)| {
        let key = PortableKey::Integer(i64::try_from(index).unwrap_or(i64::MAX));
        (key, text(element.as_ref()))
    });
    Portable::Array(elements.collect())
}

fn text(text: &str) -> Portable {
    Portable::string(text.as_bytes())
}

/// A second since 1970; exact as a number for any year a certificate can name.
#[expect(clippy::cast_precision_loss, reason = "four-digit years need 38 bits")]
fn seconds(seconds: i64) -> Portable {
    Portable::Number(seconds as f64)
}

/// What a fingerprint is made with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    fn of_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"md5" => Self::Md5,
            b"sha1" => Self::Sha1,
            b"sha256" => Self::Sha256,
            b"sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// In lower case.
    fn hexadecimal(self, octets: &[u8]) -> String {
        match self {
            Self::Md5 => HEXLOWER.encode(&Md5::digest(octets)),
            Self::Sha1 => HEXLOWER.encode(&Sha1::digest(octets)),
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(octets)),
            Self::Sha512 => HEXLOWER.encode(&Sha512::digest(octets)),
        }
    }
}

/// The options of `GetTLS`.
const OPTIONS: OptionNames = OptionNames {
    names: &["fingerprint"],
    requirement: "made of fingerprint, nothing else",
};

/// The manual's `peer_cert_error` and `error` of a client's certificate, a number of OpenSSL's `SSL_get_verify_result`:
/// nobody has verified who signed it. It must not look like 0, which says that somebody has.
const UNVERIFIED: f64 = 21.0;

#[cfg(test)]
mod tests {
    use postern_jit::execution::HostRequest;
    use postern_jit::runtime::Portable;

    use super::{answer, attributes, connection_fields};
    use crate::hook::variables::{field, number};
    use crate::smtp::session::{AlternativeName, ClientCertificate, Tls};

    fn shown() -> Tls {
        let dns = |name: &str| AlternativeName::Dns(name.into());
        Tls {
            protocol: "TLSv1.3",
            cipher: "TLS_AES_256_GCM_SHA384",
            key_bits: 256,
            server_name: None,
            client_certificate: Some(ClientCertificate {
                subject: Box::new([("CN".into(), "us".into())]),
                issuer: Box::default(),
                names: Box::new([
                    dns("a.example"),
                    AlternativeName::Other("192.0.2.1".into()),
                    dns("b.example"),
                ]),
                version: 2,
                serial_number: "8b01".into(),
                not_before: -1,
                not_after: 4_070_908_800,
                der: (*b"abc").into(),
            }),
        }
    }

    fn list(texts: &[&str]) -> Portable {
        super::list(texts.iter())
    }

    /// The certificate in [`shown`], without a fingerprint.
    fn expected() -> Vec<(super::PortableKey, Portable)> {
        let dns = field("DNS", list(&["a.example", "b.example"]));
        vec![
            field(
                "subject",
                Portable::Array(vec![field("CN", Portable::string("us"))]),
            ),
            field("issuer", Portable::Array(Vec::new())),
            field("subject_alt_name", Portable::Array(vec![dns])),
            field("version", number(2)),
            field("serial_number", Portable::string("8b01")),
            field("not_valid_before", Portable::Number(-1.0)),
            field("not_valid_after", Portable::Number(4_070_908_800.0)),
        ]
    }

    fn request(options: Option<Portable>) -> HostRequest {
        HostRequest {
            function: 0,
            arguments: options.into_iter().collect(),
        }
    }

    fn hashed(name: &str) -> HostRequest {
        let option = field("fingerprint", Portable::string(name));
        request(Some(Portable::Array(vec![option])))
    }

    #[test]
    fn plain_text_is_not_started() {
        for request in [request(None), hashed("md5")] {
            let answer = answer(&request, None).expect("it is right");
            let expected = vec![field("started", Portable::Boolean(false))];
            assert_eq!(answer.value, Portable::Array(expected));
        }
    }

    #[test]
    fn the_certificate_has_the_fingerprint_that_is_asked_for() {
        let tls = shown();
        // Those of "abc": RFC 1321 §A.5, FIPS 180.
        for (request, fingerprint) in [
            (request(None), None),
            (hashed("md5"), Some("900150983cd24fb0d6963f7d28e17f72")),
            (
                hashed("sha1"),
                Some("a9993e364706816aba3e25717850c26c9cd0d89d"),
            ),
            (
                hashed("sha256"),
                Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ),
            (
                hashed("sha512"),
                Some(
                    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                     2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                ),
            ),
        ] {
            let mut certificate = expected();
            let fingerprint = fingerprint.map(|text| field("fingerprint", Portable::string(text)));
            certificate.extend(fingerprint);
            let expected = vec![
                field("started", Portable::Boolean(true)),
                field("protocol", Portable::string("TLSv1.3")),
                field("ciphers", Portable::string("TLS_AES_256_GCM_SHA384")),
                field("keysize", number(256)),
                field("peer_cert", Portable::Array(certificate)),
                field("peer_cert_error", number(21)),
            ];
            let answer = answer(&request, Some(&tls)).expect("it is right");
            assert_eq!(answer.value, Portable::Array(expected));
        }
    }

    #[test]
    fn a_client_without_a_certificate_has_none() {
        let mut tls = shown();
        tls.client_certificate = None;
        let answer = answer(&request(None), Some(&tls)).expect("it is right");
        let Portable::Array(fields) = answer.value else {
            panic!("it is an array");
        };
        assert_eq!(fields.len(), 4, "{fields:?}");
    }

    #[test]
    fn the_connection_has_the_same_certificate_and_more() {
        let fingerprint = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut certificate = expected();
        certificate.extend([
            field("fingerprint", Portable::string(fingerprint)),
            field("altnames", list(&["a.example", "192.0.2.1", "b.example"])),
            field("error", number(21)),
        ]);
        let Portable::Array(fields) = connection_fields(&shown()) else {
            panic!("it is an array");
        };
        let last = fields.last().expect("there are some");
        assert_eq!(*last, field("peercert", Portable::Array(certificate)));
    }

    #[test]
    fn several_of_one_type_are_a_list() {
        let pairs = [("OU", "one"), ("CN", "us"), ("OU", "two"), ("OU", "one")];
        let pairs = pairs.map(|(kind, value)| (kind.into(), value.into()));
        let expected = vec![
            field("OU", list(&["one", "two", "one"])),
            field("CN", Portable::string("us")),
        ];
        assert_eq!(attributes(&pairs), Portable::Array(expected));
    }

    #[test]
    fn other_options_are_errors() {
        let option = |name: &str, value| request(Some(Portable::Array(vec![field(name, value)])));
        for (request, part) in [
            (hashed("SHA256"), "`sha512`"),
            (hashed(""), "`md5`"),
            (option("fingerprint", number(1)), "\"fingerprint\""),
            (option("hash", Portable::string("md5")), "nothing else"),
            (request(Some(Portable::string("md5"))), "\"options\""),
        ] {
            for tls in [None, Some(&shown())] {
                let error = answer(&request, tls).expect_err("it is wrong");
                let text = error.to_string();
                assert!(text.contains("GetTLS()") && text.contains(part), "{text}");
            }
        }
    }
}
