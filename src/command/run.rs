//! `postern run`: compiles one script and runs it.
//!
//! In: a script, the hook it is for, values of predefined variables. Out: one line on standard output per `echo`, raw
//! octets; on standard error the final action as one line of JSON, or what is wrong with its place. Exit status 0, 1 when
//! the script fails, 2 when it does not compile or the arguments are wrong.
//! Does not: limit the script's time; an interrupt from the keyboard ends it. Its `echo` lines come out when it ends.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use clap::Args;
use postern::hook::{
    CommandAction, Failure, Function, Hook, Refusal, ScriptedReply, connect, helo, mailfrom, proxy,
    rcptto, tls,
};
use postern::limits::SHARED_OCTETS_MAX;
use postern::profile::{Diagnostic, ScriptDirectory};
use postern::smtp::address::Charset;
use postern::smtp::session::SessionOptions;
use postern_jit::error::ErrorKind;
use postern_jit::execution::{
    Ending, HostAnswer, HostRequest, Input, Limits, Outcome, ScriptInstance, Step,
};
use postern_jit::process::{Owner, milliseconds};
use postern_jit::resolve::{Environment, PredefinedVariable};
use postern_jit::runtime::Portable;
use postern_jit::runtime::portable::PortableKey;
use postern_jit::source::SourceMap;
use serde_json::{Value, json};

use super::{Context, FAILED, WRONG};

/// What `postern run` can be told.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The script.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The hook whose variables and functions the script may use.
    #[arg(long, value_name = "CONTEXT", value_enum, default_value_t = Context::Core)]
    context: Context,
    /// Sets a predefined variable to a JSON value; may be given several times. Those of a hook are none without it.
    #[arg(long, value_name = "NAME=JSON")]
    var: Vec<Variable>,
    /// Memory the script may use, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1_024)]
    memory: usize,
}

/// `NAME=JSON`.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    name: String,
    value: Portable,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("no `=`, as in senderip='\"192.0.2.1\"'")?;
        let name = name.strip_prefix('$').unwrap_or(name);
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_name {
            return Err(format!("`{name}` is no name of a variable"));
        }
        let value: Value = serde_json::from_str(value)
            .map_err(|error| format!("`{value}` is no JSON ({error}); strings need quotes"))?;
        Ok(Self {
            name: name.to_owned(),
            value: portable(value),
        })
    }
}

/// Runs.
pub(crate) fn run(arguments: &RunArguments) -> ExitCode {
    let (environment, values) = environment(arguments.context, &arguments.var);
    let directory = ScriptDirectory::open(arguments.file.parent().unwrap_or(Path::new("")));
    let compiled =
        directory.and_then(|directory| directory.compile(&arguments.file, &environment, &[]));
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(message) => {
            eprintln!("{}", Diagnostic::without_place(message, ""));
            return ExitCode::from(WRONG);
        }
    };
    for diagnostic in &compiled.diagnostics {
        eprintln!("{diagnostic}");
    }
    let Some(script) = compiled.script else {
        return ExitCode::from(WRONG);
    };
    let limits = Limits {
        memory_bytes: arguments.memory.saturating_mul(1024 * 1024),
        output_octets: arguments.memory.saturating_mul(1024 * 1024),
        ..Limits::default()
    };
    let outcome = ScriptInstance::new(&script)
        .and_then(|instance| execute(&instance, limits, &environment, values));
    let ending = match outcome {
        Ok(outcome) => {
            print(&outcome.output);
            outcome.ending
        }
        Err(error) => Ending::Error(error.into()),
    };
    match action(arguments.context.hook(), ending) {
        Ok(action) => {
            if let Some(action) = action {
                eprintln!("{action}");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}", Shown(&failure, &compiled.sources));
            ExitCode::from(FAILED)
        }
    }
}

/// The names of the context and those given, each with its value.
pub(super) fn environment(context: Context, given: &[Variable]) -> (Environment, Vec<Portable>) {
    let mut environment = context.environment();
    let unknown = |variable: &PredefinedVariable| match variable.name.as_str() {
        "saslauthed" | "tlsstarted" => Portable::Boolean(false),
        _ => Portable::None,
    };
    let mut values: Vec<Portable> = environment.variables.iter().map(unknown).collect();
    for Variable { name, value } in given {
        let known = environment
            .variables
            .iter()
            .position(|variable| variable.name == *name);
        match known {
            Some(index) => values[index] = value.clone(),
            None => {
                if context.hook().is_some() {
                    eprintln!("warning: --var {name}: no server gives its scripts this variable");
                }
                environment.variables.push(PredefinedVariable {
                    name: name.clone(),
                    writable: false,
                });
                values.push(value.clone());
            }
        }
    }
    (environment, values)
}

fn execute(
    instance: &ScriptInstance,
    limits: Limits,
    environment: &Environment,
    mut values: Vec<Portable>,
) -> Result<Outcome, ErrorKind> {
    let mut execution = instance.start(limits, |index| Input::Portable(&values[index]))?;
    let (begin, mut process) = (Instant::now(), Owner::new(SHARED_OCTETS_MAX));
    let mut step = execution.resume();
    loop {
        step = match step {
            Step::Finished(outcome) => return Ok(outcome),
            Step::OutOfFuel => execution.resume(),
            Step::NeedsHost(request) => match answer(&request, environment, &mut values) {
                Ok(answer) => execution.answer(answer),
                Err(error) => execution.fail(error),
            },
            Step::NeedsProcess(request) => {
                let now_ms = milliseconds(begin.elapsed().as_secs_f64());
                match process.ask(request, (), now_ms).answer {
                    Some(answer) => execution.answer_process(answer),
                    // Somebody else is in a barrier, and there is nobody else.
                    None => execution.resume(),
                }
            }
        };
    }
}

/// Answers what a script asks: there is no client, so `SetSenderIP` changes the variables, `GetExtensions` gives what a
/// profile offers that says nothing of it, and `GetTLS` knows of plain text only.
pub(super) fn answer(
    request: &HostRequest,
    environment: &Environment,
    values: &mut [Portable],
) -> Result<HostAnswer, ErrorKind> {
    let asked = environment.functions.get(request.function);
    let asked = asked.map(|asked| asked.name.as_str());
    if asked == Some(Function::GetExtensions.name()) {
        let offered = SessionOptions::new("localhost").extensions();
        return Ok(HostAnswer {
            value: helo::extension_list(offered),
            updates: Vec::new(),
        });
    }
    if asked == Some(Function::GetTls.name()) {
        return tls::answer(request, None);
    }
    let Some(address) = connect::sender_ip(request)? else {
        return Ok(HostAnswer {
            value: Portable::None,
            updates: Vec::new(),
        });
    };
    let address = Portable::string(address.to_string());
    let mut updates = Vec::new();
    for (index, variable) in environment.variables.iter().enumerate() {
        match (variable.name.as_str(), &mut values[index]) {
            ("senderip", value) => *value = address.clone(),
            ("connection" | "arguments", Portable::Array(fields)) => {
                let is_address = |key: &PortableKey| *key == text_key("remoteip");
                for (_, value) in fields.iter_mut().filter(|(key, _)| is_address(key)) {
                    *value = address.clone();
                }
            }
            _ => continue,
        }
        updates.push((index, values[index].clone()));
    }
    Ok(HostAnswer {
        value: address,
        updates,
    })
}

/// One line per `echo`.
fn print(output: &[Vec<u8>]) {
    let mut stdout = std::io::stdout().lock();
    let mut written = Ok(());
    for line in output {
        written = written
            .and_then(|()| stdout.write_all(line))
            .and_then(|()| stdout.write_all(b"\n"));
    }
    // Nobody reads standard output: the exit status still says how the script ended.
    drop(written.and_then(|()| stdout.flush()));
}

/// The final action; none in no hook.
pub(super) fn action(hook: Option<Hook>, ending: Ending) -> Result<Option<Value>, Failure> {
    match (hook, ending) {
        (Some(Hook::Connect), ending) => connect::action(ending).map(|action| Some(greet(&action))),
        (Some(Hook::Proxy), ending) => proxy::action(ending).map(|action| Some(relay(&action))),
        (Some(Hook::Helo), ending) => helo::action(ending).map(|action| Some(welcome(action))),
        (Some(Hook::MailFrom), ending) => {
            mailfrom::action(ending, Charset::Utf8).map(|action| Some(accept_sender(action)))
        }
        (Some(Hook::RcptTo), ending) => {
            rcptto::action(ending, Charset::Utf8).map(|action| Some(accept_recipient(action)))
        }
        (None, Ending::Error(error)) => Err(error.into()),
        (None, Ending::Implicit | Ending::Action { .. }) => Ok(None),
    }
}

fn greet(action: &connect::Action) -> Value {
    match action {
        connect::Action::Accept(accept) => {
            let mut object = json!({ "action": "accept" });
            insert(&mut object, "reason", accept.reason.as_deref().map(lines));
            let address = accept.senderip.as_ref().map(IpAddr::to_string);
            insert(&mut object, "senderip", address.map(Value::from));
            insert(
                &mut object,
                "senderptr",
                accept.senderptr.as_deref().map(text),
            );
            object
        }
        connect::Action::Refuse(reply) => refusing(reply),
    }
}

fn welcome(action: helo::Action) -> Value {
    let accept = match action {
        CommandAction::Accept(accept) => accept,
        CommandAction::Refuse(refusal) => return refuse(&refusal),
    };
    let mut object = json!({ "action": "accept" });
    let extensions = accept.extensions.as_deref();
    let extensions = extensions.map(|lines| lines.iter().map(|line| text(line)).collect());
    insert(&mut object, "extensions", extensions);
    insert(&mut object, "reason", accept.reason.as_deref().map(lines));
    insert(
        &mut object,
        "senderhelo",
        accept.senderhelo.as_deref().map(text),
    );
    object
}

fn accept_sender(action: mailfrom::Action) -> Value {
    match action {
        CommandAction::Accept(accept) => {
            let mut object = accepting(accept.reply.as_ref());
            insert(&mut object, "sender", accept.sender.as_deref().map(text));
            object
        }
        CommandAction::Refuse(refusal) => refuse(&refusal),
    }
}

fn accept_recipient(action: rcptto::Action) -> Value {
    match action {
        CommandAction::Accept(accept) => {
            let mut object = accepting(accept.reply.as_ref());
            insert(
                &mut object,
                "recipient",
                accept.recipient.as_deref().map(text),
            );
            insert(
                &mut object,
                "transportid",
                accept.transportid.as_deref().map(text),
            );
            object
        }
        CommandAction::Refuse(refusal) => refuse(&refusal),
    }
}

fn accepting(reply: Option<&ScriptedReply>) -> Value {
    reply.map_or_else(
        || json!({ "action": "accept" }),
        |reply| scripted("accept", reply),
    )
}

fn refuse(refusal: &Refusal) -> Value {
    let mut object = refusing(&refusal.reply);
    object["disconnect"] = json!(refusal.disconnect);
    object
}

fn refusing(reply: &ScriptedReply) -> Value {
    let is_temporary = reply.code.number() < 500;
    scripted(if is_temporary { "defer" } else { "reject" }, reply)
}

fn relay(action: &proxy::Action) -> Value {
    match action {
        proxy::Action::Pass { command, next } => {
            let mut object = json!({ "action": "pass" });
            insert(&mut object, "command", command.as_deref().map(text));
            object["next"] = json!(next);
            object
        }
        proxy::Action::Reply {
            reply,
            disconnect,
            next,
        } => {
            let mut object = scripted("reply", reply);
            object["disconnect"] = json!(disconnect);
            object["next"] = json!(next);
            object
        }
    }
}

fn scripted(action: &str, reply: &ScriptedReply) -> Value {
    let code = reply.code;
    let mut object = json!({ "action": action, "code": code.number() });
    let enhanced = reply.enhanced.map(|enhanced| {
        let class = code.class().digit();
        json!([class, enhanced.subject(), enhanced.detail()])
    });
    insert(&mut object, "enhanced", enhanced);
    insert(&mut object, "reason", reply.reason.as_deref().map(lines));
    object
}

fn insert(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[key] = value;
    }
}

/// A reason, line by line.
fn lines(reason: &[u8]) -> Value {
    reason.split(|octet| *octet == b'\n').map(text).collect()
}

fn text(octets: &[u8]) -> Value {
    String::from_utf8_lossy(octets).into_owned().into()
}

/// A JSON value as a script sees it: objects are arrays with their keys.
fn portable(value: Value) -> Portable {
    match value {
        Value::Null => Portable::None,
        Value::Bool(truth) => Portable::Boolean(truth),
        Value::Number(number) => Portable::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Portable::string(text),
        Value::Array(values) => {
            let values = values.into_iter().enumerate().map(|(index, value)| {
                let key = PortableKey::Integer(i64::try_from(index).unwrap_or(i64::MAX));
                (key, portable(value))
            });
            Portable::Array(values.collect())
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(key, value)| (text_key(&key), portable(value)));
            Portable::Array(fields.collect())
        }
    }
}

fn text_key(key: &str) -> PortableKey {
    PortableKey::String(key.as_bytes().into())
}

/// A script error with its place, in the layout of the compiler.
pub(super) struct Shown<'f>(pub(super) &'f Failure, pub(super) &'f SourceMap);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(failure, sources) = self;
        let message = failure.to_string();
        let Some(span) = failure.span else {
            return write!(formatter, "error: {message}");
        };
        let diagnostic = postern_jit::diagnostic::Diagnostic::error(span, message);
        Diagnostic::of_script(&diagnostic, sources).fmt(formatter)
    }
}
