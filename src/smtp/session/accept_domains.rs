//! The domains a profile is responsible for.
//!
//! In: patterns as an operator writes them. Out: whether a domain is one of them.
//! Guarantees: no case matters, and a name that is not ASCII is the one in ASCII that stands for it; a lookup allocates nothing and takes a binary search per label.
//! Does not: read files, or treat address literals, which no pattern names.
//!
//! RFC 5321 §2.3.5 (domains are compared without regard to case), §3.6.2 (relaying).

use std::cmp::Ordering;

use crate::smtp::address::{domain, domain_in_ascii};

/// A set of domain patterns: `example.com`, `*.example.com` (every name below it, not itself), `*`
/// (every domain).
#[derive(Debug, Clone, Default)]
pub struct AcceptDomains {
    every: bool,
    exact: Vec<Box<[u8]>>,
    below: Vec<Box<[u8]>>,
}

/// A pattern that is none of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternError {
    /// Which one, counted from 0.
    pub index: usize,
}

impl AcceptDomains {
    /// The set of these patterns.
    ///
    /// # Errors
    ///
    /// The first pattern that is neither a domain nor `*.` and a domain nor `*`.
    pub fn new<Pattern: AsRef<[u8]>>(
        patterns: impl IntoIterator<Item = Pattern>,
    ) -> Result<Self, PatternError> {
        let mut domains = Self::default();
        for (index, pattern) in patterns.into_iter().enumerate() {
            domains
                .add(pattern.as_ref())
                .ok_or(PatternError { index })?;
        }
        for list in [&mut domains.exact, &mut domains.below] {
            list.sort_unstable();
            list.dedup();
        }
        Ok(domains)
    }

    /// Whether `name` is in the set.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.every || find(&self.exact, name) || self.is_below(name)
    }

    /// Whether the set has every domain, and address literals with them.
    #[must_use]
    pub fn is_every_domain(&self) -> bool {
        self.every
    }

    fn add(&mut self, pattern: &[u8]) -> Option<()> {
        let (list, name) = match pattern {
            b"*" => {
                self.every = true;
                return Some(());
            }
            [b'*', b'.', name @ ..] => (&mut self.below, name),
            name => (&mut self.exact, name),
        };
        // As clients' domains are, before they are looked up.
        let name = domain_in_ascii(name)?;
        let Ok((name, [])) = domain(&name) else {
            return None;
        };
        list.push(name.to_ascii_lowercase().into());
        Some(())
    }

    fn is_below(&self, name: &[u8]) -> bool {
        let mut rest = name;
        while let Some(dot) = memchr::memchr(b'.', rest) {
            rest = rest.get(dot + 1..).unwrap_or_default();
            if find(&self.below, rest) {
                return true;
            }
        }
        false
    }
}

fn find(list: &[Box<[u8]>], name: &[u8]) -> bool {
    list.binary_search_by(|known| compare(known, name)).is_ok()
}

/// The order of `known`, which is in lower case, and `name`, as if it were.
fn compare(known: &[u8], name: &[u8]) -> Ordering {
    known
        .iter()
        .copied()
        .cmp(name.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::{AcceptDomains, PatternError};

    #[test]
    fn patterns_match_what_they_say() {
        let Ok(domains) =
            AcceptDomains::new(["Example.ORG", "*.example.net", "b.c", "B\u{fc}cher.example"])
        else {
            return assert_eq!("the patterns", "right");
        };
        let inside = [
            "example.org",
            "EXAMPLE.org",
            "a.example.net",
            "A.B.Example.Net",
            "b.c",
            "xn--bcher-kva.example",
        ];
        let outside = [
            "",
            "org",
            "a.example.org",
            "example.net",
            "aexample.net",
            "c",
            "a.b.c",
        ];
        assert!(inside.iter().all(|name| domains.contains(name.as_bytes())));
        assert!(
            outside
                .iter()
                .all(|name| !domains.contains(name.as_bytes()))
        );
        assert!(!domains.is_every_domain());
    }

    #[test]
    fn the_star_is_every_domain_and_no_pattern_none() {
        let every = AcceptDomains::new(["*"]).unwrap_or_default();
        assert!(every.contains(b"anything.example") && every.is_every_domain());
        let none = AcceptDomains::new([""; 0]).unwrap_or_default();
        assert!(!none.contains(b"anything.example") && !none.is_every_domain());
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        for wrong in [
            "",
            "*.",
            "a..b",
            "*x.example",
            "a.*.example",
            "-a.example",
            "a b",
            "**",
        ] {
            let error = AcceptDomains::new(["example.org", wrong]).err();
            assert_eq!(error, Some(PatternError { index: 1 }), "{wrong}");
        }
    }
}
