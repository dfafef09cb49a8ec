//! The hook `rcptto`: whether a recipient is accepted, who it is, and by which transport it is reached.
//!
//! In: how a script ended. Out: [`Action`]. An error is `Defer()`, an implicit end is `Accept()`.
//! Guarantees: a recipient that a script names is an address. Does not: change the transaction, or know transports: the
//! id is handed on to later scripts.
//!
//! HSL manual: "RCPT TO"; RFC 5321 §4.1.1.3.

use postern_jit::error::ErrorKind;
use postern_jit::execution::Ending;

use super::arguments::{OptionNames, Options};
use super::command::{self, CommandAction};
use super::{Failure, Hook, ScriptedReply};
use crate::limits;
use crate::smtp::address::{Charset, ForwardPath};
use crate::smtp::reply::{EnhancedCode, Reply};

/// What a `rcptto` script decided.
pub type Action = CommandAction<Accept>;

/// How a recipient is accepted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accept {
    /// The recipient in place of the client's: an address without angle brackets.
    pub recipient: Option<Box<[u8]>>,
    /// The id of the recipient's transport.
    pub transportid: Option<Box<[u8]>>,
    /// The reply in place of the usual one.
    pub reply: Option<ScriptedReply>,
}

impl Accept {
    /// The reply in place of the usual one, if there is one.
    #[must_use]
    pub fn to_reply(&self) -> Option<Reply<'_>> {
        let reply = self.reply.as_ref()?;
        Some(command::accepting(reply, EnhancedCode::of(1, 5)))
    }
}

/// The action a script ended with; `charset` is that of the addresses it may name.
///
/// # Errors
///
/// The script failed, or called a function with arguments it does not take.
pub fn action(ending: Ending, charset: Charset) -> Result<Action, Failure> {
    command::action(Hook::RcptTo, ending, ACCEPT_OPTIONS, |options| {
        accept(options, charset)
    })
}

fn accept(options: Options<'_>, charset: Charset) -> Result<Accept, ErrorKind> {
    let recipient = options.mailbox("recipient")?;
    if let Some(recipient) = &recipient
        && ForwardPath::of_address(recipient, charset).is_none()
    {
        return Err(options.wrong("recipient", "an address"));
    }
    let transportid = options.opt_string("transportid")?;
    if transportid.is_some_and(|id| limits::TRANSPORT_OCTETS_MAX < id.len()) {
        return Err(options.wrong("transportid", "a string of at most 255 octets"));
    }
    Ok(Accept {
        recipient,
        transportid: transportid.map(Box::from),
        reply: command::accepting_reply(options)?,
    })
}

/// The options of `Accept`.
const ACCEPT_OPTIONS: OptionNames = OptionNames {
    names: &["reason", "recipient", "reply_codes", "transportid"],
    requirement: "made of reason, recipient, reply_codes and transportid, nothing else",
};

const _: () = assert!(
    limits::TRANSPORT_OCTETS_MAX == 255,
    "the text of the error says so"
);
