//! Who may log in to a server, and how: the keys of `[[server]]` about AUTH.
//!
//! In: `auth_mechanisms`, `auth_without_tls`, `auth_required`, `users`, `users_file`. Out: the options of its sessions,
//! and the users. Guarantees: a hash that could never match, or would cost too much, is an error with its place; what
//! works and is probably not meant is a warning; no diagnostic repeats a secret or a hash.
//! Does not: verify anybody.

use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Severity, SourceText};
use super::secrecy;
use super::server::Surroundings;
use super::source::{Report, Section, Spanned, closest};
use crate::credentials::{Secret, Users};
use crate::smtp::extension::{Mechanism, Mechanisms};
use crate::smtp::session::AuthOptions;

/// Reads every key about AUTH.
pub(super) fn authentication(
    section: &mut Section<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report<'_>,
) -> (AuthOptions, Arc<Users>) {
    let list = section.strings("auth_mechanisms", report);
    let mechanisms = list.as_ref().map(|list| mechanisms(&list.value, report));
    let mechanisms = mechanisms.unwrap_or_default();
    let without_tls = section.boolean("auth_without_tls", report);
    let required = section.boolean("auth_required", report);
    let mut users = Users::default();
    inline_users(section, &mut users, report);
    if let Some(path) = section.string("users_file", report) {
        users_of_file(&path, surroundings.directory, &mut users, report);
    }
    let options = AuthOptions {
        mechanisms,
        is_offered_without_tls: without_tls.is_some_and(|value| value.value),
        is_required: required.as_ref().is_some_and(|value| value.value),
    };
    if let Some(required) = required.filter(|required| required.value)
        && mechanisms.is_empty()
    {
        let message = "`auth_required` without a mechanism keeps every client out";
        report.error(required.span, message, "auth_mechanisms = [\"PLAIN\"]");
    }
    if let Some(list) = list.filter(|_| !mechanisms.is_empty()) {
        check_users(&list, mechanisms, &users, report);
    } else if 0 < users.count() {
        let message = "there are users, and AUTH is not offered to them";
        report.warning(
            section.span(),
            message,
            "auth_mechanisms = [\"PLAIN\", \"LOGIN\"]",
        );
    }
    (options, Arc::new(users))
}

fn mechanisms(names: &[Spanned<String>], report: &mut Report<'_>) -> Mechanisms {
    let mut mechanisms = Mechanisms::default();
    for name in names {
        match Mechanism::of_name(name.value.as_bytes()) {
            Some(mechanism) => mechanisms = mechanisms.with(mechanism),
            None => {
                let known = Mechanism::ALL.map(Mechanism::name);
                let help = match closest(&name.value.to_uppercase(), &known) {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None => format!("known mechanisms: {}", known.join(", ")),
                };
                let message = format!("`{}` is no mechanism", name.value);
                report.error(name.span.clone(), message, help);
            }
        }
    }
    mechanisms
}

/// `users = { "name" = "secret or hash" }`.
fn inline_users(section: &mut Section<'_>, users: &mut Users, report: &mut Report<'_>) {
    for user in section.names("users", report) {
        let (name, text) = user.value;
        match add(&name, &text, users) {
            Ok(Kind::Hash) => {}
            Ok(Kind::Plain) => {
                report.warning(user.span, format!("the secret of `{name}` is plain"), PLAIN);
            }
            Err((message, help)) => {
                report.error(user.span, format!("user `{name}`: {message}"), help);
            }
        }
    }
}

/// `users_file`: a line per user, `name:secret or hash`; `#` begins a comment, empty lines mean nothing.
fn users_of_file(
    path: &Spanned<String>,
    directory: &Path,
    users: &mut Users,
    report: &mut Report<'_>,
) {
    let file = directory.join(&path.value);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read users from {}: {error}", file.display());
            let help = "a path relative to this configuration file";
            return report.error(path.span.clone(), message, help);
        }
    };
    let source = SourceText {
        name: file.display().to_string(),
        text: secrecy::shown_users_file(&text),
    };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let span = start..start + line.trim_end().len();
        start += line.len();
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // Two servers may have the same file.
        let note = |list: &mut Vec<_>, found| {
            if !list.contains(&found) {
                list.push(found);
            }
        };
        let Some((name, text)) = line.split_once(':') else {
            let found = source.diagnostic(span, "a user is written name:hash", "");
            note(&mut report.diagnostics, found);
            continue;
        };
        match add(name, text, users) {
            Ok(Kind::Hash) => {}
            Ok(Kind::Plain) => {
                let message = format!("the secret of `{name}` is plain");
                let mut found = source.diagnostic(span, message, PLAIN);
                found.severity = Severity::Warning;
                note(&mut report.warnings, found);
            }
            Err((message, help)) => {
                let message = format!("user `{name}`: {message}");
                note(
                    &mut report.diagnostics,
                    source.diagnostic(span, message, help),
                );
            }
        }
    }
}

/// How the secret of a user is kept.
enum Kind {
    Hash,
    Plain,
}

/// Adds a user, or says what is wrong and what to do.
fn add(name: &str, text: &str, users: &mut Users) -> Result<Kind, (String, &'static str)> {
    let secret = Secret::parse(text).map_err(|error| (error.to_string(), error.help()))?;
    let kind = if secret.is_plain() {
        Kind::Plain
    } else {
        Kind::Hash
    };
    let added = users.add(name, secret);
    added.map_err(|error| (error.to_string(), ""))?;
    Ok(kind)
}

/// Whether the mechanisms that are offered can let anybody in.
fn check_users(
    list: &Spanned<Vec<Spanned<String>>>,
    mechanisms: Mechanisms,
    users: &Users,
    report: &mut Report<'_>,
) {
    let (count, plain_count) = (users.count(), users.plain_count());
    if count == 0 {
        let message = "AUTH is offered, and there are no users";
        report.warning(list.span.clone(), message, "add `users` or `users_file`");
        return;
    }
    if !mechanisms.has(Mechanism::CramMd5) || plain_count == count {
        return;
    }
    let help = "CRAM-MD5 needs plain secrets; PLAIN over TLS works with every hash";
    if plain_count == 0 {
        let message = "CRAM-MD5 is offered, and every user has a hash";
        report.error(list.span.clone(), message, help);
    } else {
        let hashed_count = count - plain_count;
        let message =
            format!("CRAM-MD5 is offered, and {hashed_count} of {count} users have a hash");
        report.warning(list.span.clone(), message, help);
    }
}

/// What to do about a plain secret.
const PLAIN: &str = "whoever reads this file can log in; write a hash";
