//! Tests of the engine, one binary: dialogues against the protocol core, fuzz targets, the server over TCP, scripts in it, the prompt on
//! a terminal, and the house rules.

mod dialogue;
mod engine;
mod fuzzing;
mod hook;
mod prompt;
mod tidy;
