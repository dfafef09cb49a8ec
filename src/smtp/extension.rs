//! Service extensions: what EHLO offers and a client may use.
//!
//! In: what the profile allows and the connection is. Out: [`Extensions`], a small set, and its
//! EHLO lines in a fixed order.
//! Guarantees: what is not in the set that EHLO announced is not accepted later, see `session`.
//! Does not: implement any extension.
//!
//! RFC 5321 §2.2 (framework), §4.1.1.1 (EHLO); RFC 2920 §2, RFC 1870 §3, RFC 6152 §2, RFC 2034 §3,
//! RFC 3030 §2 and §3, RFC 6531 §3.1, RFC 3461 §3, RFC 9422 §3, RFC 3207 §2, RFC 4954 §3; XCLIENT is
//! Postfix's (XCLIENT_README).

/// One extension, in the order of the EHLO reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extension {
    /// Commands in groups (RFC 2920 §3).
    Pipelining,
    /// Message size declaration (RFC 1870 §3).
    Size,
    /// 8-bit MIME transport (RFC 6152 §2).
    EightBitMime,
    /// Enhanced status codes in replies (RFC 2034 §4).
    EnhancedStatusCodes,
    /// Mail data in chunks (RFC 3030 §2).
    Chunking,
    /// Mail data that is no text, in chunks (RFC 3030 §3).
    BinaryMime,
    /// Addresses and header fields in UTF-8 (RFC 6531 §3.1).
    SmtpUtf8,
    /// Delivery status notifications (RFC 3461 §3).
    Dsn,
    /// Limits told in advance (RFC 9422 §3).
    Limits,
    /// TLS on a connection that began without (RFC 3207 §2).
    StartTls,
    /// Authentication (RFC 4954 §3).
    Auth,
    /// Facts about the client of a client (Postfix, XCLIENT_README).
    XClient,
}

impl Extension {
    /// Every extension, in the order of the EHLO reply.
    pub const ALL: [Self; 12] = [
        Self::Pipelining,
        Self::Size,
        Self::EightBitMime,
        Self::EnhancedStatusCodes,
        Self::Chunking,
        Self::BinaryMime,
        Self::SmtpUtf8,
        Self::Dsn,
        Self::Limits,
        Self::StartTls,
        Self::Auth,
        Self::XClient,
    ];

    /// Extensions that are none without another one.
    const NEEDED: [(Self, Self); 3] = [
        (Self::BinaryMime, Self::Chunking),
        (Self::BinaryMime, Self::EightBitMime),
        (Self::SmtpUtf8, Self::EightBitMime),
    ];

    /// Those that depend neither on the client nor on the channel.
    const UNCONDITIONAL: [Self; 9] = [
        Self::Pipelining,
        Self::Size,
        Self::EightBitMime,
        Self::EnhancedStatusCodes,
        Self::Chunking,
        Self::BinaryMime,
        Self::SmtpUtf8,
        Self::Dsn,
        Self::Limits,
    ];

    /// The EHLO keyword.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Pipelining => "PIPELINING",
            Self::Size => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::Chunking => "CHUNKING",
            Self::BinaryMime => "BINARYMIME",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Dsn => "DSN",
            Self::Limits => "LIMITS",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::XClient => "XCLIENT",
        }
    }

    /// The extension of an EHLO keyword, in any case.
    #[must_use]
    pub fn of_keyword(keyword: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|extension| keyword.eq_ignore_ascii_case(extension.keyword().as_bytes()))
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What follows an EHLO keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// Nothing does.
    Nothing,
    /// A number.
    Number(u64),
    /// Words.
    Words(&'static str),
    /// The mechanisms of AUTH.
    Mechanisms(Mechanisms),
    /// The limits of RFC 9422 §4.
    Limits {
        /// MAILMAX.
        messages_max: u32,
        /// RCPTMAX.
        recipients_max: u32,
    },
}

/// A way to authenticate (RFC 4954 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN, as clients have it.
    Login,
    /// CRAM-MD5 (RFC 2195).
    CramMd5,
}

impl Mechanism {
    /// Every mechanism, in the order of the EHLO reply.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Login, Self::CramMd5];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
        }
    }

    /// The mechanism of a name, in any case.
    #[must_use]
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mechanisms(u8);

impl Mechanisms {
    /// This set and `mechanism`.
    #[must_use]
    pub const fn with(self, mechanism: Mechanism) -> Self {
        Self(self.0 | mechanism.bit())
    }

    /// Whether `mechanism` is in the set.
    #[must_use]
    pub const fn has(self, mechanism: Mechanism) -> bool {
        self.0 & mechanism.bit() != 0
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, in the order of the EHLO reply.
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        let all = Mechanism::ALL.into_iter();
        all.filter(move |mechanism| self.has(*mechanism))
    }
}

/// A set of extensions with their EHLO parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extensions {
    bits: u16,
    mechanisms: Mechanisms,
    messages_max: u32,
    recipients_max: u32,
    message_octets_max: u64,
}

impl Extensions {
    /// None: before EHLO and after HELO.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that every client may use; `message_octets_max` is announced with SIZE, the two others with LIMITS.
    #[must_use]
    pub fn unconditional(message_octets_max: u64, messages_max: u32, recipients_max: u32) -> Self {
        let bits = Extension::UNCONDITIONAL
            .iter()
            .fold(0, |bits, extension| bits | extension.bit());
        Self {
            bits,
            mechanisms: Mechanisms::default(),
            messages_max,
            recipients_max,
            message_octets_max,
        }
    }

    /// This set and `extension`. AUTH needs [`Extensions::with_auth`].
    #[must_use]
    pub const fn with(self, extension: Extension) -> Self {
        Self {
            bits: self.bits | extension.bit(),
            ..self
        }
    }

    /// This set and AUTH with `mechanisms`, unless there are none.
    #[must_use]
    pub const fn with_auth(self, mechanisms: Mechanisms) -> Self {
        if mechanisms.is_empty() {
            return self;
        }
        Self {
            mechanisms,
            ..self.with(Extension::Auth)
        }
    }

    /// This set without `extension`.
    #[must_use]
    pub const fn without(self, extension: Extension) -> Self {
        Self {
            bits: self.bits & !extension.bit(),
            ..self
        }
    }

    /// Those that are in `wanted` too, with the parameters they have here; AUTH with the mechanisms in both. What another
    /// one needs that is not in both goes with it (RFC 3030 §3, RFC 6531 §3.1).
    #[must_use]
    pub fn narrowed_to(self, wanted: Self) -> Self {
        let mechanisms = self.mechanisms.iter();
        let mechanisms = mechanisms.filter(|mechanism| wanted.mechanisms.has(*mechanism));
        let mechanisms = mechanisms.fold(Mechanisms::default(), Mechanisms::with);
        let mut both = Self {
            bits: self.bits & wanted.bits,
            ..self
        };
        for (extension, needed) in Extension::NEEDED {
            if !both.offers(needed) {
                both = both.without(extension);
            }
        }
        if both.offers(Extension::Auth) {
            both.without(Extension::Auth).with_auth(mechanisms)
        } else {
            both
        }
    }

    /// Whether the set has `extension`.
    #[must_use]
    pub const fn offers(self, extension: Extension) -> bool {
        self.bits & extension.bit() != 0
    }

    /// The mechanisms that AUTH was offered with.
    #[must_use]
    pub const fn mechanisms(self) -> Mechanisms {
        self.mechanisms
    }

    /// Those in the set, in the order of the EHLO reply.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        Extension::ALL
            .into_iter()
            .filter(move |extension| self.offers(*extension))
    }

    /// What follows the keyword in the EHLO reply.
    #[must_use]
    pub const fn parameter(self, extension: Extension) -> Parameter {
        match extension {
            Extension::Size => Parameter::Number(self.message_octets_max),
            Extension::Auth => Parameter::Mechanisms(self.mechanisms),
            Extension::XClient => Parameter::Words(XCLIENT_ATTRIBUTES),
            Extension::Limits => Parameter::Limits {
                messages_max: self.messages_max,
                recipients_max: self.recipients_max,
            },
            Extension::Pipelining
            | Extension::EightBitMime
            | Extension::EnhancedStatusCodes
            | Extension::Chunking
            | Extension::BinaryMime
            | Extension::SmtpUtf8
            | Extension::Dsn
            | Extension::StartTls => Parameter::Nothing,
        }
    }
}

/// The attributes that XCLIENT takes.
const XCLIENT_ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
