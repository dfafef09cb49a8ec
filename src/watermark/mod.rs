//! Refuses new work while the process is short of memory, descriptors, or space for messages, and takes it again by itself.
//!
//! ```text
//! memory, descriptors --+
//!                       +--> the worst of a profile --> shards: 452 to MAIL, then 421 to new connections
//! space of its Maildir -+
//! ```
//!
//! In: what the operator wants to be left, and once per second what is. Out: the [`Shortage`] of each profile, in a cell
//! that its shards read, and one line of the log per change.
//! Guarantees: the first look is over when [`start`] returns; shards wait for no look; a look that fails changes nothing;
//! memory that is free goes back to the system after many connections have ended, and before memory is called short,
//! unless that was of no use just before.
//! Does not: end transactions that have begun; a message for which there is no space after all is the destination's.
//!
//! RFC 5321 §4.2.2 (452), §3.8 (421); RFC 3463 §3.4 (X.3.1, X.3.2). Reading order: `mark.rs`, `gauge.rs`, `release.rs`.

mod gauge;
mod mark;
mod release;

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postern_jit::allocator;

use crate::log::{Level, LogSender};
use crate::profile::Watermarks;
use crate::shard::clock::Clock;
use crate::shard::{Admission, Shortage, ShortageCell};

pub use gauge::Gauges;

use gauge::SpaceGauge;
use mark::Mark;
use release::Release;

/// What is watched for one profile.
#[derive(Debug)]
pub struct Watched {
    /// Where its messages go, if that is a directory; it exists.
    pub directory: Option<PathBuf>,
    /// Who counts its connections.
    pub admission: Arc<Admission>,
    /// Where its shortage is told.
    pub shortage: Arc<ShortageCell>,
}

/// The thread that watches; ends when it is joined.
#[derive(Debug)]
pub struct WatermarkThread {
    end: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// Looks once, then once per second on a thread of its own.
///
/// # Errors
///
/// What is to be watched cannot be opened, or no thread can be started.
pub fn start(
    watermarks: &Watermarks,
    gauges: Gauges,
    watched: Vec<Watched>,
    log: LogSender,
) -> io::Result<WatermarkThread> {
    let mut watcher = Watcher::new(watermarks, gauges, watched, log)?;
    watcher.look();
    let (end, ended) = sync_channel(1);
    let thread = std::thread::Builder::new().name("postern-watermarks".to_owned());
    let thread = thread.spawn(move || watcher.run(&ended))?;
    Ok(WatermarkThread { end, thread })
}

impl WatermarkThread {
    /// Ends the thread and waits for it.
    pub fn join(self) {
        // Full or disconnected: it is about to end, or has ended.
        let _ = self.end.try_send(());
        // A thread that has panicked has said so.
        let _ = self.thread.join();
    }
}

struct Watcher {
    process: Gauges,
    memory: Mark,
    memory_bytes_ceiling: u64,
    release: Release,
    descriptors: Mark,
    spools: Vec<Spool>,
    clock: Clock,
    log: LogSender,
}

/// One profile: its place for messages, and its connections.
struct Spool {
    gauge: Option<(PathBuf, SpaceGauge)>,
    bytes: Mark,
    inodes: Mark,
    admission: Arc<Admission>,
    shortage: Arc<ShortageCell>,
}

impl Watcher {
    fn new(
        watermarks: &Watermarks,
        gauges: Gauges,
        watched: Vec<Watched>,
        log: LogSender,
    ) -> io::Result<Self> {
        let automatic = || gauges.memory_limit_bytes().map_or(0, |limit| limit / 5 * 4);
        let memory_bytes_high = watermarks.memory_bytes_high.unwrap_or_else(automatic);
        // A quarter above the mark is taken for all there is: then new mail is refused above the mark, and new
        // connections from an eighth above it on.
        let memory_bytes_spare = memory_bytes_high / 4;
        let spools = watched.into_iter().map(|watched| {
            let gauge = watched.directory.map(|directory| {
                let gauge = SpaceGauge::open(&directory)?;
                Ok::<_, io::Error>((directory, gauge))
            });
            Ok(Spool {
                gauge: gauge.transpose()?,
                bytes: Mark::new(watermarks.spool_free_bytes_min),
                inodes: Mark::new(watermarks.spool_free_inodes_min),
                admission: watched.admission,
                shortage: watched.shortage,
            })
        });
        let release = Release::new(gauges.memory_bytes().unwrap_or(0));
        Ok(Self {
            process: gauges,
            memory: Mark::new(memory_bytes_spare),
            memory_bytes_ceiling: memory_bytes_high.saturating_add(memory_bytes_spare),
            release,
            descriptors: Mark::new(watermarks.descriptors_free_min),
            spools: spools.collect::<io::Result<_>>()?,
            clock: Clock::new(),
            log,
        })
    }

    fn run(mut self, ended: &Receiver<()>) {
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            self.clock.refresh();
            self.look();
        }
    }

    fn look(&mut self) {
        let memory_bytes_free = self.memory_bytes_free();
        let noted = Notes {
            clock: &self.clock,
            log: &self.log,
        };
        if let Some(free) = memory_bytes_free {
            noted.look(&mut self.memory, free, ("memory", None));
        }
        if let Some(free) = self.process.descriptors_free() {
            noted.look(&mut self.descriptors, free, ("descriptors", None));
        }
        let of_process = self.memory.shortage().max(self.descriptors.shortage());
        for spool in &mut self.spools {
            if let Some((path, gauge)) = &spool.gauge
                && let Some((bytes, inodes)) = gauge.free()
            {
                noted.look(&mut spool.bytes, bytes, ("spool_bytes", Some(path)));
                if let Some(inodes) = inodes {
                    noted.look(&mut spool.inodes, inodes, ("spool_inodes", Some(path)));
                }
            }
            let of_spool = spool.bytes.shortage().max(spool.inodes.shortage());
            spool.shortage.tell(of_process.max(of_spool));
        }
    }

    /// Memory below the ceiling, once what is free within the process has been given back, if it is time for that.
    fn memory_bytes_free(&mut self) -> Option<u64> {
        let mut used = self.process.memory_bytes()?;
        let open = self.spools.iter().map(|spool| spool.admission.open_count());
        let open = open.map(u64::from).sum();
        let ceiling = self.memory_bytes_ceiling;
        let is_short = self.memory.shortage() != Shortage::Nothing
            || ceiling.saturating_sub(used) < self.memory.free_min();
        if self.release.look(open, used, is_short) {
            let begin = Instant::now();
            allocator::give_back();
            let left = self.process.memory_bytes()?;
            self.release.given_back(used, left, begin.elapsed());
            used = left;
        }
        Some(ceiling.saturating_sub(used))
    }
}

/// Where changes are written down.
struct Notes<'watcher> {
    clock: &'watcher Clock,
    log: &'watcher LogSender,
}

impl Notes<'_> {
    fn look(&self, mark: &mut Mark, free: u64, (resource, path): (&str, Option<&PathBuf>)) {
        if !mark.look(free) {
            return;
        }
        let refuses = match mark.shortage() {
            Shortage::Nothing => "nothing",
            Shortage::Mail => "mail",
            Shortage::Connections => "connections",
        };
        let free_min = mark.free_min();
        let mut words =
            format!("resource={resource} refuses={refuses} free={free} free_min={free_min}");
        if let Some(path) = path {
            let path = path.as_os_str().as_encoded_bytes();
            // Writing to a string cannot fail.
            let _ = write!(words, " path=\"{}\"", path.escape_ascii());
        }
        let date = self.clock.log_date();
        self.log.say(&date, Level::Warning, "watermark", &words);
    }
}

/// How often what is left is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
