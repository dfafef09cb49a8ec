//! Drives the target `parse` of `jit/tests/differential/targets`: any octets as a script, up to the tree.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("parse", octets));
