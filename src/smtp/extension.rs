//! Service extensions: what EHLO offers and a client may use.
//!
//! In: what the profile allows. Out: [`Extensions`], a small set, and its EHLO lines in a fixed
//! order.
//! Guarantees: what is not in the set that EHLO announced is not accepted later, see `session`.
//! Does not: implement any extension.
//!
//! RFC 5321 §2.2 (framework), §4.1.1.1 (EHLO); RFC 2920 §2, RFC 1870 §3, RFC 6152 §2, RFC 2034 §3.

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
}

impl Extension {
    /// Every extension, in the order of the EHLO reply.
    pub const ALL: [Self; 4] = [
        Self::Pipelining,
        Self::Size,
        Self::EightBitMime,
        Self::EnhancedStatusCodes,
    ];

    /// The EHLO keyword.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Pipelining => "PIPELINING",
            Self::Size => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of extensions with their EHLO parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extensions {
    bits: u16,
    message_octets_max: u64,
}

impl Extensions {
    /// None: before EHLO and after HELO.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            bits: 0,
            message_octets_max: 0,
        }
    }

    /// All that postern implements; `message_octets_max` is announced with SIZE.
    #[must_use]
    pub fn all(message_octets_max: u64) -> Self {
        let bits = Extension::ALL
            .iter()
            .fold(0, |bits, extension| bits | extension.bit());
        Self {
            bits,
            message_octets_max,
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

    /// Whether the set has `extension`.
    #[must_use]
    pub const fn offers(self, extension: Extension) -> bool {
        self.bits & extension.bit() != 0
    }

    /// Those in the set, in the order of the EHLO reply.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        Extension::ALL
            .into_iter()
            .filter(move |extension| self.offers(*extension))
    }

    /// What follows the keyword in the EHLO reply.
    #[must_use]
    pub const fn parameter(self, extension: Extension) -> Option<u64> {
        match extension {
            Extension::Size => Some(self.message_octets_max),
            Extension::Pipelining | Extension::EightBitMime | Extension::EnhancedStatusCodes => {
                None
            }
        }
    }
}
