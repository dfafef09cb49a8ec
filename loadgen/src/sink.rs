//! A server that accepts every message, counts it and throws it away; it can misbehave on demand.
//!
//! In: octets of sessions. Out: replies and [`Counts`]. Lines end at CRLF only, content is
//! counted after transparency. Refusals and disconnections follow a seeded sequence, so a run
//! can be repeated. Stores nothing and checks no addresses.
//!
//! RFC 5321 §4.1 (commands), §4.5.2 (transparency), RFC 2920 (PIPELINING), RFC 1870 (SIZE is not
//! offered).

use std::fmt;
use std::time::Duration;

use memchr::memchr;

use crate::listener::{Flow, Responder};
use crate::transparency::MailDataReader;

/// How it misbehaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    /// Wait before the reply to the end of mail data.
    pub(crate) delay: Duration,
    /// Probability of a refusal.
    pub(crate) refuse: f64,
    /// Probability of a disconnection.
    pub(crate) disconnect: f64,
    /// Begin of the pseudo-random sequence.
    pub(crate) seed: u64,
    /// End after so many messages.
    pub(crate) messages_max: Option<u64>,
}

/// What it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Connections accepted.
    pub(crate) connections: u64,
    /// Messages answered by 250.
    pub(crate) messages: u64,
    /// Recipients of those messages.
    pub(crate) recipients: u64,
    /// Octets of their content.
    pub(crate) octets: u64,
    /// Refusals by probability.
    pub(crate) refused: u64,
    /// Disconnections by probability.
    pub(crate) disconnected: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in [
            ("connections", self.connections),
            ("messages", self.messages),
            ("recipients", self.recipients),
            ("octets", self.octets),
            ("refused", self.refused),
            ("disconnected", self.disconnected),
        ] {
            writeln!(formatter, "{name:<13}{count:>14}")?;
        }
        Ok(())
    }
}

/// The responder.
#[derive(Debug)]
pub(crate) struct Sink {
    manners: Manners,
    counts: Counts,
    random: u64,
}

/// Where a session stands.
#[derive(Debug, Default)]
pub(crate) struct SinkSession {
    mail_data: Option<MailDataReader>,
    has_mail: bool,
    recipients: u64,
    octets: u64,
    /// The beginning of a command line cut in two; at most [`LINE_OCTETS_MAX`].
    partial: Vec<u8>,
}

/// What chance decided for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accept,
    Refuse,
    Disconnect,
}

impl Sink {
    /// A sink with these manners.
    pub(crate) const fn new(manners: Manners) -> Self {
        let random = manners.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let counts = Counts {
            connections: 0,
            messages: 0,
            recipients: 0,
            octets: 0,
            refused: 0,
            disconnected: 0,
        };
        Self {
            manners,
            counts,
            random,
        }
    }

    /// What it has seen.
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// xorshift64*, as a number from 0 to below 1.
    fn chance(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        f64::from(u32::try_from(high).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }

    fn fate(&mut self) -> Fate {
        if 0.0 < self.manners.disconnect && self.chance() < self.manners.disconnect {
            self.counts.disconnected += 1;
            return Fate::Disconnect;
        }
        if 0.0 < self.manners.refuse && self.chance() < self.manners.refuse {
            self.counts.refused += 1;
            return Fate::Refuse;
        }
        Fate::Accept
    }

    fn command(&mut self, session: &mut SinkSession, line: &[u8], replies: &mut Vec<u8>) -> Flow {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let is_chance = matches!(verb.as_slice(), b"MAIL" | b"RCPT" | b"DATA");
        match if is_chance { self.fate() } else { Fate::Accept } {
            Fate::Accept => {}
            Fate::Refuse => {
                replies.extend_from_slice(b"451 4.3.0 refused by chance\r\n");
                return Flow::Continue;
            }
            Fate::Disconnect => return Flow::Close,
        }
        let reply: &[u8] = match verb.as_slice() {
            b"EHLO" => b"250-sink.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            b"HELO" => b"250 sink.invalid\r\n",
            b"MAIL" => {
                session.forget();
                session.has_mail = true;
                b"250 2.1.0 ok\r\n"
            }
            b"RCPT" if session.has_mail => {
                session.recipients += 1;
                b"250 2.1.5 ok\r\n"
            }
            b"DATA" if session.has_mail && 0 < session.recipients => {
                session.mail_data = Some(MailDataReader::default());
                b"354 go ahead\r\n"
            }
            b"RCPT" | b"DATA" => b"503 5.5.1 out of order\r\n",
            b"RSET" => {
                session.forget();
                b"250 2.0.0 ok\r\n"
            }
            b"NOOP" => b"250 2.0.0 ok\r\n",
            b"QUIT" => {
                replies.extend_from_slice(b"221 2.0.0 bye\r\n");
                return Flow::Close;
            }
            _ => b"500 5.5.2 unknown command\r\n",
        };
        replies.extend_from_slice(reply);
        Flow::Continue
    }

    fn end_of_mail_data(&mut self, session: &mut SinkSession, replies: &mut Vec<u8>) -> Flow {
        match self.fate() {
            Fate::Accept => {
                self.counts.messages += 1;
                self.counts.recipients += session.recipients;
                self.counts.octets += session.octets;
                replies.extend_from_slice(b"250 2.0.0 accepted\r\n");
            }
            Fate::Refuse => replies.extend_from_slice(b"451 4.3.0 refused by chance\r\n"),
            Fate::Disconnect => return Flow::Close,
        }
        session.forget();
        if self.manners.delay.is_zero() {
            Flow::Continue
        } else {
            Flow::Pause(self.manners.delay)
        }
    }
}

impl SinkSession {
    /// Forgets the transaction.
    const fn forget(&mut self) {
        self.has_mail = false;
        self.recipients = 0;
        self.octets = 0;
    }
}

impl Responder for Sink {
    type Session = SinkSession;

    fn greeting(&mut self) -> &'static [u8] {
        self.counts.connections += 1;
        b"220 sink.invalid ESMTP\r\n"
    }

    fn receive(
        &mut self,
        session: &mut SinkSession,
        octets: &[u8],
        replies: &mut Vec<u8>,
    ) -> (usize, Flow) {
        let mut taken = 0;
        while let Some(rest) = octets.get(taken..).filter(|rest| !rest.is_empty()) {
            let flow = if let Some(mut reader) = session.mail_data {
                let mut count = 0;
                let end = reader.read(rest, |piece| count += piece.len() as u64);
                session.octets += count;
                session.mail_data = Some(reader);
                taken += end.unwrap_or(rest.len());
                if end.is_none() {
                    break;
                }
                session.mail_data = None;
                self.end_of_mail_data(session, replies)
            } else {
                let end = memchr(b'\n', rest).map(|index| index + 1);
                let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                taken += piece.len();
                if LINE_OCTETS_MAX < session.partial.len() + piece.len() {
                    replies.extend_from_slice(b"500 5.5.2 line too long\r\n");
                    return (taken, Flow::Close);
                }
                if session.partial.is_empty() && piece.ends_with(b"\r\n") {
                    self.command(session, piece, replies)
                } else {
                    session.partial.extend_from_slice(piece);
                    if !session.partial.ends_with(b"\r\n") {
                        continue;
                    }
                    let line = std::mem::take(&mut session.partial);
                    self.command(session, &line, replies)
                }
            };
            if flow != Flow::Continue {
                return (taken, flow);
            }
        }
        (octets.len(), Flow::Continue)
    }

    fn is_done(&self) -> bool {
        self.manners
            .messages_max
            .is_some_and(|maximum| maximum <= self.counts.messages)
    }
}

const LINE_OCTETS_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sink: &mut Sink, pieces: &mut dyn Iterator<Item = &[u8]>) -> (String, Flow) {
        let mut session = SinkSession::default();
        let mut replies = Vec::new();
        let mut last = Flow::Continue;
        for piece in pieces {
            let (taken, flow) = sink.receive(&mut session, piece, &mut replies);
            assert!(taken == piece.len() || flow != Flow::Continue);
            last = flow;
        }
        (String::from_utf8(replies).expect("ASCII"), last)
    }

    #[test]
    fn counts_content_after_transparency_however_it_is_cut() {
        let octets: &[u8] = b"EHLO a\r\nDATA\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\n\
            DATA\r\nA: b\r\n\r\n..\r\n.\r\nnoop\r\nHUH\r\nQUIT\r\n";
        let expected = Counts {
            messages: 1,
            recipients: 2,
            octets: 11,
            ..Counts::default()
        };
        for size in 1..=octets.len() {
            let mut sink = Sink::new(Manners::default());
            let (replies, flow) = answer(&mut sink, &mut octets.chunks(size));
            let codes: Vec<&str> = replies.lines().skip(4).map(|line| &line[..3]).collect();
            assert_eq!(
                codes,
                [
                    "503", "250", "250", "250", "354", "250", "250", "500", "221"
                ]
            );
            assert_eq!(
                (sink.counts(), flow),
                (expected, Flow::Close),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn chance_is_repeatable_and_certainty_is_certain() {
        let octets: &[u8] = &b"MAIL FROM:<>\r\n".repeat(1_000);
        let refused = |refuse, seed| {
            let mut sink = Sink::new(Manners {
                refuse,
                seed,
                ..Manners::default()
            });
            answer(&mut sink, &mut [octets].into_iter());
            sink.counts().refused
        };
        assert_eq!((refused(0.0, 1), refused(1.0, 1)), (0, 1_000));
        assert_eq!(refused(0.3, 7), refused(0.3, 7));
        assert!((200..400).contains(&refused(0.3, 7)));
        let mut sink = Sink::new(Manners {
            disconnect: 1.0,
            ..Manners::default()
        });
        assert_eq!(
            answer(&mut sink, &mut [octets].into_iter()),
            (String::new(), Flow::Close)
        );
    }

    #[test]
    fn endless_lines_are_cut_off() {
        let octets = [b'a'; 3 * LINE_OCTETS_MAX];
        let mut sink = Sink::new(Manners::default());
        let (replies, flow) = answer(&mut sink, &mut octets.chunks(1_000).take(3));
        assert_eq!(
            (replies.as_str(), flow),
            ("500 5.5.2 line too long\r\n", Flow::Close)
        );
    }
}
