//! Drives the target `program` of `jit/tests/differential/targets`: programs that the generator makes of the input, run in every way.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postern_fuzz::feed_on_large_stack("program", octets));
