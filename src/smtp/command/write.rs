//! Writes the commands of a client.
//!
//! In: the envelope of a transaction, what the next hop announced. Out: command lines with CRLF, appended to a buffer.
//!
//! Guarantees: a parameter is written only if the next hop announced its extension; what the message cannot do without
//! ([`Unsendable`]) is an error instead; no control octet of an address or a parameter is ever written, whatever let it
//! in. After an error nothing has been appended.
//! Does not: know when a command is due, see `client`.
//!
//! RFC 5321 §4.1.1.2, §4.1.1.3; RFC 1870 §6 (SIZE); RFC 6152 §3 (BODY); RFC 3030 §3 (BINARYMIME); RFC 6531 §3.4
//! (SMTPUTF8); RFC 3461 §4 (DSN).
//! Deviation: a message declared 8BITMIME goes to a next hop without 8BITMIME as it is, without BODY. Converting would
//! break signatures, bouncing would lose mail, and no server in use clears the eighth bit.

use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::session::Address;

/// Why a message cannot be given to this next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsendable {
    /// It is not text, and the next hop takes only text.
    BinaryMime,
    /// It needs SMTPUTF8, which the next hop does not offer.
    SmtpUtf8,
    /// An address or parameter has an octet that does not belong in a command line.
    ControlOctet,
}

/// Appends `MAIL FROM:<reverse-path> parameters`.
///
/// # Errors
///
/// The next hop does not offer what the message needs.
pub fn write_mail(
    reverse_path: &Address<'_>,
    offered: Extensions,
    out: &mut Vec<u8>,
) -> Result<(), Unsendable> {
    write(b"MAIL FROM:<", reverse_path, out, |keyword, value| {
        match keyword {
            b"SIZE" => Ok(offered.offers(Extension::Size)),
            b"BODY" if is_binary_mime(value) => {
                if offered.offers(Extension::BinaryMime) && offered.offers(Extension::Chunking) {
                    Ok(true)
                } else {
                    Err(Unsendable::BinaryMime)
                }
            }
            b"BODY" => Ok(offered.offers(Extension::EightBitMime)),
            b"SMTPUTF8" if offered.offers(Extension::SmtpUtf8) => Ok(true),
            b"SMTPUTF8" => Err(Unsendable::SmtpUtf8),
            b"RET" | b"ENVID" => Ok(offered.offers(Extension::Dsn)),
            // AUTH among them: the next hop has no reason to trust what this server's clients say of themselves.
            _ => Ok(false),
        }
    })
}

/// Appends `RCPT TO:<forward-path> parameters`.
///
/// # Errors
///
/// The address cannot be written.
pub fn write_rcpt(
    recipient: &Address<'_>,
    offered: Extensions,
    out: &mut Vec<u8>,
) -> Result<(), Unsendable> {
    write(b"RCPT TO:<", recipient, out, |keyword, _| match keyword {
        b"NOTIFY" | b"ORCPT" => Ok(offered.offers(Extension::Dsn)),
        _ => Ok(false),
    })
}

/// Whether the message of `reverse_path` is declared to be no text (RFC 3030 §3).
#[must_use]
pub fn is_binary(reverse_path: &Address<'_>) -> bool {
    let mut parameters = reverse_path.parameters();
    parameters.any(|(keyword, value)| keyword == b"BODY" && is_binary_mime(value))
}

fn is_binary_mime(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(b"BINARYMIME"))
}

/// Appends a greeting with the name of this host.
pub fn write_hello(verb: &str, hostname: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(verb.as_bytes());
    out.push(b' ');
    let name = hostname.bytes().filter(u8::is_ascii_graphic);
    out.extend(name);
    out.extend_from_slice(b"\r\n");
}

/// A command with an address and those of its parameters that `passes` lets through.
fn write(
    verb: &[u8],
    address: &Address<'_>,
    out: &mut Vec<u8>,
    passes: impl Fn(&[u8], Option<&[u8]>) -> Result<bool, Unsendable>,
) -> Result<(), Unsendable> {
    let start = out.len();
    let mut append = || {
        out.extend_from_slice(verb);
        extend(address.as_octets(), out)?;
        out.push(b'>');
        for (keyword, value) in address.parameters() {
            if !passes(keyword, value)? {
                continue;
            }
            out.push(b' ');
            extend(keyword, out)?;
            if let Some(value) = value {
                out.push(b'=');
                extend(value, out)?;
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    };
    let appended = append();
    if appended.is_err() {
        out.truncate(start);
    }
    appended
}

/// The parser lets no control octet into an envelope. Here it would end the command, and the rest of an address would be
/// the next one: not left to one place alone.
fn extend(text: &[u8], out: &mut Vec<u8>) -> Result<(), Unsendable> {
    if text.iter().any(u8::is_ascii_control) {
        return Err(Unsendable::ControlOctet);
    }
    out.extend_from_slice(text);
    Ok(())
}
