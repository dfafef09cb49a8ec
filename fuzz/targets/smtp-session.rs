//! Drives the target `smtp-session` of `tests/fuzzing`: any octets as a session.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-session", octets));
