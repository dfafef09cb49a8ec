//! One client of the server, in plain text or over TLS.
//!
//! In: where the server is, and from which address to come. Out: replies. Guarantees: every reply is compared with the
//! code it must have; a server that does not answer in time is a failure. Blocks: connections sit idle, or are timed one
//! after another, so that nothing happens besides.
//!
//! RFC 5321 §4.2.1 (replies of several lines).

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Protocol, Socket, Type};

use crate::compare::server::WorkFolder;
use crate::failure::Failure;

/// Makes a certificate of its own signature for the server in `folder`, as [`CHAIN`] and [`KEY`].
pub(super) fn make_certificate(folder: &WorkFolder) -> Result<(), Failure> {
    let failed = |error| Failure::of("certificate", error);
    let key = KeyPair::generate().map_err(failed)?;
    let params = CertificateParams::new(vec![HOST_NAME.to_owned()]).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    for (name, text) in [(CHAIN, certificate.pem()), (KEY, key.serialize_pem())] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::of(path.display(), error))?;
    }
    Ok(())
}

/// How clients use TLS.
#[derive(Debug)]
pub(super) struct Tls {
    configuration: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Clients that trust the certificate in the file `chain` and no other. They speak TLS 1.3 and resume no sessions.
    pub(super) fn trusting(chain: &Path) -> Result<Self, Failure> {
        let failed = |cause: &dyn std::fmt::Display| Failure::of(chain.display(), cause);
        let certificate = CertificateDer::from_pem_file(chain).map_err(|error| failed(&error))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(|error| failed(&error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]);
        let builder = builder.map_err(|error| failed(&error))?;
        let mut configuration = builder.with_root_certificates(roots).with_no_client_auth();
        configuration.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            configuration: Arc::new(configuration),
            name: ServerName::try_from(HOST_NAME).map_err(|error| failed(&error))?,
        })
    }

    fn begin(&self) -> Result<ClientConnection, Failure> {
        let connection = ClientConnection::new(Arc::clone(&self.configuration), self.name.clone());
        connection.map_err(|error| Failure::of("TLS", error))
    }
}

/// One connection.
#[derive(Debug)]
pub(super) enum Client {
    /// In plain text.
    Plain(TcpStream),
    /// Over TLS from its first octet on.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    /// Connects from `source`; the handshake comes with the first octets.
    pub(super) fn connect(
        source: IpAddr,
        server: SocketAddr,
        tls: Option<&Tls>,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::of(format_args!("connection from {source}"), error);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP));
        let socket = socket.map_err(failed)?;
        let bound = socket.bind(&SocketAddr::new(source, 0).into());
        bound.map_err(failed)?;
        socket.connect(&server.into()).map_err(failed)?;
        socket.set_tcp_nodelay(true).map_err(failed)?;
        let stream = TcpStream::from(socket);
        let timed = stream.set_read_timeout(Some(REPLY_MAX));
        timed.map_err(failed)?;
        Ok(match tls {
            None => Self::Plain(stream),
            Some(tls) => Self::Tls(Box::new(StreamOwned::new(tls.begin()?, stream))),
        })
    }

    /// Sends octets and takes the reply, which must have this code.
    pub(super) fn ask(&mut self, octets: &[u8], code: &str) -> Result<(), Failure> {
        self.send(octets)?;
        self.expect(code)
    }

    /// Sends octets.
    pub(super) fn send(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let written = match self {
            Self::Plain(stream) => stream.write_all(octets),
            Self::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        };
        written.map_err(|error| Failure::of("a connection", error))
    }

    /// Takes a reply, which must have this code.
    pub(super) fn expect(&mut self, code: &str) -> Result<(), Failure> {
        let mut reply = Vec::with_capacity(512);
        let mut room = [0; 2_048];
        while !is_whole(&reply) {
            let read = match self {
                Self::Plain(stream) => stream.read(&mut room),
                Self::Tls(stream) => stream.read(&mut room),
            };
            match read {
                Ok(0) => return Err(Failure(format!("closed where {code} was expected"))),
                Ok(count) => reply.extend_from_slice(&room[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::of(format_args!("no {code}"), error)),
            }
        }
        if reply.starts_with(code.as_bytes()) {
            return Ok(());
        }
        let reply = reply.escape_ascii();
        Err(Failure(format!("{reply} where {code} was expected")))
    }

    /// Fails unless the connection stands and the server has said nothing unasked.
    pub(super) fn require_silence(&self) -> Result<(), Failure> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        };
        let failed = |error| Failure::of("a connection", error);
        stream.set_nonblocking(true).map_err(failed)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).map_err(failed)?;
        match peeked {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(0) => Err(Failure("an idle connection was closed".into())),
            Ok(_) => Err(Failure("an idle connection was told something".into())),
        }
    }
}

/// Whether a reply has its last line.
fn is_whole(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\r\n") else {
        return false;
    };
    let last = lines.rsplit(|octet| *octet == b'\n').next();
    last.and_then(|line| line.get(3)) == Some(&b' ')
}

/// The file with the certificate.
pub(super) const CHAIN: &str = "chain.pem";

/// The file with its key.
pub(super) const KEY: &str = "key.pem";

/// The name in the certificate.
const HOST_NAME: &str = "mx.example.com";

/// How long a reply may take, far past what is measured.
const REPLY_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn a_reply_ends_with_the_line_without_a_hyphen() {
        for (reply, whole) in [
            (&b""[..], false),
            (b"220 mx ESMTP", false),
            (b"220 mx ESMTP\r\n", true),
            (b"250-mx\r\n", false),
            (b"250-mx\r\n250 SIZE 1\r\n", true),
            (b"250-mx\r\n250", false),
        ] {
            assert_eq!(is_whole(reply), whole, "{}", reply.escape_ascii());
        }
    }
}
