//! See [`coxswain_fuzz::properties::version`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coxswain_fuzz::properties::version::check(data));
