//! The points of a session at which somebody else may decide: a script, or a next hop.
//!
//! In: which points are asked about. Out: [`Phase`], with [`Step::Decide`](super::Step::Decide); back comes a
//! [`Decision`]. Guarantees: the command has taken effect, for the one who decides to see, and a refusal undoes it as a
//! whole; the client has heard nothing yet. Does not: know who decides.
//!
//! RFC 5321 §4.1.1.1 to §4.1.1.3.

use super::{Session, State, Step};
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

impl Session {
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
            Decision::Accept(reply) => self.accept(phase, reply, replies),
            Decision::Refuse(reply) => {
                self.undo(phase);
                self.answer(&reply, replies)
            }
        }
    }

    fn accept(&mut self, phase: Phase, reply: Option<Reply<'_>>, replies: &mut Replies) -> Step {
        match (phase, reply) {
            (_, Some(reply)) => self.answer(&reply, replies),
            (Phase::Helo, None) => self.greet_back(replies),
            (Phase::Mail, None) => self.answer(&reply::sender_ok(), replies),
            (Phase::Rcpt, None) => self.answer(&reply::recipient_ok(), replies),
        }
    }

    fn undo(&mut self, phase: Phase) {
        match phase {
            Phase::Helo => {
                self.helo = None;
                self.state = State::Connected;
            }
            Phase::Mail => {
                self.clear_transaction();
                self.state = State::Greeted;
            }
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
