//! What figures depend on besides the programs: machine, kernel, congestion control, commit, command.
//!
//! In: the system. Out: lines of Markdown that stand above every table. A fact that cannot be read is called unknown.

use std::fs;
use std::process::Command;
use std::time::UNIX_EPOCH;

use jiff::Zoned;

/// The circumstances of one run.
#[derive(Debug)]
pub(crate) struct Machine {
    processor: String,
    cpus_count: usize,
    kernel: String,
    congestion_control: String,
    commit: String,
}

impl Machine {
    /// This machine and this source tree.
    pub(crate) fn here() -> Self {
        let name = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let control = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
        Self {
            processor: processor().unwrap_or_else(unknown),
            cpus_count: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("{} {}", text(name.sysname()), text(name.release())),
            congestion_control: control.map_or_else(|_| unknown(), |text| text.trim().into()),
            commit: commit().unwrap_or_else(unknown),
        }
    }

    /// As Markdown, one paragraph.
    pub(crate) fn markdown(&self) -> String {
        let words: Vec<String> = std::env::args()
            .enumerate()
            .map(|(index, word)| {
                if index == 0 {
                    "postern-bench".into()
                } else {
                    word
                }
            })
            .collect();
        format!(
            "{}; {}, {} processors; {}; congestion control {}; commit {}; `{}`",
            Zoned::now().strftime("%Y-%m-%d"),
            self.processor,
            self.cpus_count,
            self.kernel,
            self.congestion_control,
            self.commit,
            words.join(" ")
        )
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn processor() -> Option<String> {
    let facts = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = facts.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

/// The commit of the tree, marked when the tree differs from it or this program was there before it: then it may be built
/// from another one.
fn commit() -> Option<String> {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let id = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "*.rs",
        "*.toml",
        "bench/scripts",
        "bench/workloads",
    ])?;
    let committed_s: u64 = git(&["log", "-1", "--format=%ct"])?.parse().ok()?;
    let mut text = id;
    if !changed.is_empty() {
        text.push_str(" with changes");
    }
    if built_s().is_none_or(|built_s| built_s < committed_s) {
        text.push_str(" (the program is older)");
    }
    Some(text)
}

/// When this program was built, in seconds since 1970.
fn built_s() -> Option<u64> {
    let program = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let since = program.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}
