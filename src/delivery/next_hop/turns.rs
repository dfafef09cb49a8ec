//! Leave to use one of a bounded number of connections, in the order asked for.
//!
//! In: tasks that want a connection. Out: a [`Turn`] each, or none when it took too long. Guarantees: never more turns
//! than allowed; the first who waits is the next; a turn that is dropped goes on to whoever waits.
//! Does not: know connections.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::limits;

/// The turns of one next hop on one shard; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Turns(Rc<State>);

#[derive(Debug)]
struct State {
    turns_max: usize,
    taken_count: Cell<usize>,
    /// Turns of those who waited for one and have not run since.
    granted_count: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Waiting>>>,
}

/// One who waits.
#[derive(Debug, Default)]
struct Waiting {
    is_granted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Leave for one connection.
#[derive(Debug)]
pub(super) struct Turn(Turns);

impl Turns {
    pub(super) fn new(turns_max: usize) -> Self {
        Self(Rc::new(State {
            turns_max,
            taken_count: Cell::new(0),
            granted_count: Cell::new(0),
            queue: RefCell::default(),
        }))
    }

    /// Takes a turn if there is one at once.
    pub(super) fn try_take(&self) -> Option<Turn> {
        let state = &self.0;
        if state.turns_max <= state.taken_count.get() {
            return None;
        }
        state.taken_count.set(state.taken_count.get() + 1);
        Some(Turn(self.clone()))
    }

    /// How many wait for a turn.
    pub(super) fn waiting_count(&self) -> usize {
        self.0.queue.borrow().len()
    }

    /// The same, with those whose wait is over and who do not know yet.
    pub(super) fn awaiting_count(&self) -> usize {
        self.waiting_count() + self.0.granted_count.get()
    }

    /// Takes a turn, waiting so long for it; none if there is none by then, or too many wait already.
    pub(super) async fn take(&self, wait: Duration) -> Option<Turn> {
        if let Some(turn) = self.try_take() {
            return Some(turn);
        }
        let state = &self.0;
        if limits::NEXT_HOP_WAITING_COUNT_MAX <= state.queue.borrow().len() {
            return None;
        }
        let waiting = Rc::new(Waiting::default());
        state.queue.borrow_mut().push_back(Rc::clone(&waiting));
        let mut timeout = pin!(glommio::timer::sleep(wait));
        poll_fn(|task| {
            if waiting.is_granted.get() || timeout.as_mut().poll(task).is_ready() {
                return Poll::Ready(());
            }
            waiting.waker.replace(Some(task.waker().clone()));
            Poll::Pending
        })
        .await;
        if waiting.is_granted.get() {
            state.granted_count.set(state.granted_count.get() - 1);
            return Some(Turn(self.clone()));
        }
        let mut queue = state.queue.borrow_mut();
        queue.retain(|other| !Rc::ptr_eq(other, &waiting));
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let state = &self.0.0;
        let next = state.queue.borrow_mut().pop_front();
        let Some(next) = next else {
            state.taken_count.set(state.taken_count.get() - 1);
            return;
        };
        next.is_granted.set(true);
        state.granted_count.set(state.granted_count.get() + 1);
        if let Some(waker) = next.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use glommio::{LocalExecutorBuilder, Placement};

    use super::Turns;

    #[test]
    fn turns_are_bounded_and_in_order() {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        executor.expect("io_uring").run(async {
            let long = Duration::from_secs(3_600);
            let turns = Turns::new(1);
            let first = turns.take(long).await.expect("nobody else is here");
            let task = &mut Context::from_waker(Waker::noop());
            let mut second = pin!(turns.take(long));
            let mut third = pin!(turns.take(long));
            assert!(second.as_mut().poll(task).is_pending());
            assert!(third.as_mut().poll(task).is_pending());
            let late = turns.take(Duration::from_millis(1)).await;
            assert!(late.is_none(), "it waited in vain");
            drop(first);
            assert!(third.as_mut().poll(task).is_pending(), "it is not its turn");
            let Poll::Ready(Some(second)) = second.as_mut().poll(task) else {
                panic!("it was the first to wait");
            };
            drop(second);
            assert!(third.as_mut().poll(task).is_ready());
            assert_eq!(turns.0.taken_count.get(), 0, "the turn was dropped at once");
        });
    }
}
