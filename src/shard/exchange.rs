//! What scripts of all shards share: the results of `cache`, and the barriers.
//!
//! In: what a script asks, on any shard. Out: the answer. Every name belongs to one shard, which answers all requests about
//! it in the order in which they come; one about a name of another shard goes there as a message, and so comes the
//! answer. Guarantees: exact over all shards; no lock; who stops waiting leaves nothing behind, neither in a queue nor in
//! a barrier. Bounded: a script has one request under way, so there are never more messages than connections, but for
//! one per barrier that is left; what is kept is bounded by [`limits::SHARED_OCTETS_MAX`].
//! Does not: know scripts.
//!
//! HSL manual: structures, "cache" and "barrier".

use std::cell::RefCell;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use postern_jit::process::{Owner, ProcessAnswer, ProcessRequest, Reaction, SharedWrite};

use super::clock::Clock;
use super::mesh::{Notice, Place};
use crate::limits;
use crate::mailbox::MailboxSender;

/// The shared memory, as one shard sees it.
#[derive(Debug)]
pub struct Exchange {
    shard: usize,
    peers: Vec<MailboxSender<Notice>>,
    owner: RefCell<Owner<Place>>,
    slots: RefCell<Slots>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Slots {
    of: Vec<Slot>,
    free: Vec<usize>,
}

/// The state of a ticket.
#[derive(Debug)]
enum Slot {
    Free,
    Waiting(Option<Waker>),
    Answered(ProcessAnswer),
    /// Nobody waits for the answer; entering this barrier is to be undone.
    GivenUp(Box<[u8]>),
    /// Nobody waits for the answer.
    Forgotten,
}

impl Exchange {
    /// The view of shard number `shard`; `peers` are the ways to all shards, itself included.
    #[must_use]
    pub fn new(shard: usize, peers: Vec<MailboxSender<Notice>>) -> Self {
        let octets_max = limits::SHARED_OCTETS_MAX / peers.len().max(1);
        Self {
            shard,
            peers,
            owner: RefCell::new(Owner::new(octets_max)),
            slots: RefCell::default(),
            clock: Clock::new(),
        }
    }

    /// Asks, and waits for the answer for so long at most. Dropping the future gives the wait up.
    pub async fn ask(&self, request: ProcessRequest, wait: Duration) -> Option<ProcessAnswer> {
        let entering = match &request {
            ProcessRequest::BarrierEnter { name, .. } => Some(name.clone()),
            _ => None,
        };
        let mut ticket = Ticket {
            exchange: self,
            number: self.slots.borrow_mut().take(),
            entering,
        };
        self.send(ticket.number, request);
        ticket.wait(wait).await
    }

    /// Leaves a barrier; nothing is waited for.
    pub fn leave(&self, name: Box<[u8]>, shared: SharedWrite) {
        let mut slots = self.slots.borrow_mut();
        let ticket = slots.take();
        slots.of[ticket] = Slot::Forgotten;
        drop(slots);
        self.send(ticket, ProcessRequest::BarrierLeave { name, shared });
    }

    fn send(&self, ticket: usize, request: ProcessRequest) {
        let owner = self.owner_of(request.name());
        let place = self.place(ticket);
        if owner == self.shard {
            self.answer(place, request);
        } else {
            self.peers[owner].send(Notice::Ask(place, request));
        }
    }

    fn place(&self, ticket: usize) -> Place {
        Place {
            shard: self.shard,
            ticket,
        }
    }

    /// Takes a message of another shard.
    pub fn take(&self, notice: Notice) {
        match notice {
            Notice::Ask(place, request) => self.answer(place, request),
            Notice::GiveUp(place, name) => self.give_up(place, &name),
            Notice::Answer(ticket, answer) => self.arrived(ticket, answer),
        }
    }

    fn owner_of(&self, name: &[u8]) -> usize {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let shards_count = self.peers.len().max(1) as u64;
        usize::try_from(hasher.finish() % shards_count).unwrap_or(0)
    }

    /// Answers a request about a name of this shard.
    fn answer(&self, place: Place, request: ProcessRequest) {
        let now_ms = self.clock.measure_us() / 1_000;
        let Reaction { answer, next } = self.owner.borrow_mut().ask(request, place, now_ms);
        if let Some(answer) = answer {
            self.deliver(place, answer);
        }
        if let Some((place, answer)) = next {
            self.deliver(place, answer);
        }
    }

    fn give_up(&self, place: Place, name: &[u8]) {
        let waited = self.owner.borrow_mut().give_up(name, |one| *one == place);
        // Else it is in already, and its own shard will leave as soon as it hears that.
        if waited {
            self.deliver(place, ProcessAnswer::Done);
        }
    }

    fn deliver(&self, place: Place, answer: ProcessAnswer) {
        if place.shard == self.shard {
            self.arrived(place.ticket, answer);
        } else {
            self.peers[place.shard].send(Notice::Answer(place.ticket, answer));
        }
    }

    fn arrived(&self, ticket: usize, answer: ProcessAnswer) {
        let has_entered = matches!(answer, ProcessAnswer::Entered(_));
        let before = {
            let mut slots = self.slots.borrow_mut();
            std::mem::replace(&mut slots.of[ticket], Slot::Answered(answer))
        };
        match before {
            Slot::Waiting(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Slot::GivenUp(name) => {
                self.slots.borrow_mut().give_back(ticket);
                if has_entered {
                    self.leave(name, SharedWrite::Keep);
                }
            }
            Slot::Forgotten | Slot::Free | Slot::Answered(_) => {
                self.slots.borrow_mut().give_back(ticket);
            }
        }
    }
}

impl Slots {
    fn take(&mut self) -> usize {
        let ticket = self.free.pop().unwrap_or_else(|| {
            self.of.push(Slot::Free);
            self.of.len() - 1
        });
        self.of[ticket] = Slot::Waiting(None);
        ticket
    }

    fn give_back(&mut self, ticket: usize) {
        self.of[ticket] = Slot::Free;
        self.free.push(ticket);
    }
}

/// A request under way.
struct Ticket<'e> {
    exchange: &'e Exchange,
    number: usize,
    /// The barrier to be entered.
    entering: Option<Box<[u8]>>,
}

impl Ticket<'_> {
    async fn wait(&mut self, wait: Duration) -> Option<ProcessAnswer> {
        if let Some(answer) = self.answer() {
            return Some(answer);
        }
        let mut timer = std::pin::pin!(glommio::timer::sleep(wait));
        poll_fn(|task| {
            if let Some(answer) = self.answer() {
                return Poll::Ready(Some(answer));
            }
            if timer.as_mut().poll(task).is_ready() {
                return Poll::Ready(None);
            }
            let mut slots = self.exchange.slots.borrow_mut();
            slots.of[self.number] = Slot::Waiting(Some(task.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// The answer, if it has come; then there is nothing to give up.
    fn answer(&mut self) -> Option<ProcessAnswer> {
        let mut slots = self.exchange.slots.borrow_mut();
        let slot = &mut slots.of[self.number];
        match std::mem::replace(slot, Slot::Waiting(None)) {
            Slot::Answered(answer) => {
                *slot = Slot::Answered(ProcessAnswer::Done);
                self.entering = None;
                Some(answer)
            }
            other => {
                *slot = other;
                None
            }
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let entering = self.entering.take();
        let (exchange, number) = (self.exchange, self.number);
        let before = {
            let mut slots = exchange.slots.borrow_mut();
            let slot = &mut slots.of[number];
            match slot {
                Slot::Waiting(_) => {
                    let after = entering.clone().map_or(Slot::Forgotten, Slot::GivenUp);
                    std::mem::replace(slot, after)
                }
                _ => {
                    let before = std::mem::replace(slot, Slot::Free);
                    slots.give_back(number);
                    before
                }
            }
        };
        match (before, entering) {
            // It came in, and nobody took notice.
            (Slot::Answered(ProcessAnswer::Entered(_)), Some(name)) => {
                exchange.leave(name, SharedWrite::Keep)
            }
            (Slot::Waiting(_), Some(name)) => {
                let (owner, place) = (exchange.owner_of(&name), exchange.place(number));
                if owner == exchange.shard {
                    exchange.give_up(place, &name);
                } else {
                    exchange.peers[owner].send(Notice::GiveUp(place, name));
                }
            }
            _ => {}
        }
    }
}

/// The barriers a script is in; those it has not left are left when it is dropped.
#[derive(Debug)]
pub struct Held {
    exchange: Rc<Exchange>,
    names: Vec<Box<[u8]>>,
}

impl Held {
    /// In none.
    #[must_use]
    pub fn new(exchange: Rc<Exchange>) -> Self {
        Self {
            exchange,
            names: Vec::new(),
        }
    }

    /// Asks for the script, see [`Exchange::ask`], and notes what it enters and leaves.
    pub async fn ask(&mut self, request: ProcessRequest, wait: Duration) -> Option<ProcessAnswer> {
        let entering = match request {
            ProcessRequest::BarrierLeave { name, shared } => {
                self.names.retain(|held| *held != name);
                self.exchange.leave(name, shared);
                return Some(ProcessAnswer::Done);
            }
            ProcessRequest::BarrierEnter { ref name, .. } => Some(name.clone()),
            ProcessRequest::CacheRead(_) | ProcessRequest::CacheWrite(_) => None,
        };
        let answer = self.exchange.ask(request, wait).await?;
        self.names.extend(entering);
        Some(answer)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for name in self.names.drain(..) {
            self.exchange.leave(name, SharedWrite::Keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::Context;

    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;
    use crate::mailbox::{Mailbox, mailbox_of_peers};

    const SHARDS_COUNT: usize = 3;
    const SCRIPTS_COUNT: usize = 8;
    const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
    const LONG: Duration = Duration::from_secs(3_600);

    /// What becomes of a script that asks to enter a barrier.
    type Entering = Pin<Box<dyn Future<Output = (Held, bool)>>>;

    enum Script {
        Out,
        Entering(usize, Entering),
        In(usize, Held),
    }

    /// All shards on one thread: messages travel when the test says so.
    struct World {
        exchanges: Vec<Rc<Exchange>>,
        mailboxes: Vec<Mailbox<Notice>>,
        random: u64,
        entered_count: usize,
    }

    impl World {
        fn new(seed: u64) -> Self {
            let mailboxes = (0..SHARDS_COUNT).map(|_| mailbox_of_peers().expect("a descriptor"));
            let (peers, mailboxes): (Vec<_>, Vec<_>) = mailboxes.unzip();
            let exchange = |shard| Rc::new(Exchange::new(shard, peers.clone()));
            Self {
                exchanges: (0..SHARDS_COUNT).map(exchange).collect(),
                mailboxes,
                random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
                entered_count: 0,
            }
        }

        fn below(&mut self, bound: usize) -> usize {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            usize::try_from(self.random >> 33).expect("31 bits") % bound
        }

        /// Lets one message of a shard arrive; whether there was one.
        fn pass(&self, shard: usize) -> bool {
            let notice = self.mailboxes[shard].next();
            notice
                .map(|notice| self.exchanges[shard].take(notice))
                .is_some()
        }

        fn settle(&self) {
            while (0..SHARDS_COUNT).any(|shard| self.pass(shard)) {}
        }

        fn begin(&mut self, shard: usize, name: usize) -> Script {
            let mut held = Held::new(Rc::clone(&self.exchanges[shard]));
            let wait = if self.below(8) == 0 {
                Duration::ZERO
            } else {
                LONG
            };
            let request = ProcessRequest::BarrierEnter {
                name: NAMES[name].into(),
                is_read: true,
            };
            let entering = async move {
                let answer = held.ask(request, wait).await;
                (held, matches!(answer, Some(ProcessAnswer::Entered(_))))
            };
            self.poll(name, Box::pin(entering))
        }

        fn poll(&mut self, name: usize, mut entering: Entering) -> Script {
            let mut task = Context::from_waker(Waker::noop());
            match entering.as_mut().poll(&mut task) {
                Poll::Pending => Script::Entering(name, entering),
                Poll::Ready((_, false)) => Script::Out,
                Poll::Ready((held, true)) => {
                    self.entered_count += 1;
                    Script::In(name, held)
                }
            }
        }

        fn leave(&mut self, name: usize, mut held: Held) {
            if self.below(2) == 0 {
                return;
            }
            let request = ProcessRequest::BarrierLeave {
                name: NAMES[name].into(),
                shared: SharedWrite::Keep,
            };
            let mut leaving = Box::pin(async move { held.ask(request, LONG).await });
            let mut task = Context::from_waker(Waker::noop());
            assert!(leaving.as_mut().poll(&mut task).is_ready());
        }

        fn step(&mut self, shard: usize, script: Script) -> Script {
            match script {
                Script::Out => {
                    let name = self.below(NAMES.len());
                    self.begin(shard, name)
                }
                // It gives up, wherever its request or the answer may be.
                Script::Entering(..) if self.below(4) == 0 => Script::Out,
                Script::Entering(name, entering) => self.poll(name, entering),
                Script::In(name, held) => {
                    self.leave(name, held);
                    Script::Out
                }
            }
        }
    }

    fn assert_one_each(scripts: &[Script]) {
        let mut is_in = [false; NAMES.len()];
        for script in scripts {
            if let Script::In(name, _) = script {
                assert!(!std::mem::replace(&mut is_in[*name], true));
            }
        }
    }

    fn act(seed: u64) -> usize {
        let mut world = World::new(seed);
        let mut scripts: Vec<Script> = (0..SCRIPTS_COUNT).map(|_| Script::Out).collect();
        for _ in 0..400 {
            let shard = world.below(SHARDS_COUNT);
            if world.below(2) == 0 {
                world.pass(shard);
                continue;
            }
            let number = world.below(SCRIPTS_COUNT);
            let script = std::mem::replace(&mut scripts[number], Script::Out);
            scripts[number] = world.step(number % SHARDS_COUNT, script);
            assert_one_each(&scripts);
        }
        drop(scripts);
        world.settle();
        for exchange in &world.exchanges {
            let slots = exchange.slots.borrow();
            assert_eq!(
                slots.free.len(),
                slots.of.len(),
                "every request is answered"
            );
            assert!(slots.of.iter().all(|slot| matches!(slot, Slot::Free)));
        }
        for (number, name) in NAMES.into_iter().enumerate() {
            let mut held = Held::new(Rc::clone(&world.exchanges[number % SHARDS_COUNT]));
            let request = ProcessRequest::BarrierEnter {
                name: name.into(),
                is_read: true,
            };
            let mut entering = Box::pin(async move { held.ask(request, LONG).await });
            let mut task = Context::from_waker(Waker::noop());
            let first = entering.as_mut().poll(&mut task);
            world.settle();
            assert!(
                first.is_ready() || entering.as_mut().poll(&mut task).is_ready(),
                "nobody is left in a barrier"
            );
        }
        world.entered_count
    }

    /// Answers that cross with giving up, in any order of messages that is possible.
    #[test]
    fn one_is_in_at_a_time_and_nobody_stays() {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        executor.expect("an executor").run(async {
            let entered: usize = (0..300).map(act).sum();
            assert!(5_000 < entered, "only {entered} came in");
        });
    }
}
