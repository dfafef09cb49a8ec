//! Deadlines of connections, and how a connection that waits is interrupted.
//!
//! In: from each connection, by when it must be waiting no more; from the shard, the time, a few times
//! per second. Out: an interrupt, seen by the connection when its wait ends.
//!
//! Guarantees: setting a deadline costs two stores, no timer; a scan happens only when a deadline may have passed, and in
//! parts, between which others have their turn. A waiting connection is woken by shutting its socket down, so that the poll it waits for completes by itself: the
//! executor is never asked to cancel thousands of polls at once, which it does not survive.
//! Does not: answer the client; the connection does.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::net::Shutdown;

use crate::bell::Bell;

/// Why a wait was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interrupt {
    /// Its deadline has passed.
    TimedOut,
    /// The process is stopping.
    Stopping,
}

/// What a connection does now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Activity {
    /// It works, or waits for something other than its client.
    Working,
    /// It waits for a command and has no transaction: it may be closed without harm.
    Idle,
    /// It waits for octets that belong to a transaction.
    Receiving,
    /// It waits for its client to read.
    Sending,
}

/// One connection under watch, with its socket.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) socket: OwnedFd,
    due_ms: Cell<u64>,
    activity: Cell<Activity>,
    interrupt: Cell<Option<Interrupt>>,
}

/// The connections of one shard.
#[derive(Debug)]
pub struct Watch {
    entries: RefCell<Vec<Option<Rc<Watched>>>>,
    free: RefCell<Vec<usize>>,
    /// No deadline is before this time.
    earliest_ms: Cell<u64>,
    is_stopping: Cell<bool>,
    /// Rings when a connection comes.
    arrival: Bell,
}

impl Watch {
    /// Watches nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: RefCell::default(),
            free: RefCell::default(),
            earliest_ms: Cell::new(NEVER_MS),
            is_stopping: Cell::new(false),
            arrival: Bell::default(),
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections_count(&self) -> usize {
        self.entries.borrow().len() - self.free.borrow().len()
    }

    /// Returns once there is a connection.
    pub async fn wait_for_connections(&self) {
        self.arrival
            .wait_until(|| 0 < self.connections_count())
            .await;
    }

    /// Whether idle sessions must end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    /// Takes a socket under watch; [`Watch::remove`] must follow.
    pub(crate) fn add(&self, socket: OwnedFd) -> (usize, Rc<Watched>) {
        let watched = Rc::new(Watched {
            socket,
            due_ms: Cell::new(NEVER_MS),
            activity: Cell::new(Activity::Working),
            interrupt: Cell::new(None),
        });
        (self.add_again(Rc::clone(&watched)), watched)
    }

    /// Takes a socket under watch that was removed from it.
    pub(crate) fn add_again(&self, watched: Rc<Watched>) -> usize {
        let mut entries = self.entries.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            entries.push(None);
            entries.len() - 1
        });
        entries[slot] = Some(watched);
        self.arrival.ring();
        slot
    }

    /// Forgets a connection.
    pub(crate) fn remove(&self, slot: usize) {
        self.entries.borrow_mut()[slot] = None;
        self.free.borrow_mut().push(slot);
    }

    /// Notes that `watched` begins to wait until `due_ms`.
    pub(crate) fn begin(&self, watched: &Watched, activity: Activity, due_ms: u64) {
        watched.activity.set(activity);
        watched.due_ms.set(due_ms);
        if due_ms < self.earliest_ms.get() {
            self.earliest_ms.set(due_ms);
        }
    }

    /// Interrupts connections whose deadline is not after `now_ms`: one part of all, from place `from` on; the first
    /// part begins at 0. The place where the next part begins, if there is one.
    pub fn expire(&self, now_ms: u64, from: usize) -> Option<usize> {
        if from == 0 {
            if now_ms < self.earliest_ms.get() {
                return None;
            }
            // The walk and what begins to wait meanwhile lower it again.
            self.earliest_ms.set(NEVER_MS);
        }
        self.visit_part(from, |watched| {
            let due_ms = watched.due_ms.get();
            if now_ms < due_ms {
                self.earliest_ms.set(self.earliest_ms.get().min(due_ms));
            } else {
                watched.due_ms.set(NEVER_MS);
                watched.interrupt(Interrupt::TimedOut);
            }
        })
    }

    /// Ends idle sessions now and the others when their transaction ends; in parts, like [`Watch::expire`].
    pub fn stop_idle(&self, from: usize) -> Option<usize> {
        self.is_stopping.set(true);
        self.visit_part(from, |watched| {
            if watched.activity.get() == Activity::Idle {
                watched.interrupt(Interrupt::Stopping);
            }
        })
    }

    /// Ends every session; in parts, like [`Watch::expire`].
    pub fn stop_all(&self, from: usize) -> Option<usize> {
        self.is_stopping.set(true);
        self.visit_part(from, |watched| watched.interrupt(Interrupt::Stopping))
    }

    /// A shard has tens of thousands of connections, and waking each is a system call: all at once would keep those
    /// with work to do waiting.
    fn visit_part(&self, from: usize, visit: impl Fn(&Watched)) -> Option<usize> {
        let entries = self.entries.borrow();
        let next = from.saturating_add(CONNECTIONS_PER_PART_COUNT);
        let part = entries.iter().take(next).skip(from);
        part.flatten().for_each(|watched| visit(watched));
        (next < entries.len()).then_some(next)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watched {
    /// Notes that the wait is over, and whether something else than the client ended it.
    pub(crate) fn end(&self) -> Option<Interrupt> {
        self.activity.set(Activity::Working);
        self.due_ms.set(NEVER_MS);
        self.interrupt.get()
    }

    /// Whether something else than the client ended a wait, now or earlier.
    pub(crate) fn interrupted(&self) -> Option<Interrupt> {
        self.interrupt.get()
    }

    fn interrupt(&self, why: Interrupt) {
        if self.interrupt.get().is_none() {
            self.interrupt.set(Some(why));
        }
        let how = match self.activity.get() {
            Activity::Working => return,
            // The direction to the client stays open for a last reply.
            Activity::Idle | Activity::Receiving => Shutdown::Read,
            Activity::Sending => Shutdown::Both,
        };
        // A socket that is no longer connected has woken its connection already.
        let _ = rustix::net::shutdown(&self.socket, how);
    }
}

/// Connections looked at before others have their turn.
const CONNECTIONS_PER_PART_COUNT: usize = 128;

/// A deadline that never passes.
pub(crate) const NEVER_MS: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::{Activity, CONNECTIONS_PER_PART_COUNT, Interrupt, Watch};

    #[test]
    fn deadlines_interrupt_in_their_time() {
        let watch = Watch::new();
        let (near, _far) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("sockets");
        let (slot, watched) = watch.add(near);
        watch.begin(&watched, Activity::Receiving, 1_000);
        assert_eq!(watch.expire(999, 0), None);
        assert_eq!(watched.interrupted(), None);
        watch.begin(&watched, Activity::Receiving, 2_000);
        assert_eq!(watch.expire(1_999, 0), None);
        assert_eq!(watched.interrupted(), None, "the deadline was moved");
        assert_eq!(watch.expire(2_000, 0), None);
        assert_eq!(watched.end(), Some(Interrupt::TimedOut));
        let mut octet = [0];
        assert_eq!(
            rustix::io::read(&watched.socket, &mut octet),
            Ok(0),
            "the wait ends by itself"
        );
        watch.remove(slot);
        assert_eq!(watch.connections_count(), 0);
    }

    #[test]
    fn many_deadlines_pass_in_parts() {
        let watch = Watch::new();
        let all: Vec<_> = (0..2 * CONNECTIONS_PER_PART_COUNT + 1)
            .map(|_| {
                let socket = eventfd(0, EventfdFlags::CLOEXEC).expect("descriptors are left");
                let (_, watched) = watch.add(socket);
                watch.begin(&watched, Activity::Idle, 1_000);
                watched
            })
            .collect();
        let interrupted_count = || {
            let interrupted = all.iter().filter(|one| one.interrupted().is_some());
            interrupted.count()
        };
        let second = watch.expire(1_000, 0).expect("there is more");
        assert_eq!(interrupted_count(), CONNECTIONS_PER_PART_COUNT);
        // Behind the walk; it must not be forgotten.
        let late = &all[0];
        late.end();
        watch.begin(late, Activity::Idle, 1_500);
        let third = watch.expire(1_000, second).expect("there is one more");
        assert_eq!(watch.expire(1_000, third), None);
        assert_eq!(interrupted_count(), all.len());
        assert_eq!(watch.earliest_ms.get(), 1_500);
    }

    #[test]
    fn stopping_spares_transactions() {
        let watch = Watch::new();
        let pair = || {
            socketpair(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            )
            .expect("sockets")
        };
        let (_, idle) = watch.add(pair().0);
        let (_, receiving) = watch.add(pair().0);
        watch.begin(&idle, Activity::Idle, 10);
        watch.begin(&receiving, Activity::Receiving, 10);
        assert_eq!(watch.stop_idle(0), None);
        assert_eq!(idle.interrupted(), Some(Interrupt::Stopping));
        assert_eq!(receiving.interrupted(), None);
        assert_eq!(watch.stop_all(0), None);
        assert_eq!(receiving.interrupted(), Some(Interrupt::Stopping));
    }
}
