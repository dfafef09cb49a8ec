//! Drives the target `tls-records` of `tests/fuzzing`: any octets as, in and among records of TLS.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("tls-records", octets));
