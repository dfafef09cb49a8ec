//! Drives the target `smtp-chunks` of `tests/fuzzing`: any octets as chunks of mail data.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-chunks", octets));
