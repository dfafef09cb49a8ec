//! Places deeper than a variable, and what is done to them.

use super::instruction::{ConstantId, Operand, Register};
use crate::syntax::ast::BinaryOperator;

/// A variable, and the way from it to an element.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where the way begins.
    pub root: PlaceRoot,
    /// The way; not empty.
    pub path: Vec<PathStep>,
    /// As in [`super::Operation::Index`].
    pub accessor: u32,
}

/// Where a place begins.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaceRoot {
    /// A variable's register; rewritten.
    Variable(Register),
    /// A register of kind cell; what the cell holds is rewritten.
    Cell(Register),
    /// A predefined variable that may be written.
    Predefined(u32),
    /// A static variable of a class.
    Static(u32),
    /// A value that is an object: only what it refers to changes. Borrowed.
    Value(Operand),
}

/// One step of a path. Operands are borrowed.
#[derive(Clone, Debug)]
pub enum PathStep {
    /// `[key]`
    Key(Operand),
    /// `[]`: a new element at the end.
    Append,
    /// `[first:last:step]`; only as the last step.
    Slice([Operand; 3]),
    /// `->name`
    Property(ConstantId),
}

/// What is done to a place.
#[derive(Clone, Debug)]
pub enum PlaceAction {
    /// Sets it. Creates what is missing on the way. Yields nothing. The operand is borrowed.
    Store(Operand),
    /// Reads, combines, sets. Yields the new value.
    Update {
        /// The operator.
        operator: BinaryOperator,
        /// Borrowed.
        right: Operand,
    },
    /// Adds one or subtracts one. Yields the new value, or the old one if asked (`$x[0]++`).
    Step {
        /// Plus rather than minus.
        increment: bool,
        /// Yields the old value.
        yield_old: bool,
    },
    /// Yields whether it exists. Never fails.
    Isset,
    /// Removes it; yields whether there was something.
    Unset,
    /// Yields its value, none when anything on the way is missing. Never fails on a missing thing.
    ReadQuiet,
}
