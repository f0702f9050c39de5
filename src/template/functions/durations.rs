//! Durations: Sprig's two functions (`date.go`) and Helm's helpers (`pkg/engine/funcs.go`), which take durations,
//! their text, or seconds as a number or its text.

use super::arguments::Arguments;
use super::dates::present;
use super::{CallError, Function, Host};
use crate::template::print::quote;
use crate::template::strconv::parse_float;
use crate::template::time::{Duration, Time};
use crate::value::Parameter::Any;
use crate::value::Value;
use crate::yaml::number::format_general;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("duration", &[Any], duration),
    Function::new("durationRound", &[Any], duration_round),
    Function::new("mustToDuration", &[Any], must_to_duration),
    Function::new("durationSeconds", &[Any], |_, arguments| Ok(Value::Float(lenient(arguments).seconds()))),
    Function::new("durationMilliseconds", &[Any], |_, arguments| Ok(Value::Int64(lenient(arguments).0 / 1_000_000))),
    Function::new("durationMicroseconds", &[Any], |_, arguments| Ok(Value::Int64(lenient(arguments).0 / 1_000))),
    Function::new("durationNanoseconds", &[Any], |_, arguments| Ok(Value::Int64(lenient(arguments).0))),
    Function::new("durationMinutes", &[Any], |_, arguments| Ok(Value::Float(lenient(arguments).minutes()))),
    Function::new("durationHours", &[Any], |_, arguments| Ok(Value::Float(lenient(arguments).hours()))),
    Function::new("durationDays", &[Any], |_, arguments| Ok(Value::Float(lenient(arguments).hours() / 24.0))),
    Function::new("durationWeeks", &[Any], |_, arguments| Ok(Value::Float(lenient(arguments).hours() / 24.0 / 7.0))),
    Function::new("durationRoundTo", &[Any, Any], |_, arguments| Ok(to_multiple(arguments, Duration::round))),
    Function::new("durationTruncateTo", &[Any, Any], |_, arguments| Ok(to_multiple(arguments, Duration::truncate))),
];

type Outcome = Result<Value, CallError>;

const SECOND: i64 = 1_000_000_000;

/// Seconds, from a decimal text or an `int64`; everything else counts as none. The product may overflow, as in Go.
fn duration(_host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let seconds = match arguments.any(0) {
        Value::Int64(seconds) => *seconds,
        Value::Str(text) => decimal(text.as_bytes()),
        _ => 0,
    };
    Ok(Duration(seconds.wrapping_mul(SECOND)).to_string().into())
}

/// `strconv.ParseInt(text, 10, 64)` without its error: an overflow gives the nearest limit, other faults nothing.
fn decimal(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [sign @ (b'-' | b'+'), digits @ ..] => (*sign == b'-', digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let value = digits.iter().fold(0i128, |n, digit| n.saturating_mul(10).saturating_add(i128::from(digit - b'0')));
    let value = if negative { -value } else { value };
    i64::try_from(value.clamp(i128::from(i64::MIN), i128::from(i64::MAX))).unwrap_or(0)
}

/// A duration in its largest unit, its sign dropped; a unit counts only from more than one on.
fn duration_round(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let duration = match arguments.any(0) {
        Value::Str(text) => Duration::parse(text.as_bytes()).unwrap_or_default(),
        Value::Int64(nanoseconds) => Duration(*nanoseconds),
        value => Time::of(value).map(|time| present(host).since(time)).unwrap_or_default(),
    };
    const HOUR: u64 = 3600 * SECOND.unsigned_abs();
    const UNITS: [(u64, &str); 6] = [
        (365 * 24 * HOUR, "y"),
        (30 * 24 * HOUR, "mo"),
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let length = duration.0.unsigned_abs();
    let unit = UNITS.into_iter().find(|(unit, _)| length > *unit);
    Ok(unit.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", length / unit)).into())
}

/// What a value means as a duration. The error is Helm's text.
fn as_duration(value: &Value) -> Result<Duration, String> {
    match value {
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Str(text) => from_text(text.as_bytes()),
        Value::Int(seconds) | Value::Int64(seconds) => from_seconds(i128::from(*seconds)),
        Value::Uint64(seconds) => from_seconds(i128::from(*seconds)),
        Value::Uint8(seconds) => from_seconds(i128::from(*seconds)),
        Value::Float(seconds) => from_float(*seconds),
        Value::Object(object) => match (Duration::of(value), object.integer()) {
            (Some(duration), _) => Ok(duration),
            (None, Some(seconds)) => from_seconds(i128::from(seconds)),
            (None, None) => Err(format!("unsupported duration type {}", value.type_name())),
        },
        value => Err(format!("unsupported duration type {}", value.type_name())),
    }
}

fn from_text(text: &[u8]) -> Result<Duration, String> {
    let lossy = String::from_utf8_lossy(text);
    let trimmed = lossy.trim();
    if trimmed.is_empty() {
        return Err("empty duration".to_owned());
    }
    if let Ok(duration) = Duration::parse(trimmed.as_bytes()) {
        return Ok(duration);
    }
    match parse_float(trimmed.as_bytes()) {
        Ok(seconds) => from_float(seconds),
        Err(_) => Err(format!("could not parse duration {}", String::from_utf8_lossy(&quote(text)))),
    }
}

fn from_seconds(seconds: i128) -> Result<Duration, String> {
    match i64::try_from(seconds * i128::from(SECOND)) {
        Ok(nanoseconds) => Ok(Duration(nanoseconds)),
        Err(_) => Err(format!("duration seconds overflow: {seconds}")),
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "Helm computes in floating point")]
fn from_float(seconds: f64) -> Result<Duration, String> {
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", format_general(seconds)));
    }
    let limit = i64::MAX as f64;
    let second = SECOND as f64;
    if seconds.abs() > limit / second {
        return Err(format!("duration seconds overflow: {}", format_general(seconds)));
    }
    let nanoseconds = seconds * second;
    if nanoseconds.abs() > limit {
        return Err(format!("duration nanoseconds overflow: {}", format_general(nanoseconds)));
    }
    // At the limit itself the conversion wraps on the processors that Helm runs on.
    Ok(Duration(if nanoseconds >= limit { i64::MIN } else { nanoseconds as i64 }))
}

fn must_to_duration(_host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(as_duration(arguments.any(0))?.into())
}

/// The duration of the first argument; none at all where it is not one.
fn lenient(arguments: &[Value]) -> Duration {
    as_duration(arguments.any(0)).unwrap_or_default()
}

/// The first argument as a multiple of the second; unchanged where the second is no duration.
fn to_multiple(arguments: &[Value], adjust: fn(Duration, Duration) -> Duration) -> Value {
    let duration = lenient(arguments);
    match (as_duration(arguments.any(0)), as_duration(arguments.any(1))) {
        (Ok(_), Ok(unit)) => adjust(duration, unit).into(),
        _ => duration.into(),
    }
}
