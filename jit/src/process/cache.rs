//! Results of calls, kept for calls with the same arguments.
//!
//! A cache is a namespace and a function's name; its entries are told apart by arguments. An entry that is too old is still
//! there, until it is replaced or makes room: the function that updates it gets to see it.
//!
//! HSL manual: structures, "cache".

use lru::LruCache;

use super::ENTRY_OCTETS;
use crate::runtime::Portable;
use crate::runtime::portable::PortableKey;

/// Which entry of which cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    cache: Box<[u8]>,
    arguments: Box<[u8]>,
}

impl CacheKey {
    /// The entry for calls of `function` with these arguments, in the cache of this namespace.
    pub(crate) fn new(namespace: &[u8], function: &[u8], arguments: &[Portable]) -> Self {
        let mut cache = Vec::with_capacity(namespace.len() + 1 + function.len());
        cache.extend_from_slice(function);
        // No function's name has a NUL.
        cache.push(0);
        cache.extend_from_slice(namespace);
        let mut octets = Vec::new();
        for argument in arguments {
            write(argument, &mut octets);
        }
        Self {
            cache: cache.into(),
            arguments: octets.into(),
        }
    }

    /// The name of the cache.
    #[must_use]
    pub fn cache(&self) -> &[u8] {
        &self.cache
    }

    /// Memory the key takes, about.
    pub(crate) fn octets(&self) -> usize {
        self.cache.len() + self.arguments.len()
    }
}

/// Writes a value so that two are written alike just when they are the same.
fn write(value: &Portable, octets: &mut Vec<u8>) {
    match value {
        Portable::None => octets.push(b'n'),
        Portable::Boolean(truth) => octets.push(if *truth { b't' } else { b'f' }),
        Portable::Number(number) => {
            // The two zeros are equal.
            let number = if *number == 0.0 { 0.0 } else { *number };
            octets.push(b'd');
            octets.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Portable::String(text) => write_octets(b's', text, octets),
        Portable::Array(elements) => {
            octets.push(b'a');
            octets.extend_from_slice(&elements.len().to_le_bytes());
            for (key, element) in elements {
                match key {
                    PortableKey::None => octets.push(b'n'),
                    PortableKey::Integer(integer) => {
                        octets.push(b'i');
                        octets.extend_from_slice(&integer.to_le_bytes());
                    }
                    PortableKey::String(text) => write_octets(b's', text, octets),
                }
                write(element, octets);
            }
        }
        Portable::Shared(index) => {
            octets.push(b'r');
            octets.extend_from_slice(&index.to_le_bytes());
        }
    }
}

fn write_octets(kind: u8, text: &[u8], octets: &mut Vec<u8>) {
    octets.push(kind);
    octets.extend_from_slice(&text.len().to_le_bytes());
    octets.extend_from_slice(text);
}

/// A result to keep.
#[derive(Debug)]
pub struct CacheWrite {
    /// For which call.
    pub key: CacheKey,
    /// The result.
    pub value: Portable,
    /// For how long, in milliseconds.
    pub ttl_ms: u64,
    /// How many entries the cache may have.
    pub size: usize,
    /// Whether a full cache gives up the entry used longest ago; else it takes no more.
    pub evicts: bool,
}

/// A result that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// The result.
    pub value: Portable,
    /// Whether it is not too old.
    pub is_fresh: bool,
}

/// The entries of one cache, by their arguments.
type Cache = LruCache<Box<[u8]>, Entry>;

/// All caches of one owner.
#[derive(Debug)]
pub(super) struct Caches {
    of: LruCache<Box<[u8]>, Cache>,
    octets: usize,
    octets_max: usize,
}

#[derive(Debug)]
struct Entry {
    value: Portable,
    expires_ms: u64,
    octets: usize,
}

impl Caches {
    /// Empty caches that together take no more memory than that, about.
    pub(super) fn new(octets_max: usize) -> Self {
        Self {
            of: LruCache::unbounded(),
            octets: 0,
            octets_max,
        }
    }

    /// What is kept for a call; it becomes the entry used last.
    pub(super) fn read(&mut self, key: &CacheKey, now_ms: u64) -> Option<Cached> {
        let entry = self.of.get_mut(&key.cache)?.get(&key.arguments)?;
        Some(Cached {
            value: entry.value.clone(),
            is_fresh: now_ms < entry.expires_ms,
        })
    }

    /// Keeps a result, unless the cache is full or the result alone would take most of the memory.
    pub(super) fn write(&mut self, write: CacheWrite, now_ms: u64) {
        let CacheWrite {
            key,
            value,
            ttl_ms,
            size,
            evicts,
        } = write;
        let octets = ENTRY_OCTETS + key.octets() + value.octets();
        let entry = Entry {
            value,
            expires_ms: now_ms.saturating_add(ttl_ms),
            octets,
        };
        if !self.of.contains(&key.cache) {
            self.octets += CACHE_OCTETS;
        }
        let cache = self
            .of
            .get_or_insert_mut(key.cache.clone(), LruCache::unbounded);
        let mut freed = cache.pop(&key.arguments).map_or(0, |entry| entry.octets);
        if evicts {
            while size <= cache.len() {
                let Some((_, entry)) = cache.pop_lru() else {
                    break;
                };
                freed += entry.octets;
            }
        } else if size <= cache.len() {
            freed += drop_expired(cache, now_ms);
        }
        let fits = cache.len() < size && octets <= self.octets_max / LARGEST_PART;
        if fits {
            cache.put(key.arguments, entry);
            self.octets += octets;
        }
        let is_empty = cache.is_empty();
        self.octets -= freed;
        if is_empty {
            self.of.pop(&key.cache);
            self.octets -= CACHE_OCTETS;
        }
        self.make_room();
    }

    /// Gives up what was used longest ago: other caches whole, then entries of the one in use.
    fn make_room(&mut self) {
        while self.octets_max < self.octets && 1 < self.of.len() {
            let Some((_, cache)) = self.of.pop_lru() else {
                return;
            };
            self.octets -= octets_of(&cache);
        }
        while self.octets_max < self.octets {
            let last = self.of.iter_mut().next();
            let Some((_, entry)) = last.and_then(|(_, cache)| cache.pop_lru()) else {
                return;
            };
            self.octets -= entry.octets;
        }
    }
}

fn octets_of(cache: &Cache) -> usize {
    let entries = cache.iter().map(|(_, entry)| entry.octets);
    CACHE_OCTETS + entries.sum::<usize>()
}

/// Removes what is too old among the entries used longest ago; gives the octets that were freed.
fn drop_expired(cache: &mut Cache, now_ms: u64) -> usize {
    let expired = cache
        .iter()
        .rev()
        .take(SEARCHED_MAX)
        .filter(|(_, entry)| entry.expires_ms <= now_ms)
        .map(|(key, _)| key.clone());
    let expired: Vec<_> = expired.collect();
    let entries = expired.iter().filter_map(|key| cache.pop(key));
    entries.map(|entry| entry.octets).sum()
}

/// Entries looked through for old ones when a full cache gives up no others: who owns a cache of many must not be held by
/// each result that it refuses.
const SEARCHED_MAX: usize = 64;

/// What a cache costs besides its entries, about: its table and the ends of its list.
const CACHE_OCTETS: usize = 512;

/// One result may take no more than this part of the memory.
const LARGEST_PART: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(cache: &str, argument: &str) -> CacheKey {
        CacheKey::new(cache.as_bytes(), b"f", &[Portable::string(argument)])
    }

    fn write(caches: &mut Caches, key: CacheKey, size: usize, evicts: bool, now_ms: u64) {
        let value = Portable::string(b"value");
        caches.write(
            CacheWrite {
                key,
                value,
                ttl_ms: 1_000,
                size,
                evicts,
            },
            now_ms,
        );
    }

    #[test]
    fn entries_get_old_but_stay() {
        let mut caches = Caches::new(1 << 20);
        write(&mut caches, key("a", "x"), 8, true, 5);
        let value = Portable::string(b"value");
        let cached = |is_fresh| {
            Some(Cached {
                value: value.clone(),
                is_fresh,
            })
        };
        assert_eq!(caches.read(&key("a", "x"), 1_004), cached(true));
        assert_eq!(caches.read(&key("a", "x"), 1_005), cached(false));
        assert_eq!(caches.read(&key("b", "x"), 5), None);
        assert_eq!(caches.read(&key("a", "y"), 5), None);
    }

    #[test]
    fn a_full_cache_gives_up_what_was_used_longest_ago() {
        let mut caches = Caches::new(1 << 20);
        for argument in ["x", "y"] {
            write(&mut caches, key("a", argument), 2, true, 0);
        }
        assert!(caches.read(&key("a", "x"), 0).is_some());
        write(&mut caches, key("a", "z"), 2, true, 0);
        let kept = ["x", "y", "z"].map(|argument| caches.read(&key("a", argument), 0).is_some());
        assert_eq!(kept, [true, false, true]);
    }

    #[test]
    fn a_full_cache_that_does_not_evict_takes_no_more_until_something_is_old() {
        let mut caches = Caches::new(1 << 20);
        write(&mut caches, key("a", "x"), 1, false, 0);
        write(&mut caches, key("a", "y"), 1, false, 999);
        assert!(caches.read(&key("a", "y"), 999).is_none());
        write(&mut caches, key("a", "y"), 1, false, 1_000);
        assert!(caches.read(&key("a", "y"), 1_000).is_some());
        assert!(caches.read(&key("a", "x"), 1_000).is_none());
    }

    #[test]
    fn a_large_full_cache_is_not_searched_whole() {
        let mut caches = Caches::new(64 << 20);
        let size = 10 * SEARCHED_MAX;
        for index in 0..size {
            write(&mut caches, key("a", &index.to_string()), size, false, 0);
        }
        assert!(caches.read(&key("a", "0"), 0).is_some());
        write(&mut caches, key("a", "new"), size, false, 1_000);
        let entries = |caches: &Caches| {
            caches
                .of
                .iter()
                .map(|(_, cache)| cache.len())
                .sum::<usize>()
        };
        assert_eq!(entries(&caches), size - SEARCHED_MAX + 1);
        assert!(caches.read(&key("a", "new"), 1_000).is_some());
    }

    #[test]
    fn memory_is_bounded_over_all_caches() {
        let mut caches = Caches::new(10 * (ENTRY_OCTETS + CACHE_OCTETS));
        for number in 0..1_000 {
            let name = number.to_string();
            write(&mut caches, key(&name, "x"), 8, true, 0);
            write(&mut caches, key("same", &name), 1_000, true, 0);
            assert!(caches.octets <= caches.octets_max);
            assert!(caches.of.len() <= 11);
        }
        let counted = caches.of.iter().map(|(_, cache)| octets_of(cache));
        assert_eq!(counted.sum::<usize>(), caches.octets);
        assert!(0 < caches.octets);
    }

    #[test]
    fn equal_arguments_only_are_written_alike() {
        let array = |elements: &[(i64, &str)]| {
            let elements = elements.iter().map(|(key, value)| {
                let key = PortableKey::Integer(*key);
                (key, Portable::string(value))
            });
            Portable::Array(elements.collect())
        };
        let texts: Vec<CacheKey> = [
            vec![Portable::string(b"a"), Portable::string(b"b")],
            vec![Portable::string(b"ab")],
            vec![Portable::string(b"1")],
            vec![Portable::Number(1.0)],
            vec![Portable::Boolean(true)],
            vec![Portable::None],
            vec![],
            vec![array(&[(0, "a"), (1, "b")])],
            vec![array(&[(1, "a"), (0, "b")])],
            vec![array(&[(0, "a")]), Portable::string(b"b")],
        ]
        .iter()
        .map(|arguments| CacheKey::new(b"", b"f", arguments))
        .collect();
        for (index, one) in texts.iter().enumerate() {
            for (other_index, other) in texts.iter().enumerate() {
                assert_eq!(one == other, index == other_index, "{one:?} {other:?}");
            }
        }
        let zero = |number| CacheKey::new(b"", b"f", &[Portable::Number(number)]);
        assert_eq!(zero(0.0), zero(-0.0));
    }
}
