//! Compiles script files and finds what they include.
//!
//! In: a script file, the environment of its hook. Out: a script, or every diagnostic of it. Guarantees: `include` and
//! `import` reach regular files below the script directory only, also by symbolic links; a file has one name, however it
//! is reached, so that a cycle is seen. Reads files and takes CPU: the control thread's work, never a shard's.
//! Does not: decide which script belongs to which hook.
//!
//! HSL manual: "include", "import".

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use postern_jit::diagnostic::Diagnostics;
use postern_jit::execution::ScriptInstance;
use postern_jit::resolve::{Environment, LoadError, LoadedFile, Loader};
use postern_jit::runtime::Portable;
use postern_jit::script::{Options, Script};
use postern_jit::source::{SourceId, SourceMap};

use super::Diagnostic;

/// The directory below which scripts find their files.
#[derive(Clone, Debug)]
pub struct ScriptDirectory {
    /// As the operator wrote it, for messages.
    shown: PathBuf,
    /// Without symbolic links.
    real: PathBuf,
}

/// What became of a script file.
#[derive(Debug)]
pub struct Compiled {
    /// The script, unless there was an error.
    pub script: Option<Script>,
    /// Errors and warnings, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// Every text that took part.
    pub sources: SourceMap,
}

impl ScriptDirectory {
    /// The directory at `path`; the working directory if empty.
    ///
    /// # Errors
    ///
    /// A sentence that says why it cannot be used.
    pub fn open(path: &Path) -> Result<Self, String> {
        let place = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let real = place.canonicalize().map_err(|error| {
            format!("cannot open script directory {}: {error}", place.display())
        })?;
        Ok(Self {
            shown: path.to_owned(),
            real,
        })
    }

    /// Compiles the script in `file`, which need not lie in the directory.
    ///
    /// # Errors
    ///
    /// A sentence that says why the file cannot be read.
    pub fn compile(
        &self,
        file: &Path,
        environment: &Environment,
        fixed: &[(usize, Portable)],
    ) -> Result<Compiled, String> {
        let cannot_read =
            |error: io::Error| format!("cannot read script {}: {error}", file.display());
        let text = File::open(file).and_then(read).map_err(cannot_read)?;
        let real = file.canonicalize().map_err(cannot_read)?;
        let name = self
            .name(&real)
            .unwrap_or_else(|| file.display().to_string());
        let mut sources = SourceMap::new();
        let main = sources
            .add(&name, &text)
            .ok_or_else(|| format!("script {} is too long", file.display()))?;
        let mut found = Diagnostics::new();
        let script = Script::compile(
            &mut sources,
            main,
            environment,
            &mut self.clone(),
            Options {
                fixed,
                ..Options::default()
            },
            &mut found,
        );
        found.sort();
        let diagnostics = found.iter().map(|one| Diagnostic::of_script(one, &sources));
        let mut diagnostics: Vec<Diagnostic> = diagnostics.collect();
        let dropped_count = found.errors_count() + found.warnings_count() - found.iter().len();
        if 0 < dropped_count {
            let message = format!("{name}: {dropped_count} more errors and warnings not shown");
            diagnostics.push(Diagnostic::without_place(message, ""));
        }
        // A shard has nobody to tell, so what could fail there is tried here.
        let script = script.and_then(|script| match ScriptInstance::new(&script) {
            Ok(_) => Some(script),
            Err(error) => {
                let message = format!("{name}: constants cannot be made: {error}");
                diagnostics.push(Diagnostic::without_place(message, ""));
                None
            }
        });
        Ok(Compiled {
            script,
            diagnostics,
            sources,
        })
    }

    /// How a file below the directory is called in messages.
    fn name(&self, real: &Path) -> Option<String> {
        let relative = real.strip_prefix(&self.real).ok()?;
        Some(self.shown.join(relative).display().to_string())
    }
}

impl Loader for ScriptDirectory {
    fn load(&mut self, _from: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => LoadError::NotFound,
            _ => LoadError::Unreadable(error.to_string()),
        };
        let path = self.real.join(OsStr::from_bytes(path));
        let real = path.canonicalize().map_err(failed)?;
        let name = self.name(&real).ok_or(LoadError::Outside)?;
        // Anything but a regular file could keep the reader waiting.
        if !real.metadata().map_err(failed)?.is_file() {
            return Err(LoadError::Unreadable("not a regular file".to_owned()));
        }
        let text = File::open(&real).and_then(read).map_err(failed)?;
        Ok(LoadedFile { name, text })
    }
}

/// Reads a file of bounded size.
fn read(file: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(SCRIPT_OCTETS_MAX + 1).read_to_end(&mut text)?;
    if SCRIPT_OCTETS_MAX < text.len() as u64 {
        let message = format!("file exceeds {SCRIPT_OCTETS_MAX} octets");
        return Err(io::Error::other(message));
    }
    Ok(text)
}

/// Longest script file in octets; the compiler's own bound for all files of a script together.
const SCRIPT_OCTETS_MAX: u64 = postern_jit::resolve::PROGRAM_OCTETS_MAX as u64;
