//! TLS over the socket of one connection.
//!
//! In: a socket, a TLS session, plaintext to send. Out: plaintext as received, records on the socket. Guarantees: a
//! connection that waits holds no buffers but a record that has not come whole; nothing is ever sent in plain text;
//! an error of the client is answered with an alert. Does not: decide when TLS begins (`handshake.rs`), or know lines.
//!
//! RFC 8446 §6 (alerts), RFC 3207 §4.

use std::rc::Rc;

use super::receive_buffer::{ReceiveBuffer, SpareBuffers};
use super::transport::{ConnectionError, PlainTransport};
use super::watch::Activity;
use crate::limits;
use crate::tls::{Facts, Session, Stage, TlsError};

/// One TLS connection on its socket.
#[derive(Debug)]
pub(super) struct TlsLayer {
    session: Session,
    /// Records that have not been taken.
    records: ReceiveBuffer,
    /// Records that wait to be sent.
    output: Vec<u8>,
}

impl TlsLayer {
    /// A layer whose handshake is to come; `received` are octets of it that are here already.
    pub(super) fn new(session: Session, spare: Rc<SpareBuffers>, received: &[u8]) -> Self {
        let mut records = ReceiveBuffer::new(spare);
        if !received.is_empty() {
            // The buffer of records is larger than the one these come from.
            records.free_space()[..received.len()].copy_from_slice(received);
            records.filled(received.len());
        }
        Self {
            session,
            records,
            output: Vec::new(),
        }
    }

    /// Completes the handshake by `due_ms`.
    pub(super) async fn shake_hands(
        &mut self,
        socket: &mut PlainTransport,
        due_ms: u64,
    ) -> Result<Option<Facts>, ConnectionError> {
        loop {
            if !self.records.is_empty() {
                let opened = self.open(socket, &mut [])?;
                self.flush(socket, due_ms).await?;
                // A handshake takes a processor for longer than anything else a client can ask for.
                glommio::executor().yield_if_needed().await;
                match opened.stage {
                    Stage::Handshake => {}
                    Stage::Established => return Ok(self.session.facts()),
                    Stage::Ended => return Err(ConnectionError::ClientLeft),
                }
            }
            self.check_room()?;
            let records = &mut self.records;
            socket.receive(records, Activity::Idle, due_ms).await?;
        }
    }

    /// As [`super::transport::Transport::receive`].
    pub(super) async fn receive(
        &mut self,
        socket: &mut PlainTransport,
        buffer: &mut ReceiveBuffer,
        activity: Activity,
        due_ms: u64,
    ) -> Result<(), ConnectionError> {
        loop {
            if self.open_into(socket, buffer)? {
                return Ok(());
            }
            // An answer that the protocol asks for, seldom; boxed so that an idle connection has no room for it.
            if !self.output.is_empty() {
                Box::pin(self.flush(socket, due_ms)).await?;
            }
            buffer.rest();
            self.output = Vec::new();
            self.check_room()?;
            socket.receive(&mut self.records, activity, due_ms).await?;
            // Records without content, as fast as they can be read, must not keep the others waiting.
            glommio::executor().yield_if_needed().await;
        }
    }

    /// As [`super::transport::Transport::try_receive`].
    pub(super) fn try_receive(
        &mut self,
        socket: &mut PlainTransport,
        buffer: &mut ReceiveBuffer,
    ) -> Result<bool, ConnectionError> {
        if self.open_into(socket, buffer)? {
            return Ok(true);
        }
        let has_come = socket.try_receive(&mut self.records)?;
        Ok(has_come && self.open_into(socket, buffer)?)
    }

    /// As [`super::transport::Transport::send`].
    pub(super) async fn send(
        &mut self,
        socket: &mut PlainTransport,
        octets: &[u8],
        due_ms: u64,
    ) -> Result<(), ConnectionError> {
        for part in octets.chunks(limits::TLS_PLAINTEXT_OCTETS_MAX) {
            self.seal(part)?;
            self.flush(socket, due_ms).await?;
        }
        Ok(())
    }

    /// Sends what the kernel takes at once of a last reply and of the end. What does not fit is lost, and with it the
    /// close_notify: the client knows then that something is missing.
    pub(super) fn send_last(&mut self, socket: &PlainTransport, octets: &[u8]) {
        for part in octets.chunks(limits::TLS_PLAINTEXT_OCTETS_MAX) {
            if self.seal(part).is_err() {
                return;
            }
        }
        self.session
            .close(self.records.octets_mut(), &mut self.output);
        // The client is about to be left; it may not even be there.
        let _ = socket.try_send(&self.output);
        self.output = Vec::new();
    }

    fn seal(&mut self, octets: &[u8]) -> Result<(), ConnectionError> {
        let records = self.records.octets_mut();
        let consumed = self.session.seal(records, octets, &mut self.output);
        self.records
            .consume(consumed.map_err(ConnectionError::Tls)?);
        Ok(())
    }

    /// Deciphers what is here already; whether there was any plaintext.
    fn open_into(
        &mut self,
        socket: &PlainTransport,
        buffer: &mut ReceiveBuffer,
    ) -> Result<bool, ConnectionError> {
        if self.records.is_empty() && !self.session.holds_plaintext() {
            return match self.session.stage() {
                Stage::Ended => Err(ConnectionError::ClientLeft),
                Stage::Handshake | Stage::Established => Ok(false),
            };
        }
        let opened = self.open(socket, buffer.free_space())?;
        buffer.filled(opened.filled);
        if opened.filled == 0 && opened.stage == Stage::Ended {
            return Err(ConnectionError::ClientLeft);
        }
        Ok(0 < opened.filled)
    }

    /// Takes records; what went wrong is told to the client.
    fn open(
        &mut self,
        socket: &PlainTransport,
        plaintext: &mut [u8],
    ) -> Result<crate::tls::Opened, ConnectionError> {
        let records = self.records.octets_mut();
        match self.session.open(records, plaintext, &mut self.output) {
            Ok(opened) => {
                self.records.consume(opened.consumed);
                Ok(opened)
            }
            Err(error) => {
                let _ = socket.try_send(&self.output);
                self.output = Vec::new();
                Err(ConnectionError::Tls(error))
            }
        }
    }

    async fn flush(
        &mut self,
        socket: &mut PlainTransport,
        due_ms: u64,
    ) -> Result<(), ConnectionError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let sent = socket.send(&self.output, due_ms).await;
        // After a failure too: part of it may have been sent, and nothing may be sent twice.
        self.output.clear();
        sent
    }

    /// Fails when there is no room for more records.
    fn check_room(&mut self) -> Result<(), ConnectionError> {
        if self.records.free_space().is_empty() {
            // A message in parts, longer than the buffer: records of data are never longer.
            return Err(ConnectionError::Tls(TlsError::TooLong));
        }
        Ok(())
    }
}
