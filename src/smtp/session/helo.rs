//! HELO and EHLO.
//!
//! In: what the client calls itself. Out: a greeting; after EHLO, the extensions that may be used
//! from now on.
//! Guarantees: the transaction is cleared as by RSET.
//! Does not: check the name against DNS or the client's address (RFC 5321 §4.1.4 forbids to refuse
//! mail for that).
//!
//! RFC 5321 §4.1.1.1, §4.1.4.

use super::{Session, State, Step};
use crate::smtp::command::HeloDomain;
use crate::smtp::reply::{self, Replies};

/// How the client greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeloVerb {
    /// HELO: no extensions.
    Helo,
    /// EHLO.
    Ehlo,
}

/// What the client said last about itself.
#[derive(Debug)]
pub(super) struct Helo {
    pub(super) verb: HeloVerb,
    pub(super) domain: Vec<u8>,
}

impl Session {
    pub(super) fn greet_back(
        &mut self,
        verb: HeloVerb,
        domain: HeloDomain<'_>,
        replies: &mut Replies,
    ) -> Step {
        self.clear_transaction();
        let mut kept = self.helo.take().map(|helo| helo.domain).unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(domain.as_octets());
        self.helo = Some(Helo { verb, domain: kept });
        self.state = State::Greeted;
        let hostname = &self.options.hostname;
        replies.push(&match verb {
            HeloVerb::Helo => reply::helo(hostname, domain),
            HeloVerb::Ehlo => reply::ehlo(hostname, domain, self.options.extensions()),
        });
        Step::Continue
    }
}
