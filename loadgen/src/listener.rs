//! The loop under `sink` and `null`: accepts, reads, writes; one thread, edge-triggered epoll.
//!
//! In: connections, and a [`Responder`] that turns octets into replies. Out: what the responder
//! counted. One read and one write per round trip. Reply buffers are bounded: who does not read
//! its replies is disconnected. Does not know SMTP.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{SocketFlags, accept_with};
use rustix::time::Timespec;
use socket2::{Domain, Protocol, Socket, Type};

/// Turns what a client sends into replies.
pub(crate) trait Responder {
    /// What it remembers of one connection.
    type Session: Default + Send;

    /// Sent to each new connection.
    fn greeting(&mut self) -> &'static [u8];

    /// Takes octets and appends replies. Returns how many octets it has dealt with, and how to go
    /// on; it must deal with all of them unless it does not continue.
    fn receive(
        &mut self,
        session: &mut Self::Session,
        octets: &[u8],
        replies: &mut Vec<u8>,
    ) -> (usize, Flow);

    /// Whether it has seen enough.
    fn is_done(&self) -> bool;
}

/// How to go on after octets have been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Read on.
    Continue,
    /// Send the replies and read on after this time.
    Pause(Duration),
    /// Send the replies there are and close.
    Close,
}

#[derive(Debug)]
struct Connection<S> {
    socket: Socket,
    session: S,
    replies: Vec<u8>,
    written: usize,
    /// Octets read and not dealt with, because of a pause.
    held: Vec<u8>,
    is_paused: bool,
    is_closing: bool,
}

/// A listening socket and its connections.
#[derive(Debug)]
pub(crate) struct Listener<R: Responder> {
    responder: R,
    epoll: OwnedFd,
    socket: Socket,
    address: SocketAddr,
    slots: Vec<(u32, Option<Connection<R::Session>>)>,
    free: Vec<usize>,
    open_count: usize,
    pauses: BinaryHeap<Reverse<(Instant, u64)>>,
    input: Box<[u8]>,
    stop: Arc<AtomicBool>,
}

impl<R: Responder> Listener<R> {
    /// Listens on `address`; ends when `stop` becomes true or the responder is done.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub(crate) fn bind(
        address: SocketAddr,
        responder: R,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let real = socket.local_addr()?.as_socket();
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &socket, EventData::new_u64(LISTENER), flags)?;
        Ok(Self {
            responder,
            epoll,
            address: real.unwrap_or(address),
            socket,
            slots: Vec::new(),
            free: Vec::new(),
            open_count: 0,
            pauses: BinaryHeap::new(),
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            stop,
        })
    }

    /// Where it listens, with the real port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop; returns the responder.
    ///
    /// # Errors
    ///
    /// epoll fails.
    pub(crate) fn run(mut self) -> io::Result<R> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        let mut done_at = None;
        loop {
            let now = Instant::now();
            if self.responder.is_done() {
                let done_at = *done_at.get_or_insert(now);
                if self.open_count == 0 || done_at + FAREWELL < now {
                    return Ok(self.responder);
                }
            } else {
                // Again, not only on its event: an accept may have failed for want of descriptors.
                self.accept_all()?;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(self.responder);
            }
            let until = self
                .pauses
                .peek()
                .map(|pause| pause.0.0.saturating_duration_since(now));
            let wait = until.map_or(TICK, |until| until.min(TICK));
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(wait.subsec_nanos()),
            };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                if event.data.u64() != LISTENER {
                    let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
                    let flags = event.flags;
                    self.serve(event.data.u64(), flags.intersects(ends), Cause::Ready);
                }
            }
            let now = Instant::now();
            while let Some(Reverse((time, key))) = self.pauses.peek().copied() {
                if now < time {
                    break;
                }
                self.pauses.pop();
                self.serve(key, true, Cause::PauseOver);
            }
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        // Any failure waits for the next tick, so that running
        // out of descriptors cannot make it spin.
        let accepted = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Ok(descriptor) = accept_with(&self.socket, accepted) {
            let socket = Socket::from(descriptor);
            let index = self.free.pop().unwrap_or_else(|| {
                self.slots.push((0, None));
                self.slots.len() - 1
            });
            let slot = &mut self.slots[index];
            slot.0 = slot.0.wrapping_add(1);
            let key = (index as u64) << 32 | u64::from(slot.0);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(key), flags)?;
            let mut connection = Connection {
                socket,
                session: R::Session::default(),
                replies: Vec::with_capacity(256),
                written: 0,
                held: Vec::new(),
                is_paused: false,
                is_closing: false,
            };
            connection
                .replies
                .extend_from_slice(self.responder.greeting());
            if connection.flush() == Outcome::Keep {
                slot.1 = Some(connection);
                self.open_count += 1;
            } else {
                self.free.push(index);
            }
        }
        Ok(())
    }

    fn serve(&mut self, key: u64, to_end: bool, cause: Cause) {
        let (Ok(index), Ok(generation)) =
            (usize::try_from(key >> 32), u32::try_from(key & 0xffff_ffff))
        else {
            return;
        };
        let Some((_, slot)) = self
            .slots
            .get_mut(index)
            .filter(|slot| slot.0 == generation)
        else {
            return;
        };
        let Some(connection) = slot else { return };
        if cause == Cause::PauseOver {
            connection.is_paused = false;
        }
        let mut pause = None;
        let outcome = connection.turn(&mut self.responder, &mut self.input, to_end, &mut pause);
        if let Some(pause) = pause {
            self.pauses.push(Reverse((Instant::now() + pause, key)));
        }
        if outcome == Outcome::Gone {
            *slot = None;
            self.free.push(index);
            self.open_count -= 1;
        }
    }
}

/// Why a connection is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Ready,
    PauseOver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Keep,
    Gone,
}

impl<S> Connection<S> {
    /// Reads, lets the responder answer, writes.
    fn turn<R: Responder<Session = S>>(
        &mut self,
        responder: &mut R,
        input: &mut [u8],
        to_end: bool,
        pause: &mut Option<Duration>,
    ) -> Outcome {
        if self.is_paused {
            return Outcome::Keep;
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.answer(responder, &held, pause);
        }
        let mut is_ended = false;
        while !self.is_paused && !self.is_closing {
            match self.socket.read(input) {
                Ok(0) => {
                    is_ended = true;
                    break;
                }
                Ok(count) => {
                    let octets = input.get(..count).unwrap_or_default();
                    self.answer(responder, octets, pause);
                    if count < input.len() && !to_end {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Gone,
            }
        }
        // Replies before a pause go out after it.
        if self.is_paused {
            return Outcome::Keep;
        }
        let outcome = self.flush();
        let is_flushed = self.replies.is_empty();
        if is_ended || (self.is_closing && is_flushed) || REPLIES_BYTES_MAX < self.replies.len() {
            return Outcome::Gone;
        }
        outcome
    }

    fn answer<R: Responder<Session = S>>(
        &mut self,
        responder: &mut R,
        octets: &[u8],
        pause: &mut Option<Duration>,
    ) {
        let (taken, flow) = responder.receive(&mut self.session, octets, &mut self.replies);
        match flow {
            Flow::Continue => {}
            Flow::Pause(time) => {
                self.held = octets.get(taken..).unwrap_or_default().to_vec();
                self.is_paused = true;
                *pause = Some(time);
            }
            Flow::Close => self.is_closing = true,
        }
    }

    fn flush(&mut self) -> Outcome {
        while let Some(rest) = self
            .replies
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match self.socket.write(rest) {
                Ok(0) => return Outcome::Gone,
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Keep,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Gone,
            }
        }
        self.replies.clear();
        self.written = 0;
        Outcome::Keep
    }
}

const LISTENER: u64 = u64::MAX;
const BACKLOG: i32 = 4_096;
const EVENTS_MAX: usize = 512;
const INPUT_BYTES: usize = 256 * 1024;
const REPLIES_BYTES_MAX: usize = 256 * 1024;

/// How often signals and failed accepts are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long open sessions may last once the responder is done.
const FAREWELL: Duration = Duration::from_secs(2);
