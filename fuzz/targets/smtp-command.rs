//! Drives the target `smtp-command` of `tests/fuzzing`: any octets as a command.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-command", octets));
