//! The name of a transaction in the log, the trace header and the reply.
//!
//! In: a text that the pump drew (nothing here is random). Out: [`TransactionId`].
//! Guarantees: letters, digits and hyphens, so that it can go into any reply, header or file name
//! as it is.
//! Does not: know what makes it unique.

use std::fmt;

use crate::limits;

/// A transaction id: 1 to [`limits::TRANSACTION_ID_OCTETS_MAX`] letters, digits and hyphens. A UUID
/// in text is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId {
    octets: [u8; limits::TRANSACTION_ID_OCTETS_MAX],
    octets_count: u8,
}

impl TransactionId {
    /// The id with this text, or none if the text is not one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut octets = [0; limits::TRANSACTION_ID_OCTETS_MAX];
        octets
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let known = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        (!text.is_empty() && text.bytes().all(known)).then(|| {
            Some(Self {
                octets,
                octets_count: u8::try_from(text.len()).ok()?,
            })
        })?
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_octets()).unwrap_or_default()
    }

    /// The text.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.octets_count))
            .unwrap_or_default()
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TransactionId({})", self.as_str())
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::TransactionId;
    use crate::limits;

    #[test]
    fn an_id_is_a_word_that_is_safe_everywhere() {
        let text = "0b0e7a5c-5f0c-4c0e-8a52-6f2f1f3c9d11";
        assert_eq!(
            TransactionId::new(text).as_ref().map(TransactionId::as_str),
            Some(text)
        );
        let long = "x".repeat(limits::TRANSACTION_ID_OCTETS_MAX + 1);
        for wrong in ["", "a b", "a\r\n", "a/b", "..", "\u{e9}", &long] {
            assert_eq!(TransactionId::new(wrong), None, "{wrong:?}");
        }
    }
}
