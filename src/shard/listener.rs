//! Listening sockets: bound once per shard, accepted from by that shard alone.
//!
//! In: addresses. Out: connections, admitted or told why not. Guarantees: the kernel spreads connections over the shards
//! (SO_REUSEPORT); a failing accept never spins: it refuses with the spare descriptor, then sleeps; after
//! [`ACCEPTS_PER_TURN_COUNT`] accepts others have their turn; the banner is never sent to a connection over a limit.
//! Does not: use the executor's listener, whose backlog is fixed and whose failing accept is ready at once for ever.
//!
//! RFC 5321 §3.1 (a server may refuse with 554 or 421 before its greeting), RFC 1122 §4.2.3.6 (keep-alive).

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glommio::io::PollableFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::mesh::{Admission, Permit, Shortage};
use crate::connection::{Commons, refusal, refusal_for_shortage, serve};
use crate::log::{Level, Ration};

/// A bound socket on its way to its shard.
#[derive(Debug)]
pub struct Listener {
    /// The profile its connections belong to, by number.
    pub served: usize,
    /// The address it is bound to, with its real port.
    pub address: SocketAddr,
    socket: OwnedFd,
}

/// Binds `address` once for each of `shards_count` shards. Port 0 is one port of the system's choice for all.
///
/// # Errors
///
/// The address is in use, not local, or not permitted.
pub fn bind(served: usize, address: SocketAddr, shards_count: usize) -> io::Result<Vec<Listener>> {
    if address.port() != 0 {
        // With SO_REUSEPORT a second server of the same user would share the port without a word; without it, the
        // kernel says that the address is in use.
        let probe = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        prepare(&probe, address)?;
        probe.bind(&address.into())?;
    }
    let mut listeners = Vec::with_capacity(shards_count);
    let mut address = address;
    for _ in 0..shards_count {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        prepare(&socket, address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER))?;
        socket.set_nonblocking(true)?;
        if let Some(bound) = socket.local_addr()?.as_socket() {
            address = bound;
        }
        listeners.push(Listener {
            served,
            address,
            socket: socket.into(),
        });
    }
    // Only now, so that no connection waits at a shard while the port of another one fails.
    for listener in &listeners {
        rustix::net::listen(&listener.socket, BACKLOG)?;
    }
    Ok(listeners)
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` can then both be listened on, and an IPv4 client is never seen as IPv6.
        socket.set_only_v6(true)?;
    }
    Ok(())
}

/// Accepts connections until [`Acceptor::stop`].
#[derive(Debug)]
pub(super) struct Acceptor {
    served: usize,
    socket: OwnedFd,
    admission: Arc<Admission>,
    commons: Rc<Commons>,
    spare: RefCell<Option<OwnedFd>>,
    is_stopping: Cell<bool>,
}

/// What one call of accept came to.
enum Accepted {
    Connection(OwnedFd, SocketAddr),
    /// Nobody waits.
    Nobody,
    /// The connection that waited is gone; the next may be there.
    Gone,
    /// The process or the system has no descriptor or memory left, or accept fails for a reason nobody foresaw.
    Exhausted(Errno),
}

impl Acceptor {
    pub(super) fn new(listener: Listener, admission: Arc<Admission>, commons: Rc<Commons>) -> Self {
        Self {
            served: listener.served,
            socket: listener.socket,
            admission,
            commons,
            spare: RefCell::new(spare_descriptor()),
            is_stopping: Cell::new(false),
        }
    }

    /// Makes [`Acceptor::run`] return.
    pub(super) fn stop(&self) {
        self.is_stopping.set(true);
        // Ends the poll that waits for a client, without having the executor cancel it.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Read);
    }

    /// The accept loop.
    pub(super) async fn run(&self) {
        while !self.is_stopping.get() {
            for _ in 0..ACCEPTS_PER_TURN_COUNT {
                match self.accept() {
                    Accepted::Connection(socket, client) => self.admit(socket, client),
                    Accepted::Gone => {}
                    Accepted::Nobody => {
                        self.wait().await;
                        break;
                    }
                    Accepted::Exhausted(error) => {
                        self.survive(error).await;
                        break;
                    }
                }
            }
            glommio::executor().yield_now().await;
        }
    }

    fn accept(&self) -> Accepted {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match rustix::net::acceptfrom_with(&self.socket, flags) {
            Ok((socket, address)) => {
                let client = address.and_then(|address| SocketAddr::try_from(address).ok());
                Accepted::Connection(socket, client.unwrap_or(UNKNOWN_CLIENT))
            }
            Err(Errno::AGAIN) => Accepted::Nobody,
            // Errors of the connection that waited (accept(2) says to treat them like EAGAIN).
            Err(
                Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP,
            ) => Accepted::Gone,
            // After stop() the socket is no longer one that listens.
            Err(_) if self.is_stopping.get() => Accepted::Nobody,
            Err(error) => Accepted::Exhausted(error),
        }
    }

    async fn wait(&self) {
        if self.is_stopping.get() {
            return;
        }
        let Ok(socket) = PollableFd::new(Borrowed(&self.socket)) else {
            return;
        };
        // Whatever the poll says, accept says it again.
        let _ = socket.readable().await;
        self.commons.clock.refresh();
    }

    fn admit(&self, socket: OwnedFd, client: SocketAddr) {
        let served = &self.commons.served[self.served];
        if served.shortage.shortage() == Shortage::Connections {
            self.commons.counters.connections_refused.increment();
            let ration = &self.commons.rations.connections_refused;
            self.note(ration, "connection_refused", client, "short of resources");
            return send(&socket, &refusal_for_shortage());
        }
        let balancers = &served.profile.proxy_protocol_from;
        let entered = if balancers.is_empty() {
            let second = self.commons.clock.now_ms() / 1_000;
            self.admission.enter(client.ip(), second)
        } else if balancers
            .iter()
            .any(|network| network.contains(client.ip()))
        {
            self.admission.enter_unnamed()
        } else {
            return self.turn_away(client);
        };
        match entered {
            Ok(permit) => self.start(socket, client, permit),
            Err(excess) => {
                self.commons.counters.connections_refused.increment();
                let ration = &self.commons.rations.connections_refused;
                self.note(ration, "connection_refused", client, excess.reason());
                send(&socket, &refusal(excess.reason()));
            }
        }
    }

    /// A peer that is no balancer is told nothing: what it would hear is meant for clients.
    fn turn_away(&self, client: SocketAddr) {
        self.commons.counters.proxy_headers_refused.increment();
        let ration = &self.commons.rations.proxy_headers_refused;
        let reason = "address not in proxy_protocol_from";
        self.note(ration, "proxy_header_refused", client, reason);
    }

    fn note(&self, ration: &Ration, event: &'static str, client: SocketAddr, reason: &str) {
        if let Some(held_back) = self.commons.ration(ration)
            && let Some(line) = self.commons.line(Level::Warning, event)
        {
            let line = line.word("client", client);
            drop(
                line.octets("reason", reason.as_bytes())
                    .word("held_back", held_back),
            );
        }
    }

    fn start(&self, socket: OwnedFd, client: SocketAddr, permit: Permit) {
        let (commons, served) = (Rc::clone(&self.commons), self.served);
        glommio::spawn_local(serve(commons, served, socket, client, permit)).detach();
    }

    /// No descriptor is left: the spare one serves to tell those who wait, then the loop sleeps until others close.
    async fn survive(&self, error: Errno) {
        let line = self.commons.line(Level::Warning, "accept_failed");
        drop(line.map(|line| line.octets("error", error.to_string().as_bytes())));
        for _ in 0..REFUSALS_PER_SLEEP_COUNT {
            drop(self.spare.take());
            let Accepted::Connection(socket, _) = self.accept() else {
                break;
            };
            self.commons.counters.connections_refused.increment();
            send(&socket, &refusal("Too many connections, try again later"));
            drop(socket);
            self.spare.replace(spare_descriptor());
        }
        let spare = self.spare.take().or_else(spare_descriptor);
        self.spare.replace(spare);
        glommio::timer::sleep(ACCEPT_PAUSE).await;
        self.commons.clock.refresh();
    }
}

/// Lends a descriptor to the executor.
struct Borrowed<'fd>(&'fd OwnedFd);

impl std::os::fd::AsRawFd for Borrowed<'_> {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

/// Says why, if the kernel takes it at once, and leaves the rest to closing.
fn send(socket: &OwnedFd, reply: &[u8]) {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let _ = rustix::net::send(socket, reply, flags);
}

fn spare_descriptor() -> Option<OwnedFd> {
    openat(
        CWD,
        "/dev/null",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()
}

/// Stands for an address the kernel did not tell, which does not happen for TCP.
const UNKNOWN_CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Connections the kernel keeps for a busy shard, if `net.core.somaxconn` allows as many.
const BACKLOG: i32 = 4_096;

/// Accepts before connections already there have their turn.
const ACCEPTS_PER_TURN_COUNT: u32 = 64;

/// Connections told that there is no room, before the loop sleeps.
const REFUSALS_PER_SLEEP_COUNT: u32 = 16;

/// Sleep after an accept that failed for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Silence after which the kernel asks whether a client is still there.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(120);
