//! Holds idle connections: what each costs the server, and how newcomers are served while they sit there.
//!
//! In: how many. Out: a Markdown table of resident bytes per connection, plain and over TLS, and of the time a newcomer
//! takes from its connection to the reply to its message. Guarantees: all connections of a kind stand at the same time
//! when memory is divided and newcomers come; all of them are looked at before and after these, and a thousand of each
//! server must answer; anything unexpected ends the measurement with an error. A missed target is said, and is no error.
//! One process serves them all if it may have that many descriptors; else as many as it takes do, on the same processors,
//! and the table says so.
//! Does not: count the kernel's memory of a socket, about four times as much, which every server has.

mod client;
mod crowd;
mod memory;
mod process;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::compare::server::{Kind, Programs, Server, WorkFolder};
use crate::failure::Failure;
use crate::machine::Machine;
use client::{CHAIN, KEY, Tls};
use crowd::Newcomers;
use memory::Memory;
use process::CrowdProcess;

pub(crate) use process::{HoldArguments, hold};

/// Options of `idle`.
#[derive(Args, Debug)]
pub(crate) struct IdleArguments {
    /// Connections in plain text
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = count())]
    connections: u32,
    /// Connections over TLS
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count())]
    tls_connections: u32,
    /// Newcomers for each of the two, one after another
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count())]
    newcomers: u32,
    /// A thousand connections of each kind and a hundred newcomers, to see that everything works
    #[arg(long, conflicts_with_all = ["connections", "tls_connections", "newcomers"])]
    quick: bool,
    /// The processors the server runs on, as `postern serve --cores` takes them
    #[arg(long, value_name = "LIST", default_value = "0,")]
    cores: String,
    /// The processor the clients run on
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_cpu: usize,
    /// Where postern is [default: beside this program]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Write the figures here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=CONNECTIONS_MAX)
}

/// What a connection may cost, and what carries it.
#[derive(Clone, Copy, Debug)]
struct Kin {
    name: &'static str,
    is_tls: bool,
    bytes_max: f64,
}

const PLAIN: Kin = Kin {
    name: "plain",
    is_tls: false,
    bytes_max: 2_048.0,
};

const OVER_TLS: Kin = Kin {
    name: "TLS 1.3",
    is_tls: true,
    bytes_max: 20_480.0,
};

/// One measurement.
#[derive(Debug)]
struct Held {
    kin: Kin,
    count: usize,
    servers_count: usize,
    /// Of all servers together.
    before: Memory,
    after: Memory,
    newcomers: Newcomers,
}

/// Runs the benchmark and prints its table.
pub(crate) fn run(arguments: &IdleArguments) -> Result<(), Failure> {
    let (plain, tls, newcomers) = if arguments.quick {
        (1_000, 1_000, 100)
    } else {
        let IdleArguments {
            connections,
            tls_connections,
            newcomers,
            ..
        } = arguments;
        (*connections, *tls_connections, *newcomers)
    };
    let wanted = u64::from(plain.max(tls)) + DESCRIPTORS_BESIDES;
    let allowed = memory::allow_descriptors(wanted)?;
    let per_server_max = usize::try_from(allowed.saturating_sub(DESCRIPTORS_BESIDES));
    let per_server_max = per_server_max.unwrap_or(usize::MAX).max(1);
    let programs = Programs::find(arguments.programs.clone())?;
    let folder = WorkFolder::make()?;
    client::make_certificate(&folder)?;
    let mut all = Vec::new();
    for (kin, count) in [(PLAIN, plain as usize), (OVER_TLS, tls as usize)] {
        let text = configuration(kin, &folder);
        let start =
            || Server::start_postern(Kind::Postern, &programs, &arguments.cores, &folder, &text);
        let servers_count = count.div_ceil(per_server_max);
        let servers = (0..servers_count)
            .map(|_| start())
            .collect::<Result<Vec<_>, _>>()?;
        all.push(measure(
            &servers,
            kin,
            &folder,
            count,
            newcomers as usize,
            arguments.load_cpu,
        )?);
        servers.into_iter().try_for_each(Server::stop)?;
    }
    let machine = Machine::here().markdown();
    if let Some(path) = &arguments.json {
        let rows: Vec<Value> = all.iter().map(Held::json).collect();
        let text = format!("{:#}\n", json!({ "machine": machine, "held": rows }));
        std::fs::write(path, text).map_err(|error| Failure::of(path.display(), error))?;
    }
    print(&format!("{machine}\n\n{}", table(&all)))
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::of("standard output", error))
}

/// Limits that a crowd from three addresses would run into are out of the way.
fn configuration(kin: Kin, folder: &WorkFolder) -> String {
    let (certificate, tls) = if kin.is_tls {
        let (chain, key) = (folder.join(CHAIN), folder.join(KEY));
        let table = format!(
            "[[certificate]]\nid = \"idle\"\nchain = \"{}\"\nkey = \"{}\"\n",
            chain.display(),
            key.display()
        );
        (table, "tls = \"implicit\"\ncertificate = \"idle\"\n")
    } else {
        (String::new(), "")
    };
    format!(
        "{certificate}[[server]]\nid = \"idle\"\nlisten = [\"127.0.0.1:0\"]\naccept_domains = [\"example.com\"]\n\
         destination = \"discard\"\n{tls}[server.limits]\nconnections_max = 1000000\n\
         connections_per_client_max = 1000000\ncommand_timeout_ms = 3600000\n"
    )
}

/// Gathers a crowd of `count` at all servers together, and lets newcomers come to each in turn.
fn measure(
    servers: &[Server],
    kin: Kin,
    folder: &WorkFolder,
    count: usize,
    newcomers_count: usize,
    load_cpu: usize,
) -> Result<Held, Failure> {
    let chain = folder.join(CHAIN);
    let chain = kin.is_tls.then_some(&*chain);
    let tls = chain.map(Tls::trusting).transpose()?;
    let addresses: Vec<_> = servers.iter().map(Server::address).collect();
    let memory = || Memory::of_all(servers.iter().map(Server::process_id));
    let newcomers = |count| newcomers(&addresses, tls.as_ref(), count, load_cpu);
    // So that what the first connections have a server allocate for good is not counted for the crowd.
    newcomers(WARM_UP_NEWCOMERS_COUNT * servers.len())?;
    let before = memory()?;
    let mut crowds = Vec::new();
    let mut first = 0;
    for (index, server) in servers.iter().enumerate() {
        let end = count * (index + 1) / servers.len();
        crowds.push(CrowdProcess::gather(
            server.address(),
            chain,
            first,
            end - first,
            load_cpu,
        )?);
        let held = memory::descriptors_count(server.process_id())?;
        if held < end - first {
            return Err(Failure(format!(
                "a server has {held} of {} connections",
                end - first
            )));
        }
        first = end;
    }
    let after = memory()?;
    crowds.iter_mut().try_for_each(CrowdProcess::check)?;
    let newcomers = newcomers(newcomers_count)?;
    crowds.iter_mut().try_for_each(CrowdProcess::check)?;
    Ok(Held {
        kin,
        count,
        servers_count: servers.len(),
        before,
        after,
        newcomers,
    })
}

/// Serves newcomers on a thread that stays on the processor of the clients.
fn newcomers(
    servers: &[SocketAddr],
    tls: Option<&Tls>,
    count: usize,
    cpu: usize,
) -> Result<Newcomers, Failure> {
    let serve = || {
        process::stay_on(cpu)?;
        Newcomers::serve(servers, tls, count)
    };
    let served = std::thread::scope(|scope| scope.spawn(serve).join());
    served.map_err(|_| Failure("the thread of newcomers has panicked".into()))?
}

impl Held {
    fn bytes_per_connection(&self) -> f64 {
        let grown = self
            .after
            .anonymous_bytes
            .saturating_sub(self.before.anonymous_bytes);
        grown as f64 / self.count as f64
    }

    /// The targets that are missed.
    fn missed(&self) -> Vec<String> {
        let Kin {
            name, bytes_max, ..
        } = self.kin;
        let mut missed = Vec::new();
        let bytes = self.bytes_per_connection();
        if bytes_max < bytes {
            missed.push(format!("{name}: {bytes:.0} of {bytes_max} bytes"));
        }
        let wait_ms = milliseconds(self.newcomers.percentile(99));
        if NEWCOMER_MS_MAX < wait_ms {
            missed.push(format!(
                "{name}: a newcomer of a hundred waits {wait_ms:.1} of {NEWCOMER_MS_MAX} ms"
            ));
        }
        missed
    }

    fn json(&self) -> Value {
        json!({
            "connections": self.kin.name,
            "count": self.count,
            "servers": self.servers_count,
            "anonymous_bytes_before": self.before.anonymous_bytes,
            "anonymous_bytes_after": self.after.anonymous_bytes,
            "file_bytes_before": self.before.file_bytes,
            "file_bytes_after": self.after.file_bytes,
            "bytes_per_connection": self.bytes_per_connection(),
            "newcomer_ms_median": milliseconds(self.newcomers.percentile(50)),
            "newcomer_ms_p99": milliseconds(self.newcomers.percentile(99)),
            "newcomer_ms_most": milliseconds(self.newcomers.most()),
        })
    }
}

fn milliseconds(wait: std::time::Duration) -> f64 {
    wait.as_secs_f64() * 1_000.0
}

fn table(all: &[Held]) -> String {
    let mut text = String::from(
        "| idle connections | server processes | bytes per connection | RssAnon before, after, MiB | RssFile before, after, MiB | a newcomer's message, ms: median, p99, most |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    for held in all {
        text.push_str(&format!(
            "| {} {} | {} | {:.0} | {:.1}, {:.1} | {:.1}, {:.1} | {:.2}, {:.2}, {:.2} |\n",
            grouped(held.count),
            held.kin.name,
            held.servers_count,
            held.bytes_per_connection(),
            mib(held.before.anonymous_bytes),
            mib(held.after.anonymous_bytes),
            mib(held.before.file_bytes),
            mib(held.after.file_bytes),
            milliseconds(held.newcomers.percentile(50)),
            milliseconds(held.newcomers.percentile(99)),
            milliseconds(held.newcomers.most()),
        ));
    }
    let missed: Vec<String> = all.iter().flat_map(Held::missed).collect();
    if missed.is_empty() {
        text.push_str("\nNo target is missed.\n");
    } else {
        text.push_str(&format!("\nMissed targets: {}.\n", missed.join("; ")));
    }
    text
}

/// With commas between thousands.
fn grouped(count: usize) -> String {
    let (thousands, rest) = (count / 1_000, count % 1_000);
    if thousands == 0 {
        return rest.to_string();
    }
    format!("{thousands},{rest:03}")
}

/// What a newcomer may take for its message, in milliseconds; ninety-nine of a hundred must keep to it.
const NEWCOMER_MS_MAX: f64 = 10.0;

/// Newcomers before anything is measured.
const WARM_UP_NEWCOMERS_COUNT: usize = 100;

/// Descriptors of a process besides its connections, generously.
const DESCRIPTORS_BESIDES: u64 = 1_000;

/// As many as three digits and a comma can write, and more than a machine's loopback has ports for in practice.
const CONNECTIONS_MAX: i64 = 999_999;
