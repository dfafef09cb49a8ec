//! One message on its way to a next hop.
//!
//! In: a transaction recipient by recipient, then content. Out: what the next hop said to each, and at the end what became
//! of the message.
//!
//! ```text
//!   new -> recipient, recipient, ... -> data -> write, send, ... -> finish    the next hop's reply
//!             |                           |        |
//!             +---------------------------+--------+--> abandon               no message there
//! ```
//!
//! Guarantees: nothing is said to the next hop before the first recipient; a connection that was closed while it was idle
//! is replaced once, because nothing of the transaction has been acknowledged then; after a failure everything else fails
//! with the same reply and costs nothing; a message is complete at the next hop only after `finish`; until its content is
//! complete, no wait outlasts the client's transaction.
//! Does not: know the client.
//!
//! RFC 5321 §3.3, §4.1.1.5 (RSET); RFC 2920 §3.1 (MAIL and RCPT in one group).

use std::rc::Rc;

use super::held::Hold;
use super::link::Link;
use super::{Failure, NextHop};
use crate::limits;
use crate::smtp::client::{ClientError, Event, Outcome};
use crate::smtp::reply::{ReceivedReply, Reply, ReplyClass, ReplyCode};
use crate::smtp::session::{Address, Transaction, TransactionId};

/// A message that is being passed on.
#[derive(Debug)]
pub struct Transfer {
    hop: Rc<NextHop>,
    id: TransactionId,
    /// By when the client's transaction must be complete.
    due_ms: u64,
    /// The connection between two commands of the envelope.
    hold: Rc<Hold>,
    /// The connection from the content on.
    link: Option<Link>,
    /// Why nothing more will come of it.
    refusal: Option<Rc<Refusal>>,
    state: State,
}

/// What the next hop has of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The envelope, as far as it has come.
    Envelope,
    /// Leave to send content was given, or is not needed.
    Content,
}

/// Why a recipient or a message is not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The next hop said so.
    Reply(ReceivedReply),
    /// The next hop said so of the whole message.
    Message(Outcome),
    /// There is no reply of the next hop.
    Failure(Failure),
}

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub fn reply(&self) -> Reply<'_> {
        match self {
            Self::Reply(reply) => reply.as_reply(),
            Self::Message(outcome) => outcome.reply().as_reply(),
            Self::Failure(failure) => failure.reply(),
        }
    }

    /// The failure behind it, if the next hop did not say it.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Reply(_) | Self::Message(_) => None,
            Self::Failure(failure) => Some(failure),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Transfer {
    /// The transfer of the transaction `id`, of which the next hop knows nothing yet, and which must be complete by
    /// `due_ms`.
    pub(in crate::delivery) fn new(hop: &Rc<NextHop>, id: TransactionId, due_ms: u64) -> Self {
        Self {
            hop: Rc::clone(hop),
            id,
            due_ms,
            hold: Rc::default(),
            link: None,
            refusal: None,
            state: State::Envelope,
        }
    }

    /// Whether nothing more will come of it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Which transaction it belongs to.
    #[must_use]
    pub fn id(&self) -> &TransactionId {
        &self.id
    }

    /// Asks the next hop about the last recipient of `transaction`.
    ///
    /// # Errors
    ///
    /// What the client is to be told instead of consent.
    pub async fn recipient(
        &mut self,
        transaction: &Transaction,
    ) -> Result<ReceivedReply, Rc<Refusal>> {
        if let Some(refusal) = &self.refusal {
            return Err(Rc::clone(refusal));
        }
        let Some(recipient) = transaction.recipients().last() else {
            return Err(self.refuse(confused()));
        };
        let reply = match self.hold.take() {
            Ok(None) => self.begin(&transaction.reverse_path(), &recipient).await,
            Ok(Some(link)) => self.add(link, &recipient).await,
            Err(failure) => Err(failure.into()),
        };
        match reply {
            Ok(reply) if reply.code().class() == ReplyClass::Completed => Ok(reply),
            Ok(reply) => Err(Rc::new(Refusal::Reply(reply))),
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    /// Finds a connection and begins the transaction on it, with its first recipient.
    async fn begin(
        &mut self,
        reverse_path: &Address<'_>,
        recipient: &Address<'_>,
    ) -> Result<ReceivedReply, Refusal> {
        let hop = Rc::clone(&self.hop);
        let turn = match hop.take_idle(hop.turn(self.due_ms).await?) {
            Err(turn) => turn,
            Ok(mut link) => {
                let outcome = self.envelope(&mut link, reverse_path, recipient).await;
                match outcome {
                    Err(refusal) if is_stale(&refusal) => match link.into_turn() {
                        Some(turn) => turn,
                        None => hop.turn(self.due_ms).await?,
                    },
                    outcome => return self.begun(link, outcome),
                }
            }
        };
        let mut link = Link::open(&hop, turn, self.due_ms).await?;
        let outcome = self.envelope(&mut link, reverse_path, recipient).await;
        self.begun(link, outcome)
    }

    /// Keeps the connection if the next hop has a transaction now.
    fn begun(
        &mut self,
        link: Link,
        outcome: Result<ReceivedReply, Refusal>,
    ) -> Result<ReceivedReply, Refusal> {
        match &outcome {
            Ok(_) => {
                self.hop.note_held(&self.hold);
                self.rest(link);
            }
            Err(Refusal::Reply(_) | Refusal::Failure(Failure::Unsendable(_))) => {
                self.hop.give_back(link);
            }
            Err(Refusal::Message(_) | Refusal::Failure(_)) => {}
        }
        outcome
    }

    /// Begins a transaction with its first recipient: the reply to RCPT, or the refusal of MAIL.
    async fn envelope(
        &self,
        link: &mut Link,
        reverse_path: &Address<'_>,
        recipient: &Address<'_>,
    ) -> Result<ReceivedReply, Refusal> {
        let may_pipeline = link.session.may_pipeline();
        if link.session.must_reset() {
            link.session.reset();
            if !may_pipeline {
                link.exchange(self.command_due_ms()).await?;
            }
        }
        let session = &mut link.session;
        session.mail(reverse_path).map_err(Failure::Unsendable)?;
        if may_pipeline {
            session.rcpt(recipient).map_err(Failure::Unsendable)?;
        }
        let Some(Event::Mail(reply)) = link.exchange(self.command_due_ms()).await? else {
            return Err(confused());
        };
        let is_refused = reply.code().class() != ReplyClass::Completed;
        if is_refused && reply.code() != ReplyCode::SERVICE_NOT_AVAILABLE && may_pipeline {
            // The reply to RCPT says nothing new.
            link.exchange(self.command_due_ms()).await?;
        }
        if is_refused {
            return Err(Refusal::Reply(reply));
        }
        if !may_pipeline {
            let session = &mut link.session;
            session.rcpt(recipient).map_err(Failure::Unsendable)?;
        }
        match link.exchange(self.command_due_ms()).await? {
            Some(Event::Rcpt(reply)) => Ok(reply),
            _ => Err(confused()),
        }
    }

    /// Adds a further recipient.
    async fn add(
        &mut self,
        mut link: Link,
        recipient: &Address<'_>,
    ) -> Result<ReceivedReply, Refusal> {
        link.session.rcpt(recipient).map_err(Failure::Unsendable)?;
        match link.exchange(self.command_due_ms()).await? {
            Some(Event::Rcpt(reply)) => {
                self.rest(link);
                Ok(reply)
            }
            _ => Err(confused()),
        }
    }

    /// Asks for leave to send the content, without which none may be written.
    ///
    /// # Errors
    ///
    /// What the client is to be told instead of 354. It may try again.
    pub async fn data(&mut self) -> Result<(), Rc<Refusal>> {
        if let Some(refusal) = &self.refusal {
            return Err(Rc::clone(refusal));
        }
        if self.state == State::Content {
            return Ok(());
        }
        let mut link = match self.hold.take() {
            Ok(Some(link)) => link,
            Ok(None) => return Err(self.refuse(Failure::Closed.into())),
            Err(failure) => return Err(self.refuse(failure.into())),
        };
        link.session.data();
        let wait_ms = self.hop.limits.command_timeout_ms;
        let due_ms = self.bounded_due_ms(wait_ms.min(limits::NEXT_HOP_DATA_TIMEOUT_MS_MAX));
        match link.exchange(due_ms).await {
            Ok(Some(Event::Data(reply))) if reply.code().class() != ReplyClass::Intermediate => {
                self.rest(link);
                return Err(Rc::new(Refusal::Reply(reply)));
            }
            // None: content that goes in chunks needs no leave.
            Ok(Some(Event::Data(_)) | None) => self.state = State::Content,
            Ok(Some(_)) => return Err(self.refuse(confused())),
            Err(failure) => return Err(self.refuse(failure.into())),
        }
        self.link = Some(link);
        // From now on nobody can have it.
        self.hold = Rc::default();
        Ok(())
    }

    /// The same, for content that comes whether there is leave or not: a refusal is that of the message.
    pub async fn insist_on_data(&mut self) {
        if let Err(refusal) = self.data().await {
            if let Ok(Some(link)) = self.hold.take() {
                self.hop.give_back(link);
            }
            self.refusal = Some(refusal);
        }
    }

    /// Adds content, to be sent with [`Transfer::send`].
    pub fn write(&mut self, content: &[u8]) {
        // Before leave was given it would go out as commands.
        if self.state == State::Envelope {
            if self.refusal.is_none() {
                self.refuse(Failure::Closed.into());
            }
            return;
        }
        if let Some(link) = &mut self.link
            && link.session.write(content).is_err()
        {
            self.refuse(Failure::BareLineEnd.into());
        }
    }

    /// Whether [`Transfer::send`] must be called before more is written.
    #[must_use]
    pub fn must_send(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| limits::NEXT_HOP_SEND_BUFFER_BYTES <= link.session.content_octets())
    }

    /// Sends the content that has come so far. What goes wrong is told by [`Transfer::finish`].
    pub async fn send(&mut self) {
        if self.refusal.is_some() {
            return;
        }
        let Some(mut link) = self.link.take() else {
            return;
        };
        link.session.end_chunk();
        let due_ms = self.bounded_due_ms(self.hop.limits.mail_data_timeout_ms);
        match link.exchange(due_ms).await {
            Ok(None) => self.link = Some(link),
            Ok(Some(Event::Chunk(reply))) if reply.code().class() == ReplyClass::Completed => {
                self.link = Some(link);
            }
            Ok(Some(Event::Chunk(reply))) => {
                self.hop.give_back(link);
                self.refuse(Refusal::Reply(reply));
            }
            Ok(Some(_)) => {
                self.refuse(confused());
            }
            Err(failure) => {
                let refusal = last_words(link, failure);
                self.refuse(refusal);
            }
        }
    }

    /// Ends the message and waits for what becomes of it.
    ///
    /// # Errors
    ///
    /// The message is not taken, or nobody knows.
    pub async fn finish(mut self) -> Result<Outcome, Rc<Refusal>> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let Some(mut link) = self.link.take() else {
            return Err(self.refuse(Failure::Closed.into()));
        };
        // A reply before the end is none to it, and every later one would be taken for the one before.
        if link.has_spoken_unasked() {
            return Err(self.refuse(confused()));
        }
        if link.session.end_message().is_err() {
            return Err(self.refuse(Failure::BareLineEnd.into()));
        }
        let sent = link.send(self.hop.due_ms(self.hop.limits.mail_data_timeout_ms));
        if let Err(failure) = sent.await {
            let refusal = last_words(link, failure);
            return Err(self.refuse(refusal));
        }
        let due_ms = self.hop.due_ms(self.hop.limits.final_reply_timeout_ms);
        let outcome = match link.exchange(due_ms).await {
            Ok(Some(Event::Message(outcome))) => outcome,
            Ok(_) => return Err(self.refuse(confused())),
            Err(failure) => return Err(self.refuse(failure.into())),
        };
        link.messages_count += 1;
        self.hop.give_back(link);
        if outcome.reply().code().class() == ReplyClass::Completed {
            Ok(outcome)
        } else {
            Err(Rc::new(Refusal::Message(outcome)))
        }
    }

    /// Forgets the message: the next hop is told to, or, if it has a part of the content, left.
    pub fn abandon(self) {
        if let Ok(Some(link)) = self.hold.take() {
            self.hop.give_back(link);
        }
    }

    /// By when the next hop must have replied to a command that is sent now.
    fn command_due_ms(&self) -> u64 {
        self.bounded_due_ms(self.hop.limits.command_timeout_ms)
    }

    /// The time that is so many milliseconds away, unless the transaction ends before.
    fn bounded_due_ms(&self, wait_ms: u64) -> u64 {
        self.hop.due_ms(wait_ms).min(self.due_ms)
    }

    /// Leaves the connection until the client's next command, if nobody else needs it more.
    fn rest(&self, link: Link) {
        if let Some(wanted) = self.hold.put(self.hop.clock.now_ms(), link) {
            self.hop.give_back(wanted);
        }
    }

    /// Notes why nothing more will come of the transfer, and closes its connection.
    fn refuse(&mut self, refusal: Refusal) -> Rc<Refusal> {
        self.link = None;
        self.hold = Rc::default();
        let refusal = Rc::new(refusal);
        self.refusal = Some(Rc::clone(&refusal));
        refusal
    }
}

/// Whether a connection that was idle may have been on its way to be closed.
fn is_stale(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Reply(reply) => reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE,
        Refusal::Message(_) => false,
        Refusal::Failure(failure) => failure.may_be_stale(),
    }
}

/// Why content could not be sent: the next hop may have said so before it closed the connection.
fn last_words(mut link: Link, failure: Failure) -> Refusal {
    match link.last_words() {
        Some(Event::Message(outcome))
            if outcome.reply().code().class() != ReplyClass::Completed =>
        {
            Refusal::Message(outcome)
        }
        _ => failure.into(),
    }
}

/// An event that does not belong where it came.
fn confused() -> Refusal {
    Failure::Confused(ClientError::Unexpected(ReplyCode::OK)).into()
}
