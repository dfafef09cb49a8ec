//! Drives the target `smtp-reply` of `tests/fuzzing`: any octets as replies.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-reply", octets));
