//! A session seen from its client: replies of a next hop in, commands out.
//!
//! In: octets of the next hop, the envelope of a transaction, content. Out: octets to send, and [`Event`]s, which say
//! what the next hop replied to what. The states:
//!
//! ```text
//!            220           250, STARTTLS wanted         220
//!   Greeting ----> Hello ----------------------> StartTls ----> Handshake
//!                   | ^                                            |
//!               250 | +--------------- EHLO again -----------------+
//!                   v
//!                 Ready <---- RSET --- InTransaction ---- 354 ---> InMailData ---- reply ---> Ready
//!                   |   ---- MAIL ---->
//! ```
//!
//! Guarantees: replies belong to commands in their order; without PIPELINING one command is under way at a time; what
//! was announced before TLS is forgotten; memory is bounded by one command per call and what `reply` keeps of a reply.
//! An error means that client and next hop no longer agree on where they are: the connection must be closed.
//! Does not: read, write, wait, or know the time.
//!
//! RFC 5321 §3.1 to §3.3, §4.1.4; RFC 2920 §3.1 (what may be pipelined); RFC 3207 §4.2; RFC 2033 §4 (LMTP); RFC 3030 §2.

mod opening;
mod outcome;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::Write as _;
use std::rc::Rc;

use super::command::{Unsendable, is_binary, write_mail, write_rcpt};
use super::extension::{Extension, Extensions};
use super::mail_data::{BareLineEnd, MailDataWriter};
use super::reply::{ReceivedReply, ReplyClass, ReplyCode, ReplyError, ReplyReader};
use super::session::Address;

pub use outcome::Outcome;

/// What the next hop speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientProtocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033: after the mail data a reply for each recipient.
    Lmtp,
}

/// Whether TLS is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientTls {
    /// Never.
    Off,
    /// If the next hop offers it.
    Opportunistic,
    /// No mail without it.
    Required,
}

/// What is the same for every session with a next hop.
#[derive(Debug)]
pub struct ClientOptions {
    /// What this host calls itself.
    pub hostname: Box<str>,
    /// What the next hop speaks.
    pub protocol: ClientProtocol,
    /// Whether TLS is used.
    pub tls: ClientTls,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A transaction may begin.
    Ready,
    /// The handshake of TLS follows, then [`ClientSession::encrypted`].
    StartTls,
    /// The next hop does not want to be talked to; this is what it said to the greeting.
    Unwilling(ReceivedReply),
    /// TLS is required and not to be had.
    NoTls,
    /// The reply to MAIL.
    Mail(ReceivedReply),
    /// The reply to RCPT.
    Rcpt(ReceivedReply),
    /// The reply to DATA, 3yz, 4yz or 5yz.
    Data(ReceivedReply),
    /// The reply to a chunk that is not the last.
    Chunk(ReceivedReply),
    /// What became of the message: the transaction is over.
    Message(Outcome),
}

/// Why a connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientError {
    /// What the next hop sends is no reply.
    Reply(ReplyError),
    /// A reply to nothing.
    Unsolicited(ReplyCode),
    /// A reply that does not go with the command.
    Unexpected(ReplyCode),
    /// Octets behind the reply to STARTTLS, which anybody on the way may have put there.
    PlainAfterStartTls,
}

/// How content travels.
#[derive(Debug)]
enum Content {
    /// After DATA.
    Lines(MailDataWriter),
    /// With BDAT; what waits for its chunk.
    Chunks(Vec<u8>),
}

/// What a reply is awaited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Reset,
    Mail,
    Rcpt,
    Data,
    Chunk,
    /// The end of mail data.
    Message,
}

/// One session with a next hop.
#[derive(Debug)]
pub struct ClientSession {
    options: Rc<ClientOptions>,
    reader: ReplyReader,
    offered: Extensions,
    is_encrypted: bool,
    /// Replies to come, in order; never more than RSET, MAIL and RCPT ask for.
    awaited: VecDeque<Awaited>,
    /// What is to be sent now.
    output: Vec<u8>,
    /// Whether the next hop has a transaction that a next one must not find.
    must_reset: bool,
    is_closing: bool,
    content: Content,
    recipients_count: usize,
    /// What is known of the message, and how many replies are to come, while its last replies come.
    outcome: Option<Outcome>,
    replies_left_count: usize,
}

impl ClientSession {
    /// A session on a connection that stands; the next hop speaks first.
    #[must_use]
    pub fn new(options: Rc<ClientOptions>) -> Self {
        Self {
            options,
            reader: ReplyReader::new(),
            offered: Extensions::none(),
            is_encrypted: false,
            awaited: VecDeque::from([Awaited::Greeting]),
            output: Vec::new(),
            must_reset: false,
            is_closing: false,
            content: Content::Lines(MailDataWriter::new()),
            recipients_count: 0,
            outcome: None,
            replies_left_count: 0,
        }
    }

    /// What is to be sent.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Notes that all of [`ClientSession::output`] was sent.
    pub fn sent(&mut self) {
        self.output.clear();
    }

    /// Gives memory back, before a pause.
    pub fn rest(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }

    /// Whether another command may be sent before the replies to those before.
    #[must_use]
    pub fn may_pipeline(&self) -> bool {
        self.offered.offers(Extension::Pipelining)
    }

    /// Whether a reply is awaited.
    #[must_use]
    pub fn awaits_reply(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Whether a further transaction may begin on the connection when this one is over.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        !self.is_closing
            && self.awaited.is_empty()
            && self.output.is_empty()
            && self.reader.is_between_replies()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Reads up to the next event: how many of `octets` are done with, and what has happened.
    ///
    /// # Errors
    ///
    /// The connection is of no use any more.
    pub fn receive(&mut self, octets: &[u8]) -> Result<(usize, Option<Event>), ClientError> {
        let mut consumed = 0;
        while let Some(rest) = octets.get(consumed..)
            && !rest.is_empty()
        {
            let (count, reply) = self.reader.read(rest).map_err(ClientError::Reply)?;
            consumed += count;
            let Some(reply) = reply else { continue };
            let event = self.replied(reply)?;
            if event == Some(Event::StartTls) && consumed < octets.len() {
                return Err(ClientError::PlainAfterStartTls);
            }
            if event.is_some() {
                return Ok((consumed, event));
            }
        }
        Ok((consumed, None))
    }

    /// Whether what was left of an earlier transaction must be forgotten first, with [`ClientSession::reset`].
    #[must_use]
    pub fn must_reset(&self) -> bool {
        self.must_reset
    }

    /// Asks the next hop to forget the transaction.
    pub fn reset(&mut self) {
        self.command(Awaited::Reset, b"RSET\r\n");
        self.must_reset = false;
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// The next hop does not offer what the message needs; nothing will be sent.
    pub fn mail(&mut self, reverse_path: &Address<'_>) -> Result<(), Unsendable> {
        write_mail(reverse_path, self.offered, &mut self.output)?;
        self.awaited.push_back(Awaited::Mail);
        self.must_reset = true;
        self.recipients_count = 0;
        // Lines wherever they do: what a next hop says to DATA comes before the content, and to chunks it does not.
        self.content = if is_binary(reverse_path) {
            Content::Chunks(Vec::new())
        } else {
            Content::Lines(MailDataWriter::new())
        };
        Ok(())
    }

    /// Adds a recipient.
    ///
    /// # Errors
    ///
    /// The address cannot be sent.
    pub fn rcpt(&mut self, recipient: &Address<'_>) -> Result<(), Unsendable> {
        write_rcpt(recipient, self.offered, &mut self.output)?;
        self.awaited.push_back(Awaited::Rcpt);
        Ok(())
    }

    /// Asks for leave to send mail data. Content that goes in chunks needs none: then no reply is awaited.
    pub fn data(&mut self) {
        match self.content {
            Content::Lines(_) => self.command(Awaited::Data, b"DATA\r\n"),
            Content::Chunks(_) => {}
        }
    }

    /// Adds content.
    ///
    /// # Errors
    ///
    /// It has a bare CR or LF and goes in lines. The connection must be closed, for the next hop must not take what it
    /// has for a message.
    pub fn write(&mut self, content: &[u8]) -> Result<(), BareLineEnd> {
        match &mut self.content {
            Content::Lines(writer) => writer.write(content, &mut self.output),
            Content::Chunks(chunk) => {
                chunk.extend_from_slice(content);
                Ok(())
            }
        }
    }

    /// How many octets of content wait to be sent.
    #[must_use]
    pub fn content_octets(&self) -> usize {
        match &self.content {
            Content::Lines(_) => self.output.len(),
            Content::Chunks(chunk) => chunk.len(),
        }
    }

    /// Makes a chunk of what waits, if content goes in chunks; then its reply is awaited.
    pub fn end_chunk(&mut self) {
        if let Content::Chunks(chunk) = &mut self.content {
            write_chunk(chunk, "", &mut self.output);
            self.awaited.push_back(Awaited::Chunk);
        }
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::write`].
    pub fn end_message(&mut self) -> Result<(), BareLineEnd> {
        match &mut self.content {
            Content::Lines(writer) => std::mem::take(writer).end(&mut self.output)?,
            Content::Chunks(chunk) => write_chunk(chunk, " LAST", &mut self.output),
        }
        self.awaited.push_back(Awaited::Message);
        self.outcome = None;
        self.replies_left_count = match self.options.protocol {
            ClientProtocol::Smtp => 1,
            ClientProtocol::Lmtp => self.recipients_count,
        };
        Ok(())
    }

    /// Expects a last reply to a message that could not be sent to its end, such as one that the next hop refused
    /// while it came.
    pub fn message_cut(&mut self) {
        self.is_closing = true;
        self.awaited.clear();
        self.awaited.push_back(Awaited::Message);
        self.outcome = None;
        self.replies_left_count = 1;
    }

    fn command(&mut self, awaited: Awaited, line: &[u8]) {
        self.output.extend_from_slice(line);
        self.awaited.push_back(awaited);
    }

    /// Draws the consequences of a reply.
    fn replied(&mut self, reply: ReceivedReply) -> Result<Option<Event>, ClientError> {
        let code = reply.code();
        // RFC 5321 §3.8: it may come at any time, and is the last.
        self.is_closing |= code == ReplyCode::SERVICE_NOT_AVAILABLE;
        let Some(awaited) = self.awaited.pop_front() else {
            return Err(ClientError::Unsolicited(code));
        };
        let class = code.class();
        let never = if awaited == Awaited::Data {
            ReplyClass::Completed
        } else {
            ReplyClass::Intermediate
        };
        if class == never {
            return Err(ClientError::Unexpected(code));
        }
        match awaited {
            Awaited::Greeting | Awaited::Ehlo | Awaited::Helo | Awaited::StartTls => {
                Ok(self.opening(awaited, reply))
            }
            // A next hop that does not forget is not one to go on with.
            Awaited::Reset if class != ReplyClass::Completed && !self.is_closing => {
                Err(ClientError::Unexpected(code))
            }
            Awaited::Reset => Ok(None),
            Awaited::Mail => Ok(Some(Event::Mail(reply))),
            Awaited::Rcpt => {
                if class == ReplyClass::Completed {
                    self.recipients_count += 1;
                }
                Ok(Some(Event::Rcpt(reply)))
            }
            Awaited::Data => Ok(Some(Event::Data(reply))),
            Awaited::Chunk => Ok(Some(Event::Chunk(reply))),
            Awaited::Message => Ok(self.message_replied(reply)),
        }
    }

    /// One of the replies to the end of mail data: an event once the last has come.
    fn message_replied(&mut self, reply: ReceivedReply) -> Option<Event> {
        let outcome = match self.outcome.take() {
            None => Outcome::new(reply),
            Some(outcome) => outcome.and(reply),
        };
        self.replies_left_count = self.replies_left_count.saturating_sub(1);
        if 0 < self.replies_left_count && !self.is_closing {
            self.outcome = Some(outcome);
            self.awaited.push_front(Awaited::Message);
            return None;
        }
        // RFC 5321 §4.1.1.4: whatever the reply, the buffers are cleared. A failed BDAT leaves them (RFC 3030 §2).
        self.must_reset = matches!(self.content, Content::Chunks(_));
        self.content = Content::Lines(MailDataWriter::new());
        Some(Event::Message(outcome))
    }
}

/// Appends `BDAT octets` and the octets, which are forgotten.
fn write_chunk(chunk: &mut Vec<u8>, last: &str, out: &mut Vec<u8>) {
    // A Vec takes what it is given.
    let _ = write!(out, "BDAT {}{last}\r\n", chunk.len());
    out.append(chunk);
}
