//! Writing times by a layout (`format.go` appendFormat).

use super::instant::{Clock, Time};
use super::layout::{Element, OffsetPrecision, Padding, next_chunk};
use super::names::{MONTHS, WEEKDAYS};
use super::{calendar, zone};

impl Time {
    /// `Time.Format`.
    pub fn format(&self, layout: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(layout.len() + 10);
        let mut rest = layout;
        loop {
            let chunk = next_chunk(rest);
            out.extend_from_slice(chunk.prefix);
            let Some(element) = chunk.element else { return out };
            out.extend_from_slice(self.element(element).as_bytes());
            rest = chunk.suffix;
        }
    }

    /// RFC 3339 with nanoseconds where there are any: the form in JSON.
    pub fn rfc3339(&self) -> String {
        String::from_utf8_lossy(&self.format(b"2006-01-02T15:04:05.999999999Z07:00")).into_owned()
    }

    /// `Time.String`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.format(b"2006-01-02 15:04:05.999999999 -0700 MST")).into_owned()
    }

    fn element(&self, element: Element) -> String {
        let clock = self.clock();
        match element {
            Element::LongYear => padded_year(self.date().year),
            Element::Year => format!("{:02}", self.date().year.unsigned_abs() % 100),
            Element::LongMonth => self.month_name().to_owned(),
            Element::Month => self.month_name()[..3].to_owned(),
            Element::MonthNumber(padding) => number(i64::from(self.date().month), padding, 2),
            Element::LongWeekday => self.weekday_name().to_owned(),
            Element::Weekday => self.weekday_name()[..3].to_owned(),
            Element::Day(padding) => number(i64::from(self.date().day), padding, 2),
            Element::DayOfYear(padding) => number(calendar::day_of_year(self.days()), padding, 3),
            Element::Hour => number(clock.hour, Padding::Zero, 2),
            Element::HourOfHalfDay(padding) => number((clock.hour + 11) % 12 + 1, padding, 2),
            Element::Minute(padding) => number(clock.minute, padding, 2),
            Element::Second(padding) => number(clock.second, padding, 2),
            Element::HalfDay { lower_case } => half_day(clock, lower_case).to_owned(),
            Element::ZoneName => zone_name(&self.offset()),
            Element::ZoneOffset { utc_as_z, colons, precision } => {
                offset_text(self.offset().seconds, utc_as_z, colons, precision)
            }
            Element::Fraction { digits, trimmed, separator } => {
                fraction(self.nanoseconds, digits, trimmed, char::from(separator))
            }
        }
    }

    pub(super) fn month_name(&self) -> &'static str {
        MONTHS[usize::from(self.date().month - 1) % 12]
    }

    pub(super) fn weekday_name(&self) -> &'static str {
        WEEKDAYS[usize::from(calendar::weekday(self.days()))]
    }
}

/// Four digits at least, a sign not counted.
fn padded_year(year: i64) -> String {
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}", year.unsigned_abs())
}

fn number(number: i64, padding: Padding, width: usize) -> String {
    match padding {
        Padding::None => number.to_string(),
        Padding::Space => format!("{number:width$}"),
        Padding::Zero => format!("{number:0width$}"),
    }
}

fn half_day(clock: Clock, lower_case: bool) -> &'static str {
    match (clock.hour >= 12, lower_case) {
        (true, false) => "PM",
        (false, false) => "AM",
        (true, true) => "pm",
        (false, true) => "am",
    }
}

fn zone_name(offset: &zone::Offset) -> String {
    if offset.name.is_empty() {
        return offset_text(offset.seconds, false, false, OffsetPrecision::Minutes);
    }
    offset.name.clone()
}

/// The sign is that of whole minutes: an offset of less than a minute west counts as east.
fn offset_text(seconds: i32, utc_as_z: bool, colons: bool, precision: OffsetPrecision) -> String {
    if seconds == 0 && utc_as_z {
        return "Z".to_owned();
    }
    let minutes = seconds / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let rest = if minutes < 0 { -seconds } else { seconds } % 60;
    let minutes = minutes.abs();
    let colon = if colons { ":" } else { "" };
    let mut text = format!("{sign}{:02}", minutes / 60);
    if precision != OffsetPrecision::Hours {
        text += &format!("{colon}{:02}", minutes % 60);
    }
    if precision == OffsetPrecision::Seconds {
        text += &if rest < 0 { format!("{colon}-{:02}", -rest) } else { format!("{colon}{rest:02}") };
    }
    text
}

fn fraction(nanoseconds: u32, digits: usize, trimmed: bool, separator: char) -> String {
    if trimmed && (digits == 0 || nanoseconds == 0) {
        return String::new();
    }
    let all = format!("{nanoseconds:09}");
    let kept = &all[..digits.min(9)];
    let kept = if trimmed { kept.trim_end_matches('0') } else { kept };
    if kept.is_empty() && trimmed { String::new() } else { format!("{separator}{kept}") }
}
