//! Turns a configuration file and the command line into a [`Configuration`], or into every error at once.
//!
//! In: TOML text, overrides of the command line. Out: profiles, validated. Guarantees: nothing is listened on and no
//! directory is made here, so that a bad file changes nothing. The scripts of the profiles are compiled here too
//! (`scripts.rs`), so that their errors are reported with the others.
//! Runs on the main thread before any shard exists.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::Document;

use super::certificate::Certificates;
use super::cores::{Cores, CoresError};
use super::diagnostic::{Diagnostic, SourceText};
use super::server::{Surroundings, server};
use super::source::{Report, Section, Spanned};
use super::{Configuration, Confine, Profile, Watermarks};
use crate::limits;

/// The configuration of `postern serve` without `--config`. Every client of a loopback address is this machine, so
/// that the per-client limit would only limit the operator's own tests.
pub const EMBEDDED_CONFIGURATION: &str = r#"
[[server]]
id = "default"
listen = ["127.0.0.1:2525"]
accept_domains = ["*"]
[server.limits]
connections_per_client_max = 100000
"#;

/// Amounts of memory, space and the like; 0 is off.
const WATERMARK_RANGE: Range<u64> = 0..1 << 50;

/// What the command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--cores`: replaces `engine.cores`.
    pub cores: Option<String>,
    /// `--data-dir`: replaces `engine.data_dir`; relative to the working directory.
    pub data_dir: Option<PathBuf>,
    /// `--listen`: replaces the addresses of the first profile.
    pub listen: Vec<SocketAddr>,
    /// `--user`: replaces `engine.user`.
    pub user: Option<String>,
}

/// Loads the file at `path`.
///
/// # Errors
///
/// Every error of the file, each with its place.
pub fn load_file(path: &Path, overrides: Overrides) -> Result<Configuration, Vec<Diagnostic>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read configuration {}: {error}", path.display());
        vec![Diagnostic::without_place(
            message,
            match error.kind() {
                io::ErrorKind::NotFound => "name an existing file with --config",
                io::ErrorKind::PermissionDenied => {
                    "make it readable for the user who starts postern"
                }
                io::ErrorKind::IsADirectory => "name the file in it with --config",
                _ => "",
            },
        )]
    })?;
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let source = SourceText {
        name: path.display().to_string(),
        text,
    };
    let mut configuration = load_text(&source, &directory, overrides)?;
    configuration.files.push(path.to_owned());
    Ok(configuration)
}

/// Reports addresses that a profile listens on twice, or that another one has already.
fn check_listen(
    profile: &Profile,
    others: &[Profile],
    section: &Section<'_>,
    report: &mut Report<'_>,
) {
    for (number, address) in profile.listen.iter().enumerate() {
        // Port 0 is another one each time.
        if address.port() == 0 {
            continue;
        }
        let mut others = others.iter();
        let message = if profile.listen[..number].contains(address) {
            format!("`{}` listens on {address} twice", profile.id)
        } else if let Some(other) = others.find(|other| other.listen.contains(address)) {
            format!(
                "`{}` and `{}` both listen on {address}",
                other.id, profile.id
            )
        } else {
            continue;
        };
        report.error(section.span(), message, "one [[server]] has an address");
    }
}

/// Loads [`EMBEDDED_CONFIGURATION`].
///
/// # Errors
///
/// Errors of the overrides, or of the machine (no host name).
pub fn load_embedded(overrides: Overrides) -> Result<Configuration, Vec<Diagnostic>> {
    let source = SourceText {
        name: "built-in configuration".to_owned(),
        text: EMBEDDED_CONFIGURATION.to_owned(),
    };
    load_text(&source, Path::new(""), overrides)
}

/// Loads configuration text whose relative paths start at `directory`.
///
/// # Errors
///
/// Every error of the text, each with its place.
pub fn load_text(
    source: &SourceText,
    directory: &Path,
    overrides: Overrides,
) -> Result<Configuration, Vec<Diagnostic>> {
    let document = Document::parse(source.text.as_str()).map_err(|error| {
        let message = error.message().replace('\n', "; ");
        vec![source.diagnostic(error.span().unwrap_or(0..0), message, "")]
    })?;
    let mut report = Report {
        source,
        diagnostics: Vec::new(),
        warnings: Vec::new(),
    };
    let mut root = Section::new("", document.as_table(), 0..0);

    let engine = engine(&mut root, directory, overrides, &mut report);
    let scripts_directory = scripts(&mut root, directory, &mut report);
    let certificates = Certificates::read(&mut root, directory, &mut report);
    let surroundings = Surroundings {
        directory,
        data_dir: &engine.data_dir,
        hostname: &engine.hostname,
        certificates: &certificates,
        listen_is_replaced: !engine.listen.is_empty(),
        scripts_directory: scripts_directory.as_deref(),
    };
    let mut profiles: Vec<Profile> = Vec::new();
    for mut section in root.tables("server", &mut report) {
        let profile = server(&mut section, &surroundings, &mut report);
        if let Some(twin) = profiles.iter().find(|other| other.id == profile.id) {
            let message = format!("two servers are called `{}`", twin.id);
            report.error(section.span(), message, "give each [[server]] its own id");
        }
        if engine.listen.is_empty() || !profiles.is_empty() {
            check_listen(&profile, &profiles, &section, &mut report);
        }
        section.finish(&mut report);
        profiles.push(profile);
    }
    if profiles.is_empty() {
        report.error(
            0..0,
            "no [[server]] is configured",
            "add one with id and listen",
        );
    } else if !engine.listen.is_empty() {
        profiles[0].listen = engine.listen;
    }
    root.finish(&mut report);

    if !report.diagnostics.is_empty() {
        let mut diagnostics = report.diagnostics;
        // Those of the file in its order, then those of each script in theirs.
        diagnostics.sort_by_key(|found| match &found.place {
            Some(at) if found.rendered.is_none() => (at.line, at.column),
            Some(_) => (usize::MAX, 0),
            None => (0, 0),
        });
        return Err(diagnostics);
    }
    Ok(Configuration {
        cores: engine.cores,
        watermarks: engine.watermarks,
        data_dir: engine.data_dir,
        user: engine.user,
        group: engine.group,
        confine: engine.confine,
        scripts_directory,
        files: certificates.paths().map(Path::to_owned).collect(),
        profiles: profiles.into_iter().map(Arc::new).collect(),
        certificates,
        warnings: report.warnings,
    })
}

struct Engine {
    cores: Cores,
    watermarks: Watermarks,
    data_dir: PathBuf,
    hostname: String,
    listen: Vec<SocketAddr>,
    user: Option<String>,
    group: Option<String>,
    confine: Confine,
}

fn engine(
    root: &mut Section<'_>,
    directory: &Path,
    overrides: Overrides,
    report: &mut Report<'_>,
) -> Engine {
    let mut section = root.table("engine", report);
    let mut text = |key| {
        section
            .as_mut()
            .and_then(|section| section.string(key, report))
    };
    let cores = text("cores");
    let data_dir = text("data_dir").map(|path| directory.join(path.value));
    let hostname = text("hostname");
    let user = text("user").map(|text| text.value);
    let group = text("group").map(|text| text.value);
    let confine = text("confine");
    let watermarks = watermarks(section.as_mut(), report);
    if let Some(section) = section {
        section.finish(report);
    }
    let hostname = match hostname {
        Some(name) if is_host_name(&name.value) => name.value,
        Some(name) => {
            report.error(
                name.span,
                format!("`{}` is not a host name", name.value),
                "",
            );
            name.value
        }
        None => system_hostname(),
    };
    let confine = confine.map_or_else(Confine::default, |text| match text.value.as_str() {
        "auto" => Confine::Auto,
        "off" => Confine::Off,
        "required" => Confine::Required,
        other => {
            let message = format!("`{other}` is no value of `confine`");
            report.error(text.span, message, "\"auto\", \"off\" or \"required\"");
            Confine::Auto
        }
    });
    Engine {
        user: overrides.user.or(user),
        group,
        confine,
        cores: cores_of(overrides.cores, cores, report),
        watermarks,
        data_dir: overrides
            .data_dir
            .or(data_dir)
            .unwrap_or_else(|| directory.join("postern-data")),
        hostname,
        listen: overrides.listen,
    }
}

fn watermarks(section: Option<&mut Section<'_>>, report: &mut Report<'_>) -> Watermarks {
    let mut watermarks = Watermarks {
        memory_bytes_high: None,
        descriptors_free_min: limits::DESCRIPTORS_FREE_COUNT_DEFAULT,
        spool_free_bytes_min: limits::SPOOL_FREE_BYTES_DEFAULT,
        spool_free_inodes_min: limits::SPOOL_FREE_INODES_COUNT_DEFAULT,
    };
    let Some(section) = section else {
        return watermarks;
    };
    watermarks.memory_bytes_high =
        section.opt_number("memory_bytes_high", None, WATERMARK_RANGE, report);
    for (key, value) in [
        ("descriptors_free_min", &mut watermarks.descriptors_free_min),
        ("spool_free_bytes_min", &mut watermarks.spool_free_bytes_min),
        (
            "spool_free_inodes_min",
            &mut watermarks.spool_free_inodes_min,
        ),
    ] {
        *value = section.number(key, *value, WATERMARK_RANGE, report);
    }
    watermarks
}

/// Both texts are read, so that the file's errors show whatever the command line says.
fn cores_of(
    override_text: Option<String>,
    of_file: Option<Spanned<String>>,
    report: &mut Report<'_>,
) -> Cores {
    let of_file = of_file.map(|text| {
        text.value.parse().unwrap_or_else(|error: CoresError| {
            let message = format!("cores = \"{}\" cannot be used", text.value);
            report.error(text.span, message, error.help());
            Cores::All
        })
    });
    let overriding = override_text.map(|text| {
        text.parse().unwrap_or_else(|error: CoresError| {
            let message = format!("--cores {text} cannot be used");
            let found = Diagnostic::without_place(message, error.help());
            report.diagnostics.push(found);
            Cores::All
        })
    });
    overriding.or(of_file).unwrap_or(Cores::All)
}

fn scripts(root: &mut Section<'_>, directory: &Path, report: &mut Report<'_>) -> Option<PathBuf> {
    let mut section = root.table("scripts", report)?;
    let path = section
        .string("directory", report)
        .map(|path| directory.join(path.value));
    section.finish(report);
    path
}

/// The system's name when it can stand in a greeting, `localhost` when it cannot.
fn system_hostname() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if is_host_name(&name) {
        name
    } else {
        "localhost".to_owned()
    }
}

/// Letters, digits, hyphens and dots, no empty label (RFC 5321 §4.1.2, `Domain`), or an address literal.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= limits::DOMAIN_LABEL_OCTETS_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    name.len() <= limits::DOMAIN_OCTETS_MAX && name.split('.').all(is_label)
}
