//! Drives the target `smtp-address` of `tests/fuzzing`: any octets as an address.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-address", octets));
