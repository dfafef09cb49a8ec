//! Puts a load on one server and checks what came back.
//!
//! In: a case and a server. Out: messages per second, server CPU time. Guarantees: every message that was begun ended
//! with its expected reply, or the run fails; nothing is retried. Reads the generator's JSON report and shares no code
//! with it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::case::Case;
use super::server::{Programs, Server, WorkFolder};
use crate::failure::Failure;

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    /// Messages acknowledged per second.
    pub(super) per_second: f64,
    /// Server CPU seconds per 100,000 messages in user mode.
    pub(super) user_s: f64,
    /// The same in system mode.
    pub(super) system_s: f64,
}

impl Measurement {
    /// User and system together.
    pub(super) fn cpu_s(self) -> f64 {
        self.user_s + self.system_s
    }
}

/// Runs the load generator.
#[derive(Debug)]
pub(super) struct Load {
    program: PathBuf,
    cpu: usize,
    seconds: f64,
    report: PathBuf,
    raw: Option<File>,
}

impl Load {
    /// A load of `seconds` per run on processor `cpu`; every report is appended to `raw`.
    pub(super) fn new(
        programs: &Programs,
        cpu: usize,
        seconds: f64,
        folder: &WorkFolder,
        raw: Option<&Path>,
    ) -> Result<Self, Failure> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map_err(|error| Failure::of(path.display(), error))
        };
        Ok(Self {
            program: programs.loadgen(),
            cpu,
            seconds,
            report: folder.join("report.json"),
            raw: raw.map(open).transpose()?,
        })
    }

    /// One run.
    pub(super) fn run(&mut self, case: Case, server: &Server) -> Result<Measurement, Failure> {
        let name = server.kind().name();
        let failed =
            |cause: &dyn std::fmt::Display| Failure::of(format_args!("{name}, {case}"), cause);
        let mut command = Command::new(&self.program);
        command
            .arg("send")
            .arg("--to")
            .arg(server.address().to_string());
        command.args(["--mode", case.mode]);
        command.arg("--size").arg(case.size_octets.to_string());
        command
            .arg("--connections")
            .arg(case.connections_count.to_string());
        command.arg("--duration").arg(self.seconds.to_string());
        command.arg("--cores").arg(format!("{0}-{0}", self.cpu));
        command
            .arg("--server-pid")
            .arg(server.process_id().to_string());
        command.arg("--json").arg(&self.report);
        if case.mode == "one" {
            // One connection per message would otherwise leave all ports of the machine in TIME_WAIT.
            command.arg("--rst-close");
        }
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            let cause = String::from_utf8_lossy(&output.stderr);
            return Err(failed(&format_args!("{}\n{said}{cause}", output.status)));
        }
        let report = std::fs::read(&self.report).map_err(|error| failed(&error))?;
        let report: Value = serde_json::from_slice(&report).map_err(|error| failed(&error))?;
        if let Some(raw) = &mut self.raw {
            let line = json!({"server": name, "report": &report});
            writeln!(raw, "{line}").map_err(|error| failed(&error))?;
        }
        check(&report).map_err(|error| failed(&error))
    }
}

/// The figures of a report in which nothing was lost.
fn check(report: &Value) -> Result<Measurement, String> {
    let number = |path: &str| {
        let value = report.pointer(path).and_then(Value::as_f64);
        value.ok_or_else(|| format!("the report has no number {path}"))
    };
    let begun = number("/units/begun")?;
    let as_expected = number("/units/as_expected")?;
    let acknowledged = number("/acknowledged/messages")?;
    let is_clean = report.pointer("/is_clean") == Some(&Value::Bool(true));
    if begun < 1.0 || as_expected < begun || acknowledged < begun || !is_clean {
        return Err(format!(
            "of {begun} messages {acknowledged} were acknowledged, {as_expected} as expected; errors {}",
            report.pointer("/errors").unwrap_or(&Value::Null)
        ));
    }
    let per_100_000 = 100_000.0 / acknowledged;
    Ok(Measurement {
        per_second: number("/acknowledged/messages_per_second")?,
        user_s: number("/server/user_s")? * per_100_000,
        system_s: number("/server/system_s")? * per_100_000,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check;

    fn report(acknowledged: u64, is_clean: bool) -> Value {
        json!({
            "units": {"begun": 200, "as_expected": 200},
            "acknowledged": {"messages": acknowledged, "messages_per_second": 100.0},
            "server": {"user_s": 0.5, "system_s": 1.5},
            "is_clean": is_clean,
        })
    }

    #[test]
    fn figures_are_per_100_000() {
        let measurement = check(&report(200, true)).expect("nothing was lost");
        assert!((measurement.user_s - 250.0).abs() < 1e-9);
        assert!((measurement.cpu_s() - 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn a_lost_message_is_no_figure() {
        assert!(check(&report(199, true)).is_err());
        assert!(check(&report(200, false)).is_err());
        assert!(check(&json!({})).is_err());
    }
}
