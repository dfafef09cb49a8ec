//! One SMTP session as the client sees it: which reply is awaited, and what to send after it.
//!
//! In: replies and losses of the connection. Out: [`Next`], what to do with the connection.
//! Any reply to anything is answered sensibly: a refused transaction is noted and the next one
//! begun, a session the server ends is left. Each unit is noted exactly once. Does no I/O.
//!
//! ```text
//! Connect -> Greeting -> Ehlo -> Idle -> Mail -> Rcpt... -> Data -> EndOfData -> Idle ... Quit
//!                                          \_______\_________\-> Rset -> Idle
//! ```
//!
//! A TLS handshake follows Connect, or Ehlo and StartTls; then Ehlo comes again.
//!
//! RFC 5321 §3, §4.3.1 (sequences), RFC 3207 §4, RFC 2920 §3.1 (pipelining; a message with no recipient left
//! is sent empty).

use std::time::{Duration, Instant};

use crate::channel::Begin;
use crate::histogram::Stage;
use crate::ledger::Ledger;
use crate::pacing::{Take, Unit};
use crate::plan::{Mode, Plan};
use crate::reply::ReplyLine;
use crate::tally::ErrorKind;

/// What to do with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next<'plan> {
    /// Nothing: more replies come.
    Await,
    /// Send this and await replies.
    Send(Output<'plan>),
    /// Begin TLS; nothing else is awaited.
    Secure,
    /// Nothing to do until there is a unit.
    Rest,
    /// Close it.
    Close,
}

/// Octets to send: the mail data of a message, if any, and commands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output<'plan> {
    /// The number of the message.
    pub(crate) mail_data: Option<u64>,
    /// Command lines; may be empty.
    pub(crate) commands: &'plan [u8],
}

/// The end of a connection that was opened before any unit needed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Reply(u16),
    NoReply,
}

/// The state of one session; reused for the next one.
#[derive(Debug)]
pub(crate) struct Session<'plan> {
    plan: &'plan Plan,
    stage: Stage,
    /// The unit that is under way, or that the next connection is for.
    unit: Option<Unit>,
    /// The unit whose envelope was sent behind the mail data of `unit`.
    ahead: Option<Unit>,
    /// How the connection ended that was opened in advance.
    verdict: Option<Verdict>,
    offers_pipelining: bool,
    /// Whether TLS has begun.
    is_secure: bool,
    /// When the handshake could begin.
    handshake_from: Instant,
    /// Whether the commands of this transaction went out together.
    is_pipelined: bool,
    mail_accepted: bool,
    rcpt_replies: usize,
    rcpt_accepted: usize,
    /// The first refusal of this transaction.
    refusal: Option<u16>,
    /// Whether the mail data under way is empty, for want of a recipient.
    is_void: bool,
    quit_sent: bool,
    rset_due: bool,
    messages_count: u64,
    /// From here the latency of the session counts.
    session_from: Instant,
    /// When the envelope of `unit` was sent.
    begun: Instant,
    /// When the commands whose replies are awaited were sent.
    sent: Instant,
}

impl<'plan> Session<'plan> {
    /// A session without connection.
    pub(crate) fn new(plan: &'plan Plan, now: Instant) -> Self {
        Self {
            plan,
            stage: Stage::Connect,
            unit: None,
            ahead: None,
            verdict: None,
            offers_pipelining: false,
            is_secure: false,
            handshake_from: now,
            is_pipelined: false,
            mail_accepted: false,
            rcpt_replies: 0,
            rcpt_accepted: 0,
            refusal: None,
            is_void: false,
            quit_sent: false,
            rset_due: false,
            messages_count: 0,
            session_from: now,
            begun: now,
            sent: now,
        }
    }

    /// The reply that is awaited.
    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether a unit waits for a connection or is under way on one.
    pub(crate) const fn has_unit(&self) -> bool {
        self.unit.is_some()
    }

    /// Whether a connection opened in advance was refused, and no unit was charged with that.
    pub(crate) const fn has_verdict(&self) -> bool {
        self.verdict.is_some()
    }

    /// Gives work to a session that has none. `false`: the unit was decided at once, by what
    /// had happened to the connection opened in advance.
    pub(crate) fn assign(&mut self, unit: Unit, ledger: &mut Ledger<'_>, now: Instant) -> bool {
        self.begun = now;
        let from = ledger.counts_from(unit, now);
        match self.verdict.take() {
            None => {
                self.unit = Some(unit);
                return true;
            }
            Some(Verdict::Reply(code)) => ledger.decide(code, from, now),
            Some(Verdict::NoReply) => ledger.lose(now),
        }
        false
    }

    /// A connect begins; the unit, if any, is kept.
    pub(crate) fn connecting(&mut self, ledger: &Ledger<'_>, now: Instant) {
        let session_from = self.unit.map_or(now, |unit| ledger.counts_from(unit, now));
        *self = Self {
            unit: self.unit,
            session_from,
            ..Self::new(self.plan, now)
        };
    }

    /// The connection is established.
    pub(crate) fn connected(&mut self, ledger: &mut Ledger<'_>, now: Instant) {
        ledger.tally.connections += 1;
        ledger
            .tally
            .latency(Stage::Connect, now.saturating_duration_since(self.sent));
        // The clock runs on: connect and greeting are often noticed together.
        self.handshake_from = now;
        self.stage = match self.plan.tls_begin() {
            Some(Begin::AtOnce) => Stage::Handshake,
            Some(Begin::OnRequest) | None => Stage::Greeting,
        };
    }

    /// The TLS handshake is complete.
    pub(crate) fn secured(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        let latency = now.saturating_duration_since(self.handshake_from);
        ledger.tally.latency(Stage::Handshake, latency);
        self.is_secure = true;
        self.offers_pipelining = false;
        if self.plan.tls_begin() == Some(Begin::AtOnce) {
            self.stage = Stage::Greeting;
            return Next::Await;
        }
        self.stage = Stage::Ehlo;
        send(&self.plan.ehlo)
    }

    /// The octets of the last [`Next::Send`] are being written.
    pub(crate) const fn sending(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Begins the transaction of the unit at hand, on a session that rests.
    pub(crate) fn begin(&mut self, now: Instant) -> Next<'plan> {
        let Some(unit) = self.unit else {
            return Next::Rest;
        };
        self.begun = now;
        self.is_pipelined = self.plan.mode.is_pipelined() && self.offers_pipelining;
        self.expect_envelope();
        let envelope = self.plan.envelope(unit.number);
        send(if self.is_pipelined {
            envelope.whole()
        } else {
            envelope.mail()
        })
    }

    /// Ends a session that rests.
    pub(crate) const fn quit(&mut self) -> Next<'plan> {
        self.quit_sent = true;
        self.stage = Stage::Quit;
        send(b"QUIT\r\n")
    }

    /// Takes one line of a reply.
    pub(crate) fn line(
        &mut self,
        line: &ReplyLine<'_>,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> Next<'plan> {
        if self.stage == Stage::Ehlo && line.text().eq_ignore_ascii_case(b"PIPELINING") {
            self.offers_pipelining = true;
        }
        if !line.last {
            return Next::Await;
        }
        let latency = match self.stage {
            Stage::Idle => Duration::ZERO,
            _ => now.saturating_duration_since(self.sent),
        };
        ledger.tally.reply(self.stage, line.code, latency);
        self.explain_refusal(line, ledger);
        if line.code == 421 {
            return self.ended_by_server(ledger, now);
        }
        self.answer(line.code, ledger, now)
    }

    /// Keeps the text of a reply that will make the run fail.
    fn explain_refusal(&self, line: &ReplyLine<'_>, ledger: &mut Ledger<'_>) {
        let is_refusal = match self.stage {
            Stage::Data => line.code != 354,
            Stage::EndOfData => line.code != self.plan.expect && !self.is_void,
            _ => 400 <= line.code,
        };
        if is_refusal && line.code != self.plan.expect {
            let stage = self.stage.name();
            let explain = || format!("reply at {stage}: {}", String::from_utf8_lossy(line.line));
            ledger.tally.sample(explain);
        }
    }

    /// Acts on a whole reply that does not end the session.
    fn answer(&mut self, code: u16, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        match self.stage {
            Stage::Greeting if code == 220 => {
                self.stage = Stage::Ehlo;
                send(&self.plan.ehlo)
            }
            Stage::Greeting => {
                self.decide(code, ledger, now);
                Next::Close
            }
            Stage::Ehlo
                if code == 250
                    && !self.is_secure
                    && self.plan.tls_begin() == Some(Begin::OnRequest) =>
            {
                self.stage = Stage::StartTls;
                send(b"STARTTLS\r\n")
            }
            Stage::Ehlo if code == 250 => self.greeted(ledger, now),
            Stage::StartTls if code == 220 => {
                self.stage = Stage::Handshake;
                self.handshake_from = now;
                Next::Secure
            }
            Stage::Ehlo | Stage::StartTls => {
                self.decide(code, ledger, now);
                self.quit()
            }
            Stage::Mail => self.mail_answered(code, ledger, now),
            Stage::Rcpt => self.rcpt_answered(code, ledger, now),
            Stage::Data => self.data_answered(code, ledger, now),
            Stage::EndOfData => self.mail_data_answered(code, ledger, now),
            Stage::Rset => self.next_unit(ledger, now),
            Stage::Quit => {
                self.quit_answered(code, ledger, now);
                Next::Close
            }
            Stage::Connect | Stage::Handshake | Stage::Idle => {
                ledger.error(
                    self.stage,
                    ErrorKind::Unsolicited,
                    "no command awaited a reply",
                );
                Next::Close
            }
        }
    }

    fn greeted(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        if self.plan.mode == Mode::Conn {
            return self.quit();
        }
        if self.plan.mode.is_pipelined() && !self.offers_pipelining {
            ledger.tally.without_pipelining += 1;
        }
        self.stage = Stage::Idle;
        self.begin(now)
    }

    fn mail_answered(&mut self, code: u16, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        self.mail_accepted = code == 250;
        if !self.mail_accepted {
            self.refusal = Some(code);
        }
        if !self.is_pipelined && !self.mail_accepted {
            self.decide(code, ledger, now);
            return self.after_transaction(ledger, now);
        }
        self.stage = Stage::Rcpt;
        if self.is_pipelined {
            Next::Await
        } else {
            self.send_rcpt()
        }
    }

    fn send_rcpt(&self) -> Next<'plan> {
        let number = self.unit.map_or(0, |unit| unit.number);
        send(self.plan.envelope(number).rcpt(self.rcpt_replies))
    }

    fn rcpt_answered(&mut self, code: u16, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        self.rcpt_replies += 1;
        // RFC 5321 §4.3.2: 251 and 252 accept the recipient too.
        if matches!(code, 250..=252) {
            self.rcpt_accepted += 1;
        } else {
            ledger.tally.recipients_refused += 1;
            self.refusal.get_or_insert(code);
        }
        if self.rcpt_replies < self.plan.recipients_count {
            return if self.is_pipelined {
                Next::Await
            } else {
                self.send_rcpt()
            };
        }
        if !self.is_pipelined && self.rcpt_accepted == 0 {
            self.rset_due = true;
            self.decide(self.refusal.unwrap_or(code), ledger, now);
            return self.after_transaction(ledger, now);
        }
        self.stage = Stage::Data;
        if self.is_pipelined {
            Next::Await
        } else {
            send(b"DATA\r\n")
        }
    }

    fn data_answered(&mut self, code: u16, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        if code != 354 {
            self.rset_due = self.mail_accepted;
            self.decide(self.refusal.unwrap_or(code), ledger, now);
            return self.after_transaction(ledger, now);
        }
        self.stage = Stage::EndOfData;
        let Some(unit) = self
            .unit
            .filter(|_| self.mail_accepted && 0 < self.rcpt_accepted)
        else {
            // RFC 2920 §3.1: the server may accept DATA after it refused every recipient; then
            // the client sends an empty message.
            self.is_void = true;
            return send(b".\r\n");
        };
        let commands: &[u8] = match self.plan.mode {
            Mode::Onep if self.is_pipelined => {
                self.quit_sent = true;
                b"QUIT\r\n"
            }
            Mode::Next if self.is_pipelined => self.take_ahead(ledger, now),
            _ => b"",
        };
        Next::Send(Output {
            mail_data: Some(unit.number),
            commands,
        })
    }

    /// The envelope of the next unit, if there is one and the connection may serve it.
    fn take_ahead(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> &'plan [u8] {
        if self.plan.messages_per_connection_max <= self.messages_count + 1 {
            return b"";
        }
        let Take::Now(unit) = ledger.take(now) else {
            return b"";
        };
        self.ahead = Some(unit);
        self.plan.envelope(unit.number).whole()
    }

    fn mail_data_answered(
        &mut self,
        code: u16,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> Next<'plan> {
        if let (250, false, Some(unit)) = (code, self.is_void, self.unit) {
            ledger.acknowledge(unit);
        }
        let deciding = if self.is_void {
            self.refusal.unwrap_or(code)
        } else {
            code
        };
        self.decide(deciding, ledger, now);
        self.after_transaction(ledger, now)
    }

    /// Goes on after a transaction that has been decided.
    fn after_transaction(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        self.messages_count += 1;
        if let Some(ahead) = self.ahead.take() {
            self.unit = Some(ahead);
            self.begun = self.sent;
            self.expect_envelope();
            return Next::Await;
        }
        if self.quit_sent {
            self.stage = Stage::Quit;
            return Next::Await;
        }
        let is_last = self.plan.messages_per_connection_max <= self.messages_count;
        if is_last || !self.plan.mode.is_persistent() {
            return self.quit();
        }
        if self.rset_due {
            self.rset_due = false;
            self.stage = Stage::Rset;
            return send(b"RSET\r\n");
        }
        self.next_unit(ledger, now)
    }

    fn next_unit(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        self.stage = Stage::Idle;
        match ledger.take(now) {
            Take::Now(unit) => {
                self.unit = Some(unit);
                self.begin(now)
            }
            Take::At(_) => Next::Rest,
            Take::Exhausted => self.quit(),
        }
    }

    fn quit_answered(&mut self, code: u16, ledger: &mut Ledger<'_>, now: Instant) {
        if !self.plan.mode.is_persistent() {
            let latency = now.saturating_duration_since(self.session_from);
            ledger.tally.session.record(latency);
        }
        self.decide(code, ledger, now);
    }

    fn expect_envelope(&mut self) {
        self.stage = Stage::Mail;
        self.mail_accepted = false;
        self.rcpt_replies = 0;
        self.rcpt_accepted = 0;
        self.refusal = None;
        self.is_void = false;
    }

    /// Notes the reply that decides the unit at hand, or, without one, the connection's fate.
    fn decide(&mut self, code: u16, ledger: &mut Ledger<'_>, now: Instant) {
        if let Some(unit) = self.unit.take() {
            let begun = if self.plan.mode == Mode::Conn {
                self.session_from
            } else {
                self.begun
            };
            ledger.decide(code, ledger.counts_from(unit, begun), now);
        } else if self.stage < Stage::Mail {
            self.verdict = Some(Verdict::Reply(code));
        }
    }

    /// 421: the server closes the connection. A transaction it had not yet carried further than
    /// the envelope is begun again elsewhere, as a mail system would, if the session had carried
    /// messages before; so a server's limit of messages per session is no error.
    fn ended_by_server(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> Next<'plan> {
        let in_envelope = matches!(self.stage, Stage::Mail | Stage::Rcpt | Stage::Data);
        if self.stage == Stage::Idle {
            ledger.tally.closed_idle += 1;
        } else if in_envelope && 0 < self.messages_count && self.plan.expect != 421 {
            ledger.tally.begun_again += 1;
        } else {
            self.decide(421, ledger, now);
            self.keep_ahead(ledger);
        }
        Next::Close
    }

    /// Takes the last line of a reply that came before all of the output was sent. `unsent`:
    /// nothing of it was.
    pub(crate) fn out_of_turn(
        &mut self,
        line: &ReplyLine<'_>,
        unsent: bool,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) {
        let text = String::from_utf8_lossy(line.line).into_owned();
        if unsent && line.code == 421 {
            ledger.tally.reply(Stage::Idle, line.code, Duration::ZERO);
            self.lost(ErrorKind::Closed, &text, unsent, ledger, now);
        } else if unsent {
            self.lost(ErrorKind::Unsolicited, &text, unsent, ledger, now);
        } else {
            // The server would not hear the message out: a refusal, and the rest of it must not
            // be taken for commands.
            ledger.tally.reply(
                self.stage,
                line.code,
                now.saturating_duration_since(self.sent),
            );
            self.explain_refusal(line, ledger);
            self.decide(line.code, ledger, now);
            self.keep_ahead(ledger);
        }
    }

    /// The connection is gone, or has to go. `unsent`: nothing of the last output was sent.
    pub(crate) fn lost(
        &mut self,
        kind: ErrorKind,
        text: &str,
        unsent: bool,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) {
        let between = matches!(self.stage, Stage::Mail | Stage::Rset | Stage::Quit);
        let is_idle = self.stage == Stage::Idle || (unsent && between && 0 < self.messages_count);
        if is_idle && matches!(kind, ErrorKind::Closed | ErrorKind::Network) {
            ledger.tally.closed_idle += 1;
            ledger.tally.begun_again += u64::from(self.unit.is_some());
            return;
        }
        ledger.error(self.stage, kind, text);
        if self.unit.take().is_some() {
            ledger.lose(now);
        } else if self.stage < Stage::Mail {
            self.verdict = Some(Verdict::NoReply);
        }
        self.keep_ahead(ledger);
    }

    /// The unit whose envelope was sent ahead got no reply at all: the next connection is for it.
    fn keep_ahead(&mut self, ledger: &mut Ledger<'_>) {
        if let Some(ahead) = self.ahead.take() {
            ledger.tally.begun_again += 1;
            self.unit = Some(ahead);
        }
    }
}

const fn send(commands: &[u8]) -> Next<'_> {
    Next::Send(Output {
        mail_data: None,
        commands,
    })
}
