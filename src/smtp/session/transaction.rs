//! The transaction: reverse-path, recipients and parameters, which live and die together.
//!
//! In: accepted MAIL and RCPT commands, and other addresses that somebody put in place of theirs. Out:
//! the envelope, for the trace header, the destination and scripts.
//!
//! Guarantees: one value, replaced whole; its text lies in one buffer, which the session reuses, so
//! that an envelope of ordinary size allocates nothing.
//! Does not: hold mail data.
//!
//! RFC 5321 §3.3, §4.1.1.2, §4.1.1.3, §4.1.1.5 (RSET).

use std::fmt;
use std::ops::Range;

use crate::limits;
use crate::smtp::address::{Charset, Domain, ForwardPath, LocalPart, Mailbox, ReversePath};
use crate::smtp::command::Parameters;

/// What MAIL said about the encoding of the mail data (RFC 6152 §3, RFC 3030 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BodyType {
    /// Nothing, or `7BIT`.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
    /// `BINARYMIME` (RFC 3030 §3).
    BinaryMime,
}

/// What MAIL declared besides the reverse-path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// BODY.
    pub body_type: BodyType,
    /// SIZE in octets (RFC 1870 §6); none and 0 both mean that the client does not know.
    pub declared_octets: Option<u64>,
    /// Whether addresses and header fields may be UTF-8 (RFC 6531 §3.4).
    pub is_utf8: bool,
}

/// A mail transaction, from MAIL on.
#[derive(Debug)]
pub struct Transaction {
    envelope: Envelope,
    mail_parameters: MailParameters,
}

impl Transaction {
    /// Begins with an accepted MAIL command, in memory that an earlier transaction may have left.
    pub(in crate::smtp) fn begin(
        mut envelope: Envelope,
        reverse_path: ReversePath<'_>,
        parameters: Parameters<'_>,
        mail_parameters: MailParameters,
    ) -> Self {
        envelope.clear();
        envelope.reverse_path = match reverse_path {
            ReversePath::Null => envelope.push(b"", b"", parameters),
            ReversePath::Mailbox(mailbox) => envelope.push_mailbox(&mailbox, parameters),
        };
        Self {
            envelope,
            mail_parameters,
        }
    }

    /// Adds an accepted recipient.
    pub(in crate::smtp) fn add_recipient(
        &mut self,
        forward_path: ForwardPath<'_>,
        parameters: Parameters<'_>,
    ) {
        let entry = match forward_path {
            ForwardPath::Postmaster(local_part) => {
                self.envelope.push(local_part.as_octets(), b"", parameters)
            }
            ForwardPath::Mailbox(mailbox) => self.envelope.push_mailbox(&mailbox, parameters),
        };
        self.envelope.recipients.push(entry);
    }

    /// Takes the recipient accepted last back.
    pub(super) fn remove_last_recipient(&mut self) {
        if let Some(entry) = self.envelope.recipients.pop() {
            self.envelope.text.truncate(entry.start as usize);
        }
    }

    /// Puts another reverse-path in place of the client's, whose parameters it gets. Only before the
    /// first recipient.
    pub(super) fn replace_reverse_path(&mut self, reverse_path: ReversePath<'_>) {
        if self.envelope.recipients.is_empty() {
            let replaced = self.envelope.reverse_path;
            self.envelope.reverse_path = match reverse_path {
                ReversePath::Null => self.envelope.replace(replaced, b"", b""),
                ReversePath::Mailbox(mailbox) => self.envelope.replace_mailbox(replaced, &mailbox),
            };
        }
    }

    /// Puts another recipient in place of the last one, whose parameters it gets.
    pub(super) fn replace_last_recipient(&mut self, forward_path: ForwardPath<'_>) {
        if let Some(replaced) = self.envelope.recipients.pop() {
            let entry = match forward_path {
                ForwardPath::Postmaster(local_part) => {
                    self.envelope.replace(replaced, local_part.as_octets(), b"")
                }
                ForwardPath::Mailbox(mailbox) => self.envelope.replace_mailbox(replaced, &mailbox),
            };
            self.envelope.recipients.push(entry);
        }
    }

    /// Names the transport of the last recipient.
    pub(super) fn set_last_transport(&mut self, transport: &[u8]) {
        if let Some(mut entry) = self.envelope.recipients.pop() {
            self.envelope.text.truncate(entry.parameters_end as usize);
            self.envelope.text.extend_from_slice(transport);
            entry.end = self.envelope.offset();
            self.envelope.recipients.push(entry);
        }
    }

    /// Gives the memory back for the next transaction.
    pub(super) fn into_envelope(self) -> Envelope {
        self.envelope
    }

    /// Who sends; [`Address::is_null`] for `<>`.
    #[must_use]
    pub fn reverse_path(&self) -> Address<'_> {
        self.envelope.address(&self.envelope.reverse_path)
    }

    /// Who receives, in the order accepted.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = Address<'_>> {
        self.envelope
            .recipients
            .iter()
            .map(|entry| self.envelope.address(entry))
    }

    /// The recipient added last.
    #[must_use]
    pub fn last_recipient(&self) -> Option<Address<'_>> {
        let entry = self.envelope.recipients.last()?;
        Some(self.envelope.address(entry))
    }

    /// How many recipients there are.
    #[must_use]
    pub fn recipients_count(&self) -> usize {
        self.envelope.recipients.len()
    }

    /// What its addresses may be written in.
    #[must_use]
    pub fn charset(&self) -> Charset {
        if self.mail_parameters.is_utf8 {
            Charset::Utf8
        } else {
            Charset::Ascii
        }
    }

    /// What MAIL declared.
    #[must_use]
    pub fn mail_parameters(&self) -> MailParameters {
        self.mail_parameters
    }
}

/// An address of the envelope, as sent, without angle brackets and source route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address<'transaction> {
    octets: &'transaction [u8],
    local_part_octets: usize,
    parameters: &'transaction [u8],
    transport: &'transaction [u8],
}

impl<'transaction> Address<'transaction> {
    /// `local-part@domain`; only the local-part for a bare `postmaster`; empty for the null
    /// reverse-path.
    #[must_use]
    pub fn as_octets(&self) -> &'transaction [u8] {
        self.octets
    }

    /// Whether it is the null reverse-path.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.octets.is_empty()
    }

    /// What stands before the `@`, with its quotes if it has any.
    #[must_use]
    pub fn local_part(&self) -> &'transaction [u8] {
        self.octets
            .get(..self.local_part_octets)
            .unwrap_or_default()
    }

    /// What stands after the `@`, an address literal with its brackets; none for a bare
    /// `postmaster` and for `<>`.
    #[must_use]
    pub fn domain(&self) -> Option<&'transaction [u8]> {
        self.octets.get(self.local_part_octets + 1..)
    }

    /// Whether the local-part means `postmaster`.
    #[must_use]
    pub fn is_postmaster(&self) -> bool {
        let local_part = self.local_part();
        let local_part = match local_part {
            [b'"', ..] => LocalPart::QuotedString(local_part),
            _ => LocalPart::DotString(local_part),
        };
        local_part.is_postmaster()
    }

    /// What a script named its transport; empty if none did.
    #[must_use]
    pub fn transport(&self) -> &'transaction [u8] {
        self.transport
    }

    /// The parameters that came with it: keyword in upper case, value as sent.
    pub fn parameters(
        &self,
    ) -> impl Iterator<Item = (&'transaction [u8], Option<&'transaction [u8]>)> + use<'transaction>
    {
        self.parameters
            .split(|octet| *octet == b' ')
            .filter(|word| !word.is_empty())
            .map(|word| {
                let mut parts = word.splitn(2, |octet| *octet == b'=');
                (parts.next().unwrap_or_default(), parts.next())
            })
    }
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{}>", self.octets.escape_ascii())
    }
}

/// The memory of an envelope: one text buffer and where the addresses lie in it.
#[derive(Debug, Default)]
pub(in crate::smtp) struct Envelope {
    text: Vec<u8>,
    reverse_path: Entry,
    recipients: Vec<Entry>,
}

impl Envelope {
    /// Empties it and keeps its memory, unless that has become much.
    pub(super) fn clear(&mut self) {
        self.reverse_path = Entry::default();
        if self.bytes() > limits::ENVELOPE_BYTES_KEPT {
            *self = Self::default();
        }
        self.text.clear();
        self.recipients.clear();
    }

    /// Memory it holds.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.recipients.capacity() * size_of::<Entry>()
    }

    fn push_mailbox(&mut self, mailbox: &Mailbox<'_>, parameters: Parameters<'_>) -> Entry {
        let domain = match mailbox.domain() {
            Domain::Name(octets) | Domain::Literal { octets, .. } => octets,
        };
        self.push(mailbox.local_part().as_octets(), domain, parameters)
    }

    /// Appends an address, with `@` if it has a domain, and its parameters, separated by single
    /// spaces.
    fn push(&mut self, local_part: &[u8], domain: &[u8], parameters: Parameters<'_>) -> Entry {
        let start = self.offset();
        self.text.extend_from_slice(local_part);
        let local_part_end = self.offset();
        if !domain.is_empty() {
            self.text.push(b'@');
            self.text.extend_from_slice(domain);
        }
        let address_end = self.offset();
        for parameter in parameters.iter() {
            self.text.push(b' ');
            self.text
                .extend(parameter.keyword.iter().map(u8::to_ascii_uppercase));
            if let Some(value) = parameter.value {
                self.text.push(b'=');
                self.text.extend_from_slice(value);
            }
        }
        let parameters_end = self.offset();
        Entry {
            start,
            local_part_end,
            address_end,
            parameters_end,
            end: parameters_end,
        }
    }

    fn replace_mailbox(&mut self, replaced: Entry, mailbox: &Mailbox<'_>) -> Entry {
        let local_part = mailbox.local_part().as_octets();
        self.replace(replaced, local_part, mailbox.domain().as_octets())
    }

    /// Writes another address over the last one of the text; what follows that one stays.
    fn replace(&mut self, replaced: Entry, local_part: &[u8], domain: &[u8]) -> Entry {
        let tail = self.text.get(replaced.address_end as usize..);
        let tail = tail.unwrap_or_default().to_vec();
        self.text.truncate(replaced.start as usize);
        let entry = self.push(local_part, domain, Parameters::none());
        self.text.extend_from_slice(&tail);
        Entry {
            parameters_end: entry.address_end + (replaced.parameters_end - replaced.address_end),
            end: self.offset(),
            ..entry
        }
    }

    /// Where the text ends. `limits` bounds an envelope to 32 bits.
    fn offset(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn address(&self, entry: &Entry) -> Address<'_> {
        let text = |range: Range<u32>| {
            self.text
                .get(range.start as usize..range.end as usize)
                .unwrap_or_default()
        };
        Address {
            octets: text(entry.start..entry.address_end),
            local_part_octets: (entry.local_part_end - entry.start) as usize,
            parameters: text(entry.address_end..entry.parameters_end),
            transport: text(entry.parameters_end..entry.end),
        }
    }
}

/// Where an address lies in the text, with its parameters and its transport behind it. Invariant: the
/// five do not decrease, kept by [`Envelope::push`] and [`Envelope::replace`].
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    start: u32,
    local_part_end: u32,
    address_end: u32,
    parameters_end: u32,
    end: u32,
}
