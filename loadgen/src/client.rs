//! One connection: moves octets between a [`Channel`] and a [`Session`].
//!
//! In: readiness of the socket. Out: [`State`], whether the connection works, rests or is closed.
//! One read and one write per round trip; messages are written from the worker's templates, so
//! a connection holds no copy of them. Waits are bounded by [`Client::is_overdue`].
//! Knows no SMTP beyond the reply lines it hands on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::channel::{Begin, Channel};
use crate::histogram::Stage;
use crate::ledger::Ledger;
use crate::message::Template;
use crate::pacing::Unit;
use crate::plan::Plan;
use crate::reply::ReplyReader;
use crate::session::{Next, Output, Session};
use crate::tally::ErrorKind;
use crate::transcript::Transcript;

/// What the connections of one worker share for sending and receiving.
#[derive(Debug)]
pub(crate) struct Wire {
    /// One per seed.
    templates: Vec<Template>,
    input: Box<[u8]>,
    transcript: Option<Transcript>,
}

impl Wire {
    /// Buffers for a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let template = |seed| Template::new(plan.run, seed, plan.size_octets);
        Self {
            templates: (0..plan.seeds_count).map(template).collect(),
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            transcript: plan.has_transcript.then(Transcript::default),
        }
    }

    fn mail_data(&mut self, number: u64) -> &[u8] {
        let index = template_of(number, &self.templates);
        self.templates[index].mail_data(number)
    }
}

/// The index of the template of a message.
fn template_of(number: u64, templates: &[Template]) -> usize {
    let index = usize::try_from(number % templates.len() as u64);
    index.expect("less than the length of a list")
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A connect, a write or a reply is awaited.
    Working,
    /// The session is open and has no unit.
    Resting,
    /// There is no connection.
    Closed,
}

/// A connection and its session; both are reused.
#[derive(Debug)]
pub(crate) struct Client<'plan> {
    plan: &'plan Plan,
    session: Session<'plan>,
    reader: ReplyReader,
    channel: Option<Channel>,
    /// What is to be written, and how much of it is.
    output: Option<(Output<'plan>, usize)>,
    /// The last connect, whole reply or write.
    progress_at: Instant,
}

impl<'plan> Client<'plan> {
    /// A client without connection.
    pub(crate) fn new(plan: &'plan Plan, now: Instant) -> Self {
        Self {
            plan,
            session: Session::new(plan, now),
            reader: ReplyReader::default(),
            channel: None,
            output: None,
            progress_at: now,
        }
    }

    /// The socket, while there is one.
    pub(crate) fn socket(&self) -> Option<&Socket> {
        self.channel.as_ref().map(Channel::socket)
    }

    /// Whether a unit waits for a connection.
    pub(crate) const fn has_unit(&self) -> bool {
        self.session.has_unit()
    }

    /// Whether the connect is under way.
    pub(crate) fn is_connecting(&self) -> bool {
        self.channel.is_some() && self.session.stage() == Stage::Connect
    }

    /// Whether its connection opened in advance was refused, and no unit was charged with that.
    pub(crate) const fn has_verdict(&self) -> bool {
        self.session.has_verdict()
    }

    /// Whether the last connection was never established.
    pub(crate) fn was_unreachable(&self) -> bool {
        self.channel.is_none() && self.session.stage() == Stage::Connect
    }

    /// Gives a unit to a client that rests or is closed; see [`Session::assign`].
    pub(crate) fn assign(&mut self, unit: Unit, ledger: &mut Ledger<'_>, now: Instant) -> bool {
        self.session.assign(unit, ledger, now)
    }

    /// Begins to connect. A failure is noted; the client is closed then.
    pub(crate) fn connect(
        &mut self,
        source: Option<IpAddr>,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> State {
        self.session.connecting(ledger, now);
        self.reader.restart();
        self.output = None;
        self.progress_at = now;
        match open(self.plan, source) {
            Ok(socket) => {
                self.channel = Some(Channel::plain(socket));
                State::Working
            }
            Err(error) => self.fail(ErrorKind::Network, &error.to_string(), ledger, now),
        }
    }

    /// Begins the transaction of the unit at hand on a session that rests.
    pub(crate) fn begin(
        &mut self,
        wire: &mut Wire,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> State {
        let next = self.session.begin(now);
        self.go_on(next, wire, ledger, now)
    }

    /// Ends a session that rests.
    pub(crate) fn quit(&mut self, wire: &mut Wire, ledger: &mut Ledger<'_>, now: Instant) -> State {
        let next = self.session.quit();
        self.go_on(next, wire, ledger, now)
    }

    /// Whether nothing has moved for longer than the time-out.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.channel.is_some()
            && self.session.stage() != Stage::Idle
            && self.plan.timeout <= now.saturating_duration_since(self.progress_at)
    }

    /// Gives up a connection that is overdue.
    pub(crate) fn give_up(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> State {
        let text = format!(
            "after {} s; --timeout sets it",
            self.plan.timeout.as_secs_f64()
        );
        self.fail(ErrorKind::TimedOut, &text, ledger, now)
    }

    /// The socket is ready. `to_end`: the server has closed its side, so everything is read.
    pub(crate) fn ready(
        &mut self,
        to_end: bool,
        wire: &mut Wire,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> State {
        if self.is_connecting()
            && let Err(error) = self.establish(ledger, now)
        {
            return self.fail(ErrorKind::Network, &error.to_string(), ledger, now);
        }
        if let Some(state) = self.shake_hands(ledger, now) {
            return state;
        }
        if let Some(state) = self.read_all(to_end, wire, ledger, now) {
            return state;
        }
        self.write_all(wire, ledger, now)
    }

    /// Goes on with a TLS handshake, if one is under way. `Some` when nothing else can be done now.
    fn shake_hands(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> Option<State> {
        let channel = self.channel.as_mut()?;
        if self.session.stage() != Stage::Handshake {
            return None;
        }
        match channel.shake_hands() {
            Ok(true) => {
                self.progress_at = now;
                if let Next::Send(output) = self.session.secured(ledger, now) {
                    self.output = Some((output, 0));
                }
                None
            }
            Ok(false) => Some(self.state()),
            Err(error) => Some(self.fail(ErrorKind::Tls, &error.to_string(), ledger, now)),
        }
    }

    /// Begins TLS behind the reply to STARTTLS; `rest` is what came with it.
    fn secure(
        &mut self,
        rest_octets: usize,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> Option<State> {
        if 0 < rest_octets {
            let text = "octets behind the reply to STARTTLS";
            return Some(self.fail(ErrorKind::Unsolicited, text, ledger, now));
        }
        if let (Some(channel), Some(tls)) = (&mut self.channel, &self.plan.tls)
            && let Err(error) = channel.begin_tls(tls)
        {
            return Some(self.fail(ErrorKind::Tls, &error.to_string(), ledger, now));
        }
        self.shake_hands(ledger, now)
    }

    fn establish(&mut self, ledger: &mut Ledger<'_>, now: Instant) -> io::Result<()> {
        if let Some(error) = self.socket().map_or(Ok(None), Socket::take_error)? {
            return Err(error);
        }
        if let (Some(channel), Some(tls)) = (&mut self.channel, &self.plan.tls)
            && tls.begin == Begin::AtOnce
        {
            channel.begin_tls(tls)?;
        }
        self.progress_at = now;
        self.session.connected(ledger, now);
        Ok(())
    }

    /// Reads what is there. `Some` when the connection ended by it.
    fn read_all(
        &mut self,
        to_end: bool,
        wire: &mut Wire,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> Option<State> {
        loop {
            let channel = self.channel.as_mut()?;
            let tells_end = channel.tells_end_by_short_read();
            match channel.read(&mut wire.input) {
                Ok(0) => {
                    let text = "connection closed without a reply";
                    return Some(self.fail(ErrorKind::Closed, text, ledger, now));
                }
                Ok(count) => {
                    let state = self.digest(count, wire, ledger, now);
                    // Edge-triggered: a short read has emptied the socket, unless its end came.
                    let is_emptied = tells_end && count < wire.input.len() && !to_end;
                    if state.is_some() || is_emptied {
                        return state;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Some(self.fail(ErrorKind::Tls, &error.to_string(), ledger, now));
                }
                Err(error) => {
                    return Some(self.fail(ErrorKind::Network, &error.to_string(), ledger, now));
                }
            }
        }
    }

    /// Hands the reply lines among the first `count` octets of the input to the session.
    fn digest(
        &mut self,
        count: usize,
        wire: &mut Wire,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> Option<State> {
        let mut octets = wire.input.get(..count).unwrap_or_default();
        loop {
            let line = match self.reader.next(&mut octets) {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(malformed) => {
                    let text = malformed.to_string();
                    return Some(self.fail(ErrorKind::Malformed, &text, ledger, now));
                }
            };
            if let Some(transcript) = &mut wire.transcript {
                transcript.server(line.line);
            }
            if line.last {
                self.progress_at = now;
            }
            // While commands are being sent, replies to the first of them are in order.
            let is_early = self.output.is_some_and(|(output, written)| {
                let mail_data = output
                    .mail_data
                    .map(|number| template_of(number, &wire.templates));
                written <= mail_data.map_or(0, |index| wire.templates[index].octets() - 1)
            });
            if is_early && line.last {
                let unsent = matches!(self.output, Some((_, 0)));
                self.session.out_of_turn(&line, unsent, ledger, now);
                return Some(self.close());
            } else if is_early {
                continue;
            }
            match (self.session.line(&line, ledger, now), self.output) {
                (Next::Secure, _) => return self.secure(octets.len(), ledger, now),
                (Next::Await | Next::Rest, _) => {}
                (Next::Send(output), None) => self.output = Some((output, 0)),
                (Next::Send(_), Some(_)) => {
                    let text = "a command was answered before it was sent";
                    return Some(self.fail(ErrorKind::Unsolicited, text, ledger, now));
                }
                (Next::Close, _) => return Some(self.close()),
            }
        }
    }

    fn go_on(
        &mut self,
        next: Next<'plan>,
        wire: &mut Wire,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> State {
        match next {
            Next::Await | Next::Rest | Next::Secure => self.state(),
            Next::Close => self.close(),
            Next::Send(output) => {
                self.output = Some((output, 0));
                self.write_all(wire, ledger, now)
            }
        }
    }

    /// Writes what is to be written, as far as the socket takes it.
    fn write_all(&mut self, wire: &mut Wire, ledger: &mut Ledger<'_>, now: Instant) -> State {
        while let (Some((output, written)), Some(channel)) = (self.output, &mut self.channel) {
            if written == 0 {
                self.session.sending(now);
            }
            let mail_data = output
                .mail_data
                .map_or(&[][..], |number| wire.mail_data(number));
            let total = mail_data.len() + output.commands.len();
            match write_from(channel, written, mail_data, output.commands) {
                Ok(count) => {
                    self.progress_at = now;
                    let written = written + count;
                    if written < total {
                        self.output = Some((output, written));
                    } else {
                        self.output = None;
                        self.show(&output, wire);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The server may have said why before it closed.
                    let closed = self.read_all(true, wire, ledger, now);
                    let text = error.to_string();
                    let kind = ErrorKind::Network;
                    return closed.unwrap_or_else(|| self.fail(kind, &text, ledger, now));
                }
            }
        }
        if let Some(channel) = &mut self.channel {
            // What fails here fails the next read, too.
            drop(channel.flush());
        }
        self.state()
    }

    fn show(&self, output: &Output<'_>, wire: &mut Wire) {
        let Some(mut transcript) = wire.transcript.take() else {
            return;
        };
        if let Some(number) = output.mail_data {
            transcript.client(wire.mail_data(number));
        }
        transcript.client(output.commands);
        wire.transcript = Some(transcript);
    }

    fn state(&self) -> State {
        match (&self.channel, self.session.stage()) {
            (None, _) => State::Closed,
            (Some(_), Stage::Idle) => State::Resting,
            (Some(_), _) => State::Working,
        }
    }

    fn fail(
        &mut self,
        kind: ErrorKind,
        text: &str,
        ledger: &mut Ledger<'_>,
        now: Instant,
    ) -> State {
        let unsent = matches!(self.output, Some((_, 0)));
        self.session.lost(kind, text, unsent, ledger, now);
        self.close()
    }

    fn close(&mut self) -> State {
        if let Some(mut channel) = self.channel.take() {
            if self.plan.closes_by_reset {
                // Without it the socket closes in the ordinary way, which is no harm.
                drop(channel.socket().set_linger(Some(Duration::ZERO)));
            } else {
                channel.close();
            }
        }
        self.output = None;
        State::Closed
    }
}

/// Opens a socket and begins to connect it.
fn open(plan: &Plan, source: Option<IpAddr>) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(plan.to), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    match socket.connect(&SockAddr::from(plan.to)) {
        Ok(()) => Ok(socket),
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Ok(socket)
        }
        Err(error) => Err(error),
    }
}

/// Writes mail data and commands from the octet `from` on, in one system call.
fn write_from(
    channel: &mut Channel,
    from: usize,
    mail_data: &[u8],
    commands: &[u8],
) -> io::Result<usize> {
    let first = mail_data.get(from..).unwrap_or_default();
    let second = commands
        .get(from.saturating_sub(mail_data.len())..)
        .unwrap_or_default();
    let count = channel.write(first, second)?;
    if count == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(count)
}

/// Room for the replies of one read; more are read in turn.
const INPUT_BYTES: usize = 64 * 1024;
