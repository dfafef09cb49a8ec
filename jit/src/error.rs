//! How a script fails while it runs.
//!
//! In: what the runtime, the builtins and generated code found wrong. Out: a [`ScriptError`], which becomes one log line
//! and the hook's documented default.
//! Building one costs no formatting: variants carry kinds, numbers and static names, and only `Display` writes text.
//! Messages are lower case, without a final stop, and name the thing, the limit and, where there is one, the remedy.

use std::fmt;

use crate::runtime::kind::{Kind, Kinds};
use crate::source::Span;

/// A script error with the place where it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The expression or statement, when it is known.
    pub span: Option<Span>,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(formatter)
    }
}

impl std::error::Error for ScriptError {}

impl From<ErrorKind> for ScriptError {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, span: None }
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A builtin got an argument of a kind it does not take.
    Argument {
        /// The builtin.
        function: &'static str,
        /// The parameter.
        argument: &'static str,
        /// The kinds it takes.
        expected: Kinds,
        /// The kind it got.
        got: Kind,
    },
    /// A function got too few or too many arguments.
    ArgumentCount {
        /// The function, empty when it has no name.
        function: &'static str,
        /// The fewest it takes.
        minimum: usize,
        /// The most it takes; `None` when it is variadic.
        maximum: Option<usize>,
        /// The number it got.
        got: usize,
    },
    /// A builtin got an argument of the right kind but outside what it accepts.
    ArgumentValue {
        /// The builtin.
        function: &'static str,
        /// The parameter.
        argument: &'static str,
        /// What it must be, as it reads after "must be".
        requirement: &'static str,
    },
    /// An array would hold more elements than one array may.
    ArrayLength {
        /// The limit in elements.
        limit: usize,
    },
    /// `array_reduce` of an empty array without an initial value.
    EmptyReduce,
    /// A part of a message contains the boundary of the multipart it is in.
    Boundary,
    /// A barrier was entered by an execution that is in it.
    BarrierHeld {
        /// Its name.
        name: Box<str>,
    },
    /// The name of a barrier is too long.
    BarrierName {
        /// The limit in octets.
        limit: usize,
    },
    /// An option of `cache` is unknown or wrong.
    CacheOption {
        /// The option.
        option: &'static str,
        /// What it must be, as it reads after "must be".
        requirement: &'static str,
    },
    /// Calls through function values are nested too deeply.
    CallDepth {
        /// The limit in calls.
        limit: usize,
    },
    /// The script used more CPU than it may.
    FuelExhausted {
        /// The limit in units of fuel.
        limit: u64,
    },
    /// Whoever runs the script stopped it.
    Interrupted,
    /// A value that cannot be the key of an array element.
    KeyKind {
        /// Its kind.
        got: Kind,
    },
    /// A number that cannot be the key of an array element.
    KeyRange,
    /// A regular expression took more steps than a match may.
    MatchSteps {
        /// The limit in steps.
        limit: u32,
    },
    /// The script's values take more memory than they may.
    MemoryLimit {
        /// The limit in bytes.
        limit: usize,
    },
    /// Values are nested deeper than an operation follows.
    NestingDepth {
        /// The limit in levels.
        limit: usize,
    },
    /// A variable was set of an object that can't have any.
    NoVariables,
    /// A member that the object's class does not have.
    NoSuchMember {
        /// Its name.
        name: Box<str>,
    },
    /// An element was written to a value that holds none.
    NotAnArray {
        /// Its kind.
        got: Kind,
    },
    /// A member was asked of a value that is not an object.
    NotAnObject {
        /// Its kind.
        got: Kind,
    },
    /// A value was called that is not a function.
    NotCallable {
        /// Its kind.
        got: Kind,
    },
    /// `foreach` over a value that is not an array.
    NotIterable {
        /// Its kind.
        got: Kind,
    },
    /// A value that cannot leave its script, because it is or contains a function or an object.
    NotPortable {
        /// Its kind.
        got: Kind,
    },
    /// A value without elements was subscripted or sliced.
    NotSubscriptable {
        /// Its kind.
        got: Kind,
    },
    /// An operator does not work on these kinds.
    Operator {
        /// The operator as it is written.
        operator: &'static str,
        /// The kind on its left.
        left: Kind,
        /// The kind on its right.
        right: Kind,
    },
    /// The script printed more than it may.
    OutputLimit {
        /// The limit in octets.
        limit: usize,
    },
    /// A regular expression is wrong, or does not fit its subject.
    Pattern {
        /// What is wrong.
        fault: Box<str>,
    },
    /// A private member was used from outside its class.
    PrivateMember {
        /// Its name.
        name: Box<str>,
    },
    /// A function was called while it was already running.
    Recursion,
    /// An index of a slice is not a number.
    SliceIndex {
        /// Its kind.
        got: Kind,
    },
    /// The step of a slice is zero, or not one where a slice is assigned or unset.
    SliceStep,
    /// A string would be longer than one string may be.
    StringLength {
        /// The limit in octets.
        limit: usize,
    },
    /// A template of the format operator is wrong, or does not fit its values.
    Template {
        /// What is wrong.
        fault: &'static str,
    },
    /// A unary operator does not work on this kind.
    UnaryOperator {
        /// The operator as it is written.
        operator: &'static str,
        /// The kind of its operand.
        operand: Kind,
    },
    /// An operation that walks a whole value met more elements than it follows, counting shared ones each time.
    ValueSize {
        /// The limit in elements.
        limit: usize,
    },
    /// A variable was read before it had a value.
    UndefinedVariable {
        /// Its name, without the dollar sign.
        name: Box<str>,
    },
}

impl ErrorKind {
    fn fmt_limits(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BarrierName { limit } => {
                write!(formatter, "name of a barrier exceeds {limit} octets")
            }
            Self::CallDepth { limit } => {
                write!(
                    formatter,
                    "calls through function values are nested deeper than {limit}"
                )
            }
            Self::ArrayLength { limit } => write!(formatter, "array exceeds {limit} elements"),
            Self::FuelExhausted { limit } => write!(
                formatter,
                "script exceeds {limit} units of fuel; raise the limit or shorten its loops"
            ),
            Self::MemoryLimit { limit } => write!(
                formatter,
                "script memory exceeds {limit} bytes; raise the limit or keep fewer values"
            ),
            Self::NestingDepth { limit } => {
                write!(formatter, "value is nested deeper than {limit} levels")
            }
            Self::OutputLimit { limit } => {
                write!(formatter, "output of echo exceeds {limit} octets")
            }
            Self::StringLength { limit } => write!(formatter, "string exceeds {limit} octets"),
            Self::ValueSize { limit } => write!(formatter, "value exceeds {limit} elements in all"),
            _ => formatter.write_str("limit exceeded"),
        }
    }

    fn fmt_arguments(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument {
                function,
                argument,
                expected,
                got,
            } => write!(
                formatter,
                "{function}(): argument \"{argument}\" must be {expected}, got {got}"
            ),
            Self::ArgumentCount {
                function,
                minimum,
                maximum,
                got,
            } => {
                if !function.is_empty() {
                    write!(formatter, "{function}(): ")?;
                }
                match maximum {
                    Some(maximum) if maximum == minimum => {
                        write!(formatter, "takes {minimum} arguments, got {got}")
                    }
                    Some(maximum) => {
                        write!(
                            formatter,
                            "takes {minimum} to {maximum} arguments, got {got}"
                        )
                    }
                    None => write!(formatter, "takes at least {minimum} arguments, got {got}"),
                }
            }
            Self::ArgumentValue {
                function,
                argument,
                requirement,
            } => write!(
                formatter,
                "{function}(): argument \"{argument}\" must be {requirement}"
            ),
            Self::CacheOption {
                option: "cache",
                requirement,
            } => write!(formatter, "cache: options must be {requirement}"),
            Self::CacheOption {
                option,
                requirement,
            } => write!(
                formatter,
                "cache: option \"{option}\" must be {requirement}"
            ),
            _ => formatter.write_str("wrong argument"),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { .. }
            | Self::ArgumentCount { .. }
            | Self::ArgumentValue { .. }
            | Self::CacheOption { .. } => self.fmt_arguments(formatter),
            Self::BarrierHeld { name } => {
                write!(formatter, "barrier \"{name}\" is entered inside of itself")
            }
            Self::ArrayLength { .. }
            | Self::BarrierName { .. }
            | Self::CallDepth { .. }
            | Self::FuelExhausted { .. }
            | Self::MemoryLimit { .. }
            | Self::NestingDepth { .. }
            | Self::OutputLimit { .. }
            | Self::StringLength { .. }
            | Self::ValueSize { .. } => self.fmt_limits(formatter),
            Self::Boundary => formatter.write_str(
                "MIME->toString(): a part contains the boundary around it; leave the boundary out or encode the part",
            ),
            Self::EmptyReduce => {
                formatter.write_str("array_reduce(): array is empty and there is no initial value")
            }
            Self::Interrupted => formatter.write_str("script was interrupted"),
            Self::KeyKind { got } => write!(formatter, "{got} cannot be an array key"),
            Self::KeyRange => {
                formatter.write_str("array key is outside -9007199254740991..9007199254740991")
            }
            Self::NoSuchMember { name } => write!(formatter, "object has no member \"{name}\""),
            Self::NoVariables => {
                formatter.write_str("an object of the library has no variables to set")
            }
            Self::NotAnArray { got } => write!(formatter, "cannot write an element of {got}"),
            Self::NotAnObject { got } => write!(formatter, "{got} has no members"),
            Self::NotCallable { got } => write!(formatter, "{got} cannot be called"),
            Self::NotIterable { got } => write!(formatter, "foreach needs array, got {got}"),
            Self::NotPortable { got } => write!(formatter, "{got} cannot leave its script"),
            Self::NotSubscriptable { got } => write!(formatter, "{got} has no elements"),
            Self::Operator {
                operator,
                left,
                right,
            } => write!(
                formatter,
                "operator {operator} does not work on {left} and {right}"
            ),
            Self::MatchSteps { limit } => {
                write!(
                    formatter,
                    "regular expression takes more than {limit} steps"
                )
            }
            Self::Pattern { fault } => write!(formatter, "regular expression: {fault}"),
            Self::PrivateMember { name } => write!(formatter, "member \"{name}\" is private"),
            Self::Recursion => {
                formatter.write_str("function calls itself; recursion is not allowed")
            }
            Self::SliceIndex { got } => {
                write!(formatter, "index of a slice must be number, got {got}")
            }
            Self::SliceStep => formatter.write_str("step of a slice must not be 0 here"),
            Self::Template { fault } => write!(formatter, "format template: {fault}"),
            Self::UnaryOperator { operator, operand } => {
                write!(formatter, "operator {operator} does not work on {operand}")
            }
            Self::UndefinedVariable { name } => {
                write!(formatter, "variable ${name} is not defined")
            }
        }
    }
}

impl std::error::Error for ErrorKind {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_thing_and_the_limit() {
        let argument = ErrorKind::Argument {
            function: "str_lower",
            argument: "string",
            expected: Kinds::STRING,
            got: Kind::Array,
        };
        assert_eq!(
            argument.to_string(),
            "str_lower(): argument \"string\" must be string, got array"
        );
        assert_eq!(
            ErrorKind::MemoryLimit { limit: 1024 }.to_string(),
            "script memory exceeds 1024 bytes; raise the limit or keep fewer values"
        );
        let count = ErrorKind::ArgumentCount {
            function: "round",
            minimum: 1,
            maximum: Some(2),
            got: 0,
        };
        assert_eq!(count.to_string(), "round(): takes 1 to 2 arguments, got 0");
    }
}
