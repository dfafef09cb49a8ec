//! Where the history of the prompt is kept.
//!
//! In: the environment of the process. Out: the path of a file in a folder that exists and is the user's alone. Follows
//! the XDG base directory specification: `$XDG_STATE_HOME`, otherwise `~/.local/state`.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Inputs that are kept.
pub(super) const HISTORY_INPUTS_MAX: usize = 1_000;

/// Octets of the longest input that is kept.
pub(super) const HISTORY_INPUT_OCTETS_MAX: usize = 16 * 1024;

/// The file, whose folder is made if need be.
///
/// # Errors
///
/// A sentence that says why there is none.
pub(super) fn file() -> Result<PathBuf, String> {
    let folder = folder(
        env::var_os("XDG_STATE_HOME").map(PathBuf::from),
        env::home_dir(),
    );
    let folder = folder.ok_or("neither XDG_STATE_HOME nor HOME is an absolute path")?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    Ok(folder.join("hsl_history"))
}

fn folder(state: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let is_absolute = |path: &PathBuf| path.is_absolute();
    let home = home.filter(is_absolute);
    let state = state.filter(is_absolute);
    let state = state.or_else(|| home.map(|home| home.join(".local/state")))?;
    Some(state.join(Path::new("postern")))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::folder;

    #[test]
    fn the_folder_is_that_of_the_specification() {
        let path = |text: &str| Some(PathBuf::from(text));
        let cases = [
            (path("/s"), path("/h"), path("/s/postern")),
            (
                path("relative"),
                path("/h"),
                path("/h/.local/state/postern"),
            ),
            (path(""), path("/h"), path("/h/.local/state/postern")),
            (None, path("/h"), path("/h/.local/state/postern")),
            (None, path(""), None),
            (None, None, None),
        ];
        for (state, home, expected) in cases {
            assert_eq!(folder(state, home), expected);
        }
    }
}
