//! Who owns a part of the names, and answers every request about them.

use super::barrier::{Barriers, Next};
use super::cache::Caches;
use super::{ProcessAnswer, ProcessRequest};

/// The caches and barriers of some names. `W` tells the waiting apart.
#[derive(Debug)]
pub struct Owner<W> {
    caches: Caches,
    barriers: Barriers<W>,
}

/// What comes of a request.
#[derive(Debug)]
pub struct Reaction<W> {
    /// The answer; none while somebody else is in the barrier.
    pub answer: Option<ProcessAnswer>,
    /// Somebody who waited and is in a barrier now, with the answer.
    pub next: Option<(W, ProcessAnswer)>,
}

impl<W> Owner<W> {
    /// Keeps nothing yet, and never more than about that for all caches, and as much again for all variables.
    #[must_use]
    pub fn new(octets_max: usize) -> Self {
        Self {
            caches: Caches::new(octets_max),
            barriers: Barriers::new(octets_max),
        }
    }

    /// Does what is asked. `waiter` comes back in a later [`Reaction::next`] when it must wait.
    pub fn ask(&mut self, request: ProcessRequest, waiter: W, now_ms: u64) -> Reaction<W> {
        let mut next = None;
        let answer = match request {
            ProcessRequest::CacheRead(key) => {
                Some(ProcessAnswer::Cached(self.caches.read(&key, now_ms)))
            }
            ProcessRequest::CacheWrite(write) => {
                self.caches.write(write, now_ms);
                Some(ProcessAnswer::Done)
            }
            ProcessRequest::BarrierEnter { name, is_read } => {
                let shared = self.barriers.enter(&name, is_read, waiter);
                shared.map(ProcessAnswer::Entered)
            }
            ProcessRequest::BarrierLeave { name, shared } => {
                let left = self.barriers.leave(&name, shared);
                next = left.map(|Next { waiter, shared }| (waiter, ProcessAnswer::Entered(shared)));
                Some(ProcessAnswer::Done)
            }
        };
        Reaction { answer, next }
    }

    /// Takes somebody who waits out of the queue of a barrier; whether there was one.
    pub fn give_up(&mut self, name: &[u8], is_the_one: impl Fn(&W) -> bool) -> bool {
        self.barriers.give_up(name, is_the_one)
    }
}
