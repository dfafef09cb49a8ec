//! Drives the target `smtp-mail-data` of `tests/fuzzing`: any octets as mail data.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-mail-data", octets));
