//! A session, from greeting to QUIT: commands in, replies and questions out.
//!
//! In: what `Command::parse` and the line scanner made of a line, and what became of mail data.
//! Out: replies, and the [`Step`] the pump takes next.
//!
//! Guarantees: one reply for each line; a refused command changes nothing but a counter; the
//! envelope is cleared as a whole; after `Step::Close` every further line is refused.
//! Does not: read, write, wait, draw ids or know the time.
//!
//! RFC 5321 §3 and §4.1.4. What the pump does with it:
//!
//! ```text
//! session.greeting(None, &mut replies);
//! per line:   session.step(line, &mut replies)
//! Continue:   the next line           Close: send the replies, close
//! StartTls:   send the replies, discard what came, shake hands, session.tls_established(facts)
//! ReceiveMailData: send the replies, read with session.mail_data_reader() until its end, then
//!                  session.mail_data_finished(outcome, &mut replies), a step again
//! ReceiveChunk: consume the octets of session.coming_chunk(), then session.chunk_received(...), .chunk_skipped(...) or,
//!                  after the last, .mail_data_finished(...), a step again
//! GreetAnew: take session.forwarded() over, then session.greeting(None, &mut replies) as at first
//! DrawNonce, ReadAuthResponse, VerifyCredentials: see AUTH (`auth`)
//! Decide: whoever decides says so with session.decide(decision, &mut replies), a step again
//! ```

mod accept_domains;
mod auth;
mod bdat;
mod data;
mod dsn;
mod helo;
mod mail;
mod options;
pub mod order;
mod other;
mod phase;
mod rcpt;
mod starttls;
mod state;
#[cfg(test)]
mod tests;
mod transaction;
mod transaction_id;
mod xclient;

use std::sync::Arc;

use super::command::{Command, ForeignProtocol, SyntaxError};
use super::extension::Extensions;
use super::reply::{self, Replies, Reply, ReplyClass, ReplyCode};

pub use accept_domains::{AcceptDomains, PatternError};
pub use auth::{AuthError, AuthOptions, AuthOutcome, Authenticated, Credentials, Proof};
pub use bdat::{ChunkFate, ChunkRefusal, ComingChunk};
pub use data::MailDataOutcome;
pub use helo::HeloVerb;
pub use mail::ParameterError;
pub use options::{Capacity, Channel, ClientFacts, Relay, SessionLimits, SessionOptions};
pub use order::OrderError;
pub use phase::{Decision, Phase, Phases};
pub use starttls::{AlternativeName, ClientCertificate, StartTls, Tls};
pub use state::State;
pub use transaction::{Address, BodyType, MailParameters, Transaction};
pub use transaction_id::TransactionId;
pub use xclient::{Forwarded, XClientUse};

use auth::{Progress, Secrecy};
use helo::Helo;
use phase::Former;
use transaction::Envelope;

/// What the pump does after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Take the next line.
    Continue,
    /// Send the replies, then read mail data until its end.
    ReceiveMailData,
    /// Consume the octets of [`Session::coming_chunk`].
    ReceiveChunk,
    /// Go on with [`Session::auth_nonce`].
    DrawNonce,
    /// Take the next line, which is no command, and go on with [`Session::auth_response`].
    ReadAuthResponse,
    /// Have the credentials verified, then go on with [`Session::auth_verified`].
    VerifyCredentials,
    /// Have somebody decide about the command, which is not answered yet.
    Decide(Phase),
    /// Take over what [`Session::forwarded`] says, then greet as after connecting.
    GreetAnew,
    /// Send the replies, discard what has been received, then shake hands for TLS.
    StartTls,
    /// Send the replies, then close the connection.
    Close,
}

/// The SMTP state of one connection.
#[derive(Debug)]
pub struct Session {
    options: Arc<SessionOptions>,
    client: ClientFacts,
    channel: Channel,
    capacity: Capacity,
    /// Invariant: some when `channel` is TLS, none otherwise.
    tls: Option<Box<Tls>>,
    state: State,
    helo: Option<Helo>,
    /// What [`Step::Decide`] asked about.
    deciding: Option<Phase>,
    /// What [`Step::ReceiveChunk`] announced.
    coming_chunk: Option<ComingChunk>,
    /// What the command that is being decided about found.
    former: Option<Box<Former>>,
    /// Invariant: some in `MailGiven`, `RecipientsGiven` and `InMailData`, none otherwise.
    transaction: Option<Transaction>,
    /// Memory that the last transaction left.
    envelope: Envelope,
    transaction_id: Option<TransactionId>,
    /// What XCLIENT has said.
    forwarded: Option<Box<Forwarded>>,
    /// Invariant: in `InSasl` the exchange has begun and has not ended.
    auth: Progress,
    secrecy: Secrecy,
    /// The same of the client's own line, where a script makes something else of it.
    raw_secrecy: Secrecy,
    counters: Counters,
}

/// What a session counts against its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Lines answered.
    pub commands_count: u64,
    /// Replies of the class 5yz.
    pub errors_count: u32,
    /// Commands that brought no message nearer, since the last message.
    pub idle_commands_count: u32,
    /// Messages accepted.
    pub messages_count: u32,
    /// Recipients refused because their message had as many as it may; no errors of the client.
    pub recipients_refused_count: u32,
    /// Attempts to authenticate that have failed.
    pub auth_failures_count: u32,
}

impl Session {
    /// A session on a connection that stands; nothing has been said.
    #[must_use]
    pub fn new(options: Arc<SessionOptions>, client: ClientFacts) -> Self {
        Self {
            options,
            client,
            channel: Channel::Plain,
            capacity: Capacity::Enough,
            tls: None,
            state: State::Connected,
            helo: None,
            deciding: None,
            coming_chunk: None,
            former: None,
            transaction: None,
            envelope: Envelope::default(),
            transaction_id: None,
            forwarded: None,
            auth: Progress::default(),
            secrecy: Secrecy::default(),
            raw_secrecy: Secrecy::default(),
            counters: Counters::default(),
        }
    }

    /// Greets the client; `text` follows the host name instead of the usual words.
    pub fn greeting(&mut self, text: Option<&[u8]>, replies: &mut Replies) {
        replies.push(&reply::greeting(&self.options.hostname, text));
    }

    /// Answers one line.
    pub fn step(&mut self, line: Result<Command<'_>, SyntaxError>, replies: &mut Replies) -> Step {
        let is_first = self.counters.commands_count == 0;
        self.counters.commands_count = self.counters.commands_count.saturating_add(1);
        self.secrecy = self.secrecy.after(&line);
        let command = match line {
            Ok(command) => command,
            Err(SyntaxError::ForeignProtocol(protocol)) if is_first => {
                return self.close_foreign(protocol, replies);
            }
            Err(error) => return self.answer(&reply::from_syntax_error(error), replies),
        };
        if let Command::Bdat(chunk) = command {
            // Its octets come whatever it is answered.
            return self.bdat(chunk, replies);
        }
        let verb = command.verb();
        if let Err(error) = order::permit(self.state, verb) {
            return self.answer(&reply::from_order_error(error), replies);
        }
        if self.must_authenticate(verb) {
            return self.answer(&reply::from_auth_error(AuthError::Required), replies);
        }
        if order::is_idle(verb)
            && let Err(step) = self.count_idle_command(replies)
        {
            return step;
        }
        match command {
            Command::Helo(domain) => self.hello(HeloVerb::Helo, domain, replies),
            Command::Ehlo(domain) => self.hello(HeloVerb::Ehlo, domain, replies),
            Command::Mail(mail) => self.mail(&mail, replies),
            Command::Rcpt(rcpt) => self.rcpt(&rcpt, replies),
            Command::Data => self.data(replies),
            Command::Rset => self.rset(replies),
            Command::Vrfy(_) => self.answer(&reply::vrfy(), replies),
            Command::Expn(_) | Command::Unknown(_) | Command::Bdat(_) => {
                self.not_offered(verb, replies)
            }
            Command::XClient(attributes) => self.xclient(attributes, replies),
            Command::StartTls => self.start_tls(replies),
            Command::Help(_) => self.answer(&reply::help(), replies),
            Command::Auth(auth) => self.auth(&auth, replies),
            Command::Noop => self.answer(&reply::ok(), replies),
            Command::Quit => self.quit(replies),
        }
    }

    /// Answers one line, whatever it is by now: a command, or the answer to a challenge.
    pub fn take_line(&mut self, line: Result<&[u8], SyntaxError>, replies: &mut Replies) -> Step {
        if self.state == State::InSasl {
            return self.auth_response(line, replies);
        }
        self.step(line.and_then(Command::parse), replies)
    }

    /// Says what a script decided instead of taking the line; the state stays as it is. A 5yz reply
    /// counts as an error of the client, a 421 closes. The line counts as a command without a transaction.
    pub fn reply_scripted(&mut self, reply: &Reply<'_>, replies: &mut Replies) -> Step {
        self.counters.commands_count = self.counters.commands_count.saturating_add(1);
        if let Err(step) = self.count_idle_command(replies) {
            return step;
        }
        self.answer(reply, replies)
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What the operator decided.
    #[must_use]
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// What is known about the client.
    #[must_use]
    pub fn client(&self) -> ClientFacts {
        self.client
    }

    /// Replaces what is known about the client, from now on: a script named another address.
    pub fn set_client(&mut self, client: ClientFacts) {
        self.client = client;
    }

    /// Says whether there are resources for new mail, from now on. A transaction that has begun goes on.
    pub fn set_capacity(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }

    /// Which verb the client greeted with, and the name it gave; none before.
    #[must_use]
    pub fn helo(&self) -> Option<(HeloVerb, &[u8])> {
        self.helo
            .as_ref()
            .map(|helo| (helo.verb, helo.domain.as_slice()))
    }

    /// The extensions the client may use: those announced, none after HELO.
    #[must_use]
    pub fn extensions(&self) -> Extensions {
        self.helo
            .as_ref()
            .map_or_else(Extensions::none, |helo| helo.extensions)
    }

    /// How the octets of the connection travel.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The transaction, from an accepted MAIL until its end.
    #[must_use]
    pub fn transaction(&self) -> Option<&Transaction> {
        self.transaction.as_ref()
    }

    /// The id of the current or coming transaction, if one has been asked for.
    #[must_use]
    pub fn transaction_id(&self) -> Option<&TransactionId> {
        self.transaction_id.as_ref()
    }

    /// The id of the current or coming transaction, drawn now if it has none. A transaction that
    /// nobody asks about costs no id; each has its own: RSET and the end of a message forget it.
    pub fn transaction_id_or_insert_with(
        &mut self,
        draw: impl FnOnce() -> TransactionId,
    ) -> TransactionId {
        *self.transaction_id.get_or_insert_with(draw)
    }

    /// What has been counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Pushes a reply and draws its consequences: errors are counted, 421 closes.
    fn answer(&mut self, reply: &Reply<'_>, replies: &mut Replies) -> Step {
        if reply.code().class() == ReplyClass::PermanentFailure {
            self.counters.errors_count = self.counters.errors_count.saturating_add(1);
            let errors_max = self.options.limits.errors_per_connection_max;
            if self.counters.errors_count > errors_max {
                return self.close(&reply::too_many_errors(errors_max), replies);
            }
        }
        if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
            return self.close(reply, replies);
        }
        replies.push(reply);
        Step::Continue
    }

    /// Pushes the last reply.
    fn close(&mut self, reply: &Reply<'_>, replies: &mut Replies) -> Step {
        replies.push(reply);
        self.end();
        Step::Close
    }

    /// Nothing more is answered.
    fn end(&mut self) {
        self.clear_transaction();
        self.state = State::Closing;
    }

    fn close_foreign(&mut self, protocol: ForeignProtocol, replies: &mut Replies) -> Step {
        self.close(&reply::foreign_protocol(protocol), replies)
    }

    /// Counts a command that brings no message nearer.
    fn count_idle_command(&mut self, replies: &mut Replies) -> Result<(), Step> {
        let idle_commands_max = self.options.limits.idle_commands_max;
        self.counters.idle_commands_count = self.counters.idle_commands_count.saturating_add(1);
        if self.counters.idle_commands_count > idle_commands_max {
            return Err(self.close(&reply::too_many_idle_commands(idle_commands_max), replies));
        }
        Ok(())
    }

    /// Forgets reverse-path, recipients and parameters together, and the id with them.
    fn clear_transaction(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.envelope = transaction.into_envelope();
            self.envelope.clear();
            self.transaction_id = None;
        }
    }
}

/// Idle sessions are counted in ten thousands: this is what each of them takes, besides its
/// buffers.
const _: () = assert!(size_of::<Session>() <= 400);
