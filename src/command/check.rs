//! `postern check`: compiles scripts, or a whole configuration with its scripts, and runs nothing.
//!
//! In: files. Out: every error and warning on standard error, as text with carets or one JSON object per line. Exit
//! status 0 when nothing is wrong but perhaps warned about, 2 otherwise. Does not: listen or create anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use postern::profile::{self, Diagnostic, Overrides, ScriptDirectory, Severity};
use serde_json::json;

use super::{Context, WRONG};

/// What `postern check` can be told.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["file", "config"]).multiple(false))]
pub(crate) struct CheckArguments {
    /// Scripts to compile.
    #[arg(value_name = "FILE")]
    file: Vec<PathBuf>,
    /// A configuration to check, with the scripts it names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the scripts are for; without it connect.hsl, proxy.hsl and so on are for their hooks, others for none.
    #[arg(long, value_name = "CONTEXT", value_enum)]
    context: Option<Context>,
    /// Prints one JSON object per error or warning, for editors.
    #[arg(long)]
    json: bool,
}

/// Checks.
pub(crate) fn check(arguments: &CheckArguments) -> ExitCode {
    let diagnostics = match &arguments.config {
        Some(path) => match profile::load_file(path, Overrides::default()) {
            Ok(configuration) => configuration.warnings,
            Err(diagnostics) => diagnostics,
        },
        None => arguments
            .file
            .iter()
            .flat_map(|file| check_script(file, arguments.context))
            .collect(),
    };
    for diagnostic in &diagnostics {
        if arguments.json {
            eprintln!("{}", as_json(diagnostic));
        } else {
            eprintln!("{diagnostic}");
        }
    }
    let is_error = |found: &Diagnostic| found.severity == Severity::Error;
    if diagnostics.iter().any(is_error) {
        ExitCode::from(WRONG)
    } else {
        ExitCode::SUCCESS
    }
}

fn check_script(file: &Path, context: Option<Context>) -> Vec<Diagnostic> {
    let context = context.unwrap_or_else(|| context_of(file));
    let directory = ScriptDirectory::open(file.parent().unwrap_or(Path::new("")));
    let compiled =
        directory.and_then(|directory| directory.compile(file, &context.environment(), &[]));
    match compiled {
        Ok(compiled) => compiled.diagnostics,
        Err(message) => vec![Diagnostic::without_place(message, "")],
    }
}

/// The hook a file is named for.
fn context_of(file: &Path) -> Context {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    match stem {
        Some("connect") => Context::Connect,
        Some("proxy") => Context::Proxy,
        Some("helo") => Context::Helo,
        Some("mailfrom") => Context::MailFrom,
        Some("rcptto") => Context::RcptTo,
        _ => Context::Core,
    }
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let mut object = json!({
        "severity": diagnostic.severity.word(),
        "message": diagnostic.message,
        "help": diagnostic.help,
    });
    if let Some(place) = &diagnostic.place {
        object["file"] = json!(place.file);
        object["line"] = json!(place.line);
        object["column"] = json!(place.column);
        object["width"] = json!(place.width);
    }
    object
}
