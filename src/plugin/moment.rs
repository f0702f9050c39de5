//! Times as people read them: how long ago, and when.

use jiff::Timestamp;

/// How long ago a time was, as kubectl writes ages: the two largest units that matter, `59s`, `5m10s`, `3h`, `4d2h`,
/// `2y`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - since.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{small_unit}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => with(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => with(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => with(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () => with(days / 365, "y", days % 365, "d"),
    }
}

/// A time to the second, in UTC.
pub fn exact(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_does() {
        let begin = Timestamp::UNIX_EPOCH;
        let table = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (310, "5m10s"),
            (3600, "60m"),
            (4 * 3600, "4h"),
            (4 * 3600 + 120, "4h2m"),
            (30 * 3600, "30h"),
            (4 * 86_400 + 7200, "4d2h"),
            (100 * 86_400, "100d"),
            (800 * 86_400, "2y70d"),
        ];
        for (seconds, expected) in table {
            let now = Timestamp::from_second(seconds).expect("a time");
            assert_eq!(age(begin, now), expected, "{seconds} seconds");
        }
        assert_eq!(age(Timestamp::from_second(9).expect("a time"), begin), "0s", "clocks differ");
    }

    #[test]
    fn a_time_is_written_to_the_second() {
        assert_eq!(exact(Timestamp::from_second(1_795_236_602).expect("a time")), "2026-11-21 04:50:02");
    }
}
