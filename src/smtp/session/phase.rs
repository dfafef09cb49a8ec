//! The points of a session at which somebody else may decide: a script, or a next hop.
//!
//! In: which points are asked about. Out: [`Phase`], with [`Step::Decide`](super::Step::Decide); back comes a
//! [`Decision`]. Guarantees: the command has taken effect, for the one who decides to see, and a refusal undoes it as a
//! whole; the client has heard nothing yet. Who decides may put another name or address in place of the client's before,
//! but only a well-formed one. Does not: know who decides.
//!
//! RFC 5321 §4.1.1.1 to §4.1.1.4, §4.1.4 (a session whose EHLO is refused stays as it was).

use super::helo::Helo;
use super::{Session, State, Step, Transaction, TransactionId};
use crate::limits;
use crate::smtp::address::{ForwardPath, ReversePath};
use crate::smtp::command::HeloDomain;
use crate::smtp::extension::Extensions;
use crate::smtp::reply::{self, Replies, Reply};

/// A point at which somebody may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// HELO or EHLO is about to be answered.
    Helo,
    /// A sender is about to be accepted.
    Mail,
    /// A recipient is about to be accepted: the last one of the transaction.
    Rcpt,
    /// The client is about to be told to send mail data.
    Data,
}

/// A set of phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases(u8);

impl Phases {
    /// This set and `phase`.
    #[must_use]
    pub const fn with(self, phase: Phase) -> Self {
        Self(self.0 | 1 << phase as u8)
    }

    /// Whether `phase` is in the set.
    #[must_use]
    pub const fn has(self, phase: Phase) -> bool {
        self.0 & 1 << phase as u8 != 0
    }
}

/// What was decided about a command.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'text> {
    /// It takes effect, and the client is told so: with this reply, if there is one, or with the usual one.
    Accept(Option<Reply<'text>>),
    /// It has no effect. A 5yz reply counts as an error of the client, a 421 closes.
    Refuse(Reply<'text>),
}

/// What HELO or EHLO found, to be put back if it is refused.
#[derive(Debug)]
pub(super) struct Former {
    state: State,
    helo: Option<Helo>,
    transaction: Option<Transaction>,
    transaction_id: Option<TransactionId>,
}

impl Session {
    /// Has the client be called something else, while HELO or EHLO is being decided about.
    pub fn replace_helo(&mut self, domain: HeloDomain<'_>) {
        if self.deciding == Some(Phase::Helo)
            && let Some(helo) = &mut self.helo
        {
            helo.domain.clear();
            helo.domain.extend_from_slice(domain.as_octets());
        }
    }

    /// Offers the client no more than `wanted`, while EHLO is being decided about.
    pub fn narrow_extensions(&mut self, wanted: Extensions) {
        if self.deciding == Some(Phase::Helo)
            && let Some(helo) = &mut self.helo
        {
            helo.extensions = helo.extensions.narrowed_to(wanted);
        }
    }

    /// Has somebody else send, while MAIL is being decided about.
    pub fn replace_reverse_path(&mut self, reverse_path: ReversePath<'_>) {
        if self.deciding == Some(Phase::Mail)
            && let Some(transaction) = &mut self.transaction
        {
            transaction.replace_reverse_path(reverse_path);
        }
    }

    /// Has somebody else receive, while RCPT is being decided about. Whether the client may send there is not asked
    /// again.
    pub fn replace_recipient(&mut self, forward_path: ForwardPath<'_>) {
        if self.deciding == Some(Phase::Rcpt)
            && let Some(transaction) = &mut self.transaction
        {
            transaction.replace_last_recipient(forward_path);
        }
    }

    /// Names the transport of the recipient, while RCPT is being decided about: the first
    /// [`limits::TRANSPORT_OCTETS_MAX`] octets of it.
    pub fn set_transport(&mut self, transport: &[u8]) {
        if self.deciding == Some(Phase::Rcpt)
            && let Some(transaction) = &mut self.transaction
        {
            let kept = transport.get(..limits::TRANSPORT_OCTETS_MAX);
            transaction.set_last_transport(kept.unwrap_or(transport));
        }
    }

    /// Clears the transaction for HELO or EHLO. Where somebody may refuse them, what was there is kept until they are
    /// decided about.
    pub(super) fn begin_hello(&mut self) {
        if self.options.asks.has(Phase::Helo) {
            let transaction_id = self.transaction_id;
            if self.transaction.is_some() {
                self.transaction_id = None;
            }
            self.former = Some(Box::new(Former {
                state: self.state,
                helo: self.helo.take(),
                transaction: self.transaction.take(),
                transaction_id,
            }));
        } else {
            self.clear_transaction();
        }
    }

    /// Asks about `phase`, if it is one that is asked about; else accepts.
    pub(super) fn ask(&mut self, phase: Phase, replies: &mut Replies) -> Step {
        if self.options.asks.has(phase) {
            self.deciding = Some(phase);
            return Step::Decide(phase);
        }
        self.accept(phase, None, replies)
    }

    /// Takes the decision about the command that [`Step::Decide`] asked about, and answers it. Without such a command
    /// nothing happens.
    pub fn decide(&mut self, decision: Decision<'_>, replies: &mut Replies) -> Step {
        let Some(phase) = self.deciding.take() else {
            return Step::Continue;
        };
        match decision {
            Decision::Accept(reply) => {
                self.former = None;
                self.accept(phase, reply, replies)
            }
            Decision::Refuse(reply) => {
                self.undo(phase);
                self.answer(&reply, replies)
            }
        }
    }

    fn accept(&mut self, phase: Phase, reply: Option<Reply<'_>>, replies: &mut Replies) -> Step {
        match (phase, reply) {
            (Phase::Data, _) => self.start_mail_data(replies),
            (_, Some(reply)) => self.answer(&reply, replies),
            (Phase::Helo, None) => self.greet_back(replies),
            (Phase::Mail, None) => self.answer(&reply::sender_ok(), replies),
            (Phase::Rcpt, None) => self.answer(&reply::recipient_ok(), replies),
        }
    }

    fn undo(&mut self, phase: Phase) {
        match phase {
            Phase::Helo => {
                let Some(former) = self.former.take() else {
                    return;
                };
                let former = *former;
                self.state = former.state;
                self.helo = former.helo;
                self.transaction = former.transaction;
                self.transaction_id = former.transaction_id;
            }
            Phase::Mail => {
                // The id may be older than the command.
                let transaction_id = self.transaction_id;
                self.clear_transaction();
                self.transaction_id = transaction_id;
                self.state = State::Greeted;
            }
            // Recipients stay, as after any refused DATA: the client may try again.
            Phase::Data => {}
            Phase::Rcpt => {
                let Some(transaction) = &mut self.transaction else {
                    return;
                };
                transaction.remove_last_recipient();
                if transaction.recipients_count() == 0 {
                    self.state = State::MailGiven;
                }
            }
        }
    }
}
