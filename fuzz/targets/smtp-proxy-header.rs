//! Drives the target `smtp-proxy-header` of `tests/fuzzing`: any octets as a header of the PROXY protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("smtp-proxy-header", octets));
