//! What became of every message, as far as its client knows, and the comparison with what is stored.
//!
//! In: keys of messages with their fates; a Maildir at rest. Out: the ids of what is stored. Guarantees: every octet of a
//! stored message follows from its key, so that it is checked whoever has sent it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::crash::random::Random;
use crate::engine::server;

/// What became of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// 250, with the id of its reply.
    Acknowledged(String),
    /// Its end was sent, and no reply to it was read: it may be stored.
    InDoubt,
    /// It was refused, dropped by its client, or its end was not sent: it must not be stored.
    Absent,
}

/// Messages and what clients have seen, over all sessions of a world.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Entries>);

/// What clients have seen, to be compared with what the server has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Connections the kernel has made.
    pub(super) connections: u64,
    /// Handshakes that the server may have waited for.
    pub(super) tls_begun: u64,
    /// Handshakes behind which the server has said something.
    pub(super) tls_proven: u64,
    /// Replies to credentials: accepted, refused; and those of which the client has not read the reply.
    pub(super) auth_accepted: u64,
    pub(super) auth_refused: u64,
    pub(super) auth_in_doubt: u64,
    /// Replies to messages: 250, and others.
    pub(super) messages_acknowledged: u64,
    pub(super) messages_refused: u64,
}

#[derive(Debug, Default)]
struct Entries {
    fates: BTreeMap<String, Fate>,
    seen: Seen,
}

impl Ledger {
    /// Notes a message.
    pub(super) fn note(&self, key: String, fate: Fate) {
        let twin = self.entries().fates.insert(key, fate);
        assert_eq!(twin, None, "each key is used once");
    }

    /// Adds to what was seen.
    pub(super) fn see(&self, add: impl FnOnce(&mut Seen)) {
        add(&mut self.entries().seen);
    }

    /// What was seen.
    pub(super) fn seen(&self) -> Seen {
        self.entries().seen.clone()
    }

    /// Messages by what became of them: acknowledged, in doubt, absent.
    pub(super) fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for fate in self.entries().fates.values() {
            counts[match fate {
                Fate::Acknowledged(_) => 0,
                Fate::InDoubt => 1,
                Fate::Absent => 2,
            }] += 1;
        }
        counts
    }

    /// Compares with a Maildir at rest. The name and the octets of content of each stored message, by its id.
    pub(super) fn check(&self, maildir: &Path, because: &str) -> BTreeMap<String, (String, usize)> {
        let fates = &self.entries().fates;
        let mut stored = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for entry in fs::read_dir(maildir.join("new")).expect("the server has made it") {
            let path = entry.expect("it is readable").path();
            let name = path.file_name().expect("it is a file").to_string_lossy();
            let message = fs::read(&path).expect("it is readable");
            let (key, id, octets) = whole(&message).unwrap_or_else(|| {
                let start = message[..message.len().min(600)].escape_ascii();
                panic!("{because}: {name} is not whole: {start}")
            });
            match fates.get(&key) {
                Some(Fate::Acknowledged(acknowledged)) => {
                    assert_eq!(*acknowledged, id, "{because}: {key} is stored as another");
                }
                Some(Fate::InDoubt) => {}
                fate => panic!("{because}: {key} is stored, and is {fate:?}"),
            }
            assert!(keys.insert(key.clone()), "{because}: {key} is stored twice");
            stored.insert(id, (name.into_owned(), octets));
        }
        for (key, fate) in fates {
            let is_lost = matches!(fate, Fate::Acknowledged(_)) && !keys.contains(key);
            assert!(!is_lost, "{because}: {key} is lost: {fate:?}");
        }
        stored
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().expect("no client panics")
    }
}

/// The key, the id and the octets of a stored message, if its content is what was sent.
fn whole(message: &[u8]) -> Option<(String, String, usize)> {
    let content = server::content(message);
    let head = std::str::from_utf8(&message[..message.len() - content.len()]).ok()?;
    let (_, rest) = head.split_once(" id ")?;
    let id = rest.split(['\r', ';', ' ']).next()?;
    let end = content.iter().position(|octet| *octet == b'\r')?;
    let key = std::str::from_utf8(&content[..end]).ok()?;
    (body(key)? == content).then(|| (key.to_owned(), id.to_owned(), content.len()))
}

/// The content that belongs to a key: `NAME/OCTETS/KIND`, where the kind is `lines` or `binary`; about so many octets.
pub(super) fn body(key: &str) -> Option<Vec<u8>> {
    let mut words = key.rsplit('/');
    let (kind, size) = (words.next()?, words.next()?.parse::<usize>().ok()?);
    let seed = key.bytes().fold(0_u64, |seed, octet| {
        seed.wrapping_mul(31).wrapping_add(u64::from(octet))
    });
    let mut random = Random::new(seed);
    let mut body = format!("{key}\r\n").into_bytes();
    while body.len() < size {
        match kind {
            "binary" => body.extend_from_slice(&random.next().to_le_bytes()),
            // Dots where transparency matters, empty lines, and text.
            _ => match random.below(6) {
                0 => body.extend_from_slice(b".\r\n"),
                1 => body.extend_from_slice(b"..two dots\r\n"),
                2 => body.extend_from_slice(b"\r\n"),
                _ => {
                    let text = format!("{:016x}", random.next());
                    body.extend_from_slice(text.repeat(4).as_bytes());
                    body.extend_from_slice(b"\r\n");
                }
            },
        }
    }
    Some(body)
}

/// The same as DATA wants it, with its end.
pub(super) fn transparent(body: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(body.len() + 100);
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    data.extend_from_slice(b".\r\n");
    data
}
