//! The commands of `postern`, one file each.
//!
//! In: arguments. Out: exit statuses. Guarantees: standard output carries only what a command is asked for; everything
//! said to people goes to standard error. Does not: implement anything; the library does.

pub(crate) mod check;
pub(crate) mod hsl;
pub(crate) mod run;
pub(crate) mod serve;

use clap::ValueEnum;
use postern::hook::{Hook, core_environment};
use postern_jit::resolve::Environment;

/// What a script is compiled for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Context {
    /// No hook: the language and its library only.
    Core,
    /// The hook `connect`.
    Connect,
    /// The hook `proxy`.
    Proxy,
    /// The hook `helo`.
    Helo,
    /// The hook `mailfrom`.
    #[value(name = "mailfrom")]
    MailFrom,
    /// The hook `rcptto`.
    #[value(name = "rcptto")]
    RcptTo,
}

impl Context {
    /// The hook, if it is one.
    pub(super) fn hook(self) -> Option<Hook> {
        match self {
            Self::Core => None,
            Self::Connect => Some(Hook::Connect),
            Self::Proxy => Some(Hook::Proxy),
            Self::Helo => Some(Hook::Helo),
            Self::MailFrom => Some(Hook::MailFrom),
            Self::RcptTo => Some(Hook::RcptTo),
        }
    }

    /// The names its scripts may use.
    fn environment(self) -> Environment {
        self.hook().map_or_else(core_environment, Hook::environment)
    }
}

/// Exit status when the machine or a script fails.
const FAILED: u8 = 1;

/// Exit status of a script or configuration that is wrong before it runs.
const WRONG: u8 = 2;
