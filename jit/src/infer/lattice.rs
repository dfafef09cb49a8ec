//! What is known of a value when compiling: the set of kinds it may have.
//!
//! A finite lattice (sets of ten kinds, joined by union), so that inference ends. Arrays are two of them: those whose
//! elements are all numbers, truth values or none, so that no reference to an element is counted, and the others. So are
//! strings: those of one octet that each thread has once, to which no references are counted, and the others.

use std::fmt;

/// A set of kinds; [`Kinds::NOTHING`] is the value of code that is never reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kinds(u16);

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
    /// A string of one octet, made by looking at an octet of another or from its number: the one of its thread.
    pub const OCTET: Self = Self(1 << 4);
    /// A string.
    pub const STRING: Self = Self(1 << 4 | 1 << 9);
    /// An array whose elements are all [`Self::PLAIN`].
    pub const PLAIN_ARRAY: Self = Self(1 << 5);
    /// An array.
    pub const ARRAY: Self = Self(1 << 5 | 1 << 8);
    /// A function.
    pub const FUNCTION: Self = Self(1 << 6);
    /// An object.
    pub const OBJECT: Self = Self(1 << 7);
    /// Values that are not in the heap.
    pub const PLAIN: Self = Self(1 << 1 | 1 << 2 | 1 << 3);
    /// Any value a script can see.
    pub const ANY: Self = Self(0x3FE);
    /// Anything, or nothing yet.
    pub const ANY_OR_UNDEFINED: Self = Self(0x3FF);

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

    /// Whether this is surely of one kind and nothing else.
    #[must_use]
    pub const fn is(self, kind: Self) -> bool {
        self.0 != 0 && self.within(kind)
    }

    /// Whether a value of these kinds may live in the heap, so that references to it are counted.
    #[must_use]
    pub const fn may_be_counted(self) -> bool {
        let counted = Self::STRING.without(Self::OCTET).or(Self::ARRAY);
        self.meets(counted.or(Self::FUNCTION).or(Self::OBJECT))
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Kinds, &str); 10] = [
            (Kinds::UNDEFINED, "undefined"),
            (Kinds::NONE, "none"),
            (Kinds::BOOLEAN, "boolean"),
            (Kinds::NUMBER, "number"),
            (Kinds::STRING, "string"),
            (Kinds::OCTET, "octet"),
            (Kinds::ARRAY, "array"),
            (Kinds::PLAIN_ARRAY, "array of plain values"),
            (Kinds::FUNCTION, "function"),
            (Kinds::OBJECT, "object"),
        ];
        if *self == Self::ANY {
            return formatter.write_str("any");
        }
        if *self == Self::NOTHING {
            return formatter.write_str("nothing");
        }
        let mut rest = *self;
        for (kinds, name) in NAMES {
            if kinds.within(rest) {
                let separator = if rest == *self { "" } else { "|" };
                write!(formatter, "{separator}{name}")?;
                rest = rest.without(kinds);
            }
        }
        Ok(())
    }
}
