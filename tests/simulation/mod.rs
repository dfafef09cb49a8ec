//! Whole shards under random clients, on a disk that fails: a seed decides what each client does, checkers look at what
//! came of it.
//!
//! In: shards in this process as `postern serve` has them, over TCP, with the disk of `tests/crash/disk.rs`; sessions of
//! right and wrong commands, pipelined, cut into segments of any size, in plain text and over TLS, which end at any octet.
//! Out: what must always hold. Every command has one reply, in order and well formed, and nothing has one behind the end;
//! what was acknowledged is stored once and whole, and nothing else is but what was lost on its way back; no octet crosses
//! STARTTLS; counters, places of connections, descriptors and files balance.
//! Does not: repeat the scheduling of threads; what a client does follows from its seed and the replies alone. Nothing
//! sleeps.
//!
//! A failure names its seed. `POSTERN_SIMULATION_SEED=N POSTERN_SIMULATION_SESSIONS=1 cargo test --test engine simulation::shards`
//! runs that session again; 100,000 sessions:
//! `POSTERN_SIMULATION_SESSIONS=100000 cargo test --profile checked --test engine simulation::shards`.
//!
//! Reading order: `session.rs` and `messages.rs` (what a client does), `exchange.rs` and `model.rs` (what it is told),
//! `wire.rs` (how octets travel, and end), `ledger.rs` (messages), `world.rs` (shards, and what they leave), `soak.rs` (the
//! built command, for long).

mod exchange;
mod ledger;
mod messages;
mod model;
mod session;
mod soak;
mod wire;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::Ledger;
use session::Style;
use world::World;

#[test]
fn shards_keep_their_word_whatever_clients_and_disks_do() {
    let first = number("POSTERN_SIMULATION_SEED").unwrap_or(1);
    let end = first + number("POSTERN_SIMULATION_SESSIONS").unwrap_or(SESSIONS_DEFAULT);
    let mut begin = first;
    while begin < end {
        let round_end = end.min(begin + SESSIONS_PER_WORLD);
        round(begin, round_end);
        begin = round_end;
    }
}

/// Runs the sessions of these seeds against one world.
fn round(begin: u64, end: u64) {
    let world = World::start(begin);
    let (addresses, ledger) = (world.addresses(), Ledger::default());
    let next = AtomicU64::new(begin);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS_COUNT {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if end <= seed {
                        return;
                    }
                    if let Err(failure) = session::run(seed, Style::Mixed, &addresses, &ledger) {
                        next.store(end, Ordering::Relaxed);
                        failures.lock().expect("no client panics").push(failure);
                        return;
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no client panics");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if SESSIONS_DEFAULT <= end - begin {
        world.check_variety(&ledger);
    }
    world.finish(&ledger);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Sessions that fit an ordinary run of the tests.
const SESSIONS_DEFAULT: u64 = 2_000;

/// Sessions of one world; then everything must have come to rest, and another begins. Few worlds: what an executor has of
/// the system stays with the process.
const SESSIONS_PER_WORLD: u64 = 5_000;

/// Clients at one time.
const CLIENTS_COUNT: usize = 8;
