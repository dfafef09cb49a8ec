//! A client's end of a connection: octets cut as chance has it, in plain text or over TLS, up to the place where it ends.
//!
//! In: octets to send, and where the connection is to be broken, in octets of the socket or in replies. Out: lines of the
//! server; how many octets have reached the kernel whole. Guarantees: what is not counted in [`Wire::sent`] cannot be read
//! by the server as what was meant. Does not: know SMTP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use socket2::{Domain, SockRef, Socket, Type};

use crate::crash::random::Random;
use crate::engine::channel::Tls;

/// How a client ends a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It closes.
    Close,
    /// It closes its own direction, and reads on.
    Half,
    /// It resets the connection.
    Reset,
}

/// When.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// Once the socket has taken so many octets.
    Sent(u64),
    /// Instead of reading a reply, once it has read so many.
    Read(u64),
    /// Not before all is said.
    Never,
}

/// Why there is nothing more to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Silence {
    /// The server has closed, having said this behind its last whole line.
    Closed(Vec<u8>),
    /// The server has reset the connection.
    Reset,
    /// What came is no TLS.
    Tls(String),
    /// Nothing has come for a long time.
    Late,
    /// The client itself has gone.
    Gone,
}

/// One connection.
pub(super) struct Wire {
    stream: Option<TcpStream>,
    tls: Option<Box<ClientConnection>>,
    random: Random,
    segment_octets_max: u64,
    end: End,
    when: When,
    /// Octets that the socket has taken.
    raw_sent: u64,
    /// Octets of SMTP that have reached the kernel, records of TLS only as a whole.
    sent: u64,
    replies_read: u64,
    is_half_closed: bool,
    /// Whether it ends within a record.
    is_cut: bool,
    /// Whether the server has kept it from sending.
    is_refused: bool,
    /// Whether anything has come since TLS was begun, and whether it was none.
    has_heard_tls: bool,
    has_heard_text: bool,
    received: Vec<u8>,
    /// Octets of `received` that were read as lines.
    consumed: usize,
}

impl Wire {
    /// Connects; the end is `end`, at `when`.
    pub(super) fn connect(address: SocketAddr, mut random: Random, end: End, when: When) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
        let socket = socket.expect("descriptors are left");
        if random.below(4) == 0 {
            // A small window: the server has to wait for this client.
            socket.set_recv_buffer_size(4_096).expect("it is a size");
        }
        socket.connect(&address.into()).expect("the shard listens");
        socket.set_tcp_nodelay(true).expect("it is a TCP socket");
        let late = Some(PATIENCE);
        socket.set_read_timeout(late).expect("it is a time");
        socket.set_write_timeout(late).expect("it is a time");
        let sizes = [1, 5, 40, 600, 20_000];
        let segment_octets_max = sizes[index(&mut random, sizes.len())];
        Self {
            stream: Some(socket.into()),
            tls: None,
            random,
            segment_octets_max,
            end,
            when,
            raw_sent: 0,
            sent: 0,
            replies_read: 0,
            is_half_closed: false,
            is_cut: false,
            is_refused: false,
            has_heard_tls: false,
            has_heard_text: false,
            received: Vec::new(),
            consumed: 0,
        }
    }

    /// Octets of SMTP that were handed over whole.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the server took no more: then it has read what it has answered, however little [`Wire::sent`] says.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Whether it still has both directions.
    pub(super) fn is_whole(&self) -> bool {
        self.stream.is_some() && !self.is_half_closed
    }

    /// Whether it can still be read.
    pub(super) fn is_readable(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether the server has gone on in plain text where TLS was to begin.
    pub(super) fn has_heard_text(&self) -> bool {
        self.has_heard_text
    }

    /// Whether it is over TLS.
    pub(super) fn is_over_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends octets of SMTP, as far as the end allows.
    pub(super) fn send(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && self.is_whole() {
            let (segment, rest) = octets.split_at(self.segment_octets(octets.len()));
            let raw = self.encode(segment);
            let pushed = self.push(&raw);
            if pushed < raw.len() {
                if self.tls.is_none() {
                    self.sent += pushed as u64;
                }
                return;
            }
            self.sent += segment.len() as u64;
            octets = rest;
        }
    }

    /// Sends octets as one segment in plain text, whatever the layer, without counting them.
    pub(super) fn send_raw(&mut self, octets: &[u8]) {
        self.push(octets);
    }

    /// As [`Wire::send`], in large pieces and not waiting: reads only when the socket takes nothing more, and then only if
    /// `reads_on`.
    pub(super) fn flood(&mut self, octets: &[u8], reads_on: Flood) {
        let raw = self.encode(octets);
        let mut left = raw.as_slice();
        while let Some(stream) = &mut self.stream
            && !left.is_empty()
        {
            stream.set_nonblocking(true).expect("it is a socket");
            let written = stream.write(left);
            stream.set_nonblocking(false).expect("it is a socket");
            match written {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match reads_on {
                    Flood::ReadsOn => {
                        if self.receive().is_err() {
                            return;
                        }
                    }
                    // With its replies unread the end is a reset.
                    Flood::Leaves => {
                        self.stream = None;
                        return;
                    }
                },
                Err(_) => {
                    self.is_refused = true;
                    return;
                }
            }
        }
        self.raw_sent += raw.len() as u64;
        self.sent += octets.len() as u64;
    }

    /// Shakes hands; whether it came to an end.
    pub(super) fn shake_hands(&mut self, tls: &Tls) -> bool {
        let name = ServerName::try_from(tls.name).expect("it is a name");
        let connection = ClientConnection::new(Arc::clone(&tls.configuration), name);
        self.tls = Some(Box::new(connection.expect("a client")));
        let early = self.received.split_off(self.consumed);
        if !early.is_empty() && self.decode(&early).is_err() {
            return false;
        }
        loop {
            let Some(tls) = &mut self.tls else {
                return false;
            };
            if tls.wants_write() {
                let raw = written(tls);
                if self.push(&raw) < raw.len() {
                    return false;
                }
            } else if !tls.is_handshaking() {
                return true;
            } else if self.receive().is_err() {
                return false;
            }
        }
    }

    /// The next line, without CRLF.
    pub(super) fn line(&mut self) -> Result<Vec<u8>, Silence> {
        loop {
            let rest = &self.received[self.consumed..];
            if let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
                let line = rest[..end].strip_suffix(b"\r").map(<[u8]>::to_vec);
                self.consumed += end + 1;
                return line.ok_or_else(|| Silence::Closed(b"a line without CR".to_vec()));
            }
            self.received.drain(..std::mem::take(&mut self.consumed));
            self.receive()?;
        }
    }

    /// Whether the client leaves instead of reading the next reply; counts it otherwise.
    pub(super) fn leaves_before_reply(&mut self) -> bool {
        if let When::Read(count) = self.when
            && count <= self.replies_read
            && self.is_whole()
        {
            self.break_off();
        }
        self.replies_read += 1;
        !self.is_readable()
    }

    /// Closes it, whatever was planned.
    pub(super) fn give_up(&mut self) {
        self.stream = None;
    }

    /// Ends it now as it was to end.
    pub(super) fn break_off(&mut self) {
        match self.end {
            End::Close => self.stream = None,
            End::Half => self.end_sending(),
            End::Reset => {
                if let Some(stream) = self.stream.take() {
                    let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    linger.expect("it is a TCP socket");
                }
            }
        }
    }

    /// Closes its own direction; over TLS with or without saying so.
    pub(super) fn end_sending(&mut self) {
        self.is_half_closed = true;
        let Some(stream) = &mut self.stream else {
            return;
        };
        if let Some(tls) = &mut self.tls
            && !tls.is_handshaking()
            && !self.is_cut
            && self.random.below(2) == 0
        {
            tls.send_close_notify();
            // The server may have closed.
            let _ = stream.write_all(&written(tls));
        }
        let _ = stream.shutdown(Shutdown::Write);
    }

    /// What a client sees when the server has nothing more to say.
    pub(super) fn rest(&mut self) -> Silence {
        loop {
            if let Err(silence) = self.receive() {
                return match silence {
                    Silence::Closed(_) => Silence::Closed(self.received[self.consumed..].to_vec()),
                    other => other,
                };
            }
        }
    }

    fn segment_octets(&mut self, octets: usize) -> usize {
        // Long messages octet by octet would be nothing but slow.
        let least = octets as u64 / 64;
        let most = self.segment_octets_max.max(least).min(16_384);
        let count = 1 + self.random.below(most);
        usize::try_from(count).map_or(octets, |count| count.min(octets))
    }

    /// The octets of the socket for these; of TLS, one record.
    fn encode(&mut self, octets: &[u8]) -> Vec<u8> {
        match &mut self.tls {
            None => octets.to_vec(),
            Some(tls) => {
                tls.set_buffer_limit(None);
                tls.writer().write_all(octets).expect("it is in memory");
                written(tls)
            }
        }
    }

    /// How many of them the socket has taken: all, or what the end allows.
    fn push(&mut self, raw: &[u8]) -> usize {
        let room = match self.when {
            When::Sent(count) => count.saturating_sub(self.raw_sent),
            When::Read(_) | When::Never => u64::MAX,
        };
        let count = usize::try_from(room).map_or(raw.len(), |room| room.min(raw.len()));
        let Some(stream) = &mut self.stream else {
            return 0;
        };
        // A server that has closed has said why.
        if stream.write_all(&raw[..count]).is_err() {
            self.is_refused = true;
            return 0;
        }
        self.raw_sent += count as u64;
        self.is_cut = count < raw.len();
        if self.is_cut || room == count as u64 {
            self.break_off();
        }
        count
    }

    /// Waits for octets.
    fn receive(&mut self) -> Result<(), Silence> {
        let Some(stream) = &mut self.stream else {
            return Err(Silence::Gone);
        };
        let mut space = [0; 8_192];
        let count = 1 + index(&mut self.random, space.len());
        let count = match stream.read(&mut space[..count]) {
            Ok(0) => return Err(Silence::Closed(self.received.clone())),
            Ok(count) => count,
            Err(error) => return Err(silence(&error)),
        };
        self.decode(&space[..count])
    }

    /// Takes octets of the socket.
    fn decode(&mut self, mut raw: &[u8]) -> Result<(), Silence> {
        let Some(tls) = &mut self.tls else {
            self.received.extend_from_slice(raw);
            return Ok(());
        };
        if let Some(octet) = raw.first()
            && !self.has_heard_tls
        {
            self.has_heard_tls = true;
            self.has_heard_text = !RECORD_TYPES.contains(octet);
        }
        while !raw.is_empty() {
            tls.read_tls(&mut raw).map_err(|error| silence(&error))?;
            let state = tls.process_new_packets();
            state.map_err(|error| Silence::Tls(error.to_string()))?;
            // Nothing more is there, or the end of TLS: what matters comes with the next read.
            let _ = tls.reader().read_to_end(&mut self.received);
        }
        Ok(())
    }
}

/// What a client does that does not read, once it can send no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flood {
    ReadsOn,
    Leaves,
}

fn silence(error: &io::Error) -> Silence {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Silence::Late,
        _ => Silence::Reset,
    }
}

fn written(tls: &mut ClientConnection) -> Vec<u8> {
    let mut raw = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut raw).expect("it is in memory");
    }
    raw
}

/// A number below `end`, to index with.
pub(super) fn index(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end as u64)).expect("it is below a usize")
}

/// First octets of records (RFC 8446 §5.1).
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// How long a client waits before it says that the server is stuck.
const PATIENCE: Duration = Duration::from_secs(30);
