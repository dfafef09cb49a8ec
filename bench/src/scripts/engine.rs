//! The engines that are compared and how each runs a program.
//!
//! In: an engine. Out: whether it is installed and what it calls itself; for a workload, its program, ready to run.
//! HSL runs in this process, the others in one of their own per run, with `bench/workloads/harness.*`, which leaves start,
//! compilation and a warm-up out of the time. Guarantees: a process is ended after two minutes; PHP counts as one with JIT
//! only if it says that its JIT is on.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::workload::{Inputs, Workload};
use super::{Run, Times, hsl};
use crate::failure::Failure;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Engine {
    /// This project's
    Hsl,
    /// `luajit`
    LuaJit,
    /// `node`
    Node,
    /// `php` with its tracing JIT
    PhpJit,
    /// `php` without
    Php,
}

impl Engine {
    /// All of them, in the order of the tables.
    pub(super) const ALL: [Self; 5] =
        [Self::Hsl, Self::LuaJit, Self::Node, Self::PhpJit, Self::Php];

    /// As a column of a table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hsl => "HSL",
            Self::LuaJit => "LuaJIT",
            Self::Node => "Node",
            Self::PhpJit => "PHP with JIT",
            Self::Php => "PHP without JIT",
        }
    }

    /// The end of the names of its programs.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Hsl => "hsl",
            Self::LuaJit => "lua",
            Self::Node => "js",
            Self::PhpJit | Self::Php => "php",
        }
    }

    /// The command that runs its harness; none for HSL.
    const fn command(self) -> &'static [&'static str] {
        match self {
            Self::Hsl => &[],
            Self::LuaJit => &["luajit"],
            Self::Node => &["node"],
            // Programs younger than two seconds would not be compiled.
            Self::PhpJit => &[
                "php",
                "-d",
                "opcache.enable_cli=1",
                "-d",
                "opcache.file_update_protection=0",
                "-d",
                "opcache.jit_buffer_size=64M",
                "-d",
                "opcache.jit=tracing",
            ],
            Self::Php => &[
                "php",
                "-d",
                "opcache.enable_cli=1",
                "-d",
                "opcache.file_update_protection=0",
                "-d",
                "opcache.jit=disable",
            ],
        }
    }

    /// The harness, in a process that ends in time.
    fn harness(self, folder: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.arg(PROCESS_SECONDS_MAX).args(self.command());
        command.arg(folder.join(format!("harness.{}", self.suffix())));
        command
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use clap::ValueEnum as _;
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// An engine that is there.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) engine: Engine,
    /// Name and version as it says.
    pub(super) version: String,
}

/// A program of a workload in one of the languages.
#[derive(Debug)]
pub(super) enum Program {
    /// Compiled in this process.
    Hsl(hsl::Program),
    /// Run by a harness.
    Process {
        engine: Engine,
        folder: PathBuf,
        file: PathBuf,
        lines: Option<PathBuf>,
    },
}

impl Installed {
    /// Looks for it; the inner error says why there is none.
    pub(super) fn find(engine: Engine, folder: &Path) -> Result<Result<Self, String>, Failure> {
        let version = match engine {
            Engine::Hsl => format!("postern {}", env!("CARGO_PKG_VERSION")),
            _ => match output(&mut engine.harness(folder)) {
                Ok(text) => text.trim().to_owned(),
                Err(failure) => return Ok(Err(failure.0)),
            },
        };
        let is_absent = match engine {
            Engine::PhpJit => version.ends_with("without JIT"),
            Engine::Php if version.ends_with("with JIT") => {
                return Err(Failure("PHP keeps its JIT on; compare without it".into()));
            }
            Engine::LuaJit if version.ends_with("without JIT") => {
                return Err(Failure("LuaJIT's JIT is off".into()));
            }
            _ => false,
        };
        Ok(if is_absent {
            Err(format!("this is {version}; its JIT needs opcache"))
        } else {
            Ok(Self { engine, version })
        })
    }

    /// The program of a workload, compiled if that is done here.
    pub(super) fn program(
        &self,
        workload: &Workload,
        inputs: &Inputs,
        folder: &Path,
    ) -> Result<Program, Failure> {
        let engine = self.engine;
        let file = workload.file(folder, &format!("workload.{}", engine.suffix()));
        if engine == Engine::Hsl {
            return hsl::Program::compile(&file, inputs).map(Program::Hsl);
        }
        Ok(Program::Process {
            engine,
            folder: folder.to_owned(),
            file,
            lines: inputs.path.clone(),
        })
    }
}

impl Program {
    /// Runs it, after a warm-up.
    pub(super) fn run(&self, rounds: u64, warm_up_rounds: u64) -> Result<Run, Failure> {
        let (engine, folder, file, lines) = match self {
            Self::Hsl(program) => return program.run(rounds, warm_up_rounds),
            Self::Process {
                engine,
                folder,
                file,
                lines,
            } => (engine, folder, file, lines),
        };
        let mut command = engine.harness(folder);
        command
            .arg(file)
            .arg(rounds.to_string())
            .arg(warm_up_rounds.to_string())
            .args(lines);
        let text = output(&mut command)?;
        let run = parse(&text);
        run.ok_or_else(|| Failure(format!("{}: unexpected output: {text}", file.display())))
    }
}

/// The answer and the times; the engine's name follows.
fn parse(text: &str) -> Option<Run> {
    let mut lines = text.lines();
    let answer = lines.next()?.to_owned();
    let cpu_ns: f64 = lines.next()?.parse().ok()?;
    let wall_ns: f64 = lines.next()?.parse().ok()?;
    lines.next()?;
    let is_whole = 0.0 < cpu_ns && 0.0 < wall_ns && lines.next().is_none();
    is_whole.then_some(Run {
        answer,
        times: Times { cpu_ns, wall_ns },
    })
}

/// Standard output of a command that must succeed.
fn output(command: &mut Command) -> Result<String, Failure> {
    let name = format!("{command:?}");
    let output = command
        .output()
        .map_err(|error| Failure::of(&name, error))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(Failure(format!("{name}: {}: {message}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::of(&name, error))
}

/// What a process may take; a hundred times what one does.
const PROCESS_SECONDS_MAX: &str = "120";

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_harness_says_answer_time_and_name() {
        let run = parse("64 a b\n2000\n2500\nNode v20\n").expect("it is complete");
        assert_eq!(run.answer, "64 a b");
        let times = [run.times.cpu_ns, run.times.wall_ns].map(f64::to_bits);
        assert_eq!(times, [2000.0, 2500.0].map(f64::to_bits));
        for wrong in [
            "",
            "64\n",
            "64\n1\n",
            "64\n1\n1\n",
            "64\n1\nx\nNode\n",
            "64\n0\n1\nNode\n",
            "1\n2\n3\n4\n5\n",
        ] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
