//! One thread of the generator: an epoll loop over its share of the connections.
//!
//! In: a plan, the shared counter. Out: a tally. Units go to open sessions first, then to closed
//! ones, which connect; connects under way are capped. Edge-triggered: one registration per
//! connection, no system call per message beyond its reads and writes.
//! Ends when no unit is left and every connection is closed; each wait of a connection is bounded.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::client::{Client, State, Wire};
use crate::ledger::{Ledger, SentFile};
use crate::pacing::{Counter, Pacing, Take};
use crate::plan::Plan;
use crate::tally::Tally;

/// What the workers of a run share.
#[derive(Debug)]
pub(crate) struct Shared<'run> {
    /// What to do.
    pub(crate) plan: &'run Plan,
    /// Numbers and start of the run.
    pub(crate) counter: &'run Counter,
    /// Workers that have not yet opened their connections in advance.
    pub(crate) opening: &'run AtomicUsize,
    /// Units ended.
    pub(crate) progress: &'run AtomicU64,
}

/// What a worker leaves behind.
#[derive(Debug)]
pub(crate) struct Report {
    /// What happened.
    pub(crate) tally: Tally,
    /// When the last unit ended.
    pub(crate) ended: Option<Instant>,
    /// CPU time of the thread since the run began.
    pub(crate) cpu: Duration,
    /// Time of the thread since the run began.
    pub(crate) wall: Duration,
}

/// Where a connection stands in the worker's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not yet to be used: its turn in the ramp has not come.
    Unborn,
    Closed,
    Queued,
    Delayed,
    Working,
    Resting,
}

#[derive(Debug)]
struct Slot<'run> {
    client: Client<'run>,
    place: Place,
    /// Counts connections, so that events of an earlier one are recognized.
    generation: u32,
    is_connecting: bool,
    /// Whether it has not yet been opened in advance.
    is_opening: bool,
}

/// The loop's state.
#[derive(Debug)]
pub(crate) struct Worker<'run> {
    shared: Shared<'run>,
    epoll: OwnedFd,
    wire: Wire,
    ledger: Ledger<'run>,
    slots: Vec<Slot<'run>>,
    /// Lists of indexes; an entry counts only while the slot's place says so.
    resting: VecDeque<usize>,
    closed: VecDeque<usize>,
    queued: VecDeque<usize>,
    /// Slots whose connect failed, and when they may try again.
    delayed: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Slots whose turn in the ramp comes, in order.
    unborn: VecDeque<(Duration, usize)>,
    connecting_count: usize,
    connecting_max: usize,
    opening_count: usize,
    /// Slots that are neither closed nor resting.
    busy_count: usize,
    is_exhausted: bool,
    source_index: usize,
    started: Option<(Instant, Duration)>,
}

impl<'run> Worker<'run> {
    /// Prepares worker `index` of the plan.
    ///
    /// # Errors
    ///
    /// No epoll descriptor.
    pub(crate) fn new(
        index: usize,
        shared: Shared<'run>,
        sent: Option<SentFile<'run>>,
    ) -> io::Result<Self> {
        let plan = shared.plan;
        let now = Instant::now();
        let share = (index..plan.connections_count).step_by(plan.workers_count);
        let slot = |_| Slot {
            client: Client::new(plan, now),
            place: Place::Closed,
            generation: 0,
            is_connecting: false,
            is_opening: false,
        };
        let ledger = Ledger {
            plan,
            pacing: Pacing::new(plan.schedule, shared.counter),
            tally: Tally::new(),
            sent,
            sent_error: None,
            started: None,
            ended: None,
            progress: shared.progress,
        };
        let mut worker = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            wire: Wire::new(plan),
            ledger,
            slots: share.clone().map(slot).collect(),
            resting: VecDeque::new(),
            closed: VecDeque::new(),
            queued: VecDeque::new(),
            delayed: BinaryHeap::new(),
            unborn: VecDeque::new(),
            connecting_count: 0,
            connecting_max: (CONNECTING_MAX / plan.workers_count).max(1),
            opening_count: 0,
            busy_count: 0,
            is_exhausted: false,
            source_index: index,
            started: None,
            shared,
        };
        worker.arrange(share);
        Ok(worker)
    }

    /// Puts the slots, whose numbers in the whole run are `share`, into the lists they begin in.
    fn arrange(&mut self, share: impl Iterator<Item = usize>) {
        let plan = self.shared.plan;
        let is_open = plan.schedule.rate_per_second.is_some();
        for (index, number) in share.enumerate() {
            let slot = &mut self.slots[index];
            if plan.connects_first() {
                slot.place = Place::Queued;
                slot.is_opening = true;
                self.opening_count += 1;
                self.busy_count += 1;
                self.queued.push_back(index);
            } else if is_open || plan.schedule.ramp.is_zero() {
                self.closed.push_back(index);
            } else {
                slot.place = Place::Unborn;
                let share = ratio(number, plan.connections_count);
                self.unborn
                    .push_back((plan.schedule.ramp.mul_f64(share), index));
            }
        }
        if self.opening_count == 0 {
            self.opened();
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// epoll fails, or the file of acknowledged ids cannot be written.
    pub(crate) fn run(mut self) -> io::Result<Report> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        let mut next_scan = Instant::now() + SCAN_PERIOD;
        loop {
            let now = Instant::now();
            self.note_start(now);
            let mut wake = next_scan;
            for time in [self.hand_out(now)?, self.advance(now)?]
                .into_iter()
                .flatten()
            {
                wake = wake.min(time);
            }
            if self.is_finished() {
                return self.finish();
            }
            let wait = timespec(wake.saturating_duration_since(Instant::now()));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                self.dispatch(event)?;
            }
            let now = Instant::now();
            if next_scan <= now {
                next_scan = now + SCAN_PERIOD;
                self.scan(now)?;
            }
        }
    }

    fn dispatch(&mut self, event: Event) -> io::Result<()> {
        let (index, generation) = unpack(event.data.u64());
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        if slot.generation != generation {
            return Ok(());
        }
        let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        let flags = event.flags;
        let now = Instant::now();
        let to_end = flags.intersects(ends);
        let state = slot
            .client
            .ready(to_end, &mut self.wire, &mut self.ledger, now);
        self.settle(index, state, now)
    }

    /// Gives units to free slots. Returns when the next one is due.
    fn hand_out(&mut self, now: Instant) -> io::Result<Option<Instant>> {
        while let Some(index) = self.free_slot() {
            match self.ledger.take(now) {
                Take::Now(unit) => {
                    let slot = &mut self.slots[index];
                    let is_resting = slot.place == Place::Resting;
                    let is_assigned = slot.client.assign(unit, &mut self.ledger, now);
                    self.remove_front(is_resting);
                    if !is_assigned {
                        // Its turn comes again after the others'.
                        self.closed.push_back(index);
                    } else if is_resting {
                        let client = &mut self.slots[index].client;
                        let state = client.begin(&mut self.wire, &mut self.ledger, now);
                        self.settle(index, state, now)?;
                    } else {
                        self.move_to(index, Place::Queued);
                        self.queued.push_back(index);
                    }
                }
                Take::At(time) => return Ok(Some(time)),
                Take::Exhausted => {
                    self.is_exhausted = true;
                    self.unborn.clear();
                    return self.quit_all(now).map(|()| None);
                }
            }
        }
        Ok(None)
    }

    /// The first free slot, which stays in its list: an open session if there is one.
    fn free_slot(&mut self) -> Option<usize> {
        for (list, place) in [
            (&mut self.resting, Place::Resting),
            (&mut self.closed, Place::Closed),
        ] {
            while let Some(index) = list.front() {
                if self.slots[*index].place == place {
                    return Some(*index);
                }
                list.pop_front();
            }
        }
        None
    }

    fn remove_front(&mut self, is_resting: bool) {
        if is_resting {
            self.resting.pop_front();
        } else {
            self.closed.pop_front();
        }
    }

    fn quit_all(&mut self, now: Instant) -> io::Result<()> {
        while let Some(index) = self.resting.pop_front() {
            if self.slots[index].place == Place::Resting {
                let client = &mut self.slots[index].client;
                let state = client.quit(&mut self.wire, &mut self.ledger, now);
                self.settle(index, state, now)?;
            }
        }
        Ok(())
    }

    /// Moves slots on whose time has come, and begins the connects that the cap allows. Returns
    /// when the next time comes.
    fn advance(&mut self, now: Instant) -> io::Result<Option<Instant>> {
        let mut wake = None;
        while let Some(Reverse((time, index))) = self.delayed.peek().copied() {
            if now < time {
                wake = Some(time);
                break;
            }
            self.delayed.pop();
            self.settle_closed(index);
        }
        if let Some((start, _)) = self.started {
            while let Some((_, index)) = self.unborn.pop_front_if(|entry| start + entry.0 <= now) {
                self.slots[index].place = Place::Closed;
                self.closed.push_back(index);
                wake = Some(now);
            }
            if let Some((after, _)) = self.unborn.front() {
                let birth = start + *after;
                wake = Some(wake.map_or(birth, |wake| wake.min(birth)));
            }
        }
        while self.connecting_count < self.connecting_max {
            let Some(index) = self.queued.pop_front() else {
                break;
            };
            self.connect(index, now)?;
        }
        Ok(wake)
    }

    fn connect(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let plan = self.shared.plan;
        let source = match plan.sources.len() {
            0 => None,
            count => plan.sources.get(self.source_index % count).copied(),
        };
        self.source_index = self.source_index.wrapping_add(plan.workers_count);
        let slot = &mut self.slots[index];
        slot.generation = slot.generation.wrapping_add(1);
        let state = slot.client.connect(source, &mut self.ledger, now);
        if let Some(socket) = slot.client.socket() {
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let data = EventData::new_u64(pack(index, slot.generation));
            epoll::add(&self.epoll, socket, data, flags)?;
        }
        self.settle(index, state, now)
    }

    /// Puts a slot where its client's state says.
    fn settle(&mut self, index: usize, state: State, now: Instant) -> io::Result<()> {
        if let Some(error) = self.ledger.sent_error.take() {
            return Err(error);
        }
        let slot = &mut self.slots[index];
        let is_connecting = slot.client.is_connecting();
        if is_connecting != slot.is_connecting {
            slot.is_connecting = is_connecting;
            if is_connecting {
                self.connecting_count += 1;
            } else {
                self.connecting_count -= 1;
            }
        }
        if slot.is_opening && state != State::Working {
            slot.is_opening = false;
            self.opening_count -= 1;
            if self.opening_count == 0 {
                self.opened();
            }
        }
        match state {
            State::Working => self.move_to(index, Place::Working),
            State::Resting => {
                if self.slots[index].place != Place::Resting {
                    self.move_to(index, Place::Resting);
                    self.resting.push_back(index);
                }
            }
            State::Closed if self.slots[index].client.was_unreachable() => {
                self.move_to(index, Place::Delayed);
                self.delayed.push(Reverse((now + UNREACHABLE_DELAY, index)));
            }
            State::Closed => self.settle_closed(index),
        }
        Ok(())
    }

    fn settle_closed(&mut self, index: usize) {
        if self.slots[index].client.has_unit() {
            self.move_to(index, Place::Queued);
            self.queued.push_back(index);
        } else {
            self.move_to(index, Place::Closed);
            self.closed.push_back(index);
        }
    }

    fn move_to(&mut self, index: usize, place: Place) {
        let is_busy = |place| matches!(place, Place::Queued | Place::Delayed | Place::Working);
        let slot = &mut self.slots[index];
        match (is_busy(slot.place), is_busy(place)) {
            (false, true) => self.busy_count += 1,
            (true, false) => self.busy_count -= 1,
            _ => {}
        }
        slot.place = place;
    }

    /// This worker's connections are open, as far as they can be; the last worker starts the run.
    fn opened(&self) {
        if self.shared.opening.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.counter.start(Instant::now());
        }
    }

    /// Notes the CPU time at the beginning of the run.
    fn note_start(&mut self, now: Instant) {
        if self.started.is_none()
            && let Some(start) = self.shared.counter.started()
        {
            self.ledger.started = Some(start);
            self.started = Some((start.min(now), thread_cpu()));
        }
    }

    /// Gives up the connections that wait for too long.
    fn scan(&mut self, now: Instant) -> io::Result<()> {
        for index in 0..self.slots.len() {
            let client = &mut self.slots[index].client;
            if client.is_overdue(now) {
                let state = client.give_up(&mut self.ledger, now);
                self.settle(index, state, now)?;
            }
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        let is_resting = |slot: &Slot<'_>| slot.place == Place::Resting;
        self.is_exhausted && self.busy_count == 0 && !self.slots.iter().any(is_resting)
    }

    fn finish(mut self) -> io::Result<Report> {
        if let Some(sent) = &mut self.ledger.sent {
            sent.flush()?;
        }
        let refused = self
            .slots
            .iter()
            .filter(|slot| slot.client.has_verdict())
            .count();
        self.ledger.tally.refused_in_advance = refused as u64;
        let (start, cpu) = self
            .started
            .unwrap_or_else(|| (Instant::now(), thread_cpu()));
        Ok(Report {
            ended: self.ledger.ended,
            cpu: thread_cpu().saturating_sub(cpu),
            wall: start.elapsed(),
            tally: self.ledger.tally,
        })
    }
}

/// User and system time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

fn timespec(wait: Duration) -> Timespec {
    let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: seconds,
        tv_nsec: i64::from(wait.subsec_nanos()),
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of connections are far below 2^52"
    )]
    let ratio = part as f64 / whole.max(1) as f64;
    ratio
}

fn pack(index: usize, generation: u32) -> u64 {
    (index as u64) << 32 | u64::from(generation)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "takes the two halves apart"
)]
fn unpack(data: u64) -> (usize, u32) {
    ((data >> 32) as usize, data as u32)
}

/// Connects under way, of all workers: more than a server's backlog takes only measures the
/// system's retries.
const CONNECTING_MAX: usize = 64;

/// Events taken per wait.
const EVENTS_MAX: usize = 512;

/// How often time-outs are looked for; they are late by as much at most.
const SCAN_PERIOD: Duration = Duration::from_millis(50);

/// Before a slot whose connect failed tries again.
const UNREACHABLE_DELAY: Duration = Duration::from_millis(50);
