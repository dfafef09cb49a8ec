//! Carries out a plan: starts the workers, shows progress, gathers what they counted.
//!
//! In: a [`Plan`]. Out: a [`Run`]. SIGINT or SIGTERM lets no further message begin; a second one
//! ends the process. Does not judge the results.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_setaffinity};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::ledger::SentFile;
use crate::pacing::Counter;
use crate::plan::Plan;
use crate::tally::Tally;
use crate::worker::{self, Shared, Worker};

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Run {
    /// What happened.
    pub(crate) tally: Tally,
    /// From the start to the end of the last unit.
    pub(crate) elapsed: Duration,
    /// CPU time of the workers, user and system.
    pub(crate) cpu: Duration,
    /// The part of its time the busiest worker had work, 0 to 1.
    pub(crate) busiest: f64,
    /// CPU time of the server, its process given, from before the first connect to the end.
    pub(crate) server_cpu: Option<ProcessCpu>,
    /// Units whose scheduled time came and that were never begun.
    pub(crate) not_begun: u64,
}

/// Lets SIGINT and SIGTERM end the run early.
///
/// # Errors
///
/// The signals cannot be caught.
pub(crate) fn stop_on_signals(counter: &Counter) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that it acts on the second signal only.
        flag::register_conditional_shutdown(signal, 130, counter.stop())?;
        flag::register(signal, counter.stop())?;
    }
    Ok(())
}

/// Carries out `plan`; acknowledged ids go to the file `sent`.
///
/// # Errors
///
/// No threads or descriptors, or the file cannot be written.
pub(crate) fn run(plan: &Plan, counter: &Counter, sent: Option<&Path>) -> io::Result<Run> {
    let server = || {
        plan.server_pid
            .and_then(|pid| ProcessCpu::of(&pid.to_string()))
    };
    let server_before = server();
    if plan.server_pid.is_some() && server_before.is_none() {
        return Err(io::Error::other("--server-pid names no process"));
    }
    let sent = sent.map(create).transpose()?.map(Mutex::new);
    let progress = AtomicU64::new(0);
    let opening = AtomicUsize::new(plan.workers_count);
    let (sender, receiver) = mpsc::channel();
    let reports = thread::scope(|scope| {
        for index in 0..plan.workers_count {
            let sender = sender.clone();
            let shared = Shared {
                plan,
                counter,
                opening: &opening,
                progress: &progress,
            };
            let sent = sent.as_ref().map(SentFile::new);
            let spawned = thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn_scoped(scope, move || {
                    let result = pin(plan, index)
                        .and_then(|()| Worker::new(index, shared, sent))
                        .and_then(Worker::run);
                    // The receiver is gone only when another worker failed before.
                    drop(sender.send(result));
                });
            if let Err(error) = spawned {
                // The workers there are must not wait for the others.
                counter.stop().store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        drop(sender);
        collect(plan, &receiver, &progress, counter)
    })?;
    let server_cpu = server_before.and_then(|before| Some(server()?.since(before)));
    Ok(summarize(plan, counter, &reports, server_cpu))
}

fn create(path: &Path) -> io::Result<File> {
    let name = |error: io::Error| {
        io::Error::new(error.kind(), format!("--sent {}: {error}", path.display()))
    };
    File::create(path).map_err(name)
}

fn pin(plan: &Plan, index: usize) -> io::Result<()> {
    let Some(cpu) = plan.cpus.get(index % plan.cpus.len().max(1)) else {
        return Ok(());
    };
    let mut set = CpuSet::new();
    set.set(*cpu);
    sched_setaffinity(None, &set).map_err(|error| {
        io::Error::other(format!(
            "cannot run on CPU {cpu} ({error}); --cores chooses others"
        ))
    })
}

/// Waits for all workers and keeps the progress line up to date.
fn collect(
    plan: &Plan,
    receiver: &Receiver<io::Result<worker::Report>>,
    progress: &AtomicU64,
    counter: &Counter,
) -> io::Result<Vec<worker::Report>> {
    let line = progress_line(plan);
    let mut reports = Vec::with_capacity(plan.workers_count);
    while reports.len() < plan.workers_count {
        match receiver.recv_timeout(PROGRESS_PERIOD) {
            Ok(Ok(report)) => reports.push(report),
            Ok(Err(error)) => {
                counter.stop().store(true, Ordering::Relaxed);
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(line) = &line {
                    line.set_position(progress.load(Ordering::Relaxed));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("a worker thread panicked"));
            }
        }
    }
    if let Some(line) = line {
        line.finish_and_clear();
    }
    Ok(reports)
}

fn progress_line(plan: &Plan) -> Option<ProgressBar> {
    if plan.has_transcript || !io::stderr().is_terminal() {
        return None;
    }
    let (line, template) = match plan.schedule.duration {
        None => {
            let line = ProgressBar::new(plan.schedule.units_max);
            (
                line,
                "{elapsed} {wide_bar} {pos}/{len}, {per_sec}, {eta} left",
            )
        }
        Some(_) => (
            ProgressBar::no_length(),
            "{elapsed} {spinner} {pos} done, {per_sec}",
        ),
    };
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    Some(line.with_style(style))
}

fn summarize(
    plan: &Plan,
    counter: &Counter,
    reports: &[worker::Report],
    server_cpu: Option<ProcessCpu>,
) -> Run {
    let mut tally = Tally::new();
    for report in reports {
        tally.merge(&report.tally);
    }
    let started = counter.started().unwrap_or_else(Instant::now);
    let ended = reports
        .iter()
        .filter_map(|report| report.ended)
        .max()
        .unwrap_or(started);
    let busy = |report: &worker::Report| {
        report.cpu.as_secs_f64() / report.wall.as_secs_f64().max(f64::EPSILON)
    };
    Run {
        elapsed: ended.saturating_duration_since(started),
        cpu: reports.iter().map(|report| report.cpu).sum(),
        busiest: reports.iter().map(busy).fold(0.0, f64::max),
        server_cpu,
        not_begun: plan
            .schedule
            .units_due()
            .map_or(0, |due| due.saturating_sub(tally.begun)),
        tally,
    }
}

/// User and system time of a process so far, of all its threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProcessCpu {
    /// Seconds outside the kernel.
    pub(crate) user_s: f64,
    /// Seconds in the kernel.
    pub(crate) system_s: f64,
}

impl ProcessCpu {
    /// Asks the system about `process`: a number, or `self`. `None` if there is no such process.
    pub(crate) fn of(process: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name in parentheses may hold anything; fields are counted from behind it.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let per_second = u32::try_from(clock_ticks_per_second()).ok()?;
        let mut seconds = || {
            let ticks: u32 = fields.next()?.parse().ok()?;
            Some(f64::from(ticks) / f64::from(per_second))
        };
        Some(Self {
            user_s: seconds()?,
            system_s: seconds()?,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            user_s: self.user_s - before.user_s,
            system_s: self.system_s - before.system_s,
        }
    }
}

const PROGRESS_PERIOD: Duration = Duration::from_millis(200);
