//! What a connection's octets travel through: a socket, with or without TLS.
//!
//! In: a connected socket, plaintext. Out: plaintext as the server sent it. Guarantees: never blocks; what a write has
//! taken is sent in order, at once or when the socket has room again. Trusts every server: this is a load generator, and
//! test servers have certificates of their own making. Does not know SMTP.
//!
//! RFC 8446, RFC 3207 §4.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use socket2::Socket;

/// TLS of a run.
#[derive(Debug)]
pub(crate) struct Tls {
    /// When it begins.
    pub(crate) begin: Begin,
    configuration: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the connection.
    AtOnce,
    /// After STARTTLS.
    OnRequest,
}

impl Begin {
    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "implicit",
            Self::OnRequest => "starttls",
        }
    }
}

/// Whether sessions are taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// Each handshake is a full one.
    New,
    /// From the second connection on, if the server allows.
    Resumed,
}

impl Tls {
    /// TLS with a server that is asked for by `name`, a domain or an address.
    ///
    /// # Errors
    ///
    /// The name is neither.
    pub(crate) fn new(begin: Begin, sessions: Sessions, name: &str) -> Result<Self, String> {
        let refusal = |_| format!("{name} is neither a domain nor an address");
        let server_name = ServerName::try_from(name.to_owned()).map_err(refusal)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for both versions");
        let mut configuration = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        if sessions == Sessions::New {
            configuration.resumption = Resumption::disabled();
        }
        Ok(Self {
            begin,
            configuration: Arc::new(configuration),
            name: server_name,
        })
    }
}

/// A socket, with what is on top of it.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

impl Channel {
    /// Octets as they are.
    pub(crate) const fn plain(socket: Socket) -> Self {
        Self { socket, tls: None }
    }

    /// The socket.
    pub(crate) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Puts TLS on top; the handshake follows.
    ///
    /// # Errors
    ///
    /// No random octets.
    pub(crate) fn begin_tls(&mut self, tls: &Tls) -> io::Result<()> {
        let configuration = Arc::clone(&tls.configuration);
        let connection = ClientConnection::new(configuration, tls.name.clone());
        self.tls = Some(Box::new(connection.map_err(io::Error::other)?));
        Ok(())
    }

    /// Whether a handshake is under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether a read that did not fill its room has emptied the socket.
    pub(crate) const fn tells_end_by_short_read(&self) -> bool {
        self.tls.is_none()
    }

    /// Goes on with the handshake as far as the socket lets it; whether it is complete.
    ///
    /// # Errors
    ///
    /// It has failed, or the connection is gone.
    pub(crate) fn shake_hands(&mut self) -> io::Result<bool> {
        while self.is_handshaking() {
            match self.flush().and_then(|()| self.receive()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(true),
        }
    }

    /// Reads plaintext; 0 at its end, however the server ended it.
    ///
    /// # Errors
    ///
    /// As of a socket that does not block; octets that are no records.
    pub(crate) fn read(&mut self, plaintext: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else {
                return (&self.socket).read(plaintext);
            };
            match tls.reader().read(plaintext) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.receive()?;
        }
    }

    /// Writes from the beginning of two pieces; how much was taken.
    ///
    /// # Errors
    ///
    /// As of a socket that does not block.
    pub(crate) fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let Some(tls) = &mut self.tls else {
            let mut socket = &self.socket;
            return match (first, second) {
                ([], only) | (only, []) => socket.write(only),
                (first, second) => {
                    socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
                }
            };
        };
        let pieces = [IoSlice::new(first), IoSlice::new(second)];
        let taken = tls.writer().write_vectored(&pieces)?;
        match self.flush() {
            // The rest follows when the socket has room.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    /// Sends records that wait.
    ///
    /// # Errors
    ///
    /// As of a socket that does not block.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.wants_write() {
            match tls.write_tls(&mut &self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Says that nothing follows, as far as the socket takes it.
    pub(crate) fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // The server may be gone.
            drop(self.flush());
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let count = tls.read_tls(&mut &self.socket)?;
        if let Err(error) = tls.process_new_packets() {
            // The server is told why, if it still listens.
            drop(self.flush());
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }
}

/// Trusts every server; its signatures are verified, so that the work of a client is done.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
