//! The files a session reads.
//!
//! In: paths as inputs name them. Out: texts. Guarantees: a file that an input was compiled with stays as it was then,
//! because every later input is compiled with it again; one that did not compile is read anew.

use std::collections::HashMap;

use postern::profile::ScriptDirectory;
use postern_jit::resolve::{LoadError, LoadedFile, Loader};
use postern_jit::source::SourceId;

/// A script directory whose files do not change.
#[derive(Debug)]
pub(super) struct Files {
    directory: ScriptDirectory,
    kept: HashMap<Vec<u8>, LoadedFile>,
    /// Read by the input that is being compiled.
    new: HashMap<Vec<u8>, LoadedFile>,
}

impl Files {
    pub(super) fn new(directory: ScriptDirectory) -> Self {
        Self {
            directory,
            kept: HashMap::new(),
            new: HashMap::new(),
        }
    }

    /// Keeps or forgets what was read since this was last called.
    pub(super) fn settle(&mut self, has_compiled: bool) {
        let new = self.new.drain();
        if has_compiled {
            self.kept.extend(new);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}

impl Loader for Files {
    fn load(&mut self, from: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let known = self.kept.get(path).or_else(|| self.new.get(path));
        if let Some(file) = known {
            return Ok(file.clone());
        }
        let file = self.directory.load(from, path)?;
        // Two paths to one file must give one text.
        let known = self.kept.values().chain(self.new.values());
        let known = known.into_iter().find(|known| known.name == file.name);
        let file = known.cloned().unwrap_or(file);
        self.new.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}
