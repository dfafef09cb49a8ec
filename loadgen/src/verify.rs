//! Compares what was acknowledged with what is stored.
//!
//! In: the file of acknowledged ids, a Maildir. Out: [`Findings`]. The content of each stored
//! message is recomputed from its id and compared octet by octet; the header fields a server adds
//! at the top are passed over, and line ends may all be LF instead of CRLF.
//! Changes nothing. Messages stored but not acknowledged are counted, not held against anyone.
//!
//! RFC 5321 §4.4 (trace fields at the top).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::message::{ID_FIELD, MessageId, SIZE_OCTETS_MAX};

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Findings {
    /// Messages acknowledged.
    pub(crate) acknowledged: u64,
    /// Files that hold an acknowledged message, unharmed.
    pub(crate) stored: u64,
    /// Acknowledged copies that are not stored.
    pub(crate) missing: u64,
    /// Copies beyond the right number.
    pub(crate) doubled: u64,
    /// Files of these runs whose content is not what was sent.
    pub(crate) changed: u64,
    /// Files of these runs, unharmed, whose message was not acknowledged.
    pub(crate) unacknowledged: u64,
    /// Files that are not of these runs.
    pub(crate) foreign: u64,
    /// The first few of what is wrong.
    pub(crate) samples: Vec<String>,
}

impl Findings {
    /// Whether nothing was lost, doubled or changed.
    pub(crate) const fn is_clean(&self) -> bool {
        self.missing == 0 && self.doubled == 0 && self.changed == 0
    }

    fn sample(&mut self, text: impl FnOnce() -> String) {
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(text());
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in [
            ("acknowledged", self.acknowledged),
            ("stored", self.stored),
            ("missing", self.missing),
            ("doubled", self.doubled),
            ("changed", self.changed),
            ("stored, not acknowledged", self.unacknowledged),
            ("foreign", self.foreign),
        ] {
            writeln!(formatter, "{name:<26}{count:>12}")?;
        }
        for sample in &self.samples {
            writeln!(formatter, "  {sample}")?;
        }
        Ok(())
    }
}

/// Compares the ids in `sent` with the messages under `maildir`; `copies` of each are right.
///
/// # Errors
///
/// A file cannot be read, or `sent` does not hold ids.
pub(crate) fn compare(sent: &Path, maildir: &Path, copies: u32) -> io::Result<Findings> {
    let mut acknowledged = read_sent(sent)?;
    let runs: HashSet<u64> = acknowledged.keys().map(|id| id.run).collect();
    let mut findings = Findings {
        acknowledged: acknowledged.len() as u64,
        ..Findings::default()
    };
    for file in stored_files(maildir)? {
        match judge(&file)? {
            Some((id, is_whole)) if runs.contains(&id.run) => {
                if !is_whole {
                    findings.changed += 1;
                    findings.sample(|| format!("changed: {id} in {}", file.display()));
                }
                match acknowledged.get_mut(&id) {
                    Some(count) => {
                        *count += 1;
                        findings.stored += u64::from(is_whole);
                    }
                    None => findings.unacknowledged += u64::from(is_whole),
                }
            }
            _ => findings.foreign += 1,
        }
    }
    let mut counted: Vec<(MessageId, u32)> = acknowledged.into_iter().collect();
    counted.sort_unstable();
    for (id, count) in counted {
        findings.missing += u64::from(copies.saturating_sub(count));
        findings.doubled += u64::from(count.saturating_sub(copies));
        if count < copies {
            findings.sample(|| format!("missing: {id}, {count} of {copies}"));
        } else if copies < count {
            findings.sample(|| format!("doubled: {id}, {count} instead of {copies}"));
        }
    }
    Ok(findings)
}

/// The acknowledged ids, with the number of copies found so far: none.
fn read_sent(path: &Path) -> io::Result<HashMap<MessageId, u32>> {
    let refuse = |number: usize, text: &str| {
        io::Error::other(format!("{} line {number}: {text}", path.display()))
    };
    let mut ids = HashMap::new();
    let mut lines = BufReader::new(open(path)?);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            break;
        }
        let id = line
            .trim_end()
            .parse()
            .map_err(|_| refuse(number, "not a message id"))?;
        if ids.insert(id, 0).is_some() {
            return Err(refuse(number, "this id stands here for the second time"));
        }
        if IDS_MAX < ids.len() {
            return Err(refuse(number, "too many ids; verify parts of the run"));
        }
    }
    Ok(ids)
}

/// The files of all Maildirs at or under `root`.
fn stored_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        let is_store = directory
            .file_name()
            .is_some_and(|name| name == "new" || name == "cur");
        let entries = fs::read_dir(&directory).map_err(|error| name_path(&directory, &error))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < DEPTH_MAX {
                directories.push((entry.path(), depth + 1));
            } else if kind.is_file() && is_store {
                files.push(entry.path());
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The id of a stored message and whether its content is what was sent; `None` without an id.
fn judge(path: &Path) -> io::Result<Option<(MessageId, bool)>> {
    let octets_max = u64::from(SIZE_OCTETS_MAX) + TRACE_OCTETS_MAX;
    if octets_max < fs::metadata(path)?.len() {
        return Ok(None);
    }
    let stored = fs::read(path).map_err(|error| name_path(path, &error))?;
    let content = skip_trace(&stored);
    let Some(id) = find_id(content) else {
        return Ok(None);
    };
    Ok(Some((id, is_same(content, &id.content()))))
}

/// What follows the trace fields at the top.
fn skip_trace(message: &[u8]) -> &[u8] {
    let mut rest = message;
    let mut in_trace = false;
    loop {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |index| index + 1);
        let (line, after) = rest.split_at(end);
        let is_continuation = matches!(line.first(), Some(b' ' | b'\t'));
        let name = line
            .split(|octet| *octet == b':')
            .next()
            .unwrap_or_default();
        let is_trace = TRACE_FIELDS
            .iter()
            .any(|field| name.eq_ignore_ascii_case(field));
        in_trace = if is_continuation { in_trace } else { is_trace };
        if line.is_empty() || !in_trace {
            return rest;
        }
        rest = after;
    }
}

/// The id in the header of a message.
fn find_id(content: &[u8]) -> Option<MessageId> {
    let header = content.get(..HEADER_OCTETS_MAX).unwrap_or(content);
    let start = memmem::find(header, ID_FIELD.as_bytes())? + ID_FIELD.len();
    let line = header.get(start..)?.split(|octet| *octet == b'\n').next()?;
    str::from_utf8(line.trim_ascii()).ok()?.parse().ok()
}

/// Whether `stored` is `content`, with its own line ends or with LF in place of all of them.
fn is_same(stored: &[u8], content: &[u8]) -> bool {
    if stored == content {
        return true;
    }
    let mut rest = stored;
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        let Some(after) = rest
            .strip_prefix(text)
            .and_then(|rest| rest.strip_prefix(b"\n"))
        else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

fn open(path: &Path) -> io::Result<File> {
    File::open(path).map_err(|error| name_path(path, &error))
}

fn name_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The fields a server puts before a message.
const TRACE_FIELDS: [&[u8]; 4] = [
    b"Return-Path",
    b"Received",
    b"X-Original-To",
    b"Delivered-To",
];

const SAMPLES_MAX: usize = 10;
const IDS_MAX: usize = 50_000_000;
const DEPTH_MAX: u32 = 4;
const TRACE_OCTETS_MAX: u64 = 1024 * 1024;
const HEADER_OCTETS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A directory that is removed at the end of its test.
    struct Store(PathBuf);

    impl Store {
        fn new() -> Self {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("postern-loadgen-verify-{}-{number}", process::id());
            let path = env::temp_dir().join(name);
            fs::create_dir_all(path.join("mail/new")).expect("temporary directory");
            fs::create_dir_all(path.join("mail/cur")).expect("temporary directory");
            Self(path)
        }

        fn put(&self, name: &str, octets: &[u8]) {
            fs::write(self.0.join("mail").join(name), octets).expect("written");
        }

        fn compare(&self, ids: &[MessageId], copies: u32) -> Findings {
            let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
            fs::write(self.0.join("sent"), lines).expect("written");
            compare(&self.0.join("sent"), &self.0, copies).expect("compared")
        }
    }

    impl Drop for Store {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn id(number: u64) -> MessageId {
        MessageId {
            run: 0x6920_0000_0001,
            number,
            seed: 2,
            size_octets: 2_000,
        }
    }

    fn with_trace(id: MessageId) -> Vec<u8> {
        let trace = b"Return-Path: <a@b>\r\nReceived: from x\r\n\tby y;\r\n\tnow\r\n";
        [trace.as_slice(), &id.content()].concat()
    }

    fn with_lf(octets: &[u8]) -> Vec<u8> {
        octets
            .iter()
            .copied()
            .filter(|octet| *octet != b'\r')
            .collect()
    }

    #[test]
    fn whole_messages_are_clean_in_both_line_ends() {
        let store = Store::new();
        store.put("new/a", &with_trace(id(1)));
        store.put("cur/b", &with_lf(&with_trace(id(2))));
        store.put("new/c", &id(3).content());
        store.put("new/d", b"Subject: foreign\n\nhello\n");
        let findings = store.compare(&[id(1), id(2)], 1);
        assert!(findings.is_clean(), "{findings}");
        assert_eq!(
            (findings.stored, findings.unacknowledged, findings.foreign),
            (2, 1, 1)
        );
    }

    #[test]
    fn lost_doubled_and_copies_are_told_apart() {
        let store = Store::new();
        store.put("new/a", &with_trace(id(1)));
        store.put("new/b", &with_trace(id(1)));
        let findings = store.compare(&[id(1), id(2)], 1);
        assert_eq!(
            (findings.missing, findings.doubled, findings.changed),
            (1, 1, 0)
        );
        assert!(!findings.is_clean());
        let findings = store.compare(&[id(1)], 2);
        assert!(
            findings.is_clean(),
            "two recipients, two copies: {findings}"
        );
        let findings = store.compare(&[id(1)], 3);
        assert_eq!((findings.missing, findings.doubled), (1, 0));
    }

    #[test]
    fn every_change_is_detected() {
        let whole = with_trace(id(1));
        let start = whole.len() - id(1).content().len();
        for place in (start..whole.len()).step_by(7) {
            let store = Store::new();
            let mut changed = whole.clone();
            changed[place] ^= 1;
            store.put("new/a", &changed);
            let findings = store.compare(&[id(1)], 1);
            assert!(!findings.is_clean(), "octet {place}");
        }
        let place = memmem::find(&whole, b"\r\n.").expect("a line begins with a dot") + 2;
        let last = whole.len();
        let cases: [(&str, Vec<u8>); 5] = [
            ("dot lost", [&whole[..place], &whole[place + 1..]].concat()),
            (
                "dot doubled",
                [&whole[..place], b".", &whole[place..]].concat(),
            ),
            ("cut short", whole[..last - 1].to_vec()),
            ("octet added", [whole.as_slice(), b"\n"].concat()),
            ("line ends mixed", [&whole[..last - 2], b"\n"].concat()),
        ];
        for (name, octets) in cases {
            let store = Store::new();
            store.put("new/a", &octets);
            assert_eq!(store.compare(&[id(1)], 1).changed, 1, "{name}");
        }
    }

    #[test]
    fn a_file_without_ids_is_refused() {
        let store = Store::new();
        fs::write(store.0.join("sent"), "nonsense\n").expect("written");
        let error = compare(&store.0.join("sent"), &store.0, 1).expect_err("refused");
        assert!(
            error.to_string().ends_with("sent line 1: not a message id"),
            "{error}"
        );
        let twice = format!("{0}\n{0}\n", id(1));
        fs::write(store.0.join("sent"), twice).expect("written");
        assert!(compare(&store.0.join("sent"), &store.0, 1).is_err());
    }
}
