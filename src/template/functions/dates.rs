//! Dates (Sprig's `date.go`). A date is a time, or seconds since 1970 as an integer; anything else means now.

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::template::time::{Duration, Time, Zone};
use crate::value::Parameter::{Any, Named, String as Text};
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], now),
    Function::new("ago", &[Any], ago),
    Function::new("date", &[Text, Any], date),
    Function::new("dateInZone", &[Text, Any, Text], date_in_zone),
    Function::new("date_in_zone", &[Text, Any, Text], date_in_zone),
    Function::new("htmlDate", &[Any], html_date),
    Function::new("htmlDateInZone", &[Any, Text], html_date_in_zone),
    Function::new("dateModify", &[Text, TIME], date_modify),
    Function::new("date_modify", &[Text, TIME], date_modify),
    Function::new("mustDateModify", &[Text, TIME], must_date_modify),
    Function::new("must_date_modify", &[Text, TIME], must_date_modify),
    Function::new("toDate", &[Text, Text], to_date),
    Function::new("mustToDate", &[Text, Text], must_to_date),
    Function::new("unixEpoch", &[TIME], unix_epoch),
];

const TIME: crate::value::Parameter = Named("time.Time");

const HTML_DATE: &[u8] = b"2006-01-02";

type Outcome = Result<Value, CallError>;

/// The present time, from the seam for chance.
pub(super) fn present(host: &dyn Host) -> Time {
    Time::from_nanoseconds(host.chance().now(), Zone::Local)
}

fn now(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match host.chance().stub("now", arguments) {
        Some(fixed) => Ok(fixed?),
        None => Ok(present(host).into()),
    }
}

/// The time that an argument means.
fn time_of(host: &dyn Host, value: &Value) -> Time {
    match value {
        Value::Int(seconds) | Value::Int64(seconds) => Time::unix(*seconds),
        value => Time::of(value).cloned().unwrap_or_else(|| present(host)),
    }
}

fn time_argument(arguments: &[Value], index: usize) -> Time {
    Time::of(arguments.any(index)).cloned().unwrap_or_else(Time::zero)
}

/// How long ago a date was, rounded to seconds.
fn ago(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("ago", arguments) {
        return Ok(fixed?);
    }
    let passed = present(host).since(&time_of(host, arguments.any(0)));
    Ok(passed.round(Duration(1_000_000_000)).to_string().into())
}

/// An unknown zone means UTC.
fn formatted(host: &mut dyn Host, layout: &[u8], date: &Value, zone: &[u8]) -> Outcome {
    let zone = std::str::from_utf8(zone).ok().and_then(Zone::load).unwrap_or(Zone::Utc);
    let text = time_of(host, date).in_zone(zone).format(layout);
    host.charge(text.len() as u64, text.len() as u64)?;
    Ok(Value::Str(text.into()))
}

fn date(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    formatted(host, arguments.bytes(0), arguments.any(1), b"Local")
}

fn date_in_zone(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    formatted(host, arguments.bytes(0), arguments.any(1), arguments.bytes(2))
}

fn html_date(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    formatted(host, HTML_DATE, arguments.any(0), b"Local")
}

fn html_date_in_zone(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    formatted(host, HTML_DATE, arguments.any(0), arguments.bytes(1))
}

fn must_date_modify(_host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let duration = Duration::parse(arguments.bytes(0))?;
    Ok(time_argument(arguments, 1).add(duration).into())
}

/// A bad duration leaves the date as it is.
fn date_modify(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_date_modify(host, arguments).or_else(|_| Ok(time_argument(arguments, 1).into()))
}

fn must_to_date(_host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Time::parse(arguments.bytes(0), arguments.bytes(1), &Zone::Local)?.into())
}

/// A text that does not fit the layout is Go's zero time.
fn to_date(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_to_date(host, arguments).or_else(|_| Ok(Time::zero().into()))
}

fn unix_epoch(_host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(time_argument(arguments, 0).seconds().to_string().into())
}
