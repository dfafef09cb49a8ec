//! Drives the target `builtins` of `jit/tests/differential/targets`: calls of builtin functions.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed("builtins", octets));
