//! See [`coxswain_fuzz::properties::printf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coxswain_fuzz::properties::printf::check(data));
