//! How connections of a shard wait for the threads that verify.
//!
//! In: credentials of connections, answers of threads. Out: each outcome to the connection that waits for it; to nobody
//! when that has given up. Guarantees: a shard has at most [`limits::ATTEMPTS_PER_SHARD_COUNT`] attempts under way, given
//! up or not, so that its mailbox never overflows; one more is refused at once, not queued.
//! Does not: compare anything.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Users;
use super::verifier::{Answer, Job, JobSender};
use crate::limits;
use crate::smtp::session::{AuthOutcome, Credentials};

/// The attempts of one shard.
#[derive(Debug)]
pub struct Attempts {
    jobs: JobSender,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    /// Counts attempts, to spread them over the threads.
    begun_count: Cell<usize>,
}

/// One attempt under way. Dropped, its outcome is dropped too.
pub struct Attempt {
    attempts: Rc<Attempts>,
    ticket: usize,
}

#[derive(Debug)]
enum Slot {
    /// Nobody uses it.
    Free,
    /// A thread has the job, a connection waits.
    Waiting(Option<Waker>),
    /// A thread has the job, nobody waits.
    GivenUp,
    /// The connection has not looked yet.
    Answered(AuthOutcome),
}

impl Attempts {
    /// No attempts yet.
    #[must_use]
    pub fn new(jobs: JobSender) -> Self {
        Self {
            jobs,
            slots: RefCell::default(),
            free: RefCell::default(),
            begun_count: Cell::new(0),
        }
    }

    /// Has credentials verified; none if too many attempts are under way.
    #[must_use]
    pub fn begin(self: &Rc<Self>, users: &Arc<Users>, credentials: Credentials) -> Option<Attempt> {
        let mut slots = self.slots.borrow_mut();
        let ticket = match self.free.borrow_mut().pop() {
            Some(ticket) => ticket,
            None if slots.len() < limits::ATTEMPTS_PER_SHARD_COUNT => {
                slots.push(Slot::Free);
                slots.len() - 1
            }
            None => return None,
        };
        let job = Job {
            shard: self.jobs.shard,
            ticket,
            users: Arc::clone(users),
            credentials,
        };
        let first = self
            .begun_count
            .replace(self.begun_count.get().wrapping_add(1));
        if !self.jobs.submit(first, job) {
            self.free.borrow_mut().push(ticket);
            return None;
        }
        slots[ticket] = Slot::Waiting(None);
        drop(slots);
        Some(Attempt {
            attempts: Rc::clone(self),
            ticket,
        })
    }

    /// Passes an answer on; called by the shard's task for its mailbox.
    pub fn arrived(&self, answer: Answer) {
        let mut slots = self.slots.borrow_mut();
        let slot = &mut slots[answer.ticket];
        match std::mem::replace(slot, Slot::Answered(answer.outcome)) {
            Slot::Waiting(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Slot::GivenUp => {
                *slot = Slot::Free;
                self.free.borrow_mut().push(answer.ticket);
            }
            // A thread answers a job once.
            Slot::Free | Slot::Answered(_) => {}
        }
    }
}

impl Attempt {
    /// The outcome, once it has come; the task is woken then.
    pub fn poll_outcome(&self, task: &Context<'_>) -> Poll<AuthOutcome> {
        let mut slots = self.attempts.slots.borrow_mut();
        match &mut slots[self.ticket] {
            Slot::Answered(outcome) => Poll::Ready(*outcome),
            slot => {
                *slot = Slot::Waiting(Some(task.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut slots = self.attempts.slots.borrow_mut();
        let slot = &mut slots[self.ticket];
        if matches!(slot, Slot::Answered(_)) {
            *slot = Slot::Free;
            self.attempts.free.borrow_mut().push(self.ticket);
        } else {
            *slot = Slot::GivenUp;
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Attempt")
            .field(&self.ticket)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Mutex, PoisonError};
    use std::task::{Context, Poll, Waker};

    use super::{Attempt, Attempts};
    use crate::credentials::{Users, Verifiers};
    use crate::limits;
    use crate::mailbox::Mailbox;
    use crate::smtp::session::{AuthOutcome, Credentials, Proof};

    type Answers = Mailbox<crate::credentials::Answer>;

    /// One thread that compares nothing: it takes the outcome of each attempt from the test, and panics when there will
    /// be none.
    fn attempts() -> (Rc<Attempts>, Answers, Sender<AuthOutcome>) {
        let (sender, outcomes) = channel();
        let outcomes = Mutex::new(outcomes);
        let compare = move |_: &Users, _: &Credentials| {
            let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.recv().expect("the test has given one")
        };
        let mut verifiers = Verifiers::start_with(1, 1, Arc::new(compare)).expect("a thread");
        let verifier = verifiers.for_shard(0);
        (
            Rc::new(Attempts::new(verifier.jobs)),
            verifier.answers,
            sender,
        )
    }

    fn begin(attempts: &Rc<Attempts>) -> Option<Attempt> {
        let credentials = Credentials {
            user_name: (*b"ann").into(),
            proof: Proof::Password(Box::<[u8]>::from(*b"x").into()),
        };
        attempts.begin(&Arc::new(Users::default()), credentials)
    }

    /// Passes the next answer on.
    fn hear(attempts: &Attempts, answers: &Answers) {
        attempts.arrived(answers.wait());
    }

    fn poll(attempt: &Attempt) -> Poll<AuthOutcome> {
        attempt.poll_outcome(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_attempt_gets_its_outcome() {
        let (attempts, answers, outcomes) = attempts();
        let first = begin(&attempts).expect("there is room");
        let second = begin(&attempts).expect("there is room");
        assert_eq!(poll(&first), Poll::Pending);
        for outcome in [AuthOutcome::Refused, AuthOutcome::Accepted] {
            outcomes.send(outcome).expect("the thread lives");
            hear(&attempts, &answers);
        }
        assert_eq!(poll(&second), Poll::Ready(AuthOutcome::Accepted));
        assert_eq!(poll(&first), Poll::Ready(AuthOutcome::Refused));
    }

    #[test]
    fn an_attempt_that_was_given_up_is_forgotten() {
        let (attempts, answers, outcomes) = attempts();
        let first = begin(&attempts).expect("there is room");
        let ticket = first.ticket;
        drop(first);
        let second = begin(&attempts).expect("there is room");
        assert_ne!(
            second.ticket, ticket,
            "the ticket is not free before its answer has come"
        );
        outcomes
            .send(AuthOutcome::Accepted)
            .expect("the thread lives");
        hear(&attempts, &answers);
        assert_eq!(poll(&second), Poll::Pending, "the outcome was not its");
        assert_eq!(begin(&attempts).map(|third| third.ticket), Some(ticket));
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (attempts, _answers, _outcomes) = attempts();
        let all: Vec<_> = (0..=limits::ATTEMPTS_PER_VERIFIER_COUNT + 1)
            .map_while(|_| begin(&attempts))
            .collect();
        // The queue, and the one that the thread may have taken out of it by then.
        let most = limits::ATTEMPTS_PER_VERIFIER_COUNT..=limits::ATTEMPTS_PER_VERIFIER_COUNT + 1;
        assert!(most.contains(&all.len()), "{} attempts", all.len());
        let mut verifiers = Verifiers::start(1, false).expect("descriptors");
        let nobody = Rc::new(Attempts::new(verifiers.for_shard(0).jobs));
        assert!(begin(&nobody).is_none(), "without threads nobody verifies");
    }

    #[test]
    fn a_panic_of_a_comparison_is_an_outcome() {
        let (attempts, answers, outcomes) = attempts();
        let first = begin(&attempts).expect("there is room");
        drop(outcomes);
        hear(&attempts, &answers);
        assert_eq!(poll(&first), Poll::Ready(AuthOutcome::Unavailable));
        let second = begin(&attempts).expect("there is room");
        hear(&attempts, &answers);
        assert_eq!(
            poll(&second),
            Poll::Ready(AuthOutcome::Unavailable),
            "the thread lives on"
        );
    }
}
