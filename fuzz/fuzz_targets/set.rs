//! See [`coxswain_fuzz::properties::set`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coxswain_fuzz::properties::set::check(data));
