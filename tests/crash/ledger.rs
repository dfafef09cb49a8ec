//! Clients that note what was acknowledged, and the comparison with what is stored.
//!
//! In: an address, keys of messages. Out: a ledger with one entry per message: acknowledged with its id, refused, or in
//! doubt because the connection ended before the answer. Guarantees: the content of a message follows from its key, so that
//! every octet of every stored file is checked, acknowledged or not.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::random::Random;
use crate::engine::server::{Client, content};

/// What became of a message, as far as its client knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// 250, with the id of its reply.
    Acknowledged(String),
    /// Any other reply to its end, or to a command before it.
    Refused(String),
    /// No reply: it may be stored.
    InDoubt,
}

/// Every message of a test by its key.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<String, Outcome>,
}

impl Ledger {
    pub(super) fn note(&mut self, key: String, outcome: Outcome) {
        let twin = self.entries.insert(key, outcome);
        assert_eq!(twin, None, "each key is used once");
    }

    pub(super) fn acknowledged_count(&self) -> usize {
        let is_acknowledged = |outcome: &&Outcome| matches!(outcome, Outcome::Acknowledged(_));
        self.entries.values().filter(is_acknowledged).count()
    }

    /// Compares with a Maildir whose writers have ended or rest. The names of stored files, by key.
    pub(super) fn check(&self, maildir: &Path, because: &str) -> BTreeMap<String, String> {
        let mut stored: BTreeMap<String, String> = BTreeMap::new();
        for entry in fs::read_dir(maildir.join("new")).expect("the server has made it") {
            let path = entry.expect("it is readable").path();
            let name = path.file_name().expect("it is a file").to_string_lossy();
            let message = fs::read(&path).expect("it is readable");
            let (key, id) = whole(&message)
                .unwrap_or_else(|| panic!("{because}: {name} is not whole: {}", shown(&message)));
            match self.entries.get(&key) {
                Some(Outcome::Acknowledged(acknowledged)) => {
                    assert_eq!(*acknowledged, id, "{because}: {key} is stored as another");
                }
                Some(Outcome::InDoubt) => {}
                Some(Outcome::Refused(reply)) => {
                    panic!("{because}: {key} is stored and was refused: {reply}")
                }
                None => panic!("{because}: nobody has sent {key}"),
            }
            let twin = stored.insert(key.clone(), name.into_owned());
            assert_eq!(twin, None, "{because}: {key} is stored twice");
        }
        let is_lost = |(key, outcome): &(&String, &Outcome)| {
            matches!(outcome, Outcome::Acknowledged(_)) && !stored.contains_key(*key)
        };
        let lost: Vec<_> = self.entries.iter().filter(is_lost).collect();
        assert!(lost.is_empty(), "{because}: lost {lost:?}");
        stored
    }
}

/// The files in `tmp`.
pub(super) fn unfinished_count(maildir: &Path) -> usize {
    let tmp = fs::read_dir(maildir.join("tmp"));
    tmp.expect("the server has made it").count()
}

/// The key and the id of a stored message, if every octet of its content is as it was sent.
fn whole(message: &[u8]) -> Option<(String, String)> {
    let content = content(message);
    let head = std::str::from_utf8(&message[..message.len() - content.len()]).ok()?;
    let (_, rest) = head.split_once(" id ")?;
    let id = rest.split(['\r', ';', ' ']).next()?;
    let end = content.iter().position(|octet| *octet == b'\r')?;
    let key = std::str::from_utf8(&content[..end]).ok()?;
    (body(key) == content).then(|| (key.to_owned(), id.to_owned()))
}

fn shown(message: &[u8]) -> String {
    let start = &message[..message.len().min(400)];
    format!("{} octets, {}", message.len(), start.escape_ascii())
}

/// The content that belongs to a key, which says its size: `NAME/OCTETS`.
pub(super) fn body(key: &str) -> Vec<u8> {
    let size = key.rsplit_once('/').and_then(|(_, size)| size.parse().ok());
    let size: usize = size.expect("a key says its size");
    let seed = key.bytes().fold(0_u64, |seed, octet| {
        seed.wrapping_mul(31).wrapping_add(u64::from(octet))
    });
    let mut random = Random::new(seed);
    let mut body = format!("{key}\r\n").into_bytes();
    while body.len() < size {
        body.extend_from_slice(format!("{:016x}", random.next()).repeat(4).as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body
}

/// A size as mail has them: most messages are small, some go to the disk in parts.
pub(super) fn size(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => 140_000 + random.below(500_000),
        _ => 100 + random.below(8_000),
    }
}

/// A connection of a client that survives whatever the server does.
#[derive(Debug)]
pub(super) struct Sender(Client);

impl Sender {
    /// Connects and greets; none if the server says anything but welcome, or nothing.
    pub(super) fn greeted(address: SocketAddr) -> Option<Self> {
        let mut sender = Self(Client::try_connect(address)?);
        sender.reply()?.starts_with("220 ").then_some(())?;
        sender
            .0
            .try_send(b"HELO client.example\r\n")
            .then_some(())?;
        sender.reply()?.starts_with("250 ").then_some(())?;
        Some(sender)
    }

    /// Sends one message; `sent` is called when all of it has been handed to the kernel.
    pub(super) fn send(&mut self, key: &str, sent: impl FnOnce()) -> Outcome {
        let envelope = b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
        if !self.0.try_send(envelope) {
            return Outcome::InDoubt;
        }
        for expected in ["250 ", "250 ", "354 "] {
            match self.reply() {
                Some(reply) if reply.starts_with(expected) => {}
                Some(reply) => return Outcome::Refused(reply),
                None => return Outcome::InDoubt,
            }
        }
        let mut data = body(key);
        data.extend_from_slice(b".\r\n");
        if !self.0.try_send(&data) {
            return Outcome::InDoubt;
        }
        sent();
        match self.reply() {
            Some(reply) if reply.starts_with("250 ") => {
                let id = reply.trim_end().rsplit(' ').next().unwrap_or_default();
                Outcome::Acknowledged(id.to_owned())
            }
            Some(reply) => Outcome::Refused(reply),
            None => Outcome::InDoubt,
        }
    }

    /// A whole reply line; a part of one is none.
    fn reply(&mut self) -> Option<String> {
        let line = self.0.try_line().ok().flatten()?;
        line.ends_with("\r\n").then_some(line)
    }
}
