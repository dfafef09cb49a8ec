//! How connections of a shard wait for the writers.
//!
//! In: jobs of connections, answers of writers. Out: each answer to the connection that waits for it. Guarantees: a
//! shard has at most [`JOBS_PER_SHARD_MAX`] jobs under way, further connections wait their turn in order; so neither
//! the writers' queues nor the shard's mailbox can overflow. Does not: know files.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::writer::Answer;
use crate::spare::Spare;

/// The waiting connections of one shard.
#[derive(Debug, Default)]
pub struct Tickets {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    /// Connections waiting for a ticket.
    queue: RefCell<VecDeque<Waker>>,
    under_way_count: Cell<usize>,
    /// Turns given to connections of the queue that have not run since.
    granted_count: Cell<usize>,
    /// Buffers of finished jobs, to be filled again.
    spare: Spare<Vec<u8>, SPARE_BUFFERS_MAX>,
    files_count: Cell<u64>,
}

#[derive(Debug)]
enum Slot {
    Free,
    Waiting(Option<Waker>),
    Answered(Answer),
}

impl Tickets {
    /// Takes a ticket, waiting while too many jobs are under way. The future must not be dropped before its end: the turn
    /// it was given would be lost.
    pub(super) async fn take(&self) -> usize {
        let mut is_queued = false;
        poll_fn(|task| {
            let granted_count = self.granted_count.get();
            if is_queued && 0 < granted_count {
                self.granted_count.set(granted_count - 1);
                return Poll::Ready(());
            }
            // While others have waited longer there is no room: a turn that becomes free is granted to them at once.
            if !is_queued && self.under_way_count.get() + granted_count < JOBS_PER_SHARD_MAX {
                return Poll::Ready(());
            }
            is_queued = true;
            self.queue.borrow_mut().push_back(task.waker().clone());
            Poll::Pending
        })
        .await;
        self.under_way_count.set(self.under_way_count.get() + 1);
        let mut slots = self.slots.borrow_mut();
        let ticket = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::Free);
            slots.len() - 1
        });
        slots[ticket] = Slot::Waiting(None);
        ticket
    }

    /// Waits for the answer to a job and gives its ticket back.
    pub(super) async fn answer(&self, ticket: usize) -> Answer {
        poll_fn(|task| {
            let mut slots = self.slots.borrow_mut();
            match std::mem::replace(&mut slots[ticket], Slot::Free) {
                Slot::Answered(answer) => Poll::Ready(answer),
                Slot::Waiting(_) | Slot::Free => {
                    slots[ticket] = Slot::Waiting(Some(task.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Passes an answer on and lets the next connection begin; called by the shard's task for its mailbox.
    pub fn arrived(&self, answer: Answer) {
        let ticket = answer.ticket;
        let slot = std::mem::replace(&mut self.slots.borrow_mut()[ticket], Slot::Answered(answer));
        if let Slot::Waiting(Some(waker)) = slot {
            waker.wake();
        }
    }

    /// Ends a job: its ticket serves again.
    pub(super) fn give_back(&self, ticket: usize) {
        self.free.borrow_mut().push(ticket);
        self.under_way_count.set(self.under_way_count.get() - 1);
        let next = self.queue.borrow_mut().pop_front();
        if let Some(waker) = next {
            self.granted_count.set(self.granted_count.get() + 1);
            waker.wake();
        }
    }

    /// An empty buffer, with memory if one is spare.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spare.take().unwrap_or_default()
    }

    /// Keeps the memory of a buffer for the next message.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        if 0 < buffer.capacity() {
            buffer.clear();
            self.spare.keep(buffer);
        }
    }

    /// Frees the buffers that no message has needed since this was last called.
    pub fn free_unneeded(&self) {
        self.spare.free_unneeded();
    }

    /// Counts a file of this shard, for its name.
    pub(super) fn next_file(&self) -> u64 {
        self.files_count.replace(self.files_count.get() + 1)
    }
}

/// Jobs of one shard that may be under way at once.
pub(super) const JOBS_PER_SHARD_MAX: usize = 1_024;

/// Buffers kept for further messages, each of at most `CONTENT_BYTES_MAX`.
const SPARE_BUFFERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::{JOBS_PER_SHARD_MAX, Tickets};

    #[test]
    fn turns_are_taken_in_order() {
        let tickets = Tickets::default();
        let task = &mut Context::from_waker(Waker::noop());
        for _ in 0..JOBS_PER_SHARD_MAX {
            assert!(pin!(tickets.take()).poll(task).is_ready());
        }
        let mut first = pin!(tickets.take());
        let mut second = pin!(tickets.take());
        assert!(first.as_mut().poll(task).is_pending());
        assert!(second.as_mut().poll(task).is_pending());
        tickets.give_back(0);
        // It comes before the first has run; the turn is not its.
        let mut late = pin!(tickets.take());
        assert!(late.as_mut().poll(task).is_pending());
        assert_eq!(first.as_mut().poll(task), Poll::Ready(0));
        tickets.give_back(0);
        assert_eq!(second.as_mut().poll(task), Poll::Ready(0));
        tickets.give_back(0);
        assert_eq!(late.as_mut().poll(task), Poll::Ready(0));
        tickets.give_back(0);
        assert!(pin!(tickets.take()).poll(task).is_ready());
        assert!(pin!(tickets.take()).poll(task).is_pending());
    }
}
