//! TLS without I/O: identities, and octets <-> plaintext. The only folder that names rustls.
//!
//! ```text
//! PEM files --> Identity --> TlsAcceptor (one per profile) --> Session (one per connection)
//!               identity.rs  acceptor.rs                       session/
//!                                       records --> Session --> plaintext, records to send, facts
//! towards next hops: TlsConnector --> ClientChannel, connector.rs
//! ```
//!
//! Guarantees: TLS 1.2 and 1.3 only, no renegotiation, no early data; a key that does not belong to its certificate is
//! an error when it is loaded. Does not: read files or sockets; `profile` and `connection` do.
//!
//! RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 6066 §3 (server names), RFC 7301 (ALPN), RFC 5077 (tickets).

mod acceptor;
mod certificate;
mod client_certificate;
mod connector;
mod distinguished_name;
mod identity;
mod session;

pub use acceptor::{AcceptorError, ClientCertificates, TlsAcceptor};
pub use certificate::{AlternativeName, Certificate};
pub use connector::{ClientChannel, ConnectorError, TlsConnector};
pub use distinguished_name::Attributes;
pub use identity::{Identity, IdentityError, PemFile, Validity};
pub use session::{Facts, Opened, Session, Stage, TlsError};
