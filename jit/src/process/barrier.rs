//! Barriers: one execution at a time between entering and leaving a name, and the variable that goes with it.
//!
//! In: who wants to enter, who leaves. Out: who is in. First come, first served. Guarantees: what nobody is in or waits for
//! takes no memory but that of its variable, and all variables together are bounded.
//!
//! HSL manual: structures, "barrier".

use std::collections::{HashMap, VecDeque};

use lru::LruCache;

use super::ENTRY_OCTETS;
use crate::runtime::Portable;

/// What becomes of a barrier's variable.
#[derive(Debug, PartialEq)]
pub enum SharedWrite {
    /// The barrier has none, or its execution did not come to the end.
    Keep,
    /// It holds nothing any more.
    Clear,
    /// It holds this.
    Set(Portable),
}

/// All barriers of one owner. `W` tells the waiting apart.
#[derive(Debug)]
pub(super) struct Barriers<W> {
    /// Barriers that somebody is in, with those who wait, in order.
    occupied: HashMap<Box<[u8]>, VecDeque<Waiting<W>>>,
    variables: LruCache<Box<[u8]>, Portable>,
    octets: usize,
    octets_max: usize,
}

#[derive(Debug)]
struct Waiting<W> {
    waiter: W,
    /// Whether it wants to know the variable, which may be large.
    is_read: bool,
}

/// Who is in next, and what the variable holds.
#[derive(Debug, PartialEq)]
pub(super) struct Next<W> {
    /// Who waited.
    pub(super) waiter: W,
    /// The variable, if asked for.
    pub(super) shared: Option<Portable>,
}

impl<W> Barriers<W> {
    /// Barriers nobody is in, whose variables together take no more memory than that, about.
    pub(super) fn new(octets_max: usize) -> Self {
        Self {
            occupied: HashMap::new(),
            variables: LruCache::unbounded(),
            octets: 0,
            octets_max,
        }
    }

    /// Enters, or waits: then `None`, and `waiter` comes back from [`Self::leave`] of somebody else.
    pub(super) fn enter(
        &mut self,
        name: &[u8],
        is_read: bool,
        waiter: W,
    ) -> Option<Option<Portable>> {
        if let Some(waiting) = self.occupied.get_mut(name) {
            waiting.push_back(Waiting { waiter, is_read });
            return None;
        }
        self.occupied.insert(name.into(), VecDeque::new());
        Some(self.read(name, is_read))
    }

    /// Leaves; who has waited longest is in then.
    ///
    /// A variable that alone would take more than all memory is given up.
    pub(super) fn leave(&mut self, name: &[u8], shared: SharedWrite) -> Option<Next<W>> {
        match shared {
            SharedWrite::Keep => {}
            SharedWrite::Clear => self.forget(name),
            SharedWrite::Set(value) => self.remember(name, value),
        }
        let Some(first) = self.occupied.get_mut(name)?.pop_front() else {
            self.occupied.remove(name);
            return None;
        };
        Some(Next {
            waiter: first.waiter,
            shared: self.read(name, first.is_read),
        })
    }

    /// Takes somebody who waits out of the queue; whether there was one.
    pub(super) fn give_up(&mut self, name: &[u8], is_the_one: impl Fn(&W) -> bool) -> bool {
        let Some(waiting) = self.occupied.get_mut(name) else {
            return false;
        };
        let place = waiting.iter().position(|one| is_the_one(&one.waiter));
        place.and_then(|place| waiting.remove(place)).is_some()
    }

    fn read(&mut self, name: &[u8], is_read: bool) -> Option<Portable> {
        match is_read {
            true => self.variables.get(name).cloned(),
            false => None,
        }
    }

    fn forget(&mut self, name: &[u8]) {
        if let Some(value) = self.variables.pop(name) {
            self.octets -= cost(name, &value);
        }
    }

    fn remember(&mut self, name: &[u8], value: Portable) {
        self.forget(name);
        let octets = cost(name, &value);
        if self.octets_max < octets {
            return;
        }
        self.octets += octets;
        self.variables.put(name.into(), value);
        while self.octets_max < self.octets {
            let Some((name, value)) = self.variables.pop_lru() else {
                return;
            };
            self.octets -= cost(&name, &value);
        }
    }
}

fn cost(name: &[u8], value: &Portable) -> usize {
    ENTRY_OCTETS + name.len() + value.octets()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: f64) -> Portable {
        Portable::Number(number)
    }

    #[test]
    fn one_is_in_at_a_time_and_the_first_to_come_is_next() {
        let mut barriers = Barriers::new(1 << 20);
        assert_eq!(barriers.enter(b"a", true, 'x'), Some(None));
        assert_eq!(barriers.enter(b"a", true, 'y'), None);
        assert_eq!(barriers.enter(b"a", true, 'z'), None);
        assert_eq!(
            barriers.enter(b"b", true, 'x'),
            Some(None),
            "another barrier"
        );
        let next = barriers.leave(b"a", SharedWrite::Set(number(1.0)));
        let shared = Some(number(1.0));
        assert_eq!(
            next,
            Some(Next {
                waiter: 'y',
                shared
            })
        );
        assert!(barriers.give_up(b"a", |waiter| *waiter == 'z'));
        assert!(!barriers.give_up(b"a", |waiter| *waiter == 'z'));
        assert_eq!(barriers.leave(b"a", SharedWrite::Keep), None);
        assert_eq!(barriers.enter(b"a", true, 'x'), Some(Some(number(1.0))));
        assert_eq!(barriers.leave(b"a", SharedWrite::Clear), None);
        assert_eq!(barriers.enter(b"a", true, 'x'), Some(None));
        assert_eq!(barriers.occupied.len(), 2);
        assert_eq!(barriers.leave(b"b", SharedWrite::Keep), None);
        assert_eq!(barriers.leave(b"a", SharedWrite::Keep), None);
        assert!(barriers.occupied.is_empty() && barriers.octets == 0);
    }

    #[test]
    fn variables_are_bounded_and_the_oldest_goes() {
        let mut barriers = Barriers::new(10 * ENTRY_OCTETS);
        for index in 0..1_000 {
            let name = format!("client {index}");
            assert_eq!(barriers.enter(name.as_bytes(), true, ()), Some(None));
            barriers.leave(name.as_bytes(), SharedWrite::Set(number(1.0)));
            assert!(barriers.octets <= barriers.octets_max);
        }
        assert_eq!(
            barriers.enter(b"client 999", true, ()),
            Some(Some(number(1.0)))
        );
        assert_eq!(barriers.enter(b"client 0", true, ()), Some(None));
    }

    #[test]
    fn a_variable_too_large_takes_no_other_with_it() {
        let mut barriers = Barriers::new(10 * ENTRY_OCTETS);
        for name in [b"small", b"large"] {
            assert_eq!(barriers.enter(name, true, ()), Some(None));
            barriers.leave(name, SharedWrite::Set(number(1.0)));
        }
        assert_eq!(barriers.enter(b"large", true, ()), Some(Some(number(1.0))));
        let large = Portable::string([0; 10 * ENTRY_OCTETS]);
        barriers.leave(b"large", SharedWrite::Set(large));
        assert_eq!(barriers.enter(b"small", true, ()), Some(Some(number(1.0))));
        assert_eq!(barriers.enter(b"large", true, ()), Some(None));
    }
}
