#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::let_decoders_panic(), |bytes: &[u8]| tests::doors::picture(bytes));
