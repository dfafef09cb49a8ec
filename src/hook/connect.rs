//! The hook `connect`: whether a client is greeted, and who it is.
//!
//! In: how a script ended. Out: [`Action`]. An error is `Defer()`, an implicit end is `Accept()`.
//! Guarantees: a refusal without a reason says nothing of the policy. Does not: send or close; the pump does.
//!
//! HSL manual: "Connect"; RFC 5321 §3.1 and RFC 7504 §3 (521 instead of a greeting).

use std::net::IpAddr;

use postern_jit::error::ErrorKind;
use postern_jit::execution::{Ending, HostRequest};
use postern_jit::runtime::{Kinds, Portable};

use super::arguments::{Arguments, OptionNames};
use super::variables::parse_address;
use super::{Failure, Function, Hook, ScriptedReply};
use crate::smtp::reply::{ReplyClass, ReplyCode};

/// What a `connect` script decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The client is greeted.
    Accept(Accept),
    /// The client is sent this reply instead of a greeting, then the connection is closed.
    Refuse(ScriptedReply),
}

/// How a client is greeted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accept {
    /// The text behind the host name.
    pub reason: Option<Box<[u8]>>,
    /// The address the client has from now on.
    pub senderip: Option<IpAddr>,
    /// The name that belongs to the address.
    pub senderptr: Option<Box<[u8]>>,
}

/// The action a script ended with; [`on_error`] is the one for errors.
///
/// # Errors
///
/// The script failed, or called a function with arguments it does not take.
pub fn action(ending: Ending) -> Result<Action, Failure> {
    Hook::Connect.action(ending, Action::Accept(Accept::default()), decode)
}

/// What is done when a script fails.
#[must_use]
pub const fn on_error() -> Action {
    Action::Refuse(ScriptedReply {
        code: ReplyCode::SERVICE_NOT_AVAILABLE,
        enhanced: None,
        reason: None,
    })
}

/// The address that `SetSenderIP` was called with; none when it is no address.
///
/// # Errors
///
/// The argument is no string.
pub fn sender_ip(request: &HostRequest) -> Result<Option<IpAddr>, ErrorKind> {
    let arguments = Arguments {
        function: Function::SetSenderIp.name(),
        values: &request.arguments,
    };
    match request.arguments.first() {
        Some(Portable::String(text)) => Ok(parse_address(text)),
        Some(other) => Err(arguments.kind("senderip", Kinds::STRING, other)),
        None => Ok(None),
    }
}

fn decode(function: Option<Function>, values: &[Portable]) -> Result<Action, ErrorKind> {
    let arguments = |function: Function| Arguments {
        function: function.name(),
        values,
    };
    Ok(match function {
        Some(function @ Function::Reject) => Action::Refuse(arguments(function).reply(
            REFUSAL_OPTIONS,
            ReplyCode::NO_MAIL_SERVICE,
            &[ReplyClass::PermanentFailure],
        )?),
        Some(function @ Function::Defer) => Action::Refuse(arguments(function).reply(
            REFUSAL_OPTIONS,
            ReplyCode::SERVICE_NOT_AVAILABLE,
            &[ReplyClass::TransientFailure],
        )?),
        Some(
            Function::Accept
            | Function::GetExtensions
            | Function::GetTls
            | Function::Pass
            | Function::Reply
            | Function::SetSenderIp,
        )
        | None => {
            let options = arguments(Function::Accept).options(0, ACCEPT_OPTIONS)?;
            Action::Accept(Accept {
                reason: options.text("reason")?,
                senderip: options.address("senderip")?,
                senderptr: options.string("senderptr")?.map(Box::from),
            })
        }
    })
}

/// The options of `Reject` and `Defer`.
const REFUSAL_OPTIONS: OptionNames = OptionNames {
    names: &["reply_codes"],
    requirement: "made of reply_codes, nothing else",
};

/// The options of `Accept`.
const ACCEPT_OPTIONS: OptionNames = OptionNames {
    names: &["reason", "senderip", "senderptr"],
    requirement: "made of reason, senderip and senderptr, nothing else",
};

#[cfg(test)]
mod tests {
    use postern_jit::runtime::Portable;
    use postern_jit::runtime::portable::PortableKey;

    use super::{Action, decode};
    use crate::hook::Function;

    fn array(elements: &[(&str, Portable)]) -> Portable {
        let element = |(key, value): &(&str, Portable)| {
            let key = PortableKey::String(key.as_bytes().into());
            (key, value.clone())
        };
        Portable::Array(elements.iter().map(element).collect())
    }

    fn list(numbers: &[f64]) -> Portable {
        let elements = numbers.iter().enumerate().map(|(index, number)| {
            let key = PortableKey::Integer(i64::try_from(index).unwrap_or_default());
            (key, Portable::Number(*number))
        });
        Portable::Array(elements.collect())
    }

    fn reject(codes: &[(&str, Portable)]) -> Result<Action, String> {
        let options = array(&[("reply_codes", array(codes))]);
        let values = [Portable::string("no"), options];
        decode(Some(Function::Reject), &values).map_err(|error| error.to_string())
    }

    #[test]
    fn codes_must_suit_the_action() {
        let code = |number: f64| reject(&[("code", Portable::Number(number))]);
        for right in [500.0, 554.0, 599.0] {
            assert!(matches!(code(right), Ok(Action::Refuse(_))), "{right}");
        }
        for wrong in [
            499.0,
            600.0,
            421.0,
            250.0,
            550.5,
            -550.0,
            f64::NAN,
            f64::INFINITY,
            1e300,
        ] {
            assert_eq!(
                code(wrong),
                Err(
                    "Reject(): argument \"reply_codes[\"code\"]\" must be a whole number from 500 to 599"
                        .to_owned()
                ),
                "{wrong}"
            );
        }
        assert!(reject(&[("code", Portable::string("550"))]).is_err());
        assert!(
            reject(&[("cod", Portable::string("550"))]).is_err(),
            "a misspelt part is not passed over"
        );
    }

    #[test]
    fn enhanced_codes_have_three_numbers_of_the_class() {
        let enhanced = |numbers: &[f64]| reject(&[("enhanced", list(numbers))]).is_ok();
        assert!(enhanced(&[5.0, 7.0, 1.0]));
        assert!(enhanced(&[5.0, 999.0, 0.0]));
        for wrong in [
            &[4.0, 7.0, 1.0][..],
            &[5.0, 7.0],
            &[5.0, 7.0, 1.0, 1.0],
            &[5.0, 1000.0, 1.0],
            &[5.0, 7.5, 1.0],
            &[5.0, -7.0, 1.0],
            &[],
        ] {
            assert!(!enhanced(wrong), "{wrong:?}");
        }
        assert!(reject(&[("enhanced", Portable::string("5.7.1"))]).is_err());
    }

    #[test]
    fn reasons_are_strings_or_arrays_of_strings() {
        let reason = |value: Portable| decode(Some(Function::Defer), &[value]);
        let Ok(Action::Refuse(reply)) = reason(array(&[
            ("a", Portable::string("one")),
            ("b", Portable::string("two\nthree")),
        ])) else {
            panic!("an array of strings is a reason");
        };
        assert_eq!(reply.reason.as_deref(), Some(&b"one\ntwo\nthree"[..]));
        for wrong in [
            Portable::None,
            Portable::Number(1.0),
            Portable::Boolean(true),
            list(&[1.0]),
        ] {
            assert!(reason(wrong).is_err());
        }
    }
}
