//! What a render may use up, and the stack it runs on.

use std::time::Duration;

/// Bounds of one render. The defaults are far above what the largest public charts need.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps of template execution and of functions' work.
    pub steps: u64,
    /// Bytes of output and of intermediate texts.
    pub bytes: u64,
    /// Nested `template`, `include` and `tpl` calls; Go itself stops `template` at 100,000.
    pub depth: usize,
    /// Wall time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 200_000_000, bytes: 1 << 30, depth: 100_000, time: Duration::from_secs(60) }
    }
}

/// The stack of [`on_large_stack`]: address space only, memory is used as far as a template really recurses.
pub(crate) const LARGE_STACK_BYTES: usize = 512 << 20;

/// Runs `work` on a thread of its own whose stack is deep enough for everything that [`parse`](super::parse) accepts
/// and [`Limits`] allow. On a smaller stack a deep recursion ends in an error earlier.
///
/// # Errors
/// The operating system's, where it refuses the thread.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("render".to_owned()).stack_size(LARGE_STACK_BYTES);
        let handle = thread.spawn_scoped(scope, work)?;
        handle.join().map_err(|_| std::io::Error::other("the render thread panicked"))
    })
}
