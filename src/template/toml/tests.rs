//! What BurntSushi's library (1.6.0) made of texts and values, recorded in `testdata/go.jsonl`.

use super::*;
use crate::value::{Json, Map, Value};
use crate::yaml;

/// What `fromToml` gives: the table, or the error in its place.
fn decoded(text: &str) -> Value {
    Value::Map(read(text.as_bytes()).unwrap_or_else(|error| Map::from_iter([("Error", error.into())])))
}

#[test]
fn reads_and_writes_what_go_does() {
    for line in include_str!("testdata/go.jsonl").lines() {
        let case: Json = serde_json::from_str(line).expect("a JSON line");
        let value = match case["in"].as_str() {
            Some(text) => {
                let value = decoded(text);
                // What JSON cannot say (NaN) was recorded as an empty text.
                let json = yaml::json::encode(&value).unwrap_or_default();
                assert_eq!(json, case["json"].as_str().unwrap_or_default(), "{text:?}");
                value
            }
            None => Value::from(&yaml::parse(&case["value"].to_string()).expect("a value")),
        };
        let text = write(&value).map_or_else(|error| error, |text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(text, case["toml"].as_str().unwrap_or_default(), "{line}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for text in ["a = ".to_owned() + &"[".repeat(100_000), "a = ".to_owned() + &"{b = ".repeat(100_000)] {
        assert!(read(text.as_bytes()).is_err());
    }
    let dotted = "a.".repeat(100_000) + "a = 1";
    assert!(read(dotted.as_bytes()).is_err());
}

#[test]
fn a_map_that_contains_itself_is_an_error() {
    let map = Map::new();
    map.insert("self", Value::Map(map.clone()));
    assert!(write(&Value::Map(map.clone())).is_err());
    map.remove(b"self");
}
