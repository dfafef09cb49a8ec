//! Connections to a next hop that clients hold while they think.
//!
//! In: the connection of each transaction, between two commands of its envelope. Out: those held for too long, while
//! others wait for one. So clients that name a recipient and then nothing, or recipients without end, do not keep mail
//! from the next hop.
//! Guarantees: a connection in the middle of a command or of content is never taken, but given up behind the command;
//! whoever has lost one is told so when it asks for it. Does not: wait.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::Failure;
use super::link::Link;

/// The place of a connection between two commands.
#[derive(Debug, Default)]
pub(super) struct Hold {
    link: RefCell<Option<Link>>,
    /// When the transaction had its connection first, and when it was put here last.
    begun_ms: Cell<u64>,
    idle_since_ms: Cell<u64>,
    /// Whether it is to be given up when it comes back, and whether it was.
    is_wanted: Cell<bool>,
    is_lost: Cell<bool>,
}

impl Hold {
    /// Puts the connection here, unless it is to be given up.
    pub(super) fn put(&self, now_ms: u64, link: Link) -> Option<Link> {
        if self.is_wanted.get() {
            self.is_lost.set(true);
            return Some(link);
        }
        self.idle_since_ms.set(now_ms);
        self.link.replace(Some(link));
        None
    }

    /// The connection; none if none was put here.
    ///
    /// # Errors
    ///
    /// Others have it.
    pub(super) fn take(&self) -> Result<Option<Link>, Failure> {
        if self.is_lost.get() {
            return Err(Failure::Displaced);
        }
        Ok(self.link.take())
    }

    fn lose(&self) -> Option<Link> {
        let link = self.link.take();
        self.is_wanted.set(true);
        self.is_lost.set(link.is_some());
        link
    }

    fn is_here(&self) -> bool {
        self.link.borrow().is_some()
    }
}

/// Since when a connection may be held before it is taken for somebody who waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    /// Between two commands.
    pub(super) idle_ms: u64,
    /// For the whole envelope.
    pub(super) begun_ms: u64,
}

/// The places of all transactions of one next hop on one shard.
#[derive(Debug)]
pub(super) struct Held {
    begun: RefCell<Vec<Weak<Hold>>>,
    alive_max: usize,
}

impl Held {
    /// None yet; `alive_max` transactions have a connection at a time.
    pub(super) fn new(alive_max: usize) -> Self {
        Self {
            begun: RefCell::default(),
            alive_max,
        }
    }

    /// Adds the place of a transaction that begins.
    pub(super) fn add(&self, now_ms: u64, hold: &Rc<Hold>) {
        hold.begun_ms.set(now_ms);
        let mut begun = self.begun.borrow_mut();
        // Places of transactions that are over, or have lost their connection, are thrown out many at a time.
        if 2 * self.alive_max <= begun.len() {
            begun.retain(|hold| hold.upgrade().is_some_and(|hold| !hold.is_lost.get()));
        }
        begun.push(Rc::downgrade(hold));
    }

    /// Takes up to so many connections, those that have been idle for longest first. Those that are in use in envelopes
    /// that are too old are given up later.
    pub(super) fn lose(&self, count: usize, since: Since) -> Vec<Link> {
        let begun = self.begun.borrow();
        let alive = begun.iter().filter_map(Weak::upgrade);
        let mut old: Vec<Rc<Hold>> = alive
            .filter(|hold| !hold.is_lost.get())
            .filter(|hold| {
                let is_idle = hold.is_here() && hold.idle_since_ms.get() <= since.idle_ms;
                is_idle || hold.begun_ms.get() <= since.begun_ms
            })
            .collect();
        old.sort_by_key(|hold| hold.idle_since_ms.get());
        old.iter()
            .take(count)
            .filter_map(|hold| hold.lose())
            .collect()
    }
}
