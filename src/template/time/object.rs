//! Times, durations, months and weekdays as values of templates, with the methods of Go's types.
//!
//! Methods with several results (`Date`, `Clock`, `Zone`) are known, but a template cannot call them.

use std::any::Any;

use super::calendar::{date_of, days_of, weekday};
use super::names::{MONTHS, WEEKDAYS};
use super::parse::quote;
use super::{Duration, Time, Zone};
use crate::value::{Json, Kind, Method, Object, Parameter, Value};

const DURATION: Method = Method { parameters: &[Parameter::Named("time.Duration")], rest: None, results: &[] };
const TIME: Method = Method { parameters: &[Parameter::Named("time.Time")], rest: None, results: &[] };
const LOCATION: Method = Method { parameters: &[Parameter::Named("*time.Location")], rest: None, results: &[] };
const DATE: Method = Method { parameters: &[Parameter::Int, Parameter::Int, Parameter::Int], rest: None, results: &[] };

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        Self::object(time)
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::object(duration)
    }
}

impl Time {
    /// The time that a value is.
    pub fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl Duration {
    /// The duration that a value is.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Object(object) => object.as_any().downcast_ref().copied(),
            _ => None,
        }
    }
}

fn time_argument(arguments: &[Value]) -> Time {
    arguments.first().and_then(Time::of).cloned().unwrap_or_else(Time::zero)
}

fn duration_argument(arguments: &[Value]) -> Duration {
    arguments.first().and_then(Duration::of).unwrap_or_default()
}

fn int_argument(arguments: &[Value], index: usize) -> i64 {
    match arguments.get(index) {
        Some(Value::Int(n) | Value::Int64(n)) => *n,
        _ => 0,
    }
}

impl Object for Time {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn method(&self, name: &str) -> Option<Method> {
        match name {
            "Year" | "Month" | "Day" | "Weekday" | "Hour" | "Minute" | "Second" | "Nanosecond" | "YearDay" | "Unix"
            | "UnixMilli" | "UnixMicro" | "UnixNano" | "IsZero" | "IsDST" | "UTC" | "Local" | "String" | "Location"
            | "GoString" | "MarshalJSON" | "MarshalText" => Some(Method::NULLARY),
            "Format" => Some(Method::STRING),
            "Add" | "Round" | "Truncate" => Some(DURATION),
            "AddDate" => Some(DATE),
            "In" => Some(LOCATION),
            "After" | "Before" | "Equal" | "Compare" | "Sub" => Some(TIME),
            "ISOWeek" | "Zone" => Some(Method { results: &["int"], ..Method::NULLARY }),
            "ZoneBounds" => Some(Method { results: &["time.Time"], ..Method::NULLARY }),
            "Date" => Some(Method { results: &["time.Month", "int"], ..Method::NULLARY }),
            "Clock" => Some(Method { results: &["int", "int"], ..Method::NULLARY }),
            _ => None,
        }
    }

    fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, String> {
        let clock = self.clock();
        let at = self.as_nanoseconds();
        let wrapped = |number: i128| Value::Int64(number as i64);
        Ok(match method {
            "Year" => Value::Int(self.date().year),
            "Month" => Value::object(Name { type_name: "time.Month", number: i64::from(self.date().month) }),
            "Day" => Value::Int(i64::from(self.date().day)),
            "Weekday" => Value::object(Name { type_name: "time.Weekday", number: i64::from(weekday(self.days())) }),
            "Hour" => Value::Int(clock.hour),
            "Minute" => Value::Int(clock.minute),
            "Second" => Value::Int(clock.second),
            "Nanosecond" => Value::Int(i64::from(clock.nanosecond)),
            "YearDay" => Value::Int(self.days() - days_of(date_of(self.days()).year, 1, 1) + 1),
            "Unix" => Value::Int64(self.seconds),
            "UnixMilli" => wrapped(at.div_euclid(1_000_000)),
            "UnixMicro" => wrapped(at.div_euclid(1_000)),
            "UnixNano" => wrapped(at),
            "IsZero" => Value::Bool(self.is_zero()),
            "IsDST" => Value::Bool(self.offset().daylight_saving),
            "UTC" => self.in_zone(Zone::Utc).into(),
            "Local" => self.in_zone(Zone::Local).into(),
            "String" => self.text().into(),
            "Location" => location(&self.zone),
            "In" => match arguments.first() {
                Some(Value::Object(place)) => match place.as_any().downcast_ref::<Location>() {
                    Some(location) => self.in_zone(location.zone.clone()).into(),
                    None => return Err("time: missing Location in call to Time.In".to_owned()),
                },
                _ => return Err("time: missing Location in call to Time.In".to_owned()),
            },
            "GoString" => self.go_syntax().into(),
            "MarshalJSON" => Value::Bytes(format!("\"{}\"", self.rfc3339()).into()),
            "MarshalText" => Value::Bytes(self.rfc3339().into()),
            "Format" => match arguments.first() {
                Some(Value::Str(layout)) => Value::Str(self.format(layout.as_bytes()).into()),
                _ => "".into(),
            },
            "Add" => self.add(duration_argument(arguments)).into(),
            "Round" => self.rounded(duration_argument(arguments), true).into(),
            "Truncate" => self.rounded(duration_argument(arguments), false).into(),
            "AddDate" => {
                self.add_date(int_argument(arguments, 0), int_argument(arguments, 1), int_argument(arguments, 2)).into()
            }
            "After" => Value::Bool(at > time_argument(arguments).as_nanoseconds()),
            "Before" => Value::Bool(at < time_argument(arguments).as_nanoseconds()),
            "Equal" => Value::Bool(at == time_argument(arguments).as_nanoseconds()),
            "Compare" => Value::Int(at.cmp(&time_argument(arguments).as_nanoseconds()) as i64),
            "Sub" => self.since(&time_argument(arguments)).into(),
            _ => return Err(format!("{method} is not a method of time.Time")),
        })
    }

    fn print(&self, _direct: bool) -> String {
        self.text()
    }

    fn has_text(&self, _direct: bool) -> bool {
        true
    }

    /// As Go keeps a time that has no reading of the monotonic clock.
    fn fields(&self) -> Vec<(&str, Value)> {
        vec![
            ("wall", Value::Uint64(u64::from(self.nanoseconds))),
            ("ext", Value::Int64(self.since_zero())),
            ("loc", Value::object(Location { zone: self.zone.clone(), is_field: true })),
        ]
    }

    fn to_json(&self) -> Json {
        self.rfc3339().into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Time {
    /// `Time.GoString`.
    fn go_syntax(&self) -> String {
        let (date, clock) = (self.date(), self.clock());
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local => "time.Local".to_owned(),
            zone => format!("time.Location({})", quote(zone.label().as_bytes())),
        };
        format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
            date.year,
            self.month_name(),
            date.day,
            clock.hour,
            clock.minute,
            clock.second,
            clock.nanosecond
        )
    }
}

impl Zone {
    /// The name of the location.
    fn label(&self) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::Local => "Local".to_owned(),
            Self::Fixed(name, _) => name.clone(),
            Self::Named(zone) => zone.iana_name().unwrap_or_default().to_owned(),
        }
    }
}

/// A `*time.Location`.
#[derive(Debug)]
struct Location {
    zone: Zone,
    /// Whether it is the field of a time, whose methods nobody can call, and which is nil for UTC.
    is_field: bool,
}

thread_local! {
    /// Go's `time.UTC` and `time.Local`, which are the same pointers everywhere.
    static KNOWN: [Value; 2] =
        [Zone::Utc, Zone::Local].map(|zone| Value::object(Location { zone, is_field: false }));
}

/// What the method `Location` gives.
fn location(zone: &Zone) -> Value {
    match zone {
        Zone::Utc => KNOWN.with(|[utc, _]| utc.clone()),
        Zone::Local => KNOWN.with(|[_, local]| local.clone()),
        zone => Value::object(Location { zone: zone.clone(), is_field: false }),
    }
}

impl Object for Location {
    fn type_name(&self) -> &str {
        "*time.Location"
    }

    fn kind(&self) -> Kind {
        Kind::Pointer
    }

    fn method(&self, name: &str) -> Option<Method> {
        (name == "String").then_some(Method::NULLARY)
    }

    fn call(&self, _method: &str, _arguments: &[Value]) -> Result<Value, String> {
        Ok(self.zone.label().into())
    }

    fn print(&self, _direct: bool) -> String {
        self.zone.label()
    }

    fn has_text(&self, _direct: bool) -> bool {
        !self.is_field
    }

    fn is_true(&self) -> bool {
        !self.is_field || !matches!(self.zone, Zone::Utc)
    }

    fn to_json(&self) -> Json {
        Json::Object(serde_json::Map::new())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for Duration {
    fn type_name(&self) -> &str {
        "time.Duration"
    }

    fn kind(&self) -> Kind {
        Kind::Int64
    }

    fn method(&self, name: &str) -> Option<Method> {
        match name {
            "Hours" | "Minutes" | "Seconds" | "Milliseconds" | "Microseconds" | "Nanoseconds" | "String" | "Abs" => {
                Some(Method::NULLARY)
            }
            "Round" | "Truncate" => Some(DURATION),
            _ => None,
        }
    }

    fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, String> {
        Ok(match method {
            "Hours" => Value::Float(self.hours()),
            "Minutes" => Value::Float(self.minutes()),
            "Seconds" => Value::Float(self.seconds()),
            "Milliseconds" => Value::Int64(self.0 / 1_000_000),
            "Microseconds" => Value::Int64(self.0 / 1_000),
            "Nanoseconds" => Value::Int64(self.0),
            "String" => self.to_string().into(),
            "Abs" => self.abs().into(),
            "Round" => self.round(duration_argument(arguments)).into(),
            "Truncate" => self.truncate(duration_argument(arguments)).into(),
            _ => return Err(format!("{method} is not a method of time.Duration")),
        })
    }

    fn print(&self, _direct: bool) -> String {
        self.to_string()
    }

    fn has_text(&self, _direct: bool) -> bool {
        true
    }

    fn integer(&self) -> Option<i64> {
        Some(self.0)
    }

    fn is_true(&self) -> bool {
        self.0 != 0
    }

    fn to_json(&self) -> Json {
        self.0.into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A `time.Month` or `time.Weekday`: a number that prints as its name.
#[derive(Clone, Copy, Debug)]
struct Name {
    type_name: &'static str,
    number: i64,
}

impl Object for Name {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn kind(&self) -> Kind {
        Kind::Int
    }

    fn method(&self, name: &str) -> Option<Method> {
        (name == "String").then_some(Method::NULLARY)
    }

    fn call(&self, _method: &str, _arguments: &[Value]) -> Result<Value, String> {
        Ok(self.print(false).into())
    }

    fn print(&self, _direct: bool) -> String {
        let (names, first): (&[&str], i64) = match self.type_name {
            "time.Month" => (&MONTHS, 1),
            _ => (&WEEKDAYS, 0),
        };
        let index = usize::try_from(self.number - first).unwrap_or(usize::MAX);
        names.get(index).map_or_else(|| self.number.to_string(), |name| (*name).to_owned())
    }

    fn has_text(&self, _direct: bool) -> bool {
        true
    }

    fn integer(&self) -> Option<i64> {
        Some(self.number)
    }

    fn is_true(&self) -> bool {
        self.number != 0
    }

    fn to_json(&self) -> Json {
        self.number.into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
