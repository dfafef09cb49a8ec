//! What a script finds in each hook: its predefined variables and the functions that only it has.
//!
//! In: a hook. Out: the [`Environment`] the compiler resolves names against. An index in it is the place of the same
//! variable or function in the tables below, so that the rest of the folder can match on enums instead of names.
//! Guarantees: `$context` is the only writable variable. Does not: know values (`variables.rs`) or what the functions
//! mean (`actions.rs`).
//!
//! HSL manual: "Connect", "Proxy", "HELO", "MAIL FROM", "RCPT TO"; both the flat variables of their first editions and the arrays of the later ones.

use postern_jit::resolve::{Arity, Environment, HostFunction, PredefinedVariable};

use super::Hook;

/// A predefined variable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variable {
    /// `$arguments`.
    Arguments,
    /// `$command`.
    Command,
    /// `$connection`.
    Connection,
    /// `$context`.
    Context,
    /// `$messageid`.
    MessageId,
    /// `$recipient`.
    Recipient,
    /// `$recipientdomain`.
    RecipientDomain,
    /// `$recipientlocalpart`.
    RecipientLocalPart,
    /// `$recipientparams`.
    RecipientParams,
    /// `$saslauthed`.
    SaslAuthed,
    /// `$saslusername`.
    SaslUsername,
    /// `$sender`.
    Sender,
    /// `$senderdomain`.
    SenderDomain,
    /// `$senderhelo`.
    SenderHelo,
    /// `$senderhelotype`.
    SenderHeloType,
    /// `$senderip`.
    SenderIp,
    /// `$senderlocalpart`.
    SenderLocalPart,
    /// `$senderparams`.
    SenderParams,
    /// `$senderport`.
    SenderPort,
    /// `$serverid`.
    ServerId,
    /// `$serverip`.
    ServerIp,
    /// `$serverport`.
    ServerPort,
    /// `$tlsstarted`.
    TlsStarted,
    /// `$transaction`.
    Transaction,
    /// `$transportid`.
    TransportId,
}

impl Variable {
    /// Its name without `$`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Command => "command",
            Self::Connection => "connection",
            Self::Context => "context",
            Self::MessageId => "messageid",
            Self::Recipient => "recipient",
            Self::RecipientDomain => "recipientdomain",
            Self::RecipientLocalPart => "recipientlocalpart",
            Self::RecipientParams => "recipientparams",
            Self::SaslAuthed => "saslauthed",
            Self::SaslUsername => "saslusername",
            Self::Sender => "sender",
            Self::SenderDomain => "senderdomain",
            Self::SenderHelo => "senderhelo",
            Self::SenderHeloType => "senderhelotype",
            Self::SenderIp => "senderip",
            Self::SenderLocalPart => "senderlocalpart",
            Self::SenderParams => "senderparams",
            Self::SenderPort => "senderport",
            Self::ServerId => "serverid",
            Self::ServerIp => "serverip",
            Self::ServerPort => "serverport",
            Self::TlsStarted => "tlsstarted",
            Self::Transaction => "transaction",
            Self::TransportId => "transportid",
        }
    }

    /// Whether scripts may assign to it.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Context)
    }
}

/// A function that only scripts of a hook have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Function {
    /// `Accept([options])`.
    Accept,
    /// `Defer([reason, [options]])`.
    Defer,
    /// `GetExtensions()`, which returns.
    GetExtensions,
    /// `GetTLS([options])`, which returns.
    GetTls,
    /// `Pass([options])`.
    Pass,
    /// `Reject([reason, [options]])`.
    Reject,
    /// `Reply([reason, [options]])`.
    Reply,
    /// `SetSenderIP(senderip)`, which returns.
    SetSenderIp,
}

impl Function {
    /// As it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Defer => "Defer",
            Self::GetExtensions => "GetExtensions",
            Self::GetTls => "GetTLS",
            Self::Pass => "Pass",
            Self::Reject => "Reject",
            Self::Reply => "Reply",
            Self::SetSenderIp => "SetSenderIP",
        }
    }

    const fn arity(self) -> Arity {
        match self {
            Self::Accept | Self::GetTls | Self::Pass => Arity::between(0, 1),
            Self::Defer | Self::Reject | Self::Reply => Arity::between(0, 2),
            Self::GetExtensions => Arity::exactly(0),
            Self::SetSenderIp => Arity::exactly(1),
        }
    }

    /// Whether the script ends where it is called.
    #[must_use]
    pub const fn is_terminating(self) -> bool {
        !matches!(self, Self::GetExtensions | Self::GetTls | Self::SetSenderIp)
    }
}

impl Hook {
    /// Its predefined variables, by index.
    #[must_use]
    pub const fn variables(self) -> &'static [Variable] {
        match self {
            Self::Connect => &[
                Variable::MessageId,
                Variable::SenderIp,
                Variable::SenderPort,
                Variable::ServerIp,
                Variable::ServerPort,
                Variable::ServerId,
                Variable::Context,
                Variable::Arguments,
                Variable::Connection,
                Variable::Transaction,
            ],
            Self::Proxy => &[
                Variable::Command,
                Variable::SenderIp,
                Variable::SenderPort,
                Variable::ServerIp,
                Variable::ServerPort,
                Variable::ServerId,
                Variable::SenderHelo,
                Variable::TlsStarted,
                Variable::SaslAuthed,
                Variable::SaslUsername,
                Variable::Context,
                Variable::Arguments,
                Variable::Connection,
                Variable::Transaction,
            ],
            Self::Helo => &HELO_VARIABLES,
            Self::MailFrom => &MAIL_FROM_VARIABLES,
            Self::RcptTo => &RCPT_TO_VARIABLES,
        }
    }

    /// Its own functions, by index.
    #[must_use]
    pub const fn functions(self) -> &'static [Function] {
        match self {
            Self::Connect => &[
                Function::Accept,
                Function::Reject,
                Function::Defer,
                Function::SetSenderIp,
            ],
            Self::Proxy => &[Function::Pass, Function::Reply],
            Self::Helo => &[
                Function::Accept,
                Function::Reject,
                Function::Defer,
                Function::GetExtensions,
                Function::GetTls,
            ],
            Self::MailFrom | Self::RcptTo => &[
                Function::Accept,
                Function::Reject,
                Function::Defer,
                Function::GetTls,
            ],
        }
    }

    /// The function with this index.
    #[must_use]
    pub fn function(self, index: usize) -> Option<Function> {
        self.functions().get(index).copied()
    }

    /// The index of a variable.
    pub(super) fn index(self, variable: Variable) -> Option<usize> {
        self.variables().iter().position(|one| *one == variable)
    }

    /// What its scripts are compiled against.
    #[must_use]
    pub fn environment(self) -> Environment {
        let variables = self.variables().iter().map(|variable| PredefinedVariable {
            name: variable.name().to_owned(),
            writable: variable.is_writable(),
        });
        let functions = self.functions().iter().map(|function| HostFunction {
            name: function.name().to_owned(),
            arity: function.arity(),
            terminating: function.is_terminating(),
        });
        Environment {
            variables: variables.collect(),
            functions: functions.collect(),
            elsewhere: elsewhere(Some(self)),
            // The hook's action on script errors is what the manual promises for it.
            tolerates_undefined: true,
        }
    }
}

/// What scripts outside of any hook are compiled against.
#[must_use]
pub fn core_environment() -> Environment {
    Environment {
        elsewhere: elsewhere(None),
        ..Environment::default()
    }
}

/// The functions of the other hooks, so that the compiler can say where they belong.
fn elsewhere(here: Option<Hook>) -> Vec<(String, String)> {
    let others = Hook::ALL.into_iter().filter(|hook| Some(*hook) != here);
    others
        .flat_map(|hook| {
            let functions = hook.functions().iter();
            functions.map(move |function| (function.name().to_owned(), hook.name().to_owned()))
        })
        .collect()
}

/// Those of `helo`.
const HELO_VARIABLES: [Variable; 14] = [
    Variable::SenderHelo,
    Variable::SenderHeloType,
    Variable::SenderIp,
    Variable::SenderPort,
    Variable::ServerIp,
    Variable::ServerPort,
    Variable::ServerId,
    Variable::TlsStarted,
    Variable::SaslAuthed,
    Variable::SaslUsername,
    Variable::Context,
    Variable::Arguments,
    Variable::Connection,
    Variable::Transaction,
];

/// Those of `mailfrom`.
const MAIL_FROM_VARIABLES: [Variable; 17] = [
    Variable::Sender,
    Variable::SenderLocalPart,
    Variable::SenderDomain,
    Variable::SenderParams,
    Variable::SenderIp,
    Variable::SenderPort,
    Variable::ServerIp,
    Variable::ServerPort,
    Variable::ServerId,
    Variable::SenderHelo,
    Variable::TlsStarted,
    Variable::SaslAuthed,
    Variable::SaslUsername,
    Variable::Context,
    Variable::Arguments,
    Variable::Connection,
    Variable::Transaction,
];

/// Those of `rcptto`.
const RCPT_TO_VARIABLES: [Variable; 18] = [
    Variable::Recipient,
    Variable::RecipientLocalPart,
    Variable::RecipientDomain,
    Variable::RecipientParams,
    Variable::TransportId,
    Variable::SenderIp,
    Variable::SenderPort,
    Variable::ServerIp,
    Variable::ServerPort,
    Variable::ServerId,
    Variable::SenderHelo,
    Variable::TlsStarted,
    Variable::SaslAuthed,
    Variable::SaslUsername,
    Variable::Context,
    Variable::Arguments,
    Variable::Connection,
    Variable::Transaction,
];

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use postern_jit::runtime::Portable;

    use super::{Hook, core_environment};

    #[test]
    fn what_the_listeners_agree_on_is_fixed() {
        let listen = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses
                .iter()
                .map(|address| address.parse().expect("an address"))
                .collect()
        };
        let fixed = |addresses: &[&str]| Hook::Proxy.fixed("mx:1", &listen(addresses)).len();
        assert_eq!(fixed(&["192.0.2.1:25"]), 3);
        assert_eq!(fixed(&["192.0.2.1:25", "192.0.2.1:2525"]), 2);
        assert_eq!(fixed(&["192.0.2.1:25", "192.0.2.2:25"]), 2);
        assert_eq!(fixed(&["0.0.0.0:25"]), 2);
        assert_eq!(fixed(&["192.0.2.1:0"]), 2);
        assert_eq!(fixed(&[]), 1);
        let (id, name) = &Hook::Connect.fixed("mx:1", &[])[0];
        assert_eq!(Hook::Connect.environment().variables[*id].name, "serverid");
        assert_eq!(*name, Portable::string("mx:1"));
    }

    #[test]
    fn only_context_is_writable() {
        for hook in Hook::ALL {
            let environment = hook.environment();
            let writable = environment.variables.iter().filter(|one| one.writable);
            let names: Vec<&str> = writable.map(|one| one.name.as_str()).collect();
            assert_eq!(names, ["context"], "{hook:?}");
        }
    }

    #[test]
    fn names_do_not_clash() {
        for hook in Hook::ALL {
            let environment = hook.environment();
            let mut names: Vec<&str> = environment
                .variables
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count);
        }
        assert!(
            core_environment()
                .elsewhere
                .contains(&("SetSenderIP".to_owned(), "connect".to_owned()))
        );
    }
}
