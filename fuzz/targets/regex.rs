//! Drives the target `regex` of `jit/tests/differential/targets`: patterns and subjects.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("regex", octets));
