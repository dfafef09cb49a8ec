//! A certificate chain with its private key, checked.
//!
//! In: the octets of two PEM files. Out: an [`Identity`], or what is wrong and with which file. Guarantees: the key is
//! one that can sign and belongs to the first certificate of the chain; no error text holds key material.
//! Does not: read files, or check who signed the chain: that is what clients do.
//!
//! RFC 7468 (PEM), RFC 5280 (certificates), RFC 8446 §4.4.2 (order of the chain).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// Who a server is: a chain, the key of its first certificate, and what that certificate says.
#[derive(Debug)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    certificate: Certificate,
    is_in_order: bool,
}

/// One of the two files of an identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PemFile {
    /// The certificate chain.
    Chain,
    /// The private key.
    Key,
}

/// Why two files are no identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdentityError {
    /// The chain has no certificate.
    NoCertificate,
    /// A certificate of the chain, counted from 1, is none, or none that TLS can use.
    BadCertificate(usize),
    /// A file is not PEM.
    NotPem(PemFile, String),
    /// The key file has no private key.
    NoKey,
    /// The private key is encrypted.
    EncryptedKey,
    /// The private key cannot be used: RSA from 2048 bits on, ECDSA P-256, P-384, P-521 and Ed25519 can.
    UnusableKey,
    /// The key belongs to another certificate.
    Mismatch,
}

/// Whether a certificate is valid at some time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Validity {
    /// It is.
    Valid,
    /// Not any more.
    Expired,
    /// Not yet.
    NotYet,
}

impl IdentityError {
    /// The file that is to be mended.
    #[must_use]
    pub fn file(&self) -> PemFile {
        match self {
            Self::NoCertificate | Self::BadCertificate(_) => PemFile::Chain,
            Self::NotPem(file, _) => *file,
            Self::NoKey | Self::EncryptedKey | Self::UnusableKey | Self::Mismatch => PemFile::Key,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::BadCertificate(_) => {
                "PEM: the server's certificate first, then the one that signed it"
            }
            Self::NotPem(PemFile::Chain, _) => "one or more `BEGIN CERTIFICATE` blocks",
            Self::NotPem(PemFile::Key, _) | Self::NoKey => "one `BEGIN PRIVATE KEY` block",
            Self::EncryptedKey => "decrypt it: openssl pkey -in FILE -out FILE",
            Self::UnusableKey => "RSA from 2048 bits on, ECDSA P-256, P-384, P-521, or Ed25519",
            Self::Mismatch => "the key must be the one the first certificate was made for",
        }
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => formatter.write_str("file has no certificate"),
            Self::BadCertificate(number) => {
                write!(
                    formatter,
                    "certificate number {number} of the file cannot be read"
                )
            }
            Self::NotPem(_, what) => write!(formatter, "file is not PEM: {what}"),
            Self::NoKey => formatter.write_str("file has no private key"),
            Self::EncryptedKey => formatter.write_str("private key is encrypted"),
            Self::UnusableKey => formatter.write_str("private key is of no supported kind or size"),
            Self::Mismatch => formatter.write_str("private key does not belong to the certificate"),
        }
    }
}

impl Identity {
    /// Reads chain and key.
    ///
    /// # Errors
    ///
    /// What is wrong first.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| not_pem(PemFile::Chain, &error))?;
        let mut read = Vec::with_capacity(chain.len());
        for (index, der) in chain.iter().enumerate() {
            let certificate = Certificate::from_der(der);
            read.push(certificate.ok_or(IdentityError::BadCertificate(index + 1))?);
        }
        let is_in_order = read
            .windows(2)
            .all(|pair| pair[0].issuer == pair[1].subject);
        let certificate = read.into_iter().next();
        let certificate = certificate.ok_or(IdentityError::NoCertificate)?;
        let key = private_key(key)?;
        let provider = super::acceptor::provider();
        let certified = certified(chain, key, &provider)?;
        Ok(Self {
            certified: Arc::new(certified),
            certificate,
            is_in_order,
        })
    }

    /// What the first certificate of the chain says.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether each certificate of the chain was issued by the one behind it, as clients may expect.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.is_in_order
    }

    /// Whether the first certificate is valid at this second since 1970.
    #[must_use]
    pub fn validity(&self, now: i64) -> Validity {
        if self.certificate.not_after < now {
            Validity::Expired
        } else if now < self.certificate.not_before {
            Validity::NotYet
        } else {
            Validity::Valid
        }
    }
}

fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityError> {
    match PrivateKeyDer::from_pem_slice(file) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if names_encrypted_key(file) => {
            Err(IdentityError::EncryptedKey)
        }
        Err(pem::Error::NoItemsFound) => Err(IdentityError::NoKey),
        Err(error) => Err(not_pem(PemFile::Key, &error)),
    }
}

fn names_encrypted_key(file: &[u8]) -> bool {
    memchr::memmem::find(file, b"BEGIN ENCRYPTED PRIVATE KEY").is_some()
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, IdentityError> {
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|_| IdentityError::UnusableKey)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(IdentityError::Mismatch),
        Err(_) => Err(IdentityError::BadCertificate(1)),
    }
}

/// The reason in words of ours: what a parser shows of a key file might be key material.
fn not_pem(file: PemFile, error: &pem::Error) -> IdentityError {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is damaged",
        pem::Error::Base64Decode(_) => "a block is not base64",
        pem::Error::NoItemsFound => "no block was found",
        _ => "it cannot be read",
    };
    IdentityError::NotPem(file, what.to_owned())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::{Identity, IdentityError, PemFile, Validity};

    fn made(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = rcgen::date_time_ymd(2020, 1, 2);
        params.not_after = rcgen::date_time_ymd(2040, 1, 2);
        let made = params.self_signed(&key).expect("a certificate");
        (made.pem(), key.serialize_pem())
    }

    fn error(chain: &str, key: &str) -> IdentityError {
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect_err("it is wrong")
    }

    #[test]
    fn a_chain_and_its_key_are_an_identity() {
        let (chain, key) = made(&["mx.example.org"]);
        let found = Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect("it is one");
        assert_eq!(
            found.certificate().dns_names().collect::<Vec<_>>(),
            ["mx.example.org"]
        );
        assert!(found.is_in_order());
        assert_eq!(found.validity(1_500_000_000), Validity::NotYet);
        assert_eq!(found.validity(1_700_000_000), Validity::Valid);
        assert_eq!(found.validity(2_300_000_000), Validity::Expired);
    }

    #[test]
    fn each_mistake_names_its_file() {
        let (chain, key) = made(&["mx.example.org"]);
        let (other_chain, other_key) = made(&["other.example.org"]);
        assert_eq!(error(&chain, &other_key), IdentityError::Mismatch);
        assert_eq!(error("", &key), IdentityError::NoCertificate);
        assert_eq!(error(&key, &key), IdentityError::NoCertificate);
        assert_eq!(error(&chain, ""), IdentityError::NoKey);
        assert_eq!(error(&chain, &chain), IdentityError::NoKey);
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert_eq!(error(&chain, &encrypted), IdentityError::EncryptedKey);
        let damaged = other_chain.replace("MII", "M*I");
        assert_eq!(error(&damaged, &key).file(), PemFile::Chain);
        let empty = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(error(&chain, empty), IdentityError::UnusableKey);
        let cut = &key[..key.len() / 2];
        assert!(matches!(
            error(&chain, cut),
            IdentityError::NotPem(PemFile::Key, _)
        ));
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let second = format!("{chain}{no_certificate}");
        assert_eq!(error(&second, &key), IdentityError::BadCertificate(2));
    }

    #[test]
    fn a_chain_out_of_order_is_noticed() {
        let (chain, key) = made(&["a.example"]);
        let key_of_other = KeyPair::generate().expect("a key");
        let mut other = CertificateParams::new(vec!["b.example".to_owned()]).expect("names");
        other
            .distinguished_name
            .push(rcgen::DnType::CommonName, "another");
        let other = other
            .self_signed(&key_of_other)
            .expect("a certificate")
            .pem();
        let both = format!("{chain}{other}");
        let found = Identity::from_pem(both.as_bytes(), key.as_bytes()).expect("it is one");
        assert!(!found.is_in_order());
    }
}
