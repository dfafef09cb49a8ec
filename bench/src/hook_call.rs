//! Times scripts from the call to their action.
//!
//! In: the scripts of `bench/scripts`. Out: nanoseconds per call, median over batches with least and most, the octets of
//! machine code, and the memory of an instance that was called once and idles. A call is what a hook does per command: an execution is started with the predefined variables that
//! its script reads, resumed until it ends, its requests answered at once, and the action taken out.
//! Guarantees: every call's action and arguments are compared with what the script must decide.
//! Does not: include the engine's part of a hook, such as the deadline; `compare` measures that.

use std::time::Instant;

use clap::Args;
use postern::hook;
use postern_jit::execution::{Ending, HostAnswer, Input, Limits, ScriptInstance, Step};
use postern_jit::resolve::Environment;
use postern_jit::runtime::Portable;
use postern_jit::script::Script;

use crate::failure::Failure;
use crate::script::compiled;

/// Options of `hook-call`.
#[derive(Args, Debug)]
pub(crate) struct HookCallArguments {
    /// Which script [default: all, timed]
    #[arg(long, value_enum, requires = "calls")]
    script: Option<Workload>,
    /// Call the script so often after the warm-up instead of timing it, for callgrind and memcheck
    #[arg(long, value_name = "N", requires = "script")]
    calls: Option<u64>,
    /// Fewer batches; the figures mean little
    #[arg(long)]
    quick: bool,
}

/// A script and what it is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// CONNECT: `Accept();`
    Accept,
    /// CONNECT: a network check
    ConnectNetwork,
    /// CONNECT: the sender behind a NAT64 prefix
    Nat64,
    /// Proxy: `$command` compared with a string
    ProxyCommand,
    /// Proxy: a prefix of `$command` compared with a string
    ProxyPrefix,
}

/// Runs the benchmark.
pub(crate) fn run(arguments: &HookCallArguments) -> Result<(), Failure> {
    if let (Some(workload), Some(calls)) = (arguments.script, arguments.calls) {
        let hook = workload.hook()?;
        for _ in 0..WARM_UP_CALLS_COUNT + calls {
            hook.call()?;
        }
        return print(&format!("{workload:?}: {calls} calls\n"));
    }
    let batches_count = if arguments.quick { 3 } else { BATCHES_COUNT };
    let mut text = String::from(
        "| script | ns per call: median (least-most) | octets of machine code | resident KiB of an idle instance |\n| --- | --- | --- | --- |\n",
    );
    for workload in Workload::ALL {
        let hook = workload.hook()?;
        let mut batches = Vec::with_capacity(batches_count);
        for _ in 0..WARM_UP_CALLS_COUNT {
            hook.call()?;
        }
        for _ in 0..batches_count {
            batches.push(hook.time_batch()?);
        }
        batches.sort_by(f64::total_cmp);
        let (least, most) = (batches[0], batches[batches_count - 1]);
        let median = batches[batches_count / 2];
        let size = hook.script.code_bytes();
        let idle = hook.idle_kib()?;
        text.push_str(&format!(
            "| {} | {median:.0} ({least:.0}-{most:.0}) | {size} | {idle:.1} |\n",
            workload.title()
        ));
    }
    print(&text)
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::of("standard output", error))
}

impl Workload {
    const ALL: [Self; 5] = [
        Self::Accept,
        Self::ConnectNetwork,
        Self::Nat64,
        Self::ProxyCommand,
        Self::ProxyPrefix,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Accept => "CONNECT `Accept();`",
            Self::ConnectNetwork => "CONNECT network check",
            Self::Nat64 => "CONNECT NAT64 address (RFC 6052)",
            Self::ProxyCommand => "Proxy `$command ==`",
            Self::ProxyPrefix => "Proxy `$command[0:8] ==`",
        }
    }

    fn hook(self) -> Result<CompiledHook, Failure> {
        match self {
            Self::Accept => {
                CompiledHook::connect(ACCEPT, "192.0.2.1", Decision::function("Accept"))
            }
            Self::ConnectNetwork => {
                CompiledHook::connect(CONNECT_NETWORK, "192.0.2.1", Decision::function("Accept"))
            }
            Self::Nat64 => CompiledHook::connect(
                NAT64,
                "64:ff9b::c0a8:10b",
                Decision {
                    function: None,
                    sender_address: Some("192.168.1.11"),
                },
            ),
            Self::ProxyCommand => CompiledHook::proxy_command(),
            Self::ProxyPrefix => CompiledHook::proxy(PROXY_PREFIX),
        }
    }
}

/// What a script must decide.
#[derive(Clone, Copy, Debug)]
struct Decision {
    /// The function that ends it, none for the end of the script.
    function: Option<&'static str>,
    /// What it asks `SetSenderIP` for.
    sender_address: Option<&'static str>,
}

impl Decision {
    const fn function(name: &'static str) -> Self {
        Self {
            function: Some(name),
            sender_address: None,
        }
    }
}

/// A compiled script, ready to be called.
#[derive(Debug)]
pub(crate) struct CompiledHook {
    environment: Environment,
    script: Script,
    instance: ScriptInstance,
    decision: Decision,
    sender_address: &'static str,
}

impl CompiledHook {
    /// The Proxy script that compares `$command`, see [`CompiledHook::require_pass`].
    pub(crate) fn proxy_command() -> Result<Self, Failure> {
        Self::proxy(PROXY_COMMAND)
    }

    fn proxy(text: &str) -> Result<Self, Failure> {
        let environment = hook::Hook::Proxy.environment();
        Self::compile(text, environment, "192.0.2.1", Decision::function("Pass"))
    }

    fn connect(
        text: &str,
        sender_address: &'static str,
        decision: Decision,
    ) -> Result<Self, Failure> {
        let environment = hook::Hook::Connect.environment();
        Self::compile(text, environment, sender_address, decision)
    }

    fn compile(
        text: &str,
        environment: Environment,
        sender_address: &'static str,
        decision: Decision,
    ) -> Result<Self, Failure> {
        let (script, instance) = compiled("bench.hsl", text.as_bytes(), &environment)?;
        Ok(Self {
            environment,
            script,
            instance,
            decision,
            sender_address,
        })
    }

    /// Fails unless the script passes this command line.
    pub(crate) fn require_pass(&self, line: &[u8]) -> Result<(), Failure> {
        self.decide(&self.instance, line)
    }

    fn call(&self) -> Result<(), Failure> {
        self.decide(&self.instance, COMMAND)
    }

    /// Nanoseconds per call.
    fn time_batch(&self) -> Result<f64, Failure> {
        let begun = Instant::now();
        for _ in 0..CALLS_PER_BATCH_COUNT {
            self.call()?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS_PER_BATCH_COUNT))
    }

    /// Memory that one instance more takes, after a call, in KiB: its values, and the heap and the stack that it keeps for
    /// the next call. Of many, since memory comes in pages.
    fn idle_kib(&self) -> Result<f64, Failure> {
        let before = resident_kib()?;
        let mut idle = Vec::with_capacity(IDLE_INSTANCES_COUNT);
        for _ in 0..IDLE_INSTANCES_COUNT {
            let instance = ScriptInstance::new(&self.script);
            let instance = instance.map_err(|error| Failure::of("no instance", error))?;
            self.decide(&instance, COMMAND)?;
            idle.push(instance);
        }
        Ok((resident_kib()? - before) / IDLE_INSTANCES_COUNT as f64)
    }

    /// One call, checked.
    fn decide(&self, instance: &ScriptInstance, command: &[u8]) -> Result<(), Failure> {
        let variable = |index: usize| match self.environment.variables[index].name.as_str() {
            "command" => Input::String(command),
            "senderip" => Input::String(self.sender_address.as_bytes()),
            "serverip" => Input::String(b"192.0.2.25"),
            "serverid" => Input::String(b"bench"),
            "serverport" => Input::Number(25.0),
            "senderport" => Input::Number(40_000.0),
            _ => Input::None,
        };
        let execution = instance.start(Limits::default(), variable);
        let mut execution = execution.map_err(|error| Failure::of("no execution", error))?;
        let mut step = execution.resume();
        let mut asked = None;
        let outcome = loop {
            match step {
                Step::Finished(outcome) => break outcome,
                Step::OutOfFuel => step = execution.resume(),
                Step::NeedsProcess(request) => {
                    return Err(Failure(format!("unexpected question: {request:?}")));
                }
                Step::NeedsHost(mut request) => {
                    let value = request.arguments.pop().unwrap_or(Portable::None);
                    asked = Some(value.clone());
                    step = execution.answer(HostAnswer {
                        value,
                        updates: Vec::new(),
                    });
                }
            }
        };
        let function = match &outcome.ending {
            Ending::Implicit => None,
            Ending::Action { function, .. } => {
                Some(self.environment.functions[*function].name.as_str())
            }
            Ending::Error(error) => return Err(Failure(format!("the script failed: {error:?}"))),
        };
        let wanted = self.decision.sender_address.map(Portable::string);
        if function != self.decision.function || asked != wanted || outcome.live_objects != 0 {
            return Err(Failure(format!(
                "unexpected decision: {function:?}, asked for {asked:?}"
            )));
        }
        Ok(())
    }
}

const ACCEPT: &str = include_str!("../scripts/accept.hsl");
const CONNECT_NETWORK: &str = include_str!("../scripts/connect_network.hsl");
const NAT64: &str = include_str!("../scripts/nat64.hsl");
const PROXY_COMMAND: &str = include_str!("../scripts/proxy_command.hsl");
const PROXY_PREFIX: &str = include_str!("../scripts/proxy_prefix.hsl");

/// Memory of this process that is in RAM, in KiB.
fn resident_kib() -> Result<f64, Failure> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path).map_err(|error| Failure::of(path, error))?;
    let mut resident = text.lines().filter_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident
        .next()
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| Failure(format!("{path} has no VmRSS")))
}

const COMMAND: &[u8] = b"RCPT TO:<someone@example.com>";
const BATCHES_COUNT: usize = 101;
const CALLS_PER_BATCH_COUNT: u32 = 10_000;
const IDLE_INSTANCES_COUNT: usize = 256;
const WARM_UP_CALLS_COUNT: u64 = 1_000;
