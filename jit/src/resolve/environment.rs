//! What a script finds when it starts: predefined variables, functions of its hook, the library.
//!
//! In: built by the hooks and by the library of builtins. Out: read by the resolver. Plain data; the resolver knows no
//! hook and no builtin by itself.

use crate::builtins::{Builtin, Class};

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    /// The fewest.
    pub min: u32,
    /// The most; `None` is no bound.
    pub max: Option<u32>,
}

impl Arity {
    /// Exactly so many.
    #[must_use]
    pub const fn exactly(count: u32) -> Self {
        Self {
            min: count,
            max: Some(count),
        }
    }

    /// From `min` to `max`.
    #[must_use]
    pub const fn between(min: u32, max: u32) -> Self {
        Self {
            min,
            max: Some(max),
        }
    }

    /// `min` or more.
    #[must_use]
    pub const fn at_least(min: u32) -> Self {
        Self { min, max: None }
    }

    /// That of a builtin.
    #[must_use]
    pub fn of(builtin: &Builtin) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            min: count(builtin.arguments_min()),
            max: builtin.arguments_max().map(count),
        }
    }

    /// In words: `2 arguments`, `1 to 3 arguments`, `at least 1 argument`.
    #[must_use]
    pub fn describe(self) -> String {
        let arguments = |count: u32| match count {
            1 => "1 argument".to_owned(),
            _ => format!("{count} arguments"),
        };
        match self.max {
            Some(max) if max == self.min => arguments(max),
            Some(max) => format!("{} to {}", self.min, arguments(max)),
            None => format!("at least {}", arguments(self.min)),
        }
    }
}

/// The builtin functions and classes, as far as names and arguments go. A builtin of a class is named `Class::function`.
pub trait Library {
    /// The arguments of a builtin; `None` when there is none of that name.
    fn builtin(&self, name: &str) -> Option<Arity>;

    /// Every name, in a fixed order: for "did you mean".
    fn names(&self) -> Vec<&str>;

    /// The classes, whose functions of objects are not among the names.
    fn classes(&self) -> &'static [Class];
}

/// A variable that exists before the script starts.
#[derive(Clone, Debug)]
pub struct PredefinedVariable {
    /// Without `$`.
    pub name: String,
    /// Whether the script may assign to it.
    pub writable: bool,
}

impl PredefinedVariable {
    /// One that the script may only read.
    #[must_use]
    pub fn read_only(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            writable: false,
        }
    }

    /// One that the script may assign to.
    #[must_use]
    pub fn writable(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            writable: true,
        }
    }
}

/// A function that only scripts of this hook have.
#[derive(Clone, Debug)]
pub struct HostFunction {
    /// As it is called.
    pub name: String,
    /// Its arguments.
    pub arity: Arity,
    /// Whether the script ends where it is called.
    pub terminating: bool,
}

impl HostFunction {
    /// One that gives a value.
    #[must_use]
    pub fn returning(name: impl Into<String>, arity: Arity) -> Self {
        Self {
            name: name.into(),
            arity,
            terminating: false,
        }
    }

    /// One that ends the script.
    #[must_use]
    pub fn terminating(name: impl Into<String>, arity: Arity) -> Self {
        Self {
            name: name.into(),
            arity,
            terminating: true,
        }
    }
}

/// The surroundings of one script.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// [`Storage::Predefined`](super::Storage::Predefined) is an index into this.
    pub variables: Vec<PredefinedVariable>,
    /// [`Callee::Host`](super::Callee::Host) is an index into this.
    pub functions: Vec<HostFunction>,
    /// Functions that other hooks have, each with the names of those hooks: only for better messages.
    pub elsewhere: Vec<(String, String)>,
    /// Whether reading a variable that never has a value is only warned about when compiling. It is a script error when
    /// it happens either way; a hook may have a documented action for that.
    pub tolerates_undefined: bool,
}

impl Environment {
    pub(super) fn variable(&self, name: &str) -> Option<u32> {
        let index = self
            .variables
            .iter()
            .position(|variable| variable.name == name)?;
        u32::try_from(index).ok()
    }
}
