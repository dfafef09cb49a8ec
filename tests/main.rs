//! Tests of the engine, one binary: dialogues against the protocol core, and the server over TCP.

mod dialogue;
mod engine;
