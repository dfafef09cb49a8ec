//! HELO and EHLO.
//!
//! In: what the client calls itself. Out: a greeting; after EHLO, the extensions that may be used
//! from now on.
//! Guarantees: the transaction is cleared as by RSET, unless somebody refuses the command; what is
//! announced is what may be used.
//! Does not: check the name against DNS or the client's address (RFC 5321 §4.1.4 forbids to refuse
//! mail for that).
//!
//! RFC 5321 §4.1.1.1, §4.1.4.

use super::{Channel, Phase, Session, StartTls, State, Step, XClientUse};
use crate::smtp::command::HeloDomain;
use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::reply::{self, Replies};

/// How the client greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeloVerb {
    /// HELO: no extensions.
    Helo,
    /// EHLO.
    Ehlo,
}

/// What the client said last about itself, and what it was offered.
#[derive(Debug)]
pub(super) struct Helo {
    pub(super) verb: HeloVerb,
    pub(super) domain: Vec<u8>,
    pub(super) extensions: Extensions,
}

impl Session {
    pub(super) fn hello(
        &mut self,
        verb: HeloVerb,
        domain: HeloDomain<'_>,
        replies: &mut Replies,
    ) -> Step {
        self.begin_hello();
        let mut kept = self.helo.take().map(|helo| helo.domain).unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(domain.as_octets());
        self.helo = Some(Helo {
            verb,
            domain: kept,
            extensions: match verb {
                HeloVerb::Helo => Extensions::none(),
                HeloVerb::Ehlo => self.offered(),
            },
        });
        self.state = State::Greeted;
        self.ask(Phase::Helo, replies)
    }

    /// The extensions that EHLO would offer now.
    #[must_use]
    pub fn offered(&self) -> Extensions {
        let extensions = self.options.extensions();
        let extensions = self.options.auth.extend(extensions, self.channel);
        let extensions = match (self.channel, self.options.start_tls) {
            (Channel::Plain, StartTls::Offered) if self.forwarded.is_none() => {
                extensions.with(Extension::StartTls)
            }
            (Channel::Plain | Channel::Tls, _) => extensions,
        };
        match self.client.xclient {
            XClientUse::Allowed => extensions.with(Extension::XClient),
            XClientUse::Denied => extensions,
        }
    }

    /// Says who is here and what is offered.
    pub(super) fn greet_back(&mut self, replies: &mut Replies) -> Step {
        let Some(helo) = &self.helo else {
            return Step::Continue;
        };
        let hostname = &self.options.hostname;
        replies.push(&match helo.verb {
            HeloVerb::Helo => reply::helo(hostname, &helo.domain),
            HeloVerb::Ehlo => reply::ehlo(hostname, &helo.domain, helo.extensions),
        });
        Step::Continue
    }
}
