//! One property a file: a function of arbitrary bytes that panics where something does not hold.

pub mod archive;
pub mod printf;
pub mod set;
pub mod template;
pub mod version;
pub mod yaml;

/// Chance and the clock, standing still.
pub struct Still;

impl coxswain::template::functions::Chance for Still {
    fn now(&self) -> i128 {
        1_700_000_000_000_000_000
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        (0..n).map(|index| (index % 251) as u8).collect()
    }
}
