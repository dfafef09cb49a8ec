//! AUTH: a client proves who it is.
//!
//! In: the command, the lines that answer challenges, and what became of the credentials. Out: challenges, credentials
//! for somebody else to verify, and the reply that ends the exchange.
//!
//! Guarantees: an exchange ends after two answers at most, and any mistake ends it; at most one is accepted per session;
//! after too many that are not, the session is over; a secret is wiped when it has been verified. Who may act for whom is
//! simple: everybody for himself.
//! Does not: hash, compare, draw random numbers, delay.
//!
//! RFC 4954 §4 (AUTH), §5 (the AUTH parameter), §6 (replies); RFC 4616, RFC 2195. What the pump does with it:
//!
//! ```text
//! DrawNonce:         session.auth_nonce(random, &mut replies), a step again
//! ReadAuthResponse:  the next line is for session.auth_response(line, &mut replies), a step again
//! VerifyCredentials: session.take_credentials(), then session.auth_verified(outcome, &mut replies), a step again
//! ```

mod message;
#[cfg(test)]
mod tests;

use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::{Channel, HeloVerb, Session, State, Step};
use crate::limits;
use crate::smtp::command::{Auth, Command, SyntaxError, Verb};
use crate::smtp::extension::{Extension, Extensions, Mechanism, Mechanisms};
use crate::smtp::reply::{self, Replies, Reply};

use message::{PlainMessage, cram_md5_message, is_login_word};

/// What an operator decides about AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthOptions {
    /// What is offered; with none AUTH does not exist.
    pub mechanisms: Mechanisms,
    /// Whether it is offered to clients that do not use TLS, too.
    pub is_offered_without_tls: bool,
    /// Whether mail is taken only from clients that have proven who they are.
    pub is_required: bool,
}

/// Why AUTH, or an answer to a challenge, is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthError {
    /// There is none here, or somebody has kept it from this client.
    NotOffered,
    /// The client must use TLS first.
    TlsMissing,
    /// The client has greeted with HELO.
    EhloMissing,
    /// The client has authenticated already.
    Twice,
    /// No such mechanism is offered.
    Mechanism,
    /// The server speaks first with this mechanism.
    InitialResponse,
    /// The client gives up.
    Cancelled,
    /// The answer exceeds the limit of its line.
    TooLong,
    /// The answer is no base64.
    Base64,
    /// The answer is no message of the mechanism.
    Message,
    /// The client must authenticate before this command.
    Required,
}

/// What a client says about itself, to be verified.
#[derive(Debug)]
pub struct Credentials {
    /// The user's name; not empty, no NUL.
    pub user_name: Box<[u8]>,
    /// What shall prove it.
    pub proof: Proof,
}

/// What shall prove that a client is a user.
pub enum Proof {
    /// The password; not empty, no NUL.
    Password(Zeroizing<Box<[u8]>>),
    /// The answer to a challenge (RFC 2195 §2).
    CramMd5 {
        /// What the client was sent.
        challenge: Box<[u8]>,
        /// What it has answered.
        digest: [u8; 16],
    },
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Password(_) => "Password",
            Self::CramMd5 { .. } => "CramMd5",
        })
    }
}

/// What became of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthOutcome {
    /// They are those of the user.
    Accepted,
    /// They are not, or there is no such user.
    Refused,
    /// Nobody knows, for now.
    Unavailable,
}

/// Who a client has proven to be; only this module makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    mechanism: Mechanism,
    user_name: Box<[u8]>,
}

impl Authenticated {
    /// How.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The name, as sent; not empty, no NUL.
    #[must_use]
    pub fn user_name(&self) -> &[u8] {
        &self.user_name
    }
}

/// How far a client has come with AUTH.
#[derive(Debug, Default)]
pub(super) enum Progress {
    /// Nothing has been proven.
    #[default]
    Nothing,
    /// PLAIN: its message is awaited.
    Plain,
    /// LOGIN: the name is awaited.
    LoginName,
    /// LOGIN: the password is awaited.
    LoginPassword(Box<[u8]>),
    /// CRAM-MD5: a random number is awaited.
    CramMd5Nonce,
    /// CRAM-MD5: the answer to this challenge is awaited.
    CramMd5(Box<[u8]>),
    /// Credentials are about to be taken, or have been.
    Verifying(Box<Verifying>),
    /// The client is who it says.
    Proven(Box<Authenticated>),
}

/// Whether the last line may have held what proves a user: it must not be shown to anybody then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Secrecy {
    /// It is a command.
    #[default]
    Public,
    /// It is AUTH, an answer, or something after these that is no command: a client that does not read replies sends
    /// its password there.
    Secret,
}

impl Secrecy {
    /// After another line that was taken for a command.
    pub(super) fn after(self, line: &Result<Command<'_>, SyntaxError>) -> Self {
        match line {
            Ok(Command::Auth(_))
            | Err(
                SyntaxError::ArgumentMissing(Verb::Auth)
                | SyntaxError::ArgumentUnexpected(Verb::Auth)
                | SyntaxError::LineTooLong(_),
            ) => Self::Secret,
            Ok(Command::Unknown(_)) | Err(_) => self,
            Ok(_) => Self::Public,
        }
    }
}

/// Who will have been proven if the credentials are right.
#[derive(Debug)]
pub(super) struct Verifying {
    claim: Authenticated,
    credentials: Option<Credentials>,
}

impl AuthOptions {
    /// `extensions` and AUTH, if it is offered on such a channel.
    pub(super) fn extend(self, extensions: Extensions, channel: Channel) -> Extensions {
        if channel == Channel::Tls || self.is_offered_without_tls {
            extensions.with_auth(self.mechanisms)
        } else {
            extensions
        }
    }
}

impl Session {
    /// AUTH, in a state that allows it.
    pub(super) fn auth(&mut self, auth: &Auth<'_>, replies: &mut Replies) -> Step {
        let mechanism = match self.permitted_mechanism(auth) {
            Ok(mechanism) => mechanism,
            Err(error) => return self.answer(&reply::from_auth_error(error), replies),
        };
        self.state = State::InSasl;
        self.auth = match mechanism {
            Mechanism::Plain => Progress::Plain,
            Mechanism::Login => Progress::LoginName,
            Mechanism::CramMd5 => Progress::CramMd5Nonce,
        };
        match auth.initial_response() {
            // A zero-length response is written `=` (RFC 4954 §4).
            Some(b"=") => self.take_answer(b"", replies),
            Some(response) => self.take_encoded_answer(response, replies),
            None => match mechanism {
                Mechanism::Plain => challenge(b"", replies),
                Mechanism::Login => challenge(USER_NAME_PROMPT, replies),
                Mechanism::CramMd5 => Step::DrawNonce,
            },
        }
    }

    /// Goes on after [`Step::DrawNonce`]: 16 octets that nobody can foretell and that never come again.
    pub fn auth_nonce(&mut self, nonce: [u8; 16], replies: &mut Replies) -> Step {
        let nonce = HEXLOWER.encode(&nonce);
        let text = ["<", &nonce, "@", &self.options.hostname, ">"].concat();
        let step = challenge(text.as_bytes(), replies);
        self.auth = Progress::CramMd5(text.into_bytes().into());
        step
    }

    /// Goes on after [`Step::ReadAuthResponse`]: the line that answers a challenge, or why it is none.
    pub fn auth_response(
        &mut self,
        line: Result<&[u8], SyntaxError>,
        replies: &mut Replies,
    ) -> Step {
        self.counters.commands_count = self.counters.commands_count.saturating_add(1);
        self.secrecy = Secrecy::Secret;
        match line {
            Ok(b"*") => self.end_auth(AuthError::Cancelled, replies),
            Ok(line) => self.take_encoded_answer(line, replies),
            Err(SyntaxError::LineTooLong(_)) => self.end_auth(AuthError::TooLong, replies),
            Err(error) => {
                self.forget_exchange();
                self.answer(&reply::from_syntax_error(error), replies)
            }
        }
    }

    /// The credentials of the exchange; once after each [`Step::VerifyCredentials`]. None if they are to be refused
    /// whatever proves them.
    pub fn take_credentials(&mut self) -> Option<Credentials> {
        match &mut self.auth {
            Progress::Verifying(verifying) => verifying.credentials.take(),
            Progress::Nothing
            | Progress::Plain
            | Progress::LoginName
            | Progress::LoginPassword(_)
            | Progress::CramMd5Nonce
            | Progress::CramMd5(_)
            | Progress::Proven(_) => None,
        }
    }

    /// Ends the exchange after [`Step::VerifyCredentials`].
    pub fn auth_verified(&mut self, outcome: AuthOutcome, replies: &mut Replies) -> Step {
        let progress = std::mem::take(&mut self.auth);
        self.state = State::Greeted;
        match (outcome, progress) {
            (AuthOutcome::Accepted, Progress::Verifying(verifying)) => {
                self.auth = Progress::Proven(Box::new(verifying.claim));
                self.answer(&reply::authenticated(), replies)
            }
            (AuthOutcome::Unavailable, _) => self.answer(&reply::auth_unavailable(), replies),
            (AuthOutcome::Accepted | AuthOutcome::Refused, _) => self.refuse_credentials(replies),
        }
    }

    /// Who the client has proven to be.
    #[must_use]
    pub fn authenticated(&self) -> Option<&Authenticated> {
        match &self.auth {
            Progress::Proven(authenticated) => Some(authenticated),
            Progress::Nothing
            | Progress::Plain
            | Progress::LoginName
            | Progress::LoginPassword(_)
            | Progress::CramMd5Nonce
            | Progress::CramMd5(_)
            | Progress::Verifying(_) => None,
        }
    }

    /// Who the client says it is, between [`Step::VerifyCredentials`] and its outcome; for the log.
    #[must_use]
    pub fn claimed(&self) -> Option<&Authenticated> {
        match &self.auth {
            Progress::Verifying(verifying) => Some(&verifying.claim),
            Progress::Nothing
            | Progress::Plain
            | Progress::LoginName
            | Progress::LoginPassword(_)
            | Progress::CramMd5Nonce
            | Progress::CramMd5(_)
            | Progress::Proven(_) => None,
        }
    }

    /// Forgets who the client is, as when TLS begins: what was said before may have been somebody else's words
    /// (RFC 3207 §4.2).
    pub fn forget_authentication(&mut self) {
        self.auth = Progress::Nothing;
    }

    /// Whether the last line may have held a secret, so that it must not stand in a log.
    #[must_use]
    pub fn last_line_may_hold_secret(&self) -> bool {
        self.secrecy == Secrecy::Secret || self.raw_secrecy == Secrecy::Secret
    }

    /// Notes a command line of the client, without CRLF, before a script answers it or makes another of it: what AUTH
    /// sends is as secret then. A line that a script has asked for need not be noted; it is as secret as the one before.
    pub fn note_raw_line(&mut self, line: &[u8]) {
        self.raw_secrecy = self.raw_secrecy.after(&Command::parse(line));
    }

    /// The limit of the line that begins with `octets`, in octets with CRLF (RFC 4954 §3 and §4). It may be asked for
    /// whenever more of the line has come: what decides lies within the smallest limit.
    #[must_use]
    pub fn line_octets_max(&self, octets: &[u8]) -> usize {
        let is_verb = |verb: &[u8; 4]| {
            let word = octets.split_at_checked(verb.len());
            word.is_some_and(|(word, _)| word.eq_ignore_ascii_case(verb))
        };
        if self.state == State::InSasl {
            limits::AUTH_LINE_OCTETS_MAX
        } else if !self.extensions().offers(Extension::Auth) {
            limits::COMMAND_LINE_OCTETS_MAX
        } else if is_verb(b"AUTH") {
            limits::AUTH_LINE_OCTETS_MAX
        } else if is_verb(b"MAIL") {
            limits::COMMAND_LINE_OCTETS_MAX + limits::AUTH_COMMAND_LINE_OCTETS
        } else {
            limits::COMMAND_LINE_OCTETS_MAX
        }
    }

    /// Whether the client must authenticate before it may use `verb`: before all but preparations (RFC 4954 §6).
    pub(super) fn must_authenticate(&self, verb: Verb) -> bool {
        let is_preparation = match verb {
            Verb::Helo
            | Verb::Ehlo
            | Verb::Rset
            | Verb::Help
            | Verb::Noop
            | Verb::Quit
            | Verb::StartTls
            | Verb::Auth
            | Verb::XClient
            | Verb::Unknown => true,
            Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Vrfy | Verb::Expn | Verb::Bdat => false,
        };
        !is_preparation && self.options.auth.is_required && self.user_name().is_none()
    }

    /// The mechanism the client may use now, which it has asked for.
    fn permitted_mechanism(&self, auth: &Auth<'_>) -> Result<Mechanism, AuthError> {
        if !self.extensions().offers(Extension::Auth) {
            return Err(self.why_not_offered());
        }
        if self.authenticated().is_some() {
            return Err(AuthError::Twice);
        }
        let mechanism = Mechanism::of_name(auth.mechanism());
        let announced = self.extensions().mechanisms();
        let mechanism = mechanism.filter(|one| announced.has(*one));
        let mechanism = mechanism.ok_or(AuthError::Mechanism)?;
        if mechanism == Mechanism::CramMd5 && auth.initial_response().is_some() {
            return Err(AuthError::InitialResponse);
        }
        Ok(mechanism)
    }

    /// Why AUTH was not announced to this client.
    fn why_not_offered(&self) -> AuthError {
        match self.helo() {
            _ if self.options.auth.mechanisms.is_empty() => AuthError::NotOffered,
            Some((HeloVerb::Helo, _)) | None => AuthError::EhloMissing,
            Some((HeloVerb::Ehlo, _)) if self.offered().offers(Extension::Auth) => {
                AuthError::NotOffered
            }
            Some((HeloVerb::Ehlo, _)) => AuthError::TlsMissing,
        }
    }

    fn take_encoded_answer(&mut self, line: &[u8], replies: &mut Replies) -> Step {
        match BASE64.decode(line) {
            Ok(answer) => self.take_answer(&Zeroizing::new(answer), replies),
            Err(_) => self.end_auth(AuthError::Base64, replies),
        }
    }

    /// An answer, decoded.
    fn take_answer(&mut self, answer: &[u8], replies: &mut Replies) -> Step {
        match std::mem::take(&mut self.auth) {
            Progress::Plain => self.take_plain(answer, replies),
            Progress::LoginName if is_login_word(answer) => {
                self.auth = Progress::LoginPassword(answer.into());
                challenge(PASSWORD_PROMPT, replies)
            }
            Progress::LoginPassword(name) if is_login_word(answer) => {
                self.verify(Mechanism::Login, name, Some(password(answer)))
            }
            Progress::CramMd5(challenge) => match cram_md5_message(answer) {
                Some((name, digest)) => {
                    let proof = Proof::CramMd5 { challenge, digest };
                    self.verify(Mechanism::CramMd5, name.into(), Some(proof))
                }
                None => self.end_auth(AuthError::Message, replies),
            },
            Progress::LoginName
            | Progress::LoginPassword(_)
            | Progress::CramMd5Nonce
            | Progress::Verifying(_)
            | Progress::Proven(_)
            | Progress::Nothing => self.end_auth(AuthError::Message, replies),
        }
    }

    fn take_plain(&mut self, answer: &[u8], replies: &mut Replies) -> Step {
        let Some(message) = PlainMessage::parse(answer) else {
            return self.end_auth(AuthError::Message, replies);
        };
        if !message.authorization.is_empty() && message.authorization != message.name {
            return self.verify(Mechanism::Plain, message.name.into(), None);
        }
        let proof = password(message.password);
        self.verify(Mechanism::Plain, message.name.into(), Some(proof))
    }

    fn verify(&mut self, mechanism: Mechanism, user_name: Box<[u8]>, proof: Option<Proof>) -> Step {
        let credentials = proof.map(|proof| Credentials {
            user_name: user_name.clone(),
            proof,
        });
        self.auth = Progress::Verifying(Box::new(Verifying {
            claim: Authenticated {
                mechanism,
                user_name,
            },
            credentials,
        }));
        Step::VerifyCredentials
    }

    /// Counts credentials that are not right; too many end the session.
    fn refuse_credentials(&mut self, replies: &mut Replies) -> Step {
        let failures_max = self.options.limits.auth_failures_max;
        self.counters.auth_failures_count = self.counters.auth_failures_count.saturating_add(1);
        if failures_max <= self.counters.auth_failures_count {
            return self.answer(&reply::too_many_auth_failures(failures_max), replies);
        }
        self.answer(&reply::credentials_refused(), replies)
    }

    /// Ends an exchange that leads nowhere.
    fn end_auth(&mut self, error: AuthError, replies: &mut Replies) -> Step {
        self.forget_exchange();
        self.answer(&reply::from_auth_error(error), replies)
    }

    fn forget_exchange(&mut self) {
        self.auth = Progress::Nothing;
        self.state = State::Greeted;
    }
}

fn password(octets: &[u8]) -> Proof {
    Proof::Password(Zeroizing::new(octets.into()))
}

/// Sends a challenge; the next line answers it.
fn challenge(text: &[u8], replies: &mut Replies) -> Step {
    let text = BASE64.encode(text);
    let reply: Reply<'_> = reply::auth_challenge(text.as_bytes());
    replies.push(&reply);
    Step::ReadAuthResponse
}

/// The challenges of LOGIN, as clients expect them.
const USER_NAME_PROMPT: &[u8] = b"Username:";
const PASSWORD_PROMPT: &[u8] = b"Password:";
