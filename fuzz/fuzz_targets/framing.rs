#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| powerstream_fuzz::framing::run(input));
