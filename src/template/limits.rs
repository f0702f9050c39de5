//! What a render may use up, and the stack it runs on.

use std::cell::Cell;
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
        Self { steps: 20_000_000, bytes: 128 << 20, depth: 110_000, time: Duration::from_secs(60) }
    }
}

impl Limits {
    /// What is said where the steps are used up.
    pub(crate) fn steps_message(&self) -> String {
        format!("the render takes more than {} steps", self.steps)
    }

    /// What is said where the time is over.
    pub(crate) fn time_message(&self) -> String {
        format!("the render takes longer than {:?}", self.time)
    }

    /// What is said where the bytes are used up.
    pub(crate) fn bytes_message(&self) -> String {
        format!("the render makes more than {} bytes of text", self.bytes)
    }
}

/// The stack of [`on_large_stack`]: address space only, memory is used as far as a template really recurses.
const LARGE_STACK_BYTES: usize = 512 << 20;

/// What is left alone at the end of a stack, for functions that recurse within their own bounds.
const RESERVE_BYTES: usize = 1 << 20;

/// How much of a thread's stack is used where its size is unknown.
const UNKNOWN_STACK_BYTES: usize = 1 << 20;

thread_local! {
    /// The address below which the stack of this thread must not grow, where it is known.
    static FLOOR: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Tells when recursion comes near the end of the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackGuard {
    floor: usize,
}

impl StackGuard {
    /// A guard for the present thread, from the present depth on.
    pub(crate) fn new() -> Self {
        let floor = FLOOR.get().unwrap_or_else(|| stack_address().saturating_sub(UNKNOWN_STACK_BYTES));
        Self { floor }
    }

    /// Whether no further recursion is safe.
    pub(crate) fn is_exhausted(&self) -> bool {
        stack_address() < self.floor
    }
}

/// An address in the present stack frame. Stacks grow downwards everywhere that Rust's standard library runs on.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Runs `work` on a thread of its own whose stack is deep enough for everything that [`parse`](super::parse) accepts
/// and [`Limits`] allow. On a smaller stack a deep recursion ends in an error earlier.
///
/// # Errors
/// The operating system's, where it refuses the thread.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("render".to_owned()).stack_size(LARGE_STACK_BYTES);
        let handle = thread.spawn_scoped(scope, || {
            FLOOR.set(Some(stack_address().saturating_sub(LARGE_STACK_BYTES - RESERVE_BYTES)));
            work()
        })?;
        handle.join().map_err(|_| std::io::Error::other("the render thread panicked"))
    })
}
