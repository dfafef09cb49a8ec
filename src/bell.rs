//! Wakes one task of the same shard when something has changed.
//!
//! In: rings. Out: the waiting task looks again. Guarantees: costs two stores, allocates nothing, remembers nothing: the
//! task's own condition says whether there is anything to do. Does not: cross threads; see `mailbox.rs`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// The bell; at most one task may wait for it.
#[derive(Debug, Default)]
pub struct Bell(RefCell<Option<Waker>>);

impl Bell {
    /// Has the waiting task look again, if one waits.
    pub fn ring(&self) {
        let waker = self.0.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has the next ring wake `task`, which waits for something else besides.
    pub fn listen(&self, task: &Context<'_>) {
        self.0.replace(Some(task.waker().clone()));
    }

    /// Waits until `condition` holds; it is asked now and after every ring.
    pub async fn wait_until(&self, condition: impl Fn() -> bool) {
        poll_fn(|task| {
            if condition() {
                return Poll::Ready(());
            }
            self.listen(task);
            Poll::Pending
        })
        .await;
    }
}
