//! Why evaluation stops before its end.
//!
//! In: what the runtime found wrong, with the place. Out: a [`Stop`] that travels up to [`super::run`].

use crate::error::ErrorKind;
use crate::runtime::Portable;
use crate::source::Span;

/// Why evaluation stops. Boxed wherever it is returned, so that results stay small on the stack.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    Action {
        name: String,
        arguments: Vec<Portable>,
        span: Span,
    },
    Error {
        kind: ErrorKind,
        span: Span,
    },
    Refused {
        reason: &'static str,
        span: Span,
    },
}

/// A result, or the end of the script.
pub(super) type Evaluated<T> = Result<T, Box<Stop>>;

/// Gives an error of the runtime its place.
pub(super) trait At<T> {
    /// The same, with the place where it failed.
    fn at(self, span: Span) -> Evaluated<T>;
}

impl<T> At<T> for Result<T, ErrorKind> {
    fn at(self, span: Span) -> Evaluated<T> {
        self.map_err(|kind| Box::new(Stop::Error { kind, span }))
    }
}

/// A script error.
pub(super) fn fail<T>(kind: ErrorKind, span: Span) -> Evaluated<T> {
    Err(kind).at(span)
}

/// The end of a run that the evaluator cannot follow.
pub(super) fn refuse<T>(reason: &'static str, span: Span) -> Evaluated<T> {
    Err(Box::new(Stop::Refused { reason, span }))
}
