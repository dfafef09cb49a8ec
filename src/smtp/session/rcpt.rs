//! RCPT: adds a recipient.
//!
//! In: a forward-path and parameters. Out: one recipient more, or the reason why not.
//! Guarantees: mail for a domain the profile is not responsible for is refused, unless the client
//! may relay or has authenticated; `postmaster` without a domain is always accepted (RFC 5321 §4.5.1).
//! Does not: know mailboxes.
//!
//! RFC 5321 §4.1.1.3, §3.6.2 (relaying), §4.5.3.1.10 (too many recipients: 452); RFC 3461 §4.1 and §4.2 (NOTIFY, ORCPT).

use super::mail::{ParameterError, once};
use super::{Phase, Relay, Session, State, Step, dsn};
use crate::smtp::address::{Domain, ForwardPath, PathError, domain_in_ascii};
use crate::smtp::command::{Parameters, Rcpt, SyntaxError};
use crate::smtp::extension::Extension;
use crate::smtp::reply::{self, Replies};

impl Session {
    pub(super) fn rcpt(&mut self, rcpt: &Rcpt<'_>, replies: &mut Replies) -> Step {
        if let Err(error) = self.check_parameters(rcpt.parameters()) {
            return self.answer(&reply::from_parameter_error(error), replies);
        }
        if !self.may_be_written(rcpt.forward_path()) {
            let error = SyntaxError::ForwardPath(PathError::NotAscii);
            return self.answer(&reply::from_syntax_error(error), replies);
        }
        if !self.may_receive(rcpt.forward_path()) {
            return self.answer(&reply::relaying_denied(), replies);
        }
        let recipients_max = self.options.limits.recipients_per_message_max;
        if let Some(transaction) = &mut self.transaction {
            if transaction.recipients_count() >= recipients_max as usize {
                let refused_count = &mut self.counters.recipients_refused_count;
                *refused_count = refused_count.saturating_add(1);
                return self.answer(&reply::too_many_recipients(recipients_max), replies);
            }
            transaction.add_recipient(rcpt.forward_path(), rcpt.parameters());
        }
        self.state = State::RecipientsGiven;
        self.ask(Phase::Rcpt, replies)
    }

    /// Whether the octets of `forward_path` are allowed in this transaction (RFC 6531 §3.5).
    fn may_be_written(&self, forward_path: ForwardPath<'_>) -> bool {
        match forward_path {
            ForwardPath::Postmaster(_) => true,
            ForwardPath::Mailbox(mailbox) => {
                self.is_utf8_declared() || mailbox.as_octets().is_ascii()
            }
        }
    }

    /// Whether MAIL has declared SMTPUTF8.
    fn is_utf8_declared(&self) -> bool {
        let transaction = self.transaction.as_ref();
        transaction.is_some_and(|transaction| transaction.mail_parameters().is_utf8)
    }

    /// Whether mail for `forward_path` is taken from this client.
    fn may_receive(&self, forward_path: ForwardPath<'_>) -> bool {
        let accepted = &self.options.accept_domains;
        let own = match forward_path {
            ForwardPath::Postmaster(_) => true,
            ForwardPath::Mailbox(mailbox) => match mailbox.domain() {
                Domain::Name(name) => {
                    domain_in_ascii(name).is_some_and(|name| accepted.contains(&name))
                }
                Domain::Literal { .. } => accepted.is_every_domain(),
            },
        };
        own || self.client.relay == Relay::Allowed || self.user_name().is_some()
    }

    /// `Rcpt-parameters`, of the extensions offered.
    fn check_parameters(&self, parameters: Parameters<'_>) -> Result<(), ParameterError> {
        let offers_dsn = self.extensions().offers(Extension::Dsn);
        let orcpt_value = if self.is_utf8_declared() {
            dsn::orcpt_value_utf8
        } else {
            dsn::orcpt_value
        };
        let (mut notify, mut orcpt) = (None, None);
        for parameter in parameters.iter() {
            let is = |keyword: &[u8]| parameter.keyword.eq_ignore_ascii_case(keyword);
            if is(b"NOTIFY") && offers_dsn {
                once(&mut notify, dsn::notify_value(&parameter))?;
            } else if is(b"ORCPT") && offers_dsn {
                once(&mut orcpt, orcpt_value(&parameter))?;
            } else {
                return Err(ParameterError::NotOffered);
            }
        }
        Ok(())
    }
}
