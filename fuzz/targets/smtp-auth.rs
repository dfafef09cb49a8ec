//! Drives the target `smtp-auth` of `tests/fuzzing`: any octets as answers to AUTH.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-auth", octets));
