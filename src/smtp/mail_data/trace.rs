//! The header fields postern puts before a message.
//!
//! In: session and transaction, an id, a date in text. Out: `Return-Path:`, `X-Original-To:`,
//! `Received:` and `X-Envelope-Parameters:`, in this order, appended to a buffer.
//!
//! Guarantees: whatever a client or a script has said, each field is one field: octets outside
//! printable ASCII are written as `?`, but for the UTF-8 of addresses where the client declared it; lines are folded and end with CRLF; none reaches 998 octets.
//! Does not: read the clock; the date comes in the form of RFC 5322 §3.3.
//!
//! RFC 5321 §4.4 (trace information; Return-Path is for final delivery), §4.1.3 (address literals);
//! RFC 3848 (with ESMTPS).

use std::io::Write as _;
use std::net::IpAddr;

use crate::limits;
use crate::smtp::session::{Channel, HeloVerb, Session, Tls, Transaction, TransactionId};

/// What the trace header of one message says.
#[derive(Debug, Clone, Copy)]
pub struct Trace<'session> {
    transaction: &'session Transaction,
    helo_domain: &'session [u8],
    protocol: Protocol,
    tls: Option<&'session Tls>,
    client_address: IpAddr,
    hostname: &'session str,
    id: &'session TransactionId,
    date: &'session str,
}

/// How the message came: the `with` clause (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// Whether the client said EHLO.
    pub is_extended: bool,
    /// Whether addresses and header fields may be UTF-8.
    pub is_utf8: bool,
    /// How the octets came.
    pub channel: Channel,
    /// Whether the client had authenticated.
    pub is_authenticated: bool,
}

impl Protocol {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        let is_tls = matches!(self.channel, Channel::Tls);
        if !self.is_extended {
            return "SMTP";
        }
        match (self.is_utf8, is_tls, self.is_authenticated) {
            (true, false, false) => "UTF8SMTP",
            (true, true, false) => "UTF8SMTPS",
            (true, false, true) => "UTF8SMTPA",
            (true, true, true) => "UTF8SMTPSA",
            (false, false, false) => "ESMTP",
            (false, true, false) => "ESMTPS",
            (false, false, true) => "ESMTPA",
            (false, true, true) => "ESMTPSA",
        }
    }
}

impl<'session> Trace<'session> {
    /// The trace of the session's transaction; none if it has none. `date` as in RFC 5322 §3.3.
    #[must_use]
    pub fn new(
        session: &'session Session,
        id: &'session TransactionId,
        date: &'session str,
    ) -> Option<Self> {
        let (verb, helo_domain) = session.helo()?;
        let transaction = session.transaction()?;
        let protocol = Protocol {
            is_extended: verb == HeloVerb::Ehlo,
            is_utf8: transaction.mail_parameters().is_utf8,
            channel: session.channel(),
            is_authenticated: session.user_name().is_some(),
        };
        Some(Self {
            transaction,
            helo_domain,
            protocol,
            tls: session.tls(),
            client_address: session.client().address,
            hostname: &session.options().hostname,
            id,
            date,
        })
    }

    /// Appends all, in the order of a message at its final destination.
    pub fn write(&self, header: &mut Vec<u8>) {
        self.write_return_path(header);
        self.write_original_recipients(header);
        self.write_received(header);
        self.write_envelope_parameters(header);
    }

    /// Appends `Return-Path: <reverse-path>`.
    pub fn write_return_path(&self, header: &mut Vec<u8>) {
        header.extend_from_slice(b"Return-Path: <");
        self.write_path(self.transaction.reverse_path().as_octets(), header);
        header.extend_from_slice(b">\r\n");
    }

    /// Appends one `X-Original-To: recipient` for each recipient.
    pub fn write_original_recipients(&self, header: &mut Vec<u8>) {
        for recipient in self.transaction.recipients() {
            header.extend_from_slice(b"X-Original-To: ");
            self.write_path(recipient.as_octets(), header);
            header.extend_from_slice(b"\r\n");
        }
    }

    /// Appends `Received:`. It names the recipient only if there is one, so as to tell none about
    /// another.
    pub fn write_received(&self, header: &mut Vec<u8>) {
        header.extend_from_slice(b"Received: from ");
        write_text(self.helo_domain, header);
        header.extend_from_slice(b" (");
        write_address_literal(self.client_address, header);
        header.extend_from_slice(b")\r\n by ");
        write_text(self.hostname.as_bytes(), header);
        header.extend_from_slice(b" (postern) with ");
        header.extend_from_slice(self.protocol.name().as_bytes());
        if let Some(Tls {
            protocol,
            cipher,
            key_bits,
            ..
        }) = self.tls
        {
            let written = write!(header, " ({protocol} {cipher} {key_bits} bits)");
            debug_assert!(written.is_ok(), "a Vec takes what it is given");
        }
        header.extend_from_slice(b"\r\n id ");
        header.extend_from_slice(self.id.as_octets());
        let mut recipients = self.transaction.recipients();
        if let (Some(recipient), None) = (recipients.next(), recipients.next())
            && recipient.domain().is_some()
        {
            header.extend_from_slice(b"\r\n for <");
            self.write_path(recipient.as_octets(), header);
            header.push(b'>');
        }
        header.extend_from_slice(b";\r\n ");
        write_text(self.date.as_bytes(), header);
        header.extend_from_slice(b"\r\n");
    }

    /// Appends one `X-Envelope-Parameters:` for each address that came with parameters of RFC 3461, as they came.
    pub fn write_envelope_parameters(&self, header: &mut Vec<u8>) {
        let reverse_path = std::iter::once(self.transaction.reverse_path());
        for address in reverse_path.chain(self.transaction.recipients()) {
            let mut parameters = address.parameters().filter(|(keyword, _)| {
                matches!(*keyword, b"RET" | b"ENVID" | b"NOTIFY" | b"ORCPT")
            });
            let Some(first) = parameters.next() else {
                continue;
            };
            header.extend_from_slice(b"X-Envelope-Parameters: <");
            self.write_path(address.as_octets(), header);
            header.push(b'>');
            for (keyword, value) in std::iter::once(first).chain(parameters) {
                header.extend_from_slice(b"\r\n ");
                header.extend_from_slice(keyword);
                header.push(b'=');
                header.extend_from_slice(value.unwrap_or_default());
            }
            header.extend_from_slice(b"\r\n");
        }
    }

    /// Writes an address; UTF-8, which it is then, is written where the message may have it.
    fn write_path(&self, path: &[u8], header: &mut Vec<u8>) {
        if self.protocol.is_utf8 {
            header.extend_from_slice(path);
        } else {
            write_text(path, header);
        }
    }
}

fn write_text(text: &[u8], header: &mut Vec<u8>) {
    header.extend(text.iter().take(TEXT_OCTETS_MAX).map(|octet| match octet {
        b' '..=b'~' => *octet,
        _ => b'?',
    }));
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn write_address_literal(address: IpAddr, header: &mut Vec<u8>) {
    let written = match address {
        IpAddr::V4(address) => write!(header, "[{address}]"),
        IpAddr::V6(address) => write!(header, "[IPv6:{address}]"),
    };
    debug_assert!(written.is_ok(), "a Vec takes what it is given");
}

/// Longest piece of foreign text in one line, in octets.
const TEXT_OCTETS_MAX: usize = 400;

const _: () = assert!(
    2 * TEXT_OCTETS_MAX + 64 < limits::TRACE_LINE_OCTETS_MAX
        && limits::PATH_OCTETS_MAX <= TEXT_OCTETS_MAX
        && limits::HELO_DOMAIN_OCTETS_MAX <= TEXT_OCTETS_MAX,
    "two pieces of text fit a line, and each piece that is well-formed is written whole"
);

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};
    use std::sync::Arc;

    use super::Trace;
    use crate::limits;
    use crate::smtp::command::Command;
    use crate::smtp::reply::Replies;
    use crate::smtp::session::{
        AcceptDomains, ClientFacts, Session, SessionOptions, TransactionId,
    };

    /// The trace header of a session that said these lines.
    fn header(hostname: &str, lines: &[&str], date: &str) -> Option<String> {
        let options = SessionOptions {
            accept_domains: AcceptDomains::new(["*"]).ok()?,
            ..SessionOptions::new(hostname)
        };
        let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let mut session = Session::new(Arc::new(options), ClientFacts::new(address));
        let mut replies = Replies::new();
        for line in lines {
            let _ = session.step(Command::parse(line.as_bytes()), &mut replies);
        }
        let id = TransactionId::new("id-1")?;
        let mut header = Vec::new();
        Trace::new(&session, &id, date)?.write(&mut header);
        String::from_utf8(header).ok()
    }

    #[test]
    fn fields_come_in_order_and_are_folded() {
        let lines = [
            "EHLO c.example",
            "MAIL FROM:<a@c.example>",
            "RCPT TO:<b@example.org>",
        ];
        let expected = "Return-Path: <a@c.example>\r\n\
            X-Original-To: b@example.org\r\n\
            Received: from c.example ([IPv6:2001:db8::1])\r\n \
            by mx.example.org (postern) with ESMTP\r\n \
            id id-1\r\n \
            for <b@example.org>;\r\n \
            Mon, 7 Sep 2026 10:00:00 +0000\r\n";
        let found = header("mx.example.org", &lines, "Mon, 7 Sep 2026 10:00:00 +0000");
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn there_is_no_trace_without_a_transaction() {
        assert_eq!(header("mx.example.org", &["EHLO c.example"], ""), None);
        assert_eq!(header("mx.example.org", &[], ""), None);
    }

    #[test]
    fn nothing_breaks_out_of_its_field_or_line() {
        let long = "x".repeat(5_000);
        let lines = [
            "EHLO c.example",
            "MAIL FROM:<\"a b<>\"@c.example>",
            "RCPT TO:<b@example.org>",
        ];
        for text in ["a\r\nX-Forged: yes", "a\n b", "\0", "\u{e9}", &long] {
            let found = header(text, &lines, text).unwrap_or_default();
            assert_eq!(found.matches("\r\n").count(), 7, "{found}");
            for line in found.split_terminator("\r\n") {
                assert!(line.len() <= limits::TRACE_LINE_OCTETS_MAX);
                assert!(
                    line.bytes().all(|octet| (b' '..=b'~').contains(&octet)),
                    "{line:?}"
                );
            }
        }
    }
}
