//! Drives the target `smtp-line` of `tests/fuzzing`: any octets as lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-line", octets));
