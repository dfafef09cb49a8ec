//! Scripts that decide: what each hook shows them, how they run, what their actions mean.
//!
//! ```text
//! facts of the connection --> variables --> script --> outcome --> action --> what the pump does
//!                             (inputs)      (run)                  (connect, proxy, helo, mailfrom, rcptto)
//! ```
//!
//! In: facts, a script instance of the shard. Out: one action per call; a script error or an implicit end becomes the
//! hook's default here and nowhere else.
//! Guarantees: no script can write octets to a client except through `smtp::reply`, hand the session more than one line,
//! or run past its budget. Does not: know sockets or time; whoever drives a [`Run`] passes the clock in and awaits.
//!
//! | hook | when | on script error | on implicit end |
//! | --- | --- | --- | --- |
//! | `connect` | before the greeting | `Defer()` | `Accept()` |
//! | `proxy` | per command line, before it is parsed | `Reply` with a generic 421 | `Pass()` |
//! | `helo` | HELO and EHLO, before they are answered | `Defer()` | `Accept()` |
//! | `mailfrom` | MAIL that the session would accept | `Defer()` | `Accept()` |
//! | `rcptto` | RCPT that the session would accept | `Defer()` | `Accept()` |
//!
//! HSL manual: "Connect", "Proxy", "HELO", "MAIL FROM", "RCPT TO". Reading order: `environment.rs`, `variables.rs`,
//! `tls.rs`, `run.rs`, `arguments.rs`, `connect.rs`, `proxy.rs`, `command.rs`, `helo.rs`, `mailfrom.rs`, `rcptto.rs`.

mod arguments;
mod command;
pub mod connect;
mod environment;
pub mod helo;
pub mod mailfrom;
pub mod proxy;
pub mod rcptto;
mod run;
pub mod tls;
mod variables;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use postern_jit::error::{ErrorKind, ScriptError};
use postern_jit::execution::{Ending, ScriptInstance};
use postern_jit::runtime::Portable;
use postern_jit::script::Script;
use postern_jit::source::{SourceMap, Span};

pub use arguments::ScriptedReply;
pub use command::{CommandAction, Refusal};
pub use environment::{Function, Variable, core_environment};
pub use run::{Run, Turn};
pub use variables::{Facts, StoredContext};

/// A point of the session at which a script decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hook {
    /// Before the greeting.
    Connect,
    /// Before a command line is parsed.
    Proxy,
    /// Before HELO or EHLO is answered.
    Helo,
    /// Before MAIL is answered.
    MailFrom,
    /// Before RCPT is answered.
    RcptTo,
}

impl Hook {
    /// Every hook, in the order of a session.
    pub const ALL: [Self; 5] = [
        Self::Connect,
        Self::Proxy,
        Self::Helo,
        Self::MailFrom,
        Self::RcptTo,
    ];

    /// Its name in configuration, log and command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Helo => "helo",
            Self::MailFrom => "mailfrom",
            Self::RcptTo => "rcptto",
        }
    }

    /// The action a script of this hook ended with: `implicit` where it called none of the hook's functions, otherwise
    /// what `decode` makes of the call. What `decode` finds wrong is an error at the place of the call.
    fn action<Action>(
        self,
        ending: Ending,
        implicit: Action,
        decode: impl FnOnce(Option<Function>, &[Portable]) -> Result<Action, ErrorKind>,
    ) -> Result<Action, Failure> {
        match ending {
            Ending::Implicit => Ok(implicit),
            Ending::Error(error) => Err(error.into()),
            Ending::Action {
                function,
                arguments,
                span,
            } => decode(self.function(function), &arguments)
                .map_err(|kind| ScriptError { kind, span }.into()),
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What one execution of a script may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// From its start to its end, in milliseconds, whatever it waits for.
    pub wall_ms_max: u64,
    /// Of the processor, in milliseconds.
    pub cpu_ms_max: u64,
    /// For its values, in bytes.
    pub memory_bytes_max: usize,
}

/// A script compiled for a hook. Immutable, shared by all shards.
#[derive(Clone, Debug)]
pub struct HookScript {
    /// The hook it was compiled for.
    pub hook: Hook,
    /// Its code.
    pub script: Script,
    /// Its texts, to say where an error happened.
    pub sources: Arc<SourceMap>,
}

/// The scripts of one profile.
#[derive(Clone, Debug)]
pub struct HookScripts {
    /// Of [`Hook::Connect`].
    pub connect: Option<HookScript>,
    /// Of [`Hook::Proxy`].
    pub proxy: Option<HookScript>,
    /// Of [`Hook::Helo`].
    pub helo: Option<HookScript>,
    /// Of [`Hook::MailFrom`].
    pub mailfrom: Option<HookScript>,
    /// Of [`Hook::RcptTo`].
    pub rcptto: Option<HookScript>,
    /// What each execution may use.
    pub budget: Budget,
}

/// A script on one shard.
#[derive(Debug)]
pub struct HookInstance {
    hook: Hook,
    instance: ScriptInstance,
    sources: Arc<SourceMap>,
    budget: Budget,
}

/// The scripts of one profile on one shard; with none installed a hook costs one look here.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Of [`Hook::Connect`].
    pub connect: Option<Rc<HookInstance>>,
    /// Of [`Hook::Proxy`].
    pub proxy: Option<Rc<HookInstance>>,
    /// Of [`Hook::Helo`].
    pub helo: Option<Rc<HookInstance>>,
    /// Of [`Hook::MailFrom`].
    pub mailfrom: Option<Rc<HookInstance>>,
    /// Of [`Hook::RcptTo`].
    pub rcptto: Option<Rc<HookInstance>>,
}

impl Hooks {
    /// The script of a hook, if there is one.
    #[must_use]
    pub fn of(&self, hook: Hook) -> Option<&Rc<HookInstance>> {
        let instance = match hook {
            Hook::Connect => &self.connect,
            Hook::Proxy => &self.proxy,
            Hook::Helo => &self.helo,
            Hook::MailFrom => &self.mailfrom,
            Hook::RcptTo => &self.rcptto,
        };
        instance.as_ref()
    }

    /// The scripts on this thread.
    ///
    /// # Errors
    ///
    /// When the constants of a script exceed what values may hold.
    pub fn new(scripts: &HookScripts) -> Result<Self, ErrorKind> {
        let instance = |script: &Option<HookScript>| {
            let instance = script
                .as_ref()
                .map(|script| HookInstance::new(script, scripts.budget));
            instance.transpose().map(|instance| instance.map(Rc::new))
        };
        Ok(Self {
            connect: instance(&scripts.connect)?,
            proxy: instance(&scripts.proxy)?,
            helo: instance(&scripts.helo)?,
            mailfrom: instance(&scripts.mailfrom)?,
            rcptto: instance(&scripts.rcptto)?,
        })
    }
}

impl HookInstance {
    /// A script on this thread.
    ///
    /// # Errors
    ///
    /// When the constants of the script exceed what values may hold.
    pub fn new(script: &HookScript, budget: Budget) -> Result<Self, ErrorKind> {
        Ok(Self {
            hook: script.hook,
            instance: ScriptInstance::new(&script.script)?,
            sources: Arc::clone(&script.sources),
            budget,
        })
    }

    /// The hook it belongs to.
    #[must_use]
    pub fn hook(&self) -> Hook {
        self.hook
    }

    /// Its texts.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// Whether it reads one of these variables: what nobody reads need not be found out.
    #[must_use]
    pub fn reads_any(&self, variables: &[Variable]) -> bool {
        let reads = |variable: &Variable| {
            let index = self.hook.index(*variable);
            index.is_some_and(|index| self.instance.reads(index))
        };
        variables.iter().any(reads)
    }
}

/// Why a script was not obeyed. For the log; a client never sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What went wrong.
    pub reason: Reason,
    /// Where, if that is known.
    pub span: Option<Span>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It left too much in `$context`.
    ContextSize {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// It used too much of the processor.
    CpuTime {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// It, or what it called a hook's function with, is wrong.
    Script(ErrorKind),
    /// It took too long.
    WallTime {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
}

impl Failure {
    /// `file:line:column` of the place, from the texts of the script.
    #[must_use]
    pub fn place(&self, sources: &SourceMap) -> Option<String> {
        let span = self.span?;
        let position = sources.position(span);
        let name = &sources.source(span.source).name;
        Some(format!("{name}:{}:{}", position.line, position.column))
    }
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Self {
        Self {
            reason: Reason::Script(error.kind),
            span: error.span,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::ContextSize { limit_bytes } => write!(
                formatter,
                "$context exceeds {limit_bytes} bytes; keep less of what clients send"
            ),
            Reason::CpuTime { limit_ms } => write!(
                formatter,
                "script exceeds {limit_ms} ms of CPU; raise script_cpu_ms_max or shorten its loops"
            ),
            Reason::Script(kind) => kind.fmt(formatter),
            Reason::WallTime { limit_ms } => write!(
                formatter,
                "script exceeds {limit_ms} ms; raise script_wall_ms_max or let it wait less"
            ),
        }
    }
}
