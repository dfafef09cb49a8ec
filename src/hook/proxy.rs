//! The hook `proxy`: what becomes of a command line before the session sees it.
//!
//! In: how a script ended. Out: [`Action`]. An error is a generic 421, an implicit end is `Pass()`.
//! Guarantees: what is passed on is one line. Does not: parse commands; what is passed on is judged as if it had come
//! from the client.
//!
//! HSL manual: "Proxy"; RFC 5321 §3.8 (421 closes).

use postern_jit::error::ErrorKind;
use postern_jit::execution::Ending;
use postern_jit::runtime::Portable;

use super::arguments::{Arguments, OptionNames};
use super::{Failure, Function, Hook, ScriptedReply};
use crate::smtp::reply::{EnhancedCode, ReplyClass, ReplyCode, default_enhanced_code};

/// What a `proxy` script decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The session gets the line.
    Pass {
        /// Another line instead of the client's.
        command: Option<Box<[u8]>>,
        /// Whether the script asks for the next line, whatever it is. It gets every command line anyway; this matters
        /// for lines that answer challenges of AUTH.
        next: bool,
    },
    /// The client gets this reply; the session does not see the line.
    Reply {
        /// The reply.
        reply: ScriptedReply,
        /// Whether the connection is closed behind it.
        disconnect: bool,
        /// As in [`Action::Pass`].
        next: bool,
    },
}

/// The action a script ended with; [`on_error`] is the one for errors.
///
/// # Errors
///
/// The script failed, or called a function with arguments it does not take.
pub fn action(ending: Ending) -> Result<Action, Failure> {
    let implicit = Action::Pass {
        command: None,
        next: false,
    };
    Hook::Proxy.action(ending, implicit, decode)
}

/// What is done when a script fails.
#[must_use]
pub const fn on_error() -> Action {
    Action::Reply {
        reply: ScriptedReply {
            code: ReplyCode::SERVICE_NOT_AVAILABLE,
            enhanced: EnhancedCode::new(3, 0),
            reason: None,
        },
        disconnect: true,
        next: false,
    }
}

/// The enhanced code a reply to `line` carries when the script gave none: none in place of the replies to HELO and EHLO
/// (RFC 2034 §4).
#[must_use]
pub fn default_enhanced(line: &[u8], code: ReplyCode) -> Option<EnhancedCode> {
    let verb = line.split(|octet| matches!(octet, b' ' | b'\t')).next();
    let verb = verb.unwrap_or_default();
    if verb.eq_ignore_ascii_case(b"HELO") || verb.eq_ignore_ascii_case(b"EHLO") {
        return None;
    }
    default_enhanced_code(code)
}

fn decode(function: Option<Function>, values: &[Portable]) -> Result<Action, ErrorKind> {
    let arguments = |function: Function| Arguments {
        function: function.name(),
        values,
    };
    Ok(match function {
        Some(function @ Function::Reply) => {
            let arguments = arguments(function);
            let options = arguments.options(1, REPLY_OPTIONS)?;
            Action::Reply {
                reply: arguments.reply(REPLY_OPTIONS, ReplyCode::OK, &REPLY_CLASSES)?,
                disconnect: options.boolean("disconnect")?,
                next: options.boolean("next")?,
            }
        }
        Some(
            Function::Accept
            | Function::Defer
            | Function::GetExtensions
            | Function::GetTls
            | Function::Pass
            | Function::Reject
            | Function::SetSenderIp,
        )
        | None => {
            let options = arguments(Function::Pass).options(0, PASS_OPTIONS)?;
            Action::Pass {
                command: options.command()?.map(Box::from),
                next: options.boolean("next")?,
            }
        }
    })
}

/// The options of `Reply`.
const REPLY_OPTIONS: OptionNames = OptionNames {
    names: &["disconnect", "next", "reply_codes"],
    requirement: "made of disconnect, next and reply_codes, nothing else",
};

/// The options of `Pass`.
const PASS_OPTIONS: OptionNames = OptionNames {
    names: &["command", "next"],
    requirement: "made of command and next, nothing else",
};

/// `Reply` may have any code.
const REPLY_CLASSES: [ReplyClass; 4] = [
    ReplyClass::Completed,
    ReplyClass::Intermediate,
    ReplyClass::TransientFailure,
    ReplyClass::PermanentFailure,
];

#[cfg(test)]
mod tests {
    use postern_jit::runtime::Portable;
    use postern_jit::runtime::portable::PortableKey;

    use super::{Action, decode, default_enhanced};
    use crate::hook::Function;
    use crate::limits;
    use crate::smtp::reply::ReplyCode;

    fn pass(key: &str, value: Portable) -> Result<Action, String> {
        let key = PortableKey::String(key.as_bytes().into());
        let options = Portable::Array(vec![(key, value)]);
        decode(Some(Function::Pass), &[options]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_replacement_is_one_line_within_the_limit() {
        for wrong in ["NOOP\r\nQUIT", "NOOP\n", "NOOP\r", "\0"] {
            assert_eq!(
                pass("command", Portable::string(wrong)),
                Err("Pass(): argument \"command\" must be without CR, LF and NUL".to_owned())
            );
        }
        let longest = "x".repeat(limits::COMMAND_LINE_OCTETS_MAX - 2);
        assert!(pass("command", Portable::string(&longest)).is_ok());
        assert!(pass("command", Portable::string(longest + "x")).is_err());
        assert!(pass("command", Portable::Number(1.0)).is_err());
        assert!(pass("command", Portable::string(b"\xff")).is_ok());
    }

    #[test]
    fn options_have_their_kinds() {
        assert!(pass("next", Portable::Boolean(true)).is_ok());
        assert!(pass("next", Portable::Number(1.0)).is_err());
        assert_eq!(
            pass("nxet", Portable::Boolean(true)),
            Err(
                "Pass(): argument \"options\" must be made of command and next, nothing else"
                    .to_owned()
            )
        );
        assert!(decode(Some(Function::Pass), &[Portable::Boolean(true)]).is_err());
    }

    #[test]
    fn greetings_have_no_enhanced_code() {
        for line in [&b"EHLO a"[..], b"helo", b"ehlo\ta"] {
            assert_eq!(default_enhanced(line, ReplyCode::OK), None);
        }
        assert!(default_enhanced(b"EHLOX", ReplyCode::OK).is_some());
        assert!(default_enhanced(b"", ReplyCode::OK).is_some());
        assert!(default_enhanced(b"XA", ReplyCode::START_MAIL_INPUT).is_none());
    }
}
