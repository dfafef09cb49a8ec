//! Which processors the operator wants: `all`, a count, or a list.
//!
//! In: the text of `engine.cores` or `--cores`. Out: [`Cores`], or what is wrong with the text. Guarantees: a count is not
//! 0, a list is not empty and names no processor that cannot exist. Does not: know this machine; `shard` chooses.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use rustix::thread::CpuSet;

/// One shard runs on each of these processors.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cores {
    /// All that the process may use.
    All,
    /// So many of those that the process may use.
    Count(usize),
    /// These, by number.
    List(BTreeSet<usize>),
}

/// Text that is no [`Cores`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CoresError {
    /// A count of 0.
    None,
    /// Neither `all` nor a count nor a list.
    Unreadable,
}

impl CoresError {
    /// What to write instead.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::None => "at least one core is needed",
            Self::Unreadable => "write all, a count (4) or a list (0-3,8)",
        }
    }
}

impl FromStr for Cores {
    type Err = CoresError;

    /// `all`, `4` or `0-3,8`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "all" {
            return Ok(Self::All);
        }
        match text.parse() {
            Ok(0) => Err(CoresError::None),
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => list(text).ok_or(CoresError::Unreadable).map(Self::List),
        }
    }
}

/// `0-3,8`, at least one comma or dash; a plain number is a count.
fn list(text: &str) -> Option<BTreeSet<usize>> {
    let number = |digits: &str| {
        let cpu = digits.parse().ok();
        cpu.filter(|cpu| *cpu < CpuSet::MAX_CPU)
    };
    let mut cpus = BTreeSet::new();
    for part in text.split(',').map(str::trim) {
        match part.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(())?;
                cpus.extend(first..=last);
            }
            // A trailing comma makes a list of one: `3,` is processor 3, `3` is three processors.
            None if part.is_empty() && !cpus.is_empty() => {}
            None => {
                cpus.insert(number(part)?);
            }
        }
    }
    Some(cpus)
}

impl fmt::Display for Cores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Count(count) => count.fmt(formatter),
            Self::List(cpus) => formatter.write_str(&ranges(cpus)),
        }
    }
}

/// `0-3,8` for messages.
#[must_use]
pub fn ranges(cpus: &BTreeSet<usize>) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::{Cores, CoresError};

    #[test]
    fn texts_are_read_and_shown() {
        let list = |cpus: &[usize]| Ok(Cores::List(cpus.iter().copied().collect()));
        for (text, expected, shown) in [
            ("all", Ok(Cores::All), "all"),
            ("2", Ok(Cores::Count(2)), "2"),
            (" 5 ", Ok(Cores::Count(5)), "5"),
            ("1-3,8", list(&[1, 2, 3, 8]), "1-3,8"),
            ("8,", list(&[8]), "8"),
            ("2, 1", list(&[1, 2]), "1-2"),
        ] {
            let found: Result<Cores, _> = text.parse();
            assert_eq!(found, expected, "{text}");
            assert_eq!(found.map(|cores| cores.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        assert_eq!("0".parse::<Cores>(), Err(CoresError::None));
        for text in ["three", "3-1", "0-99999999", "", "-1", ",", "1.5", "ALL"] {
            assert_eq!(text.parse::<Cores>(), Err(CoresError::Unreadable), "{text}");
        }
    }
}
