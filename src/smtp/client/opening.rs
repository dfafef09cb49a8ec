//! From the greeting of the next hop to the point where a transaction may begin.
//!
//! In: replies to greeting, EHLO, LHLO, HELO and STARTTLS. Out: the next command, or an event.
//! Guarantees: nothing is believed that was announced before TLS; TLS that is required is used, or there is no session.
//! Does not: shake hands; the connection does.
//!
//! RFC 5321 §3.1, §3.2, §4.1.1.1; RFC 2033 §4.1 (LHLO); RFC 3207 §4.

use super::{Awaited, ClientProtocol, ClientSession, ClientTls, Event};
use crate::smtp::command::write_hello;
use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::reply::{ReceivedReply, ReplyClass};

impl ClientSession {
    /// The connection is encrypted from now on, either since it began or after [`Event::StartTls`]. What was announced
    /// before is forgotten (RFC 3207 §4.2).
    pub fn encrypted(&mut self) {
        self.is_encrypted = true;
        self.offered = Extensions::none();
        if self.awaited.is_empty() {
            self.hello(Awaited::Ehlo);
        }
    }

    /// Says goodbye; the reply is not waited for.
    pub fn quit(&mut self) {
        self.is_closing = true;
        self.output.extend_from_slice(b"QUIT\r\n");
    }

    pub(super) fn opening(&mut self, awaited: Awaited, reply: ReceivedReply) -> Option<Event> {
        let is_positive = reply.code().class() == ReplyClass::Completed;
        match (awaited, is_positive) {
            (Awaited::Greeting, true) => {
                self.hello(Awaited::Ehlo);
                None
            }
            (Awaited::Ehlo, true) => {
                self.offered = offered(&reply);
                self.begin_tls()
            }
            // RFC 5321 §3.2: what does not know EHLO knows HELO. LMTP has nothing older.
            (Awaited::Ehlo, false)
                if self.options.protocol == ClientProtocol::Smtp
                    && reply.code().class() == ReplyClass::PermanentFailure =>
            {
                self.hello(Awaited::Helo);
                None
            }
            (Awaited::Helo, true) => self.begin_tls(),
            (Awaited::StartTls, true) => Some(Event::StartTls),
            (Awaited::StartTls, false) if self.options.tls == ClientTls::Opportunistic => {
                Some(Event::Ready)
            }
            (Awaited::StartTls, false) => Some(Event::NoTls),
            _ => {
                self.is_closing = true;
                Some(Event::Unwilling(reply))
            }
        }
    }

    fn hello(&mut self, awaited: Awaited) {
        let verb = match (awaited, self.options.protocol) {
            (Awaited::Helo, _) => "HELO",
            (_, ClientProtocol::Lmtp) => "LHLO",
            (_, ClientProtocol::Smtp) => "EHLO",
        };
        write_hello(verb, &self.options.hostname, &mut self.output);
        self.awaited.push_back(awaited);
    }

    /// Begins TLS if it is offered and wanted; otherwise the session is ready, or of no use.
    fn begin_tls(&mut self) -> Option<Event> {
        let is_offered = self.offered.offers(Extension::StartTls);
        match self.options.tls {
            _ if self.is_encrypted => Some(Event::Ready),
            ClientTls::Opportunistic | ClientTls::Required if is_offered => {
                self.command(Awaited::StartTls, b"STARTTLS\r\n");
                None
            }
            ClientTls::Required => Some(Event::NoTls),
            ClientTls::Off | ClientTls::Opportunistic => Some(Event::Ready),
        }
    }
}

/// What the reply to EHLO announces, as far as it is known here. The first line is a greeting.
fn offered(reply: &ReceivedReply) -> Extensions {
    let mut offered = Extensions::none();
    for line in reply.lines().skip(1) {
        let keyword = line.split(|octet| *octet == b' ').next();
        let keyword = keyword.unwrap_or_default();
        if let Some(extension) = Extension::of_keyword(keyword) {
            offered = offered.with(extension);
        }
    }
    offered
}
