//! Scripts at work: what they ask is awaited here, what they decide is done here.
//!
//! In: a hook's script instance, the connection's facts. Out: how it ended; for `connect` and `proxy`, whose callers lie
//! outside of the session, a [`Verdict`] or the session's [`Step`], for the others see `decision`. Guarantees: a
//! script holds the core for a slice at a time, then every other connection that can go on has its turn; one line of the
//! log per script error, nothing of it to the client; a connection that is ended meanwhile takes its script along.
//! Does not: interpret actions (`hook`), or see a script unless one is installed.
//!
//! HSL manual: "Connect", "Proxy".

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use postern_jit::execution::{Ending, HostAnswer, HostRequest, Outcome};

use super::transport::ConnectionError;
use super::{Connection, chunks, client_facts};
use crate::hook::{
    Facts, Failure, Function, HookInstance, Hooks, Run, Turn, Variable, connect, helo, proxy, tls,
};
use crate::log::Level;
use crate::shard::Held;
use crate::smtp::command::{Chunk, Command, SyntaxError};
use crate::smtp::extension::Extension;
use crate::smtp::reply::{EightBitText, Replies, Reply};
use crate::smtp::session::{ClientFacts, Session, State, Step};

/// What becomes of a connection before its greeting.
pub(super) enum Verdict {
    /// The client is greeted, with this text behind the host name.
    Greet(Option<Box<[u8]>>),
    /// The last reply waits to be sent.
    Refused,
}

/// Asks the script of the hook `connect`, if there is one.
pub(super) async fn connect(connection: &mut Connection) -> Result<Verdict, ConnectionError> {
    let Some(instance) = connection.hooks().connect.clone() else {
        return Ok(Verdict::Greet(None));
    };
    let ending = drive(connection, &instance, 0).await?;
    let action = ending.and_then(connect::action).unwrap_or_else(|failure| {
        connection.report(&instance, &failure);
        connect::on_error()
    });
    match action {
        connect::Action::Accept(accept) => {
            if let Some(address) = accept.senderip {
                connection.rename(address);
            }
            if let Some(name) = &accept.senderptr {
                let line = connection.line(Level::Connection, "client_named");
                drop(line.map(|line| line.octets("name", name)));
            }
            connection.count_for_client()?;
            Ok(Verdict::Greet(accept.reason))
        }
        connect::Action::Refuse(refusal) => {
            connection.commons.counters.connections_refused.increment();
            let line = connection.line(Level::Message, "connection_refused");
            let code = refusal.code.number();
            drop(line.map(|line| line.word("hook", instance.hook()).word("code", code)));
            connection.replies.push(&refusal.to_reply(None));
            Ok(Verdict::Refused)
        }
    }
}

/// Asks the script of the hook `proxy` about the first `line_octets` of the receive buffer, a line with its CRLF, and
/// consumes them.
pub(super) async fn proxy(
    connection: &mut Connection,
    line_octets: usize,
) -> Result<Step, ConnectionError> {
    let Some(instance) = connection.hooks().proxy.clone() else {
        return Ok(Step::Continue);
    };
    let ending = drive(connection, &instance, line_octets).await?;
    let action = ending.and_then(proxy::action).unwrap_or_else(|failure| {
        connection.report(&instance, &failure);
        proxy::on_error()
    });
    let (proxy::Action::Pass { next, .. } | proxy::Action::Reply { next, .. }) = action;
    // What a script has asked for may be anything, a password too.
    let is_hidden = std::mem::replace(&mut connection.script_wants_next, next);
    if let Some(chunk) = chunk_left_out(connection, &action, line_octets) {
        // Boxed: an idle connection must not have room for it.
        return Box::pin(leave_chunk_out(connection, &action, line_octets, chunk)).await;
    }
    let octets = connection.receive_buffer.octets();
    let line = without_end(&octets[..line_octets]);
    let before = connection.session.counters();
    if !is_hidden {
        connection.session.note_raw_line(line);
    }
    let step = match action {
        proxy::Action::Pass { command, .. } => {
            let line = Ok(command.as_deref().unwrap_or(line));
            connection.judge_line(line, octets.len() - line_octets)?;
            let (session, replies) = (&mut connection.session, &mut connection.replies);
            session.take_line(line, replies)
        }
        proxy::Action::Reply {
            reply, disconnect, ..
        } => {
            let default = proxy::default_enhanced(line, reply.code);
            let (session, replies) = (&mut connection.session, &mut connection.replies);
            let step = say(session, replies, &reply.to_reply(default));
            if disconnect { Step::Close } else { step }
        }
    };
    connection.note_refusal(before, if is_hidden { b"(hidden)" } else { line });
    connection.receive_buffer.consume(line_octets);
    Ok(step)
}

/// Says what a script decided.
fn say(session: &mut Session, replies: &mut Replies, reply: &Reply<'_>) -> Step {
    if session.extensions().offers(Extension::EightBitMime) {
        replies.set_eight_bit_text(EightBitText::Allowed);
    }
    let step = session.reply_scripted(reply, replies);
    replies.set_eight_bit_text(EightBitText::Replaced);
    step
}

/// The chunk that a line announces, if its script keeps BDAT from the state machine: its octets come nevertheless, and
/// must not be taken for commands.
fn chunk_left_out(
    connection: &Connection,
    action: &proxy::Action,
    line_octets: usize,
) -> Option<Chunk> {
    let line = without_end(&connection.receive_buffer.octets()[..line_octets]);
    let Ok(Command::Bdat(chunk)) = Command::parse(line) else {
        return None;
    };
    match action {
        proxy::Action::Pass { command: None, .. } => None,
        proxy::Action::Pass {
            command: Some(command),
            ..
        } => match Command::parse(command) {
            Ok(Command::Bdat(passed)) if passed.octets() == chunk.octets() => None,
            _ => Some(chunk),
        },
        proxy::Action::Reply { .. } => Some(chunk),
    }
}

/// Throws a chunk away, then does what the script decided about its BDAT.
async fn leave_chunk_out(
    connection: &mut Connection,
    action: &proxy::Action,
    line_octets: usize,
    chunk: Chunk,
) -> Result<Step, ConnectionError> {
    connection.receive_buffer.consume(line_octets);
    let is_skipped = chunks::throw_away(connection, chunk.octets()).await?;
    let (session, replies) = (&mut connection.session, &mut connection.replies);
    let step = match action {
        proxy::Action::Reply {
            reply, disconnect, ..
        } => {
            let default = proxy::default_enhanced(b"BDAT", reply.code);
            let step = say(session, replies, &reply.to_reply(default));
            if *disconnect { Step::Close } else { step }
        }
        proxy::Action::Pass { command, .. } => match command.as_deref().map(Command::parse) {
            // Of another size than what the client sends.
            Some(Ok(Command::Bdat(_))) | None => session.step(Err(SyntaxError::ChunkSize), replies),
            Some(command) => session.step(command, replies),
        },
    };
    Ok(if is_skipped { step } else { Step::Close })
}

/// Runs a script to its end. `line_octets` as in [`proxy`]; the line stays in the receive buffer meanwhile.
pub(super) async fn drive(
    connection: &mut Connection,
    instance: &HookInstance,
    line_octets: usize,
) -> Result<Result<Ending, Failure>, ConnectionError> {
    match connection.run_at_once(instance, line_octets) {
        Course::Over(ending) => Ok(ending),
        // Boxed: few scripts wait, and an idle connection must not have room for one.
        Course::Waits(run) => Box::pin(outwait(connection, instance, line_octets, run)).await,
    }
}

/// How far a script has come without waiting.
enum Course {
    /// To its end.
    Over(Result<Ending, Failure>),
    /// To where it must wait.
    Waits(Box<WaitingRun>),
}

/// A script that waits, and for what.
struct WaitingRun {
    run: Run,
    turn: Turn,
}

/// Runs a script that has to wait to its end.
async fn outwait(
    connection: &mut Connection,
    instance: &HookInstance,
    line_octets: usize,
    waiting: Box<WaitingRun>,
) -> Result<Result<Ending, Failure>, ConnectionError> {
    let commons = Rc::clone(&connection.commons);
    let now_us = || commons.clock.measure_us();
    let WaitingRun { mut run, mut turn } = *waiting;
    let mut held = Held::new(Rc::clone(&commons.exchange));
    loop {
        turn = match turn {
            Turn::Ended(outcome) => return Ok(connection.keep(instance, outcome)),
            Turn::Stopped(failure) => return Ok(Err(failure)),
            Turn::Asks(request) => connection.reply_to(&mut run, instance, &request, line_octets),
            Turn::AsksProcess(request) => {
                let wait = Duration::from_micros(run.wall_left_us(now_us()));
                let answer = held.ask(request, wait).await;
                if let Some(interrupt) = connection.transport.interrupted() {
                    return Err(ConnectionError::Interrupted(interrupt));
                }
                match answer {
                    Some(answer) => run.answer_process(answer, now_us),
                    None => run.time_out(),
                }
            }
            Turn::SliceOver => {
                glommio::executor().yield_now().await;
                if let Some(interrupt) = connection.transport.interrupted() {
                    return Err(ConnectionError::Interrupted(interrupt));
                }
                run.resume(now_us)
            }
        };
    }
}

impl Connection {
    /// The scripts of its profile.
    pub(super) fn hooks(&self) -> &Hooks {
        &self.commons.served[self.served].hooks
    }

    /// Whether the script of the hook `proxy` is asked about the next line: about every command, and about the answer to
    /// a challenge of AUTH if the script has asked for it.
    pub(super) fn scripts_see_next_line(&self) -> bool {
        self.script_wants_next || self.session.state() != State::InSasl
    }

    fn start(&mut self, instance: &HookInstance, line_octets: usize) -> Result<Run, Failure> {
        if instance.reads_any(&[Variable::MessageId, Variable::Transaction]) {
            let _ = self.transaction_id();
        }
        let now_us = self.commons.clock.measure_us();
        instance.start(&self.facts(instance, line_octets), now_us)
    }

    fn facts(&self, instance: &HookInstance, line_octets: usize) -> Facts<'_> {
        const NAME_THE_SERVER: [Variable; 4] = [
            Variable::Arguments,
            Variable::Connection,
            Variable::ServerIp,
            Variable::ServerPort,
        ];
        let server = if instance.reads_any(&NAME_THE_SERVER) {
            self.server_address()
        } else {
            None
        };
        Facts {
            client: self.client,
            server,
            server_id: &self.profile().id,
            session: &self.session,
            transaction_id: self.session.transaction_id().copied(),
            command: without_end(&self.receive_buffer.octets()[..line_octets]),
            context: self.context.as_deref(),
        }
    }

    /// Runs a script up to where it ends or must wait: almost every one ends.
    fn run_at_once(&mut self, instance: &HookInstance, line_octets: usize) -> Course {
        let mut run = match self.start(instance, line_octets) {
            Ok(run) => run,
            Err(failure) => return Course::Over(Err(failure)),
        };
        let mut turn = run.resume(|| self.commons.clock.measure_us());
        loop {
            turn = match turn {
                Turn::Ended(outcome) => return Course::Over(self.keep(instance, outcome)),
                Turn::Stopped(failure) => return Course::Over(Err(failure)),
                Turn::Asks(request) => self.reply_to(&mut run, instance, &request, line_octets),
                turn @ (Turn::AsksProcess(_) | Turn::SliceOver) => {
                    return Course::Waits(Box::new(WaitingRun { run, turn }));
                }
            };
        }
    }

    /// Answers what a script asks of its connection, and runs it for a slice.
    fn reply_to(
        &mut self,
        run: &mut Run,
        instance: &HookInstance,
        request: &HostRequest,
        line_octets: usize,
    ) -> Turn {
        match self.answer(instance, request, line_octets) {
            Ok(answer) => run.answer(answer, || self.commons.clock.measure_us()),
            Err(error) => run.refuse(error),
        }
    }

    /// Answers what a script asks.
    fn answer(
        &mut self,
        instance: &HookInstance,
        request: &HostRequest,
        line_octets: usize,
    ) -> Result<HostAnswer, postern_jit::error::ErrorKind> {
        let asked = instance.hook().function(request.function);
        if asked == Some(Function::GetExtensions) {
            return Ok(HostAnswer {
                value: helo::extension_list(self.session.offered()),
                updates: Vec::new(),
            });
        }
        if asked == Some(Function::GetTls) {
            return tls::answer(request, self.session.tls());
        }
        let address = connect::sender_ip(request)?;
        if let Some(address) = address {
            self.rename(address);
        }
        Ok(instance.sender_ip_answer(address, &self.facts(instance, line_octets)))
    }

    /// Takes over what a script left behind.
    fn keep(&mut self, instance: &HookInstance, mut outcome: Outcome) -> Result<Ending, Failure> {
        let context = instance.take_context(&mut outcome);
        for text in &outcome.output {
            let line = self.line(Level::Message, "echo");
            drop(line.map(|line| line.word("hook", instance.hook()).octets("text", text)));
        }
        if let Some(context) = context? {
            self.context = Some(Box::new(context));
        }
        Ok(outcome.ending)
    }

    /// Gives the client another address, for the log, later scripts, the session and the trace header.
    pub(super) fn rename(&mut self, address: IpAddr) {
        self.client = SocketAddr::new(address, self.client.port());
        let facts = ClientFacts {
            xclient: self.session.client().xclient,
            ..client_facts(self.profile(), address)
        };
        self.session.set_client(facts);
    }

    /// Counts a client that has another address now under that one, where a limit may be reached.
    pub(super) fn count_for_client(&mut self) -> Result<(), ConnectionError> {
        let second = self.commons.clock.now_ms() / 1_000;
        let counted = self.permit.transfer(self.client.ip(), second);
        counted.map_err(ConnectionError::NotAdmitted)
    }

    /// The one line of the log about a script error.
    pub(super) fn report(&self, instance: &HookInstance, failure: &Failure) {
        let Some(line) = self.line(Level::Warning, "script_error") else {
            return;
        };
        let mut line = line.word("hook", instance.hook());
        if let Some(place) = failure.place(instance.sources()) {
            line = line.octets("at", place.as_bytes());
        }
        drop(line.octets("message", failure.to_string().as_bytes()));
    }
}

/// A line without its CRLF; nothing stays nothing.
fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}
