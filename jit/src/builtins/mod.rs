//! The functions every script may call.
//!
//! In: arguments, already checked against the function's parameters. Out: a value, or why the script does not go on.
//! Each function says what it takes, gives, and whether the same arguments always give the same value, so that the compiler
//! can check calls and fold constants. Functions that need the world (clock, randomness, callbacks, fuel) ask the
//! [`Machine`]; none does I/O. Work in proportion to the size of an argument is paid for in fuel.
//!
//! One file per chapter of the HSL manual's "Standard library" (state of March 2019); names of 2017 that differ are beside
//! their successors.

mod aes;
mod array;
mod call;
mod class;
mod cryptographic;
mod csv;
mod data_types;
mod date_time;
mod dns;
mod encoding;
mod fault;
mod file;
mod headers;
mod intrinsic;
mod json;
mod mathematical;
mod memo;
mod mime;
mod misc;
mod network;
pub(crate) mod operator;
mod pack;
pub(crate) mod regex;
mod still;
mod string;

pub use call::{Call, Machine, Unwind};
pub use class::{Class, classes};
pub(crate) use class::{bound_method, method_of};
pub(crate) use date_time::EXECUTION_TIME;
pub use intrinsic::{Intrinsic, intrinsic};
pub(crate) use network::{Seen, SeenTables, seen_tables};
pub(crate) use regex::pattern_fault;
pub(crate) use still::StillWorld;

use crate::runtime::{Kind, Kinds};

/// Whether an argument must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Every call has it.
    Required,
    /// May be left out, if all behind it are.
    Optional,
    /// Any number of them, at the end.
    Variadic,
}

/// One parameter of a builtin.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in the manual.
    pub name: &'static str,
    /// The kinds it takes.
    pub kinds: Kinds,
    /// Whether it must be there.
    pub presence: Presence,
}

/// An entry of the options array that a builtin takes.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinOption {
    /// Its key.
    pub name: &'static str,
    /// What it does, and what holds without it.
    pub summary: &'static str,
}

/// A chapter of the library.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// Its title in the manual.
    pub title: &'static str,
    /// Its functions, successors before the older names that go with them.
    pub builtins: &'static [Builtin],
}

/// A builtin function.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name in scripts.
    pub name: &'static str,
    /// What it takes, in order.
    pub parameters: &'static [Parameter],
    /// The kinds it may give.
    pub returns: Kinds,
    /// Whether equal arguments always give an equal value and nothing else happens.
    pub pure: bool,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What its array of options may hold.
    pub options: &'static [BuiltinOption],
    /// When it ends the script, besides by arguments of other kinds and by the limits of every script.
    pub errors: &'static [&'static str],
    /// Expressions, and the text `echo` prints for each.
    pub examples: &'static [(&'static str, &'static str)],
    /// The function itself. Called only with arguments [`Builtin::check`] accepts.
    pub call: fn(&mut Call<'_>) -> Result<crate::runtime::Value, Unwind>,
    /// The fewest and the most arguments, counted once from the parameters.
    counts: (usize, Option<usize>),
    /// The tags of values that the first parameters surely take; where there is no parameter, none.
    takes_tags: [u8; 4],
    /// The tags of values that it may surely give.
    gives_tags: u8,
    /// The answer where it is known already, for any arguments.
    known: Option<KnownAnswer>,
}

type Body = fn(&mut Call<'_>) -> Result<crate::runtime::Value, Unwind>;

/// What is known for some arguments.
type KnownAnswer = fn(&[crate::runtime::Value]) -> Option<crate::runtime::Value>;

const fn required(name: &'static str, kinds: Kinds) -> Parameter {
    Parameter {
        name,
        kinds,
        presence: Presence::Required,
    }
}

const fn optional(name: &'static str, kinds: Kinds) -> Parameter {
    Parameter {
        name,
        kinds,
        presence: Presence::Optional,
    }
}

const fn variadic(name: &'static str, kinds: Kinds) -> Parameter {
    Parameter {
        name,
        kinds,
        presence: Presence::Variadic,
    }
}

const fn option(name: &'static str, summary: &'static str) -> BuiltinOption {
    BuiltinOption { name, summary }
}

impl Builtin {
    /// A function of its arguments alone.
    const fn pure(
        name: &'static str,
        parameters: &'static [Parameter],
        returns: Kinds,
        call: Body,
    ) -> Self {
        Self {
            name,
            parameters,
            returns,
            pure: true,
            summary: "",
            options: &[],
            errors: &[],
            examples: &[],
            call,
            counts: counts(parameters),
            takes_tags: takes_tags(parameters),
            gives_tags: returns.tags(),
            known: None,
        }
    }

    /// A function that asks the machine for more than fuel.
    const fn impure(
        name: &'static str,
        parameters: &'static [Parameter],
        returns: Kinds,
        call: Body,
    ) -> Self {
        Self {
            pure: false,
            ..Self::pure(name, parameters, returns, call)
        }
    }

    const fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Some answers of the function are known before its arguments are checked.
    const fn knows(self, known: KnownAnswer) -> Self {
        Self {
            known: Some(known),
            ..self
        }
    }

    const fn shown(self, examples: &'static [(&'static str, &'static str)]) -> Self {
        Self { examples, ..self }
    }

    const fn takes(self, options: &'static [BuiltinOption]) -> Self {
        Self { options, ..self }
    }

    const fn fails(self, errors: &'static [&'static str]) -> Self {
        Self { errors, ..self }
    }

    /// The fewest arguments a call has.
    #[must_use]
    #[inline]
    pub fn arguments_min(&self) -> usize {
        self.counts.0
    }

    /// The most arguments a call has, `None` if there is no such number.
    #[must_use]
    #[inline]
    pub fn arguments_max(&self) -> Option<usize> {
        self.counts.1
    }

    /// The parameter that the argument at this position is for.
    #[must_use]
    pub fn parameter(&self, position: usize) -> Option<&'static Parameter> {
        self.parameters.get(position).or_else(|| {
            let last = self.parameters.last()?;
            (last.presence == Presence::Variadic).then_some(last)
        })
    }

    /// Whether the argument at this position may be of this kind.
    #[must_use]
    pub fn accepts(&self, position: usize, kind: Kind) -> bool {
        self.parameter(position)
            .is_some_and(|parameter| parameter.kinds.contains(kind))
    }
}

/// The fewest and the most arguments that fit parameters. Runs in the compiler.
const fn counts(parameters: &[Parameter]) -> (usize, Option<usize>) {
    let mut least = 0;
    while least < parameters.len() && matches!(parameters[least].presence, Presence::Required) {
        least += 1;
    }
    let most = match parameters {
        [.., last] if matches!(last.presence, Presence::Variadic) => None,
        _ => Some(parameters.len()),
    };
    (least, most)
}

/// The tags that the first parameters take. Runs in the compiler.
const fn takes_tags(parameters: &[Parameter]) -> [u8; 4] {
    let mut tags = [0; 4];
    let mut position = 0;
    while position < tags.len() {
        if position < parameters.len() {
            tags[position] = parameters[position].kinds.tags();
        } else if let [.., last] = parameters
            && matches!(last.presence, Presence::Variadic)
        {
            tags[position] = last.kinds.tags();
        }
        position += 1;
    }
    tags
}

/// Every builtin, sorted by name. A function value names one by its index here.
#[must_use]
pub fn registry() -> &'static [Builtin] {
    &REGISTRY
}

/// The index of the builtin with this name.
#[must_use]
pub fn find(name: &str) -> Option<usize> {
    REGISTRY
        .binary_search_by(|builtin| builtin.name.cmp(name))
        .ok()
}

/// The builtin with this name.
#[must_use]
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    find(name).map(|index| &REGISTRY[index])
}

/// Whether a builtin may call a function that it is given: one that is pure does not.
#[must_use]
pub(crate) fn calls_back(index: u32) -> bool {
    registry().get(index as usize).is_none_or(|builtin| {
        let mut parameters = builtin.parameters.iter();
        !builtin.pure && parameters.any(|one| one.kinds.contains(Kind::Function))
    })
}

/// Every chapter, in the order of the manual's subjects.
#[must_use]
pub fn chapters() -> &'static [Chapter] {
    &CHAPTERS
}

const CHAPTERS: [Chapter; 18] = [
    chapter("Data types", data_types::BUILTINS),
    chapter("String", string::BUILTINS),
    chapter("Regular expression", regex::BUILTINS),
    chapter("Array", array::BUILTINS),
    chapter("Mathematical", mathematical::BUILTINS),
    chapter("Date and time", date_time::BUILTINS),
    chapter("Encoding", encoding::BUILTINS),
    chapter("JSON", json::BUILTINS),
    chapter("CSV", csv::BUILTINS),
    chapter("Binary data", pack::BUILTINS),
    chapter("Cryptographic", cryptographic::BUILTINS),
    chapter("DNS", dns::BUILTINS),
    chapter("Mail", headers::BUILTINS),
    chapter("Miscellaneous", misc::BUILTINS),
    chapter("File", file::FUNCTIONS),
    chapter("File objects", file::METHODS),
    chapter("MIME", mime::FUNCTIONS),
    chapter("MIME objects", mime::METHODS),
];

const fn chapter(title: &'static str, builtins: &'static [Builtin]) -> Chapter {
    Chapter { title, builtins }
}

static REGISTRY: [Builtin; COUNT] = sorted();

const COUNT: usize = {
    let (mut count, mut chapter) = (0, 0);
    while chapter < CHAPTERS.len() {
        count += CHAPTERS[chapter].builtins.len();
        chapter += 1;
    }
    count
};

/// All chapters in one table, in order of their names. Insertion sort: it runs in the compiler, once.
const fn sorted() -> [Builtin; COUNT] {
    let mut table = [CHAPTERS[0].builtins[0]; COUNT];
    let (mut count, mut chapter) = (0, 0);
    while chapter < CHAPTERS.len() {
        let mut index = 0;
        while index < CHAPTERS[chapter].builtins.len() {
            let builtin = CHAPTERS[chapter].builtins[index];
            let mut place = count;
            while place > 0 && precedes(builtin.name, table[place - 1].name) {
                table[place] = table[place - 1];
                place -= 1;
            }
            table[place] = builtin;
            count += 1;
            index += 1;
        }
        chapter += 1;
    }
    table
}

const fn precedes(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut index = 0;
    while index < left.len() && index < right.len() {
        if left[index] != right[index] {
            return left[index] < right[index];
        }
        index += 1;
    }
    assert!(left.len() != right.len(), "two builtins have one name");
    left.len() < right.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_and_complete() {
        let names: Vec<&str> = registry().iter().map(|builtin| builtin.name).collect();
        assert!(names.is_sorted());
        for (index, name) in names.iter().enumerate() {
            assert_eq!(find(name), Some(index));
        }
        assert_eq!(find("no_such_function"), None);
        for builtin in registry() {
            assert!(!builtin.summary.is_empty(), "{} says nothing", builtin.name);
            assert!(
                !builtin.examples.is_empty(),
                "{} shows nothing",
                builtin.name
            );
            let takes_options = builtin.parameters.iter().any(|one| one.name == "options");
            assert_eq!(
                !builtin.options.is_empty(),
                takes_options,
                "{}",
                builtin.name
            );
            let starts = |error: &&str| error.starts_with("if ");
            assert!(builtin.errors.iter().all(starts), "{}", builtin.name);
            assert!(builtin.returns != Kinds::EMPTY, "{}", builtin.name);
            let presences: Vec<u8> = builtin
                .parameters
                .iter()
                .map(|parameter| parameter.presence as u8)
                .collect();
            assert!(presences.is_sorted(), "{}: required first", builtin.name);
        }
    }

    #[test]
    fn arities_follow_the_parameters() {
        let arity = |name| {
            let builtin = builtin(name).expect("there");
            (builtin.arguments_min(), builtin.arguments_max())
        };
        assert_eq!(arity("length"), (1, Some(1)));
        assert_eq!(arity("round"), (1, Some(2)));
        assert_eq!(arity("pack"), (1, None));
        assert_eq!(arity("time"), (0, Some(0)));
    }

    /// Every example, through the parser and the plain evaluator.
    #[test]
    fn examples_are_true() {
        use crate::diagnostic::Diagnostics;
        use crate::oracle::{self, Limits, NoHost};
        use crate::resolve::{NoFiles, load};
        use crate::source::SourceMap;

        for builtin in registry() {
            for (expression, expected) in builtin.examples {
                assert!(expression.contains(builtin.short_name()), "{expression}");
                let mut sources = SourceMap::new();
                let text = format!("echo {expression};");
                let id = sources.add("example", text.as_bytes()).expect("short");
                let mut diagnostics = Diagnostics::default();
                let program = load(&mut sources, id, &mut NoFiles, &mut diagnostics);
                let faults = diagnostics.render(&sources);
                assert_eq!(diagnostics.iter().count(), 0, "{faults}");
                let outcome = oracle::run(&program, &sources, &mut NoHost, Limits::default());
                let ending = &outcome.ending;
                let printed: Vec<&[u8]> = outcome.output.iter().map(Vec::as_slice).collect();
                assert_eq!(printed, [expected.as_bytes()], "{expression}: {ending:?}");
            }
        }
    }
}
