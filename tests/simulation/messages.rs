//! Messages of a client: through DATA and BDAT, right, wrong, too large, given up.
//!
//! In: a session. Out: groups of commands and mail data, each message with the fate that it may have.
//!
//! RFC 5321 §4.1.1.4 and §4.5.2; RFC 3030 §2 and §3.

use std::borrow::Cow;

use super::exchange::{Batch, Expected, GoesOn, Outcome};
use super::ledger::{Fate, body, transparent};
use super::model::{Chunk, Line, Stage};
use super::session::Session;
use super::wire::index;

/// A message before it is sent.
struct Message {
    key: String,
    content: Vec<u8>,
    /// How it is refused for good, if it is.
    refusal: Option<&'static str>,
}

impl Session<'_> {
    /// A whole transaction, or what the server leaves of it.
    pub(super) fn message(&mut self) -> Outcome {
        let mut batch = Batch::default();
        self.envelope(&mut batch);
        let is_chunked = self.model.is_binary || self.random.below(2) == 0;
        if is_chunked || self.model.stage != Stage::RecipientsGiven {
            return self.chunks(batch);
        }
        self.add(Line::Data, &mut batch);
        if self.model.is_closed {
            return self.dialogue.exchange(batch);
        }
        if self.dialogue.exchange(batch)? == GoesOn::No {
            return Ok(GoesOn::No);
        }
        let message = self.compose("lines");
        let mut batch = Batch::default();
        let data = transparent(&message.content);
        let expected = self.finish(message);
        batch.add(&data, expected);
        self.pipeline(&mut batch);
        self.dialogue.exchange(batch)
    }

    /// What comes before mail data, mostly right.
    fn envelope(&mut self, batch: &mut Batch) {
        if self.model.stage == Stage::Connected {
            let is_old = self.random.below(8) == 0;
            self.add(if is_old { Line::Helo } else { Line::Ehlo }, batch);
        } else if self.model.stage != Stage::Greeted {
            self.add(Line::Rset, batch);
        }
        let is_binary = self.random.below(4) == 0;
        self.add(
            if is_binary {
                Line::MailBinary
            } else {
                Line::Mail
            },
            batch,
        );
        for _ in 0..1 + self.random.below(3) {
            let line = match self.random.below(8) {
                0 => Line::RcptForeign,
                1 => Line::RcptMalformed,
                _ => Line::Rcpt,
            };
            self.add(line, batch);
        }
    }

    /// Sends the rest of a transaction in chunks, together with what is in `batch`.
    fn chunks(&mut self, mut batch: Batch) -> Outcome {
        let may_be_binary = self.model.is_binary && self.model.stage == Stage::RecipientsGiven;
        let message = self.compose(if may_be_binary { "binary" } else { "lines" });
        let count = match message.refusal {
            // The server may say so at any chunk; of one there is one.
            Some(_) => 1,
            None => 1 + self.random.below(4),
        };
        let is_given_up = message.refusal.is_none() && self.random.below(8) == 0;
        let content = message.content.clone();
        let mut rest = content.as_slice();
        let mut message = Some(message);
        for number in 1..=count {
            let is_last = number == count && !is_given_up;
            let octets = match is_last {
                true => rest.len(),
                false => index(&mut self.random, rest.len() + 1),
            };
            let (chunk, later) = rest.split_at(octets);
            rest = later;
            let word = if is_last { " LAST" } else { "" };
            let command = [format!("BDAT {octets}{word}\r\n").as_bytes(), chunk].concat();
            let expected = match self.model.chunk(is_last) {
                Chunk::Dropped => Expected::Nothing(None),
                Chunk::Refused(reply) => Expected::begins(Some(reply)),
                Chunk::Taken => match message.take_if(|_| is_last) {
                    Some(message) => self.finish(message),
                    None => {
                        let reply = format!("250 2.0.0 {octets} octets received");
                        Expected::Reply(Cow::Owned(reply))
                    }
                },
            };
            batch.add(&command, expected);
        }
        if let Some(message) = message {
            self.dialogue.ledger.note(message.key, Fate::Absent);
        }
        self.pipeline(&mut batch);
        self.dialogue.exchange(batch)
    }

    /// Commands behind mail data, without waiting for the reply to it.
    fn pipeline(&mut self, batch: &mut Batch) {
        for _ in 0..self.random.below(3) {
            let lines = [Line::Noop, Line::Rset, Line::Mail, Line::Help, Line::Rcpt];
            let line = lines[index(&mut self.random, lines.len())];
            self.add(line, batch);
        }
    }

    fn compose(&mut self, kind: &'static str) -> Message {
        self.messages_count += 1;
        let octets = match self.random.below(16) {
            // Goes to the disk in parts.
            0 => 140_000 + self.random.below(150_000),
            1 => self.random.below(40_000),
            _ => self.random.below(3_000),
        };
        let key = format!("sim/{}-{}/{octets}/{kind}", self.seed, self.messages_count);
        let mut content = body(&key).expect("it is a key");
        let mut refusal = None;
        if self.model.message_octets_max() < content.len() as u64 {
            refusal = Some("552 5.3.4 ");
        } else if kind == "lines" && self.random.below(8) == 0 {
            // What other servers might take for the end of mail data.
            let ends = ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\n\r\n"];
            let end = ends[index(&mut self.random, ends.len())];
            let smuggled = format!("{end}MAIL FROM:<smuggled@client.example>\r\nDATA\r\n");
            content.extend_from_slice(smuggled.as_bytes());
            refusal = Some("554 5.6.0 ");
        }
        Message {
            key,
            content,
            refusal,
        }
    }

    /// What the end of a message is answered; the transaction is over with it.
    fn finish(&mut self, message: Message) -> Expected {
        self.model.stage = Stage::Greeted;
        match message.refusal {
            None => Expected::Stored(message.key),
            Some(reply) => Expected::Refused(message.key, self.model.refuse(reply)),
        }
    }
}
