//! Drives the target `compile` of `jit/tests/differential/targets`: any octets as a script, up to machine code.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("compile", octets));
