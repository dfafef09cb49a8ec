//! Commands, borrowed from the line they came in.
//!
//! In: a line without CRLF. Out: [`Command`], or the [`SyntaxError`] to answer it with; both are
//! input of the session.
//!
//! Guarantees: a `Command` can only be made by [`Command::parse`], so that what it holds is
//! well-formed; nothing is copied or allocated.
//! Does not: know states or extensions: whether a command is allowed, or a parameter offered, the
//! session decides.
//!
//! RFC 5321 §4.1.1 (commands), §4.1.2 (arguments).

mod foreign_protocol;
mod parameter;
mod parse;
mod write;

pub use foreign_protocol::ForeignProtocol;
pub use parameter::{Parameter, Parameters};
pub(super) use parse::number;
pub use write::{Unsendable, is_binary, write_hello, write_mail, write_rcpt};

use super::address::{ForwardPath, PathError, ReversePath};
use crate::limits;

/// One command line, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'line> {
    /// HELO.
    Helo(HeloDomain<'line>),
    /// EHLO.
    Ehlo(HeloDomain<'line>),
    /// MAIL FROM.
    Mail(Mail<'line>),
    /// RCPT TO.
    Rcpt(Rcpt<'line>),
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP; its argument means nothing.
    Noop,
    /// VRFY and its argument, not empty.
    Vrfy(&'line [u8]),
    /// EXPN and its argument, not empty.
    Expn(&'line [u8]),
    /// HELP and its argument, which may be empty.
    Help(&'line [u8]),
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207 §4).
    StartTls,
    /// AUTH.
    Auth(Auth<'line>),
    /// BDAT.
    Bdat(Chunk),
    /// XCLIENT and its attributes, not empty.
    XClient(&'line [u8]),
    /// A verb that postern does not know, as sent; not empty.
    Unknown(&'line [u8]),
}

impl Command<'_> {
    /// What kind of command it is.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Helo(_) => Verb::Helo,
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Mail(_) => Verb::Mail,
            Self::Rcpt(_) => Verb::Rcpt,
            Self::Data => Verb::Data,
            Self::Rset => Verb::Rset,
            Self::Noop => Verb::Noop,
            Self::Vrfy(_) => Verb::Vrfy,
            Self::Expn(_) => Verb::Expn,
            Self::Help(_) => Verb::Help,
            Self::Quit => Verb::Quit,
            Self::StartTls => Verb::StartTls,
            Self::Auth(_) => Verb::Auth,
            Self::Bdat(_) => Verb::Bdat,
            Self::XClient(_) => Verb::XClient,
            Self::Unknown(_) => Verb::Unknown,
        }
    }
}

/// The verbs: those of RFC 5321 §4.1.1 in its order, then those of extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// HELO (RFC 5321 §4.1.1.1).
    Helo,
    /// EHLO (RFC 5321 §4.1.1.1).
    Ehlo,
    /// MAIL (RFC 5321 §4.1.1.2).
    Mail,
    /// RCPT (RFC 5321 §4.1.1.3).
    Rcpt,
    /// DATA (RFC 5321 §4.1.1.4).
    Data,
    /// RSET (RFC 5321 §4.1.1.5).
    Rset,
    /// VRFY (RFC 5321 §4.1.1.6).
    Vrfy,
    /// EXPN (RFC 5321 §4.1.1.7).
    Expn,
    /// HELP (RFC 5321 §4.1.1.8).
    Help,
    /// NOOP (RFC 5321 §4.1.1.9).
    Noop,
    /// QUIT (RFC 5321 §4.1.1.10).
    Quit,
    /// STARTTLS (RFC 3207 §4).
    StartTls,
    /// AUTH (RFC 4954 §4).
    Auth,
    /// BDAT (RFC 3030 §2).
    Bdat,
    /// XCLIENT (Postfix, XCLIENT_README).
    XClient,
    /// Any other word.
    Unknown,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 16] = [
        Self::Helo,
        Self::Ehlo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Rset,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
        Self::Noop,
        Self::Quit,
        Self::StartTls,
        Self::Auth,
        Self::Bdat,
        Self::XClient,
        Self::Unknown,
    ];

    /// The word, in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Helo => "HELO",
            Self::Ehlo => "EHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Rset => "RSET",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Bdat => "BDAT",
            Self::XClient => "XCLIENT",
            Self::Unknown => "unknown command",
        }
    }
}

/// The argument of HELO and EHLO: what the client calls itself. Not empty; letters, digits and
/// `-._:[]` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeloDomain<'line>(&'line [u8]);

impl<'line> HeloDomain<'line> {
    /// A name that a client could have sent, or none.
    #[must_use]
    pub fn new(octets: &'line [u8]) -> Option<Self> {
        let known = |octet: &u8| {
            octet.is_ascii_alphanumeric()
                || matches!(octet, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        };
        let fits = !octets.is_empty() && octets.len() <= limits::HELO_DOMAIN_OCTETS_MAX;
        (fits && octets.iter().all(known)).then_some(Self(octets))
    }

    /// As sent.
    #[must_use]
    pub const fn as_octets(self) -> &'line [u8] {
        self.0
    }
}

/// The argument of MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mail<'line> {
    reverse_path: ReversePath<'line>,
    parameters: Parameters<'line>,
}

impl<'line> Mail<'line> {
    /// Who sends.
    #[must_use]
    pub const fn reverse_path(&self) -> ReversePath<'line> {
        self.reverse_path
    }

    /// What follows the path.
    #[must_use]
    pub const fn parameters(&self) -> Parameters<'line> {
        self.parameters
    }
}

/// The argument of RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rcpt<'line> {
    forward_path: ForwardPath<'line>,
    parameters: Parameters<'line>,
}

impl<'line> Rcpt<'line> {
    /// Who shall receive.
    #[must_use]
    pub const fn forward_path(&self) -> ForwardPath<'line> {
        self.forward_path
    }

    /// What follows the path.
    #[must_use]
    pub const fn parameters(&self) -> Parameters<'line> {
        self.parameters
    }
}

/// The argument of AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'line> {
    mechanism: &'line [u8],
    initial_response: Option<&'line [u8]>,
}

impl<'line> Auth<'line> {
    /// The name of the mechanism as sent, in any case; not empty, not checked.
    #[must_use]
    pub const fn mechanism(&self) -> &'line [u8] {
        self.mechanism
    }

    /// The initial response, in base64 or `=`, not checked; none if it was not sent.
    #[must_use]
    pub const fn initial_response(&self) -> Option<&'line [u8]> {
        self.initial_response
    }
}

/// The argument of BDAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    octets: u64,
    is_last: bool,
}

impl Chunk {
    /// Octets of mail data that follow the line; `u64::MAX` stands for every larger number, too.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether mail data ends with it.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.is_last
    }
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyntaxError {
    /// The line exceeds the command line limit.
    LineTooLong,
    /// The line holds a CR that no LF follows.
    BareCarriageReturn,
    /// The line holds an LF that no CR precedes.
    BareLineFeed,
    /// The line holds NUL.
    Nul,
    /// The line is empty or starts with white space.
    VerbMissing,
    /// The client speaks something else; see [`ForeignProtocol`].
    ForeignProtocol(ForeignProtocol),
    /// The command needs an argument.
    ArgumentMissing(Verb),
    /// The command takes no argument.
    ArgumentUnexpected(Verb),
    /// MAIL without `FROM:`, RCPT without `TO:`.
    KeywordMissing(Verb),
    /// The argument of HELO or EHLO is not one word, has an octet no host name or literal has, or
    /// is too long.
    HeloDomain,
    /// The path of MAIL is none.
    ReversePath(PathError),
    /// The path of RCPT is none.
    ForwardPath(PathError),
    /// What follows the path is no list of parameters.
    ParameterMalformed(Verb),
    /// What follows BDAT is no size, or something else than LAST follows the size.
    ChunkSize,
}
