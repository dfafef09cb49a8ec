//! Paths and mailboxes as RFC 5321 writes them, borrowed from the command line.
//!
//! In: the octets after `FROM:` or `TO:`. Out: [`ReversePath`] or [`ForwardPath`] and what follows
//! it.
//!
//! Guarantees: what is accepted matches the grammar and the sizes to the letter; nothing is copied,
//! folded or lowered (RFC 5321 §2.4: the local-part keeps its case).
//! Does not: know whether UTF-8 is allowed now (the session does) or whether a mailbox exists.
//!
//! RFC 5321 §4.1.2 (grammar), §4.1.3 (address literals), §4.5.3.1 (sizes); RFC 6531 §3.3 (UTF-8).

mod address_literal;
mod domain;
mod mailbox;
mod path;

pub use address_literal::{AddressLiteral, address_literal};
pub use domain::{Domain, domain, domain_in_ascii};
pub use mailbox::{LocalPart, Mailbox, mailbox};
pub use path::{ForwardPath, ReversePath, forward_path, reverse_path};

/// What an address may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Charset {
    /// ASCII.
    Ascii,
    /// UTF-8, in a transaction with SMTPUTF8 (RFC 6531 §3.4).
    Utf8,
}

/// Why a path is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathError {
    /// There is no `<` where the path must start.
    OpeningBracketMissing,
    /// There is no `>` where the path must end.
    ClosingBracketMissing,
    /// The path, brackets included, exceeds 256 octets.
    TooLong,
    /// A source route is not a list of `@domain` that ends with `:`.
    SourceRoute,
    /// The local-part is neither a Dot-string nor a Quoted-string, or is missing.
    LocalPart,
    /// The local-part exceeds 64 octets.
    LocalPartTooLong,
    /// There is no `@` after the local-part.
    AtSignMissing,
    /// The domain is missing or not one.
    Domain,
    /// The domain exceeds 255 octets, or one of its labels 63.
    DomainTooLong,
    /// The address literal is no IPv4 or IPv6 address.
    AddressLiteral,
    /// An octet over 127, which takes SMTPUTF8.
    NotAscii,
    /// Octets over 127 that are no UTF-8.
    NotUtf8,
    /// An empty path where a recipient is wanted.
    Empty,
}
