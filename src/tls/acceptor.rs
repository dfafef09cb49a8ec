//! How a profile answers handshakes: its identities, by name, and the rules of the protocol.
//!
//! In: identities, whether clients are asked for a certificate. Out: an [`TlsAcceptor`], immutable, shared by all shards, so
//! that a session begun on one is resumed on any. Guarantees: a name picks the identity whose certificate is for it, an
//! unknown name or none picks the first; a client that offers other application protocols than `smtp` only is refused.
//! Does not: change; a reload makes a new one that keeps the keys of the tickets.
//!
//! RFC 6066 §3 (server names), RFC 7301 §3.2 (ALPN, `no_application_protocol`), RFC 5077 (tickets), RFC 6125 §6.4.3.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::client_certificate::PossessionOnly;
use super::identity::Identity;
use super::session::{Session, TlsError};

/// Answers the handshakes of one profile.
#[derive(Debug)]
pub struct TlsAcceptor {
    configuration: ServerConfig,
    identities: Arc<Identities>,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientCertificates {
    /// They are not.
    Ignored,
    /// They are; those that have none are served all the same.
    Requested,
}

/// The system could not provide what handshakes need.
#[derive(Debug)]
pub struct AcceptorError(rustls::Error);

impl fmt::Display for AcceptorError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot set up TLS: {}", self.0)
    }
}

impl TlsAcceptor {
    /// Answers with `identities`, the first of which is for every client that names none of them.
    ///
    /// # Errors
    ///
    /// The system gives no random octets.
    pub fn new(
        identities: &[Arc<Identity>],
        client_certificates: ClientCertificates,
    ) -> Result<Self, AcceptorError> {
        let provider = Arc::new(provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(AcceptorError)?;
        let builder = match client_certificates {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Requested => {
                builder.with_client_cert_verifier(Arc::new(PossessionOnly(provider)))
            }
        };
        let identities = Arc::new(Identities::new(identities));
        let mut configuration = builder.with_cert_resolver(Asked::of(&identities));
        configuration.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
        // What a client may resume is in its ticket: shards have no table in common.
        configuration.session_storage = Arc::new(NoServerSessionStorage {});
        configuration.ticketer = aws_lc_rs::Ticketer::new().map_err(AcceptorError)?;
        configuration.send_tls13_tickets = TICKETS_COUNT;
        Ok(Self {
            configuration,
            identities,
        })
    }

    /// The same with other identities: sessions begun before can be resumed.
    #[must_use]
    pub fn with_identities(&self, identities: &[Arc<Identity>]) -> Self {
        Self {
            configuration: self.configuration.clone(),
            identities: Arc::new(Identities::new(identities)),
        }
    }

    /// The server's side of one connection, of which nothing has been received.
    ///
    /// # Errors
    ///
    /// The system gives no random octets.
    pub fn accept(&self) -> Result<Session, TlsError> {
        let asked = Asked::of(&self.identities);
        let mut configuration = self.configuration.clone();
        configuration.cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesServerCert>;
        Session::new(Arc::new(configuration), asked)
    }

    #[cfg(test)]
    pub(super) fn ticketer(&self) -> &Arc<dyn rustls::server::ProducesTickets> {
        &self.configuration.ticketer
    }
}

/// The cryptography.
pub(super) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The keys of one profile by the names of their certificates.
#[derive(Debug)]
struct Identities {
    /// Invariant: never empty.
    keys: Vec<Arc<CertifiedKey>>,
    /// Indices into `keys`, in order: certificates of different kinds may share a name.
    names: HashMap<Box<str>, Vec<usize>>,
}

impl Identities {
    fn new(identities: &[Arc<Identity>]) -> Self {
        assert!(
            !identities.is_empty(),
            "a profile with TLS has a certificate"
        );
        let mut names: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (index, identity) in identities.iter().enumerate() {
            for name in identity.certificate().dns_names() {
                names.entry(name.into()).or_default().push(index);
            }
        }
        Self {
            keys: identities
                .iter()
                .map(|identity| Arc::clone(&identity.certified))
                .collect(),
            names,
        }
    }

    /// The key for a client: one for the name it gave that it can verify, the name written out before a wildcard.
    fn choose(&self, hello: &ClientHello<'_>) -> Arc<CertifiedKey> {
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let exact = self.names.get(name.as_str());
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.names.get(format!("*.{parent}").as_str())
        };
        let candidates = exact.or_else(wildcard).map_or(&[0][..], Vec::as_slice);
        let is_verifiable = |index: &&usize| {
            let key = &self.keys[**index].key;
            key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let chosen = candidates.iter().find(is_verifiable);
        Arc::clone(&self.keys[*chosen.unwrap_or(&candidates[0])])
    }
}

/// Chooses for one connection and remembers the name that was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    identities: Arc<Identities>,
    name: OnceLock<Box<str>>,
}

impl Asked {
    fn of(identities: &Arc<Identities>) -> Arc<Self> {
        Arc::new(Self {
            identities: Arc::clone(identities),
            name: OnceLock::new(),
        })
    }

    /// The name the client asked for, a DNS name in lower case; none before its first message, or without one.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.get().map(|name| &**name)
    }
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            // A second hello after a retry must repeat the first.
            let _ = self.name.set(name.to_ascii_lowercase().into());
        }
        Some(self.identities.choose(&hello))
    }
}

/// The one application protocol: a client that speaks another has been led astray (RFC 7301 §3.2, "ALPACA").
const APPLICATION_PROTOCOL: &[u8] = b"smtp";

/// Tickets a TLS 1.3 client gets: two connections at once can each be resumed with a fresh one.
const TICKETS_COUNT: usize = 2;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ClientCertificates, TlsAcceptor};
    use crate::tls::session::tests::identity;

    #[test]
    fn a_reload_keeps_the_keys_of_tickets() {
        let first = Arc::new(identity(&["a.example"]));
        let acceptor =
            TlsAcceptor::new(&[first], ClientCertificates::Ignored).expect("random octets");
        let second = Arc::new(identity(&["b.example"]));
        let renewed = acceptor.with_identities(&[second]);
        assert!(Arc::ptr_eq(acceptor.ticketer(), renewed.ticketer()));
    }
}
