//! Who decides at the phases of a session.
//!
//! In: the phase. Out: the session's next step, its reply gathered. Guarantees: nobody is asked about a phase that the
//! profile has nobody for; what a script puts in place of the client's words is in place before the session goes on; no
//! client can fill a disk with lines about its refusals. Does not: know what a decision does to the session;
//! `smtp::session` does.
//!
//! HSL manual: "HELO", "MAIL FROM", "RCPT TO".

use postern_jit::execution::Ending;

use super::transport::ConnectionError;
use super::{Connection, next_hop, script};
use crate::hook::{CommandAction, Failure, Hook, Refusal, helo, mailfrom, rcptto};
use crate::log::Level;
use crate::smtp::address::{Charset, ForwardPath, ReversePath};
use crate::smtp::command::HeloDomain;
use crate::smtp::extension::Extension;
use crate::smtp::reply::{EightBitText, ReceivedReply, Reply, ReplyCode, ReplyText};
use crate::smtp::session::{Decision, HeloVerb, Phase, Step, Transaction};

/// Has whoever decides about `phase` do so.
pub(super) async fn decide(
    connection: &mut Connection,
    phase: Phase,
) -> Result<Step, ConnectionError> {
    match phase {
        Phase::Helo => helo(connection).await,
        Phase::Mail => mailfrom(connection).await,
        Phase::Rcpt => rcptto(connection).await,
        Phase::Data => data(connection).await,
    }
}

async fn helo(connection: &mut Connection) -> Result<Step, ConnectionError> {
    let accept = match ask(connection, Hook::Helo, helo::action).await? {
        Ok(accept) => accept,
        Err(refusal) => return Ok(connection.refuse(Hook::Helo, &refusal)),
    };
    let session = &mut connection.session;
    if let Some(name) = accept.senderhelo.as_deref().and_then(HeloDomain::new) {
        session.replace_helo(name);
    }
    let reply = |text| Reply::without_enhanced_code(ReplyCode::OK, text);
    if matches!(session.helo(), Some((HeloVerb::Helo, _))) {
        let reason = accept.reason.as_deref().map(ReplyText::Octets);
        return Ok(connection.accept(Hook::Helo, reason.map(reply)));
    }
    let Some(announcement) = accept.announcement(session) else {
        return Ok(connection.accept(Hook::Helo, None));
    };
    session.narrow_extensions(announcement.usable);
    if !announcement.withheld.is_empty() {
        let line = connection.line(Level::Warning, "extensions_withheld");
        let withheld = announcement.withheld.iter().copied();
        let keywords: Vec<&str> = withheld.map(Extension::keyword).collect();
        drop(line.map(|line| line.octets("extensions", keywords.join(" ").as_bytes())));
    }
    let lines: Vec<&[u8]> = announcement.lines.iter().map(|line| &**line).collect();
    Ok(connection.accept(Hook::Helo, Some(reply(ReplyText::Lines(&lines)))))
}

async fn mailfrom(connection: &mut Connection) -> Result<Step, ConnectionError> {
    let charset = connection.charset();
    let accept = match ask(connection, Hook::MailFrom, |ending| {
        mailfrom::action(ending, charset)
    })
    .await?
    {
        Ok(accept) => accept,
        Err(refusal) => return Ok(connection.refuse(Hook::MailFrom, &refusal)),
    };
    if let Some(path) = accept
        .sender
        .as_deref()
        .and_then(|sender| ReversePath::of_address(sender, charset))
    {
        connection.session.replace_reverse_path(path);
    }
    Ok(connection.accept(Hook::MailFrom, accept.to_reply()))
}

async fn rcptto(connection: &mut Connection) -> Result<Step, ConnectionError> {
    let charset = connection.charset();
    let accept = match ask(connection, Hook::RcptTo, |ending| {
        rcptto::action(ending, charset)
    })
    .await?
    {
        Ok(accept) => accept,
        Err(refusal) => return Ok(connection.refuse(Hook::RcptTo, &refusal)),
    };
    if let Some(path) = accept
        .recipient
        .as_deref()
        .and_then(|recipient| ForwardPath::of_address(recipient, charset))
    {
        connection.session.replace_recipient(path);
    }
    if let Some(transport) = &accept.transportid {
        connection.session.set_transport(transport);
    }
    let verdict = next_hop::recipient(connection).await;
    if let Err(refusal) = &verdict {
        connection.note_recipient_refused_by_next_hop(refusal);
    }
    let decision = match &verdict {
        Ok(heard) => {
            let scripted = accept.to_reply();
            Decision::Accept(scripted.or(heard.as_ref().map(ReceivedReply::as_reply)))
        }
        Err(refusal) => Decision::Refuse(refusal.reply()),
    };
    Ok(connection.settle(Hook::RcptTo, decision))
}

async fn data(connection: &mut Connection) -> Result<Step, ConnectionError> {
    let verdict = next_hop::data(connection).await;
    let decision = match &verdict {
        Ok(()) => Decision::Accept(None),
        Err(refusal) => Decision::Refuse(refusal.reply()),
    };
    let (session, replies) = (&mut connection.session, &mut connection.replies);
    Ok(session.decide(decision, replies))
}

/// Asks the script of a hook; where there is none, nothing speaks against the command.
async fn ask<Accept: Default>(
    connection: &mut Connection,
    hook: Hook,
    action: impl FnOnce(Ending) -> Result<CommandAction<Accept>, Failure>,
) -> Result<Result<Accept, Refusal>, ConnectionError> {
    let Some(instance) = connection.hooks().of(hook).cloned() else {
        return Ok(Ok(Accept::default()));
    };
    let ending = script::drive(connection, &instance, 0).await?;
    Ok(match ending.and_then(action) {
        Ok(CommandAction::Accept(accept)) => Ok(accept),
        Ok(CommandAction::Refuse(refusal)) => Err(refusal),
        Err(failure) => {
            connection.report(&instance, &failure);
            Err(Refusal::on_error(hook))
        }
    })
}

impl Connection {
    /// What the addresses of the transaction may be written in.
    fn charset(&self) -> Charset {
        let transaction = self.session.transaction();
        transaction.map_or(Charset::Ascii, Transaction::charset)
    }

    /// Has the session accept the command, with this reply if there is one.
    fn accept(&mut self, hook: Hook, reply: Option<Reply<'_>>) -> Step {
        self.settle(hook, Decision::Accept(reply))
    }

    /// Has the session refuse the command.
    fn refuse(&mut self, hook: Hook, refusal: &Refusal) -> Step {
        self.note_command_refused(hook, refusal);
        let step = self.settle(hook, Decision::Refuse(refusal.to_reply(hook)));
        if refusal.disconnect {
            return Step::Close;
        }
        step
    }

    fn settle(&mut self, hook: Hook, decision: Decision<'_>) -> Step {
        // What EHLO offers is not offered before the end of its reply.
        if hook != Hook::Helo && self.session.extensions().offers(Extension::EightBitMime) {
            self.replies.set_eight_bit_text(EightBitText::Allowed);
        }
        let step = self.session.decide(decision, &mut self.replies);
        self.replies.set_eight_bit_text(EightBitText::Replaced);
        step
    }

    /// Counts and logs a command that is about to be refused, the latter no more often than a session may have errors:
    /// refusals for now do not count as such.
    fn note_command_refused(&mut self, hook: Hook, refusal: &Refusal) {
        self.commons.counters.commands_refused.increment();
        self.refusals_count = self.refusals_count.saturating_add(1);
        let lines_max = self.session.options().limits.errors_per_connection_max;
        if lines_max < self.refusals_count {
            return;
        }
        let Some(line) = self.line(Level::Message, "command_refused") else {
            return;
        };
        let code = refusal.reply.code.number();
        let line = line.word("hook", hook).word("code", code);
        let transaction = self.session.transaction();
        let named = match hook {
            Hook::MailFrom => transaction.map(|transaction| transaction.reverse_path().as_octets()),
            Hook::RcptTo => transaction
                .and_then(|transaction| transaction.last_recipient())
                .map(|recipient| recipient.as_octets()),
            Hook::Connect | Hook::Proxy | Hook::Helo => self.session.helo().map(|(_, name)| name),
        };
        let key = match hook {
            Hook::MailFrom => "from",
            Hook::RcptTo => "to",
            Hook::Connect | Hook::Proxy | Hook::Helo => "helo",
        };
        drop(line.octets(key, named.unwrap_or_default()));
    }
}
