//! How octets of a test's client travel: over TCP as they are, or over TLS.
//!
//! In: a connected socket. Out: one thing to read from and write to. Also makes certificates, and clients that trust
//! everybody: what a server shows is looked at by the tests.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// A certificate with its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Pem {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// A certificate for these names.
pub(crate) fn certificate(names: &[&str]) -> Pem {
    certificate_until(names, 2099)
}

/// The same, valid up to the beginning of a year.
pub(crate) fn certificate_until(names: &[&str], year: i32) -> Pem {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("they are names");
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "made for a test");
    let made = params.self_signed(&key).expect("a certificate");
    Pem {
        chain: made.pem(),
        key: key.serialize_pem(),
    }
}

impl Pem {
    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, directory: &Path, name: &str) {
        fs::create_dir_all(directory).expect("it can be made");
        for (extension, text) in [("pem", &self.chain), ("key", &self.key)] {
            let path = directory.join(format!("{name}.{extension}"));
            fs::write(path, text).expect("the directory is writable");
        }
    }
}

/// What a client of a test asks for.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// The configuration; clones of it share what can be resumed.
    pub(crate) configuration: Arc<ClientConfig>,
    /// The name asked for.
    pub(crate) name: &'static str,
    /// Octets of records per write.
    pub(crate) octets_per_write: usize,
}

impl Tls {
    /// A client of its own, whatever it is told by `change`.
    pub(crate) fn new(change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut configuration = configuration(None);
        change(&mut configuration);
        Self::of(configuration)
    }

    /// A client with a certificate.
    pub(crate) fn with_certificate(shown: &Pem) -> Self {
        Self::of(configuration(Some(shown)))
    }

    /// A client that shares its configuration with the others of this kind.
    pub(crate) fn shared(octets_per_write: usize) -> Self {
        static SHARED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Arc::new(configuration(None)));
        Self {
            configuration: Arc::clone(shared),
            name: "mx.example.org",
            octets_per_write,
        }
    }

    fn of(configuration: ClientConfig) -> Self {
        Self {
            configuration: Arc::new(configuration),
            name: "mx.example.org",
            octets_per_write: usize::MAX,
        }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn configuration(shown: Option<&Pem>) -> ClientConfig {
    use rustls::pki_types::pem::PemObject as _;

    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder
        .expect("the provider has ciphers for them")
        .dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(Anybody));
    let Some(shown) = shown else {
        return builder.with_no_client_auth();
    };
    let chain = CertificateDer::pem_slice_iter(shown.chain.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes());
    let (chain, key) = (chain.expect("it is PEM"), key.expect("it is PEM"));
    builder
        .with_client_auth_cert(chain, key)
        .expect("they belong together")
}

/// Trusts everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A socket that takes so many octets per write.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    octets_per_write: usize,
}

impl Read for Wire {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.stream.read(octets)
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = octets.len().min(self.octets_per_write);
        self.stream.write(&octets[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// One of the two.
#[derive(Debug)]
pub(crate) enum Channel {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

impl Channel {
    /// Shakes hands over a socket that nothing was read ahead from.
    pub(crate) fn over_tls(stream: TcpStream, tls: &Tls) -> io::Result<Self> {
        let name = ServerName::try_from(tls.name).expect("it is a name");
        let connection = ClientConnection::new(Arc::clone(&tls.configuration), name);
        let wire = Wire {
            stream,
            octets_per_write: tls.octets_per_write,
        };
        let mut stream = StreamOwned::new(connection.expect("a client"), wire);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    /// The socket under it.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.sock.stream,
        }
    }

    /// The TLS connection.
    pub(crate) fn tls(&mut self) -> &mut ClientConnection {
        match self {
            Self::Plain(_) => panic!("it is in plain text"),
            Self::Tls(tls) => &mut tls.conn,
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end_sending(&mut self) {
        if let Self::Tls(tls) = self {
            tls.conn.send_close_notify();
            // The server may have closed.
            let _ = tls.flush();
        }
        let _ = self.socket().shutdown(Shutdown::Write);
    }
}

impl Read for Channel {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(octets),
            // What could not be sent because the server has closed must not keep what it said from being read.
            Self::Tls(tls) => loop {
                match tls.conn.reader().read(octets) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
                tls.conn.read_tls(&mut tls.sock)?;
                let processed = tls.conn.process_new_packets();
                processed.map_err(io::Error::other)?;
            },
        }
    }
}

impl Write for Channel {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            // Each write is a record, at least.
            Self::Tls(tls) => {
                let count = tls.write(octets)?;
                tls.flush()?;
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
