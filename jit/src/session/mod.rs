//! Scripts that build on each other: what a prompt runs, one input after the other.
//!
//! ```text
//! text --compile--> Input --start--> Execution --> Outcome --finish--> the session as it is for the next text
//! ```
//!
//! Each input is compiled as a script of its own. Texts that declared functions or classes, or imported any, are compiled
//! with it again but not run again, see `resolve/earlier.rs`; values are carried from one heap to the next as copies that
//! keep what they share, functions and objects included: their numbers are translated by their places in the texts
//! (`origins.rs`). So a name means what was declared last, also in what was declared before, and a value is what it was.
//!
//! In: texts, a loader that gives the same file for the same path as long as the session lives. Out: executions.
//! Guarantees: a text that does not compile changes nothing; one that fails while it runs keeps what it did until then;
//! texts and values are bounded. Does not: run anything by itself, read files, or print.

mod memory;
mod origins;

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use memory::Memory;
pub use memory::SessionVariable;
use origins::Origins;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::error::ErrorKind;
use crate::execution::{
    Ending, Execution, Input as PredefinedInput, Limits, Outcome, ScriptInstance,
};
use crate::resolve::{Environment, Loader, Resolved, load_input};
use crate::script::{Options, Script};
use crate::source::{SourceId, SourceMap, Span};
use crate::syntax::ast::Name;
use crate::syntax::parser::{Judgement, declares, judge};

/// Octets of all texts that a session keeps: each is compiled again with every input.
pub const TEXTS_OCTETS_MAX: usize = 256 * 1024;

/// One prompt's worth of declarations and values.
#[derive(Debug)]
pub struct Session {
    environment: Environment,
    /// Texts with declarations, in order, each with the name that messages have for it.
    texts: Vec<(String, Arc<[u8]>)>,
    texts_octets: usize,
    /// Texts and files whose warnings have been told.
    known_sources: HashSet<Arc<str>>,
    inputs_count: usize,
    declared: BTreeSet<String>,
    memory: Option<Memory>,
}

/// A text that compiles.
#[derive(Debug)]
pub struct Input {
    name: String,
    text: Arc<[u8]>,
    script: Script,
    is_expression: bool,
    declares: bool,
    declared: BTreeSet<String>,
    source_names: Vec<Arc<str>>,
    origins: Rc<Origins>,
    variables: Vec<(String, u32)>,
}

/// What became of a text.
#[derive(Debug)]
pub struct Compiled {
    /// The input, unless there was an error.
    pub input: Option<Input>,
    /// Errors, and warnings that are new.
    pub diagnostics: Diagnostics,
    /// Every text that took part.
    pub sources: SourceMap,
}

/// What an input left.
#[derive(Debug, Default)]
pub struct Finished {
    /// The value of the expression that it was, as a literal; an error if that is too long or nested too deeply.
    pub value: Option<Result<Vec<u8>, ErrorKind>>,
    /// Why its values can't be kept. The session has those from before.
    pub lost: Option<ErrorKind>,
}

impl Session {
    /// A session that has seen nothing.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            texts: Vec::new(),
            texts_octets: 0,
            known_sources: HashSet::new(),
            inputs_count: 0,
            declared: BTreeSet::new(),
            memory: None,
        }
    }

    /// The surroundings of all its scripts.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Names of its functions, classes and imported modules, in order.
    pub fn declared(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(String::as_str)
    }

    /// Its variables that have a value, in order of their names.
    #[must_use]
    pub fn variables(&self) -> Vec<SessionVariable> {
        self.memory
            .as_ref()
            .map_or_else(Vec::new, Memory::variables)
    }

    /// Names of its variables that have a value, without `$`.
    pub fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.memory.iter().flat_map(Memory::names)
    }

    /// Compiles a text on top of what the session has.
    pub fn compile(&mut self, text: &[u8], loader: &mut dyn Loader) -> Compiled {
        self.inputs_count += 1;
        let name = format!("input {}", self.inputs_count);
        let mut sources = SourceMap::new();
        let mut diagnostics = Diagnostics::new();
        let input = self.opt_input(&name, text, loader, &mut sources, &mut diagnostics);
        diagnostics.sort();
        Compiled {
            diagnostics: self.news(&diagnostics, &sources),
            input,
            sources,
        }
    }

    fn opt_input(
        &self,
        name: &str,
        text: &[u8],
        loader: &mut dyn Loader,
        sources: &mut SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Option<Input> {
        let texts = self.texts.iter();
        let earlier: Option<Vec<SourceId>> =
            texts.map(|(name, text)| sources.add(name, text)).collect();
        let main = sources.add(name, text)?;
        let known = self.variable_names().map(Name::from).collect();
        let linked = load_input(sources, main, &earlier?, known, loader, diagnostics);
        let options = Options::default();
        let built = Script::build(linked, sources, &self.environment, options, diagnostics)?;
        let declares = declares(text);
        if declares && TEXTS_OCTETS_MAX < self.texts_octets + text.len() {
            let start = Span {
                source: main,
                start: 0,
                end: 0,
            };
            let message = format!("the declarations of a session exceed {TEXTS_OCTETS_MAX} octets");
            diagnostics.report(Diagnostic::error(start, message));
            return None;
        }
        let script = Script::generate(&built.program, &self.environment, options, diagnostics)?;
        let declared = built.resolved.function(Resolved::MAIN).declared_names();
        let source_names = sources.iter().map(|source| Arc::clone(&source.name));
        let variables = built.program.main_names.iter();
        Some(Input {
            name: name.to_owned(),
            text: text.into(),
            is_expression: judge(text) == Judgement::Expression,
            declares,
            declared: declared.map(str::to_owned).collect(),
            source_names: source_names.collect(),
            origins: Rc::new(Origins::of(&built, sources)),
            variables: variables
                .map(|(name, global)| (name.to_string(), *global))
                .collect(),
            script,
        })
    }

    /// All errors, and the warnings of texts that are new.
    fn news(&self, diagnostics: &Diagnostics, sources: &SourceMap) -> Diagnostics {
        let mut news = Diagnostics::new();
        for diagnostic in diagnostics {
            let source = &sources.source(diagnostic.span.source).name;
            let is_error = diagnostic.severity == Severity::Error;
            if is_error || !self.known_sources.contains(source) {
                news.report(diagnostic.clone());
            }
        }
        news
    }

    /// Starts an input. `predefined` is asked for the predefined variables that it reads; those that earlier inputs wrote
    /// keep what they wrote.
    ///
    /// # Errors
    ///
    /// When there is no memory for a stack, or the values exceed the memory of an execution.
    pub fn start<'i>(
        &self,
        input: &Input,
        limits: Limits,
        predefined: impl FnMut(usize) -> PredefinedInput<'i>,
    ) -> Result<Execution, ErrorKind> {
        let instance = ScriptInstance::new(&input.script)?;
        instance.start_keeping(limits, predefined, |running| match &self.memory {
            Some(memory) => memory.restore(running, &input.origins, &self.environment),
            None => Ok(()),
        })
    }

    /// Takes over what an input declared and the values it left, however it ended.
    pub fn finish(&mut self, input: Input, outcome: &mut Outcome) -> Finished {
        self.known_sources.extend(input.source_names);
        self.declared = input.declared;
        if input.declares {
            self.texts_octets += input.text.len();
            self.texts.push((input.name, input.text));
        }
        let mut finished = Finished::default();
        match outcome.kept.take().map(|kept| *kept) {
            Some(Ok(mut kept)) => {
                let result = std::mem::replace(&mut kept.result, Ok(Vec::new()));
                let is_shown = input.is_expression && matches!(outcome.ending, Ending::Implicit);
                finished.value = is_shown.then_some(result);
                self.memory = Some(Memory::new(kept, input.origins, input.variables));
            }
            Some(Err(error)) => finished.lost = Some(error),
            None => {}
        }
        finished
    }
}

#[cfg(test)]
mod tests;
