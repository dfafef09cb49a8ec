//! Targets that listen to a next hop.
//!
//! In: any octets as what a next hop sends. Out: nothing, or a panic. What holds: replies, events and commands do not
//! depend on the sizes of reads; replies are those of a slow reading, and bounded; what a client of ours is told is one
//! well-formed reply each time; no command is sent but those that belong to the message, whatever the next hop says.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use postern::limits;
use postern::smtp::client::{
    ClientError, ClientOptions, ClientProtocol, ClientSession, ClientTls, Event,
};
use postern::smtp::reply::{ReceivedReply, Replies, ReplyClass, ReplyError, ReplyReader};
use postern::smtp::session::{
    AcceptDomains, ClientFacts, Session, SessionOptions, Step, Transaction,
};

use super::cut;
use super::session::check_replies;

/// Replies, as they come.
pub(super) fn reply(input: &[u8]) {
    let (octets, pieces) = cut(input);
    let whole = replies([octets].into_iter());
    assert_eq!(replies(pieces.into_iter()), whole, "cut as chosen");
    assert_eq!(replies(octets.chunks(1)), whole, "octet by octet");
    let (read, error) = &whole;
    let (expected, is_faulty) = slow_replies(octets);
    let read_in_short: Vec<_> = read
        .iter()
        .map(|reply| (reply.code().number(), reply.lines().count()))
        .collect();
    assert_eq!(read_in_short, expected);
    assert_eq!(error.is_some(), is_faulty);
    for reply in read {
        let text_octets: usize = reply.lines().map(<[u8]>::len).sum();
        assert!(text_octets <= limits::NEXT_HOP_REPLY_OCTETS_MAX);
        assert!(reply.lines().count() <= limits::NEXT_HOP_REPLY_LINES_MAX);
        let mut told = Replies::new();
        told.push(&reply.as_reply());
        check_replies(told.as_octets());
        let lasts = told.as_octets().split_inclusive(|octet| *octet == b'\n');
        let lasts = lasts.filter(|line| line.get(3) == Some(&b' ')).count();
        assert_eq!(lasts, 1, "a reply is told as one");
    }
}

/// Every reply, and why there are no more.
fn replies<'octets>(
    pieces: impl Iterator<Item = &'octets [u8]>,
) -> (Vec<ReceivedReply>, Option<ReplyError>) {
    let mut reader = ReplyReader::new();
    let mut replies = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            match reader.read(piece) {
                Ok((consumed, reply)) => {
                    assert!(0 < consumed, "it goes on");
                    replies.extend(reply);
                    piece = &piece[consumed..];
                }
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

/// By the definition: code and count of lines of each reply, and whether what follows them is none.
fn slow_replies(octets: &[u8]) -> (Vec<(u16, usize)>, bool) {
    let mut replies = Vec::new();
    let mut open: Option<(u16, usize, usize)> = None;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let ended = line.strip_suffix(b"\n");
        if limits::NEXT_HOP_REPLY_LINE_OCTETS_MAX < ended.unwrap_or(line).len() {
            return (replies, true);
        }
        let Some(line) = ended else { break };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let code = line
            .get(..3)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|octet| octet.is_ascii_digit()));
        let code = code.and_then(|code| code.parse().ok());
        let code = code.filter(|code| (200..600).contains(code));
        let (Some(code), None | Some(b' ' | b'-')) = (code, line.get(3)) else {
            return (replies, true);
        };
        let (first, lines_count, text_octets) = open.unwrap_or((code, 0, 0));
        let text_octets = text_octets + text_of(line).len();
        // The line feeds between lines count as well.
        let is_long = limits::NEXT_HOP_REPLY_LINES_MAX < lines_count + 1
            || limits::NEXT_HOP_REPLY_OCTETS_MAX < text_octets + lines_count.saturating_sub(1);
        if first != code || is_long {
            return (replies, true);
        }
        if line.get(3) == Some(&b'-') {
            open = Some((code, lines_count + 1, text_octets));
        } else {
            open = None;
            replies.push((code, lines_count + 1));
        }
    }
    (replies, false)
}

/// What stands behind code and enhanced code.
fn text_of(line: &[u8]) -> &[u8] {
    let text = line.get(4..).unwrap_or_default();
    let word_octets = text.iter().take_while(|octet| **octet != b' ').count();
    let numbers: Vec<&[u8]> = text[..word_octets].split(|octet| *octet == b'.').collect();
    let is_number =
        |number: &&&[u8]| (1..=3).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    let is_enhanced = numbers.len() == 3
        && numbers[0] == &line[..1]
        && numbers.iter().filter(is_number).count() == 3;
    if is_enhanced {
        text.get(word_octets + 1..).unwrap_or_default()
    } else {
        text
    }
}

/// The client of a next hop; the first octet chooses its options. The octet 0x16 stands for the handshake of TLS: what is
/// in front of the first one comes in plain text.
pub(super) fn client(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let (octets, pieces) = cut(input);
    let whole = converse(choice, [octets].into_iter());
    check_commands(&whole.sent);
    for other in [
        converse(choice, pieces.into_iter()),
        converse(choice, octets.chunks(1)),
    ] {
        assert_eq!(
            whole.sent.escape_ascii().to_string(),
            other.sent.escape_ascii().to_string()
        );
        assert_eq!(whole.events, other.events);
        assert_eq!(whole.error, other.error);
    }
}

/// A conversation with a next hop.
struct Conversation {
    session: ClientSession,
    sent: Vec<u8>,
    events: Vec<Event>,
    error: Option<ClientError>,
    /// Between the reply to STARTTLS and the handshake.
    awaits_handshake: bool,
    messages_count: usize,
    pending_recipients_count: usize,
    has_recipient: bool,
}

fn converse<'octets>(choice: u8, pieces: impl Iterator<Item = &'octets [u8]>) -> Conversation {
    let options = ClientOptions {
        hostname: "mx.example.org".into(),
        protocol: match choice & 1 {
            0 => ClientProtocol::Smtp,
            _ => ClientProtocol::Lmtp,
        },
        tls: match choice >> 1 & 3 {
            0 => ClientTls::Off,
            1 => ClientTls::Required,
            _ => ClientTls::Opportunistic,
        },
    };
    let mut conversation = Conversation {
        session: ClientSession::new(Rc::new(options)),
        sent: Vec::new(),
        events: Vec::new(),
        error: None,
        awaits_handshake: false,
        messages_count: 0,
        pending_recipients_count: 0,
        has_recipient: false,
    };
    let envelope = message(choice & 8 != 0);
    let message = envelope.transaction().expect("there is one");
    for piece in pieces {
        conversation.receive(piece, message);
        conversation.send();
    }
    conversation
}

impl Conversation {
    fn receive(&mut self, mut octets: &[u8], message: &Transaction) {
        while !octets.is_empty() && self.error.is_none() {
            if self.awaits_handshake {
                // Where the handshake begins depends on the reads no more than where a line does: what comes in the
                // clear instead is an error, whether it came in the same read or in a later one.
                if octets[0] != HANDSHAKE {
                    self.error = Some(ClientError::PlainAfterStartTls);
                    return;
                }
                octets = &octets[1..];
                self.awaits_handshake = false;
                self.session.encrypted();
                self.send();
                continue;
            }
            let plain = octets.iter().position(|octet| *octet == HANDSHAKE);
            let plain = plain.unwrap_or(octets.len());
            if plain == 0 {
                // A handshake that nobody waits for.
                self.error = Some(ClientError::PlainAfterStartTls);
                return;
            }
            match self.session.receive(&octets[..plain]) {
                Ok((consumed, event)) => {
                    assert!(0 < consumed, "it goes on");
                    octets = &octets[consumed..];
                    // Whoever waits for a reply has sent everything.
                    self.send();
                    if let Some(event) = event {
                        self.go_on(&event, message);
                        self.events.push(event);
                    }
                }
                Err(ClientError::PlainAfterStartTls) => {
                    self.events.push(Event::StartTls);
                    self.error = Some(ClientError::PlainAfterStartTls);
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// What delivery does next.
    fn go_on(&mut self, event: &Event, message: &Transaction) {
        let is = |reply: &ReceivedReply, class| reply.code().class() == class;
        match event {
            Event::Ready => self.begin(message),
            Event::StartTls => self.awaits_handshake = true,
            Event::Unwilling(_) | Event::NoTls => self.session.quit(),
            Event::Mail(reply) if is(reply, ReplyClass::Completed) => {
                for recipient in message.recipients() {
                    let added = self.session.rcpt(&recipient);
                    added.expect("the recipient can be sent");
                    self.pending_recipients_count += 1;
                }
            }
            Event::Rcpt(reply) => {
                self.pending_recipients_count -= 1;
                self.has_recipient |= is(reply, ReplyClass::Completed);
                if self.pending_recipients_count == 0 {
                    self.give_content();
                }
            }
            Event::Data(reply) if is(reply, ReplyClass::Intermediate) => {
                self.write_content();
            }
            Event::Message(outcome) => {
                let mut told = Replies::new();
                told.push(&outcome.reply().as_reply());
                check_replies(told.as_octets());
                if self.session.is_reusable() {
                    self.begin(message);
                }
            }
            Event::Mail(_) | Event::Data(_) | Event::Chunk(_) => self.session.quit(),
        }
    }

    fn begin(&mut self, message: &Transaction) {
        self.messages_count += 1;
        if MESSAGES_COUNT_MAX < self.messages_count {
            self.session.quit();
            return;
        }
        if self.session.must_reset() {
            self.session.reset();
        }
        self.has_recipient = false;
        if self.session.mail(&message.reverse_path()).is_err() {
            self.session.quit();
        }
    }

    fn give_content(&mut self) {
        if !self.has_recipient {
            self.session.quit();
            return;
        }
        self.session.data();
        // Chunks need no leave.
        if !self.session.awaits_reply() {
            self.write_content();
        }
    }

    fn write_content(&mut self) {
        self.session
            .write(CONTENT)
            .expect("it has no bare line end");
        self.session.end_message().expect("it has no bare line end");
    }

    fn send(&mut self) {
        self.sent.extend_from_slice(self.session.output());
        self.session.sent();
    }
}

/// A session that has a message with everything that depends on what the next hop announces, or one that goes in chunks.
fn message(is_binary: bool) -> Session {
    let mail: &[u8] = if is_binary {
        b"MAIL FROM:<a@example.com> BODY=BINARYMIME"
    } else {
        b"MAIL FROM:<a@example.com> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x"
    };
    let options = SessionOptions {
        accept_domains: AcceptDomains::new(["example.org"]).expect("it is a domain"),
        ..SessionOptions::new("mx.example.org")
    };
    let client = ClientFacts::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut session = Session::new(Arc::new(options), client);
    let mut replies = Replies::new();
    for line in [
        b"EHLO client.example",
        mail,
        b"RCPT TO:<b@example.org> NOTIFY=NEVER ORCPT=rfc822;b@example.org",
        b"RCPT TO:<c@example.org>",
    ] {
        let step = session.take_line(Ok(line), &mut replies);
        assert_eq!(step, Step::Continue);
    }
    let transaction = session.transaction().expect("there is one");
    assert_eq!(transaction.recipients_count(), 2);
    session
}

/// Nothing but commands that this client knows, and the content, whole; nothing behind QUIT.
fn check_commands(sent: &[u8]) {
    let lines: Vec<&[u8]> = sent.split_inclusive(|octet| *octet == b'\n').collect();
    for line in &lines {
        let text = line.strip_suffix(b"\r\n").expect("a line ends with CRLF");
        let is_known = COMMANDS.iter().any(|command| command.as_bytes() == text)
            || text
                .strip_prefix(b"MAIL FROM:<a@example.com>")
                .is_some_and(|rest| match std::str::from_utf8(rest) {
                    Ok(rest) => rest.split(' ').skip(1).all(|one| MAIL.contains(&one)),
                    Err(_) => false,
                })
            || text.strip_prefix(b"RCPT TO:<").is_some_and(|rest| {
                [
                    &b"b@example.org>"[..],
                    b"b@example.org> NOTIFY=NEVER ORCPT=rfc822;b@example.org",
                    b"c@example.org>",
                ]
                .contains(&rest)
            });
        assert!(is_known, "{}", line.escape_ascii());
    }
    let end = lines.iter().position(|line| *line == b"QUIT\r\n");
    assert!(end.is_none_or(|end| end + 1 == lines.len()), "QUIT is last");
}

/// The octet that stands for the handshake of TLS.
const HANDSHAKE: u8 = 0x16;

/// More than one message shows what is left of the one before.
const MESSAGES_COUNT_MAX: usize = 3;

const CONTENT: &[u8] = b"Subject: x\r\n\r\n.x\r\n";

/// Lines that are known whole, the content with its transparency among them.
const COMMANDS: [&str; 14] = [
    "EHLO mx.example.org",
    "LHLO mx.example.org",
    "HELO mx.example.org",
    "STARTTLS",
    "RSET",
    "DATA",
    "QUIT",
    "Subject: x",
    "",
    "..x",
    ".",
    ".x",
    "BDAT 18 LAST",
    "BDAT 0 LAST",
];

const MAIL: [&str; 5] = [
    "SIZE=5",
    "BODY=8BITMIME",
    "BODY=BINARYMIME",
    "RET=HDRS",
    "ENVID=x",
];
