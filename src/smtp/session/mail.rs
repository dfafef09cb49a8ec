//! MAIL: begins a transaction.
//!
//! In: a reverse-path and parameters. Out: a transaction, or the reason why there is none.
//! Guarantees: a parameter of an extension that was not announced is refused; so is one that stands
//! twice.
//! Does not: judge the sender.
//!
//! RFC 5321 §4.1.1.2, §4.1.1.11 (unknown parameters: 555); RFC 1870 §6.1 (SIZE); RFC 6152 §2
//! (BODY); RFC 3030 §3 (BINARYMIME); RFC 6531 §3.4 (SMTPUTF8); RFC 3461 §4.3 and §4.4 (RET, ENVID).

use super::{BodyType, MailParameters, Phase, Session, State, Step, Transaction, dsn};
use crate::smtp::address::{PathError, ReversePath};
use crate::smtp::command::{Mail, Parameter, Parameters, SyntaxError, number};
use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::reply::{self, Replies};

/// Why a parameter is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterError {
    /// No extension that was announced knows the keyword.
    NotOffered,
    /// The keyword stands twice.
    Repeated,
    /// The value is missing, or not one of this keyword.
    Value,
}

impl Session {
    pub(super) fn mail(&mut self, mail: &Mail<'_>, replies: &mut Replies) -> Step {
        let limits = self.options.limits;
        if self.counters.messages_count >= limits.messages_per_connection_max {
            let reply = reply::too_many_messages(limits.messages_per_connection_max);
            return self.close(&reply, replies);
        }
        let parameters = match mail_parameters(mail.parameters(), self.extensions()) {
            Ok(parameters) => parameters,
            Err(error) => return self.answer(&reply::from_parameter_error(error), replies),
        };
        if limits.message_octets_max < parameters.declared_octets.unwrap_or(0) {
            let reply = reply::message_too_large(limits.message_octets_max);
            return self.answer(&reply, replies);
        }
        if !parameters.is_utf8 && !is_ascii(mail.reverse_path()) {
            let error = SyntaxError::ReversePath(PathError::NotAscii);
            return self.answer(&reply::from_syntax_error(error), replies);
        }
        let envelope = std::mem::take(&mut self.envelope);
        self.transaction = Some(Transaction::begin(
            envelope,
            mail.reverse_path(),
            mail.parameters(),
            parameters,
        ));
        self.state = State::MailGiven;
        self.ask(Phase::Mail, replies)
    }
}

fn is_ascii(reverse_path: ReversePath<'_>) -> bool {
    match reverse_path {
        ReversePath::Null => true,
        ReversePath::Mailbox(mailbox) => mailbox.as_octets().is_ascii(),
    }
}

/// `Mail-parameters`, of the extensions offered.
fn mail_parameters(
    parameters: Parameters<'_>,
    offered: Extensions,
) -> Result<MailParameters, ParameterError> {
    let mut size = None;
    let mut body = None;
    let (mut utf8, mut ret, mut envid) = (None, None, None);
    for parameter in parameters.iter() {
        let is = |keyword: &[u8]| parameter.keyword.eq_ignore_ascii_case(keyword);
        if is(b"SIZE") && offered.offers(Extension::Size) {
            once(&mut size, size_value(&parameter))?;
        } else if is(b"BODY") && offered.offers(Extension::EightBitMime) {
            once(&mut body, body_value(&parameter, offered))?;
        } else if is(b"SMTPUTF8") && offered.offers(Extension::SmtpUtf8) {
            once(&mut utf8, parameter.value.is_none().then_some(()))?;
        } else if is(b"RET") && offered.offers(Extension::Dsn) {
            once(&mut ret, dsn::ret_value(&parameter))?;
        } else if is(b"ENVID") && offered.offers(Extension::Dsn) {
            once(&mut envid, dsn::envid_value(&parameter))?;
        } else {
            return Err(ParameterError::NotOffered);
        }
    }
    Ok(MailParameters {
        body_type: body.unwrap_or_default(),
        declared_octets: size,
        is_utf8: utf8.is_some(),
    })
}

/// Keeps the value of a parameter that may stand once.
pub(super) fn once<Value>(
    place: &mut Option<Value>,
    value: Option<Value>,
) -> Result<(), ParameterError> {
    let value = value.ok_or(ParameterError::Value)?;
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParameterError::Repeated),
    }
}

/// `size-value = 1*20DIGIT` (RFC 1870 §3). A number past 64 bits is legal, and larger than any
/// limit.
fn size_value(parameter: &Parameter<'_>) -> Option<u64> {
    let digits = parameter.value?;
    if SIZE_DIGITS_MAX < digits.len() {
        return None;
    }
    number(digits)
}

/// `body-value = "7BIT" / "8BITMIME"` (RFC 6152 §2) and `"BINARYMIME"` (RFC 3030 §3), in any case.
fn body_value(parameter: &Parameter<'_>, offered: Extensions) -> Option<BodyType> {
    let value = parameter.value?;
    if value.eq_ignore_ascii_case(b"7BIT") {
        Some(BodyType::SevenBit)
    } else if value.eq_ignore_ascii_case(b"8BITMIME") {
        Some(BodyType::EightBitMime)
    } else if value.eq_ignore_ascii_case(b"BINARYMIME") && offered.offers(Extension::BinaryMime) {
        Some(BodyType::BinaryMime)
    } else {
        None
    }
}

/// Digits of a SIZE value.
const SIZE_DIGITS_MAX: usize = 20;
