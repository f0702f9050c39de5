//! Time zones: what Go calls a `Location`.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time zone.
#[derive(Clone, Debug)]
pub enum Zone {
    /// UTC.
    Utc,
    /// The zone of this machine.
    Local,
    /// A constant offset in seconds east of UTC, with a name that may be empty.
    Fixed(String, i32),
    /// A zone of the IANA database.
    Named(TimeZone),
}

/// What holds in a zone at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The abbreviation, such as `CET`.
    pub name: String,
    /// Seconds east of UTC.
    pub seconds: i32,
    /// Summer time.
    pub daylight_saving: bool,
}

impl Offset {
    fn constant(name: &str, seconds: i32) -> Self {
        Self { name: name.to_owned(), seconds, daylight_saving: false }
    }
}

impl Zone {
    /// `time.LoadLocation`; nothing for a zone that does not exist. Names are case-sensitive, as on Go's file systems.
    pub fn load(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" => Some(Self::Utc),
            "Local" => Some(Self::Local),
            _ => {
                let zone = TimeZone::get(name).ok()?;
                (zone.iana_name() == Some(name)).then_some(Self::Named(zone))
            }
        }
    }

    /// The offset in force at an instant, in seconds since 1970.
    pub fn offset_at(&self, seconds: i64) -> Offset {
        static SYSTEM: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);
        match self {
            Self::Utc => Offset::constant("UTC", 0),
            Self::Fixed(name, seconds) => Offset::constant(name, *seconds),
            Self::Local => offset_in(&SYSTEM, seconds),
            Self::Named(zone) => offset_in(zone, seconds),
        }
    }

    /// The offset that an abbreviation names near an instant, local seconds since 1970.
    pub fn offset_named(&self, name: &str, seconds: i64) -> Option<i32> {
        const HALF_YEAR: i64 = 182 * 86_400;
        [0, HALF_YEAR, -HALF_YEAR]
            .into_iter()
            .map(|distance| self.offset_at(seconds.saturating_add(distance)))
            .find(|offset| offset.name == name && !matches!(self, Self::Utc))
            .map(|offset| offset.seconds)
    }
}

/// Zone data ends long before 64-bit seconds do; beyond, what held last or first goes on.
fn offset_in(zone: &TimeZone, seconds: i64) -> Offset {
    let bounded = seconds.clamp(Timestamp::MIN.as_second() + 1, Timestamp::MAX.as_second() - 1);
    let Ok(timestamp) = Timestamp::from_second(bounded) else { return Offset::constant("UTC", 0) };
    let info = zone.to_offset_info(timestamp);
    Offset {
        name: info.abbreviation().to_owned(),
        seconds: info.offset().seconds(),
        daylight_saving: info.dst().is_dst(),
    }
}
