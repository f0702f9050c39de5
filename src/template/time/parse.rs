//! Reading times by a layout (`format.go` parse).

use super::calendar::{days_in, is_leap};
use super::instant::{Clock, Time};
use super::layout::{Element, OffsetPrecision, Padding, next_chunk};
use super::names::{MONTHS, WEEKDAYS};
use super::zone::Zone;

impl Time {
    /// `time.ParseInLocation`: a time without zone is one of the given zone. The error is Go's text.
    pub fn parse(layout: &[u8], value: &[u8], zone: &Zone) -> Result<Self, String> {
        let mut fields = Fields::default();
        let mut rest_layout = layout;
        let mut rest = value;
        loop {
            let chunk = next_chunk(rest_layout);
            rest = skip(rest, chunk.prefix).map_err(|at| cannot_parse(layout, value, chunk.prefix, at))?;
            let Some(element) = chunk.element else {
                return match rest {
                    [] => fields.finish(value, zone),
                    extra => Err(refused(value, &format!(": extra text: {}", quote(extra)))),
                };
            };
            let element_text = &rest_layout[chunk.prefix.len()..rest_layout.len() - chunk.suffix.len()];
            rest_layout = chunk.suffix;
            rest = fields.read(element, rest, rest_layout).map_err(|fault| match fault {
                Fault::Bad => cannot_parse(layout, value, element_text, rest),
                Fault::OutOfRange(what) => refused(value, &format!(": {what} out of range")),
            })?;
        }
    }
}

/// Go's own quoting in the messages of this package: bytes outside of printable ASCII as `\x..`.
pub fn quote(text: &[u8]) -> String {
    let mut quoted = String::from('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
            b' '..=0x7f => quoted.push(char::from(*byte)),
            byte => quoted += &format!("\\x{byte:02x}"),
        }
    }
    quoted.push('"');
    quoted
}

fn refused(value: &[u8], message: &str) -> String {
    format!("parsing time {}{message}", quote(value))
}

fn cannot_parse(layout: &[u8], value: &[u8], layout_element: &[u8], value_element: &[u8]) -> String {
    let reason = format!(" as {}: cannot parse {} as {}", quote(layout), quote(value_element), quote(layout_element));
    refused(value, &reason)
}

/// Passes over a layout's plain text; a space stands for any number of them. The error is where it failed.
fn skip<'a>(mut value: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    let mut prefix = prefix;
    while let [first, after @ ..] = prefix {
        if *first == b' ' {
            if !value.is_empty() && value[0] != b' ' {
                return Err(value);
            }
            prefix = trim_spaces(prefix);
            value = trim_spaces(value);
        } else {
            match value {
                [byte, rest @ ..] if byte == first => (value, prefix) = (rest, after),
                _ => return Err(value),
            }
        }
    }
    Ok(value)
}

fn trim_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Why an element could not be read.
enum Fault {
    Bad,
    OutOfRange(&'static str),
}

type Read<'a> = Result<&'a [u8], Fault>;

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    clock: Clock,
    /// `PM` was read, or `AM`.
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone_name: String,
}

impl Fields {
    fn read<'a>(&mut self, element: Element, value: &'a [u8], layout: &[u8]) -> Read<'a> {
        let mut rest = value;
        match element {
            Element::Year => {
                let digits = take(&mut rest, 2)?;
                let year = atoi(digits)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Element::LongYear if !value.first().is_some_and(u8::is_ascii_digit) => return Err(Fault::Bad),
            Element::LongYear => self.year = atoi(take(&mut rest, 4)?)?,
            Element::Month => self.month = Some(name(&mut rest, &MONTHS, 3)? + 1),
            Element::LongMonth => self.month = Some(name(&mut rest, &MONTHS, usize::MAX)? + 1),
            Element::Weekday => drop(name(&mut rest, &WEEKDAYS, 3)?),
            Element::LongWeekday => drop(name(&mut rest, &WEEKDAYS, usize::MAX)?),
            Element::MonthNumber(padding) => {
                let month = in_range(number(&mut rest, padding)?, 1..13, "month")?;
                self.month = Some(month);
            }
            Element::Day(padding) => {
                if padding == Padding::Space {
                    skip_one_space(&mut rest);
                }
                self.day = Some(number(&mut rest, padding)?);
            }
            Element::DayOfYear(padding) => self.day_of_year = Some(day_of_year(&mut rest, padding)?),
            Element::Hour => {
                self.clock.hour = in_range(number(&mut rest, Padding::None)?, 0..24, "hour")?;
            }
            Element::HourOfHalfDay(padding) => {
                self.clock.hour = in_range(number(&mut rest, padding)?, 0..13, "hour")?;
            }
            Element::Minute(padding) => {
                self.clock.minute = in_range(number(&mut rest, padding)?, 0..60, "minute")?;
            }
            Element::Second(padding) => {
                self.clock.second = in_range(number(&mut rest, padding)?, 0..60, "second")?;
                if !matches!(next_chunk(layout).element, Some(Element::Fraction { .. })) {
                    self.optional_fraction(&mut rest);
                }
            }
            Element::HalfDay { lower_case } => {
                let (am, pm): (&[u8], &[u8]) = if lower_case { (b"am", b"pm") } else { (b"AM", b"PM") };
                let word = take(&mut rest, 2)?;
                self.afternoon = Some(word == pm);
                if word != am && word != pm {
                    return Err(Fault::Bad);
                }
            }
            Element::ZoneOffset { utc_as_z: true, .. } if value.first() == Some(&b'Z') => {
                self.utc = true;
                rest = &value[1..];
            }
            Element::ZoneOffset { colons, precision, .. } => {
                self.offset = Some(offset(&mut rest, colons, precision)?);
            }
            Element::ZoneName if value.starts_with(b"UTC") => {
                self.utc = true;
                rest = &value[3..];
            }
            Element::ZoneName => {
                let length = zone_name_length(value).ok_or(Fault::Bad)?;
                self.zone_name = String::from_utf8_lossy(take(&mut rest, length)?).into_owned();
            }
            Element::Fraction { digits, trimmed: false, .. } => {
                self.clock.nanosecond = nanoseconds(take(&mut rest, digits + 1)?)?;
            }
            Element::Fraction { .. } => self.optional_fraction(&mut rest),
        }
        Ok(rest)
    }

    /// A fraction of the second where one follows, whether or not the layout asks for it.
    fn optional_fraction(&mut self, rest: &mut &[u8]) {
        if let [b'.' | b',', digits @ ..] = *rest {
            let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
            if count > 0 {
                let (fraction, after) = rest.split_at(count + 1);
                self.clock.nanosecond = nanoseconds(fraction).unwrap_or(0);
                *rest = after;
            }
        }
    }

    fn finish(mut self, value: &[u8], zone: &Zone) -> Result<Time, String> {
        match self.afternoon {
            Some(true) if self.clock.hour < 12 => self.clock.hour += 12,
            Some(false) if self.clock.hour == 12 => self.clock.hour = 0,
            _ => {}
        }
        self.settle_day_of_year(value)?;
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(month, self.year) {
            return Err(refused(value, ": day out of range"));
        }
        let at = |zone: Zone| Time::from_date(self.year, month, day, self.clock, zone);
        if self.utc {
            return Ok(at(Zone::Utc));
        }
        let utc = at(Zone::Utc);
        if let Some(offset) = self.offset {
            return Ok(self.at_offset(&utc, offset, zone));
        }
        if !self.zone_name.is_empty() {
            return Ok(self.at_named_zone(&utc, zone));
        }
        Ok(at(zone.clone()))
    }

    /// The month and day that a day of the year means, which must agree with those that were given.
    fn settle_day_of_year(&mut self, value: &[u8]) -> Result<(), String> {
        let Some(mut day) = self.day_of_year else { return Ok(()) };
        let last = 365 + i64::from(is_leap(self.year));
        if day < 1 || day > last {
            return Err(refused(value, ": day-of-year out of range"));
        }
        let mut month = 1;
        while day > days_in(month, self.year) {
            day -= days_in(month, self.year);
            month += 1;
        }
        if self.month.is_some_and(|given| given != month) {
            return Err(refused(value, ": day-of-year does not match month"));
        }
        if self.day.is_some_and(|given| given != day) {
            return Err(refused(value, ": day-of-year does not match day"));
        }
        (self.month, self.day) = (Some(month), Some(day));
        Ok(())
    }

    fn at_offset(&self, utc: &Time, offset: i32, zone: &Zone) -> Time {
        let seconds = utc.seconds.wrapping_sub(i64::from(offset));
        let here = zone.offset_at(seconds);
        let known = here.seconds == offset && (self.zone_name.is_empty() || here.name == self.zone_name);
        let zone = if known { zone.clone() } else { Zone::Fixed(self.zone_name.clone(), offset) };
        Time { seconds, nanoseconds: utc.nanoseconds, zone }
    }

    /// An abbreviation that the given zone does not know means nothing, unless it is one of `GMT+3`.
    fn at_named_zone(&self, utc: &Time, zone: &Zone) -> Time {
        if let Some(offset) = zone.offset_named(&self.zone_name, utc.seconds) {
            let seconds = utc.seconds.wrapping_sub(i64::from(offset));
            return Time { seconds, nanoseconds: utc.nanoseconds, zone: zone.clone() };
        }
        let hours = self.zone_name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
        Time { zone: Zone::Fixed(self.zone_name.clone(), hours * 3600), ..utc.clone() }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Fault> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Fault::Bad)?;
    *rest = after;
    Ok(taken)
}

fn in_range(number: i64, range: std::ops::Range<i64>, what: &'static str) -> Result<i64, Fault> {
    if range.contains(&number) { Ok(number) } else { Err(Fault::OutOfRange(what)) }
}

/// Go's `atoi`: digits with an optional sign.
fn atoi(text: &[u8]) -> Result<i64, Fault> {
    let (negative, digits) = match text {
        [sign @ (b'-' | b'+'), digits @ ..] => (*sign == b'-', digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Bad);
    }
    let number = digits.iter().fold(0i64, |n, digit| n.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(if negative { -number } else { number })
}

/// A number of one or two digits, of exactly two where the layout has a zero.
fn number(rest: &mut &[u8], padding: Padding) -> Result<i64, Fault> {
    let digits = rest.iter().take(2).take_while(|digit| digit.is_ascii_digit()).count();
    if digits == 0 || (digits == 1 && padding == Padding::Zero) {
        return Err(Fault::Bad);
    }
    atoi(take(rest, digits)?)
}

fn skip_one_space(rest: &mut &[u8]) {
    if let [b' ', after @ ..] = *rest {
        *rest = after;
    }
}

fn day_of_year(rest: &mut &[u8], padding: Padding) -> Result<i64, Fault> {
    if padding == Padding::Space {
        skip_one_space(rest);
        skip_one_space(rest);
    }
    let digits = rest.iter().take(3).take_while(|digit| digit.is_ascii_digit()).count();
    if digits == 0 || (digits != 3 && padding == Padding::Zero) {
        return Err(Fault::Bad);
    }
    atoi(take(rest, digits)?)
}

/// The index of the name that the value begins with, its first letters only where `length` says so.
fn name(rest: &mut &[u8], names: &[&str], length: usize) -> Result<i64, Fault> {
    let found = names.iter().position(|name| {
        let name = &name.as_bytes()[..name.len().min(length)];
        rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    });
    let index = found.ok_or(Fault::Bad)?;
    take(rest, names[index].len().min(length))?;
    i64::try_from(index).map_err(|_| Fault::Bad)
}

/// An offset from UTC, in seconds.
fn offset(rest: &mut &[u8], colons: bool, precision: OffsetPrecision) -> Result<i32, Fault> {
    let count = match precision {
        OffsetPrecision::Hours => 1,
        OffsetPrecision::Minutes => 2,
        OffsetPrecision::Seconds => 3,
    };
    let width = if colons { 3 } else { 2 };
    let text = take(rest, width * count + usize::from(!colons))?;
    let mut parts = [0; 3];
    let mut bad = false;
    for (index, part) in parts.iter_mut().enumerate().take(count) {
        let at = 1 + index * width;
        if colons && index > 0 && text[at - 1] != b':' {
            return Err(Fault::Bad);
        }
        let digits = &text[at..at + 2];
        bad |= !digits.iter().all(u8::is_ascii_digit);
        if !bad {
            *part = i32::from(digits[0] - b'0') * 10 + i32::from(digits[1] - b'0');
        }
    }
    for (part, limit, what) in [
        (parts[0], 24, "time zone offset hour"),
        (parts[1], 60, "time zone offset minute"),
        (parts[2], 60, "time zone offset second"),
    ] {
        if part > limit {
            return Err(Fault::OutOfRange(what));
        }
    }
    let seconds = (parts[0] * 60 + parts[1]) * 60 + parts[2];
    match text[0] {
        _ if bad => Err(Fault::Bad),
        b'+' => Ok(seconds),
        b'-' => Ok(-seconds),
        _ => Err(Fault::Bad),
    }
}

/// A separator and up to nine digits.
fn nanoseconds(fraction: &[u8]) -> Result<u32, Fault> {
    let [b'.' | b',', digits @ ..] = fraction else { return Err(Fault::Bad) };
    let digits = &digits[..digits.len().min(9)];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Bad);
    }
    let number = digits.iter().fold(0, |n: u32, digit| n * 10 + u32::from(digit - b'0'));
    Ok(number * 10u32.pow(9 - u32::try_from(digits.len()).unwrap_or(9)))
}

/// How long the zone's abbreviation at the start of the value is: three to five capitals, `GMT+3` or `+03`.
fn zone_name_length(value: &[u8]) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(after) = value.strip_prefix(b"GMT") {
        return Some(3 + signed_offset_length(after));
    }
    if matches!(value[0], b'+' | b'-') {
        return Some(signed_offset_length(value)).filter(|length| *length > 0);
    }
    let capitals = value.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match capitals {
        3 => Some(3),
        4 if value[3] == b'T' || value.starts_with(b"WITA") => Some(4),
        5 if value[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The length of a sign and an hour up to 23, or nothing.
fn signed_offset_length(value: &[u8]) -> usize {
    let [b'+' | b'-', digits @ ..] = value else { return 0 };
    let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let hours =
        digits[..count].iter().fold(0u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    if count == 0 || hours > 23 { 0 } else { 1 + count }
}
