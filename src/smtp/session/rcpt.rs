//! RCPT: adds a recipient.
//!
//! In: a forward-path and parameters. Out: one recipient more, or the reason why not.
//! Guarantees: mail for a domain the profile is not responsible for is refused, unless the client
//! may relay; `postmaster` without a domain is always accepted (RFC 5321 §4.5.1).
//! Does not: know mailboxes.
//!
//! RFC 5321 §4.1.1.3, §3.6.2 (relaying), §4.5.3.1.10 (too many recipients: 452).

use super::mail::ParameterError;
use super::{Phase, Relay, Session, State, Step};
use crate::smtp::address::{Domain, ForwardPath};
use crate::smtp::command::Rcpt;
use crate::smtp::reply::{self, Replies};

impl Session {
    pub(super) fn rcpt(&mut self, rcpt: &Rcpt<'_>, replies: &mut Replies) -> Step {
        // No extension that is offered has a parameter of RCPT.
        if rcpt.parameters().iter().next().is_some() {
            let reply = reply::from_parameter_error(ParameterError::NotOffered);
            return self.answer(&reply, replies);
        }
        if !self.may_receive(rcpt.forward_path()) {
            return self.answer(&reply::relaying_denied(), replies);
        }
        let recipients_max = self.options.limits.recipients_per_message_max;
        if let Some(transaction) = &mut self.transaction {
            if transaction.recipients_count() >= recipients_max as usize {
                return self.answer(&reply::too_many_recipients(recipients_max), replies);
            }
            transaction.add_recipient(rcpt.forward_path(), rcpt.parameters());
        }
        self.state = State::RecipientsGiven;
        self.ask(Phase::Rcpt, replies)
    }

    /// Whether mail for `forward_path` is taken from this client.
    fn may_receive(&self, forward_path: ForwardPath<'_>) -> bool {
        let accepted = &self.options.accept_domains;
        let own = match forward_path {
            ForwardPath::Postmaster(_) => true,
            ForwardPath::Mailbox(mailbox) => match mailbox.domain() {
                Domain::Name(name) => accepted.contains(name),
                Domain::Literal { .. } => accepted.is_every_domain(),
            },
        };
        own || self.client.relay == Relay::Allowed
    }
}
