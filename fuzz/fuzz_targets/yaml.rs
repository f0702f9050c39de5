//! See [`coxswain_fuzz::properties::yaml`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coxswain_fuzz::properties::yaml::check(data));
