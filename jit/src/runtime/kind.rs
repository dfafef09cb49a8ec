//! The kinds of values a script can see, and sets of them.
//!
//! HSL manual, chapter "Data types and literals".

use std::fmt;
use std::ops::BitOr;

use super::layout;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// `none`.
    None = 0,
    /// `true` or `false`.
    Boolean = 1,
    /// A double.
    Number = 2,
    /// Octets.
    String = 3,
    /// An ordered map.
    Array = 4,
    /// A function, named or not.
    Function = 5,
    /// An instance of a class.
    Object = 6,
}

impl Kind {
    /// The word scripts and messages use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Function => "function",
            Self::Object => "object",
        }
    }

    /// Every kind, in the order of the manual's tables.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Boolean,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Function,
        Self::Object,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind at all.
    pub const EMPTY: Self = Self(0);
    /// Only none.
    pub const NONE: Self = Self::of(Kind::None);
    /// Only booleans.
    pub const BOOLEAN: Self = Self::of(Kind::Boolean);
    /// Only numbers.
    pub const NUMBER: Self = Self::of(Kind::Number);
    /// Only strings.
    pub const STRING: Self = Self::of(Kind::String);
    /// Only arrays.
    pub const ARRAY: Self = Self::of(Kind::Array);
    /// Only functions.
    pub const FUNCTION: Self = Self::of(Kind::Function);
    /// Only objects.
    pub const OBJECT: Self = Self::of(Kind::Object);
    /// Every kind.
    pub const ANY: Self = Self(0x7F);

    /// The set of one kind.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self(1 << kind as u8)
    }

    /// The tags whose values are surely of these kinds, as bits by [`Value::tag_number`].
    ///
    /// [`Value::tag_number`]: crate::runtime::Value
    #[must_use]
    pub(crate) const fn tags(self) -> u8 {
        const FIRST: u64 = layout::NUMBER_MAX >> layout::TAG_SHIFT;
        let mut tags = self.contains(Kind::Number) as u8;
        let immediates = self.contains(Kind::None) && self.contains(Kind::Boolean);
        tags |= (immediates as u8) << ((layout::NONE >> layout::TAG_SHIFT) - FIRST);
        tags |= (self.contains(Kind::String) as u8) << (layout::TAG_STRING - FIRST);
        tags |= (self.contains(Kind::Array) as u8) << (layout::TAG_ARRAY - FIRST);
        tags |= (self.contains(Kind::Function) as u8) << (layout::TAG_FUNCTION - FIRST);
        tags | (self.contains(Kind::Object) as u8) << (layout::TAG_OBJECT - FIRST)
    }

    /// The kinds of both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has this kind.
    #[must_use]
    #[inline]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// One bit per kind, bit 0 for none; the order of [`Kind`].
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return formatter.write_str("any value");
        }
        let mut separator = "";
        for kind in Kind::ALL {
            if self.contains(kind) {
                write!(formatter, "{separator}{kind}")?;
                separator = " or ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_read_as_sentences() {
        assert_eq!((Kinds::STRING | Kinds::NONE).to_string(), "none or string");
        assert_eq!(Kinds::ANY.to_string(), "any value");
        for kind in Kind::ALL {
            assert!(Kinds::ANY.contains(kind));
            assert!(Kinds::of(kind).contains(kind));
            assert!(!Kinds::EMPTY.contains(kind));
        }
    }
}
