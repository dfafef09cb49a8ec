//! Commands that carry no mail: RSET, QUIT, and those that are not offered.
//!
//! In: the command. Out: its reply; for RSET no transaction, for QUIT the end.
//! Guarantees: EXPN tells nobody who is on a list.
//! Does not: implement HELP beyond a pointer; VRFY, HELP and NOOP only have a reply.
//!
//! RFC 5321 §4.1.1.5 (RSET), §4.1.1.10 (QUIT), §3.5.3 and §7.3 (VRFY, EXPN).

use super::{Session, State, Step};
use crate::smtp::command::Verb;
use crate::smtp::reply::{self, Replies};

impl Session {
    pub(super) fn rset(&mut self, replies: &mut Replies) -> Step {
        self.clear_transaction();
        self.transaction_id = None;
        if self.state != State::Connected {
            self.state = State::Greeted;
        }
        self.answer(&reply::ok(), replies)
    }

    pub(super) fn quit(&mut self, replies: &mut Replies) -> Step {
        self.close(&reply::closing(), replies)
    }

    pub(super) fn not_offered(&mut self, verb: Verb, replies: &mut Replies) -> Step {
        self.answer(&reply::not_offered(verb), replies)
    }
}
