//! Clients that do not wait where they must: before the greeting, and behind commands whose reply decides what follows.
//!
//! In: what has come and should not have. Out: a line of the log, or the end of the connection with 554, as the profile
//! says. Guarantees: a command that a client has not waited for is judged before it takes effect. Does not: wait for
//! octets that may still be on their way; only what is there when the reply is due counts.
//!
//! RFC 5321 §3.1 and §4.3.1 (the client waits for the greeting); RFC 2920 §3.1 (EHLO and DATA end a group of commands);
//! RFC 3207 §4 (STARTTLS) and RFC 4954 §4 (AUTH) end one, too.

use super::Connection;
use super::transport::ConnectionError;
use crate::log::Level;
use crate::profile::EarlyTalker;
use crate::smtp::command::{Command, SyntaxError, Verb};
use crate::smtp::reply::ReplyCode;
use crate::smtp::session::{State, order};

impl Connection {
    /// Judges a client that is about to be greeted.
    pub(super) fn judge_before_greeting(&mut self) -> Result<(), ConnectionError> {
        let policy = self.profile().early_talker;
        if policy == EarlyTalker::Ignore {
            return Ok(());
        }
        // What followed a PROXY header is here already.
        let has_talked = !self.receive_buffer.is_empty()
            || self.transport.try_receive(&mut self.receive_buffer)?;
        if !has_talked {
            return Ok(());
        }
        self.note_early_talker(ReplyCode::SERVICE_READY);
        match policy {
            EarlyTalker::Refuse => Err(ConnectionError::EarlyTalker),
            EarlyTalker::Log | EarlyTalker::Ignore => Ok(()),
        }
    }

    /// As [`Connection::judge_command`], for a line of which it is not known yet whether it is a command.
    pub(super) fn judge_line(
        &self,
        line: Result<&[u8], SyntaxError>,
        later_octets: usize,
    ) -> Result<(), ConnectionError> {
        // What answers a challenge of AUTH is no command.
        if later_octets == 0 || self.session.state() == State::InSasl {
            return Ok(());
        }
        match line.and_then(Command::parse) {
            Ok(command) => self.judge_command(&command, later_octets),
            Err(_) => Ok(()),
        }
    }

    /// Judges a command behind which `later_octets` more have come already.
    pub(super) fn judge_command(
        &self,
        command: &Command<'_>,
        later_octets: usize,
    ) -> Result<(), ConnectionError> {
        if later_octets == 0 {
            return Ok(());
        }
        let verb = command.verb();
        let Some((policy, awaited)) = self.awaited_reply(verb) else {
            return Ok(());
        };
        // A command out of its order is refused anyway, and nothing follows from it.
        if policy == EarlyTalker::Ignore || order::permit(self.session.state(), verb).is_err() {
            return Ok(());
        }
        self.note_early_talker(awaited);
        match policy {
            EarlyTalker::Refuse => Err(ConnectionError::EarlyCommand),
            EarlyTalker::Log | EarlyTalker::Ignore => Ok(()),
        }
    }

    /// The reply that a client must wait for behind a command, and what becomes of one that does not.
    fn awaited_reply(&self, verb: Verb) -> Option<(EarlyTalker, ReplyCode)> {
        let profile = self.profile();
        let code = match verb {
            Verb::Data => ReplyCode::START_MAIL_INPUT,
            Verb::StartTls | Verb::XClient => ReplyCode::SERVICE_READY,
            Verb::Auth => ReplyCode::AUTH_CHALLENGE,
            Verb::Ehlo => return Some((profile.early_ehlo, ReplyCode::OK)),
            _ => return None,
        };
        Some((profile.early_command, code))
    }

    /// Logs a client that has not waited for the reply it must wait for.
    pub(super) fn note_early_talker(&self, awaited: ReplyCode) {
        let ration = &self.commons.rations.early_talkers;
        let Some(held_back) = self.commons.ration(ration) else {
            return;
        };
        let line = self.line(Level::Warning, "early_talker");
        drop(line.map(|line| {
            line.word("held_back", held_back)
                .word("awaited", awaited.number())
        }));
    }
}
