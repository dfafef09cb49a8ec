//! Drives the target `smtp-client` of `tests/fuzzing`: any octets as a next hop of a client.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-client", octets));
