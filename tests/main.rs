//! x
mod dialogue;
