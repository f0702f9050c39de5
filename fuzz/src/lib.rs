//! What must hold for any input. The targets in `fuzz_targets/` look for a counterexample; those that were found are
//! kept in `regressions/`, and an ordinary test of the main workspace replays them.

pub mod properties;
