//! One connection to a next hop.
//!
//! In: an address, commands and content of a [`ClientSession`]. Out: its events. Guarantees: never blocks the shard;
//! every wait has a deadline, kept by the shard's watch; an event is told once, in order. Does not: decide what to say.
//!
//! RFC 5321 §4.5.3.2 (time-outs of a client).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use glommio::io::{PollState, PollableFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType,
    sockopt,
};

use super::resolve::Addresses;
use super::turns::Turn;
use super::{Failure, NextHop};
use crate::connection::{Activity, Interrupt, Watched};
use crate::limits;
use crate::smtp::client::{ClientOptions, ClientSession, ClientTls, Event};
use crate::tls::{ClientChannel, TlsError};

/// A connection to a next hop and the session on it.
#[derive(Debug)]
pub(super) struct Link {
    hop: Rc<NextHop>,
    socket: PollableFd<WatchedSocket>,
    /// Its place in the watch; none while it is idle.
    slot: Option<usize>,
    /// Leave to be used; none while it is idle.
    turn: Option<Turn>,
    pub(super) session: ClientSession,
    tls: Option<Box<TlsChannel>>,
    /// Octets received and not read: `memory[start..end]`.
    memory: Box<[u8]>,
    start: usize,
    end: usize,
    pub(super) messages_count: u32,
    pub(super) idle_since_ms: u64,
}

/// TLS on a connection.
#[derive(Debug)]
struct TlsChannel {
    channel: ClientChannel,
    /// Records to send.
    records: Vec<u8>,
    /// Room for records received.
    room: Box<[u8]>,
}

/// Lends the descriptor of a watched connection to the executor.
#[derive(Debug)]
struct WatchedSocket(Rc<Watched>);

impl AsRawFd for WatchedSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.socket.as_raw_fd()
    }
}

impl Link {
    /// Connects to the first address that accepts and opens the session, up to the point where a transaction may begin.
    /// Where TLS is only wished for and fails, another connection does without. No wait is longer than until `due_ms`.
    pub(super) async fn open(hop: &Rc<NextHop>, turn: Turn, due_ms: u64) -> Result<Self, Failure> {
        let opened = match Self::open_with(hop, &hop.options, due_ms).await {
            Err(Failure::Tls(_)) if hop.options.tls == ClientTls::Opportunistic => {
                Self::open_with(hop, &hop.plain_options, due_ms).await
            }
            opened => opened,
        };
        let mut link = opened?;
        link.turn = Some(turn);
        Ok(link)
    }

    async fn open_with(
        hop: &Rc<NextHop>,
        options: &Rc<ClientOptions>,
        last_due_ms: u64,
    ) -> Result<Self, Failure> {
        let mut link = Self::connect(hop, last_due_ms).await?;
        link.session = ClientSession::new(Rc::clone(options));
        loop {
            let due_ms = hop.due_ms(hop.limits.command_timeout_ms).min(last_due_ms);
            match link.exchange(due_ms).await? {
                Some(Event::Ready) => return Ok(link),
                Some(Event::StartTls) => {
                    let shaken = link.shake_hands(due_ms).await;
                    shaken.map_err(|failure| match failure {
                        // A next hop that leaves in the middle does not want this TLS.
                        Failure::Closed | Failure::Broken(_) => Failure::Tls(TlsError::NotReady),
                        failure => failure,
                    })?;
                    link.session.encrypted();
                }
                Some(Event::Unwilling(reply)) => {
                    link.part();
                    return Err(Failure::Unwilling(reply));
                }
                Some(_) => {
                    link.part();
                    return Err(Failure::NotSecure);
                }
                None => {}
            }
        }
    }

    /// Completes the handshake of TLS.
    async fn shake_hands(&mut self, due_ms: u64) -> Result<(), Failure> {
        let connector = self.hop.connector.as_ref().ok_or(Failure::NotSecure)?;
        let mut tls = Box::new(TlsChannel {
            channel: connector.connect().map_err(Failure::Tls)?,
            records: Vec::new(),
            room: vec![0; limits::NEXT_HOP_SEND_BUFFER_BYTES].into_boxed_slice(),
        });
        tls.channel.flush(&mut tls.records);
        self.tls = Some(tls);
        self.send_records(due_ms).await?;
        while self
            .tls
            .as_ref()
            .is_some_and(|tls| tls.channel.is_handshaking())
        {
            self.wait(Activity::Receiving, due_ms).await?;
            let received = self.receive_records();
            // What the next hop is told of a failure goes out too.
            self.send_records(due_ms).await?;
            received?;
        }
        Ok(())
    }

    async fn connect(hop: &Rc<NextHop>, due_ms: u64) -> Result<Self, Failure> {
        let found;
        let addresses: &[_] = match &hop.addresses {
            Addresses::Fixed(address) => std::slice::from_ref(address),
            Addresses::Named(named) => {
                found = named.found();
                &found
            }
            Addresses::Socket(path) => {
                let address = SocketAddrUnix::new(&**path).map_err(unreachable)?;
                return Self::connect_to(hop, &address.into(), due_ms).await;
            }
        };
        let mut last = Failure::Unresolved;
        for address in addresses {
            match Self::connect_to(hop, &(*address).into(), due_ms).await {
                Err(Failure::Stopping) => return Err(Failure::Stopping),
                Err(failure) => last = failure,
                Ok(link) => return Ok(link),
            }
        }
        Err(last)
    }

    async fn connect_to(
        hop: &Rc<NextHop>,
        address: &SocketAddrAny,
        last_due_ms: u64,
    ) -> Result<Self, Failure> {
        let socket = rustix::net::socket_with(
            address.address_family(),
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .map_err(unreachable)?;
        let is_local = address.address_family() == AddressFamily::UNIX;
        if !is_local {
            // Commands go out whole, and a reply is waited for: nothing is gained by waiting for more to send.
            sockopt::set_tcp_nodelay(&socket, true).map_err(unreachable)?;
        }
        let due_ms = hop.due_ms(hop.limits.connect_timeout_ms).min(last_due_ms);
        loop {
            match rustix::net::connect(&socket, address) {
                Ok(()) => return Self::new(hop, socket),
                Err(Errno::INPROGRESS | Errno::INTR) => break,
                // A full backlog of a socket of this machine, which nothing waits for (connect(2)).
                Err(Errno::AGAIN) if is_local && hop.due_ms(0) < due_ms => {
                    glommio::timer::sleep(CONNECT_AGAIN_AFTER).await;
                }
                Err(error) => return Err(unreachable(error)),
            }
        }
        let link = Self::new(hop, socket)?;
        match link.wait(Activity::Sending, due_ms).await {
            Ok(()) => {}
            Err(Failure::TimedOut) => return Err(unreachable(Errno::TIMEDOUT)),
            Err(failure) => return Err(failure),
        }
        let outcome = sockopt::socket_error(&link.watched().socket);
        match outcome.and_then(|outcome| outcome) {
            Ok(()) => Ok(link),
            Err(error) => Err(unreachable(error)),
        }
    }

    fn new(hop: &Rc<NextHop>, socket: OwnedFd) -> Result<Self, Failure> {
        let (slot, watched) = hop.watch.add(socket);
        let socket = PollableFd::new(WatchedSocket(watched)).map_err(|error| {
            hop.watch.remove(slot);
            Failure::Unreachable(error.into())
        })?;
        Ok(Self {
            hop: Rc::clone(hop),
            socket,
            slot: Some(slot),
            turn: None,
            session: ClientSession::new(Rc::clone(&hop.options)),
            tls: None,
            memory: vec![0; limits::NEXT_HOP_RECEIVE_BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            messages_count: 0,
            idle_since_ms: 0,
        })
    }

    /// Sends what the session has to say and waits until `due_ms` for what comes of it; none if no reply is awaited, or
    /// one has come that only led to another command.
    pub(super) async fn exchange(&mut self, due_ms: u64) -> Result<Option<Event>, Failure> {
        self.send(due_ms).await?;
        while self.session.awaits_reply() {
            let octets = &self.memory[self.start..self.end];
            let read = self.session.receive(octets);
            let (consumed, event) = read.map_err(Failure::Confused)?;
            self.start += consumed;
            // The reply to RSET is no event; without PIPELINING nothing else may be on its way behind it.
            let is_over = !self.session.output().is_empty() || !self.session.awaits_reply();
            if event.is_some() || is_over {
                return Ok(event);
            }
            self.receive(due_ms).await?;
        }
        Ok(None)
    }

    /// Sends what the session has to say.
    pub(super) async fn send(&mut self, due_ms: u64) -> Result<(), Failure> {
        if let Some(tls) = &mut self.tls {
            let written = tls.channel.write(self.session.output(), &mut tls.records);
            written.map_err(Failure::Tls)?;
            self.send_records(due_ms).await?;
            self.session.sent();
            return Ok(());
        }
        let mut sent = 0;
        while sent < self.session.output().len() {
            sent += self.try_send(&self.session.output()[sent..])?;
            if sent < self.session.output().len() {
                self.wait(Activity::Sending, due_ms).await?;
            }
        }
        self.session.sent();
        Ok(())
    }

    async fn send_records(&mut self, due_ms: u64) -> Result<(), Failure> {
        let mut sent = 0;
        while let Some(tls) = &self.tls
            && sent < tls.records.len()
        {
            sent += self.try_send(&tls.records[sent..])?;
            if sent < tls.records.len() {
                self.wait(Activity::Sending, due_ms).await?;
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.records.clear();
        }
        Ok(())
    }

    /// How many octets the kernel took.
    fn try_send(&self, octets: &[u8]) -> Result<usize, Failure> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(&self.watched().socket, octets, flags) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(broken(error)),
        }
    }

    async fn receive(&mut self, due_ms: u64) -> Result<(), Failure> {
        // Octets of an earlier record may be left.
        if self.tls.is_some() && self.read_plaintext()? {
            return Ok(());
        }
        loop {
            self.wait(Activity::Receiving, due_ms).await?;
            if self.try_receive()? {
                return Ok(());
            }
        }
    }

    /// Receives what is there into a buffer that has been read to its end; `false` when nothing is.
    fn try_receive(&mut self) -> Result<bool, Failure> {
        if self.tls.is_some() {
            return Ok(self.receive_records()? && self.read_plaintext()?);
        }
        self.start = 0;
        self.end = 0;
        let socket = &self.socket.get_ref().0.socket;
        match rustix::net::recv(socket, &mut self.memory[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(Failure::Closed),
            Ok((_, count)) => {
                self.end = count;
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }

    /// Receives records; `false` when none are there.
    fn receive_records(&mut self) -> Result<bool, Failure> {
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        let socket = &self.socket.get_ref().0.socket;
        let count = match rustix::net::recv(socket, &mut tls.room[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return Err(Failure::Closed),
            Ok((_, count)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(broken(error)),
        };
        let taken = tls.channel.take(&tls.room[..count]);
        tls.channel.flush(&mut tls.records);
        taken.map_err(Failure::Tls)?;
        Ok(true)
    }

    /// Reads plaintext of records received into a buffer that has been read to its end; `false` when there is none.
    fn read_plaintext(&mut self) -> Result<bool, Failure> {
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        self.start = 0;
        self.end = tls.channel.read(&mut self.memory).ok_or(Failure::Closed)?;
        Ok(0 < self.end)
    }

    /// What the next hop has said before it closed the connection in the middle of mail data, if it has said why.
    pub(super) fn last_words(&mut self) -> Option<Event> {
        self.session.message_cut();
        if !self.try_receive().ok()? {
            return None;
        }
        self.session.receive(&self.memory[..self.end]).ok()?.1
    }

    /// Whether the next hop has neither closed an idle connection nor said anything.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        let received = rustix::net::recv(&self.watched().socket, &mut [0; 1], flags);
        matches!(received, Err(Errno::AGAIN))
    }

    /// Whether a reply is there that nothing has been sent for. Under TLS it cannot be told from the protocol's own
    /// messages without reading it.
    pub(super) fn has_spoken_unasked(&self) -> bool {
        let is_asked = self.session.awaits_reply() || self.tls.is_some();
        !is_asked && (!self.is_quiet() || !self.is_drained())
    }

    /// Whether all that came has been read.
    pub(super) fn is_drained(&self) -> bool {
        self.start == self.end
    }

    /// Begins a pause: nothing watches the connection, and others may have its turn, which is given back.
    pub(super) fn pause(&mut self) -> Option<Turn> {
        self.hop.clock.refresh();
        self.idle_since_ms = self.hop.clock.now_ms();
        self.session.rest();
        self.unwatch();
        self.turn.take()
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self, turn: Turn) {
        self.turn = Some(turn);
        let watched = Rc::clone(&self.socket.get_ref().0);
        self.slot = Some(self.hop.watch.add_again(watched));
    }

    /// Gives the turn back, for a connection that is about to be dropped.
    pub(super) fn into_turn(mut self) -> Option<Turn> {
        self.turn.take()
    }

    /// Says goodbye, if the kernel takes it at once, and closes.
    pub(super) fn part(mut self) {
        if !self.session.output().is_empty() {
            return;
        }
        self.session.quit();
        // The connection is closed either way.
        let _ = match &mut self.tls {
            None => self.try_send(self.session.output()),
            Some(tls) => {
                let _ = tls.channel.write(self.session.output(), &mut tls.records);
                tls.channel.end(&mut tls.records);
                let records = std::mem::take(&mut tls.records);
                self.try_send(&records)
            }
        };
    }

    fn watched(&self) -> &Watched {
        &self.socket.get_ref().0
    }

    fn unwatch(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.hop.watch.remove(slot);
        }
    }

    /// Waits for readiness. One poll is armed per wait and always completes: the watch shuts the socket down in time.
    async fn wait(&self, activity: Activity, due_ms: u64) -> Result<(), Failure> {
        let failure = |interrupt| match interrupt {
            Interrupt::TimedOut => Failure::TimedOut,
            Interrupt::Stopping => Failure::Stopping,
        };
        if let Some(interrupt) = self.watched().interrupted() {
            return Err(failure(interrupt));
        }
        self.hop.watch.begin(self.watched(), activity, due_ms);
        let mut state = PollState::new();
        let ready = std::future::poll_fn(|task| match activity {
            Activity::Sending => self.socket.poll_writable(task, &mut state),
            Activity::Working | Activity::Paused | Activity::Idle | Activity::Receiving => {
                self.socket.poll_readable(task, &mut state)
            }
        })
        .await;
        self.hop.clock.refresh();
        if let Some(interrupt) = self.watched().end() {
            return Err(failure(interrupt));
        }
        ready.map_err(|error| Failure::Broken(error.into()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.unwatch();
    }
}

/// Between two attempts to connect to a socket whose backlog is full.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(10);

fn unreachable(error: Errno) -> Failure {
    Failure::Unreachable(error.into())
}

fn broken(error: Errno) -> Failure {
    match error {
        Errno::CONNRESET | Errno::PIPE => Failure::Closed,
        error => Failure::Broken(io::Error::from(error)),
    }
}
