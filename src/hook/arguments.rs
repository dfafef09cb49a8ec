//! What scripts call a hook's functions with, checked.
//!
//! In: the arguments of a call, as data. Out: reasons, options, reply codes, or the script error that names the
//! argument and what it must be. Guarantees: what comes out suits the action: the reply's code has the action's class and
//! its enhanced code the same class; a command is one line.
//! An option that the function does not have is an error too: a misspelt one must not turn a refusal into consent.
//! Does not: act on any of it.
//!
//! HSL manual: "Connect", "Proxy", "HELO", "MAIL FROM", "RCPT TO" (functions); RFC 5321 §4.2.1 (codes), RFC 3463 §2 (enhanced codes).

use postern_jit::error::ErrorKind;
use postern_jit::runtime::portable::PortableKey;
use postern_jit::runtime::{Kind, Kinds, Portable};

use crate::limits;
use crate::smtp::reply::{EnhancedCode, Reply, ReplyClass, ReplyCode, ReplyText};

/// A reply that a script decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScriptedReply {
    /// Its code.
    pub code: ReplyCode,
    /// Its enhanced code, when the script gave one.
    pub enhanced: Option<EnhancedCode>,
    /// Its text, LF between lines, when the script gave one.
    pub reason: Option<Box<[u8]>>,
}

impl ScriptedReply {
    /// The reply; `default` is the enhanced code it carries when the script gave none.
    #[must_use]
    pub fn to_reply(&self, default: Option<EnhancedCode>) -> Reply<'_> {
        let reason = self.reason.as_deref().map(ReplyText::Octets);
        Reply::scripted(self.code, self.enhanced.or(default), reason)
    }
}

/// The arguments of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'call> {
    pub(super) function: &'static str,
    pub(super) values: &'call [Portable],
}

impl<'call> Arguments<'call> {
    /// The reply of a call `function([reason, [options]])`; `classes` are those its code may have.
    pub(super) fn reply(
        self,
        known: OptionNames,
        default: ReplyCode,
        classes: &[ReplyClass],
    ) -> Result<ScriptedReply, ErrorKind> {
        let reason = match self.values.first() {
            Some(value) => Some(self.text("reason", value)?),
            None => None,
        };
        let (code, enhanced) = self.options(1, known)?.reply_codes(default, classes)?;
        Ok(ScriptedReply {
            code,
            enhanced,
            reason,
        })
    }

    /// The options array at `index`; without one, no options.
    pub(super) fn options(
        self,
        index: usize,
        known: OptionNames,
    ) -> Result<Options<'call>, ErrorKind> {
        let elements = match self.values.get(index) {
            None => &[],
            Some(Portable::Array(elements)) => elements.as_slice(),
            Some(other) => return Err(self.kind("options", Kinds::ARRAY, other)),
        };
        self.only_known("options", elements, known)?;
        Ok(Options {
            arguments: self,
            elements,
        })
    }

    fn only_known(
        self,
        argument: &'static str,
        elements: &[(PortableKey, Portable)],
        known: OptionNames,
    ) -> Result<(), ErrorKind> {
        let is_known = |key: &PortableKey| match key {
            PortableKey::String(octets) => {
                known.names.iter().any(|name| name.as_bytes() == &**octets)
            }
            PortableKey::None | PortableKey::Integer(_) => false,
        };
        if elements.iter().all(|(key, _)| is_known(key)) {
            return Ok(());
        }
        Err(self.value(argument, known.requirement))
    }

    /// A string, or an array of strings joined by LF.
    fn text(self, argument: &'static str, value: &Portable) -> Result<Box<[u8]>, ErrorKind> {
        let lines = match value {
            Portable::String(octets) => return Ok(octets.clone()),
            Portable::Array(lines) => lines,
            other => return Err(self.kind(argument, Kinds::STRING | Kinds::ARRAY, other)),
        };
        let mut text = Vec::new();
        for (index, (_, line)) in lines.iter().enumerate() {
            let Portable::String(octets) = line else {
                return Err(self.value(argument, "a string or an array of strings"));
            };
            if 0 < index {
                text.push(b'\n');
            }
            text.extend_from_slice(octets);
        }
        Ok(text.into())
    }

    pub(super) fn kind(self, argument: &'static str, expected: Kinds, got: &Portable) -> ErrorKind {
        ErrorKind::Argument {
            function: self.function,
            argument,
            expected,
            got: kind_of(got),
        }
    }

    fn value(self, argument: &'static str, requirement: &'static str) -> ErrorKind {
        ErrorKind::ArgumentValue {
            function: self.function,
            argument,
            requirement,
        }
    }
}

/// The options that a function has.
#[derive(Clone, Copy, Debug)]
pub(super) struct OptionNames {
    pub(super) names: &'static [&'static str],
    /// As it reads after "must be".
    pub(super) requirement: &'static str,
}

/// The parts of `reply_codes`.
const REPLY_CODES: OptionNames = OptionNames {
    names: &["code", "enhanced"],
    requirement: "made of code and enhanced, nothing else",
};

/// The options array of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'call> {
    arguments: Arguments<'call>,
    elements: &'call [(PortableKey, Portable)],
}

impl<'call> Options<'call> {
    fn value(self, key: &str) -> Option<&'call Portable> {
        element(self.elements, key)
    }

    /// A boolean; false when absent.
    pub(super) fn boolean(self, key: &'static str) -> Result<bool, ErrorKind> {
        match self.value(key) {
            None => Ok(false),
            Some(Portable::Boolean(truth)) => Ok(*truth),
            Some(other) => Err(self.arguments.kind(key, Kinds::BOOLEAN, other)),
        }
    }

    /// A string.
    pub(super) fn string(self, key: &'static str) -> Result<Option<&'call [u8]>, ErrorKind> {
        match self.value(key) {
            None => Ok(None),
            Some(Portable::String(octets)) => Ok(Some(octets)),
            Some(other) => Err(self.arguments.kind(key, Kinds::STRING, other)),
        }
    }

    /// A string; none is as good as absent.
    pub(super) fn opt_string(self, key: &'static str) -> Result<Option<&'call [u8]>, ErrorKind> {
        match self.value(key) {
            Some(Portable::None) => Ok(None),
            _ => self.string(key),
        }
    }

    /// A text of one or several lines.
    pub(super) fn text(self, key: &'static str) -> Result<Option<Box<[u8]>>, ErrorKind> {
        let text = self.value(key);
        text.map(|text| self.arguments.text(key, text)).transpose()
    }

    /// `command`: a line that a client could have sent.
    pub(super) fn command(self) -> Result<Option<&'call [u8]>, ErrorKind> {
        let Some(command) = self.string("command")? else {
            return Ok(None);
        };
        if memchr::memchr3(b'\r', b'\n', 0, command).is_some() {
            let requirement = "without CR, LF and NUL";
            return Err(self.arguments.value("command", requirement));
        }
        if limits::COMMAND_LINE_OCTETS_MAX < command.len() + CRLF_OCTETS {
            let requirement = "a line within the limit of command lines";
            return Err(self.arguments.value("command", requirement));
        }
        Ok(Some(command))
    }

    /// An address in text, as itself or none when it is no address.
    pub(super) fn address(self, key: &'static str) -> Result<Option<std::net::IpAddr>, ErrorKind> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        let requirement = "an IPv4 or IPv6 address";
        let address = super::variables::parse_address(text);
        address
            .map(Some)
            .ok_or_else(|| self.arguments.value(key, requirement))
    }

    /// An address: a string, or an array of local part and domain, with or without these names. As one text, not checked.
    pub(super) fn mailbox(self, key: &'static str) -> Result<Option<Box<[u8]>>, ErrorKind> {
        let parts = match self.value(key) {
            None => return Ok(None),
            Some(Portable::String(text)) => return Ok(Some(text.clone())),
            Some(Portable::Array(parts)) => parts,
            Some(other) => {
                let kinds = Kinds::STRING | Kinds::ARRAY;
                return Err(self.arguments.kind(key, kinds, other));
            }
        };
        let part = |name: &str, place| {
            let key = PortableKey::Integer(place);
            let positional = parts.iter().find(|(found, _)| *found == key);
            match element(parts, name).or(positional.map(|(_, part)| part)) {
                Some(Portable::String(part)) => Some(part),
                _ => None,
            }
        };
        match (part("localpart", 0), part("domain", 1)) {
            (Some(local_part), Some(domain)) if parts.len() == 2 => {
                let at: &[u8] = if domain.is_empty() { b"" } else { b"@" };
                Ok(Some([local_part, at, domain].concat().into()))
            }
            _ => Err(self.wrong(key, "a string or an array of localpart and domain")),
        }
    }

    /// An array of strings.
    pub(super) fn strings(self, key: &'static str) -> Result<Option<Vec<&'call [u8]>>, ErrorKind> {
        let elements = match self.value(key) {
            None => return Ok(None),
            Some(Portable::Array(elements)) => elements,
            Some(other) => return Err(self.arguments.kind(key, Kinds::ARRAY, other)),
        };
        let strings = elements.iter().map(|(_, element)| match element {
            Portable::String(octets) => Ok(&**octets),
            _ => Err(self.wrong(key, "an array of strings")),
        });
        strings.collect::<Result<_, _>>().map(Some)
    }

    /// The error of an option whose value does not do.
    pub(super) fn wrong(self, key: &'static str, requirement: &'static str) -> ErrorKind {
        self.arguments.value(key, requirement)
    }

    /// `reply_codes`: the code, and the enhanced code if there is one.
    pub(super) fn reply_codes(
        self,
        default: ReplyCode,
        classes: &[ReplyClass],
    ) -> Result<(ReplyCode, Option<EnhancedCode>), ErrorKind> {
        let codes = match self.value("reply_codes") {
            None => return Ok((default, None)),
            Some(Portable::Array(codes)) => codes,
            Some(other) => return Err(self.arguments.kind("reply_codes", Kinds::ARRAY, other)),
        };
        self.arguments
            .only_known("reply_codes", codes, REPLY_CODES)?;
        let code = match element(codes, "code") {
            None => default,
            Some(number) => {
                let code = whole(number).and_then(ReplyCode::new);
                code.filter(|code| classes.contains(&code.class()))
                    .ok_or_else(|| {
                        let requirement = requirement(classes);
                        self.arguments.value("reply_codes[\"code\"]", requirement)
                    })?
            }
        };
        let enhanced = element(codes, "enhanced")
            .map(|numbers| {
                enhanced_code(numbers, code).ok_or_else(|| {
                    let requirement = "three whole numbers, the first that of the code's class";
                    let argument = "reply_codes[\"enhanced\"]";
                    self.arguments.value(argument, requirement)
                })
            })
            .transpose()?;
        Ok((code, enhanced))
    }
}

fn enhanced_code(numbers: &Portable, code: ReplyCode) -> Option<EnhancedCode> {
    let Portable::Array(numbers) = numbers else {
        return None;
    };
    let [class, subject, detail] = numbers.as_slice() else {
        return None;
    };
    let number = |(key, value): &(PortableKey, Portable), place| {
        let number = whole(value)?;
        (*key == PortableKey::Integer(place)).then_some(number)
    };
    (number(class, 0)? == u16::from(code.class().digit())).then_some(())?;
    EnhancedCode::new(number(subject, 1)?, number(detail, 2)?)
}

const fn requirement(classes: &[ReplyClass]) -> &'static str {
    match classes {
        [ReplyClass::PermanentFailure] => "a whole number from 500 to 599",
        [ReplyClass::TransientFailure] => "a whole number from 400 to 499",
        [ReplyClass::Completed] => "a whole number from 200 to 299",
        _ => "a whole number from 200 to 599",
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number within the range"
)]
fn whole(value: &Portable) -> Option<u16> {
    let Portable::Number(number) = value else {
        return None;
    };
    (number.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(number))
        .then_some(*number as u16)
}

fn element<'call>(
    elements: &'call [(PortableKey, Portable)],
    key: &str,
) -> Option<&'call Portable> {
    let is_key = |found: &PortableKey| match found {
        PortableKey::String(octets) => **octets == *key.as_bytes(),
        PortableKey::None | PortableKey::Integer(_) => false,
    };
    let found = elements.iter().find(|(found, _)| is_key(found));
    found.map(|(_, value)| value)
}

const fn kind_of(value: &Portable) -> Kind {
    match value {
        Portable::None => Kind::None,
        Portable::Boolean(_) => Kind::Boolean,
        Portable::Number(_) => Kind::Number,
        Portable::String(_) => Kind::String,
        Portable::Array(_) => Kind::Array,
        Portable::Shared(_) => Kind::Object,
    }
}

/// The end of a line, which `command` comes without.
const CRLF_OCTETS: usize = 2;
