//! See [`coxswain_fuzz::properties::template`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coxswain_fuzz::properties::template::check(data));
