//! What generated code refers to by number: places in the source, names, forms of places.
//!
//! Built while functions are translated, read-only afterwards, shared by all executions of the script.

use std::collections::HashMap;

use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, Name};

/// The tables of one script.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    sites: Vec<Span>,
    site_index: HashMap<(u32, u32, crate::source::SourceId), u32>,
    names: Vec<Box<str>>,
    shapes: Vec<PlaceShape>,
}

/// The form of a place and what is done to it; the operands come with each call.
#[derive(Debug)]
pub(crate) struct PlaceShape {
    /// What the word is that the place begins with.
    pub(crate) root: ShapeRoot,
    /// The class whose function the place stands in, plus one; 0 outside of classes.
    pub(crate) accessor: u32,
    /// The steps.
    pub(crate) steps: Vec<ShapeStep>,
    /// What is done.
    pub(crate) action: ShapeAction,
}

/// What a place begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShapeRoot {
    /// A variable: what it holds is changed.
    Variable,
    /// A cell: what it holds is changed.
    Cell,
    /// A value that somebody else owns: only what it refers to may change.
    Borrowed,
}

/// One step; the operands it takes from the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShapeStep {
    /// One: the key.
    Key,
    /// None.
    Append,
    /// Three: first, last, step.
    Slice,
    /// One: the name.
    Property,
}

/// What is done; the operand it takes from the list, after those of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShapeAction {
    /// One: the value. Yields none.
    Store,
    /// One: the right side.
    Update {
        /// The operator.
        operator: BinaryOperator,
    },
    /// None.
    Step {
        /// Plus rather than minus.
        increment: bool,
        /// Yields the old value, not the new one.
        yield_old: bool,
    },
    /// None. Yields a boolean.
    Isset,
    /// None. Yields a boolean.
    Unset,
    /// None. Yields the value or none.
    ReadQuiet,
}

impl Tables {
    /// The number of a site: never zero.
    pub(crate) fn site(&mut self, span: Span) -> u32 {
        let key = (span.start, span.end, span.source);
        if let Some(site) = self.site_index.get(&key) {
            return *site;
        }
        self.sites.push(span);
        let site = u32::try_from(self.sites.len()).expect("sites are bounded by the source's size");
        self.site_index.insert(key, site);
        site
    }

    /// The span of a site; `None` for zero.
    pub(crate) fn span(&self, site: u32) -> Option<Span> {
        self.sites.get((site as usize).checked_sub(1)?).copied()
    }

    /// The number of a name.
    pub(crate) fn name(&mut self, name: &Name) -> u32 {
        let found = self.names.iter().position(|known| **known == **name);
        let index = found.unwrap_or_else(|| {
            self.names.push(name.as_ref().into());
            self.names.len() - 1
        });
        u32::try_from(index).expect("names are bounded by the source's size")
    }

    /// The name of a number.
    pub(crate) fn name_text(&self, name: u32) -> &str {
        self.names.get(name as usize).map_or("", |name| name)
    }

    /// The number of a shape.
    pub(crate) fn shape(&mut self, shape: PlaceShape) -> u32 {
        self.shapes.push(shape);
        u32::try_from(self.shapes.len() - 1).expect("shapes are bounded by the source's size")
    }

    /// The shape of a number.
    pub(crate) fn place_shape(&self, shape: u32) -> Option<&PlaceShape> {
        self.shapes.get(shape as usize)
    }
}
