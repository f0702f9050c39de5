//! Instants.

use super::calendar::{Date, date_of, days_of, split_seconds};
use super::zone::{Offset, Zone};
use super::{Duration, calendar};

/// A `time.Time`.
#[derive(Clone, Debug)]
pub struct Time {
    /// Seconds since 1970.
    pub(super) seconds: i64,
    /// Nanoseconds within the second.
    pub(super) nanoseconds: u32,
    pub(super) zone: Zone,
}

/// From year 1, Go's zero time, to 1970.
const ZERO_TO_UNIX: i64 = 62_135_596_800;

const NANOSECONDS: i64 = 1_000_000_000;

/// A time of day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub nanosecond: u32,
}

impl Time {
    /// `time.Time{}`: the first instant of year 1, UTC.
    pub fn zero() -> Self {
        Self { seconds: -ZERO_TO_UNIX, nanoseconds: 0, zone: Zone::Utc }
    }

    /// `time.Unix(seconds, 0)`.
    pub fn unix(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0, zone: Zone::Local }
    }

    /// The instant so many nanoseconds after 1970.
    pub fn from_nanoseconds(nanoseconds: i128, zone: Zone) -> Self {
        let second = i128::from(NANOSECONDS);
        Self {
            seconds: i64::try_from(nanoseconds.div_euclid(second)).unwrap_or(i64::MAX),
            nanoseconds: u32::try_from(nanoseconds.rem_euclid(second)).unwrap_or(0),
            zone,
        }
    }

    /// `time.Date`: month and day may lie outside of their ranges. In a gap or overlap of zone offsets Go does not
    /// promise which one it takes; this takes the same.
    pub fn from_date(year: i64, month: i64, day: i64, clock: Clock, zone: Zone) -> Self {
        let days = days_of(year, month, day);
        let local = days.wrapping_mul(calendar::DAY).wrapping_add(clock.hour * 3600 + clock.minute * 60 + clock.second);
        let guess = i64::from(zone.offset_at(local).seconds);
        let offset = if guess == 0 { 0 } else { i64::from(zone.offset_at(local.wrapping_sub(guess)).seconds) };
        Self { seconds: local.wrapping_sub(offset), nanoseconds: clock.nanosecond, zone }
    }

    /// The same instant in another zone.
    pub fn in_zone(&self, zone: Zone) -> Self {
        Self { zone, ..self.clone() }
    }

    /// The zone that the time is shown in.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Seconds since Go's zero time.
    pub(super) fn since_zero(&self) -> i64 {
        self.seconds.wrapping_add(ZERO_TO_UNIX)
    }

    /// Whether this is Go's zero time.
    pub fn is_zero(&self) -> bool {
        self.seconds == -ZERO_TO_UNIX && self.nanoseconds == 0
    }

    pub(super) fn offset(&self) -> Offset {
        self.zone.offset_at(self.seconds)
    }

    /// The days since 1970 and the second of the day, in the time's zone.
    fn local(&self) -> (i64, i64) {
        split_seconds(self.seconds.wrapping_add(i64::from(self.offset().seconds)))
    }

    pub(super) fn days(&self) -> i64 {
        self.local().0
    }

    pub(super) fn date(&self) -> Date {
        date_of(self.days())
    }

    pub(super) fn clock(&self) -> Clock {
        let second = self.local().1;
        Clock { hour: second / 3600, minute: second / 60 % 60, second: second % 60, nanosecond: self.nanoseconds }
    }

    /// `Time.Add`.
    pub fn add(&self, duration: Duration) -> Self {
        let nanoseconds = i64::from(self.nanoseconds) + duration.0 % NANOSECONDS;
        Self {
            seconds: self
                .seconds
                .wrapping_add(duration.0 / NANOSECONDS)
                .wrapping_add(nanoseconds.div_euclid(NANOSECONDS)),
            nanoseconds: u32::try_from(nanoseconds.rem_euclid(NANOSECONDS)).unwrap_or(0),
            zone: self.zone.clone(),
        }
    }

    /// `Time.AddDate`.
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let date = self.date();
        Self::from_date(
            date.year.wrapping_add(years),
            i64::from(date.month).wrapping_add(months),
            i64::from(date.day).wrapping_add(days),
            self.clock(),
            self.zone.clone(),
        )
    }

    /// `Time.Sub`: the time since another one, as much of it as a duration holds.
    pub fn since(&self, earlier: &Self) -> Duration {
        let difference = self.as_nanoseconds() - earlier.as_nanoseconds();
        let bounded = difference.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Duration(i64::try_from(bounded).unwrap_or(i64::MAX))
    }

    pub(super) fn as_nanoseconds(&self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOSECONDS) + i128::from(self.nanoseconds)
    }

    /// Go rounds to multiples of a duration since its zero time.
    pub(super) fn rounded(&self, unit: Duration, up_from_half: bool) -> Self {
        if unit.0 <= 0 {
            return self.clone();
        }
        let unit = i128::from(unit.0);
        let since_zero = self.as_nanoseconds() + i128::from(ZERO_TO_UNIX) * i128::from(NANOSECONDS);
        let rest = since_zero.rem_euclid(unit);
        let up = up_from_half && rest + rest >= unit;
        let rounded = self.as_nanoseconds() - rest + if up { unit } else { 0 };
        Self::from_nanoseconds(rounded, self.zone.clone())
    }
}
