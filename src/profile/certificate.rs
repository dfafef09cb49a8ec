//! `[[certificate]]`: files with a chain and its key, read at start and again on demand.
//!
//! In: the tables, the files. Out: identities by number, or what is wrong, at the key of the configuration that names the
//! file. Guarantees: a file is bounded and regular; reading again never leaves less than there was: a file that is
//! wrong then keeps the identity it had.
//! Does not: know which profile uses which; `tls.rs` does. Reads files: the control thread's work, never a shard's.
//!
//! RFC 7468 (PEM), RFC 5280 §4.1.2.5 (validity).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::diagnostic::{Diagnostic, Place, Severity};
use super::source::{Report, Section, Spanned};
use crate::limits;
use crate::tls::{Identity, PemFile, Validity};

/// The certificates of a configuration.
#[derive(Debug, Default)]
pub struct Certificates(Vec<Entry>);

/// One `[[certificate]]`.
#[derive(Debug)]
struct Entry {
    id: String,
    chain: NamedFile,
    key: NamedFile,
    /// None while its files have never been right.
    identity: Option<Arc<Identity>>,
}

/// A file and where the configuration names it.
#[derive(Debug)]
struct NamedFile {
    path: PathBuf,
    place: Place,
}

impl Certificates {
    /// Reads the tables and their files.
    pub(super) fn read(root: &mut Section<'_>, directory: &Path, report: &mut Report<'_>) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for mut section in root.tables("certificate", report) {
            let id = section.string("id", report);
            let chain = section.string("chain", report);
            let key = section.string("key", report);
            if let (Some(id), Some(chain), Some(key)) = (id, chain, key) {
                if entries.iter().any(|other| other.id == id.value) {
                    let message = format!("two certificates are called `{}`", id.value);
                    report.error(id.span, message, "give each [[certificate]] its own id");
                }
                let file = |named: Spanned<String>| NamedFile {
                    path: directory.join(&named.value),
                    place: report.source.place(named.span),
                };
                entries.push(Entry {
                    id: id.value,
                    chain: file(chain),
                    key: file(key),
                    identity: None,
                });
            } else {
                let message = "a certificate needs `id`, `chain` and `key`";
                report.error(section.span(), message, "");
            }
            section.finish(report);
        }
        let mut certificates = Self(entries);
        for found in certificates.read_files().1 {
            match found.severity {
                Severity::Error => report.diagnostics.push(found),
                Severity::Warning => report.warnings.push(found),
            }
        }
        certificates
    }

    /// Reads all files again: how many certificates there are now, and what is wrong, errors and warnings. A certificate
    /// with an error stays as it was.
    pub fn read_files(&mut self) -> (usize, Vec<Diagnostic>) {
        let now = Timestamp::now().as_second();
        let mut read_count = 0;
        let mut found = Vec::new();
        for entry in &mut self.0 {
            match entry.load() {
                Ok(identity) => {
                    entry.warn(&identity, now, &mut found);
                    entry.identity = Some(Arc::new(identity));
                    read_count += 1;
                }
                Err(error) => found.push(*error),
            }
        }
        (read_count, found)
    }

    /// The number of a certificate.
    pub(super) fn index(&self, id: &str) -> Option<usize> {
        self.0.iter().position(|entry| entry.id == id)
    }

    /// The names of all.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.0.iter().map(|entry| entry.id.as_str()).collect()
    }

    /// The identities with these numbers; none if one of them has never been right.
    pub(super) fn identities(&self, indices: &[usize]) -> Option<Vec<Arc<Identity>>> {
        let identities = indices
            .iter()
            .map(|index| self.0.get(*index)?.identity.clone());
        identities.collect()
    }

    /// The files, for whoever must know what stays readable.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = self.0.iter().flat_map(|entry| [&entry.chain, &entry.key]);
        files.map(|file| file.path.as_path())
    }
}

impl Entry {
    fn load(&self) -> Result<Identity, Box<Diagnostic>> {
        let chain = self.chain.read(&self.id)?;
        let key = self.key.read(&self.id)?;
        Identity::from_pem(&chain, &key).map_err(|error| {
            let file = match error.file() {
                PemFile::Chain => &self.chain,
                PemFile::Key => &self.key,
            };
            let message = error.to_string();
            Box::new(file.diagnostic(Severity::Error, &self.id, &message, error.help()))
        })
    }

    fn warn(&self, identity: &Identity, now: i64, found: &mut Vec<Diagnostic>) {
        let certificate = identity.certificate();
        let mut warn = |file: &NamedFile, message: String, help| {
            found.push(file.diagnostic(Severity::Warning, &self.id, &message, help));
        };
        match identity.validity(now) {
            Validity::Valid => {}
            Validity::Expired => {
                let message = format!("certificate has expired on {}", date(certificate.not_after));
                warn(&self.chain, message, "clients that check it refuse it");
            }
            Validity::NotYet => {
                let message = format!(
                    "certificate is valid from {} on",
                    date(certificate.not_before)
                );
                warn(
                    &self.chain,
                    message,
                    "clients that check it refuse it until then",
                );
            }
        }
        if !identity.is_in_order() {
            let help = "the server's certificate first, behind each the one that signed it";
            warn(&self.chain, "chain is out of order".to_owned(), help);
        }
        if self.key.is_public() {
            let help = "chmod o= the file: who reads the key can speak for this server";
            warn(
                &self.key,
                "every user of this machine may read the key".to_owned(),
                help,
            );
        }
    }
}

impl NamedFile {
    fn read(&self, id: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
        let read = || -> io::Result<Vec<u8>> {
            // Anything but a regular file could keep the reader waiting.
            if !self.path.metadata()?.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            let mut octets = Vec::new();
            let file = File::open(&self.path)?;
            file.take(limits::CERTIFICATE_FILE_BYTES_MAX + 1)
                .read_to_end(&mut octets)?;
            if limits::CERTIFICATE_FILE_BYTES_MAX < octets.len() as u64 {
                let limit = limits::CERTIFICATE_FILE_BYTES_MAX;
                return Err(io::Error::other(format!("file exceeds {limit} bytes")));
            }
            Ok(octets)
        };
        read().map_err(|error| {
            let help = "a path relative to this configuration file";
            let message = format!("cannot be read: {error}");
            Box::new(self.diagnostic(Severity::Error, id, &message, help))
        })
    }

    fn is_public(&self) -> bool {
        let metadata = self.path.metadata();
        metadata.is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
    }

    fn diagnostic(&self, severity: Severity, id: &str, message: &str, help: &str) -> Diagnostic {
        Diagnostic {
            severity,
            message: format!("certificate `{id}`: {}: {message}", self.path.display()),
            help: help.to_owned(),
            place: Some(self.place.clone()),
            rendered: None,
        }
    }
}

fn date(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        Err(_) => "a date out of range".to_owned(),
    }
}
