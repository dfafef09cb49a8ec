//! Turns one `[[server]]` table into a [`Profile`].
//!
//! In: the table, and what the file says outside it. Out: a profile; where a key was wrong its default stands in and
//! the report has an error, so that reading goes on. Guarantees: a key whose feature does not exist yet is refused when
//! it would change anything, never ignored.
//!
//! Names, units and defaults of the keys are a contract with other programs; limits are explained in `limits.rs`.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::certificate::Certificates;
use super::destination::destination;
use super::source::{Report, Section, Spanned};
use super::tls::{TlsBegin, tls};
use super::users::authentication;
use super::{
    ConnectionLimits, DestinationAddress, EarlyTalker, Network, Profile, ScriptDirectory, Severity,
};
use crate::hook::{Budget, Hook, HookScript, HookScripts};
use crate::limits;
use crate::smtp::session::{AcceptDomains, Phase, Phases, SessionLimits, SessionOptions, StartTls};

/// What a server table needs to know of the rest of the file.
pub(super) struct Surroundings<'f> {
    /// Where relative paths start.
    pub(super) directory: &'f Path,
    /// Where the default destination lies.
    pub(super) data_dir: &'f Path,
    /// The name in greetings and trace headers.
    pub(super) hostname: &'f str,
    /// The certificates of the file.
    pub(super) certificates: &'f Certificates,
    /// Whether the command line gives other addresses to listen on than the file.
    pub(super) listen_is_replaced: bool,
    /// Where `include` and `import` of scripts resolve, if the file says.
    pub(super) scripts_directory: Option<&'f Path>,
}

/// Reads every key of one server.
pub(super) fn server(
    section: &mut Section<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report<'_>,
) -> Profile {
    let id = required_string(section, "id", report);
    let listen = listen(section, report);
    let tls = tls(section, surroundings.certificates, report);
    let (auth, users) = authentication(section, surroundings, report);
    let accept_domains = domains(section, report);
    let proxy_protocol_from = networks(section, "proxy_protocol_from", report);
    let xclient_from = networks(section, "xclient_from", report);
    let relay_from = networks(section, "relay_from", report);
    check_takes_mail(&id, section, report);
    let destination = destination(section, surroundings, report);
    let early_talker = early(section, "early_talker", EarlyTalker::Refuse, report);
    let early_command = early(section, "early_command", EarlyTalker::Log, report);
    let early_ehlo = early(section, "early_ehlo", EarlyTalker::Ignore, report);
    // A PROXY header or XCLIENT may name another end than the one listened on.
    let ends_are_known = proxy_protocol_from.is_empty() && xclient_from.is_empty();
    let listens_as_written = !surroundings.listen_is_replaced && ends_are_known;
    let fixed_listen: &[SocketAddr] = if listens_as_written { &listen } else { &[] };
    let scripts = scripts(section, (&id, fixed_listen), surroundings, report);
    let [connect, proxy, helo, mailfrom, rcptto] = scripts;
    let asked = [
        (Phase::Helo, &helo),
        (Phase::Mail, &mailfrom),
        (Phase::Rcpt, &rcptto),
    ];
    let asked = asked.into_iter().filter(|(_, script)| script.is_some());
    let asks = asked.fold(asks(&destination), |asks, (phase, _)| asks.with(phase));
    let table = section.table("limits", report);
    let mut table = LimitTable { table, report };
    let session_limits = table.session();
    let limits = table.connection();
    let budget = table.budget();
    table.finish();
    let session = Arc::new(SessionOptions {
        accept_domains,
        asks,
        auth,
        start_tls: match &tls {
            Some(tls) if tls.begin == TlsBegin::OnRequest => StartTls::Offered,
            _ => StartTls::Absent,
        },
        limits: session_limits,
        ..SessionOptions::new(surroundings.hostname)
    });
    Profile {
        id,
        listen,
        destination,
        early_talker,
        early_command,
        early_ehlo,
        proxy_protocol_from,
        xclient_from,
        relay_from,
        tls,
        limits,
        scripts: HookScripts {
            connect,
            proxy,
            helo,
            mailfrom,
            rcptto,
            budget,
        },
        users,
        session,
    }
}

/// Warns of a server that nobody may send mail to.
fn check_takes_mail(id: &str, section: &Section<'_>, report: &mut Report<'_>) {
    let keys = [
        "accept_domains",
        "relay_from",
        "users",
        "users_file",
        "xclient_from",
    ];
    if !keys.iter().any(|key| section.has(key)) {
        let message = format!("`{id}` takes mail for nobody but postmaster");
        report.warning(
            section.span(),
            message,
            "accept_domains = [\"example.com\"]",
        );
    }
}

/// The points at which the destination decides.
fn asks(destination: &DestinationAddress) -> Phases {
    match destination {
        DestinationAddress::Discard | DestinationAddress::Maildir(_) => Phases::default(),
        DestinationAddress::NextHop(_) => Phases::default().with(Phase::Rcpt).with(Phase::Data),
    }
}

/// `[server.limits]` being read; the ranges keep sums within 64 bits and RFC 5321 §4.5.3.1 satisfied.
struct LimitTable<'l, 'text, 'file> {
    table: Option<Section<'text>>,
    report: &'l mut Report<'file>,
}

impl LimitTable<'_, '_, '_> {
    fn number(&mut self, key: &'static str, default: u64, range: Range<u64>) -> u64 {
        match &mut self.table {
            Some(table) => table.number(key, default, range, self.report),
            None => default,
        }
    }

    fn count(&mut self, key: &'static str, default: u32, range: Range<u64>) -> u32 {
        u32::try_from(self.number(key, u64::from(default), range)).unwrap_or(default)
    }

    fn session(&mut self) -> SessionLimits {
        let defaults = SessionLimits::default();
        let SessionLimits {
            message_octets_max,
            recipients_per_message_max,
            messages_per_connection_max,
            errors_per_connection_max,
            idle_commands_max,
            received_headers_max,
            auth_failures_max,
            ..
        } = defaults;
        let recipients = u64::from(limits::RECIPIENTS_PER_MESSAGE_FLOOR_COUNT)
            ..u64::from(limits::RECIPIENTS_PER_MESSAGE_CEILING_COUNT) + 1;
        let received = u64::from(limits::RECEIVED_HEADERS_COUNT_DEFAULT)..RECEIVED_RANGE_END;
        SessionLimits {
            message_octets_max: self.number(
                "message_octets_max",
                message_octets_max,
                MESSAGE_OCTETS_RANGE,
            ),
            recipients_per_message_max: self.count(
                "recipients_per_message_max",
                recipients_per_message_max,
                recipients,
            ),
            messages_per_connection_max: self.count(
                "messages_per_connection_max",
                messages_per_connection_max,
                COUNT_RANGE,
            ),
            errors_per_connection_max: self.count(
                "errors_per_connection_max",
                errors_per_connection_max,
                COUNT_RANGE,
            ),
            idle_commands_max: self.count("idle_commands_max", idle_commands_max, COUNT_RANGE),
            received_headers_max: self.count(
                "received_headers_max",
                received_headers_max,
                received,
            ),
            auth_failures_max: self.count("auth_failures_max", auth_failures_max, COUNT_RANGE),
        }
    }

    fn connection(&mut self) -> ConnectionLimits {
        let defaults = ConnectionLimits::default();
        let mut ms = |key, default| self.number(key, default, MS_RANGE);
        let proxy_header_timeout_ms =
            ms("proxy_header_timeout_ms", defaults.proxy_header_timeout_ms);
        let command_timeout_ms = ms("command_timeout_ms", defaults.command_timeout_ms);
        let mail_data_timeout_ms = ms("mail_data_timeout_ms", defaults.mail_data_timeout_ms);
        let transaction_timeout_ms = ms("transaction_timeout_ms", defaults.transaction_timeout_ms);
        let write_timeout_ms = ms("write_timeout_ms", defaults.write_timeout_ms);
        let mail_data_rate_window_ms = ms(
            "mail_data_rate_window_ms",
            defaults.mail_data_rate_window_ms,
        );
        let mut connections =
            |key, default, least| self.count(key, default, least..CONNECTIONS_RANGE_END);
        let connections_max = connections("connections_max", defaults.connections_max, 1);
        let connections_per_client_max = connections(
            "connections_per_client_max",
            defaults.connections_per_client_max,
            1,
        );
        let connections_per_client_per_second_max = connections(
            "connections_per_client_per_second_max",
            defaults.connections_per_client_per_second_max,
            0,
        );
        let proxy_headers_awaited_max = connections(
            "proxy_headers_awaited_max",
            defaults.proxy_headers_awaited_max,
            1,
        );
        ConnectionLimits {
            connections_max,
            connections_per_client_max,
            connections_per_client_per_second_max,
            proxy_headers_awaited_max,
            proxy_header_timeout_ms,
            command_timeout_ms,
            mail_data_timeout_ms,
            transaction_timeout_ms,
            write_timeout_ms,
            mail_data_rate_window_ms,
            mail_data_octets_per_second_min: self.number(
                "mail_data_octets_per_second_min",
                defaults.mail_data_octets_per_second_min,
                0..RATE_RANGE_END,
            ),
            auth_failure_delay_ms: self.number(
                "auth_failure_delay_ms",
                limits::AUTH_FAILURE_DELAY_MS_DEFAULT,
                0..AUTH_DELAY_RANGE_END,
            ),
        }
    }

    fn budget(&mut self) -> Budget {
        let mut number = |key, default| self.number(key, default, SCRIPT_RANGE);
        let wall_ms_max = number("script_wall_ms_max", limits::SCRIPT_WALL_MS_DEFAULT);
        let cpu_ms_max = number("script_cpu_ms_max", limits::SCRIPT_CPU_MS_DEFAULT);
        let memory = number(
            "script_memory_bytes_max",
            limits::SCRIPT_MEMORY_BYTES_DEFAULT,
        );
        Budget {
            wall_ms_max,
            cpu_ms_max,
            memory_bytes_max: usize::try_from(memory).unwrap_or(usize::MAX),
        }
    }

    fn finish(self) {
        if let Some(table) = self.table {
            table.finish(self.report);
        }
    }
}

/// `accept_domains`; none means that mail is accepted for nobody but allowed relays and `postmaster`.
fn domains(section: &mut Section<'_>, report: &mut Report<'_>) -> AcceptDomains {
    let Some(list) = section.strings("accept_domains", report) else {
        return AcceptDomains::default();
    };
    for pattern in &list.value {
        if AcceptDomains::new([&pattern.value]).is_err() {
            let message = format!("`{}` is no domain pattern", pattern.value);
            report.error(
                pattern.span.clone(),
                message,
                "example.com, *.example.com or *",
            );
        }
    }
    AcceptDomains::new(list.value.iter().map(|pattern| &pattern.value)).unwrap_or_default()
}

fn required_string(
    section: &mut Section<'_>,
    key: &'static str,
    report: &mut Report<'_>,
) -> String {
    match section.string(key, report) {
        Some(text) if !text.value.is_empty() => text.value,
        Some(text) => {
            report.error(text.span, format!("`{key}` must not be empty"), "");
            String::new()
        }
        None => {
            report.error(section.span(), format!("a server needs `{key}`"), "");
            String::new()
        }
    }
}

fn listen(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<SocketAddr> {
    let Some(list) = section.strings("listen", report) else {
        if section.has("listen") {
            return Vec::new();
        }
        report.error(
            section.span(),
            "a server needs `listen`",
            "listen = [\"127.0.0.1:2525\"]",
        );
        return Vec::new();
    };
    if list.value.is_empty() {
        report.error(list.span, "`listen` names no address", "");
    }
    let mut addresses = Vec::new();
    for text in list.value {
        match text.value.parse::<SocketAddr>() {
            Ok(address) => addresses.push(address),
            Err(_) => report.error(
                text.span,
                format!("`{}` is not an address with a port", text.value),
                "as in 192.0.2.1:25 or [::]:25",
            ),
        }
    }
    addresses
}

fn networks(section: &mut Section<'_>, key: &'static str, report: &mut Report<'_>) -> Vec<Network> {
    let Some(list) = section.strings(key, report) else {
        return Vec::new();
    };
    let mut networks = Vec::new();
    for text in list.value {
        match Network::parse(&text.value) {
            Ok(network) => networks.push(network),
            Err(message) => report.error(text.span, message, "as in 192.0.2.0/24 or 2001:db8::/32"),
        }
    }
    networks
}

fn early(
    section: &mut Section<'_>,
    key: &'static str,
    default: EarlyTalker,
    report: &mut Report<'_>,
) -> EarlyTalker {
    let Some(Spanned { value, span }) = section.string(key, report) else {
        return default;
    };
    match value.as_str() {
        "refuse" => EarlyTalker::Refuse,
        "log" => EarlyTalker::Log,
        "ignore" => EarlyTalker::Ignore,
        other => {
            let message = format!("`{other}` is no value of `{key}`");
            report.error(span, message, "\"refuse\", \"log\" or \"ignore\"");
            default
        }
    }
}

/// `[server.scripts]`: one script per hook, compiled.
fn scripts(
    section: &mut Section<'_>,
    server: (&str, &[SocketAddr]),
    surroundings: &Surroundings<'_>,
    report: &mut Report<'_>,
) -> [Option<HookScript>; Hook::ALL.len()] {
    let Some(mut table) = section.table("scripts", report) else {
        return Hook::ALL.map(|_| None);
    };
    let scripts = Hook::ALL.map(|hook| {
        let path = table.string(hook.name(), report)?;
        hook_script(hook, &path, server, surroundings, report)
    });
    table.finish(report);
    scripts
}

fn hook_script(
    hook: Hook,
    path: &Spanned<String>,
    (id, listen): (&str, &[SocketAddr]),
    surroundings: &Surroundings<'_>,
    report: &mut Report<'_>,
) -> Option<HookScript> {
    let file = surroundings.directory.join(&path.value);
    let directory = surroundings.scripts_directory.or(file.parent());
    let directory = ScriptDirectory::open(directory.unwrap_or(Path::new("")));
    let compiled = directory.and_then(|directory| {
        directory.compile(&file, &hook.environment(), &hook.fixed(id, listen))
    });
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(error) => {
            let help = "a path relative to this configuration file";
            report.error(path.span.clone(), error, help);
            return None;
        }
    };
    for found in compiled.diagnostics {
        let list = match found.severity {
            Severity::Error => &mut report.diagnostics,
            Severity::Warning => &mut report.warnings,
        };
        // Two profiles may have the same script.
        if !list.contains(&found) {
            list.push(found);
        }
    }
    Some(HookScript {
        hook,
        script: compiled.script?,
        sources: Arc::new(compiled.sources),
    })
}

/// From next to nothing (tests) to what fits the SIZE extension's 20 digits with room to add.
const MESSAGE_OCTETS_RANGE: Range<u64> = 1..1 << 50;

/// A tenth of a second to a day; clocks of connections count in 32 bits of milliseconds.
const MS_RANGE: Range<u64> = 100..86_400_001;

/// Counts of commands, errors and messages.
const COUNT_RANGE: Range<u64> = 1..1_000_000_001;

/// One past the largest count of `Received:` fields.
const RECEIVED_RANGE_END: u64 = 10_001;

/// One past the largest rate of mail data that may be asked for.
const RATE_RANGE_END: u64 = 1_000_001;

/// One past the largest count of connections; the kernel has fewer descriptors.
const CONNECTIONS_RANGE_END: u64 = 10_000_001;

/// One past the longest delay of a failure to log in.
const AUTH_DELAY_RANGE_END: u64 = limits::AUTH_FAILURE_DELAY_MS_MAX + 1;

/// Budgets of one script execution.
const SCRIPT_RANGE: Range<u64> = 1..u32::MAX as u64 + 1;
