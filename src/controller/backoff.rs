//! Pauses between attempts: doubling after each failure, and a little different for everyone.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(600);

/// The pause after this many failures in a row: 1 s, doubled each time up to 10 min, and up to a tenth less, so that
/// what failed together does not come back together.
pub fn pause(failures: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    spread(doubled.min(LONGEST))
}

/// An interval, up to a tenth shorter.
pub fn spread(interval: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0_u8) % 1_000;
    interval - interval.mul_f64(chance as f64 / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        for (failures, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (33, 600), (u32::MAX, 600)] {
            let (longest, pause) = (Duration::from_secs(seconds), pause(failures));
            assert!(pause <= longest && pause >= longest.mul_f64(0.9), "{failures} failures: {pause:?}");
        }
    }

    #[test]
    fn equal_intervals_do_not_stay_equal() {
        let spread: std::collections::BTreeSet<_> = (0..20).map(|_| spread(Duration::from_secs(120))).collect();
        assert!(spread.len() > 1);
    }
}
