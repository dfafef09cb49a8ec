//! A next hop that does as it is told: each connection has a script of what it expects and says.
//!
//! Guarantees: whatever does not go by the script fails the test, when [`FakeNextHop::finish`] is called; nothing waits
//! for longer than [`PATIENCE`]. Does not: know SMTP beyond lines and the end of mail data.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
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
    /// Hears exactly so many octets.
    HearOctets(usize),
    /// Hears mail data up to its end.
    HearMailData,
    /// Hears nothing but the end of the connection.
    HearEnd,
    /// Hears whatever comes until the connection ends.
    HearRest,
    /// Closes the connection.
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

/// What a modern next hop offers.
pub(crate) const OFFER: &str = "250-next.example\r\n250-PIPELINING\r\n250 8BITMIME";

/// The script running in threads.
#[derive(Debug)]
pub(crate) struct FakeNextHop {
    address: SocketAddr,
    thread: JoinHandle<Vec<JoinHandle<Vec<u8>>>>,
}

impl FakeNextHop {
    /// Listens, and gives each connection its script, in order.
    pub(crate) fn start(connections: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let thread = std::thread::spawn(move || {
            let perform = |acts: Vec<Act>| {
                let (stream, _) = listener.accept().expect("postern connects");
                std::thread::spawn(move || Performance::new(stream).run(&acts))
            };
            connections.into_iter().map(perform).collect()
        });
        Self { address, thread }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every script has been played; the mail data that each connection heard.
    pub(crate) fn finish(self) -> Vec<Vec<u8>> {
        let connections = self.thread.join().expect("every connection was made");
        let join = |thread: JoinHandle<Vec<u8>>| thread.join().expect("the script was played");
        connections.into_iter().map(join).collect()
    }
}

struct Performance {
    stream: TcpStream,
    received: BufReader<TcpStream>,
    mail_data: Vec<u8>,
}

impl Performance {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("it is a TCP socket");
        let patience = Some(PATIENCE);
        stream.set_read_timeout(patience).expect("it is a time");
        let received = BufReader::new(stream.try_clone().expect("descriptors are left"));
        Self {
            stream,
            received,
            mail_data: Vec::new(),
        }
    }

    fn run(mut self, acts: &[Act]) -> Vec<u8> {
        for act in acts {
            self.perform(act);
        }
        self.mail_data
    }

    fn perform(&mut self, act: &Act) {
        match act {
            Act::Say(text) => self.stream.write_all(text.as_bytes()).expect("it is heard"),
            Act::Trickle(text) => {
                for octet in text.as_bytes() {
                    self.stream.write_all(&[*octet]).expect("it is heard");
                }
            }
            Drone(text) => while self.stream.write_all(text.as_bytes()).is_ok() {},
            Hear(start) => {
                let line = self.line();
                let shown = line.escape_ascii();
                assert!(
                    line.starts_with(start.as_bytes()),
                    "\"{shown}\" instead of {start:?}"
                );
            }
            HearOctets(count) => {
                let mut octets = vec![0; *count];
                self.received.read_exact(&mut octets).expect("they come");
                self.mail_data.extend_from_slice(&octets);
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
                let _ = self.received.read_to_end(&mut rest);
                assert!(
                    rest.is_empty(),
                    "\"{}\" instead of the end",
                    rest.escape_ascii()
                );
            }
            HearRest => {
                let _ = self.received.read_to_end(&mut self.mail_data);
            }
            Close => {
                let _ = self.stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.received
            .read_until(b'\n', &mut line)
            .expect("it comes in time");
        line
    }
}

/// How long it waits for postern before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);
