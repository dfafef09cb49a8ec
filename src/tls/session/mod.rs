//! The server's side of one TLS connection: records in, plaintext and records out.
//!
//! In: records as received, any fragmentation; plaintext to send. Out: plaintext as received, records to send, and
//! what the handshake agreed on. Guarantees: a record is deciphered where it lies and copied once; plaintext for which
//! there is no room is held, at most what one buffer of records can hold; a handshake has a bound in octets; behind the
//! client's close_notify nothing is read any more, whatever follows. Does not: wait, or touch a socket.
//!
//! RFC 8446 §5 (records), §6.1 (close_notify); RFC 5246 §6, §7.2.1.

#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConfig};

use super::acceptor::Asked;
use super::certificate::Certificate;
use crate::limits;

/// One TLS connection.
pub struct Session {
    connection: UnbufferedServerConnection,
    asked: Arc<Asked>,
    /// Deciphered, and not asked for yet.
    held: Vec<u8>,
    /// Octets of records taken before the handshake was complete.
    handshake_octets: usize,
    /// Whether the client has said that nothing follows.
    is_at_end: bool,
    /// Whether the connection has failed: nothing is looked at any more.
    has_failed: bool,
    /// Octets of records that were seen and not taken: parts of messages, which must be there the next time.
    seen_octets: usize,
}

/// What [`Session::open`] came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Octets of records that were taken: the caller forgets them.
    pub consumed: usize,
    /// Octets of plaintext that were written.
    pub filled: usize,
    /// How things stand.
    pub stage: Stage,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// The handshake goes on: more records are needed.
    Handshake,
    /// Plaintext can be sent and received.
    Established,
    /// The client has sent all it wanted to; plaintext can still be sent.
    Ended,
}

/// What a handshake agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub protocol: &'static str,
    /// The cipher suite as OpenSSL calls it.
    pub cipher: &'static str,
    /// Bits of the cipher's key.
    pub key_bits: u16,
    /// The name the client asked for.
    pub server_name: Option<Box<str>>,
    /// Whether an earlier session was taken up again.
    pub is_resumed: bool,
    /// What the client's certificate says; the client has its key.
    pub client_certificate: Option<Box<Certificate>>,
}

/// Why a connection cannot go on.
#[derive(Debug)]
pub enum TlsError {
    /// The client, or what is between, broke the protocol or wants what is not offered.
    Protocol(rustls::Error),
    /// A handshake or one message of it is too long.
    TooLong,
    /// Nothing can be sent before the handshake is complete, or after too much has been sent.
    NotReady,
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(formatter),
            Self::TooLong => write!(
                formatter,
                "handshake exceeds {} octets, or one message of it {}",
                limits::TLS_HANDSHAKE_OCTETS_MAX,
                limits::TLS_RECORD_BUFFER_BYTES
            ),
            Self::NotReady => formatter.write_str("nothing can be sent"),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Session");
        shown.field("is_established", &self.is_established());
        shown.finish_non_exhaustive()
    }
}

/// Where plaintext goes.
struct Room<'p> {
    plaintext: &'p mut [u8],
    filled: usize,
}

impl Room<'_> {
    /// Takes what there is room for; the rest is held, and so is all that comes after it.
    fn take(&mut self, payload: &[u8], held: &mut Vec<u8>) {
        let room = &mut self.plaintext[self.filled..];
        let count = if held.is_empty() {
            payload.len().min(room.len())
        } else {
            0
        };
        room[..count].copy_from_slice(&payload[..count]);
        self.filled += count;
        held.extend_from_slice(&payload[count..]);
    }
}

/// What a connection can do next.
enum Ready {
    /// It needs more records.
    Blocked,
    /// It has given plaintext.
    Received,
    /// It can send.
    Writing,
}

impl Session {
    pub(super) fn new(
        configuration: Arc<ServerConfig>,
        asked: Arc<Asked>,
    ) -> Result<Self, TlsError> {
        let connection = UnbufferedServerConnection::new(configuration);
        Ok(Self {
            connection: connection.map_err(TlsError::Protocol)?,
            asked,
            held: Vec::new(),
            handshake_octets: 0,
            is_at_end: false,
            has_failed: false,
            seen_octets: 0,
        })
    }

    /// Takes what it can from the front of `records`, writes plaintext to the front of `plaintext`, and appends what must
    /// be sent to `output`, also when it fails: an alert then.
    ///
    /// # Errors
    ///
    /// The connection cannot go on: `output` is to be sent, and the socket closed.
    pub fn open(
        &mut self,
        records: &mut [u8],
        plaintext: &mut [u8],
        output: &mut Vec<u8>,
    ) -> Result<Opened, TlsError> {
        let mut consumed = 0;
        let mut room = Room {
            filled: self.release(plaintext),
            plaintext,
        };
        while self.held.is_empty() && !self.is_at_end {
            let was_established = self.is_established();
            let before = consumed;
            let ready = self.advance(records, &mut consumed, &mut room, output)?;
            if !was_established {
                self.handshake_octets += consumed - before;
                if limits::TLS_HANDSHAKE_OCTETS_MAX < self.handshake_octets {
                    self.has_failed = true;
                    return Err(TlsError::TooLong);
                }
            }
            if !matches!(ready, Ready::Received) {
                break;
            }
        }
        Ok(Opened {
            consumed,
            filled: room.filled,
            stage: self.stage(),
        })
    }

    /// Appends `octets` to `output` as records, and whatever must be sent before them. `records` are those received and
    /// not yet taken; the octets to be forgotten at their front are the result.
    ///
    /// # Errors
    ///
    /// The handshake is not complete, or the connection cannot go on.
    pub fn seal(
        &mut self,
        records: &mut [u8],
        octets: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<usize, TlsError> {
        if !self.is_established() {
            return Err(TlsError::NotReady);
        }
        let mut consumed = 0;
        loop {
            self.await_writing(records, &mut consumed, output)?;
            let status = self
                .connection
                .process_tls_records(&mut records[consumed..]);
            let Ok(ConnectionState::WriteTraffic(mut writing)) = status.state else {
                return Err(TlsError::NotReady);
            };
            // Asked without room first: that tells how much is needed, and queues the answer to a key update, which
            // must be sent before anything that is encrypted with the new key.
            let needed = match writing.encrypt(octets, &mut []) {
                Ok(_) => return Ok(consumed),
                Err(EncryptError::InsufficientSize(size)) => size.required_size,
                Err(EncryptError::EncryptExhausted) => return Err(TlsError::NotReady),
            };
            if self.connection.wants_write() {
                continue;
            }
            let status = self
                .connection
                .process_tls_records(&mut records[consumed..]);
            let Ok(ConnectionState::WriteTraffic(mut writing)) = status.state else {
                return Err(TlsError::NotReady);
            };
            let begin = output.len();
            output.resize(begin + needed, 0);
            let written = writing.encrypt(octets, &mut output[begin..]);
            output.truncate(begin + *written.as_ref().unwrap_or(&0));
            return written.map(|_| consumed).map_err(|_| TlsError::NotReady);
        }
    }

    /// Appends the close_notify to `output`, if the connection can say it.
    pub fn close(&mut self, records: &mut [u8], output: &mut Vec<u8>) {
        let mut consumed = 0;
        if !self.is_established() || self.await_writing(records, &mut consumed, output).is_err() {
            return;
        }
        let status = self
            .connection
            .process_tls_records(&mut records[consumed..]);
        if let Ok(ConnectionState::WriteTraffic(mut writing)) = status.state {
            let begin = output.len();
            output.resize(begin + ALERT_OCTETS_MAX, 0);
            let written = writing.queue_close_notify(&mut output[begin..]);
            output.truncate(begin + written.unwrap_or(0));
        }
        self.flush(output);
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// What the handshake agreed on; none before it is complete.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        if !self.is_established() {
            return None;
        }
        let (cipher, key_bits) = cipher(self.connection.negotiated_cipher_suite()?.suite());
        let certificates = self.connection.peer_certificates();
        let certificate = certificates.and_then(<[_]>::first);
        Some(Facts {
            protocol: match self.connection.protocol_version()? {
                ProtocolVersion::TLSv1_2 => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher,
            key_bits,
            server_name: self.asked.name().map(Box::from),
            is_resumed: self.connection.handshake_kind() == Some(HandshakeKind::Resumed),
            client_certificate: certificate
                .and_then(|der| Certificate::from_der(der))
                .map(Box::new),
        })
    }

    /// Whether there is plaintext that was deciphered and not asked for.
    #[must_use]
    pub fn holds_plaintext(&self) -> bool {
        !self.held.is_empty()
    }

    /// How things stand.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if !self.is_established() {
            Stage::Handshake
        } else if self.is_at_end && self.held.is_empty() {
            Stage::Ended
        } else {
            Stage::Established
        }
    }

    /// Moves held plaintext to `plaintext`; how much.
    fn release(&mut self, plaintext: &mut [u8]) -> usize {
        let count = self.held.len().min(plaintext.len());
        plaintext[..count].copy_from_slice(&self.held[..count]);
        if count == self.held.len() {
            self.held = Vec::new();
        } else {
            self.held.drain(..count);
        }
        count
    }

    /// Goes on until something can be sent; plaintext is held meanwhile.
    fn await_writing(
        &mut self,
        records: &mut [u8],
        consumed: &mut usize,
        output: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        let mut room = Room {
            plaintext: &mut [],
            filled: 0,
        };
        loop {
            match self.advance(records, consumed, &mut room, output)? {
                Ready::Received => {}
                Ready::Writing => return Ok(()),
                Ready::Blocked => return Err(TlsError::NotReady),
            }
        }
    }

    /// Goes on until records are needed, plaintext has come, or something can be sent.
    fn advance(
        &mut self,
        records: &mut [u8],
        consumed: &mut usize,
        room: &mut Room<'_>,
        output: &mut Vec<u8>,
    ) -> Result<Ready, TlsError> {
        // The library holds places in what it has seen.
        let is_whole = self.seen_octets <= records.len() - *consumed;
        if self.has_failed || !is_whole {
            return Err(TlsError::NotReady);
        }
        loop {
            let Self {
                connection, held, ..
            } = self;
            let UnbufferedStatus {
                mut discard, state, ..
            } = connection.process_tls_records(&mut records[*consumed..]);
            let ready = match state {
                Err(error) => {
                    self.has_failed = true;
                    self.flush(output);
                    return Err(TlsError::Protocol(error));
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(TlsError::Protocol)?;
                        room.take(record.payload, held);
                        discard += record.discard;
                    }
                    Some(Ready::Received)
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, output);
                    None
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => {
                    // It is in `output`, behind all that came before it.
                    sent.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_at_end = true;
                    None
                }
                Ok(ConnectionState::WriteTraffic(_)) => Some(Ready::Writing),
                // Closed, or early data, which was not offered: nothing more comes.
                Ok(_) => Some(Ready::Blocked),
            };
            *consumed += discard;
            self.seen_octets = records.len() - *consumed;
            if let Some(ready) = ready {
                return Ok(ready);
            }
        }
    }

    /// Appends what is queued to be sent, an alert for example.
    fn flush(&mut self, output: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else {
                return;
            };
            encode(&mut data, output);
        }
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, output: &mut Vec<u8>) {
    let begin = output.len();
    // The first try tells how much room is needed.
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        output.resize(begin + size.required_size, 0);
        let written = data.encode(&mut output[begin..]);
        output.truncate(begin + written.unwrap_or(0));
    }
}

/// Name and key size of a cipher suite, as scripts, logs and trace headers of other servers have it.
fn cipher(suite: CipherSuite) -> (&'static str, u16) {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => ("TLS_AES_128_GCM_SHA256", 128),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => ("TLS_AES_256_GCM_SHA384", 256),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => ("TLS_CHACHA20_POLY1305_SHA256", 256),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
            ("ECDHE-ECDSA-AES128-GCM-SHA256", 128)
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
            ("ECDHE-ECDSA-AES256-GCM-SHA384", 256)
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("ECDHE-ECDSA-CHACHA20-POLY1305", 256)
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => ("ECDHE-RSA-AES128-GCM-SHA256", 128),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => ("ECDHE-RSA-AES256-GCM-SHA384", 256),
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("ECDHE-RSA-CHACHA20-POLY1305", 256)
        }
        // None of the provider's; the name is left out rather than wrong.
        _ => ("unknown", 0),
    }
}

/// Longest alert as a record, in octets: TLS 1.2 adds an explicit nonce and a tag.
const ALERT_OCTETS_MAX: usize = 64;
