//! Connections to a next hop that clients hold while they think.
//!
//! In: the connection of each transaction, between two commands of its envelope. Out: those held for too long, while
//! others wait for one. So clients that name a recipient and then nothing do not keep mail from the next hop.
//! Guarantees: a connection in the middle of a command or of content is never taken; whoever has lost one is told so
//! when it asks for it. Does not: wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::Failure;
use super::link::Link;

/// The place of a connection between two commands.
#[derive(Debug, Default)]
pub(super) struct Hold {
    link: RefCell<Option<Link>>,
    is_lost: Cell<bool>,
}

impl Hold {
    /// Puts the connection here.
    pub(super) fn put(&self, link: Link) {
        self.link.replace(Some(link));
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
        let link = self.link.take()?;
        self.is_lost.set(true);
        Some(link)
    }
}

/// The places of all transactions of one next hop on one shard, in the order in which those began.
#[derive(Debug)]
pub(super) struct Held {
    begun: RefCell<VecDeque<(u64, Weak<Hold>)>>,
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
        let mut begun = self.begun.borrow_mut();
        // Places of transactions that are over are thrown out many at a time.
        if 2 * self.alive_max <= begun.len() {
            begun.retain(|(_, hold)| 0 < hold.strong_count());
        }
        begun.push_back((now_ms, Rc::downgrade(hold)));
    }

    /// Takes up to so many connections of transactions that began by `since_ms`, the oldest first.
    pub(super) fn lose(&self, count: usize, since_ms: u64) -> Vec<Link> {
        let begun = self.begun.borrow();
        let old = begun
            .iter()
            .take_while(|(begun_ms, _)| *begun_ms <= since_ms);
        old.filter_map(|(_, hold)| hold.upgrade()?.lose())
            .take(count)
            .collect()
    }
}
