//! The hook `mailfrom`: whether a sender is accepted, and who it is.
//!
//! In: how a script ended. Out: [`Action`]. An error is `Defer()`, an implicit end is `Accept()`.
//! Guarantees: a sender that a script names is an address, or the null reverse-path. Does not: change the transaction.
//!
//! HSL manual: "MAIL FROM"; RFC 5321 §4.1.1.2.

use postern_jit::error::ErrorKind;
use postern_jit::execution::Ending;

use super::arguments::{OptionNames, Options};
use super::command::{self, CommandAction};
use super::{Failure, Hook, ScriptedReply};
use crate::smtp::address::{Charset, ReversePath};
use crate::smtp::reply::{EnhancedCode, Reply};

/// What a `mailfrom` script decided.
pub type Action = CommandAction<Accept>;

/// How a sender is accepted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accept {
    /// The sender in place of the client's: an address without angle brackets, empty for the null reverse-path.
    pub sender: Option<Box<[u8]>>,
    /// The reply in place of the usual one.
    pub reply: Option<ScriptedReply>,
}

impl Accept {
    /// The reply in place of the usual one, if there is one.
    #[must_use]
    pub fn to_reply(&self) -> Option<Reply<'_>> {
        let reply = self.reply.as_ref()?;
        Some(command::accepting(reply, EnhancedCode::of(1, 0)))
    }
}

/// The action a script ended with; `charset` is that of the addresses it may name.
///
/// # Errors
///
/// The script failed, or called a function with arguments it does not take.
pub fn action(ending: Ending, charset: Charset) -> Result<Action, Failure> {
    command::action(Hook::MailFrom, ending, ACCEPT_OPTIONS, |options| {
        accept(options, charset)
    })
}

fn accept(options: Options<'_>, charset: Charset) -> Result<Accept, ErrorKind> {
    let sender = options.mailbox("sender")?;
    if let Some(sender) = &sender
        && ReversePath::of_address(sender, charset).is_none()
    {
        return Err(options.wrong("sender", "an address, or empty for the null reverse-path"));
    }
    Ok(Accept {
        sender,
        reply: command::accepting_reply(options)?,
    })
}

/// The options of `Accept`.
const ACCEPT_OPTIONS: OptionNames = OptionNames {
    names: &["reason", "reply_codes", "sender"],
    requirement: "made of reason, reply_codes and sender, nothing else",
};
