//! What a run does, with every octet that can be prepared in advance.
//!
//! In: checked arguments. Out: one immutable [`Plan`] that all workers read.
//! Every text in it is safe to put on the wire, and its memory is bounded.
//! Does not know sockets.
//!
//! RFC 5321 §4.1.1 (commands), RFC 2920 §3.1 (which commands may be sent together).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::channel::{Begin, Tls};
use crate::message::{MessageId, SIZE_OCTETS_MAX};
use crate::pacing::Schedule;

/// How commands and messages are put into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// MAIL, RCPT and DATA in one write, the message in the next; many messages per connection
    Pipe,
    /// The message and the next MAIL, RCPT and DATA in one write: one round trip per message
    Next,
    /// One command per round trip; many messages per connection
    Seq,
    /// One message per connection, one command per round trip, then QUIT
    One,
    /// One message per connection, pipelined, QUIT in the same write as the message
    Onep,
    /// No message: greeting, EHLO, QUIT
    Conn,
}

impl Mode {
    /// Whether it sends commands ahead of replies, where the server offers that.
    pub(crate) const fn is_pipelined(self) -> bool {
        matches!(self, Self::Pipe | Self::Next | Self::Onep)
    }

    /// Whether a connection serves many units.
    pub(crate) const fn is_persistent(self) -> bool {
        matches!(self, Self::Pipe | Self::Next | Self::Seq)
    }

    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Next => "next",
            Self::Seq => "seq",
            Self::One => "one",
            Self::Onep => "onep",
            Self::Conn => "conn",
        }
    }
}

/// Everything a worker needs to know; built once, never changed.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The server.
    pub(crate) to: SocketAddr,
    /// How commands are sent.
    pub(crate) mode: Mode,
    /// TLS; none: everything in plain text.
    pub(crate) tls: Option<Tls>,
    /// Connections held at the same time.
    pub(crate) connections_count: usize,
    /// QUIT and reconnect after this many messages.
    pub(crate) messages_per_connection_max: u64,
    /// Octets of each message's content.
    pub(crate) size_octets: u32,
    /// Recipients of each message.
    pub(crate) recipients_count: usize,
    /// When units begin.
    pub(crate) schedule: Schedule,
    /// Longest wait for one reply or for room to send.
    pub(crate) timeout: Duration,
    /// The reply code a unit has to end with.
    pub(crate) expect: u16,
    /// Close with RST.
    pub(crate) closes_by_reset: bool,
    /// Local addresses, used in turn; empty: the system chooses.
    pub(crate) sources: Vec<IpAddr>,
    /// Worker threads.
    pub(crate) workers_count: usize,
    /// CPUs to pin them to, in turn; empty: none.
    pub(crate) cpus: Vec<usize>,
    /// The server's process, whose CPU time is to be reported.
    pub(crate) server_pid: Option<u32>,
    /// Print the dialogue.
    pub(crate) has_transcript: bool,
    /// Tells this run's messages from those of others; see [`MessageId::run`].
    pub(crate) run: u64,
    /// Different filler texts in use.
    pub(crate) seeds_count: u8,
    /// The EHLO command line.
    pub(crate) ehlo: Vec<u8>,
    /// The envelopes, used in turn.
    pub(crate) envelopes: Vec<Envelope>,
}

impl Plan {
    /// The envelope of a message.
    pub(crate) fn envelope(&self, number: u64) -> &Envelope {
        let count = self.envelopes.len() as u64;
        let index = usize::try_from(number % count).expect("less than the length of a list");
        &self.envelopes[index]
    }

    /// The id of message `number`.
    pub(crate) fn message_id(&self, number: u64) -> MessageId {
        let seed = u8::try_from(number % u64::from(self.seeds_count));
        MessageId {
            run: self.run,
            number,
            seed: seed.expect("less than a u8"),
            size_octets: self.size_octets,
        }
    }

    /// When TLS begins; none: never.
    pub(crate) fn tls_begin(&self) -> Option<Begin> {
        self.tls.as_ref().map(|tls| tls.begin)
    }

    /// Whether the connections are opened before the clock starts.
    pub(crate) fn connects_first(&self) -> bool {
        let has_ramp_of_connections =
            self.schedule.rate_per_second.is_none() && !self.schedule.ramp.is_zero();
        self.mode.is_persistent() && !has_ramp_of_connections
    }
}

/// MAIL, RCPT and DATA as sent.
#[derive(Debug)]
pub(crate) struct Envelope {
    octets: Vec<u8>,
    /// Where each command line ends.
    ends: Vec<usize>,
}

impl Envelope {
    fn new(reverse_path: &str, domain: &str, recipients_count: usize) -> Self {
        let mut octets = Vec::new();
        let mut ends = Vec::with_capacity(recipients_count + 2);
        let mut command = |line: String| {
            octets.extend_from_slice(line.as_bytes());
            ends.push(octets.len());
        };
        command(format!("MAIL FROM:<{reverse_path}>\r\n"));
        for recipient in 1..=recipients_count {
            command(format!("RCPT TO:<r{recipient}@{domain}>\r\n"));
        }
        command("DATA\r\n".to_owned());
        Self { octets, ends }
    }

    /// All command lines.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.octets
    }

    /// The MAIL command line.
    pub(crate) fn mail(&self) -> &[u8] {
        self.line(0)
    }

    /// The RCPT command line of a recipient, from 0.
    pub(crate) fn rcpt(&self, recipient: usize) -> &[u8] {
        self.line(recipient + 1)
    }

    fn line(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.octets[start..self.ends[index]]
    }
}

/// Why a text cannot be sent or a run not be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Writes all envelopes that the patterns make.
///
/// # Errors
///
/// A pattern that is not a mailbox or domain, or too many octets.
pub(crate) fn envelopes(
    from: &str,
    to_domain: &str,
    recipients_count: usize,
) -> Result<Vec<Envelope>, Refusal> {
    let reverse_paths = expand(from)?;
    let domains = expand(to_domain)?;
    let count = reverse_paths.len().max(domains.len());
    for path in &reverse_paths {
        if !path.is_empty() && !path.contains('@') {
            return Err(Refusal(format!(
                "--from {path} is neither a mailbox nor empty"
            )));
        }
    }
    if domains.iter().any(String::is_empty) {
        return Err(Refusal(
            "--to-domain is empty; name a domain the server accepts".to_owned(),
        ));
    }
    let line_octets = "RCPT TO:<r@>\r\n".len() + 8 + to_domain.len() + 20;
    if ENVELOPES_OCTETS_MAX
        < count
            .saturating_mul(recipients_count)
            .saturating_mul(line_octets)
    {
        return Err(Refusal(format!(
            "envelopes exceed {ENVELOPES_OCTETS_MAX} octets; use fewer recipients or patterns"
        )));
    }
    let turn = |list: &[String], index: usize| list[index % list.len()].clone();
    let envelopes = (0..count)
        .map(|index| {
            Envelope::new(
                &turn(&reverse_paths, index),
                &turn(&domains, index),
                recipients_count,
            )
        })
        .collect();
    Ok(envelopes)
}

/// The texts a pattern stands for: `a{1-3}b` is a1b, a2b and a3b; a text without braces is itself.
fn expand(pattern: &str) -> Result<Vec<String>, Refusal> {
    require_plain(pattern)?;
    let Some((before, rest)) = pattern.split_once('{') else {
        return Ok(vec![pattern.to_owned()]);
    };
    let refusal = || {
        Refusal(format!(
            "{pattern} has no range such as {{1-100}} in its braces, of at most {VARIANTS_MAX}"
        ))
    };
    let (range, after) = rest.split_once('}').ok_or_else(refusal)?;
    let (first, last) = range.split_once('-').ok_or_else(refusal)?;
    let first: u32 = first.parse().map_err(|_| refusal())?;
    let last: u32 = last.parse().map_err(|_| refusal())?;
    if last < first || VARIANTS_MAX <= last - first || after.contains(['{', '}']) {
        return Err(refusal());
    }
    Ok((first..=last)
        .map(|number| format!("{before}{number}{after}"))
        .collect())
}

/// Refuses what would break out of a command line.
///
/// # Errors
///
/// A text with spaces, angle brackets, control or 8-bit characters.
pub(crate) fn require_plain(text: &str) -> Result<(), Refusal> {
    let is_plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>');
    if text.len() <= TEXT_OCTETS_MAX && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(Refusal(format!(
        "{text:?} has a space, an angle bracket, a character that is not printable ASCII, \
         or more than {TEXT_OCTETS_MAX} characters"
    )))
}

/// Checks the size of messages.
///
/// # Errors
///
/// A size outside what can be built.
pub(crate) fn size_octets(size: u64) -> Result<u32, Refusal> {
    let minimum = MessageId::size_octets_min();
    u32::try_from(size)
        .ok()
        .filter(|size| (minimum..=SIZE_OCTETS_MAX as usize).contains(&(*size as usize)))
        .ok_or_else(|| {
            Refusal(format!(
                "--size {size} is not between {minimum} (header and checked lines) \
                 and {SIZE_OCTETS_MAX} octets"
            ))
        })
}

/// Filler texts that are worth their memory: they should stay in the processor's cache.
pub(crate) fn seeds_count(size_octets: u32) -> u8 {
    let count = (TEMPLATES_OCTETS / size_octets.max(1)).clamp(1, 16);
    u8::try_from(count).expect("clamped to 16")
}

const VARIANTS_MAX: u32 = 10_000;
const ENVELOPES_OCTETS_MAX: usize = 64 * 1024 * 1024;
const TEMPLATES_OCTETS: u32 = 64 * 1024;

/// RFC 5321 §4.5.3.1.3: a path has at most 256 octets.
const TEXT_OCTETS_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_follow_their_patterns() {
        let made = envelopes("s{1-2}@a.example", "d{8-10}.example", 2).expect("valid");
        assert_eq!(made.len(), 3);
        assert_eq!(
            made[2].whole(),
            b"MAIL FROM:<s1@a.example>\r\nRCPT TO:<r1@d10.example>\r\n\
              RCPT TO:<r2@d10.example>\r\nDATA\r\n"
        );
        assert_eq!(made[1].mail(), b"MAIL FROM:<s2@a.example>\r\n");
        assert_eq!(made[1].rcpt(1), b"RCPT TO:<r2@d9.example>\r\n");
        assert_eq!(
            envelopes("", "example.com", 1).expect("null")[0].mail(),
            b"MAIL FROM:<>\r\n"
        );
    }

    #[test]
    fn what_would_break_a_command_line_is_refused() {
        for from in [
            "a@b\r\nDATA",
            "a b@c",
            "a>@b",
            "nobody",
            "a{@b",
            "a{2-1}@b",
            "a{1-99999}@b",
        ] {
            assert!(envelopes(from, "example.com", 1).is_err(), "{from}");
        }
        assert!(envelopes("a@b", "", 1).is_err());
        assert!(
            envelopes("a@b", "d{1-10000}.example", 100_000).is_err(),
            "bounded memory"
        );
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(size_octets(1).is_err());
        assert_eq!(size_octets(1_024), Ok(1_024));
        assert!(size_octets(1 << 40).is_err());
        assert_eq!((seeds_count(1_024), seeds_count(1 << 20)), (16, 1));
    }
}
