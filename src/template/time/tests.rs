//! What Go 1.26 made of layouts, times and durations, recorded in `testdata/go.jsonl` with UTC as the local zone.

use super::*;
use crate::value::{Json, Object, Value};
use crate::yaml::number::format_general;

fn called(time: &Time, method: &str, arguments: &[Value]) -> String {
    match time.call(method, arguments).expect("a method") {
        Value::Object(object) => object.print(false),
        Value::Int(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}

fn formatted(layout: &str, zone: &str, time: &Time) -> String {
    let zone = Zone::load(zone).unwrap_or(Zone::Utc);
    String::from_utf8_lossy(&time.in_zone(zone).format(layout.as_bytes())).into_owned()
}

fn parsed(layout: &str, value: &str) -> String {
    match Time::parse(layout.as_bytes(), value.as_bytes(), &Zone::Utc) {
        Err(error) => format!("ERR {error}"),
        Ok(time) => {
            let [nanosecond, day, weekday, daylight] =
                ["Nanosecond", "YearDay", "Weekday", "IsDST"].map(|method| called(&time, method, &[]));
            format!("{} {} {nanosecond} {day} {weekday} {daylight}", time.text(), time.seconds())
        }
    }
}

fn duration(text: &str, unit: &str) -> String {
    match (Duration::parse(text.as_bytes()), Duration::parse(unit.as_bytes())) {
        (Err(error), _) | (_, Err(error)) => format!("ERR {error}"),
        (Ok(duration), Ok(unit)) => format!(
            "{duration} {} {} {} {} {} {}",
            duration.0,
            format_general(duration.seconds()),
            format_general(duration.minutes()),
            format_general(duration.hours()),
            duration.round(unit),
            duration.truncate(unit)
        ),
    }
}

fn moved(time: &Time, distance: &str, text: &str) -> String {
    let numbers: Vec<i64> = distance.split(' ').map(|number| number.parse().expect("a number")).collect();
    let duration = Duration::parse(text.as_bytes()).expect("a duration");
    let unit = [Value::from(duration)];
    format!(
        "{} {} {} {} {}",
        time.add_date(numbers[0], numbers[1], numbers[2]).text(),
        time.add(duration).text(),
        called(time, "Round", &unit),
        called(time, "Truncate", &unit),
        time.add(duration).since(time)
    )
}

#[test]
fn times_and_durations_read_and_print_as_in_go() {
    for line in include_str!("testdata/go.jsonl").lines() {
        let case: Json = serde_json::from_str(line).expect("a JSON line");
        let text = |field: &str| case[field].as_str().unwrap_or_default();
        let number = |field: &str| case[field].as_i64().unwrap_or_default();
        let time = Time::unix(number("seconds")).in_zone(Zone::Utc).add(Duration(number("nanoseconds")));
        let actual = match text("op") {
            "format" => formatted(text("a"), text("b"), &time),
            "parse" => parsed(text("a"), text("b")),
            "dur" => duration(text("a"), text("b")),
            _ => moved(&time, text("a"), text("b")),
        };
        assert_eq!(actual, text("go"), "{line}");
    }
}
