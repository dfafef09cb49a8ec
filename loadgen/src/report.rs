//! Shows what a run came to: as text, and as JSON with the same facts.
//!
//! In: a [`Plan`] and its [`Run`]. Out: text. It says which loop was used, on which machine, what
//! the generator itself cost and whether it was the bottleneck. Does not compare runs.

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::channel::Begin;
use crate::histogram::{Latencies, Stage, Summary};
use crate::plan::Plan;
use crate::send::{ProcessCpu, Run};

/// A run and the circumstances it is reported with.
#[derive(Debug)]
pub(crate) struct Report<'run> {
    plan: &'run Plan,
    run: &'run Run,
    command: String,
    machine: Machine,
}

/// What the figures depend on besides the programs.
#[derive(Debug)]
struct Machine {
    kernel: String,
    cpus_count: usize,
    congestion_control: String,
}

impl Machine {
    fn here() -> Self {
        let name = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let control = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
        Self {
            kernel: format!(
                "{} {} {}",
                text(name.sysname()),
                text(name.release()),
                text(name.machine())
            ),
            cpus_count: thread::available_parallelism().map_or(1, usize::from),
            congestion_control: control
                .map_or_else(|_| "unknown".into(), |text| text.trim().into()),
        }
    }
}

impl<'run> Report<'run> {
    /// The report of a run that `command` started.
    pub(crate) fn new(plan: &'run Plan, run: &'run Run, command: String) -> Self {
        Self {
            plan,
            run,
            command,
            machine: Machine::here(),
        }
    }

    /// Every latency, by name, in the order of a session.
    fn latencies(&self) -> impl Iterator<Item = (&'static str, Summary)> {
        let tally = &self.run.tally;
        Stage::ALL
            .into_iter()
            .filter(|stage| *stage != Stage::Idle)
            .filter_map(|stage| Some((stage.name(), tally.stage(stage)?)))
            .chain([
                ("transaction", &tally.transaction),
                ("session", &tally.session),
            ])
            .filter_map(|(name, latencies): (_, &Latencies)| Some((name, latencies.summary()?)))
    }

    fn per_second(&self, count: u64) -> f64 {
        float(count) / self.run.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// Units that ended, in whatever way.
    fn ended(&self) -> u64 {
        let tally = &self.run.tally;
        tally.as_expected + tally.unexpected + tally.without_reply
    }

    fn per_100_000(&self, seconds: f64) -> Option<f64> {
        let ended = self.ended();
        (0 < ended).then(|| seconds * 100_000.0 / float(ended))
    }

    fn cpu_per_100_000(&self) -> Option<f64> {
        self.per_100_000(self.run.cpu.as_secs_f64())
    }

    /// What makes the figures worth less than they seem.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let run = self.run;
        if BUSY_MAX < run.busiest && BUSY_SECONDS_MIN <= run.elapsed {
            warnings.push(format!(
                "a worker was busy {:.0} % of the time: the generator was the bottleneck; \
                 use more --cores, or compare CPU seconds instead of rates",
                run.busiest * 100.0
            ));
        }
        if 0 < run.not_begun {
            warnings.push(format!(
                "{} scheduled units were never begun: no connection was free, or the generator \
                 was late; they are in no latency",
                run.not_begun
            ));
        }
        if 0 < run.tally.without_pipelining {
            warnings.push(format!(
                "{} connections did not offer PIPELINING and were served one command per \
                 round trip",
                run.tally.without_pipelining
            ));
        }
        if 0 < run.tally.refused_in_advance {
            warnings.push(format!(
                "{} connections could not be opened before the run; fewer carried it",
                run.tally.refused_in_advance
            ));
        }
        warnings
    }

    fn loop_name(&self) -> &'static str {
        if self.plan.schedule.rate_per_second.is_some() {
            "open"
        } else {
            "closed"
        }
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write_all(&mut text)
            .expect("writing to a String does not fail");
        text
    }

    fn write_all(&self, text: &mut String) -> std::fmt::Result {
        self.write_head(text)?;
        self.write_counts(text)?;
        self.write_latencies(text)?;
        self.write_replies(text)?;
        self.write_cost(text)
    }

    fn write_head(&self, text: &mut String) -> std::fmt::Result {
        let plan = self.plan;
        match plan.schedule.rate_per_second {
            Some(rate) => writeln!(
                text,
                "open loop, {rate} per second scheduled: latency counts from the scheduled time"
            )?,
            None => writeln!(
                text,
                "closed loop: latency counts from the sending; a stalled server is asked less"
            )?,
        }
        let Machine {
            kernel,
            cpus_count,
            congestion_control,
        } = &self.machine;
        writeln!(text, "command       {}", self.command)?;
        writeln!(
            text,
            "machine       {kernel}, {cpus_count} CPUs, {congestion_control}"
        )?;
        writeln!(
            text,
            "load          mode {}{}, {} connections, {} octets, {} recipients, {} workers",
            plan.mode.name(),
            match plan.tls_begin() {
                None => "",
                Some(Begin::AtOnce) => " over TLS",
                Some(Begin::OnRequest) => " with STARTTLS",
            },
            plan.connections_count,
            plan.size_octets,
            plan.recipients_count,
            plan.workers_count
        )
    }

    fn write_counts(&self, text: &mut String) -> std::fmt::Result {
        let tally = &self.run.tally;
        let seconds = self.run.elapsed.as_secs_f64();
        let megabytes = self.per_second(tally.acknowledged_octets) / 1e6;
        writeln!(
            text,
            "units         {} in {seconds:.3} s, {:.0} per second; {} ended with {}, {} otherwise, \
             {} without a reply",
            self.ended(),
            self.per_second(self.ended()),
            tally.as_expected,
            self.plan.expect,
            tally.unexpected,
            tally.without_reply
        )?;
        writeln!(
            text,
            "acknowledged  {} messages, {} octets of content; {:.0} per second, {megabytes:.1} MB/s",
            tally.acknowledged,
            tally.acknowledged_octets,
            self.per_second(tally.acknowledged)
        )?;
        writeln!(
            text,
            "connections   {} established, {} closed by the server between transactions, \
             {} transactions begun again",
            tally.connections, tally.closed_idle, tally.begun_again
        )?;
        if let Some((low, middle, high)) = spread(&tally.per_second) {
            writeln!(
                text,
                "by second     {low} least, {middle} median, {high} most"
            )?;
        }
        Ok(())
    }

    fn write_latencies(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n{:<14}{:>10}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "latency, ms", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for (name, summary) in self.latencies() {
            write!(text, "{name:<14}{:>10}", summary.count)?;
            for nanoseconds in [
                summary.p50_ns,
                summary.p90_ns,
                summary.p99_ns,
                summary.p999_ns,
                summary.max_ns,
            ] {
                write!(text, "{:>11.3}", float(nanoseconds) / 1e6)?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn write_replies(&self, text: &mut String) -> std::fmt::Result {
        let tally = &self.run.tally;
        writeln!(text, "\nreplies")?;
        for stage in Stage::ALL {
            let replies: Vec<String> = tally
                .replies(stage)
                .map(|(code, count)| format!("{code} x {count}"))
                .collect();
            if !replies.is_empty() {
                writeln!(text, "  {:<12}{}", stage.name(), replies.join(", "))?;
            }
        }
        if 0 < tally.recipients_refused {
            writeln!(text, "  {} recipients refused", tally.recipients_refused)?;
        }
        for (stage, kind, count) in tally.errors() {
            writeln!(text, "error: {} x {count} at {}", kind.name(), stage.name())?;
        }
        for sample in &tally.samples {
            writeln!(text, "  {sample}")?;
        }
        Ok(())
    }

    fn write_cost(&self, text: &mut String) -> std::fmt::Result {
        write!(
            text,
            "\ngenerator     {:.2} CPU s in the run, busiest worker {:.0} %",
            self.run.cpu.as_secs_f64(),
            self.run.busiest * 100.0
        )?;
        if let Some(cost) = self.cpu_per_100_000() {
            write!(text, ", {cost:.2} CPU s per 100,000 units")?;
        }
        writeln!(text)?;
        if let Some(ProcessCpu { user_s, system_s }) = ProcessCpu::of("self") {
            writeln!(
                text,
                "process       {user_s:.2} s user, {system_s:.2} s system, start included"
            )?;
        }
        if let Some(ProcessCpu { user_s, system_s }) = self.run.server_cpu {
            let cost = self.per_100_000(user_s + system_s).unwrap_or_default();
            writeln!(
                text,
                "server        {user_s:.2} s user, {system_s:.2} s system, {cost:.2} CPU s per \
                 100,000 units"
            )?;
        }
        for warning in self.warnings() {
            writeln!(text, "warning: {warning}")?;
        }
        Ok(())
    }

    /// The report for programs.
    pub(crate) fn json(&self) -> Value {
        let (plan, run, tally) = (self.plan, self.run, &self.run.tally);
        let seconds = |time: Duration| time.as_secs_f64();
        let own = ProcessCpu::of("self");
        json!({
            "command": self.command,
            "machine": {
                "kernel": self.machine.kernel,
                "cpus_count": self.machine.cpus_count,
                "congestion_control": self.machine.congestion_control,
            },
            "load": {
                "to": plan.to.to_string(),
                "mode": plan.mode.name(),
                "tls": plan.tls_begin().map(Begin::name),
                "loop": self.loop_name(),
                "rate_per_second": plan.schedule.rate_per_second,
                "ramp_s": seconds(plan.schedule.ramp),
                "duration_s": plan.schedule.duration.map(seconds),
                "connections_count": plan.connections_count,
                "size_octets": plan.size_octets,
                "recipients_count": plan.recipients_count,
                "workers_count": plan.workers_count,
                "expect": plan.expect,
                "run": format!("{:012x}", plan.run),
            },
            "elapsed_s": seconds(run.elapsed),
            "units": {
                "begun": tally.begun,
                "as_expected": tally.as_expected,
                "unexpected": tally.unexpected,
                "without_reply": tally.without_reply,
                "not_begun": run.not_begun,
                "begun_again": tally.begun_again,
                "per_second": self.per_second(self.ended()),
                "by_second": tally.per_second,
            },
            "acknowledged": {
                "messages": tally.acknowledged,
                "octets": tally.acknowledged_octets,
                "messages_per_second": self.per_second(tally.acknowledged),
                "octets_per_second": self.per_second(tally.acknowledged_octets),
            },
            "connections": {
                "established": tally.connections,
                "closed_idle": tally.closed_idle,
                "without_pipelining": tally.without_pipelining,
                "refused_in_advance": tally.refused_in_advance,
            },
            "recipients_refused": tally.recipients_refused,
            "latencies_ns": self.latencies_json(),
            "replies": self.replies_json(),
            "errors": tally.errors().map(|(stage, kind, count)| {
                json!({"stage": stage.name(), "kind": kind.name(), "count": count})
            }).collect::<Vec<_>>(),
            "samples": tally.samples,
            "generator": {
                "cpu_s": seconds(run.cpu),
                "cpu_s_per_100000": self.cpu_per_100_000(),
                "busiest_worker": run.busiest,
                "process_user_s": own.map(|cpu| cpu.user_s),
                "process_system_s": own.map(|cpu| cpu.system_s),
            },
            "server": run.server_cpu.map(|cpu| json!({
                "user_s": cpu.user_s,
                "system_s": cpu.system_s,
                "cpu_s_per_100000": self.per_100_000(cpu.user_s + cpu.system_s),
            })),
            "warnings": self.warnings(),
            "is_clean": tally.is_clean(),
        })
    }

    fn latencies_json(&self) -> Value {
        let entry = |(name, summary): (&str, Summary)| {
            let values = json!({
                "count": summary.count,
                "mean": summary.mean_ns,
                "p50": summary.p50_ns,
                "p90": summary.p90_ns,
                "p99": summary.p99_ns,
                "p99.9": summary.p999_ns,
                "max": summary.max_ns,
            });
            (name.to_owned(), values)
        };
        Value::Object(self.latencies().map(entry).collect())
    }

    fn replies_json(&self) -> Value {
        let mut stages = Map::new();
        for stage in Stage::ALL {
            let codes: Map<String, Value> = self
                .run
                .tally
                .replies(stage)
                .map(|(code, count)| (code.to_string(), json!(count)))
                .collect();
            if !codes.is_empty() {
                stages.insert(stage.name().to_owned(), Value::Object(codes));
            }
        }
        Value::Object(stages)
    }
}

/// Least, median and most of the whole seconds; the last one is cut short and not counted.
fn spread(per_second: &[u64]) -> Option<(u64, u64, u64)> {
    let (_, whole) = per_second.split_last()?;
    let mut sorted = whole.to_vec();
    sorted.sort_unstable();
    Some((
        *sorted.first()?,
        *sorted.get(sorted.len() / 2)?,
        *sorted.last()?,
    ))
}

#[expect(clippy::cast_precision_loss, reason = "for display only")]
const fn float(count: u64) -> f64 {
    count as f64
}

/// Part of its time a worker may be busy before it is suspected.
const BUSY_MAX: f64 = 0.9;

/// Shorter runs say nothing about it.
const BUSY_SECONDS_MIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_is_not_in_the_spread() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5]), None);
        assert_eq!(spread(&[30, 10, 20, 1]), Some((10, 20, 30)));
    }
}
