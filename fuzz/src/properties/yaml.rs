//! YAML and JSON: any text is read or is an error, and what is written reads back the same.

use coxswain::value::{Json, Value};
use coxswain::yaml::{json, parse, parse_members, parse_strict, parse_value, to_string, to_string_pretty};

/// Reads the text in every way, writes what came out in every way, and reads it again.
///
/// # Panics
/// Where two ways differ.
pub fn check(data: &[u8]) {
    let _ = json::decode(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (read, value) = (parse(text), parse_value(text));
    assert_eq!(read.as_ref().err().map(ToString::to_string), value.as_ref().err().map(ToString::to_string));
    assert_eq!(read.as_ref().err(), parse_members(text, &["a"]).as_ref().err(), "members are read more leniently");
    let (Ok(read), Ok(value)) = (read, value) else { return };
    if let Ok(strict) = parse_strict(text) {
        assert_eq!(strict, read, "the strict reading differs");
    }
    written(&read, &value);
}

fn written(read: &Json, value: &Value) {
    let yaml = to_string(read).ok();
    assert_eq!(yaml, to_string(value).ok(), "a value and its JSON are written differently");
    if let Some(yaml) = yaml {
        assert_eq!(parse_strict(&yaml).as_ref(), Ok(read), "{yaml:?}");
    }
    if let Ok(pretty) = to_string_pretty(value) {
        assert_eq!(parse(&pretty).as_ref(), Ok(read), "pretty: {pretty:?}");
    }
    if let Ok(text) = json::encode(value) {
        assert_eq!(json::decode(text.as_bytes()).ok().as_ref(), Some(read), "JSON: {text}");
        // Go's YAML refuses some characters that its JSON writes as they are.
        let again = parse(&text);
        assert!(again.is_err() || again.as_ref() == Ok(read), "JSON as YAML: {text}");
    }
}
