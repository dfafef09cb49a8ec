//! Connections to a next hop that wait for another message.
//!
//! In: connections whose message is done. Out: the same for the next message, the one used last first. Guarantees: a
//! bounded number, each for a bounded time and a bounded number of messages; one that the next hop has closed or written
//! to meanwhile is not handed out. Does not: open connections.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::held::{Held, Hold, Since};
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
    held: Held,
    is_swept: Cell<bool>,
    is_reclaimed: Cell<bool>,
}

impl Pool {
    pub(super) fn new(limits: NextHopLimits) -> Self {
        Self {
            idle: RefCell::default(),
            turns: Turns::new(limits.connections_max as usize),
            held: Held::new(limits.connections_max as usize),
            is_swept: Cell::new(false),
            is_reclaimed: Cell::new(false),
        }
    }
}

impl NextHop {
    /// A turn, waiting for one as long as for a connection, and no longer than until `due_ms`.
    pub(super) async fn turn(self: &Rc<Self>, due_ms: u64) -> Result<Turn, Failure> {
        if let Some(turn) = self.pool.turns.try_take() {
            return Ok(turn);
        }
        if !self.pool.is_reclaimed.replace(true) {
            glommio::spawn_local(reclaim(Rc::clone(self))).detach();
        }
        let left_ms = due_ms.saturating_sub(self.clock.now_ms());
        let wait = Duration::from_millis(self.limits.connect_timeout_ms.min(left_ms));
        self.pool.turns.take(wait).await.ok_or(Failure::Busy)
    }

    /// Since when a connection may be held while so many wait for one: idle for a third of the wait, so that whoever comes
    /// when all have just been taken has one in time, and for less the more wait; for an envelope in all, twice that.
    fn held_since(&self, waiting_count: usize) -> Since {
        let (now_ms, wait_ms) = (self.clock.now_ms(), self.limits.connect_timeout_ms);
        let turns_max = u64::from(self.limits.connections_max);
        let waiting_count = turns_max.max(waiting_count as u64);
        let idle_ms_max = wait_ms.saturating_mul(turns_max) / (3 * waiting_count);
        Since {
            idle_ms: now_ms.saturating_sub(idle_ms_max),
            begun_ms: now_ms.saturating_sub(2 * idle_ms_max),
        }
    }

    /// Takes note of the place that a transaction has for its connection from now on.
    pub(super) fn note_held(&self, hold: &Rc<Hold>) {
        self.pool.held.add(self.clock.now_ms(), hold);
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
        // Whoever waits for one, or has a turn and has not come for one yet, needs no room.
        let idle_max =
            limits::NEXT_HOP_IDLE_CONNECTIONS_COUNT_MAX + self.pool.turns.awaiting_count();
        let has_room = self.pool.idle.borrow().len() < idle_max;
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

/// While somebody waits for a turn, takes connections from clients that have held one for long, in their envelopes.
async fn reclaim(hop: Rc<NextHop>) {
    let step = Duration::from_millis(hop.limits.connect_timeout_ms / 30);
    loop {
        // First: the one who begins this does not wait yet.
        glommio::timer::sleep(step).await;
        let wanted = hop.pool.turns.waiting_count();
        if wanted == 0 {
            break;
        }
        hop.clock.refresh();
        let links = hop.pool.held.lose(wanted, hop.held_since(wanted));
        links.into_iter().for_each(|link| hop.give_back(link));
    }
    hop.pool.is_reclaimed.set(false);
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
