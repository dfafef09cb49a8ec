//! Answers SMTP with canned replies on one core: the ceiling of postern's transport.
//!
//! In: octets. Out: one fixed reply per line and per end of mail data, one write per read. It waits and moves octets the
//! way `src/connection` does, so that the difference to `postern serve` is what the engine costs. Guarantees: nothing
//! beyond that. Does not: parse, limit, time out or keep anything; for loopback only.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use clap::Args;
use glommio::io::PollableFd;
use glommio::{LocalExecutorBuilder, Placement};
use memchr::memchr;
use memchr::memmem::Finder;
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::Failure;

/// Options of `canned`.
#[derive(Args, Debug)]
pub(crate) struct CannedArguments {
    /// A loopback address; port 0 takes a free one, shown in the line `ready ADDR:PORT`
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The processor to run on
    #[arg(long, value_name = "N", default_value_t = 0)]
    cpu: usize,
}

/// Serves until it is killed.
pub(crate) fn run(arguments: &CannedArguments) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        return Err(Failure("canned replies are for loopback addresses".into()));
    }
    let listener =
        listen(arguments.listen).map_err(|error| Failure::of(arguments.listen, error))?;
    let executor = LocalExecutorBuilder::new(Placement::Fixed(arguments.cpu))
        .io_memory(IO_MEMORY_BYTES)
        .make()
        .map_err(|error| Failure::of("no executor", error))?;
    executor
        .run(accept_all(listener))
        .map_err(|error| Failure::of("the listener failed", error))
}

/// The backlog is postern's, which the executor's own listener does not allow.
fn listen(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    let mut stdout = io::stdout();
    writeln!(stdout, "ready {bound}")?;
    stdout.flush()?;
    Ok(socket)
}

async fn accept_all(listener: Socket) -> io::Result<()> {
    let finder = Rc::new(Finder::new(END));
    let listener = PollableFd::new(listener)?;
    loop {
        listener.readable().await?;
        for _ in 0..ACCEPTS_PER_TURN_COUNT {
            match rustix::net::accept_with(
                listener.get_ref(),
                rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC,
            ) {
                Ok(socket) => {
                    let finder = Rc::clone(&finder);
                    // A client that goes away ends its own connection, nothing else.
                    glommio::spawn_local(async move { drop(serve(socket, &finder).await) })
                        .detach();
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        glommio::executor().yield_now().await;
    }
}

/// One connection, from greeting to close.
async fn serve(socket: OwnedFd, finder: &Finder<'_>) -> io::Result<()> {
    let socket = PollableFd::new(Socket::from(socket))?;
    let mut input = vec![0; INPUT_BYTES];
    let mut replies = GREETING.to_vec();
    let mut session = CannedSession::default();
    loop {
        send(&socket, &replies).await?;
        replies.clear();
        if session.is_closing {
            return Ok(());
        }
        while replies.is_empty() {
            socket.readable().await?;
            match socket.get_ref().read(&mut input) {
                Ok(0) => return Ok(()),
                Ok(count) => session.answer(&input[..count], finder, &mut replies),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

async fn send(socket: &PollableFd<Socket>, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        match socket.get_ref().write(octets) {
            Ok(count) => octets = &octets[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.writable().await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where a session stands.
#[derive(Debug, Default)]
struct CannedSession {
    /// First octet of a line whose end has not come.
    line_first: Option<u8>,
    in_mail_data: bool,
    /// Octets of [`END`] that the mail data so far ends with.
    end_matched: usize,
    is_closing: bool,
}

impl CannedSession {
    /// Answers what has been read, however it was cut.
    fn answer(&mut self, mut octets: &[u8], finder: &Finder<'_>, replies: &mut Vec<u8>) {
        while !octets.is_empty() && !self.is_closing {
            let taken = if self.in_mail_data {
                self.mail_data(octets, finder, replies)
            } else {
                self.line(octets, replies)
            };
            octets = &octets[taken..];
        }
    }

    fn line(&mut self, octets: &[u8], replies: &mut Vec<u8>) -> usize {
        let first = self.line_first.take().unwrap_or(octets[0]);
        let Some(end) = memchr(b'\n', octets) else {
            self.line_first = Some(first);
            return octets.len();
        };
        replies.extend_from_slice(match first.to_ascii_uppercase() {
            b'D' => {
                self.in_mail_data = true;
                self.end_matched = 2; // The line end of DATA may begin the end of mail data.
                b"354 go ahead\r\n".as_slice()
            }
            b'E' => b"250-canned.invalid\r\n250 PIPELINING\r\n",
            b'Q' => {
                self.is_closing = true;
                b"221 2.0.0 bye\r\n"
            }
            _ => b"250 2.0.0 ok\r\n",
        });
        end + 1
    }

    fn mail_data(&mut self, octets: &[u8], finder: &Finder<'_>, replies: &mut Vec<u8>) -> usize {
        let end = self
            .cut_end(octets)
            .or_else(|| finder.find(octets).map(|start| start + END.len()));
        if let Some(end) = end {
            self.in_mail_data = false;
            replies.extend_from_slice(b"250 2.0.0 ok\r\n");
            return end;
        }
        if END.len() <= octets.len() {
            let longest = (1..END.len()).rev();
            let is_suffix = |length: &usize| octets.ends_with(&END[..*length]);
            self.end_matched = longest.into_iter().find(is_suffix).unwrap_or(0);
        } else {
            self.end_matched = octets.iter().fold(self.end_matched, matched_with);
        }
        octets.len()
    }

    /// Where the end of mail data that earlier octets began is complete, if it is.
    fn cut_end(&self, octets: &[u8]) -> Option<usize> {
        let mut matched = self.end_matched;
        for (index, octet) in octets.iter().take(END.len()).enumerate() {
            matched = matched_with(matched, octet);
            if matched == END.len() {
                return Some(index + 1);
            }
        }
        None
    }
}

/// Octets of [`END`] matched after one more octet. A mismatch can only begin it anew with CR.
fn matched_with(matched: usize, octet: &u8) -> usize {
    match END.get(matched) {
        Some(next) if next == octet => matched + 1,
        _ => usize::from(*octet == b'\r'),
    }
}

const GREETING: &[u8] = b"220 canned.invalid ESMTP\r\n";
const END: &[u8] = b"\r\n.\r\n";

/// As in `src/shard`.
const BACKLOG: i32 = 4_096;
const ACCEPTS_PER_TURN_COUNT: u32 = 64;
const IO_MEMORY_BYTES: usize = 65_536;

/// As `limits::RECEIVE_BUFFER_BYTES`.
const INPUT_BYTES: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::{CannedSession, END, Finder};

    const DIALOGUE: &[u8] =
        b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<d@q>\r\nDATA\r\nX: y\r\n\r\n..\r\n\
        .x\r\n\r\r\n.\r\nMAIL FROM:<>\r\nDATA\r\n.\r\nQUIT\r\n";

    fn replies<'octets>(pieces: impl Iterator<Item = &'octets [u8]>) -> String {
        let finder = Finder::new(END);
        let mut session = CannedSession::default();
        let mut replies = Vec::new();
        for piece in pieces {
            session.answer(piece, &finder, &mut replies);
        }
        assert!(session.is_closing, "QUIT was seen");
        String::from_utf8(replies).expect("ASCII")
    }

    #[test]
    fn replies_do_not_depend_on_the_cuts() {
        let whole = replies([DIALOGUE].into_iter());
        let codes: Vec<&str> = whole.lines().map(|line| &line[..4]).collect();
        let expected = [
            "250-", "250 ", "250 ", "250 ", "354 ", "250 ", "250 ", "354 ", "250 ", "221 ",
        ];
        assert_eq!(codes, expected);
        for cut in 0..=DIALOGUE.len() {
            let (one, other) = DIALOGUE.split_at(cut);
            assert_eq!(replies([one, other].into_iter()), whole, "cut at {cut}");
        }
        for length in 1..=END.len() + 1 {
            assert_eq!(
                replies(DIALOGUE.chunks(length)),
                whole,
                "pieces of {length}"
            );
        }
    }
}
