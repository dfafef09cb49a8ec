//! Scripts compiled for measuring.

use postern_jit::diagnostic::Diagnostics;
use postern_jit::execution::ScriptInstance;
use postern_jit::resolve::{Environment, NoFiles};
use postern_jit::script::{Options, Script};
use postern_jit::source::SourceMap;

use crate::failure::Failure;

/// A script, and its instance on this thread.
pub(crate) fn compiled(
    name: &str,
    text: &[u8],
    environment: &Environment,
) -> Result<(Script, ScriptInstance), Failure> {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let main = sources.add(name, text);
    let main = main.ok_or_else(|| Failure("the script is too long".into()))?;
    let script = Script::compile(
        &mut sources,
        main,
        environment,
        &mut NoFiles,
        Options::default(),
        &mut diagnostics,
    );
    let script = script.ok_or_else(|| Failure(diagnostics.render(&sources)))?;
    let instance = ScriptInstance::new(&script)
        .map_err(|error| Failure::of("no instance of the script", error))?;
    Ok((script, instance))
}
