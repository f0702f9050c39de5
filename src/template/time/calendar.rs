//! The proleptic Gregorian calendar over the whole range of 64-bit seconds, wrapping at its ends (`time.go`).

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// From 1970 back to the beginning of Go's absolute time, 1 March of the year -292277022400, in seconds.
const UNIX_TO_ABSOLUTE: i64 = 9_223_372_028_741_760_000;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    pub year: i64,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
}

/// The days since 1970 and the second of the day that seconds since 1970 fall on.
pub fn split_seconds(seconds: i64) -> (i64, i64) {
    let absolute = seconds.wrapping_add(UNIX_TO_ABSOLUTE).cast_unsigned();
    let days = (absolute / DAY.unsigned_abs()).cast_signed() - UNIX_TO_ABSOLUTE / DAY;
    (days, (absolute % DAY.unsigned_abs()).cast_signed())
}

/// The date, so many days after 1 January 1970.
pub fn date_of(days: i64) -> Date {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Date { year, month: u8::try_from(month).unwrap_or(1), day: u8::try_from(day).unwrap_or(1) }
}

/// The days from 1 January 1970 to a date; the month and day may lie outside of their ranges and carry over.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let month = month.wrapping_sub(1);
    let year = year.wrapping_add(month.div_euclid(12));
    let month = month.rem_euclid(12) + 1;
    let shifted_year = year.wrapping_sub(i64::from(month <= 2));
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.wrapping_mul(146_097).wrapping_add(day_of_era - 719_468).wrapping_add(day.wrapping_sub(1))
}

/// The day of the year, from 1.
pub fn day_of_year(days: i64) -> i64 {
    days - days_of(date_of(days).year, 1, 1) + 1
}

/// The day of the week, Sunday being 0.
pub fn weekday(days: i64) -> u8 {
    u8::try_from((days + 4).rem_euclid(7)).unwrap_or(0)
}

/// Whether the year has a 29 February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month.
pub fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
