//! Chance and the clock in production: the operating system's.

use jiff::Timestamp;

use crate::template::functions::Chance;

/// The operating system's random numbers and clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatingSystem;

impl Chance for OperatingSystem {
    fn now(&self) -> i128 {
        Timestamp::now().as_nanosecond()
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        // Without random numbers no password may be made; nothing a chart could do would be better than to stop.
        #[expect(clippy::expect_used, reason = "there is no safe way to go on without random numbers")]
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        bytes
    }
}
