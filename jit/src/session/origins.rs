//! What a script's functions, classes and variables are, whatever numbers they have in it.
//!
//! In: a resolved program. Out: for each number an [`Origin`]: the place in the texts. Guarantees: a program that has more
//! texts at its end gives the same origins to what the others have.

use std::collections::HashMap;
use std::sync::Arc;

use crate::resolve::{ModuleId, Resolved};
use crate::runtime::FunctionTarget;
use crate::script::Built;
use crate::source::{SourceMap, Span};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// The text that is its module; empty for the main program.
    module: Arc<str>,
    source: Arc<str>,
    start: u32,
    /// How many others stand at the same place: a file may be included several times.
    nth: u32,
}

/// A variable that a session keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// At the top level of a module.
    Global(Arc<str>, Box<str>),
    /// The static variable of a class, by its index among the members.
    Static(Origin, usize),
    /// Of the environment, by its index.
    Predefined(usize),
}

/// The origins of one script.
#[derive(Debug, Default)]
pub(super) struct Origins {
    functions: Vec<Origin>,
    classes: Vec<Origin>,
    function_numbers: HashMap<Origin, u32>,
    class_numbers: HashMap<Origin, u32>,
    pub(super) globals: Vec<Place>,
    pub(super) statics: Vec<Place>,
}

impl Origins {
    pub(super) fn of(built: &Built, sources: &SourceMap) -> Self {
        let (program, resolved) = (&built.program, &built.resolved);
        let name = |span: Span| Arc::clone(&sources.source(span.source).name);
        let module_name = |module: ModuleId| match module.index() {
            0 => Arc::from(""),
            _ => name(
                resolved
                    .function(resolved.modules[module.index()].main)
                    .span,
            ),
        };
        let mut functions = Numbered::default();
        for (index, function) in resolved.functions.iter().enumerate() {
            // The main program is another text each time.
            let is_main = index == Resolved::MAIN.index();
            functions.add(
                module_name(function.module),
                if is_main {
                    "".into()
                } else {
                    name(function.span)
                },
                function.span.start,
            );
        }
        let mut classes = Numbered::default();
        for class in &resolved.classes {
            let module = resolved.function(class.scope).module;
            let span = class.syntax.span;
            classes.add(module_name(module), name(span), span.start);
        }
        let globals = program.globals.iter().map(|(main, name)| {
            let module = resolved.functions[main.0 as usize].module;
            Place::Global(module_name(module), (**name).into())
        });
        let statics = resolved.statics.iter().map(|place| {
            let class = classes.origins[place.class.index()].clone();
            Place::Static(class, place.member)
        });
        Self {
            globals: globals.collect(),
            statics: statics.collect(),
            functions: functions.origins,
            function_numbers: functions.numbers,
            classes: classes.origins,
            class_numbers: classes.numbers,
        }
    }

    /// What `target` of this script is in another.
    pub(super) fn renumber(&self, target: FunctionTarget, other: &Self) -> Option<FunctionTarget> {
        match target {
            FunctionTarget::User(number) => {
                let origin = self.functions.get(number as usize)?;
                let number = other.function_numbers.get(origin)?;
                Some(FunctionTarget::User(*number))
            }
            FunctionTarget::Class(number) => {
                let origin = self.classes.get(number as usize)?;
                let number = other.class_numbers.get(origin)?;
                Some(FunctionTarget::Class(*number))
            }
            FunctionTarget::Builtin(_) | FunctionTarget::Host(_) => Some(target),
        }
    }
}

/// Origins in the order of their numbers, and back.
#[derive(Default)]
struct Numbered {
    origins: Vec<Origin>,
    numbers: HashMap<Origin, u32>,
    counts: HashMap<(Arc<str>, Arc<str>, u32), u32>,
}

impl Numbered {
    fn add(&mut self, module: Arc<str>, source: Arc<str>, start: u32) {
        let place = (Arc::clone(&module), Arc::clone(&source), start);
        let nth = self.counts.entry(place).or_insert(0);
        let origin = Origin {
            module,
            source,
            start,
            nth: *nth,
        };
        *nth += 1;
        let number = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.numbers.insert(origin.clone(), number);
        self.origins.push(origin);
    }
}
