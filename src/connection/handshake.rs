//! When TLS begins: before anything else, or after STARTTLS.
//!
//! In: a connection in plain text. Out: the same over TLS, its session told what was agreed on. Guarantees: nothing that
//! was received in plain text is read after STARTTLS; a handshake has the time of one command; each is counted, and one
//! that fails is logged with its reason.
//! Does not: shake hands (`tls_layer.rs`), or know what a session forgets (`smtp::session`).
//!
//! RFC 3207 §4.2, RFC 8314 §3.

use std::rc::Rc;

use super::Connection;
use super::transport::ConnectionError;
use crate::log::Level;
use crate::profile::TlsBegin;
use crate::smtp::line::LineScanner;
use crate::smtp::session::{AlternativeName, ClientCertificate, Tls};
use crate::tls::{self, Facts};

/// Shakes hands at once if the profile begins so. What has been received already is the client's first record.
pub(super) async fn begin(connection: &mut Connection) -> Result<(), ConnectionError> {
    if connection.profile().tls.as_ref().map(|tls| tls.begin) == Some(TlsBegin::AtOnce) {
        shake_hands(connection).await?;
    }
    Ok(())
}

/// Shakes hands after STARTTLS was answered.
pub(super) async fn upgrade(connection: &mut Connection) -> Result<(), ConnectionError> {
    let count = connection.receive_buffer.octets().len();
    connection.receive_buffer.consume(count);
    connection.scanner = LineScanner::new();
    connection.abandon_chunks().await;
    connection.end_transaction();
    shake_hands(connection).await
}

async fn shake_hands(connection: &mut Connection) -> Result<(), ConnectionError> {
    let acceptor = connection.commons.served[connection.served]
        .tls
        .borrow()
        .clone();
    // A profile without certificates neither begins with TLS nor offers it.
    let Some(acceptor) = acceptor else {
        return Err(ConnectionError::ClientLeft);
    };
    let due_ms = connection.due_ms(connection.profile().limits.command_timeout_ms);
    let session = acceptor.accept().map_err(ConnectionError::Tls)?;
    drop(acceptor);
    let received = connection.receive_buffer.octets();
    let spare = Rc::clone(&connection.commons.spare_record_buffers);
    connection.transport.begin_tls(session, spare, received);
    let count = received.len();
    connection.receive_buffer.consume(count);
    connection.receive_buffer.rest();
    match connection.transport.shake_hands(due_ms).await {
        Ok(Some(facts)) => {
            connection.commons.counters.tls_handshakes.increment();
            note(connection, &facts);
            connection.session.tls_established(told(facts));
            Ok(())
        }
        Ok(None) => Err(ConnectionError::ClientLeft),
        Err(error) => {
            connection.commons.counters.tls_failures.increment();
            Err(error)
        }
    }
}

/// Logs what was agreed on.
fn note(connection: &Connection, facts: &Facts) {
    let Some(line) = connection.line(Level::Connection, "tls") else {
        return;
    };
    let kind = if facts.is_resumed { "resumed" } else { "full" };
    let mut line = line
        .word("protocol", facts.protocol)
        .word("cipher", facts.cipher)
        .word("handshake", kind);
    if let Some(name) = &facts.server_name {
        line = line.octets("sni", name.as_bytes());
    }
    if let Some(certificate) = &facts.client_certificate {
        line = line
            .octets("subject", certificate.subject.as_bytes())
            .word("fingerprint", &certificate.fingerprint_sha256);
    }
    drop(line);
}

/// The same in the words of the session.
fn told(facts: Facts) -> Box<Tls> {
    Box::new(Tls {
        protocol: facts.protocol,
        cipher: facts.cipher,
        key_bits: facts.key_bits,
        server_name: facts.server_name,
        client_certificate: facts.client_certificate.map(|shown| {
            let names = shown.names.into_iter().map(|name| match name {
                tls::AlternativeName::Dns(name) => AlternativeName::Dns(name),
                tls::AlternativeName::Other(name) => AlternativeName::Other(name),
            });
            ClientCertificate {
                subject: shown.subject_attributes,
                issuer: shown.issuer_attributes,
                names: names.collect(),
                version: shown.version,
                serial_number: shown.serial_number,
                not_before: shown.not_before,
                not_after: shown.not_after,
                der: shown.der,
            }
        }),
    })
}
