//! What a render may use up before it ends in an error.

use std::time::Duration;

/// Bounds of one render. The defaults are far above what the largest public charts need.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps of template execution and of functions' work.
    pub steps: u64,
    /// Bytes of output and of intermediate texts.
    pub bytes: u64,
    /// Nested template calls.
    pub depth: usize,
    /// Wall time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 200_000_000, bytes: 1 << 30, depth: 1_000, time: Duration::from_secs(60) }
    }
}
