//! The words of HSL: what the lexer cuts a text into.
//!
//! In: nothing; these are plain values. Literals are carried decoded, names as text, keywords and symbols as small enums
//! that know how they are spelled. HSL manual: literals, operators, structures ("Named functions", reserved words).

use std::rc::Rc;

use crate::source::Span;
use crate::syntax::ast::{Name, Piece};

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Its octets, quotes and `$` included.
    pub(crate) span: Span,
    /// Whether the lexer reported a mistake in it or directly before it, so that the parser need not.
    pub(crate) broken: bool,
}

/// The kinds of tokens.
#[derive(Clone, Debug)]
pub(crate) enum TokenKind {
    /// A word that is not reserved.
    Name(Name),
    /// `$name`, carried without the `$`.
    Variable(Name),
    /// A number in any notation.
    Number(f64),
    /// A string without interpolation, unescaped.
    String(Rc<[u8]>),
    /// A string with at least one variable in it.
    Interpolation(Vec<Piece>),
    /// A reserved word.
    Keyword(Keyword),
    /// An operator or a bracket.
    Symbol(Symbol),
    /// The end of the text: always the last token.
    End,
}

impl TokenKind {
    /// How a message names the token.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Variable(name) => format!("`${name}`"),
            Self::Number(_) => "number".into(),
            Self::String(_) | Self::Interpolation(_) => "string".into(),
            Self::Keyword(keyword) => format!("`{}`", keyword.text()),
            Self::Symbol(symbol) => format!("`{}`", symbol.text()),
            Self::End => "end of file".into(),
        }
    }
}

/// Something with fixed spellings.
pub(crate) trait Spelled: Sized + 'static {
    /// Every one, in the order of their list.
    const ALL: &[Self];
}

/// Declares an enum of fixed spellings with both directions of the mapping.
macro_rules! spellings {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
        }

        impl Spelled for $name {
            const ALL: &[Self] = &[$(Self::$variant,)+];
        }

        impl $name {
            /// The spelling.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one that is spelled so.
            pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
                $(if text == $text.as_bytes() {
                    return Some(Self::$variant);
                })+
                None
            }
        }
    };
}

spellings! {
    /// The reserved words of the manual.
    Keyword {
        And = "and",
        Array = "array",
        As = "as",
        Barrier = "barrier",
        Break = "break",
        Builtin = "builtin",
        Cache = "cache",
        Case = "case",
        Class = "class",
        Closure = "closure",
        Constructor = "constructor",
        Continue = "continue",
        Default = "default",
        Echo = "echo",
        Else = "else",
        False = "false",
        For = "for",
        Foreach = "foreach",
        Forever = "forever",
        From = "from",
        Function = "function",
        Global = "global",
        If = "if",
        Import = "import",
        Include = "include",
        IncludeOnce = "include_once",
        Isset = "isset",
        None = "none",
        Not = "not",
        Object = "object",
        Or = "or",
        Private = "private",
        Return = "return",
        Switch = "switch",
        True = "true",
        Unset = "unset",
        While = "while",
        With = "with",
    }
}

impl Keyword {
    /// Whether the word can only begin a statement (or an arm), so that a lost parser may go on there.
    pub(crate) const fn begins_statement(self) -> bool {
        matches!(
            self,
            Self::Barrier
                | Self::Break
                | Self::Case
                | Self::Class
                | Self::Continue
                | Self::Default
                | Self::Echo
                | Self::For
                | Self::Foreach
                | Self::Forever
                | Self::Global
                | Self::If
                | Self::Import
                | Self::Include
                | Self::IncludeOnce
                | Self::Return
                | Self::Switch
                | Self::While
        )
    }
}

spellings! {
    /// Operators and brackets, the longer spelling before its beginnings.
    Symbol {
        PowerAssign = "**=",
        NotIdentical = "!==",
        Identical = "===",
        Ellipsis = "...",
        Power = "**",
        Increment = "++",
        Decrement = "--",
        Arrow = "->",
        Scope = "::",
        AddAssign = "+=",
        SubtractAssign = "-=",
        MultiplyAssign = "*=",
        DivideAssign = "/=",
        ModulusAssign = "%=",
        ConcatenateAssign = ".=",
        ShiftLeft = "<<",
        ShiftRight = ">>",
        LessOrEqual = "<=",
        GreaterOrEqual = ">=",
        Equal = "==",
        NotEqual = "!=",
        Match = "=~",
        NotMatch = "!~",
        Pair = "=>",
        Coalesce = "??",
        LeftParenthesis = "(",
        RightParenthesis = ")",
        LeftBracket = "[",
        RightBracket = "]",
        LeftBrace = "{",
        RightBrace = "}",
        Comma = ",",
        Semicolon = ";",
        Colon = ":",
        Question = "?",
        Assign = "=",
        Add = "+",
        Subtract = "-",
        Multiply = "*",
        Divide = "/",
        Modulus = "%",
        Concatenate = ".",
        Less = "<",
        Greater = ">",
        Not = "!",
        BitNot = "~",
        BitAnd = "&",
        BitXor = "^",
        BitOr = "|",
    }
}

impl Symbol {
    /// The longest symbol at the beginning of a text.
    pub(crate) fn longest(text: &[u8]) -> Option<Self> {
        [3, 2, 1]
            .into_iter()
            .filter_map(|length| text.get(..length))
            .find_map(Self::from_text)
    }

    /// The bracket that closes this one.
    pub(crate) const fn closer(self) -> Option<Self> {
        match self {
            Self::LeftParenthesis => Some(Self::RightParenthesis),
            Self::LeftBracket => Some(Self::RightBracket),
            Self::LeftBrace => Some(Self::RightBrace),
            _ => None,
        }
    }
}

/// Words that a later HSL reserves, with what to say about each.
pub(crate) const RESERVED_FOR_LATER: [&str; 6] =
    ["catch", "match", "readonly", "throw", "try", "yield"];
