//! Why a builtin has no result of its own, for those that give none where what they were given does not fit.
//!
//! In: a result inside of a builtin. Out: the result of its call. Guarantees: a limit that is exceeded stays an error; only
//! what does not fit becomes none.

use super::Unwind;
use crate::error::ErrorKind;
use crate::runtime::Value;

/// Why there is no result.
pub(super) enum Fault {
    /// What was given does not fit; the call gives none.
    Unfit,
    /// A limit is exceeded.
    Error(ErrorKind),
}

impl From<ErrorKind> for Fault {
    fn from(error: ErrorKind) -> Self {
        Self::Error(error)
    }
}

/// What the call gives.
pub(super) fn value_or_none(result: Result<Value, Fault>) -> Result<Value, Unwind> {
    match result {
        Ok(value) => Ok(value),
        Err(Fault::Unfit) => Ok(Value::NONE),
        Err(Fault::Error(error)) => Err(error.into()),
    }
}
