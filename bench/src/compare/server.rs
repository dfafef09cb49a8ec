//! Starts the servers that are compared, each on the same core, and stops them.
//!
//! In: which server. Out: a child process, its address and its process id. Guarantees: a server is only used once it
//! accepts; it is ended with this program; postern must end with status 0 when asked to, or the comparison fails.
//! Does not: install anything; a server of another project that is missing is left out and said so.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::Failure;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Canned replies over the same transport
    Canned,
    /// `postern serve` with destination discard
    Postern,
    /// The same with a CONNECT and a Proxy script
    PosternScripts,
    /// Postfix's smtp-sink
    SmtpSink,
}

impl Kind {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 4] = [
        Self::Canned,
        Self::Postern,
        Self::PosternScripts,
        Self::SmtpSink,
    ];

    /// As a column of the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Canned => "canned replies",
            Self::Postern => "postern",
            Self::PosternScripts => "postern, 2 scripts",
            Self::SmtpSink => "smtp-sink",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use clap::ValueEnum as _;
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// The programs of this project.
#[derive(Debug)]
pub(crate) struct Programs {
    own: PathBuf,
    folder: PathBuf,
}

impl Programs {
    /// The programs in `folder`, or beside this one.
    pub(crate) fn find(folder: Option<PathBuf>) -> Result<Self, Failure> {
        let own = std::env::current_exe().map_err(|error| Failure::of("this program", error))?;
        let beside = own.parent().unwrap_or(Path::new("")).to_owned();
        let programs = Self {
            own,
            folder: folder.unwrap_or(beside),
        };
        for program in [programs.postern(), programs.loadgen()] {
            if !program.is_file() {
                return Err(Failure(format!(
                    "{} is missing; build it with cargo build --release --workspace",
                    program.display()
                )));
            }
        }
        Ok(programs)
    }

    fn postern(&self) -> PathBuf {
        self.folder.join("postern")
    }

    /// The load generator.
    pub(crate) fn loadgen(&self) -> PathBuf {
        self.folder.join("postern-loadgen")
    }
}

/// A folder for configurations and reports, removed at the end.
#[derive(Debug)]
pub(crate) struct WorkFolder(PathBuf);

impl WorkFolder {
    /// A new, empty one.
    pub(crate) fn make() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("postern-bench-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| Failure::of(path.display(), error))?;
        Ok(Self(path))
    }

    /// A path in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that accepts connections.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts one on processor `cpu`; `None` when the program is another project's and not installed.
    pub(crate) fn start(
        kind: Kind,
        programs: &Programs,
        cpu: usize,
        folder: &WorkFolder,
    ) -> Result<Option<Self>, Failure> {
        let cores = format!("{cpu},");
        match kind {
            Kind::Canned => {
                let mut command = Command::new(&programs.own);
                command.args(["canned", "--cpu", &cpu.to_string()]);
                Self::start_ready(kind, command).map(Some)
            }
            Kind::Postern | Kind::PosternScripts => {
                let configuration = configuration(kind, folder)?;
                Self::start_postern(kind, programs, &cores, folder, &configuration).map(Some)
            }
            Kind::SmtpSink => Self::start_smtp_sink(cpu),
        }
    }

    /// Starts postern on the processors `cores`, with the text of a configuration.
    pub(crate) fn start_postern(
        kind: Kind,
        programs: &Programs,
        cores: &str,
        folder: &WorkFolder,
        configuration: &str,
    ) -> Result<Self, Failure> {
        let path = folder.join(&format!("{kind}.toml"));
        fs::write(&path, configuration).map_err(|error| Failure::of(path.display(), error))?;
        let mut command = Command::new(programs.postern());
        command.arg("serve").arg("--config").arg(path);
        command.args(["--cores", cores, "--log", "warning"]);
        Self::start_ready(kind, command)
    }

    /// Starts a program of ours, which says where it listens.
    fn start_ready(kind: Kind, mut command: Command) -> Result<Self, Failure> {
        let failed = |cause: &dyn std::fmt::Display| Failure::of(kind.name(), cause);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| failed(&error))?;
        let mut line = String::new();
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| failed(&"no standard output"))?;
        let read = BufReader::new(stdout).read_line(&mut line);
        let address = line
            .strip_prefix("ready ")
            .and_then(|rest| rest.trim().parse().ok());
        let server = |address| Self {
            kind,
            child,
            address,
        };
        match (read, address) {
            (Ok(_), Some(address)) => Ok(server(address)),
            (Ok(_), None) => {
                let address = SocketAddr::from(([127, 0, 0, 1], 0));
                drop(server(address));
                Err(failed(&"ended before it was ready; its error stands above"))
            }
            (Err(error), _) => Err(failed(&error)),
        }
    }

    fn start_smtp_sink(cpu: usize) -> Result<Option<Self>, Failure> {
        let failed = |cause: &dyn std::fmt::Display| Failure::of(Kind::SmtpSink.name(), cause);
        let Some(program) = SMTP_SINK_PLACES
            .iter()
            .find(|path| Path::new(path).is_file())
        else {
            eprintln!("smtp-sink is not installed (Debian: package postfix); left out");
            return Ok(None);
        };
        let address = free_address().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]); // It refuses to serve as root.
        }
        command.arg(address.to_string()).arg(SMTP_SINK_BACKLOG);
        let child = spawn_on(cpu, &mut command).map_err(|error| failed(&error))?;
        let mut server = Self {
            kind: Kind::SmtpSink,
            child,
            address,
        };
        server.await_accepting()?;
        Ok(Some(server))
    }

    /// Connects until it works: the only way to see that a program which says nothing is ready.
    fn await_accepting(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + START_MAX;
        loop {
            let Err(error) = TcpStream::connect_timeout(&self.address, START_MAX) else {
                return Ok(());
            };
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure::of(self.kind.name(), status));
            }
            if until < Instant::now() {
                return Err(Failure::of(self.kind.name(), error));
            }
            std::thread::yield_now();
        }
    }

    /// Which one it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it. Postern has to drain and say that all went well.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let failed = |cause: &dyn std::fmt::Display| Failure::of(self.kind.name(), cause);
        if !matches!(self.kind, Kind::Postern | Kind::PosternScripts) {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| failed(&"no process"))?;
        kill_process(pid, Signal::TERM).map_err(|error| failed(&error))?;
        let status = self.child.wait().map_err(|error| failed(&error))?;
        if status.success() {
            Ok(())
        } else {
            Err(failed(&status))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that cannot pin itself: a child inherits the processors of its parent.
fn spawn_on(cpu: usize, command: &mut Command) -> std::io::Result<Child> {
    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    sched_setaffinity(None, &before)?;
    child
}

/// An address nobody listens on just now.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// Limits that a load of one client would run into are out of the way; everything else is as a profile has it.
fn configuration(kind: Kind, folder: &WorkFolder) -> Result<String, Failure> {
    let mut text = String::from(
        "[[server]]\nid = \"bench\"\nlisten = [\"127.0.0.1:0\"]\naccept_domains = [\"example.com\"]\n\
         destination = \"discard\"\n",
    );
    if kind == Kind::PosternScripts {
        text.push_str("[server.scripts]\n");
        for (hook, script) in [("connect", CONNECT_SCRIPT), ("proxy", PROXY_SCRIPT)] {
            let path = folder.join(&format!("{hook}.hsl"));
            fs::write(&path, script).map_err(|error| Failure::of(path.display(), error))?;
            text.push_str(&format!("{hook} = \"{}\"\n", path.display()));
        }
    }
    text.push_str(
        "[server.limits]\nconnections_per_client_max = 100000\nmessages_per_connection_max = 1000000000\n",
    );
    Ok(text)
}

/// A network check, as a site has one in front of its mail.
pub(crate) const CONNECT_SCRIPT: &str = include_str!("../../scripts/connect_network.hsl");

/// Compares every command with one of its own.
pub(crate) const PROXY_SCRIPT: &str = include_str!("../../scripts/proxy_command.hsl");

const SMTP_SINK_PLACES: [&str; 2] = ["/usr/sbin/smtp-sink", "/usr/lib/postfix/sbin/smtp-sink"];
const SMTP_SINK_BACKLOG: &str = "4096";
const START_MAX: Duration = Duration::from_secs(5);
