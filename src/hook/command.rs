//! What the hooks of single commands have in common: `helo`, `mailfrom` and `rcptto`.
//!
//! In: how a script ended. Out: [`CommandAction`]; each hook adds what its `Accept` takes. An error is `Defer()`, an
//! implicit end is `Accept()`. Guarantees: a refusal has a code of its class; without a reason it says nothing of the
//! policy. Does not: know what acceptance means.
//!
//! HSL manual: "HELO", "MAIL FROM", "RCPT TO" (`Reject`, `Defer`, "On script error", "On implicit termination");
//! RFC 2034 §4 (no enhanced codes in replies to HELO and EHLO).

use postern_jit::error::ErrorKind;
use postern_jit::execution::Ending;
use postern_jit::runtime::Portable;

use super::arguments::{Arguments, OptionNames, Options};
use super::{Failure, Function, Hook, ScriptedReply};
use crate::smtp::reply::{EnhancedCode, Reply, ReplyClass, ReplyCode, default_enhanced_code};

/// What a script decided about a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CommandAction<Accept> {
    /// It takes effect.
    Accept(Accept),
    /// It has no effect.
    Refuse(Refusal),
}

/// How a command is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The reply.
    pub reply: ScriptedReply,
    /// Whether the connection is closed behind it.
    pub disconnect: bool,
}

impl Refusal {
    /// The reply, with the enhanced code of its own or the one that goes with its code.
    #[must_use]
    pub fn to_reply(&self, hook: Hook) -> Reply<'_> {
        let default = match hook {
            Hook::Helo => None,
            Hook::Connect | Hook::Proxy | Hook::MailFrom | Hook::RcptTo => {
                default_enhanced(self.reply.code)
            }
        };
        self.reply.to_reply(default)
    }

    /// What is done when a script fails: `Defer()`, for a reason that lies here.
    #[must_use]
    pub const fn on_error(hook: Hook) -> Self {
        let enhanced = match hook {
            Hook::Helo => None,
            Hook::Connect | Hook::Proxy | Hook::MailFrom | Hook::RcptTo => EnhancedCode::new(3, 0),
        };
        Self {
            reply: ScriptedReply {
                code: ReplyCode::MAILBOX_BUSY,
                enhanced,
                reason: None,
            },
            disconnect: false,
        }
    }
}

/// The enhanced code of a reply to MAIL or RCPT when the script gave none: 450 is said by policy, as 554 is.
const fn default_enhanced(code: ReplyCode) -> Option<EnhancedCode> {
    match code {
        ReplyCode::MAILBOX_BUSY => EnhancedCode::new(7, 1),
        _ => default_enhanced_code(code),
    }
}

/// A reply that accepts MAIL or RCPT; `usual` is the enhanced code of 250.
pub(super) fn accepting(reply: &ScriptedReply, usual: EnhancedCode) -> Reply<'_> {
    let default = match reply.code {
        ReplyCode::OK => Some(usual),
        code => default_enhanced(code),
    };
    reply.to_reply(default)
}

/// The action a script of `hook` ended with; `accept` makes one of the options of `Accept`, which are called `known`.
pub(super) fn action<Accept: Default>(
    hook: Hook,
    ending: Ending,
    known: OptionNames,
    accept: impl FnOnce(Options<'_>) -> Result<Accept, ErrorKind>,
) -> Result<CommandAction<Accept>, Failure> {
    let implicit = CommandAction::Accept(Accept::default());
    hook.action(ending, implicit, |function, values| {
        decode(function, values, known, accept)
    })
}

pub(super) fn decode<Accept>(
    function: Option<Function>,
    values: &[Portable],
    known: OptionNames,
    accept: impl FnOnce(Options<'_>) -> Result<Accept, ErrorKind>,
) -> Result<CommandAction<Accept>, ErrorKind> {
    let arguments = |function: Function| Arguments {
        function: function.name(),
        values,
    };
    let refuse = |function, code, class| {
        let arguments = arguments(function);
        let options = arguments.options(1, REFUSAL_OPTIONS)?;
        Ok(CommandAction::Refuse(Refusal {
            reply: arguments.reply(REFUSAL_OPTIONS, code, &[class])?,
            disconnect: options.boolean("disconnect")?,
        }))
    };
    match function {
        Some(function @ Function::Reject) => refuse(
            function,
            ReplyCode::TRANSACTION_FAILED,
            ReplyClass::PermanentFailure,
        ),
        Some(function @ Function::Defer) => refuse(
            function,
            ReplyCode::MAILBOX_BUSY,
            ReplyClass::TransientFailure,
        ),
        Some(
            Function::Accept
            | Function::GetExtensions
            | Function::GetTls
            | Function::Pass
            | Function::Reply
            | Function::SetSenderIp,
        )
        | None => {
            let options = arguments(Function::Accept).options(0, known)?;
            accept(options).map(CommandAction::Accept)
        }
    }
}

/// The reply that an `Accept` of MAIL or RCPT asks for; none if it says nothing of it.
pub(super) fn accepting_reply(options: Options<'_>) -> Result<Option<ScriptedReply>, ErrorKind> {
    let reason = options.text("reason")?;
    let (code, enhanced) = options.reply_codes(ReplyCode::OK, &[ReplyClass::Completed])?;
    if reason.is_none() && enhanced.is_none() && code == ReplyCode::OK {
        return Ok(None);
    }
    Ok(Some(ScriptedReply {
        code,
        enhanced,
        reason,
    }))
}

/// The options of `Reject` and `Defer`.
const REFUSAL_OPTIONS: OptionNames = OptionNames {
    names: &["disconnect", "reply_codes"],
    requirement: "made of disconnect and reply_codes, nothing else",
};
