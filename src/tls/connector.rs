//! The client's side of TLS, for connections to next hops: plaintext <-> records.
//!
//! In: records as received, plaintext to send. Out: plaintext as received, records to send. Guarantees: TLS 1.2 and 1.3
//! only; with trusted certificates the next hop's must be signed by one of them and name the host; without, anybody who
//! has the key of the certificate shown is talked to, which keeps out listeners but not impostors; memory is bounded by
//! what the caller feeds at once and one record.
//! Does not: wait, or touch a socket.
//!
//! RFC 8446, RFC 5246; RFC 3207 §4.1 (what a client makes of the certificate); RFC 7435 §3 (encryption without trust).

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::TlsError;

/// How connections to a next hop are encrypted; cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    configuration: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why there is no connector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectorError {
    /// The name is neither a domain nor an address.
    BadName,
    /// A file of trusted certificates has none, or one that cannot be trusted.
    BadTrust,
    /// The cryptography does not fit together.
    Provider,
}

/// One connection.
#[derive(Debug)]
pub struct ClientChannel {
    connection: ClientConnection,
}

impl TlsConnector {
    /// A connector to the host `name`, whoever it is.
    ///
    /// # Errors
    ///
    /// The name cannot be asked for.
    pub fn without_trust(name: &str) -> Result<Self, ConnectorError> {
        let provider = Arc::new(super::acceptor::provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = builder(provider)?.dangerous();
        let verifier = Arc::new(Anybody(algorithms));
        let builder = builder.with_custom_certificate_verifier(verifier);
        Self::new(builder.with_no_client_auth(), name)
    }

    /// A connector to the host `name`, whose certificate must be signed by one of the PEM file `trusted`.
    ///
    /// # Errors
    ///
    /// The name cannot be asked for, or nobody could be trusted.
    pub fn with_trust(name: &str, trusted: &[u8]) -> Result<Self, ConnectorError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trusted) {
            let certificate = certificate.map_err(|_| ConnectorError::BadTrust)?;
            roots
                .add(certificate)
                .map_err(|_| ConnectorError::BadTrust)?;
        }
        if roots.is_empty() {
            return Err(ConnectorError::BadTrust);
        }
        let builder = builder(Arc::new(super::acceptor::provider()))?.with_root_certificates(roots);
        Self::new(builder.with_no_client_auth(), name)
    }

    fn new(configuration: ClientConfig, name: &str) -> Result<Self, ConnectorError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ConnectorError::BadName)?;
        Ok(Self {
            configuration: Arc::new(configuration),
            name,
        })
    }

    /// Begins a connection; its first records are to be sent.
    ///
    /// # Errors
    ///
    /// The cryptography fails.
    pub fn connect(&self) -> Result<ClientChannel, TlsError> {
        let configuration = Arc::clone(&self.configuration);
        let connection = ClientConnection::new(configuration, self.name.clone());
        let connection = connection.map_err(TlsError::Protocol)?;
        Ok(ClientChannel { connection })
    }
}

impl ClientChannel {
    /// Whether nothing can be sent yet.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes records, any part of them; what was taken before must have been read with [`ClientChannel::read`].
    ///
    /// # Errors
    ///
    /// They are none, or the next hop is not the one it should be.
    pub fn take(&mut self, mut records: &[u8]) -> Result<(), TlsError> {
        while !records.is_empty() {
            let taken = self.connection.read_tls(&mut records);
            if taken.map_err(|_| TlsError::TooLong)? == 0 {
                break;
            }
            self.connection
                .process_new_packets()
                .map_err(TlsError::Protocol)?;
        }
        Ok(())
    }

    /// Reads plaintext that has come: how many octets; none if nothing more has come; `None` once nothing more will.
    pub fn read(&mut self, plaintext: &mut [u8]) -> Option<usize> {
        match self.connection.reader().read(plaintext) {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    /// Enciphers `plaintext`; its records are appended to `records`, behind those that wait.
    ///
    /// # Errors
    ///
    /// Nothing can be sent any more.
    pub fn write(&mut self, mut plaintext: &[u8], records: &mut Vec<u8>) -> Result<(), TlsError> {
        while !plaintext.is_empty() {
            let count = self.connection.writer().write(plaintext);
            let count = count.map_err(|_| TlsError::NotReady)?;
            plaintext = plaintext.get(count..).unwrap_or_default();
            self.flush(records);
            if count == 0 {
                return Err(TlsError::NotReady);
            }
        }
        Ok(())
    }

    /// Appends the records that wait, those of the handshake for example.
    pub fn flush(&mut self, records: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // A Vec takes what it is given.
            if !matches!(self.connection.write_tls(records), Ok(1..)) {
                break;
            }
        }
    }

    /// Appends the record that says that nothing follows.
    pub fn end(&mut self, records: &mut Vec<u8>) {
        self.connection.send_close_notify();
        self.flush(records);
    }
}

/// A configuration without anything that depends on trust.
fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, ConnectorError> {
    let builder = ClientConfig::builder_with_provider(provider);
    let builder =
        builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]);
    builder.map_err(|_| ConnectorError::Provider)
}

/// Takes any certificate whose key the next hop has.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
