//! Connections to a next hop that wait for another message.
//!
//! In: connections whose message is done. Out: the same for the next message, the one used last first. Guarantees: a
//! bounded number, each for a bounded time and a bounded number of messages; one that the next hop has closed or written
//! to meanwhile is not handed out. Does not: open connections.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::link::Link;
use super::turns::{Turn, Turns};
use super::{Failure, NextHop};
use crate::limits;
use crate::profile::NextHopLimits;

/// The idle connections of one next hop on one shard.
#[derive(Debug)]
pub(super) struct Pool {
    /// In the order in which they became idle.
    idle: RefCell<Vec<Link>>,
    turns: Turns,
    is_swept: Cell<bool>,
}

impl Pool {
    pub(super) fn new(limits: NextHopLimits) -> Self {
        Self {
            idle: RefCell::default(),
            turns: Turns::new(limits.connections_max as usize),
            is_swept: Cell::new(false),
        }
    }
}

impl NextHop {
    /// A turn, waiting for one as long as for a connection.
    pub(super) async fn turn(&self) -> Result<Turn, Failure> {
        let wait = Duration::from_millis(self.limits.connect_timeout_ms);
        self.pool.turns.take(wait).await.ok_or(Failure::Busy)
    }

    /// An idle connection, or the turn back if there is none.
    pub(super) fn take_idle(&self, turn: Turn) -> Result<Link, Turn> {
        loop {
            // Not borrowed while a link is dropped.
            let link = self.pool.idle.borrow_mut().pop();
            let Some(mut link) = link else {
                return Err(turn);
            };
            if link.is_quiet() {
                link.resume(turn);
                return Ok(link);
            }
        }
    }

    /// Takes a connection back whose transaction is over, or to be reset.
    pub(super) fn give_back(self: &Rc<Self>, mut link: Link) {
        let is_good = link.session.is_reusable()
            && link.is_drained()
            && link.messages_count < self.limits.messages_per_connection_max;
        let has_room = self.pool.idle.borrow().len() < limits::NEXT_HOP_IDLE_CONNECTIONS_COUNT_MAX;
        if !is_good || !has_room {
            link.part();
            return;
        }
        let turn = link.pause();
        self.pool.idle.borrow_mut().push(link);
        // Whoever has the turn next finds the connection.
        drop(turn);
        if !self.pool.is_swept.replace(true) {
            glommio::spawn_local(sweep(Rc::clone(self))).detach();
        }
    }

    /// Closes connections that have been idle for too long; in how many milliseconds the next is due, if there is one.
    fn close_old(&self) -> Option<u64> {
        self.clock.refresh();
        let now_ms = self.clock.now_ms();
        let timeout_ms = self.limits.idle_timeout_ms;
        let mut idle = self.pool.idle.borrow_mut();
        let old = |link: &&Link| link.idle_since_ms.saturating_add(timeout_ms) <= now_ms;
        let old_count = idle.iter().take_while(old).count();
        let old: Vec<Link> = idle.drain(..old_count).collect();
        let next = idle.first().map(|link| link.idle_since_ms);
        drop(idle);
        old.into_iter().for_each(Link::part);
        Some((next? + timeout_ms).saturating_sub(now_ms))
    }
}

/// Closes connections in their time, until none is left.
async fn sweep(hop: Rc<NextHop>) {
    let mut wait_ms = hop.limits.idle_timeout_ms;
    loop {
        glommio::timer::sleep(Duration::from_millis(wait_ms)).await;
        match hop.close_old() {
            Some(next_ms) => wait_ms = next_ms.max(1),
            None => break,
        }
    }
    hop.pool.is_swept.set(false);
}
