//! The socket of one connection: octets in, octets out, with deadlines.
//!
//! In: a connected, non-blocking socket. Out: octets, or why there are no more. Guarantees: one `recv` and one `send` per
//! round trip, each tried only when the kernel has said, or is likely, to be ready; every wait has a deadline.
//! Plain or over TLS, behind one enum; `tls_layer.rs` is the second variant. Does not: know lines or replies.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use glommio::io::{PollState, PollableFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::Commons;
use super::receive_buffer::{ReceiveBuffer, SpareBuffers};
use super::tls_layer::TlsLayer;
use super::watch::{Activity, Interrupt, Watch, Watched};
use crate::shard::Excess;
use crate::tls::{Facts, Session, TlsError};

/// Why a connection cannot go on.
#[derive(Debug)]
pub(super) enum ConnectionError {
    /// The client has closed its side, or is gone.
    ClientLeft,
    /// The client has talked before the greeting.
    EarlyTalker,
    /// The client has not waited for the reply to a command behind which it must.
    EarlyCommand,
    /// The wait for the client was ended.
    Interrupted(Interrupt),
    /// Its client has as many connections as it may.
    NotAdmitted(Excess),
    /// What came is no PROXY header, or it did not come, for this reason.
    ProxyHeader(&'static str),
    /// The client cannot be talked to over TLS.
    Tls(TlsError),
    /// The client sends mail data too slowly.
    TooSlow,
    /// The system failed.
    System(io::Error),
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::TimedOut
            | io::ErrorKind::NotConnected => Self::ClientLeft,
            _ => Self::System(error),
        }
    }
}

impl From<Errno> for ConnectionError {
    fn from(error: Errno) -> Self {
        Self::from(io::Error::from(error))
    }
}

/// How octets travel.
#[derive(Debug)]
pub(super) struct Transport {
    socket: PlainTransport,
    layer: Layer,
}

/// What is on top of the socket.
#[derive(Debug)]
enum Layer {
    /// Nothing: octets travel as they are.
    Plain,
    /// TLS, from its handshake on. There is no way back.
    Tls(Box<TlsLayer>),
}

/// A TCP socket without anything on top.
#[derive(Debug)]
pub(super) struct PlainTransport {
    socket: PollableFd<WatchedSocket>,
    slot: usize,
    commons: Rc<Commons>,
    /// Whether the last read filled all the space it had, so that more is likely there already.
    more_is_likely: bool,
}

/// Lends the descriptor of a watched connection to the executor.
#[derive(Debug)]
struct WatchedSocket(Rc<Watched>);

impl AsRawFd for WatchedSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.socket.as_raw_fd()
    }
}

impl Transport {
    /// A transport in plain text.
    pub(super) fn new(socket: PlainTransport) -> Self {
        Self {
            socket,
            layer: Layer::Plain,
        }
    }

    /// Takes nothing in plain text from now on; `received` is the beginning of the handshake.
    pub(super) fn begin_tls(&mut self, session: Session, spare: Rc<SpareBuffers>, received: &[u8]) {
        self.layer = Layer::Tls(Box::new(TlsLayer::new(session, spare, received)));
    }

    /// Completes the handshake of TLS that has begun; what was agreed on.
    pub(super) async fn shake_hands(
        &mut self,
        due_ms: u64,
    ) -> Result<Option<Facts>, ConnectionError> {
        match &mut self.layer {
            Layer::Plain => Ok(None),
            Layer::Tls(tls) => tls.shake_hands(&mut self.socket, due_ms).await,
        }
    }

    /// Receives once into the free space of `buffer`, waiting until `due_ms`. Dropping the future loses nothing.
    pub(super) async fn receive(
        &mut self,
        buffer: &mut ReceiveBuffer,
        activity: Activity,
        due_ms: u64,
    ) -> Result<(), ConnectionError> {
        let socket = &mut self.socket;
        match &mut self.layer {
            Layer::Plain => socket.receive(buffer, activity, due_ms).await,
            Layer::Tls(tls) => tls.receive(socket, buffer, activity, due_ms).await,
        }
    }

    /// Receives what is there already, without waiting; `false` when nothing is.
    pub(super) fn try_receive(
        &mut self,
        buffer: &mut ReceiveBuffer,
    ) -> Result<bool, ConnectionError> {
        match &mut self.layer {
            Layer::Plain => self.socket.try_receive(buffer),
            Layer::Tls(tls) => tls.try_receive(&mut self.socket, buffer),
        }
    }

    /// Sends all of `octets`, waiting for the client to read until `due_ms`.
    pub(super) async fn send(&mut self, octets: &[u8], due_ms: u64) -> Result<(), ConnectionError> {
        match &mut self.layer {
            Layer::Plain => self.socket.send(octets, due_ms).await,
            Layer::Tls(tls) => tls.send(&mut self.socket, octets, due_ms).await,
        }
    }

    /// Sends what the kernel takes at once of a last reply, which may be empty, and says that it is the last.
    pub(super) fn send_last(&mut self, octets: &[u8]) {
        match &mut self.layer {
            Layer::Plain if octets.is_empty() => {}
            // The client is about to be left; it may not even be there.
            Layer::Plain => drop(self.socket.try_send(octets)),
            Layer::Tls(tls) => tls.send_last(&self.socket, octets),
        }
    }

    /// The socket under everything, for the end of a connection: what is read there is thrown away.
    pub(super) fn socket(&mut self) -> &mut PlainTransport {
        &mut self.socket
    }

    /// Whether something else than the client has ended the connection while it was not waiting.
    pub(super) fn interrupted(&self) -> Option<Interrupt> {
        self.socket.watched().interrupted()
    }

    /// Waits for something other than the client: until `poll` has it, or until `due_ms`, then nothing. Deadlines are kept
    /// as exactly as the shard looks at them.
    pub(super) async fn pause<T>(
        &self,
        due_ms: u64,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Option<T>, ConnectionError> {
        self.socket.pause(due_ms, poll).await
    }

    /// This end of the connection.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        let address = rustix::net::getsockname(&self.socket.watched().socket);
        SocketAddr::try_from(address.ok()?).ok()
    }

    /// Says that nothing more will be sent.
    pub(super) fn end_sending(&self) {
        let _ = rustix::net::shutdown(&self.socket.watched().socket, Shutdown::Write);
    }
}

impl PlainTransport {
    /// A transport over an accepted socket.
    pub(super) fn new(
        socket: std::os::fd::OwnedFd,
        commons: Rc<Commons>,
    ) -> Result<Self, ConnectionError> {
        let (slot, watched) = commons.watch.add(socket);
        match PollableFd::new(WatchedSocket(watched)) {
            Ok(socket) => Ok(Self {
                socket,
                slot,
                commons,
                more_is_likely: false,
            }),
            Err(error) => {
                commons.watch.remove(slot);
                Err(ConnectionError::System(error.into()))
            }
        }
    }

    fn watched(&self) -> &Watched {
        &self.socket.get_ref().0
    }

    fn watch(&self) -> &Watch {
        &self.commons.watch
    }

    /// As [`Transport::receive`].
    pub(super) async fn receive(
        &mut self,
        buffer: &mut ReceiveBuffer,
        activity: Activity,
        due_ms: u64,
    ) -> Result<(), ConnectionError> {
        if self.more_is_likely {
            self.check_deadline(due_ms)?;
            if self.try_receive(buffer)? {
                return Ok(());
            }
        }
        loop {
            buffer.rest();
            self.wait(activity, due_ms).await?;
            if self.try_receive(buffer)? {
                return Ok(());
            }
        }
    }

    /// For a client that sends faster than it is read: its connection never waits, so that nothing else ends it.
    fn check_deadline(&self, due_ms: u64) -> Result<(), ConnectionError> {
        let timed_out = (due_ms <= self.commons.clock.now_ms()).then_some(Interrupt::TimedOut);
        match self.watched().interrupted().or(timed_out) {
            Some(interrupt) => Err(ConnectionError::Interrupted(interrupt)),
            None => Ok(()),
        }
    }

    /// As [`Transport::try_receive`].
    pub(super) fn try_receive(
        &mut self,
        buffer: &mut ReceiveBuffer,
    ) -> Result<bool, ConnectionError> {
        let space = buffer.free_space();
        let room = space.len();
        match rustix::net::recv(&self.watched().socket, space, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(ConnectionError::ClientLeft),
            Ok((_, count)) => {
                self.more_is_likely = count == room;
                buffer.filled(count);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                self.more_is_likely = false;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Transport::send`].
    pub(super) async fn send(&mut self, octets: &[u8], due_ms: u64) -> Result<(), ConnectionError> {
        let rest = &octets[self.try_send(octets)?..];
        if rest.is_empty() {
            return Ok(());
        }
        // Boxed: few clients do not read, and an idle connection must not have room for the wait.
        Box::pin(self.send_rest(rest, due_ms)).await
    }

    /// Sends what the kernel has not taken at once.
    async fn send_rest(&self, mut rest: &[u8], due_ms: u64) -> Result<(), ConnectionError> {
        while !rest.is_empty() {
            self.wait(Activity::Sending, due_ms).await?;
            rest = &rest[self.try_send(rest)?..];
        }
        Ok(())
    }

    /// Octets the kernel took.
    pub(super) fn try_send(&self, octets: &[u8]) -> Result<usize, ConnectionError> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(&self.watched().socket, octets, flags) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    async fn pause<T>(
        &self,
        due_ms: u64,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Option<T>, ConnectionError> {
        let stopping = self.watch().is_stopping().then_some(Interrupt::Stopping);
        if let Some(interrupt) = self.watched().interrupted().or(stopping) {
            return Err(ConnectionError::Interrupted(interrupt));
        }
        self.watch().begin(self.watched(), Activity::Paused, due_ms);
        let value = self.watched().pause(poll).await;
        self.commons.clock.refresh();
        match self.watched().end() {
            Some(interrupt) => Err(ConnectionError::Interrupted(interrupt)),
            None => Ok(value),
        }
    }

    /// Waits for readiness. One poll is armed per wait and always completes, see `watch.rs`.
    async fn wait(&self, activity: Activity, due_ms: u64) -> Result<(), ConnectionError> {
        if let Some(interrupt) = self.watched().interrupted() {
            return Err(ConnectionError::Interrupted(interrupt));
        }
        self.watch().begin(self.watched(), activity, due_ms);
        let mut state = PollState::new();
        let ready = std::future::poll_fn(|task| match activity {
            Activity::Sending => self.socket.poll_writable(task, &mut state),
            Activity::Working | Activity::Paused | Activity::Idle | Activity::Receiving => {
                self.socket.poll_readable(task, &mut state)
            }
        })
        .await;
        self.commons.clock.refresh();
        if let Some(interrupt) = self.watched().end() {
            return Err(ConnectionError::Interrupted(interrupt));
        }
        ready.map_err(|error| ConnectionError::System(error.into()))
    }
}

impl Drop for PlainTransport {
    fn drop(&mut self) {
        self.watch().remove(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;

    use glommio::{LocalExecutorBuilder, Placement};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::super::receive_buffer::ReceiveBuffer;
    use super::super::tests::commons;
    use super::{Activity, ConnectionError, Interrupt, PlainTransport};
    use crate::limits::RECEIVE_BUFFER_BYTES;

    /// A client that always has more than one read takes does not get past its deadline.
    #[test]
    fn a_flood_has_a_deadline_too() {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        executor.expect("io_uring").run(async {
            let (commons, log) = commons();
            let (near, far) = socketpair(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                None,
            )
            .expect("sockets");
            let flood = vec![b'x'; 3 * RECEIVE_BUFFER_BYTES];
            assert_eq!(rustix::io::write(&far, &flood), Ok(flood.len()));
            let mut buffer = ReceiveBuffer::new(Rc::clone(&commons.spare_buffers));
            let mut transport =
                PlainTransport::new(near, Rc::clone(&commons)).expect("it can be polled");
            let due_ms = commons.clock.now_ms() + 60_000;
            for due_ms in [due_ms, due_ms] {
                let received = transport.receive(&mut buffer, Activity::Idle, due_ms);
                received.await.expect("octets are there");
                assert_eq!(buffer.octets().len(), RECEIVE_BUFFER_BYTES);
                buffer.consume(RECEIVE_BUFFER_BYTES);
            }
            let late = transport.receive(&mut buffer, Activity::Idle, commons.clock.now_ms());
            assert!(matches!(
                late.await,
                Err(ConnectionError::Interrupted(Interrupt::TimedOut))
            ));
            drop((transport, buffer, commons));
            log.join();
        });
    }

    #[test]
    fn a_pause_ends_by_time_by_its_reason_or_by_the_shard() {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        executor.expect("io_uring").run(async {
            let (commons, log) = commons();
            let (near, _far) = socketpair(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                None,
            )
            .expect("sockets");
            let transport =
                PlainTransport::new(near, Rc::clone(&commons)).expect("it can be polled");
            let due_ms = commons.clock.now_ms() + 60_000;
            let ready = transport.pause(due_ms, |_| Poll::Ready(7)).await;
            assert!(matches!(ready, Ok(Some(7))));
            let over = join(transport.pause(due_ms, |_| Poll::<()>::Pending), || {
                assert_eq!(commons.watch.expire(due_ms - 1, 0), None, "not yet");
                assert_eq!(commons.watch.expire(due_ms, 0), None);
            });
            assert!(matches!(over.await, Ok(None)), "time is no reason to close");
            let stopped = join(transport.pause(due_ms, |_| Poll::<()>::Pending), || {
                assert_eq!(commons.watch.stop_idle(0), None);
            });
            let stopping = |pause: Result<Option<()>, ConnectionError>| {
                matches!(
                    pause,
                    Err(ConnectionError::Interrupted(Interrupt::Stopping))
                )
            };
            assert!(stopping(stopped.await));
            let late = transport.pause(due_ms, |_| Poll::<()>::Pending).await;
            assert!(stopping(late), "a shard that stops begins no pause");
            drop((transport, commons));
            log.join();
        });
    }

    /// What `pause` comes to when, once it waits, `meanwhile` happens.
    async fn join<T>(pause: impl Future<Output = T>, meanwhile: impl FnOnce()) -> T {
        let mut pause = pin!(pause);
        let begun = poll_fn(|task| Poll::Ready(pause.as_mut().poll(task).is_pending()));
        assert!(begun.await, "it waits");
        meanwhile();
        pause.await
    }
}
