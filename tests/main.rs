//! Tests of the engine, one binary: dialogues against the protocol core, fuzz targets, the server over TCP, scripts in it,
//! the prompt on a terminal, what is left after the worst, whole shards under seeded clients, and the house rules.

mod crash;
mod dialogue;
mod engine;
mod fuzzing;
mod hook;
mod prompt;
mod simulation;
mod tidy;
