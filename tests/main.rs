//! The tests of the engine as a whole, in one binary.
//!
//! In: the source tree and the library. Out: dialogues played in every way (`dialogue`), the house rules (`tidy`).

mod dialogue;
mod tidy;
