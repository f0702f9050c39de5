//! See [`coxswain_fuzz::properties::archive`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coxswain_fuzz::properties::archive::check(data));
