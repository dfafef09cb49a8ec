//! What is known of a value when compiling: the set of kinds it may have.
//!
//! A finite lattice (sets of eight kinds, joined by union), so that inference ends.

use std::fmt;

/// A set of kinds; [`Kinds::NOTHING`] is the value of code that is never reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind: never reached.
    pub const NOTHING: Self = Self(0);
    /// A variable without a value.
    pub const UNDEFINED: Self = Self(1);
    /// `none`
    pub const NONE: Self = Self(1 << 1);
    /// `true` or `false`
    pub const BOOLEAN: Self = Self(1 << 2);
    /// A number.
    pub const NUMBER: Self = Self(1 << 3);
    /// A string.
    pub const STRING: Self = Self(1 << 4);
    /// An array.
    pub const ARRAY: Self = Self(1 << 5);
    /// A function.
    pub const FUNCTION: Self = Self(1 << 6);
    /// An object.
    pub const OBJECT: Self = Self(1 << 7);
    /// Any value a script can see.
    pub const ANY: Self = Self(!1);
    /// Anything, or nothing yet.
    pub const ANY_OR_UNDEFINED: Self = Self(!0);

    /// The kinds of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These kinds without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every kind here is among those of `other`.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether some kind is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether this is surely one kind and nothing else.
    #[must_use]
    pub const fn is(self, kind: Self) -> bool {
        self.0 == kind.0
    }

    /// Whether a value of these kinds may live in the heap, so that references to it are counted.
    #[must_use]
    pub const fn may_be_counted(self) -> bool {
        self.0 & (Self::STRING.0 | Self::ARRAY.0 | Self::FUNCTION.0 | Self::OBJECT.0) != 0
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = [
            "undefined",
            "none",
            "boolean",
            "number",
            "string",
            "array",
            "function",
            "object",
        ];
        if *self == Self::ANY {
            return formatter.write_str("any");
        }
        if *self == Self::NOTHING {
            return formatter.write_str("nothing");
        }
        let mut first = true;
        for (bit, name) in NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                if !first {
                    formatter.write_str("|")?;
                }
                formatter.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}
