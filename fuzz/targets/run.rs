//! Drives the target `run` of `jit/tests/differential/targets`: any octets as a script, run in every way.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed_on_large_stack("run", octets));
