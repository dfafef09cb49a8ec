//! What shards share and tell each other: the counts that limits over all shards need, what the process is short of, and
//! the order to stop.
//!
//! In: connections of every shard. Out: whether one more is allowed. Guarantees: exact over all shards, at every moment;
//! memory is bounded by the open connections and by the connects of the last second.
//!
//! The counts are one table in [`STRIPES_COUNT`] locked parts rather than messages to an owner shard: a client's part is
//! locked twice per connection, for a lookup each, and never while anything is awaited, where a question to another
//! shard would hold every greeting up by a wake across cores. No command and no message ever takes a lock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postern_jit::process::{ProcessAnswer, ProcessRequest};

use crate::profile::ConnectionLimits;
use crate::tls::TlsAcceptor;

/// What the process tells a shard.
#[derive(Clone, Debug)]
pub enum ShardMessage {
    /// Answer, to show that the shard is not stuck.
    AreYouThere,
    /// Answer the handshakes that begin from now on so: one per profile, none for those without TLS.
    Handshakes(Vec<Option<Arc<TlsAcceptor>>>),
    /// Take no more connections, end idle sessions, let transactions finish, then return.
    Stop,
}

/// What shards ask each other about what scripts share.
#[derive(Debug)]
pub enum Notice {
    /// Somebody asks.
    Ask(Place, ProcessRequest),
    /// Who asked to enter a barrier does not wait any more.
    GiveUp(Place, Box<[u8]>),
    /// The answer to what the script with this ticket asked.
    Answer(usize, ProcessAnswer),
}

/// Who waits: a shard, and a ticket of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub(super) shard: usize,
    /// A slot of its exchange.
    pub(super) ticket: usize,
}

/// Held by every shard that has, or may get, connections.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<()>);

impl Busy {
    /// Gives it up; the result tells whether others still hold it.
    pub(super) fn end(self) -> impl Fn() -> bool {
        let others = Arc::downgrade(&self.0);
        drop(self);
        move || 0 < others.strong_count()
    }
}

/// What the process is too short of resources for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Shortage {
    /// It has enough.
    Nothing,
    /// New transactions.
    Mail,
    /// New transactions and new connections.
    Connections,
}

/// The shortage of one profile, as its shards see it: one load per batch of commands.
#[derive(Debug)]
pub struct ShortageCell(AtomicU8);

impl ShortageCell {
    /// There is enough.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU8::new(Shortage::Nothing as u8))
    }

    /// Replaces what was told before. Relaxed: nothing else is shared through it.
    pub fn tell(&self, shortage: Shortage) {
        self.0.store(shortage as u8, Ordering::Relaxed);
    }

    /// What was told last.
    #[must_use]
    pub fn shortage(&self) -> Shortage {
        match self.0.load(Ordering::Relaxed) {
            0 => Shortage::Nothing,
            1 => Shortage::Mail,
            _ => Shortage::Connections,
        }
    }
}

impl Default for ShortageCell {
    fn default() -> Self {
        Self::new()
    }
}

/// The connections of one profile over all shards.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    open: AtomicU32,
    /// Those of `open` whose client a PROXY header has yet to name.
    unnamed: AtomicU32,
    stripes: [Mutex<Stripe>; STRIPES_COUNT],
}

/// Leave for one connection; giving it back is dropping it.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// Whose connection it is; none while a PROXY header is waited for.
    client: Option<IpAddr>,
}

impl Permit {
    /// Counts the connection for `address` from now on, in the process's second `second`.
    ///
    /// # Errors
    ///
    /// The limit that is reached for that address; the connection is counted as before.
    pub fn transfer(&mut self, address: IpAddr, second: u64) -> Result<(), Excess> {
        let client = Some(client_of(address));
        if client != self.client {
            self.admission.count_client(client_of(address), second)?;
            self.admission.discount(self.client);
            self.client = client;
        }
        Ok(())
    }
}

/// Which limit a connection would exceed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Excess {
    /// All connections of the profile.
    Connections,
    /// The open connections of one client.
    PerClient,
    /// The new connections of one client within a second.
    PerClientPerSecond,
    /// The connections whose PROXY header has not come yet.
    Unnamed,
}

/// A part of the table.
#[derive(Debug, Default)]
struct Stripe {
    clients: HashMap<IpAddr, Client>,
    /// Clients above which the next look for those to forget is due.
    sweep_above_count: usize,
}

#[derive(Debug, Default)]
struct Client {
    open: u32,
    /// The second that `new` counts.
    second: u64,
    new: u32,
}

impl Admission {
    /// Nobody has been let in yet.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            open: AtomicU32::new(0),
            unnamed: AtomicU32::new(0),
            stripes: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// How many are open.
    #[must_use]
    pub fn open_count(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Lets a connection of `address` in, in the process's second `second`.
    ///
    /// # Errors
    ///
    /// The limit that is reached; nothing is counted then, except for the rate.
    pub fn enter(self: &Arc<Self>, address: IpAddr, second: u64) -> Result<Permit, Excess> {
        let client = client_of(address);
        self.enter_with(Some(client), || self.count_client(client, second))
    }

    /// Lets a connection in whose client a PROXY header will name; [`Permit::transfer`] counts it for that client.
    ///
    /// # Errors
    ///
    /// The limit that is reached; nothing is counted then.
    pub fn enter_unnamed(self: &Arc<Self>) -> Result<Permit, Excess> {
        let count_max = self.limits.proxy_headers_awaited_max;
        self.enter_with(None, || {
            take_one(&self.unnamed, count_max).ok_or(Excess::Unnamed)
        })
    }

    fn enter_with(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        count: impl FnOnce() -> Result<(), Excess>,
    ) -> Result<Permit, Excess> {
        take_one(&self.open, self.limits.connections_max).ok_or(Excess::Connections)?;
        match count() {
            Ok(()) => Ok(Permit {
                admission: Arc::clone(self),
                client,
            }),
            Err(excess) => {
                self.open.fetch_sub(1, Ordering::Relaxed);
                Err(excess)
            }
        }
    }

    fn count_client(&self, client: IpAddr, second: u64) -> Result<(), Excess> {
        let per_second_max = self.limits.connections_per_client_per_second_max;
        let mut stripe = self
            .stripe(client)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if 0 < per_second_max {
            stripe.sweep(second);
        }
        let counts = stripe.clients.entry(client).or_default();
        if 0 < per_second_max {
            if counts.second != second {
                counts.second = second;
                counts.new = 0;
            }
            counts.new = counts.new.saturating_add(1);
            if per_second_max < counts.new {
                return Err(Excess::PerClientPerSecond);
            }
        }
        if self.limits.connections_per_client_max <= counts.open {
            return Err(Excess::PerClient);
        }
        counts.open += 1;
        Ok(())
    }

    fn leave(&self, client: Option<IpAddr>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.discount(client);
    }

    fn discount(&self, client: Option<IpAddr>) {
        match client {
            Some(client) => self.discount_client(client),
            None => drop(self.unnamed.fetch_sub(1, Ordering::Relaxed)),
        }
    }

    fn discount_client(&self, client: IpAddr) {
        let mut stripe = self
            .stripe(client)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = stripe.clients.get_mut(&client) {
            counts.open -= 1;
            // With a rate to keep, the sweep removes it when its second is over.
            if counts.open == 0 && self.limits.connections_per_client_per_second_max == 0 {
                stripe.clients.remove(&client);
            }
        }
    }

    fn stripe(&self, client: IpAddr) -> &Mutex<Stripe> {
        let number = match client {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        // Fibonacci hashing: neighbours of a network fall into different parts.
        let index = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - STRIPES_BITS);
        &self.stripes[usize::try_from(index).unwrap_or(0)]
    }
}

/// One more of what is counted, unless there are `count_max` of it. Relaxed: the count itself is all that is shared
/// through it.
fn take_one(count: &AtomicU32, count_max: u32) -> Option<()> {
    let take = |count: u32| (count < count_max).then_some(count + 1);
    let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    taken.ok().map(drop)
}

impl Stripe {
    /// Forgets clients of past seconds, once as many have come as were left the last time: whoever fills the table
    /// within one second must not have every connection walk through it.
    fn sweep(&mut self, second: u64) {
        if self.clients.len() <= self.sweep_above_count.max(SWEEP_ABOVE_COUNT) {
            return;
        }
        self.clients
            .retain(|_, client| 0 < client.open || client.second == second);
        self.sweep_above_count = 2 * self.clients.len();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.leave(self.client);
    }
}

impl Excess {
    /// The reason in the reply and the log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Connections => "Too many connections, try again later",
            Self::PerClient => "Too many connections from your address, try again later",
            Self::PerClientPerSecond => {
                "Connections come too fast from your address, try again later"
            }
            Self::Unnamed => "Too many connections without a PROXY header, try again later",
        }
    }
}

/// Whose connections are counted together: an IPv4 address, or an IPv6 /64, which one site has for itself.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & !u128::from(u64::MAX),
        )),
        address @ IpAddr::V4(_) => address,
    }
}

const STRIPES_BITS: u32 = 6;

/// Parts of the table, so that shards seldom meet.
const STRIPES_COUNT: usize = 1 << STRIPES_BITS;

/// Clients of one part above which those of past seconds are looked for and removed.
const SWEEP_ABOVE_COUNT: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Admission, Excess, Stripe};
    use crate::profile::ConnectionLimits;

    fn admission(all: u32, per_client: u32, per_second: u32) -> Arc<Admission> {
        Arc::new(Admission::new(ConnectionLimits {
            connections_max: all,
            connections_per_client_max: per_client,
            connections_per_client_per_second_max: per_second,
            proxy_headers_awaited_max: 1,
            ..ConnectionLimits::default()
        }))
    }

    fn ip(text: &str) -> std::net::IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn limits_hold_and_recover() {
        let admission = admission(3, 2, 0);
        let first = admission.enter(ip("192.0.2.1"), 0).expect("room");
        let second = admission.enter(ip("::ffff:192.0.2.1"), 0).expect("room");
        assert_eq!(
            admission.enter(ip("192.0.2.1"), 0).err(),
            Some(Excess::PerClient)
        );
        let other = admission.enter(ip("192.0.2.2"), 0).expect("room");
        assert_eq!(
            admission.enter(ip("192.0.2.3"), 0).err(),
            Some(Excess::Connections)
        );
        drop(first);
        assert!(admission.enter(ip("192.0.2.1"), 0).is_ok());
        drop((second, other));
        let held = admission
            .stripes
            .iter()
            .map(|stripe| stripe.lock().expect("no panic").clients.len());
        assert_eq!(
            held.sum::<usize>(),
            0,
            "nothing is remembered of clients that left"
        );
    }

    #[test]
    fn a_site_counts_as_one_client() {
        let admission = admission(10, 1, 0);
        let _first = admission.enter(ip("2001:db8:0:1::1"), 0).expect("room");
        assert_eq!(
            admission.enter(ip("2001:db8:0:1:ffff::2"), 0).err(),
            Some(Excess::PerClient)
        );
        assert!(admission.enter(ip("2001:db8:0:2::1"), 0).is_ok());
    }

    #[test]
    fn a_renamed_client_is_counted_under_its_new_address() {
        let admission = admission(10, 1, 0);
        let mut gateway = admission.enter(ip("64:ff9b::1"), 0).expect("room");
        assert_eq!(gateway.transfer(ip("192.0.2.1"), 0), Ok(()));
        let mut second = admission
            .enter(ip("64:ff9b::2"), 0)
            .expect("the first left");
        assert_eq!(
            second.transfer(ip("192.0.2.1"), 0),
            Err(Excess::PerClient),
            "the new address has its connection"
        );
        drop(gateway);
        assert_eq!(second.transfer(ip("192.0.2.1"), 0), Ok(()));
    }

    #[test]
    fn renaming_takes_no_further_place() {
        let admission = admission(1, 1, 0);
        let mut only = admission.enter(ip("64:ff9b::1"), 0).expect("room");
        assert_eq!(only.transfer(ip("192.0.2.1"), 0), Ok(()));
        assert_eq!(
            admission.enter(ip("192.0.2.2"), 0).err(),
            Some(Excess::Connections)
        );
        drop(only);
        assert!(admission.enter(ip("192.0.2.1"), 0).is_ok());
    }

    #[test]
    fn a_client_named_by_a_header_is_counted_from_then_on() {
        let admission = admission(10, 1, 0);
        let mut first = admission.enter_unnamed().expect("room");
        assert_eq!(admission.enter_unnamed().err(), Some(Excess::Unnamed));
        assert_eq!(first.transfer(ip("192.0.2.1"), 0), Ok(()));
        let mut second = admission.enter_unnamed().expect("the first has a name");
        assert_eq!(
            second.transfer(ip("::ffff:192.0.2.1"), 0),
            Err(Excess::PerClient)
        );
        assert_eq!(second.transfer(ip("192.0.2.2"), 0), Ok(()));
        let nameless = admission.enter_unnamed().expect("the second has a name");
        drop(nameless);
        drop(admission.enter_unnamed().expect("the last one left"));
        drop((first, second));
        assert_eq!(admission.open.load(Ordering::Relaxed), 0);
        assert_eq!(admission.unnamed.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_rate_is_per_second() {
        let admission = admission(10, 10, 2);
        assert!(admission.enter(ip("192.0.2.1"), 7).is_ok());
        assert!(admission.enter(ip("192.0.2.1"), 7).is_ok());
        assert_eq!(
            admission.enter(ip("192.0.2.1"), 7).err(),
            Some(Excess::PerClientPerSecond)
        );
        assert!(admission.enter(ip("192.0.2.2"), 7).is_ok());
        assert!(admission.enter(ip("192.0.2.1"), 8).is_ok());
    }

    #[test]
    fn clients_of_past_seconds_are_forgotten() {
        let mut stripe = Stripe::default();
        let mut come = |clients: std::ops::Range<u32>, second: u64| {
            for number in clients {
                stripe.sweep(second);
                let address = std::net::IpAddr::from(number.to_be_bytes());
                stripe.clients.entry(address).or_default().second = second;
            }
            (stripe.clients.len(), stripe.sweep_above_count)
        };
        assert_eq!(come(0..3_000, 1), (3_000, 2 * 2_051), "all of one second");
        let (count, sweep_above_count) = come(3_000..10_000, 2);
        assert!(count <= 7_000, "those of the first second have gone");
        assert!(sweep_above_count <= 2 * count);
        let (count, _) = come(10_000..40_000, 3);
        assert!(count <= 30_000 + 1);
    }

    #[test]
    fn counts_are_exact_across_threads() {
        let admission = admission(1_000, 7, 0);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let permits: Vec<_> = (0..100)
                            .map(|_| admission.enter(ip("192.0.2.1"), 0))
                            .collect();
                        let count = permits.iter().filter(|permit| permit.is_ok()).count();
                        // Kept open until every thread has asked.
                        (count, permits)
                    })
                })
                .collect();
            let results: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .collect();
            results.iter().map(|(count, _)| count).sum()
        });
        assert_eq!(taken, 7);
    }

    /// Connections come, get other addresses and go on four threads, over more clients than there may be connections of
    /// each: nobody ever sees more than the limit, and nothing is left in the end.
    #[test]
    fn counts_stay_exact_while_clients_are_renamed() {
        const PER_CLIENT: u32 = 3;
        let admission = admission(1_000, PER_CLIENT, 0);
        let open: Vec<AtomicU32> = (0..8).map(|_| AtomicU32::new(0)).collect();
        let address = |client: usize| match client % 2 {
            0 => ip(&format!("192.0.2.{client}")),
            _ => ip(&format!("2001:db8:0:{client}::{client}")),
        };
        // Counted after the permit is had and until before it is given up: never above the real count.
        let enter = |client: usize| {
            let before = open[client].fetch_add(1, Ordering::SeqCst);
            assert!(
                before < PER_CLIENT,
                "client {client} has {before} connections"
            );
        };
        let leave = |client: usize| {
            open[client].fetch_sub(1, Ordering::SeqCst);
        };
        let run = |thread: usize| {
            let mut held = VecDeque::new();
            for round in 0..20_000 {
                let client = (round * 7 + thread) % open.len();
                if let Ok(permit) = admission.enter(address(client), 0) {
                    enter(client);
                    held.push_back((permit, client));
                }
                let Some((mut permit, client)) = held.pop_front() else {
                    continue;
                };
                leave(client);
                let other = (round * 3 + thread * 5) % open.len();
                let is_renamed = permit.transfer(address(other), 0).is_ok();
                let client = if is_renamed { other } else { client };
                enter(client);
                held.push_back((permit, client));
                if 4 < held.len()
                    && let Some((permit, client)) = held.pop_front()
                {
                    leave(client);
                    drop(permit);
                }
            }
            for (permit, client) in held {
                leave(client);
                drop(permit);
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let run = &run;
                scope.spawn(move || run(thread));
            }
        });
        assert_eq!(admission.open.load(Ordering::Relaxed), 0);
        let stripes = admission.stripes.iter();
        let held = stripes.map(|stripe| stripe.lock().expect("no panic").clients.len());
        assert_eq!(held.sum::<usize>(), 0);
    }
}
