//! A next hop that does as it is told: each connection has a script of what it expects and says.
//!
//! Guarantees: whatever does not go by the script fails the test, when [`FakeNextHop::finish`] is called; nothing waits
//! for longer than [`PATIENCE`]. Does not: know SMTP beyond lines and the end of mail data.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

/// One step of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Says this, as it is.
    Say(String),
    /// Says this, an octet at a time.
    Trickle(String),
    /// Says this until the other side closes.
    Drone(&'static str),
    /// Hears a line that begins like this.
    Hear(&'static str),
    /// Hears lines that begin like this and says a line to each, up to RSET.
    AnswerEach(&'static str, &'static str),
    /// Hears exactly so many octets.
    HearOctets(usize),
    /// Hears the last chunk of a message, and its octets.
    HearChunk,
    /// Hears mail data up to its end.
    HearMailData,
    /// Hears nothing but the end of the connection.
    HearEnd,
    /// Hears whatever comes until the connection ends.
    HearRest,
    /// Closes the connection; nothing follows.
    Close,
}

pub(crate) use Act::{Close, Drone, Hear, HearEnd, HearMailData, HearOctets, HearRest};

/// Says lines.
pub(crate) fn say(text: &str) -> Act {
    Act::Say(format!("{text}\r\n"))
}

/// A script that greets, offers extensions and goes on with `rest`.
pub(crate) fn opened(offer: &str, rest: &[Act]) -> Vec<Act> {
    let mut acts = vec![
        say("220 next.example"),
        Hear("EHLO mx.example.org\r\n"),
        say(offer),
    ];
    acts.extend_from_slice(rest);
    acts
}

/// The same for LMTP.
pub(crate) fn opened_lmtp(rest: &[Act]) -> Vec<Act> {
    let mut acts = vec![
        say("220 next.example"),
        Hear("LHLO mx.example.org\r\n"),
        say(OFFER),
    ];
    acts.extend_from_slice(rest);
    acts
}

/// What a modern next hop offers.
pub(crate) const OFFER: &str = "250-next.example\r\n250-PIPELINING\r\n250 8BITMIME";

/// The script running in threads.
#[derive(Debug)]
pub(crate) struct FakeNextHop {
    thread: JoinHandle<Vec<JoinHandle<Vec<u8>>>>,
}

impl FakeNextHop {
    /// Listens on a port, and gives each connection its script, in order.
    pub(crate) fn start(connections: Vec<Vec<Act>>) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let accept = move || {
            let (stream, _) = listener.accept().expect("postern connects");
            stream.set_nodelay(true).expect("it is a TCP socket");
            stream
                .set_read_timeout(Some(PATIENCE))
                .expect("it is a time");
            let stream: Box<dyn Stream> = Box::new(stream);
            stream
        };
        (Self::play(connections, accept), address)
    }

    /// Listens on a socket at `path`.
    pub(crate) fn start_at(path: &Path, connections: Vec<Vec<Act>>) -> Self {
        let listener = UnixListener::bind(path).expect("the path is free");
        Self::play(connections, move || {
            let (stream, _) = listener.accept().expect("postern connects");
            stream
                .set_read_timeout(Some(PATIENCE))
                .expect("it is a time");
            Box::new(stream)
        })
    }

    fn play(
        connections: Vec<Vec<Act>>,
        accept: impl Fn() -> Box<dyn Stream> + Send + 'static,
    ) -> Self {
        let thread = std::thread::spawn(move || {
            let perform = |acts: Vec<Act>| {
                let performance = Performance {
                    stream: BufReader::new(accept()),
                    mail_data: Vec::new(),
                };
                std::thread::spawn(move || performance.run(&acts))
            };
            connections.into_iter().map(perform).collect()
        });
        Self { thread }
    }

    /// Waits until every script has been played; the mail data that each connection heard.
    pub(crate) fn finish(self) -> Vec<Vec<u8>> {
        let connections = self.thread.join().expect("every connection was made");
        let join = |thread: JoinHandle<Vec<u8>>| thread.join().expect("the script was played");
        connections.into_iter().map(join).collect()
    }
}

/// A connection of either kind.
trait Stream: Read + Write + Send {}

impl Stream for TcpStream {}

impl Stream for UnixStream {}

struct Performance {
    stream: BufReader<Box<dyn Stream>>,
    mail_data: Vec<u8>,
}

impl Performance {
    fn run(mut self, acts: &[Act]) -> Vec<u8> {
        for act in acts {
            self.perform(act);
        }
        self.mail_data
    }

    fn perform(&mut self, act: &Act) {
        match act {
            Act::Say(text) => self.say(text.as_bytes()).expect("it is heard"),
            Act::Trickle(text) => {
                for octet in text.as_bytes() {
                    self.say(&[*octet]).expect("it is heard");
                }
            }
            Drone(text) => while self.say(text.as_bytes()).is_ok() {},
            Hear(start) => {
                let line = self.line();
                let shown = line.escape_ascii();
                assert!(
                    line.starts_with(start.as_bytes()),
                    "\"{shown}\" instead of {start:?}"
                );
            }
            Act::AnswerEach(start, reply) => loop {
                let line = self.line();
                if line == b"RSET\r\n" {
                    break;
                }
                let shown = line.escape_ascii();
                assert!(
                    line.starts_with(start.as_bytes()),
                    "\"{shown}\" instead of {start:?}"
                );
                self.say(format!("{reply}\r\n").as_bytes())
                    .expect("it is heard");
            },
            HearOctets(count) => {
                let mut octets = vec![0; *count];
                self.stream.read_exact(&mut octets).expect("they come");
                self.mail_data.extend_from_slice(&octets);
            }
            Act::HearChunk => {
                let line = String::from_utf8(self.line()).expect("it is text");
                let count = line.strip_prefix("BDAT ").expect("it is a chunk");
                let count = count.strip_suffix(" LAST\r\n").expect("it is the last");
                self.perform(&HearOctets(count.parse().expect("it is a number")));
            }
            HearMailData => loop {
                let line = self.line();
                self.mail_data.extend_from_slice(&line);
                if line == b".\r\n" {
                    break;
                }
            },
            HearEnd => {
                let mut rest = Vec::new();
                // A reset is an end too.
                let _ = self.stream.read_to_end(&mut rest);
                assert!(
                    rest.is_empty(),
                    "\"{}\" instead of the end",
                    rest.escape_ascii()
                );
            }
            HearRest => {
                let _ = self.stream.read_to_end(&mut self.mail_data);
            }
            Close => {}
        }
    }

    fn say(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream
            .read_until(b'\n', &mut line)
            .expect("it comes in time");
        line
    }
}

/// How long it waits for postern before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);
