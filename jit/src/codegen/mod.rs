//! The intermediate representation to machine code. The only folder that names Cranelift.
//!
//! In: a [`crate::ir::Program`]. Out: [`Code`], which can be entered and is freed when its last owner drops it.

mod loops;
mod module;
mod stack;
mod tables;
mod translate;
mod workers;

pub(crate) use module::{Code, Entry, compile};
pub(crate) use stack::ENTRIES_MAX;
pub(crate) use tables::{PlaceShape, ShapeAction, ShapeRoot, ShapeStep};
