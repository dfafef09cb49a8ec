//! What one client does: its seed decides everything but what the server answers.
//!
//! In: a seed, the servers of a world. Out: nothing, or what was wrong, with the seed and what was said last. The messages it sends are in
//! `messages.rs`.

use data_encoding::BASE64;

use super::exchange::{Batch, Dialogue, Expected, GoesOn, Outcome};
use super::ledger::Ledger;
use super::model::{Line, Model, Stage};
use super::wire::{End, Flood, When, Wire, index};
use super::world::{Addresses, KINDS, Kind, MARK, USER, plain};
use crate::crash::random::Random;
use crate::engine::channel::Tls;

/// What sessions are made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// Everything, and soon over.
    Mixed,
    /// Mostly messages, and many.
    Messages,
}

/// A client and its session.
pub(super) struct Session<'ledger> {
    pub(super) seed: u64,
    style: Style,
    pub(super) random: Random,
    pub(super) model: Model,
    pub(super) dialogue: Dialogue<'ledger>,
    pub(super) messages_count: u32,
}

/// Runs one session.
pub(super) fn run(
    seed: u64,
    style: Style,
    addresses: &Addresses,
    ledger: &Ledger,
) -> Result<(), String> {
    let mut random = Random::new(seed);
    let kind = KINDS[index(&mut random, KINDS.len())];
    let address = addresses.of(random.next(), kind);
    let ends = [End::Close, End::Half, End::Reset];
    let end = ends[index(&mut random, ends.len())];
    let when = match random.below(10) {
        0..5 => When::Never,
        5..8 => {
            let places = [30, 300, 1_500, 20_000, 200_000];
            let most = places[index(&mut random, places.len())];
            When::Sent(random.below(most))
        }
        _ => When::Read(random.below(12)),
    };
    let wire = Wire::connect(address, Random::new(random.next()), end, when);
    ledger.see(|seen| seen.connections += 1);
    let mut session = Session {
        seed,
        style,
        random,
        model: Model::new(kind),
        dialogue: Dialogue::new(wire, ledger),
        messages_count: 0,
    };
    session.talk().map(drop).map_err(|failure| {
        let transcript = session.dialogue.transcript();
        format!(
            "POSTERN_SIMULATION_SEED={seed} POSTERN_SIMULATION_SESSIONS=1 \
             ({kind:?}, {end:?} {when:?}): {failure}\n{transcript}"
        )
    })
}

impl Session<'_> {
    fn talk(&mut self) -> Outcome {
        if self.model.kind == Kind::Proxy && self.proxy_header()? == GoesOn::No {
            return self.over();
        }
        if self.model.kind == Kind::Implicit {
            self.dialogue.ledger.see(|seen| seen.tls_begun += 1);
            if self.shake_hands() == GoesOn::No {
                return match self.dialogue.wire.is_whole() {
                    true => Err("no handshake".to_owned()),
                    false => self.silence(),
                };
            }
        }
        if self.greeting()? == GoesOn::No {
            return self.over();
        }
        let turns_max = match self.style {
            Style::Mixed => 7,
            Style::Messages => 60,
        };
        for _ in 0..1 + self.random.below(turns_max) {
            if self.turn()? == GoesOn::No {
                return self.over();
            }
        }
        match self.random.below(4) {
            0 => self.say(Line::Quit)?,
            1 => self.dialogue.wire.end_sending(),
            _ => self.dialogue.wire.break_off(),
        }
        self.over()
    }

    /// The server has nothing more to say.
    fn over(&mut self) -> Outcome {
        self.dialogue.end()?;
        Ok(GoesOn::No)
    }

    fn proxy_header(&mut self) -> Outcome {
        let client = self.random.below(250);
        let text = format!("PROXY TCP4 192.0.2.{client} 198.51.100.2 40000 25\r\n");
        let mut binary = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        let addresses = [203, 0, 113, 7, 198, 51, 100, 2, 0x9c, 0x40, 0, 25];
        let (header, is_right) = match self.random.below(8) {
            0 => (b"PROXY UNKNOWN and more\r\n".to_vec(), true),
            1 => {
                binary.extend_from_slice(&[0x20, 0, 0, 0]);
                (binary, true)
            }
            2 | 3 => {
                binary.extend_from_slice(&[0x21, 0x11, 0, 12]);
                binary.extend_from_slice(&addresses);
                (binary, true)
            }
            4 => (b"PROXY TCP4 nonsense\r\n".to_vec(), false),
            _ => (text.into_bytes(), true),
        };
        self.dialogue.remark("C:", &header);
        self.dialogue.wire.send(&header);
        // An end right behind the header takes nothing from it: the server may greet.
        let is_complete = self.dialogue.wire.sent() == header.len() as u64;
        Ok(match is_right && is_complete {
            true => GoesOn::Yes,
            false => GoesOn::No,
        })
    }

    fn shake_hands(&mut self) -> GoesOn {
        let tls = match self.random.below(4) {
            // What was agreed on before is not known.
            0 => Tls::new(|_| {}),
            _ => Tls::shared(usize::MAX),
        };
        match self.dialogue.wire.shake_hands(&tls) && self.dialogue.wire.is_whole() {
            true => GoesOn::Yes,
            false => GoesOn::No,
        }
    }

    /// Reads the greeting, now and then after having talked.
    fn greeting(&mut self) -> Outcome {
        let is_early = self.model.kind != Kind::Proxy && self.random.below(20) == 0;
        if is_early {
            self.dialogue.remark("C: early", b"NOOP");
            self.dialogue.wire.send(b"NOOP\r\n");
        }
        if self.dialogue.wire.leaves_before_reply() || !self.dialogue.wire.is_whole() {
            // It may be greeted, or refused.
            return self.silence();
        }
        let greeting = self.dialogue.read()?;
        if is_early && greeting.starts_with("554 5.5.1 ") {
            return Ok(GoesOn::No);
        }
        if !greeting.starts_with("220 mx.example.org ") {
            return Err(format!("{greeting} instead of a greeting"));
        }
        if is_early {
            let reply = Expected::begins(self.model.answer(Line::Noop));
            self.dialogue.reply(reply)?;
        }
        Ok(GoesOn::Yes)
    }

    fn turn(&mut self) -> Outcome {
        if self.model.is_closed {
            return Ok(GoesOn::No);
        }
        if self.style == Style::Messages && self.random.below(16) != 0 {
            return self.message();
        }
        match self.random.below(16) {
            0..5 => self.batch(),
            5..12 => self.message(),
            12 => self.start_tls(),
            13 => self.authenticate(),
            14 => self.forward(),
            _ if self.random.below(4) == 0 => self.flood(),
            _ => self.batch(),
        }
    }

    /// One line, as a group of its own.
    fn say(&mut self, line: Line) -> Result<(), String> {
        let mut batch = Batch::default();
        self.add(line, &mut batch);
        self.dialogue.exchange(batch).map(drop)
    }

    /// A group of lines that need not wait for each other.
    fn batch(&mut self) -> Outcome {
        let mut batch = Batch::default();
        for _ in 0..1 + self.random.below(12) {
            let line = LINES[index(&mut self.random, LINES.len())];
            let begins_something = match line {
                Line::Data => self.model.stage == Stage::RecipientsGiven,
                Line::StartTls => self.model.clone().answer(line) == Some("220 2.0.0 "),
                _ => false,
            };
            if begins_something {
                continue;
            }
            self.add(line, &mut batch);
            let must_wait = matches!(
                line,
                Line::StartTls | Line::AuthUnknown | Line::XClientMalformed
            );
            if must_wait && self.model.kind == Kind::Strict {
                break;
            }
        }
        self.dialogue.exchange(batch)
    }

    /// Adds a line with the reply it must have.
    pub(super) fn add(&mut self, line: Line, batch: &mut Batch) {
        let expected = Expected::begins(self.model.answer(line));
        batch.add(&octets_of(line), expected);
    }

    fn start_tls(&mut self) -> Outcome {
        let mut batch = Batch::default();
        if self.model.stage == Stage::Connected {
            self.add(Line::Ehlo, &mut batch);
        }
        let injected = match self.random.below(3) {
            0 => Injected::Behind,
            1 => Injected::Later,
            _ => Injected::Nowhere,
        };
        let plain_text = format!(
            "EHLO {MARK}\r\nMAIL FROM:<{MARK}@client.example>\r\nRCPT TO:<{MARK}@example.org>\r\nDATA\r\n{MARK}\r\n.\r\n"
        );
        let reply = self.model.answer(Line::StartTls);
        if reply != Some("220 2.0.0 ") {
            batch.add(&octets_of(Line::StartTls), Expected::begins(reply));
            return self.dialogue.exchange(batch);
        }
        batch.add(&octets_of(Line::StartTls), Expected::StartTls);
        // Wherever the client leaves from here on: the server may wait for it to begin.
        self.dialogue.ledger.see(|seen| seen.tls_begun += 1);
        self.dialogue.may_be_alerted = injected != Injected::Nowhere;
        if injected == Injected::Behind {
            batch.add_unanswered(plain_text.as_bytes());
        }
        if self.dialogue.exchange(batch)? == GoesOn::No || self.dialogue.is_early {
            return Ok(GoesOn::No);
        }
        if injected == Injected::Later {
            self.dialogue.wire.send_raw(plain_text.as_bytes());
        }
        let goes_on = self.shake_hands();
        if self.dialogue.wire.has_heard_text() {
            return Err("plain text instead of a handshake".to_owned());
        }
        if goes_on == GoesOn::No {
            // What comes late is taken for the handshake, and is none.
            return match injected == Injected::Nowhere && self.dialogue.wire.is_whole() {
                true => Err("no handshake behind STARTTLS".to_owned()),
                false => self.silence(),
            };
        }
        self.model.tls_begun();
        Ok(GoesOn::Yes)
    }

    /// A connection that is of no use any more.
    fn silence(&mut self) -> Outcome {
        self.dialogue.wire.give_up();
        Ok(GoesOn::No)
    }

    fn authenticate(&mut self) -> Outcome {
        if !self.model.may_authenticate() {
            self.say(Line::AuthUnknown)?;
            return self.state();
        }
        let is_right = self.random.below(3) != 0;
        let secret = if is_right { USER.1 } else { "wrong" };
        let name = BASE64.encode(USER.0.as_bytes());
        let password = BASE64.encode(secret.as_bytes());
        let message = BASE64.encode(&plain(secret));
        let lines = match self.random.below(5) {
            0 => vec![format!("AUTH PLAIN {message}")],
            1 => vec!["AUTH PLAIN".to_owned(), message],
            2 => vec!["AUTH LOGIN".to_owned(), name, password],
            3 => return self.fail_to_authenticate(&["AUTH LOGIN", "*"], "501 5.7.0 "),
            _ => return self.fail_to_authenticate(&["AUTH PLAIN !!!"], "501 5.5.2 "),
        };
        for (number, line) in lines.iter().enumerate() {
            let expected = if number + 1 == lines.len() {
                Expected::Credentials(self.model.credentials(is_right))
            } else {
                Expected::begins(Some("334 "))
            };
            if self.exchange_line(line, expected)? == GoesOn::No {
                return Ok(GoesOn::No);
            }
        }
        self.state()
    }

    fn fail_to_authenticate(&mut self, lines: &[&str], reply: &'static str) -> Outcome {
        for (number, line) in lines.iter().enumerate() {
            let start = if number + 1 == lines.len() {
                self.model.refuse(reply)
            } else {
                "334 "
            };
            if self.exchange_line(line, Expected::begins(Some(start)))? == GoesOn::No {
                return Ok(GoesOn::No);
            }
        }
        self.state()
    }

    fn exchange_line(&mut self, line: &str, expected: Expected) -> Outcome {
        let mut batch = Batch::default();
        batch.add(format!("{line}\r\n").as_bytes(), expected);
        self.dialogue.exchange(batch)
    }

    /// Speaks for another client, or is told not to.
    fn forward(&mut self) -> Outcome {
        let is_ready = matches!(self.model.stage, Stage::Connected | Stage::Greeted);
        if self.model.kind != Kind::XClient || !is_ready {
            self.say(Line::XClientMalformed)?;
            return self.state();
        }
        let has_login = self.random.below(2) == 0;
        let login = if has_login { " LOGIN=bob" } else { "" };
        let client = self.random.below(250);
        let line = format!("XCLIENT NAME=a.example ADDR=192.0.2.{client}{login}");
        let start = self.model.forwarded(has_login);
        self.exchange_line(&line, Expected::begins(Some(start)))
    }

    /// Sends much without reading.
    fn flood(&mut self) -> Outcome {
        let mut batch = Batch::default();
        for _ in 0..200 + self.random.below(3_000) {
            let lines = [Line::Noop, Line::Help, Line::Ehlo, Line::Vrfy];
            let line = lines[index(&mut self.random, lines.len())];
            self.add(line, &mut batch);
        }
        let reads_on = match self.random.below(2) {
            0 => Flood::ReadsOn,
            _ => Flood::Leaves,
        };
        self.dialogue.remark("C: flood", batch.octets());
        let begin = self.dialogue.wire.sent();
        self.dialogue.wire.flood(batch.octets(), reads_on);
        self.dialogue.compare(begin, batch)
    }

    /// Whether the session goes on, as far as the model knows.
    pub(super) fn state(&mut self) -> Outcome {
        Ok(
            match self.model.is_closed || !self.dialogue.wire.is_whole() {
                true => GoesOn::No,
                false => GoesOn::Yes,
            },
        )
    }
}

/// Where plain text is put that must have no effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Injected {
    /// Together with STARTTLS.
    Behind,
    /// After the reply to it.
    Later,
    Nowhere,
}

fn octets_of(line: Line) -> Vec<u8> {
    let text: &[u8] = match line {
        Line::Noop => b"NOOP",
        Line::Rset => b"rset",
        Line::Vrfy => b"VRFY somebody",
        Line::Expn => b"EXPN list",
        Line::Help => b"HELP",
        Line::Unknown => b"XYZZY with words",
        Line::TooLong => return [&b"NOOP "[..], &[b'x'; 6_000], b"\r\n"].concat(),
        Line::BareLineFeed => b"NOOP\nRSET",
        Line::Nul => b"NO\0OP",
        Line::HeloBare => b"HELO",
        Line::Helo => b"HELO client.example",
        Line::Ehlo => b"EHLO client.example",
        Line::MailMalformed => b"MAIL FROM:a@client.example",
        Line::MailParameter => b"MAIL FROM:<a@client.example> XYZZY=1",
        Line::MailTooLarge => b"MAIL FROM:<a@client.example> SIZE=99999999999999",
        Line::Mail => b"MAIL FROM:<a@client.example>",
        Line::MailBinary => b"MAIL FROM:<> BODY=BINARYMIME",
        Line::RcptMalformed => b"RCPT TO:<@>",
        Line::RcptForeign => b"RCPT TO:<b@elsewhere.example>",
        Line::Rcpt => b"RCPT TO:<b@example.org>",
        Line::DataArgument => b"DATA now",
        Line::Data => b"DATA",
        Line::StartTls => b"STARTTLS",
        Line::AuthUnknown => b"AUTH XYZZY",
        Line::XClientMalformed => b"XCLIENT XYZZY=1",
        Line::Quit => b"QUIT",
    };
    [text, b"\r\n"].concat()
}

/// What groups are made of; QUIT once, so that most go on.
const LINES: [Line; 26] = [
    Line::Noop,
    Line::Rset,
    Line::Vrfy,
    Line::Expn,
    Line::Help,
    Line::Unknown,
    Line::TooLong,
    Line::BareLineFeed,
    Line::Nul,
    Line::HeloBare,
    Line::Helo,
    Line::Ehlo,
    Line::MailMalformed,
    Line::MailParameter,
    Line::MailTooLarge,
    Line::Mail,
    Line::MailBinary,
    Line::RcptMalformed,
    Line::RcptForeign,
    Line::Rcpt,
    Line::DataArgument,
    Line::Data,
    Line::StartTls,
    Line::AuthUnknown,
    Line::XClientMalformed,
    Line::Quit,
];
