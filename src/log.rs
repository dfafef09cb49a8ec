//! The log: one line per event on standard error, `key=value` words, written by a thread of its own.
//!
//! In: events of shards. Out: lines such as
//! `time=2026-01-31T12:00:00Z level=message event=accepted shard=0 session=0-17 id=.. octets=1024`.
//!
//! Guarantees: a shard formats into a buffer it keeps and never waits; what the thread cannot take is dropped and
//! counted in a later line; a log that nobody reads does not keep the process from ending; octets of clients cannot end a
//! line or forge a word. Does not: rotate, filter by text, or send anywhere else; what collects standard error does.

mod ration;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write as _;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::bell::Bell;

pub use ration::Ration;

/// How much is logged; each level includes the ones before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Nothing.
    Off,
    /// What stops postern or loses a message.
    Error,
    /// What an operator should look at: connections refused, clients that talk early, failed scripts.
    Warning,
    /// One line per message accepted or refused, per command refused, and per client that took too long.
    Message,
    /// One line per connection opened and closed.
    Connection,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Message => "message",
            Self::Connection => "connection",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Off,
            Self::Error,
            Self::Warning,
            Self::Message,
            Self::Connection,
        ]
        .into_iter()
        .find(|level| level.name() == text)
        .ok_or_else(|| format!("`{text}` is none of off, error, warning, message, connection"))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where shards send what they have gathered.
#[derive(Clone, Debug)]
pub struct LogSender {
    level: Level,
    /// Blocks of lines; an empty one ends the log.
    blocks: SyncSender<Vec<u8>>,
}

/// The log's thread.
#[derive(Debug)]
pub struct LogThread {
    blocks: SyncSender<Vec<u8>>,
    /// Disconnected once the thread has ended.
    end: Receiver<Never>,
}

/// No value.
#[derive(Debug)]
enum Never {}

/// Starts the log's thread.
///
/// # Errors
///
/// No thread can be started.
pub fn start(level: Level) -> std::io::Result<(LogSender, LogThread)> {
    start_to(level, std::io::stderr())
}

/// Starts the log's thread, which writes to `place` instead of standard error.
///
/// # Errors
///
/// No thread can be started.
pub fn start_to(
    level: Level,
    place: impl std::io::Write + Send + 'static,
) -> std::io::Result<(LogSender, LogThread)> {
    let (blocks, receiver) = sync_channel(BLOCKS_MAX);
    let (is_alive, end) = sync_channel(1);
    std::thread::Builder::new()
        .name("postern-log".to_owned())
        .spawn(move || {
            write_blocks(&receiver, place);
            drop(is_alive);
        })?;
    let sender = LogSender {
        level,
        blocks: blocks.clone(),
    };
    Ok((sender, LogThread { blocks, end }))
}

impl LogSender {
    /// Logs a line of the process, which is no shard's, at once. `words` are `key=value`, ours.
    pub fn say(&self, time: &str, level: Level, event: &'static str, words: &str) {
        if level <= self.level {
            let line = format!("time={time} level={level} event={event} {words}\n");
            // Only blocks of the very beginning can be in the way.
            let _ = self.blocks.try_send(line.into_bytes());
        }
    }
}

impl LogThread {
    /// Waits until what was handed over is written; for two seconds at most, should nobody read standard error.
    pub fn join(self) {
        // Full: the thread is behind, and what it has not written by then is lost.
        for _ in 0..LAST_LINES_TRIES_COUNT {
            match self.blocks.try_send(Vec::new()) {
                Err(TrySendError::Full(_)) => {}
                Ok(()) | Err(TrySendError::Disconnected(_)) => {
                    let _ = self.end.recv_timeout(LAST_LINES_WAIT);
                    return;
                }
            }
            let _ = self
                .end
                .recv_timeout(LAST_LINES_WAIT / LAST_LINES_TRIES_COUNT);
        }
    }
}

fn write_blocks(blocks: &Receiver<Vec<u8>>, mut place: impl std::io::Write) {
    while let Ok(block) = blocks.recv()
        && !block.is_empty()
    {
        // Nobody reads it: there is no other place to complain.
        let _ = place.write_all(&block);
    }
}

/// The log of one shard: gathers lines, hands them over in blocks.
#[derive(Debug)]
pub struct ShardLog {
    shard: usize,
    sender: LogSender,
    block: RefCell<Vec<u8>>,
    lost_lines_count: Cell<u64>,
    /// Rings when the first line of a block is complete.
    first_line: Bell,
}

impl ShardLog {
    /// A log whose lines carry `shard`.
    #[must_use]
    pub fn new(shard: usize, sender: LogSender) -> Self {
        Self {
            shard,
            sender,
            block: RefCell::default(),
            lost_lines_count: Cell::new(0),
            first_line: Bell::default(),
        }
    }

    /// Begins a line, or nothing when the level is not logged. `time` is RFC 3339 text. The line is complete when the
    /// value is dropped; only one may be open at a time.
    pub fn line(&self, level: Level, time: &str, event: &'static str) -> Option<Line<'_>> {
        if self.sender.level < level {
            return None;
        }
        let mut block = self.block.borrow_mut();
        let begin = block.len();
        let shard = self.shard;
        // Writing to a vector cannot fail.
        let _ = write!(
            block,
            "time={time} level={level} event={event} shard={shard}"
        );
        Some(Line {
            log: self,
            begin,
            hand_over: level <= Level::Error,
        })
    }

    /// Returns once lines wait to be handed over.
    pub async fn wait_for_lines(&self) {
        self.first_line
            .wait_until(|| !self.block.borrow().is_empty())
            .await;
    }

    /// Hands the gathered lines to the thread; when it is behind, they are dropped and counted.
    pub fn flush(&self) {
        let block = self.block.take();
        if block.is_empty() {
            return;
        }
        match self.sender.blocks.try_send(block) {
            Ok(()) => {
                let lost = self.lost_lines_count.take();
                if 0 < lost {
                    let line = format!(
                        "level=warning event=log_lost shard={} lines={lost}\n",
                        self.shard
                    );
                    self.block.borrow_mut().extend_from_slice(line.as_bytes());
                }
            }
            Err(TrySendError::Full(mut block) | TrySendError::Disconnected(mut block)) => {
                let lines = memchr::memchr_iter(b'\n', &block).count() as u64;
                self.lost_lines_count
                    .set(self.lost_lines_count.get() + lines);
                block.clear();
                self.block.replace(block);
            }
        }
    }
}

/// A line being written.
#[derive(Debug)]
pub struct Line<'log> {
    log: &'log ShardLog,
    begin: usize,
    hand_over: bool,
}

impl Line<'_> {
    /// Adds a word of ours: `value` holds neither space nor control characters.
    #[must_use]
    pub fn word(self, key: &str, value: impl fmt::Display) -> Self {
        let _ = write!(self.log.block.borrow_mut(), " {key}={value}");
        self
    }

    /// Adds octets of anybody: printable ASCII as it is, the rest escaped, quoted, cut at 256 octets.
    #[must_use]
    pub fn octets(self, key: &str, value: &[u8]) -> Self {
        let value = &value[..value.len().min(VALUE_OCTETS_MAX)];
        let mut block = self.log.block.borrow_mut();
        let _ = write!(block, " {key}=\"");
        for &octet in value {
            match octet {
                b'"' | b'\\' => block.extend([b'\\', octet]),
                b' '..=b'~' => block.push(octet),
                // Escapes that every reader of logs knows.
                _ => block.extend(std::ascii::escape_default(octet)),
            }
        }
        block.push(b'"');
        drop(block);
        self
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut block = self.log.block.borrow_mut();
        debug_assert!(self.begin < block.len(), "a line has words");
        block.push(b'\n');
        let full = BLOCK_BYTES <= block.len();
        drop(block);
        if full || self.hand_over {
            self.log.flush();
        } else if self.begin == 0 {
            self.log.first_line.ring();
        }
    }
}

/// A block is handed over when it has grown to this size, in bytes; about a hundred lines.
const BLOCK_BYTES: usize = 16_384;

/// Blocks that may wait for the thread; with this many, 4 MiB are behind and lines are dropped.
const BLOCKS_MAX: usize = 256;

/// How long the end of the process waits for the last lines.
const LAST_LINES_WAIT: Duration = Duration::from_secs(2);

/// How often it looks whether there is room for them meanwhile.
const LAST_LINES_TRIES_COUNT: u32 = 100;

/// Longest value of a client that is logged, in octets.
const VALUE_OCTETS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::{Level, LogSender, ShardLog};
    use std::sync::mpsc::sync_channel;

    #[test]
    fn clients_cannot_forge_lines() {
        let (blocks, receiver) = sync_channel(1);
        let log = ShardLog::new(
            3,
            LogSender {
                level: Level::Message,
                blocks,
            },
        );
        drop(log.line(Level::Message, "T", "helo").map(|line| {
            line.word("session", "3-1")
                .octets("name", b"a\r\nlevel=error event=\"x\" \xff")
        }));
        assert!(log.line(Level::Connection, "T", "connect").is_none());
        log.flush();
        assert_eq!(
            String::from_utf8(receiver.recv().expect("a block")).expect("ASCII"),
            "time=T level=message event=helo shard=3 session=3-1 \
             name=\"a\\r\\nlevel=error event=\\\"x\\\" \\xff\"\n"
        );
    }

    #[test]
    fn lost_lines_are_counted() {
        let (blocks, receiver) = sync_channel(1);
        let log = ShardLog::new(
            0,
            LogSender {
                level: Level::Warning,
                blocks,
            },
        );
        for _ in 0..3 {
            drop(log.line(Level::Error, "T", "full"));
        }
        assert!(receiver.recv().is_ok());
        drop(log.line(Level::Error, "T", "free"));
        assert!(receiver.recv().is_ok());
        log.flush();
        let block = String::from_utf8(receiver.recv().expect("a block")).expect("ASCII");
        assert_eq!(block, "level=warning event=log_lost shard=0 lines=2\n");
    }
}
