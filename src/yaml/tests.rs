//! The recorded behaviour of the Go libraries (`sigs.k8s.io/yaml` 1.6.0, go-yaml 2.4.4 and 3.0.5), and limits.

use std::time::{Duration, Instant};

use super::*;
use crate::value::{List, Map, Value};

/// One line of `testdata/go.jsonl`: a text and what Go made of it.
fn recorded() -> Vec<Json> {
    include_str!("testdata/go.jsonl").lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn reads_and_writes_what_go_does() {
    for case in recorded() {
        let text = case["in"].as_str().expect("a text");
        let expected = |field: &str| case[field].as_str().map(str::to_owned);
        let read = parse(text);
        assert_eq!(read.as_ref().err().map(ToString::to_string), expected("error"), "error of {text:?}");
        if let Ok(json) = read {
            let value = Value::from(&json);
            assert_eq!(json::encode(&value).ok(), expected("json"), "JSON of {text:?}");
            assert_eq!(to_string(&value).ok(), expected("yaml"), "YAML of {text:?}");
            assert_eq!(to_string(&json).ok(), expected("yaml"), "YAML of the JSON of {text:?}");
            assert_eq!(to_string(&value).err().map(|error| error.to_string()), expected("refused"), "{text:?}");
            let pretty = expected("pretty").or(expected("yaml"));
            assert_eq!(to_string_pretty(&value).ok(), pretty, "pretty YAML of {text:?}");
        }
        if expected("error").is_none() {
            let strict = parse_strict(text).err().map(|error| error.to_string());
            assert_eq!(strict, expected("strict"), "strict error of {text:?}");
        }
        if let Some(message) = expected("json_error") {
            assert_eq!(json::decode(text.as_bytes()).err().map(|error| error.to_string()), Some(message), "{text:?}");
        }
    }
}

/// Where Go reads something else than it wrote, its result is recorded as `again` and `pretty_again`.
#[test]
fn what_is_written_reads_back_as_in_go() {
    for case in recorded() {
        let Ok(value) = parse_value(case["in"].as_str().expect("a text")) else { continue };
        let own = json::encode(&value).ok();
        let expected = |field: &str| case[field].as_str().map(str::to_owned).or(own.clone());
        if let Ok(text) = to_string(&value) {
            assert_eq!(read_again(&text), expected("again"), "{text:?}");
        }
        if let Ok(text) = to_string_pretty(&value) {
            assert_eq!(read_again(&text), expected("pretty_again"), "pretty: {text:?}");
        }
    }
}

/// The JSON of what a text is read as, or the error's text.
fn read_again(text: &str) -> Option<String> {
    match parse_value(text) {
        Ok(value) => json::encode(&value).ok(),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn duplicate_keys_are_refused_only_when_strict() {
    let text = "a: 1\nb: 2\na: 3\n";
    assert_eq!(parse(text), Ok(serde_json::json!({"a": 3.0, "b": 2.0})));
    let error = parse_strict(text).expect_err("a duplicate").to_string();
    assert_eq!(error, "error converting YAML to JSON: yaml: unmarshal errors:\n  line 3: key \"a\" already set in map");
}

#[test]
fn merge_keys_take_what_stands_after_them_last() {
    let text =
        "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: {b: 3, <<: *base}\nthree:\n  <<: [*base, {c: 4}]\n";
    let json = parse(text).expect("valid YAML");
    assert_eq!(json["one"], serde_json::json!({"a": 1.0, "b": 3.0}));
    assert_eq!(json["two"], serde_json::json!({"a": 1.0, "b": 2.0}));
    assert_eq!(json["three"], serde_json::json!({"a": 1.0, "b": 2.0, "c": 4.0}));
}

#[test]
fn expanding_aliases_is_limited() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
    }
    let error = parse(&text).expect_err("a bomb").to_string();
    assert_eq!(error, "error converting YAML to JSON: yaml: document contains excessive aliasing");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(2000));
    assert!(parse(&long).is_err(), "two gigabytes from one megabyte");
    let own = parse("a: &a [*a]").expect_err("a cycle").to_string();
    assert_eq!(own, "error converting YAML to JSON: yaml: anchor 'a' value contains itself");
}

#[test]
fn deep_nesting_is_an_error_in_both_directions() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        let text = format!("{}x{}", open.repeat(100_000), close.repeat(100_000));
        assert!(parse(&text).is_err(), "{open:?}");
    }
    assert!(json::decode("[".repeat(100_000).as_bytes()).is_err());
    let mut value = Value::Nil;
    for _ in 0..MAX_DEPTH + 1 {
        value = Value::List(List::new([value]));
    }
    assert_eq!(to_string(&value), Err(EncodeError::Cycle));
    assert_eq!(json::encode(&value), Err(EncodeError::Cycle));
}

#[test]
fn a_map_that_contains_itself_is_an_error() {
    let map = Map::new();
    map.insert("self", Value::Map(map.clone()));
    assert_eq!(to_string(&Value::Map(map.clone())), Err(EncodeError::Cycle));
    assert_eq!(to_string_pretty(&Value::Map(map.clone())), Err(EncodeError::Cycle));
    assert_eq!(json::encode(&Value::Map(map.clone())), Err(EncodeError::Cycle));
    map.remove(b"self");
}

#[test]
fn a_value_that_shares_its_parts_cannot_print_without_end() {
    let mut value = Value::from("x");
    for _ in 0..100 {
        value = Value::List(List::new([value.clone(), value]));
    }
    assert_eq!(json::encode(&value), Err(EncodeError::TooLarge));
}

#[test]
fn hostile_texts_are_read_in_time_in_proportion() {
    let started = Instant::now();
    for text in
        ["[", "{", "? ", "- ", "!", "&a ", "*a ", "'", "\"", "|\n", "a: ", "\t", "#", ":", ",", "]", "%", "---\n"]
    {
        let _ = parse(&text.repeat(20_000));
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn values_that_are_not_in_json_have_their_text() {
    let value = Value::Map(Map::from_iter([
        ("bytes", Value::Bytes("hi".into())),
        ("cut", Value::Str(b"\xe2\x82".as_slice().into())),
        ("int", Value::Int(1 << 60)),
        ("nil list", Value::List(List::nil(crate::value::ElementType::String))),
    ]));
    assert_eq!(
        to_string(&value).expect("YAML"),
        "bytes: aGk=\ncut: \u{FFFD}\u{FFFD}\nint: 1152921504606846976\nnil list: null\n"
    );
    let pretty = "bytes:\n  - 104\n  - 105\ncut: !!binary 4oI=\nint: 1152921504606846976\nnil list: []\n";
    assert_eq!(to_string_pretty(&value).expect("YAML"), pretty);
    assert_eq!(to_string(&Value::Float(f64::NAN)).expect_err("no JSON").to_string(), "json: unsupported value: NaN");
}
