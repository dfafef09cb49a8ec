//! Plays dialogues against the protocol core, without a network.
//!
//! In: a dialogue and a way to cut the client's octets into segments. Out: nothing, or what went
//! wrong and where. The server here is the pump in small: line scanner, session, mail-data reader,
//! and a destination in memory.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use postern::credentials::Users;
use postern::limits;
use postern::profile::Network;
use postern::smtp::command::{ForeignProtocol, SyntaxError};
use postern::smtp::line::{LineScanner, Scan};
use postern::smtp::mail_data::{ChunkReader, ContentKind, MailDataError, MailDataReader, Trace};
use postern::smtp::reply::Replies;
use postern::smtp::session::{
    AuthOutcome, ChunkFate, ClientFacts, MailDataOutcome, Relay, Session, Step, Tls, TransactionId,
};

use super::profile::{Destination, Profile, profile};
use super::script::{Claim, Dialogue, Event};

/// How the client's octets are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Segments {
    /// One segment per `C` line, sent once the server has said what the dialogue expects before it.
    Lockstep,
    /// One octet per segment.
    Octets,
    /// As much as the receive buffer takes.
    One,
    /// Cut at random.
    Random {
        /// Of the generator.
        seed: u64,
    },
}

/// A server in memory.
#[derive(Debug)]
pub(crate) struct Server {
    session: Session,
    scanner: LineScanner,
    reader: Option<MailDataReader>,
    chunks: Option<ChunkReader>,
    in_chunk: bool,
    replies: Replies,
    received: Vec<u8>,
    first: bool,
    awaits_handshake: bool,
    closed: bool,
    destination: Destination,
    relay_from: Option<Network>,
    users: Users,
    content: Vec<u8>,
    ids_drawn: u32,
    stored: Vec<Stored>,
    sent: Vec<u8>,
}

/// A message in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    reverse_path: String,
    recipients: Vec<String>,
    trace: Vec<u8>,
    content: Vec<u8>,
}

impl Server {
    /// A server that has greeted a client.
    pub(crate) fn new(profile: Profile) -> Self {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let client = ClientFacts {
            address,
            relay: profile.relay,
            xclient: profile.xclient,
        };
        let mut server = Self {
            session: Session::new(Arc::new(profile.options), client),
            scanner: LineScanner::new(),
            reader: None,
            chunks: None,
            in_chunk: false,
            replies: Replies::new(),
            received: Vec::new(),
            first: true,
            awaits_handshake: false,
            closed: false,
            destination: profile.destination,
            relay_from: profile.relay_from,
            users: profile.users,
            content: Vec::new(),
            ids_drawn: 0,
            stored: Vec::new(),
            sent: Vec::new(),
        };
        server.session.greeting(None, &mut server.replies);
        server.send();
        server
    }

    /// What the server has sent so far.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// What has been stored so far.
    pub(crate) fn stored(&self) -> &[Stored] {
        &self.stored
    }

    /// Whether the server has closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes one segment of any size, in portions of the receive buffer.
    pub(crate) fn receive(&mut self, segment: &[u8]) {
        let mut rest = segment;
        while !rest.is_empty() && !self.closed {
            let room = limits::RECEIVE_BUFFER_BYTES - self.received.len();
            assert!(room > 0, "the server always frees its receive buffer");
            let (portion, later) = rest.split_at(room.min(rest.len()));
            self.received.extend_from_slice(portion);
            rest = later;
            self.work();
            self.send();
        }
    }

    /// Works through the receive buffer until it needs more.
    fn work(&mut self) {
        while !self.closed {
            let received = std::mem::take(&mut self.received);
            let consumed = if self.awaits_handshake {
                self.await_handshake(&received)
            } else if self.reader.is_some() {
                self.read_mail_data(&received)
            } else if self.in_chunk {
                self.read_chunk(&received)
            } else {
                self.answer_line(&received)
            };
            self.received = received;
            self.received.drain(..consumed.octets);
            if consumed.wants_more {
                return;
            }
        }
    }

    /// Drops what comes in plain text behind STARTTLS, up to the octet that stands for the handshake.
    fn await_handshake(&mut self, received: &[u8]) -> Consumed {
        let begin = received.iter().position(|octet| *octet == HANDSHAKE);
        if begin.is_some() {
            self.awaits_handshake = false;
            self.session.tls_established(Box::new(Tls {
                protocol: "TLSv1.3",
                cipher: "TLS_AES_256_GCM_SHA384",
                key_bits: 256,
                server_name: None,
                client_certificate: None,
            }));
        }
        Consumed {
            octets: begin.map_or(received.len(), |begin| begin + 1),
            wants_more: begin.is_none(),
        }
    }

    fn answer_line(&mut self, received: &[u8]) -> Consumed {
        if self.first
            && let Some(protocol) = ForeignProtocol::of_first_octets(received)
        {
            self.first = false;
            let line = Err(SyntaxError::ForeignProtocol(protocol));
            let step = self.session.step(line, &mut self.replies);
            self.go_on(step);
            return Consumed {
                octets: received.len(),
                wants_more: true,
            };
        }
        let line_octets_max = self.session.line_octets_max(received);
        match self.scanner.next_line(received, line_octets_max) {
            Scan::Incomplete { consumed } => Consumed {
                octets: consumed,
                wants_more: true,
            },
            Scan::Line { line, consumed } => {
                self.first = false;
                let step = self.session.take_line(line, &mut self.replies);
                self.go_on(step);
                Consumed {
                    octets: consumed,
                    wants_more: false,
                }
            }
        }
    }

    fn go_on(&mut self, step: Step) {
        match step {
            // Nobody decides here.
            Step::Continue | Step::ReadAuthResponse | Step::Decide(_) => {}
            Step::DrawNonce => {
                let step = self.session.auth_nonce([7; 16], &mut self.replies);
                self.go_on(step);
            }
            Step::VerifyCredentials => {
                let credentials = self.session.take_credentials();
                let outcome = credentials.map(|credentials| self.users.verify(&credentials));
                let outcome = outcome.unwrap_or(AuthOutcome::Refused);
                let step = self.session.auth_verified(outcome, &mut self.replies);
                self.go_on(step);
            }
            Step::ReceiveChunk => self.begin_chunk(),
            Step::ReceiveMailData => {
                self.content.clear();
                self.reader = Some(self.session.mail_data_reader());
            }
            Step::GreetAnew => self.greet_anew(),
            Step::StartTls => {
                self.scanner = LineScanner::new();
                self.awaits_handshake = true;
            }
            Step::Close => self.closed = true,
        }
    }

    /// Treats the client as the one that XCLIENT has named.
    fn greet_anew(&mut self) {
        let forwarded = self.session.forwarded();
        let address = forwarded.and_then(|forwarded| forwarded.address);
        let before = self.session.client();
        let address = address.unwrap_or(before.address);
        let may_relay = self
            .relay_from
            .is_some_and(|network| network.contains(address));
        self.session.set_client(ClientFacts {
            address,
            relay: if may_relay {
                Relay::Allowed
            } else {
                Relay::Denied
            },
            xclient: before.xclient,
        });
        self.session.greeting(None, &mut self.replies);
    }

    fn read_mail_data(&mut self, received: &[u8]) -> Consumed {
        let Some(reader) = &mut self.reader else {
            return Consumed {
                octets: 0,
                wants_more: true,
            };
        };
        let read = reader.read(received);
        self.content.extend_from_slice(read.content);
        if let Some(verdict) = read.end {
            self.reader = None;
            self.finish(verdict);
        }
        Consumed {
            octets: read.consumed,
            wants_more: read.consumed == received.len(),
        }
    }

    /// Answers the end of mail data.
    fn finish(&mut self, verdict: Result<u64, MailDataError>) {
        let outcome = match (verdict, self.destination) {
            (Err(error), _) => MailDataOutcome::Refused(error),
            (Ok(_), Destination::Fails) => MailDataOutcome::TemporaryFailure,
            (Ok(octets), Destination::Stores) => {
                assert_eq!(
                    octets,
                    self.content.len() as u64,
                    "the reader counts the content"
                );
                self.store();
                MailDataOutcome::Stored
            }
        };
        if self.session.mail_data_finished(outcome, &mut self.replies) == Step::Close {
            self.closed = true;
        }
    }

    fn begin_chunk(&mut self) {
        let chunk = self.session.coming_chunk().expect("a chunk comes");
        if let ChunkFate::Taken { is_first: true, .. } = chunk.fate {
            self.content.clear();
            self.chunks = Some(self.session.chunk_reader());
        }
        if let ChunkFate::Skipped(_) = chunk.fate {
            self.chunks = Some(ChunkReader::new(0, 0, ContentKind::Binary));
        }
        let reader = self.chunks.as_mut().expect("chunks have a reader");
        reader.begin(chunk.octets);
        self.in_chunk = true;
    }

    fn read_chunk(&mut self, received: &[u8]) -> Consumed {
        let reader = self.chunks.as_mut().expect("chunks have a reader");
        let read = reader.read(received);
        self.content.extend_from_slice(read.content);
        let (consumed, end) = (read.consumed, read.end);
        if let Some(verdict) = end {
            self.in_chunk = false;
            let chunk = self.session.coming_chunk().expect("a chunk has come");
            let step = match chunk.fate {
                ChunkFate::Skipped(refusal) => {
                    self.session.chunk_skipped(refusal, &mut self.replies)
                }
                ChunkFate::Taken { is_last: true, .. } => {
                    let verdict = reader.finish();
                    self.finish(verdict);
                    Step::Continue
                }
                ChunkFate::Taken { is_last: false, .. } => {
                    let outcome = verdict.map(|_| ());
                    self.session.chunk_received(outcome, &mut self.replies)
                }
            };
            self.closed |= step == Step::Close;
        }
        Consumed {
            octets: consumed,
            wants_more: end.is_none(),
        }
    }

    fn store(&mut self) {
        let drawn = self.ids_drawn;
        let id = self.session.transaction_id_or_insert_with(|| {
            TransactionId::new(&format!("id-{drawn}")).expect("it has letters, digits, hyphens")
        });
        self.ids_drawn += 1;
        let mut trace = Vec::new();
        Trace::new(&self.session, &id, "Mon, 7 Sep 2026 10:00:00 +0000")
            .expect("there is a transaction")
            .write(&mut trace);
        let transaction = self.session.transaction().expect("there is a transaction");
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        self.stored.push(Stored {
            reverse_path: text(transaction.reverse_path().as_octets()),
            recipients: transaction
                .recipients()
                .map(|path| text(path.as_octets()))
                .collect(),
            trace,
            content: std::mem::take(&mut self.content),
        });
    }

    fn send(&mut self) {
        self.sent.extend_from_slice(self.replies.as_octets());
        self.replies.clear();
    }
}

/// The octet that stands for a handshake of TLS: the first of its first record.
const HANDSHAKE: u8 = 0x16;

/// What one look at the receive buffer took.
struct Consumed {
    octets: usize,
    wants_more: bool,
}

/// Plays a dialogue.
///
/// # Errors
///
/// What went wrong, with the file and line of the dialogue and the way it was played.
pub(crate) fn play(dialogue: &Dialogue, segments: Segments) -> Result<(), String> {
    let profile = profile(&dialogue.profile)
        .ok_or_else(|| format!("{}: no profile {}", dialogue.file, dialogue.profile))?;
    let mut player = Player {
        dialogue,
        segments,
        server: Server::new(profile),
        matched_octets: 0,
        stored: 0,
        line: 0,
    };
    match segments {
        Segments::Lockstep => player.lockstep(),
        Segments::Octets => player.at_once(|_| 1),
        Segments::One => player.at_once(|rest| rest),
        Segments::Random { seed } => {
            let mut random = Random(seed);
            player.at_once(move |rest| 1 + random.below(rest.min(40)))
        }
    }
}

struct Player<'dialogue> {
    dialogue: &'dialogue Dialogue,
    segments: Segments,
    server: Server,
    matched_octets: usize,
    /// Messages the dialogue has said are stored; claims are about the last of them.
    stored: usize,
    line: usize,
}

impl Player<'_> {
    /// Everything is checked where it stands.
    fn lockstep(&mut self) -> Result<(), String> {
        for step in &self.dialogue.steps {
            self.line = step.line;
            match &step.event {
                Event::Client(octets) => {
                    self.nothing_unexpected()?;
                    self.server.receive(octets);
                }
                Event::Stored(count) => {
                    let stored = self.server.stored().len();
                    self.stored = *count;
                    self.check(stored == *count, || format!("{stored} messages are stored"))?;
                }
                event => self.expect(event)?,
            }
        }
        self.nothing_unexpected()
    }

    /// The client sends all it has; then the transcript is compared, then what it left behind.
    fn at_once(&mut self, mut segment_octets: impl FnMut(usize) -> usize) -> Result<(), String> {
        let steps = &self.dialogue.steps;
        let client: Vec<u8> = steps
            .iter()
            .filter_map(|step| match &step.event {
                Event::Client(octets) => Some(octets.as_slice()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat();
        let mut rest = client.as_slice();
        while !rest.is_empty() {
            let (segment, later) = rest.split_at(segment_octets(rest.len()));
            self.server.receive(segment);
            rest = later;
        }
        for step in steps {
            self.line = step.line;
            match &step.event {
                Event::Client(_) => {}
                Event::Stored(count) => self.stored = *count,
                event => self.expect(event)?,
            }
        }
        self.nothing_unexpected()?;
        let stored = self.server.stored().len();
        let last_stored = steps.iter().rev().find_map(|step| match step.event {
            Event::Stored(count) => Some(count),
            _ => None,
        });
        self.check(last_stored.is_none_or(|count| count == stored), || {
            format!("{stored} messages are stored in the end")
        })
    }

    fn expect(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Reply(whole) => {
                let mut lines = Vec::new();
                loop {
                    let line = self.next_line();
                    let line = line.ok_or_else(|| self.failure("the reply has no end"))?;
                    let goes_on = whole.goes_on(&line);
                    lines.push(line);
                    match goes_on {
                        Some(true) => {}
                        Some(false) => break,
                        None => return Err(self.failure(&format!("the server sent {lines:?}"))),
                    }
                }
                self.check(whole.matches(&lines), || format!("the reply is {lines:?}"))
            }
            Event::Server(pattern) => {
                let Some(line) = self.next_line() else {
                    return self.check(false, || format!("the server sent nothing like {pattern}"));
                };
                self.check(!line.contains(&b'\n') && pattern.matches(&line), || {
                    format!("the server sent {}", line.escape_ascii())
                })
            }
            Event::Closed => {
                self.nothing_unexpected()?;
                self.check(self.server.is_closed(), || {
                    "the server has not closed".to_owned()
                })
            }
            Event::Message(claim) => {
                let index = self.stored.checked_sub(1);
                let stored = index
                    .and_then(|index| self.server.stored().get(index))
                    .cloned();
                let stored = stored.ok_or_else(|| self.failure("no such message is stored"))?;
                self.check(stored.is_like(claim), || {
                    format!("the message is {stored:?}")
                })
            }
            Event::Handshake => Err(self.failure("there is no TLS without a network")),
            Event::Client(_) | Event::Stored(_) => Ok(()),
        }
    }

    /// The next line of the server, without CRLF.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let sent = &self.server.sent()[self.matched_octets..];
        let end = sent.windows(2).position(|pair| pair == b"\r\n")?;
        let line = sent[..end].to_vec();
        self.matched_octets += end + 2;
        Some(line)
    }

    fn nothing_unexpected(&self) -> Result<(), String> {
        let rest = &self.server.sent()[self.matched_octets..];
        self.check(rest.is_empty(), || {
            format!("the server also sent {}", rest.escape_ascii())
        })
    }

    fn check(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
        if holds {
            Ok(())
        } else {
            Err(self.failure(&what()))
        }
    }

    fn failure(&self, what: &str) -> String {
        format!(
            "{}:{} ({:?}): {what}",
            self.dialogue.file, self.line, self.segments
        )
    }
}

impl Stored {
    fn is_like(&self, claim: &Claim) -> bool {
        match claim {
            Claim::ReversePath(path) => self.reverse_path == *path,
            Claim::Recipients(recipients) => self.recipients == *recipients,
            Claim::Content(content) => self.content == *content,
            Claim::Octets(octets) => self.content.len() == *octets,
            Claim::Trace(pattern) => {
                let trace = String::from_utf8_lossy(&self.trace).replace("\r\n ", " ");
                trace
                    .split("\r\n")
                    .any(|field| pattern.matches(field.as_bytes()))
            }
        }
    }
}

/// A small generator whose sequence its seed decides (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("it is below a usize")
    }
}
